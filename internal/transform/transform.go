// Package transform maps the values of an axis onto the unit interval, on the
// scale on which the axis is searched, and back.
//
// Values that can be counted have cells: a grid or a set of choices of n values
// splits [0, 1] into n cells of equal width; integers on a logarithmic scale have
// the cell from log(x-½) to log(x+½). A continuum is mapped linearly, in its
// logarithm if it has a logarithmic scale.
package transform

import (
	"math"
	"math/rand/v2"

	"github.com/attune-hpo/attune/space"
)

// Uniform draws a coordinate of a, every value of a grid and every choice with
// exactly equal probability, a continuum and integers on a logarithmic scale
// uniformly on that scale. The distribution must be normalized; what is drawn is
// contained in it.
func Uniform(a space.Axis, rng *rand.Rand) float64 {
	if n := cells(a.Distribution); n > 0 {
		return a.Distribution.At(int(rng.Uint64N(uint64(n))))
	}
	return FromUnit(a, rng.Float64())
}

// FromUnit returns the coordinate of a at u: the value whose cell contains u, or
// the point of a continuum. It is contained in the (normalized) distribution
// whatever u is: below 0 and NaN count as 0, above 1 as 1.
func FromUnit(a space.Axis, u float64) float64 {
	u = clamp(u, 0, 1)
	if n := cells(a.Distribution); n > 0 {
		return a.Distribution.At(min(int(u*float64(n)), n-1))
	}
	low, high, log, round := scale(a.Distribution)
	x := low + u*(high-low)
	if log {
		x = math.Exp(x)
	}
	if round {
		x = math.Round(x)
	}
	low, high = bounds(a.Distribution)
	return clamp(x, low, high)
}

// ToUnit returns where in [0, 1] coordinate x of a lies: the middle of its cell,
// or its point in a continuum. What lies outside the distribution, NaN aside, is
// taken for the nearest bound.
func ToUnit(a space.Axis, x float64) float64 {
	if n := cells(a.Distribution); n > 0 {
		return (float64(cell(a.Distribution, x, n)) + 0.5) / float64(n)
	}
	low, high := bounds(a.Distribution)
	if low == high {
		return 0.5
	}
	x = clamp(x, low, high)
	low, high, log, _ := scale(a.Distribution)
	if log {
		x = math.Log(x)
	}
	return clamp((x-low)/(high-low), 0, 1)
}

// Cell returns i such that At(i) is the value x of a finite distribution. It is
// not ok if the distribution is a continuum or does not contain x.
func Cell(d space.Distribution, x float64) (i int, ok bool) {
	n := d.Len()
	if n == 0 || !d.Contains(x) {
		return 0, false
	}
	return cell(d, x, n), true
}

// cells returns the number of cells of equal width, or 0 if d has none.
func cells(d space.Distribution) int {
	if d, ok := d.(space.IntDistribution); ok && d.Log {
		return 0
	}
	return d.Len()
}

func cell(d space.Distribution, x float64, n int) int {
	i := x
	switch d := d.(type) {
	case space.FloatDistribution:
		if d.Step == 0 { // a single value
			return 0
		}
		i = math.Round((x - d.Low) / d.Step)
	case space.IntDistribution:
		x = clamp(x, float64(d.Low), float64(d.High))
		return (int(x) - d.Low) / max(1, d.Step)
	}
	return int(clamp(i, 0, float64(n-1)))
}

// scale returns the ends of the interval on which d, which has no cells of equal
// width, is uniform.
func scale(d space.Distribution) (low, high float64, log, round bool) {
	if d, ok := d.(space.IntDistribution); ok {
		return math.Log(float64(d.Low) - 0.5), math.Log(float64(d.High) + 0.5), true, true
	}
	f := d.(space.FloatDistribution)
	if f.Log {
		return math.Log(f.Low), math.Log(f.High), true, false
	}
	return f.Low, f.High, false, false
}

func bounds(d space.Distribution) (low, high float64) {
	if d, ok := d.(space.IntDistribution); ok {
		return float64(d.Low), float64(d.High)
	}
	f := d.(space.FloatDistribution)
	return f.Low, f.High
}

// clamp returns the number of [low, high] nearest to x, and low for NaN.
func clamp(x, low, high float64) float64 {
	if !(x > low) {
		return low
	}
	return min(x, high)
}
