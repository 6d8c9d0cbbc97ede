package quantize_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/quantize"
	"github.com/attune-hpo/attune/internal/onnxsetup/onnxtest"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural"
)

const horizon = 6

func passengers(t testing.TB) forecast.Frame {
	t.Helper()
	f, err := forecast.CSV{Time: "month", Target: "passengers"}.ReadFile("../../objective/forecast/testdata/airpassengers.csv")
	require.NoError(t, err)
	return f
}

// through returns the whole numbers in [from, to).
func through(from, to int) []int {
	var all []int
	for i := from; i < to; i++ {
		all = append(all, i)
	}
	return all
}

// A fitted is a network's export with rows of its training and of what came after.
type fitted struct {
	m             *onnx.Model
	learnt, after quantize.Rows
}

func fit(t testing.TB, f forecast.Forecaster) fitted {
	t.Helper()
	frame := passengers(t)
	require.NoError(t, f.Fit(t.Context(), forecast.Frame{frame[0].Until(110, 0)}, forecast.FitOptions{Horizon: horizon, Seed: 1}))
	m, err := onnx.Forecaster(f, onnx.ForecasterOptions{})
	require.NoError(t, err)
	learnt, err := quantize.Windows(t.Context(), f, frame, horizon, through(48, 110)...)
	require.NoError(t, err)
	after, err := quantize.Windows(t.Context(), f, frame, horizon, through(110, 144)...)
	require.NoError(t, err)
	return fitted{m, learnt, after}
}

var training = neural.Training{Window: 24, Transform: forecast.Log{}, Epochs: 15, LearningRate: 3e-3, Batch: 16}

// The last three years of AirPassengers, which the networks had not. Errors are shares of
// the standard deviation of the forecasts, 74 to 90 passengers in a thousand.
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
				r, err := quantize.Gate{Time: time.Millisecond}.Compare(t.Context(), f.m, m, f.after)
				require.NoError(t, err)
				t.Logf("precise %v, %v", q.Precise, r)
				assert.Equal(t, q.Kind, r.Kind)
				assert.Less(t, r.Unquantized, 2e-6)
				assert.Less(t, r.Error, q.limit)
				assert.Greater(t, float64(r.Before)/float64(r.Bytes), q.smaller)
				assert.True(t, r.Detail.Pass)
				require.Len(t, r.Speed, 2)
				assert.Positive(t, min(r.Speed[0].Time, r.Speed[0].Before, r.Speed[1].Time, r.Speed[1].Before))
			}
		})
	}
}

// What an int8 network forecasts depends on the rows beside: the gate tells of the batches
// that it is worst in.
func TestGateTellsTheWorst(t *testing.T) {
	onnxtest.Require(t)
	short := training
	short.Epochs = 2
	f := fit(t, neural.New(neural.LSTM{Training: short, Hidden: 24}))
	q, err := quantize.Quantize(t.Context(), f.m, quantize.Options{Kind: quantize.Int8})
	require.NoError(t, err)
	run := func(inputs []onnx.Tensor) ([]float64, error) {
		out, err := quantize.Runtime(t.Context(), q, inputs)
		if err != nil {
			return nil, err
		}
		return onnx.Values[float64](out[0])
	}
	worst := map[int]float64{}
	require.NoError(t, quantize.InBatches(f.after.Inputs, run, func(size int, out []float64) error {
		for i, y := range out {
			worst[size] = max(worst[size], math.Abs(y-f.after.Native[i]))
		}
		return nil
	}))
	require.ElementsMatch(t, []int{1, 8, 34}, slices.Collect(maps.Keys(worst)))
	assert.NotEqual(t, worst[1], worst[34])
	r, err := quantize.Gate{Tolerance: 1, Time: -1}.Compare(t.Context(), f.m, q, f.after)
	require.NoError(t, err)
	assert.Equal(t, max(worst[1], worst[8], worst[34]), r.Detail.MaxAbsolute)
	assert.Equal(t, worst[r.Batch], r.Detail.MaxAbsolute)
	assert.Contains(t, r.String(), fmt.Sprintf("in batches of %d\n", r.Batch))

	two := slices.Clone(f.after.Inputs) // fewer rows than a batch of 8
	two[0].Dims = []int64{2, two[0].Dims[1]}
	two[0].Raw = two[0].Raw[:len(two[0].Raw)/34*2]
	var sizes []int
	require.NoError(t, quantize.InBatches(two[:1], func(in []onnx.Tensor) ([]float64, error) {
		return make([]float64, in[0].Dims[0]), nil
	}, func(size int, out []float64) error {
		sizes = append(sizes, size)
		assert.Len(t, out, 2)
		return nil
	}))
	assert.Equal(t, []int{1, 2}, sizes)
}

