package gp

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/attune-hpo/attune/sampler"
)

// A local search looks in a box around one of the best trials, with a model of the trials nearest to it (after
// Eriksson, Pearce, Gardner, Turner and Poloczek, "Scalable Global Optimization via Local Bayesian Optimization",
// NeurIPS 2019, who adapt the size of the box to its success). A function that is much steeper or rougher elsewhere
// misleads a model of all trials: it expects surprises everywhere.
//
// Each trial draws the size of its box. So the size follows from the history alone, and a plateau is searched near
// and far.
const (
	fewestNeighbours = 50  // the model has at least so many trials, and at least three for each parameter
	widestBox        = 0.4 // half a side, as a share of the range
	sizes            = 5   // of the box, each half the one before
)

// local reports whether the search for r is a local one: that for two trials of four is.
func (p *past) local(cfg Config, r sampler.Request) bool {
	return r.History.Objectives() == 1 && len(r.Fixed) == 0 && len(p.obs) >= 2*cfg.Startup && r.Number/2%2 == 1
}

// neighbours returns the observations nearest to one of the best, and its position.
func (p *past) neighbours(cfg Config, d *domain, rng *rand.Rand) (obs []observation, center []float64) {
	y := merits(p.obs)
	order := d.order(p.obs, y)
	best := order[0]
	equal := 1
	for equal < len(order) && cmpFeasible(p.obs[best], p.obs[order[equal]], y[best], y[order[equal]]) == 0 {
		equal++
	}
	center = p.obs[order[rng.IntN(equal)]].x
	at := points{d: len(d.axes), choices: d.choices}
	from := make([]float64, len(p.obs))
	for i, o := range p.obs {
		order[i] = i
		for j, u := range center {
			from[i] += at.square(j, o.x[j], u)
		}
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(from[i], from[j]) })
	most := min(max(fewestNeighbours, 3*len(d.axes)), fittedTo(len(d.axes)), cfg.Observations)
	near := order[:min(most, len(order))]
	slices.Sort(near)
	for _, i := range near {
		obs = append(obs, p.obs[i])
	}
	return obs, center
}

// confine limits the search to a box around a position. It does not limit choices, and a number that can be counted may
// change by one.
func (a *acquisition) confine(center []float64, half float64) {
	for j, u := range center {
		by := half
		switch n := a.axes[j].Distribution.Len(); {
		case a.choices[j]:
			by = math.Inf(1)
		case n > 0:
			by = math.Max(half, 1.5/float64(n))
		}
		a.low[j], a.high[j] = math.Max(u-by, 0), math.Min(u+by, 1)
	}
}

// bound moves a position into the box.
func (a *acquisition) bound(x []float64) {
	for j := range x {
		if math.IsNaN(a.given[j]) && !a.choices[j] {
			x[j] = a.snap(j, math.Min(math.Max(x[j], a.low[j]), a.high[j]))
		}
	}
}
