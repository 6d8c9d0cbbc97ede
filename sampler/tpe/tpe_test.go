package tpe

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
	"github.com/attune-hpo/attune/trial"
)

func sample(t testing.TB, s sampler.Sampler, r sampler.Request) []float64 {
	t.Helper()
	p, err := s.Sample(context.Background(), r)
	require.NoError(t, err)
	require.Len(t, p.Point, len(r.Space))
	return p.Point
}

func points(h *trial.History) [][]float64 {
	var out [][]float64
	for _, r := range h.Snapshot().Records() {
		out = append(out, r.Params.Point)
	}
	return out
}

// uniform is random search.
var uniform = sampler.Func(func(_ context.Context, r sampler.Request) (sampler.Proposal, error) {
	p := sampler.Proposal{Point: make([]float64, len(r.Space))}
	for i, a := range r.Space {
		p.Point[i] = unit.Draw(a.Distribution, r.Rand)
	}
	return p, nil
})

// Numbers of testdata/oracle.txt that are not densities.
func TestOracle(t *testing.T) {
	one, several := Config{}.resolved(1), Config{}.resolved(2)
	for n, want := range map[int]int{0: 0, 1: 1, 10: 1, 11: 2, 100: 10, 250: 25, 251: 25, 1000: 25} {
		assert.Equal(t, want, one.good(n), "good of %d", n)
	}
	assert.Equal(t, 100, several.good(1000), "several objectives have no bound")
	want := []float64{0.03333333333333333, 0.275, 0.5166666666666667, 0.7583333333333333, 1, 1}
	assert.InDeltaSlice(t, want, recencyWeights(30)[:6], 1e-15)
	assert.InDeltaSlice(t, []float64{1. / 26, 1}, recencyWeights(26)[:2], 1e-15)

	a := newAxis(space.Float("x", -1, 1).Axis())
	var observations [][]float64
	for _, x := range []float64{-0.4, 0.4, 0.41, 0.42} {
		observations = append(observations, []float64{a.position(x)})
	}
	m := newMixture([]axis{a})
	for i, o := range observations {
		m.add(observation{i, o, false})
	}
	m.refresh()
	sigmas := make([]float64, 4)
	for i, s := range m.columns[0].sigma {
		sigmas[i] = 2 * s
	}
	assert.InDeltaSlice(t, []float64{0.8, 0.8, 1. / 3, 1. / 3}, sigmas, 1e-12)
	scores := make([]float64, 4)
	var w workspace
	m.logPDF([]float64{a.position(-1), a.position(0), a.position(0.41), a.position(1)}, scores, 1, false, &w)
	for i, want := range []float64{-1.4957571136188803, -0.555298739771291, -0.2010611115012526, -1.105895353588005} {
		assert.InDelta(t, want, scores[i]-math.Log(2), 1e-12)
	}
}

func TestStartup(t *testing.T) {
	p := sphere(3)
	drawn := points(p.run(t, uniform, 25, 5))
	for _, tc := range []struct {
		name   string
		config Config
		random int
	}{
		{"default", Config{}, 10},
		{"set", Config{Startup: 20}, 20},
		{"none", Config{Startup: -1}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := points(p.run(t, New(tc.config), 25, 5))
			assert.Equal(t, drawn[:tc.random], got[:tc.random])
			assert.NotEqual(t, drawn[tc.random], got[tc.random])
		})
	}
	assert.Equal(t, Config{Startup: 20}, New(Config{Startup: 20}).Config())
	assert.Equal(t, "multivariate", Multivariate.String())
}

// Failed and waiting trials are no observations, pruned ones are.
func TestStartupCountsObservations(t *testing.T) {
	p := sphere(2)
	for state, count := range map[trial.State]bool{trial.Failed: false, trial.Waiting: false, trial.Running: false, trial.Pruned: true, trial.Complete: true} {
		h := trial.NewHistory(trial.Header{})
		for n := range 12 {
			r := trial.Record{Number: n, State: state, Params: space.Params{Space: p.space, Point: []float64{1, 1}}}
			if state == trial.Complete {
				r.Values = []float64{1}
			}
			h.Put(r)
		}
		same := slices.Equal(sample(t, uniform, p.request(h, 12, 1)), sample(t, New(Config{}), p.request(h, 12, 1)))
		assert.Equal(t, count, !same, "%v trials end the start-up", state)
	}
}

