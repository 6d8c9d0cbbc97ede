package problem

import (
	"fmt"
	"math"

	"github.com/attune-hpo/attune/space"
)

// Pipeline is the choice of a model with its settings. It has three branches, a branch whose
// number of parameters is itself a parameter, floats, integers and categoricals, and three
// scales. The formula is this package's own; it mimics what automated machine learning
// searches.
//
// Every trial has a model, a scale and features. A linear model has alpha and
// penalty, a forest depth and leaf, a network layers, rate, dropout and one
// units parameter a layer. The network can reach 0, the forest 0.4, the linear
// model 0.6; but a network drawn at random loses to a forest, so a search that
// settles too early on a branch settles on the wrong one.
func Pipeline() Problem {
	model := space.Categorical("model", "linear", "forest", "network")
	scale := space.Categorical("scale", "none", "standard", "quantile")
	features := space.Int("features", 4, 64, space.Log())

	alpha := space.Float("alpha", 1e-6, 1e2, space.Log()).When(model.Is("linear"))
	penalty := space.Categorical("penalty", "l1", "l2").When(model.Is("linear"))

	depth := space.Int("depth", 1, 24).When(model.Is("forest"))
	leaf := space.Int("leaf", 1, 128, space.Log()).When(model.Is("forest"))

	layers := space.Int("layers", 1, 4).When(model.Is("network"))
	rate := space.Float("rate", 1e-5, 1, space.Log()).When(model.Is("network"))
	dropout := space.Float("dropout", 0, 0.6, space.Step(0.05)).When(model.Is("network"))
	all := space.Of(model, scale, features, alpha, penalty, depth, leaf, layers, rate, dropout)
	units := make([]space.Param[int], 4)
	for i := range units {
		units[i] = space.Int(fmt.Sprintf("units%d", i), 8, 1024, space.Log())
		if i == 0 {
			units[i] = units[i].When(model.Is("network"))
		} else {
			units[i] = units[i].When(layers.Between(i+1, 4))
		}
		all = append(all, units[i].Axis())
	}

	loss := func(s space.Suggester) float64 {
		m := model.Suggest(s)
		loss := map[string]float64{"none": 0.3, "standard": 0, "quantile": 0.1}[scale.Suggest(s)]
		loss += 0.1 * square(math.Log2(float64(features.Suggest(s)))-4)
		switch m {
		case "linear":
			loss += 0.6 + 0.05*square(math.Log10(alpha.Suggest(s))+2)
			loss += map[string]float64{"l1": 0.05, "l2": 0}[penalty.Suggest(s)]
		case "forest":
			loss += 0.4 + 0.004*square(float64(depth.Suggest(s)-13))
			loss += 0.03 * square(math.Log2(float64(leaf.Suggest(s)))-2)
		case "network":
			n := layers.Suggest(s)
			r := math.Log10(rate.Suggest(s))
			loss += 0.04*square(float64(n-2)) + 0.2*square(r+2+0.25*float64(n))
			loss += square(dropout.Suggest(s) - 0.2)
			for i := range n {
				loss += 0.03 * square(math.Log2(float64(units[i].Suggest(s)))-float64(8-i))
			}
		}
		return loss
	}

	best, err := space.Of(model, scale, features, layers, rate, dropout, units[0], units[1]).Normalize()
	if err != nil {
		panic(err)
	}
	return Problem{
		Name:    "pipeline",
		Space:   all,
		Loss:    loss,
		Minimum: 0,
		Argmin:  []space.Params{{Space: best, Point: []float64{2, 1, 16, 2, math.Sqrt(1e-5), 0.2, 256, 128}}},
	}
}

func square(x float64) float64 { return x * x }
