package gp

import (
	"cmp"
	"math"
	"slices"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
)

// A local search looks in a box around one of the best trials, with a model of the trials nearest to it (after
// Eriksson, Pearce, Gardner, Turner and Poloczek, "Scalable Global Optimization via Local Bayesian Optimization",
// NeurIPS 2019, who adapt the size of the box to its success). A function that is much steeper or rougher elsewhere
// misleads a model of all trials: it expects surprises everywhere.
//
// Each trial draws the size of its box. So the size follows from the history alone, and a plateau is searched near
// and far. Two local searches of five have a box in a [frame].
//
// A local search keeps the choices of its center: its model may know nothing about others, and would expect surprises
// there.
const (
	fewestNeighbours = 50   // the model has at least so many trials, and at least three for each parameter
	widestBox        = 0.4  // half a side, as a share of the range
	sizes            = 5    // of the box, each half the one before
	widestFrame      = 4    // half a side of a box in a frame, in standard deviations of the best trials
	frameSizes       = 3    // of that box, each half the one before
	countedBox       = 0.05 // half a side on an axis that can be counted, beside a frame
)

// A local is where a local search looks, and what it learns from.
type local struct {
	obs    []observation // in the frame, if there is one
	center []float64     // likewise
	half   float64       // half a side of the box
	frame  *frame        // nil: the axes of the space
}

// locally says for trials by their number, modulo 8, whether the search is a local one.
var locally = [8]bool{2: true, 3: true, 5: true, 6: true, 7: true}

// local returns the local search for r: that for five trials of eight is one. Otherwise it returns nil.
func (p *past) local(cfg Config, d *domain, r sampler.Request) *local {
	if r.History.Objectives() != 1 || len(r.Fixed) > 0 || len(p.obs) < 2*cfg.Startup || !locally[r.Number%len(locally)] || !d.hasNumbers() {
		return nil
	}
	y := merits(p.obs)
	order := d.order(p.obs, y)
	best := order[0]
	equal := 1
	for equal < len(order) && cmpFeasible(p.obs[best], p.obs[order[equal]], y[best], y[order[equal]]) == 0 {
		equal++
	}
	l := &local{center: p.obs[order[r.Rand.IntN(equal)]].x}
	most := min(max(fewestNeighbours, 3*len(d.axes)), fittedTo(len(d.axes)), cfg.Observations)
	believes := slices.ContainsFunc(d.axes, func(a space.Axis) bool { return a.Prior != nil })
	if r.Number%2 == 0 && !believes && r.Region().Free() {
		l.frame = p.frame(d, order, l.center)
	}
	if l.frame != nil {
		l.half = widestFrame / float64(int(1)<<r.Rand.IntN(frameSizes))
		all := make([]observation, len(p.obs))
		for i, o := range p.obs {
			o.x = l.frame.to(o.x)
			all[i] = o
		}
		l.center = l.frame.to(l.center)
		l.obs = nearest(d, all, l.center, most)
		// Those around the box; the model of a smaller one needs fewer.
		l.obs = l.frame.around(d, l.obs, l.center, 3*l.half, min(3+2*len(d.axes), most))
	} else {
		l.half = widestBox / float64(int(1)<<r.Rand.IntN(sizes))
		l.obs = nearest(d, p.obs, l.center, most)
	}
	slices.SortFunc(l.obs, byNumber)
	return l
}

// hasNumbers reports whether a number is to be drawn.
func (d *domain) hasNumbers() bool {
	for j := range d.axes {
		if !d.choices[j] && math.IsNaN(d.given[j]) {
			return true
		}
	}
	return false
}

// continuous reports whether axis j is a number between any two of whose values there is another.
func (d *domain) continuous(j int) bool { return !d.choices[j] && d.axes[j].Distribution.Len() == 0 }

// nearest returns the n observations nearest to a position, the nearest first.
func nearest(d *domain, obs []observation, center []float64, n int) []observation {
	at := points{d: len(d.axes), choices: d.choices}
	order, from := make([]int, len(obs)), make([]float64, len(obs))
	for i, o := range obs {
		order[i] = i
		for j, u := range center {
			from[i] += at.square(j, o.x[j], u)
		}
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(from[i], from[j]) })
	var out []observation
	for _, i := range order[:min(n, len(order))] {
		out = append(out, obs[i])
	}
	return out
}

// fit returns the parameters of a model of what l learns from. The observations are fitted in units of their extent on
// each continuous axis, or of the box if that is larger, so that the priors hold for a box of any size.
func (l *local) fit(cfg Config, d *domain, values []float64, noise float64) hyper {
	size := make([]float64, len(d.axes))
	for j := range size {
		if size[j] = 1; !d.continuous(j) {
			continue
		}
		low, high := math.Inf(1), math.Inf(-1)
		for _, o := range l.obs {
			low, high = math.Min(low, o.x[j]), math.Max(high, o.x[j])
		}
		if size[j] = math.Max(high-low, 2*l.half); l.frame == nil {
			size[j] = math.Min(size[j], 1)
		}
	}
	scaled := slices.Clone(l.obs)
	for i, o := range l.obs {
		scaled[i].x = slices.Clone(o.x)
		for j := range size {
			scaled[i].x[j] /= size[j]
		}
	}
	h := d.fit(cfg, scaled, values, noise)
	for j, s := range size {
		h.weights[j] /= s * s
	}
	return h
}

// confine limits the search to the box of l, and to the choices of its center. A number that can be counted may change
// by one.
func (a *acquisition) confine(l *local) {
	d := *a.domain
	d.given = slices.Clone(d.given)
	a.domain, a.frame = &d, l.frame
	for j, u := range l.center {
		by := l.half
		switch n := a.axes[j].Distribution.Len(); {
		case a.choices[j]:
			if math.IsNaN(d.given[j]) {
				d.given[j] = u
			}
			continue
		case l.frame != nil && l.frame.has(j):
			a.low[j], a.high[j] = -l.half, l.half
			continue
		case l.frame != nil && n > 0:
			by = math.Max(countedBox, 1.5/float64(n))
		case n > 0:
			by = math.Max(l.half, 1.5/float64(n))
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
