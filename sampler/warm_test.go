package sampler_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

var warmSpace = space.Of(space.Float("rate", 1e-4, 1, space.Log()), space.Int("layers", 1, 100), space.Categorical("act", "relu", "tanh"), space.Float("free", 0, 1))

// elsewhere is a study of n random trials whose best ones lie at 0.01, 30 and tanh.
func elsewhere(s space.Space, n int, objectives ...trial.Direction) trial.Snapshot {
	h := trial.NewHistory(trial.Header{Directions: objectives})
	rng := rand.New(rand.NewPCG(1, 2))
	for number := range n {
		p := space.Params{Space: s}
		for _, a := range s {
			p.Point = append(p.Point, unit.Draw(a.Distribution, rng))
		}
		loss := math.Abs(math.Log10(p.Point[0])+2) + math.Abs(p.Point[1]-30)/30 + 1 - p.Point[2]
		values := []float64{loss}
		for range max(0, len(objectives)-1) {
			values = append(values, 0)
		}
		h.Put(trial.Record{Number: number, State: trial.Complete, Params: p, Values: values})
	}
	return h.Snapshot()
}

func TestWarmStart(t *testing.T) {
	warm := sampler.WarmStart(warmSpace, elsewhere(warmSpace, 300))
	rate, layers, act := warm[0].Prior, warm[1].Prior, warm[2].Prior
	require.NotNil(t, rate)
	assert.True(t, rate.Log)
	assert.InDelta(t, -2, math.Log10(rate.Mean), 0.3)
	assert.InDelta(t, 30, layers.Mean, 8)
	assert.Greater(t, act.Weights[1], 3*act.Weights[0])
	assert.Nil(t, warm[3].Prior, "good values lie everywhere")
	assert.Nil(t, warmSpace[0].Prior, "the space stays as it was")
	_, err := warm.Normalize()
	require.NoError(t, err)

	own := space.Of(space.Float("rate", 1e-4, 1, space.Log()).Believe(space.LogNormal(0.5, 2)))
	assert.Equal(t, 0.5, sampler.WarmStart(own, elsewhere(warmSpace, 300))[0].Prior.Mean, "a user's belief comes first")
	narrow := space.Of(space.Int("layers", 60, 100))
	assert.Nil(t, sampler.WarmStart(narrow, elsewhere(warmSpace, 300))[0].Prior, "what lies outside says nothing")
}

func TestWarmStartFromNothing(t *testing.T) {
	for name, others := range map[string][]trial.Snapshot{
		"no study": nil, "an empty one": {trial.NewHistory(trial.Header{}).Snapshot()}, "a few trials": {elsewhere(warmSpace, 9)},
		"several objectives": {elsewhere(warmSpace, 50, trial.Minimize, trial.Minimize)},
		"other kinds":        {elsewhere(space.Of(space.Float("layers", 1, 9), space.Float("act", 1, 9), space.Float("rate", 1e-4, 1)), 50)},
	} {
		for _, a := range sampler.WarmStart(warmSpace, others...) {
			assert.Nil(t, a.Prior, "%s: %s", name, a.Name)
		}
	}
}

// A study that resembles the earlier one is better after a few trials. A study that is misled reaches the minimum all
// the same.
func TestWarmStartHelps(t *testing.T) {
	other := elsewhere(warmSpace, 200)
	best := func(s space.Space, rate float64, trials int) float64 {
		sum := 0.0
		for seed := range uint64(5) {
			st, err := study.Open(t.Context(), new(memory.Store), "s", study.Config{Sampler: tpe.New(tpe.Config{}), Space: s, Seed: seed})
			require.NoError(t, err)
			require.NoError(t, st.Optimize(t.Context(), study.Func(func(_ context.Context, tr *study.Trial) (float64, error) {
				return math.Abs(math.Log10(tr.Suggest(s[0])) - rate), nil
			}), study.Run{Trials: trials}))
			r, err := st.Best(t.Context())
			require.NoError(t, err)
			sum += r.Values[0] / 5
		}
		return sum
	}
	warm := sampler.WarmStart(warmSpace, other)
	assert.Less(t, best(warm, -2.1, 6), best(warmSpace, -2.1, 6))
	assert.Less(t, best(warm, -0.5, 80), 0.05, "the other study misleads")
}

func ExampleWarmStart() {
	rate := space.Float("rate", 1e-4, 1, space.Log())
	last := trial.NewHistory(trial.Header{Name: "last week's data"})
	for i := range 40 { // the best are about 0.01
		x := math.Pow(10, -4+float64(i)/10)
		last.Put(trial.Record{Number: i, State: trial.Complete, Values: []float64{math.Abs(math.Log10(x) + 2)},
			Params: space.Params{Space: space.Of(rate), Point: []float64{x}}})
	}
	for _, a := range sampler.WarmStart(space.Of(rate), last.Snapshot()) {
		fmt.Printf("%s: about %.2f\n", a.Name, a.Prior.Mean)
	}
	// Output: rate: about 0.01
}
