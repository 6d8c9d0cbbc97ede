// Package devicetest supports tests of devices: it has the suite that every device.Device
// must pass, and a CUDA driver that needs no GPU.
package devicetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/neural/internal/device"
)

// Run compares everything a device computes with plain loops in double precision.
func Run(t *testing.T, d device.Device) {
	for _, c := range slices.Concat(memory, elements, products, layers, training) {
		t.Run(c.name, func(t *testing.T) {
			b := &bench{T: t, d: d, r: rand.New(rand.NewPCG(1, 2))}
			c.run(b)
			b.margins()
			require.NoError(t, d.Err())
		})
	}
}

// A bench makes vectors with margins of numbers around them, which must not change.
type bench struct {
	*testing.T
	d    device.Device
	r    *rand.Rand
	all  []device.Vec // vectors with their margins
	lens []int
	many float64 // count of numbers that are summed, if thousands
}

const (
	margin = 3
	canary = 1234.5
)

var nan = float32(math.NaN())

// vec returns a vector of numbers.
func (b *bench) vec(x []float32) device.Vec {
	whole := make([]float32, len(x)+2*margin)
	for i := range whole {
		whole[i] = canary
	}
	copy(whole[margin:], x)
	v := b.d.Alloc(len(whole))
	b.d.Write(v, whole)
	b.all, b.lens = append(b.all, v), append(b.lens, len(x))
	return v.Part(margin, margin+len(x))
}

// unset returns a vector of NaNs.
func (b *bench) unset(n int) device.Vec {
	x := make([]float32, n)
	for i := range x {
		x[i] = nan
	}
	return b.vec(x)
}

func (b *bench) margins() {
	b.Helper()
	for i, v := range b.all {
		got := b.get(v)
		for j := range margin {
			require.EqualValues(b, canary, got[j], "before vector %d", i)
			require.EqualValues(b, canary, got[margin+b.lens[i]+j], "behind vector %d", i)
		}
	}
}

func (b *bench) get(v device.Vec) []float32 {
	x := make([]float32, v.Len())
	b.d.Read(x, v)
	return x
}

// normal returns normally distributed random numbers.
func (b *bench) normal(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(b.r.NormFloat64())
	}
	return x
}

// near asserts that v equals want, up to the rounding of single precision.
func (b *bench) near(want []float64, v device.Vec, name string, args ...any) {
	b.Helper()
	b.close(want, b.get(v), name, args...)
}

func (b *bench) close(want []float64, got []float32, name string, args ...any) {
	b.Helper()
	require.Len(b, got, len(want), name)
	for i, w := range want {
		g := float64(got[i])
		if math.Abs(g-w) > 1e-5*max(1, b.many/500)*(1+math.Abs(w)) || math.IsNaN(g) != math.IsNaN(w) {
			require.Fail(b, fmt.Sprintf(name, args...), "number %d of %d is %v, want %v", i, len(want), g, w)
		}
	}
}

func wide(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// lengths are lengths around the sizes of the CPU's vectors and the GPU's blocks.
var lengths = []int{1, 7, 33, 255, 256, 257, 1000}

// tables are sizes of matrices around these.
var tables = [][2]int{{1, 1}, {1, 40}, {5, 3}, {9, 32}, {17, 33}, {40, 70}}

// A law is a property that all devices share.
type law struct {
	name string
	run  func(b *bench)
}

// nearScales is near for scales, which may be large; its tolerance is relative.
func (b *bench) nearScales(want []float64, v device.Vec) {
	b.Helper()
	for i, got := range b.get(v) {
		assert.InEpsilon(b, want[i], got, 1e-3)
	}
}

// product checks count products of one size, in matrices with margins.
func (b *bench) product(count int, size [3]int, ta, tb bool, alpha, beta float32) {
	b.Helper()
	m, n, k := size[0], size[1], size[2]
	stored := func(rows, cols int, t bool, spare int) (device.Matrix, []float32, int) {
		if t {
			rows, cols = cols, rows
		}
		each := rows*(cols+spare) + 1
		x := b.normal(count * each)
		return device.Matrix{Vec: b.vec(x), Stride: cols + spare, T: t}, x, each
	}
	am, a, sa := stored(m, k, ta, 1)
	bm, bs, sb := stored(k, n, tb, 2)
	cm, c, sc := stored(m, n, false, 3)
	if beta == 0 { // the previous content must not show
		for p := range count {
			for i := range m {
				for j := range n {
					c[p*sc+i*cm.Stride+j] = nan
				}
			}
		}
		b.d.Write(cm.Vec, c)
	}
	at := func(x []float32, m device.Matrix, i, j int) float64 {
		if m.T {
			i, j = j, i
		}
		return float64(x[i*m.Stride+j])
	}
	want := wide(c)
	for p := range count {
		for i := range m {
			for j := range n {
				s := 0.0
				for l := range k {
					s += at(a[p*sa:], am, i, l) * at(bs[p*sb:], bm, l, j)
				}
				to := &want[p*sc+i*cm.Stride+j]
				if beta == 0 {
					*to = 0
				}
				*to = *to*float64(beta) + float64(alpha)*s
			}
		}
	}
	if count == 1 {
		b.d.Gemm(m, n, k, alpha, am, bm, beta, cm)
	} else {
		b.d.Gemms(count, m, n, k, alpha, am, sa, bm, sb, beta, cm, sc)
	}
	b.near(want, cm.Vec, "%d of %v, transposed %v %v, %v and %v", count, size, ta, tb, alpha, beta)
}

func softmaxOf(y []float64) {
	most, sum := math.Inf(-1), 0.0
	for _, x := range y {
		most = math.Max(most, x)
	}
	for j, x := range y {
		y[j] = math.Exp(x - most)
		sum += y[j]
	}
	for j := range y {
		y[j] /= sum
	}
}

// lossOf returns the loss of an error, and its derivative.
func lossOf(l device.Loss, e float64) (loss, slope float64) {
	sign := 0.0
	if e != 0 {
		sign = math.Copysign(1, e)
	}
	switch q := float64(l.Q); {
	case l.Kind == device.Square:
		return e * e, 2 * e
	case l.Kind == device.Absolute:
		return math.Abs(e), sign
	case l.Kind == device.Huber && math.Abs(e) <= q:
		return e * e / 2, e
	case l.Kind == device.Huber:
		return q * (math.Abs(e) - q/2), q * sign
	case e < 0:
		return (q - 1) * e, q - 1
	default:
		return q * e, q
	}
}
