package plot

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/attune-hpo/attune/figure"
	"github.com/attune-hpo/attune/sampler/gp"
	"github.com/attune-hpo/attune/trial"
	"github.com/attune-hpo/attune/trial/pareto"
)

// History shows the progress of an objective: the value of each trial by its number, and the
// best so far. For several studies it shows the best so far of each. For three or more with
// the same direction it also shows the band between their quartiles.
func History(objective int, studies ...trial.Snapshot) (figure.Figure, error) {
	f := figure.Figure{Title: title("Optimization history", studies...)}
	panel := figure.Panel{X: figure.Axis{Label: "trial"}}
	var bests []figure.Line
	var values [][]float64
	for i, h := range studies {
		all, err := outcomes(h, objective)
		if err != nil {
			return figure.Figure{}, failed("history", h, err)
		}
		panel.Y.Label = label(h.Header(), objective)
		met, missed := clouds(all)
		best := bestSoFar(h.Direction(objective), all)
		if len(studies) == 1 {
			panel.Marks = append(panel.Marks, met, missed)
			values = append(values, met.Y, missed.Y)
		} else {
			best.Name, best.Colour = h.Header().Name, figure.Nth(i)
		}
		values = append(values, best.Y)
		bests = append(bests, best)
	}
	if len(studies) == 0 {
		return figure.Figure{}, pkg.Errorf("history: %w: no study", ErrNothing)
	}
	if len(studies) > 2 {
		panel.Marks = append(panel.Marks, middleHalf(bests))
	}
	for _, b := range bests {
		panel.Marks = append(panel.Marks, b)
	}
	panel.Y.Scale = scaled(values...)
	if len(studies) == 1 {
		panel.X.Field, panel.Y.Field = "number", valueAxis(studies[0].Header(), objective).Field
	}
	f.Panels = []figure.Panel{panel}
	return f, nil
}

// clouds returns the values of trials that meet their constraints, and of the others.
func clouds(all []outcome) (met, missed figure.Points) {
	met = figure.Points{Name: "trial", Colour: figure.Blue}
	missed = figure.Points{Name: "misses its constraints", Colour: figure.Muted, Hollow: true}
	for _, o := range all {
		to := &met
		if !o.Feasible() {
			to = &missed
		}
		to.X, to.Y, to.Keys = append(to.X, float64(o.Number)), append(to.Y, o.value), append(to.Keys, o.Number)
	}
	for _, p := range []*figure.Points{&met, &missed} {
		if len(p.X) == 0 {
			p.Name = ""
		}
	}
	return met, missed
}

// bestSoFar returns the best value up to each trial that meets its constraints.
func bestSoFar(d trial.Direction, all []outcome) figure.Line {
	l := figure.Line{Name: "best so far", Colour: figure.Orange, Steps: true}
	for _, o := range all {
		if o.Feasible() && (len(l.Y) == 0 || better(d, o.value, l.Y[len(l.Y)-1])) {
			l.X, l.Y = append(l.X, float64(o.Number)), append(l.Y, o.value)
		}
	}
	if n := len(l.Y); n > 0 {
		l.X, l.Y = append(l.X, float64(all[len(all)-1].Number)), append(l.Y, l.Y[n-1])
	} else {
		l.Name = ""
	}
	return l
}

// middleHalf returns the quartiles of several step functions, at each point at which all of
// them have a value.
func middleHalf(lines []figure.Line) figure.Band {
	band := figure.Band{Name: "middle half", Colour: figure.Ink}
	from, to := math.Inf(-1), math.Inf(1)
	var places []float64
	for _, l := range lines {
		if len(l.X) == 0 {
			return figure.Band{}
		}
		from, to = max(from, l.X[0]), min(to, l.X[len(l.X)-1])
		places = append(places, l.X...)
	}
	slices.Sort(places)
	at := make([]int, len(lines))
	values := make([]float64, len(lines))
	for _, x := range slices.Compact(places) {
		if x < from || x > to {
			continue
		}
		for i, l := range lines {
			for at[i]+1 < len(l.X) && l.X[at[i]+1] <= x {
				at[i]++
			}
			values[i] = l.Y[at[i]]
		}
		sorted := slices.Sorted(slices.Values(values))
		low, high := quantile(sorted, 0.25), quantile(sorted, 0.75)
		if n := len(band.X); n > 0 { // steps
			band.X, band.Low, band.High = append(band.X, x), append(band.Low, band.Low[n-1]), append(band.High, band.High[n-1])
		}
		band.X, band.Low, band.High = append(band.X, x), append(band.Low, low), append(band.High, high)
	}
	return band
}

