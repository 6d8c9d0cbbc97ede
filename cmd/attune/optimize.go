package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/treeforecast"
	"github.com/attune-hpo/attune/progress"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/spaceyaml"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// optimize is the command of that name.
type optimize struct {
	data     source
	models   []string
	trials   int
	metric   string
	storage  string
	name     string
	horizon  int
	windows  int
	step     int
	test     int
	workers  int
	timeout  time.Duration
	seed     uint64
	sampler  string
	pruner   string
	engine   string
	spaces   []string
	fixed    []string
	rounds   int
	patience int
	grace    time.Duration
	quiet    bool
	json     bool

	stderr *os.File
}

func optimizeCommand() *cobra.Command {
	var o optimize
	cmd := &cobra.Command{
		Use:   "optimize --data FILE --target COLUMN",
		Short: "Tune models on a series, compare them and keep the best",
		Long: `Optimize tunes models on the series of a CSV file: a study for each of them, whose
trials are scored by a backtest, forecasts of --horizon steps from --windows origins.
The last --test steps are cut off before: the tuning never sees them, and in the end
all models and baselines forecast them, as an honest estimate.

Studies are kept in --storage, models in the folder of that name with .models at its
end. The same command again resumes what was interrupted, by Ctrl-C or a crash, until
there are --trials in each study; with more --trials it goes on.

With one worker (--workers 1) the same seed gives the same trials.`,
		Example: `  attune optimize --data data/airpassengers.csv --target passengers
  attune optimize --data data/airpassengers.csv --target passengers --models lightgbm --trials 100 --metric mase
  attune optimize --data data/seattle-weather.csv --target temp_max --past precipitation,wind --horizon 14 --metric mae
  attune optimize --data data/co2.csv --target co2 --fill carry --horizon 13 --space lightgbm=space.yaml
  attune optimize --data data/sunspots.csv --target sunspots --metric mae --fixed transform=none --fixed lightgbm.num_leaves=15`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.stderr = os.Stderr
			return o.run(cmd)
		},
	}
	o.data.flags(cmd)
	f := cmd.Flags()
	f.StringSliceVar(&o.models, "models", []string{"lightgbm", "xgboost", "catboost", "random_forest"}, "models to tune: "+strings.Join(models.names(), ", "))
	f.IntVar(&o.trials, "trials", 50, "trials that each study is to have, those of earlier runs included; failed ones do not count")
	f.StringVar(&o.metric, "metric", "mape", "what is optimised: "+strings.Join(forecast.MetricNames(), ", "))
	f.StringVar(&o.storage, "storage", "attune.db", "SQLite `file` of the studies, made if need be")
	f.StringVar(&o.name, "name", "", "`prefix` of the studies' names: PREFIX/MODEL (default: data file and target)")
	f.IntVar(&o.horizon, "horizon", 0, "steps to forecast (default: a season, as 12 months or 7 days)")
	f.IntVar(&o.windows, "windows", 9, "origins of the backtest")
	f.IntVar(&o.step, "step", 0, "steps from one origin to the next (default: half of the horizon)")
	f.IntVar(&o.test, "test", -1, "steps at the end that are kept back for the comparison; 0 for none (default: the horizon)")
	f.Lookup("test").DefValue = "0" // the usage says what it is
	f.IntVar(&o.workers, "workers", runtime.GOMAXPROCS(0), "trials at once; each has its share of the cores")
	f.DurationVar(&o.timeout, "timeout", 0, "start no trial after so long in all, as in 10m; models have equal shares of it")
	f.Uint64Var(&o.seed, "seed", 0, "of all that is random")
	f.StringVar(&o.sampler, "sampler", samplers[0].name, "what proposes trials: "+strings.Join(samplers.names(), ", "))
	f.StringVar(&o.pruner, "pruner", pruners[0].name, "what stops bad trials early: "+strings.Join(pruners.names(), ", "))
	f.StringVar(&o.engine, "engine", nativeEngine, "what trains trees: "+strings.Join(engines.names(), ", ")+"; auto: a model's own library where it is installed")
	f.StringArrayVar(&o.spaces, "space", nil, "YAML `file` of what to search, in place of the model's own; with several models MODEL=FILE")
	f.StringArrayVar(&o.fixed, "fixed", nil, "hyperparameter that is not searched: `NAME=VALUE`, for one of several models MODEL.NAME=VALUE")
	f.IntVar(&o.rounds, "max-rounds", 500, "most trees of a boosted model; early stopping finds how many are best; networks search theirs")
	f.IntVar(&o.patience, "patience", 0, "rounds without a better score that end a training early; -1: never (default: 30 trees or 10 epochs)")
	f.DurationVar(&o.grace, "grace", 15*time.Second, "how long another process that works on the study may be silent before it is taken for dead")
	f.BoolVar(&o.quiet, "quiet", false, "show no progress")
	f.BoolVar(&o.json, "json", false, "write the comparison as JSON")
	complete(cmd, "models", models.names()...)
	complete(cmd, "metric", forecast.MetricNames()...)
	complete(cmd, "sampler", samplers.names()...)
	complete(cmd, "pruner", pruners.names()...)
	complete(cmd, "engine", append(engines.names(), autoEngine)...)
	f.SortFlags = false
	return cmd
}

