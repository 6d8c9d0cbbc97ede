package onnx

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The boundary is the last float64 whose float32 is at most t.
func TestBoundary(t *testing.T) {
	inf := float32(math.Inf(1))
	values := []float32{0, 1, -1, 0.1, 1e-45, -1e-45, math.MaxFloat32, -math.MaxFloat32, -inf, inf, math.Nextafter32(math.MaxFloat32, 0), 16777216, 0x1p-126, math.Nextafter32(1, 2)}
	r := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		if x := math.Float32frombits(r.Uint32()); x == x {
			values = append(values, x)
		}
	}
	for _, v := range values {
		b := boundary(v)
		assert.LessOrEqual(t, float32(b), v)
		if !math.IsInf(b, 1) {
			assert.Greater(t, float32(math.Nextafter(b, math.Inf(1))), v, "%v", v)
		}
	}
}
