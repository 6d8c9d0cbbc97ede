package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/objective/forecast"
)

// optimize holds the flags of the command optimize.
type optimize struct {
	file     config
	data     source
	table    tableFlags
	models   []string
	trials   int
	metric   string
	storage  string
	name     string
	horizon  int
	windows  int
	step     int
	test     int
	ends     string
	workers  int
	lag      int
	timeout  time.Duration
	memory   memorySize
	seed     uint64
	search   search
	engine   string
	device   string
	spaces   []string
	printing bool // only print the spaces
	fixed    []string
	rounds   int
	patience int
	grace    time.Duration
	ensemble bool
	quiet    bool
	json     bool
	mlflow   string
	stopWhen string
	warm     []string // prefixes of studies

	adapted []string               // settings that differ from the defaults because of the data
	given   func(flag string) bool // reports whether the flag is on the command line
}

func optimizeCommand() *cobra.Command {
	var o optimize
	cmd := &cobra.Command{
		Use:   "optimize --data FILE --target COLUMN",
		Short: "Tune models on your data, compare them and keep the best",
		Long: `Optimize tunes one or more models on the series in a CSV file. Each model gets a study of
its own. A trial is scored by a backtest: it forecasts --horizon steps from each of
--windows points in time, using only what was known then.

The last --test steps of the data are held out. The tuning never sees them. At the end,
all models and baselines forecast them, which gives an honest estimate of the error.

The result is an ensemble of the best trials of all models and of the baselines, unless a
single model is better by more than the standard error, or the best baseline is better by
more than that or by a tenth. Then it is a single model: the simplest of the equally good
ones. Ensembles and models are judged on folds of the backtest that were not used to choose
them.

Studies are stored in the file --storage, and models in a folder next to it, named
STORAGE.models. If the command is interrupted, by Ctrl-C or a crash, the same command
resumes it. The same command with more --trials continues a finished study.

By default, the search only covers small networks (--space quick), which train in seconds
on a CPU. --space full also covers large ones, which take minutes on a CPU and are meant
for a GPU (--device). Trees and nlinear have a single space. --print-space prints the space
in YAML; edit it and pass the file to --space. ets, theta, arima and ces choose their own form
in milliseconds, so they need only a trial or two. Baselines are models, too: name one in
--models to keep it and forecast with it.

A run can be kept in a file: --print-config writes the values of all flags that matter, and the
search spaces, as YAML, and --config reads them. The studies keep this file, too. In it, the
sampler and the pruner can have settings: sampler: {name: tpe, startup: 20}.

With --task, the data are a plain table: each row is an example, and --target is the number
or the class to predict. A trial is scored by cross-validation: stratified, by --group, or, with
--time, always on later rows than those it learnt from. Columns of texts are categories, and
values may be missing. A fifth of the rows are held out for the comparison.

The same --seed gives the same trials, regardless of timing and interruptions. If --lag is the
same, too, the number of workers does not matter either.`,
		Example: `  attune optimize --data data/airpassengers.csv --target passengers
  attune optimize --data data/airpassengers.csv --target passengers --models lightgbm --trials 100 --metric mase
  attune optimize --data data/seattle-weather.csv --target temp_max --past precipitation,wind --horizon 14 --metric mae
  attune optimize --data data/co2.csv --target co2 --fill carry --models lightgbm --print-space > space.yaml
  attune optimize --data data/co2.csv --target co2 --fill carry --horizon 13 --space lightgbm=space.yaml
  attune optimize --data data/co2.csv --target co2 --fill carry --models lstm,tcn,transformer --space full --device cuda
  attune optimize --data data/sunspots.csv --target sunspots --metric mae --fixed lightgbm.transform=none --fixed lightgbm.num_leaves=15
  attune optimize --data train.csv --target Weekly_Sales --id Store,Dept --join features.csv,stores.csv --horizon 8 --metric mae
  attune optimize --data sales.parquet --target units --id shop --static region
  zcat sales.csv.gz | attune optimize --data - --target units
  attune optimize --task regression --data houses.csv --target price --ignore id
  attune optimize --task binary --data patients.csv --target ill --group patient --metric auc
  attune optimize --data data/co2.csv --target co2 --fill carry --print-config > run.yaml
  attune optimize --config run.yaml --trials 100
  attune optimize --data data/macrodata.csv --target unemp --models ets,theta,naive --fixed ets.form=MAdN
  attune optimize --data data/macrodata.csv --target unemp --models ets,theta,arima,ces`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	o.flags(cmd)
	return cmd
}

// flags adds the flags of the command.
func (o *optimize) flags(cmd *cobra.Command) {
	o.given = cmd.Flags().Changed
	o.file.add(cmd)
	o.data.flags(cmd)
	o.table.flags(cmd)
	f := cmd.Flags()
	f.StringSliceVar(&o.models, "models", defaultModels, "`models` to tune: "+strings.Join(models.names(), ", ")+"; for tables "+strings.Join(tableStyles.names(), ", ")+" (default there: all that go with the --task)")
	f.IntVar(&o.trials, "trials", 50, "`number` of trials in each study, including those of earlier runs; failed trials do not count; without this flag, a study ends earlier, but after at least 12 trials, once seven in a row gain less than a tenth of the score's standard error")
	f.StringVar(&o.metric, "metric", "mape", "`metric` to optimize: "+strings.Join(forecast.MetricNames(), ", ")+"; mase by default if the target has values of 0 or below; tables have rmse, mae, mape, r2 and pinball@0.9 for numbers, logloss, auc, ap, accuracy, f1 and brier for classes, auc and ap for anomalies, the first being the default")
	f.StringVar(&o.stopWhen, "stop-when", "", stopWhenHelp)
	f.StringSliceVar(&o.warm, "warm-start", nil, "other `prefixes` of studies in the same storage (--name); the search of each model begins near the best trials of its studies there")
	storageFlag(cmd, &o.storage, "SQLite `file` for the studies, created if it does not exist, or URL of a PostgreSQL or MySQL database or of attune serve")
	f.StringVar(&o.name, "name", "", "`prefix` of the study names, PREFIX/MODEL (default: the name of the data file and the target)")
	f.IntVar(&o.horizon, "horizon", 0, "`steps` to forecast (default: one season, such as 12 months or 7 days)")
	f.IntVar(&o.windows, "windows", 9, "`number` of forecasts in the backtest; by default fewer for short and for very long series")
	f.IntVar(&o.step, "step", 0, "`steps` from one forecast of the backtest to the next (default: half the horizon)")
	f.IntVar(&o.test, "test", 0, "`steps` at the end to hold out for the comparison; 0: none (default: the horizon; for tables a fifth of the rows)")
	f.StringVar(&o.ends, "ends", lastEnd, "`end` of the data if series end at different times: last (that of the last series: nothing later than a forecast's origin is known, and series that have ended are not scored) or each (the end of each series, so that all are scored)")
	f.IntVar(&o.workers, "workers", 1, "`number` of trials to run in parallel; they share the CPU cores; one trial alone uses as many as it has folds")
	f.IntVar(&o.lag, "lag", 0, lagHelp+" (default: --workers)")
	f.DurationVar(&o.timeout, "timeout", 0, "stop starting trials after this `time` in total, such as 10m; models share it equally and pass on what they do not use; a running trial ends its training, and its best round so far counts (tables: it finishes)")
	f.Var(&o.memory, "memory", "`size` of the memory to use at most, such as 2GB (default: a quarter of the machine's): trees learn from fewer rows if their tables would take more than half of it, which the command says")
	f.Uint64Var(&o.seed, "seed", 0, "`seed` of the random numbers")
	o.search.flags(cmd, "median")
	f.StringVar(&o.engine, "engine", nativeEngine, "`library` that trains trees: "+strings.Join(engines.names(), ", ")+"; auto: the library that the model is named after, if it is installed")
	f.StringVar(&o.device, "device", autoDevice, "`device` that trains networks: cpu; cuda or cuda:N for an NVIDIA GPU; auto: a GPU if there is one and the network is large enough to profit")
	f.StringArrayVar(&o.spaces, "space", nil, "`space` to search: quick, full or a YAML file; MODEL=SPACE sets it for one of several models (default quick)")
	f.BoolVar(&o.printing, "print-space", false, "print the search space of the model in YAML, and do nothing else")
	f.StringArrayVar(&o.fixed, "fixed", nil, "fix a hyperparameter instead of searching it: `NAME=VALUE`, or MODEL.NAME=VALUE for one of several models")
	f.IntVar(&o.rounds, "max-rounds", 500, "maximum `number` of trees in a boosted model; early stopping finds the best number (networks: search epochs instead)")
	f.IntVar(&o.patience, "patience", 0, "stop a training after this `number` of rounds without improvement; -1: never (default: 30 trees or 10 epochs)")
	f.DurationVar(&o.grace, "grace", 15*time.Second, "`time` without a sign of life after which another process that works on the study counts as dead")
	mlflowFlag(cmd, &o.mlflow)
	f.BoolVar(&o.ensemble, "ensemble", true, "also combine the best trials of several models, and use the combination unless a single model is clearly better")
	f.BoolVar(&o.quiet, "quiet", false, "do not show progress")
	f.BoolVar(&o.json, "json", false, "print the comparison as JSON")
	complete(cmd, "models", models.names()...)
	complete(cmd, "metric", forecast.MetricNames()...)
	complete(cmd, "ends", lastEnd, eachEnd)
	complete(cmd, "device", autoDevice, "cpu", "cuda")
	complete(cmd, "engine", append(engines.names(), autoEngine)...)
	f.SortFlags = false
}

func (o *optimize) run(ctx context.Context, stdout, stderr io.Writer) error {
	if err := o.file.read(); err != nil {
		return err
	}
	if o.table.task != forecastTask {
		return o.runTable(ctx, stdout, stderr)
	}
	o.bound()
	s, err := o.prepare(ctx, stderr)
	defer s.close()
	if err != nil {
		return err
	}
	if o.printing {
		return s.printSpace(stdout)
	}
	if s.configured, err = s.configuration(); err != nil {
		return err
	}
	if o.file.printing {
		_, err := io.WriteString(stdout, s.configured)
		return err
	}
	r, err := s.tune(ctx)
	if err != nil {
		return err
	}
	if err := s.combine(ctx, r); err != nil {
		return err
	}
	failed := cmp.Or(r.compare(ctx, s.threads(1)), s.lost)
	return o.conclude(ctx, stdout, r, failed)
}

// A writer writes a report, as text or as JSON.
type writer interface {
	write(w io.Writer) error
	writeJSON(w io.Writer) error
}

// conclude writes a report, unless the command was interrupted. It returns failed, which is why
// the report may lack something.
func (o *optimize) conclude(ctx context.Context, stdout io.Writer, r writer, failed error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: the trials are kept: run the same command again to resume", errInterrupted)
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
