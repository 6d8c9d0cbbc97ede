package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"

	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/quantize"
	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/export/tensor"
	"github.com/attune-hpo/attune/export/validate"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// Best exports the forecaster of the study's best trial, as returned by [tune.Task.Best],
// and compares the export with it on windows of the data that the task tunes on: see [Model].
// It also returns the model that it exported.
func Best(ctx context.Context, task *tune.Task, st *study.Study, o ForecasterOptions) (tune.Model, Result, error) {
	m, err := task.Best(ctx, st)
	if err != nil {
		return tune.Model{}, Result{}, err
	}
	r, err := Model(ctx, m, task.Backtest.Frame(), o)
	return m, r, err
}

// Model exports a forecaster, see [onnx.Forecaster]. It compares the forecasts with the
// native ones from origins within a frame: the training data or, better, data that the
// forecaster has not seen.
//
// The metadata name the trial and the study that the model comes from, like
// [onnx.TrialMetadata], and all hyperparameters that differ from their defaults.
//
// Model fails with [ErrFailed], and then leaves no file except one that is named as failed.
// It also returns the errors of onnx.Forecaster, runtime.ErrNoLibrary if there is no ONNX
// Runtime, and validate.ErrInput if the native model cannot forecast from any window.
func Model(ctx context.Context, m tune.Model, on forecast.Frame, o ForecasterOptions) (Result, error) {
	meta := metadata(m)
	options := onnx.ForecasterOptions{
		Form:      o.Form,
		Info:      information(o.Info, m.Forecaster.Save, meta...),
		Units:     o.Units,
		Regressor: o.Regressor,
		Horizon:   m.Horizon,
	}
	if len(on) > 0 {
		options.Frequency = on[0].Freq
	}
	e := export{file: o.File, keepFailed: o.KeepFailed, register: o.Register, runtime: o.Runtime,
		native: m.Write, note: o.Info.Doc, meta: map[string]string{}}
	for _, p := range meta {
		e.meta[p.Key] = p.Value
	}
	var err error
	if e.model, err = onnx.Forecaster(m.Forecaster, options); err != nil {
		return Result{}, pkg.Errorf("%s: %w", m.Family, err)
	}
	w, err := validate.NewWindows(ctx, m.Forecaster, on, m.Horizon, cmp.Or(o.Windows, 200))
	if err != nil {
		return Result{}, pkg.Errorf("%w", err)
	}
	if o.Quantize != "" {
		if e.model, err = quantize.Quantize(ctx, e.model, quantize.Options{Kind: o.Quantize, Calibration: every(w.Inputs, 2)}); err != nil {
			return Result{}, pkg.Errorf("%w", err)
		}
		e.meta["quantized"] = string(o.Quantize)
	}
	e.check = func(s *runtime.Session, to *Result) error {
		run := func(in tensor.List) ([]float64, error) { return forecasts(ctx, s, in) }
		var err error
		if o.Quantize != "" {
			to.Report, err = quantize.Compare(w, o.Gate, run)
			return err
		}
		got, err := run(w.Inputs)
		if err != nil {
			return err
		}
		to.Report, err = w.Compare(lenient(o.Gate, o.Form), got)
		return err
	}
	return e.run(ctx)
}

// every returns every nth row.
func every(l tensor.List, n int) tensor.List {
	var at []int
	for i := 0; i < int(l[0].Shape[0]); i += n {
		at = append(at, i)
	}
	return l.Pick(at...)
}

// metadata describes the origin of a model.
func metadata(m tune.Model) []onnx.Property {
	add := []onnx.Property{{Key: "attune.family", Value: m.Family}, {Key: "attune.seed", Value: strconv.FormatUint(m.Seed, 10)}}
	if m.Metric != "" {
		add = append(add, onnx.Property{Key: "attune.metric", Value: m.Metric})
	}
	if m.Study != "" {
		add = append(onnx.TrialMetadata(trial.Header{Name: m.Study}, trial.Record{Number: m.Trial, Values: []float64{m.Value}}), add...)
	}
	for _, s := range m.Settings {
		p := onnx.Property{Key: "attune.param." + s.Name, Value: s.Value.String()}
		i := slices.IndexFunc(add, func(q onnx.Property) bool { return q.Key == p.Key })
		if i >= 0 { // the last one counts
			add[i] = p
		} else {
			add = append(add, p)
		}
	}
	return add
}

// forecasts runs the export of a forecaster on all rows of the inputs.
func forecasts(ctx context.Context, s *runtime.Session, inputs tensor.List) ([]float64, error) {
	out, err := s.Run(ctx, inputs)
	if err != nil {
		return nil, err
	}
	t, _ := out.Named("forecast")
	y, ok := t.Data.([]float64)
	if rows := int(inputs[0].Shape[0]); !ok || len(y)%rows != 0 {
		return nil, fmt.Errorf("%w: it has no output forecast of float64, a row for each series", runtime.ErrModel)
	}
	return y, nil
}

