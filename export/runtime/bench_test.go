package runtime

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/tensor"
)

// BenchmarkPredict compares with objective/tree, one thread each: 100 trees of 31
// leaves on 20 features, in double precision. A product of three values shows the cost of a
// call.
func BenchmarkPredict(b *testing.B) {
	const pool = 4000 // repeating one row would flatter branch predictors
	in := normal(1, pool)
	onnx, err := NewPredictor(openFile(b, "trees_double", Config{}), PredictorConfig{})
	require.NoError(b, err)
	linear, err := NewPredictor(openFile(b, "linear", Config{}), PredictorConfig{})
	require.NoError(b, err)
	for _, rows := range []int{1, 10, 100, 1000} {
		for _, m := range []struct {
			name  string
			model Model
			width int
		}{{"onnx", onnx, features}, {"native", nativeTrees(b, 100), features}, {"call", linear, 3}} {
			b.Run(fmt.Sprintf("rows=%d/%s", rows, m.name), func(b *testing.B) {
				out := make([]float64, rows)
				b.ReportAllocs()
				at := 0
				for b.Loop() {
					if err := m.model.Predict(in[at*m.width:(at+rows)*m.width], out); err != nil {
						b.Fatal(err)
					}
					at = (at + rows) % pool
				}
				b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
			})
		}
	}
	b.Run("deadline", func(b *testing.B) {
		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()
		out := make([]float64, 1)
		b.ReportAllocs()
		for b.Loop() {
			if err := linear.PredictContext(ctx, in[:3], out); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			out := make([]float64, 1)
			for pb.Next() {
				if err := linear.Predict(in[:3], out); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}

// BenchmarkRun measures a call by names, with its own tensors.
func BenchmarkRun(b *testing.B) {
	s := openFile(b, "linear", Config{})
	in := tensor.List{{Name: "x", Shape: []int64{1, 3}, Data: []float32{1, 2, 3}}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Run(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	openFile(b, "linear", Config{}) // loads the library
	for _, name := range []string{"linear", "trees_float", "trees_double"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				s, err := Open(file(name), Config{})
				require.NoError(b, err)
				s.Close()
			}
		})
	}
}
