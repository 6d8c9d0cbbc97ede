// Package tune makes studies of forecasters: it searches the hyperparameters of a
// [Family] for what forecasts best in a backtest, and keeps the model.
//
//	frame, err := forecast.CSV{Time: "month", Target: "passengers"}.ReadFile("air.csv")
//	back, err := forecast.NewBacktest(frame, forecast.Splits{Horizon: 12, Windows: 9, Step: 6})
//	task := &tune.Task{Backtest: back, Family: treeforecast.Family{Style: style.LightGBM}, Folder: "air.models"}
//	st, err := study.Open(ctx, sqlite.File("air.db"), "lightgbm", task.Config(tpe.New(tpe.Config{}), pruner.Median{}))
//	err = task.Optimize(ctx, st, study.Run{Trials: 50})
//	best, err := task.Best(ctx, st)
//	next, err := best.Forecaster.Predict(ctx, frame, 12)
//
// A trial trains in all folds of the backtest side by side and reports the score of
// all of them after each round, so that a pruner compares whole learning curves; see
// [forecast.Backtest.Learn]. The number of rounds is not searched: it is where the
// curve is best. The trial's model is then fitted to all of the data with that number.
package tune

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/attune-hpo/attune/internal/modelfile"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/spaceyaml"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// A Family makes forecasters of one kind from hyperparameters.
type Family interface {
	// Name tells families apart: lightgbm, lstm.
	Name() string
	// Space is what to search by default for series like these.
	Space(train forecast.Frame) space.Space
	// New returns a forecaster that is not fitted yet. Hyperparameters that are not
	// given are as usual; a name that is unknown, or a value that makes no sense, is an
	// error.
	New(settings space.Settings) (forecast.Forecaster, error)
	// Rounds returns the name of the hyperparameter that is the number of rounds of
	// training, which is then found by early stopping; "" if there is none, or more
	// rounds do not spoil a model.
	Rounds() string
}

var (
	// ErrSpace reports a search space that does not go with a family.
	ErrSpace = errors.New("tune: bad search space")
	// ErrScore reports a score that is not a number.
	ErrScore = errors.New("tune: no score")
	// ErrStudy reports a study whose trials are of another task, so that their values do
	// not compare.
	ErrStudy = errors.New("tune: study of another task")
)

// Attributes of a trial, besides valid_NAME and train_NAME for mape, rmse and mae: the
// scores of the backtest, and of the model fitted to all of the data, within them.
const (
	RoundsKey  = "rounds"  // trees or epochs of the model
	SecondsKey = "seconds" // what the trial took
	// SettingsKey holds all hyperparameters of the model: those searched, those fixed and
	// the number of rounds. It is what a training job needs; see [Settings].
	SettingsKey = "settings"
	// TaskKey is an attribute of the study: a fingerprint of the data, the folds, the
	// metric, the family and what is fixed.
	TaskKey = "task"
)

// Settings returns all hyperparameters of the model of a trial, by which another
// program trains the same: what was searched, what was fixed and the number of rounds.
// It is not ok for a trial that was not a task's, or did not complete.
func Settings(r trial.Record) (settings space.Settings, ok bool) {
	a, ok := r.Attrs.Get(SettingsKey)
	if !ok {
		return nil, false
	}
	settings, err := spaceyaml.ReadSettings(strings.NewReader(a.JSON))
	return settings, err == nil
}

// A Task tunes a family on a backtest. It is a [study.Objective] of one value, the
// backtest's first metric. Backtest and Family are required. Its methods are safe
// for concurrent use, its fields are not to be changed any more then.
type Task struct {
	Backtest *forecast.Backtest
	Family   Family
	Space    space.Space    // to search; default [Family.Space] of what the first fold learns from
	Fixed    space.Settings // hyperparameters that are not searched
	// MaxRounds is the most rounds of training, unless Space or Fixed have the number. The
	// model has as many as were best, which may be fewer. Default 500.
	MaxRounds int
	// Patience ends a trial's training after so many rounds without a better score.
	// Default 30; negative: never.
	Patience int
	// Threads are those of one trial: cores divided by the trials that run at once.
	// Default 1.
	Threads int
	// Folder is where the best trial's model is kept, a file for each study; see
	// [Task.Path]. It is made if need be. Default: models are not kept, and [Task.Best]
	// fits anew.
	Folder string
	// Data says how the frame was read; it is kept with the model.
	Data *forecast.CSV
}

