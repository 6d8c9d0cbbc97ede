package cmaes

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/floats"
)

// categories is the search distribution of the axes of choices: each axis has a
// probability for each of its choices. It learns along the natural gradient, with
// a learning rate that adapts to how steady the gradient is (Hamano, Saito,
// Nomura, Uchida and Shirakawa, "CatCMA: Stochastic Optimization for
// Mixed-Category Problems", GECCO 2024, section 4; Akimoto, Shirakawa, Yoshinari,
// Uchida, Saito and Nishida, "Adaptive Stochastic Natural Gradient Method", ICML
// 2019).
type categories struct {
	q     [][]float64 // by axis and choice
	trust float64     // Δ, the inverse of the step size
	gamma float64
	path  []float64 // s
}

func newCategories(choices []int) *categories {
	c := &categories{trust: 1}
	free := 0
	for _, k := range choices {
		q := make([]float64, k)
		for i := range q {
			q[i] = 1 / float64(k)
		}
		c.q = append(c.q, q)
		free += k - 1
	}
	c.path = make([]float64, free)
	return c
}

// draw returns a choice of axis i.
func (c *categories) draw(i int, rng *rand.Rand) int {
	u := rng.Float64()
	for k, p := range c.q[i] {
		if u -= p; u < 0 {
			return k
		}
	}
	return len(c.q[i]) - 1
}

// update learns from the choices of solutions, in order, best first.
func (c *categories) update(solutions [][]int) {
	weights := newWeights(len(solutions), 1, false)
	gradient := make([][]float64, len(c.q))
	for i, q := range c.q {
		gradient[i] = make([]float64, len(q))
		for s, chosen := range solutions[:weights.mu] {
			floats.AddScaled(gradient[i], -weights.w[s], q)
			gradient[i][chosen[i]] += weights.w[s]
		}
	}
	natural := make([]float64, 0, len(c.path)) // F^½·gradient, F being the Fisher information
	for i, q := range c.q {
		last := len(q) - 1
		for k := range last {
			natural = append(natural, gradient[i][k]/math.Sqrt(q[k])-math.Sqrt(q[k])*gradient[i][last]/(q[last]+math.Sqrt(q[last])))
		}
	}
	length := floats.Norm(natural, 2)
	if length == 0 { // the good ones do not differ from the others
		return
	}
	step := 1 / c.trust
	for i, q := range c.q {
		floats.AddScaled(q, step/length, gradient[i])
	}
	const alpha = 1.5
	beta := step / math.Sqrt(float64(len(c.path)))
	floats.Scale(1-beta, c.path)
	floats.AddScaled(c.path, math.Sqrt(beta*(2-beta))/length, natural)
	c.gamma = (1-beta)*(1-beta)*c.gamma + beta*(2-beta)
	c.trust *= math.Exp(beta * (c.gamma - floats.Dot(c.path, c.path)/alpha))
	c.keep()
}

// keep holds each probability above a margin, with which a choice that seems bad
// is still drawn now and then.
func (c *categories) keep() {
	share := 1 - math.Pow(0.73, 1/float64(len(c.q)))
	for _, q := range c.q {
		least := share / float64(len(q)-1)
		for k := range q {
			q[k] = math.Max(q[k], least)
		}
		sum := floats.Sum(q)
		if room := sum - least*float64(len(q)); room > 0 {
			excess := (sum - 1) / room
			for k := range q {
				q[k] -= excess * (q[k] - least)
			}
		}
		floats.Scale(1/floats.Sum(q), q)
	}
}
