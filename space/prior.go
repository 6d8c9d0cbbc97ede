package space

import (
	"fmt"
	"math"
	"slices"
)

// A Prior is a belief about where good values of a parameter lie, before any trial. Make one with [Normal],
// [LogNormal] or [Weights], and give it to a parameter with [Param.Believe]. The mean may be outside the
// bounds, but not more than 5.2 deviations from the nearest value. TPE and the Gaussian process use it. Its
// influence fades as trials accumulate, so that a wrong belief costs only some trials (Hvarfner, Stoll, Souza,
// Lindauer, Hutter and Nardi, "πBO: Augmenting Acquisition Functions with User Beliefs for Bayesian
// Optimization", ICLR 2022). Other samplers ignore it. A Prior does not change.
type Prior struct {
	Mean, Dev float64   // of a number or, if Log is set, its median and the factor of one deviation
	Log       bool      // the logarithm of the number is normal
	Weights   []float64 // of choices, in their order; empty for numbers
}

// Normal returns the belief that good values are around the mean, two thirds of them within one deviation.
func Normal(mean, dev float64) Prior { return Prior{Mean: mean, Dev: dev} }

// LogNormal returns the belief that good values are around the median, two thirds of them within the factor, which
// must be greater than 1.
func LogNormal(median, factor float64) Prior { return Prior{Mean: median, Dev: factor, Log: true} }

// Weights returns a belief about choices: the relative probability that each is the best. There must be one weight
// for each choice, and all must be greater than 0.
func Weights(weights ...float64) Prior { return Prior{Weights: slices.Clone(weights)} }

// least is the density, relative to the greatest, that a belief leaves to every value.
const least = 1e-6

// LogDensity returns the logarithm of the density at coordinate x of d, relative to its maximum: at most 0, and at
// least log 1e-6.
func (p *Prior) LogDensity(d Distribution, x float64) float64 {
	if len(p.Weights) > 0 {
		return math.Log(p.Weights[int(x)] / slices.Max(p.Weights))
	}
	z := p.score(x)
	return math.Log((math.Exp(-z*z/2) + least) / (1 + least))
}

// score returns by how many deviations x is above the mean.
func (p *Prior) score(x float64) float64 {
	if p.Log {
		return (math.Log(x) - math.Log(p.Mean)) / math.Log(p.Dev)
	}
	return (x - p.Mean) / p.Dev
}

// At returns the number that is z deviations above the mean.
func (p *Prior) At(z float64) float64 {
	if p.Log {
		return p.Mean * math.Pow(p.Dev, z)
	}
	return p.Mean + z*p.Dev
}

// check returns an error if p is no belief about values of d.
func (p *Prior) check(d Distribution) error {
	finite := func(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
	if c, ok := d.(*CategoricalDistribution); ok {
		if len(p.Weights) != len(c.Choices) {
			return invalid("prior: %d weights for %d choices: give one for each", len(p.Weights), len(c.Choices))
		}
		for _, w := range p.Weights {
			if !finite(w) || w <= 0 {
				return invalid("prior: weight %v: it must be greater than 0", w)
			}
		}
		return nil
	}
	low, high := bounds(d)
	switch {
	case len(p.Weights) > 0:
		return invalid("prior: weights are for choices, and this is %s", Describe(d))
	case !finite(p.Mean) || !finite(p.Dev):
		return invalid("prior: %v and %v: both must be finite numbers", p.Mean, p.Dev)
	case p.Log && !(p.Mean > 0 && p.Dev > 1):
		return invalid("prior: median %v and factor %v: the median must be greater than 0, and the factor greater than 1", p.Mean, p.Dev)
	case p.Log && low <= 0:
		return invalid("prior: a factor needs values greater than 0, and these begin at %v", low)
	case !p.Log && !(p.Dev > 0):
		return invalid("prior: deviation %v: it must be greater than 0", p.Dev)
	}
	nearest := math.Min(math.Max(p.Mean, low), high)
	if z := p.score(nearest); z*z/2 > -math.Log(least) {
		return invalid("prior: %v is so far from all values, %v to %v, that it says nothing about them: move it, or widen the bounds", p, low, high)
	}
	return nil
}

func bounds(d Distribution) (low, high float64) {
	switch d := d.(type) {
	case FloatDistribution:
		return d.Low, d.High
	case IntDistribution:
		return float64(d.Low), float64(d.High)
	}
	return 0, float64(d.Len() - 1)
}

// String returns p as readable text: "about 0.001, within a factor of 3".
func (p Prior) String() string {
	switch {
	case len(p.Weights) > 0:
		return fmt.Sprintf("weights %v", p.Weights)
	case p.Log:
		return fmt.Sprintf("about %v, within a factor of %v", p.Mean, p.Dev)
	}
	return fmt.Sprintf("about %v ± %v", p.Mean, p.Dev)
}
