package catboost_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/tree/catboost"
	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tree/internal/enginetest"
)

func ExampleEngine() {
	ctx := context.Background()
	train := engine.Dataset{Columns: [][]float64{{1, 2, 3, 4}}, Label: []float64{0, 0, 1, 1}}
	m, err := catboost.Engine{}.Fit(ctx, train, engine.Dataset{}, engine.Params{Growth: engine.Oblivious, Depth: 2}, nil)
	if err != nil { // engine.ErrUnavailable if CatBoost is not installed
		fmt.Println(err)
		return
	}
	fmt.Println(len(m.Trees))
}

func TestEngine(t *testing.T) {
	enginetest.Require(t, catboost.Engine{}.Available())
	losses := []engine.Loss{
		engine.L2, engine.L1, engine.Huber, engine.Quantile, engine.Poisson, engine.Tweedie, engine.Logistic, engine.Softmax,
	}
	suite := enginetest.Suite{
		Engine:            catboost.Engine{},
		Growth:            engine.Oblivious,
		Tolerance:         1e-9,
		Losses:            losses,
		NoForest:          true,
		NoCategories:      true,
		NoFeatureFraction: true,
		Fits:              20,
		Extras:            []map[string]string{{"boosting_type": "Ordered"}, {"model_shrink_rate": "0.1"}, {"posterior_sampling": "true"}},
	}
	suite.Run(t)
	if testing.Short() {
		return
	}
	for _, growth := range []engine.Growth{engine.LeafWise, engine.LevelWise} {
		suite.Growth, suite.NoMonotone, suite.Extras = growth, true, nil
		t.Run(fmt.Sprint("growth=", growth), suite.Run)
	}
}

func TestRefused(t *testing.T) {
	extra := func(name, value string) engine.Params {
		return engine.Params{Extra: map[string]string{name: value}}
	}
	shrinking := extra("model_shrink_rate", "0.1")
	shrinking.EarlyStopping = 5
	poisson := extra("loss_function", "Poisson")
	for name, c := range map[string]struct {
		p      engine.Params
		python bool // only CatBoost itself can tell
		want   string
	}{
		"forest":           {engine.Params{Method: engine.Forest}, false, "Method is Forest"},
		"isolation":        {engine.Params{Method: engine.Isolation}, false, "Method is Isolation"},
		"deep":             {engine.Params{Depth: 17}, false, "Depth is 17"},
		"rows":             {engine.Params{Growth: engine.Oblivious, MinRows: 5}, false, "MinRows is 5, want 0: CatBoost has no such setting"},
		"leaves":           {engine.Params{Growth: engine.LevelWise, Leaves: 5}, false, "Leaves is 5"},
		"weight":           {engine.Params{MinWeight: 5}, false, "MinWeight is 5"},
		"gain":             {engine.Params{MinGain: 5}, false, "MinGain is 5"},
		"l1":               {engine.Params{LambdaL1: 5}, false, "LambdaL1 is 5"},
		"feature fraction": {engine.Params{FeatureFraction: 0.5}, false, "FeatureFraction is 0.5"},
		"one-hot":          {engine.Params{OneHot: 5}, false, "OneHot is 5"},
		"monotone":         {engine.Params{Monotone: []int{0, 1, 0, 0, 0}}, false, "oblivious trees"},
		"samples":          {engine.Params{Samples: 5}, false, "Samples is 5"},
		"rounds":           {extra("n_estimators", "3"), false, "set Trees"},
		"threads":          {extra("thread_count", "3"), false, "set Threads"},
		"early stopping":   {extra("od_wait", "3"), false, "set EarlyStopping"},
		"shrinking":        {shrinking, false, "EarlyStopping is 5, want 0 with model_shrink_rate"},
		"unknown":          {extra("num_leafs", "3"), true, "num_leafs"},
		"no number":        {extra("border_count", "many"), true, "border_count"},
		"link":             {poisson, true, "the link identity"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.python {
				enginetest.Require(t, catboost.Engine{}.Available())
			}
			d := enginetest.Data(engine.Poisson, 50, 1)
			m, err := catboost.Engine{}.Fit(context.Background(), d, d, c.p, nil)
			require.ErrorIs(t, err, engine.ErrParams)
			assert.ErrorContains(t, err, c.want)
			assert.Nil(t, m)
		})
	}
	d := enginetest.Data(engine.L2, 50, 1)
	d.Columns[2] = slices.Repeat([]float64{1}, 50)
	d.Categorical = []int{2}
	_, err := catboost.Engine{}.Fit(context.Background(), d, engine.Dataset{}, engine.Params{}, nil)
	require.ErrorIs(t, err, engine.ErrData)
	assert.ErrorContains(t, err, "encode them as numbers")
}