// quantile interpolates between sorted values.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := min(int(at), len(sorted)-1)
	j := min(i+1, len(sorted)-1)
	return sorted[i] + (at-float64(i))*(sorted[j]-sorted[i])
}

// newest is the maximum number of trials in [Intermediate], in addition to highlighted ones.
const newest = 300

// Intermediate shows the reports of trials by step, in one panel for each objective. If there are more than 300 trials,
// it shows the newest 300. The trials with the given numbers are highlighted. If there are none,
// the best is. If several are, each has a colour of its own, and the other trials are grey.
func Intermediate(h trial.Snapshot, numbers ...int) (figure.Figure, error) {
	f := figure.Figure{Title: title("Intermediate values", h)}
	var with []curves
	finite, best := false, -1
	for _, r := range h.Records() {
		c := curvesOf(r, h.Objectives())
		if len(c.steps) > 0 {
			with = append(with, c)
		}
		finite = finite || slices.ContainsFunc(c.values, func(v []float64) bool { return slices.ContainsFunc(v, isFinite) })
	}
	switch {
	case len(with) == 0:
		return figure.Figure{}, failed("intermediate", h, lacks(ErrNothing, "no trial has reported a value (%s)", counts(h)))
	case !finite:
		return figure.Figure{}, failed("intermediate", h, lacks(ErrNothing, "no trial has reported a finite value (%d have reported others)", len(with)))
	}
	if r, ok := h.Best(); ok && len(numbers) == 0 {
		best = r.Number
	}
	highlit := slices.DeleteFunc(slices.Clone(with), func(c curves) bool { return c.number != best && !slices.Contains(numbers, c.number) })
	if n := len(with); n > newest {
		f.Notes = []string{fmt.Sprintf("Shown are the newest %d of %d trials.", newest, n)}
		with = with[n-newest:]
	}
	looks := map[trial.State]figure.Line{
		trial.Complete: {Name: "complete", Colour: figure.Blue, Thin: true},
		trial.Pruned:   {Name: "pruned", Colour: figure.Orange, Thin: true},
		trial.Failed:   {Name: "failed", Colour: figure.Pink, Thin: true},
		trial.Running:  {Name: "running", Colour: figure.Green, Thin: true},
	}
	if len(numbers) > 1 {
		for state := range looks {
			looks[state] = figure.Line{Name: "other trials", Colour: figure.Muted, Thin: true}
		}
	}
	for o := range h.Objectives() {
		panel := figure.Panel{X: figure.Axis{Label: "step"}, Y: figure.Axis{Label: label(h.Header(), o)}}
		var values [][]float64
		add := func(c curves, l figure.Line) {
			l.X, l.Y, l.Keys = c.steps, c.values[o], slices.Repeat([]int{c.number}, len(c.steps))
			values = append(values, l.Y)
			panel.Marks = append(panel.Marks, l)
		}
		for _, state := range []trial.State{trial.Pruned, trial.Failed, trial.Complete, trial.Running} {
			for _, c := range with {
				if c.state == state && (len(numbers) < 2 || !slices.Contains(numbers, c.number)) {
					add(c, looks[state])
				}
			}
		}
		for i, c := range highlit {
			l := figure.Line{Name: fmt.Sprintf("trial %d", c.number), Colour: figure.Ink}
			switch {
			case c.number == best:
				l.Name = "best: " + l.Name
			case len(numbers) > 1:
				l.Colour, l.Dashed = figure.Nth(i), i >= 6 // there are six colours
			}
			add(c, l)
		}
		panel.Y.Scale = scaled(values...)
		f.Panels = append(f.Panels, panel)
	}
	return f, nil
}

// curves are the reports of a trial.
type curves struct {
	number int
	state  trial.State
	steps  []float64
	values [][]float64 // by objective and step
}

// curvesOf returns the reports of a trial that have a value for each of m objectives.
func curvesOf(r trial.Record, m int) curves {
	c := curves{number: r.Number, state: r.State, values: make([][]float64, m)}
	add := func(step int, values ...float64) {
		if len(values) != m {
			return
		}
		c.steps = append(c.steps, float64(step))
		for o, v := range values {
			c.values[o] = append(c.values[o], v)
		}
	}
	if m > 1 {
		for _, v := range r.Vectors() {
			add(v.Step, v.Values...)
		}
		return c
	}
	for _, p := range r.Reports {
		add(p.Step, p.Value)
	}
	return c
}

