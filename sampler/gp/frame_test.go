package gp

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// The best trials lie in a valley along a diagonal, ten times as long as wide. In the frame they have variance 1 in each
// direction, and no covariance.
func TestFrame(t *testing.T) {
	x, y, kind := space.Float("x", 0, 1), space.Float("y", 0, 1), space.Categorical("kind", "a", "b")
	d := newDomain(sampler.Request{Space: space.Of(x, kind, y)})
	center := []float64{0.5, 0, 0.4}
	rng := rand.New(rand.NewPCG(1, 2))
	p := &past{}
	var order []int
	for n := range 40 {
		along, across := 0.1*rng.NormFloat64(), 0.01*rng.NormFloat64()
		at := []float64{0.5 + along*0.8 - across*0.6, float64(n % 2), 0.4 + along*0.6 + across*0.8}
		p.obs, order = append(p.obs, observation{number: n, x: at}), append(order, n)
	}
	f := p.frame(d, order, center)
	require.NotNil(t, f)
	assert.Equal(t, []int{0, 2}, f.axes)
	var xx, xy, yy float64
	for n := 0; n < 14; n += 2 { // the best seven with the center's choice
		u := f.to(p.obs[n].x)
		assert.InDeltaSlice(t, p.obs[n].x, f.from(u), 1e-12)
		xx, xy, yy = xx+u[0]*u[0]/7, xy+u[0]*u[2]/7, yy+u[2]*u[2]/7
	}
	assert.InDelta(t, 1, max(xx, yy), 0.01)
	assert.InDelta(t, 1, min(xx, yy), 0.1) // a little less, because every direction has some variance
	assert.InDelta(t, 0, xy, 1e-9)
	assert.Equal(t, center, f.from([]float64{0, 0, 0}))
	for _, u := range []float64{-100, 100} { // outside of the space
		for _, v := range f.from([]float64{u, 0, u}) {
			assert.True(t, 0 <= v && v <= 1, "%v", v)
		}
	}
	assert.Nil(t, p.frame(d, order[:13], center), "too few trials")
	assert.Nil(t, p.frame(newDomain(sampler.Request{Space: space.Of(kind)}), order, []float64{0}), "no number")
	var many space.Space
	for i := range mostFramed + 1 {
		many = append(many, space.Float(fmt.Sprint("x", i), 0, 1).Axis())
	}
	assert.Nil(t, p.frame(newDomain(sampler.Request{Space: many}), order, make([]float64, len(many))), "too many numbers")
}

// A narrow valley across the axes, with an edge at its bottom: boxes along the axes leave a regret of 0.09, as the
// geometric mean of these seeds.
func TestValley(t *testing.T) {
	x, y := space.Float("x", -5, 5), space.Float("y", -5, 5)
	logs := 0.0
	const seeds = 4
	for seed := range seeds {
		st, err := study.Create(t.Context(), new(memory.Store), "s", study.Config{Sampler: New(Config{}), Seed: uint64(seed)})
		require.NoError(t, err)
		require.NoError(t, st.Optimize(t.Context(), study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
			a, b := x.Suggest(t)-1.3, y.Suggest(t)+0.7
			along, across := 0.8*a+0.6*b, 0.8*b-0.6*a
			return along*along + 30*math.Abs(across), nil
		}), study.Run{Trials: 120}))
		best, err := st.Best(t.Context())
		require.NoError(t, err)
		logs += math.Log(max(best.Values[0], 1e-9)) / seeds
		require.NoError(t, st.Close())
	}
	t.Logf("regret %.2g", math.Exp(logs))
	assert.Less(t, math.Exp(logs), 1e-3)
}

// A local search keeps the choices of the best trial. Its model has no trial with another choice here, so it would
// expect a surprise there.
func TestLocalChoices(t *testing.T) {
	x, kind := space.Float("x", 0, 1), space.Categorical("kind", "a", "b", "c")
	h := trial.NewHistory(trial.Header{})
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range 80 {
		k, v := 0.0, 0.3+0.02*rng.NormFloat64()
		if n%8 == 0 {
			k, v = float64(1+n/8%2), rng.Float64()
		}
		h.Put(trial.Record{Number: n, State: trial.Complete, Params: space.Params{Space: space.Of(x, kind), Point: []float64{v, k}}, Values: []float64{k + (v-0.31)*(v-0.31)}})
	}
	for n := 80; n < 120; n++ {
		p, err := New(Config{}).Sample(t.Context(), sampler.Request{Number: n, Space: space.Of(x, kind), History: h.Snapshot(), Rand: rand.New(rand.NewPCG(3, uint64(n)))})
		require.NoError(t, err)
		if locally[n%len(locally)] {
			assert.Equal(t, 0.0, p.Point[1], "trial %d", n)
		}
	}
}

// A branch with one parameter has a model after four trials, and the rest of the space after ten.
func TestBranch(t *testing.T) {
	kind, x := space.Categorical("kind", "a", "b"), space.Float("x", 0, 1)
	d := newDomain(sampler.Request{Space: space.Of(x), Given: space.Params{Space: space.Of(kind), Point: []float64{0}}})
	fixed := newDomain(sampler.Request{Space: space.Of(x), Given: space.Params{Space: space.Of(kind), Point: []float64{0}}, Fixed: []string{"kind"}})
	joint := newDomain(sampler.Request{Space: space.Of(kind, x)})
	p := &past{}
	for n := 1; n <= 10; n++ {
		p.obs = append(p.obs, observation{number: n, state: trial.Complete})
		cfg := New(Config{}).cfg
		assert.Equal(t, n >= 4, p.ready(cfg, d), n)
		assert.Equal(t, n >= 10, p.ready(cfg, joint), n)
		assert.Equal(t, n >= 10, p.ready(cfg, fixed), n)
	}
}