// Settings in Extra override fields, under either name, with Python's types.
func TestExtra(t *testing.T) {
	enginetest.Require(t, catboost.Engine{}.Available())
	d := enginetest.Data(engine.L2, 300, 1)
	fit := func(p engine.Params) []float64 {
		p.Trees = 5
		m, err := catboost.Engine{}.Fit(context.Background(), d, engine.Dataset{}, p, nil)
		require.NoError(t, err)
		return enginetest.Predict(t, m, d)
	}
	plain := fit(engine.Params{LearningRate: 0.1})
	assert.Equal(t, plain, fit(engine.Params{LearningRate: 0.2, Extra: map[string]string{"eta": "0.1"}}))
	for name, value := range map[string]string{"boost_from_average": "false", "leaf_estimation_method": "Gradient", "feature_weights": "[0.1,1,1,1,1]"} {
		assert.False(t, slices.Equal(plain, fit(engine.Params{LearningRate: 0.1, Extra: map[string]string{name: value}})), name)
	}
}

func TestUnavailable(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("writes a shell script")
	}
	folder := t.TempDir()
	python := func(name, text string) string {
		file := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(file, []byte("#!/bin/sh\n"+text+"\n"), 0o755))
		return file
	}
	fails := python("fails", "echo no such luck >&2; exit 3")
	old := python("old", `printf 'H\005\000\000\0000.9.1'; read line`)
	lacks := python("lacks", `printf 'E\024\000\000\000No module : catboost'; read line`)
	for name, c := range map[string]struct{ python, want string }{
		"missing": {filepath.Join(folder, "none"), "none"},
		"fails":   {fails, "no such luck"},
		"old":     {old, "CatBoost 1.2 or later is needed, this is 0.9.1"},
		"lacks":   {lacks, "No module"},
	} {
		t.Run(name, func(t *testing.T) {
			d := enginetest.Data(engine.L2, 50, 1)
			_, err := catboost.Engine{Python: c.python}.Fit(context.Background(), d, d, engine.Params{}, nil)
			require.ErrorIs(t, err, engine.ErrUnavailable)
			assert.ErrorContains(t, err, c.want)
			assert.ErrorContains(t, err, "pip install catboost")
		})
	}
	t.Setenv("ATTUNE_CATBOOST_PYTHON", fails)
	require.ErrorIs(t, catboost.Engine{}.Available(), engine.ErrUnavailable)
	t.Setenv("ATTUNE_CATBOOST_PYTHON", "")
	t.Setenv("ATTUNE_PYTHON", fails)
	t.Setenv("VIRTUAL_ENV", folder)
	t.Setenv("PATH", "")
	err := catboost.Engine{}.Available()
	require.ErrorIs(t, err, engine.ErrUnavailable)
	assert.ErrorContains(t, err, "no such luck")
	assert.ErrorContains(t, err, filepath.Join(folder, "bin", "python"))
}

// A Python that dies during a training gives an error with its last words. One that died
// while idle gives none, because another replaces it.
func TestDeath(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("writes a shell script")
	}
	folder := t.TempDir()
	started := filepath.Join(folder, "started")
	file := filepath.Join(folder, "python")
	write := func(text string) {
		// A shell reads its script bit by bit: one that still runs the old text must not see the new one.
		next := filepath.Join(folder, "next")
		require.NoError(t, os.WriteFile(next, []byte("#!/bin/sh\n"+text+"\n"), 0o755))
		require.NoError(t, os.Rename(next, file))
	}
	fit := func(text string) error {
		write("echo one >>" + started + "\nprintf 'H\\006\\000\\000\\0001.2.10'\n" + text)
		d := enginetest.Data(engine.L2, 50, 1)
		_, err := catboost.Engine{Python: file}.Fit(context.Background(), d, engine.Dataset{}, engine.Params{}, nil)
		return err
	}
	require.ErrorContains(t, fit("read folder; echo out of memory >&2; exit 1"), "Python ended: out of memory")
	require.ErrorContains(t, fit("read folder; kill -9 $$"), "Python ended: signal: killed")
	require.NoError(t, os.Truncate(started, 0))
	write("printf 'H\\006\\000\\000\\0001.2.10'")
	require.NoError(t, catboost.Engine{Python: file}.Available())
	require.ErrorContains(t, fit("read folder; echo out of luck >&2; exit 1"), "out of luck")
	count, err := os.ReadFile(started)
	require.NoError(t, err)
	assert.Equal(t, "one\n", string(count))
}
