package neural

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// Large tables get an even selection of the samples of each series.
func TestThinned(t *testing.T) {
	v := &view{horizon: 2}
	v.window = 4
	var samples []sample
	for series := range 10 {
		for o := range 1000 {
			samples = append(samples, sample{series, o})
		}
	}
	cells := len(samples) * (4*v.features() + 2)
	assert.Equal(t, samples, v.thinned(samples, cells))
	some := v.thinned(samples, cells/7)
	assert.InDelta(t, len(samples)/7, len(some), 10)
	count, last := map[int]int{}, map[int]int{}
	for _, s := range some {
		if n := last[s.series]; n > 0 {
			assert.LessOrEqual(t, s.origin-n, 8)
		}
		count[s.series]++
		last[s.series] = s.origin
	}
	for series := range 10 {
		assert.InDelta(t, 1000/7, count[series], 2)
	}
}
