package table

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/internal/csvfile"
	"github.com/attune-hpo/attune/objective/model"
	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tree/native"
	"github.com/attune-hpo/attune/objective/tree/style"
	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// Attributes of a trial. It also has valid_NAME and train_NAME for each metric of the
// task's kind whose score is a number: the score of the folds, and that of the model on
// all rows, to which it is fitted.
const (
	RoundsKey  = "rounds"         // rounds of the model; a round has one tree, one per class, or an epoch
	ErrorKey   = "standard_error" // of the trial's value, by leaving out one fold in turn; none with fewer than 3
	SecondsKey = model.SecondsKey // duration of the trial: "seconds"
	// SettingsKey holds all hyperparameters of the model: those searched, those fixed and
	// the number of rounds. A training job needs nothing else; see [Settings].
	SettingsKey = model.SettingsKey // "settings"
)

// Settings returns all hyperparameters of the model of a trial, with which another
// program trains the same model: those searched, those fixed and the number of rounds. ok
// is false for a trial that was not evaluated by a Task, or did not complete.
func Settings(r trial.Record) (settings space.Settings, ok bool) { return model.Settings(r) }

// A Task tunes a style of models on a table. The value of a trial is the metric of
// the predictions of all folds. Table and Style are required. Its methods are safe for
// concurrent use; do not change its fields once they are in use.
//
// The style and the target determine what the models predict: anomaly scores with
// [style.IsolationForest], otherwise probabilities if the target has classes, otherwise
// scores of a ranking if the metric is [NDCG], otherwise numbers. Models of classes are trained on cross entropy. Models of numbers are trained on
// the squared error, or on the quantile loss if the metric is [Pinball], unless the
// hyperparameter objective selects another. Boosted trees that rank are trained on
// [engine.LambdaRank]; other models that rank learn the grades as numbers.
type Task struct {
	Table  Table
	Style  Style
	Engine engine.Engine // engine of trees; default [native.Engine]
	Metric Metric        // default the first of [Metrics]
	Splits Splits

	// Space is the space to search. By default it is that of the Style without the
	// hyperparameters in Fixed, with leaves of at most a tenth of the rows, and with samples
	// of at most all rows.
	Space space.Space
	Fixed space.Settings // hyperparameters that are not searched
	// MaxRounds is the maximum number of boosting rounds. If Space or Fixed contain the
	// number of rounds, that is used for all models instead. Default 500.
	MaxRounds int
	// Patience ends a trial's boosting after this many rounds without a better score.
	// Default 30; negative: never.
	Patience int
	// Threads is the number of threads of one trial. Use the number of cores divided by the
	// number of concurrent trials. Default 1.
	Threads int
	// Folder is the folder that keeps the best trial's model, in the file that
	// [model.Path] returns. It is created if it does not exist. Default: models are not
	// kept, and [Task.Best] refits.
	Folder string

	once    sync.Once
	folds   []foldData
	invalid error // the error that once found
}

// Kind returns what the task's models predict.
func (t *Task) Kind() Kind {
	switch {
	case t.Style.Name() == style.IsolationForest.Name():
		return Anomalies
	case t.Table.Target.Categories != nil:
		return Classification
	case t.Metric.m.Ranks() > 0:
		return Ranking
	}
	return Regression
}

// metric returns the metric that trials are judged by.
func (t *Task) metric() Metric {
	if t.Metric == (Metric{}) {
		return kinds[t.Kind()][0]
	}
	return t.Metric
}

// task returns the generic task.
func (t *Task) task() model.Task[Model] {
	return model.Task[Model]{Kind: kind{t}, Fixed: t.Fixed, Folder: t.Folder}
}

// A kind is a Task in the form of a [model.Kind].
type kind struct{ *Task }

func (k kind) Name() string                     { return k.Style.Name() }
func (k kind) Metric() model.Metric             { return k.metric() }
func (k kind) Space() space.Space               { return k.space() }
func (k kind) Origin(m Model) model.Origin      { return m.Origin }
func (k kind) Write(m Model, path string) error { return m.WriteFile(path) }
func (k kind) Read(path string) (Model, error)  { return ReadFile(path) }

