package study_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

var (
	x = space.Float("x", -5, 5)
	y = space.Float("y", -5, 5)
)

// bowl has its minimum 0 at (1, -2).
func bowl(_ context.Context, t *study.Trial) (float64, error) {
	return math.Pow(x.Suggest(t)-1, 2) + math.Pow(y.Suggest(t)+2, 2), nil
}

// open opens a study in a store of its own.
func open(t *testing.T, cfg study.Config) *study.Study {
	t.Helper()
	return openIn(t, new(memory.Store), cfg)
}

func openIn(t *testing.T, store storage.Store, cfg study.Config) *study.Study {
	t.Helper()
	if cfg.Sampler == nil {
		cfg.Sampler = random.Sampler{}
	}
	st, err := study.Open(t.Context(), store, "test", cfg)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, st.Close()) })
	return st
}

func records(t *testing.T, st *study.Study) []trial.Record {
	t.Helper()
	h, err := st.Snapshot(context.Background())
	require.NoError(t, err)
	return h.Records()
}

func TestOptimizeRunsItsBudgetAndFindsTheBest(t *testing.T) {
	st := open(t, study.Config{})
	require.NoError(t, st.Optimize(t.Context(), study.Func(bowl), study.Run{Trials: 50}))
	best, err := st.Best(t.Context())
	require.NoError(t, err)
	all := records(t, st)
	require.Len(t, all, 50)
	for i, r := range all {
		assert.Equal(t, i, r.Number)
		assert.Equal(t, trial.Complete, r.State)
		assert.GreaterOrEqual(t, r.Values[0], best.Values[0])
		assert.False(t, r.Finished.Before(r.Started))
	}
	v, ok := x.Value(best)
	assert.True(t, ok)
	assert.InDelta(t, 1, v, 4)
}

func TestMaximizeIsMinimizeOfTheNegative(t *testing.T) {
	low := open(t, study.Config{})
	high := open(t, study.Config{Directions: []trial.Direction{trial.Maximize}})
	negative := study.Func(func(ctx context.Context, t *study.Trial) (float64, error) {
		v, err := bowl(ctx, t)
		return -v, err
	})
	require.NoError(t, low.Optimize(t.Context(), study.Func(bowl), study.Run{Trials: 30}))
	require.NoError(t, high.Optimize(t.Context(), negative, study.Run{Trials: 30}))
	a, err := low.Best(t.Context())
	require.NoError(t, err)
	b, err := high.Best(t.Context())
	require.NoError(t, err)
	assert.Equal(t, a.Number, b.Number)
	assert.Equal(t, a.Params, b.Params)
}

func TestResumedStudyDrawsWhatAnUninterruptedOneDoes(t *testing.T) {
	whole := open(t, study.Config{Seed: 7})
	require.NoError(t, whole.Optimize(t.Context(), study.Func(bowl), study.Run{Trials: 20}))
	store := new(memory.Store)
	for range 4 {
		part := openIn(t, store, study.Config{Seed: 7})
		require.NoError(t, part.Optimize(t.Context(), study.Func(bowl), study.Run{Trials: 5}))
	}
	a, b := records(t, whole), records(t, openIn(t, store, study.Config{}))
	require.Len(t, b, 20)
	for i := range a {
		assert.Equal(t, a[i].Params, b[i].Params)
	}
}

func TestOpenCreateLoad(t *testing.T) {
	ctx, store := t.Context(), new(memory.Store)
	cfg := study.Config{Sampler: random.Sampler{}, Seed: 3, Metrics: []string{"loss"}}

	_, err := study.Load(ctx, store, "a", cfg)
	require.ErrorIs(t, err, storage.ErrNotExist)
	assert.ErrorContains(t, err, `"a"`)
	st, err := study.Create(ctx, store, "a", cfg)
	require.NoError(t, err)
	_, err = study.Create(ctx, store, "a", cfg)
	require.ErrorIs(t, err, storage.ErrExist)
	again, err := study.Open(ctx, store, "a", study.Config{Sampler: random.Sampler{}})
	require.NoError(t, err)
	assert.Equal(t, st.Seed(), again.Seed())
	assert.Equal(t, []string{"loss"}, again.Metrics())

	for name, bad := range map[string]study.Config{
		"no sampler":           {},
		"another seed":         {Sampler: random.Sampler{}, Seed: 4},
		"another direction":    {Sampler: random.Sampler{}, Directions: []trial.Direction{trial.Maximize}},
		"more objectives":      {Sampler: random.Sampler{}, Directions: make([]trial.Direction, 2)},
		"negative grace":       {Sampler: random.Sampler{}, Grace: -1},
		"two axes of one name": {Sampler: random.Sampler{}, Space: space.Space{x.Axis(), x.Axis()}},
		"other metrics":        {Sampler: random.Sampler{}, Metrics: []string{"accuracy"}},
		"no such direction":    {Sampler: random.Sampler{}, Directions: []trial.Direction{7}},
	} {
		_, err := study.Open(ctx, store, "a", bad)
		assert.ErrorIs(t, err, study.ErrConfig, name)
	}
	_, err = study.Create(ctx, store, "b", study.Config{Sampler: random.Sampler{}, Metrics: []string{"a", "b"}})
	assert.ErrorIs(t, err, study.ErrConfig)
	_, err = study.Open(ctx, nil, "b", study.Config{Sampler: random.Sampler{}})
	assert.ErrorIs(t, err, study.ErrConfig)
	assert.ErrorIs(t, st.Optimize(ctx, nil, study.Run{}), study.ErrConfig)
	_, err = study.Create(ctx, store, "", study.Config{Sampler: random.Sampler{}})
	assert.ErrorIs(t, err, study.ErrConfig)
}

