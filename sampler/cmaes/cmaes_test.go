package cmaes_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/cmaes"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/sampler/samplertest"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// floats returns d parameters between -5 and 5.
func floats(d int) []space.Param[float64] {
	ps := make([]space.Param[float64], d)
	for i := range ps {
		ps[i] = space.Float(fmt.Sprintf("x%03d", i), -5, 5)
	}
	return ps
}

// bowl is least, 0, where all parameters are 2.
func bowl(ps []space.Param[float64]) study.Func {
	return func(_ context.Context, t *study.Trial) (float64, error) {
		sum := 0.0
		for i, p := range ps {
			v := p.Suggest(t) - 2
			sum += math.Pow(10, float64(i%3)) * v * v
		}
		return sum, nil
	}
}

func create(t testing.TB, s sampler.Sampler, cfg study.Config) *study.Study {
	t.Helper()
	cfg.Sampler = s
	st, err := study.Create(t.Context(), new(memory.Store), "s", cfg)
	require.NoError(t, err)
	t.Cleanup(func() { st.Close() })
	return st
}

func optimize(t testing.TB, st *study.Study, o study.Objective, run study.Run) trial.Snapshot {
	t.Helper()
	require.NoError(t, st.Optimize(t.Context(), o, run))
	h, err := st.Snapshot(t.Context())
	require.NoError(t, err)
	return h
}

func points(h trial.Snapshot) [][]float64 {
	var ps [][]float64
	for _, r := range h.Records() {
		ps = append(ps, r.Params.Point)
	}
	return ps
}

func best(h trial.Snapshot) float64 {
	r, _ := h.Best()
	return r.Values[0]
}

func TestConverges(t *testing.T) {
	for name, cfg := range map[string]cmaes.Config{
		"default": {}, "BIPOP": {Restart: cmaes.BIPOP}, "separable": {Separable: true}, "adapted rate": {AdaptRate: true}, "large population": {Population: 20},
	} {
		t.Run(name, func(t *testing.T) {
			h := optimize(t, create(t, cmaes.New(cfg), study.Config{}), bowl(floats(3)), study.Run{Trials: 1500})
			assert.Less(t, best(h), 1e-6)
		})
	}
}

// The distribution is rebuilt from the study: a new sampler proposes the same as one that has seen every trial.
func TestForgetful(t *testing.T) {
	var fresh sampler.Func = func(ctx context.Context, r sampler.Request) (sampler.Proposal, error) {
		return cmaes.New(cmaes.Config{}).Sample(ctx, r)
	}
	x, n, c := space.Float("x", 0, 1), space.Int("n", 0, 9), space.Categorical("c", "a", "b", "c")
	objective := study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
		v := math.Abs(x.Suggest(t)-0.3) + math.Abs(float64(n.Suggest(t))-7)
		if c.Suggest(t) != "b" {
			v++
		}
		return v, nil
	})
	want := optimize(t, create(t, cmaes.New(cmaes.Config{}), study.Config{}), objective, study.Run{Trials: 150})
	got := optimize(t, create(t, fresh, study.Config{}), objective, study.Run{Trials: 150})
	assert.Equal(t, points(want), points(got))
}

func TestMaximizingIsMinimizingTheNegative(t *testing.T) {
	ps := floats(2)
	down := optimize(t, create(t, cmaes.New(cmaes.Config{}), study.Config{}), bowl(ps), study.Run{Trials: 100})
	up := optimize(t, create(t, cmaes.New(cmaes.Config{}), study.Config{Directions: []trial.Direction{trial.Maximize}}),
		study.Func(func(ctx context.Context, t *study.Trial) (float64, error) {
			v, err := bowl(ps)(ctx, t)
			return -v, err
		}), study.Run{Trials: 100})
	assert.Equal(t, points(down), points(up))
}

