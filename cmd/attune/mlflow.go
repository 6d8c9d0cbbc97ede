package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/export/mlflow"
	"github.com/attune-hpo/attune/export/plot"
	"github.com/attune-hpo/attune/figure/draw"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

func mlflowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mlflow",
		Short: "Log studies to an MLflow tracking server",
		Long: `Mlflow sends a study to an MLflow tracking server: the study as a run, each trial as a
nested run. To log while a study runs, use --mlflow of attune optimize or attune run.`,
		Example: `  attune mlflow push --study airpassengers-passengers/lightgbm --tracking-uri http://127.0.0.1:5000`,
	}
	cmd.AddCommand(mlflowPushCommand())
	return group(cmd)
}

// push holds the flags of the command mlflow push.
type push struct {
	storage, study  string
	uri, experiment string
	artifacts       []string
	model, register string
	plots           bool
}

func mlflowPushCommand() *cobra.Command {
	var p push
	cmd := &cobra.Command{
		Use:   "push",
		Short: "Send a study to an MLflow tracking server",
		Long: `Push sends the part of a study that the server lacks. Run it again after an error, or when
the study has more trials: nothing is sent twice.

The server's address and secrets come from MLFLOW_TRACKING_URI, MLFLOW_TRACKING_TOKEN,
MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, as for MLflow's own tools.`,
		Example: `  attune mlflow push --tracking-uri http://127.0.0.1:5000
  attune mlflow push --experiment passengers --artifact forecast.csv --artifact forecast.svg
  attune mlflow push --plots --model model.onnx --register passengers`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	storageFlags(cmd, &p.storage, &p.study)
	f := cmd.Flags()
	f.StringVar(&p.uri, "tracking-uri", "", "`address` of the tracking server (default: MLFLOW_TRACKING_URI)")
	f.StringVar(&p.experiment, "experiment", "", "`name` of the experiment, created if it does not exist (default: MLFLOW_EXPERIMENT_NAME, or else attune)")
	f.StringArrayVar(&p.artifacts, "artifact", nil, "`file` to keep with the best trial; may be repeated")
	f.BoolVar(&p.plots, "plots", false, "keep all plots of the study with the best trial, as SVG")
	f.StringVar(&p.model, "model", "", "ONNX `file` to keep with the best trial, as a model that MLflow loads")
	f.StringVar(&p.register, "register", "", "`name` of the registered model that --model becomes a version of")
	return cmd
}

// tracking returns the client of a tracking server. An empty address means the one in the
// environment.
func tracking(flag, address string) (*mlflow.Client, error) {
	switch {
	case address != "":
		c, err := mlflow.NewClient(address)
		if err != nil {
			err = fmt.Errorf("--%s: %w", flag, err)
		}
		return c, err
	case os.Getenv("MLFLOW_TRACKING_URI") == "":
		return nil, fmt.Errorf("which tracking server? Give its address with --%s, or in MLFLOW_TRACKING_URI", flag)
	}
	return mlflow.FromEnv()
}

// experiment returns the experiment in the environment, which may be "".
func experiment() string { return os.Getenv("MLFLOW_EXPERIMENT_NAME") }

func (p *push) run(ctx context.Context, stdout io.Writer) error {
	if p.register != "" && p.model == "" {
		return errors.New("--register needs the model to register: give its file with --model")
	}
	files := map[string]string{} // by the place where they are kept
	for _, file := range p.artifacts {
		if old, ok := files[filepath.Base(file)]; ok {
			return fmt.Errorf("--artifact %s: %s has the same name: rename one of them", quote(file), quote(old))
		}
		files[filepath.Base(file)] = file
	}
	for _, file := range append(p.artifacts, p.model) {
		if info, err := os.Stat(file); file != "" && (err != nil || info.IsDir()) {
			return cmp.Or(err, fmt.Errorf("%s: this is a folder: give files", quote(file)))
		}
	}
	client, err := tracking("tracking-uri", p.uri)
	if err != nil {
		return err
	}
	h, err := openSnapshot(ctx, p.storage, p.study)
	if err != nil {
		return err
	}
	m, err := mlflow.NewMirror(ctx, mlflow.Config{Client: client, Experiment: cmp.Or(p.experiment, experiment())}, h.Header())
	if err != nil {
		return err
	}
	sent, err := m.Push(ctx, h)
	if err != nil {
		return err
	}
	started := h.Len() + h.Count(trial.Running)
	fmt.Fprintf(stdout, "study %s: sent %d of %d trials; the server has all of them\n%s\n", h.Header().Name, sent, started, m.Page())
	if len(files) == 0 && p.model == "" && !p.plots {
		return nil
	}
	best, ok := h.Best()
	if !ok {
		return fmt.Errorf("study %s: %w: --artifact, --plots and --model belong to the best trial", h.Header().Name, study.ErrNoTrial)
	}
	if p.plots {
		if err := attachPlots(ctx, m, best.Number, h); err != nil {
			return err
		}
	}
	return p.attach(ctx, stdout, m, best.Number, files)
}

// attachPlots sends all plots of a study that there are to the run of a trial.
func attachPlots(ctx context.Context, m *mlflow.Mirror, number int, h trial.Snapshot) error {
	for _, k := range plot.Kinds() {
		f, err := k.Make(ctx, h, plot.Choice{})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			continue // there is nothing to show
		}
		var b bytes.Buffer
		if err := draw.SVG(&b, f, draw.Options{}); err != nil {
			return err
		}
		if err := m.Attach(ctx, number, "plots/"+k.Name+".svg", &b); err != nil {
			return err
		}
	}
	return nil
}

