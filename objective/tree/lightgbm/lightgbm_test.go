package lightgbm_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tree/internal/enginetest"
	"github.com/attune-hpo/attune/objective/tree/lightgbm"
)

var losses = []engine.Loss{
	engine.L2, engine.L1, engine.Huber, engine.Quantile, engine.Poisson, engine.Tweedie, engine.Logistic, engine.Softmax, engine.LambdaRank,
}

func ExampleEngine() {
	ctx := context.Background()
	train := engine.Dataset{Columns: [][]float64{{1, 2, 3, 4}}, Label: []float64{0, 0, 1, 1}}
	m, err := lightgbm.Engine{}.Fit(ctx, train, engine.Dataset{}, engine.Params{MinRows: 1}, nil)
	if err != nil { // engine.ErrUnavailable if LightGBM is not installed
		fmt.Println(err)
		return
	}
	fmt.Println(len(m.Trees))
}

func TestEngine(t *testing.T) {
	enginetest.Require(t, lightgbm.Engine{}.Available())
	enginetest.Suite{
		Engine:    lightgbm.Engine{},
		Tolerance: 1e-14, // for links, and for the averages of forests
		Losses:    losses,
		Extras: []map[string]string{
			{"boosting": "dart", "skip_drop": "0"}, {"linear_tree": "true"}, {"data_sample_strategy": "goss"}, {"use_quantized_grad": "true"},
		},
	}.Run(t)
}

// The model predicts as LightGBM does with it, bit for bit.
func TestModel(t *testing.T) {
	enginetest.Require(t, lightgbm.Engine{}.Available())
	for _, method := range []engine.Method{engine.Boosting, engine.Forest} {
		for _, loss := range losses {
			p := engine.Params{Method: method, Loss: loss, Trees: 20}
			if p.Validate() != nil {
				p.Classes = 3
			}
			if p.Validate() != nil {
				continue // no such forest
			}
			t.Run(fmt.Sprintf("%d/%v", method, loss), func(t *testing.T) {
				train, valid := enginetest.Data(loss, 600, 1), enginetest.Data(loss, 200, 2)
				train.Categorical = []int{3}
				for _, d := range []engine.Dataset{train, valid} {
					for i, v := range d.Columns[3] {
						d.Columns[3][i] = math.Round(3 * v)
					}
				}
				var last []float64
				m, err := lightgbm.Engine{}.Fit(context.Background(), train, valid, p, func(it engine.Iteration) error {
					last = it.Predictions()
					return nil
				})
				require.NoError(t, err)
				got := enginetest.Predict(t, m, valid)
				if method == engine.Boosting && loss <= engine.Quantile {
					assert.Equal(t, last, got)
				}
				if method == engine.Forest {
					m.Average = false // LightGBM's raw scores are sums
				}
				m.Link.Func = 0
				peer, err := lightgbm.NewPeer(m)
				require.NoError(t, err)
				defer peer.Free()
				want := make([]float64, len(got))
				require.NoError(t, peer.PredictRaw(enginetest.Rows(valid), want))
				assert.Equal(t, want, enginetest.Predict(t, m, valid))
			})
		}
	}
}

