package nn

import (
	"math"
	"math/rand/v2"
)

// Constant sets all weights to c.
func Constant(c float32) Init {
	return func(_ *rand.PCG, w []float32) {
		for i := range w {
			w[i] = c
		}
	}
}

// Glorot draws uniformly from ±√(6/(in+out)) (Glorot and Bengio, AISTATS 2010, eq. 16).
func Glorot(in, out int) Init { return uniform(math.Sqrt(6 / float64(in+out))) }

// He draws uniformly from ±√(6/in) (He et al., arXiv:1502.01852), for what a ReLU
// follows.
func He(in int) Init { return uniform(math.Sqrt(6 / float64(in))) }

func uniform(limit float64) Init {
	return func(r *rand.PCG, w []float32) {
		unit := float32(limit / (1 << 31))
		for i := 0; i < len(w); i += 2 {
			u := r.Uint64()
			w[i] = unit * float32(int32(u))
			if i+1 < len(w) {
				w[i+1] = unit * float32(int32(u>>32))
			}
		}
	}
}
