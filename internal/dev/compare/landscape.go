package compare

import (
	"fmt"
	"math"

	"github.com/attune-hpo/attune/objective/problem"
	"github.com/attune-hpo/attune/space"
)

// Dimensions are the dimensions of the landscapes.
var Dimensions = []int{2, 5, 10, 20}

// A landscape is a function of a vector with its minimum, 0, at the origin (most are from
// Hansen, Finck, Ros and Auger, "Real-Parameter Black-Box Optimization Benchmarking 2009:
// Noiseless Functions Definitions", INRIA 2009).
type landscape struct {
	name    string
	rotated bool
	f       func(z []float64) float64
}

// tuning are the landscapes on which samplers were tuned, and judging those on which they
// are judged.
var (
	tuning = []landscape{
		{"sphere", false, func(z []float64) float64 { return sum(z, func(v float64) float64 { return v * v }) }},
		{"rosenbrock", true, rosenbrock},
		{"rastrigin", false, rastrigin},
		{"levy", true, levy},
	}
	judging = []landscape{
		{"ellipsoid", true, ellipsoid},
		{"ellipsoid-axes", false, ellipsoid},
		{"powers", true, powers},
		{"ridge", true, ridge},
		{"ackley", true, ackley},
		{"griewank", true, griewank},
	}
)

// Tuning and Judging return the landscapes of each kind in all Dimensions.
func Tuning() []problem.Problem  { return in(tuning) }
func Judging() []problem.Problem { return in(judging) }

func in(all []landscape) []problem.Problem {
	var ps []problem.Problem
	for k, l := range all {
		for _, d := range Dimensions {
			ps = append(ps, l.in(d, float64(k)))
		}
	}
	return ps
}

// in returns the function in d dimensions between -5 and 5. Its minimum is away from the
// centre and, if it is rotated, its axes differ from those of the box.
func (l landscape) in(d int, k float64) problem.Problem {
	axes := make(space.Space, d)
	least := make([]float64, d)
	for i := range axes {
		axes[i] = space.Float(fmt.Sprintf("x%02d", i), -5, 5).Axis()
		least[i] = 3.5 * math.Sin(1.7*float64(i+1)+k)
	}
	p := problem.Problem{Name: fmt.Sprintf("%s-%d", l.name, d), Space: axes, Argmin: []space.Params{{Space: axes, Point: least}}}
	p.Loss = func(s space.Suggester) float64 {
		z := make([]float64, d)
		for i, a := range axes {
			z[i] = s.Suggest(a) - least[i]
		}
		if l.rotated {
			rotate(z, k)
		}
		return l.f(z)
	}
	return p
}

// rotate rotates z in the plane of each pair of neighbouring axes in turn.
func rotate(z []float64, k float64) {
	for i := range len(z) - 1 {
		sin, cos := math.Sincos(0.6 + 0.9*float64(i) + k)
		z[i], z[i+1] = cos*z[i]-sin*z[i+1], sin*z[i]+cos*z[i+1]
	}
}

func sum(z []float64, f func(v float64) float64) float64 {
	total := 0.0
	for _, v := range z {
		total += f(v)
	}
	return total
}

func rosenbrock(z []float64) float64 {
	total := 0.0
	for i := range len(z) - 1 {
		x, y := z[i]+1, z[i+1]+1
		total += 100*(y-x*x)*(y-x*x) + (1-x)*(1-x)
	}
	return total
}

func rastrigin(z []float64) float64 {
	return sum(z, func(v float64) float64 { return v*v + 10*(1-math.Cos(2*math.Pi*v)) })
}

func levy(z []float64) float64 {
	w := make([]float64, len(z))
	for i, v := range z {
		w[i] = 1 + v/4
	}
	square := func(v float64) float64 { return v * v }
	last := w[len(w)-1] - 1
	total := square(math.Sin(math.Pi*w[0])) + last*last*(1+square(math.Sin(2*math.Pi*w[len(w)-1])))
	for _, v := range w[:len(w)-1] {
		total += (v - 1) * (v - 1) * (1 + 10*square(math.Sin(math.Pi*v+1)))
	}
	return total
}

func ellipsoid(z []float64) float64 {
	total := 0.0
	for i, v := range z {
		total += math.Pow(1000, float64(i)/float64(len(z)-1)) * v * v
	}
	return total
}

func powers(z []float64) float64 {
	total := 0.0
	for i, v := range z {
		total += math.Pow(math.Abs(v), 2+4*float64(i)/float64(len(z)-1))
	}
	return math.Sqrt(total)
}

func ridge(z []float64) float64 {
	return z[0]*z[0] + 100*math.Sqrt(sum(z[1:], func(v float64) float64 { return v * v }))
}

func ackley(z []float64) float64 {
	n := float64(len(z))
	squares := sum(z, func(v float64) float64 { return v * v })
	waves := sum(z, func(v float64) float64 { return math.Cos(2 * math.Pi * v) })
	return -20*math.Exp(-0.2*math.Sqrt(squares/n)) - math.Exp(waves/n) + 20 + math.E
}

