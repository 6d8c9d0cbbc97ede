package tpe

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
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
		m.add(i, o)
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

// transformed returns the problem with values changed by f.
func (p problem) transformed(f func(float64) float64, directions ...trial.Direction) problem {
	values := p.values
	p.directions = directions
	p.values = func(q space.Params) []float64 {
		v := values(q)
		for i := range v {
			v[i] = f(v[i])
		}
		return v
	}
	return p
}

func TestMetamorphic(t *testing.T) {
	const n = 80
	for _, tc := range []struct {
		name string
		a, b problem
	}{
		{"maximizing f is minimizing -f", mixed, mixed.transformed(func(v float64) float64 { return -v }, trial.Maximize)},
		{"also for several objectives", several(4), several(4).transformed(func(v float64) float64 { return -v }, trial.Maximize, trial.Minimize)},
		{"also in a finite space", table(t), table(t).transformed(func(v float64) float64 { return -v }, trial.Maximize)},
		{"a monotone transform changes nothing", mixed, mixed.transformed(func(v float64) float64 { return math.Exp(3*v) - 7 })},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for seed := range uint64(3) {
				assert.Equal(t, points(tc.a.run(t, New(Config{}), n, seed)), points(tc.b.run(t, New(Config{}), n, seed)))
			}
		})
	}

	t.Run("re-scaling an interval re-scales the proposals", func(t *testing.T) {
		unit := problem{nil, space.Of(space.Float("a", 0, 1), space.Float("b", 0, 1), space.Int("c", 0, 9)),
			func(p space.Params) []float64 { return []float64{squares(p.Point, 0.7)} }}
		scaled := problem{nil, space.Of(space.Float("a", -4, 28), space.Float("b", 1e-3, 1e2, space.Log()), space.Int("c", 100, 190, space.Step(10))),
			func(p space.Params) []float64 {
				return []float64{squares([]float64{(p.Point[0] + 4) / 32, math.Log10(p.Point[1]*1e3) / 5, (p.Point[2] - 100) / 10}, 0.7)}
			}}
		a, b := points(unit.run(t, New(Config{}), n, 1)), points(scaled.run(t, New(Config{}), n, 1))
		for i := range a {
			back := []float64{(b[i][0] + 4) / 32, math.Log10(b[i][1]*1e3) / 5, (b[i][2] - 100) / 10}
			assert.InDeltaSlice(t, a[i], back, 1e-6, "trial %d", i)
		}
	})

	t.Run("a resumed study goes on as an uninterrupted one", func(t *testing.T) {
		for _, p := range []problem{mixed, table(t), several(4)} {
			h := p.run(t, New(Config{}), n, 1)
			again := p.run(t, New(Config{}), n/2, 1)
			s := New(Config{})
			for number := n / 2; number < n; number++ {
				p.tell(again, number, sample(t, s, p.request(again, number, 1)))
			}
			assert.Equal(t, points(h), points(again))
		}
	})

	t.Run("the order of finishing does not matter", func(t *testing.T) {
		for _, p := range []problem{mixed, table(t), several(4)} {
			records := p.run(t, New(Config{}), n, 1).Snapshot().Records()
			want := []float64(nil)
			for seed := range uint64(5) {
				h := trial.NewHistory(trial.Header{Directions: p.directions})
				s := New(Config{})
				for i, r := range records {
					h.Put(r)
					if i%10 == 9 {
						sample(t, s, p.request(h, n, 1))
					}
				}
				got := sample(t, s, p.request(h, n, 1))
				if want == nil {
					want = got
				}
				assert.Equal(t, want, got)
				rng := rand.New(rand.NewPCG(seed, 1))
				rng.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
			}
		}
	})

	t.Run("other histories in between change nothing", func(t *testing.T) {
		p, q := mixed, several(3)
		want := points(p.run(t, New(Config{}), n, 1))
		s := New(Config{})
		h, other := trial.NewHistory(trial.Header{}), trial.NewHistory(trial.Header{Directions: q.directions})
		for number := range n {
			p.tell(h, number, sample(t, s, p.request(h, number, 1)))
			q.tell(other, number, sample(t, s, q.request(other, number, 1)))
		}
		assert.Equal(t, want, points(h))
	})

	t.Run("an older view of a history is what it was", func(t *testing.T) {
		p := sphere(2)
		h := p.run(t, New(Config{}), 40, 1)
		s := New(Config{})
		old, rng := p.request(h, 40, 1), func() *rand.Rand { return rand.New(rand.NewPCG(1, 40)) }
		want := sample(t, s, old)
		for number := 40; number < 60; number++ {
			p.tell(h, number, sample(t, s, p.request(h, number, 1)))
		}
		old.Rand = rng()
		assert.Equal(t, want, sample(t, s, old))
	})
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
			m.add(i, low)
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

// Where the candidates are all choices there are, and not drawn, the best stays
// the best and nothing else is ever tried: 24 of 200 in the peer.
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

// After 100 trials on a shifted sphere in five dimensions random search has come
// to 9 or so.
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

// Trials that are running count among the bad: of two places that are equally
// good, who asks goes to the one where nobody is.
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
	i := s.memory.index(s.memory.of(r.History), r.Space)
	assert.Equal(t, []int{0, 3}, i.best, "of the best four, 0 to 3")
	assert.Equal(t, 18, i.g.count)
}

// Bounds may change in the course of a study: observations outside the present
// ones still count, and what is proposed lies inside.
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

// Taking in a trial and proposing a point allocates the same little, however many
// trials there are.
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

// What nobody has asked for in a while goes; what is in use stays, however large.
func TestMemoryIsBounded(t *testing.T) {
	s := New(Config{Kernel: Univariate})
	for seed := range uint64(2 * mostHistories) {
		p := sphere(2)
		h := p.run(t, uniform, 12, seed)
		sample(t, s, p.request(h, 12, seed))
	}
	assert.Len(t, s.memory.histories, mostHistories)

	k := s.memory.histories[0]
	large := s.memory.index(k, space.Of(space.Float("large", 0, 1)))
	large.g.numbers = make([]int, mostIndexed)
	s.memory.index(k, space.Of(space.Float("new", 0, 1)))
	assert.Contains(t, k.indexes, large, "in use")
	s.memory.clock += fewDraws
	s.memory.index(k, space.Of(space.Float("newer", 0, 1)))
	assert.NotContains(t, k.indexes, large)
}

// Values may be infinite.
func TestInfiniteValues(t *testing.T) {
	for _, directions := range [][]trial.Direction{{trial.Minimize}, {trial.Minimize, trial.Maximize}, {trial.Minimize, trial.Minimize, trial.Minimize}} {
		p := sphere(2)
		p.directions = directions
		p.values = func(q space.Params) []float64 {
			v := make([]float64, len(directions))
			for i := range v {
				v[i] = q.Point[i%2]
				switch {
				case v[i] > 3:
					v[i] = math.Inf(1)
				case v[i] < -3:
					v[i] = math.Inf(-1)
				}
			}
			return v
		}
		p.run(t, New(Config{}), 60, 1)
	}
}
