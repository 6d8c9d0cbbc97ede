package dense_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/dense"
	"github.com/attune-hpo/attune/objective/pipeline"
	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/space"
)

// The label is 2·x, plus 5 for category 1.
func Example() {
	d := engine.Dataset{
		Columns:     [][]float64{{1, 2, 3, 4, 5, 6}, {0, 1, 0, 1, 0, 1}},
		Categorical: []int{1},
		Label:       []float64{2, 9, 6, 13, 10, 17},
	}
	p, _ := dense.Linear.Params(space.Settings{{Name: "alpha", Value: space.Lit(1e-6)}})
	m, err := dense.Fit(context.Background(), d, engine.Dataset{}, p, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	predictor, _ := pipeline.NewPredictor(m)
	out := make([]float64, 2)
	_ = predictor.PredictRows([]float64{7, 0, 7, 1}, out)
	fmt.Printf("%.1f\n", out)
	// Output: [14.0 19.0]
}

func predict(t *testing.T, m *pipeline.Model, rows ...float64) []float64 {
	p, err := pipeline.NewPredictor(m)
	require.NoError(t, err)
	n := len(rows) / len(m.Inputs)
	out := make([]float64, n*p.Width(0))
	require.NoError(t, p.PredictRows(rows, out))
	return out
}

// Coefficients of scikit-learn 1.9: Ridge(alpha=2) and LogisticRegression(C=0.5, tol=1e-10) after
// a StandardScaler, on x = [0..9], z = [1, 0, 0, 1, 0, 1, 1, 0, 1, 1], predicted at (3.5, 1).
func TestLinearAgreesWithScikitLearn(t *testing.T) {
	x := []float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	z := []float64{1, 0, 0, 1, 0, 1, 1, 0, 1, 1}
	y := []float64{1, 3, 2, 5, 4, 7, 8, 6, 9, 12}
	for name, c := range map[string]struct {
		label   []float64
		classes int
		alpha   float64
		want    []float64
	}{
		"ridge": {y, 0, 2, []float64{5.52372176}},
		"two":   {[]float64{0, 0, 1, 0, 1, 1, 0, 1, 1, 1}, 2, 2, []float64{0.46715282}},
		"three": {[]float64{0, 0, 1, 0, 1, 1, 2, 2, 1, 2}, 3, 2, []float64{0.40476764, 0.38004468, 0.21518769}},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := dense.Fit(t.Context(), engine.Dataset{Columns: [][]float64{x, z}, Label: c.label}, engine.Dataset{}, dense.Params{Classes: c.classes, Alpha: c.alpha}, nil)
			require.NoError(t, err)
			assert.InDeltaSlice(t, c.want, predict(t, m, 3.5, 1), 1e-5)
		})
	}
}

// noisy has numbers with gaps, a category, and a label.
func noisy(n int) engine.Dataset {
	r := rand.New(rand.NewPCG(1, 1))
	d := engine.Dataset{Columns: make([][]float64, 3), Categorical: []int{2}, Label: make([]float64, n), Weight: make([]float64, n)}
	for i := range n {
		a, b, c := r.NormFloat64(), r.NormFloat64(), float64(r.IntN(4))
		d.Label[i] = math.Sin(2*a) + b*b + c
		if i%7 == 0 {
			a = math.NaN()
		}
		d.Columns[0], d.Columns[1], d.Columns[2] = append(d.Columns[0], a), append(d.Columns[1], b), append(d.Columns[2], c)
		d.Weight[i] = float64(1 + i%2)
	}
	return d
}

// A network learns what a linear model cannot, the same each time.
func TestMLP(t *testing.T) {
	d := noisy(400)
	p, err := dense.MLP.Params(space.Settings{{Name: "epochs", Value: space.Lit(60)}, {Name: "learning_rate", Value: space.Lit(0.01)}})
	require.NoError(t, err)
	var scores []float64
	fit := func() *pipeline.Model {
		scores = nil
		m, err := dense.Fit(t.Context(), d, d, p, func(it engine.Iteration) error {
			scores = append(scores, it.Score)
			assert.Len(t, it.Predictions(), 400)
			return nil
		})
		require.NoError(t, err)
		return m
	}
	m := fit()
	assert.Len(t, scores, 60)
	assert.Less(t, scores[59], scores[0]/4)
	assert.Equal(t, saved(t, m), saved(t, fit()))
	linear, err := dense.Fit(t.Context(), d, engine.Dataset{}, dense.Params{Alpha: 1}, nil)
	require.NoError(t, err)
	assert.Less(t, squared(t, m, d), squared(t, linear, d)/3)
	assert.ErrorIs(t, dense.SHAP(m, make([]float64, 3), make([]float64, 4)), dense.ErrUnsupported)
}

func saved(t *testing.T, m *pipeline.Model) string {
	var b bytes.Buffer
	require.NoError(t, pipeline.Write(&b, m))
	return b.String()
}

func squared(t *testing.T, m *pipeline.Model, d engine.Dataset) (sum float64) {
	for i, y := range d.Label {
		f := predict(t, m, d.Columns[0][i], d.Columns[1][i], d.Columns[2][i])[0]
		sum += (f - y) * (f - y)
	}
	return sum
}

