package study_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
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

// Interference by another process costs the affected trial, never the run. Optuna may claim a waiting trial that a
// worker already has.
func TestATrialThatAnotherProcessChangesCostsNoRun(t *testing.T) {
	axis := x.Axis()
	for name, test := range map[string]struct {
		changes []trial.Change
		report  bool // what the worker does before it returns
	}{
		"suggests its parameter":           {[]trial.Change{trial.Suggested{Space: space.Space{axis}, Point: []float64{1}}}, false},
		"suggests it, and the worker asks": {[]trial.Change{trial.Suggested{Space: space.Space{axis}, Point: []float64{1}}}, true},
		"reports at its step":              {[]trial.Change{trial.Reported{Step: 1, Value: 2}}, true},
		"completes it":                     {[]trial.Change{trial.Finished{State: trial.Complete, Values: []float64{7}}}, false},
		"fails it":                         {[]trial.Change{trial.Finished{State: trial.Failed, Err: "killed"}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			store := new(memory.Store)
			observer, log := diary()
			st := openIn(t, store, study.Config{Observer: observer})
			_, err := st.Enqueue(t.Context(), x.At(0.5))
			require.NoError(t, err)
			o := study.Func(func(ctx context.Context, tr *study.Trial) (float64, error) {
				if tr.Number() == 0 {
					l, err := store.Open(ctx, "test")
					require.NoError(t, err)
					require.NoError(t, l.Write(ctx, 0, test.changes...))
				}
				v, err := bowl(ctx, tr)
				if test.report {
					err = tr.Report(ctx, 1, v)
				}
				return v, err
			})
			require.NoError(t, st.Optimize(t.Context(), o, study.Run{Trials: 3}))
			all := records(t, st)
			require.Len(t, all, 3)
			assert.Equal(t, trial.Complete, all[1].State)
			assert.Equal(t, trial.Complete, all[2].State)
			if all[0].State == trial.Failed && all[0].Err != "killed" {
				return // its own report was refused: the trial is this worker's to fail
			}
			assert.Contains(t, fmt.Sprint(*log), "warned study: tell: trial 0: ")
		})
	}
}

// busy is a store whose ledgers are locked by others for a while.
type busy struct {
	*memory.Store
	from, to time.Time
}

func (b *busy) Create(ctx context.Context, h trial.Header) (storage.Ledger, error) {
	l, err := b.Store.Create(ctx, h)
	return busyLedger{l, b}, err
}

func (b *busy) Open(ctx context.Context, name string) (storage.Ledger, error) {
	l, err := b.Store.Open(ctx, name)
	return busyLedger{l, b}, err
}

type busyLedger struct {
	storage.Ledger
	*busy
}

func (l busyLedger) locked() error {
	if now := time.Now(); now.After(l.from) && now.Before(l.to) {
		return storage.ErrBusy
	}
	return nil
}

func (l busyLedger) Write(ctx context.Context, n int, changes ...trial.Change) error {
	if err := l.locked(); err != nil {
		return err
	}
	return l.Ledger.Write(ctx, n, changes...)
}

func (l busyLedger) Start(ctx context.Context, at time.Time, key string) (trial.Record, error) {
	if err := l.locked(); err != nil {
		return trial.Record{}, err
	}
	return l.Ledger.Start(ctx, at, key)
}

func (l busyLedger) Since(ctx context.Context, after storage.Cursor) iter.Seq2[storage.Update, error] {
	return func(yield func(storage.Update, error) bool) {
		if err := l.locked(); err != nil {
			yield(storage.Update{}, err)
			return
		}
		l.Ledger.Since(ctx, after)(yield)
	}
}

func TestALockedStorageFailsNoTrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &busy{Store: new(memory.Store)}
		st := openIn(t, store, study.Config{})
		store.from, store.to = time.Now().Add(90*time.Second), time.Now().Add(140*time.Second)
		slow := study.Func(func(ctx context.Context, tr *study.Trial) (float64, error) {
			for step := range 10 {
				time.Sleep(time.Duration(3+tr.Number()) * time.Second)
				if err := tr.Report(ctx, step, 1); err != nil {
					return 0, err
				}
			}
			return bowl(ctx, tr)
		})
		require.NoError(t, st.Optimize(t.Context(), slow, study.Run{Trials: 12, Workers: 4}))
		for _, r := range records(t, st) {
			assert.Equal(t, trial.Complete, r.State, r.Err)
		}
	})
}

