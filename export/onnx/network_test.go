package onnx_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural"
)

func passengers(t testing.TB) forecast.Frame {
	t.Helper()
	f, err := forecast.CSV{Time: "month", Target: "passengers"}.ReadFile("../../data/airpassengers.csv")
	require.NoError(t, err)
	return f
}

// employment returns three series of data/us-employment.csv with a column known as
// late as they are, and one that is taken to be known in advance.
func employment(t testing.TB) forecast.Frame {
	t.Helper()
	var all forecast.Frame
	for _, target := range []string{"construction", "manufacturing", "retail_trade"} {
		f, err := forecast.CSV{Time: "month", Target: target, Past: []string{"leisure_and_hospitality"}, Known: []string{"government"}}.ReadFile("../../data/us-employment.csv")
		require.NoError(t, err)
		f[0].ID = target
		all = append(all, f[0])
	}
	return all
}

// until returns what is known of a frame after n steps, columns in advance for all of
// the horizon.
func until(f forecast.Frame, n, horizon int) forecast.Frame {
	var past forecast.Frame
	for _, s := range f {
		past = append(past, s.Until(n, horizon))
	}
	return past
}

func shortcut(t neural.Training) neural.Training {
	t.Shortcut = true
	return t
}

func keepLevel(t neural.Training) neural.Training {
	t.KeepLevel = true
	return t
}

func dated(t neural.Training) neural.Training {
	t.Calendar = []forecast.Calendar{forecast.SineOfYear, forecast.CosineOfYear}
	return t
}

func networks(t neural.Training) map[string]forecast.Forecaster {
	return map[string]forecast.Forecaster{
		"lstm":                       neural.New(neural.LSTM{Training: t, Hidden: 10}),
		"lstm, both directions":      neural.New(neural.LSTM{Training: shortcut(t), Hidden: 6, Layers: 2, Bidirectional: true, Dropout: 0.2}),
		"lstm of 4 layers":           neural.New(neural.LSTM{Training: keepLevel(t), Hidden: 5, Layers: 4}),
		"tcn":                        neural.New(neural.TCN{Training: t, Channels: []int{6, 6, 8, 4, 4}, Kernel: 4}),
		"tcn, layer norm":            neural.New(neural.TCN{Training: shortcut(t), Channels: []int{5, 7}, Norm: "layer"}),
		"tcn of one tap":             neural.New(neural.TCN{Training: keepLevel(t), Channels: []int{3}, Kernel: 1}),
		"transformer":                neural.New(neural.Transformer{Training: t, Width: 12, Heads: 3}),
		"transformer, two decoders":  neural.New(neural.Transformer{Training: shortcut(t), Width: 8, Heads: 2, EncoderLayers: 1, DecoderLayers: 2, Causal: true}),
		"transformer, encoders only": neural.New(neural.Transformer{Training: t, Width: 8, Heads: 4, EncoderLayers: 2, DecoderLayers: -1, Causal: true, FeedForward: 20}),
		"transformer, one encoder":   neural.New(neural.Transformer{Training: keepLevel(t), Width: 6, Heads: 1, EncoderLayers: 1, DecoderLayers: -1}),
		"lstm, the calendar":         neural.New(neural.LSTM{Training: dated(t), Hidden: 10}),
		"transformer, the calendar":  neural.New(neural.Transformer{Training: dated(t), Width: 12, Heads: 3}),
		"nlinear, the calendar":      neural.NewLinear(neural.NLinear{Window: t.Window, Transform: t.Transform, Calendar: dated(t).Calendar}),
		"nlinear":                    neural.NewLinear(neural.NLinear{Window: t.Window, Transform: t.Transform}),
		"nlinear of the level":       neural.NewLinear(neural.NLinear{Window: t.Window, Transform: t.Transform, KeepLevel: true}),
	}
}