// The predictions during training are those of the model of as many epochs.
func TestPredictionsOfAnEpoch(t *testing.T) {
	d := noisy(100)
	for _, classes := range []int{0, 2, 3} {
		if classes > 0 {
			for i := range d.Label {
				d.Label[i] = float64(i % classes)
			}
		}
		p := dense.Params{Classes: classes, Layers: 2, Hidden: 5, Rate: 0.01, Batch: 16, Epochs: 9, Seed: 3}
		var at []float64
		m, err := dense.Fit(t.Context(), d, d, p, func(it engine.Iteration) error {
			if at = it.Predictions(); it.Round == 4 {
				return engine.ErrStop
			}
			return nil
		})
		require.NoError(t, err)
		var rows []float64
		for i := range d.Label {
			rows = append(rows, d.Columns[0][i], d.Columns[1][i], d.Columns[2][i])
		}
		assert.InDeltaSlice(t, at, predict(t, m, rows...), 1e-9)
		p.Epochs = 5
		short, err := dense.Fit(t.Context(), d, engine.Dataset{}, p, nil)
		require.NoError(t, err)
		assert.Equal(t, saved(t, m), saved(t, short))
	}
}

// A row of weight 2 counts like two rows, and one of weight 0 like none, for linear models.
func TestWeights(t *testing.T) {
	d := noisy(60)
	var twice engine.Dataset
	twice.Categorical = d.Categorical
	twice.Columns = make([][]float64, 3)
	for i, w := range d.Weight {
		if i == 0 {
			d.Weight[0], w = 0, 0
		}
		for range int(w) {
			for f := range 3 {
				twice.Columns[f] = append(twice.Columns[f], d.Columns[f][i])
			}
			twice.Label = append(twice.Label, d.Label[i])
		}
	}
	a, err := dense.Fit(t.Context(), d, engine.Dataset{}, dense.Params{Alpha: 3}, nil)
	require.NoError(t, err)
	b, err := dense.Fit(t.Context(), twice, engine.Dataset{}, dense.Params{Alpha: 3}, nil)
	require.NoError(t, err)
	rows := []float64{0.3, -1, 2, math.NaN(), 2, 9, 1, math.Inf(1), 0}
	assert.InDeltaSlice(t, predict(t, b, rows...), predict(t, a, rows...), 1e-9)
}

// Contributions add up to the raw output.
func TestSHAP(t *testing.T) {
	d := noisy(80)
	m, err := dense.Fit(t.Context(), d, engine.Dataset{}, dense.Params{Alpha: 1}, nil)
	require.NoError(t, err)
	rows := []float64{0.3, -1, 2, math.NaN(), 2, 9}
	out := make([]float64, 8)
	require.NoError(t, dense.SHAP(m, rows, out))
	for i, f := range predict(t, m, rows...) {
		assert.InDelta(t, f, out[4*i]+out[4*i+1]+out[4*i+2]+out[4*i+3], 1e-12)
	}
	assert.NotZero(t, out[0])
	assert.Equal(t, out[3], out[7])
}

func TestRefuses(t *testing.T) {
	for text, set := range map[string]space.Settings{
		"dense: linear: there is no depth: there are alpha":             {{Name: "depth", Value: space.Lit(1)}},
		"dense: linear: alpha is -1, want a number from 1e-09 to 1e+12": {{Name: "alpha", Value: space.Lit(-1)}},
		"dense: linear: alpha is set twice":                             {{Name: "alpha", Value: space.Lit(1)}, {Name: "alpha", Value: space.Lit(1)}},
		`dense: linear: alpha is x, want a number from 1e-09 to 1e+12`:  {{Name: "alpha", Value: space.Lit("x")}},
	} {
		_, err := dense.Linear.Params(set)
		require.ErrorIs(t, err, dense.ErrSetting)
		assert.EqualError(t, err, text)
	}
	_, err := dense.MLP.Params(space.Settings{{Name: "layers", Value: space.Lit(1.5)}})
	assert.EqualError(t, err, "dense: mlp: layers is 1.5, want a whole number from 1 to 8")

	one := engine.Dataset{Columns: [][]float64{{1, 2}}, Label: []float64{1, 2}}
	_, err = dense.Fit(t.Context(), one, engine.Dataset{}, dense.Params{}, nil)
	require.ErrorIs(t, err, dense.ErrSetting)
	for name, d := range map[string]engine.Dataset{
		"empty":   {},
		"huge":    {Columns: [][]float64{{1e200, -1e200}}, Label: []float64{1, 2}},
		"label":   {Columns: [][]float64{{1, 2}}, Label: []float64{1e200, -1e200}},
		"weights": {Columns: [][]float64{{1, 2}}, Label: []float64{1, 2}, Weight: []float64{0, 0}},
	} {
		_, err := dense.Fit(t.Context(), d, engine.Dataset{}, dense.Params{Alpha: 1}, nil)
		assert.ErrorIs(t, err, dense.ErrData, name)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	cancel(cause)
	p, err := dense.MLP.Params(nil)
	require.NoError(t, err)
	_, err = dense.Fit(ctx, one, engine.Dataset{}, p, nil)
	assert.ErrorIs(t, err, cause)
}
