package f32

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// Shapes of training steps: batches of 32 over windows of 24 steps.
var benchShapes = []struct {
	name           string
	transA, transB bool
	packed         bool
	m, n, k        int
}{
	{"lstm32", false, false, true, 32, 128, 32},
	{"lstm64", false, false, true, 32, 256, 64},
	{"lstm128", false, false, true, 32, 512, 128},
	{"lstm256", false, false, true, 32, 1024, 256},
	{"lstm512", false, false, true, 32, 2048, 512},
	{"lstm64-unpacked", false, false, false, 32, 256, 64},
	{"lstm256-unpacked", false, false, false, 32, 1024, 256},
	{"lstm64-back", false, true, false, 32, 64, 256},
	{"lstm256-back", false, true, false, 32, 256, 1024},
	{"input8-h64", false, false, false, 768, 256, 8},
	{"input64-h64", false, false, false, 768, 256, 64},
	{"grad-h32", true, false, false, 32, 128, 768},
	{"grad-h128", true, false, false, 128, 512, 768},
	{"tcn32", false, false, false, 736, 32, 32},
	{"tcn64", false, false, false, 736, 64, 64},
	{"tcn64-back", false, true, false, 736, 64, 64},
	{"tf32", false, false, false, 768, 32, 32},
	{"tf128", false, false, false, 768, 128, 128},
	{"tf256", false, false, false, 768, 256, 256},
	{"tf256-back", false, true, false, 768, 256, 256},
	{"scores", false, true, false, 24, 24, 8},
	{"head", false, false, false, 768, 1, 64},
	{"row", false, false, false, 1, 256, 64},
	{"square1024", false, false, false, 1024, 1024, 1024},
}

func BenchmarkGemm(b *testing.B) {
	for _, s := range benchShapes {
		x, y, c := benchMatrices(s.m, s.n, s.k)
		lda, ldb := s.k, s.n
		if s.transA {
			lda = s.m
		}
		if s.transB {
			ldb = s.k
		}
		var p Packed
		p.Set(s.transB, s.k, s.n, y, ldb)
		b.Run(fmt.Sprintf("%s/%dx%dx%d", s.name, s.m, s.n, s.k), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if s.packed {
					GemmPacked(s.transA, s.m, 1, x, lda, &p, 1, c, s.n)
				} else {
					Gemm(s.transA, s.transB, s.m, s.n, s.k, 1, x, lda, y, ldb, 0, c, s.n)
				}
			}
			reportFlops(b, s.m, s.n, s.k)
		})
	}
}

func BenchmarkGonum(b *testing.B) {
	trans := map[bool]blas.Transpose{false: blas.NoTrans, true: blas.Trans}
	for _, s := range benchShapes {
		x, y, c := benchMatrices(s.m, s.n, s.k)
		lda, ldb := s.k, s.n
		if s.transA {
			lda = s.m
		}
		if s.transB {
			ldb = s.k
		}
		b.Run(fmt.Sprintf("%s/%dx%dx%d", s.name, s.m, s.n, s.k), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				gonum.Implementation{}.Sgemm(trans[s.transA], trans[s.transB], s.m, s.n, s.k, 1, x, lda, y, ldb, 0, c, s.n)
			}
			reportFlops(b, s.m, s.n, s.k)
		})
	}
}

func benchMatrices(m, n, k int) (a, b, c []float32) {
	rng := rand.New(rand.NewPCG(1, 1))
	return random(rng, m*k), random(rng, k*n), make([]float32, m*n)
}

func reportFlops(b *testing.B, m, n, k int) {
	b.ReportMetric(2*float64(m*n*k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}

func BenchmarkElementary(b *testing.B) {
	src := random(rand.New(rand.NewPCG(1, 1)), 4096)
	dst := make([]float32, len(src))
	for _, f := range elementary {
		b.Run(f.name, func(b *testing.B) {
			for b.Loop() {
				f.vector(dst, src)
			}
			reportElements(b, len(src))
		})
		b.Run(f.name+"/math", func(b *testing.B) {
			for b.Loop() {
				for i, x := range src {
					dst[i] = float32(f.exact(float64(x)))
				}
			}
			reportElements(b, len(src))
		})
	}
}

func BenchmarkLSTMCell(b *testing.B) {
	const batch, hidden = 32, 64
	rng := rand.New(rand.NewPCG(1, 1))
	gates, before := random(rng, 4*batch*hidden), random(rng, batch*hidden)
	h, c, tanhC := make([]float32, batch*hidden), make([]float32, batch*hidden), make([]float32, batch*hidden)
	b.Run("forward", func(b *testing.B) {
		for b.Loop() {
			LSTMCell(h, c, tanhC, gates, before, hidden)
		}
		reportElements(b, batch*hidden)
	})
	b.Run("backward", func(b *testing.B) {
		dgates, dc := make([]float32, len(gates)), make([]float32, len(h))
		for b.Loop() {
			LSTMCellGrad(dgates, dc, h, gates, tanhC, before, hidden)
		}
		reportElements(b, batch*hidden)
	})
}

func BenchmarkAdam(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	x, g, m, v := random(rng, 4096), random(rng, 4096), make([]float32, 4096), make([]float32, 4096)
	for b.Loop() {
		Adam(AdamStep{Rate: 1e-3, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, Step: 1}, x, g, 1, m, v)
	}
	reportElements(b, len(x))
}

func reportElements(b *testing.B, n int) {
	b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(b.N)/float64(n), "ns/element")
}

func BenchmarkUniform(b *testing.B) {
	x := make([]float32, 4096)
	b.SetBytes(4 * 4096)
	for b.Loop() {
		Uniform(x, 1, 1)
	}
}
