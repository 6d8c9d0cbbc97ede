package onnx

import (
	"math"
	"slices"

	"github.com/attune-hpo/attune/objective/pipeline"
)

// function applies a function of [pipeline.Functions].
func (g *pipelineGraph) function(name string, x Value) Value {
	b := g.b
	switch name {
	case "abs", "exp", "log", "sqrt", "sign", "sin", "tanh", "reciprocal":
		op := map[string]string{"abs": "Abs", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "sign": "Sign", "sin": "Sin", "tanh": "Tanh", "reciprocal": "Reciprocal"}[name]
		return b.Op(op, nil, x)
	case "negative":
		return b.Op("Neg", nil, x)
	case "square":
		return b.Op("Mul", nil, x, x)
	case "exp2":
		return b.Op("Pow", nil, g.number(2), x)
	case "expm1":
		return b.Expm1(x)
	case "log1p":
		return b.Log1p(x)
	case "log2":
		return b.Op("Div", nil, b.Op("Log", nil, x), g.number(math.Ln2))
	case "log10":
		return b.Op("Div", nil, b.Op("Log", nil, x), g.number(math.Ln10))
	case "cbrt":
		return b.Op("Mul", nil, b.Op("Sign", nil, x), b.Op("Pow", nil, b.Op("Abs", nil, x), g.number(1.0/3)))
	case "cos":
		return b.Op("Sin", nil, b.Op("Add", nil, x, g.number(math.Pi/2)))
	case "logistic":
		return b.Op("Div", nil, g.number(1), b.Op("Add", nil, g.number(1), b.Op("Exp", nil, b.Op("Neg", nil, x))))
	case "relu":
		return b.Op("Where", nil, b.Op("Less", nil, x, g.number(0)), g.number(0), x)
	case "single":
		return b.Cast(b.Cast(x, Float32), Float64)
	case "positive":
		return b.Cast(b.Op("Greater", nil, x, g.number(0)), Float64)
	case "whole":
		return b.Op("Where", nil, b.Op("Equal", nil, x, b.Op("Floor", nil, x)), x, g.number(math.NaN()))
	case "natural":
		return b.Op("Where", nil, b.Op("Less", nil, x, g.number(0)), g.number(math.NaN()), x)
	case "byte":
		whole := b.Op("Mul", nil, b.Op("Sign", nil, x), b.Op("Floor", nil, b.Op("Abs", nil, x)))
		times := b.Op("Floor", nil, b.Op("Div", nil, whole, g.number(256)))
		rest := b.Op("Sub", nil, whole, b.Op("Mul", nil, times, g.number(256)))
		return b.Op("Where", nil, b.Op("GreaterOrEqual", nil, b.Op("Abs", nil, x), g.number(1<<31)), g.number(0), rest)
	case "probit":
		return g.probit(x)
	}
	b.fail("pipeline: %w: function %q", ErrUnsupported, name)
	return Value{}
}

// polynomial returns the value of a polynomial, lowest power first.
func (g *pipelineGraph) polynomial(of []float64, x Value) Value {
	sum := g.number(of[len(of)-1])
	for _, c := range slices.Backward(of[:len(of)-1]) {
		sum = g.b.Op("Add", nil, g.b.Op("Mul", nil, sum, x), g.number(c))
	}
	return sum
}

// probit follows the native function branch by branch.
func (g *pipelineGraph) probit(p Value) Value {
	b := g.b
	ratio := func(of [2][]float64, x Value) Value {
		return b.Op("Div", nil, g.polynomial(of[0], x), g.polynomial(of[1], x))
	}
	q := b.Op("Sub", nil, p, g.number(0.5))
	center := b.Op("Sub", nil, g.number(0.180625), b.Op("Mul", nil, q, q))
	near := b.Op("Mul", nil, q, ratio(pipeline.ProbitCenter, center))
	r := b.Op("Sqrt", nil, b.Op("Neg", nil, b.Op("Log", nil, b.Op("Where", nil, b.Op("Less", nil, q, g.number(0)), p, b.Op("Sub", nil, g.number(1), p)))))
	tail, far := ratio(pipeline.ProbitTail, b.Op("Sub", nil, r, g.number(1.6))), ratio(pipeline.ProbitFar, b.Op("Sub", nil, r, g.number(5)))
	out := b.Op("Where", nil, b.Op("LessOrEqual", nil, r, g.number(5)), tail, far)
	out = b.Op("Where", nil, b.Op("Equal", nil, r, g.number(math.Inf(1))), r, out) // at 0 and 1
	out = b.Op("Where", nil, b.Op("Less", nil, q, g.number(0)), b.Op("Neg", nil, out), out)
	return b.Op("Where", nil, b.Op("LessOrEqual", nil, b.Op("Abs", nil, q), g.number(0.425)), near, out)
}

