package sampler_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
)

func region(s space.Space, given space.Params) *sampler.Region {
	return sampler.Request{Space: s, Given: given, Constraints: s.Constraints()}.Region()
}

// A random point of a triangle is anywhere in it with the same probability.
func TestRegionDraw(t *testing.T) {
	s := space.Of(space.Float("a", 0, 1), space.Float("b", 0, 1)).Where("a + b <= 1")
	rng := rand.New(rand.NewPCG(1, 2))
	g := region(s, space.Params{})
	sum, corner := 0.0, 0
	const n = 4000
	for range n {
		p, err := g.Draw(rng)
		require.NoError(t, err)
		require.True(t, g.Contains(p))
		sum += p[0] / n
		if p[0] < 0.5 && p[1] < 0.5 {
			corner++
		}
	}
	assert.InDelta(t, 1.0/3, sum, 0.015)
	assert.InDelta(t, 0.5, float64(corner)/n, 0.03)
	assert.True(t, region(space.Of(space.Float("a", 0, 1)), space.Params{}).Free())
}

// Points are found in regions that are a tiny part of the space.
func TestRegionIsSmall(t *testing.T) {
	for name, s := range map[string]space.Space{
		"a corner":      space.Of(space.Float("a", 0, 1), space.Float("b", 0, 1), space.Float("c", 0, 1)).Where("a + b + c <= 0.001"),
		"a strip":       space.Of(space.Float("a", 0, 1), space.Float("b", 0, 1)).Where("a - b <= 1e-6", "b - a <= 1e-6"),
		"one pair":      space.Of(space.Int("n", 1, 200), space.Int("m", 1, 200)).Where("n + m >= 400"),
		"a ladder":      space.Of(space.Int("a", 1, 9), space.Int("b", 1, 9), space.Int("c", 1, 9), space.Int("d", 1, 9), space.Int("e", 1, 9)).Where("a < b", "b < c", "c < d", "d < e"),
		"a logarithm":   space.Of(space.Float("a", 1e-6, 1, space.Log()), space.Float("b", 1e-6, 1, space.Log())).Where("a >= 1000 * b", "a * b >= 1e-4"),
		"strictly less": space.Of(space.Float("a", 0, 1), space.Float("b", 0, 1)).Where("a > 0.999", "b > a"),
		"choices":       space.Of(space.Categorical("a", 1, 2, 4, 8, 16), space.Categorical("b", 3, 9, 27, 81)).Where("a * b >= 1000"),
		"many":          space.Of(space.Float("a", 0, 1), space.Float("b", 0, 1), space.Float("c", 0, 1), space.Float("d", 0, 1)).Where("a + b <= 1", "b + c <= 0.5", "c + d >= 1.2", "a - d >= -0.9"),
	} {
		t.Run(name, func(t *testing.T) {
			g := region(s, space.Params{})
			rng := rand.New(rand.NewPCG(3, 4))
			for range 50 {
				p, err := g.Draw(rng)
				require.NoError(t, err)
				require.True(t, g.Contains(p))
				require.NoError(t, s.Meets(space.Params{Space: s, Point: p}), "the text says the same")
				for i, a := range s {
					require.True(t, a.Distribution.Contains(p[i]))
				}
				for i, a := range s {
					p[i] = a.Distribution.At(0)
				}
				require.NoError(t, g.Move(p, rng))
				require.True(t, g.Contains(p))
			}
		})
	}
}

// A point outside the region moves to nearly the nearest point in it. A point inside stays.
func TestRegionMove(t *testing.T) {
	s := space.Of(space.Float("a", 0, 1), space.Float("b", 0, 1), space.Float("other", 0, 1)).Where("a + b <= 1")
	g := region(s, space.Params{})
	rng := rand.New(rand.NewPCG(1, 2))
	p := []float64{0.9, 0.7, 0.3}
	require.NoError(t, g.Move(p, rng))
	assert.InDeltaSlice(t, []float64{0.6, 0.4, 0.3}, p, 0.01)
	again := append([]float64{}, p...)
	require.NoError(t, g.Move(again, rng))
	assert.Equal(t, p, again)

	n := space.Of(space.Int("n", 0, 9), space.Int("m", 0, 9)).Where("n < m")
	p = []float64{5, 5}
	require.NoError(t, region(n, space.Params{}).Move(p, rng))
	assert.LessOrEqual(t, math.Abs(p[0]-5)+math.Abs(p[1]-5), 2.0)
}

func TestRegionBesideWhatIsGiven(t *testing.T) {
	s := space.Of(space.Float("a", 0, 1), space.Float("b", 0.2, 1)).Where("a + b <= 1")
	rest := sampler.Request{Space: s[1:], Given: params(s[:1], 0.7), Constraints: s.Constraints()}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		p, err := rest.Region().Draw(rng)
		require.NoError(t, err)
		assert.LessOrEqual(t, p[0], 0.3+1e-9)
	}
	rest.Given.Point = []float64{0.9}
	_, err := rest.Region().Draw(rng)
	require.ErrorIs(t, err, space.ErrConstraint)
	assert.EqualError(t, err, "sampler: constraint not met: no values were found for which a + b <= 1 with a=0.9: widen the bounds, or leave out a constraint")
	require.ErrorIs(t, rest.Region().Move([]float64{0.5}, rng), space.ErrConstraint)

	rest.Given = space.Params{}
	assert.True(t, rest.Region().Free(), "the trial does not have a")
}

func TestPossible(t *testing.T) {
	a, b := space.Float("a", 0, 1), space.Int("b", 0, 3)
	require.NoError(t, sampler.Possible(space.Of(a, b)))
	require.NoError(t, sampler.Possible(space.Of(a, b).Where("a + b > 3.9")))
	require.ErrorIs(t, sampler.Possible(space.Of(a, b).Where("a + b > 5")), space.ErrConstraint)
}

// Room is left for parameters that are drawn later, if they will exist.
func TestRegionLeavesRoom(t *testing.T) {
	kind := space.Categorical("kind", "plain", "deep")
	s := space.Of(kind, space.Float("a", 0, 1), space.Float("b", 0.5, 1).When(kind.Is("deep"))).Where("a + b <= 0.8")
	g := sampler.Request{Space: s[:2], Later: s[2:], Constraints: s.Constraints()}.Region()
	assert.True(t, g.Contains([]float64{0, 0.9}))
	assert.False(t, g.Contains([]float64{1, 0.4}))
	assert.True(t, g.Contains([]float64{1, 0.3}))
}
