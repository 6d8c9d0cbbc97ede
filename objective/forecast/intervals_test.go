package forecast

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// walks returns random walks, each on a scale of its own.
func walks(n, length int, seed uint64) Frame {
	r := rand.New(rand.NewPCG(seed, 7))
	var f Frame
	for i := range n {
		y := make([]float64, length)
		scale, at := math.Pow(10, float64(i%4)), 100.0
		for t := range y {
			at += r.NormFloat64()
			y[t] = scale * at
		}
		f = append(f, Series{ID: fmt.Sprint(i), Start: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), Freq: Frequency{N: 1, Unit: Year}, Y: y})
	}
	return f
}

// The intervals of a random walk cover what they promise on values that nothing has seen, at
// each step, and their widths grow as the square root of the step.
func TestIntervals(t *testing.T) {
	const horizon = 6
	before, after, err := walks(150, 86, 1).Cut(horizon)
	require.NoError(t, err)
	back, err := NewBacktest(before, Splits{Horizon: horizon, Windows: 9, Step: 3}, MAE)
	require.NoError(t, err)
	r, err := back.Run(t.Context(), "naive", Naive(), RunOptions{})
	require.NoError(t, err)
	v := back.Intervals(r)
	require.NotNil(t, v)
	assert.Equal(t, 150*9*horizon, v.Errors)
	assert.Len(t, v.Sizes, mostSizes)
	assert.IsNonDecreasing(t, v.Widths)
	assert.InDelta(t, math.Sqrt(6), v.Widths[5]/v.Widths[0], 0.6)
	next, err := Naive().Predict(t.Context(), before, horizon)
	require.NoError(t, err)
	for _, level := range []float64{0.5, 0.8, 0.95} {
		lower, upper, err := v.Around(next, before, level)
		require.NoError(t, err)
		assert.InDelta(t, level, Coverage(after, lower, upper), 0.1)
	}
	for _, level := range []float64{0, 1, -1, math.NaN()} {
		_, _, err = v.Around(next, before, level)
		require.ErrorIs(t, err, ErrConfig)
	}
	far, err := Naive().Predict(t.Context(), before, horizon+1)
	require.NoError(t, err)
	_, _, err = v.Around(far, before, 0.8)
	require.ErrorIs(t, err, ErrHorizon)
	_, _, err = v.Around(next, before[1:], 0.8)
	require.ErrorIs(t, err, ErrConfig)
}

// Without enough errors, there are no intervals.
func TestNoIntervals(t *testing.T) {
	flat := walks(1, 60, 1)
	for i := range flat[0].Y {
		flat[0].Y[i] = 5
	}
	line := walks(1, 60, 1)
	for i := range line[0].Y {
		line[0].Y[i] = float64(i)
	}
	for name, c := range map[string]struct {
		frame Frame
		model Forecaster
		folds int
	}{
		"a constant": {flat, Naive(), 3}, "no errors": {line, Drift(), 3}, "few errors": {walks(1, 60, 2), Naive(), 1},
	} {
		back, err := NewBacktest(c.frame, Splits{Horizon: 4, Windows: c.folds}, MAE)
		require.NoError(t, err)
		r, err := back.Run(t.Context(), name, c.model, RunOptions{})
		require.NoError(t, err)
		assert.Nil(t, back.Intervals(r), name)
	}
	_, _, err := (*Intervals)(nil).Around(flat, flat, 0.8)
	require.ErrorIs(t, err, ErrConfig)
}

func TestRising(t *testing.T) {
	assert.Equal(t, []float64{1, 2, 3}, rising([]float64{1, 4, 9}, []float64{1, 1, 1}))
	assert.Equal(t, []float64{2, 2, 3}, rising([]float64{5, 3, 9}, []float64{1, 1, 1}))
	assert.Equal(t, []float64{2, 2, 2}, rising([]float64{4, 0, 4}, []float64{1, 0, 1}), "without values")
}
