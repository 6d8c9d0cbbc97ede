package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/dev/compare"
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
