package forecast_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/forecast"
)

// Steps may be counted by a column, or by the rows themselves.
func TestSteps(t *testing.T) {
	in := forecast.CSV{Time: "t", Target: "y", ID: "id", Layout: "index"}
	f, as, err := in.Recognize(strings.NewReader("id,t,y\na,-2,1\na,0,2\na,2,3\nb,7,4\nb,9,5\n"))
	require.NoError(t, err)
	assert.Equal(t, forecast.Frequency{N: 2, Unit: forecast.Step}, as.Freq)
	assert.Equal(t, "2 steps", as.Freq.String())
	assert.Equal(t, 1, as.Freq.Season())
	assert.Equal(t, "4", forecast.FormatTime("index", f[0].Time(3)))
	_, err = in.Read(strings.NewReader("id,t,y\na,1,1\na,2,2\na,5,3\n"))
	assert.EqualError(t, err, `forecast: csv: line 4: column "t": "5": series "a": a gap before it: 3 is missing (2 in all, at a frequency of step): set forecast.CSV.Fill to carry, interpolate or keep`)
	for _, stamp := range []string{"1.5", "x", "99999999999999", ""} {
		_, err = in.Read(strings.NewReader("id,t,y\na,1,1\na," + stamp + ",2\n"))
		assert.ErrorIs(t, err, forecast.ErrTime, stamp)
	}

	rows := forecast.CSV{Target: "y", ID: "id", Layout: "rows"}
	f, as, err = rows.Recognize(strings.NewReader("id,y\na,1\nb,4\na,2\nb,5\na,3\n"))
	require.NoError(t, err)
	assert.Equal(t, "step", as.Freq.String())
	assert.Equal(t, []float64{1, 2, 3}, f[0].Y)
	assert.Equal(t, "4", forecast.FormatTime("rows", f[0].Time(3)))
	_, err = forecast.CSV{Target: "y"}.Read(strings.NewReader("y\n1\n"))
	assert.ErrorIs(t, err, forecast.ErrColumn)
}

// uneven returns two series, one of which ends two steps earlier.
func uneven(t *testing.T) forecast.Frame {
	t.Helper()
	f, err := forecast.CSV{Target: "y", ID: "id", Layout: "rows"}.Read(strings.NewReader("id,y\na,1\na,2\na,3\na,4\na,5\na,6\nb,10\nb,20\nb,30\nb,40\n"))
	require.NoError(t, err)
	return f
}

// Series are split before the end of the last one, or before their own ends.
func TestEnds(t *testing.T) {
	f := uneven(t)
	before, after, err := f.Cut(2)
	require.NoError(t, err)
	assert.Equal(t, []float64{10, 20, 30, 40}, before[1].Y)
	assert.Len(t, after, 1)
	before, after, err = f.CutEach(2)
	require.NoError(t, err)
	assert.Equal(t, []float64{10, 20}, before[1].Y)
	assert.Equal(t, []float64{30, 40}, after[1].Y)
	before, _, err = f.CutEach(5)
	require.NoError(t, err)
	assert.Len(t, before, 1, "the other has no value before")
	_, _, err = f.CutEach(6)
	assert.ErrorIs(t, err, forecast.ErrShort)
	_, _, err = f.CutEach(-1)
	assert.ErrorIs(t, err, forecast.ErrConfig)

	folds, err := forecast.Splits{Horizon: 1, Windows: 2}.Folds(f)
	require.NoError(t, err)
	assert.Len(t, folds[1].Test, 1)
	folds, err = forecast.Splits{Horizon: 1, Windows: 2, Each: true}.Folds(f)
	require.NoError(t, err)
	for i, want := range [][2]float64{{5, 30}, {6, 40}} {
		require.Len(t, folds[i].Test, 2)
		assert.Equal(t, want[0], folds[i].Test[0].Y[0])
		assert.Equal(t, want[1], folds[i].Test[1].Y[0])
		assert.Equal(t, want[1]-10, folds[i].Train[1].Y[folds[i].Train[1].Len()-1], "what comes right before it")
	}
}

// One short series does not cost a panel its baselines.
func TestBaselineOfShortSeries(t *testing.T) {
	f := uneven(t)
	next, err := forecast.SeasonalNaive(5).Predict(t.Context(), f, 2)
	require.NoError(t, err)
	assert.Equal(t, []float64{2, 3}, next[0].Y)
	assert.Equal(t, []float64{40, 40}, next[1].Y, "as naive")
	_, err = forecast.SeasonalNaive(5).Predict(t.Context(), f[1:], 2)
	assert.ErrorIs(t, err, forecast.ErrShort)
	_, err = forecast.SeasonalNaive(7).Predict(t.Context(), f, 2)
	assert.ErrorIs(t, err, forecast.ErrShort, "all are too short")
}
