package importance

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The shares of a tree equal those computed from its value in every cell, averaged one cell at a time.
func TestDissectCountsCells(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 60 {
		tb := &table{choices: []int{0, 4, 0}}
		n := 3 + rng.IntN(25)
		for _, k := range tb.choices {
			column := make([]float64, n)
			for i := range column {
				column[i] = rng.Float64()
				if k > 0 {
					column[i] = float64(rng.IntN(k))
				}
			}
			tb.columns = append(tb.columns, column)
		}
		for range n {
			tb.values = append(tb.values, rng.NormFloat64())
		}
		tr := newGrower(tb, 64).grow(rng)
		a := dissect(tb, tr)

		grid := cellMiddles(tb, a)
		at := func(i, j, k int) float64 {
			point := &table{choices: tb.choices, columns: [][]float64{{grid[0][i]}, {grid[1][j]}, {grid[2][k]}}}
			return tr.predict(point, 0)
		}
		w := [][]float64{a.cells[0].width, a.cells[1].width, a.cells[2].width}
		var mean, total float64
		main := [3][]float64{make([]float64, len(w[0])), make([]float64, len(w[1])), make([]float64, len(w[2]))}
		joint := map[[4]int]float64{} // by pair of features and cells
		for i := range w[0] {
			for j := range w[1] {
				for k := range w[2] {
					v := at(i, j, k)
					mean += v * w[0][i] * w[1][j] * w[2][k]
					total += v * v * w[0][i] * w[1][j] * w[2][k]
					main[0][i] += v * w[1][j] * w[2][k]
					main[1][j] += v * w[0][i] * w[2][k]
					main[2][k] += v * w[0][i] * w[1][j]
					joint[[4]int{0, 1, i, j}] += v * w[2][k]
					joint[[4]int{0, 2, i, k}] += v * w[1][j]
					joint[[4]int{1, 2, j, k}] += v * w[0][i]
				}
			}
		}
		assert.InDelta(t, mean, a.mean, 1e-9)
		assert.InDelta(t, total-mean*mean, a.variance, 1e-9)
		pairs := map[[2]int]float64{}
		for key, v := range joint {
			p, q := key[0], key[1]
			d := v - main[p][key[2]] - main[q][key[3]] + mean
			pairs[[2]int{p, q}] += d * d * w[p][key[2]] * w[q][key[3]]
		}
		for f := range main {
			for c, v := range main[f] {
				assert.InDelta(t, v-mean, a.main[f][c], 1e-9)
			}
		}
		for key, v := range pairs {
			assert.InDelta(t, v, a.pairs[key], 1e-9, "features %v", key)
		}
	}
}

func cellMiddles(tb *table, a anatomy) [][]float64 {
	var grid [][]float64
	for f, c := range a.cells {
		low := 0.0
		var middles []float64
		for i, w := range c.width {
			if tb.choices[f] > 0 {
				middles = append(middles, float64(i))
			} else {
				middles = append(middles, low+w/2)
			}
			low += w
		}
		grid = append(grid, middles)
	}
	return grid
}

// A tree that may be deep enough predicts the rows that it was fitted to.
func TestTreeRemembers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	tb := &table{choices: []int{0, 3}, columns: make([][]float64, 2)}
	for range 200 {
		tb.columns[0] = append(tb.columns[0], rng.Float64())
		tb.columns[1] = append(tb.columns[1], float64(rng.IntN(3)))
		tb.values = append(tb.values, rng.NormFloat64())
	}
	g := newGrower(tb, 64)
	tr := g.grow(rng)
	unseen := 0
	for row, w := range g.weight {
		if w == 0 {
			unseen++
			continue
		}
		assert.InDelta(t, tb.values[row], tr.predict(tb, row), 1e-12)
	}
	assert.InDelta(t, 200/math.E, float64(unseen), 25)
	assert.Len(t, newGrower(tb, 1).grow(rng), 3)
}

// The table of kernels equals the sum over all values that it represents.
func TestParzenAddsKernels(t *testing.T) {
	counts := []int{3, 0, 0, 7, 1, 0, 0, 0, 2, 0}
	size, n := float64(len(counts)), 13
	sigma := max(scott(counts, n), 0.5/1.64)
	phi := func(x, mu, sigma float64) float64 {
		mass := func(a, b float64) float64 {
			return math.Erf((b-mu)/sigma/math.Sqrt2) - math.Erf((a-mu)/sigma/math.Sqrt2)
		}
		return mass(x-0.5, x+0.5) / mass(-0.5, size-0.5)
	}
	sum := 0.0
	for i, p := range parzen(counts, n, middle(len(counts))) {
		want := phi(float64(i), (size-1)/2, size)
		for mu, c := range counts {
			want += float64(c) * phi(float64(i), float64(mu), sigma)
		}
		assert.InDelta(t, want/float64(n+1), p, 1e-12)
		sum += p
	}
	assert.InDelta(t, 1, sum, 1e-12)
}
