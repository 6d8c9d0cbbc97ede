package statistical

import "math"

// A descent minimizes a function by the method of Broyden, Fletcher, Goldfarb and Shanno
// (Nocedal and Wright, "Numerical Optimization", 2006, algorithm 6.1), with gradients from
// differences.
type descent struct {
	f          func(x []float64) float64 // NaN counts as infinite
	iterations int                       // maximum number
	tolerance  float64                   // it ends when no component of the gradient is larger
}

// minimize returns the point that it reaches from x, and its value. The value is infinite if
// that of x is.
func (d descent) minimize(x []float64) ([]float64, float64) {
	n := len(x)
	x = append([]float64(nil), x...)
	value := d.at(x)
	if n == 0 || math.IsInf(value, 0) {
		return x, value
	}
	g, next, to := make([]float64, n), make([]float64, n), make([]float64, n)
	step, change, product := make([]float64, n), make([]float64, n), make([]float64, n)
	inverse := make([]float64, n*n) // approximates that of the matrix of second derivatives
	reset := func() {
		clear(inverse)
		for i := range n {
			inverse[i*n+i] = 1
		}
	}
	reset()
	d.gradient(g, x, value)
	fresh := true
	for range d.iterations {
		if largest(g) <= d.tolerance {
			break
		}
		slope := 0.0
		for i := range n {
			step[i] = 0
			for j := range n {
				step[i] -= inverse[i*n+j] * g[j]
			}
			slope += step[i] * g[i]
		}
		if !(slope < 0) {
			if fresh {
				break
			}
			reset()
			fresh = true
			continue
		}
		length := 1.0
		if fresh {
			length = min(1, 1.01/norm(g))
		}
		least, found := value, false
		for range 40 {
			for i := range n {
				to[i] = x[i] + length*step[i]
			}
			least = d.at(to)
			if least <= value+1e-4*length*slope {
				found = true
				break
			}
			// The minimum of the parabola through both values with the slope.
			shorter := 0.1
			if !math.IsInf(least, 0) {
				shorter = min(0.5, max(0.1, -slope*length/(2*(least-value-slope*length))))
			}
			length *= shorter
		}
		if !found {
			if fresh {
				break
			}
			reset()
			fresh = true
			continue
		}
		d.gradient(next, to, least)
		// y's: the change of the gradient times the step
		ys, yhy := 0.0, 0.0
		for i := range n {
			step[i] = to[i] - x[i]
			change[i] = next[i] - g[i]
			ys += step[i] * change[i]
		}
		gained := value - least
		copy(x, to)
		copy(g, next)
		value = least
		if gained < 1e-13*(1+math.Abs(value)) {
			break
		}
		if ys <= 1e-12*norm(step)*norm(change) {
			continue
		}
		if fresh { // the scale of the first approximation
			scale := ys / (norm(change) * norm(change))
			for i := range n {
				inverse[i*n+i] = scale
			}
			fresh = false
		}
		for i := range n {
			product[i] = 0
			for j := range n {
				product[i] += inverse[i*n+j] * change[j]
			}
			yhy += product[i] * change[i]
		}
		for i := range n {
			for j := range n {
				inverse[i*n+j] += (1+yhy/ys)*step[i]*step[j]/ys - (product[i]*step[j]+step[i]*product[j])/ys
			}
		}
	}
	return x, value
}

func (d descent) at(x []float64) float64 {
	v := d.f(x)
	if math.IsNaN(v) {
		v = math.Inf(1)
	}
	return v
}

// gradient sets g to the gradient at x by forward differences, or backward ones where the
// function is not finite ahead.
func (d descent) gradient(g, x []float64, value float64) {
	for i, was := range x {
		h := 1e-7 * max(1, math.Abs(was))
		x[i] = was + h
		g[i] = (d.at(x) - value) / h
		if math.IsInf(g[i], 0) {
			x[i] = was - h
			if g[i] = (value - d.at(x)) / h; math.IsInf(g[i], 0) {
				g[i] = 0
			}
		}
		x[i] = was
	}
}

func norm(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	return math.Sqrt(sum)
}

// largest returns the largest magnitude.
func largest(x []float64) float64 {
	out := 0.0
	for _, v := range x {
		out = max(out, math.Abs(v))
	}
	return out
}
