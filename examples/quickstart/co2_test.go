package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMonthlyCO2(t *testing.T) {
	y, err := monthlyCO2()
	require.NoError(t, err)
	require.Len(t, y, 526, "March 1958 to December 2001")
	for i, ppm := range y {
		assert.True(t, 300 <= ppm && ppm <= 400, "month %d: %v ppm", i, ppm)
	}

	// By hand from the rows of co2.csv.
	assert.Equal(t, 316.1, y[0], "March 1958 has one week")
	assert.InDelta(t, (316.9+317.5+317.9)/3, y[2], 1e-9, "May 1958 has two empty weeks of five")
	assert.InDelta(t, (y[2]+y[4])/2, y[3], 1e-9, "June 1958 is interpolated")
}
