package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	stdruntime "runtime"
	"text/tabwriter"

	"github.com/attune-hpo/attune/export/deploy"
	"github.com/attune-hpo/attune/export/registry"
	"github.com/attune-hpo/attune/objective/table"
	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tree/style"
)

// table refits the best model of a study of a table.
func (r refit) table(ctx context.Context, reg *registry.Registry, s *tableStudy, stdout, stderr io.Writer) error {
	if len(r.join) > 0 {
		return fmt.Errorf("--join is for series, and study %q is of a table: leave it out", s.Name())
	}
	if r.rounds != 0 {
		return fmt.Errorf("--max-rounds is for series, and study %q is of a table: leave it out", s.Name())
	}
	from := s.job.Data
	from.File = r.data
	all, err := from.read()
	if err != nil {
		return err
	}
	older, newest, err := s.job.newest(all)
	if err != nil {
		return fmt.Errorf("%s: %w", r.data, err)
	}
	best, err := s.Best(ctx)
	if err != nil {
		return fmt.Errorf("study %q: %w", s.Name(), err)
	}
	trees, err := s.job.trees()
	if err != nil {
		return err
	}
	fit := func(on table.Table) (table.Model, error) {
		m, err := s.job.task(on, trees, stdruntime.GOMAXPROCS(0)).Refit(ctx, s.openStudy, best)
		if err != nil {
			err = fmt.Errorf("%s: %w", r.data, err)
		}
		return m, err
	}
	challenger, err := fit(older)
	if err != nil {
		return err
	}
	live, err := r.liveTable(ctx, reg, s.job, older)
	if err != nil {
		warn(stderr, fmt.Errorf("cannot compare it with the live version of %s: %w", r.name, err))
	}
	worse, err := compareTables(stdout, s.job.metric(), newest, challenger, live)
	if err != nil {
		return err
	}
	m, err := fit(all)
	if err != nil {
		return err
	}
	rows := all.Features()
	o := tableOptions(m)
	o.File, o.Register = r.output, &deploy.Registration{Registry: reg, Name: r.name}
	res, err := deploy.Table(ctx, m, rows[:min(len(rows), mostCompared)], o)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "ONNX: %s\n", firstLine(res.Report.String()))
	return r.conclude(ctx, stdout, reg, res.Version, worse)
}

// newest separates the newest rows, as many as were held out to test on or else a fifth: the
// last by time or, without times, the last of the table. Of groups, only those count that have no
// older rows.
func (j tableJob) newest(all table.Table) (older, newest table.Table, err error) {
	n := all.Rows()
	count := max(1, n/5)
	if j.Test > 0 && j.Test < n/2 {
		count = j.Test
	}
	begun := map[int]bool{}
	var before, after []int
	for row := range n {
		switch {
		case row < n-count:
			before = append(before, row)
			if all.Group != nil {
				begun[all.Group[row]] = true
			}
		case all.Group != nil && begun[all.Group[row]]:
			before = append(before, row)
		default:
			after = append(after, row)
		}
	}
	if len(before) == 0 || len(after) == 0 {
		return older, newest, fmt.Errorf("no rows are left to compare models on: %s, of which the newest %d have no group of their own", plural(n, "row"), count)
	}
	return all.Take(before), all.Take(after), nil
}

// trees returns the engine that trains the job's model; nil if it has none.
func (j tableJob) trees() (engine.Engine, error) {
	of, err := tableStyles.get("models", j.Model)
	if err != nil {
		return nil, err
	}
	trees, ok := of.(style.Style)
	if !ok {
		return nil, nil
	}
	name := j.Engine
	if name == "" {
		name = nativeEngine
	}
	f, _, err := newTrees(trees, name)
	return f.Engine, err
}

// liveTable returns the live version, trained again on older rows, or nil if there is none. A model of a
// table does not know which rows it has seen.
func (r refit) liveTable(ctx context.Context, reg *registry.Registry, j tableJob, older table.Table) (*table.Model, error) {
	v, err := reg.Live(r.name)
	if errors.Is(err, registry.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	file, err := v.Path(registry.Native)
	if err != nil {
		return nil, err
	}
	live, err := table.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if live.Target != j.Data.Target {
		return nil, fmt.Errorf("version %d predicts %q", v.Number, live.Target)
	}
	if j.Model != live.Style {
		j.Model, j.Engine = live.Style, ""
	}
	j.Fixed = nil // the model's settings include those that were fixed
	trees, err := j.trees()
	if err != nil {
		return nil, err
	}
	m, err := j.task(older, trees, stdruntime.GOMAXPROCS(0)).Fit(ctx, live.Settings, live.Seed)
	if err == nil && m.Kind != live.Kind {
		err = fmt.Errorf("version %d predicts %s", v.Number, live.Kind)
	}
	if err != nil {
		return nil, err
	}
	return &m, nil
}

// compareTables scores the new model and the live one on the newest rows, and reports whether the
// new one is worse.
func compareTables(w io.Writer, metric table.Metric, newest table.Table, challenger table.Model, live *table.Model) (worse bool, err error) {
	score := func(m table.Model) (float64, error) {
		p, err := m.Predict(newest.Features())
		if err != nil {
			return 0, err
		}
		return metric.ScoreGroups(newest.Target.Values, p.Scored(), newest.Weight, newest.Group), nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s, the newest %s\t%s\n", newest.Target.Name, plural(newest.Rows(), "row"), metric.Name())
	now, err := score(challenger)
	if err != nil {
		return false, err
	}
	fmt.Fprintf(t, "%s, trained without them\t%s\n", challenger.Style, number(now))
	if live != nil {
		was, err := score(*live)
		if err != nil {
			return false, fmt.Errorf("the live version: %w", err)
		}
		fmt.Fprintf(t, "%s, live, trained again without them\t%s\n", live.Style, number(was))
		worse = metric.Better(was, now) || math.IsNaN(now)
	}
	return worse, t.Flush()
}