func (o *optimize) run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	jobs, spaces, frame, err := o.prepare()
	if err != nil {
		return err
	}
	store := sqlite.File(o.storage)
	r := report{job: jobs[0], storage: o.storage, frame: frame}
	o.say("%s: %s by %s, %s", o.data.File, o.data.Target, frame[0].Freq, o.data.span(frame))
	end := time.Now().Add(o.timeout)
	for i, j := range jobs {
		share := time.Duration(0)
		if o.timeout > 0 {
			share = max(time.Nanosecond, time.Until(end)/time.Duration(len(jobs)-i))
		}
		row, err := o.one(ctx, store, j, spaces[i], frame, share)
		if err != nil {
			return err
		}
		r.models = append(r.models, row)
	}
	if err := r.compare(ctx, o.threads(1)); err != nil {
		return err
	}
	if o.json {
		return r.writeJSON(cmd.OutOrStdout())
	}
	return r.write(cmd.OutOrStdout())
}

// say tells what is going on.
func (o *optimize) say(format string, args ...any) {
	if !o.quiet {
		fmt.Fprintf(o.stderr, format+"\n", args...)
	}
}

// threads returns those of one of so many trials at once.
func (o *optimize) threads(trials int) int { return max(1, runtime.GOMAXPROCS(0)/trials) }

