package study

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/attune-hpo/attune/trial"
)

// An Observer receives the events that this process causes in a study: its asks, reports and tells, in a run or by
// hand, and the beginnings and ends of its runs. For the changes by other processes use [View.Watch].
//
// The calls of one Study are serialized, and the cause of an event waits for the call, so Observe should return quickly. An
// Observer may call [Study.Stop]; it must not ask, report or tell in the same Study, which would deadlock. The records and
// snapshots in an event are values that never change, and may be kept.
//
// An Observer that panics is not called again. The panic is recovered, runs in progress end as
// by [Study.Stop], and [Study.Optimize] and [Study.Close] return it as an error that wraps
// [ErrObserver] and a [PanicError].
type Observer interface {
	Observe(ctx context.Context, e Event)
}

// An Event is something that happened in a study. The set is closed: [Began],
// [Asked], [Reported], [Told], [Continued], [Retried], [Warned], [Ended].
//
// Study is the study as this process knew it then; the trials of other
// processes may have gone on since.
type Event interface{ event() }

type (
	// Began comes first in a run. Total is the maximum number of trials that the run will finish, or 0 if that is
	// unknown.
	Began struct {
		Study trial.Snapshot
		Total int
	}
	// Asked comes when a trial has been asked for, before it is evaluated.
	Asked struct {
		Study trial.Snapshot
		Trial trial.Record
	}
	// Reported comes after each report that was recorded. With several objectives, Values has the value of each, and
	// Report only the step: its Value is NaN.
	Reported struct {
		Study  trial.Snapshot
		Trial  trial.Record // with the report
		Report trial.Report
		Values []float64
	}
	// Told comes when a trial has finished. Its State says whether it is complete, pruned or failed, and
	// [trial.Record.Interrupted] whether it failed because its run was ended. Study includes the trial.
	Told struct {
		Study trial.Snapshot
		Trial trial.Record
	}
	// Continued comes when [Run.StopWhen] has let the run go on and says something new, such as how much is left to
	// gain.
	Continued struct {
		Study  trial.Snapshot
		Reason string
	}
	// Retried comes when a failed trial has been enqueued again: after an error, if [Run.Retries] allows it; after an
	// interruption; or after the death of its worker.
	Retried struct {
		Study trial.Snapshot
		Trial trial.Record // the one that failed
	}
	// Warned reports a problem that does not end the run: for example, that another process has taken over a trial,
	// or that a worker was found dead.
	Warned struct {
		Study trial.Snapshot
		Err   error
	}
	// Ended comes last in a run, with what Optimize returns.
	Ended struct {
		Study  trial.Snapshot
		Err    error
		Reason string // of [Run.StopWhen], if that has ended the run
	}
)

func (Began) event()     {}
func (Asked) event()     {}
func (Reported) event()  {}
func (Told) event()      {}
func (Continued) event() {}
func (Retried) event()   {}
func (Warned) event()    {}
func (Ended) event()     {}

// ErrObserver reports that an [Observer] panicked, or ended its goroutine.
var ErrObserver = errors.New("an observer panicked")

// ObserverFunc adapts a function to an [Observer].
type ObserverFunc func(ctx context.Context, e Event)

// Observe calls f.
func (f ObserverFunc) Observe(ctx context.Context, e Event) { f(ctx, e) }

// On returns an Observer that calls f for the events of one kind:
//
//	study.On(func(_ context.Context, e study.Told) { fmt.Println(e.Trial.Number) })
func On[E Event](f func(ctx context.Context, e E)) Observer {
	return ObserverFunc(func(ctx context.Context, e Event) {
		if e, ok := e.(E); ok {
			f(ctx, e)
		}
	})
}

// Tee returns an Observer that calls each of the given ones, in order. Those that
// are nil are left out.
func Tee(observers ...Observer) Observer {
	return ObserverFunc(func(ctx context.Context, e Event) {
		for _, o := range observers {
			if o != nil {
				o.Observe(ctx, e)
			}
		}
	})
}

// An audience is the observer of a study, called by one goroutine at a time until
// it panics.
type audience struct {
	observer Observer // nil if there is none

	mu  sync.Mutex // held while it is called
	err error      // of its panic
}

// hears reports whether there is an observer that has not panicked.
func (a *audience) hears() bool { return a.observer != nil }

// failed returns the error of the observer's panic.
func (a *audience) failed() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// tell passes an event to the observer. It returns the error of a panic, the first time.
func (a *audience) tell(ctx context.Context, e Event) (err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return nil
	}
	returned := false
	defer func() {
		if returned {
			return
		}
		err = fmt.Errorf("%w at %T: it ended its goroutine", ErrObserver, e)
		if v := recover(); v != nil {
			err = fmt.Errorf("%w at %T: %w", ErrObserver, e, &PanicError{v, debug.Stack()})
		}
		a.err = err
	}()
	a.observer.Observe(ctx, e)
	returned = true
	return nil
}

// observed passes an event to the observer, if there is one, with the study as it is known.
func (s *Study) observed(ctx context.Context, event func(h trial.Snapshot) Event) {
	if !s.audience.hears() {
		return
	}
	ended := true // by Goexit
	defer func() {
		if ended {
			s.end(s.audience.failed())
		}
	}()
	err := s.audience.tell(ctx, event(s.known()))
	ended = false
	if err != nil {
		s.end(err)
	}
}

func (s *Study) warn(ctx context.Context, err error) {
	s.observed(ctx, func(h trial.Snapshot) Event { return Warned{h, err} })
}
