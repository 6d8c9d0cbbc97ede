package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/attune-hpo/attune/objective/ensemble"
	"github.com/attune-hpo/attune/objective/table"
	"github.com/attune-hpo/attune/trial"
)

// A tableReport compares models of a table, and a baseline.
type tableReport struct {
	job     tableJob // job of any model
	storage string
	rows    []tableRow // best first
	notes   []string
	final   string // file of the best model, fitted to all rows; empty if there is none
	used    []string
	tested  int // rows held out
}

// A tableRow holds the results of a model or a baseline.
type tableRow struct {
	name     string
	baseline bool
	plan     *tablePlan // nil for a baseline
	best     trial.Record
	sum      trial.Summary
	score    float64
	errorOf  float64   // standard error of the score; NaN if it is not known
	test     []float64 // by job.metrics; nil without test rows
	ended    error     // why the run stopped early
	notMade  int       // trials for which time ran out
}

// newTableRow reads the results of a study.
func newTableRow(ctx context.Context, p *tablePlan) (tableRow, error) {
	r := tableRow{name: p.job.Model, plan: p, errorOf: math.NaN()}
	h, err := p.study.Snapshot(ctx)
	if err != nil {
		return r, err
	}
	r.sum = h.Summary()
	if r.best, err = p.study.Best(ctx); err != nil {
		return r, fmt.Errorf("study %q: %w", p.name, err)
	}
	r.score = r.best.Values[0]
	if a, ok := r.best.Attrs.Get(table.ErrorKey); ok && a.Decode(&r.errorOf) != nil {
		r.errorOf = math.NaN()
	}
	return r, nil
}

// finish scores models and the baseline, and fits the best model to all rows. Failures become
// notes, except that of the last.
func (r *tableReport) finish(ctx context.Context, s *tableSession) error {
	metric := r.job.metric()
	for i := range r.rows {
		row := &r.rows[i]
		if r.job.Test == 0 {
			continue
		}
		m, err := row.plan.task.Best(ctx, row.plan.study)
		if err == nil {
			var p table.Predictions
			if p, err = m.Predict(s.test.Features()); err == nil {
				row.test = r.scores(s.test, p.Scored())
			}
		}
		if err != nil {
			r.notes = append(r.notes, fmt.Sprintf("%s: no test scores: %s", row.name, plain(err)))
		}
	}
	if base, ok := r.baseline(s); ok {
		r.rows = append(r.rows, base)
	}
	for _, row := range r.rows {
		if row.sum.Failed > 0 {
			r.notes = append(r.notes, fmt.Sprintf("%s: %s failed", row.name, plural(row.sum.Failed, "trial")))
		}
		if row.notMade > 0 {
			r.notes = append(r.notes, fmt.Sprintf("%s: --timeout ran out: %s not run", row.name, plural(row.notMade, "trial")))
		}
		if row.ended != nil {
			r.notes = append(r.notes, plain(row.ended))
		}
	}
	slices.SortStableFunc(r.rows, func(a, b tableRow) int {
		switch {
		case metric.Better(a.score, b.score):
			return -1
		case metric.Better(b.score, a.score):
			return 1
		}
		return 0
	})
	best := r.winner()
	task := best.plan.job.task(s.all, best.plan.trees, s.threads(1))
	m, err := finalTable(ctx, task, best.plan.study, best.best, s.storage)
	if m.Features != nil {
		r.used = mostUsed(m, s)
	}
	if err != nil {
		return fmt.Errorf("study %q: the model of all rows: %w", best.plan.name, err)
	}
	r.final = short(modelPath(s.storage, best.plan.name))
	return nil
}

// winner returns the best model.
func (r *tableReport) winner() tableRow {
	return r.rows[slices.IndexFunc(r.rows, func(row tableRow) bool { return !row.baseline })]
}

// scores returns the scores of predictions by the job's metrics.
func (r *tableReport) scores(t table.Table, predicted []float64) []float64 {
	var out []float64
	for _, m := range r.job.metrics() {
		out = append(out, m.ScoreGroups(t.Target.Values, predicted, t.Weight, t.Group))
	}
	return out
}

