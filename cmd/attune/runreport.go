package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/attune-hpo/attune/objective/command"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// A runReport is the result of attune run.
type runReport struct {
	Study    string     `json:"study"`
	Complete int        `json:"complete"`
	Pruned   int        `json:"pruned"`
	Failed   int        `json:"failed"`
	Metrics  []string   `json:"metrics,omitempty"`
	Best     []runTrial `json:"best"` // one trial, or the Pareto front
	Logs     string     `json:"logs"`
}

// A runTrial is a trial in a runReport.
type runTrial struct {
	Trial  int             `json:"trial"`
	Values []float64       `json:"values"`
	Params json.RawMessage `json:"params"`
	// Command is a shell command that runs the program again as in the trial.
	Command string `json:"command"`

	record trial.Record
}

// newRunReport fails if no trial has a value.
func newRunReport(ctx context.Context, st *study.Study, o *command.Objective, logs string) (*runReport, error) {
	h, err := st.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	sum := h.Summary()
	r := &runReport{Study: st.Name(), Complete: sum.Complete, Pruned: sum.Pruned, Failed: sum.Failed, Metrics: st.Metrics(), Logs: logs}
	best, err := bestOf(ctx, st)
	if err != nil {
		return nil, fmt.Errorf("study %q: %w: see the logs in %s", st.Name(), err, logs)
	}
	for _, b := range best {
		r.Best = append(r.Best, runTrial{Trial: b.Number, Values: b.Values, Params: paramsJSON(b),
			Command: o.Invocation(b.Number, st.TrialSeed(b.Number), b.Params, 0).String(), record: b})
	}
	return r, nil
}

// bestOf returns the best trial of a study, or its Pareto front.
func bestOf(ctx context.Context, st *study.Study) ([]trial.Record, error) {
	best, err := st.Best(ctx)
	switch {
	case err == nil:
		return []trial.Record{best}, nil
	case !errors.Is(err, study.ErrObjectives):
		return nil, err
	}
	front, err := st.Front(ctx)
	if err == nil && len(front) == 0 {
		err = study.ErrNoTrial
	}
	return front, err
}

// write writes the report for people.
func (r *runReport) write(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "study %s: %d complete, %d pruned, %d failed\n", r.Study, r.Complete, r.Pruned, r.Failed)
	if len(r.Best) == 1 {
		r.writeOne(&b, r.Best[0])
	} else {
		r.writeFront(&b)
	}
	fmt.Fprintf(&b, "the output of each trial: %s\n", r.Logs)
	_, err := w.Write(b.Bytes())
	return err
}

func (r *runReport) writeOne(b *bytes.Buffer, best runTrial) {
	var values []string
	for i, v := range best.Values {
		values = append(values, fmt.Sprintf("%s %.6g", r.metric(i), v))
	}
	fmt.Fprintf(b, "best trial: %d, %s\n", best.Trial, strings.Join(values, ", "))
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, s := range best.record.Params.Settings() {
		fmt.Fprintf(t, "  %s\t%s\n", s.Name, s.Value)
	}
	t.Flush()
	fmt.Fprintf(b, "run it again:\n  %s\n", best.Command)
}

func (r *runReport) writeFront(b *bytes.Buffer) {
	fmt.Fprintf(b, "%d trials are on the Pareto front:\n", len(r.Best))
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "trial")
	for i := range r.Best[0].Values {
		fmt.Fprintf(t, "\t%s", r.metric(i))
	}
	fmt.Fprintln(t, "\tcommand")
	for _, one := range r.Best {
		fmt.Fprint(t, one.Trial)
		for _, v := range one.Values {
			fmt.Fprintf(t, "\t%.6g", v)
		}
		fmt.Fprintf(t, "\t%s\n", one.Command)
	}
	t.Flush()
}

// metric returns the name of an objective.
func (r *runReport) metric(i int) string {
	switch {
	case r.Metrics != nil:
		return r.Metrics[i]
	case len(r.Best[0].Values) == 1:
		return "value"
	}
	return fmt.Sprintf("value %d", i+1)
}
