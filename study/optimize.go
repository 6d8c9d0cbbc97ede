package study

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

// An Objective evaluates one trial: it gets parameters from the trial and returns a value for each objective. It may be
// called from several goroutines at once.
//
// It should return soon when ctx is done. An error fails the trial, or prunes it if it wraps [ErrPruned]. A panic
// fails the trial, with its stack.
type Objective interface {
	Evaluate(ctx context.Context, t *Trial) ([]float64, error)
}

// A Finisher is an [Objective] that needs to know the outcome of its trials, for example to keep the model of the
// best one. Finished is called after the trial has been told, and before the [Told] event; h is the study at that
// time. Its calls are serialized within a run. An error becomes a [Warned] event.
type Finisher interface {
	Objective
	Finished(ctx context.Context, r trial.Record, h trial.Snapshot) error
}

// Func adapts a function of one value to an [Objective].
type Func func(ctx context.Context, t *Trial) (float64, error)

// Evaluate calls f.
func (f Func) Evaluate(ctx context.Context, t *Trial) ([]float64, error) {
	v, err := f(ctx, t)
	return []float64{v}, err
}

// MultiFunc adapts a function of several values to an [Objective].
type MultiFunc func(ctx context.Context, t *Trial) ([]float64, error)

// Evaluate calls f.
func (f MultiFunc) Evaluate(ctx context.Context, t *Trial) ([]float64, error) { return f(ctx, t) }

// Run bounds a call to [Study.Optimize]. The zero value runs one worker until the
// context is done, the search space is exhausted, or [Study.Stop].
type Run struct {
	Trials  int           // how many to evaluate, whatever their outcome; 0: no bound
	Total   int           // end when the study has this many complete and pruned trials, of all processes; 0: no bound
	Timeout time.Duration // start no trial after it; those that run are finished; 0: none
	Workers int           // how many to evaluate at once, in goroutines; default 1
	// TrialTimeout bounds one evaluation: after it the evaluation's context is done, and the trial fails if the
	// objective returns an error because of that. 0: none.
	TrialTimeout time.Duration
	// Fatal reports whether an error of the objective ends the run, which then returns that error after finishing its
	// running trials. It may be called from several goroutines at once. Default: no error does.
	Fatal func(err error) bool
	// Failures is how many trials in a row may fail before the run ends with [ErrFailing], because the objective probably always
	// fails. Once a trial of the run has not failed, ten times as many in a row are allowed: the objective works somewhere, and
	// the sampler may just be searching in a bad place. Default 100; negative: no bound.
	Failures int
	// StopWhen ends the run, as [Study.Stop] does, when it returns true, with a reason in words. It is called before
	// each new trial; h is the study at that time or, with a Lag, the history that the trial would be drawn from. It
	// must not change anything. A reason with false says how far the end may be, for [Continued]. Default: none.
	// [Stagnation.Reached] is such a rule.
	StopWhen func(h trial.Snapshot) (reason string, stop bool)
	// Retries is how often a trial is enqueued again after its objective failed.
	// Default 0.
	Retries int
	// Lag, if it is not 0, makes a run reproducible: the same seed and Lag give the same trials, regardless of the
	// number of Workers and processes, the duration of trials, the machine, and interruptions. The objective must
	// depend on nothing but its parameters and [Trial.Seed].
	//
	// With a Lag of n, a trial is drawn from, and pruned by comparison with, all trials before it but the last
	// n-1. Of these n-1 trials the sampler sees only the parameters that were drawn for them. The trial begins
	// when all trials before these n-1 have ended, so at most n trials run at once, and workers wait for slow
	// trials. Choose a Lag of about twice the number of workers if some trials take much longer than others,
	// and otherwise the number of workers.
	//
	// All processes that work on the study must use the same Lag. If a run ends by its Timeout, by [Study.Stop] or by
	// an error, the number of trials depends on timing, but nothing else does. With a TrialTimeout, the outcome of a
	// trial depends on timing.
	//
	// A trial that repeats another one takes its place and gets the same parameters; see [trial.PlaceKey].
	Lag int
}

