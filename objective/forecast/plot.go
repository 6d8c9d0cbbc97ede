package forecast

import (
	"math"

	"github.com/attune-hpo/attune/figure"
)

// A Plot shows forecasts and the truth.
type Plot struct {
	Title     string
	Label     string // label of the values
	Truth     Series
	Forecasts []Line
	Bands     []Interval // prediction intervals, drawn below the lines
	Last      int        // number of last values of the truth to show; default all
}

// A Line is a series with its name in the legend. Lines with the same name, such as the
// folds of a backtest, look alike and are named once.
type Line struct {
	Name   string
	Series Series
}

// An Interval is the area between two series that begin at the same time, such as the bounds
// of a prediction interval, with its name in the legend.
type Interval struct {
	Name         string
	Lower, Upper Series
}

// Lines returns the forecasts of one series in all folds.
func (r Result) Lines(id string) []Line {
	var out []Line
	for _, fold := range r.Folds {
		for _, s := range fold.Forecast {
			if s.ID == id {
				out = append(out, Line{r.Name, s})
			}
		}
	}
	return out
}

// Figure returns the drawing of p as data: lines over a time axis, interrupted where
// values are missing, and bands. A dashed line leads from the last known value to a forecast
// that begins a step later. It fails with [ErrEmpty] if there is no value.
func (p Plot) Figure() (figure.Figure, error) {
	truth := p.Truth
	if p.Last > 0 && p.Last < truth.Len() {
		truth = truth.part(truth.Len()-p.Last, truth.Len(), 0)
	}
	axis := figure.Axis{Scale: figure.Time}
	if truth.Freq.Unit == Step {
		axis = figure.Axis{Label: Step.String()}
	}
	panel := figure.Panel{X: axis, Y: figure.Axis{Label: p.Label}}
	for _, b := range p.Bands {
		panel.Marks = append(panel.Marks, figure.Band{Name: b.Name, Colour: figure.Nth(0), X: line(b.Lower, "", figure.Ink).X, Low: b.Lower.Y, High: b.Upper.Y})
	}
	panel.Marks = append(panel.Marks, line(truth, "truth", figure.Ink))
	colours := map[string]figure.Colour{}
	for _, l := range p.Forecasts {
		c, known := colours[l.Name]
		if !known {
			c = figure.Nth(len(colours))
			colours[l.Name] = c
		}
		if lead, ok := lead(truth, l.Series); ok {
			lead.Colour = c
			panel.Marks = append(panel.Marks, lead)
		}
		panel.Marks = append(panel.Marks, line(l.Series, l.Name, c))
	}
	for _, m := range panel.Marks {
		l, _ := m.(figure.Line)
		for _, v := range l.Y {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				return figure.Figure{Title: p.Title, Panels: []figure.Panel{panel}}, nil
			}
		}
	}
	return figure.Figure{}, pkg.Errorf("plot: %w: no values", ErrEmpty)
}

func line(s Series, name string, c figure.Colour) figure.Line {
	l := figure.Line{Name: name, Colour: c, Y: s.Y}
	for i := range s.Y {
		l.X = append(l.X, seconds(s, i))
	}
	return l
}

// seconds returns the time of a value in the unit of figures.
func seconds(s Series, i int) float64 { return float64(s.Time(i).UnixMilli()) / 1e3 }

// lead returns the line from the truth to a forecast that begins a step after a known
// value. ok is false for any other forecast.
func lead(truth, forecast Series) (l figure.Line, ok bool) {
	i, onGrid := truth.Freq.Index(truth.Start, forecast.Start)
	i--
	if !onGrid || i < 0 || i >= truth.Len() || forecast.Len() == 0 {
		return l, false
	}
	l = figure.Line{Dashed: true, X: []float64{seconds(truth, i), seconds(forecast, 0)}, Y: []float64{truth.Y[i], forecast.Y[0]}}
	return l, !math.IsNaN(l.Y[0]-l.Y[1]) && !math.IsInf(l.Y[0]-l.Y[1], 0)
}