func TestAdministration(t *testing.T) {
	ctx, store, other := t.Context(), new(memory.Store), new(memory.Store)
	st := openIn(t, store, study.Config{Seed: 5})
	require.NoError(t, st.SetAttr(ctx, "data", map[string]any{"rows": 10}))
	require.NoError(t, st.Optimize(ctx, study.Func(bowl), study.Run{Trials: 3}))
	_, err := st.Ask(ctx) // left running
	require.NoError(t, err)
	_, err = st.Enqueue(ctx, x.At(1))
	require.NoError(t, err)

	require.NoError(t, study.Copy(ctx, store, "test", other, "copy"))
	assert.ErrorIs(t, study.Copy(ctx, store, "test", other, "copy"), storage.ErrExist)
	assert.ErrorIs(t, study.Copy(ctx, store, "none", other, "new"), storage.ErrNotExist)
	cp, err := study.Load(ctx, other, "copy", study.Config{Sampler: random.Sampler{}})
	require.NoError(t, err)
	assert.EqualValues(t, 5, cp.Seed())
	attrs, err := cp.Attrs(ctx)
	require.NoError(t, err)
	assert.Equal(t, trial.Attrs{{Key: "data", JSON: `{"rows": 10}`}}, attrs)
	from, to := records(t, st), records(t, cp)
	assert.Equal(t, from[:3], to[:3])
	assert.Equal(t, trial.Failed, to[3].State)
	assert.Contains(t, to[3].Err, "running")
	assert.Equal(t, from[4], to[4])

	require.NoError(t, study.Rename(ctx, other, "copy", "renamed"))
	assert.ErrorIs(t, study.Rename(ctx, other, "copy", "x"), storage.ErrNotExist)
	all, err := study.List(ctx, other)
	require.NoError(t, err)
	require.Len(t, all, 1)
	assert.Equal(t, "renamed", all[0].Name)
	require.NoError(t, study.Delete(ctx, other, "renamed"))
	assert.ErrorIs(t, study.Delete(ctx, other, "renamed"), storage.ErrNotExist)
	_, err = cp.Ask(ctx)
	assert.ErrorIs(t, err, storage.ErrNotExist)
}

func TestAskAndTell(t *testing.T) {
	ctx := t.Context()
	st := open(t, study.Config{Space: space.Of(x, y)})
	tr, err := st.Ask(ctx)
	require.NoError(t, err)
	assert.Len(t, tr.Record().Params.Point, 2, "a declared space is drawn at once")
	running := records(t, st)[0]
	assert.Equal(t, trial.Running, running.State)
	assert.Equal(t, tr.Record().Params, running.Params, "and others see it")

	assert.ErrorIs(t, st.Tell(ctx, tr, []float64{1, 2}, nil), trial.ErrValues)
	assert.ErrorIs(t, st.Tell(ctx, tr, []float64{math.NaN()}, nil), trial.ErrValues)
	assert.ErrorIs(t, st.Tell(ctx, tr, nil, nil), trial.ErrValues)
	require.NoError(t, st.Tell(ctx, tr, []float64{math.Inf(1)}, nil), "it can be told after all")
	assert.ErrorIs(t, st.Tell(ctx, tr, []float64{1}, nil), trial.ErrFinished)
	assert.Equal(t, []float64{math.Inf(1)}, records(t, st)[0].Values)
}

func TestAttachGoesOnWithATrialOfAnotherProcess(t *testing.T) {
	ctx, store := t.Context(), new(memory.Store)
	first := openIn(t, store, study.Config{Renewal: study.Never})
	require.NoError(t, first.Optimize(ctx, study.Func(bowl), study.Run{Trials: 3})) // the space is known now
	asked, err := first.Ask(ctx)
	require.NoError(t, err)

	second := openIn(t, store, study.Config{Renewal: study.Never})
	tr, err := second.Attach(ctx, asked.Number())
	require.NoError(t, err)
	assert.Equal(t, x.Suggest(asked), x.Suggest(tr))
	assert.Equal(t, asked.Seed(), tr.Seed())
	require.NoError(t, second.Tell(ctx, tr, []float64{1}, nil))
	assert.ErrorIs(t, first.Tell(ctx, asked, []float64{1}, nil), trial.ErrFinished)
	_, err = second.Attach(ctx, asked.Number())
	assert.ErrorIs(t, err, trial.ErrFinished)
	_, err = second.Attach(ctx, 99)
	assert.ErrorIs(t, err, storage.ErrNoTrial)
}