var views = []struct {
	name      string
	frame     func(t testing.TB) forecast.Frame
	transform forecast.Transform
	window    int
	limit     float64
}{
	{"passengers", passengers, nil, 24, 1e-6},
	{"logarithms of passengers", passengers, forecast.Log{}, 24, 1e-6},
	{"passengers by year", passengers, forecast.Chain{forecast.Log{}, forecast.Diff{Lag: 12}}, 13, 1e-6},
	{"employment", employment, forecast.Diff{}, 12, 1e-6},
	{"employment, min-max", employment, forecast.Chain{forecast.Log1p{}, forecast.MinMax{}}, 7, 1e-6},
	{"a window of one", passengers, forecast.Diff{}, 1, 1e-6},
}

func TestNetworksPlainly(t *testing.T) { testNetworks(t, plainly) }

func TestNetworksInRuntime(t *testing.T) { testNetworks(t, ort(t, 1)) }

// testNetworks compares forecasts on real series, from several origins at once, with
// those of the network in Go.
func testNetworks(t *testing.T, run runner) {
	worst := map[string]float64{}
	for _, c := range views {
		training := neural.Training{Window: c.window, Transform: c.transform, Epochs: 1, LearningRate: 5e-3}
		for name, model := range networks(training) {
			t.Run(c.name+", "+name, func(t *testing.T) {
				const horizon = 5
				frame := c.frame(t)
				n := 72
				require.NoError(t, model.Fit(t.Context(), until(frame, n, horizon), forecast.FitOptions{Horizon: horizon, Seed: 3}))
				m, err := onnx.Forecaster(model, onnx.ForecasterOptions{Units: "persons"})
				require.NoError(t, err)
				assert.Equal(t, []any{int64(8), int64(17), "batch"}, []any{m.IR, m.Opset(onnx.Standard), m.Graph.Outputs[0].Dims[0].String()})
				for _, origin := range []int{n, n + 40} {
					past := until(frame, origin, horizon)
					want, err := model.Predict(t.Context(), past, horizon)
					require.NoError(t, err)
					inputs, err := onnx.ForecastInputs(model, past)
					require.NoError(t, err)
					require.Len(t, inputs, len(m.Graph.Inputs))
					out := run(t, m, arrays(inputs))["forecast"]
					require.Equal(t, []int{len(frame), horizon}, out.Dims)
					for i, s := range want {
						got := out.Data[i*horizon : (i+1)*horizon]
						for h, y := range s.Y {
							assert.LessOrEqual(t, math.Abs(got[h]-y), 1e-4+1e-3*math.Abs(y))
						}
						d := distance(t, s.Y, got)
						family, _, _ := strings.Cut(strings.ReplaceAll(name, ",", ""), " ")
						worst[family] = max(worst[family], d)
						assert.LessOrEqual(t, d, c.limit, "from %d", origin)
					}
				}
			})
		}
	}
	t.Log("greatest differences, relative to the greatest forecast:", worst)
}

// A missing value makes the row's forecast NaN, and affects no other row.
func TestNetworkMissing(t *testing.T) {
	for name, model := range networks(neural.Training{Window: 6, Epochs: 1}) {
		t.Run(name, func(t *testing.T) {
			frame := employment(t)
			require.NoError(t, model.Fit(t.Context(), until(frame, 40, 4), forecast.FitOptions{Horizon: 4}))
			m, err := onnx.Forecaster(model, onnx.ForecasterOptions{})
			require.NoError(t, err)
			past := until(frame, 60, 4)
			whole, err := onnx.ForecastInputs(model, past)
			require.NoError(t, err)
			want := plainly(t, m, arrays(whole))["forecast"].Data
			for _, spoil := range []string{"window", "past", "known"} {
				in := arrays(whole)
				a := in[spoil]
				a.Data = slices.Clone(a.Data)
				a.Data[len(a.Data)/3+1] = math.NaN() // of the second series
				in[spoil] = a
				got := plainly(t, m, in)["forecast"].Data
				for i := range want {
					if i/4 == 1 {
						assert.True(t, math.IsNaN(got[i]), "%s: %v", spoil, got[i])
					} else {
						assert.Equal(t, want[i], got[i])
					}
				}
			}
		})
	}
}

