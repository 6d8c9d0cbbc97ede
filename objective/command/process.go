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

// drain is how long to read output after a program has exited by itself, in case a process
// that it started still writes.
const drain = time.Second

// A process is a running program with all processes that it started.
type process struct {
	cmd    *exec.Cmd
	kill   chan struct{} // closed to kill all of its processes
	killed sync.Once
	ended  chan struct{} // closed when all of its processes have ended and the output is read
	err    error         // result of exec.Cmd.Wait, once ended is closed

	mu       sync.Mutex
	gone     bool // its process id may now belong to another process
	stopping bool
}

// start starts a program with the two writers for its output. Each writer is called by one
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

// supervise reads the output until the program has exited, then ends its remaining processes
// and reaps it.
func (p *process) supervise(outputs []*os.File, stdout, stderr io.WriteCloser) {
	defer close(p.ended)
	var reading sync.WaitGroup
	for i, w := range []io.WriteCloser{stdout, stderr} {
		reading.Go(func() {
			_, _ = io.Copy(w, outputs[i]) // an error counts as the end
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
	case <-time.After(drain): // a process outside the group keeps the output open
	}
	for _, f := range outputs {
		f.Close()
	}
	<-read
}

// after returns a channel that delivers after d. If the process is being stopped, the result
// is nil, and only kill ends the wait.
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

// signal calls do for the process, unless it is gone.
func (p *process) signal(do func(*exec.Cmd)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.gone {
		do(p.cmd)
	}
}

// exitStatus returns a description of the end of a program, such as "exit status 1" or
// "signal: killed", or "" if it succeeded.
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
