package command

import (
	"fmt"
	"io"
	"os"
	"sync"
)

// A log is the file with a trial's output. A write error does not fail the trial: the log
// keeps the error and drops the rest.
type log struct {
	mu   sync.Mutex
	file *os.File // nil: no log
	err  error
}

// openLog returns the log of a trial.
func (o *Objective) openLog(number int, inv Invocation) *log {
	l := new(log)
	if o.absolute != "" {
		l.file, l.err = os.Create(o.file(number, "log"))
	}
	l.comment("%s", inv)
	return l
}

// comment writes a line that is not output of the program.
func (l *log) comment(format string, args ...any) {
	_, _ = fmt.Fprintf(l, "# attune: "+format+"\n", args...)
}

// Write implements [io.Writer]. It never fails.
func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil && l.err == nil {
		_, l.err = l.file.Write(p)
	}
	return len(p), nil
}

// failed returns why the log is incomplete.
func (l *log) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *log) close() {
	if l.file != nil {
		l.file.Close()
	}
}

// tee returns a writer to the log and to s. Close passes the last line to s.
func (l *log) tee(s *splitter) *teed { return &teed{io.MultiWriter(l, s), s} }

type teed struct {
	io.Writer
	splitter *splitter
}

// Close passes on the last line, which may lack a line feed.
func (t *teed) Close() error {
	t.splitter.close()
	return nil
}
