package forecast

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A record has the forecasts of each window beside the actual values, and intervals by the errors
// elsewhere.
func TestRecord(t *testing.T) {
	frame := airPassengers(t)
	back, err := NewBacktest(frame, Splits{Horizon: 12, Windows: 4, Step: 6}, MAPE)
	require.NoError(t, err)
	r, err := back.Run(t.Context(), "naive", Naive(), RunOptions{})
	require.NoError(t, err)
	b := back.Record(r)
	assert.Equal(t, []int{4, 1, 1}, []int{b.Windows, b.All, len(b.Series)})
	assert.True(t, b.Overlap())
	s := b.Series[0]
	require.Len(t, s.Windows, 4)
	n := frame[0].Len()
	assert.Len(t, s.Times, 24+12+3*6, "two horizons before the first window")
	assert.Equal(t, frame[0].Y[n-len(s.Actual):], []float64(s.Actual))
	assert.Equal(t, seconds(frame[0], n-1), s.Times[len(s.Times)-1])
	for i, w := range s.Windows {
		assert.Equal(t, 24+6*i, w.From)
		assert.Equal(t, r.Folds[i].Forecast[0].Y, []float64(w.Forecast))
		require.Len(t, w.Half, 2)
		assert.LessOrEqual(t, w.Half[0][11], w.Half[1][11], "80 %% is narrower than 95 %%")
	}

	// The first window's own errors, and those of the second, which overlaps it, do not count.
	wrong := r
	wrong.Folds = slices.Clone(r.Folds)
	for i := range 2 {
		f := slices.Clone(r.Folds[i].Forecast)
		f[0].Y = slices.Repeat([]float64{1e6}, 12)
		wrong.Folds[i].Forecast = f
	}
	again := back.Record(wrong).Series[0]
	assert.Equal(t, s.Windows[0].Half, again.Windows[0].Half)
	assert.NotEqual(t, s.Windows[3].Half, again.Windows[3].Half)
}

// A record is small: it has only some of many series or windows.
func TestRecordIsSmall(t *testing.T) {
	for name, c := range map[string]struct {
		frame            Frame
		splits           Splits
		series, forecast int
	}{
		"many series":    {walks(50, 60, 1), Splits{Horizon: 6, Windows: 5}, 3, 30},
		"many windows":   {walks(2, 1500, 1), Splits{Horizon: 10, Windows: 100}, 1, 600},
		"a long horizon": {walks(1, 3000, 1), Splits{Horizon: 1000, Windows: 2}, 1, 600},
	} {
		t.Run(name, func(t *testing.T) {
			back, err := NewBacktest(c.frame, c.splits, MAE)
			require.NoError(t, err)
			r, err := back.Run(t.Context(), "naive", Naive(), RunOptions{})
			require.NoError(t, err)
			b := back.Record(r)
			assert.Len(t, b.Series, c.series)
			assert.Equal(t, len(c.frame), b.All)
			n := 0
			for _, w := range b.Series[0].Windows {
				n += len(w.Forecast)
			}
			assert.Equal(t, c.forecast, n)
			last := b.Series[0]
			assert.Equal(t, c.frame[0].Y[len(c.frame[0].Y)-1] == last.Actual[len(last.Actual)-1], name != "a long horizon")
		})
	}
}

// Without enough errors elsewhere there are no intervals, and what is missing stays so.
func TestRecordWithoutIntervals(t *testing.T) {
	frame := walks(2, 60, 1)
	frame[0].Y = slices.Clone(frame[0].Y)
	frame[0].Y[55] = math.NaN()
	frame[1] = frame[1].part(0, 30, 0) // it ended long before the window
	back, err := NewBacktest(frame, Splits{Horizon: 6}, MAE)
	require.NoError(t, err)
	r, err := back.Run(t.Context(), "naive", Naive(), RunOptions{})
	require.NoError(t, err)
	b := back.Record(r)
	require.Len(t, b.Series, 1)
	assert.Empty(t, b.Levels)
	assert.Nil(t, b.Series[0].Windows[0].Half)
	assert.True(t, math.IsNaN(b.Series[0].Actual[24-6+1+6]))
}