func TestFailuresAreRecordedAndDoNotEndTheRun(t *testing.T) {
	boom := errors.New("out of memory")
	objectives := map[string]struct {
		f    study.Func
		want string
	}{
		"error":    {func(context.Context, *study.Trial) (float64, error) { return 0, boom }, "out of memory"},
		"panic":    {func(context.Context, *study.Trial) (float64, error) { panic("no such layer") }, "panic: no such layer"},
		"division": {func(context.Context, *study.Trial) (float64, error) { zero := 0; return float64(1 / zero), nil }, "divide by zero"},
		"NaN":      {func(context.Context, *study.Trial) (float64, error) { return math.NaN(), nil }, "NaN"},
		"goexit":   {func(context.Context, *study.Trial) (float64, error) { runtime.Goexit(); return 0, nil }, "ended its goroutine"},
		"bad bound": {func(_ context.Context, t *study.Trial) (float64, error) {
			return space.Float("z", 2, 1).Suggest(t), nil
		}, "low 2 exceeds high 1"},
	}
	for name, o := range objectives {
		t.Run(name, func(t *testing.T) {
			st := open(t, study.Config{})
			require.NoError(t, st.Optimize(t.Context(), o.f, study.Run{Trials: 3, Workers: 2}))
			for _, r := range records(t, st) {
				assert.Equal(t, trial.Failed, r.State)
				assert.Contains(t, r.Err, o.want)
				assert.Empty(t, r.Values)
			}
			_, err := st.Best(t.Context())
			require.ErrorIs(t, err, study.ErrNoTrial)
			assert.ErrorContains(t, err, "3 failed")
			assert.ErrorContains(t, err, "the last to fail")
		})
	}
	t.Run("wrong number of values", func(t *testing.T) {
		st := open(t, study.Config{})
		two := study.MultiFunc(func(context.Context, *study.Trial) ([]float64, error) { return []float64{1, 2}, nil })
		require.NoError(t, st.Optimize(t.Context(), two, study.Run{Trials: 1}))
		assert.Contains(t, records(t, st)[0].Err, "[1 2] has 2, the number of objectives is 1")
	})
	t.Run("fatal", func(t *testing.T) {
		st := open(t, study.Config{})
		o := study.Func(func(context.Context, *study.Trial) (float64, error) { return 0, fmt.Errorf("training: %w", boom) })
		err := st.Optimize(t.Context(), o, study.Run{Trials: 9, Fatal: func(err error) bool { return errors.Is(err, boom) }})
		require.ErrorIs(t, err, boom)
		assert.Len(t, records(t, st), 1)
	})
	t.Run("panic with an error is found", func(t *testing.T) {
		st := open(t, study.Config{})
		o := study.Func(func(context.Context, *study.Trial) (float64, error) { panic(boom) })
		err := st.Optimize(t.Context(), o, study.Run{Trials: 9, Fatal: func(err error) bool { return errors.Is(err, boom) }})
		var p *study.PanicError
		require.ErrorAs(t, err, &p)
		assert.NotEmpty(t, p.Stack)
	})
}

func TestFailedTrialsAreRetriedWithTheirParameters(t *testing.T) {
	st := open(t, study.Config{})
	var calls atomic.Int32
	flaky := study.Func(func(ctx context.Context, t *study.Trial) (float64, error) {
		x.Suggest(t)
		if calls.Add(1) < 3 {
			return 0, errors.New("flaky")
		}
		return bowl(ctx, t)
	})
	require.NoError(t, st.Optimize(t.Context(), flaky, study.Run{Trials: 3, Retries: 2}))
	all := records(t, st)
	require.Len(t, all, 3)
	want, _ := x.Value(all[0])
	for i, r := range all {
		got, _ := x.Value(r)
		assert.Equal(t, want, got)
		assert.Equal(t, i == 2, r.State == trial.Complete)
	}
	assert.Equal(t, trial.Attrs{{Key: "failed_trial", JSON: "0"}, {Key: "retry_history", JSON: "[0, 1]"}}, all[2].Notes)

	calls.Store(-100)
	require.NoError(t, st.Optimize(t.Context(), flaky, study.Run{Trials: 3, Retries: 2}))
	assert.Len(t, records(t, st), 6, "a series ends after its retries")
}

func TestCancellationKeepsWhatWasEvaluatedAndResumesTheRest(t *testing.T) {
	st := open(t, study.Config{})
	ctx, cancel := context.WithCancelCause(t.Context())
	enough, bothRun := errors.New("enough"), make(chan struct{})
	o := study.Func(func(ctx context.Context, t *study.Trial) (float64, error) {
		v, _ := bowl(ctx, t)
		switch t.Number() {
		case 2: // finishes although it is cancelled
			<-bothRun
			cancel(enough)
			return v, nil
		case 3: // is cut short
			close(bothRun)
			<-ctx.Done()
			return 0, ctx.Err()
		}
		return v, nil
	})
	err := st.Optimize(ctx, o, study.Run{Trials: 2})
	require.NoError(t, err)
	err = st.Optimize(ctx, o, study.Run{Workers: 2})
	require.ErrorIs(t, err, enough)
	all := records(t, st)
	require.Len(t, all, 5)
	assert.Equal(t, trial.Complete, all[2].State)
	assert.Equal(t, trial.Failed, all[3].State)
	assert.Contains(t, all[3].Err, "enough")
	assert.Equal(t, trial.Waiting, all[4].State, "enqueued for whoever resumes")
	require.NoError(t, st.Optimize(t.Context(), study.Func(bowl), study.Run{Trials: 1}))
	assert.Equal(t, all[3].Params, records(t, st)[4].Params)
}

