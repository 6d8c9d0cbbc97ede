package forecast

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// A Strategy says how models of a table make forecasts of many steps; see Ben
// Taieb et al., "A review and comparison of strategies for multi-step ahead time
// series forecasting", Expert Systems with Applications 39 (2012).
type Strategy string

// The strategies.
const (
	Direct    Strategy = "direct"    // one model per step
	Pooled    Strategy = "pooled"    // one model for all steps; the feature "step" is the step
	Joint     Strategy = "joint"     // one model with one output per step
	Recursive Strategy = "recursive" // one model for one step, which is fed its own forecasts
)

// A Matrix holds numbers row by row.
type Matrix struct {
	Rows, Cols int
	Data       []float64 // Rows*Cols
}

// Row returns row i, which shares its memory.
func (m Matrix) Row(i int) []float64 { return m.Data[i*m.Cols : (i+1)*m.Cols : (i+1)*m.Cols] }

// A Table is the data that a model learns from: a row of features and a row of targets for
// each origin (and step). Trials share it, so it must not be changed.
type Table struct {
	// Names are the names of the columns of X.
	Names []string
	// Categories lists the columns of X that hold categories: whole numbers from 0, or -1
	// for a category that does not occur in the training data.
	Categories []int
	// X holds the features. NaN is a missing value.
	X Matrix
	// Y holds the transformed targets, none of them missing. It has one column, or one per
	// step if the strategy is Joint.
	Y Matrix

	series []Series
	rows   []tableRow
}

type tableRow struct {
	series, origin, step int     // origin: number of known values
	anchor               float64 // the prediction is relative to this
}

// Series returns the ID of the series of row i.
func (t Table) Series(i int) string { return t.series[t.rows[i].series].ID }

// Origin returns the time of the last value that the features of row i use.
func (t Table) Origin(i int) time.Time {
	r := t.rows[i]
	return t.series[r.series].Time(r.origin - 1)
}

// Target returns the time of the target of row i, the last if there are several.
func (t Table) Target(i int) time.Time {
	r := t.rows[i]
	return t.series[r.series].Time(r.origin + r.step - 1)
}

// A Recipe says how series become tables, and how models of these tables make forecasts.
type Recipe struct {
	// Features are by default [DefaultFeatures] for the frequency. For several series that are
	// hardly longer than these look back, they look back less far.
	Features  Features
	Lags      int       // number of lags in the default features; 0 keeps the default number
	Transform Transform // transform of the target; default none
	// Anchored makes the targets and the features of the target relative to the last known value:
	// a model learns by how much the transformed target will change. Then trees, which cannot
	// predict values beyond those they have seen, follow a trend, and one model suits series of
	// different levels. It differs from [Diff] in what errors cost: those of Diff add up from
	// step to step.
	Anchored bool
	// Rows limits the rows of a table to roughly this number: it leaves out origins, the same share
	// of each series. Neighbouring origins share most targets, so a model loses little. Default
	// no limit.
	Rows     int
	Strategy Strategy // default Direct
	Horizon  int      // steps to train for; default [FitOptions.Horizon]
}

// A Prepared is a recipe with transforms that are fitted to training data.
type Prepared struct {
	features    Features
	transform   Transform
	anchored    bool
	strategy    Strategy
	rows        int // limit; 0: none
	usual       int // the reach of the default features for longer series; 0: that of the features
	horizon     int
	freq        Frequency
	past, known []string // columns
	ids         []string // series, in the order of their categories
	fitted      []Fitted // by series
	category    map[string]int
}

