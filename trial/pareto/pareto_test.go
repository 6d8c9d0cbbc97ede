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

func TestDominates(t *testing.T) {
	inf := math.Inf(1)
	for _, tc := range []struct {
		name string
		a, b []float64
		want bool
	}{
		{"better in one", []float64{1, 2}, []float64{1, 3}, true},
		{"worse in one", []float64{1, 2}, []float64{0, 3}, false},
		{"equal", []float64{1, 2}, []float64{1, 2}, false},
		{"infinitely better", []float64{-inf, 2}, []float64{0, 2}, true},
		{"equally infinite", []float64{inf, 2}, []float64{inf, 2}, false},
		{"one objective", []float64{1}, []float64{2}, true},
		{"no objective", nil, nil, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			assert.Equal(t, tc.want, pareto.Dominates(tc.a, tc.b))
		})
	}
}

// plainRanks is the definition of a rank, with every pair compared.
func plainRanks(points [][]float64) []int {
	ranks := make([]int, len(points))
	for changed := true; changed; {
		changed = false
		for i, p := range points {
			for j, q := range points {
				if pareto.Dominates(q, p) && ranks[i] <= ranks[j] {
					ranks[i], changed = ranks[j]+1, true
				}
			}
		}
	}
	return ranks
}

// scatters are ways to draw n points of m objectives: ties of whole points and of
// single losses, chains and fronts.
var scatters = map[string]func(rng *rand.Rand, n, m int) [][]float64{
	"uniform": func(rng *rand.Rand, n, m int) [][]float64 {
		return fill(n, m, func(int, int) float64 { return rng.NormFloat64() })
	},
	"on a lattice": func(rng *rand.Rand, n, m int) [][]float64 {
		return fill(n, m, func(int, int) float64 { return float64(rng.IntN(4)) })
	},
	"with infinities and zeros": func(rng *rand.Rand, n, m int) [][]float64 {
		of := []float64{math.Inf(-1), -1, math.Copysign(0, -1), 0, 5e-324, math.Inf(1)}
		return fill(n, m, func(int, int) float64 { return of[rng.IntN(len(of))] })
	},
	"one front": func(rng *rand.Rand, n, m int) [][]float64 { return onSphere(rng, n, m) },
	"a chain": func(rng *rand.Rand, n, m int) [][]float64 {
		order := rng.Perm(n)
		return fill(n, m, func(i, _ int) float64 { return float64(order[i]) })
	},
	"one objective says nothing": func(rng *rand.Rand, n, m int) [][]float64 {
		mute := rng.IntN(m)
		return fill(n, m, func(_, k int) float64 {
			if k == mute {
				return 1
			}
			return rng.Float64()
		})
	},
}

func fill(n, m int, loss func(i, k int) float64) [][]float64 {
	points := make([][]float64, n)
	for i := range points {
		points[i] = make([]float64, m)
		for k := range points[i] {
			points[i][k] = loss(i, k)
		}
	}
	return points
}

// Ranks, fronts and points that come one by one agree with the definition.
func TestRanksAreThoseOfTheDefinition(t *testing.T) {
	for name, scatter := range scatters {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			for m := 1; m <= 5; m++ {
				for _, n := range []int{1, 2, 7, 20, 60, 150} {
					points := scatter(rng, n, m)
					before := fmt.Sprint(points)
					want := plainRanks(points)
					require.Equal(t, want, pareto.Ranks(points), "%d points of %d objectives", n, m)
					require.Equal(t, before, fmt.Sprint(points), "points are read only")

					var front []int
					for i, rank := range want {
						if rank == 0 {
							front = append(front, i)
						}
					}
					require.Equal(t, front, pareto.Front(points))

					var f pareto.Fronts
					for left := points; len(left) > 0; {
						some := min(len(left), 1+rng.IntN(70))
						f.Add(left[:some]...)
						left = left[some:]
					}
					require.Equal(t, n, f.Len())
					got, rank := make([]int, n), 0
					for front := range f.All() {
						for _, i := range front {
							got[i] = rank
						}
						rank++
					}
					require.Equal(t, want, got)
				}
			}
		})
	}
}

func TestRanksEdges(t *testing.T) {
	assert.Empty(t, pareto.Ranks(nil))
	assert.Empty(t, pareto.Front(nil))
	assert.Equal(t, []int{0, 0}, pareto.Ranks([][]float64{{}, {}}), "points without objectives are equal")
	var f pareto.Fronts
	f.Add()
	assert.Zero(t, f.Len())
	assert.Empty(t, slices.Collect(f.All()))
}

func FuzzRanks(f *testing.F) {
	f.Add(uint8(2), []byte{1, 2, 2, 1, 0, 3, 1, 2})
	f.Add(uint8(3), []byte("the quick brown fox jumps over the lazy dog, and again, and again"))
	f.Fuzz(func(t *testing.T, m uint8, losses []byte) {
		m = 1 + m%6
		var points [][]float64
		for ; len(losses) >= int(m) && len(points) < 200; losses = losses[m:] {
			p := make([]float64, m)
			for k := range p {
				p[k] = float64(losses[k])
			}
			points = append(points, p)
		}
		require.Equal(t, plainRanks(points), pareto.Ranks(points))
	})
}

// The growth in n matters. All points are in one front, which takes quadratic time if each point is compared with the
// front so far.
func BenchmarkFront(b *testing.B) {
	for _, m := range []int{2, 3, 4, 6} {
		for _, n := range []int{5_000, 10_000, 20_000} {
			points := onSphere(rand.New(rand.NewPCG(5, 6)), n, m)
			b.Run(fmt.Sprintf("objectives=%d/n=%d", m, n), func(b *testing.B) {
				for b.Loop() {
					pareto.Front(points)
				}
			})
		}
	}
}

func BenchmarkRanks(b *testing.B) {
	for _, name := range []string{"uniform", "a chain"} {
		for _, n := range []int{5_000, 10_000, 20_000} {
			points := scatters[name](rand.New(rand.NewPCG(5, 6)), n, 3)
			b.Run(fmt.Sprintf("%s/n=%d", name, n), func(b *testing.B) {
				for b.Loop() {
					pareto.Ranks(points)
				}
			})
		}
	}
}