func TestBounds(t *testing.T) {
	t.Run("total counts what is there", func(t *testing.T) {
		store := new(memory.Store)
		for range 3 {
			require.NoError(t, openIn(t, store, study.Config{}).Optimize(t.Context(), study.Func(bowl), study.Run{Total: 12, Workers: 4}))
		}
		assert.Len(t, records(t, openIn(t, store, study.Config{})), 12)
	})
	t.Run("total is reached through failures", func(t *testing.T) {
		st := open(t, study.Config{})
		o := study.Func(func(ctx context.Context, t *study.Trial) (float64, error) {
			if t.Number()%2 == 0 {
				return 0, errors.New("even")
			}
			return bowl(ctx, t)
		})
		require.NoError(t, st.Optimize(t.Context(), o, study.Run{Total: 5, Workers: 3}))
		h, err := st.Snapshot(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 5, h.Count(trial.Complete))
	})
	t.Run("timeout finishes what runs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { // by a clock that stands still while anything runs
			st := open(t, study.Config{})
			slow := study.Func(func(ctx context.Context, tr *study.Trial) (float64, error) {
				time.Sleep(time.Minute)
				return bowl(ctx, tr)
			})
			require.NoError(t, st.Optimize(t.Context(), slow, study.Run{Timeout: 90 * time.Second}))
			all := records(t, st)
			require.Len(t, all, 2)
			assert.Equal(t, trial.Complete, all[1].State)
			assert.Equal(t, time.Minute, all[1].Duration())
		})
	})
	t.Run("trial timeout", func(t *testing.T) {
		st := open(t, study.Config{})
		o := study.Func(func(ctx context.Context, t *study.Trial) (float64, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		require.NoError(t, st.Optimize(t.Context(), o, study.Run{Trials: 1, TrialTimeout: time.Millisecond}))
		all := records(t, st)
		require.Len(t, all, 1, "it is not enqueued again")
		assert.Equal(t, "trial timed out after 1ms: context deadline exceeded", all[0].Err)
	})
	t.Run("stop from inside", func(t *testing.T) {
		st := open(t, study.Config{})
		o := study.Func(func(ctx context.Context, t *study.Trial) (float64, error) {
			if t.Number() == 4 {
				st.Stop()
			}
			return bowl(ctx, t)
		})
		require.NoError(t, st.Optimize(t.Context(), o, study.Run{}))
		assert.Len(t, records(t, st), 5)
	})
	t.Run("negative", func(t *testing.T) {
		err := open(t, study.Config{}).Optimize(t.Context(), study.Func(bowl), study.Run{Trials: -1})
		assert.ErrorIs(t, err, study.ErrConfig)
	})
}

func TestParallelWorkersOfManyStudiesShareOneLedger(t *testing.T) {
	store := new(memory.Store)
	var seen sync.Map
	o := study.Func(func(ctx context.Context, tr *study.Trial) (float64, error) {
		if _, twice := seen.LoadOrStore(tr.Number(), true); twice {
			t.Errorf("trial %d ran twice", tr.Number())
		}
		return bowl(ctx, tr)
	})
	var wg sync.WaitGroup
	for range 3 {
		st := openIn(t, store, study.Config{})
		wg.Go(func() {
			assert.NoError(t, st.Optimize(t.Context(), o, study.Run{Trials: 100, Workers: 4}))
		})
	}
	wg.Wait()
	all := records(t, openIn(t, store, study.Config{}))
	require.Len(t, all, 300)
	for i, r := range all {
		assert.Equal(t, i, r.Number)
		assert.Equal(t, trial.Complete, r.State)
	}
}

func TestEnqueuedSettings(t *testing.T) {
	ctx := t.Context()
	c := space.Categorical("c", "a", "b")
	t.Run("are used, the rest is sampled", func(t *testing.T) {
		st := open(t, study.Config{})
		for range 2 {
			n, err := st.EnqueueOnce(ctx, x.At(1.5), c.At("b"))
			require.NoError(t, err)
			assert.Equal(t, 0, n)
		}
		o := study.Func(func(ctx context.Context, tr *study.Trial) (float64, error) {
			c.Suggest(tr)
			return bowl(ctx, tr)
		})
		require.NoError(t, st.Optimize(ctx, o, study.Run{Trials: 2}))
		r := records(t, st)[0]
		v, _ := x.Value(r)
		assert.Equal(t, 1.5, v)
		k, _ := c.Value(r)
		assert.Equal(t, "b", k)
		_, ok := y.Value(r)
		assert.True(t, ok)
		n, err := st.EnqueueOnce(ctx, c.At("b"), x.At(1.5))
		require.NoError(t, err)
		assert.Equal(t, 0, n, "it has been evaluated")
		n, err = st.EnqueueOnce(ctx, x.At(1.5))
		require.NoError(t, err)
		assert.Equal(t, 2, n, "this leaves more open")
	})
	t.Run("outside a declared space", func(t *testing.T) {
		st := open(t, study.Config{Space: space.Of(x, c)})
		_, err := st.Enqueue(ctx, x.At(99))
		assert.ErrorIs(t, err, space.ErrOutside)
		_, err = st.Enqueue(ctx, c.At("z"))
		assert.ErrorIs(t, err, space.ErrOutside)
		_, err = st.Enqueue(ctx, y.At(0))
		assert.ErrorIs(t, err, study.ErrConfig)
		_, err = st.Enqueue(ctx, x.At(0), x.At(1))
		assert.ErrorIs(t, err, study.ErrConfig)
		assert.Empty(t, records(t, st))
	})
	t.Run("outside what the objective suggests", func(t *testing.T) {
		st := open(t, study.Config{})
		_, err := st.Enqueue(ctx, x.At(99))
		require.NoError(t, err)
		require.NoError(t, st.Optimize(ctx, study.Func(bowl), study.Run{Trials: 2}))
		all := records(t, st)
		assert.Equal(t, trial.Failed, all[0].State)
		assert.Contains(t, all[0].Err, `parameter "x" was enqueued`)
		assert.Equal(t, trial.Complete, all[1].State)
	})
	t.Run("outside a declared space, by a process that does not declare it", func(t *testing.T) {
		store := new(memory.Store)
		_, err := openIn(t, store, study.Config{}).Enqueue(ctx, x.At(99))
		require.NoError(t, err)
		st := openIn(t, store, study.Config{Space: space.Of(x, y)})
		ran := 0
		o := study.Func(func(ctx context.Context, tr *study.Trial) (float64, error) { ran++; return bowl(ctx, tr) })
		require.NoError(t, st.Optimize(ctx, o, study.Run{Trials: 2}))
		assert.Equal(t, 1, ran)
		assert.Equal(t, trial.Failed, records(t, st)[0].State)
	})
}

func TestAddedTrialsCount(t *testing.T) {
	st := open(t, study.Config{})
	p, err := space.Of(x, y).Params(y.At(-2), x.At(1))
	require.NoError(t, err)
	numbers, err := st.Add(t.Context(),
		trial.Record{Number: 7, State: trial.Complete, Params: p, Values: []float64{0}},
		trial.Record{State: trial.Failed, Params: p, Err: "diverged"})
	require.NoError(t, err)
	assert.Equal(t, []int{0, 1}, numbers)
	require.NoError(t, st.Optimize(t.Context(), study.Func(bowl), study.Run{Trials: 10}))
	best, err := st.Best(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 0, best.Number)

	for name, r := range map[string]trial.Record{
		"running":         {State: trial.Running},
		"NaN":             {State: trial.Complete, Values: []float64{math.NaN()}},
		"two values":      {State: trial.Complete, Values: []float64{1, 2}},
		"no value":        {State: trial.Complete},
		"a bad step":      {State: trial.Failed, Reports: []trial.Report{{Step: -1}}},
		"not a number":    {State: trial.Failed, Params: space.Params{Space: p.Space, Point: []float64{math.NaN(), 0}}},
		"too few numbers": {State: trial.Failed, Params: space.Params{Space: p.Space}},
	} {
		_, err := st.Add(t.Context(), trial.Record{State: trial.Waiting}, r)
		assert.Error(t, err, name)
	}
	assert.Len(t, records(t, st), 12, "all or none")
}

func TestOneNameTwoDistributions(t *testing.T) {
	for name, second := range map[string]space.Axer{
		"another type":     space.Int("x", 0, 9),
		"another scale":    space.Float("x", 1, 5, space.Log()),
		"another choice":   space.Categorical("x", "a"),
		"another interval": space.Float("x", 0, 1),
	} {
		t.Run(name+" in one trial", func(t *testing.T) {
			st := open(t, study.Config{})
			o := study.Func(func(_ context.Context, tr *study.Trial) (float64, error) {
				return x.Suggest(tr) + tr.Suggest(second.Axis()), nil
			})
			require.NoError(t, st.Optimize(t.Context(), o, study.Run{Trials: 1}))
			assert.Contains(t, records(t, st)[0].Err, space.ErrMismatch.Error())
		})
		t.Run(name+" in one study", func(t *testing.T) {
			st := open(t, study.Config{})
			require.NoError(t, st.Optimize(t.Context(), study.Func(bowl), study.Run{Trials: 1}))
			o := study.Func(func(_ context.Context, tr *study.Trial) (float64, error) {
				return tr.Suggest(second.Axis()), nil
			})
			require.NoError(t, st.Optimize(t.Context(), o, study.Run{Trials: 1}))
			r := records(t, st)[1]
			if name == "another interval" { // ranges may change
				assert.Equal(t, trial.Complete, r.State)
				return
			}
			assert.Equal(t, trial.Failed, r.State)
			assert.Contains(t, r.Err, space.ErrMismatch.Error())
		})
	}
}

func TestReports(t *testing.T) {
	ctx := t.Context()
	t.Run("pruned", func(t *testing.T) {
		st := open(t, study.Config{Pruner: after{2}})
		o := study.Func(func(ctx context.Context, tr *study.Trial) (float64, error) {
			for step := range 5 {
				if err := tr.Report(ctx, step, float64(10-step)); err != nil {
					return 0, fmt.Errorf("training: %w", err)
				}
			}
			return 0, nil
		})
		require.NoError(t, st.Optimize(ctx, o, study.Run{Trials: 1}))
		r := records(t, st)[0]
		assert.Equal(t, trial.Pruned, r.State)
		assert.Equal(t, []float64{8}, r.Values)
		assert.Len(t, r.Reports, 3)
		assert.Contains(t, r.Err, "enough of it")
	})
	t.Run("bad steps lose nothing", func(t *testing.T) {
		st := open(t, study.Config{})
		tr, err := st.Ask(ctx)
		require.NoError(t, err)
		require.NoError(t, tr.Report(ctx, 3, 1))
		assert.ErrorIs(t, tr.Report(ctx, 3, 2), trial.ErrReport)
		assert.ErrorIs(t, tr.Report(ctx, -1, 2), trial.ErrReport)
		require.NoError(t, tr.Report(ctx, 1, math.NaN()), "in any order, any value")
		require.NoError(t, st.Tell(ctx, tr, []float64{0}, nil))
		got := records(t, st)[0].Reports
		require.Len(t, got, 2)
		assert.True(t, math.IsNaN(got[0].Value))
		assert.Equal(t, trial.Report{Step: 3, Value: 1}, got[1])
	})
	t.Run("several objectives", func(t *testing.T) {
		st := open(t, study.Config{Directions: make([]trial.Direction, 2)})
		tr, err := st.Ask(ctx)
		require.NoError(t, err)
		assert.ErrorIs(t, tr.Report(ctx, 0, 1), study.ErrObjectives)
		assert.ErrorIs(t, tr.ReportValues(ctx, 0, 1), study.ErrObjectives)
		assert.ErrorIs(t, tr.ReportValues(ctx, 0, 1, 2, 3), study.ErrObjectives)
		require.NoError(t, tr.ReportValues(ctx, 3, 1, math.Inf(1)))
		require.NoError(t, tr.ReportValues(ctx, 1, 0.5, 0.25), "in any order")
		assert.ErrorIs(t, tr.ReportValues(ctx, 3, 1, 2), trial.ErrReport)
		assert.ErrorIs(t, tr.ReportValues(ctx, -1, 1, 2), trial.ErrReport)
		require.NoError(t, st.Tell(ctx, tr, []float64{1, 2}, nil))
		assert.Equal(t, []trial.Vector{{Step: 1, Values: []float64{0.5, 0.25}}, {Step: 3, Values: []float64{1, math.Inf(1)}}}, records(t, st)[0].Vectors())
		_, err = st.Best(ctx)
		assert.ErrorIs(t, err, study.ErrObjectives)
		front, err := st.Front(ctx)
		require.NoError(t, err)
		assert.Len(t, front, 1)
	})
	t.Run("cancelled", func(t *testing.T) {
		st := open(t, study.Config{})
		tr, err := st.Ask(ctx)
		require.NoError(t, err)
		done, cancel := context.WithCancel(ctx)
		cancel()
		assert.ErrorIs(t, tr.Report(done, 0, 1), context.Canceled)
		assert.Empty(t, tr.Record().Reports)
	})
}

// after prunes at a step.
type after struct{ step int }

func (a after) Prune(t trial.Record, _ trial.Snapshot) (string, bool) {
	return "enough of it", t.LastStep() >= a.step
}

var _ pruner.Pruner = after{}

func TestConstraintsAndAttributes(t *testing.T) {
	st := open(t, study.Config{})
	o := study.Func(func(ctx context.Context, tr *study.Trial) (float64, error) {
		v := x.Suggest(tr)
		tr.Constrain("right", -v) // x >= 0
		tr.SetAttr("rows", 10)
		return v, nil
	})
	require.NoError(t, st.Optimize(t.Context(), o, study.Run{Trials: 30}))
	best, err := st.Best(t.Context())
	require.NoError(t, err)
	assert.GreaterOrEqual(t, best.Values[0], 0.0)
	a, ok := best.Attrs.Get("rows")
	assert.True(t, ok)
	assert.Equal(t, "10", a.JSON)

	bad := study.Func(func(ctx context.Context, tr *study.Trial) (float64, error) {
		tr.SetAttr("f", func() {})
		return 1, nil
	})
	require.NoError(t, st.Optimize(t.Context(), bad, study.Run{Trials: 1}))
	assert.Contains(t, records(t, st)[30].Err, `attribute "f"`)
}

func TestSeedsDifferByTrialAndStudyAndStayForEver(t *testing.T) {
	seeds := map[uint64]bool{}
	for seed := range uint64(3) {
		st := open(t, study.Config{Seed: seed})
		o := study.Func(func(_ context.Context, tr *study.Trial) (float64, error) { seeds[tr.Seed()] = true; return 0, nil })
		require.NoError(t, st.Optimize(t.Context(), o, study.Run{Trials: 10}))
	}
	assert.Len(t, seeds, 30)
	st := open(t, study.Config{Seed: 42})
	tr, err := st.Ask(t.Context())
	require.NoError(t, err)
	// python3 -c 'import hashlib,struct; print(int.from_bytes(hashlib.sha256(struct.pack(">QQ",42,0)).digest()[:8],"big"))'
	assert.Equal(t, uint64(13789621580203367573), tr.Seed())
}

// recorder is a sampler that keeps its requests.
type recorder struct {
	inner    sampler.Sampler
	requests *[]sampler.Request
}

func (s recorder) Sample(ctx context.Context, r sampler.Request) (sampler.Proposal, error) {
	*s.requests = append(*s.requests, r)
	return s.inner.Sample(ctx, r)
}

func names(s space.Space) (out []string) {
	for _, a := range s {
		out = append(out, a.Name)
	}
	return out
}

func TestWhatIsDrawnJointly(t *testing.T) {
	kind := space.Categorical("kind", "tree", "net")
	depth := space.Int("depth", 1, 9)
	leaves := space.Int("leaves", 2, 64)
	lr := space.Float("lr", 1e-4, 1, space.Log())
	only := space.Int("only", 3, 3)
	o := study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
		only.Suggest(t)
		if kind.Suggest(t) == "tree" {
			return float64(depth.Suggest(t) + leaves.Suggest(t)), nil
		}
		return lr.Suggest(t), nil
	})
	t.Run("learnt: the common part at once, branches as groups", func(t *testing.T) {
		var asked []sampler.Request
		st := open(t, study.Config{Sampler: recorder{random.Sampler{}, &asked}})
		require.NoError(t, st.Optimize(t.Context(), o, study.Run{Trials: 20}))
		asked = nil
		_, err := st.Enqueue(t.Context(), kind.At("tree"))
		require.NoError(t, err)
		require.NoError(t, st.Optimize(t.Context(), o, study.Run{Trials: 1}))
		require.Len(t, asked, 1)
		assert.Equal(t, []string{"depth", "leaves"}, names(asked[0].Space))
		assert.Equal(t, []string{"only", "kind"}, names(asked[0].Given.Space))
		for _, r := range records(t, st) {
			_, isTree := depth.Value(r)
			_, isNet := lr.Value(r)
			assert.NotEqual(t, isTree, isNet, "what was not suggested is no parameter")
			assert.Empty(t, r.Proposed)
		}
	})
	t.Run("declared: a draw for each level of conditions", func(t *testing.T) {
		var asked []sampler.Request
		sp := space.Of(only, kind, depth.When(kind.Is("tree")), leaves.When(kind.Is("tree")), lr.When(kind.Is("net")))
		st := open(t, study.Config{Sampler: recorder{random.Sampler{}, &asked}, Space: sp})
		require.NoError(t, st.Optimize(t.Context(), o, study.Run{Trials: 1}))
		require.Len(t, asked, 2)
		assert.Equal(t, []string{"kind"}, names(asked[0].Space))
		require.NoError(t, st.Optimize(t.Context(), o, study.Run{Trials: 20}))
		for _, r := range records(t, st) {
			k, _ := kind.Value(r)
			assert.Len(t, r.Params.Point, map[string]int{"tree": 4, "net": 3}[k])
		}
	})
}

