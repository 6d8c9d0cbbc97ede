package statistical

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/space"
)

const pkg fault.Package = "statistical"

// auto is the form that chooses among the others.
const auto = "auto"

// A method fits one series without gaps.
type method interface {
	Name() string
	// seasonsOf returns the seasons of series of a frequency, at least one, and the shortest
	// first. A season of 1 means none.
	seasonsOf(f forecast.Frequency) []int
	// fit returns a model of y, at least one value, with some seasons. Most methods use only
	// the first.
	fit(y []float64, seasons []int) (fitted, error)
	// decode reads a fitted model from JSON.
	decode(raw json.RawMessage) (fitted, error)
}

// A fitted model continues a series.
type fitted interface {
	// forecast returns the next values of y, with the parameters of the fit. begun reports
	// whether y begins where the training series began. It returns nil if the model does not
	// fit y.
	forecast(y []float64, seasons []int, begun bool, horizon int) []float64
}

// A Forecaster applies a method to each series separately. It implements
// [forecast.Forecaster]. The New method of a family makes one.
//
// Predict runs the fitted model over all of the past, so it continues from the end of series
// that have grown. The parameters stay those of Fit. Predict fits a series itself if Fit did
// not see it, or if its model cannot be applied, such as a multiplicative model to zeros.
type Forecaster struct {
	method method

	mu     sync.RWMutex
	models map[string]local // by the ID of the series; nil: not fitted
}

// A local model is the model of one series.
type local struct {
	start time.Time // of the series, without missing values at the beginning
	fitted
}

// String returns the name of the method.
func (f *Forecaster) String() string { return f.method.Name() }

