package f32

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The first outputs of SplitMix64 for the seed 1234567, by the authors' C program
// (prng.di.unimi.it/splitmix64.c).
func TestMixIsSplitMix64(t *testing.T) {
	state := uint64(1234567)
	for _, want := range []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821} {
		assert.Equal(t, want, Mix(state))
		state += golden
	}
}

// Numbers follow the definition for any length and kernel, and a part that is filled alone
// equals that part of the whole.
func TestUniform(t *testing.T) {
	both(t, func(t *testing.T) {
		const seed, limit = 1<<63 + 77, 0.3
		for _, n := range []int{0, 1, 2, 7, 8, 9, 16, 31, 1001} {
			x := make([]float32, n+1)
			x[n] = 7
			Uniform(x[:n], limit, seed)
			assert.Equal(t, float32(7), x[n])
			for i := range n {
				u := Mix(seed + uint64(i/2)*golden)
				want := float32(limit) / (1 << 31) * float32(int32(u>>(i%2*32)))
				require.Equal(t, want, x[i], "%d of %d", i, n)
			}
			for _, from := range []int{2, 6, 10, 100} {
				if from < n {
					part := make([]float32, n-from)
					Uniform(part, limit, Skip(seed, from))
					assert.Equal(t, x[from:n], part)
				}
			}
		}
	})
}

// The moments are those of a uniform distribution, neighbours are uncorrelated, and each part
// of the interval has equally many numbers: all within four standard deviations.
func TestUniformIsUniform(t *testing.T) {
	const n = 1 << 18
	x := make([]float32, n)
	for seed := range uint64(4) {
		Uniform(x, 2, seed)
		var sum, squares, lag1, lag2, most float64
		var bins [64]float64
		for i, v := range x {
			y := float64(v) / 2
			most = max(most, math.Abs(y))
			sum, squares = sum+y, squares+y*y
			if i > 1 {
				lag1, lag2 = lag1+y*float64(x[i-1])/2, lag2+y*float64(x[i-2])/2
			}
			bins[min(63, int(32*(y+1)))]++
		}
		assert.LessOrEqual(t, most, 1.0)
		root := math.Sqrt(n)
		assert.InDelta(t, 0, sum/root, 4*math.Sqrt(1./3))
		assert.InDelta(t, 0, (squares-n/3.)/root, 4*math.Sqrt(1./5-1./9))
		assert.InDelta(t, 0, lag1/root, 4./3)
		assert.InDelta(t, 0, lag2/root, 4./3)
		chi := 0.0
		for _, b := range bins {
			chi += (b - n/64) * (b - n/64) / (n / 64)
		}
		assert.InDelta(t, 63, chi, 4*math.Sqrt(2*63))
	}
}
