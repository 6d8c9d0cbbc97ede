package neural_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural"
	"github.com/attune-hpo/attune/space"
)

var ofYear = []forecast.Calendar{forecast.SineOfYear, forecast.CosineOfYear}

// both returns a network and a linear model with the same training settings.
func both(t neural.Training) []forecast.Forecaster {
	return []forecast.Forecaster{
		neural.New(neural.Transformer{Training: t, Width: 8, Heads: 2, FeedForward: 8, EncoderLayers: 1}),
		neural.New(neural.LSTM{Training: t, Hidden: 6}),
		neural.NewLinear(neural.NLinear{Window: t.Window, Transform: t.Transform, Calendar: t.Calendar}),
	}
}

// A model with a calendar equals, bit for bit, the model with the same columns at the end
// of those known in advance. The caller does not have to provide these columns, and the
// saved model remembers them.
func TestCalendarIsColumns(t *testing.T) {
	train := withColumns(air(t), 6)
	byHand := forecast.Frame{train[0]}
	for _, c := range ofYear {
		values := make([]float64, train[0].Len()+6)
		for i := range values {
			values[i] = c.At(train[0].Time(i))
		}
		byHand[0].Known = append(byHand[0].Known[:len(byHand[0].Known):len(byHand[0].Known)], forecast.Column{Name: string(c), Values: values})
	}
	training := neural.Training{Window: 6, Epochs: 2, Transform: forecast.Log{}}
	plain := both(training)
	training.Calendar = ofYear
	opts := forecast.FitOptions{Horizon: 6, Holdout: 12, Seed: 4}
	for i, f := range both(training) {
		assert.Equal(t, losses(t, plain[i], byHand, opts), losses(t, f, train, opts), "%v", f)
		want, err := plain[i].Predict(ctx, byHand, 6)
		require.NoError(t, err)
		got, err := f.Predict(ctx, train, 6)
		require.NoError(t, err)
		assert.Equal(t, want, got, "%v", f)
		_, err = f.Predict(ctx, byHand, 6)
		require.ErrorIs(t, err, forecast.ErrColumn)

		var b bytes.Buffer
		require.NoError(t, f.Save(&b))
		var again forecast.Forecaster = new(neural.Forecaster)
		if _, linear := f.(*neural.Linear); linear {
			again = new(neural.Linear)
		}
		dated := again.(interface {
			WithCalendar(forecast.Frame) forecast.Frame
		}).WithCalendar
		assert.Equal(t, train, dated(train), "before it is loaded")
		require.NoError(t, again.Load(&b))
		got, err = again.Predict(ctx, train, 6)
		require.NoError(t, err)
		assert.Equal(t, want, got, "%v", f)
		assert.Equal(t, byHand, dated(train))
		p, err := again.(interface{ Plan() (forecast.Plan, error) }).Plan()
		require.NoError(t, err)
		assert.Equal(t, []string{"known", "sin_year", "cos_year"}, p.Known)
	}
}

func TestCalendarRefuses(t *testing.T) {
	known := withColumns(air(t), 1)
	known[0].Known[0].Name = "sin_year"
	for name, test := range map[string]struct {
		train    forecast.Frame
		calendar []forecast.Calendar
		is       error
		want     string
	}{
		"no such feature":        {air(t), []forecast.Calendar{"moon"}, forecast.ErrConfig, `calendar "moon"`},
		"one twice":              {air(t), append(ofYear, forecast.SineOfYear), forecast.ErrConfig, `calendar "sin_year"`},
		"a column of that name":  {known, ofYear, forecast.ErrColumn, `"sin_year" is also in the calendar`},
		"constant: hour of days": {wave(60, "a"), []forecast.Calendar{forecast.HourOfDay}, forecast.ErrColumn, `"hour" is constant`},
	} {
		t.Run(name, func(t *testing.T) {
			for _, f := range both(neural.Training{Window: 6, Calendar: test.calendar}) {
				err := f.Fit(ctx, test.train, forecast.FitOptions{})
				require.ErrorIs(t, err, test.is)
				assert.ErrorContains(t, err, test.want)
			}
		})
	}
	_, err := neural.NLinear{}.New(set("calendar", `"sin_year,moon"`))
	require.ErrorIs(t, err, forecast.ErrConfig)
	f, err := neural.LSTM{Training: neural.Training{Calendar: ofYear}}.New(set("calendar", `"none"`))
	require.NoError(t, err)
	assert.Empty(t, f.(*neural.Forecaster).Model().(neural.LSTM).Calendar)
	f, err = neural.LSTM{}.New(set("calendar", `"sin_year, cos_year"`))
	require.NoError(t, err)
	assert.Equal(t, ofYear, f.(*neural.Forecaster).Model().(neural.LSTM).Calendar)
}

// The calendar to search has every period that fits twice into the series but not into the
// longest window.
func TestCalendarToSearch(t *testing.T) {
	const year, week, hours = "sin_year,cos_year", "sin_week,cos_week", "sin_day,cos_day"
	of := func(n, each int, unit forecast.Unit) forecast.Frame {
		return forecast.Frame{{Start: time.Date(2019, 2, 1, 0, 0, 0, 0, time.UTC), Freq: forecast.Frequency{N: each, Unit: unit}, Y: make([]float64, n)}}
	}
	for name, test := range map[string]struct {
		train  forecast.Frame
		window int // the longest window, if not the default
		want   string
	}{
		"years":                             {of(50, 1, forecast.Year), 1, ""},
		"half-years":                        {of(50, 2, forecast.Quarter), 1, ""},
		"quarters":                          {of(50, 1, forecast.Quarter), 0, ""},
		"quarters by small windows":         {of(50, 1, forecast.Quarter), 3, year},
		"months":                            {of(240, 1, forecast.Month), 0, ""},
		"two years of months":               {of(24, 1, forecast.Month), 0, ""},
		"weeks":                             {of(110, 1, forecast.Week), 0, year},
		"less than two years of weeks":      {of(103, 1, forecast.Week), 0, ""},
		"weeks by large windows":            {of(300, 1, forecast.Week), 60, ""},
		"days":                              {of(740, 1, forecast.Day), 0, year},
		"days by small windows":             {of(740, 1, forecast.Day), 6, year + "," + week},
		"hours":                             {of(336, 1, forecast.Hour), 0, week},
		"hours by small windows":            {of(336, 1, forecast.Hour), 12, week + "," + hours},
		"one step":                          {of(1, 1, forecast.Day), 0, ""},
		"the longest of two series of days": {append(of(7, 1, forecast.Day), of(15, 1, forecast.Day)...), 4, week},
	} {
		var search space.Space
		if test.window > 0 {
			search = space.Of(space.Int("window", 1, test.window))
		}
		for _, s := range []space.Space{neural.LSTM{Search: search}.Space(test.train), neural.NLinear{Search: search}.Space(test.train)} {
			i := s.Index("calendar")
			if test.want == "" {
				assert.Negative(t, i, name)
				continue
			}
			require.GreaterOrEqual(t, i, 0, name)
			assert.Equal(t, space.Categorical("calendar", "none", test.want).Axis(), s[i], name)
		}
	}
	assert.Negative(t, neural.LSTM{}.Space(nil).Index("calendar"))
	own := space.Of(space.Categorical("calendar", "month"))
	s := neural.LSTM{Search: own}.Space(of(110, 1, forecast.Week))
	assert.Equal(t, own[0], s[s.Index("calendar")], "the caller's own")
}
