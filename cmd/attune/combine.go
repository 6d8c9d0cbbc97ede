package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/objective/ensemble"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/statistical"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/trial"
	"github.com/attune-hpo/attune/trial/backtest"
)

// choiceKey is the attribute of the study of ensembles that records what to forecast with: a
// chosen as JSON.
const choiceKey = "choice"

// A chosen records the result of attune optimize, with the reason.
type chosen struct {
	Study string `json:"study"`
	Trial int    `json:"trial"` // trial of the study of ensembles, if that is the chosen study
	Why   string `json:"why"`
}

// choiceOf returns the choice recorded in the attributes of a study of ensembles.
func choiceOf(attrs trial.Attrs) (c chosen, ok bool) {
	a, ok := attrs.Get(choiceKey)
	return c, ok && a.Decode(&c) == nil
}

// bestOfEach is the number of trials of each model that may become members.
const bestOfEach = 2

// A nominee is a model that may become a member of the ensemble.
type nominee struct {
	ensemble.Candidate
	member ensemble.Member
	study  string // empty for a baseline
}

// combines reports whether to make an ensemble.
func (o *optimize) combines() bool { return o.ensemble && len(o.models) > 1 }

// combine chooses between the models and an ensemble of them, which gets a row. A failure is
// noted, and only affects the ensemble.
func (s *session) combine(ctx context.Context, r *report) error {
	if s.ensembles == nil {
		return nil
	}
	err := s.choose(ctx, r)
	if ctx.Err() != nil {
		return fmt.Errorf("%w: the trials are kept: run the same command again to resume", errInterrupted)
	}
	if err != nil {
		r.note("no ensemble", err)
	}
	return nil
}

func (s *session) choose(ctx context.Context, r *report) error {
	all, err := s.nominees(ctx, r)
	if err != nil {
		return err
	}
	var candidates []ensemble.Candidate
	for _, n := range all {
		candidates = append(candidates, n.Candidate)
	}
	c, err := ensemble.Choose(s.back, candidates)
	if err != nil {
		return err
	}
	var members []ensemble.Member
	for i, n := range all {
		if n.member.Weight = c.Weights[i]; c.Weights[i] > 0 {
			members = append(members, n.member)
		}
	}
	slices.SortStableFunc(members, func(a, b ensemble.Member) int { return cmp.Compare(b.Weight, a.Weight) })

	p := s.ensembles
	task := p.task(tunedFolder(s.storage), s.threads(1))
	if err := s.begin(ctx, p, task); err != nil {
		return err
	}
	single := all[c.Single]
	pick := chosen{Study: single.study, Why: why(s.job.Metric, c, all, members)}
	if len(members) > 1 {
		if pick.Trial, err = p.add(ctx, members, c.Ensemble, c.Honest); err != nil {
			return err
		}
	}
	switch {
	case c.Better:
		pick.Study = p.name
	case single.study == "":
		single.member.Weight = 1
		score := ensemble.Estimate{Value: first(single.Result.Scores), Error: s.back.Error(single.Result)}
		if pick.Trial, err = p.add(ctx, []ensemble.Member{single.member}, score, single.Result); err != nil {
			return err
		}
		pick.Study = p.name
	}
	if err := p.study.SetAttr(ctx, choiceKey, pick); err != nil {
		return err
	}
	r.choice = pick
	if len(members) < 2 && pick.Study != p.name {
		return nil // there is no ensemble
	}
	row, err := newRow(ctx, s.studyOf(p), task)
	if err != nil {
		return err
	}
	r.models = append(r.models, row)
	return nil
}

