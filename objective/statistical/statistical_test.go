package statistical_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/statistical"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/space"
)

// read returns a column of a shipped file.
func read(t testing.TB, file, column string) forecast.Frame {
	t.Helper()
	times := map[string]string{"airpassengers": "month", "macrodata": "quarter", "elec_equip": "month", "us-employment": "month", "sunspots": "year"}
	frame, err := forecast.CSV{Time: times[file], Target: column}.ReadFile("../../data/" + file + ".csv")
	require.NoError(t, err)
	return frame
}

func fitted(t testing.TB, family tune.Family, train forecast.Frame, settings ...space.Setting) forecast.Forecaster {
	t.Helper()
	f, err := family.New(settings)
	require.NoError(t, err)
	require.NoError(t, f.Fit(t.Context(), train, forecast.FitOptions{Horizon: 6}))
	return f
}

func setting[T space.Scalar](name string, v T) space.Setting {
	return space.Setting{Name: name, Value: space.Lit(v)}
}

// The forecasts are those of AutoETS, AutoTheta, AutoARIMA and AutoCES of statsforecast 2.1.1,
// made on the same files, within 1 %.
func TestAgainstStatsforecast(t *testing.T) {
	for _, c := range []struct {
		file, column string
		family       tune.Family
		want         []float64
	}{
		{"airpassengers", "passengers", statistical.ETS{}, []float64{442.357, 428.267, 492.975, 477.37, 477.603, 535.858}},
		{"airpassengers", "passengers", statistical.Theta{}, []float64{442.943, 432.231, 495.308, 482.308, 487.495, 555.581}},
		{"macrodata", "realgdp", statistical.ETS{}, []float64{12969.3, 12948.3, 12927.8, 12907.9, 12888.5, 12869.6}},
		{"macrodata", "realgdp", statistical.Theta{}, []float64{13021.9, 13084.3, 13145.9, 13194.2, 13225.8, 13288.4}},
		{"macrodata", "unemp", statistical.ETS{}, []float64{9.92244, 10.2449, 10.5035, 10.711, 10.8774, 11.0109}},
		{"macrodata", "unemp", statistical.Theta{}, []float64{9.58764, 9.59744, 9.58867, 9.59841, 9.59007, 9.59988}},
		{"elec_equip", "index", statistical.ETS{}, []float64{109.754, 102.208, 89.4686, 110.581, 105.585, 108.155}},
		{"elec_equip", "index", statistical.Theta{}, []float64{111.271, 101.358, 90.0125, 117.44, 108.852, 112.587}},
		{"us-employment", "construction", statistical.ETS{}, []float64{6661.31, 6690.62, 6719.14, 6746.91, 6773.93, 6800.23}},
		{"us-employment", "construction", statistical.Theta{}, []float64{6620.98, 6601.25, 6600.45, 6587.94, 6585.57, 6580.81}},
		{"sunspots", "sunspots", statistical.ETS{}, []float64{2.90046, 2.90046, 2.90046, 2.90046, 2.90046, 2.90046}},
		{"sunspots", "sunspots", statistical.Theta{}, []float64{2.94678, 2.94678, 2.94678, 2.94678, 2.94678, 2.94678}},
		{"airpassengers", "passengers", statistical.ARIMA{}, []float64{444.31, 418.214, 446.243, 488.234, 499.237, 562.236}},
		{"airpassengers", "passengers", statistical.CES{}, []float64{453.018, 429.323, 488.628, 500.276, 519.783, 586.456}},
		{"macrodata", "realgdp", statistical.ARIMA{}, []float64{13034.7, 13072.5, 13122.5, 13205.7, 13294.3, 13386.3}},
		{"macrodata", "realgdp", statistical.CES{}, []float64{13079.3, 13161.6, 13246.4, 13330.1, 13415.7, 13500.7}},
		{"macrodata", "unemp", statistical.ARIMA{}, []float64{9.80996, 9.77435, 9.52386, 9.32665, 9.07455, 8.69772}},
		{"macrodata", "unemp", statistical.CES{}, []float64{9.46413, 9.46367, 9.46324, 9.46278, 9.46235, 9.4619}},
		{"elec_equip", "index", statistical.ARIMA{}, []float64{110.51, 102.855, 90.2874, 111.603, 106.608, 108.936}},
		{"elec_equip", "index", statistical.CES{}, []float64{110.51, 103.069, 90.1735, 111.156, 106.213, 109.163}},
		{"us-employment", "construction", statistical.ARIMA{}, []float64{6663.03, 6698.94, 6742.07, 6772.8, 6804.94, 6843.12}},
		{"us-employment", "construction", statistical.CES{}, []float64{6609.71, 6599.97, 6590.65, 6581.03, 6571.67, 6562.12}},
		{"sunspots", "sunspots", statistical.ARIMA{}, []float64{25.8167, 55.6976, 79.7668, 90.681, 85.79, 67.684}},
		{"sunspots", "sunspots", statistical.CES{}, []float64{6.59449, 4.24058, 5.60241, 4.17772, 4.87459, 3.98684}},
	} {
		t.Run(c.column+" "+c.family.Name(), func(t *testing.T) {
			past := read(t, c.file, c.column)
			next, err := fitted(t, c.family, past).Predict(t.Context(), past, 6)
			require.NoError(t, err)
			within := 0.01
			if c.column == "unemp" && c.family.Name() == "ets" || c.column == "sunspots" && c.family.Name() == "arima" {
				within = 0.02 // another optimum of nearly the same likelihood
			}
			for i, w := range c.want {
				assert.InEpsilon(t, w, next[0].Y[i], within, "step %d", i+1)
			}
		})
	}
}

