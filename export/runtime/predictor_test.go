package runtime

import (
	"context"
	"math"
	stdruntime "runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/tensor"
)

// requireTrees compares p with the first n trees of testdata, in double precision.
func requireTrees(t *testing.T, p *Predictor, n int) {
	t.Helper()
	native := nativeTrees(t, n)
	for _, rows := range []int{0, 1, 2, 7, 64, 300} {
		in := normal(uint64(rows), rows)
		want, got := make([]float64, rows), make([]float64, rows)
		require.NoError(t, native.Predict(in, want))
		require.NoError(t, p.Predict(in, got))
		require.Equal(t, want, got, "%d rows", rows)
	}
}

// A predictor can replace that of objective/tree: in double precision, bit for bit.
func TestPredictorTrees(t *testing.T) {
	s := openFile(t, "trees_double", Config{})
	for _, batch := range []int{0, 1, 3, 64} {
		p, err := NewPredictor(s, PredictorConfig{Batch: batch})
		require.NoError(t, err)
		require.Equal(t, features, p.Width())
		require.Equal(t, 1, p.Outputs())
		require.Same(t, s, p.Session())
		requireTrees(t, p, 100)
	}
}

// In single precision, thresholds are rounded so that float32 numbers stay on their side.
func TestPredictorFloat(t *testing.T) {
	p, err := NewPredictor(openFile(t, "trees_float", Config{}), PredictorConfig{})
	require.NoError(t, err)
	native := nativeTrees(t, 10)
	rows := normal(3, 500)
	for i, v := range rows {
		rows[i] = float64(float32(v))
	}
	want, got := make([]float64, 500), make([]float64, 500)
	require.NoError(t, native.Predict(rows, want))
	require.NoError(t, p.Predict(rows, got))
	require.InDeltaSlice(t, want, got, 1e-5) // sums of 10 leaves in float32
}

func TestPredictorShapes(t *testing.T) {
	for name, c := range map[string]struct {
		file      string
		o         PredictorConfig
		rows, out []float64
		outputs   int
	}{
		"one output":         {"linear", PredictorConfig{}, []float64{1, 2, 3, 0, 0, 0}, []float64{14.5, 0.5}, 1},
		"two outputs":        {"double", PredictorConfig{}, []float64{5, 3, 1, -1}, []float64{8, 2, 0, 2}, 2},
		"windows":            {"window", PredictorConfig{}, []float64{1, 2, 3, 4, 5, 6, 7, 8}, []float64{4.5}, 1},
		"a width given":      {"symbolic", PredictorConfig{Width: 3}, []float64{1, 2, 3}, []float64{14.5}, 1},
		"the width repeated": {"linear", PredictorConfig{Width: 3}, []float64{1, 2, 3}, []float64{14.5}, 1},
		"a shape told wrong": {"wrong_output", PredictorConfig{}, []float64{1, 2, 3}, []float64{14.5}, 1},
		"batches of three":   {"fixed", PredictorConfig{Batch: 100}, []float64{1, 2, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0}, []float64{14.5, 0.5, 1.5, 2.5}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := NewPredictor(openFile(t, c.file, Config{}), c.o)
			require.NoError(t, err)
			require.Equal(t, c.outputs, p.Outputs())
			got := make([]float64, len(c.out))
			for range 2 {
				require.NoError(t, p.Predict(c.rows, got))
				require.Equal(t, c.out, got)
			}
			require.NoError(t, p.Predict(nil, nil))
		})
	}
	t.Run("probabilities beside labels", func(t *testing.T) {
		p, err := NewPredictor(openFile(t, "classifier", Config{}), PredictorConfig{})
		require.NoError(t, err)
		require.Equal(t, 2, p.Outputs())
		native := nativeTrees(t, 10)
		rows := normal(4, 50)
		score, got := make([]float64, 50), make([]float64, 100)
		require.NoError(t, native.Predict(rows, score))
		require.NoError(t, p.Predict(rows, got))
		for i, s := range score {
			require.InDelta(t, 1/(1+math.Exp(-s)), got[2*i+1], 1e-3) // rows are rounded to float32
			require.InDelta(t, 1, got[2*i]+got[2*i+1], 1e-6)
		}
	})
}

func TestPredictorBad(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		o    PredictorConfig
		err  string
	}{
		"two inputs":         {"two_inputs", PredictorConfig{}, "it has 2 inputs, want one"},
		"single values":      {"loop", PredictorConfig{}, "it has 2 inputs"},
		"no width":           {"symbolic", PredictorConfig{}, "does not say how many values a row has, a multiple of 1: set runtime.PredictorConfig.Width"},
		"the wrong width":    {"symbolic", PredictorConfig{Width: 4}, "a trial run of 2 rows of zeros"},
		"another width":      {"linear", PredictorConfig{Width: 4}, "takes 3 values a row, not 4"},
		"no such output":     {"linear", PredictorConfig{Output: "z"}, `it has no output "z" of floats`},
		"labels":             {"classifier", PredictorConfig{Output: "label"}, `it has no output "label" of floats`},
		"no floats":          {"zipmap", PredictorConfig{}, "it has no output of floats"},
		"a feature too many": {"bad_feature", PredictorConfig{}, "requests feature 19 but input tensor has 2 features"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewPredictor(openFile(t, c.file, Config{}), c.o)
			require.ErrorIs(t, err, ErrModel)
			require.ErrorContains(t, err, c.err)
			require.NotRegexp(t, `\.cc|onnxruntime::|\n`, err.Error())
		})
	}
	s := openFile(t, "linear", Config{})
	_, err := NewPredictor(s, PredictorConfig{Batch: -1})
	require.ErrorContains(t, err, "batch -1")
	_, err = OpenPredictor(file("two_inputs"), Config{})
	require.ErrorContains(t, err, "want one")
	_, err = OpenPredictor(file("absent"), Config{})
	require.Error(t, err)

	p, err := NewPredictor(s, PredictorConfig{})
	require.NoError(t, err)
	out := []float64{7, 7}
	for _, rows := range []int{0, 2, 4, 5, 9} {
		err := p.Predict(make([]float64, rows), out)
		require.ErrorIs(t, err, ErrInput)
		require.ErrorContains(t, err, "want 3 in and 1 out a row")
	}
	require.Equal(t, []float64{7, 7}, out)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, p.PredictContext(ctx, make([]float64, 6), out), context.Canceled)
	require.NoError(t, p.PredictContext(ctx, nil, nil))
}

// Many goroutines, many batch sizes, and garbage collections in between.
func TestPredictorConcurrent(t *testing.T) {
	s := openFile(t, "trees_double", Config{})
	p, err := NewPredictor(s, PredictorConfig{Batch: 16})
	require.NoError(t, err)
	native := nativeTrees(t, 100)
	var wg sync.WaitGroup
	for g := range uint64(32) {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			for i := range uint64(20) {
				n := int(1 + (g*7+i*3)%40)
				rows := normal(g*1000+i, n)
				want, got := make([]float64, n), make([]float64, n)
				assert.NoError(t, native.Predict(rows, want))
				assert.NoError(t, p.PredictContext(ctx, rows, got))
				assert.Equal(t, want, got)
				out, err := s.Run(ctx, tensor.List{{Name: "x", Shape: []int64{int64(n), features}, Data: rows}})
				assert.NoError(t, err)
				assert.Equal(t, want, out[0].Data)
				if i%7 == 0 {
					stdruntime.GC()
				}
			}
		})
	}
	wg.Wait()
}
