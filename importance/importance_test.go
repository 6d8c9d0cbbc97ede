package importance_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/importance"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
	"github.com/attune-hpo/attune/trial"
)

// history returns a study of n random trials.
func history(header trial.Header, n int, s space.Space, f func(rng *rand.Rand, r *trial.Record)) trial.Snapshot {
	h := trial.NewHistory(header)
	rng := rand.New(rand.NewPCG(7, 7))
	for i := range n {
		r := trial.Record{Number: i, State: trial.Complete, Params: space.Params{Space: s}}
		for _, a := range s {
			r.Params.Point = append(r.Params.Point, unit.Draw(a.Distribution, rng))
		}
		f(rng, &r)
		h.Put(r)
	}
	return h.Snapshot()
}

// value makes an objective of a function of coordinates.
func value(f func(x []float64) float64) func(*rand.Rand, *trial.Record) {
	return func(_ *rand.Rand, r *trial.Record) { r.Values = []float64{f(r.Params.Point)} }
}

var (
	x = space.Float("x", 0, 1)
	y = space.Float("y", 0, 1)
	z = space.Float("z", 1e-4, 1, space.Log())
	c = space.Categorical("c", "red", "green", "blue")
)

func ExamplePEDANOVA() {
	h := history(trial.Header{}, 200, space.Of(x, y), value(func(x []float64) float64 {
		return (x[0]-0.3)*(x[0]-0.3) + x[1]/100
	}))
	r, err := importance.PEDANOVA{}.Evaluate(context.Background(), h)
	if err != nil {
		fmt.Println(err)
	}
	for _, p := range r.Params {
		fmt.Printf("%s %.0f %%\n", p.Name, 100*p.Share)
	}
	fmt.Printf("%d of %d trials\n", r.Best, r.Trials)
	// Output:
	// x 89 %
	// y 11 %
	// 20 of 200 trials
}

// x·y, each centred, has no main effects: it is all interaction.
func ExampleFANOVA() {
	h := history(trial.Header{}, 400, space.Of(x, y), value(func(x []float64) float64 {
		return (x[0] - 0.5) * (x[1] - 0.5)
	}))
	r, err := importance.FANOVA{}.Evaluate(context.Background(), h)
	if err != nil {
		fmt.Println(err)
	}
	p := r.Pairs[0]
	fmt.Printf("%s and %s together: %.1f of the variance\n", p.A, p.B, p.Value)
	// Output:
	// y and x together: 0.9 of the variance
}

// f = x + 2·y' + 3·x'·y' with y' = y-½ and so on, on which the shares are known:
// the variance of a centred coordinate is 1/12, of a product 1/144.
func TestFANOVAFindsKnownShares(t *testing.T) {
	h := history(trial.Header{}, 2000, space.Of(x, y, z), value(func(x []float64) float64 {
		return x[0] + 2*(x[1]-0.5) + 6*(x[0]-0.5)*(x[1]-0.5)
	}))
	r, err := importance.FANOVA{Trees: 32}.Evaluate(t.Context(), h)
	require.NoError(t, err)
	total := 1.0/12 + 4.0/12 + 36.0/144
	want := map[string]float64{"x": 1.0 / 12 / total, "y": 4.0 / 12 / total, "z": 0}
	for _, p := range r.Params {
		assert.InDelta(t, want[p.Name], p.Value, 0.02, p.Name)
	}
	require.NotEmpty(t, r.Pairs)
	assert.Equal(t, []string{"y", "x"}, []string{r.Pairs[0].A, r.Pairs[0].B})
	assert.InDelta(t, 36.0/144/total, r.Pairs[0].Value, 0.02)
	assert.Greater(t, r.R2, 0.95)
	assert.Empty(t, r.Doubts)

	curve := r.Params[0].Curve // of y: 1.5 + 2·(y-½) over x, less the mean
	require.Len(t, curve.At, 50)
	assert.Equal(t, "y", curve.Axis.Name)
	for i, at := range curve.At {
		if at > 0.05 && at < 0.95 { // a forest is flat at the ends
			assert.InDelta(t, 0.5+2*(at-0.5), curve.Mean[i], 0.08, "at %g", at)
		}
		assert.Positive(t, curve.Deviation[i])
	}
}