func TestRefused(t *testing.T) {
	enginetest.Require(t, lightgbm.Engine{}.Available())
	extra := func(pairs ...string) engine.Params {
		p := engine.Params{Extra: map[string]string{}}
		for i := 0; i < len(pairs); i += 2 {
			p.Extra[pairs[i]] = pairs[i+1]
		}
		return p
	}
	dart := extra("boost", "dart")
	dart.EarlyStopping = 5
	three := extra("objective", "multiclass", "num_class", "3")
	three.Loss = engine.Logistic
	for name, c := range map[string]struct {
		p    engine.Params
		want string
	}{
		"isolation":      {engine.Params{Method: engine.Isolation}, "Method is Isolation"},
		"level-wise":     {engine.Params{Growth: engine.LevelWise}, "Growth is 1, want LeafWise"},
		"oblivious":      {engine.Params{Growth: engine.Oblivious}, "Growth is 2, want LeafWise"},
		"samples":        {engine.Params{Samples: 100}, "Samples is 100, want 0: LightGBM has no such setting"},
		"whole forest":   {engine.Params{Method: engine.Forest, Bagging: 1}, "Bagging is 1"},
		"unknown":        {extra("num_leafs", "3"), `Extra["num_leafs"] is 3, want nothing: there is no such setting`},
		"rounds":         {extra("n_estimators", "3"), "set Trees"},
		"threads":        {extra("n_jobs", "3"), "set Threads"},
		"early stopping": {extra("early_stopping", "3"), "set EarlyStopping"},
		"twice":          {extra("eta", "0.1", "learning_rate", "0.2"), `Extra["learning_rate"] is 0.2, want nothing, besides "eta"`},
		"space":          {extra("max_bin", "3 num_leaves=2"), "without white space"},
		"dart":           {dart, "EarlyStopping is 5"},
		"outputs":        {three, "outputs a row"},
		"no number":      {extra("max_bin", "many"), "max_bin"},
		"no objective":   {extra("objective", "beauty"), "beauty"},
		"leaves":         {engine.Params{Leaves: 1 << 20}, "num_leaves"},
	} {
		t.Run(name, func(t *testing.T) {
			d := enginetest.Data(c.p.Loss, 50, 1)
			m, err := lightgbm.Engine{}.Fit(context.Background(), d, d, c.p, nil)
			require.ErrorIs(t, err, engine.ErrParams)
			assert.ErrorContains(t, err, c.want)
			assert.Nil(t, m)
		})
	}
	d := enginetest.Data(engine.L2, 50, 1)
	d.Label[7] = 1e60
	_, err := lightgbm.Engine{}.Fit(context.Background(), d, engine.Dataset{}, engine.Params{}, nil)
	require.ErrorIs(t, err, engine.ErrData)
	assert.ErrorContains(t, err, "label of row 7")
}

// Settings in Extra override fields, under any of their names.
func TestExtra(t *testing.T) {
	enginetest.Require(t, lightgbm.Engine{}.Available())
	d := enginetest.Data(engine.L2, 500, 1)
	fit := func(p engine.Params) []float64 {
		p.Trees = 5
		m, err := lightgbm.Engine{}.Fit(context.Background(), d, engine.Dataset{}, p, nil)
		require.NoError(t, err)
		return enginetest.Predict(t, m, d)
	}
	assert.Equal(t, fit(engine.Params{LearningRate: 0.3}), fit(engine.Params{LearningRate: 0.2, Extra: map[string]string{"eta": "0.3"}}))
	plain := fit(engine.Params{})
	assert.False(t, slices.Equal(plain, fit(engine.Params{Extra: map[string]string{"boosting": "dart", "skip_drop": "0"}})))
	assert.False(t, slices.Equal(plain, fit(engine.Params{Extra: map[string]string{"linear_tree": "true"}})))
}

func TestUnavailable(t *testing.T) {
	d := enginetest.Data(engine.L2, 50, 1)
	folder := t.TempDir()
	text := filepath.Join(folder, "lib_lightgbm.so")
	require.NoError(t, os.WriteFile(text, []byte("a library, honestly"), 0o644))
	for name, c := range map[string]struct {
		library string
		want    []string
	}{
		"missing":     {filepath.Join(folder, "none.so"), []string{"none.so", "pip install lightgbm", "ATTUNE_LIGHTGBM"}},
		"no library":  {text, []string{text}},
		"another one": {"libm.so.6", []string{"LightGBM 4.0 or later is needed, this is of unknown version", "libm.so.6 has no LGBM_"}},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "another one" && exists("/lib/x86_64-linux-gnu/libm.so.6") != nil {
				t.Skip("no libm.so.6")
			}
			_, err := lightgbm.Engine{Library: c.library}.Fit(context.Background(), d, d, engine.Params{}, nil)
			require.ErrorIs(t, err, engine.ErrUnavailable)
			for _, want := range c.want {
				assert.ErrorContains(t, err, want)
			}
		})
	}
	t.Run("cut short", func(t *testing.T) {
		exe, err := os.Executable()
		require.NoError(t, err)
		half, err := os.ReadFile(exe)
		require.NoError(t, err)
		file := filepath.Join(folder, "half.so")
		require.NoError(t, os.WriteFile(file, half[:len(half)/2], 0o755))
		require.ErrorIs(t, lightgbm.Engine{Library: file}.Available(), engine.ErrUnavailable)
	})
}

func exists(path string) error {
	_, err := os.Stat(path)
	return err
}