// finite proposes the points 0 to 4 and then has no more.
type finite struct{}

func (finite) Sample(_ context.Context, r sampler.Request) (sampler.Proposal, error) {
	if r.Number > 4 {
		return sampler.Proposal{}, sampler.ErrExhausted
	}
	return sampler.Proposal{Point: []float64{float64(r.Number)}}, nil
}

func (finite) Exhausted(_ space.Space, h trial.Snapshot) bool {
	return h.Len()+h.Count(trial.Running) > 4
}

func TestAnExhaustedSpaceEndsTheRun(t *testing.T) {
	st := open(t, study.Config{Sampler: finite{}, Space: space.Of(space.Int("i", 0, 4))})
	i := space.Int("i", 0, 4)
	o := study.Func(func(_ context.Context, t *study.Trial) (float64, error) { return float64(i.Suggest(t)), nil })
	require.NoError(t, st.Optimize(t.Context(), o, study.Run{Trials: 100}))
	assert.Len(t, records(t, st), 5)
	_, err := st.Ask(t.Context())
	assert.ErrorIs(t, err, sampler.ErrExhausted)
	assert.Len(t, records(t, st), 5)
}

// wild is a sampler that breaks its contract.
type wild struct{ point []float64 }

func (w wild) Sample(context.Context, sampler.Request) (sampler.Proposal, error) {
	return sampler.Proposal{Point: w.point}, nil
}

