package tpe

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// A parzen is the estimator of equation 3 of Watanabe 2023 (arXiv 2304.11127),
// written as it reads there: a weighted mixture whose components are products of
// one kernel an axis, the last component being the prior.
type parzen struct {
	axes    []axis
	weights []float64   // sum to 1
	mu      [][]float64 // [axis][component]; of a choice, the index observed
	sigma   [][]float64 // [axis][component]; unused by choices
}

// newParzen returns the estimator of observations, each a position an axis, in
// order of trial number.
func newParzen(axes []axis, observations [][]float64, weights []float64) *parzen {
	n := len(observations)
	p := &parzen{axes: axes, weights: append(slices.Clone(weights), 1)}
	total := 0.0
	for _, w := range p.weights {
		total += w
	}
	for i := range p.weights {
		p.weights[i] /= total
	}
	for d := range axes {
		mu := make([]float64, n, n+1)
		for i, o := range observations {
			mu[i] = o[d]
		}
		sigma := bandwidths(mu)
		p.mu = append(p.mu, append(mu, 0))
		p.sigma = append(p.sigma, append(sigma, 1))
	}
	return p
}

// bandwidths returns the wider gap to a neighbour for each of mu, clipped. The
// outermost look inwards only, if there is more than one.
func bandwidths(mu []float64) []float64 {
	n := len(mu)
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(mu[i], mu[j]) })
	sigma := make([]float64, n)
	for r, i := range order {
		left, right := -0.5, 0.5
		if r > 0 {
			left = mu[order[r-1]]
		}
		if r < n-1 {
			right = mu[order[r+1]]
		}
		s := max(mu[i]-left, right-mu[i])
		if n > 1 && r == 0 {
			s = right - mu[i]
		}
		if n > 1 && r == n-1 {
			s = mu[i] - left
		}
		sigma[i] = min(max(s, 1/min(100, float64(n)+2)), 1)
	}
	return sigma
}

// logPDF returns the log-density, per unit of the interval on each axis, of a
// point given by a value an axis.
func (p *parzen) logPDF(point []float64) float64 {
	terms := make([]float64, len(p.weights))
	for i, w := range p.weights {
		terms[i] = math.Log(w)
		for d := range p.axes {
			terms[i] += p.logKernel(d, i, point[d])
		}
	}
	top, sum := slices.Max(terms), 0.0
	for _, t := range terms {
		sum += math.Exp(t - top)
	}
	return top + math.Log(sum)
}

func (p *parzen) logKernel(d, i int, value float64) float64 {
	a, mu, sigma := &p.axes[d], p.mu[d][i], p.sigma[d][i]
	n := float64(len(p.weights)) // of kernels
	switch a.kind {
	case choice:
		switch {
		case i == len(p.weights)-1:
			return -math.Log(float64(a.n))
		case value == mu:
			return math.Log((1/n + 1) / (float64(a.n)/n + 1))
		}
		return math.Log(1 / n / (float64(a.n)/n + 1))
	case grid:
		mid, width := a.cell(value)
		return logCellMass((mid-mu)/sigma, width/sigma, math.Log(width/sigma)) - logMass((-0.5-mu)/sigma, (0.5-mu)/sigma)
	}
	z := (value - mu) / sigma
	return -0.5*z*z - halfLog2Pi - math.Log(sigma) - logMass((-0.5-mu)/sigma, (0.5-mu)/sigma)
}

// sample draws a point, a value an axis.
func (p *parzen) sample(rng *rand.Rand) []float64 {
	i, u := 0, rng.Float64()
	for sum := p.weights[0]; i < len(p.weights)-1 && u >= sum; {
		i++
		sum += p.weights[i]
	}
	point := make([]float64, len(p.axes))
	for d := range p.axes {
		a, mu, sigma, u := &p.axes[d], p.mu[d][i], p.sigma[d][i], rng.Float64()
		if a.kind != choice {
			t := mu + sigma*truncatedQuantile(u, (-0.5-mu)/sigma, (0.5-mu)/sigma)
			point[d] = a.value(min(max(t, -0.5), 0.5))
			continue
		}
		v, own := mu, math.Exp(p.logKernel(d, i, mu))
		if last := i == len(p.weights)-1; last {
			v, own = math.Inf(1), 0
		}
		if u >= own { // the others share the rest
			others := float64(a.n)
			if own > 0 {
				others--
			}
			other := min(math.Floor((u-own)/(1-own)*others), others-1)
			if other >= v {
				other++
			}
			v = other
		}
		point[d] = v
	}
	return point
}