// The sampler learns from each finished trial of parallel workers once, whenever it finishes.
func TestEveryTrialCounts(t *testing.T) {
	h := optimize(t, create(t, cmaes.New(cmaes.Config{}), study.Config{}), bowl(floats(3)), study.Run{Trials: 300, Workers: 8})
	uses, generations := map[int]int{}, map[int]bool{}
	for _, r := range h.Records() {
		a, ok := r.Notes.Get("cmaes")
		if !ok {
			continue
		}
		var note struct {
			Generation int
			Told       []int
		}
		require.NoError(t, a.Decode(&note))
		if !generations[note.Generation] {
			for _, n := range note.Told {
				uses[n]++
			}
		}
		generations[note.Generation] = true
	}
	assert.Greater(t, len(generations), 20)
	assert.Greater(t, len(uses), 280, "trials that were learnt from")
	for n, times := range uses {
		assert.Equal(t, 1, times, "trial %d", n)
	}
	assert.Less(t, best(h), 0.1)
}

// If a study has many trials of another sampler, the search begins near the best of them.
func TestWarmStart(t *testing.T) {
	ps := floats(4)
	distance := func(cfg cmaes.Config) float64 {
		store := new(memory.Store)
		first, err := study.Create(t.Context(), store, "s", study.Config{Sampler: random.Sampler{}, Seed: 1})
		require.NoError(t, err)
		require.NoError(t, first.Optimize(t.Context(), bowl(ps), study.Run{Trials: 200}))
		second, err := study.Load(t.Context(), store, "s", study.Config{Sampler: cmaes.New(cfg)})
		require.NoError(t, err)
		h := optimize(t, second, bowl(ps), study.Run{Trials: 8})
		sum := 0.0
		for _, r := range h.Records()[200:] {
			sum += math.Sqrt(r.Values[0])
		}
		return sum
	}
	assert.Less(t, distance(cmaes.Config{}), 0.8*distance(cmaes.Config{Cold: true}))
}

// The search finds integers far from the start, and a choice: the margin keeps them in reach.
func TestMixed(t *testing.T) {
	x, n, log, flag := space.Float("x", 0, 1), space.Int("n", 0, 1000, space.Step(10)), space.Int("units", 1, 4096, space.Log()), space.Categorical("flag", true, false)
	booster := space.Categorical("booster", "a", "b", "c", "d", "e")
	h := optimize(t, create(t, cmaes.New(cmaes.Config{}), study.Config{}), study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
		v := math.Abs(x.Suggest(t)-0.9) + math.Abs(float64(n.Suggest(t)-980))/100 + math.Abs(math.Log2(float64(log.Suggest(t)))-11)
		if flag.Suggest(t) {
			v++
		}
		if booster.Suggest(t) != "e" {
			v++
		}
		return v, nil
	}), study.Run{Trials: 600})
	r, _ := h.Best()
	assert.Less(t, r.Values[0], 0.1)
	number, _ := n.Value(r)
	assert.Equal(t, 980, number)
	choice, _ := booster.Value(r)
	assert.Equal(t, "e", choice)
}

// Enqueued and fixed values stay, and the others are drawn to suit them: if two parameters must be equal, the second
// follows the first.
func TestGiven(t *testing.T) {
	x, y := space.Float("x", 0, 1), space.Float("y", 0, 1)
	ridge := study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
		a, b := x.Suggest(t), y.Suggest(t)
		return 100*math.Abs(a-b) + math.Abs(a-0.5), nil
	})
	st := create(t, cmaes.New(cmaes.Config{}), study.Config{})
	optimize(t, st, ridge, study.Run{Trials: 60})
	ends := []float64{0.42, 0.58}
	for _, v := range ends {
		_, err := st.Enqueue(t.Context(), x.At(v))
		require.NoError(t, err)
	}
	h := optimize(t, st, ridge, study.Run{Trials: 2})
	low, _ := y.Value(h.Records()[60])
	high, _ := y.Value(h.Records()[61])
	assert.Greater(t, high, low)
	got, _ := x.Value(h.Records()[60])
	assert.Equal(t, 0.42, got)
}