// The curve of choices and of a logarithmic scale.
func TestFANOVACurves(t *testing.T) {
	h := history(trial.Header{}, 300, space.Of(z, c), value(func(x []float64) float64 {
		return math.Log10(x[0]) + 10*x[1]
	}))
	r, err := importance.FANOVA{Trees: 16}.Evaluate(t.Context(), h)
	require.NoError(t, err)
	require.Equal(t, "c", r.Params[0].Name)
	assert.Equal(t, []float64{0, 1, 2}, r.Params[0].Curve.At)
	for i, mean := range r.Params[0].Curve.Mean {
		assert.InDelta(t, -2+10*float64(i), mean, 0.3)
	}
	curve := r.Params[1].Curve
	assert.InDelta(t, 1e-4, curve.At[0], 1e-12)
	assert.InDelta(t, 1, curve.At[49], 1e-9)
	assert.InEpsilon(t, curve.At[1]/curve.At[0], curve.At[49]/curve.At[48], 1e-9, "points lie evenly on the scale of the parameter")
}

// A parameter matters as much if the objective is turned over or scaled (by a power
// of two, which rounds nothing); by rank, also if the objective is bent.
func TestMetamorphic(t *testing.T) {
	f := func(x []float64) float64 { return x[0]*x[0] + 0.3*x[1] + 0.1*x[2] }
	s := space.Of(x, y, c)
	plain := history(trial.Header{}, 150, s, value(f))
	turned := history(trial.Header{Directions: []trial.Direction{trial.Maximize}}, 150, s, value(func(x []float64) float64 { return -f(x) }))
	bent := history(trial.Header{}, 150, s, value(func(x []float64) float64 { return math.Exp(5 * f(x)) }))
	scaled := history(trial.Header{}, 150, s, value(func(x []float64) float64 { return 1024 * f(x) }))

	for _, c := range []struct {
		name string
		e    importance.Evaluator
		a, b trial.Snapshot
	}{
		{"PED-ANOVA turned", importance.PEDANOVA{}, plain, turned},
		{"PED-ANOVA bent", importance.PEDANOVA{}, plain, bent},
		{"fANOVA turned", importance.FANOVA{Trees: 8}, plain, turned},
		{"fANOVA scaled", importance.FANOVA{Trees: 8}, plain, scaled},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := c.e.Evaluate(t.Context(), c.a)
			require.NoError(t, err)
			b, err := c.e.Evaluate(t.Context(), c.b)
			require.NoError(t, err)
			require.Len(t, b.Params, len(a.Params))
			for i, p := range a.Params {
				assert.Equal(t, p.Name, b.Params[i].Name)
				assert.InDelta(t, p.Share, b.Params[i].Share, 1e-6)
				assert.InDelta(t, p.Deviation, b.Params[i].Deviation, 1e-6)
			}
		})
	}
}

// A conditional parameter is judged among the trials that have it: dropout
// matters, but only to the third of the trials that use it.
func TestConditional(t *testing.T) {
	dropout := space.Float("dropout", 0, 1)
	with, without := space.Of(x, c, dropout), space.Of(x, c)
	h := trial.NewHistory(trial.Header{})
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 300 {
		p := space.Params{Space: without, Point: []float64{rng.Float64(), float64(rng.IntN(3))}}
		loss := p.Point[0]
		if p.Point[1] == 0 {
			p = space.Params{Space: with, Point: append(p.Point, rng.Float64())}
			loss = 0.2*p.Point[0] + p.Point[2]
		}
		h.Put(trial.Record{Number: i, State: trial.Complete, Params: p, Values: []float64{loss}})
	}
	r, err := importance.PEDANOVA{}.Evaluate(t.Context(), h.Snapshot())
	require.NoError(t, err)
	by := map[string]importance.Param{}
	for _, p := range r.Params {
		by[p.Name] = p
	}
	assert.Less(t, by["dropout"].Trials, 150)
	assert.Equal(t, 300, by["x"].Trials)
	assert.Greater(t, by["dropout"].Share, 0.1)

	r, err = importance.FANOVA{Trees: 4}.Evaluate(t.Context(), h.Snapshot())
	require.NoError(t, err)
	assert.Len(t, r.Params, 2)
	assert.Contains(t, r.Doubts[len(r.Doubts)-1], "lack them or have them with other bounds: dropout")
}

