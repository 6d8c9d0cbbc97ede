package plot_test

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/plot"
	"github.com/attune-hpo/attune/figure/draw"
	"github.com/attune-hpo/attune/internal/dev/teststudy"
)

// Every plot of a study of 10,000 trials, from the records to the SVG file.
func BenchmarkPlots(b *testing.B) {
	one, two := teststudy.New("one", 10_000, false, 1), teststudy.New("two", 10_000, true, 1)
	for _, k := range plot.Kinds() {
		h := one
		if k.Name == "front" || k.Name == "hypervolume" {
			h = two
		}
		b.Run(k.Name, func(b *testing.B) {
			for b.Loop() {
				f, err := k.Make(b.Context(), h, plot.Choice{})
				require.NoError(b, err)
				require.NoError(b, draw.SVG(io.Discard, f, draw.Options{}))
			}
		})
	}
}