// Fit implements [forecast.Forecaster]. It fails with [forecast.ErrShort] for a series
// without a value, and with [forecast.ErrDomain] if the given form requires positive values
// and a series has others. It makes no iterations.
func (f *Forecaster) Fit(ctx context.Context, train forecast.Frame, opts forecast.FitOptions) error {
	models, err := f.fit(ctx, train, opts)
	if err != nil {
		return pkg.Errorf("%s: fit: %w", f.method.Name(), err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.models = models
	return nil
}

func (f *Forecaster) fit(ctx context.Context, train forecast.Frame, opts forecast.FitOptions) (map[string]local, error) {
	if opts.Horizon < 0 || opts.Holdout < 0 || opts.Threads < 0 {
		return nil, fmt.Errorf("horizon %d, holdout %d, threads %d: %w", opts.Horizon, opts.Holdout, opts.Threads, forecast.ErrConfig)
	}
	if err := train.Validate(); err != nil {
		return nil, err
	}
	found := make([]local, len(train))
	err := each(ctx, len(train), opts.Threads, func(i int) error {
		s := train[i]
		seasons := f.method.seasonsOf(s.Freq)
		y, lead, err := gapless(s.Y[:max(0, s.Len()-opts.Holdout)], seasons[0])
		if err == nil {
			found[i].start = s.Time(lead)
			found[i].fitted, err = f.method.fit(y, seasons)
		}
		return of(s.ID, err)
	})
	if err != nil {
		return nil, err
	}
	models := make(map[string]local, len(train))
	for i, s := range train {
		models[s.ID] = found[i]
	}
	return models, nil
}

// Predict implements [forecast.Forecaster].
func (f *Forecaster) Predict(ctx context.Context, past forecast.Frame, horizon int) (forecast.Frame, error) {
	f.mu.RLock()
	models := f.models
	f.mu.RUnlock()
	next, err := f.predict(ctx, models, past, horizon)
	if err != nil {
		return nil, pkg.Errorf("%s: predict: %w", f.method.Name(), err)
	}
	return next, nil
}

func (f *Forecaster) predict(ctx context.Context, models map[string]local, past forecast.Frame, horizon int) (forecast.Frame, error) {
	if models == nil {
		return nil, forecast.ErrNotFitted
	}
	if horizon < 1 {
		return nil, fmt.Errorf("%w must be at least 1, not %d", forecast.ErrHorizon, horizon)
	}
	if err := past.Validate(); err != nil {
		return nil, err
	}
	out := make(forecast.Frame, len(past))
	err := each(ctx, len(past), 1, func(i int) error {
		s := past[i]
		y, err := f.next(models, s, horizon)
		out[i] = forecast.Series{ID: s.ID, Start: s.Time(s.Len()), Freq: s.Freq, Y: y}
		return of(s.ID, err)
	})
	return out, err
}

// next returns the forecast of a series.
func (f *Forecaster) next(models map[string]local, s forecast.Series, horizon int) ([]float64, error) {
	seasons := f.method.seasonsOf(s.Freq)
	y, lead, err := gapless(s.Y, seasons[0])
	if err != nil {
		return nil, err
	}
	if l, known := models[s.ID]; known {
		if next := l.forecast(y, seasons, l.start.Equal(s.Time(lead)), horizon); finite(next) {
			return next, nil
		}
	}
	l, err := f.method.fit(y, seasons)
	if err != nil {
		return nil, err
	}
	next := l.forecast(y, seasons, true, horizon)
	if !finite(next) {
		return nil, fmt.Errorf("%w: the forecast is not finite: the values are too large: divide the target by a power of ten", forecast.ErrNumber)
	}
	return next, nil
}

// finite reports whether y has values and all of them are finite.
func finite(y []float64) bool {
	for _, v := range y {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return len(y) > 0
}

// gapless returns y without gaps, and the number of missing values that it cut off at the
// beginning: see the package documentation. It fails with [forecast.ErrShort] if there is no
// value.
func gapless(y []float64, m int) (out []float64, lead int, err error) {
	for lead < len(y) && math.IsNaN(y[lead]) {
		lead++
	}
	if lead == len(y) {
		return nil, 0, fmt.Errorf("%w: there is no value", forecast.ErrShort)
	}
	out = append(out, y[lead:]...)
	last := 0 // index of the last known value
	for i, v := range out {
		if math.IsNaN(v) {
			continue
		}
		for j := last + 1; j < i; j++ {
			out[j] = out[last] + (v-out[last])*float64(j-last)/float64(i-last)
		}
		last = i
	}
	for j := last + 1; j < len(out); j++ {
		out[j] = out[max(0, j-1)]
		if m > 1 && j >= m {
			out[j] = out[j-m]
		}
	}
	return out, lead, nil
}

// of adds the name of the series to an error.
func of(id string, err error) error {
	if err == nil || id == "" {
		return err
	}
	return fmt.Errorf("series %q: %w", id, err)
}

// each calls do for 0 to n-1, in several goroutines if threads is above 1. It returns the
// error with the smallest index, or ctx's cause.
func each(ctx context.Context, n, threads int, do func(i int) error) error {
	errs := make([]error, n)
	var at atomic.Int64
	var wait sync.WaitGroup
	for range max(1, min(threads, n)) {
		wait.Go(func() {
			for i := int(at.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(at.Add(1)) - 1 {
				errs[i] = do(i)
			}
		})
	}
	wait.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// A field is a setting of a family.
type field struct {
	name string
	want string
	set  func(value any) bool // reports whether the value is valid
}

func text(name string, to *string) field {
	return field{name, "a text", func(value any) bool {
		s, ok := value.(string)
		*to = s
		return ok && s != ""
	}}
}

func whole(name string, to *int, least int64) field {
	return field{name, fmt.Sprintf("a whole number from %d to 10000", least), func(value any) bool {
		n, ok := value.(int64)
		*to = int(n)
		return ok && n >= least && n <= 10_000
	}}
}

// apply sets the fields that settings name.
func apply(family string, settings space.Settings, fields ...field) error {
	for _, s := range settings {
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == s.Name })
		if i < 0 {
			return pkg.Errorf("%s: there is no %s: %w", family, s.Name, notThere(fields))
		}
		if f := fields[i]; !f.set(s.Value.Any()) {
			return pkg.Errorf("%s: %s is %s: %w: want %s", family, f.name, s.Value, forecast.ErrConfig, f.want)
		}
	}
	return nil
}

// formed applies the settings of a family that has a form, auto or one of forms, and a season.
func formed(family string, settings space.Settings, form *string, season *int, forms []string) error {
	if err := apply(family, settings, text("form", form), whole("season", season, 1)); err != nil {
		return err
	}
	if *form = cmp.Or(*form, auto); *form != auto && !slices.Contains(forms, *form) {
		last := len(forms) - 1
		return pkg.Errorf("%s: form is %s: %w: want auto, %s or %s", family, *form, forecast.ErrConfig, strings.Join(forms[:last], ", "), forms[last])
	}
	return nil
}

// notThere returns an error that lists the fields.
func notThere(fields []field) error {
	if len(fields) == 0 {
		return fmt.Errorf("it has no hyperparameters: %w", forecast.ErrConfig)
	}
	var names []string
	for _, f := range fields {
		names = append(names, f.name)
	}
	return fmt.Errorf("there are %s: %w", strings.Join(names, ", "), forecast.ErrConfig)
}

const savedFormat = "attune statistical"

// saved is a Forecaster as JSON. Version 1.
type saved struct {
	Format  string        `json:"format"`
	Version int           `json:"version"`
	Method  string        `json:"method"`
	Series  []savedSeries `json:"series"`
}

type savedSeries struct {
	ID    string          `json:"id"`
	Start time.Time       `json:"start"`
	Model json.RawMessage `json:"model"`
}

// Save implements [forecast.Forecaster], as JSON.
func (f *Forecaster) Save(w io.Writer) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if err := f.save(w); err != nil {
		return pkg.Errorf("%s: save: %w", f.method.Name(), err)
	}
	return nil
}

func (f *Forecaster) save(w io.Writer) error {
	if f.models == nil {
		return forecast.ErrNotFitted
	}
	s := saved{Format: savedFormat, Version: 1, Method: f.method.Name()}
	for _, id := range slices.Sorted(maps.Keys(f.models)) {
		l := f.models[id]
		raw, err := json.Marshal(l.fitted)
		if err != nil {
			return of(id, err)
		}
		s.Series = append(s.Series, savedSeries{id, l.start, raw})
	}
	return json.NewEncoder(w).Encode(s)
}

// Load implements [forecast.Forecaster]. It fails with [forecast.ErrFormat].
func (f *Forecaster) Load(r io.Reader) error {
	models, err := f.load(r)
	if err != nil {
		return fault.Mark(pkg.Errorf("%s: load: %w", f.method.Name(), err), forecast.ErrFormat)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.models = models
	return nil
}

func (f *Forecaster) load(r io.Reader) (map[string]local, error) {
	var s saved
	if err := json.NewDecoder(r).Decode(&s); err != nil {
		return nil, err
	}
	if s.Format != savedFormat || s.Version != 1 || s.Method != f.method.Name() {
		return nil, fmt.Errorf("%w: format %q, version %d, method %q", forecast.ErrFormat, s.Format, s.Version, s.Method)
	}
	if len(s.Series) == 0 {
		return nil, errors.New("there are no series")
	}
	models := make(map[string]local, len(s.Series))
	for _, one := range s.Series {
		m, err := f.method.decode(one.Model)
		if err != nil {
			return nil, of(one.ID, err)
		}
		models[one.ID] = local{one.Start, m}
	}
	return models, nil
}
