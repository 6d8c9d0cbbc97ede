// Package problem has objectives with a known minimum, to measure how close a search comes
// to it.
//
// A [Problem] is written like an objective, as a function of something that suggests
// values. So it runs in a study,
//
//	p := problem.Branin()
//	err := st.Optimize(ctx, study.Func(func(ctx context.Context, t *study.Trial) (float64, error) {
//		return p.Loss(t), nil
//	}), study.Run{Trials: 100})
//	regret := best.Values[0] - p.Minimum
//
// and at a known point, with [At]. Many samplers try the centre of the box first, where the
// textbook versions of some problems have their minimum. These problems are shifted here:
// see [Ackley] and [Sphere].
package problem

import (
	"fmt"
	"math"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/space"
)

const pkg fault.Package = "problem"

// A Problem is a function to be minimized over a space.
type Problem struct {
	Name    string
	Space   space.Space                     // what Loss may ask for, with its conditions
	Loss    func(s space.Suggester) float64 // deterministic; safe for concurrent use
	Minimum float64                         // minimum of Loss over the Space
	Argmin  []space.Params                  // all points of the minimum
}

// At suggests the coordinates of params, and so evaluates a function at a known point. It
// panics when asked for a parameter that params lack.
type At space.Params

// Suggest implements [space.Suggester].
func (p At) Suggest(a space.Axis) float64 {
	x, ok := space.Params(p).Coord(a.Name)
	if !ok {
		panic(pkg.Errorf("suggest %q: not among the parameters given", a.Name))
	}
	return x
}

// reals declares x0, x1, ... each in [low, high].
func reals(n int, low, high float64) ([]space.Param[float64], space.Space) {
	if n < 1 {
		panic(pkg.Errorf("%d dimensions: want at least 1", n))
	}
	params, axes := make([]space.Param[float64], n), make(space.Space, n)
	for i := range params {
		params[i] = space.Float(fmt.Sprintf("x%d", i), low, high)
		axes[i] = params[i].Axis()
	}
	return params, axes
}

func suggest(s space.Suggester, params []space.Param[float64]) []float64 {
	x := make([]float64, len(params))
	for i, p := range params {
		x[i] = p.Suggest(s)
	}
	return x
}

// overReals returns the problem of minimizing f over n reals in [low, high].
func overReals(name string, n int, low, high float64, f func(x []float64) float64, minimum float64, argmin ...[]float64) Problem {
	params, axes := reals(n, low, high)
	p := Problem{
		Name:    name,
		Space:   axes,
		Loss:    func(s space.Suggester) float64 { return f(suggest(s, params)) },
		Minimum: minimum,
	}
	for _, point := range argmin {
		p.Argmin = append(p.Argmin, space.Params{Space: axes, Point: point})
	}
	return p
}

// offset returns the i-th odd integer of a fixed sequence in [-11, 11] that repeats
// after eleven: 3, -5, 9, 1, -7, 7, -1, -9, 5, -3, -11, ... Shifted problems have
// their optimum at a multiple of it.
func offset(i int) float64 { return float64(7*(i+1)%11*2 - 11) }

func offsets(n int, scale float64) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = scale * offset(i)
	}
	return x
}

// Branin is the two-dimensional function of Dixon and Szegö (Towards Global
// Optimisation 2, 1978), x0 in [-5, 10] and x1 in [0, 15]: smooth, with three
// minima of the same depth.
func Branin() Problem {
	x0, x1 := space.Float("x0", -5, 10), space.Float("x1", 0, 15)
	s := space.Of(x0, x1)
	at := func(x, y float64) space.Params { return space.Params{Space: s, Point: []float64{x, y}} }
	return Problem{
		Name:  "branin",
		Space: s,
		Loss: func(s space.Suggester) float64 {
			x, y := x0.Suggest(s), x1.Suggest(s)
			const b, c, t = 5.1 / (4 * math.Pi * math.Pi), 5 / math.Pi, 1 / (8 * math.Pi)
			q := y - b*x*x + c*x - 6
			return q*q + 10*(1-t)*math.Cos(x) + 10
		},
		Minimum: 10 / (8 * math.Pi), // where the square vanishes and the cosine is -1
		Argmin:  []space.Params{at(-math.Pi, 12.275), at(math.Pi, 2.275), at(3*math.Pi, 2.475)},
	}
}

