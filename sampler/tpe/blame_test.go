package tpe

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// runFailing runs n trials, of which those fail whose value is NaN. It returns how
// many do, and the best value.
func (p problem) runFailing(t testing.TB, s *Sampler, n int, seed uint64) (failures int, best float64) {
	t.Helper()
	h := trial.NewHistory(trial.Header{})
	best = math.Inf(1)
	for number := range n {
		r := trial.Record{Number: number, State: trial.Complete}
		r.Params = space.Params{Space: p.space, Point: sample(t, s, p.request(h, number, seed))}
		if r.Values = p.values(r.Params); math.IsNaN(r.Values[0]) {
			r.State, r.Values = trial.Failed, nil
			failures++
		} else {
			best = min(best, r.Values[0])
		}
		h.Put(r)
	}
	return failures, best
}

// A part of the space that fails, right beside the optimum, is avoided. Bounds are on the mean of some seeds. The
// figures in brackets are those of a sampler that ignores failed trials.
func TestPartThatFails(t *testing.T) {
	cube := space.Of(space.Float("a", 0, 1), space.Float("b", 0, 1), space.Float("c", 0, 1))
	from := func(low float64) func(p space.Params) []float64 {
		return func(p space.Params) []float64 {
			if p.Point[0] < low {
				return []float64{math.NaN()}
			}
			return []float64{squares(p.Point[:1], 0.1) + squares(p.Point[1:2], 0.5) + squares(p.Point[2:], 0.7) - (low-0.1)*(low-0.1)}
		}
	}
	for _, tc := range []struct {
		problem  problem
		name     string
		failures float64 // of 100
		best     float64
	}{
		{problem{nil, space.Of(space.Float("a", 0, 1)), func(p space.Params) []float64 {
			if p.Point[0] < 0.1 {
				return []float64{math.NaN()}
			}
			return []float64{p.Point[0] - 0.1}
		}}, "an edge", 35, 0.004}, // (88, 0.005)
		{problem{nil, cube, from(0.3)}, "a third of a cube", 45, 0.015}, // (83, 0.034)
		{problem{nil, cube, from(0.7)}, "most of a cube", 60, 0.025},    // (90, 0.143)
		{problem{nil, cube, func(p space.Params) []float64 {
			v := squares(p.Point[:1], 0.4) + squares(p.Point[1:2], 0.5) + squares(p.Point[2:], 0.7) - 0.04
			if v < 0 {
				v = math.NaN()
			}
			return []float64{v}
		}}, "a hole", 32, 0.003}, // (51, 0.001)
	} {
		t.Run(tc.name, func(t *testing.T) {
			const seeds = 8
			failures, best := 0.0, 0.0
			for seed := range uint64(seeds) {
				n, v := tc.problem.runFailing(t, New(Config{}), 100, seed)
				failures += float64(n) / seeds
				best += v / seeds
			}
			assert.Less(t, failures, tc.failures)
			assert.Less(t, best, tc.best)
		})
	}
}

// A failed configuration is not tried again while there are others: neither before all have been tried, nor after. With
// one axis after the other this is rare, like other repetitions. A sampler that ignores failed trials fails in 90 of
// 100 trials.
func TestFailedValuesAreTriedOnce(t *testing.T) {
	for _, kernel := range []Kernel{Multivariate, Univariate} {
		for seed := range uint64(4) {
			tries := map[float64]int{}
			p := problem{nil, space.Of(space.Int("n", 0, 19)), func(p space.Params) []float64 {
				n := p.Point[0]
				tries[n]++
				if n > 15 {
					return []float64{math.NaN()}
				}
				return []float64{-n}
			}}
			failures, best := p.runFailing(t, New(Config{Kernel: kernel}), 100, seed)
			if kernel == Multivariate {
				assert.Equal(t, 4, failures, "one each: %v", tries)
			}
			assert.Less(t, failures, 20, "%v", tries)
			assert.Equal(t, -15., best)
			assert.Len(t, tries, 20)
		}
	}
}

// Trials that crash at random must not drive the search away from good regions: it gets about as far as with a tenth
// fewer trials.
func TestRandomCrashes(t *testing.T) {
	const seeds, trials = 12, 100
	quiet, crashing := 0.0, 0.0 // logarithms of the best value
	for seed := range uint64(seeds) {
		p := sphere(5)
		best, _ := p.run(t, New(Config{}), trials*9/10, seed).Snapshot().Best()
		quiet += math.Log(best.Values[0]) / seeds
		rng, values := rand.New(rand.NewPCG(seed, 3)), p.values
		p.values = func(q space.Params) []float64 {
			if rng.IntN(10) == 0 {
				return []float64{math.NaN()}
			}
			return values(q)
		}
		_, v := p.runFailing(t, New(Config{}), trials, seed)
		crashing += math.Log(v) / seeds
	}
	assert.Less(t, math.Exp(crashing-quiet), 1.4)
}

// A failure has a reason until its neighbours say otherwise.
func TestBlame(t *testing.T) {
	x := space.Of(space.Float("x", 0, 1))
	rng := rand.New(rand.NewPCG(1, 1))
	blame := func(failed func(n int, at float64) bool, trials int) float64 {
		h := trial.NewHistory(trial.Header{})
		for n := range trials {
			at := float64(n*37%101) / 101
			r := trial.Record{Number: n, State: trial.Complete, Params: space.Params{Space: x, Point: []float64{at}}, Values: []float64{at}}
			if failed(n, at) {
				r.State, r.Values = trial.Failed, nil
			}
			h.Put(r)
		}
		s := New(Config{})
		r := problem{space: x}.request(h, trials, 1)
		_, err := s.Sample(context.Background(), r)
		require.NoError(t, err)
		return remembered(s, r.History).indexes.of(x, trials).g.blame
	}
	for _, tc := range []struct {
		name      string
		failed    func(n int, at float64) bool
		low, high float64
	}{
		{"none fails", func(int, float64) bool { return false }, 1, 1},
		{"all fail above 0.7", func(_ int, at float64) bool { return at > 0.7 }, 0.9, 1},
		{"one fails", func(n int, _ float64) bool { return n == 50 }, 0.6, 0.7},
		{"every tenth fails", func(int, float64) bool { return rng.IntN(10) == 0 }, leastBlame, 0.3},
		{"half fail at random", func(int, float64) bool { return rng.IntN(2) == 0 }, leastBlame, 0.4},
	} {
		got := blame(tc.failed, 100)
		assert.True(t, tc.low <= got && got <= tc.high, "%s: %v", tc.name, got)
	}
	assert.Equal(t, 1., plainBlame(nil, []observation{{failed: true}}), "all have failed")
}
