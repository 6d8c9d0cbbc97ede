package command

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"
)

// drain is how long output is read after a program has exited by itself, in case a
// process that it started still writes.
const drain = time.Second

// A process is a program that runs, and all that it started.
type process struct {
	cmd    *exec.Cmd
	kill   chan struct{} // closed when whatever is left of it is to be killed
	killed sync.Once
	ended  chan struct{} // closed when nothing is left of it and its output was read
	err    error         // of its exit, once ended is closed; as exec.Cmd.Wait returns it

	mu       sync.Mutex
	gone     bool // its process id may be another process's
	stopping bool
}

// start starts a program whose output goes to the two writers, each called by one
// goroutine and closed at the end of the output.
func start(cmd *exec.Cmd, stdout, stderr io.WriteCloser) (*process, error) {
	p := &process{cmd: cmd, kill: make(chan struct{}), ended: make(chan struct{})}
	lead(cmd)
	var ours, theirs []*os.File
	closeAll := func(files []*os.File) {
		for _, f := range files {
			f.Close()
		}
	}
	for range 2 {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(ours)
			closeAll(theirs)
			return nil, err
		}
		ours, theirs = append(ours, r), append(theirs, w)
	}
	cmd.Stdout, cmd.Stderr = theirs[0], theirs[1]
	started := make(chan error)
	go func() {
		// Linux kills the program when the thread that started it ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		closeAll(theirs)
		started <- err
		if err != nil {
			closeAll(ours)
			return
		}
		p.supervise(ours, stdout, stderr)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// supervise reads the output until the program has exited, ends what is left of it, and
// reaps it.
func (p *process) supervise(outputs []*os.File, stdout, stderr io.WriteCloser) {
	defer close(p.ended)
	var reading sync.WaitGroup
	for i, w := range []io.WriteCloser{stdout, stderr} {
		reading.Go(func() {
			_, _ = io.Copy(w, outputs[i]) // an error ends it as the end does
			_ = w.Close()
		})
	}
	read := make(chan struct{})
	go func() {
		reading.Wait()
		close(read)
	}()
	reaped := exited(p.cmd)
	select {
	case <-read:
	case <-p.kill:
	case <-p.after(drain):
	}
	p.signal(killGroup)
	p.mu.Lock()
	p.gone = true
	p.mu.Unlock()
	if !reaped {
		p.err = p.cmd.Wait()
	} else if !p.cmd.ProcessState.Success() {
		p.err = &exec.ExitError{ProcessState: p.cmd.ProcessState}
	}
	select {
	case <-read:
	case <-time.After(drain): // what has left the group keeps the output open
	}
	for _, f := range outputs {
		f.Close()
	}
	<-read
}

// after returns a channel that delivers after d, unless the process is being stopped:
// then its time ends when kill is closed.
func (p *process) after(d time.Duration) <-chan time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping {
		return nil
	}
	return time.After(d)
}

// stop asks the processes to end, and kills them after the grace.
func (p *process) stop(grace time.Duration) {
	p.mu.Lock()
	p.stopping = true
	p.mu.Unlock()
	p.signal(endGroup)
	timer := time.AfterFunc(grace, p.end)
	go func() {
		<-p.ended
		timer.Stop()
	}()
}

// end kills the processes.
func (p *process) end() {
	p.signal(killGroup)
	p.killed.Do(func() { close(p.kill) })
}

// signal does something to the processes, if there are any.
func (p *process) signal(do func(*exec.Cmd)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.gone {
		do(p.cmd)
	}
}

// exitStatus returns what people call the end of a program: "exit status 1", "signal:
// killed"; "" if it ended well.
func exitStatus(err error) string {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &exit):
		return exit.ProcessState.String()
	}
	return err.Error()
}
