package pareto_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/trial/pareto"
)

func TestHypervolume(t *testing.T) {
	inf := math.Inf(1)
	for _, tc := range []struct {
		name      string
		points    [][]float64
		reference []float64
		want      float64
	}{
		{"no points", nil, []float64{1, 1}, 0},
		{"one objective", [][]float64{{3}, {1}, {2}}, []float64{4}, 3},
		{"a staircase", [][]float64{{1, 3}, {2, 2}, {3, 1}}, []float64{4, 4}, 6}, // Optuna 5.0.0.dev
		{"three cubes", [][]float64{{0, 1, 1}, {1, 0, 1}, {1, 1, 0}}, []float64{2, 2, 2}, 4},
		{"duplicates", [][]float64{{1, 1, 1}, {1, 1, 1}}, []float64{2, 2, 2}, 1},
		{"dominated", [][]float64{{0, 0, 0, 0}, {1, 1, 1, 1}}, []float64{2, 2, 2, 2}, 16},
		{"on the boundary", [][]float64{{0, 2}}, []float64{2, 2}, 0},
		{"beyond the reference", [][]float64{{0, 3}, {1, 1}}, []float64{2, 2}, 1},
		{"an infinite reference", [][]float64{{0, 0}}, []float64{inf, 1}, inf},
		{"an infinitely good point", [][]float64{{-inf, 0}, {0, -inf}}, []float64{1, 1}, inf},
	} {
		t.Run(tc.name, func(t *testing.T) {
			assert.Equal(t, tc.want, pareto.Hypervolume(tc.points, tc.reference))
		})
	}
}

// onLattice returns points with whole coordinates, and the volume counted cell by
// cell.
func onLattice(rng *rand.Rand, n, dims, side int) (points [][]float64, volume float64) {
	for range n {
		p := make([]float64, dims)
		for k := range p {
			p[k] = float64(rng.IntN(side))
		}
		points = append(points, p)
	}
	cell := make([]float64, dims)
	for i := range int(math.Pow(float64(side), float64(dims))) {
		for k := range cell {
			cell[k] = float64(i % side)
			i /= side
		}
		if slices.ContainsFunc(points, func(p []float64) bool {
			for k := range p {
				if p[k] > cell[k] {
					return false
				}
			}
			return true
		}) {
			volume++
		}
	}
	return points, volume
}

func TestHypervolumeCountsCells(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for dims, side := range map[int]int{1: 9, 2: 9, 3: 7, 4: 5, 5: 4} {
		for range 60 {
			points, want := onLattice(rng, 1+rng.IntN(12), dims, side)
			got := pareto.Hypervolume(points, slices.Repeat([]float64{float64(side)}, dims))
			require.InDelta(t, want, got, 1e-9, "%v", points)
		}
	}
}

// onSphere returns points on a sphere: none dominates another.
func onSphere(rng *rand.Rand, n, dims int) [][]float64 {
	points := make([][]float64, n)
	for i := range points {
		p, norm := make([]float64, dims), 0.0
		for k := range p {
			p[k] = math.Abs(rng.NormFloat64())
			norm += p[k] * p[k]
		}
		for k := range p {
			p[k] /= -math.Sqrt(norm)
		}
		points[i] = p
	}
	return points
}

// The lazy choice is the greedy one: each adds as much as any other would.
func TestSubsetIsGreedy(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for dims := 2; dims <= 5; dims++ {
		for range 12 {
			points := onSphere(rng, 3+rng.IntN(12), dims)
			reference := slices.Repeat([]float64{0.1}, dims)
			chosen := pareto.Subset(points, len(points)-1, reference)
			require.Len(t, chosen, len(points)-1)
			var have [][]float64
			for _, i := range chosen {
				before, most := pareto.Hypervolume(have, reference), 0.0
				for _, p := range points {
					most = max(most, pareto.Hypervolume(append(slices.Clip(have), p), reference)-before)
				}
				have = append(have, points[i])
				require.InDelta(t, most, pareto.Hypervolume(have, reference)-before, 1e-9)
			}
		}
	}
}

func TestSubsetEdges(t *testing.T) {
	points := [][]float64{{2, 1}, {1, 2}, {2, 1}, {0, 3}}
	far := []float64{4, 4}
	assert.Empty(t, pareto.Subset(points, 0, far))
	assert.Equal(t, []int{1}, pareto.Subset(points, 1, far), "{1 2} and {2 1} add 6 each")
	assert.Equal(t, []int{3, 1, 0, 2}, pareto.Subset(points, 4, far), "duplicates last")
	assert.Len(t, pareto.Subset(points, 9, far), 4, "no more than there are")
	assert.Equal(t, []int{3, 1}, pareto.Subset(points, 2, []float64{math.Inf(1), 4}), "in order, as nothing tells them apart")
	infinite := [][]float64{{math.Inf(-1), 2}, {1, math.Inf(-1)}, {0, 1}}
	assert.Len(t, pareto.Subset(infinite, 2, far), 2)
}

func BenchmarkSubset(b *testing.B) {
	for dims, n := range map[int]int{2: 1000, 3: 200} {
		points := onSphere(rand.New(rand.NewPCG(5, 6)), n, dims)
		reference := slices.Repeat([]float64{0.1}, dims)
		b.Run(fmt.Sprintf("dims=%d/n=%d", dims, n), func(b *testing.B) {
			for b.Loop() {
				pareto.Subset(points, n/2, reference)
			}
		})
	}
}