// EDF shows, for each study and value, the share of trials that are at least as good: the
// empirical distribution function.
func EDF(objective int, studies ...trial.Snapshot) (figure.Figure, error) {
	f := figure.Figure{Title: title("Distribution of values", studies...)}
	panel := figure.Panel{Y: figure.Axis{Label: "share of trials at least as good", Low: 0, High: 1}}
	var values [][]float64
	for i, h := range studies {
		all, err := outcomes(h, objective)
		if err != nil {
			return figure.Figure{}, failed("edf", h, err)
		}
		d := h.Direction(objective)
		panel.X.Label = label(h.Header(), objective)
		l := figure.Line{Colour: figure.Nth(i), Steps: true}
		if len(studies) > 1 {
			l.Name = h.Header().Name
		}
		for _, o := range all {
			l.X = append(l.X, o.value)
		}
		slices.Sort(l.X)
		for k := range l.X {
			share := float64(k+1) / float64(len(l.X))
			if d == trial.Maximize {
				share = 1 - float64(k)/float64(len(l.X))
			}
			l.Y = append(l.Y, share)
		}
		values = append(values, l.X)
		panel.Marks = append(panel.Marks, l)
	}
	if len(studies) == 0 {
		return figure.Figure{}, pkg.Errorf("edf: %w: no study", ErrNothing)
	}
	panel.X.Scale = scaled(values...)
	if len(studies) == 1 {
		panel.X.Field = valueAxis(studies[0].Header(), objective).Field
	}
	f.Panels = []figure.Panel{panel}
	return f, nil
}

// Timeline shows when each trial ran, and its final state.
func Timeline(h trial.Snapshot) (figure.Figure, error) {
	records := h.Records()
	latest := 0.0 // the latest time in the study
	began := false
	for _, r := range records {
		if !r.Started.IsZero() {
			began = true
			latest = max(latest, seconds(r.Started), seconds(r.Finished))
		}
	}
	if !began {
		return figure.Figure{}, failed("timeline", h, lacks(ErrNothing, "no trial has a time at which it started (%s)", counts(h)))
	}
	f := figure.Figure{Title: title("Timeline", h)}
	panel := figure.Panel{X: figure.Axis{Label: "time (UTC)", Scale: figure.Time}, Y: figure.Axis{Label: "trial", Field: "number"}}
	panel.X.Field = "started"
	for _, look := range []struct {
		state  trial.State
		colour figure.Colour
	}{{trial.Complete, figure.Blue}, {trial.Pruned, figure.Orange}, {trial.Failed, figure.Pink}, {trial.Running, figure.Green}} {
		s := figure.Spans{Name: look.state.String(), Colour: look.colour}
		for _, r := range records {
			if r.State != look.state || r.Started.IsZero() {
				continue
			}
			to := latest
			if !r.Finished.IsZero() {
				to = seconds(r.Finished)
			}
			s.From, s.To, s.Y = append(s.From, seconds(r.Started)), append(s.To, to), append(s.Y, float64(r.Number))
			s.Keys = append(s.Keys, r.Number)
		}
		if len(s.Y) > 0 {
			panel.Marks = append(panel.Marks, s)
		}
	}
	f.Panels = []figure.Panel{panel}
	return f, nil
}

// seconds converts a time to a figure's seconds. A zero time becomes 0.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMicro()) / 1e6
}

// Front shows the Pareto front of a study with several objectives among all complete trials,
// in one panel for each pair of objectives.
func Front(h trial.Snapshot) (figure.Figure, error) {
	m := h.Objectives()
	if m < 2 {
		return figure.Figure{}, failed("front", h, lacks(ErrObjective, "it has one objective, and a Pareto front has several"))
	}
	front := map[int]bool{}
	for _, r := range h.Front() {
		front[r.Number] = true
	}
	all := slices.DeleteFunc(complete(h), func(r *trial.Record) bool { return slices.ContainsFunc(r.Values, isInf) })
	if len(all) == 0 {
		return figure.Figure{}, failed("front", h, lacks(ErrNothing, "no complete trial has finite values (%s)", counts(h)))
	}
	f := figure.Figure{Title: title("Pareto front", h)}
	if m > 2 {
		f.Title = title("Projections of the Pareto front", h)
	}
	for a := range m {
		for b := a + 1; b < m; b++ {
			rest := figure.Points{Name: "dominated", Colour: figure.Blue}
			missed := figure.Points{Name: "misses its constraints", Colour: figure.Muted, Hollow: true}
			best := figure.Points{Name: "Pareto front", Colour: figure.Orange, Radius: 4}
			for _, r := range all {
				to := &rest
				if front[r.Number] {
					to = &best
				} else if !r.Feasible() {
					to = &missed
				}
				to.X, to.Y, to.Keys = append(to.X, r.Values[a]), append(to.Y, r.Values[b]), append(to.Keys, r.Number)
			}
			panel := figure.Panel{X: valueAxis(h.Header(), a, rest.X, missed.X, best.X), Y: valueAxis(h.Header(), b, rest.Y, missed.Y, best.Y)}
			for _, p := range []figure.Points{missed, rest, best} {
				if len(p.X) > 0 {
					panel.Marks = append(panel.Marks, p)
				}
			}
			f.Panels = append(f.Panels, panel)
		}
	}
	return f, nil
}

