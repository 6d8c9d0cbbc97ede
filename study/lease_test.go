package study_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
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
	deaf   bool                 // Renew does nothing, as if its process was suspended
	reap   func(calls int) bool // called by Reap first, and whether that is all; may be nil
	calls  int                  // of Reap
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
	if !l.store.deaf {
		l.store.renew(numbers)
	}
	return nil
}

func (s *leasing) renew(numbers []int) {
	for _, n := range numbers {
		s.leases[n] = time.Now()
	}
}

// suspend lets time pass in which no worker renews its leases.
func (s *leasing) suspend(d time.Duration) {
	s.mu.Lock()
	s.deaf = true
	s.mu.Unlock()
	time.Sleep(d)
	s.mu.Lock()
	s.deaf = false
	s.mu.Unlock()
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
	if l.store.reap != nil {
		if l.store.calls++; l.store.reap(l.store.calls) {
			return nil, nil
		}
	}
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	l.store.renew(held)
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
		assert.ErrorContains(t, warned[0], "trial 0 failed: its worker was silent for 1m0s")
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

// A process that was suspended for longer than the grace looks for dead workers before it has renewed its own leases.
func TestASuspendedProcessDoesNotTakeItselfForDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newLeasing()
		observer, log := diary()
		st := worker(t, store, study.Config{Observer: observer})
		slow := study.Func(func(ctx context.Context, tr *study.Trial) (float64, error) {
			store.suspend(5 * time.Minute)
			return bowl(ctx, tr)
		})
		require.NoError(t, st.Optimize(t.Context(), slow, study.Run{Trials: 1}))
		assert.Equal(t, []string{"began 1 of 0", "asked 0, 1 running", "told 0 complete of 1", "ended <nil>"}, *log)
		require.NoError(t, st.Close())
	})
}

// If several processes on a machine were suspended together, the one that wakes up first gives the others time to renew
// their leases.
func TestASuspendedProcessDoesNotTakeOthersForDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newLeasing()
		other := worker(t, store, study.Config{})
		st := worker(t, store, study.Config{})
		theirs, err := other.Ask(t.Context())
		require.NoError(t, err)
		store.reap = func(calls int) bool {
			if calls == 3 {
				store.suspend(2*time.Minute + time.Second) // the other process renews its leases only later
			}
			return calls == 3
		}
		slow := study.Func(func(ctx context.Context, tr *study.Trial) (float64, error) {
			time.Sleep(10 * time.Minute)
			return bowl(ctx, tr)
		})
		require.NoError(t, st.Optimize(t.Context(), slow, study.Run{Trials: 1}))
		require.Greater(t, store.calls, 5, "and it goes on to look for the dead")
		require.NoError(t, other.Tell(t.Context(), theirs, []float64{1}, nil))
		require.NoError(t, st.Close())
		require.NoError(t, other.Close())
	})
}

// A server asks on behalf of its clients, and renews the leases of those that send requests.
func TestTheCallerRenewsAndReaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newLeasing()
		observer, log := diary()
		st := worker(t, store, study.Config{Renewal: study.ByCaller, Revivals: 1, Observer: observer})
		silent, err := st.Ask(t.Context())
		require.NoError(t, err)
		alive, err := st.Ask(t.Context())
		require.NoError(t, err)
		want := x.Suggest(silent)
		for range 3 {
			time.Sleep(25 * time.Second)
			require.NoError(t, st.Renew(t.Context(), alive.Number()))
		}
		dead, err := st.Reap(t.Context())
		require.NoError(t, err)
		require.Len(t, dead, 1)
		assert.Equal(t, silent.Number(), dead[0].Number)
		require.ErrorIs(t, silent.Report(t.Context(), 0, 1), trial.ErrFinished)
		require.NoError(t, st.Tell(t.Context(), alive, []float64{1}, nil))

		again, err := st.Ask(t.Context())
		require.NoError(t, err)
		assert.Equal(t, want, x.Suggest(again))
		time.Sleep(2 * time.Minute)
		dead, err = st.Reap(t.Context())
		require.NoError(t, err)
		require.Len(t, dead, 1)
		assert.Equal(t, []string{
			"asked 0, 1 running", "asked 1, 2 running",
			"warned study: trial 0 failed: its worker was silent for 1m0s; it is enqueued again", "retried 0 failed, 0 waiting",
			"told 1 complete of 2", "asked 2, 1 running",
			"warned study: trial 2 failed: its worker was silent for 1m0s; it is not enqueued again, because its workers have died too often",
		}, *log)
		require.NoError(t, st.Renew(t.Context()), "of nothing")
		require.NoError(t, st.Close())
	})
	st := open(t, study.Config{}) // a storage without leases
	require.NoError(t, st.Renew(t.Context(), 7))
	dead, err := st.Reap(t.Context())
	require.NoError(t, err)
	assert.Empty(t, dead)
}

