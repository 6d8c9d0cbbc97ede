package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// A report compares models and baselines.
type report struct {
	job     job // job of any model: they differ only in model, engine and fixed
	storage string
	models  []row    // those with a best trial, best first
	missing []row    // models without a best trial
	base    []row    // baselines, best first
	notes   []string // notes about scores
	frame   forecast.Frame
	back    *forecast.Backtest // the backtest of the tuning
	choice  chosen             // the choice between the models; zero if there was none
	final   string             // file of the best model, fitted to all data; empty if there is none
}

// A row holds the results of a model or a baseline.
type row struct {
	name     string
	baseline bool
	valid    forecast.Result // scores by job.metrics
	test     forecast.Result // likewise; no scores without a test span

	study   string
	of      *jobStudy  // the open study; nil if there is no best trial
	task    *tune.Task // task of the tuning
	sum     trial.Summary
	failure string // error of the last failed trial
	settled bool   // the study has ended on a plateau
	notMade int    // trials for which time ran out
	best    trial.Record
	others  []trial.Record // the next best trials, best first
	unfit   []unfit        // better trials whose models cannot be fitted to all data

	errorOf float64   // standard error of the score on the backtest; NaN if it is not known
	covers  []float64 // shares of the test span within the intervals of shownLevels; nil if there are none
	ended   error     // why the run stopped early
	missing error     // why there is no best trial
}

// made returns the number of trials, without failed ones.
func (r row) made() int { return r.sum.Complete + r.sum.Pruned }

// score returns the score by the optimized metric.
func (r row) score() float64 { return first(r.valid.Scores) }

func first(scores []float64) float64 {
	if len(scores) == 0 {
		return math.NaN()
	}
	return scores[0]
}

