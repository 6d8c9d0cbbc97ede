package model_test

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/model"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

func open(t *testing.T, task model.Task[polynomial]) *study.Study {
	t.Helper()
	st, err := study.Open(t.Context(), new(memory.Store), "s", task.Config(random.Sampler{}, nil))
	require.NoError(t, err)
	t.Cleanup(func() { st.Close() })
	return st
}

// The kept model is that of the best trial, and equals its refit. It is fitted again if the
// file is missing, unreadable or from another trial.
func TestBest(t *testing.T) {
	task := model.Task[polynomial]{Kind: parabola(), Folder: t.TempDir()}
	st := open(t, task)
	require.NoError(t, task.Optimize(t.Context(), st, study.Run{Trials: 12}))
	best, err := st.Best(t.Context())
	require.NoError(t, err)
	path := model.Path(task.Folder, "s")
	kept, err := task.Kind.Read(path)
	require.NoError(t, err)
	assert.True(t, kept.origin.Of(st, best))
	all, ok := model.Settings(best)
	assert.True(t, ok)
	assert.Equal(t, all, kept.origin.Settings)
	again, err := task.Refit(t.Context(), st, best)
	require.NoError(t, err)
	assert.Equal(t, kept, again)
	other := kept
	other.origin.Trial++
	for name, spoil := range map[string]func() error{
		"missing":          func() error { return os.Remove(path) },
		"cut short":        func() error { return os.Truncate(path, 20) },
		"of another trial": func() error { return task.Kind.Write(other, path) },
	} {
		require.NoError(t, spoil(), name)
		m, err := task.Best(t.Context(), st)
		require.NoError(t, err, name)
		assert.Equal(t, kept, m, name)
		m, err = task.Kind.Read(path)
		require.NoError(t, err, name)
		assert.Equal(t, kept, m, "it is kept again")
	}
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.MkdirAll(path+"/x", 0o755))
	m, err := task.Best(t.Context(), st)
	assert.Error(t, err, "it could not be kept")
	assert.Equal(t, kept, m, "and is there all the same")
}

// Only the task can optimize a study: the way that would check and keep nothing does not
// compile.
func TestOneDoor(t *testing.T) {
	var task any = model.Task[polynomial]{}
	_, ok := task.(study.Objective)
	assert.False(t, ok)
	_, ok = any(&model.Task[polynomial]{}).(study.Objective)
	assert.False(t, ok)
}

// Programs may ask and tell themselves.
func TestTrain(t *testing.T) {
	task := model.Task[polynomial]{Kind: parabola()}
	st := open(t, task)
	tr, err := st.Ask(t.Context())
	require.NoError(t, err)
	m, err := task.Train(t.Context(), tr)
	require.NoError(t, err)
	require.NoError(t, st.Tell(t.Context(), tr, []float64{m.origin.Value}, nil))
	best, err := st.Best(t.Context())
	require.NoError(t, err)
	assert.Equal(t, m.origin.Value, best.Values[0])
	for _, key := range []string{model.SecondsKey, model.SettingsKey} {
		_, ok := best.Attrs.Get(key)
		assert.True(t, ok, key)
	}
}

// fixed searches only the ridge.
type fixed struct{ polynomials }

func (fixed) Space() space.Space { return space.Of(space.Float("ridge", 1e-9, 1, space.Log())) }

// named is a kind of models with another name.
type named struct{ polynomials }

func (named) Name() string { return "spline" }

// scored is a kind with another metric.
type scored struct{ polynomials }

func (scored) Metric() model.Metric { return meanAbsolute{} }

type meanAbsolute struct{ meanSquare }

func (meanAbsolute) Name() string { return "mae" }

func TestConflicts(t *testing.T) {
	two := space.Settings{{Name: "degree", Value: "2"}}
	task := model.Task[polynomial]{Kind: fixed{parabola()}, Fixed: two}
	st := open(t, task)
	agree := func(task model.Task[polynomial]) (bool, error) {
		attrs, err := st.Attrs(t.Context())
		require.NoError(t, err)
		return task.Agree("s", attrs)
	}
	begun, err := agree(task)
	require.NoError(t, err)
	assert.False(t, begun)
	require.NoError(t, task.Optimize(t.Context(), st, study.Run{Trials: 1}))
	attrs, err := st.Attrs(t.Context())
	require.NoError(t, err)
	a, _ := attrs.Get(model.RecordKey)
	assert.Regexp(t, `^\{"kind": "polynomial", "metric": "mse", "fixed": \{"degree": 2\}, "points": 30, "data": "`, a.JSON)
	begun, err = agree(task)
	require.NoError(t, err)
	assert.True(t, begun)
	require.NoError(t, task.Optimize(t.Context(), st, study.Run{Trials: 1}), "again")

	short := parabola()
	short.x, short.y = short.x[:20], short.y[:20]
	changed := parabola()
	changed.y[3]++
	for name, tc := range map[string]struct {
		task model.Task[polynomial]
		want model.Conflict
		says string
	}{
		"the kind":   {model.Task[polynomial]{Kind: named{parabola()}, Fixed: two}, model.Conflict{Study: "s", Fact: "kind", Was: `"polynomial"`, Is: `"spline"`}, `"s" was begun with kind "polynomial", and now it is "spline": give study.Create another name`},
		"the metric": {model.Task[polynomial]{Kind: scored{parabola()}, Fixed: two}, model.Conflict{Study: "s", Fact: "metric", Was: `"mse"`, Is: `"mae"`}, `"s" was begun with metric "mse", and now it is "mae"`},
		"the fixed":  {model.Task[polynomial]{Kind: parabola()}, model.Conflict{Study: "s", Fact: "fixed", Was: `{"degree": 2}`, Is: `{}`}, `with fixed {"degree": 2}, and now it is {}`},
		"a fact":     {model.Task[polynomial]{Kind: fixed{short}, Fixed: two}, model.Conflict{Study: "s", Fact: "points", Was: "30", Is: "20"}, "with points 30, and now it is 20"},
		"the data":   {model.Task[polynomial]{Kind: fixed{changed}, Fixed: two}, model.Conflict{Study: "s", Fact: "data"}, `"s" was begun on other data: give study.Create another name`},
	} {
		t.Run(name, func(t *testing.T) {
			for _, err := range []error{second(agree(tc.task)), tc.task.Optimize(t.Context(), st, study.Run{Trials: 1})} {
				require.ErrorIs(t, err, model.ErrStudy)
				c, ok := errors.AsType[*model.Conflict](err)
				require.True(t, ok)
				assert.Equal(t, tc.want, *c)
				assert.ErrorContains(t, err, tc.says)
			}
		})
	}
	h, err := st.Snapshot(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 2, h.Count(trial.Complete), "nothing was begun")

	require.NoError(t, st.SetAttr(t.Context(), model.RecordKey, map[string]any{"kind": "polynomial", "weather": "fine"}))
	require.NoError(t, second(agree(task)), "facts that one of the two does not know")
	require.NoError(t, st.SetAttr(t.Context(), model.RecordKey, "0123456789abcdef"))
	err = task.Optimize(t.Context(), st, study.Run{Trials: 1})
	require.ErrorIs(t, err, model.ErrStudy)
	assert.ErrorContains(t, err, `the record of "s" cannot be read, because another version of attune wrote it: give study.Create another name`)
}

func second(_ bool, err error) error { return err }
