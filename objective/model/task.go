// Package model makes studies of models of any kind: the trials train models, and the
// model of the best trial is kept in a file beside the study.
//
// A [Kind] says how one kind of model is trained, fitted, written and read. A [Task] makes
// of it what [study.Study.Optimize] runs:
//
//	task := model.Task[polynomial]{Kind: polynomials{x, y}, Folder: "poly.models"}
//	st, err := study.Open(ctx, sqlite.File("poly.db"), "poly", task.Config(tpe.New(tpe.Config{}), nil))
//	err = task.Optimize(ctx, st, study.Run{Trials: 50})
//	best, err := task.Best(ctx, st)
//
// The kinds that attune has are forecasters, in objective/tune, and tree ensembles for
// plain tables, in objective/table. Both have a Task of their own, which is made of this
// one.
//
// Scores compare only within one task. A study therefore notes what it was begun on, in
// the attribute [RecordKey]: the kind, the metric, what is fixed, and the [Fact]s of the
// kind. [Task.Optimize] refuses a study that was begun on something else, and the
// [Conflict] says in what they differ.
package model

import (
	"context"
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
	SecondsKey  = "seconds"  // how long the trial took, a number
	SettingsKey = "settings" // all hyperparameters of its model, a JSON object; see [Settings]
)

// Settings returns all hyperparameters of a trial's model: those that were searched, those
// that were fixed and those that training found, such as the number of rounds. It is not
// ok for a trial that is not complete, or that no [Task] has evaluated.
func Settings(r trial.Record) (all space.Settings, ok bool) {
	a, ok := r.Attrs.Get(SettingsKey)
	return all, ok && a.Decode((*settings)(&all)) == nil
}

// A Kind is a kind of model, with the data it learns from and how it is judged. M is the
// type of its models. Its methods may be called at the same time.
type Kind[M any] interface {
	// Name is the name of the kind: lightgbm, lstm.
	Name() string
	// Metric is what trials are compared by.
	Metric() Metric
	// Space is what to search: no hyperparameter that the task has fixed.
	Space() space.Space
	// Facts are what the values of trials depend on besides the name, the metric and the
	// hyperparameters: the data, and how they are split. It is called once a run.
	Facts() []Fact
	// Train evaluates a trial with the settings and the seed of o. It may report to t, and
	// return what that returns. The model is fitted to all of the data, and its origin is
	// o with the value of the trial and, in Settings, what training found.
	Train(ctx context.Context, t *study.Trial, o Origin) (M, error)
	// Fit fits a model to all of the data with the settings and the seed of o, which is its
	// origin. It makes the same model as Train did for a trial.
	Fit(ctx context.Context, o Origin) (M, error)
	// Origin returns where a model comes from.
	Origin(m M) Origin
	// Write writes a model to a file, and Read reads it. Read fails for a file that is
	// damaged or cut short; [Seal] and [Unseal] see to that.
	Write(m M, path string) error
	Read(path string) (M, error)
}

// A Metric compares the values of trials.
type Metric interface {
	Name() string
	Maximize() bool // greater is better
	Better(a, b float64) bool
}

// An Origin says where a model comes from.
type Origin struct {
	Settings space.Settings // all hyperparameters that do not have their defaults
	Seed     uint64         // of training
	Study    string         // may be empty
	Trial    int            // its number in the study
	Metric   string         // that was optimised
	Value    float64        // of the trial
}

// Of reports whether a model is that of a complete trial of a study.
func (o Origin) Of(st study.Reader, r trial.Record) bool {
	return o.Study == st.Name() && o.Trial == r.Number && o.Seed == st.TrialSeed(r.Number) && o.Value == r.Values[0]
}

// A Task is a search for the best model of a kind. It is no [study.Objective]: a study is
// begun and gone on with by [Task.Optimize], which checks that it is one of the task. Its
// methods are safe for concurrent use.
type Task[M any] struct {
	Kind  Kind[M]
	Fixed space.Settings // hyperparameters that are not searched
	// Folder is where the best model is kept, in the file that [Path] returns. It is made
	// if it does not exist. Default: models are not kept, and [Task.Best] fits anew.
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

// Validate reports a hyperparameter that is both searched and fixed, and what try says of
// the corners of the space: the least of all that is searched, and the most.
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
// for programs that ask and tell for themselves; it does not look whose study it is, and
// keeps nothing. Optimize does all of that.
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

// Optimize is [study.Study.Optimize] of the task, and keeps the model of the best trial. A
// model that cannot be kept is a warning to the study's observer. A study without a record
// gets that of the task. Optimize fails as [Task.Agree] does.
func (t Task[M]) Optimize(ctx context.Context, st *study.Study, run study.Run) error {
	if err := t.claim(ctx, st); err != nil {
		return err
	}
	k := &keeper[M]{Task: t, study: st.Name(), staged: map[int]M{}}
	if t.Folder != "" {
		if err := t.folder(); err != nil {
			return err
		}
		h, err := st.Snapshot(ctx)
		if err != nil {
			return err
		}
		if best, ok := h.Best(); ok {
			k.begun, k.best = true, best.Values[0]
		}
	}
	return st.Optimize(ctx, k, run)
}

// A keeper is a task in a run: a [study.Objective] and a [study.Finisher], which keeps the
// model of the best trial.
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
	m, err := k.train(ctx, k.study, tr)
	if err != nil {
		return nil, err
	}
	value := k.Kind.Origin(m).Value
	if k.Folder == "" {
		return []float64{value}, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.begun || k.Kind.Metric().Better(value, k.best) {
		k.begun, k.best = true, value
		k.staged[tr.Number()] = m
	}
	return []float64{value}, nil
}

// Finished implements [study.Finisher]: it writes the model of a trial that has become the
// best.
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

// Best returns the [Task.Model] of the study's best trial. It fails as
// [study.Study.Best] does.
func (t Task[M]) Best(ctx context.Context, st study.Reader) (m M, err error) {
	best, err := st.Best(ctx)
	if err != nil {
		return m, err
	}
	return t.Model(ctx, st, best)
}

// Model returns the model of a complete trial: the one in the study's file or, if that is
// missing, unreadable or of another trial, one that is fitted anew and takes its place. A
// model that could not be kept comes with an error.
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
// hyperparameters and seed: the same model that the trial had. A trial without
// [Settings], such as one that was added from elsewhere, is fitted with its parameters
// and what is fixed.
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