// Series that a form describes exactly are continued exactly.
func TestExact(t *testing.T) {
	for name, c := range map[string]struct {
		form string
		at   func(i int) float64
	}{
		"line":           {"AAN", func(i int) float64 { return 50 + 2*float64(i) }},
		"season":         {"ANA", func(i int) float64 { return 100 + 10*float64(i%4) }},
		"line, season":   {"AAA", func(i int) float64 { return 100 + 3*float64(i) + 10*float64(i%4) }},
		"line times":     {"MAM", func(i int) float64 { return (100 + 3*float64(i)) * (1 + 0.1*float64(i%4)) }},
		"growth":         {"MMN", func(i int) float64 { return 100 * math.Pow(1.02, float64(i)) }},
		"growth, season": {"MMM", func(i int) float64 { return 100 * math.Pow(1.02, float64(i)) * (1 + 0.1*float64(i%4)) }},
	} {
		t.Run(name, func(t *testing.T) {
			y := make([]float64, 48)
			for i := range y {
				y[i] = c.at(i)
			}
			past := quarters(y)
			next, err := fitted(t, statistical.ETS{}, past, setting("form", c.form)).Predict(t.Context(), past, 8)
			require.NoError(t, err)
			for h, v := range next[0].Y {
				assert.InEpsilon(t, c.at(len(y)+h), v, 0.005, "step %d", h+1)
			}
		})
	}
}

func quarters(series ...[]float64) forecast.Frame {
	var f forecast.Frame
	for i, y := range series {
		id := ""
		if len(series) > 1 {
			id = fmt.Sprint(i)
		}
		f = append(f, forecast.Series{ID: id, Start: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), Freq: forecast.Frequency{N: 1, Unit: forecast.Quarter}, Y: y})
	}
	return f
}

// A fitted model continues any past that it is given, with unchanged parameters, also after it was saved. Without the
// beginning of the past, its forecasts hardly change.
func TestPast(t *testing.T) {
	all := read(t, "airpassengers", "passengers")
	train, _, err := all.Cut(12)
	require.NoError(t, err)
	for _, family := range []tune.Family{statistical.ETS{}, statistical.Theta{}, statistical.ARIMA{}, statistical.CES{}} {
		t.Run(family.Name(), func(t *testing.T) {
			f := fitted(t, family, train)
			var file bytes.Buffer
			require.NoError(t, f.Save(&file))
			again, err := family.New(nil)
			require.NoError(t, err)
			_, err = again.Predict(t.Context(), all, 12)
			require.ErrorIs(t, err, forecast.ErrNotFitted)
			require.ErrorIs(t, again.Save(new(bytes.Buffer)), forecast.ErrNotFitted)
			require.NoError(t, again.Load(bytes.NewReader(file.Bytes())))
			want, err := f.Predict(t.Context(), all, 12)
			require.NoError(t, err)
			got, err := again.Predict(t.Context(), all, 12)
			require.NoError(t, err)
			assert.Equal(t, want, got)
			assert.Equal(t, all[0].Time(144), got[0].Start)
			before, err := f.Predict(t.Context(), train, 12)
			require.NoError(t, err)
			assert.NotEqual(t, before[0].Y, got[0].Y, "it has seen the last year")

			part := all[0]
			part.Start, part.Y = part.Time(48), part.Y[48:]
			late, err := again.Predict(t.Context(), forecast.Frame{part}, 12)
			require.NoError(t, err)
			for i, v := range late[0].Y {
				assert.InEpsilon(t, want[0].Y[i], v, 0.06)
			}
			for _, bad := range []string{"", "{}", file.String()[:file.Len()/2], `{"format":"attune statistical","version":1,"method":"` + family.Name() + `","series":[{"id":"","model":{"form":"XYZ"}}]}`} {
				require.ErrorIs(t, again.Load(bytes.NewReader([]byte(bad))), forecast.ErrFormat)
			}
			kept, err := again.Predict(t.Context(), all, 12)
			require.NoError(t, err)
			assert.Equal(t, want, kept, "a Load that fails changes nothing")
		})
	}
}

