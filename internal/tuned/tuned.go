// Package tuned is what the tasks that tune models have in common, whatever the models:
// the hyperparameters of a trial, the model of the best one, and its file.
package tuned

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// Attributes of a trial.
const (
	SecondsKey  = "seconds"  // what it took
	SettingsKey = "settings" // all hyperparameters of its model
)

// TaskKey is an attribute of a study: a fingerprint of its task.
const TaskKey = "task"

// SettingsOf returns all hyperparameters of a trial's model, if it tells them.
func SettingsOf(r trial.Record) (settings space.Settings, ok bool) {
	a, ok := r.Attrs.Get(SettingsKey)
	return settings, ok && a.Decode((*Settings)(&settings)) == nil
}

// A Task tunes models of type M, each of a trial.
type Task[M any] struct {
	Package string // that errors are of
	Name    string // of the kind of model
	Metric  Metric
	Space   space.Space    // to search
	Fixed   space.Settings // hyperparameters that are not searched
	Folder  string         // where the best model is kept; empty: nowhere
	Foreign error          // which errors of Optimize wrap where the study is of another task

	// Data writes what else values depend on: the data and their folds.
	Data func(io.Writer)

	// Train evaluates a trial with the settings and the seed of h. The model it returns is
	// fitted to all of the data, and has the trial's value and number of rounds.
	Train func(ctx context.Context, tr *study.Trial, h Header) (M, error)
	// Fit fits a model as h says to all of the data.
	Fit    func(ctx context.Context, h Header) (M, error)
	Header func(M) Header
	Read   func(path string) (M, error)
	Write  func(m M, path string) error
}

// A Metric is what a task compares trials by.
type Metric interface {
	Name() string
	Maximize() bool
	Better(a, b float64) bool
}

// Config returns the configuration of a study of the task.
func (t Task[M]) Config(s sampler.Sampler, p pruner.Pruner) study.Config {
	direction := trial.Minimize
	if t.Metric.Maximize() {
		direction = trial.Maximize
	}
	return study.Config{Sampler: s, Pruner: p, Space: t.Space, Directions: []trial.Direction{direction}, Metrics: []string{t.Metric.Name()}}
}

// Validate reports a hyperparameter that is both searched and fixed, and what try says of
// the corners of the space.
func (t Task[M]) Validate(try func(space.Settings) error) error {
	for _, a := range t.Space {
		if _, fixed := t.Fixed.Get(a.Name); fixed {
			return fmt.Errorf("%s is fixed and searched: remove it from one of the two", a.Name)
		}
	}
	for _, high := range []bool{false, true} {
		if err := try(t.Space.Corner(t.Fixed, high)); err != nil {
			return err
		}
	}
	return nil
}

// Evaluate is that of [study.Objective].
func (t Task[M]) Evaluate(ctx context.Context, tr *study.Trial) ([]float64, error) {
	m, err := t.evaluate(ctx, "", tr)
	if err != nil {
		return nil, err
	}
	return []float64{t.Header(m).Value}, nil
}

func (t Task[M]) evaluate(ctx context.Context, study string, tr *study.Trial) (m M, err error) {
	begin := time.Now()
	settings := slices.Clone(t.Fixed)
	for _, a := range t.Space {
		if a.Exists(settings) {
			settings = append(settings, space.Setting{Name: a.Name, Value: a.Distribution.Decode(tr.Suggest(a))})
		}
	}
	if err := tr.Err(); err != nil {
		return m, err
	}
	m, err = t.Train(ctx, tr, Header{Settings: Settings(settings), Seed: tr.Seed(), Study: study, Trial: tr.Number()})
	if err != nil {
		return m, err
	}
	tr.SetAttr(SettingsKey, t.Header(m).Settings)
	tr.SetAttr(SecondsKey, math.Round(1000*time.Since(begin).Seconds())/1000)
	return m, tr.Err()
}

// claim makes a study one of the task, unless it is one of another.
func (t Task[M]) claim(ctx context.Context, st *study.Study) error {
	attrs, err := st.Attrs(ctx)
	if err != nil {
		return err
	}
	h := sha256.New()
	fixed, _ := Settings(t.Fixed).MarshalJSON()
	fmt.Fprintf(h, "%s|%s|%s", t.Name, t.Metric.Name(), fixed)
	t.Data(h)
	now := hex.EncodeToString(h.Sum(nil)[:8])
	a, begun := attrs.Get(TaskKey)
	if !begun {
		return st.SetAttr(ctx, TaskKey, now)
	}
	var then string
	if err := a.Decode(&then); err != nil || then == now {
		return err
	}
	return fmt.Errorf("%w: %q was begun on other data or folds, with another metric, kind of model, or other settings fixed: take another name", t.Foreign, st.Name())
}

