package f32

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ulps returns the distance of got from the exact value, in units in the last place of the
// float32 nearest to it.
func ulps(got float32, want float64) float64 {
	near := float32(want)
	if math.IsInf(float64(near), 0) || math.IsInf(float64(got), 0) {
		if got == near {
			return 0
		}
		// One may round to infinity and the other to the greatest finite number.
		return math.Abs(math.Max(-math.MaxFloat64, math.Min(math.MaxFloat64, float64(got)))-want) / 0x1p104
	}
	_, e := math.Frexp(float64(near))
	return math.Abs(float64(got)-want) / math.Ldexp(1, max(e-24, -149))
}

// everyNth returns every nth float32, including NaNs and infinities.
func everyNth(n uint32) []float32 {
	var x []float32
	for b := uint64(0); b < 1<<32; b += uint64(n) {
		x = append(x, math.Float32frombits(uint32(b)))
	}
	return x
}

var elementary = []struct {
	name   string
	vector func(dst, src []float32)
	plain  func(float32) float32
	exact  func(float64) float64
	ulps   float64 // for Exp, the error in its documentation
}{
	{"Exp", Exp, exp, math.Exp, 1.1},
	{"tanh", gate(2), tanh, math.Tanh, 2.6},
	{"sigmoid", gate(0), sigmoid, func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }, 2.4},
}

// gate returns the function of an LSTM cell's k-th gate. The package has no tanh and sigmoid
// except those inside the cell.
func gate(k int) func(dst, src []float32) {
	return func(dst, src []float32) {
		n := len(src)
		if n == 0 {
			return
		}
		gates := slices.Repeat(src, 4)
		state := make([]float32, n)
		LSTMCell(make([]float32, n), state, make([]float32, n), gates, state, n)
		copy(dst, gates[k*n:])
	}
}

// The sample is one in 65,521 of all float32, and a finer one where the functions vary. The
// documented errors come from a sample of one in 31.
func TestElementary(t *testing.T) {
	both(t, func(t *testing.T) {
		x := everyNth(65_521)
		for s := range 40_000 {
			x = append(x, float32(s-20_000)/200)
		}
		y := make([]float32, len(x))
		for _, f := range elementary {
			f.vector(y, x)
			worst, where := 0.0, float32(0)
			for i, v := range x {
				if v != v {
					require.True(t, y[i] != y[i], "%s of NaN gives %v", f.name, y[i])
					continue
				}
				require.Equal(t, math.Float32bits(f.plain(v)), math.Float32bits(y[i]), "%s: plain twin at %v", f.name, v)
				if u := ulps(y[i], f.exact(float64(v))); u > worst {
					worst, where = u, v
				}
			}
			assert.LessOrEqual(t, worst, f.ulps, "%s at %v", f.name, where)
		}
	})
}

func TestElementaryAtTheEdges(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	tiny := math.Float32frombits(1)
	zero := float32(math.Copysign(0, -1))
	x := []float32{inf, -inf, 0, zero, tiny, -tiny, 88.72, 88.73, -103.97, -103.98, math.MaxFloat32, -math.MaxFloat32}
	want := map[string][]float32{
		"Exp":     {inf, 0, 1, 1, 1, 1, 3.3931806e38, inf, tiny, 0, inf, 0},
		"tanh":    {1, -1, 0, zero, tiny, -tiny, 1, 1, -1, -1, 1, -1},
		"sigmoid": {1, 0, 0.5, 0.5, 0.5, 0.5, 1, 1, tiny, 0, 1, 0},
	}
	both(t, func(t *testing.T) {
		for _, f := range elementary {
			y := make([]float32, len(x))
			f.vector(y, x)
			for i := range x {
				w := want[f.name][i]
				close := w == y[i] || math.Abs(float64(w)-float64(y[i])) <= 1e-7*math.Abs(float64(w))
				assert.True(t, close && math.Signbit(float64(w)) == math.Signbit(float64(y[i])), "%s(%v) = %v, want %v", f.name, x[i], y[i], w)
			}
			y[0] = nan
			f.vector(y[:1], y[:1])
			assert.True(t, y[0] != y[0])
		}
	})
}

// The result for an element does not depend on its index or its neighbours.
func TestElementaryLengths(t *testing.T) {
	both(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(5, 6))
		for _, f := range elementary {
			for n := range 40 {
				x := random(rng, n)
				y := make([]float32, n+1)
				y[n] = 7
				f.vector(y[:n], x)
				for i, v := range x {
					require.Equal(t, f.plain(v), y[i], "%s: %d of %d", f.name, i, n)
				}
				require.Equal(t, float32(7), y[n], "%s writes beyond the end", f.name)
				f.vector(x, x)
				require.Equal(t, y[:n], x, "%s in place", f.name)
			}
		}
	})
}