func TestOddStudies(t *testing.T) {
	failing := errors.New("failed")
	for name, f := range map[string]func(t *study.Trial, v float64) (float64, error){
		"all equal":  func(*study.Trial, float64) (float64, error) { return 1, nil },
		"all failed": func(*study.Trial, float64) (float64, error) { return 0, failing },
		"half failed": func(t *study.Trial, v float64) (float64, error) {
			return v, map[bool]error{true: failing}[t.Number()%2 == 0]
		},
		"NaN": func(t *study.Trial, v float64) (float64, error) {
			return map[bool]float64{true: math.NaN(), false: v}[v > 1], nil
		},
		"infinite":       func(*study.Trial, float64) (float64, error) { return math.Inf(1), nil },
		"minus infinite": func(t *study.Trial, v float64) (float64, error) { return math.Inf(-1), nil },
		"huge":           func(_ *study.Trial, v float64) (float64, error) { return math.MaxFloat64 * v / 10, nil },
		"all pruned":     func(t *study.Trial, v float64) (float64, error) { return v, study.ErrPruned },
		"never feasible": func(t *study.Trial, v float64) (float64, error) { t.Constrain("c", 1+v); return v, nil },
	} {
		t.Run(name, func(t *testing.T) {
			x, n := space.Float("x", -1, 1), space.Int("n", 0, 3)
			h := optimize(t, create(t, cmaes.New(cmaes.Config{}), study.Config{}), study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
				return f(t, x.Suggest(t)*float64(n.Suggest(t)))
			}), study.Run{Trials: 90, Failures: -1})
			assert.Equal(t, 90, h.Len())
		})
	}
}

func TestOddSpaces(t *testing.T) {
	x, single, choice := space.Float("x", 0, 1), space.Float("single", 2, 2), space.Categorical("c", 1, 2, 3)
	for name, f := range map[string]func(t *study.Trial) float64{
		"one parameter":      func(t *study.Trial) float64 { return x.Suggest(t) },
		"only single values": func(t *study.Trial) float64 { return single.Suggest(t) },
		"only choices":       func(t *study.Trial) float64 { return float64(choice.Suggest(t)) },
		"none":               func(*study.Trial) float64 { return 1 },
		"conditional": func(t *study.Trial) float64 {
			if choice.Suggest(t) == 1 {
				return x.Suggest(t)
			}
			return 1
		},
		"bounds that change": func(t *study.Trial) float64 {
			return space.Float("y", 0, 1+float64(t.Number()%7)).Suggest(t) + x.Suggest(t)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := optimize(t, create(t, cmaes.New(cmaes.Config{}), study.Config{}), study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
				return f(t), nil
			}), study.Run{Trials: 60})
			assert.Equal(t, 60, h.Count(trial.Complete))
		})
	}
}

func TestManyParameters(t *testing.T) {
	ps := floats(300)
	h := optimize(t, create(t, cmaes.New(cmaes.Config{}), study.Config{}), bowl(ps), study.Run{Trials: 100})
	assert.Equal(t, 100, h.Count(trial.Complete))
}

func TestRefusals(t *testing.T) {
	_, err := study.Create(t.Context(), new(memory.Store), "s", study.Config{Sampler: cmaes.New(cmaes.Config{Population: 2})})
	assert.ErrorIs(t, err, sampler.ErrInvalid)
	_, err = study.Create(t.Context(), new(memory.Store), "s", study.Config{Sampler: cmaes.New(cmaes.Config{Sigma: math.NaN()})})
	assert.ErrorIs(t, err, sampler.ErrInvalid)

	st := create(t, cmaes.New(cmaes.Config{}), study.Config{Directions: []trial.Direction{trial.Minimize, trial.Maximize}, Space: space.Of(space.Float("x", 0, 1), space.Float("y", 0, 1))})
	_, err = st.Ask(t.Context())
	assert.ErrorIs(t, err, sampler.ErrInvalid)
}