func (r Run) normalize() (Run, error) {
	for name, n := range map[string]int64{
		"trials": int64(r.Trials), "lag": int64(r.Lag), "total": int64(r.Total), "workers": int64(r.Workers),
		"retries": int64(r.Retries), "timeout": int64(r.Timeout), "trial timeout": int64(r.TrialTimeout),
	} {
		if n < 0 {
			return r, fmt.Errorf("%w: a negative %s: want 0, for the default, or more", ErrConfig, name)
		}
	}
	r.Workers = max(1, r.Workers)
	if r.Failures == 0 {
		r.Failures = 100
	}
	if r.Fatal == nil {
		r.Fatal = func(error) bool { return false }
	}
	return r, nil
}

// PanicError is the error of a trial whose objective panicked.
type PanicError struct {
	Value any
	Stack []byte
}

// Error returns the value of the panic and the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v\n\n%s", e.Value, e.Stack) }

// Unwrap returns the value of the panic if it was an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Optimize evaluates o until the run's bounds are reached, and then returns nil.
//
// A failed trial is recorded and does not end the run, unless [Run.Fatal] says so. A failure of the storage or of the
// sampler ends it with an error, and so does the end of ctx, whose cause is returned. In every case Optimize returns
// after all trials that it started are finished and recorded: results are kept even when the run is cancelled, and a
// trial that the cancellation cut short is enqueued again for the next run.
//
// Several calls, in one process or in many, may share a study. To reach a [Run.Total] they wait for one another's
// trials. They do not wait for a trial without a sign of life for twice the [Config.Grace], so the study may end with
// more than Total trials.
func (s *Study) Optimize(ctx context.Context, o Objective, run Run) error {
	bounds, err := run.normalize()
	if err == nil && o == nil {
		err = fmt.Errorf("%w: the objective is nil", ErrConfig)
	}
	if err != nil {
		return pkg.Errorf("optimize: %w", err)
	}
	if err := s.audience.failed(); err != nil {
		return pkg.Errorf("optimize: %w", err)
	}
	r := newRun(ctx, s, o, bounds)
	s.mu.Lock()
	s.runs[r] = true
	s.mu.Unlock()
	defer func() { // whatever happens, the study can be closed
		s.mu.Lock()
		delete(s.runs, r)
		s.mu.Unlock()
	}()
	err = r.all(ctx)
	s.observed(ctx, func(h trial.Snapshot) Event { return Ended{h, err, r.reason} })
	if failed := s.audience.failed(); err == nil && failed != nil {
		err = pkg.Errorf("optimize: %w", failed)
	}
	return err
}

// Stop ends the current runs of this Study as if their bounds were reached: running trials are finished. It may be
// called from an objective or an observer.
func (s *Study) Stop() { s.end(nil) }

// end stops the runs of s, for a reason or for none.
func (s *Study) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.runs {
		r.stop(err)
	}
}

// A run is a call to Optimize in progress.
type run struct {
	Run
	study     *Study
	objective Objective
	starting  context.Context // done when no further trial may start
	turns     *turns          // of the trials, if the run has a Lag

	stopped   context.CancelFunc // of starting
	workers   sync.WaitGroup
	finishing sync.Mutex // serializes Finished

	counting sync.Mutex // held from the reading of the history until a trial is counted
	started  int        // trials that next has started
	open     int        // unfinished ones among them
	progress [2]int     // evaluated trials, trials open elsewhere, and when these numbers last changed
	changed  time.Time  // and when that was

	mu       sync.Mutex // guards what follows
	works    bool       // a trial has not failed
	failures int        // in a row
	err      error      // what ended the run
	reason   string     // why StopWhen has ended it
	said     string     // what StopWhen said when it last let the run go on
}