// Config returns the configuration of a study of the task.
func (t *Task) Config(s sampler.Sampler, p pruner.Pruner) study.Config {
	m := t.Backtest.Metrics()[0]
	direction := trial.Minimize
	if m.Maximize() {
		direction = trial.Maximize
	}
	return study.Config{Sampler: s, Pruner: p, Space: t.space(), Directions: []trial.Direction{direction}, Metrics: []string{m.Name()}}
}

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

// Validate reports what makes it impossible to begin: wrapping [ErrSpace], a
// hyperparameter of the space that the family has not, one that is both searched and
// fixed, bounds of the space that make no forecaster; wrapping [ErrScore], a metric
// that has no value on the data, as MAPE where all truths are 0.
func (t *Task) Validate() error {
	if t.Backtest == nil || t.Family == nil {
		return fmt.Errorf("%w: a task needs a Backtest and a Family", ErrSpace)
	}
	var perfect forecast.Result
	for _, fold := range t.Backtest.Folds() {
		perfect.Folds = append(perfect.Folds, forecast.FoldResult{Forecast: fold.Test})
	}
	if m := t.Backtest.Metrics()[0]; math.IsNaN(m.Score(t.Backtest.Samples(perfect)...)) {
		return fmt.Errorf("%w: %s has no value on these data, not even for a perfect forecast: take another metric", ErrScore, m.Name())
	}
	for _, a := range t.space() {
		if _, fixed := t.Fixed.Get(a.Name); fixed {
			return fmt.Errorf("%w: %s is fixed and searched: remove it from one of the two", ErrSpace, a.Name)
		}
	}
	for _, high := range []bool{false, true} {
		settings := t.space().Corner(t.Fixed, high)
		if _, err := t.Family.New(settings); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrSpace, t.Family.Name(), err)
		}
	}
	return nil
}

