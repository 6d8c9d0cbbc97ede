package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/internal/csvfile"
	"github.com/attune-hpo/attune/objective/dense"
	"github.com/attune-hpo/attune/objective/model"
	"github.com/attune-hpo/attune/objective/table"
	"github.com/attune-hpo/attune/objective/tree/style"
	"github.com/attune-hpo/attune/objective/treeforecast"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/spaceyaml"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/study"
)

// forecastTask is the value of --task for series.
const forecastTask = "forecast"

// tableTasks are the other values of --task, with the models to tune if none are named.
var tableTasks = choices[[]string]{
	{"regression", predictors},
	{"binary", predictors},
	{"multiclass", predictors},
	{"ranking", predictors},
	{"anomaly", []string{"isolation_forest"}},
}

// predictors are the models of tables with numbers or classes to predict.
var predictors = []string{"linear", "lightgbm", "xgboost", "catboost", "random_forest", "mlp"}

// tableStyles are the models of tables.
var tableStyles = choices[table.Style]{
	{"linear", dense.Linear},
	{"lightgbm", style.LightGBM},
	{"xgboost", style.XGBoost},
	{"catboost", style.CatBoost},
	{"random_forest", style.RandomForest},
	{"mlp", dense.MLP},
	{"isolation_forest", style.IsolationForest},
}

// tableFlags are the flags that only tables have.
type tableFlags struct {
	task        string
	folds       int
	group       string
	weight      string
	positive    string
	ignore      []string
	categorical []string
	na          []string
}

func (t *tableFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	names := append([]string{forecastTask}, tableTasks.names()...)
	f.StringVar(&t.task, "task", forecastTask, "`kind` of answer: "+strings.Join(names, ", ")+"; all but forecast are for plain tables, in which a row is an example")
	complete(cmd, "task", names...)
	f.IntVar(&t.folds, "folds", 5, "tables: `number` of folds of the cross-validation")
	f.StringVar(&t.group, "group", "", "tables: `column` that says which rows belong together, such as those of a patient: no fold splits them; for --task ranking, the rows that are ranked together, such as the answers to a query")
	f.StringVar(&t.weight, "weight", "", "tables: `column` with the weight of each row")
	f.StringVar(&t.positive, "positive", "", "tables: the `class` that means an anomaly or, of two classes, the one whose probability is predicted (default: the second)")
	f.StringSliceVar(&t.ignore, "ignore", nil, "tables: `columns` to ignore")
	f.StringSliceVar(&t.categorical, "categorical", nil, "tables: `columns` of numbers that are names of categories; texts always are")
	f.StringSliceVar(&t.na, "na", nil, "tables: `texts` that mean a missing value (default: an empty one, NA, NaN, null, ? and the like)")
}

// onlySeries and onlyTables are the flags that one of the two has.
var (
	onlySeries = []string{"horizon", "windows", "step", "ends", "id", "past", "known", "static", "join", "freq", "layout", "fill", "sort", "ensemble", "device"}
	onlyTables = []string{"folds", "group", "weight", "positive", "ignore", "categorical", "na"}
)

// A tableSource says where a table is and how to read it. Studies store it.
type tableSource struct {
	File        string   `json:"file"` // absolute
	Target      string   `json:"target"`
	Classes     bool     `json:"classes,omitempty"`
	Positive    string   `json:"positive,omitempty"`
	Ignore      []string `json:"ignore,omitempty"`
	Categorical []string `json:"categorical,omitempty"`
	Weight      string   `json:"weight,omitempty"`
	Group       string   `json:"group,omitempty"`
	Time        string   `json:"time,omitempty"`
	NA          []string `json:"na,omitempty"`
}

// read reads the table.
func (s tableSource) read() (table.Table, error) {
	return table.CSV{Target: s.Target, Classes: s.Classes, Positive: s.Positive, Ignore: s.Ignore, Categorical: s.Categorical,
		Weight: s.Weight, Group: s.Group, Time: s.Time, NA: s.NA, Open: openData}.ReadFile(s.File)
}

// A tableSession is a run of the command on a table.
type tableSession struct {
	*session
	job   tableJob
	all   table.Table // all rows
	tuned table.Table // the rows that the tuning sees
	test  table.Table // the others; no rows if there are none
	tasks []*tablePlan
}

