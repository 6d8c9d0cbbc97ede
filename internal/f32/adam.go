package f32

import "math"

// AdamStep holds the settings of one step of [Adam].
type AdamStep struct {
	Rate         float32 // learning rate
	Beta1, Beta2 float32 // decay of the means of the gradient and of its square, in [0, 1)
	Epsilon      float32
	Decay        float32 // decoupled weight decay (AdamW), 0 for none
	Step         int     // number of this step, from 1
}

// Adam updates the parameters x from their gradient g, by Kingma and Ba (2015,
// arXiv:1412.6980) with the decoupled weight decay of Loshchilov and Hutter (2019,
// arXiv:1711.05101):
//
//	m = β₁m + (1−β₁)g        v = β₂v + (1−β₂)g²
//	x = x − rate·(decay·x + m̂/(√v̂ + ε)),  m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ)
//
// m and v start as zeros. The gradient is taken times scale: 1, or what clips its norm.
func Adam(s AdamStep, x, g []float32, scale float32, m, v []float32) {
	sameLen("Adam", len(x), len(g), len(m), len(v))
	c1 := 1 - math.Pow(float64(s.Beta1), float64(s.Step))
	c2 := 1 - math.Pow(float64(s.Beta2), float64(s.Step))
	rate := float32(float64(s.Rate) / c1)
	root := float32(1 / math.Sqrt(c2))
	keep := 1 - s.Rate*s.Decay
	b1, b2 := 1-s.Beta1, 1-s.Beta2
	for i, d := range g {
		d *= scale
		m[i] += b1 * (d - m[i])
		v[i] += b2 * (d*d - v[i])
		x[i] = keep*x[i] - rate*m[i]/(root*float32(math.Sqrt(float64(v[i])))+s.Epsilon)
	}
}