// Facts are the splits and a fingerprint of the table.
func (k kind) Facts() []model.Fact {
	s := k.Splits
	if s.Folds == 0 {
		s.Folds = 5
	}
	if s.Holdout != 0 {
		s.Folds = 1
	}
	return []model.Fact{
		{Name: "folds", Value: s.Folds}, {Name: "holdout", Value: s.Holdout}, {Name: "ordered", Value: s.Ordered}, {Name: "seed of the folds", Value: s.Seed},
		{Name: "data", Value: model.Fingerprint(k.Table.fingerprint())},
	}
}

// Config returns the configuration of a study of the task.
func (t *Task) Config(s sampler.Sampler, p pruner.Pruner) study.Config { return t.task().Config(s, p) }

func (t *Task) space() space.Space {
	if t.Space != nil {
		return t.Space
	}
	most := map[string]int{"max_samples": t.Table.Rows(), "min_data_in_leaf": t.Table.Rows() / 10, "min_samples_leaf": t.Table.Rows() / 10}
	var free space.Space
	for _, a := range t.Style.Space() {
		if _, fixed := t.Fixed.Get(a.Name); fixed {
			continue
		}
		d, whole := a.Distribution.(space.IntDistribution)
		if high, ok := most[a.Name]; ok && whole {
			d.High = max(d.Low, min(d.High, high))
			a.Distribution = d
		}
		free = append(free, a)
	}
	return free
}

// rounds returns the name of the hyperparameter for the number of trees or epochs, or "".
func (t *Task) rounds() string {
	for _, name := range []string{"num_iterations", "num_boost_round", "iterations", "n_estimators", "epochs"} {
		if slices.Contains(t.Style.Names(), name) {
			return name
		}
	}
	return ""
}

// params converts settings to the parameters of training trees.
func (t *Task) params(s style.Style, settings space.Settings) (engine.Params, error) {
	p, err := s.Params(settings)
	if err != nil {
		return p, err
	}
	objective, chosen := settings.Get("objective")
	switch m := t.metric(); t.Kind() {
	case Classification:
		loss, classes := engine.Logistic, 0
		if n := len(t.Table.Target.Categories); n > 2 {
			loss, classes = engine.Softmax, n
		}
		if chosen && p.Loss != loss {
			return p, fmt.Errorf("%w: objective %s with a target of %d classes: leave it out", ErrConfig, objective, len(t.Table.Target.Categories))
		}
		p.Loss, p.Classes = loss, classes
	case Ranking:
		if p.Method == engine.Boosting && !chosen {
			p.Loss = engine.LambdaRank
		}
	case Regression:
		if m.m.IsPinball() && !chosen {
			p.Loss, p.Quantile = engine.Quantile, m.m.Quantile()
		}
	}
	return p, nil
}

// Validate reports why the task cannot begin, wrapping [ErrTable], [ErrConstant],
// [ErrShort] or [ErrConfig]: an invalid table, a metric that does not fit the target,
// impossible splits, a hyperparameter of the space that the style lacks or that is also
// fixed, or bounds of the space for which no model can be trained.
func (t *Task) Validate() error {
	if err := t.prepare(); err != nil {
		return err
	}
	err := t.task().Validate(func(settings space.Settings) error {
		of, err := t.trainer(settings, 0, true)
		if err != nil {
			return err
		}
		return of.check(t.folds[0].train)
	})
	if err != nil {
		return fault.Mark(pkg.Errorf("%w", err), ErrConfig)
	}
	return nil
}

// prepare makes the folds.
func (t *Task) prepare() error {
	t.once.Do(func() { t.folds, t.invalid = t.parted() })
	return t.invalid
}

