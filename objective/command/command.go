package command

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// A Config says which program to run, and how. Only Args is required.
type Config struct {
	// Args are the program and its arguments, with places for parameters such as {lr}; see
	// the package documentation. A program name without a slash is looked up in PATH.
	Args []string
	// Space is the search space that the objective suggests to each trial. Give it to the study
	// as well, so that the first trial already draws it jointly.
	Space space.Space
	// Metrics are the names of the objectives. The program may print their values under them.
	Metrics []string
	// Matches find values in lines of standard output and standard error that are not
	// messages to the study. A group is named step, value or an objective's name. A single
	// unnamed group is the value. For each line, the first match counts:
	//
	//	epoch (?P<step>\d+) loss (?P<value>\S+)
	//	final loss: (\S+)
	Matches []*regexp.Regexp
	// Dir is the folder in which the program runs. Default: the current folder.
	Dir string
	// Env are variables, NAME=VALUE, added to the environment of this process.
	Env []string
	// Logs is a folder for the output and the parameters of each trial: trial-12.log and
	// trial-12.json. New creates it. Default: none are kept.
	Logs string
	// Grace is the time from SIGTERM to SIGKILL. Default 10 seconds; negative: none.
	Grace time.Duration
	// Workers is the number of programs that run at once, as in [study.Run.Workers]. They
	// share the GPUs and Threads. Default 1.
	Workers int
	// GPUs are distributed to the workers in CUDA_VISIBLE_DEVICES. If there are more GPUs
	// than workers, each worker gets several; if there are fewer, workers share them.
	// Default: the variable is not changed. [GPUs] lists the GPUs of this machine.
	GPUs []string
	// Threads is the number of threads that a program may use. It is passed in
	// ATTUNE_THREADS, and in variables that libraries for linear algebra read, such as
	// OMP_NUM_THREADS, unless they are set. Default: with several workers, an equal share of
	// the processors, but at least 1; with one worker, no variables. Negative: no
	// variables.
	Threads int
}

// An Objective runs a program for each trial. It is a [study.Objective], safe for
// concurrent use.
type Objective struct {
	cfg      Config
	args     template
	reader   reader
	vars     map[string]string // environment variable by parameter
	absolute string            // path of Logs

	mu   sync.Mutex
	busy []bool // workers
	now  chan struct{}
	once sync.Once
}

var _ study.Objective = (*Objective)(nil)

// New returns the objective of a program. It fails with [ErrConfig] if cfg is invalid, and
// with [ErrStart] if the program does not exist or is not executable.
func New(cfg Config) (*Objective, error) {
	o, err := newObjective(cfg)
	if err != nil {
		return nil, pkg.Errorf("%w", err)
	}
	return o, nil
}

