package problem

import (
	"math"

	"github.com/attune-hpo/attune/space"
)

// A Front is a pair of functions to be minimized together, whose Pareto front is
// known.
type Front struct {
	Name   string
	Space  space.Space
	Losses func(s space.Suggester) []float64 // two; safe for concurrent use
	// Second returns the second loss on the front where the first is f1.
	Second func(f1 float64) float64
	// Hypervolume is that of the whole front up to the reference point (1.1, 1.1).
	Hypervolume float64
}

// ZDT1 has a convex front, in n dimensions, at least 2, on [0, 1]. Zitzler, Deb
// and Thiele, Evolutionary Computation 8, 2000, equation 7; they use n = 30.
func ZDT1(n int) Front {
	// ∫₀¹ (1.1 - (1-√t)) dt + 0.1·1.1 = 0.1 + 2/3 + 0.11
	return zdt("zdt1", n, func(f1, g float64) float64 { return 1 - math.Sqrt(f1/g) }, 0.21+2.0/3)
}

// ZDT2 has a concave front, in n dimensions, at least 2, on [0, 1]. Equation 8 of
// the same paper.
func ZDT2(n int) Front {
	// ∫₀¹ (1.1 - (1-t²)) dt + 0.1·1.1 = 0.1 + 1/3 + 0.11
	return zdt("zdt2", n, func(f1, g float64) float64 { return 1 - square(f1/g) }, 0.21+1.0/3)
}

func zdt(name string, n int, h func(f1, g float64) float64, volume float64) Front {
	if n < 2 {
		panic(pkg.Errorf("%s in %d dimensions: want at least 2", name, n))
	}
	params, axes := reals(n, 0, 1)
	return Front{
		Name:  name,
		Space: axes,
		Losses: func(s space.Suggester) []float64 {
			x := suggest(s, params)
			sum := 0.0
			for _, v := range x[1:] {
				sum += v
			}
			g := 1 + 9*sum/float64(n-1)
			return []float64{x[0], g * h(x[0], g)}
		},
		Second:      func(f1 float64) float64 { return h(f1, 1) },
		Hypervolume: volume,
	}
}