// With several objectives the front is explained, one of them, or the duration.
func TestTargets(t *testing.T) {
	header := trial.Header{Directions: []trial.Direction{trial.Minimize, trial.Maximize}, Notes: trial.Attrs{{Key: trial.MetricsKey, JSON: `["loss", "speed"]`}}}
	h := history(header, 200, space.Of(x, y, z), func(_ *rand.Rand, r *trial.Record) {
		p := r.Params.Point
		r.Values = []float64{p[0], p[1]}
		r.Started = time.Unix(1e9, 0)
		r.Finished = r.Started.Add(time.Duration(float64(time.Hour) * p[2]))
	})
	for _, c := range []struct {
		target importance.Target
		of     string
		first  string
	}{
		{importance.Objective(0), "loss", "x"},
		{importance.Objective(1), "speed", "y"},
		{importance.Duration(), "duration", "z"},
	} {
		for _, e := range []importance.Evaluator{importance.PEDANOVA{Target: c.target}, importance.FANOVA{Target: c.target, Trees: 8}} {
			r, err := e.Evaluate(t.Context(), h)
			require.NoError(t, err)
			assert.Equal(t, c.of, r.Of)
			assert.Equal(t, c.first, r.Params[0].Name)
			assert.Greater(t, r.Params[0].Share, 0.8)
		}
	}
	r, err := importance.PEDANOVA{}.Evaluate(t.Context(), h)
	require.NoError(t, err)
	assert.Equal(t, "Pareto front", r.Of)
	assert.Equal(t, "z", r.Params[2].Name)

	_, err = importance.FANOVA{}.Evaluate(t.Context(), h)
	require.ErrorIs(t, err, importance.ErrTarget)
	_, err = importance.PEDANOVA{Target: importance.Objective(2)}.Evaluate(t.Context(), h)
	require.ErrorIs(t, err, importance.ErrTarget)
}

func TestBadInput(t *testing.T) {
	sum := value(func(x []float64) float64 { return x[0] })
	one := space.Of(space.Float("x", 1, 1), space.Categorical("c", "only"))
	for _, c := range []struct {
		name string
		h    trial.Snapshot
		want error
		text string
	}{
		{"no trials", trial.Snapshot{}, importance.ErrTrials, "too few complete trials: 0 with finite values"},
		{"one trial", history(trial.Header{}, 1, space.Of(x), sum), importance.ErrTrials, "1 with finite values, and 2 are needed"},
		{"all failed", history(trial.Header{}, 9, space.Of(x), func(_ *rand.Rand, r *trial.Record) { r.State = trial.Failed }), importance.ErrTrials, "0 with finite values"},
		{"all infinite", history(trial.Header{}, 9, space.Of(x), value(func([]float64) float64 { return math.Inf(1) })), importance.ErrTrials, "0 with finite values"},
		{"all equal", history(trial.Header{}, 9, space.Of(x), value(func([]float64) float64 { return 3 })), importance.ErrFlat, "all trials have the same value"},
		{"nothing varies", history(trial.Header{}, 9, one, func(rng *rand.Rand, r *trial.Record) { r.Values = []float64{rng.Float64()} }), importance.ErrParams, "no parameter that varies"},
		{"no parameters", history(trial.Header{}, 9, nil, func(rng *rand.Rand, r *trial.Record) { r.Values = []float64{rng.Float64()} }), importance.ErrParams, "no parameter that varies"},
		{"several objectives and no complete trial", history(trial.Header{Directions: make([]trial.Direction, 2)}, 3, space.Of(x), func(_ *rand.Rand, r *trial.Record) { r.State = trial.Pruned }), importance.ErrTrials, "0 with finite values"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, e := range []importance.Evaluator{importance.PEDANOVA{}, importance.FANOVA{}, importance.Permutation{}} {
				_, err := e.Evaluate(t.Context(), c.h)
				require.ErrorIs(t, err, c.want)
				assert.ErrorContains(t, err, c.text)
			}
		})
	}
	h := history(trial.Header{}, 9, space.Of(x), sum)
	for _, p := range []importance.PEDANOVA{{Best: -1}, {Best: 1}, {Best: 0.5, Baseline: 0.5}, {Baseline: 1.1}, {Best: math.NaN()}} {
		_, err := p.Evaluate(t.Context(), h)
		require.ErrorIs(t, err, importance.ErrConfig, "%+v", p)
	}
	for _, f := range []importance.FANOVA{{Trees: -1}, {Depth: -1}, {Trials: 1}} {
		_, err := f.Evaluate(t.Context(), h)
		require.ErrorIs(t, err, importance.ErrConfig, "%+v", f)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, e := range []importance.Evaluator{importance.PEDANOVA{}, importance.FANOVA{}, importance.Permutation{}} {
		_, err := e.Evaluate(ctx, h)
		require.ErrorIs(t, err, context.Canceled)
	}
}

