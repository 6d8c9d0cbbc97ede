package validate

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/tensor"
	"github.com/attune-hpo/attune/objective/forecast"
)

// Windows are the data on which an exported forecaster is compared: its inputs at several
// origins, and the native forecasts from there.
type Windows struct {
	Inputs tensor.List // one row per window
	Native []float64   // the native forecasts, window by window
	Labels []string    // labels of the windows for people
	steps  int
}

// NewWindows returns up to most windows of a frame, each with the horizon that f was
// fitted with. In each series, origins are evenly spaced over the part that has all the
// values a forecast looks back to, or over the second half if the series is too short for
// that. If the frame has more series than most, NewWindows takes every second, third, ...
// series.
//
// It skips origins that f cannot forecast from. NewWindows fails with [ErrInput] and the
// error of f if no window is left, and with ctx's cause.
func NewWindows(ctx context.Context, f forecast.Forecaster, on forecast.Frame, horizon, most int) (*Windows, error) {
	w := &Windows{steps: horizon}
	var inputs []tensor.List
	why := error(forecast.ErrEmpty)
	every := max(1, len(on)/max(most, 1))
	for k := 0; k < len(on); k += every {
		s := on[k]
		for _, origin := range origins(f, s, horizon, most*every/len(on)) {
			in, err := w.add(ctx, f, s.Until(origin, horizon))
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			if err != nil { // for example, before the first value of a lag
				why = err
				continue
			}
			inputs = append(inputs, in)
		}
	}
	if len(inputs) == 0 {
		return nil, pkg.Errorf("windows: %w: there is no window to forecast from: %w", ErrInput, why)
	}
	var err error
	w.Inputs, err = tensor.Join(aligned(inputs)...)
	return w, err
}

// aligned fills windows that hold all of a series with missing values at the beginning, up to the longest one.
func aligned(inputs []tensor.List) []tensor.List {
	longest := int64(0)
	for _, in := range inputs {
		longest = max(longest, in[0].Shape[1])
	}
	for _, in := range inputs {
		window := &in[0]
		var values []float64
		width := int(window.Shape[1])
		for row := range int(window.Shape[0]) {
			values = append(values, slices.Repeat([]float64{math.NaN()}, int(longest)-width)...)
			values = append(values, window.Data.([]float64)[row*width:(row+1)*width]...)
		}
		window.Shape, window.Data = []int64{window.Shape[0], longest}, values
	}
	return inputs
}

// origins returns up to n lengths of the part of s to forecast from, and at least one.
func origins(f forecast.Forecaster, s forecast.Series, horizon, n int) []int {
	least := s.Len() / 2
	if in, err := onnx.ForecastInputs(f, forecast.Frame{s.Until(s.Len(), horizon)}); err == nil && int(in[0].Shape[1]) < s.Len() {
		least = int(in[0].Shape[1])
	}
	least = max(least, 1)
	n = min(max(1, n), s.Len()-least+1)
	if n == 1 {
		return []int{s.Len()}
	}
	var out []int
	for i := range n {
		out = append(out, least+i*(s.Len()-least)/(n-1))
	}
	return out
}

// add adds the forecast after a series and returns its inputs.
func (w *Windows) add(ctx context.Context, f forecast.Forecaster, past forecast.Series) (tensor.List, error) {
	next, err := f.Predict(ctx, forecast.Frame{past}, w.steps)
	if err != nil {
		return nil, err
	}
	in, err := onnx.ForecastInputs(f, forecast.Frame{past})
	if err != nil {
		return nil, err
	}
	w.Native = append(w.Native, next[0].Y...)
	label := "after " + past.Time(past.Len()-1).Format("2006-01-02 15:04")
	if past.ID != "" {
		label = past.ID + " " + label
	}
	w.Labels = append(w.Labels, label)
	return in, nil
}

// Len returns the number of windows.
func (w *Windows) Len() int { return len(w.Labels) }

// Slice returns the windows in [from, to), which share the memory of w. It panics if the
// range is invalid.
func (w *Windows) Slice(from, to int) *Windows {
	return &Windows{w.Inputs.Slice(from, to), w.Native[from*w.steps : to*w.steps], w.Labels[from:to], w.steps}
}

// Compare compares forecasts of an export, made from w.Inputs, with the native ones. It
// fails with [ErrInput].
func (w *Windows) Compare(g Gate, exported []float64) (Report, error) {
	return g.Values(w.Native, exported, w.rows())
}

// rows returns the values of all inputs, window by window.
func (w *Windows) rows() Rows {
	r := Rows{Outputs: w.steps, Label: func(row int) string { return w.Labels[row] }}
	parts := make([][]float64, len(w.Inputs))
	for i, t := range w.Inputs {
		parts[i] = t.Floats()
		for k := range len(parts[i]) / w.Len() {
			r.Names = append(r.Names, fmt.Sprintf("%s[%d]", t.Name, k))
		}
	}
	r.Width = len(r.Names)
	for row := range w.Len() {
		for _, p := range parts {
			n := len(p) / w.Len()
			r.Values = append(r.Values, p[row*n:(row+1)*n]...)
		}
	}
	return r
}
