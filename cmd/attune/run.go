package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/objective/command"
	"github.com/attune-hpo/attune/progress"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// launch holds the flags of attune run.
type launch struct {
	space        string
	trials       int
	storage      string
	name         string
	directions   []string
	metrics      []string
	matches      []string
	enqueue      []string
	workers      int
	lag          int
	stopWhen     string
	warm         []string // studies
	timeout      time.Duration
	trialTimeout time.Duration
	retries      int
	killAfter    time.Duration
	gpus         []string
	threads      int
	logs         string
	search       search
	seed         uint64
	grace        time.Duration
	otherCommand bool
	printing     bool // only print the command
	mlflow       string
	quiet        bool
	json         bool

	given   func(flag string) bool // reports whether the flag is on the command line
	stderr  io.Writer
	sampler sampler.Sampler // of the study, once it is open
}

func runCommand() *cobra.Command {
	var l launch
	cmd := &cobra.Command{
		Use: "run --space FILE [flags] -- PROGRAM [ARGUMENT]...",

		DisableFlagsInUseLine: true,

		Short: "Tune any program: run it with different parameters to find the best",
		Long: `Run tunes a program written in any language. Each trial runs it once, with parameters
from the search space in the YAML file --space.

  parameters:
    - {name: lr, type: float, low: 1.0e-5, high: 0.1, log: true}
    - {name: layers, type: int, low: 1, high: 6, prior: {mean: 3, dev: 1}}
  constraints: [100 * lr < layers]
A prior says where you expect good values. All trials obey the constraints.

The program gets its parameters in the way that suits it:
  {lr}                in an argument: the value of the parameter lr
  ATTUNE_PARAM_lr     an environment variable with the value
  ATTUNE_PARAMS       an environment variable: the path of a JSON file with all values, also {params}
  ATTUNE_SEED         a seed for the program's random numbers, also {seed}
If a trial lacks a parameter, its argument is left out, with the option before it.

The program prints lines such as these on its standard output:
  attune: step=3 value=0.41           an intermediate value, by which --pruner judges the trial; one for each of several objectives
  attune: value=0.39                  the final value
  attune: value=0.39,12.5             the final values, if --direction names several
  attune: constraint.memory=-0.5      a constraint, met if it is at most 0
  attune: attr.rounds=120             an attribute of the trial
If the program cannot be changed, --match finds the values in its output.

A trial that is pruned, takes too long or is interrupted gets SIGTERM, and SIGKILL after
--kill-after, as do all processes that it started. The output of each trial is kept in --logs.
If the first 10 trials of a run fail, the run ends: the command line is probably wrong. Later
100 failures in a row end it.

Several trials run at once with --workers; each gets its share of the processors, as
OMP_NUM_THREADS and the like, and of the GPUs, as CUDA_VISIBLE_DEVICES. Another process,
on this machine or on one that shares the file --storage, joins with the same command.

One worker with the same --seed gets the same parameters each time. So do several workers or
processes with --lag, also after an interruption: they then wait for one another. The
program must then depend on its parameters and ATTUNE_SEED only.

The same command resumes a study that was interrupted, by Ctrl-C or a crash. A second Ctrl-C
kills the programs. With more --trials it continues a finished study.`,
		Example: `  attune run --space space.yaml -- ./train --lr {lr} --layers {layers}
  attune run --space space.yaml --trials 200 --workers 4 --storage attune.db -- python3 train.py --lr {lr}
  attune run --space space.yaml --direction maximize --match 'accuracy: (\S+)' -- ./train --config {params}
  attune run --space space.yaml --match 'epoch (?P<step>\d+) loss (?P<value>\S+)' --match 'final loss (\S+)' -- ./train
  attune run --space space.yaml --direction minimize,maximize --metrics error,speed -- ./train
  attune run --space space.yaml --print-command -- ./train --lr {lr}`,
		RunE: func(cmd *cobra.Command, args []string) error {
			l.stderr = cmd.ErrOrStderr()
			return l.run(cmd.Context(), args, cmd.OutOrStdout())
		},
	}
	l.flags(cmd)
	return cmd
}

