package plot

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/attune-hpo/attune/figure"
	"github.com/attune-hpo/attune/importance"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
	"github.com/attune-hpo/attune/trial/pareto"
)

// Importance shows a result of package importance with its doubts: the 25 most important
// parameters and, for fANOVA, the 10 strongest interactions. Bars are shares of the total for PED-ANOVA, and of the
// variance for fANOVA. For permutation they are increases of the squared error in shares of the variance, which do not
// add up to 100 %.
func Importance(r importance.Result) figure.Figure {
	const params, pairs = 25, 10
	bars := figure.Bars{Colour: figure.Blue}
	panel := figure.Panel{X: figure.Axis{Label: "share of the total", Low: 0}, Y: figure.Axis{Scale: figure.Names}}
	forest := r.Best == 0
	if forest {
		panel.X.Label = "share of the variance"
		if r.Method == "permutation" {
			panel.X.Label = "increase of the squared error, as a share of the variance"
		}
	}
	add := func(to *figure.Bars, y *figure.Axis, name string, share, deviation float64) {
		y.Names = append(y.Names, name)
		to.Length = append(to.Length, 100*share)
		to.Deviation = append(to.Deviation, 100*deviation)
		to.Text = append(to.Text, fmt.Sprintf("%.3g %%", 100*share))
	}
	for _, p := range r.Params[:min(params, len(r.Params))] {
		share := p.Share
		if forest {
			share = p.Value
		}
		add(&bars, &panel.Y, p.Name, share, p.Deviation)
	}
	panel.X.Label += " in %"
	panel.Marks = []figure.Mark{bars}
	of := r.Of
	if of == "Pareto front" {
		of = "the " + of
	}
	f := figure.Figure{Title: fmt.Sprintf("Importance for %s (%s)", of, r.Method), Panels: []figure.Panel{panel}, Columns: 1}
	if forest {
		f.Notes = append(f.Notes, fmt.Sprintf("%d trials; the forest predicts unseen ones with R² %.2f.", r.Trials, r.R2))
	} else {
		f.Notes = append(f.Notes, fmt.Sprintf("The best %d of %d trials, compared with all.", r.Best, r.Trials))
	}
	if n := len(r.Params); n > params {
		f.Notes = append(f.Notes, fmt.Sprintf("%d parameters of less importance are left out.", n-params))
	}
	if r.Method == "permutation" {
		f.Notes = append(f.Notes, "The increases do not add up: each may be over 100 %.")
	}
	for _, d := range r.Doubts {
		f.Notes = append(f.Notes, "Doubt: "+d+".")
	}
	if len(r.Pairs) > 0 {
		together := figure.Bars{Colour: figure.Orange}
		second := figure.Panel{Title: "Together", X: panel.X, Y: figure.Axis{Scale: figure.Names}}
		for _, p := range r.Pairs[:min(pairs, len(r.Pairs))] {
			add(&together, &second.Y, p.A+" × "+p.B, p.Value, p.Deviation)
		}
		f.Panels[0].Title = "Alone"
		second.Marks = []figure.Mark{together}
		f.Panels = append(f.Panels, second)
	}
	return f
}

// Slice shows an objective over each parameter. Later trials stand out.
func Slice(h trial.Snapshot, objective int, params ...string) (figure.Figure, error) {
	all, axes, left, err := trialsAndAxes(h, objective, most, params)
	if err != nil {
		return figure.Figure{}, failed("slice", h, err)
	}
	f := figure.Figure{
		Title: title("Slices", h),
		Shade: &figure.Shade{Label: "trial", Low: float64(all[0].Number), High: float64(all[len(all)-1].Number), Rising: true},
		Notes: leftOut(left),
	}
	var values []float64
	for _, o := range all {
		values = append(values, o.value)
	}
	for _, a := range axes {
		panel := figure.Panel{X: roomy(axisOf(a)), Y: valueAxis(h.Header(), objective, values)}
		panel.Y.Hidden = true
		for _, hollow := range []bool{true, false} {
			p := figure.Points{Hollow: hollow}
			for _, o := range all {
				if o.Feasible() != hollow {
					p.X, p.Y, p.Shade = append(p.X, coord(o.Record, a)), append(p.Y, o.value), append(p.Shade, float64(o.Number))
					p.Keys = append(p.Keys, o.Number)
				}
			}
			if len(p.X) > 0 {
				panel.Marks = append(panel.Marks, p)
			}
		}
		f.Panels = append(f.Panels, panel)
	}
	return f, nil
}

// trialsAndAxes returns the trials and axes for plots of parameters.
func trialsAndAxes(h trial.Snapshot, objective, limit int, params []string) (all []outcome, axes []space.Axis, left int, err error) {
	if all, err = outcomes(h, objective); err != nil {
		return nil, nil, 0, err
	}
	axes, left, err = chosen(h, objective, limit, params)
	return all, axes, left, err
}

