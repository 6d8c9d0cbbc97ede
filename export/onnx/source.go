package onnx

import (
	"fmt"
	"math"
	"slices"

	"github.com/attune-hpo/attune/export/tensor"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural/network"
	"github.com/attune-hpo/attune/objective/statistical"
)

// A part is a model of an ensemble, or the only one.
type part struct {
	forecast.Forecaster
	weight   float64
	plan     *forecast.Plan          // of a table or a network
	net      *network.Network        // if it is a network
	fitted   []statistical.Fitted    // if it is a statistical model
	baseline *forecast.Baseline      // if it is one
	tabular  *forecast.Tabular       // if it is one
	method   *statistical.Forecaster // if it is a statistical model
}

// partsOf returns the models of t, with weights that are multiplied by weight.
func partsOf(t forecast.Forecaster, weight float64) ([]part, error) {
	p := part{Forecaster: t, weight: weight}
	switch t := t.(type) {
	case interface {
		Models() []forecast.Forecaster
		Weights() []float64
	}:
		var out []part
		for i, m := range t.Models() {
			parts, err := partsOf(m, weight*t.Weights()[i])
			if err != nil {
				return nil, err
			}
			out = append(out, parts...)
		}
		if len(out) == 0 {
			return nil, fmt.Errorf("%w: an ensemble without models", ErrUnsupported)
		}
		return out, nil
	case *forecast.Baseline:
		p.baseline = t
		return []part{p}, nil
	case *statistical.Forecaster:
		var err error
		p.method = t
		p.fitted, err = t.Fitted()
		return []part{p}, err
	}
	plan, err := planOf(t)
	if err != nil {
		return nil, err
	}
	p.plan = &plan
	if tabular, ok := t.(*forecast.Tabular); ok {
		p.tabular = tabular
	} else {
		p.net, err = networkOf(t)
	}
	return []part{p}, err
}

// A source describes the inputs of a graph: all that its parts look at.
type source struct {
	parts     []part
	horizon   int
	freq      forecast.Frequency
	window    int      // values of the target; 0: all of the series
	ids       []string // series that a part knows, perhaps none
	series    bool     // whether the series is an input
	past      []string // columns
	pastRows  int
	known     []string // columns
	knownRows int      // before the first step
	calendar  []forecast.Calendar
}

// sourceOf returns the inputs for t. The horizon and the frequency count if no part has its own.
func sourceOf(t forecast.Forecaster, horizon int, freq forecast.Frequency) (*source, error) {
	parts, err := partsOf(t, 1)
	if err != nil {
		return nil, err
	}
	s := &source{parts: parts, horizon: horizon, freq: freq}
	whole := false
	add := func(to *[]string, names []string) {
		for _, name := range names {
			if !slices.Contains(*to, name) {
				*to = append(*to, name)
			}
		}
	}
	first := true
	for _, p := range parts {
		if p.plan == nil {
			whole = true
			for _, m := range p.fitted {
				add(&s.ids, []string{m.ID})
			}
			s.series = s.series || len(p.fitted) > 1
			continue
		}
		if !first && (p.plan.Horizon != s.horizon || p.plan.Freq != s.freq) {
			return nil, fmt.Errorf("%w: models of different horizons or frequencies: %d and %d steps, %v and %v",
				ErrUnsupported, s.horizon, p.plan.Horizon, s.freq, p.plan.Freq)
		}
		first, s.horizon, s.freq = false, p.plan.Horizon, p.plan.Freq
		add(&s.ids, p.plan.Series)
		s.series = s.series || asksSeries(*p.plan)
		r := reachOf(*p.plan)
		s.window = max(s.window, r.window)
		if r.past > 0 {
			add(&s.past, p.plan.Past)
			s.pastRows = max(s.pastRows, r.past)
		}
		if hasKnown(*p.plan) {
			add(&s.known, p.plan.Known)
			s.knownRows = max(s.knownRows, r.known)
		}
		for _, c := range p.plan.Features.Calendar {
			if !slices.Contains(s.calendar, c) {
				s.calendar = append(s.calendar, c)
			}
		}
	}
	if whole {
		s.window = 0
	}
	return s, nil
}