// power transforms each column by its own lambda.
func (g *pipelineGraph) power(op pipeline.Power, x Value) Value {
	b := g.b
	row := func(f func(l float64) float64) Value {
		of := make([]float64, len(op.Lambdas))
		for i, l := range op.Lambdas {
			of[i] = f(l)
		}
		return g.numbers(of)
	}
	mask := func(f func(l float64) bool) Value {
		of := make([]bool, len(op.Lambdas))
		for i, l := range op.Lambdas {
			of[i] = f(l)
		}
		return b.Const(NewTensor("", of, int64(len(of))))
	}
	none := func(l float64) bool { return math.Abs(l) < pipeline.PowerNone }
	two := func(l float64) bool { return math.Abs(l-2) <= pipeline.PowerNone }
	// side returns a branch: a power with the given exponent, or a logarithm if the exponent is 0.
	other := func(l float64, is func(float64) bool, f float64) float64 { // the exponent, 1 where it is not used
		if is(l) {
			return 1
		}
		return f
	}
	one := g.number(1)
	if op.Box {
		l := row(func(l float64) float64 { return other(l, none, l) })
		if op.Inverse {
			inverse := row(func(l float64) float64 { return other(l, none, 1/l) })
			return b.Op("Where", nil, mask(none), b.Op("Exp", nil, x), b.Op("Pow", nil, b.Op("Add", nil, b.Op("Mul", nil, x, l), one), inverse))
		}
		return b.Op("Where", nil, mask(none), b.Op("Log", nil, x), b.Op("Div", nil, b.Op("Sub", nil, b.Op("Pow", nil, x, l), one), l))
	}
	below := b.Op("Less", nil, x, g.number(0))
	up, down := b.Op("Where", nil, below, g.number(0), x), b.Op("Where", nil, below, b.Op("Neg", nil, x), g.number(0)) // |x| on either side
	l := row(func(l float64) float64 { return other(l, none, l) })
	m := row(func(l float64) float64 { return other(l, two, 2-l) })
	if op.Inverse {
		side := func(x, l, inverse, is Value) Value { // of a number that is not negative
			plain := b.Op("Sub", nil, b.Op("Pow", nil, b.Op("Add", nil, b.Op("Mul", nil, x, l), one), inverse), one)
			return b.Op("Where", nil, is, b.Op("Sub", nil, b.Op("Exp", nil, x), one), plain)
		}
		above := side(up, l, row(func(l float64) float64 { return other(l, none, 1/l) }), mask(none))
		under := side(down, m, row(func(l float64) float64 { return other(l, two, 1/(2-l)) }), mask(two))
		return b.Op("Where", nil, below, b.Op("Neg", nil, under), above)
	}
	side := func(x, l, is Value) Value {
		plain := b.Op("Div", nil, b.Op("Sub", nil, b.Op("Pow", nil, b.Op("Add", nil, x, one), l), one), l)
		return b.Op("Where", nil, is, b.Log1p(x), plain)
	}
	return b.Op("Where", nil, below, b.Op("Neg", nil, side(down, m, mask(two))), side(up, l, mask(none)))
}

// counts returns for each number of a row how many of its edges are at most the number, as
// INT64 of [batch, 1] for each column. Edges are compared in one table per column.
func (g *pipelineGraph) counted(x Value, column int, edges []float64) Value {
	of := g.b.Gather(x, 1, int64(column))
	if len(edges) == 0 {
		return g.b.Cast(g.b.Op("Mul", nil, g.b.Cast(g.b.Op("IsNaN", nil, of), Float64), g.number(0)), Int64)
	}
	is := g.b.Cast(g.b.Op("GreaterOrEqual", nil, of, g.numbers(edges)), Int64)
	return g.b.Op("ReduceSum", nil, is, g.b.Integers(-1))
}

func (g *pipelineGraph) bins(op pipeline.Bins, x Value) Value {
	parts := make([]Value, len(op.Edges))
	for k, edges := range op.Edges {
		parts[k] = g.b.Cast(g.counted(x, k, edges), Float64)
	}
	return g.b.Concat(1, parts...)
}

func (g *pipelineGraph) interpolate(op pipeline.Interpolate, x Value) Value {
	b := g.b
	parts := make([]Value, len(op.X))
	for k, xs := range op.X {
		ys, n := op.Y[k], len(xs)
		low, high := g.number(xs[0]), g.number(xs[n-1])
		of := b.Gather(x, 1, int64(k))
		of = b.Op("Where", nil, b.Op("Less", nil, of, low), low, of)
		of = b.Op("Where", nil, b.Op("Greater", nil, of, high), high, of)
		// By the number of points up to x: the last of these points, its value, and the slope after it.
		from, to, slope := make([]float64, n+1), make([]float64, n+1), make([]float64, n+1)
		for i := range xs {
			from[i+1], to[i+1] = xs[i], ys[i]
			if i+1 < n && xs[i+1] > xs[i] {
				slope[i+1] = (ys[i+1] - ys[i]) / (xs[i+1] - xs[i])
			}
		}
		at := b.Reshape(g.counted(of, 0, xs), -1)
		take := func(table []float64) Value {
			return b.Reshape(b.Op("Gather", []Attr{{"axis", Int(0)}}, g.numbers(table), at), -1, 1)
		}
		parts[k] = b.Op("Add", nil, b.Op("Mul", nil, take(slope), b.Op("Sub", nil, of, take(from))), take(to))
	}
	return b.Concat(1, parts...)
}

