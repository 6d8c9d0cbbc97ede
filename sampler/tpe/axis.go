package tpe

import (
	"math"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
	"github.com/attune-hpo/attune/trial"
)

// An axis is an axis of the request on the scale of the kernels: the interval
// [-½, ½], whatever the bounds and units of the parameter, so that rescaling the
// one rescales the other and nothing overflows.
//
// A value of the axis is its position in that interval if it is a continuum, and
// otherwise the index of its cell: a grid of n values splits the interval into n
// cells, those of integers on a logarithmic scale having the width of
// [x-½, x+½] there.
type axis struct {
	space.Axis
	kind       kind
	n          int     // number of values, if they are discrete
	low, width float64 // of the interval on the scale of the parameter, widened by half a step
	step       float64
	log        bool
	place      int // position in the last trial; in most trials it is the same
}

type kind uint8

const (
	continuum kind = iota
	grid
	choice
)

// maxPosition limits the positions of values outside the interval, which occur in trials with other bounds.
const maxPosition = 1000

func newAxis(a space.Axis) axis {
	ax := axis{Axis: a}
	switch d := a.Distribution.(type) {
	case *space.CategoricalDistribution:
		ax.kind, ax.n = choice, d.Len()
	case space.IntDistribution:
		ax.kind, ax.n = grid, d.Len()
		ax.low, ax.step = float64(d.Low), float64(max(1, d.Step))
		if d.Log {
			ax.log = true
			ax.low = math.Log(float64(d.Low) - 0.5)
			ax.width = math.Log(float64(d.High)+0.5) - ax.low
		}
	case space.FloatDistribution:
		ax.low, ax.width = d.Low, d.High-d.Low
		if d.Step != 0 {
			ax.kind, ax.n, ax.step = grid, d.Len(), d.Step
		}
		// Over less than a millionth the two scales are equal, but differences of logarithms would lose all digits.
		if d.Log && d.High/d.Low > 1+1e-6 {
			ax.log = true
			ax.low = math.Log(d.Low)
			ax.width = math.Log(d.High) - ax.low
		}
	}
	return ax
}

// position returns the position of coordinate x on the scale of the kernels or, for a choice, its index.
func (a *axis) position(x float64) float64 {
	var t float64
	switch {
	case a.kind == choice:
		return x
	case a.log:
		t = (math.Log(x)-a.low)/a.width - 0.5
	case a.kind == grid:
		i := (x - a.low) / a.step
		if r := math.Round(i); math.Abs(i-r) < 1e-8 {
			i = r
		}
		t = a.center(i)
	default:
		t = (x-a.low)/a.width - 0.5
	}
	return max(-maxPosition, min(t, maxPosition))
}

// value returns the value whose cell contains position t, which is t itself on a continuous axis.
func (a *axis) value(t float64) float64 {
	switch {
	case a.kind == continuum:
		return t
	case a.log:
		x := math.Round(math.Exp(a.low + (t+0.5)*a.width))
		return min(max(0, x-a.first()), float64(a.n-1))
	}
	return min(max(0, math.Floor((t+0.5)*float64(a.n))), float64(a.n-1))
}

// valueOf returns the value of a coordinate.
func (a *axis) valueOf(x float64) float64 {
	if a.kind == choice {
		return x
	}
	return a.value(a.position(x))
}

// fineGrid is the number of values from which on a cell is so narrow, compared with the smallest bandwidth, that the
// logarithm of its mass is a quadratic function, with an error below 1e-9 within 13 bandwidths.
const fineGrid = 1 << 16

// hasCells reports whether a is a grid that cannot be treated as continuous.
func (a *axis) hasCells() bool { return a.kind == grid && (a.log || a.n < fineGrid) }

// hasTable reports whether the masses of the values of a are kept in a table.
func (a *axis) hasTable() bool { return a.kind == choice || a.hasCells() && a.n <= largeGrid }

// center returns the position of a value of a grid.
func (a *axis) center(value float64) float64 {
	if a.log {
		return (math.Log(a.first()+value)-a.low)/a.width - 0.5
	}
	return (value+0.5)/float64(a.n) - 0.5
}

// cell returns the middle and the width of the cell of the given value.
func (a *axis) cell(value float64) (mid, width float64) {
	if !a.log {
		return a.center(value), 1 / float64(a.n)
	}
	low := a.first() + value - 0.5
	width = math.Log1p(1/low) / a.width
	return (math.Log(low)-a.low)/a.width - 0.5 + 0.5*width, width
}

// first returns the lower bound of a grid of integers.
func (a *axis) first() float64 { return float64(a.Distribution.(space.IntDistribution).Low) }

// coordinate returns the coordinate of a value.
func (a *axis) coordinate(value float64) float64 {
	if a.kind == continuum {
		return unit.From(a.Distribution, value+0.5)
	}
	return a.Distribution.At(int(value))
}

// read returns the coordinate that r has on a: of its parameter or, while r is running, of
// what was proposed for it. It returns false if r has neither, or has the name with a
// distribution of another type or scale.
func (a *axis) read(r *trial.Record) (x float64, ok bool) {
	if i := r.Params.Space.IndexNear(a.place, a.Name); i >= 0 {
		a.place = i
		return r.Params.Point[i], space.Compatible(r.Params.Space[i].Distribution, a.Distribution)
	}
	for _, p := range r.Proposed {
		if p.Name == a.Name {
			x, err := a.Distribution.Encode(p.Value)
			return x, err == nil
		}
	}
	return 0, false
}