func TestAValueThatCannotBeRecordedIsInTheError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &busy{Store: new(memory.Store)}
		st := openIn(t, store, study.Config{})
		o := study.Func(func(ctx context.Context, tr *study.Trial) (float64, error) {
			store.from, store.to = time.Now().Add(-1), time.Now().Add(time.Hour)
			return 0.0625, nil
		})
		begun := time.Now()
		err := st.Optimize(t.Context(), o, study.Run{Trials: 3})
		require.ErrorIs(t, err, storage.ErrBusy)
		require.ErrorContains(t, err, "trial 0")
		require.ErrorIs(t, err, study.ErrUnrecorded)
		require.ErrorContains(t, err, "not recorded: its values [0.0625]")
		assert.GreaterOrEqual(t, time.Since(begun), time.Minute, "it was tried again")
		time.Sleep(time.Hour)
	})
}

// A run continues as long as its objective works somewhere.
func TestFailuresEndARunInWhichNothingWorks(t *testing.T) {
	boom := errors.New("boom")
	failing := func(ok func(n int) bool) study.Func {
		return func(_ context.Context, tr *study.Trial) (float64, error) {
			if ok(tr.Number()) {
				return 1, nil
			}
			return math.NaN(), boom
		}
	}
	for name, test := range map[string]struct {
		ok   func(n int) bool
		ends int // trials when it ends; 0: it does not
	}{
		"nothing works":          {func(int) bool { return false }, 7},
		"one in sixty works":     {func(n int) bool { return n%60 == 5 }, 0},
		"it stops to work":       {func(n int) bool { return n < 20 }, 20 + 70},
		"it works again in time": {func(n int) bool { return n < 20 || n > 88 }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			st := open(t, study.Config{})
			err := st.Optimize(t.Context(), failing(test.ok), study.Run{Trials: 300, Failures: 7})
			if test.ends == 0 {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, study.ErrFailing)
			assert.Len(t, records(t, st), test.ends)
		})
	}
}

// A sampler of a finite space. Another process takes its last point after Exhausted has returned false, before the
// draw.
type taken struct{}

func (taken) Sample(context.Context, sampler.Request) (sampler.Proposal, error) {
	return sampler.Proposal{}, sampler.ErrExhausted
}

func (taken) Exhausted(space.Space, trial.Snapshot) bool { return false }

func TestAPointThatAnotherProcessTakesIsNoFailure(t *testing.T) {
	st := open(t, study.Config{Sampler: taken{}, Space: space.Of(x)})
	require.NoError(t, st.Optimize(t.Context(), study.Func(bowl), study.Run{Trials: 5}))
	all := records(t, st)
	require.Len(t, all, 1)
	assert.True(t, all[0].Interrupted(), "it says nothing about the parameters")
}

func TestAskOnce(t *testing.T) {
	ctx, store := t.Context(), new(memory.Store)
	observer, log := diary()
	st := openIn(t, store, study.Config{Observer: observer, Space: space.Of(x), Renewal: study.ByCaller})
	other := openIn(t, store, study.Config{Space: space.Of(x), Renewal: study.ByCaller})
	first, err := st.AskOnce(ctx, "job 7")
	require.NoError(t, err)
	for _, s := range []*study.Study{st, other} {
		again, err := s.AskOnce(ctx, "job 7")
		require.NoError(t, err)
		assert.Equal(t, first.Number(), again.Number())
		assert.Equal(t, x.Suggest(first), x.Suggest(again))
		assert.Equal(t, "job 7", again.Record().Key())
	}
	next, err := other.AskOnce(ctx, "job 8")
	require.NoError(t, err)
	assert.Equal(t, 1, next.Number())
	again, err := other.AskOnce(ctx, "job 7")
	require.NoError(t, err)
	v := y.Suggest(again)
	require.NoError(t, again.Report(ctx, 1, 2))
	require.NoError(t, other.Tell(ctx, again, []float64{3}, nil))

	done, err := st.AskOnce(ctx, "job 7")
	require.NoError(t, err)
	assert.Equal(t, trial.Complete, done.Record().State)
	assert.Equal(t, []float64{3}, done.Record().Values)
	got, _ := y.Value(done)
	assert.Equal(t, v, got)
	require.ErrorIs(t, done.Report(ctx, 3, 1), trial.ErrFinished)
	require.ErrorIs(t, st.Tell(ctx, done, []float64{1}, nil), trial.ErrFinished)
	assert.Equal(t, []string{"asked 0, 1 running", "asked 0, 1 running"}, *log, "it is asked for twice, and finished then")
	for _, key := range []string{"", "\xff"} {
		_, err = st.AskOnce(ctx, key)
		require.ErrorIs(t, err, study.ErrConfig, key)
	}
	assert.Len(t, records(t, st), 2)
}