func TestNetworkRefuses(t *testing.T) {
	for _, f := range []forecast.Forecaster{neural.New(neural.LSTM{}), neural.NewLinear(neural.NLinear{})} {
		_, err := onnx.Forecaster(f, onnx.ForecasterOptions{})
		assert.ErrorIs(t, err, forecast.ErrNotFitted)
		_, err = onnx.ForecastInputs(f, passengers(t))
		assert.ErrorIs(t, err, forecast.ErrNotFitted)
	}
	_, err := onnx.Forecaster(unknown{forecast.Naive()}, onnx.ForecasterOptions{})
	assert.ErrorIs(t, err, onnx.ErrUnsupported)
	assert.ErrorContains(t, err, "a forecaster of type onnx_test.unknown")
	_, err = onnx.ForecastInputs(unknown{forecast.Naive()}, passengers(t))
	assert.ErrorIs(t, err, onnx.ErrUnsupported)
}

// unknown is a forecaster that the exporter does not know.
type unknown struct{ forecast.Forecaster }

// A network that was saved and loaded is exported to the same bytes.
func TestNetworkBytes(t *testing.T) {
	for name, model := range networks(neural.Training{Window: 5, Epochs: 1}) {
		require.NoError(t, model.Fit(t.Context(), passengers(t), forecast.FitOptions{Horizon: 3}))
		var file bytes.Buffer
		require.NoError(t, model.Save(&file))
		again := forecast.Forecaster(&neural.Forecaster{})
		if _, ok := model.(*neural.Linear); ok {
			again = &neural.Linear{}
		}
		require.NoError(t, again.Load(&file))
		var files [2][]byte
		for i, f := range []forecast.Forecaster{model, again} {
			m, err := onnx.Forecaster(f, onnx.ForecasterOptions{})
			require.NoError(t, err)
			files[i], err = m.Encode()
			require.NoError(t, err)
		}
		assert.Equal(t, files[0], files[1], name)
	}
}

func ExampleForecaster_network() {
	frame, err := forecast.CSV{Time: "month", Target: "passengers"}.ReadFile("../../data/airpassengers.csv")
	if err != nil {
		panic(err)
	}
	model := neural.New(neural.TCN{Training: neural.Training{Window: 12, Transform: forecast.Log{}, Epochs: 1}, Channels: []int{8, 8}})
	if err := model.Fit(context.Background(), frame, forecast.FitOptions{Horizon: 6}); err != nil {
		panic(err)
	}
	m, err := onnx.Forecaster(model, onnx.ForecasterOptions{})
	if err != nil {
		panic(err)
	}
	for _, v := range append(m.Graph.Inputs, m.Graph.Outputs...) {
		fmt.Println(v.Name, v.Type, v.Dims)
	}
	// Output:
	// window DOUBLE [batch 12]
	// forecast DOUBLE [batch 6]
}

