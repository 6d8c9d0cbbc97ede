// Package model makes studies of models of any kind. The trials train models, and the
// model of the best trial is kept in a file beside the study.
//
// A [Kind] says how one kind of model is trained, fitted, written and read. A [Task] turns
// it into an objective that a study can optimize:
//
//	task := model.Task[polynomial]{Kind: polynomials{x, y}, Folder: "poly.models"}
//	st, err := study.Open(ctx, sqlite.File("poly.db"), "poly", task.Config(tpe.New(tpe.Config{}), nil))
//	err = task.Optimize(ctx, st, study.Run{Trials: 50})
//	best, err := task.Best(ctx, st)
//
// attune has two kinds of models: forecasters, in objective/tune, and models of
// plain tables, in objective/table. Each has its own Task, built on this one.
//
// Scores are only comparable within one task. So a study records its task in the attribute [RecordKey]: the kind, the
// metric, the fixed hyperparameters, and what else the values depend on, each a [Fact]. [Task.Optimize] refuses a study
// of another task with a [Conflict], which says how the tasks differ.
package model

import (
	"context"
	"encoding/json"
	"fmt"
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
	SecondsKey  = "seconds"  // duration of the trial, a number
	SettingsKey = "settings" // all hyperparameters of its model, a JSON object; see [Settings]
)

// Settings returns all hyperparameters of a trial's model: those that were searched, those
// that were fixed, and those that training found, such as the number of rounds. ok is
// false for a trial that is not complete, or was not evaluated by a [Task].
func Settings(r trial.Record) (all space.Settings, ok bool) {
	a, ok := r.Attrs.Get(SettingsKey)
	return all, ok && a.Decode((*settings)(&all)) == nil
}

// A Kind is a kind of model, with the data that it learns from and the way it is judged.
// M is the type of its models. Its methods may be called concurrently.
type Kind[M any] interface {
	// Name is the name of the kind, such as lightgbm or lstm.
	Name() string
	// Metric is the metric by which trials are compared.
	Metric() Metric
	// Space is the space to search. It has no hyperparameter that the task has fixed.
	Space() space.Space
	// Facts are what the values of trials depend on, apart from the name, the metric and
	// the hyperparameters: the data, and how they are split. It is called once per run.
	Facts() []Fact
	// Train evaluates a trial with the settings and the seed of o. It may report to t, and
	// return the error of that. It returns the model fitted to all of the data. The model's
	// origin is o with the value of the trial, and with Settings that include what training
	// found.
	Train(ctx context.Context, t *study.Trial, o Origin) (M, error)
	// Fit fits a model to all of the data with the settings and the seed of o, which
	// becomes its origin. It makes the same model that Train made for the trial.
	Fit(ctx context.Context, o Origin) (M, error)
	// Origin returns the origin of a model.
	Origin(m M) Origin
	// Write writes a model to a file, and Read reads it. Read fails for a file that is
	// damaged or truncated; [Seal] and [Unseal] ensure this.
	Write(m M, path string) error
	Read(path string) (M, error)
}

// A Shower is a [Kind] that has more to show of the best trials.
type Shower[M any] interface {
	// Shown returns attributes for the trial of a model that is the best of its study so far:
	// those that are too large for every trial.
	Shown(m M) trial.Attrs
}

// A Metric compares the values of trials.
type Metric interface {
	Name() string
	Maximize() bool // greater is better
	Better(a, b float64) bool
}

// An Origin says which trial a model comes from.
type Origin struct {
	Settings space.Settings // all hyperparameters that differ from their defaults
	Seed     uint64         // seed of training
	Study    string         // may be empty
	Trial    int            // its number in the study
	Metric   string         // metric that was optimized
	Value    float64        // value of the trial
}

// Of reports whether a model comes from a complete trial r of a study.
func (o Origin) Of(st study.Reader, r trial.Record) bool {
	return o.Study == st.Name() && o.Trial == r.Number && o.Seed == st.TrialSeed(r.Number) && o.Value == r.Values[0]
}

// A Task is a search for the best model of a kind. It is not a [study.Objective], because
// [Task.Optimize] must first check that a study belongs to the task. Its methods are safe
// for concurrent use.
type Task[M any] struct {
	Kind  Kind[M]
	Fixed space.Settings // hyperparameters that are not searched
	// Folder is the folder that keeps the best model, in the file that [Path] returns. It
	// is created if it does not exist. Default: models are not kept, and [Task.Best] refits.
	Folder string
}

// Config returns the configuration of a study of the task.
func (t Task[M]) Config(s sampler.Sampler, p pruner.Pruner) study.Config {
	direction, m := trial.Minimize, t.Kind.Metric()
	if m.Maximize() {
		direction = trial.Maximize
	}
	return study.Config{Sampler: s, Pruner: p, Space: t.Kind.Space(), Directions: []trial.Direction{direction}, Metrics: []string{m.Name()}}
}

// Validate reports a hyperparameter that is both searched and fixed, and any error of try
// at two corners of the space: all parameters at their minimum, and all at their maximum.
func (t Task[M]) Validate(try func(space.Settings) error) error {
	searched := t.Kind.Space()
	for _, a := range searched {
		if _, fixed := t.Fixed.Get(a.Name); fixed {
			return fmt.Errorf("%s is fixed and searched: remove it from one of the two", a.Name)
		}
	}
	for _, high := range []bool{false, true} {
		if err := try(searched.Corner(t.Fixed, high)); err != nil {
			return err
		}
	}
	return nil
}

