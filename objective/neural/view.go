package neural

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/attune-hpo/attune/objective/forecast"
)

// A scale standardizes values: (y-Mean)/Deviation.
type scale struct {
	Mean      float64 `json:"mean"`
	Deviation float64 `json:"deviation"` // above 0
}

// newScale returns the scale of values without NaN. For constant values the deviation is 1.
func newScale(parts ...[]float64) scale {
	n, mean, m2 := 0.0, 0.0, 0.0 // Welford's, Technometrics 4 (1962)
	for _, y := range parts {
		for _, v := range y {
			n++
			d := v - mean
			mean += d / n
			m2 += d * (v - mean)
		}
	}
	s := scale{mean, math.Sqrt(m2 / max(n, 1))}
	if !(s.Deviation > 1e-12*math.Abs(mean)) || math.IsInf(s.Deviation, 0) {
		s.Deviation = 1
	}
	return s
}

func (s scale) apply(y []float64) []float64 {
	z := make([]float64, len(y))
	for i, v := range y {
		z[i] = (v - s.Mean) / s.Deviation
	}
	return z
}

// A view is how a model sees series: a window of the target, transformed and
// standardized, and a window of the columns. It also turns the model's outputs into
// forecasts. It learns its statistics from the training part alone.
type view struct {
	window, horizon int
	keepLevel       bool
	transform       forecast.Transform
	freq            forecast.Frequency
	past, known     []string            // columns
	calendar        []forecast.Calendar // the last of the known columns
	columns         []scale             // scales of both
	ids             []string
	index           map[string]int    // index of a series by its ID
	fitted          []forecast.Fitted // by series
	scales          []scale           // by series
}

// features is the count of numbers in a step of the window.
func (v *view) features() int { return 1 + len(v.past) + len(v.known) }

// A source is a series in the form that the model sees.
type source struct {
	series  forecast.Series
	fitted  forecast.Fitted
	scale   scale
	z       []float64   // the target; NaN for the first values, which the transform loses
	columns [][]float64 // past and known columns
}

// newView fits a view to the series without their last holdout steps.
func newView(t Training, train forecast.Frame, horizon, holdout int) (*view, []source, error) {
	before, _, err := train.Cut(holdout)
	if err != nil {
		return nil, nil, err
	}
	v := &view{window: t.Window, horizon: horizon, keepLevel: t.KeepLevel, transform: t.Transform, freq: train[0].Freq, calendar: t.Calendar}
	before, train = v.dated(before), v.dated(train)
	for _, c := range train[0].Past {
		v.past = append(v.past, c.Name)
	}
	for _, c := range train[0].Known {
		if slices.Contains(v.known, c.Name) {
			return nil, nil, fmt.Errorf("%w %q is also in the calendar: remove it there, or rename the column", forecast.ErrColumn, c.Name)
		}
		v.known = append(v.known, c.Name)
	}
	if err := complete(train); err != nil {
		return nil, nil, err
	}
	values := func(of func(forecast.Series) []float64) [][]float64 {
		var parts [][]float64
		for _, s := range before {
			parts = append(parts, of(s)[:s.Len()])
		}
		return parts
	}
	if y := values(func(s forecast.Series) []float64 { return s.Y }); constant(y, true) {
		return nil, nil, fmt.Errorf("%w: it is %v throughout the training part", forecast.ErrConstant, y[0][0])
	}
	column := func(name string, of func(forecast.Series) forecast.Column) error {
		parts := values(func(s forecast.Series) []float64 { return of(s).Values })
		if constant(parts, false) {
			return fmt.Errorf("%w %q is constant in the training part, %v, so nothing can be learnt from it: leave it out", forecast.ErrColumn, name, parts[0][0])
		}
		v.columns = append(v.columns, newScale(parts...))
		return nil
	}
	for i, name := range v.past {
		if err := column(name, func(s forecast.Series) forecast.Column { return s.Past[i] }); err != nil {
			return nil, nil, err
		}
	}
	for i, name := range v.known {
		if err := column(name, func(s forecast.Series) forecast.Column { return s.Known[i] }); err != nil {
			return nil, nil, err
		}
	}
	for _, s := range before {
		f, sc, err := v.fit(s)
		if err != nil {
			return nil, nil, err
		}
		v.add(s.ID, f, sc)
	}
	var sources []source
	for _, s := range train {
		src, err := v.source(s)
		if err != nil {
			return nil, nil, err
		}
		sources = append(sources, src)
	}
	return v, sources, nil
}