// Check infers the dimensions of a sound node of a network, and refuses unsound ones.
func TestNetworkOperators(t *testing.T) {
	f := func(dims ...int64) onnx.Tensor {
		n := int64(1)
		for _, d := range dims {
			n *= d
		}
		return onnx.NewTensor("", make([]float32, n), dims...)
	}
	i8 := func(dims ...int64) onnx.Tensor {
		x := f(dims...)
		return onnx.Tensor{Type: onnx.Int8, Dims: dims, Raw: make([]byte, len(x.Raw)/4)}
	}
	attrs := func(pairs ...any) (a []onnx.Attr) {
		for i := 0; i < len(pairs); i += 2 {
			a = append(a, onnx.Attr{Name: pairs[i].(string), Value: pairs[i+1].(onnx.AttrValue)})
		}
		return a
	}
	none := onnx.Tensor{}
	for _, c := range []struct {
		name, op, domain string
		attrs            []onnx.Attr
		in               []onnx.Tensor
		want             string // dimensions, or what the error says
	}{
		{"lstm", "LSTM", "", attrs("hidden_size", onnx.Int(3)), []onnx.Tensor{f(7, 2, 4), f(1, 12, 4), f(1, 12, 3), f(1, 24)}, "[7 1 2 3]"},
		{"lstm, both ways", "LSTM", "", attrs("direction", onnx.String("bidirectional"), "hidden_size", onnx.Int(3)), []onnx.Tensor{f(7, 2, 4), f(2, 12, 4), f(2, 12, 3)}, "[7 2 2 3]"},
		{"lstm, directions", "LSTM", "", attrs("hidden_size", onnx.Int(3)), []onnx.Tensor{f(7, 2, 4), f(2, 12, 4), f(2, 12, 3)}, "of 1 directions"},
		{"lstm, hidden", "LSTM", "", attrs("hidden_size", onnx.Int(4)), []onnx.Tensor{f(7, 2, 4), f(1, 12, 4), f(1, 12, 3)}, "hidden_size 4"},
		{"lstm, features", "LSTM", "", attrs("hidden_size", onnx.Int(3)), []onnx.Tensor{f(7, 2, 5), f(1, 12, 4), f(1, 12, 3)}, "weights [1 12 4] for input [7 2 5]"},
		{"lstm, biases", "LSTM", "", attrs("hidden_size", onnx.Int(3)), []onnx.Tensor{f(7, 2, 4), f(1, 12, 4), f(1, 12, 3), f(1, 12)}, "biases [1 12]"},
		{"lstm, weights left out", "LSTM", "", nil, []onnx.Tensor{f(7, 2, 4), f(1, 12, 4), none}, "input 2 is missing, of 3"},
		{"conv", "Conv", "", attrs("dilations", onnx.Ints{2}, "pads", onnx.Ints{4, 0}), []onnx.Tensor{f(2, 3, 9), f(5, 3, 3), f(5)}, "[2 5 9]"},
		{"conv, strides", "Conv", "", attrs("strides", onnx.Ints{2, 3}), []onnx.Tensor{f(2, 3, 9, 9), f(5, 3, 3, 3)}, "[2 5 4 3]"},
		{"conv, groups", "Conv", "", attrs("group", onnx.Int(3)), []onnx.Tensor{f(2, 3, 9), f(6, 1, 9)}, "[2 6 1]"},
		{"conv, channels", "Conv", "", nil, []onnx.Tensor{f(2, 4, 9), f(5, 3, 3)}, "kernels [5 3 3] for input [2 4 9]"},
		{"conv, rank", "Conv", "", nil, []onnx.Tensor{f(2, 4), f(5, 4)}, "kernels [5 4] for input [2 4]"},
		{"conv, biases", "Conv", "", nil, []onnx.Tensor{f(2, 3, 9), f(5, 3, 3), f(4)}, "biases [4]"},
		{"conv, pads", "Conv", "", attrs("pads", onnx.Ints{1}), []onnx.Tensor{f(2, 3, 9), f(5, 3, 3)}, "pads [1] for 1 dimensions"},
		{"conv, stride 0", "Conv", "", attrs("strides", onnx.Ints{0}), []onnx.Tensor{f(2, 3, 9), f(5, 3, 3)}, "strides [0]"},
		{"conv, kernel", "Conv", "", attrs("kernel_shape", onnx.Ints{2}), []onnx.Tensor{f(2, 3, 9), f(5, 3, 3)}, "kernel_shape [2]"},
		{"conv, no room", "Conv", "", attrs("dilations", onnx.Ints{5}), []onnx.Tensor{f(2, 3, 9), f(5, 3, 3)}, "dilations [5]"},
		{"back", "DequantizeLinear", "", attrs("axis", onnx.Int(0)), []onnx.Tensor{i8(2, 3), f(2), i8(2)}, "[2 3]"},
		{"back, scales", "DequantizeLinear", "", nil, []onnx.Tensor{i8(2, 3), f(2)}, "along axis 1 of [2 3]"},
		{"back, zero", "DequantizeLinear", "", nil, []onnx.Tensor{i8(2, 3), f(3), onnx.NewTensor("", []uint8{1})}, "elements of type INT8 with a zero point of UINT8"},
		{"bytes", "QuantizeLinear", "", nil, []onnx.Tensor{f(2, 3), onnx.Scalar("", float32(1))}, "[2 3]"},
		{"bytes, axis", "QuantizeLinear", "", attrs("axis", onnx.Int(2)), []onnx.Tensor{f(2, 3), f(3)}, "axis 2 of 2"},
		{"integers", "MatMulInteger", "", nil, []onnx.Tensor{i8(2, 3), i8(3, 4)}, "[2 4]"},
		{"integers of floats", "MatMulInteger", "", nil, []onnx.Tensor{i8(2, 3), f(3, 4)}, "input 1 has elements of type FLOAT"},
		{"integers, dimensions", "MatMulInteger", "", nil, []onnx.Tensor{i8(2, 3), i8(4, 3)}, "matrices of [2 3] and [4 3]"},
		{"quantized lstm", "DynamicQuantizeLSTM", onnx.Microsoft, attrs("hidden_size", onnx.Int(3)),
			[]onnx.Tensor{f(7, 2, 4), i8(1, 4, 12), i8(1, 3, 12), f(1, 24), none, none, none, none, f(1, 12), i8(1, 12), f(1), i8(1)}, "[7 1 2 3]"},
		{"quantized lstm, scales", "DynamicQuantizeLSTM", onnx.Microsoft, attrs("hidden_size", onnx.Int(3)),
			[]onnx.Tensor{f(7, 2, 4), i8(1, 4, 12), i8(1, 3, 12), f(1, 24), none, none, none, none, f(1, 11), i8(1, 12), f(1), i8(1)}, "input 8 is [1 11]"},
		{"quantized lstm, hidden", "DynamicQuantizeLSTM", onnx.Microsoft, attrs("hidden_size", onnx.Int(2)),
			[]onnx.Tensor{f(7, 2, 4), i8(1, 4, 12), i8(1, 3, 12), f(1, 24), none, none, none, none, f(1), i8(1), f(1), i8(1)}, "hidden_size 2"},
		{"quantized lstm, zero", "DynamicQuantizeLSTM", onnx.Microsoft, nil,
			[]onnx.Tensor{f(7, 2, 4), i8(1, 4, 12), i8(1, 3, 12), f(1, 24), none, none, none, none, f(1), f(1), f(1), i8(1)}, "elements of type INT8 with a zero point of FLOAT"},
		{"quantized lstm, inputs", "DynamicQuantizeLSTM", onnx.Microsoft, nil, []onnx.Tensor{f(7, 2, 4), i8(1, 4, 12), i8(1, 3, 12)}, "3 inputs of 12"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &onnx.Model{IR: 8, Opsets: []onnx.Opset{{Domain: onnx.Standard, Version: 17}, {Domain: onnx.Microsoft, Version: 1}}}
			n := onnx.Node{Op: c.op, Domain: c.domain, Attrs: c.attrs, Outputs: []string{"y"}}
			for i, x := range c.in {
				if x.Type == 0 {
					n.Inputs = append(n.Inputs, "")
					continue
				}
				x.Name = fmt.Sprint("x", i)
				n.Inputs = append(n.Inputs, x.Name)
				m.Graph.Initializers = append(m.Graph.Initializers, x)
			}
			typ := onnx.Float32
			switch c.op {
			case "QuantizeLinear":
				typ = onnx.Uint8
			case "MatMulInteger":
				typ = onnx.Int32
			}
			m.Graph.Name, m.Graph.Nodes = "g", []onnx.Node{n}
			m.Graph.Outputs = []onnx.ValueInfo{{Name: "y", Type: typ, Dims: onnx.Fixed(-2, 99)}} // Check says what they are
			err := m.Check()
			require.ErrorIs(t, err, onnx.ErrInvalid)
			if strings.HasPrefix(c.want, "[") {
				assert.ErrorContains(t, err, "and are "+c.want)
			} else {
				assert.ErrorContains(t, err, c.want)
			}
		})
	}
	m := &onnx.Model{IR: 8, Opsets: []onnx.Opset{{Domain: onnx.Microsoft, Version: 2}}}
	assert.ErrorContains(t, m.Check(), `version 2 of domain "com.microsoft", not in 1..1`)
}
