package study_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// leasing is a memory store whose ledgers have leases, by the clock of the
// process: in a synctest bubble, of the test.
type leasing struct {
	*memory.Store
	mu     sync.Mutex
	leases map[int]time.Time
}

func newLeasing() *leasing { return &leasing{Store: new(memory.Store), leases: map[int]time.Time{}} }

func (s *leasing) Create(ctx context.Context, header trial.Header) (storage.Ledger, error) {
	l, err := s.Store.Create(ctx, header)
	return leaser{l, s}, err
}

func (s *leasing) Open(ctx context.Context, name string) (storage.Ledger, error) {
	l, err := s.Store.Open(ctx, name)
	return leaser{l, s}, err
}

type leaser struct {
	storage.Ledger
	store *leasing
}

var _ storage.Leaser = leaser{}

func (l leaser) Start(ctx context.Context, at time.Time, key string) (trial.Record, error) {
	r, err := l.Ledger.Start(ctx, at, key)
	if err == nil {
		err = l.Renew(ctx, r.Number)
	}
	return r, err
}

func (l leaser) Renew(_ context.Context, numbers ...int) error {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	for _, n := range numbers {
		l.store.leases[n] = time.Now()
	}
	return nil
}

func (l leaser) Release(_ context.Context, numbers ...int) error {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	for _, n := range numbers {
		delete(l.store.leases, n)
	}
	return nil
}

func (l leaser) Reap(ctx context.Context, held []int, grace time.Duration, at time.Time, retry storage.Retry) ([]trial.Record, error) {
	if err := l.Renew(ctx, held...); err != nil {
		return nil, err
	}
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	var dead []trial.Record
	for u, err := range l.Since(ctx, 0) {
		if err != nil {
			return nil, err
		}
		since, leased := l.store.leases[u.Trial.Number]
		if u.Trial.State != trial.Running || !leased || time.Since(since) <= grace {
			continue
		}
		end := trial.Finished{State: trial.Failed, Err: "worker died", At: at}
		if err := l.Write(ctx, u.Trial.Number, end); err != nil {
			return nil, err
		}
		r, err := u.Trial.Apply(end)
		if err != nil {
			return nil, err
		}
		dead = append(dead, r)
		if again, ok := retry(r); ok {
			if _, err := l.Add(ctx, again); err != nil {
				return nil, err
			}
		}
	}
	return dead, nil
}

func worker(t *testing.T, store storage.Store, cfg study.Config) *study.Study {
	t.Helper()
	cfg.Sampler, cfg.Grace = random.Sampler{}, time.Minute
	st, err := study.Open(t.Context(), store, "leases", cfg)
	require.NoError(t, err)
	return st
}

func TestADeadWorkersTrialIsRunAgainOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newLeasing()
		dead := worker(t, store, study.Config{})
		tr, err := dead.Ask(t.Context())
		require.NoError(t, err)
		want := x.Suggest(tr)
		require.NoError(t, tr.Report(t.Context(), 0, 1)) // which writes x
		require.NoError(t, dead.Close())                 // it renews no longer

		time.Sleep(2 * time.Minute)
		var warned []error
		alive := worker(t, store, study.Config{Observer: study.On(func(_ context.Context, e study.Warned) { warned = append(warned, e.Err) })})
		require.NoError(t, alive.Optimize(t.Context(), study.Func(bowl), study.Run{Total: 2}))
		all := records(t, alive)
		assert.Equal(t, trial.Failed, all[0].State)
		again, _ := x.Value(all[1])
		assert.Equal(t, want, again)
		assert.Equal(t, trial.Complete, all[1].State)
		require.Len(t, warned, 1)
		assert.ErrorContains(t, warned[0], "trial 0: its worker was silent for 1m0s")
		require.NoError(t, alive.Close())
	})
}

func TestALivingWorkersTrialIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newLeasing()
		slow, other := worker(t, store, study.Config{}), worker(t, store, study.Config{})
		tr, err := slow.Ask(t.Context())
		require.NoError(t, err)
		for range 10 {
			time.Sleep(time.Minute)
			require.NoError(t, other.Optimize(t.Context(), study.Func(bowl), study.Run{Trials: 1}))
		}
		require.NoError(t, slow.Tell(t.Context(), tr, []float64{1}, nil))
		require.NoError(t, slow.Close())
		require.NoError(t, other.Close())
	})
}

func TestADetachedTrialIsNeverTakenForDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newLeasing()
		asking := worker(t, store, study.Config{Renewal: study.Never})
		tr, err := asking.Ask(t.Context())
		require.NoError(t, err)
		require.NoError(t, asking.Close())
		time.Sleep(time.Hour)
		telling := worker(t, store, study.Config{Renewal: study.Never})
		require.NoError(t, telling.Optimize(t.Context(), study.Func(bowl), study.Run{Trials: 1}))
		tr, err = telling.Attach(t.Context(), tr.Number())
		require.NoError(t, err)
		require.NoError(t, telling.Tell(t.Context(), tr, []float64{1}, nil))
		require.NoError(t, telling.Close())
	})
}

func TestAnAttachedTrialIsAnsweredFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newLeasing()
		dead := worker(t, store, study.Config{})
		tr, err := dead.Ask(t.Context())
		require.NoError(t, err)
		require.NoError(t, dead.Close())
		time.Sleep(time.Hour)
		heir := worker(t, store, study.Config{})
		tr, err = heir.Attach(t.Context(), tr.Number())
		require.NoError(t, err)
		time.Sleep(time.Hour)
		require.NoError(t, heir.Optimize(t.Context(), study.Func(bowl), study.Run{Trials: 1}))
		require.NoError(t, heir.Tell(t.Context(), tr, []float64{1}, nil))
		require.NoError(t, heir.Close())
	})
}

func TestATrialTakenForDeadDoesNotEndTheRunOfItsWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newLeasing()
		var warned error
		frozen := worker(t, store, study.Config{Observer: study.On(func(_ context.Context, e study.Warned) { warned = errors.Join(warned, e.Err) })})
		o := study.Func(func(ctx context.Context, tr *study.Trial) (float64, error) {
			if tr.Number() == 0 { // another worker decides that this one is dead
				l, err := store.Open(ctx, "leases")
				require.NoError(t, err)
				_, err = l.(storage.Leaser).Reap(ctx, nil, -1, time.Now(), func(trial.Record) (trial.Record, bool) { return trial.Record{}, false })
				require.NoError(t, err)
			}
			return bowl(ctx, tr)
		})
		require.NoError(t, frozen.Optimize(t.Context(), o, study.Run{Trials: 2}))
		require.ErrorIs(t, warned, trial.ErrFinished)
		all := records(t, frozen)
		assert.Equal(t, trial.Failed, all[0].State)
		assert.Equal(t, trial.Complete, all[1].State)
		require.NoError(t, frozen.Close())
	})
}
