package samplertest

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// The laws of this file are about what came of earlier trials: which of it
// matters, and that neither time nor order does.

const seeds = 2

func mirrored(t testing.TB, c Config) {
	minus := func(v float64) float64 { return -v }
	for _, p := range c.problems() {
		var opposite []trial.Direction
		for i := range max(1, len(p.directions)) {
			opposite = append(opposite, trial.Maximize-(trial.Header{Directions: p.directions}).Direction(i))
		}
		for seed := range uint64(seeds) {
			f := p.points(t, c.New(p.space), seed, c.Trials, 1)
			g := p.scaledBy(minus, opposite...).points(t, c.New(p.space), seed, c.Trials, 1)
			assert.Equal(t, f, g, "%s, seed %d", p.name, seed)
		}
	}
}

func monotone(t testing.TB, c Config) {
	if !c.Ranks {
		return
	}
	cube := func(v float64) float64 { return 1000 * v * v * v }
	for _, p := range []problem{plain, finite, conditional} {
		for seed := range uint64(seeds) {
			f := p.points(t, c.New(p.space), seed, c.Trials, 1)
			assert.Equal(t, f, p.scaledBy(cube).points(t, c.New(p.space), seed, c.Trials, 1), "%s, seed %d", p.name, seed)
		}
	}
}

func severalObjectives(t testing.TB, c Config) {
	for _, p := range []problem{two, three} {
		s := c.New(p.space)
		if !c.OneObjective {
			p.points(t, s, 1, c.Trials, 3)
			continue
		}
		_, err := ask(s, p.study(s, 1).request(0, p.level(), space.Params{}))
		assert.ErrorIs(t, err, sampler.ErrInvalid, "a sampler of one objective, asked for two")
	}
}

func resumed(t testing.TB, c Config) {
	for _, p := range c.problems() {
		for _, workers := range []int{1, 3} {
			whole := p.study(c.New(p.space), 1)
			want, err := whole.run(c.Trials, workers)
			require.NoError(t, err)
			for _, cut := range []int{1, c.Trials / 2, c.Trials - 2} {
				if cut >= len(want) {
					continue
				}
				first := p.study(c.New(p.space), 1)
				for range cut {
					require.NoError(t, first.step(workers))
				}
				// The second half is another process's: a new sampler, and a history read back.
				second := p.study(c.New(p.space), 1)
				for _, r := range first.history.Snapshot().Records() {
					second.history.Put(r)
				}
				second.next, second.running = first.next, first.running
				got, err := second.run(len(want)-cut, workers)
				require.NoError(t, err)
				assert.Equal(t, want[cut:], got, "%s, %d at a time, resumed after %d", p.name, workers, cut)
			}
		}
	}
}

func order(t testing.TB, c Config) {
	for _, p := range c.problems() {
		records := c.learnt(t, p, c.Trials).history.Snapshot().Records()
		number := len(records)
		var want string
		for shuffle := range uint64(4) {
			s := p.study(c.New(p.space), 1)
			for i, r := range records {
				s.history.Put(r)
				if i%10 == 9 { // what the sampler remembers so far is of another order
					answer(t, s.sampler, s.request(number, p.level(), space.Params{}))
				}
			}
			got := answer(t, s.sampler, s.request(number, p.level(), space.Params{}))
			if shuffle == 0 {
				want = got
			}
			assert.Equal(t, want, got, "%s, shuffle %d", p.name, shuffle)
			rng := rand.New(rand.NewPCG(shuffle, 1))
			rng.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
		}
	}
}

func older(t testing.TB, c Config) {
	for _, p := range c.problems() {
		s := c.learnt(t, p, c.Trials/2)
		number := s.next
		old := func() sampler.Request { return s.request(number, p.level(), space.Params{}) }
		view := old().History
		want := answer(t, c.New(p.space), old())
		_, err := s.run(c.Trials/2, 1)
		require.NoError(t, err)
		for range 2 {
			r := old()
			answer(t, s.sampler, r)
			r = old()
			r.History = view
			assert.Equal(t, want, answer(t, s.sampler, r), p.name)
		}
	}
}

// scoped asks about what a pruner lets its sampler see: some of the trials.
func scoped(t testing.TB, c Config) {
	keep := func(number int) bool { return number%3 > 0 }
	for _, p := range c.problems() {
		s := c.learnt(t, p, c.Trials)
		some := p.study(c.New(p.space), 1)
		for _, r := range s.history.Snapshot().Records() {
			if keep(r.Number) {
				some.history.Put(r)
			}
		}
		r := s.request(s.next, p.level(), space.Params{})
		r.History = r.History.Scope("some", keep)
		want := answer(t, some.sampler, some.request(s.next, p.level(), space.Params{}))
		assert.Equal(t, want, answer(t, s.sampler, r), p.name)
	}
}