// pairsOf is the number of parameters in plots of pairs, if none are named.
const pairsOf = 3

// Rank shows trials in the plane of each pair of parameters, coloured by the rank of their
// values.
func Rank(h trial.Snapshot, objective int, params ...string) (figure.Figure, error) {
	all, axes, left, err := trialsAndAxes(h, objective, pairsOf, params)
	if err == nil && len(axes) < 2 {
		err = lacks(ErrNothing, "it takes two parameters, and there is one")
	}
	if err != nil {
		return figure.Figure{}, failed("rank", h, err)
	}
	f := figure.Figure{Title: title("Ranks", h), Shade: &figure.Shade{Label: "share of trials that are better", Low: 0, High: 1}, Notes: leftOut(left)}
	// The best are drawn last.
	d := h.Direction(objective)
	slices.SortStableFunc(all, func(a, b outcome) int { return cmp.Compare(d.Loss(b.value), d.Loss(a.value)) })
	rank := make([]float64, len(all))
	for i := len(all) - 1; i >= 0; i-- {
		rank[i] = float64(len(all)-1-i) / float64(max(1, len(all)-1))
		if i+1 < len(all) && all[i].value == all[i+1].value {
			rank[i] = rank[i+1]
		}
	}
	eachPair(axes, func(a, b space.Axis) {
		p := figure.Points{Shade: rank}
		for _, o := range all {
			p.X, p.Y, p.Keys = append(p.X, coord(o.Record, a)), append(p.Y, coord(o.Record, b)), append(p.Keys, o.Number)
		}
		f.Panels = append(f.Panels, figure.Panel{X: roomy(axisOf(a)), Y: roomy(axisOf(b)), Marks: []figure.Mark{p}})
	})
	return f, nil
}

func eachPair(axes []space.Axis, f func(a, b space.Axis)) {
	for i, a := range axes {
		for _, b := range axes[i+1:] {
			f(a, b)
		}
	}
}

// contourCells is the number of cells along each side of a contour plot. mostSites is the
// maximum number of trials that it uses, which are the newest.
const (
	contourCells = 48
	mostSites    = 1000
)

// Contour shows an objective over each pair of parameters: the trials, and an interpolation
// between them. Regions without trials nearby stay empty. If a parameter is categorical, it
// only shows the trials, coloured by their values.
func Contour(h trial.Snapshot, objective int, params ...string) (figure.Figure, error) {
	all, axes, left, err := trialsAndAxes(h, objective, pairsOf, params)
	if err == nil && len(axes) < 2 {
		err = lacks(ErrNothing, "it takes two parameters, and there is one")
	}
	if err != nil {
		return figure.Figure{}, failed("contour", h, err)
	}
	var values []float64
	for _, o := range all {
		values = append(values, o.value)
	}
	f := figure.Figure{Title: title("Contours", h), Notes: leftOut(left), Shade: shadeOf(label(h.Header(), objective), h.Direction(objective), values)}
	eachPair(axes, func(a, b space.Axis) {
		x, y := axisOf(a), axisOf(b)
		p := figure.Points{}
		for _, o := range all {
			p.X, p.Y, p.Keys = append(p.X, coord(o.Record, a)), append(p.Y, coord(o.Record, b)), append(p.Keys, o.Number)
		}
		panel := figure.Panel{X: x, Y: y}
		if x.Scale == figure.Names || y.Scale == figure.Names || x.Low >= x.High || y.Low >= y.High {
			panel.X, panel.Y = roomy(x), roomy(y)
			p.Shade = values
			panel.Marks = []figure.Mark{p}
		} else {
			p.Colour, p.Radius = figure.Ink, 1.5
			panel.Marks = []figure.Mark{surface(x, y, f.Shade.Scale, p.X, p.Y, values), p}
		}
		f.Panels = append(f.Panels, panel)
	})
	return f, nil
}