// newRow reads the results of a study. If there is no best trial, it fails with
// [study.ErrNoTrial], and the row still has the counts.
func newRow(ctx context.Context, s *jobStudy, task *tune.Task) (row, error) {
	r := row{name: s.job.Model, study: s.Name()}
	h, err := s.Snapshot(ctx)
	if err != nil {
		return r, err
	}
	r.sum = h.Summary()
	for t := range h.All() {
		if t.State == trial.Failed && !t.Interrupted() {
			r.failure = stored(t.Err)
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

// ranOut says how many trials were not run because time ran out.
func (r row) ranOut() string {
	return fmt.Sprintf("%s: --timeout ran out: %d of %d trials were not run", r.name, r.notMade, r.made()+r.notMade)
}

// next replaces the best trial of the row by the next best, if there is one.
func (r *row) next() bool {
	if len(r.others) == 0 {
		return false
	}
	r.best, r.others = r.others[0], r.others[1:]
	r.errorOf = math.NaN()
	if a, ok := r.best.Attrs.Get(tune.ErrorKey); ok && a.Decode(&r.errorOf) != nil {
		r.errorOf = math.NaN()
	}
	r.valid = forecast.Result{Name: r.name, Metrics: r.of.job.metrics()[:1], Scores: r.best.Values}
	return true
}

// A frozen forecaster cannot be fitted again.
type frozen struct{ forecast.Forecaster }

func (frozen) Fit(context.Context, forecast.Frame, forecast.FitOptions) error { return nil }

// compare fits the best model to all data, and scores models and baselines. Failures become
// notes and do not affect the rest. It returns an error if there is no model at the end.
func (r *report) compare(ctx context.Context, threads int) error {
	err := r.elect(ctx, threads)
	if valid, err := r.back.Compare(ctx); err != nil {
		r.note("no baselines", err)
	} else {
		for _, n := range valid.Notes {
			r.notes = append(r.notes, stored(n))
		}
		for _, b := range valid.Rows {
			r.base = append(r.base, row{name: b.Name, baseline: true, valid: b, errorOf: r.back.Error(b)})
		}
	}
	if r.job.Test > 0 {
		if err := r.test(ctx); err != nil {
			r.note("no test scores", err)
		}
	}
	for _, m := range slices.Concat(r.models, r.missing) {
		if m.sum.Failed > 0 {
			r.notes = append(r.notes, fmt.Sprintf("%s: %d trials failed, the last with: %s", m.name, m.sum.Failed, m.failure))
		}
		if m.notMade > 0 {
			r.notes = append(r.notes, m.ranOut())
		}
		if len(m.unfit) > 0 && m.missing == nil {
			r.notes = append(r.notes, m.name+": "+unfitNote(m.unfit, m.best.Number))
		}
		for _, err := range []error{m.ended, m.missing} {
			if err != nil {
				r.notes = append(r.notes, plain(err))
			}
		}
	}
	return err
}

// note records what failed, and why.
func (r *report) note(what string, err error) {
	r.notes = append(r.notes, fmt.Sprintf("%s: %s", what, plain(err)))
}

// elect fits the best model to all data. If a trial's model cannot be fitted, it tries the
// next best trial of the study, or another study if that has a better one by then.
func (r *report) elect(ctx context.Context, threads int) error {
	metric := r.job.metrics()[0]
	for {
		slices.SortStableFunc(r.models, func(a, b row) int {
			return cmp.Or(first1(a.study == r.choice.Study, b.study == r.choice.Study), better(metric, a.score(), b.score()))
		})
		m := &r.models[0]
		model, err := m.of.fit(ctx, m.best, threads)
		if ctx.Err() != nil {
			return err
		}
		if cause, ok := errors.AsType[refitError](err); ok {
			r.choice.Why = "" // the result is another one
			m.unfit = append(m.unfit, unfit{Trial: m.best.Number, Error: plain(cause)})
			if at := m.of.work.SetAttr(ctx, unfitKey, m.unfit); at != nil {
				r.note(m.name, at)
			}
			if m.next() {
				continue
			}
			if m.others, _, err = m.of.candidates(ctx); err == nil { // all trials, for the table
				m.next()
			}
			err = fmt.Errorf("study %q: none of its %d complete trials can be fitted to all data: %w", m.study, m.sum.Complete, cause)
		}
		if model.Forecaster != nil {
			if err == nil {
				r.final = short(m.of.path())
				return nil
			}
			return fmt.Errorf("study %q: the model fitted to all data could not be saved: %w", m.study, err)
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
	span, err := r.job.span(r.frame, h, r.job.Test/h)
	if err != nil {
		return err
	}
	base, err := span.Compare(ctx)
	if err != nil {
		r.note("no test scores of baselines", err)
	}
	for _, n := range base.Notes {
		r.notes = append(r.notes, "test: "+stored(n))
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
			r.note(m.name+": its test scores could not be saved", err)
		}
	}
	return nil
}

// testOn scores the best trial's model on the test span, which the model has not seen.
func (r *row) testOn(ctx context.Context, span *forecast.Backtest) error {
	m, err := r.task.Model(ctx, r.of.openStudy, r.best)
	if m.Forecaster == nil {
		return err
	}
	// a model that could not be kept can still be scored
	if r.test, err = span.Run(ctx, r.name, frozen{m.Forecaster}, forecast.RunOptions{}); err == nil {
		r.covers = covers(span, r.test, m.Intervals)
	}
	return err
}

// shownLevels are the levels of the intervals that the table judges.
var shownLevels = []float64{0.8, 0.95}

// covers returns the share of truths within the intervals around a result's forecasts.
func covers(span *forecast.Backtest, r forecast.Result, v *forecast.Intervals) []float64 {
	if v == nil {
		return nil
	}
	var out []float64
	for _, level := range shownLevels {
		var in, all float64
		for i, fold := range span.Folds() {
			next := r.Folds[i].Forecast
			var past forecast.Frame
			for _, s := range next {
				k := slices.IndexFunc(fold.Train, func(t forecast.Series) bool { return t.ID == s.ID })
				past = append(past, fold.Train[k])
			}
			lower, upper, err := v.Around(next, past, level)
			if err != nil {
				return nil
			}
			n := 0.0
			for _, s := range fold.Test {
				n += float64(s.Len())
			}
			if c := forecast.Coverage(fold.Test, lower, upper); !math.IsNaN(c) {
				in, all = in+c*n, all+n
			}
		}
		out = append(out, in/all)
	}
	return out
}

// testBase returns the best baseline on the test span, or none if there are no scores.
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

// verdict says in words which model won.
func (r *report) verdict() string {
	metric := r.job.metrics()[0]
	if len(r.models) == 0 {
		return "There is no model: none could be fitted to all data."
	}
	best := r.models[0]
	if r.choice.Why != "" {
		return r.choice.Why + r.onTest(best)
	}
	s := fmt.Sprintf("%s is the best model on the backtest (%s %.4g).", best.name, metric.Name(), best.score())
	if len(r.models) == 1 {
		s = fmt.Sprintf("%s has %s %.4g on the backtest.", best.name, metric.Name(), best.score())
	}
	if len(r.base) > 0 {
		if base := r.base[0]; metric.Better(best.score(), base.score()) {
			s += fmt.Sprintf(" The best baseline, %s, has %.4g.", base.name, base.score())
		} else {
			s += fmt.Sprintf(" But the baseline %s does better there (%.4g): run more trials.", base.name, base.score())
		}
	}
	return s + r.onTest(best)
}

// onTest describes the scores of a model on the test span.
func (r *report) onTest(best row) (s string) {
	metric := r.job.metrics()[0]
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
	case score == floor && (best.isBaseline() || r.surpasses(best, base)): // often it is that baseline itself
		return s + fmt.Sprintf(", as has the baseline %s.", base.name)
	case score == floor:
		return s + fmt.Sprintf(", as has the baseline %s: do not trust it yet.", base.name)
	case best.isBaseline() || r.surpasses(best, base):
		return s + fmt.Sprintf(". The baseline %s happens to do better there (%.4g).", base.name, floor)
	}
	return s + fmt.Sprintf(", which is worse than the baseline %s (%.4g): do not trust it yet.", base.name, floor)
}

// isBaseline reports whether the row is of a model that is a baseline.
func (r row) isBaseline() bool {
	name := r.name
	if m := r.members(); len(m) == 1 {
		name = m[0].Family
	}
	return rank(name) == 0
}

// surpasses reports whether a model is better than a baseline on the backtest by more than the standard error of its
// score. Then a worse result on a single test span means little.
func (r *report) surpasses(m, base row) bool {
	gain := base.score() - m.score()
	if r.job.metrics()[0].Maximize() {
		gain = -gain
	}
	return gain > m.errorOf
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

// rows returns models and baselines, best first, followed by the models without a score.
func (r *report) rows() []row {
	metric := r.job.metrics()[0]
	all := slices.Concat(r.models, r.base)
	slices.SortStableFunc(all, func(a, b row) int { return better(metric, a.score(), b.score()) })
	return append(all, r.missing...)
}