func TestASamplerThatFailsEndsTheRunWithItsName(t *testing.T) {
	for name, point := range map[string][]float64{"outside": {99}, "NaN": {math.NaN()}, "too few": {}, "too many": {1, 2}} {
		st := open(t, study.Config{Sampler: wild{point}})
		// An undeclared parameter that the objective suggests fails its trial.
		require.NoError(t, st.Optimize(t.Context(), study.Func(bowl), study.Run{Trials: 1}))
		assert.Contains(t, records(t, st)[0].Err, "study_test.wild", name)
		st = open(t, study.Config{Sampler: wild{point}, Space: space.Of(x)})
		require.ErrorContains(t, st.Optimize(t.Context(), study.Func(bowl), study.Run{Trials: 5}), "study_test.wild", name)
		all := records(t, st)
		require.Len(t, all, 1)
		assert.Equal(t, trial.Failed, all[0].State)
	}
}

func TestAFailingSamplerCostsNoEnqueuedTrial(t *testing.T) {
	store := new(memory.Store)
	st := openIn(t, store, study.Config{Sampler: wild{}, Space: space.Of(x, y)})
	_, err := st.Enqueue(t.Context(), x.At(1))
	require.NoError(t, err)
	require.Error(t, st.Optimize(t.Context(), study.Func(bowl), study.Run{Trials: 1}))
	all := records(t, st)
	require.Len(t, all, 2)
	assert.Equal(t, trial.Failed, all[0].State)
	assert.Equal(t, trial.Waiting, all[1].State)
	assert.Equal(t, []space.Setting{x.At(1)}, all[1].Fixed)
}

