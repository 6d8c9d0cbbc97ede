// Package tune makes studies of forecasters. It searches for the hyperparameters with
// which a [Family] forecasts best in a backtest, and keeps the model.
//
//	frame, err := forecast.CSV{Time: "month", Target: "passengers"}.ReadFile("air.csv")
//	back, err := forecast.NewBacktest(frame, forecast.Splits{Horizon: 12, Windows: 9, Step: 6})
//	task := &tune.Task{Backtest: back, Family: treeforecast.Family{Style: style.LightGBM}, Folder: "air.models"}
//	st, err := study.Open(ctx, sqlite.File("air.db"), "lightgbm", task.Config(tpe.New(tpe.Config{}), pruner.Median{}))
//	err = task.Optimize(ctx, st, study.Run{Trials: 50})
//	best, err := task.Best(ctx, st)
//	next, err := best.Forecaster.Predict(ctx, frame, 12)
//
// A trial trains in all folds of the backtest in parallel. After each round it reports
// the score of all folds together, so a pruner compares whole learning curves: see
// [forecast.Backtest.Learn]. The number of rounds is not searched: it is the round with the
// best score on the curve. The trial's model is then fitted to all of the data with that
// number of rounds.
package tune

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/model"
	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
	"github.com/attune-hpo/attune/trial/backtest"
)

// A Family makes forecasters of one kind from hyperparameters.
type Family interface {
	// Name identifies the family, such as lightgbm or lstm.
	Name() string
	// Space is the default space to search for series like train.
	Space(train forecast.Frame) space.Space
	// New returns an unfitted forecaster. Hyperparameters that are not given have their
	// defaults. An unknown name or an invalid value is an error.
	New(settings space.Settings) (forecast.Forecaster, error)
	// Rounds returns the hyperparameter for the number of rounds of training, which early
	// stopping then finds. It returns "" if there is none, or if more rounds do not harm a
	// model.
	Rounds() string
}

// A Sized family can make a model with fewer rounds of training, though more do not harm it: a
// forest with fewer trees. If [Task.Deadline] cuts the training in the folds short, the model for
// all of the data has as many rounds as they had.
type Sized interface {
	Family
	// Size returns the hyperparameter for the number of rounds.
	Size() string
}

var (
	// ErrSpace reports a search space that does not fit a family.
	ErrSpace = errors.New("bad search space")
	// ErrScore reports a score that is not a finite number.
	ErrScore = errors.New("no score")
	// ErrStudy reports a study of another task, whose values are not comparable.
	ErrStudy = model.ErrStudy
)

// Attributes of a trial. It also has valid_NAME and train_NAME for mape, rmse and mae: the
// scores of the backtest, and those of the final model within its training data. A trial that was
// the best of its study when it finished has a [backtest.Record] of its forecasts.
const (
	RoundsKey = "rounds" // trees or epochs of the model
	// IntervalsKey holds the errors in the folds, from which prediction intervals are made: a
	// [forecast.Intervals], absent if there are too few.
	IntervalsKey = "intervals"
	ErrorKey     = "standard_error" // of the trial's value: see [forecast.Backtest.Error]; none with a single fold
	SecondsKey   = model.SecondsKey // duration of the trial: "seconds"
	// SettingsKey holds all hyperparameters of the model: those searched, those fixed and
	// the number of rounds. A training job needs nothing else; see [Settings].
	SettingsKey = model.SettingsKey // "settings"
)

// Settings returns all hyperparameters of the model of a trial, with which another
// program trains the same model: those searched, those fixed and the number of rounds. ok
// is false for a trial that was not evaluated by a Task, or did not complete.
func Settings(r trial.Record) (settings space.Settings, ok bool) { return model.Settings(r) }