// baseline is what predicts the same for all rows: the mean, the median or the quantile of
// numbers, or the shares of classes; for rankings, a random order. Anomalies have none.
func (r *tableReport) baseline(s *tableSession) (tableRow, bool) {
	metric := r.job.metric()
	name, constant := "", func(t table.Table) []float64 { return nil }
	switch {
	case r.job.Task == "anomaly":
		return tableRow{}, false
	case r.job.Task == "ranking":
		name, constant = "random order", func(table.Table) []float64 { return []float64{0} } // NDCG averages over the orders of ties
	case s.all.Target.Categories != nil:
		name, constant = "shares of the classes", classShares
	default:
		q := math.NaN()
		if metric == table.MAE || metric == table.MAPE {
			q = 0.5
		}
		if _, err := fmt.Sscanf(metric.Name(), "pinball@%f", &q); err != nil && math.IsNaN(q) {
			name = "mean"
			constant = func(t table.Table) []float64 { return []float64{weightedMean(t)} }
			break
		}
		name = fmt.Sprintf("%v-quantile", q)
		if q == 0.5 {
			name = "median"
		}
		constant = func(t table.Table) []float64 { return []float64{quantileOf(t.Target.Values, q)} }
	}
	repeated := func(from table.Table, n int) []float64 { return slices.Repeat(constant(from), n) }
	folds, err := table.Splits{Folds: r.job.Folds, Ordered: r.job.Data.Time != ""}.Split(s.tuned)
	if err != nil {
		return tableRow{}, false
	}
	var judged []int
	var predicted []float64
	for _, f := range folds {
		judged, predicted = append(judged, f.Valid...), append(predicted, repeated(s.tuned.Take(f.Train), len(f.Valid))...)
	}
	rows := s.tuned.Take(judged)
	b := tableRow{name: name, baseline: true, score: metric.ScoreGroups(rows.Target.Values, predicted, rows.Weight, rows.Group), errorOf: math.NaN()}
	if r.job.Test > 0 {
		b.test = r.scores(s.test, repeated(s.tuned, s.test.Rows()))
	}
	return b, true
}

func weightedMean(t table.Table) float64 {
	sum, n := 0.0, 0.0
	for i, y := range t.Target.Values {
		w := 1.0
		if t.Weight != nil {
			w = t.Weight[i]
		}
		sum, n = sum+w*y, n+w
	}
	return sum / n
}