// Fit fits the transform of each series to its values before the last holdout steps of
// the frame. It fails with [ErrConfig], [ErrDomain] and [ErrShort].
func (r Recipe) Fit(train Frame, holdout int) (*Prepared, error) {
	if err := train.Validate(); err != nil {
		return nil, err
	}
	like := train[0]
	p := &Prepared{features: r.Features, transform: r.Transform, anchored: r.Anchored, strategy: r.Strategy, rows: max(0, r.Rows), horizon: max(1, r.Horizon), freq: like.Freq}
	if p.transform == nil {
		p.transform = Chain{}
	}
	if p.strategy == "" {
		p.strategy = Direct
	}
	shrink := false
	if f := r.Features; f.Lags == nil && f.Seasonal == nil && f.Rolling == nil && f.Calendar == nil {
		d := DefaultFeatures(like.Freq)
		if r.Lags < 0 || r.Lags > 1<<20 {
			return nil, pkg.Errorf("recipe: %w: %d lags: want 0 to 1048576", ErrConfig, r.Lags)
		}
		if r.Lags > 0 {
			d.Lags = d.Lags[:0]
			for l := range r.Lags {
				d.Lags = append(d.Lags, l+1)
			}
		}
		p.features.Lags, p.features.Seasonal, p.features.Rolling, p.features.Calendar = d.Lags, d.Seasonal, d.Rolling, d.Calendar
		shrink = true
	}
	for _, c := range like.Past {
		p.past = append(p.past, c.Name)
	}
	for _, c := range like.Known {
		p.known = append(p.known, c.Name)
	}
	if err := p.validate(); err != nil {
		return nil, err
	}
	before, _, err := train.Cut(holdout)
	if err != nil {
		return nil, err
	}
	for _, s := range before {
		f, err := p.transform.Fit(s.Y)
		if err != nil {
			return nil, pkg.Errorf("%sfrom %s: %w", of(s.ID), stamp(s.Start), err)
		}
		p.ids, p.fitted = append(p.ids, s.ID), append(p.fitted, f)
	}
	p.index()
	if shrink {
		p.shrink(before, r.Lags)
	}
	return p, nil
}

// fewestOrigins is the number of origins, in all series, for which it is worth shrinking features.
const fewestOrigins = 20

// shrink makes the default features look back less far if all series are so short that there
// would be hardly a row to learn from: at most half of what the horizon leaves. A given number
// of lags stays. A few rows of one series say too little to learn from.
func (p *Prepared) shrink(train Frame, lags int) {
	room := 0
	for i, s := range train {
		room = max(room, s.Len()-p.fitted[i].Lost()-p.horizon)
	}
	if least := 3; room-p.features.reach(len(p.past) > 0) >= least {
		return
	}
	most, f, origins := max(1, room/2), &p.features, 0
	for i, s := range train {
		origins += max(0, s.Len()-p.fitted[i].Lost()-most)
	}
	if origins < fewestOrigins {
		return
	}
	p.usual = p.features.reach(len(p.past) > 0)
	if lags == 0 {
		f.Lags = slices.DeleteFunc(slices.Clone(f.Lags), func(l int) bool { return l > most })
	}
	f.Seasonal = slices.DeleteFunc(slices.Clone(f.Seasonal), func(m int) bool { return m > most })
	f.Rolling = slices.DeleteFunc(slices.Clone(f.Rolling), func(r Rolling) bool { return r.Lag+r.Window-1 > most })
}

// Reach returns the number of last values that the features look at, and the usual number: that
// of the default features for longer series. A recipe with features of its own has the usual one.
func (p *Prepared) Reach() (values, usual int) {
	values = max(1, p.features.reach(len(p.past) > 0))
	return values, max(values, p.usual)
}

func (p *Prepared) index() {
	p.category = map[string]int{}
	for i, id := range p.ids {
		p.category[id] = i
	}
}

// validate checks the settings of the user, or of a file.
func (p *Prepared) validate() (err error) {
	if !slices.Contains([]Strategy{Direct, Pooled, Joint, Recursive}, p.strategy) {
		return pkg.Errorf("strategy %q: %w: want direct, pooled, joint or recursive", p.strategy, ErrConfig)
	}
	if p.horizon > maxLag {
		return pkg.Errorf("%w of %d: %w", ErrHorizon, p.horizon, ErrConfig)
	}
	if p.features, err = p.features.validate(); err != nil {
		return err
	}
	if len(p.names()) == 0 {
		return pkg.Errorf("features: %w: there are none", ErrConfig)
	}
	if p.strategy == Recursive {
		for _, l := range p.features.PastLags {
			if len(p.past) > 0 && l < p.horizon {
				return pkg.Errorf("lag %d of the columns %s: %w: the recursive strategy needs it %d steps ahead, where it is unknown: use another strategy, lags of %d or more, or leave the columns out",
					l, columnList(p.past), ErrConfig, p.horizon, p.horizon)
			}
		}
	}
	return nil
}

// Models returns the number of models that the strategy needs.
func (p *Prepared) Models() int {
	if p.strategy == Direct {
		return p.horizon
	}
	return 1
}

// like returns an empty series with the columns of the training data.
func (p *Prepared) like() Series {
	var s Series
	for _, name := range p.past {
		s.Past = append(s.Past, Column{Name: name})
	}
	for _, name := range p.known {
		s.Known = append(s.Known, Column{Name: name})
	}
	return s
}

// Names returns the names of the columns of the tables.
func (p *Prepared) Names() []string { return p.names() }

