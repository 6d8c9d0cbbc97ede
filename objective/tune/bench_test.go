package tune_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/tree/style"
	"github.com/attune-hpo/attune/objective/treeforecast"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// BenchmarkTuning tunes each style in 50 trials on a shipped series, two at a time, in SQLite, alternately with and
// without the median pruner. The last year is held out. It reports the seconds of both, their ratio, and the MAPE on
// that year compared with that of the seasonal naive forecast.
//
//	go test -run - -bench Tuning -benchtime 3x ./objective/tune
func BenchmarkTuning(b *testing.B) {
	ctx := context.Background()
	train, all := airPassengers(b)
	back, err := forecast.NewBacktest(train, forecast.Splits{Horizon: 12, Windows: 9, Step: 6})
	require.NoError(b, err)
	final, err := forecast.NewBacktest(all, forecast.Splits{Horizon: 12})
	require.NoError(b, err)
	naive, err := final.Run(ctx, "naive", forecast.SeasonalNaive(12), forecast.RunOptions{})
	require.NoError(b, err)
	for _, s := range []style.Style{style.LightGBM, style.XGBoost, style.CatBoost, style.RandomForest} {
		b.Run(s.Name(), func(b *testing.B) {
			seconds := [2][]float64{}
			var mapes []float64
			for seed := uint64(0); b.Loop(); seed++ {
				for i, p := range []pruner.Pruner{pruner.None{}, pruner.Median{}} {
					family := treeforecast.Family{Style: s, Cache: forecast.NewCache(300)}
					task := &tune.Task{Backtest: back, Family: family}
					cfg := task.Config(tpe.New(tpe.Config{}), p)
					cfg.Seed = seed
					begin := time.Now()
					st, err := study.Open(ctx, sqlite.File(filepath.Join(b.TempDir(), "a.db")), fmt.Sprint(i), cfg)
					require.NoError(b, err)
					require.NoError(b, task.Optimize(ctx, st, study.Run{Trials: 50, Workers: 2}))
					seconds[i] = append(seconds[i], time.Since(begin).Seconds())
					if i == 0 {
						require.NoError(b, st.Close())
						continue
					}
					h, err := st.Snapshot(ctx)
					require.NoError(b, err)
					require.Zero(b, h.Count(trial.Failed))
					best, err := task.Best(ctx, st)
					require.NoError(b, err)
					f, err := family.New(best.Settings)
					require.NoError(b, err)
					r, err := final.Run(ctx, s.Name(), f, forecast.RunOptions{Fit: forecast.FitOptions{Seed: best.Seed}})
					require.NoError(b, err)
					mapes = append(mapes, r.Score(forecast.MAPE))
					require.NoError(b, st.Close())
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(middle(seconds[0]), "s-unpruned")
			b.ReportMetric(middle(seconds[1]), "s-pruned")
			b.ReportMetric(middle(seconds[1])/middle(seconds[0]), "ratio")
			b.ReportMetric(middle(mapes), "test-mape")
			b.ReportMetric(naive.Score(forecast.MAPE), "naive-mape")
		})
	}
}

func middle(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}
