package forecast

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestInferFrequency(t *testing.T) {
	every := func(start time.Time, f Frequency, n int) []time.Time {
		ts := make([]time.Time, n)
		for i := range ts {
			ts[i] = f.Add(start, i)
		}
		return ts
	}
	for name, tc := range map[string]struct {
		start time.Time
		freq  Frequency
	}{
		"months":            {day(2020, 1, 1), Frequency{N: 1, Unit: Month}},
		"two months":        {day(2020, 1, 15), Frequency{N: 2, Unit: Month}},
		"month ends":        {day(2020, 1, 31), Frequency{N: 1, Unit: Month, End: true}},
		"February first":    {day(2019, 2, 28), Frequency{N: 1, Unit: Month, End: true}},
		"quarters":          {day(2020, 1, 1), Frequency{N: 1, Unit: Quarter}},
		"quarter ends":      {day(2020, 3, 31), Frequency{N: 1, Unit: Quarter, End: true}},
		"years":             {day(1700, 1, 1), Frequency{N: 1, Unit: Year}},
		"year ends":         {day(1999, 12, 31), Frequency{N: 1, Unit: Year}}, // each year has only one day
		"weeks":             {day(2020, 1, 5), Frequency{N: 1, Unit: Week}},
		"days":              {day(2020, 2, 27), Frequency{N: 1, Unit: Day}},
		"ten days":          {day(2020, 2, 27), Frequency{N: 10, Unit: Day}},
		"business days":     {day(2020, 1, 2), Frequency{N: 1, Unit: BusinessDay}},
		"hours":             {day(2020, 1, 1), Frequency{N: 1, Unit: Hour}},
		"quarters of hours": {day(2020, 1, 1), Frequency{N: 15, Unit: Minute}},
		"seconds":           {day(2020, 1, 1), Frequency{N: 1, Unit: Second}},
		"100 milliseconds":  {day(2020, 1, 1), Frequency{N: 100, Unit: Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			ts := every(tc.start, tc.freq, 40)
			if tc.freq.Unit == Month && tc.freq.End {
				require.Equal(t, 28, every(day(2019, 1, 31), tc.freq, 2)[1].Day())
			}
			got, err := InferFrequency(ts)
			require.NoError(t, err)
			if name == "year ends" {
				got.End = false
			}
			assert.Equal(t, tc.freq, got)
			for i, s := range ts {
				n, on := tc.freq.Index(ts[7], s)
				assert.True(t, on)
				assert.Equal(t, i-7, n)
				n, on = tc.freq.Index(ts[7], s.Add(time.Millisecond/2))
				assert.False(t, on)
				assert.Equal(t, i-7, n, "rounded towards the past")
			}
			if name != "business days" { // with a gap, they become days
				got, err = InferFrequency(append(ts[:10:10], ts[13:]...))
				require.NoError(t, err)
				assert.Equal(t, tc.freq.Unit, got.Unit)
			}
			back, err := ParseFrequency(tc.freq.String())
			require.NoError(t, err)
			assert.Equal(t, tc.freq, back)
		})
	}
}

func TestInferFrequencyFails(t *testing.T) {
	at := func(hours float64) time.Time { return day(2020, 1, 1).Add(time.Duration(hours * float64(time.Hour))) }
	for name, tc := range map[string]struct {
		stamps []time.Time
		says   string
	}{
		"one row":   {[]time.Time{day(2020, 1, 1)}, "no series has two rows"},
		"none":      {nil, "no series has two rows"},
		"irregular": {[]time.Time{day(2020, 1, 1), day(2020, 1, 3), day(2020, 1, 6), day(2020, 1, 8)}, "from 2 days to 3 days apart"},
		"hours":     {[]time.Time{at(0), at(23), at(47)}, "from 23h to 24h apart"},
		"minutes":   {[]time.Time{at(0), at(1.5), at(3.75)}, "from 1h30m to 2h15m apart"},
	} {
		_, err := InferFrequency(tc.stamps)
		require.ErrorIs(t, err, ErrFrequency, name)
		assert.ErrorContains(t, err, tc.says, name)
	}
}

func TestDaysFollowTheClockOfTheirPlace(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	daily := Frequency{N: 1, Unit: Day}
	start := time.Date(2024, 3, 30, 0, 0, 0, 0, berlin)
	after := daily.Add(start, 2) // the clocks went forward in between
	assert.Equal(t, 47*time.Hour, after.Sub(start))
	n, on := daily.Index(start, after.UTC())
	assert.True(t, on)
	assert.Equal(t, 2, n)
}

func TestParseFrequency(t *testing.T) {
	for text, want := range map[string]Frequency{
		"M": {1, Month, false}, "MS": {1, Month, false}, "ME": {1, Month, true}, "W-SUN": {1, Week, false}, "15min": {15, Minute, false},
		"30 minutes": {30, Minute, false}, "monthly": {1, Month, false}, "2 quarters end": {2, Quarter, true}, "B": {1, BusinessDay, false},
		"3 business days": {3, BusinessDay, false}, "YE": {1, Year, true}, "h": {1, Hour, false},
	} {
		got, err := ParseFrequency(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "0 days", "fortnight", "-1 day", "week end", "1.5h", "99999999 days"} {
		_, err := ParseFrequency(text)
		assert.ErrorIs(t, err, ErrFrequency, text)
	}
}

func TestSeason(t *testing.T) {
	for text, want := range map[string]int{"month": 12, "quarter": 4, "2 months": 6, "week": 52, "day": 7, "B": 5, "h": 24, "15min": 96, "year": 1, "5 months": 1, "s": 60} {
		f, err := ParseFrequency(text)
		require.NoError(t, err)
		assert.Equal(t, want, f.Season(), text)
	}
	assert.Equal(t, 1, Frequency{}.Season())
}
