package ensemble

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTrim(t *testing.T) {
	w := []float64{0.5, 0.03, 0.47}
	assert.Equal(t, 2, trim(w))
	assert.InDeltaSlice(t, []float64{0.5 / 0.97, 0, 0.47 / 0.97}, w, 1e-12)
	w = slices.Repeat([]float64{0.02}, 50)
	assert.Equal(t, 50, trim(w), "all are small: the largest stay")
	assert.InDelta(t, 0.02, w[7], 1e-12)
}
