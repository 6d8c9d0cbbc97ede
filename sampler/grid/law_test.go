package grid_test

import (
	"testing"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/grid"
	"github.com/attune-hpo/attune/sampler/samplertest"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
)

// some returns the grid of up to three values of each of the first few parameters
// of a space, and one of each of the others.
func some(s space.Space) *grid.Sampler {
	var values []space.Setting
	for i, a := range s {
		places := []float64{0.5, 0.1, 0.9}
		if i >= 6 {
			places = places[:1]
		}
		seen := map[float64]bool{}
		for _, u := range places {
			if x := unit.From(a.Distribution, u); !seen[x] {
				seen[x] = true
				values = append(values, space.Setting{Name: a.Name, Value: a.Distribution.Decode(x)})
			}
		}
	}
	return grid.Of(values...)
}

func TestLaws(t *testing.T) {
	samplertest.Run(t, samplertest.Config{New: func(s space.Space) sampler.Sampler { return some(s) }, Ranks: true, Finite: true, OneSpace: true})
}
