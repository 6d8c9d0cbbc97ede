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
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// A report compares models and baselines.
type report struct {
	job     job // of any of the models: they differ in model, engine and fixed only
	storage string
	models  []row    // those with a best trial, the best first
	missing []row    // models without
	base    []row    // the best first
	notes   []string // on scores
	frame   forecast.Frame
	back    *forecast.Backtest // that the models were tuned on
	final   string             // file of the best model, fitted to all data; empty if there is none
}

// A row is how a model or a baseline did.
type row struct {
	name     string
	baseline bool
	valid    forecast.Result // scores by job.metrics
	test     forecast.Result // likewise; no scores if nothing was kept back

	study   string
	of      *jobStudy  // that study, open; nil if there is no best trial
	task    *tune.Task // of the tuning
	sum     trial.Summary
	failure string // of the last trial that failed
	notMade int    // trials that there was no time for
	best    trial.Record
	others  []trial.Record // the next best, the best first
	unfit   []unfit        // better trials, whose models cannot be fitted to all data

	ended   error // why the run stopped early
	missing error // why there is no best trial
}

// close closes the studies.
func (r *report) close() {
	for _, m := range slices.Concat(r.models, r.missing) {
		if m.of != nil {
			m.of.Close()
		}
	}
}

// made returns how many trials there are, failed ones aside.
func (r row) made() int { return r.sum.Complete + r.sum.Pruned }

// score returns that of the metric optimised.
func (r row) score() float64 { return first(r.valid.Scores) }

func first(scores []float64) float64 {
	if len(scores) == 0 {
		return math.NaN()
	}
	return scores[0]
}

// newRow reads what came of a study, which it takes over. Without a best trial it fails with
// [study.ErrNoTrial], and the row counts the trials all the same.
func newRow(ctx context.Context, s *jobStudy, task *tune.Task) (row, error) {
	r := row{name: s.job.Model, study: s.Name()}
	h, err := s.Snapshot(ctx)
	if err != nil {
		return r, err
	}
	r.sum = h.Summary()
	for t := range h.All() {
		if t.State == trial.Failed && !t.Interrupted() {
			r.failure = t.Err
		}
	}
	_, err = s.Best(ctx)
	switch {
	case errors.Is(err, study.ErrNoTrial) && r.sum.Failed > 0:
		return r, fmt.Errorf("study %q: %w: %d failed, the last with: %s", s.Name(), err, r.sum.Failed, r.failure)
	case err != nil:
		return r, fmt.Errorf("study %q: %w", s.Name(), err)
	}
	if r.others, r.unfit, err = s.candidates(ctx); err != nil {
		return r, fmt.Errorf("study %q: %w", s.Name(), err)
	}
	r.of, r.task = s, task
	r.next()
	return r, nil
}

// ranOut says that there was no time for all trials.
func (r row) ranOut() string {
	return fmt.Sprintf("%s: --timeout ran out: %d of %d trials were not made", r.name, r.notMade, r.made()+r.notMade)
}

// next makes the best of the other trials that of the row, if there is one.
func (r *row) next() bool {
	if len(r.others) == 0 {
		return false
	}
	r.best, r.others = r.others[0], r.others[1:]
	r.valid = forecast.Result{Name: r.name, Metrics: r.of.job.metrics()[:1], Scores: r.best.Values}
	return true
}

// A frozen forecaster is one that is not fitted again.
type frozen struct{ forecast.Forecaster }

func (frozen) Fit(context.Context, forecast.Frame, forecast.FitOptions) error { return nil }

// compare fits the best model to all data, and scores models and baselines. What fails is
// noted, and never costs the rest. It returns an error if there is no model in the end.
func (r *report) compare(ctx context.Context, threads int) error {
	err := r.elect(ctx, threads)
	if valid, err := r.back.Compare(ctx); err != nil {
		r.note("no baselines", err)
	} else {
		r.notes = append(r.notes, valid.Notes...)
		for _, b := range valid.Rows {
			r.base = append(r.base, row{name: b.Name, baseline: true, valid: b})
		}
	}
	if r.job.Test > 0 {
		if err := r.test(ctx); err != nil {
			r.note("no test scores", err)
		}
	}
	for _, m := range slices.Concat(r.models, r.missing) {
		if m.sum.Failed > 0 {
			r.notes = append(r.notes, fmt.Sprintf("%s: %d trials failed, the last with: %s", m.name, m.sum.Failed, plain(m.failure)))
		}
		if m.notMade > 0 {
			r.notes = append(r.notes, m.ranOut())
		}
		if len(m.unfit) > 0 && m.missing == nil {
			r.notes = append(r.notes, m.name+": "+unfitNote(m.unfit, m.best.Number))
		}
		for _, err := range []error{m.ended, m.missing} {
			if err != nil {
				r.notes = append(r.notes, plain(err.Error()))
			}
		}
	}
	return err
}

// note says what could not be done, and why.
func (r *report) note(what string, err error) {
	r.notes = append(r.notes, fmt.Sprintf("%s: %s", what, plain(err.Error())))
}

// elect fits the best model to all data. A trial whose model cannot be fitted gives way to
// the next best of its study, and that study to another one whose best is better then.
func (r *report) elect(ctx context.Context, threads int) error {
	metric := r.job.metrics()[0]
	for {
		slices.SortStableFunc(r.models, func(a, b row) int { return better(metric, a.score(), b.score()) })
		m := &r.models[0]
		model, err := m.of.fit(ctx, m.best, threads)
		if ctx.Err() != nil {
			return err
		}
		if cause, ok := errors.AsType[refitError](err); ok {
			m.unfit = append(m.unfit, unfit{Trial: m.best.Number, Error: plain(cause.Error())})
			if at := m.of.work.SetAttr(ctx, unfitKey, m.unfit); at != nil {
				r.note(m.name, at)
			}
			if m.next() {
				continue
			}
			if m.others, _, err = m.of.candidates(ctx); err == nil { // which are all, for the table
				m.next()
			}
			err = fmt.Errorf("study %q: none of its %d complete trials can be fitted to all data: %w", m.study, m.sum.Complete, cause)
		}
		if model.Forecaster != nil {
			if err == nil {
				r.final = short(m.of.path())
				return nil
			}
			return fmt.Errorf("study %q: the model fitted to all data could not be kept: %w", m.study, err)
		}
		m.missing = err
		r.missing = append(r.missing, *m)
		if r.models = r.models[1:]; len(r.models) == 0 {
			return fmt.Errorf("no model could be fitted to all data: %w", err)
		}
	}
}

