package gp

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/attune-hpo/attune/space"
)

// In a wide space with many trials, only the values of some axes are tried each time, and of other axes the next time.
func TestAffordable(t *testing.T) {
	wide := func(axes, trials int) (*acquisition, []int) {
		d := &domain{}
		var all []int
		for j := range axes {
			d.axes = append(d.axes, space.Categorical(fmt.Sprint("c", j), "a", "b", "c", "d").Axis())
			all = append(all, j)
		}
		return &acquisition{domain: d, objective: &model{points: points{n: trials}}}, all
	}
	rng := rand.New(rand.NewPCG(1, 2))
	untouched := *rng
	a, all := wide(30, 300)
	assert.Equal(t, all, a.affordable(all, rng))
	assert.Equal(t, untouched, *rng, "nothing is drawn where all can be tried")

	a, all = wide(1000, 1000)
	before := slices.Clone(all)
	some, others := a.affordable(all, rng), a.affordable(all, rng)
	assert.Equal(t, before, all)
	assert.Len(t, some, 10) // 8e7/(1000·2000) = 40 values, four an axis
	assert.Len(t, others, 10)
	assert.NotEqual(t, some, others)
	assert.Len(t, slices.Compact(slices.Sorted(slices.Values(some))), 10)
}
