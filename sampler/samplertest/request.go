package samplertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// The laws of this file are about one request: its answer is a function of what
// is in it.

func valid(t testing.TB, c Config) {
	if v, ok := c.New(plain.space).(sampler.Validator); ok {
		require.NoError(t, v.Validate())
	}
}

func pure(t testing.TB, c Config) {
	for _, p := range c.problems() {
		s := c.learnt(t, p, c.Trials)
		busy, other := c.New(p.space), c.New(p.space)
		for number := range 6 {
			number += c.Trials + 10
			request := func() sampler.Request { return s.request(number, p.level(), space.Params{}) }
			want := answer(t, c.New(p.space), request())
			assert.Equal(t, want, answer(t, s.sampler, request()), "%s, trial %d: the sampler that has had the whole study", p.name, number)
			assert.Equal(t, want, answer(t, busy, request()), "%s, trial %d: a sampler that was asked before", p.name, number)
			assert.Equal(t, want, answer(t, busy, request()), "%s, trial %d: the same once more", p.name, number)
			_, err := p.study(other, uint64(number)).run(3, 2)
			require.NoError(t, err)
			assert.Equal(t, want, answer(t, other, request()), "%s, trial %d: a sampler that has had other studies", p.name, number)
		}
	}
}

func unchanged(t testing.TB, c Config) {
	for _, p := range c.problems() {
		s := c.learnt(t, p, c.Trials)
		r := s.request(c.Trials+10, p.level(), space.Params{})
		one := space.Int("another, given", 3, 3).Axis() // with room behind it, which is not the sampler's
		r.Given = space.Params{Space: append(make(space.Space, 0, 4), one), Point: append(make([]float64, 0, 4), 3)}
		behind := r.Given.Point[:4]
		text := func() string {
			return fmt.Sprintf("%+v\n%+v\n%+v\n%v", r.Space, r.Given, r.History.Records(), behind)
		}
		before := text()
		answer(t, c.New(p.space), r)
		assert.Equal(t, before, text(), p.name)

		// A point that the caller changes is not one that the sampler goes on with.
		number := c.Trials + 20
		want := answer(t, c.New(p.space), s.request(number, p.level(), space.Params{}))
		kept := c.New(p.space)
		first, err := ask(kept, s.request(number, p.level(), space.Params{}))
		if errors.Is(err, sampler.ErrExhausted) {
			continue
		}
		require.NoError(t, err)
		clear(first.Point)
		assert.Equal(t, want, answer(t, kept, s.request(number, p.level(), space.Params{})), p.name)
	}
}

func cancelled(t testing.TB, c Config) {
	s := c.learnt(t, plain, c.Trials)
	request := func() sampler.Request { return s.request(c.Trials+10, plain.level(), space.Params{}) }
	want := answer(t, c.New(plain.space), request())
	late, cancel := context.WithCancel(t.Context())
	cancel()
	kept := c.New(plain.space)
	p, err := kept.Sample(late, request())
	switch {
	case errors.Is(err, context.Canceled):
	case err != nil:
		assert.NoError(t, err, "neither a proposal nor an error that wraps the context's")
	default:
		assert.Equal(t, want, fmt.Sprint(p.Point, p.Notes), "a proposal that a cancelled context has changed")
	}
	assert.Equal(t, want, answer(t, kept, request()), "the request after it")
}