// Train evaluates a trial and returns its model, whose origin has the trial's value. It is
// for programs that ask and tell themselves. Unlike Optimize, it does not check the study's
// task and keeps nothing.
func (t Task[M]) Train(ctx context.Context, tr *study.Trial) (M, error) { return t.train(ctx, "", tr) }

func (t Task[M]) train(ctx context.Context, study string, tr *study.Trial) (m M, err error) {
	begin := time.Now()
	all := slices.Clone(t.Fixed)
	for _, a := range t.Kind.Space() {
		if a.Exists(all) {
			all = append(all, space.Setting{Name: a.Name, Value: a.Distribution.Decode(tr.Suggest(a))})
		}
	}
	if err := tr.Err(); err != nil {
		return m, err
	}
	m, err = t.Kind.Train(ctx, tr, Origin{Settings: all, Seed: tr.Seed(), Study: study, Trial: tr.Number(), Metric: t.Kind.Metric().Name()})
	if err != nil {
		return m, err
	}
	tr.SetAttr(SettingsKey, settings(t.Kind.Origin(m).Settings))
	tr.SetAttr(SecondsKey, math.Round(1000*time.Since(begin).Seconds())/1000)
	return m, tr.Err()
}

// Optimize runs [study.Study.Optimize] on the task, and keeps the model of the best trial.
// If a model cannot be kept, the study's observer gets a warning. If the study has no
// record, Optimize writes that of the task. It fails like [Task.Agree].
func (t Task[M]) Optimize(ctx context.Context, st *study.Study, run study.Run) error {
	if err := t.claim(ctx, st); err != nil {
		return err
	}
	k := &keeper[M]{Task: t, study: st.Name(), staged: map[int]M{}}
	if t.Folder != "" {
		if err := t.folder(); err != nil {
			return err
		}
	}
	h, err := st.Snapshot(ctx)
	if err != nil {
		return err
	}
	if best, ok := h.Best(); ok {
		k.begun, k.best = true, best.Values[0]
	}
	return st.Optimize(ctx, k, run)
}

// A keeper is a task during a run. It is a [study.Objective], and a [study.Finisher] that
// keeps the model of the best trial.
type keeper[M any] struct {
	Task[M]
	study string

	mu     sync.Mutex
	staged map[int]M // models of trials that looked like the best, by trial number, until these are told
	begun  bool      // there is a best trial
	best   float64   // its value
}

// Evaluate implements [study.Objective].
func (k *keeper[M]) Evaluate(ctx context.Context, tr *study.Trial) ([]float64, error) {
	m, err := k.train(ctx, k.study, tr)
	if err != nil {
		return nil, err
	}
	value := k.Kind.Origin(m).Value
	if !k.leads(tr.Number(), value, m) {
		return []float64{value}, nil
	}
	if s, ok := k.Kind.(Shower[M]); ok {
		for _, a := range s.Shown(m) {
			tr.SetAttr(a.Key, json.RawMessage(a.JSON))
		}
	}
	return []float64{value}, tr.Err()
}

// leads reports whether a trial is the best so far. Then its model is staged.
func (k *keeper[M]) leads(number int, value float64, m M) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.begun && !k.Kind.Metric().Better(value, k.best) {
		return false
	}
	k.begun, k.best = true, value
	if k.Folder != "" {
		k.staged[number] = m
	}
	return true
}

// Finished implements [study.Finisher]. If the trial has become the best, it writes the
// trial's model.
func (k *keeper[M]) Finished(_ context.Context, r trial.Record, h trial.Snapshot) error {
	k.mu.Lock()
	m, staged := k.staged[r.Number]
	delete(k.staged, r.Number)
	k.mu.Unlock()
	if best, ok := h.Best(); !ok || best.Number != r.Number || !staged {
		return nil
	}
	return k.Kind.Write(m, Path(k.Folder, k.study))
}

// Best returns the [Task.Model] of the study's best trial. It fails like [study.View.Best].
func (t Task[M]) Best(ctx context.Context, st study.Reader) (m M, err error) {
	best, err := st.Best(ctx)
	if err != nil {
		return m, err
	}
	return t.Model(ctx, st, best)
}

// Model returns the model of a complete trial. It reads the study's file. If the file is
// missing, unreadable or from another trial, Model fits the model again and replaces the
// file. If the model cannot be kept, Model returns it together with an error.
func (t Task[M]) Model(ctx context.Context, st study.Reader, r trial.Record) (m M, err error) {
	path := Path(t.Folder, st.Name())
	if t.Folder != "" {
		if m, err := t.Kind.Read(path); err == nil && t.Kind.Origin(m).Of(st, r) {
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
	return m, t.Kind.Write(m, path)
}

func (t Task[M]) folder() error {
	if err := os.MkdirAll(t.Folder, 0o755); err != nil {
		return pkg.Errorf("folder of the models: %w", err)
	}
	return nil
}

// Refit fits the model of a complete trial to all of the data, with the trial's
// hyperparameters and seed. The result is the same model that the trial had. A trial
// without [Settings], such as one added from elsewhere, is fitted with its parameters
// and the fixed hyperparameters.
func (t Task[M]) Refit(ctx context.Context, st study.Reader, r trial.Record) (M, error) {
	all, ok := Settings(r)
	if !ok {
		all = slices.Concat(t.Fixed, r.Params.Settings())
	}
	o := Origin{Settings: all, Seed: st.TrialSeed(r.Number), Study: st.Name(), Trial: r.Number, Metric: t.Kind.Metric().Name()}
	if len(r.Values) > 0 {
		o.Value = r.Values[0]
	}
	m, err := t.Kind.Fit(ctx, o)
	if err != nil {
		return m, pkg.Errorf("refit trial %d: %w", r.Number, err)
	}
	return m, nil
}
