package tpe

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// A course is a study whose requests change.
type course struct {
	history *trial.History
	sampler sampler.Sampler
	seed    uint64
	next    int
}

// run runs n trials and returns the best value of them.
func (c *course) run(t testing.TB, n int, axes space.Space, fixed space.Params, f func(x []float64) float64) (best float64) {
	t.Helper()
	best = math.Inf(1)
	for range n {
		r := problem{space: axes}.request(c.history, c.next, c.seed)
		r.Given = fixed
		for _, a := range fixed.Space {
			r.Fixed = append(r.Fixed, a.Name)
		}
		point := sample(t, c.sampler, r)
		params, err := space.Params{Space: append(space.Space{}, fixed.Space...), Point: append([]float64{}, fixed.Point...)}.Join(space.Params{Space: axes, Point: point})
		require.NoError(t, err)
		v := f(params.Point)
		c.history.Put(trial.Record{Number: c.next, State: trial.Complete, Params: params, Values: []float64{v}})
		best = min(best, v)
		c.next++
	}
	return best
}

// typical returns the geometric mean of the results with some seeds.
func typical(run func(c *course) float64) float64 {
	const seeds = 12
	sum := 0.0
	for seed := range uint64(seeds) {
		c := &course{history: trial.NewHistory(trial.Header{}), sampler: New(Config{}), seed: seed}
		sum += math.Log(max(run(c), 1e-12)) / seeds
	}
	return math.Exp(sum)
}

func box(low, high float64, names ...string) space.Space {
	var ps []space.Axer
	for _, name := range names {
		ps = append(ps, space.Float(name, low, high))
	}
	return space.Of(ps...)
}

// After bounds are narrowed, the remaining part is searched, whatever was found elsewhere. The figures in brackets are
// for a sampler that takes trials outside for trials at the edge, and for random search.
func TestNarrowedBounds(t *testing.T) {
	two := func(x []float64) float64 { // minima at -3 and, not as good, at 3
		return min(squares(x, -3), 3+squares(x, 3)) - 3
	}
	names := []string{"a", "b", "c", "d", "e"}
	for _, tc := range []struct {
		name string
		run  func(c *course) float64
		best float64
	}{
		{"one parameter", func(c *course) float64 {
			f := func(x []float64) float64 { // falls from 5 on
				if x[0] < 5 {
					return x[0] - 20
				}
				return 10 - x[0]
			}
			c.run(t, 100, box(0, 10, "x"), space.Params{}, f)
			return c.run(t, 50, box(5, 10, "x"), space.Params{}, f)
		}, 0.01}, // (4.95, 0.04)
		{"five parameters", func(c *course) float64 {
			c.run(t, 100, box(-5, 5, names...), space.Params{}, two)
			return c.run(t, 100, box(0, 5, names...), space.Params{}, two)
		}, 0.3}, // (1.6, 1.7)
		{"five, the edge is best", func(c *course) float64 {
			f := func(x []float64) float64 { return squares(x, -1) - 5 }
			c.run(t, 100, box(-5, 5, names...), space.Params{}, f)
			return c.run(t, 100, box(0, 5, names...), space.Params{}, f)
		}, 0.3}, // (0.15, 15)
		{"five, zoomed in", func(c *course) float64 {
			f := func(x []float64) float64 { return squares(x, 0.5) }
			c.run(t, 100, box(-5, 5, names...), space.Params{}, f)
			return c.run(t, 100, box(-2, 2, names...), space.Params{}, f)
		}, 0.02}, // (0.007, 1.0)
	} {
		assert.Less(t, typical(tc.run), tc.best, tc.name)
	}
}

// If a value is fixed that the search would not choose, the search is over the rest, given that value. It is no worse
// than if the sampler did not know that the value is fixed.
func TestFixedValues(t *testing.T) {
	far := func(x []float64, best func(x []float64) float64) float64 { // of the others, given x[0]
		return squares(x[1:], best(x))
	}
	for _, tc := range []struct {
		name  string
		loss  func(x []float64) float64 // of which the fixed value, 0.9, is no part
		share float64                   // of the result when it is not known to be fixed
	}{
		{"the best of the others depends on it", func(x []float64) float64 { return far(x, func(x []float64) float64 { return x[0] }) }, 0.05},
		{"it does not", func(x []float64) float64 { return far(x, func([]float64) float64 { return 0.3 }) }, 0.9},
	} {
		names := []string{"y", "a", "b", "c"}
		run := func(known bool) float64 {
			return typical(func(c *course) float64 {
				f := func(x []float64) float64 { return tc.loss(x) + (x[0]-0.1)*(x[0]-0.1) }
				c.run(t, 100, box(0, 1, names...), space.Params{}, f)
				if inner := c.sampler; !known {
					c.sampler = sampler.Func(func(ctx context.Context, r sampler.Request) (sampler.Proposal, error) {
						r.Fixed = nil
						return inner.Sample(ctx, r)
					})
				}
				y := space.Params{Space: box(0, 1, "y"), Point: []float64{0.9}}
				return c.run(t, 40, box(0, 1, names[1:]...), y, f) - 0.64
			})
		}
		assert.Less(t, run(true), tc.share*run(false), tc.name)
	}
}

// A trial is near if it lies inside the bounds or a little outside, and close to the fixed values. Without far trials,
// nothing is weighted.
func TestVicinity(t *testing.T) {
	x, y := space.Float("x", 0, 1).Axis(), space.Float("y", 0, 1).Axis()
	c := space.Categorical("c", "a", "b").Axis()
	v := vicinity{axes: []axis{newAxis(x)}}
	at := func(s space.Space, point ...float64) *trial.Record {
		return &trial.Record{Params: space.Params{Space: s, Point: point}}
	}
	wide := space.Float("x", -5, 5).Axis()
	for _, tc := range []struct {
		name  string
		r     *trial.Record
		fixed space.Params
		near  bool
	}{
		{"inside", at(space.Space{x}, 0.5), space.Params{}, true},
		{"a little outside", at(space.Space{wide}, 1.2), space.Params{}, true},
		{"outside", at(space.Space{wide}, 1.3), space.Params{}, false},
		{"without the parameter", at(space.Space{y}, 0.5), space.Params{}, true},
		{"close to the fixed value", at(space.Space{x, y}, 0.5, 0.75), space.Params{Space: space.Space{y}, Point: []float64{0.9}}, true},
		{"far from it", at(space.Space{x, y}, 0.5, 0.65), space.Params{Space: space.Space{y}, Point: []float64{0.9}}, false},
		{"without it", at(space.Space{x}, 0.5), space.Params{Space: space.Space{y}, Point: []float64{0.9}}, false},
		{"the same choice", at(space.Space{x, c}, 0.5, 1), space.Params{Space: space.Space{c}, Point: []float64{1}}, true},
		{"another choice", at(space.Space{x, c}, 0.5, 0), space.Params{Space: space.Space{c}, Point: []float64{1}}, false},
	} {
		r := sampler.Request{Given: tc.fixed, Rand: rand.New(rand.NewPCG(1, 1))}
		for _, a := range tc.fixed.Space {
			r.Fixed = append(r.Fixed, a.Name)
		}
		v.moveTo(r)
		assert.Equal(t, tc.near, v.has(tc.r), tc.name)
		r.Fixed = nil
		v.moveTo(r)
		assert.Equal(t, tc.near || len(tc.fixed.Space) > 0, v.has(tc.r), "%s, drawn by a sampler", tc.name)
	}
}