// A Forecaster runs an exported forecaster in ONNX Runtime. It can replace the native one
// in predictions, as it has the same method Predict. It is safe for concurrent use. Make
// one with [Open], and close it after use.
type Forecaster struct {
	native  forecast.Forecaster
	session *runtime.Session // nil if the native forecaster answers
	steps   int              // steps of a forecast
	counts  counts
}

// Open loads the export of a native forecaster. The native forecaster makes the export's
// inputs. It also answers in place of the export in three cases: if the file or the library
// cannot be opened at all, which is logged; if a run fails; and for tasks that the export
// cannot do, such as a series that was not in the training data. Failures are counted, and
// logged like those of a [runtime.Fallback].
//
// Open fails with [forecast.ErrNotFitted], with onnx.ErrUnsupported for a forecaster that
// cannot be exported, and with [ErrMismatch] for a file that was exported from another
// forecaster. Files of [Model] and [Best] name their forecaster, unless it cannot be
// saved; any other file is accepted. A later version of attune may refuse older
// files, see [Match]: export them again.
func Open(file string, native forecast.Forecaster, o runtime.Config) (*Forecaster, error) {
	err := onnx.Supports(native)
	if err != nil {
		return nil, pkg.Errorf("open %s: %w", file, err)
	}
	f := &Forecaster{native: native, counts: counts{log: cmp.Or(o.Log, slog.Default())}}
	if f.session, err = runtime.Open(file, o); err != nil {
		f.session = nil
		f.counts.cause(err)
	} else if err := belongs(file, f.session, native.Save); err != nil {
		return nil, errors.Join(err, f.session.Close())
	} else {
		f.steps = stepsOf(f.session)
	}
	return f, nil
}

// stepsOf returns the steps that an export forecasts, or all of them if its file does not say.
func stepsOf(s *runtime.Session) int {
	for _, o := range s.Outputs() {
		if o.Name == "forecast" && len(o.Shape) == 2 && o.Shape[1] > 0 {
			return int(o.Shape[1])
		}
	}
	return math.MaxInt
}

// Predict returns the next values of each series, like the native forecaster. The native
// forecaster decides about arguments that the export does not accept, which is not a
// failure. A forecast is never NaN.
func (f *Forecaster) Predict(ctx context.Context, past forecast.Frame, horizon int) (forecast.Frame, error) {
	f.counts.call()
	var y []float64
	var steps int
	err := f.counts.why()
	if err == nil {
		y, steps, err = f.run(ctx, past, horizon)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err == nil {
		var out forecast.Frame
		for i, s := range past {
			row := y[i*steps:][:horizon:horizon]
			out = append(out, forecast.Series{ID: s.ID, Start: s.Time(s.Len()), Freq: s.Freq, Y: row})
		}
		return out, nil
	}
	out, native := f.native.Predict(ctx, past, horizon)
	f.counts.fell(err, native)
	return out, native
}

// errCannot reports a request that only the native forecaster can serve or refuse.
var errCannot = errors.New("not for the export")

// run makes the forecast with the export.
func (f *Forecaster) run(ctx context.Context, past forecast.Frame, horizon int) (y []float64, steps int, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = pkg.Errorf("the export panicked: %v", r)
		}
	}()
	if horizon < 1 || horizon > f.steps {
		return nil, 0, pkg.Errorf("%w: a horizon of %d, but it forecasts %d steps", errCannot, horizon, f.steps)
	}
	in, err := onnx.ForecastInputs(f.native, past)
	if err != nil {
		return nil, 0, pkg.Errorf("%w: %w", errCannot, err)
	}
	if y, err = forecasts(ctx, f.session, in); err != nil {
		return nil, 0, err
	}
	steps = len(y) / len(past)
	if steps != f.steps {
		return nil, 0, pkg.Errorf("%w: it forecasts %d steps, but the native model %d", runtime.ErrModel, steps, f.steps)
	}
	for i := range past {
		for _, v := range y[i*steps:][:horizon] {
			if v != v {
				return nil, 0, pkg.Errorf("%w: the forecast of series %q is NaN", errCannot, past[i].ID)
			}
		}
	}
	return y, steps, nil
}

// Stats returns the counts so far. Fallbacks are calls that the native forecaster answered
// in place of the export. Failures are calls that failed in both, except for mistakes of
// the caller that were found before the run.
func (f *Forecaster) Stats() runtime.FallbackStats { return f.counts.stats() }

// Close frees the session. Afterwards the native forecaster answers.
func (f *Forecaster) Close() error {
	if f.session == nil {
		return nil
	}
	return f.session.Close()
}
