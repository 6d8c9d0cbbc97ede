package plot_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/plot"
	"github.com/attune-hpo/attune/figure"
	"github.com/attune-hpo/attune/trial"
	"github.com/attune-hpo/attune/trial/backtest"
)

// forecasting returns a complete trial with forecasts in windows.
func forecasting(t *testing.T, value float64, b backtest.Record) trial.Record {
	a, err := trial.NewAttr(backtest.Key, b)
	require.NoError(t, err)
	return trial.Record{State: trial.Complete, Values: []float64{value}, Attrs: trial.Attrs{a}}
}

// Of each window there are the forecasts and, if they are known, the intervals: all, or only the
// narrowest if windows overlap.
func TestBacktest(t *testing.T) {
	half := []backtest.Numbers{{1, 2}, {3, 4}}
	b := backtest.Record{Label: "passengers", Levels: []float64{0.8, 0.95}, Windows: 5, All: 7, Series: []backtest.Series{{Name: "AA",
		Times: []float64{0, 1, 2, 3, 4}, Actual: backtest.Numbers{9, 8, math.NaN(), 7, 6},
		Windows: []backtest.Window{{From: 1, Forecast: backtest.Numbers{8, 9}, Half: half}, {From: 3, Forecast: backtest.Numbers{7, 5}}}}}}
	h := snapshot(trial.Header{Name: "air"}, forecasting(t, 2, b), forecasting(t, 1, b), trial.Record{State: trial.Complete, Values: []float64{0.5}})
	f, err := plot.Backtest(h)
	m := marks(t, f, err)
	assert.Equal(t, "Backtest of air, trial 1", f.Title)
	assert.Equal(t, "AA", f.Panels[0].Title)
	assert.Equal(t, figure.Time, f.Panels[0].X.Scale)
	assert.Equal(t, "passengers", f.Panels[0].Y.Label)
	require.Len(t, m, 5)
	assert.Equal(t, figure.Band{Name: "95 % interval", Colour: figure.Blue, X: []float64{1, 2}, Low: []float64{5, 5}, High: []float64{11, 13}}, m[0])
	assert.Equal(t, "80 % interval", m[1].(figure.Band).Name)
	assert.Equal(t, "actual", m[2].(figure.Line).Name)
	assert.Equal(t, figure.Line{Name: "forecast", Colour: figure.Orange, X: []float64{3, 4}, Y: []float64{7, 5}}, m[4])
	assert.Equal(t, []string{"Shown are the last 2 of 5 windows.", "Shown are 1 of 7 series.", "Trial 2 is better, but its forecasts were not kept."}, f.Notes)

	b.Steps, b.Series[0].Windows[1].From = true, 2
	f, err = plot.Backtest(snapshot(trial.Header{}, forecasting(t, 2, b)))
	m = marks(t, f, err)
	require.Len(t, m, 4)
	assert.Equal(t, "80 % interval", m[0].(figure.Band).Name)
	assert.Equal(t, figure.Axis{Label: "step"}, f.Panels[0].X)
	assert.Contains(t, f.Notes, "Windows overlap: neighbours have different colours.")
}