func (p *Prepared) names() []string {
	like := p.like()
	names := p.features.originNames(like)
	step := p.features.stepNames(like)
	if p.strategy != Joint {
		names = append(names, step...)
		if p.strategy == Pooled {
			names = append(names, "step")
		}
		return names
	}
	for h := 1; h <= p.horizon && len(step) > 0; h++ {
		for _, name := range step {
			names = append(names, fmt.Sprintf("%s@%d", name, h))
		}
	}
	return names
}

// anchor returns what the targets and features of the origin o are relative to: the last known
// value if the recipe is anchored, or else 0.
func (p *Prepared) anchor(s *source, o int) float64 {
	if !p.anchored {
		return 0
	}
	return at(s.z, o-1)
}

// row appends the features for the origin o and the step h.
func (p *Prepared) row(x []float64, s *source, o, h int) []float64 {
	anchor := p.anchor(s, o)
	x = p.features.atOrigin(x, s, o, anchor)
	switch p.strategy {
	case Joint:
		for h := 1; h <= p.horizon; h++ {
			x = p.features.atStep(x, s, o, h, anchor)
		}
	case Pooled:
		x = append(p.features.atStep(x, s, o, h, anchor), float64(h))
	default:
		x = p.features.atStep(x, s, o, h, anchor)
	}
	return x
}

// source returns a series with its target transformed. The transform of a series that is
// not in the training data is fitted to the series' own past.
func (p *Prepared) source(s Series) (*source, Fitted, error) {
	var f Fitted
	category, ok := p.category[s.ID]
	if ok {
		f = p.fitted[category]
	} else {
		var err error
		if f, err = p.transform.Fit(s.Y); err != nil {
			return nil, nil, pkg.Errorf("%s%w", of(s.ID), err)
		}
		category = categoryUnseen
	}
	return &source{Series: s, z: f.Apply(s.Y), category: float64(category)}, f, nil
}

// check returns an error if a frame is unlike the training data.
func (p *Prepared) check(f Frame) error {
	if err := f.Validate(); err != nil {
		return err
	}
	if f[0].Freq != p.freq {
		return pkg.Errorf("%w: %v, but training had %v", ErrFrequency, f[0].Freq, p.freq)
	}
	same := func(c Column, name string) bool { return c.Name == name }
	if !slices.EqualFunc(f[0].Past, p.past, same) || !slices.EqualFunc(f[0].Known, p.known, same) {
		return pkg.Errorf("%w: not those of training: past %q, known in advance %q", ErrColumn, p.past, p.known)
	}
	return nil
}

// Tables returns the table from which model number model learns and the table on which it
// is validated. f is the frame that Fit got. The targets of the validation rows lie in the
// last holdout steps of f; the training rows come from the rest. No target is in both, and
// no feature uses values after its origin. A row requires that all values that its features
// look back to lie within the series (some may be missing), and that its target is known.
// Values of a feature that differ by rounding alone are equal in train.
// Tables fails with [ErrShort] if there is no row to learn from.
func (p *Prepared) Tables(f Frame, model, holdout int) (train, valid Table, err error) {
	if err := p.check(f); err != nil {
		return train, valid, err
	}
	if model < 0 || model >= p.Models() {
		return train, valid, pkg.Errorf("table of model %d: %w: there are %d models", model, ErrConfig, p.Models())
	}
	from, to := 1, 1 // the range of steps that are targets
	switch p.strategy {
	case Direct:
		from, to = model+1, model+1
	case Pooled, Joint:
		to = p.horizon
	}
	names := p.names()
	outputs := 1
	if p.strategy == Joint {
		outputs = p.horizon
	}
	for _, t := range []*Table{&train, &valid} {
		t.Names, t.series = names, f
		t.X.Cols, t.Y.Cols = len(names), outputs
		if i := slices.Index(names, "series"); p.features.SeriesID {
			t.Categories = []int{i}
		}
	}
	cut := f.before(holdout)
	least := max(1, p.features.reach(len(p.past) > 0))
	share := 1.0 // of the origins
	if p.rows > 0 {
		origins := 0
		for _, series := range f {
			origins += max(0, series.Len()-least)
		}
		steps := to - from + 1
		if p.strategy == Joint {
			steps = 1
		}
		share = min(1, float64(p.rows)/float64(max(1, origins*steps)))
	}
	for i, series := range f {
		// Origins are spread evenly, at other places in each series.
		keep := func(o int) bool {
			x := float64(i)*math.Phi + float64(o)*share
			return math.Floor(x+share) > math.Floor(x)
		}
		s, fitted, err := p.source(series)
		if err != nil {
			return train, valid, err
		}
		known := series.knownAt(cut)
		for o := least + fitted.Lost(); o < series.Len(); o++ {
			if share < 1 && !keep(o) {
				continue
			}
			if p.strategy == Joint {
				switch end := o + p.horizon; {
				case end <= known:
					train.add(p, s, i, o, p.horizon, s.z[o:end])
				case o >= known && end <= series.Len():
					valid.add(p, s, i, o, p.horizon, s.z[o:end])
				}
				continue
			}
			for h := from; h <= to && o+h <= series.Len(); h++ {
				t := &train
				if o+h > known {
					t = &valid
				}
				t.add(p, s, i, o, h, s.z[o+h-1:o+h])
			}
		}
		need := least + fitted.Lost() + to
		if p.strategy == Direct {
			need = least + fitted.Lost() + p.horizon
		}
		if i == len(f)-1 && train.X.Rows == 0 {
			return train, valid, pkg.Errorf("%w: features, transform and horizon need %d rows of one series%s: the longest has %d: %w, or %w",
				ErrShort, need, heldOut(holdout), longest(f), fewerLags, lessHoldout)
		}
	}
	train.settle()
	return train, valid, nil
}

