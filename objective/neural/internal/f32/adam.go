package f32

import (
	"fmt"
	"math"
)

// AdamStep holds the settings of one step of [Adam].
type AdamStep struct {
	Rate         float32 // learning rate
	Beta1, Beta2 float32 // decay of the means of the gradient and of its square, in [0, 1)
	Epsilon      float32
	Decay        float32 // decoupled weight decay (AdamW), 0 for none
	Step         int     // number of this step, from 1
}

// adamFactors are the factors of Adam in the layout of the kernel.
type adamFactors struct{ scale, b1, b2, keep, rate, root, epsilon float32 }

// Adam updates the parameters x with their gradient g by the method of Kingma and Ba (2015,
// arXiv:1412.6980), with the decoupled weight decay of Loshchilov and Hutter (2019,
// arXiv:1711.05101):
//
//	m = β₁m + (1−β₁)g        v = β₂v + (1−β₂)g²
//	x = x − rate·(decay·x + m̂/(√v̂ + ε)),  m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ)
//
// m and v are as long as x. They start as zeros and must be passed again at each step. The
// gradient is multiplied by scale: 1, or a factor that clips its norm. Adam panics on a
// step below 1.
func Adam(s AdamStep, x, g []float32, scale float32, m, v []float32) {
	sameLen("Adam", len(x), len(g), len(m), len(v))
	if s.Step < 1 {
		panic(fmt.Sprintf("f32: Adam: step %d, want 1 or later", s.Step))
	}
	t := float64(s.Step)
	f := adamFactors{
		scale:   scale,
		b1:      1 - s.Beta1,
		b2:      1 - s.Beta2,
		keep:    1 - s.Rate*s.Decay,
		rate:    float32(float64(s.Rate) / (1 - math.Pow(float64(s.Beta1), t))),
		root:    float32(1 / math.Sqrt(1-math.Pow(float64(s.Beta2), t))),
		epsilon: s.Epsilon,
	}
	i := whole(len(x))
	if i > 0 {
		adamVectors(&x[0], &g[0], &m[0], &v[0], i, &f)
	}
	for i *= 8; i < len(x); i++ {
		d := g[i] * f.scale
		m[i] = fma(f.b1, d-m[i], m[i])
		v[i] = fma(f.b2, d*d-v[i], v[i])
		x[i] = f.keep*x[i] - f.rate*m[i]/fma(f.root, float32(math.Sqrt(float64(v[i]))), f.epsilon)
	}
}
