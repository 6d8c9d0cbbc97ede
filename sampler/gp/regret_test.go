package gp_test

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/problem"
	"github.com/attune-hpo/attune/sampler/gp"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// On a smooth function the bound falls with the trials, and the rule ends the run where the
// best is close to the minimum.
func TestRegret(t *testing.T) {
	p := problem.Branin()
	st, err := study.Open(t.Context(), new(memory.Store), "s", study.Config{Sampler: gp.New(gp.Config{}), Space: p.Space, Seed: 1})
	require.NoError(t, err)
	run := study.Run{Trials: 150, StopWhen: gp.Regret{}.Reached}
	require.NoError(t, st.Optimize(t.Context(), study.Func(func(_ context.Context, t *study.Trial) (float64, error) { return p.Loss(t), nil }), run))
	h, err := st.Snapshot(t.Context())
	require.NoError(t, err)
	assert.Less(t, h.Len(), 150, "the rule has ended it")
	best, _ := h.Best()
	assert.Less(t, best.Values[0]-p.Minimum, 0.2)

	curve := gp.Regret{Trials: 20}.Curve(t.Context(), h, 0)
	require.NotEmpty(t, curve)
	assert.Equal(t, 20, curve[0].Trials)
	last := curve[len(curve)-1]
	assert.Equal(t, h.Len(), last.Trials)
	assert.Less(t, last.Share, 0.01)
	assert.Less(t, last.Value, curve[0].Value)
	some := gp.Regret{Trials: 20}.Curve(t.Context(), h, 3)
	require.Len(t, some, 3)
	assert.Equal(t, []gp.Bound{curve[0], last}, []gp.Bound{some[0], some[2]})
	part := trial.NewHistory(h.Header())
	for r := range h.All() {
		if r.Number < some[1].Trials {
			part.Put(r)
		}
	}
	then, ok := gp.Regret{Trials: 20}.Bound(part.Snapshot())
	require.True(t, ok)
	assert.Equal(t, then.Trials, some[1].Trials)
	left, stop := gp.Regret{Trials: 20, Gain: then.Share / 2}.Reached(part.Snapshot())
	assert.False(t, stop)
	assert.Equal(t, fmt.Sprintf("at most %.2g%% left to gain", 100*then.Share), left)
	assert.InDelta(t, math.Log(then.Value), math.Log(some[1].Value), math.Ln2, "within a factor of two of the exact one")
	again, ok := gp.Regret{}.Bound(h)
	require.True(t, ok)
	assert.Equal(t, last, again, "the bound follows from the history")

	done, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Empty(t, gp.Regret{}.Curve(done, h, 0))
}

// The rule does not stop a study that it knows nothing about, and never panics.
func TestRegretKnowsNothing(t *testing.T) {
	x, c := space.Float("x", 0, 1), space.Categorical("c", "a", "b")
	axes := space.Of(x, c)
	for name, value := range map[string]func(i int) float64{
		"all infinite":    func(int) float64 { return math.Inf(1) },
		"all -Inf":        func(int) float64 { return math.Inf(-1) },
		"the largest":     func(i int) float64 { return []float64{-1.7e308, 1.7e308}[i%2] },
		"noise":           func(i int) float64 { return math.Mod(float64(i)*0.754877666, 1) },
		"as small as can": func(i int) float64 { return float64(i) * 5e-324 },
	} {
		h := trial.NewHistory(trial.Header{})
		for i := range 60 {
			h.Put(trial.Record{Number: i, State: trial.Complete, Values: []float64{value(i)}, Params: space.Params{
				Space: axes, Point: []float64{math.Mod(float64(i)*0.569840291, 1), float64(i % 2)},
			}})
		}
		_, stop := gp.Regret{}.Reached(h.Snapshot())
		assert.False(t, stop, name)
	}
	flat := trial.NewHistory(trial.Header{})
	for i := range 30 {
		_, stop := gp.Regret{}.Reached(flat.Snapshot())
		assert.False(t, stop, i)
		flat.Put(trial.Record{Number: i, State: trial.Complete, Values: []float64{7}, Params: space.Params{Space: axes, Point: []float64{float64(i) / 30, 0}}})
	}
	reason, stop := gp.Regret{}.Reached(flat.Snapshot())
	assert.True(t, stop)
	assert.Equal(t, "the values of all 30 complete trials are equal", reason)
	two := trial.NewHistory(trial.Header{Directions: []trial.Direction{trial.Minimize, trial.Minimize}})
	_, ok := gp.Regret{}.Bound(two.Snapshot())
	assert.False(t, ok)
}

// Points that break a constraint do not count as left to gain.
func TestRegretConstraints(t *testing.T) {
	x, y := space.Float("x", 0, 1), space.Float("y", 0, 1)
	s := space.Of(x, y).Where("x + y <= 1")
	h := trial.NewHistory(trial.Header{})
	for i := range 60 {
		a := math.Mod(float64(i)*0.754877666, 1)
		b := math.Mod(float64(i)*0.569840291, 1) * (1 - a)
		if i%3 == 0 { // on the border, the best place
			b = 1 - a
		}
		h.Put(trial.Record{Number: i, State: trial.Complete, Values: []float64{-a - b}, Params: space.Params{Space: space.Of(x, y), Point: []float64{a, b}}})
	}
	without, ok := gp.Regret{}.Bound(h.Snapshot())
	require.True(t, ok)
	with, ok := gp.Regret{Constraints: s.Constraints()}.Bound(h.Snapshot())
	require.True(t, ok)
	assert.Greater(t, without.Value, 0.5, "the function goes on beyond the constraint")
	assert.Less(t, with.Value, 0.05)
}

func ExampleRegret() {
	x := space.Float("x", -1, 1)
	st, err := study.Open(context.Background(), new(memory.Store), "parabola", study.Config{Sampler: random.Sampler{}, Space: space.Of(x)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer st.Close()
	run := study.Run{Trials: 1000, StopWhen: gp.Regret{Gain: 0.01}.Reached}
	if err := st.Optimize(context.Background(), study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
		v := x.Suggest(t)
		return v * v, nil
	}), run); err != nil {
		fmt.Println(err)
		return
	}
	h, err := st.Snapshot(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("fewer than a hundred trials:", h.Len() < 100)
	// Output: fewer than a hundred trials: true
}
