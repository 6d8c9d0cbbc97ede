package statistical

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSimplex(t *testing.T) {
	free := []float64{math.Inf(-1), math.Inf(-1)}
	above := []float64{math.Inf(1), math.Inf(1)}
	rosenbrock := func(x []float64) float64 {
		return math.Pow(1-x[0], 2) + 100*math.Pow(x[1]-x[0]*x[0], 2)
	}
	for name, c := range map[string]struct {
		f            func([]float64) float64
		lower, upper []float64
		want         []float64
	}{
		"Rosenbrock":       {rosenbrock, free, above, []float64{1, 1}},
		"a bound":          {rosenbrock, free, []float64{0.5, 1}, []float64{0.5, 0.25}},
		"no value in part": {func(x []float64) float64 { return math.Sqrt(x[0]-0.9) + x[1]*x[1] }, free, above, []float64{0.9, 0}},
	} {
		x, v := simplex{f: c.f, lower: c.lower, upper: c.upper, iterations: 2000, tolerance: 1e-12}.minimize([]float64{1.2, 1})
		assert.InDeltaSlice(t, c.want, x, 1e-3, name)
		assert.InDelta(t, c.f(c.want), v, 0.02, name)
	}
}

func TestDecompose(t *testing.T) {
	for _, m := range []int{4, 7} {
		var sum, product []float64
		for i := range 5 * m {
			season := float64(i%m) - float64(m-1)/2
			sum = append(sum, 50+0.5*float64(i)+season)
			product = append(product, (50+0.0*float64(i))*(1+0.01*season))
		}
		for j, v := range decompose(sum, m, false) {
			assert.InDelta(t, float64(j)-float64(m-1)/2, v, 1e-9)
		}
		for j, v := range decompose(product, m, true) {
			assert.InDelta(t, 1+0.01*(float64(j)-float64(m-1)/2), v, 1e-9)
		}
		assert.True(t, isSeasonal(product, m))
	}
	assert.False(t, isSeasonal([]float64{1, 2, 3, 4, 5, 6, 7, 8}, 4), "a line")
	assert.False(t, isSeasonal(make([]float64, 20), 4), "a constant")
}
