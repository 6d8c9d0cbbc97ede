package forecast

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkRidge fits tables of a short series with few features, of a long one, and of
// one with all steps of a forecast as outputs.
func BenchmarkRidge(b *testing.B) {
	for _, size := range []struct{ rows, features, outputs int }{{130, 14, 1}, {2000, 40, 1}, {10_000, 100, 1}, {10_000, 100, 24}} {
		b.Run(fmt.Sprintf("%dx%dx%d", size.rows, size.features, size.outputs), func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 2))
			fill := func(m *Matrix) {
				m.Data = make([]float64, m.Rows*m.Cols)
				for i := range m.Data {
					m.Data[i] = r.NormFloat64()
				}
			}
			t := Table{X: Matrix{Rows: size.rows, Cols: size.features}, Y: Matrix{Rows: size.rows, Cols: size.outputs}}
			fill(&t.X)
			fill(&t.Y)
			b.ReportAllocs()
			for b.Loop() {
				require.NoError(b, new(Ridge).Fit(b.Context(), t, Table{}, RegressorOptions{}))
			}
		})
	}
}
