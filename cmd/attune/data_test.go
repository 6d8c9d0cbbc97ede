package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/forecast"
)

// The data that ship with attune are read without being told how.
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
			frame, err := s.read()
			require.NoError(t, err)
			assert.Equal(t, want.time, s.Time)
			assert.Equal(t, want.freq, s.Freq.String())
			assert.Equal(t, want.span, s.span(frame))
		})
	}
}

func TestFingerprint(t *testing.T) {
	s := forecast.Series{Start: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), Freq: forecast.Frequency{N: 1, Unit: forecast.Day}, Y: []float64{1, 2, 3}}
	sum := fingerprint(forecast.Frame{s})
	assert.Equal(t, sum, fingerprint(forecast.Frame{s}))
	for name, change := range map[string]func(*forecast.Series){
		"a value":   func(s *forecast.Series) { s.Y = []float64{1, 2, 4} },
		"a day":     func(s *forecast.Series) { s.Start = s.Start.AddDate(0, 0, 1) },
		"a week":    func(s *forecast.Series) { s.Freq.Unit = forecast.Week },
		"the id":    func(s *forecast.Series) { s.ID = "a" },
		"one less":  func(s *forecast.Series) { s.Y = s.Y[:2] },
		"a column":  func(s *forecast.Series) { s.Past = []forecast.Column{{Name: "x", Values: []float64{1, 2, 3}}} },
		"its place": func(s *forecast.Series) { s.Y, s.Past = s.Y[:0], []forecast.Column{{Values: []float64{1, 2, 3}}} },
	} {
		t.Run(name, func(t *testing.T) {
			other := s
			change(&other)
			assert.NotEqual(t, sum, fingerprint(forecast.Frame{other}))
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