// settle makes values of a feature equal that differ by rounding alone, such as 0 and the mean of equal logarithms
// less one of them. A model that told them apart would depend on the last bits of logarithms and sums, which other
// programs, such as a runtime of ONNX, compute differently.
func (t *Table) settle() {
	const rounding = 1e-11 // of the greatest magnitude of the feature
	values := make([]float64, 0, t.X.Rows)
	for c := range t.X.Cols {
		if slices.Contains(t.Categories, c) {
			continue
		}
		values = values[:0]
		for i := c; i < len(t.X.Data); i += t.X.Cols {
			if v := t.X.Data[i]; !math.IsNaN(v) {
				values = append(values, v)
			}
		}
		slices.Sort(values)
		values = slices.Compact(values)
		if len(values) == 0 {
			continue
		}
		apart := rounding * max(math.Abs(values[0]), math.Abs(values[len(values)-1]))
		first, last := values[:1], values[0] // the first of each run of values that are one
		for _, v := range values[1:] {
			if v-last > apart {
				first = append(first, v)
			}
			last = v
		}
		if len(first) == len(values) {
			continue
		}
		for i := c; i < len(t.X.Data); i += t.X.Cols {
			if v := t.X.Data[i]; !math.IsNaN(v) {
				at, is := slices.BinarySearch(first, v)
				if !is {
					at--
				}
				t.X.Data[i] = first[at]
			}
		}
	}
}

// heldOut mentions the n held-out steps in an error, if there are any.
func heldOut(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", and %d more are held out", n)
}

func longest(f Frame) int {
	n := 0
	for _, s := range f {
		n = max(n, s.Len())
	}
	return n
}

// add appends a row, unless one of its targets is missing.
func (t *Table) add(p *Prepared, s *source, series, o, h int, targets []float64) {
	anchor := p.anchor(s, o)
	for _, z := range targets {
		if z -= anchor; z != z {
			return
		}
	}
	t.X.Data = p.row(t.X.Data, s, o, h)
	for _, z := range targets {
		t.Y.Data = append(t.Y.Data, z-anchor)
	}
	t.X.Rows, t.Y.Rows = t.X.Rows+1, t.Y.Rows+1
	t.rows = append(t.rows, tableRow{series, o, h, anchor})
}