func quantileOf(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// classShares returns the share of each class, or only of the second of two.
func classShares(t table.Table) []float64 {
	share := make([]float64, len(t.Target.Categories))
	for _, c := range t.Target.Values {
		share[int(c)] += 1 / float64(t.Rows())
	}
	if len(share) == 2 {
		share = share[1:]
	}
	return share
}

// mostUsed names the features that matter most to a model.
func mostUsed(m table.Model, s *tableSession) []string {
	var names []string
	for _, i := range m.Importance() {
		if i.Gain > 0 {
			names = append(names, i.Name)
		}
	}
	if len(names) == 0 && s.job.Task != "anomaly" {
		all, err := m.Permute(s.all, s.job.metric(), 0)
		if err != nil {
			return nil
		}
		for _, i := range all {
			if i.Value > 0 {
				names = append(names, i.Name)
			}
		}
	}
	return names[:min(len(names), 5)]
}

// verdict says in words which model won.
func (r *tableReport) verdict() string {
	metric, best := r.job.metric(), r.winner()
	s := fmt.Sprintf("%s is the best model in the cross-validation", best.name)
	models := 0
	for _, row := range r.rows {
		if !row.baseline {
			models++
		}
	}
	if models == 1 {
		s = fmt.Sprintf("%s has, in the cross-validation,", best.name)
		s += fmt.Sprintf(" %s %s.", metric.Name(), best.estimate())
	} else {
		s += fmt.Sprintf(" (%s %s).", metric.Name(), best.estimate())
	}
	base := slices.IndexFunc(r.rows, func(row tableRow) bool { return row.baseline })
	if base >= 0 && !metric.Better(best.score, r.rows[base].score) {
		s += fmt.Sprintf(" But the same answer for every row, the %s, does no worse (%.4g): do not trust it.", r.rows[base].name, r.rows[base].score)
	}
	if len(best.test) == 0 {
		return s
	}
	s += fmt.Sprintf("\nOn the %d test rows, which the tuning never saw, it has %s %s", r.tested, metric.Name(), number(best.test[0]))
	if base < 0 || math.IsNaN(best.test[0]) {
		return s + "."
	}
	floor := r.rows[base]
	if metric.Better(best.test[0], floor.test[0]) {
		return s + fmt.Sprintf(", better than the %s (%s).", floor.name, number(floor.test[0]))
	}
	return s + fmt.Sprintf(", no better than the %s (%s): do not trust it yet.", floor.name, number(floor.test[0]))
}

func (r tableRow) estimate() string {
	return ensemble.Estimate{Value: r.score, Error: r.errorOf}.String()
}

// tableLegend explains the columns.
const tableLegend = `±: the standard error, by leaving out one fold in turn
trial time: the durations of all trials, summed, even if they ran in parallel
rounds: number of trees or epochs at the best trial's best score`

// write writes the report for people.
func (r *tableReport) write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s: %s by %s, %s\n", short(r.job.Data.File), r.job.Data.Target, r.job.Task, r.job.Span)
	how := "in random order"
	switch {
	case r.job.Data.Time != "":
		how = "each later than the rows it learns from"
	case r.job.Data.Group != "":
		how = "which split no group"
	case r.job.Task != "regression":
		how = "stratified"
	}
	fmt.Fprintf(&b, "cross-validation: %d folds, %s", r.job.Folds, how)
	if r.job.Test > 0 {
		fmt.Fprintf(&b, "; test: %s, which the tuning never saw", plural(r.tested, "row"))
	}
	fmt.Fprint(&b, "\n\n")
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "model\t%s", r.job.Metric)
	if r.job.Test > 0 {
		for _, m := range r.job.metrics() {
			fmt.Fprintf(t, "\ttest %s", m.Name())
		}
	}
	fmt.Fprint(t, "\ttrials\tpruned\tfailed\ttrial time\trounds\n")
	for _, row := range r.rows {
		name := row.name
		if row.baseline {
			name += " (baseline)"
		}
		fmt.Fprintf(t, "%s\t%s", name, row.estimate())
		if r.job.Test > 0 {
			for i := range r.job.metrics() {
				s := math.NaN()
				if i < len(row.test) {
					s = row.test[i]
				}
				fmt.Fprintf(t, "\t%s", number(s))
			}
		}
		if row.baseline {
			fmt.Fprint(t, "\t\t\t\t\t\n")
			continue
		}
		rounds := "-"
		if a, ok := row.best.Attrs.Get(table.RoundsKey); ok {
			rounds = a.JSON
		}
		fmt.Fprintf(t, "\t%d\t%d\t%d\t%v\t%s\n", row.sum.Complete+row.sum.Pruned, row.sum.Pruned, row.sum.Failed, row.sum.Took.Round(100*time.Millisecond), rounds)
	}
	t.Flush()
	fmt.Fprintln(&b, tableLegend)
	for _, n := range r.notes {
		fmt.Fprintln(&b, n)
	}
	fmt.Fprintf(&b, "\n%s\n", r.verdict())
	if len(r.used) > 0 {
		fmt.Fprintf(&b, "Features that matter most: %s.\n", strings.Join(r.used, ", "))
	}
	fmt.Fprint(&b, "\nbest hyperparameters:\n")
	for _, row := range r.rows {
		if row.baseline {
			continue
		}
		fmt.Fprintf(&b, "  %s (trial %d):", row.name, row.best.Number)
		listSettings(&b, settingsOf(row.best))
	}
	return closing(w, &b, "rows", r.final, r.commands())
}