// add registers a series with its transform and scale.
func (v *view) add(id string, f forecast.Fitted, s scale) {
	if v.index == nil {
		v.index = map[string]int{}
	}
	v.index[id] = len(v.ids)
	v.ids, v.fitted, v.scales = append(v.ids, id), append(v.fitted, f), append(v.scales, s)
}

// fit returns the fitted transform and the scale of one series.
func (v *view) fit(s forecast.Series) (forecast.Fitted, scale, error) {
	f, err := v.transform.Fit(s.Y)
	if err != nil {
		return nil, scale{}, fmt.Errorf("%s%w", of(s.ID), err)
	}
	z := f.Apply(s.Y)
	return f, newScale(z[min(f.Lost(), len(z)):]), nil
}

// source returns a series in the form that the model sees. The transform and scale of a
// series that is not in the training data are fitted to its own past.
func (v *view) source(s forecast.Series) (source, error) {
	src := source{series: s}
	if i, ok := v.index[s.ID]; ok {
		src.fitted, src.scale = v.fitted[i], v.scales[i]
	} else {
		var err error
		if src.fitted, src.scale, err = v.fit(s); err != nil {
			return src, err
		}
	}
	src.z = src.scale.apply(src.fitted.Apply(s.Y))
	for i, z := range src.z {
		if i >= src.fitted.Lost() && math.IsNaN(z) {
			return src, fmt.Errorf("%s%w: the value at %s, %v", of(s.ID), forecast.ErrDomain, stamp(s.Time(i)), s.Y[i])
		}
	}
	for i, c := range slices.Concat(s.Past, s.Known) {
		src.columns = append(src.columns, v.columns[i].apply(c.Values))
	}
	return src, nil
}

// complete fails with [forecast.ErrMissing] if a value is missing.
func complete(f forecast.Frame) error {
	for _, s := range f {
		for _, c := range slices.Concat([]forecast.Column{{Name: "the target", Values: s.Y}}, s.Past, s.Known) {
			if i := slices.IndexFunc(c.Values, math.IsNaN); i >= 0 {
				return fmt.Errorf("%s%s: %w at %s: %w, or leave the column out", of(s.ID), c.Name, forecast.ErrMissing, stamp(s.Time(i)), setFill)
			}
		}
	}
	return nil
}

// constant reports whether each of the parts has a single value. Unless own is set, that
// value must also be the same for all parts.
func constant(parts [][]float64, own bool) bool {
	for _, y := range parts {
		first := parts[0][0]
		if own {
			first = y[0]
		}
		if slices.ContainsFunc(y, func(v float64) bool { return v != first }) {
			return false
		}
	}
	return true
}

// A sample is a window and the steps after it. The window ends before the origin.
type sample struct{ series, origin int }

// samples returns the training and validation samples. Validation samples are windows
// whose targets all lie in the holdout. If the holdout is shorter than the horizon, they
// are the windows right before it.
func (v *view) samples(sources []source, holdout int) (train, valid []sample, err error) {
	var end time.Time // the last time in the training samples
	for i, s := range sources {
		if t := s.series.Time(s.series.Len() - 1 - holdout); i == 0 || t.After(end) {
			end = t
		}
	}
	longest, need := 0, 0
	for i, s := range sources {
		n := s.series.Len()
		at, _ := s.series.Freq.Index(s.series.Start, end)
		known := max(0, min(at+1, n))
		least := v.window + s.fitted.Lost()
		for o := least; o < n; o++ {
			switch {
			case o+v.horizon <= known:
				train = append(train, sample{i, o})
			case o >= known && (o+v.horizon <= n || o == known && holdout < v.horizon):
				valid = append(valid, sample{i, o})
			}
		}
		longest, need = max(longest, n), least+v.horizon
	}
	if len(train) == 0 {
		return nil, nil, fmt.Errorf("%w: a window of %d and a horizon of %d need %d steps of one series%s: the longest has %d: %w, or %w",
			forecast.ErrShort, v.window, v.horizon, need, heldOut(holdout), longest, shorterWindow, lessHoldout)
	}
	return train, valid, nil
}

// heldOut mentions the n held-out steps in an error, if there are any.
func heldOut(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", and %d more are held out", n)
}

