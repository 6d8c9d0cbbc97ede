package lockstep_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/lockstep"
)

// After each round all continuing trainings are at its end, and no more than allowed compute
// at the same time.
func TestGroup(t *testing.T) {
	lengths := []int{3, 0, 5}
	for _, threads := range []int{0, 1, 2, 9} {
		t.Run(fmt.Sprint(threads), func(t *testing.T) {
			var busy atomic.Int32
			rounds := make([]int, len(lengths))
			work := func(i int) {
				assert.LessOrEqual(t, int(busy.Add(1)), max(1, threads))
				rounds[i]++
				busy.Add(-1)
			}
			g := lockstep.New(len(lengths), threads, func(i int, wait func() error) error {
				for range lengths[i] {
					work(i)
					if err := wait(); err != nil {
						return err
					}
				}
				return nil
			})
			g.Start(0, 1)
			assert.Equal(t, []int{1, 0, 0}, rounds)
			g.Start(1, 3)
			for round := 1; g.Waiting() > 0; round++ {
				for i, n := range lengths {
					assert.Equal(t, min(round, n), rounds[i])
				}
				g.Answer(nil)
			}
			assert.Equal(t, lengths, rounds)
			assert.NoError(t, g.Err(t.Context()))
		})
	}
}

func TestEnds(t *testing.T) {
	broken, cause := errors.New("broken"), errors.New("enough")
	group := func(fails int, with func() error) *lockstep.Group {
		g := lockstep.New(4, 2, func(i int, wait func() error) error {
			for {
				if err := wait(); err != nil {
					return fmt.Errorf("training %d: %w", i, err)
				}
				if i >= fails {
					return with()
				}
			}
		})
		g.Start(0, 4)
		return g
	}
	g := group(4, nil)
	g.Answer(nil)
	g.End()
	assert.Zero(t, g.Waiting())
	assert.NoError(t, g.Err(t.Context()), "it is no failure to be over")

	g = group(2, func() error { return broken })
	g.Answer(nil)
	assert.Equal(t, 2, g.Waiting())
	require.ErrorIs(t, g.Err(t.Context()), broken)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	assert.Equal(t, cause, g.Err(ctx))
	g.Answer(broken)
	assert.EqualError(t, g.Err(t.Context()), "training 0: broken", "that of the first")

	g = group(3, func() error { panic("lost") })
	func() {
		defer func() { assert.Regexp(t, "^lost\n\ngoroutine ", recover()) }()
		g.Answer(nil)
	}()
	assert.Equal(t, 3, g.Waiting(), "the others can be ended")
	g.End()
	assert.Zero(t, g.Waiting())
}

// A training that panics when it is ended does not leave a slow one behind.
func TestPanicAtTheEnd(t *testing.T) {
	lost := errors.New("lost")
	g := lockstep.New(2, 2, func(i int, wait func() error) error {
		err := wait()
		if i == 0 {
			panic(lost)
		}
		for err != nil && wait() != nil && i < 4 {
			i++
		}
		return nil
	})
	g.Start(0, 2)
	func() {
		defer func() {
			err, ok := recover().(error)
			require.True(t, ok)
			assert.ErrorIs(t, err, lost)
		}()
		g.End()
	}()
	assert.Zero(t, g.Waiting())
}

// Scores of the rounds of two trainings. The longer one continues alone.
func TestBest(t *testing.T) {
	nan := math.NaN()
	// after returns a rule that stops after some rounds.
	after := func(rounds int) func() bool { return func() bool { rounds--; return rounds == 0 } }
	less := func(a, b float64) bool { return a < b || math.IsNaN(b) && !math.IsNaN(a) }
	for name, c := range map[string]struct {
		scores []float64
		rule   lockstep.Rule
		best   int
		looked int
	}{
		"the best":               {[]float64{3, 1, 2, 1}, lockstep.Rule{Better: less}, 2, 4},
		"the last":               {[]float64{3, 1, 2, 1}, lockstep.Rule{Better: less, Last: true}, 4, 4},
		"patience":               {[]float64{3, 1, 2, 1, 0}, lockstep.Rule{Better: less, Patience: 2}, 2, 4},
		"stopped":                {[]float64{3, 1, 2, 0}, lockstep.Rule{Better: less, Stop: after(3)}, 2, 3},
		"stopped at once":        {[]float64{3, 1}, lockstep.Rule{Better: less, Stop: after(1)}, 1, 1},
		"the last, stopped":      {[]float64{3, 1, 2, 0}, lockstep.Rule{Better: less, Last: true, Stop: after(3)}, 3, 3},
		"more patience":          {[]float64{3, 1, 2, 1, 0}, lockstep.Rule{Better: less, Patience: 3}, 5, 5},
		"no score":               {[]float64{nan, nan}, lockstep.Rule{Better: less}, 1, 2},
		"a score after none":     {[]float64{nan, 5, nan}, lockstep.Rule{Better: less}, 2, 3},
		"trainings of no rounds": {nil, lockstep.Rule{Better: less, Patience: 1}, 7, 1},
	} {
		t.Run(name, func(t *testing.T) {
			g := lockstep.New(2, 1, func(i int, wait func() error) error {
				for round := range c.scores {
					if i == 0 && round == 2 {
						return nil
					}
					if err := wait(); err != nil {
						return err
					}
				}
				return nil
			})
			g.Start(0, 2)
			looked, kept := 0, 0
			best, err := g.Best(t.Context(), c.rule, func() (int, float64, error) {
				looked++
				if c.scores == nil {
					return 7, 1, nil
				}
				return looked, c.scores[min(looked, len(c.scores))-1], nil
			}, func() { kept = looked })
			require.NoError(t, err)
			assert.Equal(t, c.best, best)
			if c.scores != nil {
				assert.Equal(t, c.best, kept)
			}
			assert.Equal(t, c.looked, looked)
			assert.Zero(t, g.Waiting())
		})
	}

	g := lockstep.New(2, 1, func(_ int, wait func() error) error { return wait() })
	g.Start(0, 2)
	broken := errors.New("broken")
	_, err := g.Best(t.Context(), lockstep.Rule{Better: less}, func() (int, float64, error) { return 1, 0, broken }, func() { t.Error("kept") })
	require.ErrorIs(t, err, broken)
	assert.Equal(t, 2, g.Waiting(), "whoever calls Best ends them")
	g.End()
}