// Defects found in a peer, goptuna 0.9.0, each of which left its acquisition dead
// or wrong without an error.
func TestDefectsOfAPeer(t *testing.T) {
	t.Run("the mass of acceptance is never negative", func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 1))
		for range 20_000 {
			a := 200 * (rng.Float64() - 0.5)
			b := a + math.Exp(20*(rng.Float64()-0.7))
			m := logMass(a, b)
			require.True(t, m <= 0 && !math.IsInf(m, 0), "log mass of [%v, %v] is %v", a, b, m)
		}
	})
	t.Run("a distance counts in bandwidths", func(t *testing.T) { // not as distance/σ²
		axes := []axis{newAxis(space.Float("x", -1e3, 1e3).Axis())}
		p := newParzen(axes, [][]float64{{0.1}}, []float64{1})
		sigma := p.sigma[0][0]
		assert.InDelta(t, -0.5, p.logKernel(0, 0, 0.1+sigma)-p.logKernel(0, 0, 0.1), 1e-12)
	})
	t.Run("a sum of far exponentials is not -Inf", func(t *testing.T) {
		var axes []axis
		for i := range 400 {
			axes = append(axes, newAxis(space.Float(fmt.Sprint(i), 0, 1).Axis()))
		}
		m := newMixture(axes)
		low, high := slices.Repeat([]float64{-0.4}, len(axes)), slices.Repeat([]float64{0.4, 0.4, 0.4, 0.4}, len(axes))
		for i := range 200 {
			m.add(observation{i, low, false})
		}
		m.refresh()
		scores := make([]float64, candidates)
		m.logPDF(high, scores, 1, false, &workspace{})
		assert.False(t, math.IsInf(scores[0], 0) || math.IsNaN(scores[0]), "%v", scores[0])
	})
	t.Run("a step near the observations is the likelier", func(t *testing.T) {
		a := newAxis(space.Float("x", 0, 1, space.Step(0.1)).Axis())
		p := newParzen([]axis{a}, [][]float64{{a.position(0.3)}, {a.position(0.4)}}, []float64{1, 1})
		assert.Greater(t, p.logPDF([]float64{3}), p.logPDF([]float64{9}))
		total := 0.0
		for v := range a.n {
			total += math.Exp(p.logPDF([]float64{float64(v)}))
		}
		assert.InDelta(t, 1, total, 1e-12)
	})
	t.Run("bandwidths belong to their observations", func(t *testing.T) { // not to their ranks
		mu := []float64{0.4, -0.3, 0.1, -0.35, 0.45, 0}
		want := map[float64]float64{}
		for i, s := range bandwidths(mu) {
			want[mu[i]] = s
		}
		slices.Sort(mu)
		for i, s := range bandwidths(mu) {
			assert.Equal(t, want[mu[i]], s)
		}
	})
}

// table is NAS-Bench-201 on CIFAR-100: six choices of five.
func table(t testing.TB) problem {
	t.Helper()
	text, err := os.ReadFile("testdata/nasbench201_cifar100.f32")
	require.NoError(t, err)
	var ps []space.Axer
	for i := range 6 {
		ps = append(ps, space.Categorical(fmt.Sprint("op", i), "none", "skip", "conv1", "conv3", "pool"))
	}
	return problem{nil, space.Of(ps...), func(p space.Params) []float64 {
		at := 0
		for _, x := range p.Point {
			at = 5*at + int(x)
		}
		return []float64{float64(math.Float32frombits(binary.LittleEndian.Uint32(text[4*at:])))}
	}}
}

// If the candidates are all choices rather than draws, the best stays the best, and nothing else is ever tried: the
// peer tries 24 of 200.
func TestNeverFreezes(t *testing.T) {
	p := table(t)
	for _, tc := range []struct {
		config   Config
		distinct int
	}{
		{Config{Kernel: Multivariate}, 200},
		{Config{Kernel: Univariate}, 195},
		{Config{Kernel: Multivariate, Repeat: true}, 120},
		{Config{Kernel: Univariate, Repeat: true}, 70},
	} {
		for seed := range uint64(5) {
			got := distinct(points(p.run(t, New(tc.config), 200, seed)))
			assert.GreaterOrEqual(t, got, tc.distinct, "%+v, seed %d", tc.config, seed)
		}
	}
}

func distinct(points [][]float64) int {
	seen := map[string]bool{}
	for _, p := range points {
		seen[fmt.Sprint(p)] = true
	}
	return len(seen)
}

