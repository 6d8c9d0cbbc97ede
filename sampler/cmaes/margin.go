package cmaes

import (
	"math"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
)

// A grid has the borders between the values of an axis that can be counted, on
// the unit interval: value i has the cell from border i to border i+1, and the
// outermost cells have no end.
type grid struct {
	n      int
	border func(i int) float64 // for 0 < i < n
}

// newGrid returns the grid of d, or one of no values if d is a continuum.
func newGrid(d space.Distribution) grid {
	n := d.Len()
	if d, ok := d.(space.IntDistribution); ok && d.Log {
		low, high := math.Log(float64(d.Low)-0.5), math.Log(float64(d.High)+0.5)
		return grid{n, func(i int) float64 { return (math.Log(float64(d.Low+i)-0.5) - low) / (high - low) }}
	}
	return grid{n, func(i int) float64 { return float64(i) / float64(n) }}
}

// keep moves the mean and the spread of one coordinate of N(mean, (spread·s)²)
// so that neither neighbour of the cell that holds the mean becomes too unlikely
// to be drawn: at least margin/2 on each side, or margin beyond the only neighbour
// of an outermost cell. Without it the distribution shrinks into a cell and never
// leaves it (Hamano, Saito, Nomura and Shirakawa, "CMA-ES with Margin", GECCO
// 2022, section 4).
func (g grid) keep(d space.Distribution, mean, spread *float64, s, margin float64) {
	if g.n < 2 {
		return
	}
	i, _ := unit.Cell(d, unit.From(d, *mean))
	deviation := *spread * s
	switch i {
	case 0:
		*mean = math.Min(*mean, math.Max(0, g.border(1)))
		if b := g.border(1); tail((b-*mean)/deviation) < margin {
			*mean = b - deviation*quantile(1-margin)
		}
		return
	case g.n - 1:
		if b := g.border(g.n - 1); tail((*mean-b)/deviation) < margin {
			*mean = b + deviation*quantile(1-margin)
		}
		return
	}
	l, u := g.border(i), g.border(i+1)
	below, above := tail((*mean-l)/deviation), tail((u-*mean)/deviation)
	within := 1 - below - above
	if below >= margin/2 && above >= margin/2 {
		return
	}
	below, above = math.Max(below, margin/2), math.Max(above, margin/2)
	excess := (1 - below - above - within) / (below + within + above - 3*margin/2)
	low, up := below+excess*(below-margin/2), above+excess*(above-margin/2)
	const least = 1e-10
	low, up = math.Min(math.Max(low, least), 0.5-least), math.Min(math.Max(up, least), 0.5-least)
	ql, qu := quantile(1-low), quantile(1-up)
	*mean = (l*qu + u*ql) / (ql + qu)
	*spread = (u - l) / ((ql + qu) * s)
}

// tail returns the probability that a standard normal variable is above x.
func tail(x float64) float64 { return math.Erfc(x/math.Sqrt2) / 2 }

// quantile returns the p-quantile of a standard normal variable.
func quantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }
