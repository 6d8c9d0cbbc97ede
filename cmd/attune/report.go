package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// A report compares models and baselines.
type report struct {
	job     job // of any of the models: they differ in model, engine and fixed only
	storage string
	device  string   // to fit the best model on
	models  []row    // those with a best trial, at least one; the best first
	missing []row    // models without
	base    []row    // the best first
	notes   []string // on scores
	frame   forecast.Frame
	back    *forecast.Backtest // that the models were tuned on
}

// A row is how a model or a baseline did.
type row struct {
	name     string
	baseline bool
	valid    forecast.Result // scores by job.metrics
	test     forecast.Result // likewise; no scores if nothing was kept back

	study    string
	trials   [3]int        // complete, pruned, failed
	failure  string        // the last
	took     time.Duration // of the first two, one after the other
	best     trial.Record
	model    tune.Model // of the best trial, which has not seen the test span
	finalist string     // file of the model fitted to all data; empty but for the winner

	ended   error // why the run stopped early
	missing error // why there is no best trial
}

// score returns that of the metric optimised.
func (r row) score() float64 { return first(r.valid.Scores) }

func first(scores []float64) float64 {
	if len(scores) == 0 {
		return math.NaN()
	}
	return scores[0]
}

// newRow reads what came of a study. The row counts the trials also where there is no
// best one, which fails with [study.ErrNoTrial].
func newRow(ctx context.Context, st *study.Study, j job, task *tune.Task) (row, error) {
	r := row{name: j.Model, study: st.Name()}
	h, err := st.Snapshot(ctx)
	if err != nil {
		return r, err
	}
	r.trials = [3]int{h.Count(trial.Complete), h.Count(trial.Pruned), 0}
	for t := range h.All() {
		switch {
		case t.State == trial.Complete, t.State == trial.Pruned:
			r.took += t.Duration()
		case t.State == trial.Failed && !t.Interrupted():
			r.trials[2]++
			r.failure = t.Err
		}
	}
	r.best, err = st.Best(ctx)
	switch {
	case errors.Is(err, study.ErrNoTrial) && r.trials[2] > 0:
		return r, fmt.Errorf("study %q: %w: %d failed, the last with: %s", st.Name(), err, r.trials[2], r.failure)
	case err != nil:
		return r, fmt.Errorf("study %q: %w", st.Name(), err)
	}
	if r.model, err = task.Best(ctx, st); err != nil {
		return r, fmt.Errorf("study %q: %w", st.Name(), err)
	}
	r.valid = forecast.Result{Name: j.Model, Metrics: j.metrics()[:1], Scores: r.best.Values}
	return r, nil
}

// A frozen forecaster is one that is not fitted again.
type frozen struct{ forecast.Forecaster }

func (frozen) Fit(context.Context, forecast.Frame, forecast.FitOptions) error { return nil }

// compare scores baselines and models on the backtest and on the test span, and fits
// the best model to all data.
func (r *report) compare(ctx context.Context, threads int) error {
	valid, err := r.back.Compare(ctx)
	if err != nil {
		return err
	}
	r.notes = valid.Notes
	for _, b := range valid.Rows {
		r.base = append(r.base, row{name: b.Name, baseline: true, valid: b})
	}
	if r.job.Test > 0 {
		h := min(r.job.Horizon, r.job.Test)
		span, err := forecast.NewBacktest(r.frame, forecast.Splits{Horizon: h, Windows: r.job.Test / h}, r.job.metrics()...)
		if err != nil {
			return err
		}
		base, err := span.Compare(ctx)
		if err != nil {
			return err
		}
		for _, n := range base.Notes {
			r.notes = append(r.notes, "test: "+n)
		}
		for i := range r.base {
			for _, b := range base.Rows {
				if b.Name == r.base[i].name {
					r.base[i].test = b
				}
			}
		}
		for i, m := range r.models {
			if r.models[i].test, err = span.Run(ctx, m.name, frozen{m.model.Forecaster}, forecast.RunOptions{}); err != nil {
				return fmt.Errorf("study %q: %w", m.study, err)
			}
		}
	}
	for _, m := range r.models {
		if m.trials[2] > 0 {
			r.notes = append(r.notes, fmt.Sprintf("%s: %d trials failed, the last with: %s", m.name, m.trials[2], plain(m.failure)))
		}
	}
	for _, m := range slices.Concat(r.models, r.missing) {
		if err := cmp.Or(m.ended, m.missing); err != nil {
			r.notes = append(r.notes, plain(err.Error()))
		}
	}
	if err := r.keep(ctx); err != nil {
		return err
	}
	metric := r.job.metrics()[0]
	slices.SortStableFunc(r.models, func(a, b row) int { return better(metric, a.score(), b.score()) })
	s, err := openJob(ctx, sqlite.File(r.storage), r.models[0].study)
	if err != nil {
		return err
	}
	defer s.Close()
	s.device, s.data = r.device, r.job.Data.File
	_, r.models[0].finalist, err = s.final(ctx, threads)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: the trials are kept: the same command goes on where this one stopped", errInterrupted)
	}
	return err
}

// testKey is the attribute of a study that says how its best model did on the test span:
// a tested as JSON.
const testKey = "test"

// A tested model is one that was compared with the baselines on the test span.
type tested struct {
	Trial    int           `json:"trial"`
	Metric   string        `json:"metric"`
	Value    space.Literal `json:"value"`
	Baseline string        `json:"baseline"` // the best there
	Score    space.Literal `json:"score"`    // of the baseline
	Worse    bool          `json:"worse"`    // the model is no better
}

// keep writes into the studies how their models did on the test span.
func (r *report) keep(ctx context.Context) error {
	if r.job.Test == 0 || len(r.base) == 0 {
		return nil
	}
	metric, base := r.job.metrics()[0], r.testBase()
	for _, m := range r.models {
		st, err := study.Load(ctx, sqlite.File(r.storage), m.study, study.Config{Sampler: random.Sampler{}})
		if err != nil {
			return err
		}
		score, best := first(m.test.Scores), first(base.test.Scores)
		err = st.SetAttr(ctx, testKey, tested{m.best.Number, metric.Name(), space.Lit(score), base.name, space.Lit(best), !metric.Better(score, best)})
		st.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// doubt returns what speaks against the study's best model: that a baseline did better on
// the test span, as far as that is known. It is nil otherwise.
func (s *jobStudy) doubt(ctx context.Context) error {
	attrs, err := s.Attrs(ctx)
	if err != nil {
		return err
	}
	var t tested
	if a, ok := attrs.Get(testKey); !ok || a.Decode(&t) != nil || !t.Worse {
		return nil
	}
	if best, err := s.Best(ctx); err != nil || best.Number != t.Trial {
		return err
	}
	value, _ := t.Value.Any().(float64)
	score, _ := t.Score.Any().(float64)
	return fmt.Errorf("on the test span %s had %s %.4g, worse than the baseline %s with %.4g: do not trust it yet", s.job.Model, t.Metric, value, t.Baseline, score)
}

// testBase returns the baseline that is best on the test span.
func (r *report) testBase() row {
	metric := r.job.metrics()[0]
	return slices.MinFunc(r.base, func(a, b row) int { return better(metric, first(a.test.Scores), first(b.test.Scores)) })
}

// verdict says in words who won.
func (r *report) verdict() string {
	metric := r.job.metrics()[0]
	best := r.models[0]
	s := fmt.Sprintf("%s is the best model on the backtest (%s %.4g).", best.name, metric.Name(), best.score())
	if len(r.models) == 1 {
		s = fmt.Sprintf("%s has %s %.4g on the backtest.", best.name, metric.Name(), best.score())
	}
	if len(r.base) == 0 {
		return s
	}
	base := r.base[0]
	if metric.Better(best.score(), base.score()) {
		s += fmt.Sprintf(" The best baseline, %s, has %.4g.", base.name, base.score())
	} else {
		s += fmt.Sprintf(" But no model beats the baseline %s (%.4g) there: forecast with that, or tune on.", base.name, base.score())
	}
	if r.job.Test == 0 {
		return s
	}
	s += fmt.Sprintf("\nOn the test span, which the tuning never saw, it has %s %.4g,", metric.Name(), first(best.test.Scores))
	winner := r.testBase()
	if metric.Better(first(best.test.Scores), first(winner.test.Scores)) {
		s += fmt.Sprintf(" better than every baseline (%s has %.4g).", winner.name, first(winner.test.Scores))
	} else {
		s += fmt.Sprintf(" worse than the baseline %s with %.4g: do not trust it yet.", winner.name, first(winner.test.Scores))
	}
	return s
}

func better(m forecast.Metric, a, b float64) int {
	switch {
	case m.Better(a, b):
		return -1
	case m.Better(b, a):
		return 1
	}
	return 0
}

// rows returns models and baselines, the best first, and last the models without a score.
func (r *report) rows() []row {
	metric := r.job.metrics()[0]
	all := slices.Concat(r.models, r.base)
	slices.SortStableFunc(all, func(a, b row) int { return better(metric, a.score(), b.score()) })
	return append(all, r.missing...)
}

func number(x float64) string {
	if math.IsNaN(x) {
		return "-"
	}
	return fmt.Sprintf("%.4g", x)
}

// short returns the path of a file as seen from here, where that is below.
func short(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// legend explains the table's columns.
const legend = `trial time: the sum over all trials, also of those that ran side by side
rounds: of the best trial, the trees or epochs that were best, or 1; its parameters below
have that number, not the one that was searched or allowed`

// write writes the report for people.
func (r *report) write(w io.Writer) error {
	metric := r.job.metrics()[0]
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s: %s by %s, %s\n", short(r.job.Data.File), r.job.Data.Target, r.frame[0].Freq, r.job.Span)
	fmt.Fprintf(&b, "backtest: %d x %d steps, %d apart", r.job.Windows, r.job.Horizon, r.job.Step)
	if r.job.Test > 0 {
		fmt.Fprintf(&b, "; test: the %d after them, which the tuning never saw", r.job.Test)
	}
	fmt.Fprint(&b, "\n\n")
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "model\tbacktest %s", metric.Name())
	if r.job.Test > 0 {
		for _, m := range r.job.metrics() {
			fmt.Fprintf(t, "\ttest %s", m.Name())
		}
	}
	fmt.Fprint(t, "\ttrials\tpruned\tfailed\ttrial time\trounds\n")
	for _, m := range r.rows() {
		name := m.name
		if m.baseline {
			name += " (baseline)"
		}
		fmt.Fprintf(t, "%s\t%s", name, number(m.score()))
		if r.job.Test > 0 {
			for i := range r.job.metrics() {
				s := math.NaN()
				if i < len(m.test.Scores) {
					s = m.test.Scores[i]
				}
				fmt.Fprintf(t, "\t%s", number(s))
			}
		}
		if m.baseline {
			fmt.Fprint(t, "\t\t\t\t\t\n")
			continue
		}
		rounds := "-"
		if a, ok := m.best.Attrs.Get(tune.RoundsKey); ok {
			rounds = a.JSON
		}
		fmt.Fprintf(t, "\t%d\t%d\t%d\t%v\t%s\n", m.trials[0]+m.trials[1], m.trials[1], m.trials[2], m.took.Round(100*time.Millisecond), rounds)
	}
	t.Flush()
	fmt.Fprintln(&b, legend)
	for _, n := range r.notes {
		fmt.Fprintln(&b, n)
	}
	fmt.Fprintf(&b, "\n%s\n\nbest parameters:\n", r.verdict())
	for _, m := range r.models {
		fmt.Fprintf(&b, "  %s (trial %d):", m.name, m.best.Number)
		settings, ok := tune.Settings(m.best)
		if !ok {
			settings = m.best.Params.Settings()
		}
		for _, s := range settings {
			if x, ok := s.Value.Any().(float64); ok {
				fmt.Fprintf(&b, " %s=%.4g", s.Name, x)
			} else {
				fmt.Fprintf(&b, " %s=%v", s.Name, s.Value)
			}
		}
		fmt.Fprintln(&b)
	}
	winner := r.models[0]
	fmt.Fprintf(&b, "\nmodel, fitted to all data: %s\n\nto use it:\n", winner.finalist)
	for _, c := range r.commands() {
		fmt.Fprintf(&b, "  %s\n", c)
	}
	_, err := io.WriteString(w, regexp.MustCompile(`(?m) +$`).ReplaceAllString(b.String(), ""))
	return err
}

// commands returns those that make use of the best model.
func (r *report) commands() []string {
	at := fmt.Sprintf("--storage %s --study %s", quote(r.storage), quote(r.models[0].study))
	return []string{
		fmt.Sprintf("attune predict %s --output forecast.csv --plot forecast.svg", at),
		fmt.Sprintf("attune best %s --format json", at),
	}
}

// quote quotes an argument for a shell, if it needs that.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+:@%,", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// scores returns a result as JSON has it: null for NaN.
func scores(res forecast.Result) map[string]*float64 {
	out := map[string]*float64{}
	for i, s := range res.Scores {
		out[res.Metrics[i].Name()] = nil
		if !math.IsNaN(s) && !math.IsInf(s, 0) {
			out[res.Metrics[i].Name()] = &s
		}
	}
	return out
}

// writeJSON writes the report for programs.
func (r *report) writeJSON(w io.Writer) error {
	type item struct {
		Name       string              `json:"name"`
		Baseline   bool                `json:"baseline"`
		Validation map[string]*float64 `json:"validation"`
		Test       map[string]*float64 `json:"test,omitempty"`
		Study      string              `json:"study,omitempty"`
		Trials     int                 `json:"trials,omitempty"`
		Pruned     int                 `json:"pruned,omitempty"`
		Failed     int                 `json:"failed,omitempty"`
		Seconds    float64             `json:"trial_seconds,omitempty"`
		Best       *int                `json:"best_trial,omitempty"`
		Rounds     json.RawMessage     `json:"rounds,omitempty"`
		Params     json.RawMessage     `json:"params,omitempty"`
		File       string              `json:"model_file,omitempty"`
		Error      string              `json:"error,omitempty"` // why there is no best trial, or the study ended early
	}
	out := struct {
		Data     source   `json:"data"`
		Metric   string   `json:"metric"`
		Horizon  int      `json:"horizon"`
		Windows  int      `json:"windows"`
		Test     int      `json:"test"`
		Storage  string   `json:"storage"`
		Winner   string   `json:"winner"` // the best model's study
		Verdict  string   `json:"verdict"`
		Notes    []string `json:"notes,omitempty"`
		Commands []string `json:"commands"`
		Rows     []item   `json:"rows"`
	}{r.job.Data, r.job.Metric, r.job.Horizon, r.job.Windows, r.job.Test, r.storage, r.models[0].study, r.verdict(), r.notes, r.commands(), nil}
	for _, m := range r.rows() {
		it := item{Name: m.name, Baseline: m.baseline, Validation: scores(m.valid), Study: m.study, Trials: m.trials[0] + m.trials[1],
			Pruned: m.trials[1], Failed: m.trials[2], Seconds: m.took.Seconds(), File: m.finalist}
		if r.job.Test > 0 {
			it.Test = scores(m.test)
		}
		if err := cmp.Or(m.ended, m.missing); err != nil {
			it.Error = plain(err.Error())
		}
		if !m.baseline && m.missing == nil {
			it.Best = &m.best.Number
			if a, ok := m.best.Attrs.Get(tune.RoundsKey); ok {
				it.Rounds = json.RawMessage(a.JSON)
			}
			it.Params = paramsJSON(m.best) // those that attune best writes
		}
		out.Rows = append(out.Rows, it)
	}
	return writeJSON(w, out)
}
