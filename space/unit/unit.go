// Package unit maps the values of a parameter onto the unit interval, on the scale on which
// the parameter is searched, and back. A sampler that works on vectors in [0, 1]^d maps
// each coordinate separately:
//
//	u[i] = unit.To(s[i].Distribution, p.Point[i])   // what a trial has
//	point[i] = unit.From(s[i].Distribution, u[i])   // what to propose
//
// A continuous parameter is mapped linearly, or by its logarithm if it has a logarithmic scale. Discrete values have
// cells: n choices, integers or points of a grid split [0, 1] into n cells of equal width. An integer x on a
// logarithmic scale has the cell from log(x-½) to log(x+½). So a uniform u gives every value its fair share,
// including the first and the last.
//
// The cells of choices are in the order in which they were declared, but that order means nothing: a sampler that
// measures distances should treat choices separately.
//
// All functions require a normalized distribution. The distributions of [space.Of], of a trial's parameters and of a
// sampler's request are normalized.
package unit

import (
	"math"
	"math/rand/v2"

	"github.com/attune-hpo/attune/space"
)

// Position returns where coordinate x lies for a sampler that treats choices separately: its place
// in [0, 1], as [To] returns it, or the index of a choice.
func Position(d space.Distribution, x float64) float64 {
	if _, ok := d.(*space.CategoricalDistribution); ok {
		return x
	}
	return To(d, x)
}

// Draw returns a random coordinate, which d contains. Each choice and each value
// of a grid has exactly the same probability; a continuum, and integers on a
// logarithmic scale, are drawn uniformly on that scale.
func Draw(d space.Distribution, rng *rand.Rand) float64 {
	if n := cells(d); n > 0 {
		return d.At(int(rng.Uint64N(uint64(n))))
	}
	return From(d, rng.Float64())
}

// From returns the coordinate at u: the value whose cell contains u, or the point of a
// continuum. d contains it for any u: values below 0 and NaN count as 0, values above 1 as
// 1.
func From(d space.Distribution, u float64) float64 {
	u = clamp(u, 0, 1)
	if n := cells(d); n > 0 {
		return d.At(min(int(u*float64(n)), n-1))
	}
	low, high, log, round := scale(d)
	x := low + u*(high-low)
	if log {
		x = math.Exp(x)
	}
	if round {
		x = math.Round(x)
	}
	low, high = bounds(d)
	return clamp(x, low, high)
}

// To returns the place of coordinate x in [0, 1]: the middle of its cell, or its point if d is continuous; ½ if d has
// a single value. A number outside of d counts as the nearest bound, NaN as the lower one. [From] maps the result
// back to x as precisely as a float64 can: exactly for choices and for up to 2^40 values.
func To(d space.Distribution, x float64) float64 {
	if n := cells(d); n > 0 {
		return (float64(cell(d, x, n)) + 0.5) / float64(n)
	}
	low, high := bounds(d)
	if low == high {
		return 0.5
	}
	x = clamp(x, low, high)
	low, high, log, _ := scale(d)
	if log {
		x = math.Log(x)
	}
	return clamp((x-low)/(high-low), 0, 1)
}

// Cell returns the i for which d.At(i) is x. It returns false if d is continuous or does not contain x.
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
