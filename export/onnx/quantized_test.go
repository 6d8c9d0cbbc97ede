package onnx_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/onnx/internal/eval"
	"github.com/attune-hpo/attune/export/quantize"
	"github.com/attune-hpo/attune/export/tensor"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural"
)

// with returns a runner as package quantize wants it.
func with(t testing.TB, run runner) quantize.Runner {
	return func(_ context.Context, m *onnx.Model, inputs tensor.List) (tensor.List, error) {
		var out tensor.List
		for name, a := range run(t, m, arrays(inputs)) {
			v, shape := make([]float32, len(a.Data)), make([]int64, len(a.Dims))
			for i, x := range a.Data {
				v[i] = float32(x)
			}
			for i, d := range a.Dims {
				shape[i] = int64(d)
			}
			out = append(out, tensor.Tensor{Name: name, Shape: shape, Data: v})
		}
		return out, nil
	}
}

// windows returns what f forecasts from several origins, those of all series of a frame
// after each of them, and the inputs of its export.
func windows(t testing.TB, f forecast.Forecaster, frame forecast.Frame, horizon int, origins ...int) (tensor.List, []float64) {
	t.Helper()
	var inputs []tensor.List
	var native []float64
	for _, n := range origins {
		past := until(frame, n, horizon)
		out, err := f.Predict(t.Context(), past, horizon)
		require.NoError(t, err)
		for _, s := range out {
			native = append(native, s.Y...)
		}
		in, err := onnx.ForecastInputs(f, past)
		require.NoError(t, err)
		inputs = append(inputs, in)
	}
	all, err := tensor.Join(inputs...)
	require.NoError(t, err)
	return all, native
}

func TestQuantizedPlainly(t *testing.T) { testQuantized(t, plainly, plainly) }

func TestQuantizedInRuntime(t *testing.T) { testQuantized(t, ort(t, 1), plainly) }

// testQuantized runs quantized networks beside the native ones; package quantize tests how
// far they are apart in ONNX Runtime, and how fast.
func testQuantized(t *testing.T, run, calibrate runner) {
	training := neural.Training{Window: 12, Transform: forecast.Log{}, Epochs: 3, LearningRate: 5e-3, Shortcut: true}
	const horizon = 4
	for _, c := range []struct {
		name  string
		model neural.Model
		ops   string // of the model in bytes
	}{
		{"lstm", neural.LSTM{Training: training, Hidden: 16, Layers: 2, Bidirectional: true}, "DynamicQuantizeLSTM"},
		{"tcn", neural.TCN{Training: training, Channels: []int{20, 20}}, "QuantizeLinear DequantizeLinear Conv"},
		{"tcn, layer norm", neural.TCN{Training: training, Channels: []int{20, 24}, Norm: "layer"}, "QuantizeLinear DequantizeLinear Conv LayerNormalization"},
		{"transformer", neural.Transformer{Training: training, Width: 24, Heads: 2, EncoderLayers: 1}, "DynamicQuantizeLinear MatMulInteger"},
	} {
		t.Run(c.name, func(t *testing.T) {
			frame := employment(t)
			f := neural.New(c.model)
			require.NoError(t, f.Fit(t.Context(), until(frame, 80, 12), forecast.FitOptions{Horizon: horizon}))
			m, err := onnx.Forecaster(f, onnx.ForecasterOptions{})
			require.NoError(t, err)
			before, err := m.Encode()
			require.NoError(t, err)
			inputs, forecasts := windows(t, f, frame, horizon, 20, 40, 60, 80, 100, 110)
			native := outputs(forecasts, horizon)
			for _, o := range []quantize.Options{{Kind: quantize.FP16}, {Kind: quantize.Int8}, {Kind: quantize.Int8, Precise: true}} {
				o.Calibration, o.Run = inputs, with(t, calibrate)
				q, err := quantize.Quantize(t.Context(), m, o)
				require.NoError(t, err)
				after, err := q.Encode()
				require.NoError(t, err)
				assert.Less(t, len(after), len(before))
				want, limit := "Cast", 1e-3
				if o.Kind == quantize.Int8 {
					want, limit = c.ops, 0.05
				}
				for op := range strings.FieldsSeq(want) {
					assert.True(t, has(q, op), op)
				}
				in := arrays(inputs)
				got := outputs(run(t, q, in)["forecast"].Data, horizon)
				for s := range 3 { // series of several scales
					assert.Less(t, far(native, got, s), limit, "%v, series %d", o.Kind, s)
				}
				again, err := m.Encode()
				require.NoError(t, err)
				assert.Equal(t, before, again, "the model itself is as it was")

				// A missing value does not change the other rows.
				in = arrays(inputs)
				window := in["window"]
				window.Data[window.Dims[1]+1] = math.NaN() // of the second row
				spoilt := outputs(run(t, q, in)["forecast"].Data, horizon)
				for i, row := range spoilt {
					for h, y := range row {
						if i == 1 {
							assert.True(t, math.IsNaN(y))
						} else {
							assert.InEpsilon(t, got[i][h], y, 0.05)
						}
					}
				}
			}
		})
	}
}

