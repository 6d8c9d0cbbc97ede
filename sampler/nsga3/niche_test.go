package nsga3

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDirections(t *testing.T) {
	for _, tc := range []struct{ divisions, objectives, members, want int }{
		{0, 2, 20, 20}, {0, 3, 20, 15}, {0, 3, 100, 91}, {12, 3, 20, 91}, {0, 10, 20, 10}, {3, 2, 20, 4}, {0, 1, 20, 1}, {50, 10, 20, 715},
	} {
		got := niches{tc.divisions}.directions(tc.objectives, tc.members)
		assert.Len(t, got, tc.want, "%+v", tc)
		for _, d := range got {
			sum := 0.0
			for _, v := range d {
				sum += v
			}
			assert.InDelta(t, 1, sum, 1e-12)
		}
	}
}

// The extreme points of a plane give its intercepts back, and points that have no plane
// the worst of each objective.
func TestNormalized(t *testing.T) {
	plane := [][]float64{{0, 0, 5}, {0, 2, 0}, {1, 0, 0}, {0.25, 0.5, 2.5}}
	for i, p := range normalized(plane) {
		sum := 0.0
		for _, v := range p {
			sum += v
		}
		assert.InDelta(t, 1, sum, 1e-9, "%v", plane[i])
	}
	assert.Equal(t, [][]float64{{0, 0}, {1, 0}}, normalized([][]float64{{1, 3}, {2, 3}}))
	assert.Equal(t, [][]float64{{1, 0}, {0, 1}, {1, 0}}, normalized([][]float64{{math.Inf(1), math.Inf(-1)}, {3, 5}, {4, 4}}), "infinite losses")
}

// The points chosen from a front cover it: each direction has one.
func TestCut(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var front [][]float64
	for range 300 {
		x, y, z := math.Abs(rng.NormFloat64()), math.Abs(rng.NormFloat64()), math.Abs(rng.NormFloat64())
		norm := math.Sqrt(x*x + y*y + z*z)
		front = append(front, []float64{x / norm, 10 * y / norm, 100 * z / norm})
	}
	n := niches{4}
	chosen := n.Cut(nil, front, 15, rng)
	var points [][]float64
	for _, i := range chosen {
		points = append(points, front[i])
	}
	nearest, _ := associate(normalized(slices.Concat(points, front))[:15], n.directions(3, 15))
	slices.Sort(nearest)
	assert.GreaterOrEqual(t, len(slices.Compact(nearest)), 12)

	above := [][]float64{front[chosen[0]]}
	again := n.Cut(above, front, 14, rng)
	assert.Len(t, again, 14)
	assert.True(t, slices.IsSorted(again))
}
