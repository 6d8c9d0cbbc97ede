package device

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

// Values by hand: truth 1 and forecast f.
func TestLoss(t *testing.T) {
	nan := float32(math.NaN())
	for _, test := range []struct {
		name        string
		loss        Loss
		f           float32
		want, slope float64 // derivative of the loss by f
	}{
		{"square", Loss{Kind: Square}, 3, 4, 4},
		{"absolute, above", Loss{Kind: Absolute}, 3, 2, 1},
		{"absolute, below", Loss{Kind: Absolute}, -1, 2, -1},
		{"absolute, hit", Loss{Kind: Absolute}, 1, 0, 0},
		{"huber, near", Loss{Kind: Huber, Q: 1}, 1.5, 0.125, 0.5},
		{"huber, far", Loss{Kind: Huber, Q: 1}, 4, 2.5, 1},
		{"quantile, below", Loss{Kind: Quantile, Q: 0.75}, 0, 0.75, -0.75},
		{"quantile, above", Loss{Kind: Quantile, Q: 0.75}, 3, 0.5, 0.25},
	} {
		df := Host(make([]float32, 2))
		// The second truth has weight 0, so it may be anything.
		got := (&CPU{}).Loss(test.loss, 0.5, Host([]float32{test.f, nan}), Host([]float32{1, 7}), Host([]float32{3, 0}), df)
		assert.InDelta(t, 1.5*test.want, got, 1e-6, test.name)
		assert.InDelta(t, 1.5*test.slope, df.Host()[0], 1e-6, test.name)
		assert.Zero(t, df.Host()[1], test.name)
		got = (&CPU{}).Loss(test.loss, 1, Host([]float32{nan}), Host([]float32{1}), Host([]float32{1}), Vec{})
		assert.True(t, math.IsNaN(got), test.name)
	}
}

// Memory is allocated on first use, for all parts of a vector at once.
func TestMemoryIsMadeWhenItIsUsed(t *testing.T) {
	for _, n := range []int{0, 1, 3 << 20} { // the last in huge pages, if there are any
		v := (&CPU{}).Alloc(n)
		assert.Equal(t, n, v.Len())
		part := v.From(n / 2)
		assert.Nil(t, v.host.x)
		x := part.Host()
		assert.Len(t, x, n-n/2)
		for _, x := range x {
			if x != 0 {
				t.Fatal("not zero")
			}
		}
		for i := range x {
			x[i] = float32(i)
		}
		assert.Equal(t, x, v.Host()[n/2:])
		assert.Zero(t, v.Part(n, n).Len())
		assert.Panics(t, func() { v.To(n + 1) })
	}
	assert.Nil(t, Vec{}.Host())
	assert.Nil(t, At(64, 3).Host())
	assert.Equal(t, uintptr(72), At(64, 3).From(2).Addr())
	assert.Zero(t, Host(make([]float32, 3)).From(1).Addr())
}

func TestDropout(t *testing.T) {
	const n = 1<<16 + 3
	ones, out, again := make([]float32, n), make([]float32, n), make([]float32, n)
	for i := range ones {
		ones[i] = 1
	}
	cpu := &CPU{}
	for _, rate := range []float32{0.1, 0.5, 0.9} {
		cpu.Dropout(Host(out), Host(ones), rate, 7)
		zeros, sum := 0, 0.0
		for _, x := range out {
			if x == 0 {
				zeros++
			} else {
				assert.InDelta(t, 1/(1-rate), x, 1e-3)
			}
			sum += float64(x)
		}
		deviation := math.Sqrt(float64(rate * (1 - rate) / n))
		assert.InDelta(t, rate, float64(zeros)/n, 4*deviation)
		cpu.Dropout(Host(again), Host(ones), rate, 7)
		assert.Equal(t, out, again)
		cpu.Dropout(Host(again[:100]), Host(ones[:100]), rate, 7) // depends only on the index
		assert.Equal(t, out, again)
		cpu.Dropout(Host(again), Host(again), rate, 8)
		both := 0
		for _, x := range again {
			if x == 0 {
				both++
			}
		}
		assert.InDelta(t, 1-(1-rate)*(1-rate), float64(both)/n, 0.01, "seeds are independent")
	}
}

func TestCausalSoftmax(t *testing.T) {
	x := make([]float32, 18)
	(&CPU{}).Softmax(Host(x), Host(x), 3, true)
	want := []float32{1, 0, 0, 0.5, 0.5, 0, 1. / 3, 1. / 3, 1. / 3}
	assert.InDeltaSlice(t, append(want, want...), x, 1e-6)
}