func griewank(z []float64) float64 {
	const scale = 10 // so that the box contains a few waves
	squares, waves := 0.0, 1.0
	for i, v := range z {
		squares += scale * v * scale * v / 4000
		waves *= math.Cos(scale * v / math.Sqrt(float64(i+1)))
	}
	return squares - waves + 1
}

// Mixed returns problems with numbers, integers and choices. Two of them have
// conditions. The minimum of each is 0.
func Mixed() []problem.Problem {
	return []problem.Problem{boosting(false), boosting(true), branches(), problem.Pipeline()}
}

// boosting is a typical space for boosted trees. All its terms reach 0 at the same point.
// If it is entangled, the best rate depends on the number of rounds, and the best depth on
// the kind of trees.
func boosting(entangled bool) problem.Problem {
	rate, l2 := space.Float("rate", 1e-4, 1, space.Log()), space.Float("l2", 1e-8, 1e2, space.Log())
	rows, columns := space.Float("rows", 0.3, 1), space.Float("columns", 0.3, 1, space.Step(0.05))
	rounds, depth, leaf := space.Int("rounds", 50, 3000, space.Log()), space.Int("depth", 2, 14), space.Int("leaf", 1, 200, space.Log())
	kind, bins := space.Categorical("kind", "depthwise", "lossguide", "symmetric"), space.Categorical("bins", 32, 64, 128, 256, 512)
	p := problem.Problem{Name: "boosting", Space: space.Of(rate, l2, rows, columns, rounds, depth, leaf, kind, bins)}
	if entangled {
		p.Name = "boosting-entangled"
	}
	p.Loss = func(s space.Suggester) float64 {
		square := func(v float64) float64 { return v * v }
		goodRate, goodDepth := -1.5, 6.0
		k := kind.Suggest(s)
		n := math.Log2(float64(rounds.Suggest(s)))
		if entangled {
			goodRate = -1.5 - 0.3*(n-9)
			goodDepth = map[string]float64{"depthwise": 6, "lossguide": 10, "symmetric": 4}[k]
		}
		loss := map[string]float64{"depthwise": 0, "lossguide": 0.05, "symmetric": 0.08}[k]
		loss += 0.15*square(math.Log10(rate.Suggest(s))-goodRate) + 0.01*square(n-9)
		loss += 0.01*square(float64(depth.Suggest(s))-goodDepth) + 0.02*math.Abs(math.Log2(float64(leaf.Suggest(s)))-4)
		loss += 0.003*square(math.Log10(l2.Suggest(s))+1) + 0.3*square(rows.Suggest(s)-0.75) + 0.4*square(columns.Suggest(s)-0.6)
		loss += map[int]float64{32: 0.05, 64: 0.03, 128: 0.01, 256: 0, 512: 0.005}[bins.Suggest(s)]
		return loss
	}
	return p
}

// branches chooses an optimizer, each of which has its own parameters, and has a schedule
// that only one of them uses.
func branches() problem.Problem {
	kind := space.Categorical("optimizer", "sgd", "adam", "lion")
	rate := space.Float("rate", 1e-6, 1, space.Log())
	decay := space.Float("decay", 1e-8, 1e-1, space.Log())
	momentum := space.Float("momentum", 0, 0.999).When(kind.Is("sgd"))
	warm := space.Categorical("schedule", "flat", "cosine", "step").When(kind.Is("sgd"))
	beta1 := space.Float("beta1", 0.5, 0.999).When(kind.Is("adam"))
	beta2 := space.Float("beta2", 0.8, 0.9999).When(kind.Is("adam"))
	beta := space.Float("beta", 0.5, 0.999).When(kind.Is("lion"))
	p := problem.Problem{Name: "branches", Space: space.Of(kind, rate, decay, momentum, warm, beta1, beta2, beta)}
	p.Loss = func(s space.Suggester) float64 {
		square := func(v float64) float64 { return v * v }
		k := kind.Suggest(s)
		log := math.Log10(rate.Suggest(s))
		loss := 0.01 * square(math.Log10(decay.Suggest(s))+4)
		switch k {
		case "sgd":
			m := momentum.Suggest(s)
			loss += 0.1*square(log+1+2*(m-0.9)) + square(m-0.9) + map[string]float64{"flat": 0.2, "cosine": 0, "step": 0.1}[warm.Suggest(s)]
		case "adam":
			loss += 0.05 + 0.1*square(log+3) + 2*square(beta1.Suggest(s)-0.9) + square(beta2.Suggest(s)-0.98)
		default:
			loss += 0.15 + 0.1*square(log+4) + 2*square(beta.Suggest(s)-0.95)
		}
		return loss
	}
	return p
}

// Fronts returns the problems for comparing search with several objectives.
func Fronts() []problem.Front {
	return []problem.Front{problem.ZDT1(5), problem.ZDT2(5), problem.ZDT3(5), problem.DTLZ2(6, 3)}
}