// attach sends files to the run of the best trial.
func (p *push) attach(ctx context.Context, stdout io.Writer, m *mlflow.Mirror, best int, files map[string]string) error {
	for name, file := range files {
		if err := reading(file, func(r io.Reader) error { return m.Attach(ctx, best, name, r) }); err != nil {
			return err
		}
	}
	if p.model == "" {
		return nil
	}
	if err := reading(p.model, func(r io.Reader) error { return m.AttachModel(ctx, best, r) }); err != nil || p.register == "" {
		return err
	}
	version, err := m.Register(ctx, best, mlflow.ModelPath, p.register)
	if err == nil {
		fmt.Fprintf(stdout, "%s: version %s, of trial %d\n", p.register, version, best)
	}
	return err
}

// reading calls f with an open file.
func reading(file string, f func(io.Reader) error) error {
	r, err := os.Open(file)
	if err != nil {
		return err
	}
	defer r.Close()
	return f(r)
}

// live logs the studies of a session while they run. Its zero value logs nothing.
type live struct {
	server   *mlflow.Client
	warn     func(error)
	trackers []*mlflow.Tracker
}

// mlflowFlag adds --mlflow.
func mlflowFlag(cmd *cobra.Command, address *string) {
	cmd.Flags().StringVar(address, "mlflow", "", "`address` of an MLflow tracking server to log trials to while they run")
}

// connect sets the server that --mlflow names, unless it is "".
func (l *live) connect(address string, warn func(error)) (err error) {
	if address != "" {
		l.warn = warn
		l.server, err = tracking("mlflow", address)
	}
	return err
}

// observer returns an observer that calls o and, if there is a server, logs.
func (l *live) observer(o study.Observer) study.Observer {
	if l.server == nil {
		return o
	}
	t := mlflow.NewTracker(mlflow.Config{Client: l.server, Experiment: experiment(), Warn: l.warn})
	l.trackers = append(l.trackers, t)
	return study.Tee(o, t)
}

// flushTime limits how long a command waits for a server at its end.
const flushTime = 30 * time.Second

// close sends the rest. A failure is only a warning, because the storage has everything.
func (l *live) close() {
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	for _, t := range l.trackers {
		if err := t.Close(ctx); err != nil {
			l.warn(err)
		}
	}
}
