package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/forecast"
)

// The data that ship with attune can be read without flags that describe them.
func TestShippedData(t *testing.T) {
	readme, err := os.ReadFile("../../data/README.md")
	require.NoError(t, err)
	files, err := filepath.Glob("../../data/*.csv")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			assert.Contains(t, string(readme), "`"+name+"`", "its source and licence")
			want := map[string]struct{ target, time, freq, span string }{
				"airpassengers.csv":   {"passengers", "month", "month", "144 rows, 1949-01 to 1960-12"},
				"co2.csv":             {"co2", "date", "week", "2284 rows, 1958-03-29 to 2001-12-29"},
				"elec_equip.csv":      {"index", "month", "month", "257 rows, 1995-01 to 2016-05"},
				"macrodata.csv":       {"unemp", "quarter", "quarter", "203 rows, 1959-Q1 to 2009-Q3"},
				"seattle-weather.csv": {"temp_max", "date", "day", "1461 rows, 2012-01-01 to 2015-12-31"},
				"sunspots.csv":        {"sunspots", "year", "year", "309 rows, 1700 to 2008"},
				"us-employment.csv":   {"nonfarm", "month", "month", "120 rows, 2006-01-01 to 2015-12-01"},
			}[name]
			s := source{File: file, CSV: forecast.CSV{Target: want.target, Fill: forecast.Carry}}
			frame, s, err := s.read()
			require.NoError(t, err)
			assert.Equal(t, want.time, s.Time)
			assert.Equal(t, want.freq, s.Freq.String())
			assert.Equal(t, want.span, s.span(frame))
		})
	}
}

// Files in the forms of pandas, R and spreadsheets can be read without flags that describe them.
func TestWritten(t *testing.T) {
	day := func(layout string) func(int) string {
		return func(i int) string { return time.Date(2020, 1, 5+i, 0, 0, 0, 0, time.UTC).Format(layout) }
	}
	month := func(layout string) func(int) string {
		return func(i int) string { return time.Date(1991, time.Month(1+i), 1, 0, 0, 0, 0, time.UTC).Format(layout) }
	}
	quarter := func(i int) string { return fmt.Sprintf("%d Q%d", 1970+i/4, 1+i%4) }
	for name, tc := range map[string]struct {
		header string
		stamp  func(int) string
		source source
		time   string // column
		freq   string
		second string // stamp
	}{
		"an index without a name":   {",y", day("2006-01-02"), source{}, "Unnamed: 0", "day", "2020-01-06"},
		"that is named by nothing":  {",y", day("2006-01-02"), source{unnamed: true}, "Unnamed: 0", "day", "2020-01-06"},
		"and as pandas names it":    {",y", day("2006-01-02"), source{CSV: forecast.CSV{Time: "Unnamed: 0"}}, "Unnamed: 0", "day", "2020-01-06"},
		"dots":                      {"d,y", day("02.01.2006"), source{}, "d", "day", "06.01.2020"},
		"the day first":             {"d,y", day("02/01/2006"), source{}, "d", "day", "06/01/2020"},
		"the month first":           {"d,y", day("01/02/2006"), source{}, "d", "day", "01/06/2020"},
		"hyphens, a time of day":    {"d,y", day("02-01-2006 15:04"), source{}, "d", "day", "06-01-2020 00:00"},
		"quarters of R":             {"d,y", quarter, source{}, "d", "quarter", "1970 Q2"},
		"months of R":               {"d,y", month("2006 Jan"), source{}, "d", "month", "1991 Feb"},
		"a layout, no column":       {"d,y", day("2006_01_02"), source{CSV: forecast.CSV{Layout: "2006_01_02"}}, "d", "day", "2020_01_06"},
		"strptime":                  {"d,y", day("2006_01_02"), source{CSV: forecast.CSV{Layout: "%Y_%m_%d"}}, "d", "day", "2020_01_06"},
		"strptime, with the month":  {"d,y", day("2 January 2006"), source{CSV: forecast.CSV{Layout: "%e %B %Y"}}, "d", "day", "6 January 2020"},
		"the layout of two columns": {"d,y,z", day("2006-01-02"), source{CSV: forecast.CSV{Layout: "%Y-%m-%d", Past: []string{"z"}}}, "d", "day", "2020-01-06"},
	} {
		t.Run(name, func(t *testing.T) {
			text := tc.header + "\n"
			for i := range 60 {
				text += tc.stamp(i) + strings.Repeat(fmt.Sprintf(",%d", i%7), strings.Count(tc.header, ",")) + "\n"
			}
			s := tc.source
			s.File, s.Target = filepath.Join(t.TempDir(), "a.csv"), "y"
			require.NoError(t, os.WriteFile(s.File, []byte(text), 0o644))
			frame, s, err := s.read()
			require.NoError(t, err)
			assert.Equal(t, tc.time, s.Time)
			assert.Equal(t, tc.freq, s.Freq.String())
			assert.Equal(t, tc.second, strings.TrimSpace(s.stamp(frame[0].Time(1))))
		})
	}
}

func TestStamp(t *testing.T) {
	at := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	for layout, want := range map[string]string{
		"2006-01-02": "2024-05-06", "epoch": "1714979289", "epoch ms": "1714979289000", "2006Q1": "2024Q2", "2006-Q1": "2024-Q2", "": "2024-05-06T07:08:09Z",
	} {
		assert.Equal(t, want, source{CSV: forecast.CSV{Layout: layout}}.stamp(at), layout)
	}
}
