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
	f, err := forecast.CSV{Time: "month", Target: "passengers"}.ReadFile("../../objective/forecast/testdata/airpassengers.csv")
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
		training := neural.Training{Window: c.window, Transform: c.transform, Epochs: 2, LearningRate: 5e-3}
		for name, model := range networks(training) {
			t.Run(c.name+", "+name, func(t *testing.T) {
				const horizon = 5
				frame := c.frame(t)
				n := frame[0].Len() - 12
				require.NoError(t, model.Fit(t.Context(), until(frame, n, 12), forecast.FitOptions{Horizon: horizon, Seed: 3}))
				m, err := onnx.Forecaster(model, onnx.ForecasterOptions{Units: "persons"})
				require.NoError(t, err)
				assert.Equal(t, []any{int64(8), int64(17), "batch"}, []any{m.IR, m.Opset(onnx.Standard), m.Graph.Outputs[0].Dims[0].String()})
				for _, origin := range []int{n, n + 6, c.window + 13} {
					past := until(frame, origin, horizon)
					want, err := model.Predict(t.Context(), past, horizon)
					require.NoError(t, err)
					inputs, err := onnx.ForecastInputs(model, past)
					require.NoError(t, err)
					require.Len(t, inputs, len(m.Graph.Inputs))
					out := run(t, m, arrays(t, inputs))["forecast"]
					require.Equal(t, []int{len(frame), horizon}, out.Dims)
					for i, s := range want {
						got := out.Data[i*horizon : (i+1)*horizon]
						for h, y := range s.Y {
							assert.LessOrEqual(t, math.Abs(got[h]-y), 1e-4+1e-3*math.Abs(y))
						}
						d := distance(t, s.Y, got)
						family, _, _ := strings.Cut(name, " ")
						worst[family] = max(worst[family], d)
						assert.LessOrEqual(t, d, c.limit, "from %d", origin)
					}
				}
			})
		}
	}
	t.Log("greatest differences, relative to the greatest forecast:", worst)
}

// A value that is missing makes a forecast that is none, and touches no other row.
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
			want := plainly(t, m, arrays(t, whole))["forecast"].Data
			for _, spoil := range []string{"window", "past", "known"} {
				in := arrays(t, whole)
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
	_, err := onnx.Forecaster(forecast.Naive(), onnx.ForecasterOptions{})
	assert.ErrorIs(t, err, onnx.ErrUnsupported)
	assert.ErrorContains(t, err, "a forecaster of type *forecast.Baseline")
	_, err = onnx.ForecastInputs(forecast.Naive(), passengers(t))
	assert.ErrorIs(t, err, onnx.ErrUnsupported)
}

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
	frame, err := forecast.CSV{Time: "month", Target: "passengers"}.ReadFile("../../objective/forecast/testdata/airpassengers.csv")
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
