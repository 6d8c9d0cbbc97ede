package forecast

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The time axis is marked where people count, whatever the span.
func TestTicks(t *testing.T) {
	at := func(text string) time.Time {
		x, err := time.Parse(time.DateTime, text)
		require.NoError(t, err)
		return x
	}
	for name, tc := range map[string]struct{ from, to, want string }{
		"centuries":   {"1700-01-01 00:00:00", "2008-01-01 00:00:00", "1700 1750 1800 1850 1900 1950 2000"},
		"years":       {"1957-09-01 00:00:00", "1961-12-01 00:00:00", "1958-01 1958-07 1959-01 1959-07 1960-01 1960-07 1961-01 1961-07"},
		"months":      {"2020-01-31 00:00:00", "2020-07-31 00:00:00", "2020-02 2020-03 2020-04 2020-05 2020-06 2020-07"},
		"weeks":       {"2020-01-01 00:00:00", "2020-02-10 00:00:00", "2020-01-01 2020-01-08 2020-01-15 2020-01-22 2020-01-29 2020-02-05"},
		"a day":       {"2020-01-01 01:30:00", "2020-01-02 01:30:00", "01-01 03:00 01-01 06:00 01-01 09:00 01-01 12:00 01-01 15:00 01-01 18:00 01-01 21:00 01-02 00:00"},
		"two minutes": {"2020-01-01 10:00:50", "2020-01-01 10:02:50", "10:01:00 10:01:15 10:01:30 10:01:45 10:02:00 10:02:15 10:02:30 10:02:45"},
		"a second":    {"2020-01-01 10:00:50", "2020-01-01 10:00:51", "50.000 50.500 51.000"},
		"an instant":  {"2020-01-01 10:00:50", "2020-01-01 10:00:50", "50.000"},
	} {
		t.Run(name, func(t *testing.T) {
			times, layout := ticks(at(tc.from), at(tc.to))
			var got []string
			for _, x := range times {
				got = append(got, x.Format(layout))
			}
			assert.Equal(t, tc.want, strings.Join(got, " "))
		})
	}
}

// A dashed line leads from what is known to a forecast, unless there is nothing known
// right before it.
func TestJoin(t *testing.T) {
	truth := count(5)
	next := Series{Start: truth.Time(5), Freq: truth.Freq, Y: []float64{6, 7}}
	for name, tc := range map[string]struct {
		forecast Series
		want     int
	}{
		"the next steps":  {next, 1},
		"later steps":     {Series{Start: truth.Time(7), Freq: truth.Freq, Y: []float64{6}}, 0},
		"from the start":  {truth, 0},
		"no value":        {Series{Start: truth.Time(5), Freq: truth.Freq}, 0},
		"a missing value": {Series{Start: truth.Time(5), Freq: truth.Freq, Y: []float64{inf()}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			require.NoError(t, Plot{Truth: truth, Forecasts: []Line{{"next", tc.forecast}}}.WriteSVG(&b))
			assert.Equal(t, tc.want, strings.Count(b.String(), "stroke-dasharray"))
		})
	}
}
