package statistical

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// decompose returns the seasonal figure of y by classical decomposition: the deviation from a
// centred moving average over a season, averaged over the seasons. Value j is the figure of
// y[j], y[j+m], and so on. Additive figures have mean 0, multiplicative ones mean 1. y must
// have at least two seasons, and no zero for a multiplicative figure.
func decompose(y []float64, m int, multiplicative bool) []float64 {
	trend := centred(y, m)
	figure, count := make([]float64, m), make([]float64, m)
	for i, t := range trend {
		if math.IsNaN(t) {
			continue
		}
		if multiplicative {
			figure[i%m] += y[i] / t
		} else {
			figure[i%m] += y[i] - t
		}
		count[i%m]++
	}
	mean := 0.0
	for j := range figure {
		figure[j] /= count[j]
		mean += figure[j] / float64(m)
	}
	for j := range figure {
		if multiplicative {
			figure[j] /= mean
		} else {
			figure[j] -= mean
		}
	}
	return figure
}

// centred returns the centred moving average over m values, or of 2×m for an even m. It is
// NaN near the ends.
func centred(y []float64, m int) []float64 {
	out := make([]float64, len(y))
	half := m / 2
	for i := range out {
		out[i] = math.NaN()
		if i < half || i+half >= len(y) {
			continue
		}
		sum := 0.0
		for _, v := range y[i-half : i+half+1] {
			sum += v
		}
		if m%2 == 0 {
			sum -= (y[i-half] + y[i+half]) / 2
		}
		out[i] = sum / float64(m)
	}
	return out
}

// isSeasonal reports whether the autocorrelation of y at lag m is significant at 10 % by
// Bartlett's formula. This is the test of Assimakopoulos and Nikolopoulos for the Theta
// method, one-sided on the absolute value as in Fiorucci et al.
func isSeasonal(y []float64, m int) bool {
	if m < 4 || len(y) < 2*m {
		return false
	}
	r := autocorrelations(y, m)
	sum := 1.0
	for _, x := range r[:m-1] {
		sum += 2 * x * x
	}
	return math.Abs(r[m-1])/math.Sqrt(sum/float64(len(y))) > 1.6448536269514722
}

// autocorrelations returns the autocorrelations at lags 1 to most. They are NaN for a constant.
func autocorrelations(y []float64, most int) []float64 {
	mean := average(y)
	var square float64
	for _, v := range y {
		square += (v - mean) * (v - mean)
	}
	out := make([]float64, most)
	for k := range out {
		for i := k + 1; i < len(y); i++ {
			out[k] += (y[i] - mean) * (y[i-k-1] - mean)
		}
		out[k] /= square
	}
	return out
}

// average returns the mean of y.
func average(y []float64) float64 {
	sum := 0.0
	for _, v := range y {
		sum += v
	}
	return sum / float64(len(y))
}

// line returns the least-squares line a + b·t through y at t = 1, 2, ...
func line(y []float64) (a, b float64) {
	n := float64(len(y))
	var weighted float64
	for i, v := range y {
		weighted += float64(i+1) * v
	}
	mean := average(y)
	if n == 1 {
		return mean, 0
	}
	b = 6 * (2*weighted/n - (n+1)*mean) / (n*n - 1)
	return mean - (n+1)*b/2, b
}

// isConstant reports whether all values are equal.
func isConstant(y []float64) bool {
	for _, v := range y {
		if v != y[0] {
			return false
		}
	}
	return true
}

// wave fits a line and a sine wave with a period of m by least squares. It returns the line
// a + b·t, t = 1, 2, ...
func wave(y []float64, m int) (a, b float64) {
	columns := 4
	if m < 3 { // sin(2πt/2) is 0
		columns = 3
	}
	x := mat.NewDense(len(y), columns, nil)
	for i := range y {
		t := float64(i + 1)
		angle := 2 * math.Pi * t / float64(m)
		x.SetRow(i, []float64{1, t, math.Cos(angle), math.Sin(angle)}[:columns])
	}
	var solution mat.Dense
	if err := solution.Solve(x, mat.NewDense(len(y), 1, slices.Clone(y))); err != nil {
		return line(y)
	}
	return solution.At(0, 0), solution.At(1, 0)
}
