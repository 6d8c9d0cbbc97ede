package xgboost_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tree/internal/enginetest"
	"github.com/attune-hpo/attune/objective/tree/native"
	"github.com/attune-hpo/attune/objective/tree/xgboost"
)

func ExampleEngine() {
	ctx := context.Background()
	train := engine.Dataset{Columns: [][]float64{{1, 2, 3, 4}}, Label: []float64{0, 0, 1, 1}}
	m, err := xgboost.Engine{}.Fit(ctx, train, engine.Dataset{}, engine.Params{Depth: 2}, nil)
	if err != nil { // engine.ErrUnavailable if XGBoost is not installed
		fmt.Println(err)
		return
	}
	fmt.Println(len(m.Trees))
}

func TestEngine(t *testing.T) {
	enginetest.Require(t, xgboost.Engine{}.Available())
	for _, growth := range []engine.Growth{engine.LeafWise, engine.LevelWise} {
		t.Run(fmt.Sprint("growth=", growth), func(t *testing.T) {
			enginetest.Suite{
				Engine:    xgboost.Engine{},
				Growth:    growth,
				Tolerance: 3e-6, // its sums are in float32
				Losses: []engine.Loss{
					engine.L2, engine.L1, engine.Quantile, engine.Poisson, engine.Tweedie, engine.Logistic, engine.Softmax,
				},
				WholeForest: true,
				Extras:      []map[string]string{{"booster": "dart", "rate_drop": "0.5"}, {"num_parallel_tree": "3", "subsample": "0.5"}, {"tree_method": "approx"}},
			}.Run(t)
		})
	}
}

func TestRefused(t *testing.T) {
	enginetest.Require(t, xgboost.Engine{}.Available())
	extra := func(name, value string) engine.Params {
		return engine.Params{Extra: map[string]string{name: value}}
	}
	dart := extra("booster", "dart")
	dart.EarlyStopping = 5
	classes := extra("objective", "multi:softprob")
	classes.Extra["num_class"] = "3"
	classes.Loss = engine.Logistic
	for name, c := range map[string]struct {
		p    engine.Params
		want string
	}{
		"isolation":       {engine.Params{Method: engine.Isolation}, "Method is Isolation"},
		"oblivious":       {engine.Params{Growth: engine.Oblivious}, "Growth is Oblivious"},
		"huber":           {engine.Params{Loss: engine.Huber}, "reg:pseudohubererror"},
		"rows":            {engine.Params{MinRows: 5}, "MinRows is 5, want 0: XGBoost has no such setting"},
		"category smooth": {engine.Params{CategorySmooth: 5}, "CategorySmooth is 5"},
		"category l2":     {engine.Params{CategoryL2: 5}, "CategoryL2 is 5"},
		"samples":         {engine.Params{Samples: 100}, "Samples is 100"},
		"whole forest":    {engine.Params{Method: engine.Forest, Bagging: 1}, "Bagging is 1"},
		"unknown":         {extra("max_leafs", "3"), `Extra["max_leafs"] is 3, want nothing: XGBoost has no such setting`},
		"labels":          {extra("num_class", "3"), "shape of labels"},
		"threads":         {extra("n_jobs", "3"), "set Threads"},
		"linear":          {extra("booster", "gblinear"), "has no trees"},
		"dart":            {dart, "EarlyStopping is 5"},
		"outputs":         {classes, "outputs a row"},
		"no number":       {extra("max_bin", "many"), "max_bin"},
		"no objective":    {extra("objective", "beauty"), "beauty"},
	} {
		t.Run(name, func(t *testing.T) {
			d := enginetest.Data(c.p.Loss, 50, 1)
			m, err := xgboost.Engine{}.Fit(context.Background(), d, d, c.p, nil)
			require.ErrorIs(t, err, engine.ErrParams)
			assert.ErrorContains(t, err, c.want)
			assert.NotContains(t, err.Error(), "Stack trace")
			assert.Nil(t, m)
		})
	}
}

// Settings in Extra override fields, under either name.
func TestExtra(t *testing.T) {
	enginetest.Require(t, xgboost.Engine{}.Available())
	d := enginetest.Data(engine.L2, 500, 1)
	fit := func(p engine.Params) []float64 {
		p.Trees = 5
		m, err := xgboost.Engine{}.Fit(context.Background(), d, engine.Dataset{}, p, nil)
		require.NoError(t, err)
		return enginetest.Predict(t, m, d)
	}
	assert.Equal(t, fit(engine.Params{LearningRate: 0.1}), fit(engine.Params{LearningRate: 0.2, Extra: map[string]string{"learning_rate": "0.1"}}))
	plain := fit(engine.Params{})
	assert.False(t, slices.Equal(plain, fit(engine.Params{Extra: map[string]string{"booster": "dart", "rate_drop": "0.9"}})))
	assert.False(t, slices.Equal(plain, fit(engine.Params{Extra: map[string]string{"objective": "reg:pseudohubererror"}})))
}

// OneHot means the same here as in package native.
func TestOneHot(t *testing.T) {
	enginetest.Require(t, xgboost.Engine{}.Available())
	d := engine.Dataset{Columns: [][]float64{make([]float64, 400)}, Label: make([]float64, 400), Categorical: []int{0}}
	for i := range d.Label {
		d.Columns[0][i] = float64(i % 4)
		d.Label[i] = float64(i % 2)
	}
	for oneHot, leaves := range map[int]int{4: 3, 3: 2} { // one category against the rest needs two splits to part 0 and 2 from 1 and 3
		for _, e := range []engine.Engine{xgboost.Engine{}, native.Engine{}} {
			m, err := e.Fit(context.Background(), d, engine.Dataset{}, engine.Params{Trees: 1, OneHot: oneHot}, nil)
			require.NoError(t, err)
			assert.Len(t, m.Trees[0].Leaves, leaves, "%v, %d", e, oneHot)
		}
	}
}

func TestUnavailable(t *testing.T) {
	folder := t.TempDir()
	text := filepath.Join(folder, "libxgboost.so")
	require.NoError(t, os.WriteFile(text, []byte("a library, honestly"), 0o644))
	exe, err := os.Executable()
	require.NoError(t, err)
	binary, err := os.ReadFile(exe)
	require.NoError(t, err)
	half := filepath.Join(folder, "half.so")
	require.NoError(t, os.WriteFile(half, binary[:len(binary)/2], 0o755))
	for name, c := range map[string]struct {
		library string
		want    []string
	}{
		"missing":    {filepath.Join(folder, "none.so"), []string{"none.so", "pip install xgboost", "ATTUNE_XGBOOST"}},
		"no library": {text, []string{text}},
		"cut short":  {half, []string{half}},
	} {
		t.Run(name, func(t *testing.T) {
			d := enginetest.Data(engine.L2, 50, 1)
			_, err := xgboost.Engine{Library: c.library}.Fit(context.Background(), d, d, engine.Params{}, nil)
			require.ErrorIs(t, err, engine.ErrUnavailable)
			for _, want := range c.want {
				assert.ErrorContains(t, err, want)
			}
		})
	}
}