// nominees returns the best trials of each model, and the baselines, with their forecasts in
// the folds of the backtest.
func (s *session) nominees(ctx context.Context, r *report) ([]nominee, error) {
	var out []nominee
	for _, m := range r.models {
		m.task.Threads = s.threads(1)
		trials := append([]trial.Record{m.best}, m.others...)
		for _, t := range trials[:min(len(trials), bestOfEach)] {
			result, err := m.task.OutOfFold(ctx, m.of, t)
			if err != nil {
				return nil, fmt.Errorf("study %q: trial %d: %w", m.study, t.Number, err)
			}
			settings, _ := tune.Settings(t)
			out = append(out, nominee{ensemble.Candidate{Name: m.name, Rank: rank(m.name), Baseline: rank(m.name) == 0, Result: result},
				ensemble.Member{Family: m.name, Settings: settings, Seed: m.of.TrialSeed(t.Number), Study: m.study, Trial: t.Number}, m.study})
		}
	}
	base, err := s.back.Baselines(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range statistical.Baselines() {
		if slices.Contains(s.models, f.Name()) {
			continue
		}
		model, err := f.New(nil)
		must(err) // it has no settings
		i := slices.IndexFunc(base, func(b forecast.Result) bool { return b.Name == fmt.Sprint(model) })
		if i >= 0 {
			out = append(out, nominee{Candidate: ensemble.Candidate{Name: f.Name(), Baseline: true, Result: base[i]}, member: ensemble.Member{Family: f.Name()}})
		}
	}
	return out, nil
}

// rank orders models by simplicity.
func rank(model string) int {
	groups := []func(string) bool{
		func(m string) bool { return slices.Contains(baselines().names(), m) },
		isStatistical, // the others
		func(m string) bool { return m == "nlinear" },
		isTrees,
	}
	for i, in := range groups {
		if in(model) {
			return i
		}
	}
	return len(groups)
}

// add adds a trial to a study of ensembles, unless the study already has the same, and
// returns its number. of has the forecasts in the folds.
func (p *plan) add(ctx context.Context, members []ensemble.Member, score ensemble.Estimate, of forecast.Result) (int, error) {
	settings, err := ensemble.Settings(members)
	if err != nil {
		return 0, err
	}
	object := map[string]any{}
	for _, x := range settings {
		object[x.Name] = x.Value.Any()
	}
	a, err := trial.NewAttr(tune.SettingsKey, object)
	if err != nil {
		return 0, err
	}
	h, err := p.study.Snapshot(ctx)
	if err != nil {
		return 0, err
	}
	for t := range h.All() {
		if was, ok := t.Attrs.Get(tune.SettingsKey); ok && was.JSON == a.JSON && len(t.Values) == 1 && t.Values[0] == score.Value {
			return t.Number, nil
		}
	}
	attrs := trial.Attrs{a}
	if !math.IsNaN(score.Error) {
		e, err := trial.NewAttr(tune.ErrorKey, score.Error)
		if err != nil {
			return 0, err
		}
		attrs = append(attrs, e)
	}
	if intervals := p.back.Intervals(of); intervals != nil {
		v, err := trial.NewAttr(tune.IntervalsKey, intervals)
		if err != nil {
			return 0, err
		}
		attrs = append(attrs, v)
	}
	record := p.back.Record(of)
	record.Label = p.job.Data.Target
	if a, err = trial.NewAttr(backtest.Key, record); err != nil {
		return 0, err
	}
	attrs = append(attrs, a)
	if math.IsNaN(score.Value) || math.IsInf(score.Value, 0) {
		return 0, fmt.Errorf("the ensemble has no %s", p.job.Metric)
	}
	numbers, err := p.study.Add(ctx, trial.Record{State: trial.Complete, Values: []float64{score.Value}, Attrs: attrs})
	if err != nil {
		return 0, err
	}
	return numbers[0], nil
}

// why returns a text about the choice and its reason.
func why(metric string, c ensemble.Choice, all []nominee, members []ensemble.Member) string {
	var parts []string
	for _, m := range members {
		parts = append(parts, m.String())
	}
	single, best := all[c.Single].Name, all[c.Best].Name
	answer, alone := "The answer is an ensemble: "+strings.Join(parts, " + ")+".", "The answer is "+single+" alone: "
	switch {
	case c.Unproven && len(members) > 1:
		return fmt.Sprintf("%sthe backtest says too little to believe in an ensemble (%s %v on %d values).", alone, metric, c.Ensemble, c.Judged) + simpler(single, best)
	case c.Beaten && len(members) > 1:
		return fmt.Sprintf("%son folds that its weights were not chosen on, an ensemble (%s %v) is worse than %s by %v.", alone, metric, c.Ensemble, all[c.Baseline].Name, c.Behind) + simpler(single, best)
	case c.Better && math.IsNaN(c.Gain.Error):
		return answer + "\nThe backtest has too few folds to judge whether a single model is better."
	case c.Better && c.Gain.Value > 0:
		return fmt.Sprintf("%s\nOn folds that its weights were not chosen on, it has %s %v: better by %v than a single model chosen in the same way.",
			answer, metric, c.Ensemble, c.Gain)
	case c.Better:
		return fmt.Sprintf("%s\nOn folds that its weights were not chosen on, it has %s %v. A single model chosen in the same way is not better by more than the standard error (%v).",
			answer, metric, c.Ensemble, c.Loss())
	case len(members) == 1:
		return alone + "no other model improves on it in an ensemble." + simpler(single, best)
	case c.Gain.Value == 0:
		return fmt.Sprintf("%san ensemble (%s %v) is no better than a single model.", alone, metric, c.Ensemble) + simpler(single, best)
	}
	return fmt.Sprintf("%sa single model is better than an ensemble (%s %v) by more than the standard error (%v).", alone, metric, c.Ensemble, c.Loss()) +
		simpler(single, best)
}

// simpler explains a single model that is not the one with the best score.
func simpler(single, best string) string {
	if single == best {
		return ""
	}
	return fmt.Sprintf("\n%s scores best on the backtest, but by less than the standard error, and %s is simpler.", best, single)
}

// planEnsembles prepares the study of ensembles.
func (s *session) planEnsembles(ctx context.Context) error {
	p := &plan{job: s.job, back: s.back, name: s.study(ensemble.Name)}
	p.job.Model, p.job.Engine = ensemble.Name, s.engine
	var err error
	if p.family, err = p.job.family(s.device); err != nil {
		return err
	}
	if err := s.resume(ctx, p); err != nil {
		return err
	}
	s.ensembles = p
	return nil
}

// memberFamilies returns the possible families of members, for an engine and a device. attune
// itself trains a model that the engine does not train.
func memberFamilies(engine, device string) []tune.Family {
	var out []tune.Family
	for _, m := range models {
		f, _, err := m.value.family(how{engine: cmp.Or(engine, nativeEngine), device: device})
		if err != nil {
			f, _, err = m.value.family(how{engine: nativeEngine, device: device})
		}
		must(err)
		out = append(out, f)
	}
	return out
}

// members returns the members of an ensemble's trial, or nil for any other trial.
func (r row) members() []ensemble.Member {
	if r.of == nil || r.of.job.Model != ensemble.Name {
		return nil
	}
	settings, _ := tune.Settings(r.best)
	m, err := ensemble.Members(settings)
	if err != nil {
		return nil
	}
	return m
}