// Odd studies get an answer, with doubts where they are due.
func TestOddInput(t *testing.T) {
	wide := make([]space.Axer, 1000)
	for i := range wide {
		wide[i] = space.Float(fmt.Sprintf("p%03d", i), 0, 1)
	}
	rising := value(func(x []float64) float64 { return x[0] })
	for _, c := range []struct {
		name   string
		h      trial.Snapshot
		params int
	}{
		{"two trials", history(trial.Header{}, 2, space.Of(x, y), rising), 2},
		{"one parameter", history(trial.Header{}, 60, space.Of(x), rising), 1},
		{"a thousand parameters", history(trial.Header{}, 60, space.Of(wide...), rising), 1000},
		{"infinite values among others", history(trial.Header{}, 60, space.Of(x, y), value(func(x []float64) float64 {
			if x[0] < 0.3 {
				return math.Inf(-1)
			}
			return x[0]
		})), 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, e := range []importance.Evaluator{importance.PEDANOVA{}, importance.FANOVA{Trees: 4}, importance.Permutation{Trees: 4}} {
				r, err := e.Evaluate(t.Context(), c.h)
				require.NoError(t, err)
				require.Len(t, r.Params, c.params)
				sum := 0.0
				for _, p := range r.Params {
					assert.False(t, math.IsNaN(p.Value) || math.IsNaN(p.Deviation) || p.Value < 0, "%+v", p)
					sum += p.Share
				}
				if sum == 0 { // a forest of two trials is no worse without a parameter
					require.Equal(t, "permutation", r.Method)
					assert.NotEmpty(t, r.Doubts)
					continue
				}
				assert.InDelta(t, 1, sum, 1e-9)
			}
		})
	}
	r, err := importance.PEDANOVA{}.Evaluate(t.Context(), history(trial.Header{}, 20, space.Of(x, y), rising))
	require.NoError(t, err)
	assert.Equal(t, []string{"only 2 trials are among the best: want 5, which 50 trials would give"}, r.Doubts)
	r, err = importance.FANOVA{}.Evaluate(t.Context(), history(trial.Header{}, 60, space.Of(x, y), func(rng *rand.Rand, r *trial.Record) { r.Values = []float64{rng.Float64()} }))
	require.NoError(t, err)
	require.Len(t, r.Doubts, 1)
	assert.Contains(t, r.Doubts[0], "the forest predicts unseen trials badly")
	r, err = importance.FANOVA{Trials: 50, Trees: 4}.Evaluate(t.Context(), history(trial.Header{}, 80, space.Of(x), rising))
	require.NoError(t, err)
	assert.Equal(t, 50, r.Trials)
	assert.Contains(t, r.Doubts[0], "50 of 80 trials")
}

