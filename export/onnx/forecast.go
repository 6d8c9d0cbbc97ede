package onnx

import (
	"fmt"
	"math"
	"slices"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural/network"
	"github.com/attune-hpo/attune/objective/tree"
)

// ForecasterOptions say how to export a forecaster. The zero value suits networks, ridge regressions and tree
// ensembles, and ensembles that contain one.
type ForecasterOptions struct {
	Form  Form // of trees and regressions; networks are always Compatible
	Info  Info
	Units string // of the target, for people
	// Horizon and Frequency are the number of steps to forecast and the frequency of the series. They are only for
	// statistical models and baselines, which do not know them, and for ensembles of these.
	Horizon   int
	Frequency forecast.Frequency
	// Regressor adds a fitted model of a [forecast.Tabular] to the graph. It takes rows, [batch, features], DOUBLE,
	// and returns the model's predictions, [batch, outputs], DOUBLE. The default supports *forecast.Ridge and any
	// type with a method Model() *tree.Model, such as the regressor of package treeforecast.
	Regressor func(b *Builder, m forecast.Regressor, rows Value) (Value, error)
}

// Forecaster returns a model that forecasts as t does, from raw values to raw values: the graph includes the
// features, the transform of the target and its inverse. t is a [forecast.Tabular], a Forecaster or Linear of package
// neural, a Forecaster of package statistical, a [forecast.Baseline], or a Forecaster of package ensemble.
//
//	window    [batch, L]        the last L values of the target, oldest first, not transformed
//	series    [batch] INT64     which series it is, by its place in attune.series; only where that matters
//	past      [batch, P, cols]  the last P values of the columns known as late as the target
//	known     [batch, K+H, cols]  K values of the columns known in advance before the first step to forecast, and those of the H steps
//	calendar  [batch, H, cols]  the calendar features of the steps, see [forecast.Calendar]; those of a network are the last columns of known
//	forecast  [batch, H]        the forecast, NaN where it cannot be had
//
// All are DOUBLE except series. NaN is a missing value. Inputs that the forecaster does not use are left out. L is
// the number of values that it looks back: a shorter series has NaN before its first value. The metadata contain the
// names of the columns, as JSON under attune.past, attune.known and attune.calendar. [ForecastInputs] makes the
// inputs for a frame.
//
// Statistical models, baselines and ensembles that contain one look back to the first value of the series: L is any
// number, and the window must begin with the first value that they were fitted to.
//
// Forecasts equal those of t except for the last bits of logarithms, exponentials, powers and sums.
// In the form [Single], features are rounded to float32 for trees, so a value very close to a threshold
// may change sides.
//
// For a recursive forecaster, the graph has a copy of the model for each step of the horizon of its fit.
//
// Networks compute in float32, as in Go, and the steps around them in float64. A row with a missing value has no
// forecast. Networks are always written in the form [Compatible], except in an ensemble. An ensemble without a
// forecast of one member is the weighted mean of the others.
//
// It fails with [forecast.ErrNotFitted]; with [ErrUnsupported], which names the model, for an unknown model; with
// [ErrInvalid] if the horizon or the frequency is needed and not set; and with [forecast.ErrConfig] for a transform of
// another package.
func Forecaster(t forecast.Forecaster, o ForecasterOptions) (*Model, error) {
	src, err := sourceOf(t, o.Horizon, o.Frequency)
	if err == nil {
		err = src.check()
	}
	if err != nil {
		return nil, pkg.Errorf("forecaster: %w", err)
	}
	single := len(src.parts) == 1
	if single && src.parts[0].net != nil {
		o.Form = Compatible
	}
	if o.Regressor == nil {
		o.Regressor = addRegressor
	}
	g := graph{Builder: NewBuilder(o.Form), source: src}
	if g.inputs(); g.err != nil {
		return nil, g.err
	}
	var outs []Value
	for _, p := range src.parts {
		outs = append(outs, g.forecast(p, o.Regressor))
		if g.err != nil {
			return nil, g.err
		}
	}
	g.Output("forecast", g.mean(outs))
	info := o.Info
	info.Metadata = append(slices.Clone(info.Metadata), Property{"attune.form", o.Form.String()})
	if p := src.parts[0]; single && p.plan != nil && p.net == nil {
		info.Metadata = append(info.Metadata, list("attune.features", p.plan.Names))
	}
	info.Metadata = append(info.Metadata, Property{"attune.frequency", src.freq.String()}, list("attune.series", src.ids))
	calendar := make([]string, len(src.calendar))
	for i, c := range src.calendar {
		calendar[i] = string(c)
	}
	for _, p := range []struct {
		key   string
		texts []string
	}{{"attune.past", src.past}, {"attune.known", src.known}, {"attune.calendar", calendar}} {
		if len(p.texts) > 0 {
			info.Metadata = append(info.Metadata, list(p.key, p.texts))
		}
	}
	if o.Units != "" {
		info.Metadata = append(info.Metadata, list("attune.units", []string{o.Units}))
	}
	return g.Model(info)
}