// A tablePlan is the tuning of one model.
type tablePlan struct {
	plan
	job  tableJob
	task *table.Task
}

// checkTable fails for errors in the flags alone.
func (o *optimize) checkTable() error {
	defaults, err := tableTasks.get("task", o.table.task)
	if err != nil {
		return oneOf("task", o.table.task, append([]string{forecastTask}, tableTasks.names()...))
	}
	for _, flag := range onlySeries {
		if o.given(flag) {
			return fmt.Errorf("--%s is for series: leave it out, or leave out --task %s", flag, o.table.task)
		}
	}
	if !o.given("models") {
		o.models = defaults
	}
	for _, name := range o.models {
		if _, err := tableStyles.get("models", name); err != nil {
			return err
		}
		if (name == style.IsolationForest.Name()) != (o.table.task == "anomaly") {
			return fmt.Errorf("--models %s: it does not go with --task %s: want %s", name, o.table.task, strings.Join(defaults, ", "))
		}
	}
	if o.given("metric") {
		m, err := table.ParseMetric(o.metric)
		if goes := metricNames(o.table.task); err != nil || !slices.Contains(goes, m.Name()) && !(o.table.task == "regression" && strings.HasPrefix(m.Name(), "pinball@")) && !(o.table.task == "ranking" && strings.HasPrefix(m.Name(), "ndcg@")) {
			switch o.table.task {
			case "regression":
				goes = append(goes, "pinball@Q")
			case "ranking":
				goes = append(goes, "ndcg@K")
			}
			return badMetric(o.metric, goes)
		}
		o.metric = m.Name()
	} else {
		o.metric = metricNames(o.table.task)[0]
	}
	if o.table.folds < 2 || o.table.folds > 100 {
		return fmt.Errorf("--folds %d: want 2 to 100", o.table.folds)
	}
	if o.data.File == "" {
		return errors.New("which table? Name it with --data FILE --target COLUMN")
	}
	return nil
}

// metricNames are the metrics of a task; the first is the default.
func metricNames(task string) []string {
	kind := map[string]table.Kind{"regression": table.Regression, "ranking": table.Ranking, "anomaly": table.Anomalies}[task]
	if kind == "" {
		kind = table.Classification
	}
	var names []string
	for _, m := range table.Metrics(kind) {
		names = append(names, m.Name())
	}
	return names
}

// runTable is run for a table.
func (o *optimize) runTable(ctx context.Context, stdout, stderr io.Writer) error {
	s, err := o.prepareTable(ctx, stderr)
	if s != nil {
		defer s.closeTable()
	}
	if err != nil {
		return err
	}
	if o.printing {
		if len(s.tasks) > 1 {
			return fmt.Errorf("--print-space: which model? Choose one with --models: %s", strings.Join(o.models, ", "))
		}
		return spaceyaml.Write(stdout, s.tasks[0].task.Config(random.Sampler{}, nil).Space)
	}
	if s.configured, err = s.configuration(); err != nil {
		return err
	}
	if o.file.printing {
		_, err := io.WriteString(stdout, s.configured)
		return err
	}
	r, err := s.tuneTable(ctx)
	if err != nil {
		return err
	}
	failed := cmp.Or(r.finish(ctx, s), s.lost)
	return o.conclude(ctx, stdout, r, failed)
}