// product multiplies factor by factor: a product with fewer takes a column of ones.
func (g *pipelineGraph) product(op pipeline.Product, width int, x Value) Value {
	b := g.b
	most := 1
	for _, term := range op.Terms {
		most = max(most, len(term))
	}
	one := b.Op("Where", nil, b.Op("IsNaN", nil, b.Gather(x, 1, 0)), g.number(1), g.number(1))
	wide := b.Concat(1, x, one)
	var out Value
	for f := range most {
		at := make([]int64, len(op.Terms))
		for k, term := range op.Terms {
			if at[k] = int64(width); f < len(term) {
				at[k] = int64(term[f])
			}
		}
		if factor := b.Gather(wide, 1, at...); f == 0 {
			out = factor
		} else {
			out = b.Op("Mul", nil, out, factor)
		}
	}
	return out
}

var arithmetic = map[pipeline.Operation]string{pipeline.Add: "Add", pipeline.Subtract: "Sub", pipeline.Multiply: "Mul", pipeline.Divide: "Div"}

func (g *pipelineGraph) blend(op pipeline.Blend, in []Value) Value {
	var sum Value
	for i, w := range op.Weights {
		part := g.b.Op("Mul", nil, in[i], g.number(w))
		if i == 0 {
			sum = part
		} else {
			sum = g.b.Op("Add", nil, sum, part)
		}
	}
	return sum
}

// weightedMedian sorts a row and takes the first number at which the weights add up to half.
func (g *pipelineGraph) weightedMedian(op pipeline.WeightedMedian, x Value) Value {
	b := g.b
	half := 0.0
	for _, w := range op.Weights {
		half += w
	}
	sorted := b.Node(Node{Op: "TopK", Attrs: []Attr{{"axis", Int(1)}, {"largest", Int(0)}, {"sorted", Int(1)}}}, 2, x, b.Integers(int64(len(op.Weights))))
	weights := b.Op("Gather", []Attr{{"axis", Int(0)}}, g.numbers(op.Weights), sorted[1])
	sums := b.Op("CumSum", nil, weights, b.Const(Scalar("", int64(1))))
	reached := b.Cast(b.Op("GreaterOrEqual", nil, sums, g.number(half*0.5)), Int64)
	first := b.Op("ArgMax", []Attr{{"axis", Int(1)}}, reached)
	return b.Op("GatherElements", []Attr{{"axis", Int(1)}}, sorted[0], first)
}

// radial compares rows with points. The squared distance is ‖y‖² + ‖t‖² - 2·y·t for the row y and the point t, both from
// the middle of the points and times √gamma. Where that loses too many digits, it is the sum of squared differences,
// which needs memory for each number of each point.
func (g *pipelineGraph) radial(op pipeline.Radial, x Value) Value {
	b := g.b
	n, width := len(op.Points), len(op.Points[0])
	middle, scale := make([]float64, width), math.Sqrt(op.Gamma)
	for _, p := range op.Points {
		for k, v := range p {
			middle[k] += v / float64(n)
		}
	}
	flat, turned, norms, largest := make([]float64, 0, n*width), make([]float64, n*width), make([]float64, n), 0.0
	for i, p := range op.Points {
		for k, v := range p {
			t := (v - middle[k]) * scale
			flat, norms[i] = append(flat, t), norms[i]+t*t
			turned[k*n+i] = -2 * t
		}
		largest = max(largest, norms[i])
	}
	y := b.Op("Mul", nil, b.Op("Sub", nil, x, g.numbers(middle)), g.number(scale))
	var d Value
	if largest <= 1e6 {
		norm := b.Op("ReduceSum", nil, b.Op("Mul", nil, y, y), b.Integers(-1))
		d = b.Op("Add", nil, b.Op("Add", nil, b.Op("MatMul", nil, y, g.numbers(turned, int64(width), int64(n))), g.numbers(norms)), norm)
		d = b.Op("Where", nil, b.Op("Less", nil, d, g.number(0)), g.number(0), d)
		d = b.Op("Where", nil, b.Op("Equal", nil, norm, g.number(math.Inf(1))), norm, d) // beyond float64, as far as can be
	} else {
		apart := b.Op("Sub", nil, b.Reshape(y, 0, 1, int64(width)), g.numbers(flat, int64(n), int64(width)))
		d = b.Reshape(b.Op("ReduceSum", nil, b.Op("Mul", nil, apart, apart), b.Integers(-1)), 0, int64(n))
	}
	return b.Op("Exp", nil, b.Op("Neg", nil, d))
}
