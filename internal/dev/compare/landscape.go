package compare

import (
	"fmt"
	"math"
	"slices"

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

// tuning are the landscapes on which samplers were tuned. On judging a rule was chosen among
// few; [Again] has other instances of them, on which the Gaussian process was tuned. On fresh nothing was.
var (
	tuning = []landscape{
		{"sphere", false, func(z []float64) float64 { return sum(z, func(v float64) float64 { return v * v }) }},
		{"rosenbrock", true, rosenbrock},
		{"rastrigin", false, rastrigin},
		{"levy", true, levy},
		{"terraces", true, terraces},
		{"cliff", true, cliff},
		{"cusp", true, cusp},
	}
	judging = []landscape{
		{"ellipsoid", true, ellipsoid},
		{"ellipsoid-axes", false, ellipsoid},
		{"powers", true, powers},
		{"ridge", true, ridge},
		{"ackley", true, ackley},
		{"griewank", true, griewank},
	}
	fresh = []landscape{
		{"sector", true, sector},
		{"discus", true, discus},
		{"schaffer", true, schaffer},
		{"steps", true, steps},
		{"peaks", true, peaks},
	}
)

// Tuning, Judging and Fresh return the landscapes of each kind in all Dimensions.
func Tuning() []problem.Problem  { return in(tuning) }
func Judging() []problem.Problem { return in(judging) }
func Fresh() []problem.Problem   { return in(fresh) }

// Again returns more problems for tuning: the judging landscapes with other shifts and other rotations, a rugged one, and
// two with numbers, integers and choices.
func Again() []problem.Problem {
	ps := []problem.Problem{kernels(), stacks()}
	for k, l := range append(slices.Clone(judging), landscape{"weierstrass", true, weierstrass}) {
		for _, d := range Dimensions {
			p := l.in(d, float64(k)+7.3)
			p.Name = "again-" + p.Name
			ps = append(ps, p)
		}
	}
	return ps
}

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

// terraces is a cone of plateaus, whose width shrinks towards the minimum.
func terraces(z []float64) float64 {
	total := 0.0
	for i, v := range z {
		width := 0.2
		if math.Abs(v) > 1 {
			width = 1
		}
		total += float64(i+1) * width * math.Floor(math.Abs(v)/width+0.5)
	}
	return total
}

// cliff is a paraboloid to one side of each axis, and rises steeply to the other.
func cliff(z []float64) float64 {
	return sum(z, func(v float64) float64 {
		return v*v + 50*math.Max(v, 0)
	})
}

// cusp is a rugged cone.
func cusp(z []float64) float64 {
	norm := math.Sqrt(sum(z, func(v float64) float64 { return v * v }))
	waves := sum(z, func(v float64) float64 { return math.Abs(math.Sin(4 * v)) })
	return math.Sqrt(norm) * (1 + waves/float64(len(z)))
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

// weierstrass is rugged in all places, at all scales.
func weierstrass(z []float64) float64 {
	total := sum(z, func(v float64) float64 {
		waves := 0.0
		for k := range 12 {
			waves += math.Pow(0.5, float64(k)) * (math.Cos(2*math.Pi*math.Pow(3, float64(k))*(v/5+0.5)) - math.Cos(math.Pi*math.Pow(3, float64(k))))
		}
		return waves
	})
	return 10 * math.Pow(math.Abs(total)/float64(len(z)), 3)
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

// sector is a paraboloid that is 10,000 times steeper on one side of each axis.
func sector(z []float64) float64 {
	return math.Pow(sum(z, func(v float64) float64 {
		if v > 0 {
			v *= 100
		}
		return v * v
	}), 0.9)
}

func discus(z []float64) float64 {
	return 1e4*z[0]*z[0] + sum(z[1:], func(v float64) float64 { return v * v })
}

// schaffer is rugged, and the more so the nearer the minimum is.
func schaffer(z []float64) float64 {
	total := 0.0
	for i := range len(z) - 1 {
		s := math.Hypot(z[i], z[i+1])
		wave := math.Sin(50 * math.Pow(s, 0.2))
		total += math.Sqrt(s) * (1 + wave*wave)
	}
	total /= float64(len(z) - 1)
	return total * total
}

// steps is an ellipsoid of plateaus.
func steps(z []float64) float64 {
	total := 0.0
	for i, v := range z {
		at := math.Floor(v + 0.5)
		if math.Abs(v) <= 0.5 {
			at = math.Floor(10*v+0.5) / 10
		}
		total += math.Pow(100, float64(i)/float64(len(z)-1)) * at * at
	}
	return total
}

// peaks has 21 peaks, in places without an order; the highest is at the origin.
func peaks(z []float64) float64 {
	best := 0.0
	for k := range 21 {
		height, sharp := 10.0, 1.0
		if k > 0 {
			height, sharp = 1.1+8*float64(k-1)/19, math.Pow(1000, float64(k*7%20)/19)/10
		}
		total := 0.0
		for j, v := range z {
			if k > 0 {
				v -= 4 * math.Sin(float64(k*(2*j+3))+0.7*float64(k*k))
			}
			total += v * v
		}
		best = math.Max(best, height*math.Exp(-sharp*total/float64(2*len(z))))
	}
	return 10 - best
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

// MixedFresh returns two more such problems, on which nothing was tuned. The minimum of each is
// 0.
func MixedFresh() []problem.Problem {
	return []problem.Problem{knobs(), nested()}
}

// knobs has three floats, four integers and three choices, which depend on one another.
func knobs() problem.Problem {
	a, b, c := space.Float("a", -4, 4), space.Float("b", 1e-3, 1e3, space.Log()), space.Float("c", 0, 10, space.Step(0.5))
	i, j, k, l := space.Int("i", 0, 40), space.Int("j", 1, 256, space.Log()), space.Int("k", -3, 3), space.Int("l", 0, 1)
	mode := space.Categorical("mode", "one", "two", "three", "four", "five", "six")
	shape, flag := space.Categorical("shape", "flat", "tall", "wide"), space.Categorical("flag", false, true)
	p := problem.Problem{Name: "knobs", Space: space.Of(a, b, c, i, j, k, l, mode, shape, flag)}
	p.Loss = func(s space.Suggester) float64 {
		abs, square := math.Abs, func(v float64) float64 { return v * v }
		x, y, z := a.Suggest(s)-1.3, math.Log10(b.Suggest(s))+1.1, (c.Suggest(s)-6.5)/2
		n, m := float64(i.Suggest(s)-29)/8, math.Log2(float64(j.Suggest(s)))-5
		loss := square(x+y) + 0.1*square(x-y) + abs(z-0.5*n) + square(n) + 0.2*square(m+float64(k.Suggest(s)-1)) + 0.05*square(m-float64(k.Suggest(s)-1))
		loss += 0.5 * float64(1-l.Suggest(s))
		at := map[string]float64{"one": 3, "two": 1, "three": 0, "four": 2, "five": 5, "six": 4}[mode.Suggest(s)]
		loss += 0.3 * at
		if flag.Suggest(s) != (at < 3) { // the wrong flag for the mode
			loss += 0.8
		}
		if shape.Suggest(s) != "wide" {
			loss += 0.4 + 0.2*abs(x)
		}
		return loss
	}
	return p
}

// nested chooses a family, in the family a method, and each has parameters of its own.
func nested() problem.Problem {
	family := space.Categorical("family", "linear", "trees")
	penalty := space.Categorical("penalty", "l1", "l2", "both").When(family.Is("linear"))
	strength := space.Float("strength", 1e-6, 1e3, space.Log()).When(family.Is("linear"))
	ratio := space.Float("ratio", 0, 1).When(penalty.Is("both"))
	method := space.Categorical("method", "bagging", "boosting").When(family.Is("trees"))
	leaves := space.Int("leaves", 2, 512, space.Log()).When(family.Is("trees"))
	share := space.Float("share", 0.1, 1).When(method.Is("bagging"))
	eta := space.Float("eta", 1e-4, 1, space.Log()).When(method.Is("boosting"))
	rounds := space.Int("rounds", 10, 5000, space.Log()).When(method.Is("boosting"))
	p := problem.Problem{Name: "nested", Space: space.Of(family, penalty, strength, ratio, method, leaves, share, eta, rounds)}
	p.Loss = func(s space.Suggester) float64 {
		square := func(v float64) float64 { return v * v }
		if family.Suggest(s) == "linear" {
			loss := 0.25 + 0.03*square(math.Log10(strength.Suggest(s))-0.5)
			switch penalty.Suggest(s) {
			case "l1":
				loss += 0.06
			case "l2":
				loss += 0.03
			default:
				loss += 0.5 * square(ratio.Suggest(s)-0.2)
			}
			return loss
		}
		loss := 0.02 * square(math.Log2(float64(leaves.Suggest(s)))-6)
		if method.Suggest(s) == "bagging" {
			return loss + 0.15 + square(share.Suggest(s)-0.7)
		}
		e, n := math.Log10(eta.Suggest(s)), math.Log10(float64(rounds.Suggest(s)))
		return loss + 0.3*square(e+n-1.2) + 0.05*square(n-2.7)
	}
	return p
}

// kernels has four floats, two integers and three choices. The minimum is 0.
func kernels() problem.Problem {
	cost, gamma := space.Float("cost", 1e-3, 1e4, space.Log()), space.Float("gamma", 1e-6, 10, space.Log())
	margin, share := space.Float("margin", 0, 1), space.Float("share", 0.1, 1)
	degree, folds := space.Int("degree", 1, 9), space.Int("landmarks", 10, 2000, space.Log())
	kernel, scaler := space.Categorical("kernel", "linear", "poly", "rbf", "laplace"), space.Categorical("scaler", "none", "standard", "robust")
	shrink := space.Categorical("shrink", false, true)
	p := problem.Problem{Name: "kernels", Space: space.Of(kernel, cost, gamma, margin, share, degree, folds, scaler, shrink)}
	p.Loss = func(s space.Suggester) float64 {
		square := func(v float64) float64 { return v * v }
		k := kernel.Suggest(s)
		c, g := math.Log10(cost.Suggest(s))-1.7, math.Log10(gamma.Suggest(s))+2.4
		loss := map[string]float64{"linear": 0.12, "poly": 0.09, "rbf": 0, "laplace": 0.04}[k] + map[string]float64{"none": 0.2, "standard": 0, "robust": 0.015}[scaler.Suggest(s)]
		loss += 0.05*square(c+g) + 0.02*square(c-g)
		loss += 0.2*square(margin.Suggest(s)-0.13) + 0.1*math.Abs(share.Suggest(s)-0.8)
		loss += 0.01*square(float64(degree.Suggest(s)-3)) + 0.015*square(math.Log2(float64(folds.Suggest(s)))-8)
		if shrink.Suggest(s) != (k == "rbf") {
			loss += 0.03
		}
		return loss
	}
	return p
}

// stacks has a choice of the last stage, with parameters of its own. The minimum is 0.
func stacks() problem.Problem {
	last := space.Categorical("last", "ridge", "net", "trees")
	width, keep := space.Int("width", 4, 512, space.Log()), space.Float("keep", 0.1, 1)
	alpha := space.Float("alpha", 1e-6, 1e2, space.Log()).When(last.Is("ridge"))
	rate, layers := space.Float("rate", 1e-5, 1, space.Log()).When(last.Is("net")), space.Int("layers", 1, 6).When(last.Is("net"))
	act := space.Categorical("act", "relu", "tanh", "gelu").When(last.Is("net"))
	depth := space.Int("depth", 1, 20).When(last.Is("trees"))
	p := problem.Problem{Name: "stacks", Space: space.Of(last, width, keep, alpha, rate, layers, act, depth)}
	p.Loss = func(s space.Suggester) float64 {
		square := func(v float64) float64 { return v * v }
		w := math.Log2(float64(width.Suggest(s))) - 6
		loss := 0.02*square(w) + 0.3*square(keep.Suggest(s)-0.65)
		switch last.Suggest(s) {
		case "ridge":
			return loss + 0.2 + 0.03*square(math.Log10(alpha.Suggest(s))+1+w/4)
		case "trees":
			return loss + 0.1 + 0.01*square(float64(depth.Suggest(s)-7))
		}
		r, l := math.Log10(rate.Suggest(s))+2.6, float64(layers.Suggest(s)-3)
		return loss + 0.1*square(r+0.2*l) + 0.03*square(l) + map[string]float64{"relu": 0.05, "tanh": 0.12, "gelu": 0}[act.Suggest(s)]
	}
	return p
}

// Fronts returns the problems for comparing search with several objectives.
func Fronts() []problem.Front {
	two := problem.DTLZ2(6, 2)
	two.Name = "dtlz2-2"
	return []problem.Front{problem.ZDT1(5), problem.ZDT2(5), problem.ZDT3(5), problem.DTLZ2(6, 3), two, problem.WFG4(6)}
}

// A Bounded is a problem with constraints.
type Bounded struct {
	problem.Problem
	// Limits are met where none is above 0.
	Limits func(s space.Suggester) []float64
}

// Constrained returns the problems with constraints. The minimum of each lies where one
// or more of them are active.
func Constrained() []Bounded { return []Bounded{gramacy(), vessel(), reducer()} }

func bounded(name string, minimum float64, low, high []float64, loss func(x []float64) float64, limits func(x []float64) []float64) Bounded {
	axes := make(space.Space, len(low))
	for i := range axes {
		axes[i] = space.Float(fmt.Sprintf("x%02d", i), low[i], high[i]).Axis()
	}
	at := func(s space.Suggester) []float64 {
		x := make([]float64, len(axes))
		for i, a := range axes {
			x[i] = s.Suggest(a)
		}
		return x
	}
	return Bounded{
		problem.Problem{Name: name, Space: axes, Minimum: minimum, Loss: func(s space.Suggester) float64 { return loss(at(s)) }},
		func(s space.Suggester) []float64 { return limits(at(s)) },
	}
}

// gramacy is from Gramacy, Gray, Le Digabel, Lee, Ranjan, Wells and Wild, "Modeling an
// Augmented Lagrangian for Blackbox Constrained Optimization", Technometrics 58, 2016.
func gramacy() Bounded {
	return bounded("gramacy", 0.5997880, []float64{0, 0}, []float64{1, 1},
		func(x []float64) float64 { return x[0] + x[1] },
		func(x []float64) []float64 {
			return []float64{1.5 - x[0] - 2*x[1] - 0.5*math.Sin(2*math.Pi*(x[0]*x[0]-2*x[1])), x[0]*x[0] + x[1]*x[1] - 1.5}
		})
}

// vessel and reducer are from Coello, "Theoretical and Numerical Constraint-Handling
// Techniques", Computer Methods in Applied Mechanics and Engineering 191, 2002; all of
// their parameters are floats here.
func vessel() Bounded {
	return bounded("vessel", 5885.3327, []float64{0, 0, 10, 10}, []float64{10, 10, 200, 200},
		func(x []float64) float64 {
			return 0.6224*x[0]*x[2]*x[3] + 1.7781*x[1]*x[2]*x[2] + 3.1661*x[0]*x[0]*x[3] + 19.84*x[0]*x[0]*x[2]
		},
		func(x []float64) []float64 {
			return []float64{0.0193*x[2] - x[0], 0.00954*x[2] - x[1], (1296000 - math.Pi*x[2]*x[2]*x[3] - 4.0/3*math.Pi*x[2]*x[2]*x[2]) / 1296000, (x[3] - 240) / 240}
		})
}

func reducer() Bounded {
	return bounded("reducer", 2994.3550, []float64{2.6, 0.7, 17, 7.3, 7.3, 2.9, 5}, []float64{3.6, 0.8, 28, 8.3, 8.3, 3.9, 5.5},
		func(x []float64) float64 {
			return 0.7854*x[0]*x[1]*x[1]*(3.3333*x[2]*x[2]+14.9334*x[2]-43.0934) - 1.508*x[0]*(x[5]*x[5]+x[6]*x[6]) +
				7.4777*(x[5]*x[5]*x[5]+x[6]*x[6]*x[6]) + 0.7854*(x[3]*x[5]*x[5]+x[4]*x[6]*x[6])
		},
		func(x []float64) []float64 {
			q := x[1] * x[2]
			return []float64{
				27/(x[0]*x[1]*q) - 1, 397.5/(x[0]*q*q) - 1,
				1.93*x[3]*x[3]*x[3]/(q*math.Pow(x[5], 4)) - 1, 1.93*x[4]*x[4]*x[4]/(q*math.Pow(x[6], 4)) - 1,
				math.Sqrt(math.Pow(745*x[3]/q, 2)+16.9e6)/(110*math.Pow(x[5], 3)) - 1,
				math.Sqrt(math.Pow(745*x[4]/q, 2)+157.5e6)/(85*math.Pow(x[6], 3)) - 1,
				q/40 - 1, 5*x[1]/x[0] - 1, x[0]/(12*x[1]) - 1, (1.5*x[5]+1.9)/x[3] - 1, (1.1*x[6]+1.9)/x[4] - 1,
			}
		})
}