// commands returns commands that use the best model, if there is one.
func (r *tableReport) commands() []string {
	if r.final == "" {
		return nil
	}
	at := fmt.Sprintf("--storage %s --study %s", quote(r.storage), quote(r.winner().plan.name))
	return []string{
		fmt.Sprintf("attune predict %s --data new.csv --output predictions.csv", at),
		fmt.Sprintf("attune explain %s", at),
		fmt.Sprintf("attune export %s --output model.onnx", at),
	}
}

// writeJSON writes the report for programs.
func (r *tableReport) writeJSON(w io.Writer) error {
	type item struct {
		Name       string              `json:"name"`
		Baseline   bool                `json:"baseline"`
		Validation *float64            `json:"validation"`
		StdError   *float64            `json:"validation_error,omitempty"`
		Test       map[string]*float64 `json:"test,omitempty"`
		Study      string              `json:"study,omitempty"`
		Trials     int                 `json:"trials,omitempty"`
		Pruned     int                 `json:"pruned,omitempty"`
		Failed     int                 `json:"failed,omitempty"`
		NotMade    int                 `json:"not_made,omitempty"`
		Seconds    float64             `json:"trial_seconds,omitempty"`
		Best       *int                `json:"best_trial,omitempty"`
		Params     json.RawMessage     `json:"params,omitempty"`
		File       string              `json:"model_file,omitempty"`
		Error      string              `json:"error,omitempty"`
	}
	finite := func(x float64) *float64 {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return nil
		}
		return &x
	}
	out := struct {
		Data     tableSource `json:"data"`
		Task     string      `json:"task"`
		Metric   string      `json:"metric"`
		Folds    int         `json:"folds"`
		Test     int         `json:"test"`
		Storage  string      `json:"storage"`
		Winner   string      `json:"winner"`
		Verdict  string      `json:"verdict"`
		Features []string    `json:"features,omitempty"`
		Notes    []string    `json:"notes,omitempty"`
		Commands []string    `json:"commands"`
		Rows     []item      `json:"rows"`
	}{r.job.Data, r.job.Task, r.job.Metric, r.job.Folds, r.tested, r.storage, r.winner().plan.name, r.verdict(), r.used, r.notes, r.commands(), nil}
	for _, row := range r.rows {
		it := item{Name: row.name, Baseline: row.baseline, Validation: finite(row.score), StdError: finite(row.errorOf)}
		if row.test != nil {
			it.Test = map[string]*float64{}
			for i, m := range r.job.metrics() {
				it.Test[m.Name()] = finite(row.test[i])
			}
		}
		if !row.baseline {
			it.Study, it.Trials, it.Pruned, it.Failed, it.NotMade = row.plan.name, row.sum.Complete+row.sum.Pruned, row.sum.Pruned, row.sum.Failed, row.notMade
			it.Seconds, it.Best, it.Params = row.sum.Took.Seconds(), &row.best.Number, paramsJSON(row.best)
			if it.Study == out.Winner {
				it.File = r.final
			}
			if row.ended != nil {
				it.Error = plain(row.ended)
			}
		}
		out.Rows = append(out.Rows, it)
	}
	return writeJSON(w, out)
}

// pickTable returns the best study of tables, all of which must have the same job.
func pickTable(ctx context.Context, st store, all []trial.Header) (string, error) {
	var first tableJob
	best, value := "", math.NaN()
	for i, s := range all {
		j, err := readTableJob(s.Attrs)
		if i == 0 {
			first = j
		}
		if err != nil || !first.shares(j) {
			return "", fmt.Errorf("%s contains studies of different data: choose one with --study", st.Path)
		}
		h, err := snapshot(ctx, st, s.Name)
		if err != nil {
			return "", err
		}
		if r := ranked(h); len(r) > 0 && (best == "" || first.metric().Better(r[0].Values[0], value)) {
			best, value = s.Name, r[0].Values[0]
		}
	}
	return cmp.Or(best, all[0].Name), nil
}