// Hartmann6 is the six-dimensional function of Hartmann (Towards Global
// Optimisation 2, 1978) on the unit cube, with the matrices that Surjanovic and
// Bingham list (Virtual Library of Simulation Experiments): smooth, with six
// local minima.
func Hartmann6() Problem {
	alpha := [4]float64{1, 1.2, 3, 3.2}
	a := [4][6]float64{
		{10, 3, 17, 3.5, 1.7, 8},
		{0.05, 10, 17, 0.1, 8, 14},
		{3, 3.5, 1.7, 10, 17, 8},
		{17, 8, 0.05, 10, 0.1, 14},
	}
	p := [4][6]float64{
		{0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886},
		{0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991},
		{0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650},
		{0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381},
	}
	return overReals("hartmann6", 6, 0, 1, func(x []float64) float64 {
		sum := 0.0
		for i := range alpha {
			d := 0.0
			for j := range x {
				d += a[i][j] * (x[j] - p[i][j]) * (x[j] - p[i][j])
			}
			sum -= alpha[i] * math.Exp(-d)
		}
		return sum
	}, -3.322368011415515, // minimized by Newton steps from the published point
		[]float64{0.20168951100670543, 0.15001069182345797, 0.476873974221897, 0.2753324304940561, 0.31165161660011326, 0.6573005340656204})
}

// Ackley is the function of Ackley (A Connectionist Machine for Genetic
// Hillclimbing, 1987) in n dimensions on [-32.768, 32.768]: a funnel in a plain
// of ripples. It is shifted so that its minimum, 0, lies at 6, -10, 18, 2, -14,
// 14, -2, -18, 10, -6, -22, and so on from the start, rather than in the centre.
func Ackley(n int) Problem {
	centre := offsets(n, 2)
	return overReals(fmt.Sprintf("ackley%d", n), n, -32.768, 32.768, func(x []float64) float64 {
		squares, waves := 0.0, 0.0
		for i := range x {
			d := x[i] - centre[i]
			squares += d * d
			waves += math.Cos(2 * math.Pi * d)
		}
		n := float64(len(x))
		return -20*math.Exp(-0.2*math.Sqrt(squares/n)) - math.Exp(waves/n) + 20 + math.E
	}, 0, centre)
}

// Rosenbrock is the chained function of Rosenbrock (The Computer Journal 3, 1960)
// in n dimensions, at least 2, on [-5, 10]: a curved valley that leads to the
// minimum, 0, where all coordinates are 1.
func Rosenbrock(n int) Problem {
	if n < 2 {
		panic(pkg.Errorf("rosenbrock in %d dimensions: want at least 2", n))
	}
	ones := make([]float64, n)
	for i := range ones {
		ones[i] = 1
	}
	return overReals(fmt.Sprintf("rosenbrock%d", n), n, -5, 10, func(x []float64) float64 {
		sum := 0.0
		for i := range x[1:] {
			a, b := x[i+1]-x[i]*x[i], 1-x[i]
			sum += 100*a*a + b*b
		}
		return sum
	}, 0, ones)
}

// Sphere is the sum of squares in n dimensions on [-5, 5], about the centre
// 0.75, -1.25, 2.25, 0.25, -1.75, 1.75, -0.25, -2.25, 1.25, -0.75, -2.75, and so
// on from the start. Its minimum is 0.
func Sphere(n int) Problem {
	centre := offsets(n, 0.25)
	return overReals(fmt.Sprintf("sphere%d", n), n, -5, 5, func(x []float64) float64 {
		sum := 0.0
		for i := range x {
			d := x[i] - centre[i]
			sum += d * d
		}
		return sum
	}, 0, centre)
}
