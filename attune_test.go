package attune_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

var x = attune.Float("x", 0, 1)

func identity(_ context.Context, t *attune.Trial) (float64, error) { return x.Suggest(t), nil }

func TestTheFrontDoor(t *testing.T) {
	low, err := attune.Minimize(t.Context(), identity, 60)
	require.NoError(t, err)
	high, err := attune.Maximize(t.Context(), identity, 60)
	require.NoError(t, err)
	assert.Less(t, low.Values[0], 0.05)
	assert.Greater(t, high.Values[0], 0.95)
	again, err := attune.Minimize(t.Context(), identity, 60)
	require.NoError(t, err)
	assert.Equal(t, low.Params, again.Params, "a search repeats itself")
	first, err := attune.Minimize(t.Context(), identity, 3)
	require.NoError(t, err)
	other, err := attune.Minimize(t.Context(), identity, 3, attune.Seed(3))
	require.NoError(t, err)
	assert.NotEqual(t, first.Params, other.Params)

	for name, try := range map[string]func() error{
		"no trials":    func() error { _, err := attune.Minimize(t.Context(), identity, 0); return err },
		"no objective": func() error { _, err := attune.Minimize(t.Context(), nil, 1); return err },
		"no store":     func() error { _, err := attune.Minimize(t.Context(), identity, 1, attune.In(nil, "a")); return err },
		"no name": func() error {
			_, err := attune.Minimize(t.Context(), identity, 1, attune.In(new(memory.Store), ""))
			return err
		},
		"less than no workers": func() error { _, err := attune.Minimize(t.Context(), identity, 1, attune.Workers(-1)); return err },
	} {
		assert.ErrorIs(t, try(), study.ErrConfig, name)
	}
}

func TestAnOptionThatIsNilChangesNothing(t *testing.T) {
	_, err := attune.Minimize(t.Context(), identity, 1, nil)
	require.NoError(t, err)
}

func TestASearchGoesOnWhereItStopped(t *testing.T) {
	store := new(memory.Store)
	evaluated := 0
	count := attune.Observe(study.On(func(context.Context, study.Told) { evaluated++ }))
	for _, trials := range []int{5, 12, 12} {
		_, err := attune.Minimize(t.Context(), identity, trials, attune.In(store, "a"), count)
		require.NoError(t, err)
	}
	assert.Equal(t, 12, evaluated)
	_, err := attune.Maximize(t.Context(), identity, 13, attune.In(store, "a"))
	require.ErrorIs(t, err, study.ErrConfig, "it was begun as the opposite")
}

func TestASearchThatEndsEarlyHasABest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	best, err := attune.Minimize(ctx, func(ctx context.Context, tr *attune.Trial) (float64, error) {
		if tr.Number() == 4 {
			cancel()
			return 0, ctx.Err()
		}
		return identity(ctx, tr)
	}, 100)
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, trial.Complete, best.State)

	boom := errors.New("boom")
	best, err = attune.Minimize(t.Context(), func(context.Context, *attune.Trial) (float64, error) { return 0, boom }, 5)
	require.ErrorIs(t, err, study.ErrFailing)
	require.ErrorIs(t, err, boom)
	assert.Equal(t, trial.Record{}, best)

	synctest.Test(t, func(t *testing.T) {
		best, err := attune.Minimize(t.Context(), func(ctx context.Context, tr *attune.Trial) (float64, error) {
			time.Sleep(time.Minute)
			return identity(ctx, tr)
		}, 100, attune.Timeout(150*time.Second), attune.Workers(2))
		require.NoError(t, err)
		assert.Less(t, best.Number, 6)
	})
}

// Trials that report are pruned, though never before their fifth report.
func TestASearchPrunes(t *testing.T) {
	var pruned []int
	count := attune.Observe(study.On(func(_ context.Context, e study.Told) {
		if e.Trial.State == trial.Pruned {
			pruned = append(pruned, len(e.Trial.Reports))
		}
	}))
	_, err := attune.Minimize(t.Context(), func(ctx context.Context, tr *attune.Trial) (float64, error) {
		v := x.Suggest(tr)
		for step := range 30 {
			if err := tr.Report(ctx, step, v); err != nil {
				return 0, err
			}
		}
		return v, nil
	}, 40, count)
	require.NoError(t, err)
	require.NotEmpty(t, pruned)
	for _, steps := range pruned {
		assert.GreaterOrEqual(t, steps, 5)
	}
}