// A program enqueues its settings each time it starts. They do not cover all parameters, so the repetition of an
// interrupted trial has more parameters.
func TestEnqueueOnceAfterAnInterruption(t *testing.T) {
	interrupt := func(st *study.Study) {
		ctx, cancel := context.WithCancel(t.Context())
		require.ErrorIs(t, st.Optimize(ctx, study.Func(func(ctx context.Context, tr *study.Trial) (float64, error) {
			bowl(ctx, tr)
			cancel()
			return 0, ctx.Err()
		}), study.Run{Trials: 1}), context.Canceled)
	}
	fail := func(st *study.Study) {
		require.NoError(t, st.Optimize(t.Context(), study.Func(func(ctx context.Context, tr *study.Trial) (float64, error) {
			bowl(ctx, tr)
			return 0, errors.New("boom")
		}), study.Run{Trials: 1, Retries: 5}))
	}
	for name, end := range map[string]func(*study.Study){"interrupted": interrupt, "failed and retried": fail} {
		t.Run(name, func(t *testing.T) {
			store := new(memory.Store)
			for start := range 4 {
				st := openIn(t, store, study.Config{})
				n, err := st.EnqueueOnce(t.Context(), x.At(0.5))
				require.NoError(t, err)
				assert.Equal(t, start, n, "the repetition, which waits")
				assert.Len(t, records(t, st), start+1)
				end(st)
			}
			st := openIn(t, store, study.Config{})
			require.NoError(t, st.Optimize(t.Context(), study.Func(bowl), study.Run{Trials: 1}))
			n, err := st.EnqueueOnce(t.Context(), x.At(0.5))
			require.NoError(t, err)
			assert.Equal(t, 4, n, "the one that has come to something")
		})
	}
	t.Run("failed for good", func(t *testing.T) {
		st := open(t, study.Config{})
		n, err := st.EnqueueOnce(t.Context(), x.At(0.5))
		require.NoError(t, err)
		require.Zero(t, n)
		require.NoError(t, st.Optimize(t.Context(), study.Func(func(context.Context, *study.Trial) (float64, error) { return 0, errBoom }), study.Run{Trials: 1}))
		n, err = st.EnqueueOnce(t.Context(), x.At(0.5))
		require.NoError(t, err)
		assert.Equal(t, 1, n, "it is tried again")
	})
}

// counting counts the records that are read.
type counting struct {
	*memory.Store
	read int
}

func (c *counting) Create(ctx context.Context, h trial.Header) (storage.Ledger, error) {
	l, err := c.Store.Create(ctx, h)
	return countingLedger{l, c}, err
}

type countingLedger struct {
	storage.Ledger
	*counting
}

func (l countingLedger) Since(ctx context.Context, after storage.Cursor) iter.Seq2[storage.Update, error] {
	return func(yield func(storage.Update, error) bool) {
		for u, err := range l.Ledger.Since(ctx, after) {
			l.read++
			if !yield(u, err) {
				return
			}
		}
	}
}

func TestEnqueueOnceReadsEachTrialOnce(t *testing.T) {
	store := &counting{Store: new(memory.Store)}
	st, err := study.Create(t.Context(), store, "s", study.Config{Sampler: random.Sampler{}})
	require.NoError(t, err)
	const n = 500
	for range 2 {
		for i := range n {
			got, err := st.EnqueueOnce(t.Context(), x.At(float64(i)/n), y.At(1))
			require.NoError(t, err)
			require.Equal(t, i, got)
		}
	}
	assert.LessOrEqual(t, store.read, 2*n)
	require.NoError(t, st.Close())
}
