package tpe_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
)

// All of 200 trials on 550 configurations are new, except for one at most: with one worker and with eight, whether or
// not running trials are evidence.
func TestRepetitionsAreRare(t *testing.T) {
	depth, rate := space.Int("depth", 1, 10), space.Float("rate", 0, 1, space.Step(0.1))
	kind := space.Categorical("kind", "a", "b", "c", "d", "e")
	objective := study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
		d, r := float64(depth.Suggest(t)-7), rate.Suggest(t)-0.3
		loss := d*d/10 + r*r
		if kind.Suggest(t) != "c" {
			loss++
		}
		return loss, nil
	})
	repeats := func(cfg study.Config, run study.Run) (n int) {
		st, err := study.Create(t.Context(), &memory.Store{}, "repeat", cfg)
		require.NoError(t, err)
		defer st.Close()
		require.NoError(t, st.Optimize(t.Context(), objective, run))
		h, err := st.Snapshot(t.Context())
		require.NoError(t, err)
		seen := map[string]bool{}
		for i := range h.Len() {
			point := h.At(i).Params.String()
			if seen[point] {
				n++
			}
			seen[point] = true
		}
		return n
	}
	for _, ignore := range []bool{false, true} {
		for _, kernel := range []tpe.Kernel{tpe.Multivariate, tpe.Univariate} {
			for _, run := range []study.Run{{Trials: 200}, {Trials: 200, Workers: 8}, {Trials: 200, Workers: 8, Lag: 8}} {
				for _, declared := range []bool{true, false} {
					total := 0
					for seed := range uint64(2) {
						cfg := study.Config{Sampler: tpe.New(tpe.Config{IgnoreRunning: ignore, Kernel: kernel}), Seed: seed}
						if declared {
							cfg.Space = space.Of(depth, rate, kind)
						}
						total += repeats(cfg, run)
					}
					assert.LessOrEqual(t, total, 2, "IgnoreRunning %v, %v, %+v, declared %v", ignore, kernel, run, declared)
				}
			}
		}
	}
}
