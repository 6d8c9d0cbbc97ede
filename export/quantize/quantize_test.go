package quantize_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/quantize"
	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/export/tensor"
	"github.com/attune-hpo/attune/export/validate"
	"github.com/attune-hpo/attune/internal/onnxsetup/onnxtest"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural"
)

const horizon = 6

func passengers(t testing.TB) forecast.Frame {
	t.Helper()
	f, err := forecast.CSV{Time: "month", Target: "passengers"}.ReadFile("../../data/airpassengers.csv")
	require.NoError(t, err)
	return f
}

// A fitted is a network's export, with windows of its training and of the time after.
type fitted struct {
	m             *onnx.Model
	learnt, after *validate.Windows
}

func fit(t testing.TB, f forecast.Forecaster) fitted {
	t.Helper()
	frame := passengers(t)
	require.NoError(t, f.Fit(t.Context(), forecast.Frame{frame[0].Until(110, 0)}, forecast.FitOptions{Horizon: horizon, Seed: 1}))
	m, err := onnx.Forecaster(f, onnx.ForecasterOptions{})
	require.NoError(t, err)
	w, err := validate.NewWindows(t.Context(), f, frame, horizon, 144) // windows of every month
	require.NoError(t, err)
	first := w.Inputs[0].Shape[1]
	from := func(origin int) int { return origin - int(first) }
	return fitted{m, w.Slice(from(48), from(110)), w.Slice(from(110), from(144))}
}

// opened returns a function that runs a model.
func opened(t testing.TB, m *onnx.Model) func(tensor.List) ([]float64, error) {
	t.Helper()
	b, err := m.Encode()
	require.NoError(t, err)
	s, err := runtime.OpenBytes(b, runtime.Config{Provider: runtime.CPU})
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return func(in tensor.List) ([]float64, error) {
		out, err := s.Run(t.Context(), in)
		if err != nil {
			return nil, err
		}
		return out[0].Floats(), nil
	}
}

// spread returns the standard deviation.
func spread(v []float64) float64 {
	mean := 0.0
	for _, x := range v {
		mean += x / float64(len(v))
	}
	return distance(v, slices.Repeat([]float64{mean}, len(v)))
}

// distance returns the root mean square of the differences.
func distance(a, b []float64) float64 {
	square := 0.0
	for i, x := range a {
		square += (x - b[i]) * (x - b[i]) / float64(len(a))
	}
	return math.Sqrt(square)
}

// off returns the deviation of a model from the native one: the root mean square of the
// differences, relative to the standard deviation of the native values.
func off(t testing.TB, w *validate.Windows, run func(tensor.List) ([]float64, error)) float64 {
	t.Helper()
	got, err := run(w.Inputs)
	require.NoError(t, err)
	return distance(w.Native, got) / spread(w.Native)
}

var training = neural.Training{Window: 24, Transform: forecast.Log{}, Epochs: 15, LearningRate: 3e-3, Batch: 16}

// The last three years of AirPassengers, which the networks have not seen. Errors are shares
// of the standard deviation of the forecasts, 74 to 90 thousand passengers.
func TestQuantized(t *testing.T) {
	onnxtest.Require(t)
	for _, c := range []struct {
		name  string
		model neural.Model
	}{
		{"lstm", neural.LSTM{Training: training, Hidden: 32, Layers: 2, Bidirectional: true}},
		{"tcn", neural.TCN{Training: training, Channels: []int{24, 24, 32}}},
		{"tcn, layer norm", neural.TCN{Training: training, Channels: []int{24, 24}, Norm: "layer"}},
		{"transformer", neural.Transformer{Training: training, Width: 32}},
		{"transformer, encoder only", neural.Transformer{Training: training, Width: 32, EncoderLayers: 1, DecoderLayers: -1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := fit(t, neural.New(c.model))
			before := opened(t, f.m)
			for _, q := range []struct {
				quantize.Options
				limit, smaller float64
			}{
				{quantize.Options{Kind: quantize.FP16}, 1e-3, 1.5},
				{quantize.Options{Kind: quantize.Int8}, 0.05, 1.7},
				{quantize.Options{Kind: quantize.Int8, Precise: true}, 0.05, 1.7},
			} {
				q.Calibration = f.learnt.Inputs
				m, err := quantize.Quantize(t.Context(), f.m, q.Options)
				require.NoError(t, err)
				run := opened(t, m)
				r, err := quantize.Compare(f.after, validate.Gate{}, run)
				require.NoError(t, err)
				t.Logf("precise %v, %v", q.Precise, r)
				assert.True(t, r.Pass)
				assert.InDelta(t, spread(f.after.Native)/10, r.Gate.ATol, 1e-9)
				assert.Contains(t, m.Metadata, onnx.Property{Key: "attune.quantized", Value: string(q.Kind)})
				assert.Less(t, off(t, f.after, before), 2e-6)
				assert.Less(t, off(t, f.after, run), q.limit)
				assert.Greater(t, float64(size(t, f.m))/float64(size(t, m)), q.smaller)
			}
		})
	}
}