// prepareTable plans the studies. It finds all errors in flags and data before anything is
// started or written. The caller must close the session, even after an error.
func (o *optimize) prepareTable(ctx context.Context, stderr io.Writer) (*tableSession, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	from := tableSource{File: o.data.File, Target: o.data.Target, Classes: o.table.task == "binary" || o.table.task == "multiclass", Positive: o.table.positive,
		Ignore: o.table.ignore, Categorical: o.table.categorical, Weight: o.table.weight, Group: o.table.group, Time: o.data.Time, NA: o.table.na}
	if o.table.task == "anomaly" && from.Positive != "" {
		from.Classes = true
	}
	if from.Target == "" {
		return nil, o.noTarget()
	}
	all, err := from.read()
	if err != nil {
		return nil, err
	}
	s := &tableSession{session: &session{optimize: o, stderr: stderr, store: newStore(o.storage)}, all: all, tuned: all}
	if err := s.fits(); err != nil {
		return s, fmt.Errorf("%s: %w", o.data.File, err)
	}
	if err := s.live.connect(o.mlflow, s.warn); err != nil {
		return s, err
	}
	s.job = tableJob{Version: 1, Task: o.table.task, Data: from, Span: spanOf(all), MaxRounds: o.rounds, Patience: o.patience, Metric: o.metric, Folds: o.table.folds}
	if s.job.Data.File, err = kept(from.File); err != nil {
		return s, err
	}
	if err := s.holdOut(); err != nil {
		return s, fmt.Errorf("%s: %w", o.data.File, err)
	}
	for _, name := range o.models {
		p, err := s.planTable(name)
		if err != nil {
			return s, err
		}
		s.tasks = append(s.tasks, p)
		if err := s.possible(p); err != nil {
			return s, err
		}
		if err := s.resumeTable(ctx, p); err != nil {
			return s, err
		}
	}
	return s, nil
}

// noTarget asks for the target, with the names of the columns.
func (o *optimize) noTarget() error {
	f, err := openData(o.data.File)
	if err != nil {
		return fmt.Errorf("%s: %w", o.data.File, err)
	}
	defer f.Close()
	in, err := csvfile.NewReader(f, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", o.data.File, err)
	}
	what := "predict"
	if o.table.task == "anomaly" {
		what = "judge anomalies by: 1 for anomalies and 0 for the rest, or two classes"
	}
	return fmt.Errorf("%s: which column to %s? Name it with --target: there are %s", o.data.File, what, csvfile.Names(in.Header))
}

// fits fails if the target does not fit the task.
func (s *tableSession) fits() error {
	target := s.all.Target
	switch n := len(target.Categories); {
	case s.table.task == "ranking" && n > 0:
		return fmt.Errorf("--task ranking: the target %q has texts, such as %q: want grades, whole numbers from 0, greater for better rows", target.Name, target.Categories[0])
	case s.table.task == "regression" && n > 0:
		return fmt.Errorf("--task regression: the target %q has texts, such as %q: use --task binary or multiclass", target.Name, target.Categories[0])
	case s.table.task == "binary" && n != 2:
		return fmt.Errorf("--task binary: the target %q has %d classes, want 2: use --task multiclass, or regression for numbers", target.Name, n)
	}
	return nil
}

// spanOf describes a table: "442 rows, 10 features (2 categorical)".
func spanOf(t table.Table) string {
	categorical, gaps := 0, 0
	for _, c := range t.Columns {
		if c.Categories != nil {
			categorical++
		}
		for _, v := range c.Values {
			if math.IsNaN(v) {
				gaps++
			}
		}
	}
	text := fmt.Sprintf("%s, %s", plural(t.Rows(), "row"), plural(len(t.Columns), "feature"))
	if categorical > 0 {
		text += fmt.Sprintf(", %d of them categorical", categorical)
	}
	if gaps > 0 {
		text += fmt.Sprintf(", %s missing", plural(gaps, "value"))
	}
	return text
}

// fewestToTest is the number of rows from which some are held out by default.
const fewestToTest = 100

// holdOut separates the rows to test on: by default a fifth, if there are enough.
func (s *tableSession) holdOut() error {
	n, test := s.all.Rows(), s.optimize.test
	if !s.given("test") {
		if n < fewestToTest {
			s.adapted = append(s.adapted, fmt.Sprintf("no rows are held out to test on: there are only %d", n))
		} else {
			test = n / 5
		}
	}
	if test == 0 {
		return nil
	}
	if test > n*9/10 {
		return fmt.Errorf("--test %d: there are only %d rows: want at most %d", test, n, n*9/10)
	}
	s.job.Test = test
	var err error
	if s.tuned, s.test, err = s.job.part(s.all); err == nil {
		s.job.KeptBack = fingerprint(s.test)
	}
	return err
}

