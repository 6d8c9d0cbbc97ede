package forecast

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// If either the day or the month could come first, missing steps decide.
func TestInferLayoutByGaps(t *testing.T) {
	stamps := func(layout string, months, days, n int) (out []string) {
		for i := range n {
			out = append(out, time.Date(2016, time.Month(1+i*months), 1+i*days, 0, 0, 0, 0, time.UTC).Format(layout))
		}
		return out
	}
	assert.Equal(t, "02/01/2006", InferLayout(stamps("02/01/2006", 1, 0, 30)))
	assert.Equal(t, "01/02/2006", InferLayout(stamps("01/02/2006", 1, 0, 30)))
	twice := append(stamps("02/01/2006", 1, 0, 14), stamps("02/01/2006", 1, 0, 14)...)
	assert.Equal(t, "02/01/2006", InferLayout(twice), "two series")
	assert.Equal(t, "", InferLayout(stamps("02/01/2006", 1, 0, 12)), "days of January, or months")
	assert.Equal(t, "", InferLayout(stamps("02/01/2006", 0, 1, 12)))
}

func TestInferLayout(t *testing.T) {
	for name, tc := range map[string]struct {
		stamps []string
		want   string
	}{
		"none":               {nil, ""},
		"as recognized":      {[]string{"2020-01-02", "31/01/2020"}, "2006-01-02"},
		"either":             {[]string{"01/02/2020", "03/04/2020"}, ""},
		"the day":            {[]string{"01/02/2020", "13/02/2020"}, "02/01/2006"},
		"the month":          {[]string{"01/02/2020", "02/13/2020"}, "01/02/2006"},
		"short ones":         {[]string{"1/2/2020", "13/2/2020"}, "2/1/2006"},
		"hyphens":            {[]string{"01-02-2020", "13-02-2020"}, "02-01-2006"},
		"a year of two":      {[]string{"01/02/20", "13/02/20"}, "02/01/06"},
		"a time of day":      {[]string{"01/02/2020 08:00", "13/02/2020 09:00"}, "02/01/2006 15:04"},
		"one that is wrong":  {[]string{"01/02/2020", "13/02/2020", "soon"}, "02/01/2006"},
		"most that are":      {[]string{"13/02/2020", "soon", "later"}, ""},
		"text":               {[]string{"a", "b"}, ""},
		"underscores":        {[]string{"2020_01_02"}, ""},
		"months after years": {[]string{"1991 Jul"}, "2006 Jan"},
		"quarters":           {[]string{"1970 Q1"}, "2006 Q1"},
		"dots":               {[]string{"1.2.2020"}, "2.1.2006"},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, tc.want, InferLayout(tc.stamps)) })
	}
}

// A time that is formatted in a layout is parsed back from it.
func TestTimes(t *testing.T) {
	at := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	for layout, tc := range map[string]struct {
		text string
		form string // for people
	}{
		"":                      {"2024-05-06T07:08:09Z", ""},
		"2006-01-02":            {"2024-05-06", "YYYY-MM-DD"},
		"Jan 2, 2006 15:04":     {"May 6, 2024 07:08", "MON D, YYYY hh:mm"},
		"epoch":                 {"1714979289", "seconds since 1970"},
		"epoch ms":              {"1714979289000", "milliseconds since 1970"},
		"2006Q1":                {"2024Q2", "YYYYQn"},
		"2006-Q1":               {"2024-Q2", "YYYY-Qn"},
		"2006 Q1":               {"2024 Q2", "YYYY Qn"},
		"%d.%m.%Y":              {"06.05.2024", "%d.%m.%Y"},
		"%YQ%q":                 {"2024Q2", "%YQ%q"},
		"%s":                    {"1714979289", "%s"},
		"%F %T":                 {"2024-05-06 07:08:09", "%F %T"},
		"%A, %e %B %Y %I %p %%": {"Monday,  6 May 2024 07 AM %", "%A, %e %B %Y %I %p %%"},
		"%Y-%m-%dT%H:%M:%S.%f":  {"2024-05-06T07:08:09.000000", "%Y-%m-%dT%H:%M:%S.%f"},
	} {
		t.Run(layout, func(t *testing.T) {
			assert.Equal(t, tc.text, FormatTime(layout, at))
			if layout == "" {
				return
			}
			got, err := ParseTime(layout, tc.text, time.UTC)
			require.NoError(t, err)
			assert.Equal(t, tc.text, FormatTime(layout, got))
			_, err = ParseTime(layout, "soon", time.UTC)
			require.ErrorIs(t, err, ErrTime)
			assert.EqualError(t, err, "not a time of the form "+tc.form)
		})
	}
	_, err := ParseTime("2006-01-02", "2024-02-30", time.UTC)
	assert.EqualError(t, err, "not a time of the form YYYY-MM-DD: day out of range")
	for _, text := range []string{"1e9", "0x10", "1_000_000_000", "NaN", "1e300", ""} {
		_, err := ParseTime("epoch", text, time.UTC)
		assert.ErrorIs(t, err, ErrTime, text)
	}
}
