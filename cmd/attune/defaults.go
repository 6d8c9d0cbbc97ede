package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/attune-hpo/attune/objective/forecast"
)

// fit sets what the flags leave open and the data decide: the metric, the horizon, and how
// many windows the backtest has. It returns what is not as it is for most data, and why.
func (j *job) fit(o *optimize, frame forecast.Frame) (notes []string) {
	if why := noMAPE(frame); why != "" && !o.given("metric") {
		j.Metric = forecast.MASE.Name()
		notes = append(notes, fmt.Sprintf("--metric mase, not mape: %s", why))
	}
	rows, all := 0, 0
	for _, s := range frame {
		rows, all = max(rows, s.Len()), all+s.Len()
	}
	usual := defaultHorizon(frame[0].Freq)
	if !o.given("horizon") {
		j.Horizon = usual
	}
	// possible returns how many windows there may be: the first leaves two fifths of the rows
	// to learn from, and all together make tables that fit in the memory.
	possible := func() int {
		if !o.given("test") {
			j.Test = j.Horizon
		}
		if !o.given("step") {
			j.Step = (j.Horizon + 1) / 2
		}
		short := (rows-j.Test-j.Horizon-(2*rows+4)/5)/j.Step + 1
		return min(short, max(2, mostCells/(all*j.Horizon)))
	}
	if o.given("windows") {
		possible()
		return notes
	}
	few := 3
	w := possible()
	if w < few && !o.given("horizon") && rows/6 < j.Horizon && mostCells/(all*j.Horizon) >= few {
		j.Horizon = max(1, rows/6)
		if w = possible(); rows < fewest {
			j.Horizon = usual // there are too few rows in any case, as is said later
			possible()
			return notes
		}
	}
	var lowered []string
	if j.Horizon < usual && !o.given("horizon") {
		lowered = append(lowered, fmt.Sprintf("--horizon %d, not %d", j.Horizon, usual))
	}
	if w < o.windows {
		j.Windows = max(1, w)
		lowered = append(lowered, fmt.Sprintf("--windows %d, not %d", j.Windows, o.windows))
	}
	if lowered != nil {
		notes = append(notes, fmt.Sprintf("%s: %d series of %d rows", strings.Join(lowered, ", "), len(frame), all))
	}
	return notes
}

// fewest is the number of rows below which no defaults help.
const fewest = 10

// mostCells bounds the rows of the tables of all folds together, a row for each step of each
// forecast.
const mostCells = 1_000_000

// noMAPE says why percentage errors say little about a target: "" if they do not.
func noMAPE(frame forecast.Frame) string {
	n, below, near, mean := 0, 0, 0, 0.0
	for _, s := range frame {
		for _, y := range s.Y {
			if !math.IsNaN(y) {
				n, mean = n+1, mean+math.Abs(y)
			}
		}
	}
	mean /= float64(n)
	for _, s := range frame {
		for _, y := range s.Y {
			switch {
			case y <= 0:
				below++
			case len(frame) == 1 && y < mean/1000:
				near++
			}
		}
	}
	switch {
	case below > 0:
		return fmt.Sprintf("%d values of the target are 0 or below, where percentages mean nothing", below)
	case near > 0:
		return fmt.Sprintf("%d values of the target are close to 0, where percentages mean little", near)
	}
	return ""
}