// planTable returns the plan of a model.
func (s *tableSession) planTable(name string) (*tablePlan, error) {
	of, err := tableStyles.get("models", name)
	if err != nil {
		return nil, err
	}
	p := &tablePlan{job: s.job}
	p.name = s.study(name)
	p.job.Model = name
	if p.space, _, err = s.space(name); err != nil {
		return nil, err
	}
	if p.job.Patience == 0 {
		if p.job.Patience = 30; name == dense.MLP.Name() {
			p.job.Patience = 10
		}
	}
	if p.job.Fixed, err = s.settings(name); err != nil {
		return nil, err
	}
	if trees, ok := of.(style.Style); ok {
		engine := s.engine
		if name == style.IsolationForest.Name() && engine == autoEngine {
			engine = nativeEngine
		}
		if s.job.Task == "ranking" && name != style.LightGBM.Name() { // only LightGBM and the native engine rank
			switch engine {
			case autoEngine:
				engine = nativeEngine
			case style.XGBoost.Name(), style.CatBoost.Name():
				return nil, fmt.Errorf("--engine %s trains no rankings here: use --engine %s", engine, nativeEngine)
			}
		}
		f, used, err := newTrees(trees, engine)
		if err != nil {
			return nil, err
		}
		p.job.Engine, p.trees = used, f.Engine
	}
	folder := tunedFolder(s.storage)
	if s.job.Test == 0 {
		folder = modelsFolder(s.storage)
	}
	p.task = p.job.task(s.tuned, p.trees, s.threads(s.workers))
	p.task.Space, p.task.Folder = p.space, folder
	return p, nil
}

// possible fails if the model cannot be trained on the table.
func (s *tableSession) possible(p *tablePlan) error {
	err := p.task.Validate()
	if !errors.Is(err, style.ErrSetting) && !errors.Is(err, dense.ErrSetting) {
		if err != nil {
			err = fmt.Errorf("%s: %s: %w", s.data.File, p.job.Model, err)
		}
		return err
	}
	return s.blame(&p.plan, p.job.Fixed, p.job.Model, err, func(fixed space.Settings, own space.Space) error {
		j := p.job
		j.Fixed = fixed
		t := j.task(s.tuned, p.trees, 1)
		t.Space = own
		return t.Validate()
	})
}

// newTrees returns a family of trees, for its engine, and the engine's name.
func newTrees(s style.Style, engine string) (treeforecast.Family, string, error) {
	f, used, err := trees(s)(how{engine: engine})
	if err != nil {
		return treeforecast.Family{}, "", err
	}
	return f.(treeforecast.Family), used, nil
}

// resumeTable opens the study of a plan, if it exists, and fails if it belongs to another job.
func (s *tableSession) resumeTable(ctx context.Context, p *tablePlan) error {
	config := s.config(p.task)
	if err := s.warmStart(ctx, p.name, &config); err != nil {
		return err
	}
	config.Directions, config.Metrics = nil, nil // agree compares them
	st, err := study.Load(ctx, s.store, p.name, config)
	switch {
	case errors.Is(err, storage.ErrNotExist):
		p.fresh = true
		return nil
	case err != nil:
		return err
	}
	p.study = st
	if s.given("seed") && st.Seed() != s.seed {
		return differ(p.name, "--seed", st.Seed(), s.seed)
	}
	return p.agree(ctx)
}

