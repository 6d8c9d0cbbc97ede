package f32

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// variants turn kernels off. Each returns a function that turns them on again.
var variants = func() map[string]func() func() {
	v := map[string]func() func(){
		"kernels": func() func() { return set(vector, wide) },
		"plain":   func() func() { return set(false, false) },
	}
	if wide {
		v["AVX2"] = func() func() { return set(true, false) }
	}
	return v
}()

func set(v, w bool) func() {
	oldVector, oldWide := vector, wide
	vector, wide = v, w
	return func() { vector, wide = oldVector, oldWide }
}

// The AVX-512 kernels give the same bits as the AVX2 kernels.
func TestWideTwins(t *testing.T) {
	if !wide {
		t.Skip("no AVX-512")
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{32, 64, 71} {
		for m := 1; m <= 40; m++ {
			for _, k := range []int{1, 3, 4, 9} {
				a, b, c := random(rng, m*k), random(rng, k*n), random(rng, m*n)
				for _, beta := range []float32{0, 0.5} {
					want, got := append([]float32(nil), c...), append([]float32(nil), c...)
					restore := set(true, false)
					Gemm(false, m%2 == 0, m, n, k, 2, a, k, b, []int{n, k}[(m+1)%2], beta, want, n)
					restore()
					Gemm(false, m%2 == 0, m, n, k, 2, a, k, b, []int{n, k}[(m+1)%2], beta, got, n)
					require.Equal(t, want, got, "%dx%dx%d beta %v", m, n, k, beta)
				}
			}
		}
	}
}