// networkOf returns a network as data.
func networkOf(t forecast.Forecaster) (*network.Network, error) {
	if t, ok := t.(interface {
		Network() (*network.Network, error)
	}); ok {
		return t.Network()
	}
	return nil, fmt.Errorf("%w: a forecaster of type %T", ErrUnsupported, t)
}

// planOf returns the steps of a forecaster before and after its models or its network.
func planOf(t forecast.Forecaster) (forecast.Plan, error) {
	if t, ok := t.(interface {
		Plan() (forecast.Plan, error)
	}); ok {
		return t.Plan()
	}
	return forecast.Plan{}, fmt.Errorf("%w: a forecaster of type %T", ErrUnsupported, t)
}

// sameKinds checks that the transforms of all series have the same kinds of steps, as those of a recipe do.
func sameKinds(transforms [][]forecast.PlanStep) error {
	if len(transforms) == 0 {
		return fmt.Errorf("%w: it was fitted to no series", ErrUnsupported)
	}
	same := func(a, b forecast.PlanStep) bool { return a.Kind == b.Kind && a.Lag == b.Lag }
	for _, steps := range transforms {
		if !slices.EqualFunc(steps, transforms[0], same) {
			return fmt.Errorf("%w: transforms of several kinds", ErrUnsupported)
		}
	}
	return nil
}

func addRegressor(b *Builder, m forecast.Regressor, rows Value) (Value, error) {
	switch m := m.(type) {
	case *forecast.Ridge:
		lin, err := m.Linear()
		if err != nil {
			return Value{}, err
		}
		return b.Linear(lin, rows), nil
	case interface{ Model() *tree.Model }:
		ensemble := m.Model()
		if ensemble == nil {
			return Value{}, forecast.ErrNotFitted
		}
		rows = b.Cast(rows, b.form.rows())
		return b.Cast(b.Link(ensemble.Link, b.Trees(ensemble, rows)), Float64), nil
	}
	return Value{}, fmt.Errorf("%w: a model of type %T: %w", ErrUnsupported, m, setRegressor)
}

var setRegressor = fault.Hint{Field: "onnx.ForecasterOptions.Regressor", Want: "set %s"}

// Linear adds a ridge regression to the graph: rows are [batch, features], the
// result is [batch, outputs].
func (b *Builder) Linear(l forecast.Linear, rows Value) Value {
	z := b.Op("Where", nil, b.Op("IsNaN", nil, rows), b.Number(rows, 0), b.Scale(rows, l.Mean, l.Scale))
	features, outputs := len(l.Mean), len(l.Weights)
	w := make([]float64, features*outputs)
	for k, row := range l.Weights {
		for j, x := range row {
			w[j*outputs+k] = x
		}
	}
	product := b.Op("MatMul", nil, z, b.Floats(z, w, int64(features), int64(outputs)))
	return b.Op("Add", nil, product, b.Floats(z, l.Intercept))
}

// A reach is how far a forecaster looks back.
type reach struct {
	window int // values of the target
	lost   int // of these, those lost by the transform
	past   int // of columns known as late as the target
	known  int // of columns known in advance, before the first step
}

func reachOf(p forecast.Plan) reach {
	var r reach
	if len(p.Transform) > 0 {
		for _, s := range p.Transform[0] {
			r.lost += s.Lag
		}
	}
	f := p.Features
	for _, l := range slices.Concat(f.Lags, f.Seasonal) {
		r.window = max(r.window, l)
	}
	for _, w := range f.Rolling {
		r.window = max(r.window, w.Lag+w.Window-1)
	}
	if p.Anchored {
		r.window = max(1, r.window)
	}
	r.window = max(1, r.window+r.lost)
	if len(p.Past) > 0 {
		for _, l := range f.PastLags {
			r.past = max(r.past, l)
		}
	}
	for _, l := range f.KnownLags {
		r.known = max(r.known, l)
	}
	return r
}

// hasKnown: columns that no lag uses are not an input.
func hasKnown(p forecast.Plan) bool { return len(p.Known) > 0 && len(p.Features.KnownLags) > 0 }

