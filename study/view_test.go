package study_test

import (
	"context"
	"fmt"
	"iter"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

func TestAViewIsReadWithoutASampler(t *testing.T) {
	store := new(memory.Store)
	_, err := study.Read(t.Context(), store, "test")
	require.ErrorIs(t, err, storage.ErrNotExist)
	_, err = study.Read(t.Context(), nil, "test")
	require.ErrorIs(t, err, study.ErrConfig)

	st := openIn(t, store, study.Config{Seed: 3, Metrics: []string{"loss"}})
	v, err := study.Read(t.Context(), store, "test")
	require.NoError(t, err)
	_, err = v.Best(t.Context())
	require.ErrorIs(t, err, study.ErrNoTrial)
	require.NoError(t, st.Optimize(t.Context(), study.Func(bowl), study.Run{Trials: 5}))
	require.NoError(t, st.SetAttr(t.Context(), "k", 1))

	want, err := st.Best(t.Context())
	require.NoError(t, err)
	got, err := v.Best(t.Context())
	require.NoError(t, err)
	assert.Equal(t, want, got)
	assert.Equal(t, "test", v.Name())
	assert.Equal(t, st.Header(), v.Header())
	assert.Equal(t, st.Seed(), v.Seed())
	assert.Equal(t, st.TrialSeed(4), v.TrialSeed(4))
	assert.Equal(t, []string{"loss"}, v.Metrics())
	assert.Equal(t, []trial.Direction{trial.Minimize}, v.Directions())
	attrs, err := v.Attrs(t.Context())
	require.NoError(t, err)
	assert.Equal(t, trial.Attrs{{Key: "k", JSON: "1"}}, attrs)
	front, err := v.Front(t.Context())
	require.NoError(t, err)
	assert.NotEmpty(t, front)

	require.NoError(t, v.Close())
	require.NoError(t, v.Close())
	_, err = v.Snapshot(t.Context())
	require.ErrorIs(t, err, storage.ErrClosed)
	require.NoError(t, st.Optimize(t.Context(), study.Func(bowl), study.Run{Trials: 1}), "the study lives on")
}

func TestWatchYieldsWhatChangesFromNowOn(t *testing.T) {
	store := new(memory.Store)
	st := openIn(t, store, study.Config{})
	require.NoError(t, st.Optimize(t.Context(), study.Func(bowl), study.Run{Trials: 3}))
	v, err := study.Read(t.Context(), store, "test")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	changes := v.Watch(ctx)
	require.NoError(t, st.Optimize(t.Context(), study.Func(bowl), study.Run{Trials: 2})) // before the iteration begins

	for range 2 { // an iteration can be repeated
		seen := map[int]trial.State{}
		for r, err := range changes {
			require.NoError(t, err)
			seen[r.Number] = r.State
			if len(seen) == 2 && seen[3].Done() && seen[4].Done() {
				break
			}
		}
		assert.Equal(t, map[int]trial.State{3: trial.Complete, 4: trial.Complete}, seen)
	}

	next, stop := iter.Pull2(v.Watch(ctx))
	defer stop()
	change := func() string {
		r, err, _ := next()
		require.NoError(t, err)
		return fmt.Sprintf("%d %v %d", r.Number, r.State, len(r.Reports))
	}
	tr, err := st.Ask(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "5 running 0", change())
	require.NoError(t, tr.Report(t.Context(), 1, 2))
	assert.Equal(t, "5 running 1", change())
	require.NoError(t, st.Tell(t.Context(), tr, []float64{1}, nil))
	assert.Equal(t, "5 complete 1", change())
	cancel()
	_, _, more := next()
	assert.False(t, more, "it ends with its context, without an error")
	for range v.Watch(ctx) {
		require.Fail(t, "nothing comes after the end")
	}
	require.NoError(t, v.Close())
}

func TestWatchEndsWithAnError(t *testing.T) {
	watch := func(t *testing.T, v *study.View) <-chan error {
		changes, end := v.Watch(t.Context()), make(chan error, 1)
		go func() {
			for _, err := range changes {
				end <- err
			}
			close(end)
		}()
		return end
	}
	for name, test := range map[string]struct {
		end  func(t *testing.T, store storage.Store, v *study.View) error
		want error
	}{
		"closed":  {func(_ *testing.T, _ storage.Store, v *study.View) error { return v.Close() }, storage.ErrClosed},
		"deleted": {func(t *testing.T, s storage.Store, _ *study.View) error { return study.Delete(t.Context(), s, "test") }, storage.ErrNotExist},
	} {
		t.Run(name, func(t *testing.T) {
			store := new(memory.Store)
			openIn(t, store, study.Config{})
			v, err := study.Read(t.Context(), store, "test")
			require.NoError(t, err)
			end := watch(t, v)
			require.NoError(t, test.end(t, store, v))
			require.ErrorIs(t, <-end, test.want)
			_, more := <-end
			assert.False(t, more)
			require.ErrorIs(t, <-watch(t, v), test.want, "and from the beginning")
			require.NoError(t, v.Close())
		})
	}
}
