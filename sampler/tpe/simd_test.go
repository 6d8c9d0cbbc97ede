package tpe

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestExp(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 20_000 {
		x := -negligible * rng.Float64()
		if i%2 == 0 {
			x = -rng.Float64()
		}
		assert.InEpsilon(t, math.Exp(x), exp(x), 1e-12, "exp(%v)", x)
	}
	assert.Equal(t, 1.0, exp(0))
}

// The assembly gives the bits that the plain functions give.
func TestVectorTwins(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 40 {
		for _, dims := range []int{0, 1, 2, 3, 10, 17} {
			coef, base, x := make([]float64, block*2*dims), make([]float64, block), make([]float64, candidates*dims)
			for _, s := range [][]float64{coef, base, x} {
				for i := range s {
					s[i] = math.Exp(3*rng.NormFloat64()) * (rng.Float64() - 0.5)
				}
			}
			base[rng.IntN(block)] = math.Inf(-1)
			var want, got [candidates][block]float64
			exponentsPlain(&want, coef, base, x, dims)
			exponents(&got, coef, base, x, dims)
			assert.Equal(t, want, got)
			var w [block]float64
			for i := range w {
				w[i] = rng.Float64()
			}
			for c := range candidates {
				top := maximumPlain(&want[c])
				assert.Equal(t, top, maximum(&want[c]))
				assert.Equal(t, expSumPlain(&want[c], &w, top), expSum(&want[c], &w, top))
			}
		}
	}
	var all [block]float64
	for i := range all {
		all[i] = math.Inf(-1)
	}
	assert.Equal(t, math.Inf(-1), maximum(&all))
	assert.Zero(t, expSum(&all, &all, 0))
}