// asksSeries reports whether a forecast depends on the identity of its series.
func asksSeries(p forecast.Plan) bool {
	return p.Features.SeriesID || slices.ContainsFunc(p.Transform, func(s []forecast.PlanStep) bool { return !slices.Equal(s, p.Transform[0]) })
}

// A forecaster is a graph under construction.
type forecaster struct {
	*Builder
	plan  forecast.Plan
	reach reach

	window, series, past, known, calendar Value
	levels                                []Value // of the target before each step of the transform
	z                                     Value   // and after the last
}

const maxWindow = 1 << 24

// transform applies the transform to the window.
func (f *forecaster) transform() {
	f.z = f.window
	for i, s := range f.plan.Transform[0] {
		f.levels = append(f.levels, f.z)
		f.z = f.apply(i, s, f.z)
	}
}

// apply adds step i of the transform.
func (f *forecaster) apply(i int, s forecast.PlanStep, y Value) Value {
	switch s.Kind {
	case forecast.StepLog, forecast.StepLog1p:
		least, log := 0.0, func(v Value) Value { return f.Op("Log", nil, v) }
		if s.Kind == forecast.StepLog1p {
			least, log = -1, f.Log1p
		}
		bad := f.Op("LessOrEqual", nil, y, f.Number(y, least))
		return f.Op("Where", nil, bad, f.Number(y, math.NaN()), log(y))
	case forecast.StepDiff:
		n := y.Width()
		return f.Op("Sub", nil, f.Slice(y, 1, s.Lag, n), f.Slice(y, 1, 0, n-s.Lag))
	case forecast.StepAffine:
		shift, scale := f.affine(i)
		return f.Op("Div", nil, f.Op("Sub", nil, y, shift), scale)
	}
	f.fail("forecaster: transform %q: %w", s.Kind, ErrUnsupported)
	return Value{}
}

// affine returns the shift and the scale of step i: a number or, if series differ, a column of numbers.
func (f *forecaster) affine(i int) (shift, scale Value) {
	var shifts, scales []float64
	same := true
	for _, steps := range f.plan.Transform {
		shifts, scales = append(shifts, steps[i].Shift), append(scales, steps[i].Scale)
		same = same && steps[i] == f.plan.Transform[0][i]
	}
	if same {
		return f.Number(f.window, shifts[0]), f.Number(f.window, scales[0])
	}
	of := func(v []float64) Value {
		mine := f.Op("Gather", []Attr{{"axis", Int(0)}}, f.Floats(f.window, v), f.series)
		return f.Op("Unsqueeze", nil, mine, f.Integers(1))
	}
	return of(shifts), of(scales)
}

// origin returns the features that are the same for all steps, [batch, features], or nothing if there are none. The
// origin is a number of steps after the window's end, and z is the transformed target up to there.
func (f *forecaster) origin(z Value, after int) []Value {
	p := f.plan.Features
	n := z.Width() // values known
	var parts []Value
	if len(p.Lags) > 0 {
		at := make([]int64, len(p.Lags))
		for i, l := range p.Lags {
			at[i] = int64(n - l)
		}
		parts = append(parts, f.relative(f.Gather(z, 1, at...), z))
	}
	for _, r := range p.Rolling {
		end := n - r.Lag + 1
		v := f.statistic(r.Stat, f.Slice(z, 1, end-r.Window, end))
		if r.Stat != forecast.Std {
			v = f.relative(v, z)
		}
		parts = append(parts, v)
	}
	if f.reach.past > 0 {
		at := make([]int64, len(p.PastLags))
		for i, l := range p.PastLags {
			at[i] = int64(f.reach.past + after - l)
		}
		byColumn := f.Op("Transpose", []Attr{{"perm", Ints{0, 2, 1}}}, f.Gather(f.past, 1, at...))
		parts = append(parts, f.Reshape(byColumn, 0, int64(len(at)*len(f.plan.Past))))
	}
	if p.SeriesID {
		parts = append(parts, f.Op("Unsqueeze", nil, f.Cast(f.series, Float64), f.Integers(1)))
	}
	return parts
}