func newRun(ctx context.Context, s *Study, o Objective, bounds Run) *run {
	r := &run{Run: bounds, study: s, objective: o}
	if bounds.Timeout > 0 {
		r.starting, r.stopped = context.WithTimeout(ctx, bounds.Timeout)
	} else {
		r.starting, r.stopped = context.WithCancel(ctx)
	}
	if r.Lag > 0 {
		r.turns = newTurns(r)
	}
	return r
}

// ask starts a trial.
func (r *run) ask(ctx context.Context) (*Trial, error) {
	if r.turns != nil {
		return r.turns.ask(ctx)
	}
	return r.study.Ask(ctx)
}

// stop lets no further trial start. The first error is what the run returns.
func (r *run) stop(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
	r.stopped()
}

// enough asks StopWhen, and ends the run if it says so.
func (r *run) enough(h trial.Snapshot) bool {
	if r.StopWhen == nil {
		return false
	}
	reason, stop := r.StopWhen(h)
	r.mu.Lock()
	news := !stop && reason != r.said
	if r.said = reason; stop {
		r.reason = reason
	}
	r.mu.Unlock()
	if stop {
		r.stop(nil)
	} else if news {
		r.study.observed(r.starting, func(h trial.Snapshot) Event { return Continued{h, reason} })
	}
	return stop
}

func (r *run) all(ctx context.Context) error {
	defer r.stopped()
	h, err := r.study.Snapshot(ctx)
	total := r.Trials
	if r.Total > 0 {
		if more := max(0, r.Total-h.Evaluated()); total == 0 || more < total {
			total = more
		}
	}
	r.study.observed(ctx, func(h trial.Snapshot) Event { return Began{h, total} })
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	var helper sync.WaitGroup
	helping, done := context.WithCancel(ctx)
	if r.study.lease.ledger != nil {
		r.reap(ctx) // first, so that those trials are next
		helper.Go(func() { r.revive(helping) })
	}
	for range r.Workers {
		r.workers.Go(func() { r.work(ctx) })
	}
	r.workers.Wait()
	if r.turns != nil {
		if err := r.turns.letGo(storage.Finish(ctx)); err != nil {
			r.stop(err)
		}
	}
	done()
	helper.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return r.err
}

// Goexit, which testing.T.FailNow calls, ends a goroutine and cannot be stopped.
var errGoexit = errors.New("the objective ended its goroutine")

// work evaluates trials until no further one may start.
func (r *run) work(ctx context.Context) {
	var current *Trial
	ended := false
	defer func() {
		switch {
		case ended:
		case current == nil: // by an observer, which has ended the run
		default: // another goroutine takes over
			r.conclude(ctx, current, nil, errGoexit)
			r.workers.Go(func() { r.work(ctx) })
		}
	}()
	for r.next() {
		t, err := r.ask(ctx)
		if err != nil {
			r.counted(-1)
			if errors.Is(err, sampler.ErrExhausted) || errors.Is(err, errNoTurn) || ctx.Err() != nil {
				err = nil
			}
			r.stop(err)
			break
		}
		current = t
		values, err := r.evaluate(ctx, t)
		current = nil
		r.conclude(ctx, t, values, err)
	}
	ended = true
}

// next reports whether another trial may start, and counts it.
func (r *run) next() bool {
	for r.starting.Err() == nil {
		if ok, wait := r.count(); !wait {
			return ok
		}
		r.idle() // other workers' trials may fail
	}
	return false
}

// idle waits until a trial of the study changes, or a while has passed: the run may end because nothing happens, or
// because of the last step of a worker of this run.
func (r *run) idle() {
	ctx, cancel := context.WithTimeout(r.starting, min(time.Second, r.study.cfg.Grace/2))
	defer cancel()
	if err := storage.Wait(ctx, r.study.ledger, r.study.cursor()); err != nil {
		<-ctx.Done() // count also gets an error of the storage
	}
}