// Several processes that start generations at the same moment agree in the end:
// the note of the lowest number is believed, also by who had read another.
func TestRivalNotes(t *testing.T) {
	ps := floats(2)
	store := new(memory.Store)
	var studies []*study.Study
	samplers := []sampler.Sampler{cmaes.New(cmaes.Config{}), cmaes.New(cmaes.Config{}), cmaes.New(cmaes.Config{})}
	for _, s := range samplers {
		st, err := study.Open(t.Context(), store, "s", study.Config{Sampler: s})
		require.NoError(t, err)
		studies = append(studies, st)
	}
	done := make(chan error)
	for _, st := range studies {
		go func() { done <- st.Optimize(t.Context(), bowl(ps), study.Run{Trials: 60, Workers: 2}) }()
	}
	for range studies {
		require.NoError(t, <-done)
	}
	var want []float64
	for i, st := range studies {
		h, err := st.Snapshot(t.Context())
		require.NoError(t, err)
		for _, s := range []sampler.Sampler{samplers[i], cmaes.New(cmaes.Config{})} {
			p, err := s.Sample(t.Context(), sampler.Request{Number: 180, Space: h.Common(), History: h, Rand: rand.New(rand.NewPCG(1, 2))})
			require.NoError(t, err)
			if want == nil {
				want = p.Point
			}
			assert.Equal(t, want, p.Point, "study %d", i)
		}
	}
}

func ExampleNew() {
	x, y := space.Float("x", -5, 5), space.Float("y", -5, 5)
	ctx := context.Background()
	st, err := study.Create(ctx, new(memory.Store), "valley", study.Config{Sampler: cmaes.New(cmaes.Config{})})
	if err != nil {
		panic(err)
	}
	defer st.Close()
	rosenbrock := study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
		a, b := x.Suggest(t), y.Suggest(t)
		return 100*(b-a*a)*(b-a*a) + (1-a)*(1-a), nil
	})
	if err := st.Optimize(ctx, rosenbrock, study.Run{Trials: 800}); err != nil {
		panic(err)
	}
	best, err := st.Best(ctx)
	if err != nil {
		panic(err)
	}
	a, _ := x.Value(best)
	b, _ := y.Value(best)
	fmt.Printf("%.3f %.3f\n", a, b)
	// Output: 1.000 1.000
}

func BenchmarkAsk(b *testing.B) {
	for _, d := range []int{5, 20} {
		b.Run(fmt.Sprintf("dimensions=%d", d), func(b *testing.B) {
			st := create(b, cmaes.New(cmaes.Config{}), study.Config{})
			ps := floats(d)
			require.NoError(b, st.Optimize(b.Context(), bowl(ps), study.Run{Trials: 1000}))
			for b.Loop() {
				require.NoError(b, st.Optimize(b.Context(), bowl(ps), study.Run{Trials: 1}))
			}
		})
	}
}

func TestSampler(t *testing.T) {
	samplertest.Run(t, samplertest.Config{
		New:          func(space.Space) sampler.Sampler { return cmaes.New(cmaes.Config{}) },
		Trials:       120,
		Ranks:        true,
		OneObjective: true,
	})
}

// Within a few hundred trials the search converges much faster than with batches that are used once: with those the
// geometric mean of the losses is 0.018 with one worker and 0.10 with eight.
func TestBatchesCountTwice(t *testing.T) {
	for _, c := range []struct {
		run  study.Run
		want float64
	}{
		{study.Run{Trials: 200}, 0.01},
		{study.Run{Trials: 200, Workers: 8, Lag: 8}, 0.04},
	} {
		logs := 0.0
		const seeds = 12
		for seed := range seeds {
			ps := floats(5)
			sphere := study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
				sum := 0.0
				for i, p := range ps {
					sum += math.Pow(p.Suggest(t)-3.5*math.Sin(1.7*float64(i+1)), 2)
				}
				return sum, nil
			})
			logs += math.Log(best(optimize(t, create(t, cmaes.New(cmaes.Config{}), study.Config{Seed: uint64(seed)}), sphere, c.run))) / seeds
		}
		assert.Less(t, math.Exp(logs), c.want, "%d workers", c.run.Workers)
	}
}
