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
	at      map[int]time.Time // when the leases of other trials were renewed, if it was a moment ago
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

// renewed notes that the lease of a trial which is not held was renewed.
func (l *lease) renewed(number int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at == nil {
		l.at = map[int]time.Time{}
	}
	l.at[number] = time.Now()
}

// isFresh reports whether the lease of a trial was renewed a moment ago.
func (l *lease) isFresh(number int, grace time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok := l.at[number]
	return ok && time.Since(at) < moment(grace)
}

// forget forgets when leases were renewed that are not fresh.
func (l *lease) forget(grace time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.at, func(_ int, at time.Time) bool { return time.Since(at) >= moment(grace) })
}

// moment is how long a lease counts as new if a caller renews it: otherwise each report would take two writes. Reap
// allows for it.
func moment(grace time.Duration) time.Duration { return grace / 8 }

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
			// An error is not lost: the next write of the trial fails, too.
			_ = l.ledger.Renew(ctx, numbers...)
		}
	}
}

// Renew renews the leases of the given trials, whose workers are alive, if this Study does not do so by itself; see
// [Config.Renewal]. A detached trial has a lease from its first Renew on. Finished trials are skipped; a number that
// the study does not have fails with [storage.ErrNoTrial]. If the storage has no leases, Renew does nothing.
func (s *Study) Renew(ctx context.Context, numbers ...int) error {
	if s.lease.ledger == nil || len(numbers) == 0 {
		return nil
	}
	if err := s.lease.ledger.Renew(ctx, numbers...); err != nil {
		return pkg.Errorf("renew: %w", err)
	}
	return nil
}

// Reap looks for dead workers: it fails the running trials whose lease has not been renewed for the [Config.Grace],
// enqueues them again at most [Config.Revivals] times, and returns the failed trials. Trials that this Study renews
// are not among them. If several processes call Reap, only one of them reaps a trial. If the storage has no leases,
// Reap does nothing.
//
// Optimize calls Reap by itself. A program that asks and tells should call it from time to time, say four times every
// Grace.
func (s *Study) Reap(ctx context.Context) ([]trial.Record, error) {
	if s.lease.ledger == nil {
		return nil, nil
	}
	grace := s.cfg.Grace
	if s.cfg.Renewal == ByCaller {
		grace += moment(grace)
		s.lease.forget(s.cfg.Grace)
	}
	again := map[int]bool{}
	dead, err := s.lease.ledger.Reap(ctx, s.lease.numbers(), grace, time.Now(), func(failed trial.Record) (retry trial.Record, ok bool) {
		retry, ok = retryOf(failed, s.cfg.Revivals)
		again[failed.Number] = ok
		return retry, ok
	})
	if err != nil {
		return nil, pkg.Errorf("reap: %w", err)
	}
	for _, d := range dead {
		outcome := "not enqueued again, because its workers have died too often"
		if again[d.Number] {
			outcome = "enqueued again"
		}
		s.warn(ctx, pkg.Errorf("trial %d failed: its worker was silent for %v; it is %s", d.Number, s.cfg.Grace, outcome))
		if again[d.Number] {
			s.observed(ctx, func(h trial.Snapshot) Event { return Retried{h, d} })
		}
	}
	return dead, nil
}

// interval returns how often a worker renews its leases, and looks for dead workers.
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

// retryOf returns the trial to enqueue in place of a failed one, with its parameters, and with notes that name the
// trial that it repeats. It returns false if already most of them have failed.
func retryOf(failed trial.Record, most int) (trial.Record, bool) {
	history := []int{}
	if a, ok := failed.Notes.Get(historyKey); ok {
		_ = a.Decode(&history) // anything but a list of numbers is not a history
	}
	if len(history) >= most {
		return trial.Record{}, false
	}
	again := repeatOf(failed)
	again.Notes = again.Notes.With(note(historyKey, append(history, failed.Number)))
	return again, true
}

// firstOf returns the number of the trial that r repeats, or its own.
func firstOf(r trial.Record) int {
	first := r.Number
	if a, ok := r.Notes.Get(firstKey); ok && a.Decode(&first) != nil {
		return r.Number
	}
	return first
}

// repeatOf returns a trial to enqueue with the parameters of another one. Its history does not count this repetition.
func repeatOf(r trial.Record) trial.Record {
	again := trial.Record{State: trial.Waiting, Fixed: r.Params.Settings(), Attrs: r.Attrs, Notes: trial.Attrs{note(firstKey, firstOf(r))}}
	for _, s := range slices.Concat(r.Fixed, r.Proposed) {
		if _, ok := space.Settings(again.Fixed).Get(s.Name); !ok {
			again.Fixed = append(again.Fixed, s)
		}
	}
	if a, ok := r.Notes.Get(historyKey); ok {
		again.Notes = append(again.Notes, a)
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