func TestADeclaredSpaceMustAgreeWithTheStudy(t *testing.T) {
	store := new(memory.Store)
	c, reordered := space.Categorical("c", "a", "b"), space.Categorical("c", "b", "a")
	o := study.Func(func(ctx context.Context, t *study.Trial) (float64, error) { return 0, nil })
	require.NoError(t, openIn(t, store, study.Config{Space: space.Of(c)}).Optimize(t.Context(), o, study.Run{Trials: 1}))
	st := openIn(t, store, study.Config{Space: space.Of(reordered)})
	require.ErrorIs(t, st.Optimize(t.Context(), o, study.Run{Trials: 1}), space.ErrMismatch)
	assert.Len(t, records(t, st), 1)
}

func TestMisuse(t *testing.T) {
	a, b := open(t, study.Config{}), open(t, study.Config{})
	tr, err := a.Ask(t.Context())
	require.NoError(t, err)
	assert.ErrorIs(t, b.Tell(t.Context(), tr, []float64{1}, nil), study.ErrConfig)
	o := study.Func(func(context.Context, *study.Trial) (float64, error) {
		assert.ErrorIs(t, b.Close(), study.ErrRunning)
		return 1, nil
	})
	require.NoError(t, b.Optimize(t.Context(), o, study.Run{Trials: 1}))
}

func TestInterruptionsDoNotUseUpRevivals(t *testing.T) {
	st := open(t, study.Config{})
	_, err := st.Enqueue(t.Context(), x.At(1))
	require.NoError(t, err)
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		o := study.Func(func(ctx context.Context, t *study.Trial) (float64, error) {
			bowl(ctx, t)
			cancel()
			return 0, ctx.Err()
		})
		require.ErrorIs(t, st.Optimize(ctx, o, study.Run{}), context.Canceled)
	}
	for _, r := range records(t, st) {
		assert.Equal(t, r.State == trial.Failed, r.Interrupted(), r.Number)
	}
	require.NoError(t, st.Optimize(t.Context(), study.Func(bowl), study.Run{Trials: 1}))
	best, err := st.Best(t.Context())
	require.NoError(t, err)
	v, _ := x.Value(best)
	assert.Equal(t, 1.0, v)
	assert.Equal(t, 5, best.Number)
}

// A panic is a failure, not an interruption, also while the run is being ended.
func TestPanicsAreNoInterruptions(t *testing.T) {
	for name, fails := range map[string]func() float64{"panic": func() float64 { panic("lost") }, "not a number": math.NaN} {
		t.Run(name, func(t *testing.T) {
			st := open(t, study.Config{})
			ctx, cancel := context.WithCancel(t.Context())
			o := study.Func(func(context.Context, *study.Trial) (float64, error) {
				cancel()
				return fails(), nil
			})
			require.ErrorIs(t, st.Optimize(ctx, o, study.Run{}), context.Canceled)
			all := records(t, st)
			require.Len(t, all, 1, "it is not enqueued again")
			assert.Equal(t, trial.Failed, all[0].State)
			assert.False(t, all[0].Interrupted())
		})
	}
}