// count counts another trial, if the bounds allow it. It says to wait if the running trials may bring the study to
// its total.
func (r *run) count() (ok, wait bool) {
	r.counting.Lock()
	defer r.counting.Unlock()
	if r.Trials > 0 && r.started == r.Trials {
		return false, false
	}
	if r.StopWhen != nil && r.turns == nil { // turns call StopWhen with the history of each trial
		h, err := r.study.Snapshot(r.starting)
		switch {
		case r.starting.Err() != nil:
			return false, false
		case err != nil:
			r.stop(err)
			return false, false
		case r.enough(h):
			return false, false
		}
	}
	if r.Total > 0 && r.turns == nil { // turns count for themselves
		h, err := r.study.Snapshot(r.starting)
		switch {
		case r.starting.Err() != nil:
			return false, false
		case err != nil || h.Evaluated() >= r.Total:
			r.stop(err)
			return false, false
		case h.Evaluated()+r.open >= r.Total || r.others(h):
			return false, true
		}
	}
	r.started++
	r.open++
	return true, false
}

// others reports whether trials of other workers may bring the study to its total, and any of them has changed
// recently.
func (r *run) others(h trial.Snapshot) bool {
	elsewhere := max(0, h.Count(trial.Running)-r.open)
	if now := [2]int{h.Evaluated(), elsewhere}; now != r.progress || r.changed.IsZero() {
		r.progress, r.changed = now, time.Now()
	}
	return h.Evaluated()+r.open+elsewhere >= r.Total && time.Since(r.changed) < 2*r.study.cfg.Grace
}

// counted says how many more trials are open.
func (r *run) counted(n int) {
	r.counting.Lock()
	defer r.counting.Unlock()
	r.open += n
}

// conclude records the outcome of a trial.
func (r *run) conclude(ctx context.Context, t *Trial, values []float64, err error) {
	// A result is recorded even if the run is being cancelled.
	keeping := storage.Finish(ctx)
	interrupted := ctx.Err() != nil && !ownFault(err)
	if interrupted && err != nil && !errors.Is(err, ErrPruned) {
		_ = t.change(trial.Noted(note(trial.InterruptedKey, true))) // tell reports it if the trial has finished
	}
	if told := r.study.tell(keeping, t, values, err); told != nil {
		r.unrecorded(keeping, t, told, values, err)
		r.ended(t)
		return
	}
	failed := t.rec.State == trial.Failed
	if !interrupted {
		r.streak(t, err)
	}
	if failed && !interrupted && r.Fatal(err) {
		r.stop(pkg.Errorf("trial %d: %w", t.rec.Number, err))
	}
	again, retry := retryOf(t.rec, r.Retries)
	if interrupted { // which does not count
		again, retry = repeatOf(t.rec), true
	}
	if retry = retry && failed; retry {
		if _, err := r.study.add1(keeping, again); err != nil {
			r.stop(err)
			retry = false
		}
	}
	r.ended(t)
	r.finished(keeping, t)
	r.study.told(keeping, t)
	if retry {
		rec := t.Record()
		r.study.observed(keeping, func(h trial.Snapshot) Event { return Retried{h, rec} })
	}
}

// ended counts t as ended. It enqueues t again if it must be repeated, and lets trials begin that waited for its end.
func (r *run) ended(t *Trial) {
	r.counted(-1)
	if r.turns != nil {
		r.turns.ended(t)
	}
}

// unrecorded handles a trial that could not be told. If another process has changed it, only this trial is lost. An
// error of the storage ends the run, and the error includes the result that could not be recorded. In both cases the
// lease is no longer renewed, so that the trial can be reaped.
func (r *run) unrecorded(ctx context.Context, t *Trial, told error, values []float64, err error) {
	r.study.lease.drop(t.rec.Number)
	if lost := (*lostError)(nil); errors.As(told, &lost) {
		r.study.warn(ctx, pkg.Errorf("%w; %w", told, r.study.fate(ctx, t.rec.Number)))
		return
	}
	outcome := fmt.Sprintf("its values %v", values)
	if err != nil {
		outcome = fmt.Sprintf("its error %q", firstLine(err.Error()))
	}
	r.stop(pkg.Errorf("%w; %w: %s", told, ErrUnrecorded, outcome))
}