// A Task tunes a family on a backtest. The value of a trial is the backtest's first metric.
// Backtest and Family are required. Its methods are safe for concurrent use; do not change
// its fields once they are in use.
type Task struct {
	Backtest *forecast.Backtest
	Family   Family
	Space    space.Space    // the space to search; default [Family.Space] for the training part of the first fold
	Fixed    space.Settings // hyperparameters that are not searched
	// MaxRounds is the maximum number of rounds of training, unless Space or Fixed contain
	// the number. The model has the best number of rounds, which may be smaller. Default 500.
	MaxRounds int
	// Patience ends a trial's training after this many rounds without a better score.
	// Default 30; negative: never.
	Patience int
	// Deadline ends the training of each trial after the first round that ends later: the best
	// round so far counts. Models that train without rounds do not end early. The model is
	// then fitted to all of the data with that number of rounds, also if the family is [Sized].
	// Default: none.
	Deadline time.Time
	// Threads is the number of threads of one trial. Use the number of cores divided by the
	// number of concurrent trials. Default 1.
	Threads int
	// Folder is the folder that keeps the best trial's model, in the file that
	// [model.Path] returns. It is created if it does not exist. Default: models are not
	// kept, and [Task.Best] refits.
	Folder string
	// Data says how the frame was read. It is kept with the model.
	Data *forecast.CSV
	// Forecasts, if not nil, keeps the forecasts of the best trials in the folds, so that
	// [Task.OutOfFold] need not train them again. It belongs to this task alone.
	Forecasts *Forecasts
}

// task returns the generic task.
func (t *Task) task() model.Task[Model] { return t.taskOf(nil) }

// taskOf is task for fitting the model of a trial with some attributes.
func (t *Task) taskOf(of trial.Attrs) model.Task[Model] {
	return model.Task[Model]{Kind: kind{t, of}, Fixed: t.Fixed, Folder: t.Folder}
}

// A kind is a Task in the form of a [model.Kind].
type kind struct {
	*Task
	of trial.Attrs // attributes of the trial whose model is fitted; nil if it is trained first
}

func (k kind) Name() string                     { return k.Family.Name() }
func (k kind) Metric() model.Metric             { return k.metric() }
func (k kind) Space() space.Space               { return k.space() }
func (k kind) Origin(m Model) model.Origin      { return m.Origin }
func (k kind) Write(m Model, path string) error { return m.WriteFile(path) }
func (k kind) Read(path string) (Model, error)  { return ReadFile(path, k.Family) }

// Facts are the splits of the backtest and a fingerprint of its frame.
func (k kind) Facts() []model.Fact {
	s := k.Backtest.Splits()
	if s.Windows == 1 {
		s.Step = 0 // nothing depends on it
	}
	return []model.Fact{
		{Name: "horizon", Value: s.Horizon}, {Name: "windows", Value: s.Windows}, {Name: "step", Value: s.Step}, {Name: "gap", Value: s.Gap},
		{Name: "train", Value: s.Train}, {Name: "data", Value: model.Fingerprint(k.Backtest.Frame().Fingerprint())},
	}
}

func (t *Task) metric() forecast.Metric { return t.Backtest.Metrics()[0] }

// Config returns the configuration of a study of the task.
func (t *Task) Config(s sampler.Sampler, p pruner.Pruner) study.Config { return t.task().Config(s, p) }

func (t *Task) space() space.Space {
	if t.Space != nil {
		return t.Space
	}
	var free space.Space
	for _, a := range t.Family.Space(t.Backtest.Folds()[0].Train) {
		if _, fixed := t.Fixed.Get(a.Name); !fixed {
			free = append(free, a)
		}
	}
	return free
}

// Validate reports why the task cannot begin. The error wraps [ErrSpace] for a
// hyperparameter of the space that the family lacks or that is also fixed, or for bounds of
// the space with which no forecaster can be made. It wraps [ErrScore] for a metric that has
// no value on the data, such as MAPE if all truths are 0.
func (t *Task) Validate() error {
	if t.Backtest == nil || t.Family == nil {
		return pkg.Errorf("%w: a task needs a backtest and a family", ErrSpace)
	}
	var perfect forecast.Result
	for _, fold := range t.Backtest.Folds() {
		perfect.Folds = append(perfect.Folds, forecast.FoldResult{Forecast: fold.Test})
	}
	if m := t.metric(); math.IsNaN(m.Score(t.Backtest.Samples(perfect)...)) {
		return fmt.Errorf("%w: %s has no value on these data, not even for a perfect forecast: use another metric", ErrScore, m.Name())
	}
	err := t.task().Validate(func(settings space.Settings) error {
		_, err := t.Family.New(settings)
		return err
	})
	if err != nil {
		return fault.Mark(pkg.Errorf("%w", err), ErrSpace)
	}
	return nil
}

