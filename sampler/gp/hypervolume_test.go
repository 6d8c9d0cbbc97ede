package gp

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/trial/pareto"
)

func randomValues(rng *rand.Rand, n, objectives int) [][]float64 {
	values := make([][]float64, n)
	for i := range values {
		for range objectives {
			values[i] = append(values[i], math.Round(8*rng.NormFloat64())/8) // with ties
		}
	}
	return values
}

// someModels returns one model for each objective.
func someModels(t *testing.T, objectives int) []*model {
	p, y := somePoints(15)
	var models []*model
	for k := range objectives {
		for i := range y {
			y[i] = math.Sin(float64(k+1) * (y[i] + p.row(i)[0]))
		}
		standardize(y)
		m, ok := newModel(hyper{[]float64{2, 0.5, 3}, 1.3, 0.01}, p, y)
		require.True(t, ok)
		models = append(models, m)
	}
	return models
}

// A point lies in one box if no point of the front dominates it, and otherwise in none.
func TestBoxes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, objectives := range []int{2, 3} {
		for range 30 {
			values := randomValues(rng, 1+rng.IntN(20), objectives)
			g := newGain(someModels(t, objectives), values, true)
			for range 300 {
				x := make([]float64, objectives)
				for k := range x {
					edges := g.edges[k]
					x[k] = edges[1] - 0.5 + (edges[len(edges)-1]-edges[1]+0.5)*rng.Float64()
				}
				in := 0
				for _, b := range g.boxes {
					inside := true
					for k, v := range x {
						inside = inside && g.edges[k][b.low[k]] <= v && v < g.edges[k][b.high[k]]
					}
					if inside {
						in++
					}
				}
				want := 1
				for _, p := range values {
					dominated := true
					for k := range p {
						dominated = dominated && p[k] <= x[k]
					}
					if dominated {
						want = 0
					}
				}
				require.Equal(t, want, in, "%v beside %v", x, values, true)
			}
			assert.LessOrEqual(t, len(g.boxes), 3*len(values)+1)
		}
	}
}

// The expected gain is the mean of the gains of draws.
func TestGain(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, objectives := range []int{2, 3} {
		for range 4 {
			values := randomValues(rng, 6, objectives)
			g := newGain(someModels(t, objectives), values, true)
			reference := make([]float64, objectives)
			for k := range reference {
				reference[k] = g.edges[k][len(g.edges[k])-1]
			}
			means, devs := make([]float64, objectives), make([]float64, objectives)
			for k := range means {
				means[k], devs[k] = 0.5*rng.NormFloat64()-1, 0.2+rng.Float64() // often a gain
			}
			got, _, _ := g.value(means, devs)
			before, sum := pareto.Hypervolume(values, reference), 0.0
			const n = 20_000
			for range n {
				y := make([]float64, objectives)
				for k := range y {
					y[k] = means[k] + devs[k]*rng.NormFloat64()
				}
				sum += (pareto.Hypervolume(append(values[:len(values):len(values)], y), reference) - before) / n
			}
			assert.InEpsilon(t, sum, math.Exp(got), 0.05)
		}
	}
}

func TestGainGradient(t *testing.T) {
	for _, objectives := range []int{2, 3} {
		for _, far := range []float64{0, 60} { // so far that nothing can be gained
			t.Run(fmt.Sprint(objectives, " ", far), func(t *testing.T) {
				values := randomValues(rand.New(rand.NewPCG(5, 6)), 8, objectives)
				for _, v := range values {
					for k := range v {
						v[k] -= far
					}
				}
				g := newGain(someModels(t, objectives), values, true)
				checkGradient(t, func(x, grad []float64) float64 {
					v, byMean, byDev := g.value(x[:objectives], x[objectives:])
					copy(grad, byMean)
					copy(grad[objectives:], byDev)
					return v
				}, []float64{0.1, -0.3, 0.2, 0.7, 0.9, 0.5}[:2*objectives])
			})
		}
	}
}