// finished calls the objective's Finished for a told trial.
func (r *run) finished(ctx context.Context, t *Trial) {
	f, ok := r.objective.(Finisher)
	if !ok {
		return
	}
	r.finishing.Lock() // before the snapshot, so that they come in the order of their snapshots
	defer r.finishing.Unlock()
	h, err := r.study.Snapshot(ctx)
	if err != nil {
		r.stop(err)
		return
	}
	defer func() {
		if v := recover(); v != nil {
			r.stop(pkg.Errorf("trial %d: finished: %w", t.rec.Number, &PanicError{v, debug.Stack()}))
		}
	}()
	if err := f.Finished(ctx, t.Record(), h); err != nil {
		r.study.warn(ctx, err)
	}
}

// ownFault reports whether an error is the objective's own, and not a consequence of the end of its run.
func ownFault(err error) bool {
	var panicked *PanicError
	return errors.As(err, &panicked) || errors.Is(err, trial.ErrValues)
}

// streak counts failures in a row, and ends the run if there are too many.
func (r *run) streak(t *Trial, err error) {
	r.mu.Lock()
	r.failures++
	if t.rec.State != trial.Failed {
		r.works, r.failures = true, 0
	}
	n, most := r.failures, r.Failures
	if r.works {
		most *= worksFactor
	}
	r.mu.Unlock()
	if n == most {
		r.stop(pkg.Errorf("%w: %d, the last in trial %d: %w", ErrFailing, n, t.rec.Number, err))
	}
}

// worksFactor is how many times more failures a run allows once its objective has worked.
const worksFactor = 10

// evaluate calls the objective within its time and checks what it returns. The
// error is nil only if the trial is complete.
func (r *run) evaluate(ctx context.Context, t *Trial) ([]float64, error) {
	if t.err != nil { // an invalid enqueued value
		return nil, t.err
	}
	if r.TrialTimeout > 0 {
		late := pkg.Errorf("%w after %v", ErrTimeout, r.TrialTimeout)
		timed, cancel := context.WithTimeoutCause(ctx, r.TrialTimeout, late)
		defer cancel()
		ctx = timed
	}
	t.ctx = ctx
	values, err := survive(ctx, r.objective, t)
	if err = t.outcome(err); err == nil {
		return values, checkValues(values, r.study.header.Objectives())
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) && !errors.Is(err, ErrPruned) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	return nil, err
}

// survive calls the objective and turns a panic into an error.
func survive(ctx context.Context, o Objective, t *Trial) (values []float64, err error) {
	defer func() {
		if v := recover(); v != nil {
			values, err = nil, &PanicError{v, debug.Stack()}
		}
	}()
	return o.Evaluate(ctx, t)
}

// revive looks for dead workers from time to time, until ctx is done.
//
// If this process was suspended for longer than the grace, or its clock jumped, other processes on the machine may
// have been suspended, too. So it gives them one grace to renew their leases before it takes them for dead.
func (r *run) revive(ctx context.Context) {
	grace := r.study.cfg.Grace
	tick := time.NewTicker(interval(grace))
	defer tick.Stop()
	last := time.Now()
	trusted := last
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		byWall := now.Round(0).Sub(last.Round(0)) // which continues while the machine sleeps
		if max(now.Sub(last), byWall) > grace {
			trusted = now.Add(grace)
		}
		if last = now; !now.Before(trusted) {
			r.reap(ctx)
		}
	}
}

// reap fails the trials of dead workers and enqueues them again.
func (r *run) reap(ctx context.Context) {
	if _, err := r.study.Reap(ctx); err != nil && ctx.Err() == nil {
		r.study.warn(ctx, fmt.Errorf("looking for dead workers: %w", err))
	}
}
