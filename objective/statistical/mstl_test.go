package statistical_test

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/statistical"
	"github.com/attune-hpo/attune/space"
)

// hours returns a series with a day, a week, a trend and pseudo-noise.
func hours(n int) forecast.Frame {
	y := make([]float64, n)
	for i := range y {
		t := float64(i)
		y[i] = 100 + 0.05*t + 10*math.Sin(2*math.Pi*t/24) + 6*math.Cos(2*math.Pi*t/168) + 3*math.Sin(t*t)
	}
	return forecast.Frame{{Start: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), Freq: forecast.Frequency{N: 1, Unit: forecast.Hour}, Y: y}}
}

// The forecasts are those of statsforecast 2.1.1's MSTL within 0.1 %, with one season and with
// two.
func TestMSTLAgainstStatsforecast(t *testing.T) {
	for name, c := range map[string]struct {
		past forecast.Frame
		want []float64
	}{
		"airpassengers": {read(t, "airpassengers", "passengers"), []float64{446.539, 430.123, 473.191, 472.87, 482.094, 536.326}},
		"elec_equip":    {read(t, "elec_equip", "index"), []float64{110.476, 102.183, 89.5192, 111.932, 106.806, 110.013}},
		"construction":  {read(t, "us-employment", "construction"), []float64{6651.99, 6679.6, 6705.3, 6732.43, 6763.35, 6788.62}},
		"unemp":         {read(t, "macrodata", "unemp"), []float64{10.1985, 10.8277, 11.4817, 11.9971, 12.5955, 13.2248}},
		"hours":         {hours(800), []float64{150.135, 147.781, 144.914, 144.972, 139.48, 140.596}},
	} {
		t.Run(name, func(t *testing.T) {
			next, err := fitted(t, statistical.MSTL{}, c.past).Predict(t.Context(), c.past, 6)
			require.NoError(t, err)
			for h, w := range c.want {
				assert.InEpsilon(t, w, next[0].Y[h], 0.001, "step %d", h+1)
			}
		})
	}
}

// Both seasons of a series without noise continue. Without the week they do not.
func TestMSTLSeasons(t *testing.T) {
	at := func(i int) float64 {
		return 200 + 10*math.Sin(2*math.Pi*float64(i)/24) + 20*math.Cos(2*math.Pi*float64(i)/168)
	}
	past := hours(24 * 7 * 6)
	for i := range past[0].Y {
		past[0].Y[i] = at(i)
	}
	worst := func(settings ...space.Setting) float64 {
		next, err := fitted(t, statistical.MSTL{}, past, settings...).Predict(t.Context(), past, 168)
		require.NoError(t, err)
		most := 0.0
		for h, v := range next[0].Y {
			most = max(most, math.Abs(v-at(past[0].Len()+h)))
		}
		return most
	}
	assert.Less(t, worst(), 0.5)
	assert.InDelta(t, worst(), worst(setting("seasons", "168, 24")), 1e-9, "the default, in any order")
	assert.Greater(t, worst(setting("seasons", "24")), 10.0)
}

// A season that grows with the level continues exactly after the logarithm.
func TestMSTLLog(t *testing.T) {
	at := func(i int) float64 { return math.Exp(3 + 0.02*float64(i) + 0.3*float64(i%4)) }
	y := make([]float64, 48)
	for i := range y {
		y[i] = at(i)
	}
	past := quarters(y)
	next, err := fitted(t, statistical.MSTL{}, past, setting("transform", "log")).Predict(t.Context(), past, 8)
	require.NoError(t, err)
	for h, v := range next[0].Y {
		assert.InEpsilon(t, at(len(y)+h), v, 0.01, "step %d", h+1)
	}
	s := statistical.MSTL{}.Space(past)
	require.Len(t, s, 1)
	y[7] = 0
	assert.Empty(t, statistical.MSTL{}.Space(past), "no logarithm of 0")
	f, err := statistical.MSTL{Transform: "log"}.New(nil)
	require.NoError(t, err)
	require.ErrorIs(t, f.Fit(t.Context(), past, forecast.FitOptions{}), forecast.ErrDomain)
}

// A saved model predicts the same, also from a longer past, and other files are refused.
func TestMSTLSaved(t *testing.T) {
	all := hours(500)
	train, _, err := all.Cut(48)
	require.NoError(t, err)
	f := fitted(t, statistical.MSTL{}, train)
	var file bytes.Buffer
	require.NoError(t, f.Save(&file))
	again, err := statistical.MSTL{}.New(nil)
	require.NoError(t, err)
	require.NoError(t, again.Load(bytes.NewReader(file.Bytes())))
	want, err := f.Predict(t.Context(), all, 30)
	require.NoError(t, err)
	got, err := again.Predict(t.Context(), all, 30)
	require.NoError(t, err)
	assert.Equal(t, want, got)
	before, err := f.Predict(t.Context(), train, 30)
	require.NoError(t, err)
	assert.NotEqual(t, before[0].Y, got[0].Y)
	for name, bad := range map[string]string{
		"half":        file.String()[:file.Len()/2],
		"no rest":     `{"transform":"none"}`,
		"transform":   `{"transform":"root","rest":{"form":"ANN","alpha":0.5,"phi":1}}`,
		"season of 1": `{"transform":"none","seasons":[1],"rest":{"form":"ANN","alpha":0.5,"phi":1}}`,
		"a season in": `{"transform":"none","rest":{"form":"ANA","alpha":0.5,"phi":1,"season":[1,2]}}`,
	} {
		if name != "half" {
			bad = `{"format":"attune statistical","version":1,"method":"mstl","series":[{"id":"","model":` + bad + `}]}`
		}
		require.ErrorIs(t, again.Load(bytes.NewReader([]byte(bad))), forecast.ErrFormat, name)
	}
}

func TestMSTLBad(t *testing.T) {
	for name, s := range map[string]space.Setting{
		"no number":   setting("seasons", "day"),
		"a season 1":  setting("seasons", "1,7"),
		"too long":    setting("seasons", 1_000_000),
		"transform":   setting("transform", "root"),
		"no such one": setting("wings", 2),
	} {
		_, err := statistical.MSTL{}.New(space.Settings{s})
		require.ErrorIs(t, err, forecast.ErrConfig, name)
	}
	_, err := statistical.MSTL{Seasons: []int{0}}.New(nil)
	require.ErrorIs(t, err, forecast.ErrConfig)
}
