package auto_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/auto"
	"github.com/attune-hpo/attune/sampler/samplertest"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

func TestLaws(t *testing.T) {
	samplertest.Run(t, samplertest.Config{New: func(space.Space) sampler.Sampler { return auto.New() }, Trials: 16})
}

// past returns a history of n trials in a space. Each trial lacks the parameters that lacks names.
func past(objectives, n int, axes space.Space, constraints ...string) *trial.History {
	h := trial.NewHistory(trial.Header{Directions: make([]trial.Direction, objectives)})
	rng := rand.New(rand.NewPCG(1, 2))
	for number := range n {
		r := trial.Record{Number: number, State: trial.Complete}
		for range objectives {
			r.Values = append(r.Values, rng.Float64())
		}
		for _, a := range axes {
			if !a.Exists(space.Settings(r.Params.Settings())) {
				continue
			}
			x := a.Distribution.At(0)
			if m := a.Distribution.Len(); m > 0 {
				x = a.Distribution.At(rng.IntN(m))
			} else {
				x += rng.Float64()
			}
			r.Params.Space, r.Params.Point = append(r.Params.Space, a), append(r.Params.Point, x)
		}
		for _, name := range constraints {
			r.Constraints = append(r.Constraints, trial.Constraint{Name: name})
		}
		h.Put(r)
	}
	return h
}

// The rule of the package's doc, line by line.
func TestRule(t *testing.T) {
	reals := func(d int) (s space.Space) {
		for i := range d {
			s = append(s, space.Float(fmt.Sprintf("x%03d", i), 0, 2).Axis())
		}
		return s
	}
	kind := space.Categorical("kind", "a", "b", "c")
	mixed := append(reals(3), kind.Axis())
	conditional := space.Of(kind, space.Float("y", 0, 1).When(kind.Is("a")), space.Float("z", 0, 1).When(kind.Is("b")))
	small := space.Of(space.Int("n", 1, 8), kind)
	for _, tc := range []struct {
		name    string
		h       *trial.History
		axes    space.Space
		chooses string
	}{
		{"nothing is known", past(1, 0, nil), reals(1), "gp"},
		{"two objectives", past(2, 30, mixed), mixed, "gp"},
		{"two objectives, every eighth trial", past(2, 31, mixed), mixed, "tpe"},
		{"two objectives, beyond", past(2, 150, mixed), mixed, "nsga2"},
		{"two objectives, beyond, in turn", past(2, 151, mixed), mixed, "tpe"},
		{"two objectives, 31 parameters", past(2, 20, reals(31)), reals(31), "nsga2"},
		{"three objectives", past(3, 30, mixed), mixed, "gp"},
		{"three objectives, beyond", past(3, 100, mixed), mixed, "tpe"},
		{"four objectives", past(4, 30, mixed), mixed, "tpe"},
		{"two objectives, 24 configurations", past(2, 12, small), small, "bruteforce"},
		{"24 configurations", past(1, 12, small), small, "bruteforce"},
		{"24 configurations, declared", past(1, 0, nil), small, "bruteforce"},
		{"27 configurations", past(1, 12, space.Of(space.Int("n", 1, 9), kind)), space.Of(space.Int("n", 1, 9), kind), "gp"},
		{"numbers", past(1, 299, reals(3)), reals(3), "gp"},
		{"numbers, every eighth trial", past(1, 295, reals(3)), reals(3), "tpe"},
		{"numbers, beyond", past(1, 300, reals(3)), reals(3), "cmaes"},
		{"mixed", past(1, 299, mixed), mixed, "gp"},
		{"mixed, beyond", past(1, 300, mixed), mixed, "tpe"},
		{"conditions", past(1, 60, conditional), space.Of(kind), "gp"},
		{"conditions, beyond", past(1, 300, conditional), space.Of(kind), "tpe"},
		{"two constraints", past(1, 99, reals(3), "a", "b"), reals(3), "gp"},
		{"two constraints, beyond", past(1, 100, reals(3), "a", "b"), reals(3), "cmaes"},
		{"30 parameters", past(1, 20, reals(30)), reals(30), "gp"},
		{"31 parameters", past(1, 20, reals(31)), reals(31), "cmaes"},
		{"31 parameters, declared", past(1, 0, nil), reals(31), "cmaes"},
		{"31 parameters, mixed", past(1, 20, append(reals(30), kind.Axis())), append(reals(30), kind.Axis()), "tpe"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := tc.h.Snapshot()
			p, err := auto.New().Sample(t.Context(), sampler.Request{Number: h.Len(), Space: tc.axes, History: h, Rand: rand.New(rand.NewPCG(1, 2))})
			require.NoError(t, err)
			note, ok := p.Notes.Get(auto.NoteKey)
			require.True(t, ok)
			assert.Equal(t, fmt.Sprintf("%q", tc.chooses), note.JSON)
			if h.Len() > 0 {
				titles := map[string]string{"gp": "a Gaussian process:", "tpe": "TPE:", "nsga2": "NSGA-II:", "cmaes": "CMA-ES:", "bruteforce": "enumeration:"}
				assert.Contains(t, auto.New().Explain(h), fmt.Sprintf("trial %d is proposed by %s", h.Len(), titles[tc.chooses]))
			}
		})
	}
}

