package f32

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func float64s(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// slope returns the derivative of Σ dy·f(x) with respect to each x, by central differences.
func slope(f func(x []float64) []float64, x []float64, dy []float32) []float64 {
	const d = 1e-5
	at := func(i int, by float64) (s float64) {
		x := slices.Clone(x)
		x[i] += by
		for j, v := range f(x) {
			s += v * float64(dy[j])
		}
		return s
	}
	g := make([]float64, len(x))
	for i := range x {
		g[i] = (at(i, d) - at(i, -d)) / (2 * d)
	}
	return g
}

func near(t *testing.T, want []float64, got []float32, name string) {
	t.Helper()
	require.Len(t, got, len(want), name)
	for i, w := range want {
		require.InDelta(t, w, got[i], 2e-5*(1+math.Abs(w)), "%s: %d", name, i)
	}
}

func softmax64(cols int) func(x []float64) []float64 {
	return func(x []float64) []float64 {
		y := make([]float64, len(x))
		for at := 0; at < len(x); at += cols {
			var s float64
			for i, v := range x[at : at+cols] {
				y[at+i] = math.Exp(v)
				s += y[at+i]
			}
			for i := range cols {
				y[at+i] /= s
			}
		}
		return y
	}
}

func TestSoftmax(t *testing.T) {
	both(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		for _, cols := range []int{1, 2, 7, 8, 9, 24, 33} {
			x, dy := random(rng, 3*cols), random(rng, 3*cols)
			y, dx := make([]float32, len(x)), make([]float32, len(x))
			Softmax(y, x, cols)
			near(t, softmax64(cols)(float64s(x)), y, "softmax")
			SoftmaxGrad(dx, y, dy, cols)
			near(t, slope(softmax64(cols), float64s(x), dy), dx, "gradient")
			SoftmaxGrad(dy, y, dy, cols)
			assert.Equal(t, dx, dy, "in place")
		}
		x := []float32{1000, float32(math.Inf(-1)), 1000, -1000}
		Softmax(x, x, 4)
		assert.Equal(t, []float32{0.5, 0, 0.5, 0}, x)
	})
}

func TestLayerNorm(t *testing.T) {
	const eps = 1e-5
	both(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		for _, cols := range []int{3, 8, 13, 32} {
			const rows = 3
			x, gain, bias, dy := random(rng, rows*cols), random(rng, cols), random(rng, cols), random(rng, rows*cols)
			norm64 := func(x, gain, bias []float64) []float64 {
				y := make([]float64, len(x))
				for at := 0; at < len(x); at += cols {
					var mean, variance float64
					for _, v := range x[at : at+cols] {
						mean += v / float64(cols)
					}
					for _, v := range x[at : at+cols] {
						variance += (v - mean) * (v - mean) / float64(cols)
					}
					for i, v := range x[at : at+cols] {
						y[at+i] = gain[i]*(v-mean)/math.Sqrt(variance+eps) + bias[i]
					}
				}
				return y
			}
			y, norm, rstd := make([]float32, len(x)), make([]float32, len(x)), make([]float32, rows)
			LayerNorm(y, norm, rstd, x, gain, bias, eps)
			x64, gain64, bias64 := float64s(x), float64s(gain), float64s(bias)
			near(t, norm64(x64, gain64, bias64), y, "value")

			dx, dgain, dbias := make([]float32, len(x)), make([]float32, cols), make([]float32, cols)
			LayerNormGrad(dx, dgain, dbias, dy, norm, rstd, gain)
			near(t, slope(func(x []float64) []float64 { return norm64(x, gain64, bias64) }, x64, dy), dx, "dx")
			near(t, slope(func(g []float64) []float64 { return norm64(x64, g, bias64) }, gain64, dy), dgain, "dgain")
			near(t, slope(func(b []float64) []float64 { return norm64(x64, gain64, b) }, bias64, dy), dbias, "dbias")
			LayerNormGrad(dy, dgain, dbias, dy, norm, rstd, gain)
			assert.Equal(t, dx, dy, "in place")
			LayerNorm(x, x, rstd, x, gain, bias, eps)
			assert.Equal(t, y, x, "in place")
		}
	})
}

// lstm64 returns h followed by c, for pre-activations followed by the previous c.
func lstm64(batch, hidden int) func(x []float64) []float64 {
	return func(x []float64) []float64 {
		gates, before := x[:4*batch*hidden], x[4*batch*hidden:]
		out := make([]float64, 2*batch*hidden)
		sigma := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
		for r := range batch {
			for j := range hidden {
				row := gates[r*4*hidden:]
				c := sigma(row[hidden+j])*before[r*hidden+j] + sigma(row[j])*math.Tanh(row[2*hidden+j])
				out[r*hidden+j] = sigma(row[3*hidden+j]) * math.Tanh(c)
				out[batch*hidden+r*hidden+j] = c
			}
		}
		return out
	}
}

func TestLSTMCell(t *testing.T) {
	both(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		for _, hidden := range []int{1, 7, 8, 11, 32} {
			const batch = 3
			n := batch * hidden
			x := random(rng, 5*n)
			gates, before := slices.Clone(x[:4*n]), x[4*n:]
			out, tanhC := make([]float32, 2*n), make([]float32, n)
			h, c := out[:n], out[n:]
			LSTMCell(h, c, tanhC, gates, before, hidden)
			near(t, lstm64(batch, hidden)(float64s(x)), out, "value")

			d := random(rng, 2*n)
			want := slope(lstm64(batch, hidden), float64s(x), d)
			dh, dc, dgates := d[:n], d[n:], make([]float32, 4*n)
			again := slices.Clone(dc)
			LSTMCellGrad(dgates, dc, dh, gates, tanhC, before, hidden)
			near(t, want[:4*n], dgates, "dgates")
			near(t, want[4*n:], dc, "dc")
			LSTMCellGrad(gates, again, dh, gates, tanhC, before, hidden)
			assert.Equal(t, dgates, gates, "in place")
		}
	})
}

// The updates as given in the papers, in double precision.
func TestAdam(t *testing.T) {
	both(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		for _, n := range []int{0, 1, 8, 21} {
			const rate, beta1, beta2, eps, decay, scale = 1e-2, 0.9, 0.999, 1e-8, 0.1, 0.5
			x, m, v := random(rng, n), make([]float32, n), make([]float32, n)
			x64, m64, v64 := float64s(x), make([]float64, n), make([]float64, n)
			for step := 1; step <= 20; step++ {
				g := random(rng, n)
				Adam(AdamStep{Rate: rate, Beta1: beta1, Beta2: beta2, Epsilon: eps, Decay: decay, Step: step}, x, g, scale, m, v)
				for i := range n {
					d := float64(g[i]) * scale
					m64[i] = beta1*m64[i] + (1-beta1)*d
					v64[i] = beta2*v64[i] + (1-beta2)*d*d
					hat := m64[i] / (1 - math.Pow(beta1, float64(step)))
					root := math.Sqrt(v64[i] / (1 - math.Pow(beta2, float64(step))))
					x64[i] -= rate * (decay*x64[i] + hat/(root+eps))
				}
			}
			near(t, x64, x, "x")
			near(t, m64, m, "m")
			near(t, v64, v, "v")
		}
	})
}
