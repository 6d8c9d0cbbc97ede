package nsga2

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The distances are those of the paper's figure 1: for each objective that between the
// neighbours, over the range.
func TestSpread(t *testing.T) {
	front := [][]float64{{0, 10}, {1, 4}, {4, 1}, {10, 0}}
	assert.InDeltaSlice(t, []float64{0.4 + 0.9, 0.9 + 0.4}, crowding{}.Spread(front)[1:3], 1e-12)
	assert.Equal(t, []float64{math.Inf(1), math.Inf(1)}, []float64{crowding{}.Spread(front)[0], crowding{}.Spread(front)[3]})
	assert.Empty(t, crowding{}.Spread(nil))
}

// The queue removes the same points as the plain algorithm, which measures all points again after each removal.
func TestCut(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, objectives := range []int{2, 3} {
		front := make([][]float64, 60)
		for i := range front {
			for range objectives {
				front[i] = append(front[i], rng.NormFloat64())
			}
		}
		front[7], front[8] = front[6], []float64{math.Inf(1), math.Inf(-1), 0}[:objectives]
		left := make([]int, len(front))
		for i := range left {
			left[i] = i
		}
		for len(left) > 20 {
			var points [][]float64
			for _, i := range left {
				points = append(points, scaled(front)[i])
			}
			c := newCrowd(points)
			most := 0
			for i := range left {
				sum := 0.0 // in the scale of the whole front
				for k := range c.left {
					l, r := c.left[k][i], c.right[k][i]
					if l < 0 || r < 0 {
						sum = math.Inf(1)
						break
					}
					sum += points[r][k] - points[l][k]
				}
				if c.distances[i] = sum; sum <= c.distances[most] {
					most = i
				}
			}
			left = slices.Delete(left, most, most+1)
		}
		assert.Equal(t, left, crowding{}.Cut(nil, front, 20, nil), "%d objectives", objectives)
	}
}

func BenchmarkCut(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	front := make([][]float64, 5000)
	for i := range front {
		u := rng.Float64()
		front[i] = []float64{u, 1 - math.Sqrt(u)}
	}
	for b.Loop() {
		crowding{}.Cut(nil, front, 100, nil)
	}
}