func TestGateRefuses(t *testing.T) {
	onnxtest.Require(t)
	short := training
	short.Epochs = 2
	f := fit(t, neural.New(neural.LSTM{Training: short, Hidden: 24}))
	q, err := quantize.Quantize(t.Context(), f.m, quantize.Options{Kind: quantize.Int8})
	require.NoError(t, err)
	quiet := quantize.Gate{Time: -1}

	strict := quiet
	strict.Tolerance = 1e-6
	r, err := strict.Compare(t.Context(), f.m, q, f.after)
	require.ErrorIs(t, err, quantize.ErrWorse)
	assert.ErrorContains(t, err, "quantize: int8: worse than the tolerance of 1e-06 of the spread: ")
	assert.ErrorContains(t, err, fmt.Sprintf("the error is %.3g", r.Error))
	assert.False(t, r.Detail.Pass)
	assert.Empty(t, r.Speed)

	// Of the model itself there is nothing to complain about.
	r, err = strict.Compare(t.Context(), f.m, f.m, f.after)
	require.NoError(t, err)
	assert.Equal(t, []any{quantize.Kind(""), r.Before}, []any{r.Kind, r.Bytes})

	spoilt := f.after
	spoilt.Native = slices.Clone(spoilt.Native)
	spoilt.Native[0] = math.NaN()
	_, err = quiet.Compare(t.Context(), f.m, q, spoilt)
	assert.Error(t, err)

	for name, c := range map[string]struct {
		gate quantize.Gate
		rows quantize.Rows
		want string
	}{
		"tolerance":     {quantize.Gate{Tolerance: -1}, f.after, "tolerance -1"},
		"no inputs":     {quiet, quantize.Rows{Native: f.after.Native}, "there are no inputs"},
		"native values": {quiet, quantize.Rows{Inputs: f.after.Inputs, Native: f.after.Native[1:]}, "native values of 34 rows"},
		"rows of one and of other inputs": {quiet, quantize.Rows{Inputs: append(slices.Clone(f.after.Inputs), onnx.NewTensor("x", []float64{1})), Native: f.after.Native},
			`input "x" has dimensions [1], others 34 rows`},
	} {
		_, err := c.gate.Compare(t.Context(), f.m, q, c.rows)
		assert.ErrorIs(t, err, quantize.ErrConfig, name)
		assert.ErrorContains(t, err, c.want, name)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = quiet.Compare(ctx, f.m, q, f.after)
	assert.ErrorIs(t, err, context.Canceled)
}

func TestWindowsRefuses(t *testing.T) {
	frame := passengers(t)
	f := neural.NewLinear(neural.NLinear{Window: 12})
	_, err := quantize.Windows(t.Context(), f, frame, horizon, 100)
	assert.ErrorIs(t, err, forecast.ErrNotFitted)
	require.NoError(t, f.Fit(t.Context(), frame, forecast.FitOptions{Horizon: horizon}))
	_, err = quantize.Windows(t.Context(), f, frame, horizon, 145)
	assert.ErrorIs(t, err, quantize.ErrConfig)
	assert.ErrorContains(t, err, "origin 145 of a series of 144")
	_, err = quantize.Windows(t.Context(), f, frame, horizon, 5)
	assert.ErrorIs(t, err, forecast.ErrShort)
	rows, err := quantize.Windows(t.Context(), f, frame, horizon, 50, 144)
	require.NoError(t, err)
	assert.Equal(t, []int64{2, 12}, rows.Inputs[0].Dims)
	assert.Len(t, rows.Native, 2*horizon)
}

// convolution returns a model of one convolution, and what else the case needs.
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

func x(rows int64) []onnx.Tensor {
	return []onnx.Tensor{onnx.NewTensor("x", make([]float32, rows*16*8), rows, 16, 8)}
}

// constant is a runner whose outputs are all the same number.
func constant(value float32, calls *[]int64) quantize.Runner {
	return func(_ context.Context, m *onnx.Model, in []onnx.Tensor) ([]onnx.Tensor, error) {
		if calls != nil {
			*calls = append(*calls, in[0].Dims[0])
		}
		var out []onnx.Tensor
		for _, v := range m.Graph.Outputs {
			out = append(out, onnx.NewTensor(v.Name, []float32{value}))
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
		{"no calibration", conv, with(func(o *quantize.Options) { o.Calibration = nil }), quantize.ErrConfig, "Options.Calibration is empty"},
		{"no rows", conv, with(func(o *quantize.Options) { o.Calibration = []onnx.Tensor{onnx.Scalar("x", float32(1))} }), quantize.ErrConfig, "calibration: "},
		{"run", conv, with(func(o *quantize.Options) {
			o.Run = func(context.Context, *onnx.Model, []onnx.Tensor) ([]onnx.Tensor, error) { return nil, errBroken }
		}), errBroken, "quantize: calibration: broken"},
		{"NaN", conv, with(func(o *quantize.Options) { o.Run = constant(float32(math.NaN()), nil) }), quantize.ErrConfig, "rows 0 to 2 make NaN of"},
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

// Around a convolution: what it takes and what it makes, or what the ReLU behind it does.
func TestConvolutions(t *testing.T) {
	var calls []int64
	options := quantize.Options{Kind: quantize.Int8, Calibration: x(130), Run: constant(3, &calls)}
	for _, c := range []struct {
		name   string
		change func(b *onnx.Builder, y onnx.Value) onnx.Value
		bytes  int // values turned to bytes
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

// Whatever file a model is read from.
func FuzzQuantize(f *testing.F) {
	for _, m := range []*onnx.Model{convolution(f, same), convolution(f, func(b *onnx.Builder, y onnx.Value) onnx.Value {
		w := b.Const(onnx.NewTensor("", make([]float32, 64*32), 64, 32))
		return b.Op("MatMul", nil, b.Op("Reshape", nil, y, b.Integers(0, -1)), b.Concat(0, w, b.Const(onnx.NewTensor("", make([]float32, 16*32), 16, 32))))
	})} {
		b, err := m.Encode()
		require.NoError(f, err)
		f.Add(b)
	}
	b := onnx.NewBuilder(onnx.Compatible)
	w := func(dims ...int64) onnx.Value {
		return b.Const(onnx.NewTensor("", make([]float32, dims[0]*dims[1]*dims[2]), dims...))
	}
	b.Output("y", b.Node(onnx.Node{Op: "LSTM", Attrs: []onnx.Attr{{Name: "hidden_size", Value: onnx.Int(16)}}}, 1,
		b.Input("x", onnx.Float32, onnx.Dim{Size: 3}, onnx.Batch, onnx.Dim{Size: 2}), w(1, 64, 2), w(1, 64, 16))[0])
	m, err := b.Model(onnx.Info{})
	require.NoError(f, err)
	file, err := m.Encode()
	require.NoError(f, err)
	f.Add(file)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := onnx.Decode(b)
		if err != nil {
			return
		}
		for _, o := range []quantize.Options{{Kind: quantize.FP16}, {Kind: quantize.Int8, Calibration: x(1), Run: constant(1, nil)}} {
			q, err := quantize.Quantize(t.Context(), m, o)
			if err == nil {
				err = q.Check()
			}
			if err == nil {
				_, err = q.Encode()
			}
			if err == nil && m.Check() != nil {
				t.Fatal("a sound model of one that is not")
			}
		}
	})
}