// After 100 trials on a shifted sphere in five dimensions, random search reaches about 9.
func TestBeatsRandom(t *testing.T) {
	p := sphere(5)
	for name, tc := range map[string]struct {
		config Config
		worst  float64 // of any seed, as a share of what random search reaches
		mean   float64
	}{
		"multivariate": {Config{}, 0.35, 0.1},
		"univariate":   {Config{Kernel: Univariate}, 0.6, 0.25},
	} {
		const seeds = 8
		mean := 0.0
		for seed := range uint64(seeds) {
			best, _ := p.run(t, New(tc.config), 100, seed).Snapshot().Best()
			random, _ := p.run(t, uniform, 100, seed).Snapshot().Best()
			share := best.Values[0] / random.Values[0]
			assert.Less(t, share, tc.worst, "%s, seed %d", name, seed)
			mean += share / seeds
		}
		assert.Less(t, mean, tc.mean, name)
	}
}

// Running trials count among the bad: if two places are equally good, the next trial goes to the one without a running
// trial.
func TestRunningTrialsRepel(t *testing.T) {
	x := space.Of(space.Float("x", 0, 1))
	h := trial.NewHistory(trial.Header{})
	for n := range 100 {
		at := []float64{(float64(n*37%100) + 0.5) / 100}
		loss := min(math.Abs(at[0]-0.2), math.Abs(at[0]-0.8))
		h.Put(trial.Record{Number: n, State: trial.Complete, Params: space.Params{Space: x, Point: at}, Values: []float64{loss}})
	}
	for n := 100; n < 110; n++ {
		h.Put(trial.Record{Number: n, State: trial.Running, Proposed: []space.Setting{{Name: "x", Value: space.Lit(0.8)}}})
	}
	right := func(c Config) (share float64) {
		const draws = 100
		for seed := range uint64(draws) {
			r := sampler.Request{Number: 110, Space: x, History: h.Snapshot(), Rand: rand.New(rand.NewPCG(seed, 1))}
			if sample(t, New(c), r)[0] > 0.5 {
				share += 1. / draws
			}
		}
		return share
	}
	assert.Greater(t, right(Config{IgnoreRunning: true}), 0.4)
	assert.Less(t, right(Config{}), 0.1)
}

// Only trials that have all axes of the request are kernels, but all take part in
// the split; a name with another kind of distribution is another parameter.
func TestConditionalAxes(t *testing.T) {
	x, y := space.Float("x", 0, 1).Axis(), space.Float("y", 0, 1).Axis()
	other := space.Categorical("y", "a", "b").Axis()
	h := trial.NewHistory(trial.Header{})
	for n := range 40 {
		params := space.Params{Space: space.Space{x, y}, Point: []float64{float64(n) / 40, 0.5}}
		switch {
		case n%4 == 1:
			params = space.Params{Space: space.Space{x}, Point: []float64{0.1}}
		case n%4 == 2:
			params.Space = space.Space{x, other}
			params.Point[1] = 1
		}
		h.Put(trial.Record{Number: n, State: trial.Complete, Params: params, Values: []float64{float64(n)}})
	}
	s := New(Config{})
	r := sampler.Request{Number: 40, Space: space.Space{x, y}, History: h.Snapshot(), Rand: rand.New(rand.NewPCG(1, 1))}
	sample(t, s, r)
	i := remembered(s, r.History).indexes.of(r.Space, r.Number)
	assert.Equal(t, []int{0, 3}, i.best, "of the best four, 0 to 3")
	assert.Equal(t, 18, i.g.count)
}

// Bounds may change in the course of a study: observations outside the present bounds still count, and proposals lie
// inside.
func TestChangedBounds(t *testing.T) {
	for _, tc := range []struct {
		name     string
		was, now space.Axis
	}{
		{"float", space.Float("x", -1e6, 1e6).Axis(), space.Float("x", 2, 3).Axis()},
		{"log", space.Float("x", 1e-9, 1e9, space.Log()).Axis(), space.Float("x", 2, 3, space.Log()).Axis()},
		{"int", space.Int("x", 0, 1000).Axis(), space.Int("x", 990, 1200, space.Step(7)).Axis()},
		{"int log", space.Int("x", 1, 1000, space.Log()).Axis(), space.Int("x", 2000, 4000, space.Log()).Axis()},
		{"step", space.Float("x", 0, 1, space.Step(0.1)).Axis(), space.Float("x", 0, 0.5, space.Step(0.25)).Axis()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := problem{nil, space.Space{tc.was}, func(p space.Params) []float64 { return []float64{-p.Point[0]} }}
			h := p.run(t, uniform, 60, 1)
			p.space = space.Space{tc.now}
			s := New(Config{})
			for n := 60; n < 120; n++ {
				r := p.request(h, n, 1)
				got := sample(t, s, r)
				require.True(t, tc.now.Distribution.Contains(got[0]), "%v", got)
				compareDensities(t, r.Rand, Config{}.resolved(1), s, r, 1e-6) // positions far outside cost digits
				p.tell(h, n, got)
			}
		})
	}
}