// prepare settles the jobs, one for each model, and what they search: nil for the
// model's own space. All that can be wrong with flags and data is found here.
func (o *optimize) prepare() ([]job, []space.Space, forecast.Frame, error) {
	fail := func(err error) ([]job, []space.Space, forecast.Frame, error) { return nil, nil, nil, err }
	metric, err := forecast.ParseMetric(o.metric)
	if err != nil {
		return fail(oneOf("metric", o.metric, forecast.MetricNames()))
	}
	if _, err := samplers.get("sampler", o.sampler); err != nil {
		return fail(err)
	}
	if _, err := pruners.get("pruner", o.pruner); err != nil {
		return fail(err)
	}
	for _, n := range []struct {
		flag  string
		value int
		least int
	}{{"trials", o.trials, 1}, {"windows", o.windows, 1}, {"workers", o.workers, 1}, {"horizon", o.horizon, 0}, {"step", o.step, 0}, {"test", o.test, -1}, {"patience", o.patience, -1}, {"max-rounds", o.rounds, 1}} {
		if n.value < n.least {
			return fail(fmt.Errorf("--%s %d: want at least %d", n.flag, n.value, n.least))
		}
	}
	if o.timeout < 0 {
		return fail(fmt.Errorf("--timeout %v: want a length above 0", o.timeout))
	}
	if len(o.models) == 0 {
		return fail(fmt.Errorf("--models: name at least one of %s", strings.Join(models.names(), ", ")))
	}
	if o.data.File == "" {
		return fail(errors.New("which series? Say it with --data FILE --target COLUMN"))
	}
	frame, err := o.data.read()
	if err != nil {
		return fail(err)
	}
	if o.horizon == 0 {
		o.horizon = defaultHorizon(frame[0].Freq)
	}
	if o.test < 0 {
		o.test = o.horizon
	}
	if o.step == 0 {
		o.step = (o.horizon + 1) / 2
	}
	if h := min(o.horizon, o.test); h > 0 && o.test%h != 0 {
		return fail(fmt.Errorf("--test %d: want a multiple of the horizon, %d, or no more than that", o.test, o.horizon))
	}
	base := job{Version: 1, Data: o.data, Span: o.data.span(frame), Fingerprint: fingerprint(frame), Metric: metric.Name(),
		Horizon: o.horizon, Windows: o.windows, Step: o.step, Test: o.test, MaxRounds: o.rounds, Patience: o.patience}
	if base.Data.File, err = filepath.Abs(o.data.File); err != nil {
		return fail(err)
	}
	back, err := base.tuning(frame)
	if err != nil {
		return fail(fmt.Errorf("%s: %w", o.data.File, err))
	}
	if o.name == "" {
		file := filepath.Base(o.data.File)
		o.name = strings.TrimSuffix(file, filepath.Ext(file)) + "-" + o.data.Target
	}
	var jobs []job
	var spaces []space.Space
	for i, name := range o.models {
		if slices.Contains(o.models[:i], name) {
			return fail(fmt.Errorf("--models: %s stands there twice", name))
		}
		j := base
		j.Model = name
		m, err := models.get("models", name)
		if err != nil {
			return fail(err)
		}
		family, engine, err := m.family(o.engine)
		if err != nil {
			return fail(err)
		}
		if j.Engine = engine; j.Patience == 0 {
			j.Patience = m.patience
		}
		if j.Fixed, err = o.settings(name); err != nil {
			return fail(err)
		}
		s, err := o.space(name)
		if err != nil {
			return fail(err)
		}
		task := j.task(back, family, "", 1)
		task.Space = s
		if err := task.Validate(); err != nil {
			return fail(fmt.Errorf("--fixed, --space: %w", err))
		}
		jobs, spaces = append(jobs, j), append(spaces, s)
	}
	return jobs, spaces, frame, nil
}

// defaultHorizon is a season, where there is one that a person would forecast.
func defaultHorizon(f forecast.Frequency) int {
	if season := f.Season(); season > 1 {
		return min(season, 60)
	}
	return 6
}

// settings returns the hyperparameters that a model has fixed.
func (o *optimize) settings(model string) (space.Settings, error) {
	var out space.Settings
	for _, text := range o.fixed {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" || value == "" {
			return nil, fmt.Errorf("--fixed %s: want NAME=VALUE, or MODEL.NAME=VALUE", text)
		}
		if of, rest, ok := strings.Cut(name, "."); ok {
			if !slices.Contains(o.models, of) {
				return nil, fmt.Errorf("--fixed %s: %s is none of the --models", text, of)
			}
			if of != model {
				continue
			}
			name = rest
		}
		if _, twice := out.Get(name); twice {
			return nil, fmt.Errorf("--fixed: %s is fixed twice", name)
		}
		l, err := space.ParseLiteral(value)
		if err != nil {
			l = space.Lit(value)
		}
		out = append(out, space.Setting{Name: name, Value: l})
	}
	return out, nil
}

// space returns the space that a model is to search, nil for its own.
func (o *optimize) space(model string) (space.Space, error) {
	var out space.Space
	for _, text := range o.spaces {
		of, file, ok := strings.Cut(text, "=")
		switch {
		case !ok && len(o.models) > 1:
			return nil, fmt.Errorf("--space %s: there are several models: say for which it is, MODEL=FILE", text)
		case !ok:
			of, file = model, text
		case !slices.Contains(o.models, of):
			return nil, fmt.Errorf("--space %s: %s is none of the --models", text, of)
		}
		if of != model {
			continue
		}
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("--space: %w", err)
		}
		defer f.Close()
		if out, err = spaceyaml.Read(f); err != nil {
			return nil, fmt.Errorf("--space %s: %w", file, err)
		}
	}
	return out, nil
}

