package tree_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/internal/leavespredict"
)

// BenchmarkPredict compares with leaves, one thread each: trees of 31 leaves on 8
// features, random rows.
func BenchmarkPredict(b *testing.B) {
	const features = 8
	for _, trees := range []int{100, 500} {
		r := rand.New(rand.NewPCG(1, 2))
		m := tree.Random(r, trees, 31, features, 1)
		for _, rows := range []int{1, 100, 10000} {
			const pool = 10000 // repeating one row would flatter branch predictors
			in, out := make([]float64, pool*features), make([]float64, rows)
			for i := range in {
				in[i] = r.NormFloat64()
			}
			own, err := tree.NewPredictor(m)
			require.NoError(b, err)
			other, err := leavespredict.New(m, 1)
			require.NoError(b, err)
			for _, p := range []struct {
				name    string
				predict func(rows, out []float64) error
			}{{"own", own.PredictRaw}, {"leaves", other.PredictRaw}} {
				b.Run(fmt.Sprintf("trees=%d/rows=%d/%s", trees, rows, p.name), func(b *testing.B) {
					at := 0
					for b.Loop() {
						if err := p.predict(in[at*features:(at+rows)*features], out); err != nil {
							b.Fatal(err)
						}
						at = (at + rows) % pool
					}
					b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
				})
			}
		}
	}
}
