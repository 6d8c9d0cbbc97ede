package study

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

// lease renews the leases of the trials that this process is working on, from
// the first to be held until stop. It does nothing if ledger is nil.
type lease struct {
	ledger storage.Leaser

	mu      sync.Mutex
	held    map[int]bool
	cancel  context.CancelFunc
	done    chan struct{}
	stopped bool
}

// hold keeps a trial alive until it is dropped.
func (l *lease) hold(number int, grace time.Duration) {
	if l.ledger == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = map[int]bool{}
	}
	l.held[number] = true
	if l.cancel != nil || l.stopped {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel, l.done = cancel, make(chan struct{})
	go l.renew(ctx, interval(grace))
}

// drop lets a trial go: it has finished, or is someone else's.
func (l *lease) drop(number int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.held, number)
}

// numbers returns the trials that are held, ascending.
func (l *lease) numbers() []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.held))
}

func (l *lease) renew(ctx context.Context, every time.Duration) {
	defer close(l.done)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if numbers := l.numbers(); len(numbers) > 0 {
			// A failure shows where it matters: in the next write of the trial.
			_ = l.ledger.Renew(ctx, numbers...)
		}
	}
}

// interval returns how often a worker says that it lives, and looks for the dead.
func interval(grace time.Duration) time.Duration { return max(grace/4, 10*time.Millisecond) }

// stop ends the renewing and waits for it.
func (l *lease) stop() {
	l.mu.Lock()
	cancel, done := l.cancel, l.done
	l.stopped = true
	l.mu.Unlock()
	if cancel != nil {
		cancel()
		<-done
	}
}

// The notes under which Optuna's own retries keep their history.
const (
	firstKey   = "failed_trial"  // number of the first trial of the series
	historyKey = "retry_history" // numbers of all that failed, in order
)

// retryOf returns the trial to enqueue in place of one that failed: with the
// parameters it had, and notes that say which it repeats. It is not ok when as
// many as most have failed already.
func retryOf(failed trial.Record, most int) (trial.Record, bool) {
	history, first := []int{}, failed.Number
	if a, ok := failed.Notes.Get(historyKey); ok {
		_ = a.Decode(&history) // what is not a list of numbers is no history
	}
	if a, ok := failed.Notes.Get(firstKey); ok {
		_ = a.Decode(&first)
	}
	if len(history) >= most {
		return trial.Record{}, false
	}
	again := repeatOf(failed)
	again.Notes = trial.Attrs{note(firstKey, first), note(historyKey, append(history, failed.Number))}
	return again, true
}

// repeatOf returns a trial to enqueue with the parameters that another had.
func repeatOf(r trial.Record) trial.Record {
	again := trial.Record{State: trial.Waiting, Fixed: r.Params.Settings(), Attrs: r.Attrs}
	for _, s := range slices.Concat(r.Fixed, r.Proposed) {
		if _, ok := space.Settings(again.Fixed).Get(s.Name); !ok {
			again.Fixed = append(again.Fixed, s)
		}
	}
	for _, key := range []string{firstKey, historyKey} {
		if a, ok := r.Notes.Get(key); ok {
			again.Notes = append(again.Notes, a)
		}
	}
	return again
}

// note returns an attribute whose value is always JSON: an integer or a list.
func note(key string, v any) trial.Attr {
	a, err := trial.NewAttr(key, v)
	if err != nil {
		panic(err)
	}
	return a
}