// odd asks about histories that a study may come to have, and ought not to.
func odd(t testing.TB, c Config) {
	params := func(p problem, number int) space.Params {
		r := p.study(nil, 1).request(number, p.level(), space.Params{})
		out := space.Params{Space: r.Space}
		for _, a := range r.Space {
			out.Point = append(out.Point, draw(a, r.Rand))
		}
		return out
	}
	for _, p := range c.problems() {
		complete := func(number int, value float64) trial.Record {
			return trial.Record{
				Number: number, State: trial.Complete, Params: params(p, number),
				Values: slices.Repeat([]float64{value}, max(1, len(p.directions))),
			}
		}
		one := func(r trial.Record) func(int) trial.Record {
			return func(number int) trial.Record { r.Number = number; return r }
		}
		for _, history := range []struct {
			name   string
			record func(number int) trial.Record
		}{
			{"all values equal", func(n int) trial.Record { return complete(n, 1) }},
			{"all values 0", func(n int) trial.Record { return complete(n, 0) }},
			{"all +Inf", func(n int) trial.Record { return complete(n, inf) }},
			{"all -Inf", func(n int) trial.Record { return complete(n, -inf) }},
			{"infinities between numbers", func(n int) trial.Record { return complete(n, []float64{inf, 1, -inf, 2, 3}[n%5]) }},
			{"the greatest numbers", func(n int) trial.Record { return complete(n, []float64{1e308, -1e308, 1.7e308}[n%3]) }},
			{"the least numbers", func(n int) trial.Record { return complete(n, float64(n)*5e-324) }},
			{"one point throughout", func(n int) trial.Record { r := complete(n, 1); r.Params = params(p, 0); return r }},
			{"one point, other values", func(n int) trial.Record { r := complete(n, float64(n)); r.Params = params(p, 0); return r }},
			{"all failed", func(n int) trial.Record { return trial.Record{Number: n, State: trial.Failed, Params: params(p, n)} }},
			{"all failed before they began", func(n int) trial.Record { return trial.Record{Number: n, State: trial.Failed} }},
			{"all but one failed", func(n int) trial.Record {
				r := complete(n, 1)
				if n > 0 {
					r.State, r.Values = trial.Failed, nil
				}
				return r
			}},
			{"all infeasible", func(n int) trial.Record {
				r := complete(n, 1)
				r.Constraints = []trial.Constraint{{Name: "c", Value: float64(1 + n%3)}}
				return r
			}},
			{"constraints that are NaN", func(n int) trial.Record {
				r := complete(n, 1)
				r.Constraints = []trial.Constraint{{Name: "c", Value: nan}}
				return r
			}},
			{"all pruned", func(n int) trial.Record {
				return trial.Record{Number: n, State: trial.Pruned, Params: params(p, n), Reports: []trial.Report{{Step: n % 4, Value: 1}}}
			}},
			{"all pruned without a report", func(n int) trial.Record { return trial.Record{Number: n, State: trial.Pruned, Params: params(p, n)} }},
			{"reports that are NaN", func(n int) trial.Record {
				r := complete(n, float64(n))
				r.Reports = []trial.Report{{Step: 0, Value: nan}, {Step: 1, Value: inf}}
				if n%2 == 0 {
					r.State, r.Values = trial.Pruned, nil
				}
				return r
			}},
			{"trials without parameters", func(n int) trial.Record { r := complete(n, 1); r.Params = space.Params{}; return r }},
			{"trials with a part of the parameters", func(n int) trial.Record {
				r := complete(n, float64(n))
				k := n % len(r.Params.Point)
				r.Params = space.Params{Space: r.Params.Space[k : k+1], Point: r.Params.Point[k : k+1]}
				return r
			}},
			{"another kind under the same name", func(n int) trial.Record {
				r := complete(n, float64(n))
				r.Params.Space = slices.Clone(r.Params.Space)
				for i := range r.Params.Space {
					r.Params.Space[i].Distribution = &space.CategoricalDistribution{Choices: []space.Literal{`"?"`, "null"}}
					r.Params.Point[i] = float64(n % 2)
				}
				return r
			}},
			{"all running, nothing drawn", one(trial.Record{State: trial.Running})},
			{"all running", func(n int) trial.Record { return trial.Record{Number: n, State: trial.Running, Params: params(p, n)} }},
			{"all running, proposed", func(n int) trial.Record {
				return trial.Record{Number: n, State: trial.Running, Proposed: params(p, n).Settings()}
			}},
			{"all waiting", func(n int) trial.Record {
				return trial.Record{Number: n, State: trial.Waiting, Fixed: params(p, n).Settings()}
			}},
			{"all waiting for what is outside", one(trial.Record{State: trial.Waiting, Fixed: []space.Setting{
				{Name: p.space[0].Name, Value: `"nowhere"`}, {Name: "another", Value: "1"},
			}})},
		} {
			for _, n := range []int{1, 2, c.Trials} {
				s := p.study(c.New(p.space), 1)
				for number := range n {
					s.history.Put(history.record(number))
				}
				for number := n; number < n+3; number++ {
					request := func() sampler.Request { return s.request(number, p.level(), space.Params{}) }
					got := answer(t, s.sampler, request())
					require.Equal(t, answer(t, c.New(p.space), request()), got, "%s, %s, %d of them", p.name, history.name, n)
				}
			}
		}
	}
}
