package samplertest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// The laws of this file are about studies that are very large, very small, or that teach nothing.

// few runs studies that end before most samplers have learnt anything.
func few(t testing.TB, c Config) {
	for _, p := range c.problems() {
		for _, n := range []int{1, 3} {
			for _, workers := range []int{1, 4} {
				assert.Len(t, p.points(t, c.New(p.space), 1, n, workers), n, p.name)
			}
		}
	}
}

// many asks about studies of ten thousand trials.
func many(t testing.TB, c Config) {
	const trials = 10_000
	problems := []problem{plain}
	if !c.OneObjective {
		problems = append(problems, two)
	}
	for _, p := range problems {
		s := p.study(c.New(p.space), 1)
		rng := rand.New(rand.NewPCG(1, trials))
		for number := range trials {
			r := trial.Record{Number: number, Params: space.Params{Space: p.space}}
			for _, a := range p.space {
				r.Params.Point = append(r.Params.Point, draw(a, rng))
			}
			s.history.Put(p.outcome(r))
		}
		answer(t, s.sampler, s.request(trials, p.level(), space.Params{}))
		s.history.Put(trial.Record{Number: trials, State: trial.Failed})
		request := func() sampler.Request { return s.request(trials+1, p.level(), space.Params{}) }
		got := answer(t, s.sampler, request())
		require.Equal(t, answer(t, c.New(p.space), request()), got, "%s: the sampler that was asked before, and a new one", p.name)
	}
}

// choices runs studies with a parameter of ten thousand choices.
func choices(t testing.TB, c Config) {
	word := space.Axis{Name: "word", Distribution: &space.CategoricalDistribution{Choices: numbers(10_000)}}
	for _, s := range []space.Space{{word}, {word, space.Float("x", 0, 1).Axis()}} {
		s, err := s.Normalize()
		require.NoError(t, err)
		problem{name: fmt.Sprintf("%d parameters, one of 10,000 choices", len(s)), space: s}.points(t, c.New(s), 1, c.Trials, 2)
	}
}

// silent runs studies whose trials all have the same outcome. A sampler that learns nothing goes on exploring.
func silent(t testing.TB, c Config) {
	complete := func(v float64, constraints ...trial.Constraint) func(r trial.Record) trial.Record {
		return func(r trial.Record) trial.Record {
			r.State, r.Values, r.Constraints = trial.Complete, []float64{v}, constraints
			return r
		}
	}
	for name, end := range map[string]func(r trial.Record) trial.Record{
		"a constant":               complete(1),
		"infinity":                 complete(inf),
		"minus infinity":           complete(-inf),
		"a constraint never met":   complete(1, trial.Constraint{Name: "c", Value: 1}),
		"a constraint that is NaN": complete(1, trial.Constraint{Name: "c", Value: nan}),
		"failures": func(r trial.Record) trial.Record {
			r.State, r.Err = trial.Failed, "out of memory"
			return r
		},
		"pruned by NaN": func(r trial.Record) trial.Record {
			r.State, r.Reports = trial.Pruned, []trial.Report{{Step: 0, Value: nan}}
			return r
		},
	} {
		for _, s := range []space.Space{plain.space, space.Of(space.Int("n", 0, 1), space.Float("x", -5, 5))} {
			p := problem{name: fmt.Sprintf("%s, %d parameters", name, len(s)), space: s, end: end}
			different, all := map[string]bool{}, p.points(t, c.New(s), 1, c.Trials, 1)
			for _, point := range all {
				different[point] = true
			}
			assert.GreaterOrEqual(t, 4*len(different), 3*len(all), "%s: different points among %d", p.name, len(all))
		}
	}
}
