package neural

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"sync"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/space"
)

// An NLinear is the linear baseline of networks (Zeng et al., "Are Transformers
// Effective for Time Series Forecasting?", arXiv:2205.13504). Each step of the forecast
// is a linear function of what a network would see, with the last value subtracted.
// Ridge regression fits it to the squared errors, in closed form.
//
// Of windows that would take more than 128 MiB, it learns from an even selection.
type NLinear struct {
	Window    int                 `json:"window"` // number of past steps that it sees; default 24
	Transform forecast.Transform  `json:"-"`      // this and the next two fields are as in [Training]
	KeepLevel bool                `json:"keep_level"`
	Calendar  []forecast.Calendar `json:"calendar,omitempty"`
	Ridge     float64             `json:"ridge"` // penalty on the squared coefficients, in units of windows; default 1; negative: none
	Search    space.Space         `json:"-"`     // parameters that replace those of the same name in the default space, or are added to it
}

// Name returns "nlinear".
func (NLinear) Name() string { return "nlinear" }

// Rounds returns "": training has no rounds.
func (NLinear) Rounds() string { return "" }

// Space returns the space to search: the file spaces/nlinear.yaml, adapted to the series
// as in [Model].
func (m NLinear) Space(train forecast.Frame) space.Space {
	return defaultSpace("nlinear", false, train, m.Search)
}

// New returns a forecaster with settings that override m's: window, transform,
// subtract_last, calendar and ridge (0 for no penalty). It fails with
// [forecast.ErrConfig].
func (m NLinear) New(settings space.Settings) (forecast.Forecaster, error) {
	err := apply("nlinear", settings, []field{
		whole("window", &m.Window, 1),
		transformField(&m.Transform),
		boolean("subtract_last", func(b bool) { m.KeepLevel = !b }),
		calendarField(&m.Calendar),
		number("ridge", func(v float64) {
			if m.Ridge = v; v == 0 {
				m.Ridge = -1
			}
		})})
	if err != nil {
		return nil, err
	}
	if _, _, err := m.ready(); err != nil {
		return nil, pkg.Errorf("nlinear: %w", err)
	}
	return NewLinear(m), nil
}

// ready returns m as a Training, and its penalty, with defaults set.
func (m NLinear) ready() (Training, float64, error) {
	var c check
	c.whole("window", &m.Window, 24, 1, maxWindow)
	c.real("ridge", &m.Ridge, 1, math.Inf(-1), math.Inf(1))
	if m.Transform == nil {
		m.Transform = forecast.Chain{}
	}
	c.calendar(m.Calendar)
	return Training{Window: m.Window, Transform: m.Transform, KeepLevel: m.KeepLevel, Calendar: m.Calendar}, max(0, m.Ridge), c.err
}

// A Linear is the forecaster of an [NLinear]. It implements [forecast.Forecaster].
// Make it with [NewLinear], or [Linear.Load] it.
type Linear struct {
	model NLinear

	mu    sync.RWMutex
	view  *view
	ridge *forecast.Ridge
}

// NewLinear returns an unfitted forecaster of an NLinear.
func NewLinear(m NLinear) *Linear { return &Linear{model: m} }

// String returns "nlinear".
func (f *Linear) String() string { return f.model.Name() }

// Fit implements [forecast.Forecaster]. It fails like [Forecaster.Fit], and makes one
// iteration.
func (f *Linear) Fit(ctx context.Context, train forecast.Frame, opts forecast.FitOptions) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.view, f.ridge = nil, nil
	if err := f.fit(ctx, train, opts); err != nil {
		f.view, f.ridge = nil, nil
		return pkg.Errorf("nlinear: fit: %w", err)
	}
	return nil
}

func (f *Linear) fit(ctx context.Context, train forecast.Frame, opts forecast.FitOptions) error {
	t, lambda, err := f.model.ready()
	if err != nil {
		return err
	}
	if err := possible(ctx, opts); err != nil {
		return err
	}
	v, sources, err := newView(t, train, max(1, opts.Horizon), opts.Holdout)
	if err != nil {
		return err
	}
	learnt, held, err := v.samples(sources, opts.Holdout)
	if err != nil {
		return err
	}
	learnt, held = v.thinned(learnt, mostCells), v.thinned(held, mostCells)
	table := v.table(sources, learnt)
	ridge := &forecast.Ridge{Lambda: lambda}
	if err := ridge.Fit(ctx, table, forecast.Table{}, forecast.RegressorOptions{}); err != nil {
		return err
	}
	f.view, f.ridge = v, ridge
	it := forecast.Iteration{Train: f.loss(sources, learnt), Valid: f.loss(sources, held)}
	if v.check(train, v.horizon) == nil {
		it.Forecast = func() (forecast.Frame, error) { return f.forecast(train, v.horizon) }
	}
	return opts.Iterate(it)
}

// possible checks the options of a fit.
func possible(ctx context.Context, opts forecast.FitOptions) error {
	if opts.Horizon < 0 || opts.Horizon > maxHorizon || opts.Holdout < 0 {
		return fmt.Errorf("horizon %d, holdout %d: %w", opts.Horizon, opts.Holdout, forecast.ErrConfig)
	}
	return context.Cause(ctx)
}

// mostCells limits the numbers in the table that an NLinear learns from: 128 MiB.
const mostCells = 1 << 24