func (t *Task) parted() ([]foldData, error) {
	if t.Style == nil || t.Style.Name() == "" {
		return nil, pkg.Errorf("%w: a task needs a style", ErrConfig)
	}
	if err := t.Table.Validate(); err != nil {
		return nil, err
	}
	m, kind, target := t.metric(), t.Kind(), t.Table.Target
	switch {
	case target.Values == nil:
		return nil, pkg.Errorf("%w: there is no target to score predictions by: name the column", ErrConfig)
	case kind == Anomalies && target.Categories == nil && !t.Table.binary():
		return nil, pkg.Errorf("%w: target %q of an isolation forest must be 1 for anomalies and 0 for the rest", ErrConfig, target.Name)
	case kind == Anomalies && target.Categories != nil && len(target.Categories) != 2:
		return nil, pkg.Errorf("%w: target %q of an isolation forest has %d classes, want 2, the second being anomalies", ErrConfig, target.Name, len(target.Categories))
	case kind == Regression && !m.goes(kind) && (m.goes(Classification)):
		return nil, pkg.Errorf("%w: metric %s is for classes, but target %q has numbers: %w", ErrConfig, m.Name(), target.Name, setClasses)
	case kind == Ranking && t.Table.Group == nil:
		return nil, pkg.Errorf("%w: metric %s ranks the rows of each group, and there are no groups: %w", ErrConfig, m.Name(), setGroups)
	case kind == Ranking && t.Table.ungraded() >= 0:
		row := t.Table.ungraded()
		return nil, pkg.Errorf("%w: target %q, row %d: %v is not a grade, a whole number from 0 to %d", ErrConfig, target.Name, row, target.Values[row], engine.MaxGrade)
	case !m.goes(kind):
		return nil, pkg.Errorf("%w: metric %s does not go with %s", ErrConfig, m.Name(), kind)
	}
	folds, err := t.Splits.Split(t.Table)
	if err != nil {
		return nil, err
	}
	out := make([]foldData, len(folds))
	for i, f := range folds {
		valid := t.Table.Take(f.Valid)
		out[i] = foldData{
			train: t.lesson(t.Table.Take(f.Train)), valid: valid.dataset(false),
			truth: valid.Target.Values, weight: ones(valid.Weight, len(f.Valid)), group: valid.Group,
		}
		out[i].valid.Weight = nil
	}
	return out, nil
}

// lesson returns a table as a dataset to learn from.
func (t *Task) lesson(rows Table) engine.Dataset {
	if t.Kind() != Ranking || rows.Group == nil {
		return rows.dataset(t.Kind() != Anomalies)
	}
	order := make([]int, rows.Rows())
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rows.Group[a], rows.Group[b]) })
	rows = rows.Take(order)
	d := rows.dataset(true)
	d.Query = rows.Group
	return d
}

// ungraded returns the first row whose target is not a grade, or -1.
func (t Table) ungraded() int {
	return slices.IndexFunc(t.Target.Values, func(y float64) bool { return !(y >= 0 && y <= engine.MaxGrade && y == math.Trunc(y)) })
}

// ones returns the weights of n rows.
func ones(weight []float64, n int) []float64 {
	if weight != nil {
		return weight
	}
	return slices.Repeat([]float64{1}, n)
}

// Optimize runs [study.Study.Optimize] on the task, and keeps the model of the best
// trial. If a model cannot be kept, the study's observer gets a warning. Optimize fails
// like [Task.Validate], and with [ErrStudy] if the study was begun with another table,
// metric or style, or with other folds or fixed settings.
func (t *Task) Optimize(ctx context.Context, st *study.Study, run study.Run) error {
	if err := t.Validate(); err != nil {
		return err
	}
	return t.task().Optimize(ctx, st, run)
}

// Train evaluates a trial and returns its model, which has the trial's value. It is for
// programs that ask and tell themselves. Unlike [Task.Optimize], it does not check the
// study's task and keeps nothing. Errors are those of [Task.Validate] and of the engine,
// and [ErrScore] for a score that is NaN.
func (t *Task) Train(ctx context.Context, tr *study.Trial) (Model, error) {
	if err := t.prepare(); err != nil {
		return Model{}, err
	}
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
	of, err := t.trainer(settings, h.Seed, true)
	if err != nil {
		return Model{}, pkg.Errorf("%w", err)
	}
	learned, err := t.learn(ctx, of, func(round int, score float64) error { return tr.Report(ctx, round, score) })
	if err != nil {
		return Model{}, err
	}
	if h.Value = learned.score; math.IsNaN(h.Value) {
		return Model{}, pkg.Errorf("%w: %s is NaN: use another metric", ErrScore, t.metric().Name())
	}
	if _, chosen := settings.Get(t.rounds()); !chosen && learned.rounds > 0 && t.rounds() != "" {
		h.Settings = append(h.Settings, space.Setting{Name: t.rounds(), Value: space.Lit(learned.rounds)})
	}
	m, err := t.Fit(ctx, h)
	if err != nil {
		return Model{}, err
	}
	within, err := body{m.Trees, m.Graph}.predict(t.Table.dataset(false))
	if err != nil {
		return Model{}, err
	}
	var folds []*foldData
	for i := range t.folds {
		folds = append(folds, &t.folds[i])
	}
	for _, m := range kinds[t.Kind()] {
		for name, score := range map[string]float64{
			"valid_": score(m, folds, learned.predicted),
			"train_": m.ScoreGroups(t.Table.Target.Values, within, t.Table.Weight, t.Table.Group),
		} {
			if !math.IsNaN(score) {
				tr.SetAttr(name+m.Name(), score)
			}
		}
	}
	if learned.rounds > 0 {
		tr.SetAttr(RoundsKey, learned.rounds)
	}
	if e := t.standardError(learned); !math.IsNaN(e) {
		tr.SetAttr(ErrorKey, e)
	}
	return m, nil
}

