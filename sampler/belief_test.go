package sampler_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/auto"
	"github.com/attune-hpo/attune/sampler/gp"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
)

func TestBelieved(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for name, a := range map[string]space.Axis{
		"a number":          space.Float("x", 0, 1).Believe(space.Normal(0.3, 0.1)).Axis(),
		"steps":             space.Float("x", 0, 1, space.Step(0.1)).Believe(space.Normal(0.3, 0.1)).Axis(),
		"a factor":          space.Float("x", 1e-3, 1, space.Log()).Believe(space.LogNormal(0.3, 1.5)).Axis(),
		"a mean outside":    space.Float("x", 0, 1).Believe(space.Normal(1.4, 0.1)).Axis(),
		"integers":          space.Int("x", 1, 1000, space.Log()).Believe(space.LogNormal(30, 2)).Axis(),
		"choices":           space.Categorical("x", "a", "b", "c").Believe(space.Weights(1, 6, 1)).Axis(),
		"a large deviation": space.Int("x", -3, 3).Believe(space.Normal(0, 1e9)).Axis(),
	} {
		likely := sampler.Believed(a, true, rng)
		require.True(t, a.Distribution.Contains(likely), name)
		sum := 0.0
		for range 500 {
			x := sampler.Believed(a, false, rng)
			require.True(t, a.Distribution.Contains(x), name)
			assert.LessOrEqual(t, a.Prior.LogDensity(a.Distribution, x), a.Prior.LogDensity(a.Distribution, likely)+1e-6, name)
			sum += x / 500
		}
		if name == "a number" {
			assert.InDelta(t, 0.3, sum, 0.02)
		}
	}
}

// A belief guides the first trials. A wrong belief does not keep the search from the minimum.
func TestBelief(t *testing.T) {
	x, y := space.Float("x", 0, 1), space.Float("y", 0, 1)
	for name, s := range map[string]sampler.Sampler{"tpe": tpe.New(tpe.Config{}), "gp": gp.New(gp.Config{}), "auto": auto.New()} {
		best := func(at float64, trials int) float64 {
			st, err := study.Open(t.Context(), new(memory.Store), "s", study.Config{
				Sampler: s, Space: space.Of(x.Believe(space.Normal(at, 0.05)), y.Believe(space.Normal(at, 0.05))),
			})
			require.NoError(t, err)
			require.NoError(t, st.Optimize(t.Context(), study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
				a, b := x.Suggest(t)-0.8, y.Suggest(t)-0.8
				return a*a + b*b, nil
			}), study.Run{Trials: trials}))
			r, err := st.Best(t.Context())
			require.NoError(t, err)
			return r.Values[0]
		}
		assert.Less(t, best(0.78, 1), 1e-3, "%s: what is most likely comes first", name)
		assert.Less(t, best(0.78, 10), 8e-4, name)
		assert.Less(t, best(0.2, 60), 0.02, "%s: a wrong belief fades", name)
	}
}
