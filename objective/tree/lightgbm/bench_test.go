package lightgbm_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tree/internal/enginetest"
	"github.com/attune-hpo/attune/objective/tree/internal/leavespredict"
	"github.com/attune-hpo/attune/objective/tree/lightgbm"
	"github.com/attune-hpo/attune/objective/tree/native"
)

// friedman returns rows of 20 features, of which 5 matter (Friedman, Multivariate
// adaptive regression splines, 1991).
func friedman(n int) engine.Dataset {
	r := rand.New(rand.NewPCG(1, 2))
	d := engine.Dataset{Columns: make([][]float64, 20), Label: make([]float64, n)}
	for f := range d.Columns {
		d.Columns[f] = make([]float64, n)
		for i := range d.Columns[f] {
			d.Columns[f][i] = r.Float64()
		}
	}
	x := d.Columns
	for i := range d.Label {
		d.Label[i] = 10*math.Sin(math.Pi*x[0][i]*x[1][i]) + 20*math.Pow(x[2][i]-0.5, 2) + 10*x[3][i] + 5*x[4][i] + r.NormFloat64()
	}
	return d
}

// BenchmarkPrediction compares package tree's predictor with LightGBM's own C API
// and with leaves, on one thread each, on a model that LightGBM trained with trees of
// 31 leaves. Single rows use LightGBM's SingleRowFast. The predictors take turns, and the
// shortest time of each counts. The cost of a call into C is reported separately.
func BenchmarkPrediction(b *testing.B) {
	enginetest.Require(b, lightgbm.Engine{}.Available())
	train := friedman(10000)
	rows := enginetest.Rows(train)
	width := len(train.Columns)
	for _, trees := range []int{100, 500} {
		m, err := lightgbm.Engine{}.Fit(context.Background(), train, engine.Dataset{}, engine.Params{Trees: trees}, nil)
		require.NoError(b, err)
		own, err := tree.NewPredictor(m)
		require.NoError(b, err)
		leaves, err := leavespredict.New(m, 1)
		require.NoError(b, err)
		peer, err := lightgbm.NewPeer(m)
		require.NoError(b, err)
		defer peer.Free()
		for _, batch := range []int{1, 100, 10000} {
			b.Run(fmt.Sprintf("trees=%d/rows=%d", trees, batch), func(b *testing.B) {
				out := make([]float64, batch)
				call := peer.PredictRaw
				if batch == 1 {
					call = peer.PredictRow
				}
				turns := []struct {
					name    string
					predict func(rows, out []float64) error
					best    float64
				}{
					{"own", own.PredictRaw, math.Inf(1)},
					{"lightgbm", call, math.Inf(1)},
					{"leaves", leaves.PredictRaw, math.Inf(1)},
					{"call", func([]float64, []float64) error { peer.Nothing(); return nil }, math.Inf(1)},
				}
				pool := len(rows) / width
				calls := max(1, 1000/batch)
				for b.Loop() {
					for i := range turns {
						t := &turns[i]
						start, at := time.Now(), 0
						for range calls {
							if err := t.predict(rows[at*width:(at+batch)*width], out); err != nil {
								b.Fatal(err)
							}
							at = (at + batch) % pool
						}
						t.best = min(t.best, float64(time.Since(start).Nanoseconds())/float64(calls))
					}
				}
				for _, t := range turns {
					b.ReportMetric(t.best, t.name+"-ns")
				}
				b.ReportMetric(turns[1].best/turns[0].best, "lightgbm/own")
				b.ReportMetric(turns[2].best/turns[0].best, "leaves/own")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// BenchmarkFit compares 200 rounds, with a callback after each, with package native, in
// CPU time of one thread.
func BenchmarkFit(b *testing.B) {
	enginetest.Require(b, lightgbm.Engine{}.Available())
	train, valid := friedman(10000), friedman(2000)
	look := func(it engine.Iteration) error {
		it.Predictions()
		return nil
	}
	for _, e := range []engine.Engine{native.Engine{}, lightgbm.Engine{}} {
		b.Run(fmt.Sprint(e), func(b *testing.B) {
			for b.Loop() {
				_, err := e.Fit(context.Background(), train, valid, engine.Params{Trees: 200}, look)
				require.NoError(b, err)
			}
		})
	}
}