func ExampleSampler_Explain() {
	h := trial.NewHistory(trial.Header{})
	x := space.Float("x", -5, 5)
	for n := range 12 {
		params := space.Params{Space: space.Of(x), Point: []float64{float64(n) / 4}}
		h.Put(trial.Record{Number: n, State: trial.Complete, Params: params, Values: []float64{float64(n)}})
	}
	fmt.Println(auto.New().Explain(h.Snapshot()))
	// Output: trial 12 is proposed by a Gaussian process: there are fewer than 300 trials, and at most 30 parameters
}

// Every second trial is TPE's, as long as its last three are better than the last eight
// of the Gaussian process.
func TestWhatPays(t *testing.T) {
	x := space.Of(space.Float("x", 0, 1))
	for _, tc := range []struct {
		name    string
		tpe, gp []float64 // values of trials
		number  int
		chooses string
	}{
		{"TPE is better", []float64{9, 1, 1, 2}, []float64{0, 0, 0, 5, 5, 5, 5, 5, 5, 5, 5}, 21, "tpe"},
		{"its turn is every second trial", []float64{9, 1, 1, 2}, []float64{5, 5, 5, 5, 5, 5, 5, 5}, 20, "gp"},
		{"it is worse", []float64{0, 0, 6, 6, 6}, []float64{5, 5, 5, 5, 5, 5, 5, 5}, 21, "gp"},
		{"it has had one trial", []float64{0}, []float64{5, 5, 5, 5, 5, 5, 5, 5, 5}, 21, "gp"},
	} {
		for _, d := range []trial.Direction{trial.Minimize, trial.Maximize} {
			h := trial.NewHistory(trial.Header{Directions: []trial.Direction{d}})
			number := 0
			for by, values := range [][]float64{tc.tpe, tc.gp} {
				note, err := trial.NewAttr(auto.NoteKey, []string{"tpe", "gp"}[by])
				require.NoError(t, err)
				for _, v := range values {
					h.Put(trial.Record{Number: number, State: trial.Complete, Values: []float64{d.Loss(v)}, Notes: trial.Attrs{note},
						Params: space.Params{Space: x, Point: []float64{float64(number) / 100}}})
					number++
				}
			}
			p, err := auto.New().Sample(t.Context(), sampler.Request{Number: tc.number, Space: x, History: h.Snapshot(), Rand: rand.New(rand.NewPCG(1, 2))})
			require.NoError(t, err)
			note, _ := p.Notes.Get(auto.NoteKey)
			assert.Equal(t, fmt.Sprintf("%q", tc.chooses), note.JSON, "%s, %v", tc.name, d)
		}
	}
}

// A small space is visited once, and then again, since the objective may be noisy and
// the user has asked for so many trials.
func TestSmallSpace(t *testing.T) {
	n, c := space.Int("n", 1, 3), space.Categorical("c", "a", "b")
	st, err := study.Create(t.Context(), new(memory.Store), "s", study.Config{Sampler: auto.New()})
	require.NoError(t, err)
	defer st.Close()
	var at []string
	require.NoError(t, st.Optimize(t.Context(), study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
		at = append(at, fmt.Sprint(n.Suggest(t), c.Suggest(t)))
		return 1, nil
	}), study.Run{Trials: 9}))
	assert.Len(t, at, 9)
	seen := map[string]bool{}
	for _, p := range at[:6] {
		seen[p] = true
	}
	assert.Len(t, seen, 6)
}

// When CMA-ES takes over from a Gaussian process, it starts from the best trials.
func TestTakingOver(t *testing.T) {
	x, y := space.Float("x", -5, 5), space.Float("y", -5, 5)
	st, err := study.Create(t.Context(), new(memory.Store), "s", study.Config{Sampler: auto.New()})
	require.NoError(t, err)
	defer st.Close()
	f := func(a, b float64) float64 { return 100*(b-a*a)*(b-a*a) + (1-a)*(1-a) }
	// Another sampler makes the first 300 trials, because it is faster. It is no better than a Gaussian process.
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		a, b := 1+rng.NormFloat64()/3, 1+rng.NormFloat64()/3
		_, err := st.Enqueue(t.Context(), x.At(a), y.At(b))
		require.NoError(t, err)
	}
	require.NoError(t, st.Optimize(t.Context(), study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
		return f(x.Suggest(t), y.Suggest(t)), nil
	}), study.Run{Trials: 400}))
	h, err := st.Snapshot(t.Context())
	require.NoError(t, err)
	sum := 0.0
	for _, r := range h.Records()[300:] {
		note, _ := r.Notes.Get(auto.NoteKey)
		require.Equal(t, `"cmaes"`, note.JSON)
		sum += r.Values[0] / 100
	}
	assert.Less(t, sum, 5.0)
	best, _ := st.Best(t.Context())
	assert.Less(t, best.Values[0], 1e-3)
}

func ExampleNew() {
	x := space.Float("x", -5, 5)
	st, err := study.Create(context.Background(), new(memory.Store), "chosen", study.Config{Sampler: auto.New()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer st.Close()
	err = st.Optimize(context.Background(), study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
		v := x.Suggest(t)
		return (v - 2) * (v - 2), nil
	}), study.Run{Trials: 30})
	if err != nil {
		fmt.Println(err)
		return
	}
	best, err := st.Best(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	v, _ := x.Value(best)
	note, _ := best.Notes.Get(auto.NoteKey)
	fmt.Printf("%.2f, found by %s\n", v, note.JSON)
	// Output: 2.00, found by "gp"
}