// check returns an error if frame is unlike the training data or cannot be forecast from.
func (v *view) check(past forecast.Frame, horizon int) error {
	if err := past.Validate(); err != nil {
		return err
	}
	if horizon < 1 || horizon > v.horizon {
		return fmt.Errorf("%w of %d: the forecaster was fitted for 1 to %d", forecast.ErrHorizon, horizon, v.horizon)
	}
	if past[0].Freq != v.freq {
		return fmt.Errorf("%w: %v, but training had %v", forecast.ErrFrequency, past[0].Freq, v.freq)
	}
	same := func(c forecast.Column, name string) bool { return c.Name == name }
	if !slices.EqualFunc(past[0].Past, v.past, same) || !slices.EqualFunc(past[0].Known, v.given(), same) {
		return fmt.Errorf("%w names differ from those of training: past %q, known in advance %q", forecast.ErrColumn, v.past, v.given())
	}
	for _, s := range past {
		for _, c := range s.Known {
			if len(c.Values) < s.Len()+v.horizon {
				return fmt.Errorf("%scolumn %q: %w of %d: its values are known only %d steps ahead: add rows without a target for the others",
					of(s.ID), c.Name, forecast.ErrHorizon, v.horizon, len(c.Values)-s.Len())
			}
		}
	}
	return complete(past)
}

// last returns the sources of series, and for each the sample after its end. If the model has learnt from several
// series, a series that is shorter than the window is extended backwards with its first value.
func (v *view) last(past forecast.Frame) ([]source, []sample, error) {
	var sources []source
	var samples []sample
	for i, s := range v.dated(past) {
		src, err := v.source(s)
		if err != nil {
			return nil, nil, err
		}
		need := v.window + src.fitted.Lost()
		if len(v.ids) > 1 {
			need = 1 + src.fitted.Lost()
		}
		if s.Len() < need {
			return nil, nil, fmt.Errorf("%s%w: it has %d, and a window of %d needs %d", of(s.ID), forecast.ErrShort, s.Len(), v.window, need)
		}
		sources, samples = append(sources, src), append(samples, sample{i, s.Len()})
	}
	return sources, samples, nil
}

// level returns the value that is subtracted from a window and its targets.
func (v *view) level(s *source, origin int) float64 {
	if v.keepLevel {
		return 0
	}
	return s.z[origin-1]
}

// input returns feature f of step t of the window before an origin.
func (v *view) input(s *source, origin, t, f int) float64 {
	at := max(origin-v.window+t, s.fitted.Lost())
	if f == 0 {
		return s.z[at] - v.level(s, origin)
	}
	return s.columns[f-1][at]
}

// future returns known column k at step h, counted from 0, after an origin. It returns 0,
// the column's mean, if the value is unknown.
func (v *view) future(s *source, origin, h, k int) float64 {
	if c := s.columns[len(v.past)+k]; origin+h < len(c) {
		return c[origin+h]
	}
	return 0
}

// target returns the target at step h, counted from 0, after an origin.
func (v *view) target(s *source, origin, h int) (z float64, known bool) {
	if origin+h >= len(s.z) {
		return 0, false
	}
	return s.z[origin+h] - v.level(s, origin), true
}

// continuation turns the model's outputs z after the end of s into a forecast.
func (v *view) continuation(s *source, z []float64) (forecast.Series, error) {
	n := s.series.Len()
	level := v.level(s, n)
	for h := range z {
		z[h] = (z[h]+level)*s.scale.Deviation + s.scale.Mean
	}
	out := forecast.Series{ID: s.series.ID, Start: s.series.Time(n), Freq: s.series.Freq, Y: s.fitted.Invert(s.series.Y, z)}
	for h, y := range out.Y {
		if math.IsNaN(y) || math.IsInf(y, 0) {
			return out, fmt.Errorf("%sthe forecast for %s is %v: %w", of(s.series.ID), stamp(out.Time(h)), y, forecast.ErrNumber)
		}
	}
	return out, nil
}

// stamp prints a time as short as possible.
func stamp(t time.Time) string {
	if t.Truncate(24 * time.Hour).Equal(t) {
		return t.Format(time.DateOnly)
	}
	return t.Format(time.RFC3339Nano)
}

// frame returns the first horizon steps of the model's outputs after the end of the
// series, as forecasts.
func (v *view) frame(sources []source, z [][]float64, horizon int) (forecast.Frame, error) {
	var out forecast.Frame
	for i := range sources {
		next, err := v.continuation(&sources[i], z[i][:horizon])
		if err != nil {
			return nil, err
		}
		out = append(out, next)
	}
	return out, nil
}