func TestARunOfFailuresEnds(t *testing.T) {
	boom := errors.New("no such file")
	o := study.Func(func(context.Context, *study.Trial) (float64, error) { return 0, boom })
	st := open(t, study.Config{})
	err := st.Optimize(t.Context(), o, study.Run{Total: 10, Failures: 7})
	require.ErrorIs(t, err, study.ErrFailing)
	require.ErrorIs(t, err, boom)
	assert.Len(t, records(t, st), 7)
	st = open(t, study.Config{})
	require.NoError(t, st.Optimize(t.Context(), o, study.Run{Trials: 150, Failures: -1}))
}

func TestNamesThatNoStorageTakesFailTheirTrialAlone(t *testing.T) {
	for name, f := range map[string]func(t *study.Trial){
		"attribute":  func(t *study.Trial) { t.SetAttr("\xff", 1) },
		"constraint": func(t *study.Trial) { t.Constrain("\xff", 1) },
		"parameter":  func(t *study.Trial) { t.Suggest(space.Axis{Name: "\xff", Distribution: x.Axis().Distribution}) },
		"no name":    func(t *study.Trial) { t.Suggest(space.Axis{Distribution: x.Axis().Distribution}) },
	} {
		t.Run(name, func(t *testing.T) {
			st := open(t, study.Config{})
			o := study.Func(func(ctx context.Context, tr *study.Trial) (float64, error) {
				if tr.Number() == 0 {
					f(tr)
				}
				return bowl(ctx, tr)
			})
			require.NoError(t, st.Optimize(t.Context(), o, study.Run{Trials: 2}))
			all := records(t, st)
			assert.Equal(t, trial.Failed, all[0].State)
			assert.NotEmpty(t, all[0].Err)
			assert.Equal(t, trial.Complete, all[1].State)
		})
	}
}

func TestTotalDoesNotWaitForEverForOthers(t *testing.T) {
	store := new(memory.Store)
	_, err := openIn(t, store, study.Config{}).Ask(t.Context()) // and never told
	require.NoError(t, err)
	st := openIn(t, store, study.Config{Grace: 50 * time.Millisecond})
	require.NoError(t, st.Optimize(t.Context(), study.Func(bowl), study.Run{Total: 3, Workers: 2}))
	h, err := st.Snapshot(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 3, h.Count(trial.Complete))
}

func TestAnEnqueuedValueOutsideEarlierBoundsIsThatOfItsOwnTrial(t *testing.T) {
	kind := space.Categorical("kind", "a", "b")
	depth := space.Int("depth", 1, 9)
	wide := space.Int("leaves", 2, 999)
	leaves := space.Int("leaves", 2, 64)
	o := func(leaves space.Param[int]) study.Func {
		return func(_ context.Context, t *study.Trial) (float64, error) {
			if kind.Suggest(t) == "a" {
				return float64(depth.Suggest(t) + leaves.Suggest(t)), nil
			}
			return 0, nil
		}
	}
	st := open(t, study.Config{})
	require.NoError(t, st.Optimize(t.Context(), o(leaves), study.Run{Trials: 10}))
	_, err := st.Enqueue(t.Context(), kind.At("a"), wide.At(500))
	require.NoError(t, err)
	require.NoError(t, st.Optimize(t.Context(), o(wide), study.Run{Trials: 1}))
	r := records(t, st)[10]
	require.Equal(t, trial.Complete, r.State, r.Err)
	n, _ := wide.Value(r)
	assert.Equal(t, 500, n)
}

// Each of the first four trials dominates those before it. The others are dominated by all four, at the first rung.
func TestSeveralObjectivesArePruned(t *testing.T) {
	var heard []study.Reported
	st := open(t, study.Config{
		Directions: []trial.Direction{trial.Minimize, trial.Maximize}, Pruner: pruner.ParetoHalving{MinResource: 1},
		Observer: study.On(func(_ context.Context, e study.Reported) { heard = append(heard, e) }),
	})
	for n := range 8 {
		tr, err := st.Ask(t.Context())
		require.NoError(t, err)
		bad := float64(n / 4)
		for step := range 3 {
			if err = tr.ReportValues(t.Context(), step, 4-float64(n)+20*bad, float64(n)-20*bad); err != nil {
				break
			}
		}
		values := []float64{float64(n), float64(n)}
		require.NoError(t, st.Tell(t.Context(), tr, values, err))
	}
	for _, r := range records(t, st) {
		if r.Number < 4 {
			assert.Equal(t, trial.Complete, r.State, "trial %d: %s", r.Number, r.Err)
			continue
		}
		assert.Equal(t, trial.Pruned, r.State, "trial %d", r.Number)
		assert.Empty(t, r.Values)
		assert.Equal(t, 1, r.LastStep())
	}
	assert.Equal(t, 4*3+4*2, len(heard))
	assert.Equal(t, []float64{4, 0}, heard[0].Values)
	assert.True(t, math.IsNaN(heard[0].Report.Value))

	// With one objective it is Report.
	one := open(t, study.Config{})
	tr, err := one.Ask(t.Context())
	require.NoError(t, err)
	require.NoError(t, tr.ReportValues(t.Context(), 2, 0.5))
	assert.Equal(t, []trial.Report{{Step: 2, Value: 0.5}}, tr.Record().Reports)
}
