package tpe

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/trial"
)

// Which observations have kernels follows from the history, not from how it was read. So do the proposals.
func TestThinningIsAFunctionOfTheHistory(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 77))
			s := randomSpace(t, rng, 4)
			objectives := 1 + rng.IntN(2)
			h := trial.NewHistory(trial.Header{Directions: make([]trial.Direction, objectives)})
			c := Config{Startup: -1, MostGood: []int{0, -1}[seed%2]}
			fresh := func() *Sampler {
				s := New(c)
				s.most = bounds{kernels: 8, good: 4, latest: 5}
				return s
			}
			sam := fresh()
			var open []int
			for number := 0; number < 200; {
				for range rng.IntN(4) {
					h.Put(randomRecord(rng, s, number, objectives, true))
					open = append(open, number)
					number++
				}
				for len(open) > 0 && rng.IntN(3) > 0 {
					i := rng.IntN(len(open))
					h.Put(randomRecord(rng, s, open[i], objectives, false))
					open = slices.Delete(open, i, i+1)
				}
				request := func() sampler.Request {
					return sampler.Request{Number: number, Space: s, History: h.Snapshot(), Rand: rand.New(rand.NewPCG(seed, uint64(number)))}
				}
				got, err := sam.Sample(context.Background(), request())
				require.NoError(t, err)
				again, err := fresh().Sample(context.Background(), request())
				require.NoError(t, err)
				require.Equal(t, again.Point, got.Point, "incremental and rebuilt, %d trials", h.Snapshot().Len())
				for _, x := range remembered(sam, h.Snapshot()).indexes.all {
					require.LessOrEqual(t, len(x.g.numbers), 4*x.thin.most.kernels+5+len(open), "kernels")
				}
			}
		})
	}
}

// In twenty dimensions a search is as good with an eighth of the kernels: twice as good
// or bad would be noise here.
func TestThinnedSearch(t *testing.T) {
	p := sphere(20)
	best := func(most bounds) float64 {
		logs := 0.0
		const seeds = 2
		for seed := range uint64(seeds) {
			s := New(Config{})
			s.most = most
			least := math.Inf(1)
			for _, r := range p.run(t, s, 600, seed).Snapshot().Records() {
				least = min(least, r.Values[0])
			}
			logs += math.Log(least) / seeds
		}
		return math.Exp(logs)
	}
	full, some := best(bounds{1 << 30, 1 << 30, 1}), best(bounds{48, 48, 32})
	t.Logf("%.3g with all kernels, %.3g with some", full, some)
	assert.Less(t, some, 2*full)
	assert.NotEqual(t, full, some)
}

func TestChosen(t *testing.T) {
	for level := range 10 {
		count := 0
		for number := range 1 << 14 {
			if chosen(number, level) {
				count++
				assert.True(t, level == 0 || chosen(number, level-1), "%d at level %d", number, level)
			}
		}
		assert.InEpsilon(t, 1<<(14-level), count, 0.1, "level %d", level)
	}
	assert.Equal(t, []int{0, 0, 0, 1, 1, 2}, []int{level(0, 8), level(8, 8), level(15, 8), level(16, 8), level(31, 8), level(32, 8)})
}