func size(t testing.TB, m *onnx.Model) int {
	t.Helper()
	b, err := m.Encode()
	require.NoError(t, err)
	return len(b)
}

// The forecast of an int8 network depends on the other rows: the report is for the batch
// size with the worst result.
func TestCompareReportsTheWorst(t *testing.T) {
	onnxtest.Require(t)
	short := training
	short.Epochs = 2
	f := fit(t, neural.New(neural.LSTM{Training: short, Hidden: 24}))
	q, err := quantize.Quantize(t.Context(), f.m, quantize.Options{Kind: quantize.Int8})
	require.NoError(t, err)
	run := opened(t, q)
	worst := map[int]float64{}
	for _, size := range []int{1, 8, 34} {
		for from := 0; from < 34; from += size {
			to := min(from+size, 34)
			out, err := run(f.after.Inputs.Slice(from, to))
			require.NoError(t, err)
			for i, y := range out {
				worst[size] = max(worst[size], math.Abs(y-f.after.Native[from*horizon+i]))
			}
		}
	}
	assert.NotEqual(t, worst[1], worst[34])
	var sizes []int
	r, err := quantize.Compare(f.after, validate.Gate{ATol: 1e3}, func(in tensor.List) ([]float64, error) {
		sizes = append(sizes, int(in[0].Shape[0]))
		return run(in)
	})
	require.NoError(t, err)
	assert.Equal(t, append(append(slices.Repeat([]int{1}, 34), 8, 8, 8, 8, 2), 34), sizes)
	assert.Equal(t, max(worst[1], worst[8], worst[34]), r.MaxAbsolute)

	sizes = nil // with fewer rows than a batch of 8
	_, err = quantize.Compare(f.after.Slice(0, 2), validate.Gate{}, func(in tensor.List) ([]float64, error) {
		sizes = append(sizes, int(in[0].Shape[0]))
		return run(in)
	})
	require.NoError(t, err)
	assert.Equal(t, []int{1, 1, 2}, sizes)
}