// test scores models and baselines on the test span.
func (r *report) test(ctx context.Context) error {
	h := min(r.job.Horizon, r.job.Test)
	span, err := forecast.NewBacktest(r.frame, forecast.Splits{Horizon: h, Windows: r.job.Test / h}, r.job.metrics()...)
	if err != nil {
		return err
	}
	base, err := span.Compare(ctx)
	if err != nil {
		r.note("no test scores of baselines", err)
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
	for i := range r.models {
		m := &r.models[i]
		if err := m.testOn(ctx, span); err != nil {
			r.note(m.name+": no test scores", err)
		} else if err := r.keep(ctx, *m); err != nil {
			r.note(m.name+": its test scores could not be kept", err)
		}
	}
	return nil
}

// testOn scores the best trial's model, which has not seen the test span, on it.
func (r *row) testOn(ctx context.Context, span *forecast.Backtest) error {
	m, err := r.task.Model(ctx, r.of.openStudy, r.best)
	if m.Forecaster == nil {
		return err
	} // where it could not be kept, there is one all the same
	r.test, err = span.Run(ctx, r.name, frozen{m.Forecaster}, forecast.RunOptions{})
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

// keep writes into a study how its model did on the test span, if it has scores there.
func (r *report) keep(ctx context.Context, m row) error {
	metric, base := r.job.metrics()[0], r.testBase()
	score, best := first(m.test.Scores), first(base.test.Scores)
	if math.IsNaN(best) {
		return nil
	}
	return m.of.work.SetAttr(ctx, testKey, tested{Trial: m.best.Number, Metric: metric.Name(), Value: space.Lit(score),
		Baseline: base.name, Score: space.Lit(best), Worse: !metric.Better(score, best)})
}

// doubt returns what speaks against the model of a trial of the study: that a baseline did
// better on the test span, as far as that is known. It is nil otherwise.
func (s *jobStudy) doubt(ctx context.Context, number int) error {
	attrs, err := s.Attrs(ctx)
	if err != nil {
		return err
	}
	var t tested
	if a, ok := attrs.Get(testKey); !ok || a.Decode(&t) != nil || !t.Worse || t.Trial != number {
		return nil
	}
	value, _ := t.Value.Any().(float64)
	score, _ := t.Score.Any().(float64)
	return fmt.Errorf("on the test span %s had %s %.4g, worse than the baseline %s with %.4g: do not trust it yet", s.job.Model, t.Metric, value, t.Baseline, score)
}

// testBase returns the baseline that is best on the test span, none if there are no scores.
func (r *report) testBase() row {
	metric := r.job.metrics()[0]
	best := row{}
	for _, b := range r.base {
		if metric.Better(first(b.test.Scores), first(best.test.Scores)) {
			best = b
		}
	}
	return best
}

// verdict says in words who won.
func (r *report) verdict() string {
	metric := r.job.metrics()[0]
	if len(r.models) == 0 {
		return "There is no model: none could be fitted to all data."
	}
	best := r.models[0]
	s := fmt.Sprintf("%s is the best model on the backtest (%s %.4g).", best.name, metric.Name(), best.score())
	if len(r.models) == 1 {
		s = fmt.Sprintf("%s has %s %.4g on the backtest.", best.name, metric.Name(), best.score())
	}
	if len(r.base) > 0 {
		if base := r.base[0]; metric.Better(best.score(), base.score()) {
			s += fmt.Sprintf(" The best baseline, %s, has %.4g.", base.name, base.score())
		} else {
			s += fmt.Sprintf(" But no model beats the baseline %s (%.4g) there: forecast with that, or tune on.", base.name, base.score())
		}
	}
	if r.job.Test == 0 {
		return s
	}
	score, base := first(best.test.Scores), r.testBase()
	floor := first(base.test.Scores)
	switch {
	case math.IsNaN(score) && math.IsNaN(floor):
		return s + fmt.Sprintf("\nOn the test span, which the tuning never saw, %s has no value.", metric.Name())
	case math.IsNaN(score):
		return s + fmt.Sprintf("\nOn the test span, which the tuning never saw, it has no %s, and the baseline %s has %.4g: do not trust it yet.", metric.Name(), base.name, floor)
	}
	s += fmt.Sprintf("\nOn the test span, which the tuning never saw, it has %s %.4g", metric.Name(), score)
	switch {
	case math.IsNaN(floor):
		return s + "."
	case metric.Better(score, floor):
		return s + fmt.Sprintf(", better than every baseline (%s has %.4g).", base.name, floor)
	}
	return s + fmt.Sprintf(", worse than the baseline %s with %.4g: do not trust it yet.", base.name, floor)
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
		made := fmt.Sprint(m.made())
		if m.notMade > 0 {
			made += fmt.Sprintf(" of %d", m.made()+m.notMade)
		}
		fmt.Fprintf(t, "\t%s\t%d\t%d\t%v\t%s\n", made, m.sum.Pruned, m.sum.Failed, m.sum.Took.Round(100*time.Millisecond), rounds)
	}
	t.Flush()
	fmt.Fprintln(&b, legend)
	for _, n := range r.notes {
		fmt.Fprintln(&b, n)
	}
	fmt.Fprintf(&b, "\n%s\n", r.verdict())
	if len(r.models) > 0 {
		fmt.Fprint(&b, "\nbest parameters:\n")
	}
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
	if r.final != "" {
		fmt.Fprintf(&b, "\nmodel, fitted to all data: %s\n\nto use it:\n", r.final)
	}
	for _, c := range r.commands() {
		fmt.Fprintf(&b, "  %s\n", c)
	}
	_, err := io.WriteString(w, regexp.MustCompile(`(?m) +$`).ReplaceAllString(b.String(), ""))
	return err
}

// commands returns those that make use of the best model, if there is one.
func (r *report) commands() []string {
	if r.final == "" {
		return nil
	}
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
		NotMade    int                 `json:"not_made,omitempty"` // trials that there was no time for
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
	}{r.job.Data, r.job.Metric, r.job.Horizon, r.job.Windows, r.job.Test, r.storage, "", r.verdict(), r.notes, r.commands(), nil}
	if len(r.models) > 0 {
		out.Winner = r.models[0].study
	}
	for _, m := range r.rows() {
		it := item{Name: m.name, Baseline: m.baseline, Validation: scores(m.valid), Study: m.study, Trials: m.made(),
			Pruned: m.sum.Pruned, Failed: m.sum.Failed, NotMade: m.notMade, Seconds: m.sum.Took.Seconds()}
		if m.study != "" && m.study == out.Winner {
			it.File = r.final
		}
		if r.job.Test > 0 {
			it.Test = scores(m.test)
		}
		if err := cmp.Or(m.ended, m.missing); err != nil {
			it.Error = plain(err.Error())
		}
		if m.of != nil {
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
