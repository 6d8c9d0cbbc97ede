package gp

import (
	"cmp"
	"math"
	"slices"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
	"github.com/attune-hpo/attune/trial"
)

// A domain is the space of a model: the axes to be drawn, and those given.
type domain struct {
	axes    space.Space
	choices []bool
	given   []float64 // positions; NaN for axes to be drawn
	fixed   []int     // axes that are given, and not by a sampler
	place   []int     // of an axis in the request, -1 if it is given
	cost    string    // Config.Cost
}

// newDomain returns the domain of r.
func newDomain(r sampler.Request) *domain {
	d := &domain{}
	add := func(a space.Axis, given float64, place int) {
		_, choice := a.Distribution.(*space.CategoricalDistribution)
		d.axes = append(d.axes, a)
		d.choices = append(d.choices, choice)
		d.given = append(d.given, given)
		d.place = append(d.place, place)
	}
	for i, a := range r.Given.Space {
		if a.Distribution.Len() == 1 {
			continue
		}
		if slices.Contains(r.Fixed, a.Name) {
			d.fixed = append(d.fixed, len(d.axes))
		}
		add(a, unit.Position(a.Distribution, r.Given.Point[i]), -1)
	}
	for i, a := range r.Space {
		add(a, math.NaN(), i)
	}
	return d
}

// snap moves a position to the nearest that a value has.
func (d *domain) snap(j int, u float64) float64 {
	if d.choices[j] || d.axes[j].Distribution.Len() == 0 {
		return u
	}
	return unit.To(d.axes[j].Distribution, unit.From(d.axes[j].Distribution, u))
}

// reach is the distance from a fixed number up to which a trial is near, as a share of the range. Choices must be
// equal.
const reach = 0.2

// near reports whether x has about the values that are fixed, and same whether it
// has exactly those.
func (d *domain) near(x []float64) bool {
	return !slices.ContainsFunc(d.fixed, func(j int) bool {
		by := math.Abs(x[j] - d.given[j])
		return by > reach || d.choices[j] && by != 0
	})
}

func (d *domain) same(x []float64) bool {
	return !slices.ContainsFunc(d.fixed, func(j int) bool { return x[j] != d.given[j] })
}

// pinned returns a copy of x with the given positions.
func (d *domain) pinned(x []float64) []float64 {
	out := slices.Clone(x)
	for j, g := range d.given {
		if !math.IsNaN(g) {
			out[j] = g
		}
	}
	return out
}

// coordinate returns the value at a position.
func (d *domain) coordinate(j int, u float64) float64 {
	if d.choices[j] {
		return u
	}
	return unit.From(d.axes[j].Distribution, u)
}

// locate returns the position of a trial in the domain, if it has one.
func (d *domain) locate(p space.Params) ([]float64, bool) {
	x := make([]float64, len(d.axes))
	for j, a := range d.axes {
		i := p.Space.IndexNear(j, a.Name)
		if i < 0 || i >= len(p.Point) || !a.Distribution.Contains(p.Point[i]) || !space.Compatible(a.Distribution, p.Space[i].Distribution) {
			return nil, false
		}
		x[j] = unit.Position(a.Distribution, p.Point[i])
	}
	return x, true
}

// ahead returns the position of a running trial, if it is known.
func (d *domain) ahead(r trial.Record) ([]float64, bool) {
	x, ok := r.Ahead(d.axes)
	for j := range x {
		x[j] = unit.Position(d.axes[j].Distribution, x[j])
	}
	return x, ok
}

// An observation is a finished trial in a domain.
type observation struct {
	number      int
	x           []float64
	losses      []float64 // of each objective; NaN if it has none of its own
	state       trial.State
	constraints []trial.Constraint
	cost        float64 // NaN if it is not known
}

// observe returns the observation of a finished trial, if there is one.
func (d *domain) observe(h trial.Snapshot, r *trial.Record) (observation, bool) {
	if r.Interrupted() {
		return observation{}, false
	}
	x, ok := d.locate(r.Params)
	if !ok {
		return observation{}, false
	}
	o := observation{r.Number, x, make([]float64, h.Objectives()), r.State, r.Constraints, d.spent(r)}
	for k := range o.losses {
		switch {
		case r.State == trial.Complete:
			o.losses[k] = h.Direction(k).Loss(r.Values[k])
		case r.State == trial.Pruned && len(r.Reports) > 0 && len(o.losses) == 1:
			o.losses[k] = h.Direction(k).Loss(r.Reports[len(r.Reports)-1].Value)
		default:
			o.losses[k] = math.NaN()
		}
	}
	return o, true
}

// targets returns the losses of an objective for a model, standardized by the better half. Losses above the
// median are compressed logarithmically, because their size says little about where the good ones lie. Trials
// without a loss, or with an infinite one, get the worst finite loss. A pruned trial is at least as bad as the
// median: it was not worth finishing.
func targets(obs []observation, objective int) []float64 {
	y, _ := standardized(obs, objective)
	return y
}

// standardized returns the targets, and how much of the objective their unit is below the median.
func standardized(obs []observation, objective int) (y []float64, unit float64) {
	var complete []float64
	for _, o := range obs {
		if o.state == trial.Complete && !math.IsInf(o.losses[objective], 0) {
			complete = append(complete, o.losses[objective])
		}
	}
	y = make([]float64, len(obs))
	if len(complete) == 0 {
		return y, 1
	}
	slices.Sort(complete)
	low, middle, high := complete[0], complete[len(complete)/2], complete[len(complete)-1]
	spread := middle - low
	if !(spread > 0) {
		spread = high - low
	}
	if !(spread > 0) || math.IsInf(spread, 0) {
		spread = 1
	}
	shape := func(v float64) float64 {
		z := (v - middle) / spread
		if z > 0 {
			z = math.Log1p(z)
		}
		return z
	}
	worst := shape(high)
	for i, o := range obs {
		v := o.losses[objective]
		switch {
		case o.state == trial.Complete && !math.IsInf(v, 0):
			y[i] = shape(v)
		case math.IsInf(v, -1) && o.state == trial.Complete:
			y[i] = shape(low)
		case o.state == trial.Pruned && !math.IsNaN(v):
			y[i] = math.Min(math.Max(shape(v), 0), worst)
		default:
			y[i] = worst
		}
	}
	return y, spread * standardize(y)
}

// standardize makes the mean of y 0 and its variance 1, unless all are equal. It returns the deviation that y had, or 1.
func standardize(y []float64) float64 {
	mean, squares := 0.0, 0.0
	for _, v := range y {
		mean += v / float64(len(y))
	}
	for i := range y {
		y[i] -= mean
		squares += y[i] * y[i] / float64(len(y))
	}
	if squares > 1e-24 {
		for i := range y {
			y[i] /= math.Sqrt(squares)
		}
		return math.Sqrt(squares)
	}
	clear(y)
	return 1
}

// byNumber orders observations.
func byNumber(a, b observation) int { return cmp.Compare(a.number, b.number) }
