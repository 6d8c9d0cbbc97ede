package samplertest

import (
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
)

// The laws of this file are about what happens at the same time, and about the end.

func parallel(t testing.TB, c Config) {
	s := c.learnt(t, plain, c.Trials)
	for range 16 {
		err := s.start()
		if errors.Is(err, sampler.ErrExhausted) {
			break
		}
		require.NoError(t, err)
	}
	at := map[string]int{}
	for _, r := range s.history.Snapshot().Running() {
		point := r.Params.String()
		other, taken := at[point]
		assert.False(t, taken, "trials %d and %d run at the same point: %s", other, r.Number, point)
		at[point] = r.Number
	}
}

func shared(t testing.TB, c Config) {
	for _, p := range c.problems() {
		const studies = 4
		one := c.New(p.space)
		want, got, errs := [studies][]string{}, [studies][]string{}, [studies]error{}
		for i := range studies {
			want[i] = p.points(t, c.New(p.space), uint64(i), c.Trials, 2)
		}
		var group sync.WaitGroup
		for i := range studies {
			group.Go(func() { got[i], errs[i] = p.study(one, uint64(i)).run(c.Trials, 2) })
		}
		group.Wait()
		for i := range studies {
			require.NoError(t, errs[i])
			assert.Equal(t, want[i], got[i], "%s, study %d of %d", p.name, i, studies)
		}
	}
}

// exhausted runs a sampler until it has no point left.
func exhausted(t testing.TB, c Config) {
	if !c.Finite {
		return
	}
	for _, workers := range []int{1, 3} {
		const most = 1000
		s := finite.study(c.New(finite.space), 1)
		points, err := s.run(most, workers)
		require.NoError(t, err)
		require.Less(t, len(points), most, "it never ends")
		at := map[string]int{}
		for i, point := range points {
			other, again := at[point]
			assert.False(t, again, "trials %d and %d are at %s", other, i, point)
			at[point] = i
		}
		_, _, err = s.draw(s.next)
		assert.ErrorIs(t, err, sampler.ErrExhausted, "Exhausted reports true: so says Sample")
	}
}
