package statistical

import (
	"math"
	"slices"
)

// A simplex minimizes a function by the method of Nelder and Mead (Computer Journal 7, 1965)
// with the coefficients of Gao and Han (Computational Optimization and Applications 51,
// 2012), which depend on the number of coordinates. It moves a point outside the bounds to
// the nearest point within them.
type simplex struct {
	f            func(x []float64) float64 // NaN counts as infinite
	lower, upper []float64
	iterations   int     // maximum number
	tolerance    float64 // it ends when the values at the corners have a smaller standard deviation
}

// A corner is a point and its value.
type corner struct {
	x     []float64
	value float64
}

// minimize returns the best point that it finds from x, and the point's value. The first
// simplex has steps of 5 % along each axis.
func (s simplex) minimize(x []float64) ([]float64, float64) {
	n := len(x)
	dim := float64(n)
	expand, contract, shrink := 1+2/dim, 0.75-1/(2*dim), 1-1/dim
	x = slices.Clone(x)
	corners := []corner{s.at(x)}
	for i := range x {
		p := slices.Clone(x)
		if p[i] *= 1.05; p[i] == 0 {
			p[i] = 1e-4
		}
		if min(max(p[i], s.lower[i]), s.upper[i]) == x[i] { // a step out of the bounds
			p[i] = 0.95 * x[i]
		}
		corners = append(corners, s.at(p))
	}
	centre := make([]float64, n)
	// along returns the point t times as far from the centre as p.
	along := func(p []float64, t float64) corner {
		q := make([]float64, n)
		for i := range q {
			q[i] = centre[i] + t*(p[i]-centre[i])
		}
		return s.at(q)
	}
	byValue := func(a, b corner) int {
		switch {
		case a.value < b.value:
			return -1
		case a.value > b.value:
			return 1
		}
		return 0
	}
	for range s.iterations {
		if deviation(corners) < s.tolerance {
			break
		}
		slices.SortStableFunc(corners, byValue)
		best, second, worst := corners[0], corners[n-1], corners[n]
		for i := range centre {
			centre[i] = 0
			for _, c := range corners[:n] {
				centre[i] += c.x[i]
			}
			centre[i] /= dim
		}
		reflected := along(worst.x, -1)
		switch {
		case reflected.value < best.value:
			if far := along(reflected.x, expand); far.value < reflected.value {
				reflected = far
			}
			corners[n] = reflected
			continue
		case reflected.value < second.value:
			corners[n] = reflected
			continue
		case reflected.value < worst.value:
			if outside := along(reflected.x, contract); outside.value <= reflected.value {
				corners[n] = outside
				continue
			}
		default:
			if inside := along(reflected.x, -contract); inside.value < worst.value {
				corners[n] = inside
				continue
			}
		}
		copy(centre, best.x)
		for i, c := range corners[1:] {
			corners[i+1] = along(c.x, shrink)
		}
	}
	best := slices.MinFunc(corners, byValue)
	return best.x, best.value
}

// at moves a point into the bounds and evaluates it there.
func (s simplex) at(x []float64) corner {
	for i := range x {
		x[i] = min(max(x[i], s.lower[i]), s.upper[i])
	}
	v := s.f(x)
	if math.IsNaN(v) {
		v = math.Inf(1)
	}
	return corner{x, v}
}

// deviation returns the standard deviation of the values. If one is infinite, the result is
// not less than any number.
func deviation(corners []corner) float64 {
	var mean, sum float64
	for _, c := range corners {
		mean += c.value / float64(len(corners))
	}
	for _, c := range corners {
		sum += (c.value - mean) * (c.value - mean)
	}
	return math.Sqrt(sum / float64(len(corners)))
}
