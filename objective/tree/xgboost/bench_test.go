package xgboost_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tree/internal/enginetest"
	"github.com/attune-hpo/attune/objective/tree/native"
	"github.com/attune-hpo/attune/objective/tree/xgboost"
)

// BenchmarkFit compares 200 rounds of trees of 31 leaves, with a callback after each, with
// package native: 10,000 rows of 20 features, one thread.
func BenchmarkFit(b *testing.B) {
	enginetest.Require(b, xgboost.Engine{}.Available())
	r := rand.New(rand.NewPCG(1, 2))
	data := func(n int) engine.Dataset {
		d := engine.Dataset{Columns: make([][]float64, 20), Label: make([]float64, n)}
		for f := range d.Columns {
			d.Columns[f] = make([]float64, n)
			for i := range d.Columns[f] {
				d.Columns[f][i] = r.Float64()
				d.Label[i] += float64(f) * d.Columns[f][i] * d.Columns[f/2][i]
			}
		}
		return d
	}
	train, valid := data(10000), data(2000)
	look := func(it engine.Iteration) error {
		it.Predictions()
		return nil
	}
	for _, e := range []engine.Engine{native.Engine{}, xgboost.Engine{}} {
		b.Run(fmt.Sprint(e), func(b *testing.B) {
			for b.Loop() {
				_, err := e.Fit(context.Background(), train, valid, engine.Params{Trees: 200, Leaves: 31, LearningRate: 0.1}, look)
				require.NoError(b, err)
			}
		})
	}
}