// Optimize runs [study.Study.Optimize] on the task, and keeps the model of the best
// trial. If a model cannot be kept, the study's observer gets a warning. Optimize fails like
// [Task.Validate], and with [ErrStudy] if the study was begun with other data, another
// backtest or metric, or other fixed settings.
func (t *Task) Optimize(ctx context.Context, st *study.Study, run study.Run) error {
	if err := t.Validate(); err != nil {
		return err
	}
	return t.task().Optimize(ctx, st, run)
}

// withRounds returns the settings with another number of rounds, if they have one.
func (t *Task) withRounds(settings space.Settings, n int) space.Settings {
	name := t.Family.Rounds()
	if name == "" || n == 0 {
		return settings
	}
	return withSetting(settings, name, n)
}

// withSetting returns the settings with another value of one.
func withSetting(settings space.Settings, name string, n int) space.Settings {
	others := slices.DeleteFunc(slices.Clone(settings), func(s space.Setting) bool { return s.Name == name })
	return append(others, space.Setting{Name: name, Value: space.Lit(n)})
}

// Train evaluates a trial and returns its model, which has the trial's value. It is for
// programs that ask and tell themselves. Unlike [Task.Optimize], it does not check the
// study's task and keeps nothing.
func (t *Task) Train(ctx context.Context, tr *study.Trial) (Model, error) {
	return t.task().Train(ctx, tr)
}

// Agree fails with a [model.Conflict] if the attributes of a study record another task; see
// [model.Task.Agree].
func (t *Task) Agree(study string, attrs trial.Attrs) (begun bool, err error) {
	return t.task().Agree(study, attrs)
}

// Record returns the record of a study of the task; see [model.Task.Record].
func (t *Task) Record() json.Marshaler { return t.task().Record() }

// Train evaluates a trial and returns its model.
func (t kind) Train(ctx context.Context, tr *study.Trial, h model.Origin) (Model, error) {
	settings := h.Settings
	most, patience := t.MaxRounds, t.Patience
	if most == 0 {
		most = 500
	}
	if patience == 0 {
		patience = 30
	}
	if t.Family.Rounds() == "" {
		patience = -1
	}
	training := settings
	if _, ok := settings.Get(t.Family.Rounds()); !ok {
		training = t.withRounds(settings, most)
	}
	if _, err := t.Family.New(training); err != nil {
		return Model{}, err
	}
	fit := forecast.FitOptions{Seed: h.Seed, Threads: t.Threads}
	cut := false
	late := func() bool {
		cut = cut || t.late()
		return cut
	}
	learned, err := t.Backtest.Learn(ctx, t.Family.Name(), func() forecast.Forecaster {
		f, _ := t.Family.New(training) // it worked above
		return f
	}, forecast.LearnOptions{Fit: fit, Patience: max(0, patience), Last: t.Family.Rounds() == "", Stop: late, OnRound: func(r forecast.Round) error {
		return tr.Report(ctx, r.Step, r.Scores[0])
	}})
	if err != nil {
		return Model{}, err
	}
	switch h.Value = learned.Result.Scores[0]; {
	case math.IsNaN(h.Value):
		return Model{}, fmt.Errorf("%w: %s is NaN %v: use another metric", ErrScore, t.metric().Name(), learned.Result.Warnings)
	case math.IsInf(h.Value, 0):
		return Model{}, fmt.Errorf("%w: %s is %v: the values are too large: divide the target by a power of ten", ErrScore, t.metric().Name(), h.Value)
	}
	rounds := learned.Rounds
	if n, ok := training.Get(t.Family.Rounds()); ok && rounds == 0 { // without a curve, the number that was trained
		n, _ := n.Any().(int64)
		rounds = int(n)
	}
	h.Settings = t.withRounds(settings, rounds)
	if f, ok := t.Family.(Sized); ok && cut && rounds > 0 {
		h.Settings = withSetting(settings, f.Size(), rounds)
	}
	m, err := t.Fit(ctx, h)
	if err != nil {
		return Model{}, err
	}
	frame := t.Backtest.Frame()
	origins := max(2, min(50, mostWithin/len(frame)))
	within, err := forecast.InSample(ctx, m.Forecaster, frame, t.Backtest.Horizon(), origins)
	if err != nil {
		return Model{}, err
	}
	for _, metric := range []forecast.Metric{forecast.MAPE, forecast.RMSE, forecast.MAE} {
		tr.SetAttr("valid_"+metric.Name(), metric.Score(t.Backtest.Samples(learned.Result)...))
		tr.SetAttr("train_"+metric.Name(), metric.Score(within...))
	}
	if m.Intervals = t.Backtest.Intervals(learned.Result); m.Intervals != nil {
		tr.SetAttr(IntervalsKey, m.Intervals)
	}
	if e := t.Backtest.Error(learned.Result); !math.IsNaN(e) {
		tr.SetAttr(ErrorKey, e)
	}
	if rounds > 0 {
		tr.SetAttr(RoundsKey, rounds)
	}
	m.folds = learned.Result
	t.Forecasts.keep(foldsOf{h.Study, h.Trial, h.Seed}, learned.Result, t.metric())
	return m, nil
}