// statistic returns the statistic of the known values of a window, as defined by [forecast.Rolling], [batch, 1].
func (f *forecaster) statistic(s forecast.Stat, w Value) Value {
	missing := f.Op("IsNaN", nil, w)
	without := func(v Value, x float64) Value { return f.Op("Where", nil, missing, f.Number(w, x), v) }
	count := f.Sum(f.Cast(f.Op("Not", nil, missing), Float64))
	orNaN := func(least float64, v Value) Value {
		return f.Op("Where", nil, f.Op("Less", nil, count, f.Number(w, least)), f.Number(w, math.NaN()), v)
	}
	mean := f.Op("Div", nil, f.Sum(without(w, 0)), count)
	switch s {
	case forecast.Mean:
		return mean
	case forecast.Min:
		return orNaN(1, f.reduce("ReduceMin", without(w, math.Inf(1))))
	case forecast.Max:
		return orNaN(1, f.reduce("ReduceMax", without(w, math.Inf(-1))))
	case forecast.Std:
		d := f.Op("Sub", nil, w, mean)
		squares := f.Sum(without(f.Op("Mul", nil, d, d), 0))
		return orNaN(2, f.Op("Sqrt", nil, f.Op("Div", nil, squares, f.Op("Sub", nil, count, f.Number(w, 1)))))
	}
	f.fail("forecaster: statistic %q: %w", s, ErrUnsupported)
	return Value{}
}

// reduce folds the last axis and keeps it. Opset 18 made the axes an input.
func (b *Builder) reduce(op string, v Value) Value {
	if b.form.Stamp().Opset < 18 {
		return b.Op(op, []Attr{{"axes", Ints{-1}}}, v)
	}
	return b.Op(op, nil, v, b.Integers(-1))
}

// steps returns the features of each step, [batch, horizon, features], or nothing if there are none.
func (f *forecaster) steps() []Value {
	p, horizon := f.plan.Features, f.plan.Horizon
	var parts []Value
	if len(p.Seasonal) > 0 {
		var at []int64
		for h := 1; h <= horizon; h++ {
			for _, m := range p.Seasonal {
				at = append(at, int64(f.z.Width()+h-1-(h+m-1)/m*m))
			}
		}
		parts = append(parts, f.Reshape(f.relative(f.Gather(f.z, 1, at...), f.z), 0, int64(horizon), int64(len(p.Seasonal))))
	}
	if lags := len(p.KnownLags); f.known.name != "" {
		var at []int64
		for h := 1; h <= horizon; h++ {
			for _, l := range p.KnownLags {
				at = append(at, int64(f.reach.known+h-1-l))
			}
		}
		values := f.Reshape(f.Gather(f.known, 1, at...), 0, int64(horizon), int64(lags), int64(len(f.plan.Known)))
		byColumn := f.Op("Transpose", []Attr{{"perm", Ints{0, 1, 3, 2}}}, values)
		parts = append(parts, f.Reshape(byColumn, 0, int64(horizon), int64(lags*len(f.plan.Known))))
	}
	if f.calendar.name != "" {
		parts = append(parts, f.calendar)
	}
	return parts
}

// recursively returns the features of the single step after an origin, which is as in origin: [batch, features].
func (f *forecaster) recursively(z Value, after int) []Value {
	p := f.plan.Features
	parts := f.origin(z, after)
	if len(p.Seasonal) > 0 {
		var at []int64
		for _, m := range p.Seasonal {
			at = append(at, int64(z.Width()-m))
		}
		parts = append(parts, f.relative(f.Gather(z, 1, at...), z))
	}
	if f.known.name != "" {
		var at []int64
		for _, l := range p.KnownLags {
			at = append(at, int64(f.reach.known+after-l))
		}
		byColumn := f.Op("Transpose", []Attr{{"perm", Ints{0, 2, 1}}}, f.Gather(f.known, 1, at...))
		parts = append(parts, f.Reshape(byColumn, 0, int64(len(at)*len(f.plan.Known))))
	}
	if f.calendar.name != "" {
		parts = append(parts, f.at(f.calendar, after))
	}
	return parts
}

// at picks one index of axis 1, and removes the axis.
func (f *forecaster) at(v Value, i int) Value {
	return f.pick(v, 1, i)
}

