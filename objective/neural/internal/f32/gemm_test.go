package f32

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func random(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// A productCase is a case of Gemm.
type productCase struct {
	transA, transB bool
	m, n, k        int
	alpha, beta    float32
	padA, padB     int // padding after each row
	padC           int
}

func (g productCase) String() string {
	return fmt.Sprintf("%t,%t %dx%dx%d alpha %v beta %v pad %d,%d,%d", g.transA, g.transB, g.m, g.n, g.k, g.alpha, g.beta, g.padA, g.padB, g.padC)
}

// stored returns a random matrix X with op(X) of the given size, and its stride. The slice
// ends with the last element.
func stored(rng *rand.Rand, trans bool, rows, cols, pad int) ([]float32, int) {
	if trans {
		rows, cols = cols, rows
	}
	ld := cols + pad
	if rows == 0 || cols == 0 {
		return nil, ld
	}
	return random(rng, (rows-1)*ld+cols), ld
}

func at(trans bool, x []float32, ld, i, j int) float64 {
	if trans {
		i, j = j, i
	}
	return float64(x[i*ld+j])
}

// checkProduct compares Gemm and GemmPacked with the sum in double precision.
func checkProduct(t *testing.T, rng *rand.Rand, g productCase) {
	t.Helper()
	a, lda := stored(rng, g.transA, g.m, g.k, g.padA)
	b, ldb := stored(rng, g.transB, g.k, g.n, g.padB)
	c, ldc := stored(rng, false, g.m, g.n, g.padC)
	if g.beta == 0 {
		for i := range c {
			c[i] = float32(math.NaN())
		}
	}
	before := append([]float32(nil), c...)
	packed := append([]float32(nil), c...)
	Gemm(g.transA, g.transB, g.m, g.n, g.k, g.alpha, a, lda, b, ldb, g.beta, c, ldc)
	var p Packed
	p.Set(g.transB, g.k, g.n, b, ldb)
	GemmPacked(g.transA, g.m, g.alpha, a, lda, &p, g.beta, packed, ldc)
	for i := range c {
		if want, got := math.Float32bits(c[i]), math.Float32bits(packed[i]); got != want {
			require.Equal(t, want, got, "%v: packed", g)
		}
	}
	for i := range g.m {
		for j := range ldc {
			if i*ldc+j >= len(c) {
				break
			}
			got := float64(c[i*ldc+j])
			if j >= g.n {
				if want, got := math.Float32bits(before[i*ldc+j]), math.Float32bits(c[i*ldc+j]); got != want {
					require.Equal(t, want, got, "%v: beyond the row", g)
				}
				continue
			}
			var want, size float64
			if g.beta != 0 {
				want = float64(g.beta) * float64(before[i*ldc+j])
				size = math.Abs(want)
			}
			for q := range g.k {
				x := float64(g.alpha) * at(g.transA, a, lda, i, q) * at(g.transB, b, ldb, q, j)
				want += x
				size += math.Abs(x)
			}
			// Higham 2002, (3.5): k+2 roundings of half an ulp each.
			if within := float64(g.k+2) * size * 0x1p-24; !(math.Abs(want-got) <= within) {
				require.InDelta(t, want, got, within, "%v: %d,%d", g, i, j)
			}
		}
	}
}

func TestGemm(t *testing.T) {
	both(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		for _, m := range []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 32} {
			for _, n := range []int{0, 1, 3, 7, 8, 9, 15, 16, 17, 24, 25, 33} {
				for _, k := range []int{0, 1, 2, 3, 4, 5, 7, 16, 33} {
					g := productCase{m: m, n: n, k: k, alpha: 1, beta: float32(rng.IntN(2)), padA: rng.IntN(3), padB: rng.IntN(3), padC: rng.IntN(3)}
					g.transA, g.transB = rng.IntN(2) == 1, rng.IntN(2) == 1
					checkProduct(t, rng, g)
				}
			}
		}
		for _, trans := range [][2]bool{{false, false}, {false, true}, {true, false}, {true, true}} {
			for _, alpha := range []float32{0, 1, -0.5} {
				for _, beta := range []float32{0, 1, 2.5} {
					for _, size := range [][3]int{{5, 23, 9}, {32, 40, 24}, {201, 35, 301}, {30, 20, 513}, {5, 1, 8200}} {
						checkProduct(t, rng, productCase{trans[0], trans[1], size[0], size[1], size[2], alpha, beta, 1, 2, 3})
					}
				}
			}
		}
	})
}