// A model that passes in some batches and fails in others has failed.
func TestCompareRefuses(t *testing.T) {
	w := &validate.Windows{Inputs: tensor.List{{Name: "window", Shape: []int64{3, 1}, Data: []float64{1, 2, 3}}}}
	_, err := quantize.Compare(&validate.Windows{}, validate.Gate{}, nil)
	require.ErrorIs(t, err, tensor.ErrShape)
	_, err = quantize.Compare(w, validate.Gate{}, func(tensor.List) ([]float64, error) { return nil, errBroken })
	require.ErrorIs(t, err, errBroken)

	linear := neural.NewLinear(neural.NLinear{Window: 24})
	require.NoError(t, linear.Fit(t.Context(), passengers(t), forecast.FitOptions{Horizon: 2}))
	w, err = validate.NewWindows(t.Context(), linear, passengers(t), 2, 20)
	require.NoError(t, err)
	require.Equal(t, 20, w.Len())
	called := 0
	given := func(in tensor.List) []float64 { // the native forecasts, unchanged
		n := int(in[0].Shape[0]) * 2
		from := called % len(w.Native)
		called += n
		return slices.Clone(w.Native[from : from+n])
	}
	r, err := quantize.Compare(w, validate.Gate{}, func(in tensor.List) ([]float64, error) { return given(in), nil })
	require.NoError(t, err)
	assert.True(t, r.Pass)
	assert.Zero(t, r.MaxAbsolute)

	spoilt := func(by float64) func(tensor.List) ([]float64, error) { // only in batches of 8
		return func(in tensor.List) ([]float64, error) {
			y := given(in)
			if in[0].Shape[0] == 8 {
				y[0] += by
			}
			return y, nil
		}
	}
	called = 0
	r, err = quantize.Compare(w, validate.Gate{}, spoilt(spread(w.Native)/5))
	require.NoError(t, err)
	assert.False(t, r.Pass)
	assert.Contains(t, r.Reason, "in batches of 8: 2 of 40 values are beyond the tolerance")
	called = 0
	r, err = quantize.Compare(w, validate.Gate{}, spoilt(math.NaN()))
	require.NoError(t, err)
	assert.Contains(t, r.Reason, "in batches of 8: 2 of 40 values are NaN on one side only")
	called = 0
	r, err = quantize.Compare(w, validate.Gate{}, spoilt(spread(w.Native)/20))
	require.NoError(t, err)
	assert.True(t, r.Pass)
	assert.InDelta(t, spread(w.Native)/20, r.MaxAbsolute, 1e-9)

	_, err = quantize.Compare(w, validate.Gate{}, func(in tensor.List) ([]float64, error) { return given(in)[1:], nil })
	require.ErrorIs(t, err, validate.ErrInput)
	_, err = quantize.Compare(w, validate.Gate{ATol: -1}, func(in tensor.List) ([]float64, error) { return given(in), nil })
	require.Error(t, err)
}

// convolution returns a model of one convolution, changed for the case.
func convolution(t testing.TB, change func(b *onnx.Builder, y onnx.Value) onnx.Value) *onnx.Model {
	t.Helper()
	b := onnx.NewBuilder(onnx.Compatible)
	x := b.Input("x", onnx.Float32, onnx.Batch, onnx.Dim{Size: 16}, onnx.Dim{Size: 8})
	w := make([]float32, 16*16*4)
	for i := range w {
		w[i] = float32(math.Sin(float64(i)))
	}
	y := b.Op("Conv", nil, x, b.Const(onnx.NewTensor("", w, 16, 16, 4)), b.Const(onnx.NewTensor("", make([]float32, 16))))
	b.Output("y", change(b, y))
	m, err := b.Model(onnx.Info{})
	require.NoError(t, err)
	return m
}

func same(_ *onnx.Builder, y onnx.Value) onnx.Value { return y }

func count(m *onnx.Model, op string) (n int) {
	for _, node := range m.Graph.Nodes {
		if node.Op == op {
			n++
		}
	}
	return n
}

func x(rows int64) tensor.List {
	return tensor.List{{Name: "x", Shape: []int64{rows, 16, 8}, Data: make([]float32, rows*16*8)}}
}

// constant is a runner whose outputs are all value.
func constant(value float32, calls *[]int64) quantize.Runner {
	return func(_ context.Context, m *onnx.Model, in tensor.List) (tensor.List, error) {
		if calls != nil {
			*calls = append(*calls, in[0].Shape[0])
		}
		var out tensor.List
		for _, v := range m.Graph.Outputs {
			out = append(out, tensor.Tensor{Name: v.Name, Shape: []int64{1}, Data: []float32{value}})
		}
		return out, nil
	}
}

var errBroken = errors.New("broken")

