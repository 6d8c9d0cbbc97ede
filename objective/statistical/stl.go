package statistical

import (
	"math"
	"slices"
)

// stl returns the seasonal component of y for a season of m steps, and its trend. y must have
// at least two seasons. The component changes slowly: it is a local mean over cycle seasons, an
// odd number. This is the inner loop of STL (Cleveland, Cleveland, McRae and Terpenning, "STL: A
// seasonal-trend decomposition procedure based on loess", Journal of Official Statistics 6,
// 1990), without robust weights.
func stl(y []float64, m, cycle int) (season, trend []float64) {
	const passes = 5
	width := int(math.Ceil(1.5 * float64(m) / (1 - 1.5/float64(cycle))))
	smooth, low := loess{width: odd(width), line: true}, loess{width: odd(m + 1), line: true}
	season, trend = make([]float64, len(y)), make([]float64, len(y))
	rest := make([]float64, len(y))
	for range passes {
		for i, v := range y {
			rest[i] = v - trend[i]
		}
		cycles := phases(rest, m, loess{width: cycle})
		level := low.smooth(moving(moving(moving(cycles, m), m), 3))
		for i, v := range y {
			season[i] = cycles[i+m] - level[i]
			rest[i] = v - season[i]
		}
		trend = smooth.smooth(rest)
	}
	return season, trend
}

// odd returns n, or n+1 if n is even.
func odd(n int) int { return n | 1 }

// phases smooths the values of each phase of a season of m steps. The result has a season more
// than y at both ends.
func phases(y []float64, m int, l loess) []float64 {
	out := make([]float64, len(y)+2*m)
	for j := range m {
		var one []float64
		for i := j; i < len(y); i += m {
			one = append(one, y[i])
		}
		n := len(one)
		out[j] = l.at(one, -1, 0, min(l.width, n))
		for i, v := range l.smooth(one) {
			out[j+(i+1)*m] = v
		}
		out[j+(n+1)*m] = l.at(one, n, max(0, n-l.width), n)
	}
	return out
}

// moving returns the len(y)-m+1 means of m values.
func moving(y []float64, m int) []float64 {
	out := make([]float64, len(y)-m+1)
	sum := 0.0
	for i, v := range y {
		sum += v
		if i >= m {
			sum -= y[i-m]
		}
		if i >= m-1 {
			out[i-m+1] = sum / float64(m)
		}
	}
	return out
}

// A loess smooths values at equal distances by local regression on the nearest values, with
// tricube weights (Cleveland, Journal of the American Statistical Association 74, 1979).
type loess struct {
	width int  // number of nearest values, odd
	line  bool // fit a line, else a mean
}

// smooth returns a smooth value for each value of y.
func (l loess) smooth(y []float64) []float64 {
	n, half := len(y), l.width/2
	out := make([]float64, n)
	var inner []float64 // weights of windows that are centred on their value, which are all equal
	for i := range y {
		if l.width >= n {
			out[i] = l.at(y, i, 0, n)
			continue
		}
		from := min(max(0, i-half), n-l.width)
		if from != i-half {
			out[i] = l.at(y, i, from, from+l.width)
			continue
		}
		if inner == nil {
			inner = l.weights(n, half, 0, l.width)
		}
		for j, w := range inner {
			out[i] += w * y[from+j]
		}
	}
	return out
}

// at returns the smooth value at index x, which may be outside y, from y[from:to].
func (l loess) at(y []float64, x, from, to int) float64 {
	sum := 0.0
	for j, w := range l.weights(len(y), x, from, to) {
		sum += w * y[from+j]
	}
	return sum
}

// weights returns the weights of the values from:to of n in the smooth value at index x.
func (l loess) weights(n, x, from, to int) []float64 {
	reach := float64(max(x-from, to-1-x))
	if l.width > n {
		reach += float64((l.width - n) / 2)
	}
	w := make([]float64, to-from)
	total := 0.0
	for j := range w {
		switch r := math.Abs(float64(from + j - x)); {
		case r <= 0.001*reach:
			w[j] = 1
		case r <= 0.999*reach:
			w[j] = cube(1 - cube(r/reach))
		}
		total += w[j]
	}
	centre, spread := 0.0, 0.0
	for j := range w {
		w[j] /= total
		centre += w[j] * float64(from+j)
	}
	if !l.line {
		return w
	}
	for j := range w {
		d := float64(from+j) - centre
		spread += w[j] * d * d
	}
	if math.Sqrt(spread) > 0.001*float64(n-1) {
		slope := (float64(x) - centre) / spread
		for j := range w {
			w[j] *= 1 + slope*(float64(from+j)-centre)
		}
	}
	return w
}

func cube(x float64) float64 { return x * x * x }

// separate returns a seasonal component of y for each season, and the rest. The shortest season
// comes first. STL finds each component in what the others leave, twice if there are several
// (Bandara, Hyndman and Bergmeir, "MSTL", arXiv:2107.13462, 2021). The longer a season is, the
// more slowly it changes.
func separate(y []float64, seasons []int) (parts [][]float64, rest []float64) {
	rest = slices.Clone(y)
	passes := 2
	if len(seasons) < 2 {
		passes = 1
	}
	parts = make([][]float64, len(seasons))
	for i := range parts {
		parts[i] = make([]float64, len(y))
	}
	for range passes {
		for k, m := range seasons {
			for i := range rest {
				rest[i] += parts[k][i]
			}
			parts[k], _ = stl(rest, m, 11+4*k)
			for i := range rest {
				rest[i] -= parts[k][i]
			}
		}
	}
	return parts, rest
}