func recencyWeights(n int) []float64 {
	w := make([]float64, n)
	for i := range w {
		w[i] = recency(i, n)
	}
	return w
}

// plainEstimators returns the estimators of the good and the bad trials for some
// axes of r.
func plainEstimators(c Config, r sampler.Request, sp space.Space) (l, g *parzen) {
	axes := make([]axis, len(sp))
	for i, a := range sp {
		axes[i] = newAxis(a)
	}
	h := r.History
	good, hint := plainGood(c, r, axes)
	var below, above [][]float64
	var weightBelow, weightAbove []float64 // beside those by age
	var known []observation                // all that have finished
	for _, t := range h.Records() {
		at, ok := observe(axes, &t)
		switch {
		case !ok:
			continue
		case t.State.Done() && (counts(&t, h) || failed(&t)):
			known = append(known, observation{t.Number, at, t.State == trial.Failed})
		case t.State != trial.Running || c.IgnoreRunning || t.Number == r.Number:
			continue
		}
		w := 1.0
		if t.State.Done() && !plainNear(r, axes, t) {
			w = hint
		}
		if slices.Contains(good, t.Number) {
			below, weightBelow = append(below, at), append(weightBelow, w)
			continue
		}
		if t.State == trial.Failed {
			w = -w // to be blamed below
		}
		above, weightAbove = append(above, at), append(weightAbove, w)
	}
	for i, w := range recencyWeights(len(below)) {
		if h.Objectives() == 1 {
			weightBelow[i] *= w
		}
	}
	for i, w := range recencyWeights(len(above)) {
		if weightAbove[i] < 0 {
			w *= -plainBlame(axes, known)
		}
		weightAbove[i] *= w
	}
	return newParzen(axes, below, weightBelow), newParzen(axes, above, weightAbove)
}

// plainGood returns the numbers of the good trials, and the weight of a far one.
func plainGood(c Config, r sampler.Request, axes []axis) (good []int, hint float64) {
	var all, near split
	all.update(r.History, nil)
	near.update(r.History, func(t *trial.Record) bool { return plainNear(r, axes, *t) })
	good = all.best(c.good(all.total))
	if near.total < all.total && near.total >= c.Startup {
		good = slices.DeleteFunc(good, func(number int) bool {
			return slices.ContainsFunc(r.History.Records(), func(t trial.Record) bool { return t.Number == number && plainNear(r, axes, t) })
		})
		good = append(good, near.best(c.good(near.total))...)
	}
	n := 1 + float64(near.total)
	return good, 1 / (n * n)
}

// plainNear reports whether a trial is near the request r: at most a quarter outside its bounds, and at most a fifth
// from the fixed values.
func plainNear(r sampler.Request, axes []axis, t trial.Record) bool {
	for _, a := range axes {
		if x, ok := a.read(&t); ok && a.kind != choice && math.Abs(a.position(x)) > 0.75 {
			return false
		}
	}
	for i, given := range r.Given.Space {
		if !slices.Contains(r.Fixed, given.Name) || given.Distribution.Len() == 1 {
			continue
		}
		a := newAxis(given)
		x, ok := a.read(&t)
		if !ok || a.kind == choice && x != r.Given.Point[i] || math.Abs(a.position(x)-a.position(r.Given.Point[i])) > 0.2 {
			return false
		}
	}
	return true
}

// plainBlame compares how often the nearest neighbour of a failed trial has failed
// with how often any trial has.
func plainBlame(axes []axis, finished []observation) float64 {
	var latest []observation
	failures := 0.0
	for _, o := range finished {
		if o.failed {
			failures++
			latest = append(latest, o)
		}
	}
	if int(failures) == len(finished) {
		return 1
	}
	latest = latest[max(0, len(latest)-mostBlamed):]
	alike := 0.0
	for _, f := range latest {
		nearest, hit := math.Inf(1), false
		for _, o := range finished {
			if o.number == f.number {
				continue
			}
			distance := 0.0
			for d := range axes {
				switch {
				case axes[d].kind != choice:
					distance += (f.at[d] - o.at[d]) * (f.at[d] - o.at[d])
				case f.at[d] != o.at[d]:
					distance++
				}
			}
			if distance < nearest {
				nearest, hit = distance, false
			}
			hit = hit || distance == nearest && o.failed
		}
		if hit {
			alike++
		}
	}
	usual := failures / float64(len(finished))
	return max(0.01, ((alike+2)/(float64(len(latest))+2)-usual)/(1-usual))
}