func TestQuantizeRefuses(t *testing.T) {
	conv := convolution(t, func(b *onnx.Builder, y onnx.Value) onnx.Value { return b.Op("Relu", nil, b.Op("Relu", nil, y)) })
	done, err := quantize.Quantize(t.Context(), conv, quantize.Options{Kind: quantize.FP16})
	require.NoError(t, err)
	old := *conv
	old.Opsets = []onnx.Opset{{Domain: onnx.Standard, Version: 12}}
	damaged := *conv
	damaged.Graph.Outputs = nil
	linear := neural.NewLinear(neural.NLinear{Window: 24})
	require.NoError(t, linear.Fit(t.Context(), passengers(t), forecast.FitOptions{Horizon: 50}))
	double, err := onnx.Forecaster(linear, onnx.ForecasterOptions{})
	require.NoError(t, err)
	int8 := quantize.Options{Kind: quantize.Int8, Calibration: x(3), Run: constant(1, nil)}
	with := func(change func(o *quantize.Options)) quantize.Options {
		o := int8
		change(&o)
		return o
	}
	for _, c := range []struct {
		name string
		m    *onnx.Model
		o    quantize.Options
		is   error
		want string
	}{
		{"kind", conv, quantize.Options{}, quantize.ErrConfig, `kind "": want fp16 or int8`},
		{"twice", done, int8, quantize.ErrConfig, "the model is quantized already: fp16"},
		{"opset", &old, int8, quantize.ErrConfig, "the model is of opset 12: want 13 or later"},
		{"not sound", &damaged, int8, onnx.ErrInvalid, "the graph has no outputs"},
		{"double", double, int8, quantize.ErrNothing, "no weights of float32 have 1024 elements"},
		{"double, halves", double, quantize.Options{Kind: quantize.FP16}, quantize.ErrNothing, "no weights"},
		{"no calibration", conv, with(func(o *quantize.Options) { o.Calibration = nil }), quantize.ErrConfig, "set quantize.Options.Calibration"},
		{"no rows", conv, with(func(o *quantize.Options) { o.Calibration = tensor.List{{Name: "x", Data: []float32{1}}} }), quantize.ErrConfig, "calibration: "},
		{"run", conv, with(func(o *quantize.Options) {
			o.Run = func(context.Context, *onnx.Model, tensor.List) (tensor.List, error) { return nil, errBroken }
		}), errBroken, "quantize: calibration: broken"},
		{"not float32", conv, with(func(o *quantize.Options) {
			o.Run = func(context.Context, *onnx.Model, tensor.List) (tensor.List, error) {
				return tensor.List{{Name: "y", Shape: []int64{1}, Data: []float64{1}}}, nil
			}
		}), quantize.ErrConfig, "y float64 [1]: want float32"},
		{"NaN", conv, with(func(o *quantize.Options) { o.Run = constant(float32(math.NaN()), nil) }), quantize.ErrConfig, "rows 0 to 2 the network computes NaN in"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := quantize.Quantize(t.Context(), c.m, c.o)
			require.ErrorIs(t, err, c.is)
			assert.ErrorContains(t, err, c.want)
			assert.NotContains(t, err.Error(), "quantize: quantize")
			assert.True(t, strings.HasPrefix(err.Error(), "quantize: "))
		})
	}
}

// Around a convolution, its input and output are quantized, or the output of the ReLU after it.
func TestConvolutions(t *testing.T) {
	var calls []int64
	options := quantize.Options{Kind: quantize.Int8, Calibration: x(130), Run: constant(3, &calls)}
	for _, c := range []struct {
		name   string
		change func(b *onnx.Builder, y onnx.Value) onnx.Value
		bytes  int // values converted to bytes
	}{
		{"output of the graph", same, 1},
		{"relu", func(b *onnx.Builder, y onnx.Value) onnx.Value { return b.Op("Neg", nil, b.Op("Relu", nil, y)) }, 2},
		{"relu and another", func(b *onnx.Builder, y onnx.Value) onnx.Value { return b.Op("Add", nil, b.Op("Relu", nil, y), y) }, 2},
		{"sum", func(b *onnx.Builder, y onnx.Value) onnx.Value {
			return b.Op("Neg", nil, b.Op("Relu", nil, b.Op("Add", nil, y, y)))
		}, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := convolution(t, c.change)
			q, err := quantize.Quantize(t.Context(), m, options)
			require.NoError(t, err)
			assert.Equal(t, c.bytes, count(q, "QuantizeLinear"))
			assert.Equal(t, c.bytes+2, count(q, "DequantizeLinear"), "weights and biases too")
			again, err := quantize.Quantize(t.Context(), m, options)
			require.NoError(t, err)
			assert.Equal(t, q, again)
		})
	}
	assert.Equal(t, []int64{64, 64, 2}, calls[:3])
}
