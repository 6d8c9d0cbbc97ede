package cmaes

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// testdata/oracle.json has what another implementation makes of the same
// solutions; testdata/oracle.py wrote it.
type oracle struct {
	Name        string
	Sigma       float64
	Generations []struct {
		Points  [][]float64
		Mean    []float64
		Sigma   float64
		Cov     json.RawMessage
		Choices [][]int
		Q       [][]float64
	}
}

func oracles(t *testing.T) map[string]oracle {
	data, err := os.ReadFile("testdata/oracle.json")
	require.NoError(t, err)
	var list []oracle
	require.NoError(t, json.Unmarshal(data, &list))
	cases := map[string]oracle{}
	for _, o := range list {
		cases[o.Name] = o
	}
	return cases
}

func TestAgainstCmaes(t *testing.T) {
	for _, name := range []string{"full", "rates", "separable"} {
		t.Run(name, func(t *testing.T) {
			o := oracles(t)[name]
			d := len(o.Generations[0].Mean)
			mean := make([]float64, d)
			floats.AddConst(0.5, mean)
			e := newEvolution(mean, o.Sigma, len(o.Generations[0].Points), name == "separable")
			if name == "rates" {
				e.rate = newRate(d)
			}
			for g, want := range o.Generations {
				steps := make([][]float64, len(want.Points))
				for i, x := range want.Points {
					steps[i] = make([]float64, d)
					floats.SubTo(steps[i], x, e.mean)
					floats.Scale(1/e.sigma, steps[i])
				}
				e.update(steps)
				assert.InDeltaSlice(t, want.Mean, e.mean, 1e-9, "mean of generation %d", g)
				assert.InDelta(t, want.Sigma, e.sigma, 1e-9, "step size of generation %d", g)
				cov := make([][]float64, d)
				if e.separable {
					var diagonal []float64
					require.NoError(t, json.Unmarshal(want.Cov, &diagonal))
					for i := range cov {
						cov[i] = make([]float64, d)
						cov[i][i] = diagonal[i]
					}
				} else {
					require.NoError(t, json.Unmarshal(want.Cov, &cov))
				}
				for i := range d {
					for j := range d {
						require.InDelta(t, cov[i][j], e.c.At(i, j), 1e-8, "C[%d][%d] of generation %d", i, j, g)
					}
				}
			}
		})
	}
}

func TestCategoriesAgainstCmaes(t *testing.T) {
	c := newCategories([]int{2, 3, 5})
	for g, want := range oracles(t)["categories"].Generations {
		c.update(want.Choices)
		for i := range want.Q {
			assert.InDeltaSlice(t, want.Q[i], c.q[i], 1e-9, "axis %d, generation %d", i, g)
		}
	}
}

// B·D·z has the covariance that C is, and whiten undoes it.
func TestDecompose(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	e := newEvolution(make([]float64, 5), 1, 8, false)
	a := mat.NewDense(5, 5, nil)
	a.Apply(func(_, _ int, _ float64) float64 { return rng.NormFloat64() }, a)
	e.c.SymOuterK(1, a)
	e.decompose()
	y, z, back := make([]float64, 5), make([]float64, 5), make([]float64, 5)
	var squares mat.SymDense
	squares.ReuseAsSym(5)
	for i := range 5 {
		clear(z)
		z[i] = 1
		e.draw(y, z)
		squares.SymRankOne(&squares, 1, mat.NewVecDense(5, y))
		e.whiten(back, y)
		assert.InDelta(t, 1, floats.Norm(back, 2), 1e-9)
	}
	assert.True(t, mat.EqualApprox(e.c, &squares, 1e-9))
}

// If rounding makes an eigenvalue negative, later proposals are not affected.
func TestDecomposeRepairs(t *testing.T) {
	e := newEvolution(make([]float64, 2), 1, 8, false)
	e.c.SetSym(0, 0, 1)
	e.c.SetSym(0, 1, 1+1e-9)
	e.c.SetSym(1, 1, 1)
	e.decompose()
	y := make([]float64, 2)
	e.whiten(y, []float64{1, -1})
	assert.False(t, math.IsNaN(y[0]) || math.IsInf(y[0], 0))
	assert.Less(t, e.c.At(0, 1), 1+1e-9)
}