// both runs a test with the kernels that this processor has and with the plain functions.
func both(t *testing.T, f func(t *testing.T)) {
	for name, use := range variants {
		t.Run(name, func(t *testing.T) {
			defer use()()
			f(t)
		})
	}
}

func FuzzGemm(f *testing.F) {
	f.Add(uint64(1), byte(7), byte(3), uint16(300), byte(0))
	f.Add(uint64(2), byte(12), byte(40), uint16(9), byte(6))
	f.Add(uint64(3), byte(3), byte(2), uint16(513), byte(15))
	f.Fuzz(func(t *testing.T, seed uint64, rows, n byte, k uint16, bits byte) {
		k %= 600
		m := int(rows) % (1 + 8192/((int(k)+8)*(int(n)+1))) // the check takes m·n·k steps
		rng := rand.New(rand.NewPCG(seed, 1))
		checkProduct(t, rng, productCase{
			transA: bits&1 != 0, transB: bits&2 != 0,
			m: m, n: int(n), k: int(k),
			alpha: float32(rng.NormFloat64()), beta: float32(bits >> 2 & 1),
			padA: rng.IntN(20), padB: rng.IntN(20), padC: rng.IntN(20),
		})
	})
}

// An infinity or a NaN stays in its row and column, and does not meet the padding of panels.
func TestGemmNotFinite(t *testing.T) {
	both(t, func(t *testing.T) {
		for _, n := range []int{3, 8, 19} {
			a, b, c := make([]float32, 7*5), make([]float32, 5*n), make([]float32, 7*n)
			a[2*5+1] = float32(math.Inf(1))
			b[3*n+n-1] = float32(math.NaN())
			Gemm(false, false, 7, n, 5, 1, a, 5, b, n, 0, c, n)
			for i, v := range c {
				nan := i/n == 2 || i%n == n-1 // ∞·0, and the column of NaN
				assert.Equal(t, nan, v != v, "%d,%d", i/n, i%n)
			}
		}
	})
}

// Setting a Packed again reuses its memory, even for a smaller matrix, whose padding must be
// clean.
func TestPackedAgain(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var p Packed
	for _, size := range [][2]int{{30, 40}, {0, 0}, {7, 9}, {300, 3}} {
		k, n := size[0], size[1]
		a, b := random(rng, 5*k), random(rng, k*n)
		p.Set(false, k, n, b, max(1, n))
		gotK, gotN := p.Dims()
		assert.Equal(t, size, [2]int{gotK, gotN})
		want, got := make([]float32, 5*n), make([]float32, 5*n)
		Gemm(false, false, 5, n, k, 1, a, max(1, k), b, max(1, n), 0, want, max(1, n))
		GemmPacked(false, 5, 1, a, max(1, k), &p, 0, got, max(1, n))
		assert.Equal(t, want, got)
	}
}

// Concurrent products in many goroutines give the same bits as single ones.
func TestGemmAtOnce(t *testing.T) {
	work := func() []float32 {
		rng := rand.New(rand.NewPCG(3, 4))
		c := make([]float32, 33*41)
		for _, trans := range []bool{false, true} {
			a, lda := stored(rng, trans, 33, 270, 0)
			b, ldb := stored(rng, !trans, 270, 41, 0)
			Gemm(trans, !trans, 33, 41, 270, 1, a, lda, b, ldb, 1, c, 41)
		}
		return c
	}
	want := work()
	got := make([][]float32, 8)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() { got[i] = work() })
	}
	wg.Wait()
	for _, c := range got {
		assert.Equal(t, want, c)
	}
}

func TestNoAllocations(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	a, b, c := random(rng, 64*64), random(rng, 64*64), random(rng, 64*64)
	var p Packed
	for name, f := range map[string]func(){
		"Gemm":       func() { Gemm(true, true, 33, 35, 37, 1, a, 40, b, 41, 1, c, 42) },
		"GemmPacked": func() { GemmPacked(true, 33, 1, a, 40, &p, 1, c, 42) },
		"Set":        func() { p.Set(true, 37, 35, b, 41) },
		"Exp":        func() { Exp(c[:37], a[:37]) },
		"Softmax":    func() { Softmax(c, a, 32) },
		"LSTMCell":   func() { LSTMCell(c[:33], c[33:66], c[66:99], a[:4*33], b[:33], 11) },
		"Adam":       func() { Adam(AdamStep{Rate: 1, Step: 1}, c[:37], a[:37], 1, b[:37], b[37:74]) },
	} {
		p.Set(true, 37, 35, b, 41)
		f()
		// A garbage collection may empty the pool meanwhile.
		assert.Less(t, testing.AllocsPerRun(100, f), 1.0, name)
	}
}