// check refuses what no graph can have.
func (s *source) check() error {
	if s.horizon < 1 {
		return fmt.Errorf("%w: a horizon of %d: want 1 or more", ErrInvalid, s.horizon)
	}
	if !s.freq.Valid() {
		return fmt.Errorf("%w: the frequency of the series is not set", ErrInvalid)
	}
	for _, p := range s.parts {
		if p.plan == nil {
			continue
		}
		if err := sameKinds(p.plan.Transform); err != nil {
			return err
		}
		if r := reachOf(*p.plan); max(r.window, r.past, r.known, s.horizon) > maxWindow {
			return fmt.Errorf("%w: it looks %d values back and %d ahead, at most %d", ErrUnsupported, r.window, s.horizon, maxWindow)
		}
	}
	return nil
}

// asks reports whether the forecasts of a part depend on the identity of the series.
func (p part) asks() bool { return len(p.fitted) > 1 || p.plan != nil && asksSeries(*p.plan) }

// idsOf returns the series of a part in the order of their numbers.
func (p part) idsOf() []string {
	if p.plan != nil {
		return p.plan.Series
	}
	var out []string
	for _, m := range p.fitted {
		out = append(out, m.ID)
	}
	return out
}

// A graph is the graph of a forecaster under construction.
type graph struct {
	*Builder
	*source
	window, series, past, known, calendar Value
	history                               *recursion // of statistical models
}

func (g *graph) inputs() {
	h := int64(g.horizon)
	length := Dim{Size: int64(g.source.window)}
	if g.source.window == 0 {
		length = Dim{Name: "steps"}
	}
	g.window = g.Input("window", Float64, Batch, length)
	if g.source.series {
		g.series = g.Input("series", Int64, Batch)
	}
	if n := len(g.source.past); n > 0 {
		g.past = g.Input("past", Float64, Batch, Dim{Size: int64(g.pastRows)}, Dim{Size: int64(n)})
	}
	if n := len(g.source.known); n > 0 {
		g.known = g.Input("known", Float64, Batch, Dim{Size: int64(g.knownRows) + h}, Dim{Size: int64(n)})
	}
	if n := len(g.source.calendar); n > 0 {
		g.calendar = g.Input("calendar", Float64, Batch, Dim{Size: h}, Dim{Size: int64(n)})
	}
}

// shared returns the last rows of v with some of its columns.
func shared[T comparable](b *Builder, v Value, rows int, all, some []T) Value {
	if have := int(v.Dims[1].Size); rows < have {
		v = b.Slice(v, 1, have-rows, have)
	}
	if slices.Equal(all, some) {
		return v
	}
	var at []int64
	for _, c := range some {
		at = append(at, int64(slices.Index(all, c)))
	}
	return b.Gather(v, 2, at...)
}

// numbers returns the number of each row's series within a part.
func (g *graph) numbers(p part) Value {
	ids := p.idsOf()
	if slices.Equal(ids, g.ids) {
		return g.series
	}
	var at []int64
	for _, id := range g.ids {
		i := slices.Index(ids, id)
		if i < 0 {
			g.fail("forecaster: %w: series %q is in the training data of one model only", ErrUnsupported, id)
		}
		at = append(at, int64(i))
	}
	return g.Op("Gather", []Attr{{"axis", Int(0)}}, g.Integers(at...), g.series)
}