// thinned returns samples whose table has roughly most numbers: all of them, or an even selection of
// the origins of each series, at other places in each.
func (v *view) thinned(samples []sample, most int) []sample {
	cells := len(samples) * (v.window*v.features() + v.horizon*(len(v.known)+1))
	if cells <= most {
		return samples
	}
	share := float64(most) / float64(cells)
	var out []sample
	for _, s := range samples {
		x := float64(s.series)*math.Phi + float64(s.origin)*share
		if math.Floor(x+share) > math.Floor(x) {
			out = append(out, s)
		}
	}
	return out
}

// table returns samples as rows of numbers: the window, step by step, then the columns
// known in advance.
func (v *view) table(sources []source, samples []sample) forecast.Table {
	cols := v.window*v.features() + v.horizon*len(v.known)
	t := forecast.Table{
		X: forecast.Matrix{Rows: len(samples), Cols: cols, Data: make([]float64, 0, len(samples)*cols)},
		Y: forecast.Matrix{Rows: len(samples), Cols: v.horizon, Data: make([]float64, 0, len(samples)*v.horizon)},
	}
	for _, s := range samples {
		src := &sources[s.series]
		for step := range v.window {
			for f := range v.features() {
				t.X.Data = append(t.X.Data, v.input(src, s.origin, step, f))
			}
		}
		for h := range v.horizon {
			for k := range v.known {
				t.X.Data = append(t.X.Data, v.future(src, s.origin, h, k))
			}
			z, known := v.target(src, s.origin, h)
			if !known {
				z = math.NaN()
			}
			t.Y.Data = append(t.Y.Data, z)
		}
	}
	return t
}

// loss is the mean squared error over the steps with known truth, NaN if there are none.
func (f *Linear) loss(sources []source, samples []sample) float64 {
	t := f.view.table(sources, samples)
	y, err := f.ridge.Predict(t.X)
	if err != nil {
		return math.NaN()
	}
	sum, n := 0.0, 0.0
	for i, truth := range t.Y.Data {
		if e := truth - y.Data[i]; !math.IsNaN(e) {
			sum, n = sum+e*e, n+1
		}
	}
	return sum / n
}

// Predict implements [forecast.Forecaster]. It fails like [Forecaster.Predict].
func (f *Linear) Predict(ctx context.Context, past forecast.Frame, horizon int) (forecast.Frame, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	err := context.Cause(ctx)
	if f.ridge == nil {
		err = forecast.ErrNotFitted
	}
	var out forecast.Frame
	if err == nil {
		out, err = f.forecast(past, horizon)
	}
	if err != nil {
		return nil, pkg.Errorf("nlinear: predict: %w", err)
	}
	return out, nil
}

func (f *Linear) forecast(past forecast.Frame, horizon int) (forecast.Frame, error) {
	if err := f.view.check(past, horizon); err != nil {
		return nil, err
	}
	sources, samples, err := f.view.last(past)
	if err != nil {
		return nil, err
	}
	y, err := f.ridge.Predict(f.view.table(sources, samples).X)
	if err != nil {
		return nil, err
	}
	var z [][]float64
	for i := range samples {
		z = append(z, y.Row(i))
	}
	return f.view.frame(sources, z, horizon)
}

const linearFormat = "attune neural linear"

// savedLinear is the JSON that Save writes.
type savedLinear struct {
	Model NLinear         `json:"model"`
	View  savedView       `json:"view"`
	Ridge json.RawMessage `json:"ridge"` // in the format of forecast.Ridge
}

// Save implements [forecast.Forecaster]. It writes one line of JSON.
func (f *Linear) Save(w io.Writer) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	s := savedLinear{Model: f.model}
	err := error(forecast.ErrNotFitted)
	if f.ridge != nil {
		s.View, err = f.view.save()
	}
	var b bytes.Buffer
	if err == nil {
		err = f.ridge.Save(&b)
	}
	if s.Ridge = b.Bytes(); err == nil {
		err = writeContainer(w, linearFormat, s)
	}
	if err != nil {
		return pkg.Errorf("nlinear: save: %w", err)
	}
	return nil
}

// Load implements [forecast.Forecaster]. It fails with [forecast.ErrFormat].
func (f *Linear) Load(r io.Reader) error {
	var s savedLinear
	_, err := readContainer(r, linearFormat, &s)
	var v *view
	if err == nil {
		v, err = s.View.load()
	}
	ridge := &forecast.Ridge{}
	if err == nil {
		err = ridge.Load(bytes.NewReader(s.Ridge))
	}
	if err == nil { // check the shape
		x := forecast.Matrix{Rows: 1, Cols: v.window*v.features() + v.horizon*len(v.known)}
		x.Data = make([]float64, x.Cols)
		var y forecast.Matrix
		if y, err = ridge.Predict(x); err != nil {
			err = fmt.Errorf("%w: %w", forecast.ErrFormat, err)
		} else if y.Cols != v.horizon {
			err = fmt.Errorf("%w: %d outputs for a horizon of %d", forecast.ErrFormat, y.Cols, v.horizon)
		}
	}
	if err != nil {
		return pkg.Errorf("nlinear: load: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s.Model.Transform = v.transform
	f.model, f.view, f.ridge = s.Model, v, ridge
	return nil
}
