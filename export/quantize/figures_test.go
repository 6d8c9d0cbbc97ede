package quantize_test

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/quantize"
	"github.com/attune-hpo/attune/export/tensor"
	"github.com/attune-hpo/attune/internal/onnxsetup/onnxtest"
	"github.com/attune-hpo/attune/objective/neural"
)

// TestFigures prints the table of sizes, times and errors in doc/benchmarks. Networks see
// 48 months of AirPassengers and forecast 6.
func TestFigures(t *testing.T) {
	if os.Getenv("ATTUNE_FIGURES") == "" {
		t.Skip("set ATTUNE_FIGURES to train wide networks and print a table: a minute or two")
	}
	onnxtest.Require(t)
	seen := training
	seen.Window, seen.Epochs, seen.LearningRate = 48, 8, 1e-3
	fmt.Println("| model | form | bytes | µs, batch 1 | µs, batch 10 | error |")
	fmt.Println("|---|---|---|---|---|---|")
	for _, c := range []struct {
		name  string
		model neural.Model
	}{
		{"LSTM, 2 layers of 64", neural.LSTM{Training: seen, Hidden: 64, Layers: 2}},
		{"LSTM, 2 layers of 256", neural.LSTM{Training: seen, Hidden: 256, Layers: 2}},
		{"Transformer, width 64", neural.Transformer{Training: seen, Width: 64, DecoderLayers: -1}},
		{"Transformer, width 256", neural.Transformer{Training: seen, Width: 256, DecoderLayers: -1}},
		{"Transformer, width 256, decoder", neural.Transformer{Training: seen, Width: 256}},
		{"TCN, 3 blocks of 64", neural.TCN{Training: seen, Channels: []int{64, 64, 64}}},
	} {
		f := fit(t, neural.New(c.model))
		before := opened(t, f.m)
		for i, o := range []quantize.Options{{Kind: quantize.FP16}, {Kind: quantize.Int8}, {Kind: quantize.Int8, Precise: true}} {
			o.Calibration = f.learnt.Inputs
			q, err := quantize.Quantize(t.Context(), f.m, o)
			require.NoError(t, err)
			after := opened(t, q)
			one, ten := times(t, f.after.Inputs.Slice(0, 1), before, after), times(t, f.after.Inputs.Slice(0, 10), before, after)
			if i == 0 {
				fmt.Printf("| %s | float32 | %d | %d | %d | %.1g |\n", c.name, size(t, f.m), one[0], ten[0], off(t, f.after, before))
			}
			form := string(o.Kind)
			if o.Precise {
				form += ", precise"
			}
			fmt.Printf("| | %s | %d | %d | %d | %.2g |\n", form, size(t, q), one[1], ten[1], off(t, f.after, after))
		}
	}
}

// times returns the median time of a run of each model, in microseconds. The models take
// turns, so that other work on the machine slows all of them.
func times(t testing.TB, in tensor.List, models ...func(tensor.List) ([]float64, error)) []int64 {
	t.Helper()
	took := make([][]int64, len(models))
	for start := time.Now(); time.Since(start) < time.Second; {
		for i, run := range models {
			began := time.Now()
			_, err := run(in)
			require.NoError(t, err)
			took[i] = append(took[i], time.Since(began).Microseconds())
		}
	}
	medians := make([]int64, len(models))
	for i, v := range took {
		slices.Sort(v)
		medians[i] = v[len(v)/2]
	}
	return medians
}