// flags adds the flags of the command.
func (l *launch) flags(cmd *cobra.Command) {
	l.given = cmd.Flags().Changed
	f := cmd.Flags()
	f.SetInterspersed(false) // arguments after the program belong to it
	f.StringVar(&l.space, "space", "", "YAML `file` with the search space")
	f.IntVar(&l.trials, "trials", 50, "`number` of trials in the study, including those of earlier runs; failed trials do not count")
	storageFlag(cmd, &l.storage, "SQLite `file` for the study, created if it does not exist, or URL of a PostgreSQL or MySQL database or of attune serve")
	f.StringVar(&l.name, "name", "", "`name` of the study (default: the name of the program)")
	f.StringSliceVar(&l.directions, "direction", []string{"minimize"}, "minimize or maximize; a list of `directions` for several objectives")
	f.StringSliceVar(&l.metrics, "metrics", nil, "`names` of the objectives, under which the program may print their values")
	f.StringArrayVar(&l.matches, "match", nil, "regular `expression` that finds a value in a line of output; it has one group, or groups named step, value or one of the --metrics")
	f.StringArrayVar(&l.enqueue, "enqueue", nil, "parameters to try first, `NAME=VALUE,...`; the others are sampled")
	f.StringSliceVar(&l.warm, "warm-start", nil, "other `studies` in the same storage; the search begins near their best trials")
	f.IntVar(&l.workers, "workers", 1, "`number` of trials to run in parallel")
	f.IntVar(&l.lag, "lag", 0, lagHelp+" (default 0)")
	f.StringVar(&l.stopWhen, "stop-when", "", stopWhenHelp)
	f.DurationVar(&l.timeout, "timeout", 0, "stop starting trials after this `time`, such as 10m; running trials finish")
	f.DurationVar(&l.trialTimeout, "trial-timeout", 0, "fail a trial that takes longer than this `time`")
	f.IntVar(&l.retries, "retries", 0, "`number` of times to repeat a trial whose program failed")
	f.DurationVar(&l.killAfter, "kill-after", 10*time.Second, "`time` that a program has to end after SIGTERM")
	f.StringSliceVar(&l.gpus, "gpus", nil, "`GPUs` to share among the workers, as CUDA numbers them; none: leave CUDA_VISIBLE_DEVICES alone (default: those of CUDA_VISIBLE_DEVICES, or all)")
	f.IntVar(&l.threads, "threads", 0, "`number` of threads that a program may use, for OMP_NUM_THREADS and the like; -1: leave them alone (default: with several workers, a share of the processors)")
	f.StringVar(&l.logs, "logs", "", "`folder` for the output and the parameters of each trial (default: STORAGE.logs/NAME)")
	l.search.flags(cmd, "extrapolation")
	f.Uint64Var(&l.seed, "seed", 0, "`seed` of the random numbers")
	f.DurationVar(&l.grace, "grace", 15*time.Second, "`time` without a sign of life after which another process that works on the study counts as dead")
	f.BoolVar(&l.otherCommand, "command-changed", false, "continue a study that was begun with another program or other arguments")
	f.BoolVar(&l.printing, "print-command", false, "print what the first trial would run, and do nothing else")
	mlflowFlag(cmd, &l.mlflow)
	f.BoolVar(&l.quiet, "quiet", false, "do not show progress")
	f.BoolVar(&l.json, "json", false, "print the result as JSON")
	complete(cmd, "direction", "minimize", "maximize")
	f.SortFlags = false
}

