package samplertest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
	"github.com/attune-hpo/attune/trial"
)

// The laws of this file are about the space.

var inf, nan = math.Inf(1), math.NaN()

func draw(a space.Axis, rng *rand.Rand) float64 { return unit.Draw(a.Distribution, rng) }

// inside runs studies whose points ask checks: of one parameter of each kind, and
// of many.
func inside(t testing.TB, c Config) {
	for i, k := range kinds {
		p := problem{name: k.name, space: kindsOf(i, 1)}
		p.points(t, c.New(p.space), 1, c.Trials, 2)
	}
	for i := range kinds {
		p := problem{name: fmt.Sprintf("kinds from %d on", i), space: kindsOf(i, 4)}
		p.points(t, c.New(p.space), 2, c.Trials, 1)
	}
	p := problem{name: "all kinds", space: kindsOf(0, len(kinds))}
	p.points(t, c.New(p.space), 3, c.Trials, 3)
}

func conditions(t testing.TB, c Config) {
	conditional.points(t, c.New(conditional.space), 1, c.Trials, 1)
	conditional.points(t, c.New(conditional.space), 2, c.Trials, 4)
}

// constraints runs studies whose points ask checks: of spaces that are mostly outside the
// constraints, of continua and of what can be counted, of choices that are numbers, and of
// parameters that exist only sometimes.
func constraints(t testing.TB, c Config) {
	a, b, n := space.Float("a", 0, 1), space.Float("b", 1e-3, 10, space.Log()), space.Int("n", 1, 64)
	m, batch := space.Int("m", 1, 64, space.Log()), space.Categorical("batch", 16, 32, 64, 8)
	kind := space.Categorical("kind", "plain", "deep")
	for i, p := range []problem{
		{name: "a line", space: space.Of(a, b).Where("a + b <= 0.2")},
		{name: "an order", space: space.Of(n, m).Where("n < m")},
		{name: "two that leave a strip", space: space.Of(a, space.Float("c", 0, 1)).Where("a + c <= 1.02", "a + c >= 0.98")},
		{name: "a product", space: space.Of(n, batch, a).Where("n * batch <= 64", "n >= 2 * a")},
		{name: "a grid", space: space.Of(space.Float("x", 0, 1, space.Step(0.1)), space.Float("y", 0, 1, space.Step(0.1))).Where("x + y <= 0.3")},
		{name: "with conditions", space: space.Of(kind, n.When(kind.Is("deep")), m).Where("n + m <= 20")},
		{name: "with room for what is drawn later", space: space.Of(kind, a, space.Float("later", 0.5, 1).When(kind.Is("deep"))).Where("a + later <= 0.8")},
	} {
		p.points(t, c.New(p.space), uint64(i), c.Trials, 1+2*(i%2))
	}
}

func thousand(t testing.TB, c Config) {
	p := problem{name: "a thousand parameters", space: kindsOf(0, 1000)}
	n := min(c.Trials, 14)
	points := p.points(t, c.New(p.space), 1, n, 1)
	assert.Len(t, points, n)
}

// changing narrows, widens, moves, adds and takes away parameters in the course
// of a study.
func changing(t testing.TB, c Config) {
	x := func(low, high float64) space.Axer { return space.Float("x", low, high) }
	n := func(low, high int, options ...space.Option) space.Axer { return space.Int("n", low, high, options...) }
	y, choice := space.Float("y", 1e-3, 1, space.Log()), space.Categorical("choice", "a", "b")
	spaces := []space.Space{
		space.Of(x(0, 1), n(0, 100)),
		space.Of(x(0.5, 0.6), n(0, 100)),
		space.Of(x(0.5, 0.6), n(40, 44)),
		space.Of(x(-1e6, 1e6), n(0, 1000, space.Step(7))),
		space.Of(x(7, 8), n(500, 600)),
		space.Of(n(500, 600), x(7, 8)),
		space.Of(x(7, 8), n(500, 600), y, choice),
		space.Of(y, choice),
		space.Of(choice),
		space.Of(x(0, 1), n(0, 100)),
	}
	s := problem{name: "changing", space: spaces[0]}.study(c.New(spaces[0]), 1)
	for i, now := range spaces {
		s.problem.space = now
		for range max(3, c.Trials/len(spaces)) {
			err := s.start()
			if c.OneSpace && refused(err) || errors.Is(err, sampler.ErrExhausted) {
				s.history.Put(trial.Record{Number: s.next, State: trial.Failed})
				s.next++
				continue
			}
			require.NoError(t, err, "space %d", i)
			if len(s.running) == 2 {
				s.finish(0)
			}
		}
		request := func() sampler.Request { return s.request(s.next, now, space.Params{}) }
		want, err := ask(c.New(spaces[0]), request())
		got, again := ask(s.sampler, request())
		require.Equal(t, fmt.Sprint(want, err), fmt.Sprint(got, again), "space %d: a new sampler and the one that saw the changes", i)
	}
}

func refused(err error) bool {
	return errors.Is(err, sampler.ErrInvalid) || errors.Is(err, space.ErrOutside)
}

// rescaled asks about one history on two scales. What is proposed after a whole
// study may differ by more than rounding, since a rounding may change a choice.
func rescaled(t testing.TB, c Config) {
	small := problem{name: "unit", space: space.Of(
		space.Float("a", 0, 1), space.Float("b", 0, 1), space.Int("c", 0, 9), space.Float("d", 0, 1, space.Step(0.125)),
	)}
	scaled := problem{name: "scaled", space: space.Of(
		space.Float("a", -4, 28), space.Float("b", 1e-3, 1e2, space.Log()), space.Int("c", 100, 190, space.Step(10)), space.Float("d", -1e9, 1e9, space.Step(0.25e9)),
	)}
	across := func(from, to space.Space, point []float64) []float64 {
		out := make([]float64, len(point))
		for i, x := range point {
			out[i] = unit.From(to[i].Distribution, unit.To(from[i].Distribution, x))
		}
		return out
	}
	a := small.study(c.New(small.space), 1)
	b := scaled.study(c.New(scaled.space), 1)
	for number := range c.Trials {
		r := a.request(number, small.space, space.Params{})
		point := make([]float64, len(r.Space))
		for i, axis := range r.Space {
			point[i] = draw(axis, r.Rand)
		}
		done := small.outcome(trial.Record{Number: number, Params: space.Params{Space: small.space, Point: point}})
		a.history.Put(done)
		done.Params = space.Params{Space: scaled.space, Point: across(small.space, scaled.space, point)}
		b.history.Put(done)
	}
	for number := c.Trials; number < c.Trials+20; number++ {
		p, err := ask(a.sampler, a.request(number, small.space, space.Params{}))
		q, again := ask(b.sampler, b.request(number, scaled.space, space.Params{}))
		require.Equal(t, fmt.Sprint(err), fmt.Sprint(again))
		if err != nil {
			require.ErrorIs(t, err, sampler.ErrExhausted)
			return
		}
		assert.InDeltaSlice(t, p.Point, across(scaled.space, small.space, q.Point), 1e-6, "trial %d", number)
	}
}
