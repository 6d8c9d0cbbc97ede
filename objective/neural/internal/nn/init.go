package nn

import (
	"math"

	"github.com/attune-hpo/attune/objective/neural/internal/f32"
)

// An Init initializes a tensor of weights. Random values depend only on the seed, which
// differs for each tensor, and on the index in w.
type Init func(w []float32, seed uint64)

// Constant sets all weights to c.
func Constant(c float32) Init {
	return func(w []float32, _ uint64) {
		for i := range w {
			w[i] = c
		}
	}
}

// Glorot draws uniformly from ±√(6/(in+out)) (Glorot and Bengio, AISTATS 2010, eq. 16).
func Glorot(in, out int) Init { return uniform(6 / float64(in+out)) }

// He draws uniformly from ±√(6/in), the variance of He et al., arXiv:1502.01852, eq. 10,
// for layers followed by a ReLU.
func He(in int) Init { return uniform(6 / float64(in)) }

func uniform(square float64) Init {
	return func(w []float32, seed uint64) { f32.Uniform(w, float32(math.Sqrt(square)), seed) }
}
