// Package plot makes figures of a study. They are data, from which [draw] makes images.
//
//	f, err := plot.History(0, h)
//	err = draw.SVG(file, f, draw.Options{})
//
// Objectives are numbered from 0. Plots of parameters show the most important ones if none are
// named. A trial that misses its constraints is shown hollow, and is never the best.
//
// A plot with nothing to show fails with an error that wraps [ErrNothing] and says what is
// missing; [Why] returns that alone. An unknown objective or parameter gives [ErrObjective] or
// [ErrParam].
//
// [draw]: https://pkg.go.dev/github.com/attune-hpo/attune/figure/draw
package plot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/figure"
	"github.com/attune-hpo/attune/importance"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

const pkg fault.Package = "plot"

var (
	// ErrNothing reports a study without anything to plot.
	ErrNothing = errors.New("nothing to plot")
	// ErrObjective reports an objective that the study lacks.
	ErrObjective = errors.New("no such objective")
	// ErrNoForecasts reports a study whose models forecast nothing.
	ErrNoForecasts = errors.New("no forecasts")
	// ErrParam reports a parameter that no trial has.
	ErrParam = errors.New("no such parameter")
)

// most is the number of parameters to show if none are named.
const most = 12

// failed returns the error of a plot.
func failed(what string, h trial.Snapshot, err error) error {
	if name := h.Header().Name; name != "" {
		return pkg.Errorf("%s: study %s: %w", what, name, err)
	}
	return pkg.Errorf("%s: %w", what, err)
}

// A lack is the reason why there is no plot.
type lack struct {
	kind error
	why  string
}

func (l lack) Error() string { return l.kind.Error() + ": " + l.why }
func (l lack) Unwrap() error { return l.kind }

func lacks(kind error, why string, args ...any) error { return lack{kind, fmt.Sprintf(why, args...)} }

// Why returns the reason why there is no plot, without the names of the plot and the study, as the
// end of a sentence: no complete trial has a finite value (3 failed). It returns the text of an
// error that is not of a plot.
func Why(err error) string {
	if l := (lack{}); errors.As(err, &l) {
		return l.why
	}
	return fault.Text(err, func(fault.Hint) string { return "" })
}

// title returns the title of a plot.
func title(what string, studies ...trial.Snapshot) string {
	if len(studies) == 1 && studies[0].Header().Name != "" {
		return what + " of " + studies[0].Header().Name
	}
	return what
}

// An outcome is a complete trial with its value.
type outcome struct {
	*trial.Record
	value float64 // value of the objective; finite
}

// outcomes returns the complete trials with a finite value of an objective, by number.
func outcomes(h trial.Snapshot, objective int) ([]outcome, error) {
	if objective < 0 || objective >= h.Objectives() {
		return nil, lacks(ErrObjective, "objective %d of %d", objective, h.Objectives())
	}
	var all []outcome
	for _, r := range complete(h) {
		if v := r.Values[objective]; !math.IsInf(v, 0) {
			all = append(all, outcome{r, v})
		}
	}
	if len(all) == 0 {
		return nil, lacks(ErrNothing, "no complete trial has a finite value (%s)", counts(h))
	}
	return all, nil
}

// complete returns the complete trials, by number.
func complete(h trial.Snapshot) []*trial.Record {
	var all []*trial.Record
	for i := range h.Len() {
		if r := h.At(i); r.State == trial.Complete && len(r.Values) == h.Objectives() {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b *trial.Record) int { return cmp.Compare(a.Number, b.Number) })
	return all
}

// counts returns the number of trials in each state, as text.
func counts(h trial.Snapshot) string {
	var parts []string
	for _, s := range []trial.State{trial.Complete, trial.Pruned, trial.Failed, trial.Running, trial.Waiting} {
		if n := h.Count(s); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
		}
	}
	if parts == nil {
		return "it has no trials"
	}
	return strings.Join(parts, ", ")
}

// label returns the label of an axis for an objective.
func label(h trial.Header, objective int) string {
	if names := h.Metrics(); objective < len(names) {
		return names[objective]
	}
	if h.Objectives() > 1 {
		return fmt.Sprintf("objective %d", objective)
	}
	return "value"
}

// valueAxis returns the axis of an objective with some values.
func valueAxis(h trial.Header, objective int, values ...[]float64) figure.Axis {
	a := figure.Axis{Label: label(h, objective), Scale: scaled(values...), Field: "value"}
	if h.Objectives() > 1 {
		a.Field = fmt.Sprintf("value %d", objective)
	}
	return a
}

