package pipeline

import (
	"fmt"
	"math"
	"slices"
)

// Function is an Op that applies a function to each number. [Functions] lists the names. NaN
// stays NaN unless it says otherwise.
type Function struct {
	Of string `json:"of"`
}

// Functions returns the names of the functions, sorted:
//
//	abs, negative, sign, reciprocal, square, sqrt, cbrt
//	exp, exp2, expm1, log, log2, log10, log1p
//	sin, cos, tanh, logistic, relu
//	single     rounded to float32
//	probit     the quantile of the standard normal distribution for a probability in [0, 1]
//	positive   1 above 0, else 0; NaN gives 0
//	whole      a whole number stays, others become NaN
//	natural    NaN below 0
//	byte       without the fraction, and modulo 256; 0 for numbers from 2^31, and for those to -2^31
//
// Their values at 0, at infinities and outside the domain are those of package math.
func Functions() []string {
	var names []string
	for name := range functions {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

var functions = map[string]func(float64) float64{
	"abs": math.Abs, "negative": func(x float64) float64 { return -x }, "sign": sign, "reciprocal": func(x float64) float64 { return 1 / x },
	"square": func(x float64) float64 { return x * x }, "sqrt": math.Sqrt, "cbrt": math.Cbrt,
	"exp": math.Exp, "exp2": math.Exp2, "expm1": math.Expm1, "log": math.Log, "log2": math.Log2, "log10": math.Log10, "log1p": math.Log1p,
	"sin": math.Sin, "cos": math.Cos, "tanh": math.Tanh, "logistic": logistic, "relu": relu,
	"single": func(x float64) float64 { return float64(float32(x)) }, "probit": probit, "positive": positive,
	"natural": func(x float64) float64 {
		if x < 0 {
			return math.NaN()
		}
		return x
	},
	"byte": func(x float64) float64 {
		x = math.Trunc(x)
		if math.Abs(x) >= 1<<31 {
			return 0
		}
		return x - 256*math.Floor(x/256)
	},
	"whole": func(x float64) float64 {
		if x != math.Floor(x) {
			return math.NaN()
		}
		return x
	},
}

func sign(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return x // 0 or NaN
}

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func relu(x float64) float64 {
	if x < 0 {
		return 0
	}
	return x
}

func positive(x float64) float64 {
	if x > 0 {
		return 1
	}
	return 0
}

// The rational approximations of the function probit, lowest power first: the central one in 0.425²-q², and those of
// the tails in r-1.6 and r-5 for r = √(-log p).
var (
	ProbitCenter = [2][]float64{
		{3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3},
		{1, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3, 2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3},
	}
	ProbitTail = [2][]float64{
		{1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4},
		{1, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1, 1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9},
	}
	ProbitFar = [2][]float64{
		{6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7},
		{1, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2, 7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15},
	}
)

func polynomial(of []float64, x float64) float64 {
	sum := 0.0
	for _, c := range slices.Backward(of) {
		sum = float64(sum*x) + c
	}
	return sum
}

// probit is the quantile function of the standard normal distribution, by Wichura's algorithm
// AS 241 (Applied Statistics 37, 1988). Its relative error is about 1e-16.
func probit(p float64) float64 {
	switch {
	case !(p >= 0 && p <= 1):
		return math.NaN()
	case p == 0:
		return math.Inf(-1)
	case p == 1:
		return math.Inf(1)
	}
	q := p - 0.5
	if math.Abs(q) <= 0.425 {
		r := 0.180625 - float64(q*q)
		return q * polynomial(ProbitCenter[0], r) / polynomial(ProbitCenter[1], r)
	}
	r := math.Sqrt(-math.Log(min(p, 1-p)))
	x := 0.0
	if r <= 5 {
		x = polynomial(ProbitTail[0], r-1.6) / polynomial(ProbitTail[1], r-1.6)
	} else {
		x = polynomial(ProbitFar[0], r-5) / polynomial(ProbitFar[1], r-5)
	}
	if q < 0 {
		return -x
	}
	return x
}

// Power is an Op that makes the numbers of a row more like a normal distribution: each by its
// own lambda, after Yeo and Johnson or, with Box, after Box and Cox. With Inverse it undoes
// that. NaN stays NaN.
type Power struct {
	Lambdas []float64 `json:"lambdas"`
	Box     bool      `json:"box,omitempty"`
	Inverse bool      `json:"inverse,omitempty"`
}

// Of returns the transformed number k of a row.
func (o Power) of(k int, x float64) float64 {
	l := o.Lambdas[k]
	none := math.Abs(l) < PowerNone
	switch {
	case o.Box && o.Inverse && none:
		return math.Exp(x)
	case o.Box && o.Inverse:
		return math.Pow(float64(x*l)+1, 1/l)
	case o.Box && none:
		return math.Log(x)
	case o.Box:
		return (math.Pow(x, l) - 1) / l
	case o.Inverse && x >= 0 && none:
		return math.Exp(x) - 1
	case o.Inverse && x >= 0:
		return math.Pow(float64(x*l)+1, 1/l) - 1
	case o.Inverse && math.Abs(l-2) > PowerNone:
		return 1 - math.Pow(float64(-(2-l)*x)+1, 1/(2-l))
	case o.Inverse:
		return 1 - math.Exp(-x)
	case x >= 0 && none:
		return math.Log1p(x)
	case x >= 0:
		return (math.Pow(x+1, l) - 1) / l
	case math.Abs(l-2) > PowerNone:
		return -(math.Pow(1-x, 2-l) - 1) / (2 - l)
	}
	return -math.Log1p(-x)
}

// PowerNone is the smallest exponent that [Power] does not treat as 0.
const PowerNone = 0x1p-52

// Interpolate is an Op that maps each number through points of its own: X increases, or stays
// equal, and Y is what X becomes. Between two points it interpolates linearly. Outside it
// returns the first or the last of Y. NaN stays NaN.
type Interpolate struct {
	X [][]float64 `json:"x"`
	Y [][]float64 `json:"y"`
}

func (o Interpolate) of(k int, x float64) float64 {
	xs, ys := o.X[k], o.Y[k]
	x = min(max(x, xs[0]), xs[len(xs)-1])
	at, _ := slices.BinarySearchFunc(xs, x, func(a, b float64) int { // the number of points at most x
		if a <= b {
			return -1
		}
		return 1
	})
	if at == 0 { // NaN
		return x
	}
	if at == len(xs) {
		return ys[at-1]
	}
	slope := (ys[at] - ys[at-1]) / (xs[at] - xs[at-1])
	return float64(slope*(x-xs[at-1])) + ys[at-1]
}

// Bins is an Op that counts for each number its edges, which increase, that are at most the
// number. NaN counts none.
type Bins struct {
	Edges [][]float64 `json:"edges"`
}

// Product is an Op that multiplies numbers of a row. Each of Terms has the indices of the
// factors of a product, in order. No factors give 1.
type Product struct {
	Terms [][]int `json:"terms"`
}

// Between is an Op that adds, subtracts, multiplies or divides the numbers of its first input
// and those of its second, which has as many, or one for the whole row.
type Between struct {
	Do Operation `json:"do"`
}

// Blend is an Op that adds the rows of its inputs, each multiplied by its weight, in order.
type Blend struct {
	Weights []float64 `json:"weights"`
}

// WeightedMedian is an Op that returns the smallest number of a row for which the weights of
// the numbers up to it are at least half of all weights.
type WeightedMedian struct {
	Weights []float64 `json:"weights"`
}

func (Function) name() string       { return "function" }
func (Power) name() string          { return "power" }
func (Interpolate) name() string    { return "interpolate" }
func (Bins) name() string           { return "bins" }
func (Product) name() string        { return "product" }
func (Between) name() string        { return "between" }
func (Blend) name() string          { return "blend" }
func (WeightedMedian) name() string { return "weighted median" }

func (o Function) width(_ *Model, in []int) (int, error) {
	if functions[o.Of] == nil {
		return 0, fmt.Errorf("function %.60q is unknown", o.Of)
	}
	return one(in)
}

func (o Power) width(_ *Model, in []int) (int, error) {
	if err := allFinite(o.Lambdas); err != nil {
		return 0, err
	}
	return each(in, len(o.Lambdas))
}

// allFinite returns an error if a number is not finite.
func allFinite(of []float64) error {
	for _, x := range of {
		if !finite(x) {
			return fmt.Errorf("a setting is %v", x)
		}
	}
	return nil
}

// increasing returns an error if numbers decrease, or are not finite, or there are none.
func increasing(of []float64) error {
	if len(of) == 0 || !slices.IsSorted(of) {
		return fmt.Errorf("%d numbers, want some that do not decrease", len(of))
	}
	return allFinite(of)
}

func (o Interpolate) width(_ *Model, in []int) (int, error) {
	if len(o.X) != len(o.Y) {
		return 0, fmt.Errorf("points for %d and %d numbers", len(o.X), len(o.Y))
	}
	for k, xs := range o.X {
		if len(xs) != len(o.Y[k]) {
			return 0, fmt.Errorf("%d values for %d points", len(o.Y[k]), len(xs))
		}
		if err := increasing(xs); err != nil {
			return 0, err
		}
		if err := allFinite(o.Y[k]); err != nil {
			return 0, err
		}
	}
	return each(in, len(o.X))
}

func (o Bins) width(_ *Model, in []int) (int, error) {
	for _, edges := range o.Edges {
		if len(edges) > 0 {
			if err := increasing(edges); err != nil {
				return 0, err
			}
		}
	}
	return each(in, len(o.Edges))
}

// maxFactors limits the factors of a product.
const maxFactors = 64

func (o Product) width(_ *Model, in []int) (int, error) {
	w, err := one(in)
	if err != nil {
		return 0, err
	}
	for _, term := range o.Terms {
		if len(term) > maxFactors {
			return 0, fmt.Errorf("a product of %d factors, at most %d", len(term), maxFactors)
		}
		for _, at := range term {
			if at < 0 || at >= w {
				return 0, fmt.Errorf("number %d of %d", at, w)
			}
		}
	}
	return len(o.Terms), nil
}

func (o Between) width(_ *Model, in []int) (int, error) {
	if len(in) != 2 || in[0] != in[1] && in[1] != 1 {
		return 0, fmt.Errorf("inputs of %v numbers: want two of equal width, or the second of one", in)
	}
	switch o.Do {
	case Add, Subtract, Multiply, Divide:
		return in[0], nil
	}
	return 0, fmt.Errorf("operation %.60q is unknown", o.Do)
}

func (o Blend) width(_ *Model, in []int) (int, error) {
	if len(in) == 0 || len(in) != len(o.Weights) {
		return 0, fmt.Errorf("%d weights for %d inputs", len(o.Weights), len(in))
	}
	for _, w := range in {
		if w != in[0] {
			return 0, fmt.Errorf("inputs of %v numbers, want equal widths", in)
		}
	}
	return in[0], allFinite(o.Weights)
}

func (o WeightedMedian) width(_ *Model, in []int) (int, error) {
	if _, err := each(in, len(o.Weights)); err != nil {
		return 0, err
	}
	return 1, allFinite(o.Weights)
}

func (o Between) row(a, b, to []float64) {
	for k, x := range a {
		y := b[0]
		if len(b) > 1 {
			y = b[k]
		}
		switch o.Do {
		case Add:
			to[k] = x + y
		case Subtract:
			to[k] = x - y
		case Multiply:
			to[k] = x * y
		case Divide:
			to[k] = x / y
		}
	}
}

func (o WeightedMedian) of(row []float64) float64 {
	order := make([]int, len(row))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case row[i] < row[j]:
			return -1
		case row[i] > row[j]:
			return 1
		}
		return 0
	})
	half := 0.0
	for _, w := range o.Weights {
		half += w
	}
	half *= 0.5
	sum := 0.0
	for _, i := range order {
		if sum += o.Weights[i]; sum >= half {
			return row[i]
		}
	}
	return row[order[len(order)-1]]
}

// several computes a row of an operator with several inputs.
func several(op Op, in []matrix, i int, to []float64) {
	switch o := op.(type) {
	case Join:
		for at, x := 0, 0; x < len(in); x++ {
			at += copy(to[at:], in[x].row(i))
		}
	case Between:
		o.row(in[0].row(i), in[1].row(i), to)
	case Blend:
		for x, w := range o.Weights {
			for k, v := range in[x].row(i) {
				to[k] += float64(w * v)
			}
		}
	}
}