func has(m *onnx.Model, op string) bool {
	for _, n := range m.Graph.Nodes {
		if n.Op == op {
			return true
		}
	}
	return false
}

func outputs(v []float64, n int) [][]float64 {
	var rows [][]float64
	for i := 0; i < len(v); i += n {
		rows = append(rows, v[i:i+n])
	}
	return rows
}

// far returns the greatest difference of one series of three, as a share of its range.
func far(want, got [][]float64, series int) float64 {
	low, high, most := math.Inf(1), math.Inf(-1), 0.0
	for i := series; i < len(want); i += 3 {
		for h, y := range want[i] {
			low, high, most = min(low, y), max(high, y), max(most, math.Abs(y-got[i][h]))
		}
	}
	return most / (high - low)
}

// Operators that the evaluator runs to their definition, on numbers worked out by hand.
func TestQuantizedOperators(t *testing.T) {
	b := onnx.NewBuilder(onnx.Compatible)
	x := b.Input("x", onnx.Float32, onnx.Fixed(2, 2)...)
	dynamic := b.Node(onnx.Node{Op: "DynamicQuantizeLinear"}, 3, x)
	w := b.Const(onnx.NewTensor("", []int8{1, 2, 3, -4}, 2, 2))
	b.Output("sums", b.Op("MatMulInteger", nil, dynamic[0], w, dynamic[2]))
	zeros := b.Const(onnx.NewTensor("", []uint8{128, 0}))
	scales := b.Const(onnx.NewTensor("", []float32{0.5, 2}))
	rows := []onnx.Attr{{Name: "axis", Value: onnx.Int(0)}}
	q := b.Op("QuantizeLinear", rows, x, scales, zeros)
	b.Output("back", b.Op("DequantizeLinear", rows, q, scales, zeros))
	m, err := b.Model(onnx.Info{})
	require.NoError(t, err)
	// A scale of (2.55+0)/255 = 0.01 and a zero point of 0; and halfway goes to the even one.
	in := map[string]eval.Array{"x": eval.New(onnx.Float32, []float64{0.25, 0.5, 2.55, 1}, 2, 2)}
	out := plainly(t, m, in)
	assert.Equal(t, []float64{25 + 3*50, 2*25 - 4*50, 255 + 3*100, 2*255 - 4*100}, out["sums"].Data)
	assert.Equal(t, []float64{0, 0.5, 2, 0}, out["back"].Data)
	in["x"] = eval.New(onnx.Float32, []float64{-1, 1.55, 1000, -1000}, 2, 2)
	assert.Equal(t, []float64{-1, 1.5, 510, 0}, plainly(t, m, in)["back"].Data, "what is too great is cut off")
}
