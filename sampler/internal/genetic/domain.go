package genetic

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
)

// A domain has the axes of a request, and the fixed values of others. On a number a
// position is a point of [0, 1], on a choice its index.
type domain struct {
	axes    space.Space
	choices []bool
	numbers []int // axes that are no choices
	fixed   space.Params
	whole   bool // no varying parameter is given: a point is a configuration
}

func newDomain(r sampler.Request) *domain {
	d := &domain{axes: r.Space, whole: true}
	for j, a := range r.Space {
		_, choice := a.Distribution.(*space.CategoricalDistribution)
		d.choices = append(d.choices, choice)
		if !choice {
			d.numbers = append(d.numbers, j)
		}
	}
	for i, a := range r.Given.Space {
		if a.Distribution.Len() == 1 {
			continue
		}
		d.whole = false
		if slices.Contains(r.Fixed, a.Name) {
			d.fixed.Space = append(d.fixed.Space, a)
			d.fixed.Point = append(d.fixed.Point, r.Given.Point[i])
		}
	}
	return d
}

func (d *domain) equal(o *domain) bool {
	return d.axes.Equal(o.axes) && d.fixed.Space.Equal(o.fixed.Space) && slices.Equal(d.fixed.Point, o.fixed.Point)
}

func (d *domain) coordinate(j int, u float64) float64 {
	if d.choices[j] {
		return u
	}
	return unit.From(d.axes[j].Distribution, u)
}

// snap moves a position to that of a value.
func (d *domain) snap(j int, u float64) float64 {
	return unit.Position(d.axes[j].Distribution, d.coordinate(j, u))
}

// locate returns the position of values, if all axes have one. A number outside the bounds
// counts as the nearest of them.
func (d *domain) locate(p space.Params) ([]float64, bool) {
	x := make([]float64, len(d.axes))
	for j, a := range d.axes {
		i := p.Space.IndexNear(j, a.Name)
		if i < 0 || i >= len(p.Point) || !space.Compatible(a.Distribution, p.Space[i].Distribution) {
			return nil, false
		}
		if d.choices[j] && !a.Distribution.Contains(p.Point[i]) {
			return nil, false
		}
		x[j] = unit.Position(a.Distribution, p.Point[i])
	}
	return x, true
}

// reach is the distance from a fixed number up to which a trial is near, as a share of the range. Choices must be
// equal.
const reach = 0.2

// near reports whether a trial has about the values that are fixed.
func (d *domain) near(p space.Params) bool {
	for i, a := range d.fixed.Space {
		x, ok := p.Coord(a.Name)
		if !ok || !a.Distribution.Contains(x) {
			return false
		}
		by := math.Abs(unit.Position(a.Distribution, x) - unit.Position(a.Distribution, d.fixed.Point[i]))
		if _, choice := a.Distribution.(*space.CategoricalDistribution); by > reach || choice && by != 0 {
			return false
		}
	}
	return true
}

// mutate returns another value than u: another choice, or a number near it (polynomial
// mutation: Deb and Goyal, "A Combined Genetic Adaptive Search (GeneAS) for Engineering
// Design", Computer Science and Informatics 26, 1996; bounded as in Deb, "Multi-Objective
// Optimization Using Evolutionary Algorithms", 2001). The index η is 2; 20 is common, but
// with some hundred trials there is no time for small steps only.
func (d *domain) mutate(j int, u float64, rng *rand.Rand) float64 {
	dist := d.axes[j].Distribution
	if d.choices[j] {
		n := dist.Len()
		return float64((int(u) + 1 + rng.IntN(n-1)) % n)
	}
	const eta = 2.0
	r := rng.Float64()
	var step float64
	if r < 0.5 {
		step = math.Pow(2*r+(1-2*r)*math.Pow(1-u, eta+1), 1/(eta+1)) - 1
	} else {
		step = 1 - math.Pow(2*(1-r)+(2*r-1)*math.Pow(u, eta+1), 1/(eta+1))
	}
	v := u + step
	if n := dist.Len(); n > 0 && d.snap(j, v) == u { // a step to the next value at least
		i, _ := unit.Cell(dist, d.coordinate(j, u))
		switch {
		case i == 0 || step > 0 && i < n-1:
			i++
		default:
			i--
		}
		v = unit.Position(dist, dist.At(i))
	}
	return v
}