// forecast returns the outputs of the models, [batch, horizon], before the transform is undone.
func (f *forecaster) forecast(models []forecast.Regressor, add func(*Builder, forecast.Regressor, Value) (Value, error)) Value {
	horizon := int64(f.plan.Horizon)
	outputs := 1
	if f.plan.Strategy == forecast.Joint {
		outputs = f.plan.Horizon
	}
	predict := func(model int, rows Value) Value {
		if w := rows.Width(); w != len(f.plan.Names) {
			f.fail("forecaster: %w: %d features for %d columns", ErrInvalid, w, len(f.plan.Names))
		}
		if f.err != nil {
			return Value{}
		}
		out, err := add(f.Builder, models[model], rows)
		switch {
		case err != nil:
			f.fail("forecaster: model %d: %w", model, err)
		case f.err == nil && (out.Type != Float64 || out.Width() != outputs):
			f.fail("forecaster: model %d: %w: its output is %v %v, not %v of %d columns", model, ErrInvalid, out.Type, out.Dims, Float64, outputs)
		}
		return out
	}
	if f.plan.Strategy == forecast.Recursive { // a copy of the model for each step
		var out []Value
		z := f.z
		for h := range f.plan.Horizon {
			next := f.absolute(predict(0, f.Concat(1, f.recursively(z, h)...)), z)
			z, out = f.Concat(1, z, next), append(out, next)
		}
		return f.Concat(1, out...)
	}
	origin := f.origin(f.z, 0)
	var steps Value
	if parts := f.steps(); len(parts) > 0 {
		steps = f.Concat(2, parts...)
	}
	switch f.plan.Strategy {
	case forecast.Direct:
		var out []Value
		for h := range f.plan.Horizon {
			parts := slices.Clone(origin)
			if steps.name != "" {
				parts = append(parts, f.at(steps, h))
			}
			out = append(out, predict(h, f.Concat(1, parts...)))
		}
		return f.absolute(f.Concat(1, out...), f.z)
	case forecast.Joint:
		parts := origin
		if steps.name != "" {
			parts = append(parts, f.Reshape(steps, 0, horizon*int64(steps.Width())))
		}
		return f.absolute(predict(0, f.Concat(1, parts...)), f.z)
	}
	// Pooled: a row for each step of each series, the steps of a series one after the
	// other.
	each := f.Const(NewTensor("", []int64{1, horizon, 1}))
	var parts []Value
	for _, v := range origin {
		parts = append(parts, f.Op("Expand", nil, f.Op("Unsqueeze", nil, v, f.Integers(1)), each))
	}
	if steps.name != "" {
		parts = append(parts, steps)
	}
	numbers := make([]float64, horizon)
	for i := range numbers {
		numbers[i] = float64(i + 1)
	}
	// The numbers of the steps, for the whole batch. The values of the window only provide the shape.
	any := f.Op("Unsqueeze", nil, f.Slice(f.window, 1, 0, 1), f.Integers(1))
	parts = append(parts, f.Op("Where", nil, f.Const(NewTensor("", []bool{true}, 1, 1, 1)), f.Floats(f.window, numbers, 1, horizon, 1), any))
	rows := f.Reshape(f.Concat(2, parts...), -1, int64(len(f.plan.Names)))
	return f.absolute(f.Reshape(predict(0, rows), -1, horizon), f.z)
}

// relative returns values of the transformed target relative to its last value in z, [batch, n], if the forecaster
// is anchored.
func (f *forecaster) relative(v, z Value) Value {
	if !f.plan.Anchored {
		return v
	}
	return f.Op("Sub", nil, v, f.anchor(z))
}

// absolute is the opposite of relative.
func (f *forecaster) absolute(v, z Value) Value {
	if !f.plan.Anchored {
		return v
	}
	return f.Op("Add", nil, v, f.anchor(z))
}

func (f *forecaster) anchor(z Value) Value { return f.Slice(z, 1, z.Width()-1, z.Width()) }

// invert undoes the transform.
func (f *forecaster) invert(z Value) Value {
	steps := f.plan.Transform[0]
	for i := len(steps) - 1; i >= 0 && f.err == nil; i-- {
		switch s := steps[i]; s.Kind {
		case forecast.StepLog:
			z = f.Op("Exp", nil, z)
		case forecast.StepLog1p:
			z = f.Expm1(z)
		case forecast.StepAffine:
			shift, scale := f.affine(i)
			z = f.Op("Add", nil, f.Op("Mul", nil, z, scale), shift)
		case forecast.StepDiff:
			z = f.integrate(z, f.levels[i], s.Lag)
		}
	}
	return z
}

// integrate undoes a difference: to each value it adds the value lag steps before, which comes first from the window
// and then from the restored values.
func (f *forecaster) integrate(z, level Value, lag int) Value {
	n, horizon := level.Width(), f.plan.Horizon
	if lag == 1 {
		return f.Slice(f.Op("CumSum", nil, f.Concat(1, f.Slice(level, 1, n-1, n), z), f.Const(Scalar("", int64(1)))), 1, 1, horizon+1)
	}
	before := f.Slice(level, 1, n-lag, n)
	var blocks []Value
	for from := 0; from < horizon; from += lag {
		to := min(from+lag, horizon)
		if to-from < lag {
			before = f.Slice(before, 1, 0, to-from)
		}
		before = f.Op("Add", nil, f.Slice(z, 1, from, to), before)
		blocks = append(blocks, before)
	}
	return f.Concat(1, blocks...)
}