// standardError returns the standard error of a score: by the jackknife, which leaves one fold
// out in turn. It is NaN with fewer than three folds.
func (t *Task) standardError(c curve) float64 {
	k := len(t.folds)
	if k < 3 {
		return math.NaN()
	}
	outputs, all := 0, 0
	for _, f := range t.folds {
		all += len(f.truth)
	}
	outputs = len(c.predicted) / all
	scores, mean := make([]float64, k), 0.0
	for left := range k {
		var folds []*foldData
		var predicted []float64
		at := 0
		for i := range t.folds {
			to := at + len(t.folds[i].truth)*outputs
			if i != left {
				folds, predicted = append(folds, &t.folds[i]), append(predicted, c.predicted[at:to]...)
			}
			at = to
		}
		scores[left] = score(t.metric(), folds, predicted)
		mean += scores[left] / float64(k)
	}
	sum := 0.0
	for _, s := range scores {
		sum += (s - mean) * (s - mean)
	}
	return math.Sqrt(sum * float64(k-1) / float64(k))
}

// learn trains in all folds.
func (t *Task) learn(ctx context.Context, of trainer, onRound func(int, float64) error) (curve, error) {
	l := learner{trainer: of, metric: t.metric(), last: !of.curve, folds: t.folds, onRound: onRound}
	if of.curve {
		if l.patience = max(0, t.Patience); t.Patience == 0 {
			l.patience = 30
		}
	}
	c, err := l.run(ctx, max(1, t.Threads))
	if !of.curve { // a library may grow a forest in a single round
		c.rounds = of.rounds
	}
	return c, err
}

func (t *Task) engine() engine.Engine {
	if t.Engine == nil {
		return native.Engine{}
	}
	return t.Engine
}

// Fit fits a model to all rows with the given hyperparameters, in addition to those in
// Fixed; the rest have the style's defaults. It needs no study, and for anomaly scores no
// target. Errors are those of [Task.Validate] and of the engine.
func (t *Task) Fit(ctx context.Context, settings space.Settings, seed uint64) (Model, error) {
	if t.Style == nil || t.Style.Name() == "" {
		return Model{}, pkg.Errorf("fit: %w: a task needs a style", ErrConfig)
	}
	if err := t.Table.Validate(); err != nil {
		return Model{}, err
	}
	if t.Table.Target.Values == nil && t.Kind() != Anomalies {
		return Model{}, pkg.Errorf("fit: %w: no target to learn: name the column", ErrConfig)
	}
	return kind{t}.Fit(ctx, model.Origin{Settings: slices.Concat(t.Fixed, settings), Seed: seed, Metric: t.metric().Name()})
}

// Fit fits a model to all rows.
func (t kind) Fit(ctx context.Context, h model.Origin) (Model, error) {
	of, err := t.trainer(h.Settings, h.Seed, false)
	if err != nil {
		return Model{}, pkg.Errorf("fit: %w", err)
	}
	fitted, err := of.fit(ctx, t.lesson(t.Table), engine.Dataset{}, max(1, t.Threads), nil)
	if err != nil {
		return Model{}, pkg.Errorf("fit: %w", err)
	}
	m := Model{Origin: h, Kind: t.Kind(), Style: t.Style.Name(), Trees: fitted.trees, Graph: fitted.graph, Target: t.Table.Target.Name, NA: t.Table.NA, Comma: t.Table.Comma}
	if m.NA == nil {
		m.NA = csvfile.NA
	}
	if m.Kind == Classification {
		m.Classes = t.Table.Target.Categories
	}
	for _, c := range t.Table.Columns {
		m.Features = append(m.Features, Feature{c.Name, c.Categories})
	}
	return m, m.compile()
}