// A server attaches to a trial at each request about it. This renews the lease only a few times in a grace, but a
// worker may still be silent for a whole grace.
func TestAttachRenewsSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newLeasing()
		st := worker(t, store, study.Config{Renewal: study.ByCaller})
		asked, err := st.Ask(t.Context())
		require.NoError(t, err)
		lease := func() time.Time { return store.leases[asked.Number()] }
		begun := lease()
		attach := func() {
			_, err := st.Attach(t.Context(), asked.Number())
			require.NoError(t, err)
		}
		time.Sleep(7 * time.Second) // a grace is a minute
		attach()
		assert.Equal(t, begun, lease())
		time.Sleep(time.Second)
		attach()
		assert.Equal(t, time.Now(), lease())
		time.Sleep(7 * time.Second)
		attach()
		time.Sleep(time.Minute - time.Millisecond)
		dead, err := st.Reap(t.Context())
		require.NoError(t, err)
		assert.Empty(t, dead, "the worker was silent for less than a grace")
		time.Sleep(time.Minute / 8)
		dead, err = st.Reap(t.Context())
		require.NoError(t, err)
		assert.Len(t, dead, 1)
		require.NoError(t, st.Close())
	})
}

func TestADetachedTrialHasALeaseOnceItIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newLeasing()
		st := worker(t, store, study.Config{Renewal: study.Never})
		tr, err := st.Ask(t.Context())
		require.NoError(t, err)
		time.Sleep(time.Hour)
		dead, err := st.Reap(t.Context())
		require.NoError(t, err)
		require.Empty(t, dead)
		require.NoError(t, st.Renew(t.Context(), tr.Number()))
		time.Sleep(time.Hour)
		dead, err = st.Reap(t.Context())
		require.NoError(t, err)
		require.Len(t, dead, 1)
		require.NoError(t, st.Close())
	})
}

// A worker may be taken for dead while it asks, because it is suspended or its sampler is slow. It then asks for
// another trial.
func TestATrialLostWhileItIsAskedForDoesNotEndTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newLeasing()
		lost := 0
		slow := sampler.Func(func(ctx context.Context, r sampler.Request) (sampler.Proposal, error) {
			if r.Number == 1 { // another worker decides that this one is dead
				l, err := store.Open(ctx, "leases")
				require.NoError(t, err)
				require.NoError(t, l.Write(ctx, 1, trial.Finished{State: trial.Failed, Err: "its worker was silent"}))
				lost++
			}
			return random.Sampler{}.Sample(ctx, r)
		})
		observer, log := diary()
		st, err := study.Open(t.Context(), store, "leases", study.Config{Sampler: slow, Space: space.Of(x, y), Grace: time.Minute, Observer: observer})
		require.NoError(t, err)
		require.NoError(t, st.Optimize(t.Context(), study.Func(bowl), study.Run{Trials: 3}))
		assert.Equal(t, 1, lost)
		require.Len(t, records(t, st), 4)
		assert.Contains(t, strings.Join(*log, "\n"), "warned study: ask: trial 1: ")
		require.NoError(t, st.Close())
	})
}
