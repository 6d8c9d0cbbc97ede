package study_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/qmc"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// A trial that one process asks for and others continue, each by Attach, gets the same draws as in a single process.
func TestATrialThatMovesDrawsWhatOneThatStaysDoes(t *testing.T) {
	a, b, c := space.Float("a", 0, 1), space.Float("b", 0, 1), space.Int("c", 1, 1000)
	kind := space.Categorical("kind", "left", "right")
	left, right := space.Float("left", 0, 1), space.Float("right", 0, 1)
	constant := space.Int("constant", 3, 3)
	// The objective, step by step.
	steps := []func(tr *study.Trial){
		func(tr *study.Trial) { a.Suggest(tr) },
		func(tr *study.Trial) { constant.Suggest(tr) },
		func(tr *study.Trial) { kind.Suggest(tr) },
		func(tr *study.Trial) {
			if kind.Suggest(tr) == "left" {
				left.Suggest(tr)
				b.Suggest(tr)
			} else {
				right.Suggest(tr)
			}
		},
		func(tr *study.Trial) { c.Suggest(tr) },
	}
	const trials = 25
	for name, test := range map[string]struct {
		sampler func() sampler.Sampler
		space   space.Space
	}{
		"random, undeclared":      {func() sampler.Sampler { return random.Sampler{} }, nil},
		"random, partly declared": {func() sampler.Sampler { return random.Sampler{} }, space.Of(a, kind)},
		"qmc":                     {func() sampler.Sampler { return qmc.Sampler{} }, nil},
		"tpe, undeclared":         {func() sampler.Sampler { return tpe.New(tpe.Config{Startup: 5}) }, nil},
		"tpe, partly declared":    {func() sampler.Sampler { return tpe.New(tpe.Config{Startup: 5}) }, space.Of(kind, a)},
	} {
		run := func(renewal study.Renewal, moves func(step int) bool) []trial.Record {
			store := new(memory.Store)
			process := func() *study.Study {
				return openIn(t, store, study.Config{Sampler: test.sampler(), Seed: 11, Space: test.space, Renewal: renewal})
			}
			st := process()
			for n := range trials {
				if n == 10 {
					_, err := st.Enqueue(t.Context(), a.At(0.5))
					require.NoError(t, err)
				}
				tr, err := st.Ask(t.Context())
				require.NoError(t, err)
				for i, step := range steps {
					if moves(i) {
						st = process() // which has this trial from its number alone
						tr, err = st.Attach(t.Context(), tr.Number())
						require.NoError(t, err)
					}
					step(tr)
				}
				require.NoError(t, tr.Err())
				va, _ := a.Value(tr)
				require.NoError(t, st.Tell(t.Context(), tr, []float64{va}, nil))
			}
			return records(t, st)
		}
		stays := run(study.ByStudy, func(int) bool { return false })
		for how, moves := range map[string]func(step int) bool{
			"once, at the start":     func(step int) bool { return step == 0 },
			"once, in the middle":    func(step int) bool { return step == 2 },
			"before every parameter": func(int) bool { return true },
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				moved := run(study.Never, moves)
				require.Len(t, moved, trials)
				for i := range moved {
					require.Equal(t, stays[i].Params.Settings(), moved[i].Params.Settings(), "trial %d", i)
				}
			})
		}
	}
}

// If two processes draw two parameters of a trial one after the other, they use different random numbers.
func TestDrawsAfterAttachAreNew(t *testing.T) {
	store := new(memory.Store)
	a, b := space.Float("a", 0, 1), space.Float("b", 0, 1)
	first := openIn(t, store, study.Config{Space: space.Of(a), Renewal: study.Never})
	asked, err := first.Ask(t.Context())
	require.NoError(t, err)
	second := openIn(t, store, study.Config{Space: space.Of(a), Renewal: study.Never})
	tr, err := second.Attach(t.Context(), asked.Number())
	require.NoError(t, err)
	assert.NotEqual(t, a.Suggest(tr), b.Suggest(tr))
}

// Two processes that suggest the same parameter at the same time agree on it.
func TestTwoProcessesSuggestAParameter(t *testing.T) {
	store := new(memory.Store)
	asking := openIn(t, store, study.Config{Renewal: study.Never})
	tr, err := asking.Ask(t.Context())
	require.NoError(t, err)
	one, err := asking.Attach(t.Context(), tr.Number())
	require.NoError(t, err)
	two, err := asking.Attach(t.Context(), tr.Number())
	require.NoError(t, err)
	assert.Equal(t, x.Suggest(one), x.Suggest(two))
	assert.Equal(t, y.Suggest(two), y.Suggest(one))
	require.NoError(t, one.Err())
	require.NoError(t, two.Err())
	assert.Equal(t, []string{"x", "y"}, names(two.Record().Params.Space))
	kind := space.Int("x", 0, 1)
	third, err := asking.Attach(t.Context(), tr.Number())
	require.NoError(t, err)
	kind.Suggest(third)
	require.ErrorIs(t, third.Err(), space.ErrMismatch)
}