// Predict forecasts with models that learnt from Tables. predict returns the predictions of
// model number model for rows of features. Predict undoes the transforms. It fails with
// [ErrHorizon] if the models, or the columns known in advance, do not reach the horizon.
func (p *Prepared) Predict(ctx context.Context, past Frame, horizon int, predict func(model int, x Matrix) (Matrix, error)) (Frame, error) {
	if err := p.check(past); err != nil {
		return nil, err
	}
	most := p.horizon
	if p.strategy == Recursive && len(p.past) == 0 {
		most = maxLag
	}
	if err := checkHorizon(horizon, most); err != nil {
		return nil, pkg.Errorf("predict: %w", err)
	}
	sources, fitted, z := make([]*source, len(past)), make([]Fitted, len(past)), make([][]float64, len(past))
	for i, s := range past {
		var err error
		if sources[i], fitted[i], err = p.source(s); err != nil {
			return nil, err
		}
		if c, ok := p.unknown(s, horizon); ok {
			return nil, pkg.Errorf("predict: %scolumn %q: %w of %d: its values are known only %d steps ahead: add rows without a target for the others",
				of(s.ID), c.Name, ErrHorizon, horizon, len(c.Values)-s.Len())
		}
	}
	cols := len(p.names())
	for h := 1; h <= horizon; h++ {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		model, outputs := 0, 1
		switch p.strategy {
		case Direct:
			model = h - 1
		case Joint:
			outputs = p.horizon
		}
		x := Matrix{Rows: len(past), Cols: cols}
		anchors := make([]float64, len(past))
		for i, s := range sources {
			o, step := past[i].Len(), h
			if p.strategy == Recursive {
				o, step = o+h-1, 1
			}
			x.Data, anchors[i] = p.row(x.Data, s, o, step), p.anchor(s, o)
		}
		y, err := predict(model, x)
		if err == nil && (y.Rows != x.Rows || y.Cols != outputs || len(y.Data) != y.Rows*y.Cols) {
			err = errors.New("the model returned a matrix of another shape")
		}
		if err != nil {
			return nil, pkg.Errorf("predict: step %d: %w", h, err)
		}
		for i := range past {
			for _, v := range y.Row(i)[:min(outputs, horizon)] {
				z[i] = append(z[i], v+anchors[i])
			}
			if p.strategy == Recursive {
				sources[i].z = append(sources[i].z, z[i][len(z[i])-1])
			}
		}
		if p.strategy == Joint {
			break
		}
	}
	return restore(past, fitted, z)
}

// unknown returns a column known in advance that does not reach horizon steps ahead, if any.
func (p *Prepared) unknown(s Series, horizon int) (Column, bool) {
	for _, l := range p.features.KnownLags {
		for _, c := range s.Known {
			if len(c.Values) < s.Len()+horizon-l {
				return c, true
			}
		}
	}
	return Column{}, false
}

// restore returns the forecasts with the transformed values z.
func restore(past Frame, fitted []Fitted, z [][]float64) (Frame, error) {
	var out Frame
	for i, s := range past {
		next, err := continuation(s, fitted[i].Invert(s.Y, z[i]),
			"the model diverged, or the transform cannot be undone that far ahead: set a lower learning rate, or another transform")
		if err != nil {
			return nil, pkg.Errorf("predict: %w", err)
		}
		out = append(out, next)
	}
	return out, nil
}

// next returns the rows, without targets, that model number model needs to forecast
// the steps after the frame that Fit got: series by series, with all steps in order if the
// model forecasts them all. It returns no rows for the recursive strategy, which makes each
// step's features from the forecast before. It skips a series that cannot be forecast,
// because its columns do not reach that far ahead, or because its last values are missing
// or too few for the transform.
func (p *Prepared) next(f Frame, model int) Table {
	t := Table{Names: p.names(), series: f, X: Matrix{Cols: len(p.names())}}
	from, to := model+1, model+1
	switch p.strategy {
	case Recursive:
		return t
	case Pooled:
		from, to = 1, p.horizon
	case Joint:
		from, to = p.horizon, p.horizon
	}
	if p.features.SeriesID {
		t.Categories = []int{slices.Index(t.Names, "series")}
	}
	for i, series := range f {
		s, fitted, err := p.source(series)
		if err != nil {
			continue
		}
		if _, short := p.unknown(series, p.horizon); short {
			continue
		}
		// A value that undoing the transform needs may be missing.
		anchor := p.anchor(s, series.Len())
		if _, err := restore(f[i:i+1], []Fitted{fitted}, [][]float64{slices.Repeat([]float64{anchor}, p.horizon)}); err != nil {
			continue
		}
		for h := from; h <= to; h++ {
			t.X.Data = p.row(t.X.Data, s, series.Len(), h)
			t.X.Rows++
			t.rows = append(t.rows, tableRow{i, series.Len(), h, anchor})
		}
	}
	return t
}

// join makes the forecasts of the series in rows from the single model's predictions for rows. rows come from next.
func (p *Prepared) join(rows Table, horizon int, y Matrix) (Frame, error) {
	if len(y.Data) != y.Rows*y.Cols || y.Rows != rows.X.Rows {
		return nil, pkg.Errorf("predict: %d predictions for %d rows", y.Rows, rows.X.Rows)
	}
	var past Frame
	var fitted []Fitted
	var z [][]float64
	for i, r := range rows.rows {
		if i > 0 && r.series == rows.rows[i-1].series {
			continue
		}
		past, fitted = append(past, rows.series[r.series]), append(fitted, p.fitted[r.series])
		next := slices.Clone(y.Data[i*y.Cols:][:horizon])
		for j := range next {
			next[j] += r.anchor
		}
		z = append(z, next)
	}
	return restore(past, fitted, z)
}