// forecast returns the forecasts of a part, [batch, horizon].
func (g *graph) forecast(p part, add func(*Builder, forecast.Regressor, Value) (Value, error)) Value {
	if p.plan == nil {
		return g.recursive(p)
	}
	f := forecaster{Builder: g.Builder, plan: *p.plan, reach: reachOf(*p.plan), window: g.window}
	switch n := f.reach.window; {
	case g.source.window == 0: // all of the series, which may be shorter
		r := g.whole()
		f.window = g.Reshape(g.Slice(g.Concat(1, r.blank(math.NaN(), n), g.window), 1, -n, math.MaxInt32), -1, int64(n))
	case n < g.source.window:
		f.window = g.Slice(g.window, 1, g.source.window-n, g.source.window)
	}
	if p.asks() {
		f.series = g.numbers(p)
	}
	if f.reach.past > 0 {
		f.past = shared(g.Builder, g.past, f.reach.past, g.source.past, p.plan.Past)
	}
	if hasKnown(*p.plan) {
		f.known = shared(g.Builder, g.known, f.reach.known+g.horizon, g.source.known, p.plan.Known)
	}
	if c := p.plan.Features.Calendar; len(c) > 0 {
		f.calendar = shared(g.Builder, g.calendar, g.horizon, g.source.calendar, c)
	}
	if f.transform(); g.err != nil {
		return Value{}
	}
	if p.net != nil {
		return f.invert(f.network(p.net))
	}
	return f.invert(f.forecast(p.tabular.Models(), add))
}

// whole returns the part of the graph that runs over all of the series.
func (g *graph) whole() *recursion {
	if g.history == nil {
		g.history = &recursion{Builder: g.Builder, history: g.window, horizon: g.horizon, like: g.pick(g.window, 1, -1)}
	}
	return g.history
}

// recursive returns the forecasts of a statistical model or a baseline.
func (g *graph) recursive(p part) Value {
	r := g.whole()
	if p.baseline != nil {
		return r.baseline(p.baseline, g.freq)
	}
	if p.asks() {
		r.series = g.numbers(p)
	}
	return r.statistical(p.fitted, p.method.Seasons(g.freq))
}

// mean returns the weighted mean of forecasts. A row without a forecast of one part is the mean of the others.
func (g *graph) mean(outs []Value) Value {
	if len(outs) == 1 {
		return outs[0]
	}
	var sum, total Value
	for i, v := range outs {
		zero := g.Number(v, 0)
		missing := g.Op("IsNaN", nil, g.Op("ReduceSum", nil, v, g.Integers(-1)))
		weight := g.Op("Where", nil, missing, zero, g.Number(v, g.parts[i].weight))
		v = g.Op("Mul", nil, weight, g.Op("Where", nil, missing, zero, v))
		if i == 0 {
			sum, total = v, weight
			continue
		}
		sum, total = g.Op("Add", nil, sum, v), g.Op("Add", nil, total, weight)
	}
	return g.Op("Div", nil, sum, total)
}

// Supports returns nil if [Forecaster] knows the kind of t. Otherwise it fails with [ErrUnsupported], or with
// [forecast.ErrNotFitted].
func Supports(t forecast.Forecaster) error {
	if _, err := partsOf(t, 1); err != nil {
		return pkg.Errorf("forecaster: %w", err)
	}
	return nil
}

// ForecastInputs returns the inputs for the export of t to continue the series of a frame, in the order in which the
// graph declares them. They have a row for each series. Values are float64, except the number of a series, which is
// int64. If the graph takes all of the series, the window is as long as the longest.
//
// It fails with [forecast.ErrNotFitted]; with [ErrInvalid] for columns that are missing or do not cover the horizon;
// and with [ErrUnsupported] if forecasts depend on the series and it was not in the training data, or if a statistical
// model would be fitted to it again: see Forecaster.Continues of package statistical.
func ForecastInputs(t forecast.Forecaster, past forecast.Frame) (tensor.List, error) {
	parts, err := partsOf(t, 1)
	if err == nil {
		err = past.Validate()
	}
	var s *source
	if err == nil && len(parts) > 0 {
		s, err = sourceOf(t, 0, past[0].Freq)
	}
	var in tensor.List
	if err == nil {
		in, err = s.values(past)
	}
	if err != nil {
		return nil, pkg.Errorf("forecast inputs: %w", err)
	}
	return in, nil
}

// dated returns the series as a part sees them, which for a network may include columns of the calendar.
func (p part) dated(past forecast.Frame) forecast.Frame {
	if t, ok := p.Forecaster.(interface {
		WithCalendar(forecast.Frame) forecast.Frame
	}); ok {
		return t.WithCalendar(past)
	}
	return past
}

