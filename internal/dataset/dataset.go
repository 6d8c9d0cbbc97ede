// Package dataset makes series of the files of package data, for examples and tests.
package dataset

import (
	"encoding/csv"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/attune-hpo/attune/data"
)

// A Monthly series has one value a month, without gaps.
type Monthly struct {
	First  time.Time // first day of the first month, UTC
	Values []float64
}

// Month returns the month of Values[i].
func (m Monthly) Month(i int) time.Time { return m.First.AddDate(0, i, 0) }

// CO2 returns the monthly mean concentration of carbon dioxide at Mauna Loa, in
// ppm, from March 1958 to December 2001. The five months in which nothing was
// measured are interpolated linearly.
func CO2() (Monthly, error) {
	rows, err := read("co2.csv")
	if err != nil {
		return Monthly{}, fmt.Errorf("dataset: co2.csv: %w", err)
	}
	var out Monthly
	var sum, n float64
	var month time.Time
	flush := func() {
		if !month.IsZero() {
			out.Values = append(out.Values, sum/n) // NaN for a month without a measurement
		}
		sum, n = 0, 0
	}
	for i, row := range rows[1:] {
		day, err := time.Parse(time.DateOnly, row[0])
		if err != nil {
			return Monthly{}, fmt.Errorf("dataset: co2.csv: row %d: %w", i+2, err)
		}
		if first := day.AddDate(0, 0, 1-day.Day()); !first.Equal(month) {
			flush()
			month = first
			if out.First.IsZero() {
				out.First = first
			}
		}
		if row[1] == "" {
			continue
		}
		ppm, err := strconv.ParseFloat(row[1], 64)
		if err != nil {
			return Monthly{}, fmt.Errorf("dataset: co2.csv: row %d: %w", i+2, err)
		}
		sum, n = sum+ppm, n+1
	}
	flush()
	interpolate(out.Values)
	return out, nil
}

// interpolate replaces each run of NaN between two numbers by the line that
// joins them.
func interpolate(y []float64) {
	for i := 1; i < len(y); i++ {
		if !math.IsNaN(y[i]) {
			continue
		}
		end := i
		for end < len(y)-1 && math.IsNaN(y[end]) {
			end++
		}
		y[i] = y[i-1] + (y[end]-y[i-1])/float64(end-i+1)
	}
}

func read(name string) ([][]string, error) {
	file, err := data.Files.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return csv.NewReader(file).ReadAll()
}