func newObjective(cfg Config) (*Objective, error) {
	if len(cfg.Args) == 0 || cfg.Args[0] == "" {
		return nil, fmt.Errorf("%w: there is no program: its arguments are empty", ErrConfig)
	}
	if cfg.Grace == 0 {
		cfg.Grace = 10 * time.Second
	}
	cfg.Grace, cfg.Workers = max(0, cfg.Grace), max(1, cfg.Workers)
	var err error
	if cfg.Space, err = cfg.Space.Normalize(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	o := &Objective{cfg: cfg, reader: reader{cfg.Metrics, cfg.Matches}, now: make(chan struct{})}
	if o.args, err = parse(cfg.Args, cfg.Space); err != nil {
		return nil, err
	}
	if o.vars, err = variables(cfg.Space); err != nil {
		return nil, err
	}
	if slices.Contains(cfg.Metrics, "step") {
		return nil, fmt.Errorf("%w: an objective is called step, which means something else in the output", ErrConfig)
	}
	for _, re := range cfg.Matches {
		if err := o.reader.checkMatch(re); err != nil {
			return nil, err
		}
	}
	if some, _ := o.args[0].places(); !some && cfg.Dir == "" {
		if _, err := exec.LookPath(cfg.Args[0]); err != nil {
			return nil, cannotStart(cfg.Args[0], err)
		}
	}
	if cfg.Logs != "" {
		if o.absolute, err = absolute(cfg.Logs); err == nil {
			err = os.MkdirAll(o.absolute, 0o777)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: logs: %w", ErrConfig, err)
		}
	}
	return o, nil
}

// Unstartable reports whether a trial failed because its program cannot be started, so every
// other trial would fail too. It is meant for [study.Run.Fatal].
func Unstartable(err error) bool { return errors.Is(err, ErrStart) }

// cannotStart returns why a program cannot be started, and the way out. It wraps ErrStart
// unless the reason may pass, such as too many processes.
func cannotStart(program string, err error) error {
	if e := (*exec.Error)(nil); errors.As(err, &e) {
		err = e.Err
	}
	if p := (*os.PathError)(nil); errors.As(err, &p) {
		err = p.Err
	}
	switch missing := errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist); {
	case missing && !strings.ContainsAny(program, `/\`):
		return fmt.Errorf("%w: %q: not found in PATH: a program in this folder is ./%s", ErrStart, program, program)
	case missing:
		return fmt.Errorf("%w: %q: no such file, or its interpreter does not exist", ErrStart, program)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w: %q: %w: make it executable (chmod +x), or name its interpreter first, as in python3 %s", ErrStart, program, err, program)
	case notExecutable(err):
		return fmt.Errorf("%w: %q: %w: a script needs a first line such as #!/bin/sh, or name its interpreter first, as in sh %s", ErrStart, program, err, program)
	}
	return fmt.Errorf("start %q: %w", program, err)
}

// Kill kills the running programs immediately. All evaluations fail at once, and so do later
// ones.
func (o *Objective) Kill() { o.once.Do(func() { close(o.now) }) }

// take returns the lowest worker number that is not in use.
func (o *Objective) take() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	i := slices.Index(o.busy, false)
	if i < 0 {
		i = len(o.busy)
		o.busy = append(o.busy, false)
	}
	o.busy[i] = true
	return i
}

func (o *Objective) give(worker int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.busy[worker] = false
}

var errKilled = errors.New("killed")

// Evaluate implements [study.Objective]: it runs the program for t and returns the values
// that it prints.
func (o *Objective) Evaluate(ctx context.Context, t *study.Trial) ([]float64, error) {
	for _, a := range o.cfg.Space {
		if a.Exists(t) {
			t.Suggest(a)
		}
	}
	if err := t.Err(); err != nil {
		return nil, err
	}
	worker := o.take()
	defer o.give(worker)
	values, err := o.evaluate(ctx, t, worker)
	if err != nil {
		return nil, pkg.Errorf("%w", err)
	}
	return values, nil
}

func (o *Objective) evaluate(ctx context.Context, t *study.Trial, worker int) ([]float64, error) {
	inv, remove, err := o.prepare(t, worker)
	if err != nil {
		return nil, err
	}
	defer remove()
	log := o.openLog(t.Number(), inv)
	defer log.close()
	e := &evaluation{objective: o, trial: t, messages: make(chan heard)}
	cmd := exec.Command(inv.Args[0], inv.Args[1:]...)
	cmd.Dir = o.cfg.Dir
	cmd.Env = slices.Concat(inherited(), o.cfg.Env, inv.Env, o.shared(worker))
	stdout, stderr := e.splitter(true), e.splitter(false)
	p, err := start(cmd, log.tee(stdout), log.tee(stderr))
	if err != nil {
		return nil, cannotStart(inv.Args[0], err)
	}
	begun := time.Now()
	err = e.follow(ctx, p)
	status := exitStatus(p.err)
	log.comment("%s after %v", orElse(status, "exit status 0"), time.Since(begun).Round(time.Millisecond))
	if failed := log.failed(); failed != nil {
		t.SetAttr("log_error", failed.Error())
	}
	switch {
	case err != nil:
		return nil, err
	case status != "":
		return nil, e.failure(status)
	}
	return e.result()
}

// orElse returns text or, if that is empty, other.
func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// An evaluation follows a program until it ends.
type evaluation struct {
	objective *Objective
	trial     *study.Trial
	messages  chan heard

	values []float64       // the last values
	named  map[int]float64 // the last values by objective
	latest []float64       // values of the last step
	out    tail            // end of standard output; owned by its splitter until the process has ended
	errs   tail            // end of standard error
}

// heard is the message in a line of output, or the error of reading it.
type heard struct {
	message
	err error
}

// splitter returns the writer that finds messages in standard output or standard error.
func (e *evaluation) splitter(standard bool) *splitter {
	lines := &e.errs
	if standard {
		lines = &e.out
	}
	return &splitter{line: func(line string) {
		lines.add(line)
		if m, ok, err := e.objective.reader.read(line, standard); ok {
			e.messages <- heard{m, err}
		}
	}}
}

// follow handles the messages of a program until it has ended and all output is read. It
// returns why the program was stopped, or nil if it ended by itself.
func (e *evaluation) follow(ctx context.Context, p *process) (cause error) {
	stop := func(err error) {
		if cause == nil {
			cause = err
			p.stop(e.objective.cfg.Grace)
		}
	}
	done, now := ctx.Done(), e.objective.now
	for {
		select {
		case m := <-e.messages:
			if cause != nil {
				break
			}
			if err := e.accept(ctx, m); err != nil {
				stop(err)
			}
		case <-done:
			done = nil
			stop(context.Cause(ctx))
		case <-now:
			now = nil
			stop(errKilled)
			p.end()
		case <-p.ended:
			return cause
		}
	}
}

// accept handles a message. An error ends the program.
func (e *evaluation) accept(ctx context.Context, m heard) error {
	if m.err != nil {
		return m.err
	}
	for _, c := range m.constraints {
		e.trial.Constrain(c.Name, c.Value)
	}
	for _, a := range m.attrs {
		e.trial.SetAttr(a.key, a.value)
	}
	if err := e.trial.Err(); err != nil {
		return err
	}
	switch {
	case m.step >= 0:
		e.latest = m.vector()
		err := e.trial.ReportValues(ctx, m.step, e.latest...)
		if errors.Is(err, trial.ErrReport) { // the step has a value already, which stays
			err = nil
		}
		return err
	case m.values != nil:
		e.values, e.named = m.values, nil
	case m.named != nil:
		if e.named == nil {
			e.values, e.named = nil, map[int]float64{}
		}
		for i, x := range m.named {
			e.named[i] = x
		}
	}
	return nil
}

// vector returns the values of a message, in the order of the objectives.
func (m message) vector() []float64 {
	if len(m.values) > 0 {
		return m.values
	}
	var values []float64
	for _, i := range slices.Sorted(maps.Keys(m.named)) {
		values = append(values, m.named[i])
	}
	return values
}

// result returns the values of a program that exited with status 0.
func (e *evaluation) result() ([]float64, error) {
	values := e.values
	if e.named != nil {
		for i, name := range e.objective.cfg.Metrics {
			x, ok := e.named[i]
			if !ok {
				return nil, fmt.Errorf("%w: the program printed no value of %q", ErrOutput, name)
			}
			values = append(values, x)
		}
	}
	if values == nil {
		values = e.latest
	}
	if values == nil {
		return nil, fmt.Errorf(`%w: the program printed no value: want a line "attune: value=0.39", or a regular expression that finds it`, ErrOutput)
	}
	for _, x := range values {
		if math.IsNaN(x) {
			return nil, fmt.Errorf("%w: the value is NaN", trial.ErrValues)
		}
	}
	return values, nil
}

// failure returns the error of a failed program, with the last lines of its output.
func (e *evaluation) failure(status string) error {
	lines := e.errs
	if len(lines) == 0 {
		lines = e.out
	}
	if last := lines.last(); last != "" {
		return fmt.Errorf("%s: %s\n\n%s", status, last, strings.Join(lines, "\n"))
	}
	return errors.New(status)
}
