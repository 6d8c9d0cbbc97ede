package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/treeforecast"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/progress"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space/spaceyaml"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
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
	device   string
	spaces   []string
	printing bool // the spaces, and nothing else
	fixed    []string
	rounds   int
	patience int
	grace    time.Duration
	quiet    bool
	json     bool

	stderr *os.File
	given  func(flag string) bool // it is on the command line
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

Networks search small ones by default (--space quick), which a processor trains in
seconds; --space full has the sizes that are usual on a GPU (--device), up to some
hundred units and layers by the handful, where a trial takes minutes on a processor.
Trees and nlinear have one space, which is both. --print-space shows what would be
searched, as YAML to begin a space of your own from.

With one worker (--workers 1) the same seed gives the same trials.`,
		Example: `  attune optimize --data data/airpassengers.csv --target passengers
  attune optimize --data data/airpassengers.csv --target passengers --models lightgbm --trials 100 --metric mase
  attune optimize --data data/seattle-weather.csv --target temp_max --past precipitation,wind --horizon 14 --metric mae
  attune optimize --data data/co2.csv --target co2 --fill carry --models lightgbm --print-space > space.yaml
  attune optimize --data data/co2.csv --target co2 --fill carry --horizon 13 --space lightgbm=space.yaml
  attune optimize --data data/co2.csv --target co2 --fill carry --models lstm,tcn,transformer --space full --device cuda
  attune optimize --data data/sunspots.csv --target sunspots --metric mae --fixed transform=none --fixed lightgbm.num_leaves=15`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.stderr, o.given = os.Stderr, cmd.Flags().Changed
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
	f.IntVar(&o.test, "test", 0, "steps at the end that are kept back for the comparison; 0 for none (default: the horizon)")
	f.IntVar(&o.workers, "workers", runtime.GOMAXPROCS(0), "trials at once; each has its share of the cores")
	f.DurationVar(&o.timeout, "timeout", 0, "start trials for so long in all, as in 10m; models have equal shares of it, and what one leaves; those that run then are finished")
	f.Uint64Var(&o.seed, "seed", 0, "of all that is random")
	f.StringVar(&o.sampler, "sampler", samplers[0].name, "what proposes trials: "+strings.Join(samplers.names(), ", "))
	f.StringVar(&o.pruner, "pruner", pruners[0].name, "what stops bad trials early: "+strings.Join(pruners.names(), ", "))
	f.StringVar(&o.engine, "engine", nativeEngine, "what trains trees: "+strings.Join(engines.names(), ", ")+"; auto: a model's own library where it is installed")
	f.StringVar(&o.device, "device", autoDevice, "what networks train on: cpu; cuda or cuda:N, an NVIDIA GPU; auto: the GPU, if there is one and the network is large enough to gain")
	f.StringArrayVar(&o.spaces, "space", nil, "`what` to search: quick, full, or a YAML file in place of the model's own; for one of several models MODEL=WHAT (default quick)")
	f.BoolVar(&o.printing, "print-space", false, "write the space of the model as YAML, and do nothing else")
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
	complete(cmd, "device", autoDevice, "cpu", "cuda")
	complete(cmd, "engine", append(engines.names(), autoEngine)...)
	f.SortFlags = false
	return cmd
}

func (o *optimize) run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	plans, frame, err := o.prepare(ctx)
	if err != nil {
		return err
	}
	if o.printing {
		return o.printSpace(cmd.OutOrStdout(), plans)
	}
	if err := o.folders(); err != nil {
		return err
	}
	store := sqlite.File(o.storage)
	r := report{job: plans[0].job, back: plans[0].back, storage: o.storage, frame: frame}
	defer r.close()
	o.say("%s: %s by %s, %s", o.data.File, o.data.Target, frame[0].Freq, o.data.span(frame))
	left := o.timeout
	for i, p := range plans {
		share, begun := portion(left, len(plans)-i), time.Now()
		if o.timeout == 0 {
			share = 0 // no bound
		}
		row, err := o.one(ctx, store, p, frame, share)
		left = after(left, share, time.Since(begun))
		switch {
		case err == nil:
			r.models = append(r.models, row)
			continue
		case ctx.Err() != nil:
			return err
		case !errors.Is(err, study.ErrNoTrial) || row.sum.Failed > 0 || o.timeout == 0: // which is not for want of time
		case len(plans) == 1:
			err = fmt.Errorf("study %q: no trial was complete within --timeout %v: give it more", row.study, o.timeout)
		default:
			err = fmt.Errorf("study %q: no trial was complete within its share of --timeout %v, which was %v: give it more", row.study, o.timeout, share.Round(time.Millisecond))
		}
		row.missing = err
		r.missing = append(r.missing, row)
	}
	if len(r.models) == 0 {
		err := r.missing[0].missing
		for _, m := range r.missing[1:] {
			err = fmt.Errorf("%w; %w", err, m.missing)
		}
		return err
	}
	failed := r.compare(ctx, o.threads(1))
	if ctx.Err() != nil {
		return fmt.Errorf("%w: the trials are kept: the same command goes on where this one stopped", errInterrupted)
	}
	write := r.write
	if o.json {
		write = r.writeJSON
	}
	if err := write(cmd.OutOrStdout()); err != nil {
		return err
	}
	return failed
}

// portion is one of so many equal ones of the time that is left, which is never nothing: that
// would be no bound.
func portion(left time.Duration, models int) time.Duration {
	return max(time.Nanosecond, left/time.Duration(models))
}

// after is the time that a model leaves, of what was left, to those after it. What it took
// beyond its share, to finish trials, is not at their cost.
func after(left, share, took time.Duration) time.Duration { return left - min(share, took) }

// printSpace writes what the only one of the plans searches.
func (o *optimize) printSpace(w io.Writer, plans []plan) error {
	if len(plans) > 1 {
		return fmt.Errorf("--print-space: which of %s? Say it with --models", strings.Join(o.models, ", "))
	}
	return spaceyaml.Write(w, plans[0].task("", 1).Config(random.Sampler{}, nil).Space)
}

// say tells what is going on.
func (o *optimize) say(format string, args ...any) {
	if !o.quiet {
		fmt.Fprintf(o.stderr, format+"\n", args...)
	}
}

// threads returns those of one of so many trials at once.
func (o *optimize) threads(trials int) int { return max(1, runtime.GOMAXPROCS(0)/trials) }

// task returns the tuning of a plan; models are kept in folder.
func (p plan) task(folder string, threads int) *tune.Task {
	t := p.job.task(p.back, p.family, folder, threads)
	t.Space = p.space
	return t
}

// one runs the study of a plan until it has all trials. The row names the study and
// counts its trials also if there is an error: that it has no best trial, or why.
func (o *optimize) one(ctx context.Context, store *sqlite.Store, p plan, frame forecast.Frame, timeout time.Duration) (r row, err error) {
	j := p.job
	name := o.study(j)
	none := row{name: j.Model, study: name}
	if f, ok := p.family.(treeforecast.Family); ok {
		f.Cache = forecast.NewCache(tables(frame, j.Horizon))
		p.family = f
	}
	folder := tunedFolder(o.storage)
	if j.Test == 0 {
		folder = modelsFolder(o.storage)
	}
	task := p.task(folder, o.threads(o.workers))
	makeSampler, _ := samplers.get("sampler", o.sampler)
	pruner, _ := pruners.get("pruner", o.pruner)
	config := task.Config(makeSampler(), pruner)
	config.Seed, config.Grace = o.seed, o.grace
	config.Observer = progress.Bar(o.stderr)
	if o.quiet {
		config.Observer = study.On(func(_ context.Context, e study.Warned) { o.warn(e.Err) })
	}
	st, err := study.Open(ctx, store, name, config)
	if err != nil {
		return none, err
	}
	defer func() {
		if r.of == nil {
			st.Close()
		}
	}()
	if err := settle(ctx, st, j); err != nil {
		return none, err
	}
	h, err := st.Snapshot(ctx)
	if err != nil {
		return none, err
	}
	switch done := h.Evaluated(); {
	case done >= o.trials:
		o.say("%s: all of %d trials are there", name, done)
	case done > 0:
		o.say("%s: resuming: %d trials are there, %d to go", name, done, o.trials-done)
	default:
		o.say("%s: %d trials", name, o.trials)
	}
	var ended error // the run, early
	if h.Evaluated() < o.trials {
		run := study.Run{Total: o.trials, Workers: o.workers, Timeout: timeout, Failures: 10,
			Fatal: func(err error) bool { return errors.Is(err, engine.ErrUnavailable) }}
		ended = task.Optimize(ctx, st, run)
		if ctx.Err() != nil {
			return none, fmt.Errorf("%w: %s keeps its trials: the same command goes on where this one stopped", errInterrupted, name)
		}
		if ended != nil {
			ended = fmt.Errorf("study %q: %w", name, ended)
		}
	}
	r, err = newRow(ctx, &jobStudy{openStudy: st, work: st, job: j, storage: o.storage, device: o.device, frame: frame}, task)
	switch {
	case errors.Is(err, study.ErrNoTrial) && ended != nil:
		return r, ended
	case err == nil && ended != nil:
		o.warn(ended)
		r.ended = ended
	case err == nil && timeout > 0 && r.made() < o.trials:
		r.notMade = o.trials - r.made()
		o.say("%s", r.ranOut())
	}
	return r, err
}

// warn tells what someone should know, whatever they asked to be spared.
func (o *optimize) warn(err error) { warn(o.stderr, err) }

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
	fresh, err := agree(ctx, st, j)
	if err != nil || !fresh {
		return err
	}
	return st.SetAttr(ctx, jobKey, j)
}

// agree fails if a study is of another job. It is fresh if it is of none yet.
func agree(ctx context.Context, st study.Reader, j job) (fresh bool, err error) {
	attrs, err := st.Attrs(ctx)
	if err != nil {
		return false, err
	}
	switch was, err := readJob(attrs); {
	case errors.Is(err, errNotJob):
		h, err := st.Snapshot(ctx)
		if err == nil && h.Len() > 0 {
			err = fmt.Errorf("study %q was %w and has trials: take another --name", st.Name(), errNotJob)
		}
		return true, err
	case err != nil:
		return false, fmt.Errorf("study %q: %w", st.Name(), err)
	default:
		return false, was.conflict(st.Name(), j)
	}
}
