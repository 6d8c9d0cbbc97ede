package dataset

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCO2(t *testing.T) {
	s, err := CO2()
	require.NoError(t, err)
	require.Len(t, s.Values, 526)
	assert.Equal(t, time.Date(1958, time.March, 1, 0, 0, 0, 0, time.UTC), s.First)
	assert.Equal(t, time.Date(2001, time.December, 1, 0, 0, 0, 0, time.UTC), s.Month(525))
	for i, v := range s.Values {
		assert.False(t, math.IsNaN(v) || v < 300 || v > 400, "%v: %v ppm", s.Month(i), v)
	}

	// By hand from the rows of co2.csv.
	assert.Equal(t, 316.1, s.Values[0], "March 1958 has one week")
	assert.InDelta(t, (316.9+317.5+317.9)/3, s.Values[2], 1e-9, "May 1958 has two empty weeks of five")
	assert.InDelta(t, (s.Values[2]+s.Values[4])/2, s.Values[3], 1e-9, "June 1958 is interpolated")
}