// Optimize is [study.Study.Optimize] of the task, and keeps the model of the best
// trial. A model that cannot be kept is a warning to the study's observer.
func (t Task[M]) Optimize(ctx context.Context, st *study.Study, run study.Run) error {
	if err := t.claim(ctx, st); err != nil {
		return err
	}
	if t.Folder == "" {
		return st.Optimize(ctx, t, run)
	}
	if err := t.folder(); err != nil {
		return err
	}
	k := &keeper[M]{Task: t, study: st.Name(), staged: map[int]M{}}
	h, err := st.Snapshot(ctx)
	if err != nil {
		return err
	}
	if best, ok := h.Best(); ok {
		k.begun, k.best = true, best.Values[0]
	}
	return st.Optimize(ctx, k, run)
}

// A keeper is a task in a run, and keeps the model of the best trial: a
// [study.Finisher].
type keeper[M any] struct {
	Task[M]
	study string

	mu     sync.Mutex
	staged map[int]M // of trials that looked like the best, by number, until they are told
	begun  bool      // there is a best
	best   float64   // its value
}

// Evaluate implements [study.Objective].
func (k *keeper[M]) Evaluate(ctx context.Context, tr *study.Trial) ([]float64, error) {
	m, err := k.evaluate(ctx, k.study, tr)
	if err != nil {
		return nil, err
	}
	value := k.Header(m).Value
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.begun || k.Metric.Better(value, k.best) {
		k.begun, k.best = true, value
		k.staged[tr.Number()] = m
	}
	return []float64{value}, nil
}

// Finished implements [study.Finisher]: it writes the model of a trial that has
// become the best.
func (k *keeper[M]) Finished(_ context.Context, r trial.Record, h trial.Snapshot) error {
	k.mu.Lock()
	m, staged := k.staged[r.Number]
	delete(k.staged, r.Number)
	k.mu.Unlock()
	if best, ok := h.Best(); !ok || best.Number != r.Number || !staged {
		return nil
	}
	return k.Write(m, Path(k.Folder, k.study))
}

// Best returns the [Task.Model] of the study's best trial. It fails as
// [study.Study.Best] does.
func (t Task[M]) Best(ctx context.Context, st study.Reader) (m M, err error) {
	best, err := st.Best(ctx)
	if err != nil {
		return m, err
	}
	return t.Model(ctx, st, best)
}

// Model returns the model of a complete trial: the study's, as it was kept, or if that is
// missing, unreadable or of another trial, one that is fitted anew and kept in its place. A
// model that could not be kept comes with an error.
func (t Task[M]) Model(ctx context.Context, st study.Reader, r trial.Record) (m M, err error) {
	path := Path(t.Folder, st.Name())
	if t.Folder != "" {
		if m, err := t.Read(path); err == nil && t.Header(m).Of(st, r) {
			return m, nil
		}
	}
	m, err = t.Refit(ctx, st, r)
	if err != nil || t.Folder == "" {
		return m, err
	}
	if err := t.folder(); err != nil {
		return m, err
	}
	return m, t.Write(m, path)
}

func (t Task[M]) folder() error {
	if err := os.MkdirAll(t.Folder, 0o755); err != nil {
		return fmt.Errorf("%s: %w", t.Package, err)
	}
	return nil
}

// Refit fits the model of a complete trial to all of the data, with the trial's
// hyperparameters, seed and number of rounds: the same model that the trial had. A trial
// that does not tell its settings, as one that was added from elsewhere, is fitted with
// its parameters and what is fixed, and as many rounds as are usual.
func (t Task[M]) Refit(ctx context.Context, st study.Reader, r trial.Record) (M, error) {
	settings, ok := SettingsOf(r)
	if !ok {
		settings = slices.Concat(t.Fixed, r.Params.Settings())
	}
	h := Header{Settings: Settings(settings), Seed: st.TrialSeed(r.Number), Study: st.Name(), Trial: r.Number}
	if len(r.Values) > 0 {
		h.Value = r.Values[0]
	}
	m, err := t.Fit(ctx, h)
	if err != nil {
		return m, fmt.Errorf("%s: refit trial %d: %w", t.Package, r.Number, err)
	}
	return m, nil
}