// Forecasts of odd series are finite.
func TestOddSeries(t *testing.T) {
	nan := math.NaN()
	long := make([]float64, 40)
	for i := range long {
		long[i] = 20 + float64(i%4)
	}
	holes := slices.Clone(long)
	holes[0], holes[1], holes[10], holes[11], holes[39] = nan, nan, nan, nan, nan
	zeros := slices.Clone(long)
	zeros[5], zeros[39] = 0, 0
	negative := slices.Clone(long)
	negative[7] = -30
	for name, c := range map[string]struct {
		y    []float64
		want float64 // of the first step; NaN: anything
	}{
		"one value":  {[]float64{3}, 3},
		"two":        {[]float64{3, 4}, nan},
		"few":        {[]float64{3, 4, 5, 4, 3}, nan},
		"constant":   {[]float64{7, 7, 7, 7, 7, 7, 7, 7, 7, 7}, 7},
		"all zero":   {make([]float64, 30), 0},
		"holes":      {holes, 20},
		"zeros":      {zeros, nan},
		"negative":   {negative, nan},
		"a season":   {long[:4], nan},
		"a year and": {long[:9], nan},
		"tiny":       {scaled(long, 1e-12), nan},
		"huge":       {scaled(long, 1e12), nan},
	} {
		for _, family := range []tune.Family{statistical.ETS{}, statistical.ETS{Form: "all"}, statistical.ETS{Estimation: "careful"}, statistical.Theta{}, statistical.MSTL{},
			statistical.ARIMA{}, statistical.ARIMA{Estimation: "exact"}, statistical.ARIMA{Form: "(1,0,1)(0,1,1)"}, statistical.CES{}} {
			t.Run(name+" "+family.Name(), func(t *testing.T) {
				past := quarters(c.y)
				next, err := fitted(t, family, past).Predict(t.Context(), past, 9)
				require.NoError(t, err)
				require.Len(t, next[0].Y, 9)
				for _, v := range next[0].Y {
					require.False(t, math.IsNaN(v) || math.IsInf(v, 0))
				}
				if !math.IsNaN(c.want) {
					assert.InDelta(t, c.want, next[0].Y[0], 0.2)
				}
			})
		}
	}
	for _, family := range []tune.Family{statistical.ETS{}, statistical.Theta{}} {
		f, err := family.New(nil)
		require.NoError(t, err)
		require.ErrorIs(t, f.Fit(t.Context(), quarters([]float64{nan, nan}), forecast.FitOptions{}), forecast.ErrShort)
	}
}

func scaled(y []float64, by float64) []float64 {
	out := make([]float64, len(y))
	for i, v := range y {
		out[i] = v * by
	}
	return out
}

// Each series is fitted by itself, with any number of threads. A new series, or one that its model does not fit, is
// fitted when it is forecast.
func TestPanel(t *testing.T) {
	air := read(t, "airpassengers", "passengers")[0].Y
	growing, falling := air[:60], slices.Clone(air[:60])
	slices.Reverse(falling)
	panel := quarters(growing, falling)
	f, alone := fitted(t, statistical.ETS{}, panel), fitted(t, statistical.ETS{}, panel[1:])
	both, err := f.Predict(t.Context(), panel, 4)
	require.NoError(t, err)
	one, err := alone.Predict(t.Context(), panel[1:], 4)
	require.NoError(t, err)
	assert.Equal(t, one[0], both[1])
	new, err := alone.Predict(t.Context(), panel[:1], 4)
	require.NoError(t, err)
	assert.Equal(t, both[0], new[0], "fitted to all of it, as the training was")

	threaded, err := statistical.ETS{}.New(nil)
	require.NoError(t, err)
	require.NoError(t, threaded.Fit(t.Context(), panel, forecast.FitOptions{Threads: 3}))
	again, err := threaded.Predict(t.Context(), panel, 4)
	require.NoError(t, err)
	assert.Equal(t, both, again)

	multiplicative := fitted(t, statistical.ETS{}, panel[:1], setting("form", "MAM"))
	zero := slices.Clone(panel[:1])
	zero[0].Y = slices.Clone(zero[0].Y)
	zero[0].Y[30] = 0
	_, err = multiplicative.Predict(t.Context(), zero, 4)
	require.NoError(t, err)
	late := zero[0]
	late.Start, late.Y = late.Time(4), late.Y[4:]
	_, err = multiplicative.Predict(t.Context(), forecast.Frame{late}, 4)
	require.ErrorIs(t, err, forecast.ErrDomain, "the states would have to be found again, and the form is set")
	_, err = f.Predict(t.Context(), forecast.Frame{late}, 4)
	require.NoError(t, err, "the form is chosen again")
	require.ErrorIs(t, multiplicative.Fit(t.Context(), zero, forecast.FitOptions{}), forecast.ErrDomain)

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(assert.AnError)
	require.ErrorIs(t, f.Fit(ctx, panel, forecast.FitOptions{}), assert.AnError)
}