// check fails for errors in the flags alone.
func (l *launch) check(args []string) error {
	if len(args) == 0 {
		return errors.New("which program? Name it, with its arguments, after --")
	}
	if l.space == "" {
		return errors.New("which parameters? Name a YAML file with --space")
	}
	if l.storage == "" {
		return errors.New("--storage is empty: want a file")
	}
	if len(l.directions) > 1 && !l.given("pruner") {
		l.search.pruner = "pareto" // the others know only one value
	}
	if err := l.search.check(); err != nil {
		return err
	}
	for _, n := range []struct {
		flag               string
		value, least, most int
	}{
		{"trials", l.trials, 1, enough}, {"workers", l.workers, 1, 1024}, {"retries", l.retries, 0, enough}, {"lag", l.lag, 0, enough}, {"threads", l.threads, -1, 1 << 16},
	} {
		if n.value < n.least || n.value > n.most {
			return fmt.Errorf("--%s %d: want %d to %d", n.flag, n.value, n.least, n.most)
		}
	}
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{{"timeout", l.timeout}, {"trial-timeout", l.trialTimeout}, {"kill-after", l.killAfter}} {
		if d.value < 0 {
			return fmt.Errorf("--%s %v: want at least 0s", d.flag, d.value)
		}
	}
	if l.grace < time.Second {
		return fmt.Errorf("--grace %v: want at least 1s", l.grace)
	}
	for _, d := range l.directions {
		if err := oneOf("direction", d, []string{"minimize", "maximize"}); err != nil {
			return err
		}
	}
	if n := len(l.directions); n == 0 || len(l.metrics) > 0 && len(l.metrics) != n {
		return fmt.Errorf("--metrics %s: want as many names as --direction has directions, %d", strings.Join(l.metrics, ","), n)
	}
	if _, err := l.rule(nil); err != nil {
		return err
	}
	for i, m := range l.metrics {
		if slices.Contains(l.metrics[:i], m) {
			return fmt.Errorf("--metrics: %s is listed twice", quote(m))
		}
	}
	return nil
}

// rule returns what --stop-when says, or nil, for a space with some constraints.
func (l *launch) rule(constraints []space.Constraint) (func(trial.Snapshot) (string, bool), error) {
	rule, err := stopRule(l.stopWhen, constraints)
	if err == nil && rule != nil && len(l.directions) > 1 {
		err = errors.New("--stop-when: it needs a single objective")
	}
	return rule, err
}

// objective returns the objective that runs the program, and the search space.
func (l *launch) objective(args []string) (*command.Objective, space.Space, error) {
	s, err := readSpace(l.space)
	if err != nil {
		return nil, nil, fmt.Errorf("--space %s: %w", quote(l.space), err)
	}
	cfg := command.Config{Args: args, Space: s, Metrics: l.metrics, Workers: l.workers, GPUs: l.gpus, Threads: l.threads,
		Grace: cmp.Or(l.killAfter, -1), Env: []string{"ATTUNE_STUDY=" + l.name}}
	switch {
	case !l.given("gpus"):
		cfg.GPUs = command.GPUs()
	case slices.Equal(l.gpus, []string{"none"}):
		cfg.GPUs = nil
	}
	for _, text := range l.matches {
		re, err := regexp.Compile(text)
		if err != nil {
			return nil, nil, fmt.Errorf("--match %s: %w", quote(text), err)
		}
		cfg.Matches = append(cfg.Matches, re)
	}
	if !l.printing {
		cfg.Logs = l.logs
	}
	o, err := command.New(cfg)
	return o, s, err
}

func (l *launch) run(ctx context.Context, args []string, stdout io.Writer) error {
	if err := l.check(args); err != nil {
		return err
	}
	l.name = cmp.Or(l.name, programName(args))
	l.logs = cmp.Or(l.logs, filepath.Join(beside(l.storage)+".logs", url.PathEscape(l.name)))
	objective, searched, err := l.objective(args)
	if err != nil {
		return err
	}
	first, err := l.first(searched)
	if err != nil {
		return err
	}
	if l.printing {
		return l.printCommand(ctx, stdout, objective, searched, first)
	}
	show := progress.New(l.stderr)
	config := l.config(searched)
	if !l.quiet {
		config.Observer = show
	}
	var logged live
	if err := logged.connect(l.mlflow, func(err error) { warn(l.stderr, err) }); err != nil {
		return err
	}
	defer logged.close()
	config.Observer = logged.observer(config.Observer)
	st, err := l.open(ctx, config, args)
	if err != nil {
		return err
	}
	defer st.Close()
	for _, settings := range first {
		if _, err := st.EnqueueOnce(ctx, settings...); err != nil {
			return fmt.Errorf("--enqueue: %w", err)
		}
	}
	defer l.killOnSecond(ctx, show, objective)()
	ended, err := l.optimize(ctx, st, objective, searched)
	if err != nil {
		return err
	}
	r, err := newRunReport(ctx, st, objective, l.logs)
	if err != nil {
		return cmp.Or(ended, err)
	}
	write := r.write
	if l.json {
		write = func(w io.Writer) error { return writeJSON(w, r) }
	}
	if err := write(stdout); err != nil {
		return err
	}
	return ended
}