// fingerprint tells tasks apart whose scores do not compare.
func (t *Task) fingerprint() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s|%s|%s", t.Family.Name(), t.Backtest.Metrics()[0].Name(), modelfile.Settings(t.Fixed))
	for _, f := range t.Backtest.Folds() {
		fmt.Fprintf(h, "|%d %d", f.Origin.UnixNano(), f.Gap)
		for _, s := range f.Test {
			fmt.Fprintf(h, " %q %d", s.ID, s.Len())
		}
	}
	for _, s := range t.Backtest.Frame() {
		fmt.Fprintf(h, "|%q %d %s %x", s.ID, s.Start.UnixNano(), s.Freq, s.Y)
		for _, c := range slices.Concat(s.Past, s.Known) {
			fmt.Fprintf(h, " %q %x", c.Name, c.Values)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Optimize is [study.Study.Optimize] of the task, and keeps the model of the best
// trial. A model that cannot be kept is a warning to the run's observer. It fails as
// [Task.Validate] does, and with [ErrStudy] if the study was begun on other data, by
// another backtest or metric, or with other settings fixed.
func (t *Task) Optimize(ctx context.Context, st *study.Study, run study.Run) error {
	if err := t.Validate(); err != nil {
		return err
	}
	attrs, err := st.Attrs(ctx)
	if err != nil {
		return err
	}
	now := t.fingerprint()
	var then string
	if a, ok := attrs.Get(TaskKey); !ok {
		err = st.SetAttr(ctx, TaskKey, now)
	} else if err = a.Decode(&then); err == nil && then != now {
		err = fmt.Errorf("%w: %q was begun on other data, by another backtest or metric, or with other settings fixed: take another name", ErrStudy, st.Name())
	}
	if err != nil {
		return err
	}
	if t.Folder == "" {
		return st.Optimize(ctx, t, run)
	}
	if err := os.MkdirAll(t.Folder, 0o755); err != nil {
		return fmt.Errorf("tune: %w", err)
	}
	k := &keeper{Task: t, study: st.Name(), warn: run.Observer.Warn, staged: map[int]Model{}}
	run.Observer = study.Tee(k.observer(), run.Observer)
	return st.Optimize(ctx, k, run)
}

// withRounds returns the settings with another number of rounds, where there is one.
func (t *Task) withRounds(settings space.Settings, n int) space.Settings {
	name := t.Family.Rounds()
	if name == "" || n == 0 {
		return settings
	}
	others := slices.DeleteFunc(slices.Clone(settings), func(s space.Setting) bool { return s.Name == name })
	return append(others, space.Setting{Name: name, Value: space.Lit(n)})
}

// Evaluate implements [study.Objective].
func (t *Task) Evaluate(ctx context.Context, tr *study.Trial) ([]float64, error) {
	m, err := t.evaluate(ctx, tr)
	if err != nil {
		return nil, err
	}
	return []float64{m.Value}, tr.Err()
}

// evaluate returns the model of a trial.
func (t *Task) evaluate(ctx context.Context, tr *study.Trial) (Model, error) {
	begin := time.Now()
	settings := slices.Clone(t.Fixed)
	for _, a := range t.space() {
		if a.Exists(settings) {
			settings = append(settings, space.Setting{Name: a.Name, Value: a.Distribution.Decode(tr.Suggest(a))})
		}
	}
	if err := tr.Err(); err != nil {
		return Model{}, err
	}
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
	fit := forecast.FitOptions{Seed: tr.Seed(), Threads: t.Threads}
	learned, err := t.Backtest.Learn(ctx, t.Family.Name(), func() forecast.Forecaster {
		f, _ := t.Family.New(training) // which worked above
		return f
	}, forecast.LearnOptions{Fit: fit, Patience: max(0, patience), Last: t.Family.Rounds() == "", OnRound: func(r forecast.Round) error {
		return tr.Report(ctx, r.Step, r.Scores[0])
	}})
	if err != nil {
		return Model{}, err
	}
	value := learned.Result.Scores[0]
	if math.IsNaN(value) {
		return Model{}, fmt.Errorf("%w: %s is NaN %v: take another metric", ErrScore, t.Backtest.Metrics()[0].Name(), learned.Result.Warnings)
	}
	rounds := learned.Rounds
	if n, ok := training.Get(t.Family.Rounds()); ok && rounds == 0 { // no curve: as many as were trained
		n, _ := n.Any().(int64)
		rounds = int(n)
	}
	model, err := t.fit(ctx, settings, rounds, fit)
	if err != nil {
		return Model{}, err
	}
	within, err := forecast.InSample(ctx, model.Forecaster, t.Backtest.Frame(), t.Backtest.Horizon(), 50)
	if err != nil {
		return Model{}, err
	}
	for _, m := range []forecast.Metric{forecast.MAPE, forecast.RMSE, forecast.MAE} {
		tr.SetAttr("valid_"+m.Name(), m.Score(t.Backtest.Samples(learned.Result)...))
		tr.SetAttr("train_"+m.Name(), m.Score(within...))
	}
	if rounds > 0 {
		tr.SetAttr(RoundsKey, rounds)
	}
	tr.SetAttr(SettingsKey, modelfile.Settings(model.Settings))
	tr.SetAttr(SecondsKey, math.Round(1000*time.Since(begin).Seconds())/1000)
	model.Trial, model.Value = tr.Number(), value
	return model, nil
}

// fit fits a forecaster to all of the data.
func (t *Task) fit(ctx context.Context, settings space.Settings, rounds int, opts forecast.FitOptions) (Model, error) {
	settings = t.withRounds(settings, rounds)
	f, err := t.Family.New(settings)
	if err != nil {
		return Model{}, err
	}
	opts.Horizon = t.Backtest.Horizon()
	if err := f.Fit(ctx, t.Backtest.Frame(), opts); err != nil {
		return Model{}, err
	}
	return Model{Family: t.Family.Name(), Settings: settings, Seed: opts.Seed, Horizon: opts.Horizon,
		Metric: t.Backtest.Metrics()[0].Name(), Data: t.Data, Forecaster: f}, nil
}

// A keeper is a task in a run, and keeps the model of the best trial.
type keeper struct {
	*Task
	study string
	warn  func(error) // may be nil

	mu     sync.Mutex
	staged map[int]Model // of trials that looked like the best, by number, until they are told
	begun  bool          // there is a best
	best   float64       // its value
}

// Evaluate implements [study.Objective].
func (k *keeper) Evaluate(ctx context.Context, tr *study.Trial) ([]float64, error) {
	m, err := k.evaluate(ctx, tr)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.begun || k.Backtest.Metrics()[0].Better(m.Value, k.best) {
		k.begun, k.best = true, m.Value
		k.staged[m.Trial] = m
	}
	return []float64{m.Value}, tr.Err()
}

// observer writes the model of a trial that has become the best.
func (k *keeper) observer() study.Observer {
	return study.Observer{
		Begin: func(_ int, h trial.Snapshot) {
			if best, ok := h.Best(); ok {
				k.begun, k.best = true, best.Values[0]
			}
		},
		Finish: func(r trial.Record, h trial.Snapshot) {
			k.mu.Lock()
			m, staged := k.staged[r.Number]
			delete(k.staged, r.Number)
			k.mu.Unlock()
			if best, ok := h.Best(); !ok || best.Number != r.Number || !staged {
				return
			}
			m.Study = k.study
			if err := m.WriteFile(k.Path(k.study)); err != nil && k.warn != nil {
				k.warn(err)
			}
		},
	}
}
