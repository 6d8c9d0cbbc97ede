package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/importance"
	"github.com/attune-hpo/attune/trial"
)

// importanceMethods are the values of --method.
var importanceMethods = []string{"ped-anova", "fanova", "permutation"}

// judge implements the command importance.
type judge struct {
	storage, study    string
	method, objective string
	best, baseline    float64
	seed              uint64
	format, output    string
}

func importanceCommand() *cobra.Command {
	var j judge
	cmd := &cobra.Command{
		Use:   "importance",
		Short: "Show which hyperparameters matter",
		Long: `Importance shows how much each hyperparameter matters, how much that would vary if the study
were repeated, and what casts doubt on it.

--method ped-anova asks in which hyperparameters the best trials differ from the others. It
supports conditional hyperparameters and several objectives.
--method fanova asks how much of the variance of one objective each hyperparameter causes,
alone and together with another. It requires that a hyperparameter is in all trials.
--method permutation asks how much worse a forest predicts one objective of the trials if the
values of a hyperparameter are shuffled: the increase of the squared error, in percent of the
variance. The increases do not add up to 100 %. It has the same requirement.`,
		Example: `  attune importance --study airpassengers-passengers/lightgbm
  attune importance --method fanova --format json
  attune importance --objective duration`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return j.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	storageFlags(cmd, &j.storage, &j.study)
	f := cmd.Flags()
	f.StringVar(&j.method, "method", importanceMethods[0], "`method`: "+strings.Join(importanceMethods, ", "))
	complete(cmd, "method", importanceMethods...)
	f.StringVar(&j.objective, "objective", "", "what to explain: the `name` or number of an objective, or duration (default: the objective, or the Pareto front of several)")
	f.Float64Var(&j.best, "best", 0.1, "`share` of the trials that count as the best, for ped-anova")
	f.Float64Var(&j.baseline, "baseline", 1, "`share` of the trials that the best are compared with, for ped-anova")
	f.Uint64Var(&j.seed, "seed", 0, "`seed` of the forest, for fanova and permutation")
	formatFlag(cmd, &j.format, "text", "json")
	f.StringVar(&j.output, "output", "", "output `file` (default: standard output)")
	return cmd
}

func (j *judge) run(ctx context.Context, stdout io.Writer) error {
	if err := cmp.Or(oneOf("method", j.method, importanceMethods), oneOf("format", j.format, []string{"text", "json"}), checkFile("output", j.output)); err != nil {
		return err
	}
	if !(0 < j.best && j.best < j.baseline && j.baseline <= 1) {
		return fmt.Errorf("--best %v --baseline %v: want 0 < --best < --baseline <= 1", j.best, j.baseline)
	}
	h, err := openSnapshot(ctx, j.storage, j.study)
	if err != nil {
		return err
	}
	target, err := objectiveFlag(h.Header(), j.objective)
	if err != nil {
		return err
	}
	var e importance.Evaluator = importance.PEDANOVA{Target: target, Best: j.best, Baseline: j.baseline}
	if j.method != importanceMethods[0] {
		if h.Objectives() > 1 && j.objective == "" {
			return fmt.Errorf("--method %s explains one objective: choose it with --objective: %s", j.method, strings.Join(objectiveNames(h.Header()), ", "))
		}
		if e = (importance.FANOVA{Target: target, Seed: j.seed}); j.method == "permutation" {
			e = importance.Permutation{Target: target, Seed: j.seed}
		}
	}
	r, err := e.Evaluate(ctx, h)
	if err != nil {
		return fmt.Errorf("study %s: %w", h.Header().Name, err)
	}
	return output(stdout, j.output, func(w io.Writer) error {
		if j.format == "json" {
			return writeImportanceJSON(w, h.Header().Name, r)
		}
		return writeImportance(w, h.Header().Name, r)
	})
}

// openSnapshot returns the trials of the study in the flags --storage and --study.
func openSnapshot(ctx context.Context, storage, name string) (trial.Snapshot, error) {
	store, err := openStore(storage)
	if err != nil {
		return trial.Snapshot{}, err
	}
	if name, err = pick(ctx, store, name); err != nil {
		return trial.Snapshot{}, err
	}
	return snapshot(ctx, store, name)
}

// objectiveNames returns the names of a study's objectives on the command line: their names,
// or their numbers from 0.
func objectiveNames(h trial.Header) []string {
	if names := h.Metrics(); len(names) == h.Objectives() {
		return names
	}
	var all []string
	for i := range h.Objectives() {
		all = append(all, strconv.Itoa(i))
	}
	return all
}

// objectiveFlag returns the target that --objective names.
func objectiveFlag(h trial.Header, name string) (importance.Target, error) {
	names := objectiveNames(h)
	switch i := slices.Index(names, name); {
	case name == "":
		return importance.Target{}, nil
	case i >= 0:
		return importance.Objective(i), nil
	case name == "duration":
		return importance.Duration(), nil
	}
	if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < h.Objectives() {
		return importance.Objective(i), nil
	}
	return importance.Target{}, oneOf("objective", name, append(names, "duration"))
}

func writeImportance(w io.Writer, study string, r importance.Result) error {
	fmt.Fprintf(w, "study %s: importance for %s, by %s\n", study, r.Of, r.Method)
	if r.Best > 0 {
		fmt.Fprintf(w, "best %d of %d trials\n", r.Best, r.Trials)
	} else {
		fmt.Fprintf(w, "%d trials; the forest predicts unseen ones with R² %.2f\n", r.Trials, r.R2)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	column, scale := "share", 1.0
	if r.Method == "permutation" {
		fmt.Fprintln(w, "increase of the squared error with shuffled values, in % of the variance; the increases do not add up to 100 %")
		column, scale = "increase", 0.5 // a parameter that causes all of the variance has about 200 %
	}
	fmt.Fprintf(t, "parameter\t%s\t±\ttrials\t\n", column)
	for _, p := range r.Params {
		share := p.Share
		if r.Best == 0 { // shares of the variance, like those of pairs
			share = p.Value
		}
		fmt.Fprintf(t, "%s\t%.1f %%\t%.1f %%\t%d\t%s\n", p.Name, 100*share, 100*p.Deviation, p.Trials, strings.Repeat("█", int(math.Round(40*scale*share))))
	}
	if len(r.Pairs) > 0 {
		fmt.Fprintln(t, "together\t\t\t\t")
	}
	for _, p := range r.Pairs[:min(5, len(r.Pairs))] {
		fmt.Fprintf(t, "%s × %s\t%.1f %%\t%.1f %%\t\t%s\n", p.A, p.B, 100*p.Value, 100*p.Deviation, strings.Repeat("█", int(math.Round(40*p.Value))))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, d := range r.Doubts {
		fmt.Fprintf(w, "doubt: %s\n", d)
	}
	return nil
}

func writeImportanceJSON(w io.Writer, study string, r importance.Result) error {
	type param struct {
		Name      string  `json:"name"`
		Share     float64 `json:"share"`
		Value     float64 `json:"value"`
		Deviation float64 `json:"deviation"`
		Trials    int     `json:"trials"`
	}
	type pair struct {
		Names     [2]string `json:"names"`
		Value     float64   `json:"value"`
		Deviation float64   `json:"deviation"`
	}
	out := struct {
		Study  string   `json:"study"`
		Method string   `json:"method"`
		Of     string   `json:"of"`
		Trials int      `json:"trials"`
		Best   int      `json:"best,omitempty"`
		R2     *float64 `json:"r2,omitempty"`
		Params []param  `json:"params"`
		Pairs  []pair   `json:"pairs,omitempty"`
		Doubts []string `json:"doubts,omitempty"`
	}{Study: study, Method: r.Method, Of: r.Of, Trials: r.Trials, Best: r.Best, Doubts: r.Doubts}
	if !math.IsNaN(r.R2) {
		out.R2 = &r.R2
	}
	for _, p := range r.Params {
		out.Params = append(out.Params, param{p.Name, p.Share, p.Value, p.Deviation, p.Trials})
	}
	for _, p := range r.Pairs {
		out.Pairs = append(out.Pairs, pair{[2]string{p.A, p.B}, p.Value, p.Deviation})
	}
	return writeJSON(w, out)
}
