package e2e

import (
	"context"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// search runs a conditional search with pruning, reopens the study every few trials, and
// returns its trials without their times.
func search(t *testing.T, store storage.Store, pr pruner.Pruner, every int) []trial.Record {
	t.Helper()
	const trials = 60
	kind := space.Categorical("kind", "sgd", "adam")
	rate := space.Float("rate", 1e-5, 1, space.Log())
	momentum := space.Float("momentum", 0, 0.99)
	layers := space.Int("layers", 1, 6)
	o := study.Func(func(ctx context.Context, tr *study.Trial) (float64, error) {
		loss := math.Abs(math.Log10(rate.Suggest(tr)) + 3)
		if kind.Suggest(tr) == "sgd" {
			loss += math.Abs(momentum.Suggest(tr) - 0.9)
		} else {
			loss += math.Abs(float64(layers.Suggest(tr))-3) / 10
		}
		for step := range 9 {
			if err := tr.Report(ctx, step, loss+math.Exp(-float64(step))); err != nil {
				return 0, err
			}
		}
		return loss, nil
	})
	cfg := study.Config{Sampler: tpe.New(tpe.Config{}), Pruner: pr, Seed: 11}
	for range trials / every {
		st, err := study.Open(t.Context(), store, "twins", cfg)
		require.NoError(t, err)
		require.NoError(t, st.Optimize(t.Context(), o, study.Run{Trials: every}))
		require.NoError(t, st.Close())
	}
	st, err := study.Open(t.Context(), store, "twins", cfg)
	require.NoError(t, err)
	defer st.Close()
	h, err := st.Snapshot(t.Context())
	require.NoError(t, err)
	all := h.Records()
	require.Len(t, all, trials)
	require.Positive(t, h.Count(trial.Pruned), "%T prunes some", pr)
	for i := range all {
		all[i].Started, all[i].Finished = time.Time{}, time.Time{}
	}
	return all
}

// One seed gives one study: on either storage, run at once or resumed.
func TestStoragesGiveOneStudy(t *testing.T) {
	for name, pr := range map[string]pruner.Pruner{
		"median":    pruner.Median{Warmup: 2},
		"halving":   pruner.SuccessiveHalving{MinResource: 1, ReductionFactor: 2},
		"hyperband": pruner.Hyperband{MinResource: 1, MaxResource: 9},
	} {
		t.Run(name, func(t *testing.T) {
			inMemory := search(t, new(memory.Store), pr, 60)
			inFile := search(t, sqlite.File(filepath.Join(t.TempDir(), "twins.db")), pr, 60)
			resumed := search(t, sqlite.File(filepath.Join(t.TempDir(), "resumed.db")), pr, 6)
			assert.Equal(t, inMemory, inFile)
			assert.Equal(t, inMemory, resumed)
		})
	}
}