// scaled returns a suitable scale for values: a logarithmic one if they are positive and span
// more than three powers of ten.
func scaled(values ...[]float64) figure.Scale {
	low, high := math.Inf(1), math.Inf(-1)
	for _, vs := range values {
		for _, v := range vs {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	if low > 0 && high/low > 1000 && !math.IsInf(high, 0) {
		return figure.Log
	}
	return figure.Linear
}

// shadeOf returns the scale of colours for values. A few of the worst values share a colour, so
// that the others differ more.
func shadeOf(name string, direction trial.Direction, values []float64) *figure.Shade {
	sorted := slices.Sorted(slices.Values(values))
	s := &figure.Shade{Label: name, Scale: scaled(values), Low: sorted[0], High: sorted[len(sorted)-1], Rising: direction == trial.Maximize}
	if cut := len(sorted) / 20; direction == trial.Minimize {
		s.High = sorted[len(sorted)-1-cut]
	} else {
		s.Low = sorted[cut]
	}
	if s.Low == s.High {
		s.Low, s.High = sorted[0], sorted[len(sorted)-1]
	}
	return s
}

// better reports whether one value is better than another.
func better(d trial.Direction, a, b float64) bool { return d.Loss(a) < d.Loss(b) }

// axisOf returns the axis of a parameter.
func axisOf(a space.Axis) figure.Axis {
	out := figure.Axis{Label: a.Name, Field: a.Name}
	switch d := a.Distribution.(type) {
	case space.FloatDistribution:
		out.Low, out.High = d.Low, d.High
		if d.Log {
			out.Scale = figure.Log
		}
	case space.IntDistribution:
		out.Low, out.High = float64(d.Low), float64(d.High)
		if d.Log {
			out.Scale = figure.Log
		}
	case *space.CategoricalDistribution:
		out.Scale = figure.Names
		for _, c := range d.Choices {
			out.Names = append(out.Names, c.String())
		}
	}
	return out
}

// roomy returns an axis with slightly wider bounds, so that points at a bound are not cut off.
func roomy(a figure.Axis) figure.Axis {
	switch free := 0.03; {
	case a.Scale == figure.Linear && a.High > a.Low:
		w := a.High - a.Low
		a.Low, a.High = a.Low-free*w, a.High+free*w
	case a.Scale == figure.Log && a.High > a.Low:
		w := math.Pow(a.High/a.Low, free)
		a.Low, a.High = a.Low/w, a.High*w
	}
	return a
}

// chosen returns the axes of the named parameters. If none are named, it returns the most
// important ones, at most limit, and the number of the others.
func chosen(h trial.Snapshot, objective, limit int, names []string) (axes []space.Axis, left int, err error) {
	if len(names) == 0 {
		names = byImportance(h, objective)
		if len(names) == 0 {
			return nil, 0, lacks(ErrNothing, "no complete trial has a parameter")
		}
		if len(names) > limit {
			names, left = names[:limit], len(names)-limit
		}
	}
	widest := hulls(h)
	for _, name := range names {
		a, ok := widest[name]
		if !ok {
			known := slices.Sorted(func(yield func(string) bool) {
				for n := range widest {
					if !yield(n) {
						return
					}
				}
			})
			return nil, 0, fmt.Errorf("%w: %q: want one of %s", ErrParam, name, strings.Join(known[:min(len(known), 20)], ", "))
		}
		axes = append(axes, a)
	}
	return axes, left, nil
}

// byImportance returns the parameters of complete trials, the most important first.
func byImportance(h trial.Snapshot, objective int) []string {
	e := importance.PEDANOVA{}
	if objective >= 0 {
		e.Target = importance.Objective(objective)
	}
	var names []string
	if r, err := e.Evaluate(context.Background(), h); err == nil {
		for _, p := range r.Params {
			names = append(names, p.Name)
		}
		return names
	}
	seen := map[string]bool{}
	for _, r := range complete(h) {
		for _, a := range r.Params.Space {
			if !seen[a.Name] {
				seen[a.Name] = true
				names = append(names, a.Name)
			}
		}
	}
	return names
}

// hulls returns the parameters of complete trials by name. A parameter whose bounds changed has
// the widest bounds. One whose kind or choices changed has those of the latest trial.
func hulls(h trial.Snapshot) map[string]space.Axis {
	all := map[string]space.Axis{}
	var last space.Space
	for _, r := range complete(h) {
		if r.Params.Space.Equal(last) {
			continue
		}
		last = r.Params.Space
		for _, a := range last {
			if before, ok := all[a.Name]; ok {
				a.Distribution = hull(before.Distribution, a.Distribution)
			}
			all[a.Name] = a
		}
	}
	return all
}

func hull(before, now space.Distribution) space.Distribution {
	if !space.Compatible(before, now) {
		return now
	}
	switch now := now.(type) {
	case space.FloatDistribution:
		b := before.(space.FloatDistribution)
		now.Low, now.High = min(now.Low, b.Low), max(now.High, b.High)
		return now
	case space.IntDistribution:
		b := before.(space.IntDistribution)
		now.Low, now.High = min(now.Low, b.Low), max(now.High, b.High)
		return now
	}
	return now
}

// coord returns the position of a trial on an axis, or NaN if it lacks the parameter.
func coord(r *trial.Record, a space.Axis) float64 {
	i := r.Params.Space.Index(a.Name)
	if i < 0 || !space.Compatible(r.Params.Space[i].Distribution, a.Distribution) {
		return math.NaN()
	}
	return r.Params.Point[i]
}

// leftOut returns a note on the number of parameters that a figure does not show.
func leftOut(n int) []string {
	if n == 0 {
		return nil
	}
	return []string{fmt.Sprintf("Shown are the most important parameters; %d more are left out.", n)}
}
