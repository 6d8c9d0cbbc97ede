package quantize_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

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

func through(from, to int) []int {
	var all []int
	for i := from; i < to; i++ {
		all = append(all, i)
	}
	return all
}

// A fitted is a network with its export and rows.
type fitted struct {
	native        forecast.Forecaster
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
	return fitted{f, m, learnt, after}
}

var training = neural.Training{Window: 24, Transform: forecast.Log{}, Epochs: 25, LearningRate: 3e-3, Batch: 16}

var models = []struct {
	name  string
	model neural.Model
}{
	{"lstm", neural.LSTM{Training: training, Hidden: 32, Layers: 2, Bidirectional: true}},
	{"tcn", neural.TCN{Training: training, Channels: []int{24, 24, 32}}},
	{"tcn, layer norm", neural.TCN{Training: training, Channels: []int{24, 24}, Norm: "layer"}},
	{"transformer", neural.Transformer{Training: training, Width: 32}},
	{"transformer, encoder only", neural.Transformer{Training: training, Width: 32, EncoderLayers: 1, DecoderLayers: -1}},
}

func TestQuantized(t *testing.T) {
	onnxtest.Require(t)
	for _, c := range models {
		t.Run(c.name, func(t *testing.T) {
			f := fit(t, neural.New(c.model))
			for _, o := range []quantize.Options{{Kind: quantize.FP16}, {Kind: quantize.Int8}, {Kind: quantize.Int8, FullRange: true}} {
				o.Calibration = f.learnt.Inputs
				q, err := quantize.Quantize(t.Context(), f.m, o)
				require.NoError(t, err)
				r, err := quantize.Gate{}.Compare(t.Context(), f.m, q, f.after)
				t.Logf("%v %v", o.FullRange, r)
				require.NoError(t, err)
			}
		})
	}
}

var _ = fmt.Sprint
var _ = math.Abs
var _ = slices.Max[[]int]
var _ = assert.Equal
var _ = context.Background
