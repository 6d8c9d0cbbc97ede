package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/attune-hpo/attune/objective/forecast"
)

// fit sets the values that depend on the data, unless a flag sets them: the metric, the
// horizon, and the number of windows of the backtest. It returns notes on unusual values.
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
	// possible returns the maximum number of windows, and what it would be if there were few
	// series. The first window must leave two fifths of the rows for training, and the tables of all
	// windows together must fit in memory.
	possible := func() (windows, alone int) {
		if !o.given("test") {
			j.Test = j.Horizon
		}
		if !o.given("step") {
			j.Step = (j.Horizon + 1) / 2
		}
		short := (rows-j.Test-j.Horizon-(2*rows+4)/5)/j.Step + 1
		return min(short, max(2, mostCells/(all*j.Horizon))), short
	}
	if o.given("windows") {
		possible()
		return notes
	}
	few := 3
	w, alone := possible()
	if alone < few && !o.given("horizon") && rows/6 < j.Horizon {
		j.Horizon = max(1, rows/6)
		if w, _ = possible(); rows < fewest {
			j.Horizon = usual // too few rows for any horizon; a later check fails
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

// fewest is the smallest number of rows for which smaller defaults help.
const fewest = 6

// mostCells limits the rows of the tables of all folds together. They have a row for each step
// of each forecast.
const mostCells = 1_000_000

// noMAPE returns why percentage errors are unsuitable for a target, or "" if they are not.
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