// Taking in a trial and proposing a point allocates the same small amount, however many trials there are.
func TestAllocations(t *testing.T) {
	allocations := func(n int) float64 {
		p := sphere(10)
		h := p.run(t, uniform, n, 1)
		s := New(Config{})
		sample(t, s, p.request(h, n, 1))
		return testing.AllocsPerRun(20, func() {
			p.tell(h, n, sample(t, s, p.request(h, n, 1)))
			n++
		})
	}
	few, many := allocations(300), allocations(3000)
	assert.InDelta(t, few, many, 3)
	assert.Less(t, many, 40.)
}

// remembered returns the state that s keeps for a history.
func remembered(s *Sampler, h trial.Snapshot) (k *history) {
	s.memory.Use(h, func(h *history) { k = h })
	return k
}

// If bounds change from trial to trial, every trial has a space of its own. Keeping all of them would take 97 MB here,
// and 750 MB in a study of 6,000 such trials.
func TestMemoryWhereBoundsChange(t *testing.T) {
	const before, trials = 3000, 150
	p := problem{nil, space.Of(space.Float("x", 0, 1), space.Int("n", 0, 1000)),
		func(p space.Params) []float64 { return []float64{squares(p.Point, 0.3)} }}
	h := trial.NewHistory(trial.Header{})
	for _, r := range p.converging(before) {
		h.Put(r)
	}
	s := New(Config{})
	free := heap()
	for i := range trials {
		r := p.request(h, before+i, 1)
		r.Space = space.Of(space.Float("x", 0, 1+float64(i)), space.Int("n", 0, 1000+i))
		sample(t, s, r)
	}
	assert.Less(t, heap()-free, 12e6, "bytes")
	k := remembered(s, h.Snapshot())
	assert.Less(t, len(k.indexes.all), 20)

	r := p.request(h, before+trials, 1)
	sample(t, s, r)
	sample(t, s, r)
	usual := k.indexes.of(r.Space, r.Number)
	r.Number++
	sample(t, s, r)
	for i := range trials {
		r := p.request(h, before+2*trials+i, 1)
		r.Space = space.Of(space.Float("x", -float64(i), 1))
		sample(t, s, r)
	}
	assert.Contains(t, k.indexes.all, usual, "it was used for two trials")
}

// heap returns how many bytes are in use.
func heap() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// A thousand indexes of one trial are kept until the next trial, however large they are.
func TestMemoryOfOneTrial(t *testing.T) {
	p := sphere(1000)
	s := New(Config{Kernel: Univariate})
	h := p.run(t, uniform, 12, 1)
	r := p.request(h, 12, 1)
	sample(t, s, r)
	k := remembered(s, h.Snapshot())
	require.Len(t, k.indexes.all, 1000)
	first := k.indexes.all[0]
	p.tell(h, 12, sample(t, s, r))
	sample(t, s, p.request(h, 13, 1))
	assert.Same(t, first, k.indexes.all[0])
}

// An axis is first looked for where it was found last: in a wide space, a search for each trial would take longer than
// everything else.
func TestAxisRemembersItsPlace(t *testing.T) {
	s := sphere(40).space
	a := newAxis(s[33])
	r := trial.Record{Params: space.Params{Space: s, Point: make([]float64, 40)}}
	r.Params.Point[33] = 2
	for range 2 {
		x, ok := a.read(&r)
		assert.True(t, ok)
		assert.Equal(t, 2.0, x)
		assert.Equal(t, 33, a.place)
	}
	r.Params.Space, r.Params.Point = s[30:34], []float64{0, 0, 0, 3}
	x, ok := a.read(&r)
	assert.True(t, ok)
	assert.Equal(t, 3.0, x)
}
