package native

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBetween(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct{ a, b, want float64 }{
		{1, 2, 1.5},
		{-1, 1, 0},
		{1, math.Nextafter(1, 2), 1},
		{0.1, math.Nextafter(0.1, 1), 0.1}, // no float32 between
		{-inf, inf, 0},
		{-inf, 3, -math.MaxFloat32},
		{3, inf, math.MaxFloat32},
		{1e300, inf, 1e300},
		{-inf, -1e300, -math.MaxFloat64},
		{-math.MaxFloat64, math.MaxFloat64, 0},
		{20240101, 20240102, 20240101}, // neighbouring float32 values are 2 apart
	} {
		got := between(c.a, c.b)
		assert.True(t, c.a <= got && got < c.b, "%v between %v and %v", got, c.a, c.b)
		if c.b != 20240102 {
			assert.Equal(t, c.want, got, "between %v and %v", c.a, c.b)
		}
	}
}

func TestThresholdsAreFloat32WhereOneLies(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 100_000 {
		a := r.NormFloat64() * math.Pow(10, float64(r.IntN(80)-40))
		b := a
		for range 1 + r.IntN(3) {
			b = math.Nextafter(b, math.Inf(1))
		}
		if r.IntN(2) == 0 {
			b = a + math.Abs(a)*math.Pow(10, -float64(r.IntN(16)))
		}
		if !(a < b) {
			continue
		}
		got := between(a, b)
		require.True(t, a <= got && got < b)
		// The smallest float32 that is not below a.
		up := float32(a)
		if float64(up) < a {
			up = math.Nextafter32(up, float32(math.Inf(1)))
		}
		if float64(up) < b && !math.IsInf(float64(up), 0) {
			require.Equal(t, got, float64(float32(got)), "between %v and %v lies %v", a, b, up)
		}
	}
}

func TestBinsAreThoseOfTheBounds(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 1))
	for _, c := range []struct {
		name     string
		rows     int
		distinct int
		maxBins  int
	}{
		{"few values", 1000, 7, 255},
		{"as many values as bins", 5000, 255, 255},
		{"one too many", 5000, 256, 255},
		{"many", 20_000, 1 << 40, 255},
		{"two bins", 500, 1 << 40, 2},
		{"sampled", 450_000, 1 << 40, 255},
		{"one value", 10, 1, 255},
	} {
		t.Run(c.name, func(t *testing.T) {
			column := make([]float64, c.rows)
			for i := range column {
				column[i] = float64(r.IntN(c.distinct)) - float64(c.distinct/2)
				if r.IntN(10) == 0 && c.distinct > 1 {
					column[i] = math.NaN()
				}
			}
			var scratch [2][]uint64
			b := newBinner(column, c.maxBins, false, &scratch)
			require.True(t, slices.IsSorted(b.upper))
			require.LessOrEqual(t, b.bins, c.maxBins)
			require.GreaterOrEqual(t, b.bins, min(c.distinct, c.maxBins)*9/10)
			out := make([]uint8, c.rows)
			b.fill(column, out)
			counts := make([]int, b.bins+1)
			for i, v := range column {
				want, _ := slices.BinarySearch(b.upper, v)
				if math.IsNaN(v) {
					want = b.bins
				}
				if int(out[i]) != want {
					require.Equal(t, want, int(out[i]), "%v", v)
				}
				counts[want]++
			}
			if c.distinct > 1000 {
				assert.Less(t, slices.Max(counts[:b.bins]), 2*c.rows/b.bins)
			}
		})
	}
}

func TestHeavyValuesHaveBinsOfTheirOwn(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	column := make([]float64, 10_000)
	for i := range column {
		if r.IntN(2) == 0 {
			column[i] = r.NormFloat64()
		}
	}
	var scratch [2][]uint64
	b := newBinner(column, 255, false, &scratch)
	at, _ := slices.BinarySearch(b.upper, 0)
	assert.Less(t, b.upper[at]-b.upper[at-1], 0.05)
	assert.Greater(t, b.bins, 240)
}

func TestRareCategoriesShareTheBinOfMissingOnes(t *testing.T) {
	var column []float64
	for c := range 300 {
		for range 300 - c {
			column = append(column, float64(c))
		}
	}
	var scratch [2][]uint64
	b := newBinner(column, 255, true, &scratch)
	assert.Equal(t, 255, b.bins)
	out := make([]uint8, 5)
	b.fill([]float64{0, 254, 255, 1e6, math.NaN()}, out)
	assert.Equal(t, []uint8{0, 254, 255, 255, 255}, out)
}

func TestRadixSort(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 1))
	for _, n := range []int{0, 1, 255, 256, 3000} {
		values := make([]float64, n)
		keys := make([]uint64, n)
		for i := range values {
			values[i] = r.NormFloat64() * math.Pow(10, float64(r.IntN(600)-300))
			keys[i] = key(values[i])
		}
		slices.Sort(values)
		var spare []uint64
		for i, k := range radixSort(keys, &spare) {
			require.Equal(t, values[i], unkey(k))
		}
	}
	assert.Equal(t, key(0), key(math.Copysign(0, -1)))
}

func TestNth(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 1))
	for range 2000 {
		values := make([]float64, 1+r.IntN(30))
		for i := range values {
			values[i] = float64(r.IntN(10))
		}
		sorted := slices.Sorted(slices.Values(values))
		k := r.IntN(len(values))
		require.Equal(t, sorted[k], nth(values, k))
		require.Equal(t, sorted[k], values[k])
	}
}
