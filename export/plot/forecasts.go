package plot

import (
	"fmt"
	"slices"

	"github.com/attune-hpo/attune/figure"
	"github.com/attune-hpo/attune/trial"
	"github.com/attune-hpo/attune/trial/backtest"
)

// Backtest shows what the best model of a study of forecasters forecast in the windows of its
// backtest, beside the actual values: a panel for each of a few series. Windows have two colours in
// turn, since they may overlap. Prediction intervals are shown where they are known: of windows that
// overlap only the narrowest.
//
// It shows the first of the numbered trials that kept forecasts or, if none is numbered, the one
// that [backtest.Best] returns. A study of forecasters without one gives [ErrNothing], and any other
// study [ErrNoForecasts].
func Backtest(h trial.Snapshot, numbers ...int) (figure.Figure, error) {
	b, r, ok := backtest.Best(h)
	if len(numbers) > 0 {
		ok = false
	}
	for _, n := range slices.Backward(numbers) {
		for one := range h.All() {
			if record, has := backtest.Of(one); has && one.Number == n {
				b, r, ok = record, one, true
			}
		}
	}
	switch {
	case !ok && !backtest.Expected(h.Header()):
		return figure.Figure{}, failed("backtest", h, lacks(ErrNoForecasts, "the study has no models of time series"))
	case !ok || len(b.Series) == 0:
		return figure.Figure{}, failed("backtest", h, lacks(ErrNothing, "no complete trial kept its forecasts, as the best one so far does (%s)", counts(h)))
	}
	f := figure.Figure{Title: title("Backtest", h) + fmt.Sprintf(", trial %d", r.Number), Columns: 1}
	overlap := b.Overlap()
	for _, s := range b.Series {
		panel := figure.Panel{Title: s.Name, X: figure.Axis{Scale: figure.Time}, Y: figure.Axis{Label: b.Label}}
		if b.Steps {
			panel.X = figure.Axis{Label: "step"}
		}
		var lines []figure.Mark
		for i, w := range s.Windows {
			colour := figure.Nth(i % 2)
			x := s.Times[w.From : w.From+len(w.Forecast)]
			for k := len(w.Half) - 1; k >= 0; k-- { // the widest below
				if overlap && k > 0 {
					continue // they would hide each other
				}
				panel.Marks = append(panel.Marks, interval(fmt.Sprintf("%g %% interval", 100*b.Levels[k]), colour, x, w.Forecast, w.Half[k]))
			}
			lines = append(lines, figure.Line{Name: "forecast", Colour: colour, X: x, Y: w.Forecast})
		}
		panel.Marks = append(panel.Marks, figure.Line{Name: "actual", Colour: figure.Ink, X: s.Times, Y: s.Actual})
		panel.Marks = append(panel.Marks, lines...)
		f.Panels = append(f.Panels, panel)
	}
	if n := len(b.Series[0].Windows); n < b.Windows {
		f.Notes = append(f.Notes, fmt.Sprintf("Shown are the last %d of %d windows.", n, b.Windows))
	}
	if n := len(b.Series); n < b.All {
		f.Notes = append(f.Notes, fmt.Sprintf("Shown are %d of %d series.", n, b.All))
	}
	if overlap {
		f.Notes = append(f.Notes, "Windows overlap: neighbours have different colours.")
	}
	if best, ok := h.Best(); ok && h.Objectives() == 1 && best.Number != r.Number && len(numbers) == 0 {
		f.Notes = append(f.Notes, fmt.Sprintf("Trial %d is better, but its forecasts were not kept.", best.Number))
	}
	return f, nil
}

// interval returns the band of a prediction interval.
func interval(name string, c figure.Colour, x []float64, middle, half backtest.Numbers) figure.Band {
	b := figure.Band{Name: name, Colour: c, X: x}
	for i, m := range middle {
		b.Low, b.High = append(b.Low, m-half[i]), append(b.High, m+half[i])
	}
	return b
}
