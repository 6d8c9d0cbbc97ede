package quantize_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/quantize"
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
		for i, o := range []quantize.Options{{Kind: quantize.FP16}, {Kind: quantize.Int8}, {Kind: quantize.Int8, Precise: true}} {
			o.Calibration = f.learnt.Inputs
			q, err := quantize.Quantize(t.Context(), f.m, o)
			require.NoError(t, err)
			r, err := quantize.Gate{Tolerance: 1, Time: time.Second / 2}.Compare(t.Context(), f.m, q, f.after)
			require.NoError(t, err)
			us := func(d time.Duration) int64 { return d.Microseconds() }
			if i == 0 {
				fmt.Printf("| %s | float32 | %d | %d | %d | %.1g |\n", c.name, r.Before, us(r.Speed[0].Before), us(r.Speed[1].Before), r.Unquantized)
			}
			form := string(o.Kind)
			if o.Precise {
				form += ", precise"
			}
			fmt.Printf("| | %s | %d | %d | %d | %.2g |\n", form, r.Bytes, us(r.Speed[0].Time), us(r.Speed[1].Time), r.Error)
		}
	}
}
