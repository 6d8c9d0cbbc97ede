package problem

import (
	"fmt"
	"math"

	"github.com/attune-hpo/attune/space"
)

// A Front is a set of functions to be minimized together, with a known Pareto front.
type Front struct {
	Name   string
	Space  space.Space
	Losses func(s space.Suggester) []float64 // two or more; safe for concurrent use
	// Objectives is the number of losses.
	Objectives int
	// Second returns the second loss on the front where the first loss is f1. It is nil for
	// more than two losses. Where the front has a gap, as for [ZDT3], some of these points are
	// dominated.
	Second func(f1 float64) float64
	// Hypervolume is the hypervolume of the whole front for the reference point (1.1, 1.1, ...).
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

// ZDT3 has a front of five convex pieces, in n dimensions, at least 2, on [0, 1].
// Equation 9 of the same paper.
func ZDT3(n int) Front {
	return zdt("zdt3", n, func(f1, g float64) float64 {
		return 1 - math.Sqrt(f1/g) - f1/g*math.Sin(10*math.Pi*f1)
	}, 1.3317629)
}

// DTLZ2 has m objectives, at least 2, in n dimensions, at least m, on [0, 1]. Its front
// is the part of the unit sphere where no loss is negative. Deb, Thiele, Laumanns and
// Zitzler, "Scalable Multi-Objective Optimization Test Problems", CEC 2002, section
// 4.2; they use n = m + 9. The hypervolume is known for m = 2 and 3, and otherwise NaN.
func DTLZ2(n, m int) Front {
	if m < 2 || n < m {
		panic(pkg.Errorf("dtlz2 of %d objectives in %d dimensions: want at least 2, and as many dimensions", m, n))
	}
	params, axes := reals(n, 0, 1)
	f := Front{Name: "dtlz2", Space: axes, Objectives: m, Hypervolume: math.NaN()}
	f.Losses = func(s space.Suggester) []float64 {
		x := suggest(s, params)
		g := 0.0
		for _, v := range x[m-1:] {
			g += square(v - 0.5)
		}
		losses := make([]float64, m)
		for k := range losses {
			losses[k] = 1 + g
			for _, v := range x[:m-1-k] {
				losses[k] *= math.Cos(v * math.Pi / 2)
			}
			if k > 0 {
				losses[k] *= math.Sin(x[m-1-k] * math.Pi / 2)
			}
		}
		return losses
	}
	switch m { // of the cube with the edge 1.1, less a part of the unit ball
	case 2:
		f.Second = func(f1 float64) float64 { return math.Sqrt(1 - f1*f1) }
		f.Hypervolume = 1.21 - math.Pi/4
	case 3:
		f.Hypervolume = 1.331 - math.Pi/6
	}
	return f
}

// WFG4 has two objectives and many local fronts, in n dimensions, at least 3. Dimension
// i, counted from 1, is on [0, 2i]. The first two dimensions say where on the front a
// point lies. The losses are divided by 2 and by 4, so that the front is a quarter of the
// unit circle. Huband, Hingston, Barone and While, "A Review of Multiobjective Test
// Problems and a Scalable Test Problem Toolkit", IEEE Transactions on Evolutionary
// Computation 10, 2006, table XIV.
func WFG4(n int) Front {
	const position = 2
	if n <= position {
		panic(pkg.Errorf("wfg4 in %d dimensions: want at least %d", n, position+1))
	}
	params, axes := make([]space.Param[float64], n), make(space.Space, n)
	for i := range params {
		params[i] = space.Float(fmt.Sprintf("x%d", i), 0, 2*float64(i+1))
		axes[i] = params[i].Axis()
	}
	multi := func(y float64) float64 { // s_multi of the paper, with A = 30, B = 10, C = 0.35
		const a, b, c = 30, 10, 0.35
		far := math.Abs(y-c) / (2 * (math.Floor(c-y) + c))
		return (1 + math.Cos((4*a+2)*math.Pi*(0.5-far)) + 4*b*far*far) / (b + 2)
	}
	return Front{
		Name:       "wfg4",
		Space:      axes,
		Objectives: 2,
		Losses: func(s space.Suggester) []float64 {
			place, distance := 0.0, 0.0
			for i, x := range suggest(s, params) {
				if t := multi(x / (2 * float64(i+1))); i < position {
					place += t / position
				} else {
					distance += t / float64(n-position)
				}
			}
			sin, cos := math.Sincos(place * math.Pi / 2)
			return []float64{distance/2 + sin, distance/4 + cos}
		},
		Second:      func(f1 float64) float64 { return math.Sqrt(1 - f1*f1) },
		Hypervolume: 1.21 - math.Pi/4,
	}
}

func zdt(name string, n int, h func(f1, g float64) float64, volume float64) Front {
	if n < 2 {
		panic(pkg.Errorf("%s in %d dimensions: want at least 2", name, n))
	}
	params, axes := reals(n, 0, 1)
	return Front{
		Name:       name,
		Space:      axes,
		Objectives: 2,
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
