package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/objective/forecast"
)

// optimize is what the command of that name is asked for.
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

	given func(flag string) bool // it is on the command line
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
			return o.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	o.flags(cmd)
	return cmd
}

// flags adds those of the command.
func (o *optimize) flags(cmd *cobra.Command) {
	o.given = cmd.Flags().Changed
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
}

func (o *optimize) run(ctx context.Context, stdout, stderr io.Writer) error {
	s, err := o.prepare(ctx, stderr)
	defer s.close()
	if err != nil {
		return err
	}
	if o.printing {
		return s.printSpace(stdout)
	}
	r, err := s.tune(ctx)
	if err != nil {
		return err
	}
	failed := r.compare(ctx, s.threads(1))
	if ctx.Err() != nil {
		return fmt.Errorf("%w: the trials are kept: the same command goes on where this one stopped", errInterrupted)
	}
	write := r.write
	if o.json {
		write = r.writeJSON
	}
	if err := write(stdout); err != nil {
		return err
	}
	return failed
}