// Shown implements [model.Shower]: a [backtest.Record].
func (t kind) Shown(m Model) trial.Attrs {
	record := t.Backtest.Record(m.folds)
	if t.Data != nil {
		record.Label = t.Data.Target
	}
	a, err := trial.NewAttr(backtest.Key, record)
	if err != nil {
		return nil // it is not worth the trial
	}
	return trial.Attrs{a}
}

// mostWithin is roughly the number of forecasts within the training data that a trial makes.
// Without this limit, they take longer than the training on a large panel.
const mostWithin = 1000

// late reports whether the deadline has passed.
func (t *Task) late() bool { return !t.Deadline.IsZero() && time.Now().After(t.Deadline) }

// OutOfFold returns the forecasts of a complete trial in the folds of the backtest. Each
// forecaster is fitted to its fold, with the hyperparameters, the number of rounds and the
// seed of the trial, unless [Task.Forecasts] has the forecasts, which are the same.
func (t *Task) OutOfFold(ctx context.Context, st study.Reader, r trial.Record) (forecast.Result, error) {
	if kept, ok := t.Forecasts.get(foldsOf{st.Name(), r.Number, st.TrialSeed(r.Number)}); ok {
		return kept, nil
	}
	settings, ok := Settings(r)
	if !ok {
		settings = slices.Concat(t.Fixed, r.Params.Settings())
	}
	if _, err := t.Family.New(settings); err != nil {
		return forecast.Result{}, err
	}
	learned, err := t.Backtest.Learn(ctx, t.Family.Name(), func() forecast.Forecaster {
		f, _ := t.Family.New(settings) // it worked above
		return f
	}, forecast.LearnOptions{Fit: forecast.FitOptions{Seed: st.TrialSeed(r.Number), Threads: t.Threads}, Last: true})
	return learned.Result, err
}

// Fit fits a forecaster to all of the data.
func (t kind) Fit(ctx context.Context, h model.Origin) (Model, error) {
	m := Model{Origin: h, Family: t.Family.Name(), Horizon: t.Backtest.Horizon(), Until: t.Backtest.Frame().End(), Data: t.Data}
	if a, ok := t.of.Get(IntervalsKey); ok {
		if m.Intervals = new(forecast.Intervals); a.Decode(m.Intervals) != nil {
			m.Intervals = nil // another version has written it
		}
	}
	var err error
	if m.Forecaster, err = t.Family.New(m.Settings); err != nil {
		return Model{}, err
	}
	err = m.Forecaster.Fit(ctx, t.Backtest.Frame(), forecast.FitOptions{Horizon: m.Horizon, Seed: m.Seed, Threads: t.Threads})
	if err != nil {
		return Model{}, err
	}
	return m, nil
}