// one runs the study of a job until it has all trials.
func (o *optimize) one(ctx context.Context, store *sqlite.Store, j job, s space.Space, frame forecast.Frame, timeout time.Duration) (row, error) {
	back, err := j.tuning(frame)
	if err != nil {
		return row{}, err
	}
	family, err := j.family()
	if err != nil {
		return row{}, err
	}
	if f, ok := family.(treeforecast.Family); ok {
		f.Cache = forecast.NewCache(tables(frame, j.Horizon))
		family = f
	}
	folder := tunedFolder(o.storage)
	if j.Test == 0 {
		folder = modelsFolder(o.storage)
	}
	task := j.task(back, family, folder, o.threads(o.workers))
	task.Space = s
	makeSampler, _ := samplers.get("sampler", o.sampler)
	pruner, _ := pruners.get("pruner", o.pruner)
	config := task.Config(makeSampler(), pruner)
	config.Seed, config.Grace = o.seed, o.grace
	name := o.name + "/" + j.Model
	st, err := study.Open(ctx, store, name, config)
	if err != nil {
		return row{}, err
	}
	defer st.Close()
	if err := settle(ctx, st, j); err != nil {
		return row{}, err
	}
	h, err := st.Snapshot(ctx)
	if err != nil {
		return row{}, err
	}
	switch done := h.Count(trial.Complete) + h.Count(trial.Pruned); {
	case done >= o.trials:
		o.say("%s: all of %d trials are there", name, done)
	case done > 0:
		o.say("%s: resuming: %d trials are there, %d to go", name, done, o.trials-done)
	default:
		o.say("%s: %d trials", name, o.trials)
	}
	if h.Count(trial.Complete)+h.Count(trial.Pruned) < o.trials {
		run := study.Run{Total: o.trials, Workers: o.workers, Timeout: timeout, Failures: 10,
			Fatal: func(err error) bool { return errors.Is(err, engine.ErrUnavailable) }}
		if o.quiet {
			run.Observer.Warn = func(err error) { fmt.Fprintf(o.stderr, "attune: warning: %v\n", err) }
		} else {
			run.Observer = progress.Bar(o.stderr)
		}
		err := task.Optimize(ctx, st, run)
		if ctx.Err() != nil {
			return row{}, fmt.Errorf("%w: %s keeps its trials: the same command goes on where this one stopped", errInterrupted, name)
		}
		if err != nil {
			return row{}, fmt.Errorf("study %q: %w", name, err)
		}
	}
	return newRow(ctx, st, j, task)
}

// tables is how many tables of a frame to keep for other trials: as many as need half a
// gigabyte, by a rough guess.
func tables(frame forecast.Frame, horizon int) int {
	const features, bytes = 60, 8
	rows := 0
	for _, s := range frame {
		rows += s.Len() * horizon
	}
	return max(1, min(64, 512<<20/(rows*features*bytes)))
}

// settle writes the job into a study that has none, and refuses one that has another.
func settle(ctx context.Context, st *study.Study, j job) error {
	attrs, err := st.Attrs(ctx)
	if err != nil {
		return err
	}
	switch was, err := readJob(attrs); {
	case errors.Is(err, errNotJob):
		h, err := st.Snapshot(ctx)
		if err != nil {
			return err
		}
		if h.Len() > 0 {
			return fmt.Errorf("study %q was %w and has trials: take another --name", st.Name(), errNotJob)
		}
		return st.SetAttr(ctx, jobKey, j)
	case err != nil:
		return fmt.Errorf("study %q: %w", st.Name(), err)
	default:
		return was.conflict(st.Name(), j)
	}
}