func TestSettings(t *testing.T) {
	for _, c := range []struct {
		family  tune.Family
		setting space.Setting
		want    string // "": it is possible
	}{
		{statistical.ETS{}, setting("form", "MAdM"), ""},
		{statistical.ETS{}, setting("form", "all"), ""},
		{statistical.ETS{}, setting("form", "NNN"), "want auto, all or letters such as AAdM"},
		{statistical.ETS{}, setting("form", "ANdN"), "want auto, all or letters"},
		{statistical.ETS{}, setting("form", 3), "want a text"},
		{statistical.ETS{}, setting("estimation", "fast"), "want standard or careful"},
		{statistical.ETS{}, setting("season", 0), "want a whole number from 1 to 10000"},
		{statistical.ETS{}, setting("lags", 1), "there is no lags: there are form, season, estimation"},
		{statistical.Theta{}, setting("form", "dotm"), ""},
		{statistical.Theta{}, setting("form", "MAM"), "want auto, stm, otm, dstm or dotm"},
		{statistical.Theta{}, setting("season", 7), ""},
		{statistical.Theta{}, setting("estimation", "careful"), "there is no estimation: there are form, season"},
		{statistical.ARIMA{}, setting("form", "(2,0,1)(0,1,1)c"), ""},
		{statistical.ARIMA{}, setting("form", "(2, 1, 0)"), ""},
		{statistical.ARIMA{}, setting("form", "(2,0)"), "want auto, or orders of at most 9 such as (0,1,1)(0,1,1)"},
		{statistical.ARIMA{}, setting("estimation", "careful"), "want standard or exact"},
		{statistical.ARIMA{}, setting("order", "(2,1,0)"), "there is no order: there are form, season, estimation"},
		{statistical.CES{}, setting("form", "full"), ""},
		{statistical.CES{}, setting("form", "MAM"), "want auto, none, simple, partial or full"},
		{statistical.CES{}, setting("estimation", "exact"), "there is no estimation: there are form, season"},
		{statistical.Baselines()[0], setting("season", 7), "naive: there is no season: it has no hyperparameters"},
	} {
		_, err := c.family.New(space.Settings{c.setting})
		if c.want == "" {
			assert.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, forecast.ErrConfig)
		assert.ErrorContains(t, err, c.want)
	}
	assert.Empty(t, statistical.Theta{}.Space(read(t, "airpassengers", "passengers")))
	assert.Empty(t, statistical.ETS{}.Space(read(t, "sunspots", "sunspots")), "no season")
	air := read(t, "airpassengers", "passengers")
	assert.Equal(t, "estimation", statistical.ETS{}.Space(air)[0].Name)
	assert.Empty(t, statistical.ETS{}.Space(slices.Repeat(air, 200)), "careful estimation would take minutes")
}

// Scaling a series scales its forecast.
func TestScale(t *testing.T) {
	air := read(t, "airpassengers", "passengers")
	big := slices.Clone(air)
	big[0].Y = scaled(air[0].Y, 1024) // exact in binary
	for _, family := range []tune.Family{statistical.ETS{}, statistical.Theta{}, statistical.ARIMA{}, statistical.CES{}} {
		a, err := fitted(t, family, air).Predict(t.Context(), air, 12)
		require.NoError(t, err)
		b, err := fitted(t, family, big).Predict(t.Context(), big, 12)
		require.NoError(t, err)
		for i := range a[0].Y {
			assert.InEpsilon(t, 1024*a[0].Y[i], b[0].Y[i], 0.02, "%s, step %d", family.Name(), i+1)
		}
	}
}

func BenchmarkFit(b *testing.B) {
	for file, column := range map[string]string{"airpassengers": "passengers", "macrodata": "realgdp"} {
		past := read(b, file, column)
		for _, family := range []tune.Family{statistical.ETS{}, statistical.Theta{}, statistical.ARIMA{}, statistical.CES{}} {
			b.Run(column+"/"+family.Name(), func(b *testing.B) {
				for b.Loop() {
					fitted(b, family, past)
				}
			})
		}
	}
}
