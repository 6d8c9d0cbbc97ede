package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	stdruntime "runtime"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/export/deploy"
	"github.com/attune-hpo/attune/export/registry"
	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/tune"
)

// refit holds the flags of the command refit.
type refit struct {
	storage string
	study   string
	data    string
	join    []string
	folder  string
	name    string
	output  string
	rounds  int
	promote bool
}

func refitCommand() *cobra.Command {
	var r refit
	cmd := &cobra.Command{
		Use:   "refit --data FILE --name NAME",
		Short: "Train the best model again, on newer data, and compare it with the live one",
		Long: `Refit trains the model of a study's best trial on newer data, without a search, and adds it to
a registry as a new version: with an ONNX file that predicts the same, if the model has an ONNX
form.

It also compares the model with the live version, on the newest steps of the data, as many as
the horizon. It trains the same model without these steps, and then lets it, the live version
and the baselines forecast them. If the live version has seen these steps, it is trained again
without them first. With --promote, the new version becomes the live one if its score is not
worse, or if there is no live one.

Of a table, the newest rows are the last by --time or, without it, the last of the file: as many
as were held out in the study, or else a fifth. The live version is always trained again without
them.`,
		Example: `  attune refit --data newer.csv --name passengers
  attune refit --study airpassengers-passengers/lightgbm --data newer.csv --registry models --name passengers --promote
  attune refit --data newer.csv --name passengers --max-rounds 200`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("max-rounds") && (r.rounds < 1 || r.rounds > enough) {
				return fmt.Errorf("--max-rounds %d: want 1 to %d", r.rounds, enough)
			}
			return r.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	storageFlags(cmd, &r.storage, &r.study)
	f := cmd.Flags()
	f.StringVar(&r.data, "data", "", "`file` with the newer data, in the form of the study's; - reads standard input")
	f.StringSliceVar(&r.join, "join", nil, "`files` to join instead of those of the study, in the same order")
	f.StringVar(&r.folder, "registry", "models", "`folder` of the registry, created if it does not exist")
	f.StringVar(&r.name, "name", "", "`name` of the model in the registry")
	f.StringVar(&r.output, "output", "", "ONNX `file` to write, too")
	f.IntVar(&r.rounds, "max-rounds", 0, "`number` of trees or epochs (default: that of the best trial)")
	f.BoolVar(&r.promote, "promote", false, "make the new version live, unless its score is worse than that of the live one")
	must(cmd.MarkFlagRequired("data"))
	must(cmd.MarkFlagRequired("name"))
	return cmd
}

func (r refit) run(ctx context.Context, stdout, stderr io.Writer) error {
	if err := checkFile("output", r.output); err != nil {
		return err
	}
	reg, err := registry.Open(r.folder)
	if err != nil {
		return fmt.Errorf("--registry: %w", err)
	}
	if err := checkModelName(reg, r.name); err != nil {
		return err
	}
	st, err := openStore(r.storage)
	if err != nil {
		return err
	}
	name, err := pick(ctx, st, r.study)
	if err != nil {
		return err
	}
	if t, ok, err := openTable(ctx, st, name); ok || err != nil {
		if err != nil {
			return err
		}
		defer t.Close()
		return r.table(ctx, reg, t, stdout, stderr)
	}
	s, err := openJob(ctx, st, name)
	if err != nil {
		return err
	}
	defer s.Close()
	from := s.job.Data
	from.File = r.data
	from.Comma = 0 // the new file may have another
	if len(r.join) > 0 {
		from.Join = r.join
	}
	frame, _, err := from.series()
	if err != nil {
		return err
	}
	candidates, _, err := s.candidates(ctx)
	if err != nil {
		return err
	}
	if len(candidates) == 0 {
		_, err := s.Best(ctx)
		return fmt.Errorf("study %q: %w", s.Name(), err)
	}
	family, err := s.job.family(s.device)
	if err != nil {
		return err
	}
	fit := func(on forecast.Frame) (tune.Model, error) {
		back, err := s.job.span(on, s.job.Horizon, 1)
		if err != nil {
			return tune.Model{}, err
		}
		task := s.job.task(back, family, "", stdruntime.GOMAXPROCS(0))
		return task.RefitOn(ctx, s.openStudy, candidates[0], back, r.rounds)
	}
	before, _, err := s.job.cut(frame, s.job.Horizon)
	if err != nil {
		return fmt.Errorf("%s: %w", r.data, err)
	}
	challenger, err := fit(before)
	if err != nil {
		return fmt.Errorf("%s: %w", r.data, err)
	}
	live, again, err := r.opponent(ctx, r.live(reg, stderr), before)
	if err != nil {
		warn(stderr, fmt.Errorf("cannot compare it with the live version of %s: %w", r.name, err))
	}
	worse, err := r.compare(ctx, stdout, s.job, frame, challenger, live, again)
	if err != nil {
		return err
	}
	m, err := fit(frame)
	if err != nil {
		return err
	}
	version, err := r.keep(ctx, stdout, reg, m, frame)
	if err != nil {
		return err
	}
	return r.conclude(ctx, stdout, reg, version, worse)
}

// conclude makes the new version live, if it is to be and is not worse, and says so.
func (r refit) conclude(ctx context.Context, stdout io.Writer, reg *registry.Registry, version registry.Version, worse bool) error {
	verdict := ""
	switch {
	case r.promote && worse:
		verdict = ", which is not live: its score is worse than that of the live version"
	case r.promote:
		if err := reg.Promote(ctx, r.name, version.Number); err != nil {
			return err
		}
		verdict = ", live"
	}
	_, err := fmt.Fprintf(stdout, "%s: %s, version %d%s\n", r.folder, r.name, version.Number, verdict)
	return err
}

// live returns the live version's native model, or none.
func (r refit) live(reg *registry.Registry, stderr io.Writer) *tune.Model {
	v, err := reg.Live(r.name)
	if err != nil {
		if !errors.Is(err, registry.ErrNotExist) {
			warn(stderr, err)
		}
		return nil
	}
	file, err := v.Path(registry.Native)
	if err == nil {
		var m tune.Model
		if m, err = tune.ReadFile(file, families()...); err == nil {
			return &m
		}
	}
	warn(stderr, fmt.Errorf("cannot compare it with version %d of %s, which is live: %w", v.Number, r.name, err))
	return nil
}

// opponent returns the live model, trained on nothing later than before. again reports whether it had
// to be trained again.
func (r refit) opponent(ctx context.Context, live *tune.Model, before forecast.Frame) (of *tune.Model, again bool, err error) {
	if live == nil || !live.Until.IsZero() && !live.Until.After(before.End()) {
		return live, false, nil
	}
	for _, family := range families() {
		if family.Name() != live.Family {
			continue
		}
		m := *live
		if m.Forecaster, err = family.New(live.Settings); err != nil {
			return nil, false, err
		}
		err = m.Forecaster.Fit(ctx, before, forecast.FitOptions{Horizon: m.Horizon, Seed: m.Seed, Threads: stdruntime.GOMAXPROCS(0)})
		if err != nil {
			return nil, false, err
		}
		return &m, true, nil
	}
	return nil, false, fmt.Errorf("there is no family %s", live.Family)
}

// compare scores the new model, the live one and the best baseline on the newest steps, and
// reports whether the new model is worse than the live one.
func (r refit) compare(ctx context.Context, w io.Writer, j job, frame forecast.Frame, challenger tune.Model, live *tune.Model, again bool) (worse bool, err error) {
	horizon := j.Horizon
	if live != nil {
		horizon = min(horizon, live.Horizon)
	}
	span, err := j.span(frame, horizon, 1)
	if err != nil {
		return false, err
	}
	metric := j.metrics()[0]
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s, the newest %s\t%s\n", j.Data.Target, plural(horizon, "step"), metric.Name())
	score := func(m tune.Model) (float64, error) {
		res, err := span.Run(ctx, m.Family, frozen{m.Forecaster}, forecast.RunOptions{})
		return first(res.Scores), err
	}
	now, err := score(challenger)
	if err != nil {
		return false, err
	}
	fmt.Fprintf(t, "%s, trained without them\t%s\n", challenger.Family, number(now))
	if live != nil {
		was, err := score(*live)
		if err != nil {
			return false, fmt.Errorf("the live version: %w", err)
		}
		how := ""
		if again {
			how = ", trained again without them"
		}
		fmt.Fprintf(t, "%s, live%s\t%s\n", live.Family, how, number(was))
		worse = metric.Better(was, now) || math.IsNaN(now)
	}
	if base, err := span.Compare(ctx); err == nil && len(base.Rows) > 0 {
		fmt.Fprintf(t, "%s, the best baseline\t%s\n", base.Rows[0].Name, number(first(base.Rows[0].Scores)))
	}
	return worse, t.Flush()
}

// keep adds the model to the registry, with an ONNX file. Statistical models and ensembles do without the file if
// there is no ONNX Runtime.
func (r refit) keep(ctx context.Context, stdout io.Writer, reg *registry.Registry, m tune.Model, frame forecast.Frame) (registry.Version, error) {
	res, err := deploy.Model(ctx, m, frame, deploy.ForecasterOptions{File: r.output, Register: &deploy.Registration{Registry: reg, Name: r.name}})
	if errors.Is(err, runtime.ErrNoLibrary) && r.output == "" && !needsONNX(m.Family) {
		var b bytes.Buffer
		if err := m.Write(&b); err != nil {
			return registry.Version{}, err
		}
		d, err := nativeDraft(m, b.Bytes())
		if err != nil {
			return registry.Version{}, err
		}
		return reg.Put(ctx, r.name, d)
	}
	if err == nil {
		fmt.Fprintf(stdout, "ONNX: %s\n", firstLine(res.Report.String()))
	}
	return res.Version, err
}

// firstLine returns the first line of a text.
func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
