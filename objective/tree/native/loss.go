package native

import (
	"cmp"
	"math"
	"slices"

	"github.com/attune-hpo/attune/internal/selection"
	"github.com/attune-hpo/attune/objective/tree/engine"
)

// An objective is a loss of one score, as far as growing trees needs it.
type objective interface {
	// start returns the best constant score. weights is nil if all are 1.
	start(labels, weights []float64) float64
	// derive writes the first derivatives by the score to g and the second to h.
	// h is nil if all second derivatives are 1 (see constant).
	derive(scores, labels, g, h []float64)
	constant() bool
	// loss is the loss of one row. Training reports report(mean loss).
	loss(score, label float64) float64
	report(mean float64) float64
}

// A renewer is an objective whose best leaf values are not one Newton step away.
type renewer interface {
	// renew returns the best constant for the residuals, label minus score, of a
	// leaf. It may reorder them. weights is nil if all are 1.
	renew(residuals, weights []float64) float64
}

func newObjective(p engine.Params) objective {
	switch p.Loss {
	case engine.L1:
		return quantile{level: 0.5, scale: 2}
	case engine.Huber:
		return huber{p.HuberDelta}
	case engine.Quantile:
		return quantile{level: p.Quantile, scale: 1}
	case engine.Poisson:
		return poisson{}
	case engine.Tweedie:
		return tweedie{p.TweediePower}
	case engine.Logistic:
		return logistic{}
	case engine.Softmax:
		return class{p.Classes, 0}
	}
	return squares{}
}

// squares is the squared error. In forests it is also the Gini impurity, half of which is
// the squared error of the class indicators.
type squares struct{}

func (squares) constant() bool { return true }
func (squares) start(labels, weights []float64) float64 {
	return mean(labels, weights)
}

func (squares) derive(scores, labels, g, _ []float64) {
	labels, g = labels[:len(scores)], g[:len(scores)]
	for i, s := range scores {
		g[i] = s - labels[i]
	}
}
func (squares) loss(s, y float64) float64   { return (s - y) * (s - y) }
func (squares) report(mean float64) float64 { return math.Sqrt(mean) }

// quantile is the pinball loss for a level, times scale.
type quantile struct{ level, scale float64 }

func (quantile) constant() bool { return true }
func (q quantile) start(labels, weights []float64) float64 {
	return q.renew(slices.Clone(labels), slices.Clone(weights))
}

func (q quantile) derive(scores, labels, g, _ []float64) {
	below, above := q.scale*(1-q.level), -q.scale*q.level
	for i, s := range scores {
		switch d := s - labels[i]; {
		case d > 0:
			g[i] = below
		case d < 0:
			g[i] = above
		default:
			g[i] = 0
		}
	}
}

func (q quantile) loss(s, y float64) float64 {
	if s > y {
		return q.scale * (1 - q.level) * (s - y)
	}
	return q.scale * q.level * (y - s)
}
func (quantile) report(mean float64) float64 { return mean }

// renew returns a minimizer of the pinball loss: the smallest value such that the values
// up to it hold the level's share of the weight, or, if they hold exactly that share, the
// midpoint between it and the next value.
func (q quantile) renew(values, weights []float64) float64 {
	if weights != nil {
		order(values, weights)
		target := 0.0
		for _, w := range weights {
			target += w
		}
		target *= q.level
		sum := 0.0
		for i, w := range weights {
			sum += w
			if sum > target || i == len(values)-1 {
				return values[i]
			}
			if sum == target {
				return values[i]/2 + values[i+1]/2
			}
		}
	}
	target := q.level * float64(len(values))
	k := min(int(math.Floor(target)), len(values)-1)
	v := nth(values, k)
	if k > 0 && float64(k) == target {
		return slices.Max(values[:k])/2 + v/2
	}
	return v
}

type huber struct{ delta float64 }

func (huber) constant() bool { return true }
func (h huber) start(labels, weights []float64) float64 {
	return h.renew(slices.Clone(labels), weights)
}

func (h huber) derive(scores, labels, g, _ []float64) {
	for i, s := range scores {
		g[i] = min(max(s-labels[i], -h.delta), h.delta)
	}
}

func (h huber) loss(s, y float64) float64 {
	d := math.Abs(s - y)
	if d <= h.delta {
		return d * d / 2
	}
	return h.delta * (d - h.delta/2)
}
func (huber) report(mean float64) float64 { return mean }

// renew minimizes the loss by Newton's method, which ends after finitely many
// steps because the derivative is linear between the values ± delta. Bisection
// takes over where a step leaves the bracket. If many values are optimal, renew returns
// the first it finds.
func (h huber) renew(values, weights []float64) float64 {
	low, high := slices.Min(values), slices.Max(values)
	c := mean(values, weights)
	for range 100 {
		slope, curve, total := 0.0, 0.0, 0.0
		for i, v := range values {
			w := 1.0
			if weights != nil {
				w = weights[i]
			}
			total += w
			d := c - v
			slope += w * min(max(d, -h.delta), h.delta)
			if math.Abs(d) < h.delta {
				curve += w
			}
		}
		if math.Abs(slope) <= 1e-12*h.delta*total {
			break
		}
		if slope > 0 {
			high = c
		} else {
			low = c
		}
		next := c - slope/curve
		if !(next > low && next < high) {
			next = low/2 + high/2
		}
		if math.Abs(next-c) <= 1e-12*(math.Abs(c)+h.delta) {
			break
		}
		c = next
	}
	return c
}