func isInf(v float64) bool { return math.IsInf(v, 0) }

func isFinite(v float64) bool { return !math.IsNaN(v) && !isInf(v) }

// Hypervolume shows the growth of the volume that the trials of a study with several objectives
// dominate. The reference point is a tenth worse than the worst trial in each objective.
func Hypervolume(h trial.Snapshot) (figure.Figure, error) {
	if h.Objectives() < 2 {
		return figure.Figure{}, failed("hypervolume", h, lacks(ErrObjective, "it has one objective, and a hypervolume is of several"))
	}
	var losses [][]float64
	var numbers []float64
	for _, r := range complete(h) {
		if r.Feasible() && !slices.ContainsFunc(r.Values, isInf) {
			losses = append(losses, h.Header().Losses(r.Values))
			numbers = append(numbers, float64(r.Number))
		}
	}
	if len(losses) == 0 {
		return figure.Figure{}, failed("hypervolume", h, lacks(ErrNothing, "no complete trial has finite values and meets its constraints (%s)", counts(h)))
	}
	reference := pareto.Reference(losses)
	l := figure.Line{Colour: figure.Blue, Steps: true}
	var front [][]float64
	volume := 0.0
	for i, p := range losses {
		if !slices.ContainsFunc(front, func(q []float64) bool { return pareto.Dominates(q, p) || slices.Equal(q, p) }) {
			front = slices.DeleteFunc(front, func(q []float64) bool { return pareto.Dominates(p, q) })
			front = append(front, p)
			volume = pareto.Hypervolume(front, reference)
		}
		l.X, l.Y = append(l.X, numbers[i]), append(l.Y, volume)
	}
	return figure.Figure{Title: title("Hypervolume", h), Panels: []figure.Panel{{
		X: figure.Axis{Label: "trial", Field: "number"}, Y: figure.Axis{Label: "dominated volume"}, Marks: []figure.Mark{l},
	}}}, nil
}

// extremes returns the least and the greatest value of the complete trials of a study with one
// objective; they are infinite, and differ, if there is none.
func extremes(h trial.Snapshot) (least, greatest float64) {
	least, greatest = math.Inf(1), math.Inf(-1)
	for r := range h.All() {
		if r.State == trial.Complete {
			least, greatest = min(least, r.Values[0]), max(greatest, r.Values[0])
		}
	}
	return least, greatest
}

// mostBounds is the number of places at which [Regret] fits a model.
const mostBounds = 10

// Regret shows how much a further search may gain at most, as a Gaussian process sees it after
// some of the trials; see [gp.Regret]. The study has one objective. The plot has at most 10 bounds.
// The last is exact, the others are approximate, as
// [gp.Regret.Curve] says. A note says what the last one is as a share. It fails with the error of ctx.
func Regret(ctx context.Context, h trial.Snapshot) (figure.Figure, error) {
	if h.Objectives() > 1 {
		return figure.Figure{}, failed("regret", h, lacks(ErrObjective, "it has several objectives, and a bound is of one"))
	}
	l := figure.Line{Colour: figure.Blue}
	var last gp.Bound
	for _, last = range (gp.Regret{}).Curve(ctx, h, mostBounds) {
		l.X, l.Y = append(l.X, float64(last.Trials)), append(l.Y, last.Value)
	}
	if err := ctx.Err(); err != nil {
		return figure.Figure{}, failed("regret", h, err)
	}
	if least, greatest := extremes(h); len(l.X) == 0 && least == greatest && h.Count(trial.Complete) > 1 {
		return figure.Figure{}, failed("regret", h, lacks(ErrNothing, "all trials have the value %v, and a bound takes values that differ", least))
	}
	if len(l.X) == 0 {
		return figure.Figure{}, failed("regret", h, lacks(ErrNothing, "a bound takes 30 complete trials with parameters in common and values that differ (%s)", counts(h)))
	}
	return figure.Figure{
		Title:  title("Bound of the regret", h),
		Panels: []figure.Panel{{X: figure.Axis{Label: "complete trials"}, Y: figure.Axis{Label: "at most left to gain", High: 1.05 * slices.Max(l.Y)}, Marks: []figure.Mark{l}}},
		Notes:  []string{fmt.Sprintf("After %d trials at most %.2g %% of the distance from the median to the best is left. Earlier bounds are rough.", last.Trials, 100*last.Share)},
	}, nil
}