func TestVectors(t *testing.T) {
	both(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(7, 8))
		for n := range 70 {
			a, b, c := random(rng, n), random(rng, n), random(rng, n)
			s, u := float32(rng.NormFloat64()), float32(rng.NormFloat64())
			var dot, sum, squares, size, top float64
			top = math.Inf(-1)
			for i := range n {
				x, y := float64(a[i]), float64(b[i])
				dot += x * y
				sum += x
				squares += x * x
				size += math.Abs(x) + math.Abs(x*y)
				top = max(top, x)
			}
			slack := float64(n) * size * 0x1p-24
			assert.InDelta(t, dot, Dot(a, b), slack)
			assert.InDelta(t, sum, Sum(a), slack)
			assert.InEpsilon(t, 1+squares, 1+SumSquares(a), 1e-14)
			if n > 0 {
				assert.Equal(t, float32(top), maximum(a))
			}

			// f sets dst, which is one element longer than the other slices and may be a.
			each := func(name string, want func(a, b, c float64) float64, f func(dst, a []float32)) {
				dst := make([]float32, n+1)
				dst[n] = 7
				f(dst[:n], a)
				require.Equal(t, float32(7), dst[n], "%s writes beyond the end", name)
				for i := range n {
					w := want(float64(a[i]), float64(b[i]), float64(c[i]))
					require.InDelta(t, w, dst[i], 1e-6*(1+math.Abs(w)), "%s: %d of %d", name, i, n)
				}
				in := slices.Clone(a)
				f(in, in)
				require.Equal(t, dst[:n], in, "%s in place", name)
			}
			each("Add", func(a, b, _ float64) float64 { return a + b }, func(dst, a []float32) { Add(dst, a, b) })
			each("Mul", func(a, b, _ float64) float64 { return a * b }, func(dst, a []float32) { Mul(dst, a, b) })
			each("MulAdd", func(a, b, c float64) float64 { return a*b + c }, func(dst, a []float32) { MulAdd(dst, a, b, c) })
			each("Affine", func(a, _, _ float64) float64 { return a*float64(s) + float64(u) }, func(dst, a []float32) { Affine(dst, a, s, u) })
			each("Scale", func(a, _, _ float64) float64 { return a * float64(s) }, func(dst, a []float32) { copy(dst, a); Scale(s, dst) })
			each("Axpy", func(a, b, _ float64) float64 { return a + float64(s)*b }, func(dst, a []float32) { copy(dst, a); Axpy(s, b, dst) })
			each("Relu", func(a, _, _ float64) float64 { return max(0, a) }, func(dst, a []float32) { Relu(dst, a) })
			each("ReluGrad", func(a, b, _ float64) float64 {
				if a > 0 {
					return b
				}
				return 0
			}, func(dst, a []float32) { ReluGrad(dst, a, b) })
		}
	})
}

func TestNaNGoesThrough(t *testing.T) {
	both(t, func(t *testing.T) {
		x := make([]float32, 9)
		for i := range x {
			x[i] = float32(math.NaN())
		}
		y := make([]float32, 9)
		Relu(y, x)
		for _, v := range y {
			assert.True(t, v != v)
		}
		x = make([]float32, 9)
		x[4] = float32(math.NaN())
		Softmax(x, x, 9)
		for _, v := range x {
			assert.True(t, v != v)
		}
	})
}

func TestRows(t *testing.T) {
	x := []float32{1, 2, 3, 4, 5, 6}
	sum := []float32{10, 20, 30}
	AddRows(sum, x)
	assert.Equal(t, []float32{15, 27, 39}, sum)
	AddRow(x, []float32{1, 1, 2})
	assert.Equal(t, []float32{2, 3, 5, 5, 6, 8}, x)
	AddRow(nil, nil)
}

func TestPanics(t *testing.T) {
	x := make([]float32, 6)
	var p Packed
	p.Set(false, 2, 3, x, 3)
	for want, f := range map[string]func(){
		"f32: Gemm: A holds 6 elements, 3×4 with row stride 4 needs 12":      func() { Gemm(false, false, 3, 1, 4, 1, x, 4, x, 1, 0, x, 1) },
		"f32: Gemm: B has a row stride of 1, below its 2 columns":            func() { Gemm(false, false, 3, 2, 2, 1, x, 2, x, 1, 0, x, 2) },
		"f32: Gemm: C holds 6 elements, 3×3 with row stride 3 needs 9":       func() { Gemm(false, false, 3, 3, 2, 1, x, 2, x, 3, 0, x, 3) },
		"f32: Gemm: negative size -1×3×2":                                    func() { Gemm(false, false, -1, 3, 2, 1, x, 2, x, 3, 0, x, 3) },
		"f32: GemmPacked: A holds 6 elements, 2×4 with row stride 4 needs 8": func() { GemmPacked(true, 4, 1, x, 4, &p, 0, make([]float32, 12), 3) },
		"f32: GemmPacked: negative size -2×3×2":                              func() { GemmPacked(false, -2, 1, x, 2, &p, 0, x, 3) },
		"f32: Packed: B holds 6 elements, 4×2 with row stride 2 needs 8":     func() { p.Set(true, 2, 4, x, 2) },
		"f32: Packed: negative size -1×2":                                    func() { p.Set(true, -1, 2, x, 2) },
		"f32: Add: slices of 6 and 5 elements, want equal lengths":           func() { Add(x, x, x[:5]) },
		"f32: LSTMCell: slices of 24 and 6 elements, want equal lengths":     func() { LSTMCell(x, x, x, x, x, 2) },
		"f32: AddRow: 6 elements do not divide into rows of 4":               func() { AddRow(x, x[:4]) },
		"f32: Softmax: 6 elements do not divide into rows of 0":              func() { Softmax(x, x, 0) },
		"f32: Adam: step 0, want 1 or later":                                 func() { Adam(AdamStep{}, x, x, 1, x, x) },
	} {
		assert.PanicsWithValue(t, want, f)
	}
}
