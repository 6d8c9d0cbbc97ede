package space_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/space"
)

func TestPriorDensity(t *testing.T) {
	d := space.Float("x", 0, 10).Axis().Distribution
	normal := space.Normal(4, 2)
	assert.Zero(t, normal.LogDensity(d, 4))
	assert.InDelta(t, -0.5, normal.LogDensity(d, 6), 1e-5)
	assert.InDelta(t, math.Log(1e-6), normal.LogDensity(d, 1e9), 1e-5, "no value is ruled out")
	factor := space.LogNormal(1e-3, 10)
	assert.InDelta(t, -0.5, factor.LogDensity(d, 1e-2), 1e-5)
	assert.InDelta(t, -0.5, factor.LogDensity(d, 1e-4), 1e-5)
	weights := space.Weights(1, 4)
	assert.InDelta(t, math.Log(0.25), weights.LogDensity(space.Categorical("c", "a", "b").Axis().Distribution, 0), 1e-12)
}

func TestBelieveErrors(t *testing.T) {
	x, n, c := space.Float("x", 0, 1), space.Int("n", 1, 9), space.Categorical("c", "a", "b")
	for name, declare := range map[string]func(){
		"a mean far above":           func() { x.Believe(space.Normal(500, 1)) },
		"a mean far below":           func() { n.Believe(space.Normal(-30, 5)) },
		"a median far above":         func() { n.Believe(space.LogNormal(1e6, 2)) },
		"a deviation of 0":           func() { x.Believe(space.Normal(0.5, 0)) },
		"a mean that is NaN":         func() { x.Believe(space.Normal(math.NaN(), 1)) },
		"a factor of 1":              func() { n.Believe(space.LogNormal(3, 1)) },
		"a factor, and values of 0":  func() { x.Believe(space.LogNormal(0.5, 2)) },
		"weights of a number":        func() { n.Believe(space.Weights(1, 2)) },
		"a number for choices":       func() { c.Believe(space.Normal(0, 1)) },
		"too few weights":            func() { c.Believe(space.Weights(1)) },
		"a weight of 0":              func() { c.Believe(space.Weights(1, 0)) },
		"a weight that is infinite":  func() { c.Believe(space.Weights(1, math.Inf(1))) },
		"a parameter that is no one": func() { space.Param[int]{}.Believe(space.Normal(0, 1)) },
	} {
		assert.Panics(t, declare, name)
	}
	assert.NotPanics(t, func() { x.Believe(space.Normal(6, 1)) }, "it says that values near 1 are better")
	believed := n.Believe(space.Normal(3, 1))
	require.NotNil(t, space.Of(believed)[0].Prior)
	assert.Nil(t, n.Axis().Prior, "a parameter does not change")
	a := x.Axis()
	a.Prior = &space.Prior{}
	_, err := space.Space{a}.Normalize()
	require.ErrorIs(t, err, space.ErrInvalid)
}

func ExampleParam_Believe() {
	rate := space.Float("rate", 1e-5, 1, space.Log()).Believe(space.LogNormal(1e-3, 3))
	booster := space.Categorical("booster", "gbdt", "dart").Believe(space.Weights(5, 1))
	for _, a := range space.Of(rate, booster) {
		fmt.Printf("%s: %v\n", a.Name, a.Prior)
	}
	// Output:
	// rate: about 0.001, within a factor of 3
	// booster: weights [5 1]
}