// The deviation says how far another study of the same size might differ.
func TestDeviationOfPEDANOVA(t *testing.T) {
	f := func(x []float64) float64 { return (x[0]-0.2)*(x[0]-0.2) + 0.5*(x[1]-0.7)*(x[1]-0.7) }
	s := space.Of(x, y)
	few, err := importance.PEDANOVA{}.Evaluate(t.Context(), history(trial.Header{}, 60, s, value(f)))
	require.NoError(t, err)
	many, err := importance.PEDANOVA{}.Evaluate(t.Context(), history(trial.Header{}, 2000, s, value(f)))
	require.NoError(t, err)
	assert.Greater(t, few.Params[0].Deviation, 2*many.Params[0].Deviation)
	assert.Positive(t, many.Params[0].Deviation)
	most, err := importance.PEDANOVA{}.Evaluate(t.Context(), history(trial.Header{}, 8000, s, value(f)))
	require.NoError(t, err)
	assert.InEpsilon(t, many.Params[0].Deviation/2, most.Params[0].Deviation, 0.5, "the root of four times as many, though drawn from a part")
}

func benchmark(b *testing.B, e importance.Evaluator) {
	var axes []space.Axer
	for i := range 14 {
		axes = append(axes, space.Float(fmt.Sprintf("f%02d", i), 0, 1))
	}
	for i := range 3 {
		axes = append(axes, space.Int(fmt.Sprintf("i%02d", i), 1, 100), space.Categorical(fmt.Sprintf("c%02d", i), "a", "b", "c"))
	}
	h := history(trial.Header{}, 1000, space.Of(axes...), func(rng *rand.Rand, r *trial.Record) {
		p := r.Params.Point
		r.Values = []float64{p[0]*p[1] + p[2]*p[2] + 0.1*p[15] + 0.1*rng.NormFloat64()}
	})
	for b.Loop() {
		if _, err := e.Evaluate(b.Context(), h); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPEDANOVA(b *testing.B) { benchmark(b, importance.PEDANOVA{}) }
func BenchmarkFANOVA(b *testing.B)   { benchmark(b, importance.FANOVA{}) }

// Of a sum of functions of one parameter each, a permutation grows the squared error by twice
// the variance of that parameter's part (Gregorutti, Michel and Saint-Pierre 2017, Correlation
// and variable importance in random forests, proposition 2), if the forest predicts well.
func TestPermutation(t *testing.T) {
	z := space.Float("z", 0, 1)
	s := space.Of(x, y, z)
	f := func(p []float64) float64 { return 3*p[0] + p[1] }
	h := history(trial.Header{}, 2000, s, value(f))
	r, err := importance.Permutation{}.Evaluate(t.Context(), h)
	require.NoError(t, err)
	assert.Equal(t, "permutation", r.Method)
	require.Len(t, r.Params, 3)
	assert.Equal(t, []string{"x", "y", "z"}, []string{r.Params[0].Name, r.Params[1].Name, r.Params[2].Name})
	assert.InDelta(t, 2*0.9, r.Params[0].Value, 0.1)
	assert.InDelta(t, 2*0.1, r.Params[1].Value, 0.04)
	assert.InDelta(t, 0, r.Params[2].Value, 0.01)
	assert.Greater(t, r.R2, 0.98)
	again, err := importance.Permutation{}.Evaluate(t.Context(), h)
	require.NoError(t, err)
	assert.Equal(t, r, again)
	other, err := importance.Permutation{Seed: 1}.Evaluate(t.Context(), h)
	require.NoError(t, err)
	assert.NotEqual(t, r.Params, other.Params)
	assert.InDelta(t, r.Params[0].Value, other.Params[0].Value, 0.1)
	_, err = importance.Permutation{}.Evaluate(t.Context(), history(trial.Header{Directions: make([]trial.Direction, 2)}, 20, s, func(_ *rand.Rand, r *trial.Record) { r.Values = []float64{1, float64(r.Number)} }))
	require.ErrorIs(t, err, importance.ErrTarget)
	assert.Contains(t, fault.Text(err, nil), "permutation explains one value, but the study has 2 objectives")
	_, err = importance.Permutation{Trees: -1}.Evaluate(t.Context(), h)
	require.ErrorIs(t, err, importance.ErrConfig)
}

func BenchmarkPermutation(b *testing.B) { benchmark(b, importance.Permutation{}) }
