package main

import (
	"encoding/csv"
	"fmt"
	"math"
	"strconv"

	"github.com/attune-hpo/attune/data"
)

// monthlyCO2 returns the monthly mean concentration of carbon dioxide at Mauna
// Loa, in ppm, from March 1958 to December 2001. The file has weekly values. The
// five months in which nothing was measured are interpolated linearly.
func monthlyCO2() ([]float64, error) {
	file, err := data.Files.Open("co2.csv")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("co2.csv: %w", err)
	}

	var means []float64
	var month string
	var sum, n float64
	for i, row := range rows[1:] {
		date, ppm := row[0], row[1]
		if date[:len("1958-03")] != month {
			month, sum, n = date[:len("1958-03")], 0, 0
			means = append(means, math.NaN())
		}
		if ppm == "" {
			continue
		}
		x, err := strconv.ParseFloat(ppm, 64)
		if err != nil {
			return nil, fmt.Errorf("co2.csv: row %d: %w", i+2, err)
		}
		sum, n = sum+x, n+1
		means[len(means)-1] = sum / n
	}
	interpolate(means)
	return means, nil
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