// surface interpolates between trials. The result is the mean of the eight nearest trials,
// weighted by the inverse square of their distance on the scales of the axes (Shepard 1968, A
// Two-Dimensional Interpolation Function for Irregularly-Spaced Data).
func surface(x, y figure.Axis, scale figure.Scale, xs, ys, values []float64) figure.Heat {
	const near, reach = 8, 0.12 // trials, share of the axes
	type site struct{ x, y, v float64 }
	share := func(a figure.Axis, v float64) float64 {
		low, high := a.Scale.Position(a.Low), a.Scale.Position(a.High)
		return (a.Scale.Position(v) - low) / (high - low)
	}
	var sites []site
	for i := range values {
		s := site{share(x, xs[i]), share(y, ys[i]), scale.Position(values[i])}
		if !math.IsNaN(s.x + s.y + s.v) {
			sites = append(sites, s)
		}
	}
	if n := len(sites); n > mostSites {
		sites = sites[n-mostSites:]
	}
	place := func(a figure.Axis, u float64) float64 {
		low, high := a.Scale.Position(a.Low), a.Scale.Position(a.High)
		v := low + u*(high-low)
		if a.Scale == figure.Log {
			return math.Pow(10, v)
		}
		return v
	}
	var heat figure.Heat
	for i := range contourCells {
		u := float64(i) / (contourCells - 1)
		heat.X, heat.Y = append(heat.X, place(x, u)), append(heat.Y, place(y, u))
	}
	for j := range contourCells {
		row := make([]float64, contourCells)
		v := float64(j) / (contourCells - 1)
		for i := range contourCells {
			u := float64(i) / (contourCells - 1)
			var distances [near]float64
			var found [near]float64
			n := 0
			for _, s := range sites {
				d := (s.x-u)*(s.x-u) + (s.y-v)*(s.y-v)
				if n == near && d >= distances[near-1] {
					continue
				}
				k := min(n, near-1)
				for ; k > 0 && distances[k-1] > d; k-- {
					distances[k], found[k] = distances[k-1], found[k-1]
				}
				distances[k], found[k] = d, s.v
				n = min(n+1, near)
			}
			sum, weight := 0.0, 0.0
			for k := range n {
				w := 1 / (distances[k] + 1e-4)
				sum += w * found[k]
				weight += w
			}
			row[i] = math.NaN()
			if n > 0 && distances[0] <= reach*reach {
				row[i] = sum / weight
				if scale == figure.Log {
					row[i] = math.Pow(10, row[i])
				}
			}
		}
		heat.Value = append(heat.Value, row)
	}
	return heat
}

// mostLines is the maximum number of trials in [Parallel].
const mostLines = 1500

// Parallel shows each trial as a line across vertical axes: its objectives, then its
// parameters. Lines are coloured by the objective or, with several, by Pareto rank. The best
// are on top. If there are more than 1,500 trials, it shows the best 750, and others at even
// intervals of their ranks. The line of a trial that misses its constraints is dashed.
func Parallel(h trial.Snapshot, params ...string) (figure.Figure, error) {
	all, err := outcomes(h, 0)
	if err != nil {
		return figure.Figure{}, failed("parallel", h, err)
	}
	objective := 0
	if h.Objectives() > 1 {
		objective = -1
	}
	axes, left, err := chosen(h, objective, most, params)
	if err != nil {
		return figure.Figure{}, failed("parallel", h, err)
	}
	shade, worth := worthOf(h, all)
	order := make([]int, len(all)) // the best is last
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(worth[j], worth[i]) })
	f := figure.Figure{Title: title("Parallel coordinates", h), Shade: shade, Notes: leftOut(left)}
	if n := len(order); n > mostLines {
		f.Notes = append(f.Notes, fmt.Sprintf("Shown are %d of %d trials: the best, and some of the others.", mostLines, n))
		order = thinned(order, mostLines)
	}
	p := &figure.Parallel{}
	for i := range h.Objectives() {
		var values []float64
		for _, o := range all {
			values = append(values, o.Values[i])
		}
		p.Axes = append(p.Axes, valueAxis(h.Header(), i, values))
	}
	for _, a := range axes {
		p.Axes = append(p.Axes, axisOf(a))
	}
	for _, k := range order {
		r := all[k].Record
		line := slices.Clone(r.Values)
		for _, a := range axes {
			line = append(line, coord(r, a))
		}
		p.Lines = append(p.Lines, line)
		p.Dashed, p.Keys = append(p.Dashed, !r.Feasible()), append(p.Keys, r.Number)
		if h.Objectives() == 1 {
			p.Shade = append(p.Shade, all[k].value)
		} else {
			p.Shade = append(p.Shade, worth[k])
		}
	}
	f.Panels = []figure.Panel{{Parallel: p}}
	return f, nil
}

// worthOf returns a scale of colours for trials, and a number for each trial. Less is better.
func worthOf(h trial.Snapshot, all []outcome) (*figure.Shade, []float64) {
	worth := make([]float64, len(all))
	if h.Objectives() == 1 {
		values := make([]float64, len(all))
		for i, o := range all {
			values[i] = o.value
			worth[i] = h.Direction(0).Loss(o.value)
		}
		return shadeOf(label(h.Header(), 0), h.Direction(0), values), worth
	}
	losses := make([][]float64, len(all))
	for i, o := range all {
		losses[i] = h.Header().Losses(o.Values)
	}
	for i, r := range pareto.Ranks(losses) {
		worth[i] = float64(r)
	}
	return shadeOf("Pareto rank", trial.Minimize, worth), worth
}

// thinned returns n elements of a list: the last n/2, and others at even intervals.
func thinned(order []int, n int) []int {
	best := order[len(order)-n/2:]
	rest := order[:len(order)-n/2]
	var out []int
	for i := range n - n/2 {
		out = append(out, rest[i*len(rest)/(n-n/2)])
	}
	return append(out, best...)
}
