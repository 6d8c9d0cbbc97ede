package main

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/dev/compare"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/study"
)

// Every sampler runs on every kind of problem, and the same seed gives the same run.
func TestSearch(t *testing.T) {
	problems, _, bounded, err := compare.Named("branin,pipeline,nasbench201_cifar100,gramacy")
	require.NoError(t, err)
	for _, p := range problems {
		bounded = append(bounded, compare.Bounded{Problem: p})
	}
	for name, s := range samplers {
		for _, p := range bounded {
			for _, declare := range []bool{false, true} {
				cfg := study.Config{Sampler: s, Seed: 7}
				if declare {
					cfg.Space = p.Space
				}
				run, err := search(t.Context(), cfg, p, study.Run{Trials: 30})
				require.NoError(t, err, "%s %s", name, p.Name)
				require.Len(t, run.Best, 2)
				assert.LessOrEqual(t, p.Minimum, run.Best[25])
				assert.LessOrEqual(t, run.Best[25], run.Best[10])
				assert.LessOrEqual(t, run.Distinct, 30)
				again, err := search(t.Context(), cfg, p, study.Run{Trials: 30})
				require.NoError(t, err)
				assert.Equal(t, run, again, "%s %s", name, p.Name)
			}
		}
	}
}

// The number of trials is counted as they begin, so that the order in which workers finish does not matter.
func TestWorkers(t *testing.T) {
	problems, _, _, err := compare.Named("branin")
	require.NoError(t, err)
	p := compare.Bounded{Problem: problems[0]}
	loss, calls := p.Loss, atomic.Int64{}
	p.Loss = func(s space.Suggester) float64 { // the even ones take longer
		v := loss(s)
		if calls.Add(1)%2 == 0 {
			time.Sleep(2 * time.Millisecond)
		}
		return v
	}
	cfg := study.Config{Sampler: random.Sampler{}, Seed: 7}
	run := func(how study.Run) compare.Run {
		r, err := search(t.Context(), cfg, p, how)
		require.NoError(t, err)
		return r
	}
	want := run(study.Run{Trials: 50})
	for range 5 {
		assert.Equal(t, want, run(study.Run{Trials: 50, Workers: 8, Lag: 8}))
	}
}