// poissonStep limits overshooting: the second derivative is taken at a score that is
// larger by poissonStep, as in LightGBM (poisson_max_delta_step).
const poissonStep = 0.7

type poisson struct{}

func (poisson) constant() bool { return false }
func (poisson) start(labels, weights []float64) float64 {
	return logMean(labels, weights)
}

func (poisson) derive(scores, labels, g, h []float64) {
	step := math.Exp(poissonStep)
	for i, s := range scores {
		rate := exp(s)
		g[i], h[i] = rate-labels[i], rate*step
	}
}
func (poisson) loss(s, y float64) float64   { return exp(s) - y*s }
func (poisson) report(mean float64) float64 { return mean }

type tweedie struct{ power float64 }

func (tweedie) constant() bool                          { return false }
func (tweedie) start(labels, weights []float64) float64 { return logMean(labels, weights) }
func (tweedie) report(mean float64) float64             { return mean }
func (t tweedie) terms(s, y float64) (one, other float64) {
	return y * exp((1-t.power)*s), exp((2 - t.power) * s)
}

func (t tweedie) derive(scores, labels, g, h []float64) {
	for i, s := range scores {
		one, other := t.terms(s, labels[i])
		g[i] = other - one
		h[i] = (2-t.power)*other - (1-t.power)*one
	}
}

func (t tweedie) loss(s, y float64) float64 {
	one, other := t.terms(s, y)
	return other/(2-t.power) - one/(1-t.power)
}

type logistic struct{}

func (logistic) constant() bool { return false }
func (logistic) start(labels, weights []float64) float64 {
	p := clip(mean(labels, weights))
	return math.Log(p / (1 - p))
}

func (logistic) derive(scores, labels, g, h []float64) {
	for i, s := range scores {
		p := 1 / (1 + exp(-s))
		g[i], h[i] = p-labels[i], p*(1-p)
	}
}

// loss is log(1+e^s) - ys, computed without overflow.
func (logistic) loss(s, y float64) float64 {
	return max(s, 0) - y*s + math.Log1p(math.Exp(-math.Abs(s)))
}
func (logistic) report(mean float64) float64 { return mean }

// class is the softmax loss's part for class k of count. Its scores are
// probabilities.
type class struct{ count, k int }

func (class) constant() bool { return false }
func (c class) start(labels, weights []float64) float64 {
	is := make([]float64, len(labels))
	for i, y := range labels {
		if int(y) == c.k {
			is[i] = 1
		}
	}
	return math.Log(clip(mean(is, weights)))
}

// derive scales the second derivatives by k/(k-1), because one of the k classes is
// redundant (Friedman 2001, Algorithm 6).
func (c class) derive(probabilities, labels, g, h []float64) {
	factor := float64(c.count) / float64(c.count-1)
	for i, p := range probabilities {
		g[i], h[i] = p, factor*p*(1-p)
		if int(labels[i]) == c.k {
			g[i]--
		}
	}
}

// loss takes the predicted probability of the label's class.
func (class) loss(p, _ float64) float64   { return -math.Log(max(p, tiny)) }
func (class) report(mean float64) float64 { return mean }

// projection is the squared error of a random number per class. The variance that a
// split removes from it is, on average, that of the class indicators: the Gini
// impurity, at the cost of one output (Joly, Geurts and Wehenkel, Random forests
// with random projections of the output space, 2014).
type projection struct {
	squares
	of []float64 // by class
}

func (p projection) derive(_, labels, g, _ []float64) {
	for i, y := range labels {
		g[i] = -p.of[int(y)]
	}
}

// tiny is the smallest probability used in a logarithm.
const tiny = 1e-15

func clip(p float64) float64 { return min(max(p, tiny), 1-tiny) }

// exp is e^s with s limited to ±maxScore.
func exp(s float64) float64 { return math.Exp(min(max(s, -maxScore), maxScore)) }

// maxScore limits the argument of exp: e^230 is 1e100.
const maxScore = 230

func mean(values, weights []float64) float64 {
	sum, total := 0.0, 0.0
	for i, v := range values {
		w := 1.0
		if weights != nil {
			w = weights[i]
		}
		sum += w * v
		total += w
	}
	return sum / total
}

func logMean(labels, weights []float64) float64 {
	return math.Log(max(mean(labels, weights), tiny))
}

// order sorts values, and reorders weights with them.
func order(values, weights []float64) {
	type pair struct{ v, w float64 }
	pairs := make([]pair, len(values))
	for i, v := range values {
		pairs[i] = pair{v, weights[i]}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return cmp.Compare(a.v, b.v) })
	for i, p := range pairs {
		values[i], weights[i] = p.v, p.w
	}
}

// nth returns the value that sorting would put at k; see [selection.Partition].
func nth(values []float64, k int) float64 {
	selection.Partition(values, k)
	return values[k]
}
