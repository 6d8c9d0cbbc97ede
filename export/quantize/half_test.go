package quantize

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// number returns the value of 16 bits in half precision (IEEE 754, binary16).
func number(b uint16) float64 {
	sign, e, m := 1-2*float64(b>>15), int(b>>10&31), float64(b&1023)
	switch e {
	case 0:
		return sign * math.Ldexp(m, -24)
	case 31:
		return sign * math.Inf(1)
	}
	return sign * math.Ldexp(1024+m, e-25)
}

// Numbers in half precision are unchanged. Other numbers become the nearest one, and
// midpoints the even one.
func TestHalf(t *testing.T) {
	for b := range uint16(0x7c00) {
		low, high := number(b), number(b+1)
		if b == 0x7bff {
			high = 65536 // the place of infinity
		}
		require.Equal(t, b, half(float32(low)))
		require.Equal(t, b|0x8000, half(float32(-low))|0x8000)
		even := b
		if b&1 == 1 {
			even = b + 1
		}
		middle := float32((low + high) / 2)
		require.Equal(t, even, half(middle), "between %v and %v", low, high)
		require.Equal(t, b, half(math.Nextafter32(middle, 0)))
		require.Equal(t, b+1, half(math.Nextafter32(middle, 1e9)))
	}
	assert.Equal(t, uint16(0x7c00), half(1e30))
	assert.Equal(t, uint16(0xfc00), half(-65520))
}