// agree fails if the plan's study belongs to another job. The plan is fresh if the study has
// no job yet.
func (p *tablePlan) agree(ctx context.Context) error {
	attrs, err := p.study.Attrs(ctx)
	if err != nil {
		return err
	}
	was, err := readTableJob(attrs)
	if errors.Is(err, errNotJob) {
		h, err := p.study.Snapshot(ctx)
		if err == nil && h.Len() > 0 {
			err = fmt.Errorf("study %q was %w for a table and has trials: use another --name", p.name, errNotJob)
		}
		p.fresh = true
		return err
	}
	if err != nil {
		return fmt.Errorf("study %q: %w", p.name, err)
	}
	for _, d := range []struct {
		flag    string
		was, is any
	}{
		{"--task", was.Task, p.job.Task},
		{"--target", was.Data.Target, p.job.Data.Target},
		{"--test", was.Test, p.job.Test},
		{"--engine", was.Engine, p.job.Engine},
		{"--max-rounds", was.MaxRounds, p.job.MaxRounds},
		{"--patience", was.Patience, p.job.Patience},
	} {
		if d.was != d.is {
			return differ(p.name, d.flag, d.was, d.is)
		}
	}
	conflict := new(model.Conflict)
	if _, err := p.task.Agree(p.name, attrs); errors.As(err, &conflict) {
		flags := map[string]string{"kind": "the model", "metric": "--metric", "fixed": "--fixed", "folds": "--folds", "ordered": "--time"}
		if flag, ok := flags[conflict.Fact]; ok {
			return differ(p.name, flag, strings.Trim(conflict.Was, `"`), strings.Trim(conflict.Is, `"`))
		}
	} else if err != nil {
		return err
	}
	if conflict.Fact != "" || was.KeptBack != p.job.KeptBack {
		return fmt.Errorf("study %q was made with different data (%s; now %s): their scores are not comparable: use another --name", p.name, was.Span, p.job.Span)
	}
	return nil
}

// closeTable closes the studies.
func (s *tableSession) closeTable() {
	for _, p := range s.tasks {
		s.plans = append(s.plans, &p.plan)
	}
	s.close()
}

// tuneTable runs all studies. It fails if no model has a complete trial.
func (s *tableSession) tuneTable(ctx context.Context) (*tableReport, error) {
	if err := s.folders(); err != nil {
		return nil, err
	}
	r := &tableReport{job: s.job, storage: shown(s.storage), notes: s.adapted, tested: s.test.Rows()}
	s.say("%s: %s by %s, %s", s.data.File, s.job.Data.Target, s.job.Task, s.job.Span)
	for _, n := range s.adapted {
		s.say("%s", n)
	}
	left := s.timeout
	var missing error
	for i, p := range s.tasks {
		share, begun := portion(left, len(s.tasks)-i), time.Now()
		if s.timeout == 0 {
			share = 0 // no limit
		}
		row, err := s.oneTable(ctx, p, share)
		left = after(left, share, time.Since(begun))
		if err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			r.notes = append(r.notes, plain(err))
			missing = errors.Join(missing, err)
			continue
		}
		r.rows = append(r.rows, row)
	}
	if len(r.rows) == 0 {
		return nil, missing
	}
	return r, nil
}

// oneTable runs the study of a plan until it has all trials.
func (s *tableSession) oneTable(ctx context.Context, p *tablePlan, timeout time.Duration) (tableRow, error) {
	if p.study == nil {
		config := s.config(p.task)
		config.Seed = s.seed
		err := s.warmStart(ctx, p.name, &config)
		if err != nil {
			return tableRow{}, err
		}
		if p.study, err = study.Open(ctx, s.store, p.name, config); err != nil {
			return tableRow{}, err
		}
		if err := p.agree(ctx); err != nil { // another process may have written it first
			return tableRow{}, err
		}
	}
	if p.fresh {
		if err := p.study.SetAttr(ctx, model.RecordKey, p.task.Record()); err != nil {
			return tableRow{}, err
		}
		if err := p.study.SetAttr(ctx, tableKey, p.job); err != nil {
			return tableRow{}, err
		}
	}
	if err := s.keepConfig(ctx, p.study); err != nil {
		return tableRow{}, err
	}
	ended, err := s.run(ctx, &p.plan, p.task, timeout)
	if err != nil {
		return tableRow{}, err
	}
	r, err := newTableRow(ctx, p)
	if err != nil {
		if ended != nil {
			err = ended
		}
		return r, err
	}
	if ended != nil {
		if r.ended = ended; s.lost == nil {
			s.warn(ended)
		}
	}
	if h, err := p.study.Snapshot(ctx); err == nil && timeout > 0 && ended == nil && !s.settled(h) {
		r.notMade = max(0, s.total(p.task)-h.Evaluated())
	}
	return r, nil
}

// takesTable reports whether a model of tables can have a setting.
func takesTable(model string, x space.Setting) bool {
	of, err := tableStyles.get("models", model)
	must(err) // it has been checked
	return slices.Contains(of.Names(), x.Name)
}