// fits checks whether a part can continue the series.
func (p part) fits(past forecast.Frame) error {
	same := func(c forecast.Column, name string) bool { return c.Name == name }
	for _, s := range past {
		if p.method != nil {
			if err := p.method.Continues(s); err != nil {
				return fmt.Errorf("%w: %w", ErrUnsupported, err)
			}
		}
		if p.plan == nil {
			continue
		}
		if s.Freq != p.plan.Freq || !slices.EqualFunc(s.Past, p.plan.Past, same) || !slices.EqualFunc(s.Known, p.plan.Known, same) {
			return fmt.Errorf("series %q: %w: not as in training: frequency %v, past columns %q, known in advance %q",
				s.ID, ErrInvalid, p.plan.Freq, p.plan.Past, p.plan.Known)
		}
		if hasKnown(*p.plan) {
			ahead := p.plan.Horizon - slices.Min(p.plan.Features.KnownLags) // steps that a feature looks at
			for _, c := range s.Known {
				if len(c.Values) < s.Len()+ahead {
					return fmt.Errorf("series %q: %w: column %q is known %d of %d steps ahead", s.ID, ErrInvalid, c.Name, len(c.Values)-s.Len(), ahead)
				}
			}
		}
		if asksSeries(*p.plan) && !slices.Contains(p.plan.Series, s.ID) {
			return fmt.Errorf("%w: series %q was not in the training data", ErrUnsupported, s.ID)
		}
	}
	return nil
}

// values returns the inputs for series.
func (s *source) values(past forecast.Frame) (tensor.List, error) {
	columns := make([]map[string][]float64, len(past)) // by series and name
	for i := range columns {
		columns[i] = map[string][]float64{}
	}
	for _, p := range s.parts {
		dated := p.dated(past)
		if err := p.fits(dated); err != nil {
			return nil, err
		}
		for i, one := range dated {
			for _, c := range slices.Concat(one.Past, one.Known) {
				columns[i][c.Name] = c.Values
			}
		}
	}
	width := s.window
	if width == 0 {
		for _, one := range past {
			width = max(width, one.Len())
		}
	}
	var window, lagged, known, calendar []float64
	var series []int64
	// at returns a value, or NaN outside.
	at := func(v []float64, i int) float64 {
		if i < 0 || i >= len(v) {
			return math.NaN()
		}
		return v[i]
	}
	for i, one := range past {
		n := one.Len()
		for k := range width {
			window = append(window, at(one.Y, n-width+k))
		}
		for k := range s.pastRows {
			for _, name := range s.past {
				lagged = append(lagged, at(columns[i][name], n-s.pastRows+k))
			}
		}
		if len(s.known) > 0 {
			for k := range s.knownRows + s.horizon {
				for _, name := range s.known {
					known = append(known, at(columns[i][name], n-s.knownRows+k))
				}
			}
		}
		for h := range s.horizon {
			for _, c := range s.calendar {
				calendar = append(calendar, c.At(one.Time(n+h)))
			}
		}
		if s.series {
			series = append(series, int64(slices.Index(s.ids, one.ID)))
		}
	}
	rows, horizon := int64(len(past)), int64(s.horizon)
	inputs := tensor.List{{Name: "window", Shape: []int64{rows, int64(width)}, Data: window}}
	add := func(name string, data any, shape ...int64) {
		inputs = append(inputs, tensor.Tensor{Name: name, Shape: append([]int64{rows}, shape...), Data: data})
	}
	if s.series {
		add("series", series)
	}
	if n := len(s.past); n > 0 {
		add("past", lagged, int64(s.pastRows), int64(n))
	}
	if n := len(s.known); n > 0 {
		add("known", known, int64(s.knownRows)+horizon, int64(n))
	}
	if n := len(s.calendar); n > 0 {
		add("calendar", calendar, horizon, int64(n))
	}
	return inputs, nil
}
