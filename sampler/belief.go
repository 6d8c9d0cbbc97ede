package sampler

import (
	"math/rand/v2"
	"slices"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
)

// Trust is β: with n ≥ β trials, the density of a belief counts to the power (β/n)². πBO uses β/n (equation 6, β about
// 10), which makes a belief in the wrong corner far more expensive for TPE.
const Trust = 10

// Believes reports whether some axis of r has a [space.Prior].
func (r Request) Believes() bool {
	return slices.ContainsFunc(r.Space, func(a space.Axis) bool { return a.Prior != nil })
}

// Believe replaces the coordinates on axes with a [space.Prior] by draws from the prior or, if most is set, by the
// most likely values. Then it moves the point into the [Region] of r, and fails as [Region.Move] does.
func (r Request) Believe(point []float64, most bool) error {
	for i, a := range r.Space {
		if a.Prior != nil {
			point[i] = Believed(a, most, r.Rand)
		}
	}
	return r.Region().Move(point, r.Rand)
}

// Believed returns a coordinate of an axis drawn from its prior, which must not be nil, or, if most is set, the most
// likely coordinate.
func Believed(a space.Axis, most bool, rng *rand.Rand) float64 {
	d, p := a.Distribution, a.Prior
	if len(p.Weights) > 0 {
		if most {
			return float64(slices.Index(p.Weights, slices.Max(p.Weights)))
		}
		sum := 0.0
		for _, w := range p.Weights {
			sum += w
		}
		u := rng.Float64() * sum
		for i, w := range p.Weights {
			if u -= w; u < 0 {
				return float64(i)
			}
		}
		return float64(len(p.Weights) - 1)
	}
	low, high := numbers(d)
	z := 0.0
	const draws = 20 // that a number has to lie within the bounds
	for range draws {
		if !most {
			z = rng.NormFloat64()
		}
		if x := p.At(z); low <= x && x <= high {
			return unit.From(d, unit.To(d, x))
		}
	}
	return unit.From(d, unit.To(d, p.At(z)))
}

// Belief returns the logarithm of the belief in a coordinate, with its weight after n trials.
func Belief(a space.Axis, x float64, n int) float64 {
	if a.Prior == nil {
		return 0
	}
	power := Trust / float64(max(Trust, n))
	return power * power * a.Prior.LogDensity(a.Distribution, x)
}