// programName returns the name for the study of a program: that of the program or, if it
// runs a script, of the script.
func programName(args []string) string {
	name := args[0]
	if !strings.ContainsAny(name, `/\`) && len(args) > 1 && !strings.HasPrefix(args[1], "-") {
		if info, err := os.Stat(args[1]); err == nil && info.Mode().IsRegular() {
			name = args[1]
		}
	}
	base := filepath.Base(name)
	return cmp.Or(strings.TrimSuffix(base, filepath.Ext(base)), base)
}

// config returns the configuration of the study.
func (l *launch) config(s space.Space) study.Config {
	c := study.Config{Space: s, Metrics: l.metrics, Seed: l.seed, Grace: l.grace}
	c.Sampler, c.Pruner = l.search.make()
	c.Observer = study.On(func(_ context.Context, e study.Warned) { warn(l.stderr, e.Err) })
	for _, d := range l.directions {
		direction := trial.Minimize
		if d == "maximize" {
			direction = trial.Maximize
		}
		c.Directions = append(c.Directions, direction)
	}
	return c
}

// first returns the settings to try first.
func (l *launch) first(s space.Space) ([][]space.Setting, error) {
	var all [][]space.Setting
	for _, text := range l.enqueue {
		var settings []space.Setting
		for _, pair := range strings.Split(text, ",") {
			name, value, ok := strings.Cut(pair, "=")
			if !ok || name == "" || value == "" {
				return nil, fmt.Errorf("--enqueue %s: want pairs NAME=VALUE with commas between them", quote(text))
			}
			literal, err := space.ParseLiteral(value)
			if err != nil {
				literal = space.Lit(value)
			}
			settings = append(settings, space.Setting{Name: name, Value: literal})
		}
		if _, err := s.Params(settings...); err != nil {
			return nil, fmt.Errorf("--enqueue %s: %w", quote(text), err)
		}
		all = append(all, settings)
	}
	return all, nil
}

// printCommand prints the command of the first trial of a new study.
func (l *launch) printCommand(ctx context.Context, w io.Writer, o *command.Objective, s space.Space, first [][]space.Setting) error {
	st, err := study.Create(ctx, new(memory.Store), l.name, l.config(s))
	if err != nil {
		return err
	}
	defer st.Close()
	for _, settings := range first {
		if _, err := st.Enqueue(ctx, settings...); err != nil {
			return fmt.Errorf("--enqueue: %w", err)
		}
	}
	t, err := st.Ask(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, o.Invocation(t.Number(), t.Seed(), t.Record().Params, 0))
	return err
}

// launchKey is the attribute of a study that records its program: a launched as JSON.
const launchKey = "run"

// A launched records the command of a study. Version 1.
type launched struct {
	Version int      `json:"version"`
	Command []string `json:"command"`
}

// open opens or creates the study. It fails if the study is of another program.
func (l *launch) open(ctx context.Context, config study.Config, args []string) (*study.Study, error) {
	l.sampler = config.Sampler
	store := newStore(l.storage)
	if err := l.warmStart(ctx, store, &config); err != nil {
		return nil, err
	}
	st, err := study.Load(ctx, store, l.name, config)
	if errors.Is(err, storage.ErrNotExist) {
		st, err = study.Open(ctx, store, l.name, config)
	}
	if err != nil {
		return nil, err
	}
	if err := l.agree(ctx, st, args); err != nil {
		st.Close()
		return nil, err
	}
	return st, nil
}

// warmStart adds to the space of a study what the studies --warm-start say, and says what that is.
func (l *launch) warmStart(ctx context.Context, store store, config *study.Config) error {
	said, err := warmStart(ctx, store, l.name, l.warm, config)
	if said != "" && !l.quiet {
		fmt.Fprintf(l.stderr, "%s: warm start: %s\n", l.name, said)
	}
	return err
}

// agree fails if a study was begun with another command. If the study records no command,
// agree writes it.
func (l *launch) agree(ctx context.Context, st *study.Study, args []string) error {
	attrs, err := st.Attrs(ctx)
	if err != nil {
		return err
	}
	var was launched
	a, ok := attrs.Get(launchKey)
	if ok {
		if err := a.Decode(&was); err != nil || was.Version != 1 {
			return fmt.Errorf("study %q: attribute %q cannot be read: another version of attune wrote it", l.name, launchKey)
		}
		if slices.Equal(was.Command, args) {
			return nil
		}
	}
	h, err := st.Snapshot(ctx)
	switch {
	case err != nil:
		return err
	case ok && !l.otherCommand:
		return fmt.Errorf("study %q was begun with another command, %s: use another --name, or continue it with --command-changed", l.name, quoteAll(was.Command))
	case !ok && h.Len() > 0:
		return fmt.Errorf("study %q was not made by attune run and has trials: use another --name", l.name)
	}
	return st.SetAttr(ctx, launchKey, launched{Version: 1, Command: args})
}

func quoteAll(args []string) string {
	var words []string
	for _, a := range args {
		words = append(words, quote(a))
	}
	return strings.Join(words, " ")
}

// optimize runs the missing trials of a study of a space. It returns why they ended early, or an error if the
// command was interrupted.
func (l *launch) optimize(ctx context.Context, st *study.Study, o *command.Objective, searched space.Space) (ended, err error) {
	h, err := st.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	if !l.quiet {
		fmt.Fprintln(l.stderr, toGo(l.name, h.Evaluated(), l.trials))
	}
	if h.Evaluated() >= l.trials {
		return nil, nil
	}
	if e, ok := l.sampler.(interface{ Explain(trial.Snapshot) string }); ok && !l.quiet {
		fmt.Fprintf(l.stderr, "%s: %s\n", l.name, e.Explain(h))
	}
	rule, err := l.rule(searched.Constraints())
	if err != nil {
		return nil, err
	}
	ended = st.Optimize(ctx, o, study.Run{Total: l.trials, Workers: l.workers, Lag: l.lag, StopWhen: rule, Timeout: l.timeout, TrialTimeout: l.trialTimeout,
		Retries: l.retries, Failures: 10, Fatal: command.Unstartable})
	if ended != nil {
		ended = fmt.Errorf("study %q: %w", l.name, ended)
	}
	if ctx.Err() != nil {
		if errors.Is(ended, study.ErrUnrecorded) {
			warn(l.stderr, ended)
		}
		return nil, fmt.Errorf("%w: study %q keeps its trials: run the same command again to resume", errInterrupted, l.name)
	}
	return ended, nil
}

// toGo says how many trials of a study exist, and how many remain.
func toGo(study string, done, total int) string {
	switch {
	case done >= total && done == 1:
		return study + ": its trial is done"
	case done >= total:
		return fmt.Sprintf("%s: all %d trials are done", study, done)
	case done > 0:
		return fmt.Sprintf("%s: resuming: %d trials are done, %d to go", study, done, total-done)
	}
	return fmt.Sprintf("%s: %s", study, plural(total, "trial"))
}

// killOnSecond kills the programs at a second signal, after the first has ended ctx. A third
// ends this process. The returned function stops watching for signals.
func (l *launch) killOnSecond(ctx context.Context, show io.Writer, o *command.Objective) (stop func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, interrupts()...)
	done := make(chan struct{})
	second := func() {
		for range 2 {
			select {
			case <-signals:
			case <-done:
				return
			}
		}
		signal.Stop(signals)
		o.Kill()
	}
	unwatched := context.AfterFunc(ctx, func() {
		fmt.Fprintf(show, "interrupted: the programs have %v to end; interrupt again to kill them\n", l.killAfter)
		second()
	})
	return func() {
		unwatched()
		signal.Stop(signals)
		close(done)
	}
}
