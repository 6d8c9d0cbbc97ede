package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/trial"
)

// unfitKey is the attribute of a study that lists the trials whose models could not be fitted
// to all of the data, because it has values that the tuning did not see: JSON of []unfit.
const unfitKey = "unfit"

// An unfit trial is one whose model cannot be fitted to all of the data.
type unfit struct {
	Trial int    `json:"trial"`
	Error string `json:"error"`
}

// unfits returns the unfit trials in a study's attributes.
func unfits(attrs trial.Attrs) []unfit {
	var list []unfit
	if a, ok := attrs.Get(unfitKey); !ok || a.Decode(&list) != nil {
		return nil
	}
	return list
}

// ranked returns the trials that could be a study's best, best first.
func ranked(h trial.Snapshot) []trial.Record {
	loss := h.Direction(0).Loss
	var out []trial.Record
	for r := range h.All() {
		if r.State == trial.Complete && r.Feasible() && len(r.Values) == 1 {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b trial.Record) int {
		return cmp.Or(cmp.Compare(loss(a.Values[0]), loss(b.Values[0])), cmp.Compare(a.Number, b.Number))
	})
	return out
}

// usable returns the trials from which a study's model can be fitted, best first, and the
// unfit trials that are better than all of them.
func usable(h trial.Snapshot, attrs trial.Attrs) (fit []trial.Record, better []unfit) {
	known := unfits(attrs)
	all := ranked(h)
	if c, ok := choiceOf(attrs); ok { // for a study of ensembles, the last choice counts
		slices.SortStableFunc(all, func(a, b trial.Record) int { return first1(a.Number == c.Trial, b.Number == c.Trial) })
	}
	for _, r := range all {
		i := slices.IndexFunc(known, func(u unfit) bool { return u.Trial == r.Number })
		switch {
		case i < 0:
			fit = append(fit, r)
		case len(fit) == 0:
			better = append(better, known[i])
		}
	}
	return fit, better
}

// first1 orders true before false.
func first1(a, b bool) int {
	switch {
	case a && !b:
		return -1
	case b && !a:
		return 1
	}
	return 0
}

// unfitNote says which trial replaced better ones that are unfit.
func unfitNote(better []unfit, taken int) string {
	trials := "a better trial"
	if len(better) > 1 {
		trials = fmt.Sprintf("%d better trials", len(better))
	}
	return fmt.Sprintf("the model is from trial %d, because %s cannot be fitted to all data: %s", taken, trials, better[0].Error)
}

// fit returns the model of a trial, fitted to all of the study's data, and keeps it. If the
// model cannot be kept, fit returns it together with an error. It fails with a [refitError]
// if the trial is at fault.
func (s *jobStudy) fit(ctx context.Context, r trial.Record, threads int) (tune.Model, error) {
	if s.kept == nil {
		m, _ := tune.ReadFile(s.path(), families()...) // a model that cannot be read is fitted again
		s.kept = &m
	}
	if s.kept.Forecaster != nil && s.kept.Of(s.openStudy, r) {
		return *s.kept, nil
	}
	if s.whole == nil {
		t, err := s.task(threads)
		if err != nil {
			return tune.Model{}, err
		}
		s.whole = t
	}
	m, err := s.whole.Refit(ctx, s.openStudy, r)
	switch {
	case err == nil:
	case ctx.Err() != nil || errors.Is(err, engine.ErrUnavailable):
		return tune.Model{}, err
	default:
		return tune.Model{}, refitError{err}
	}
	s.kept = &m
	if err := os.MkdirAll(modelsFolder(s.storage), 0o755); err != nil {
		return m, err
	}
	return m, m.WriteFile(s.path())
}

// path is the file of the study's model.
func (s *jobStudy) path() string { return modelPath(s.storage, s.Name()) }

// task returns the task that fits the study's models to all of the data.
func (s *jobStudy) task(threads int) (*tune.Task, error) {
	frame, err := s.read()
	if err != nil {
		return nil, fmt.Errorf("study %q: its best model must be fitted to the data first: %w", s.Name(), err)
	}
	family := s.family
	if family == nil {
		if family, err = s.job.family(s.device); err != nil {
			return nil, fmt.Errorf("study %q: %w", s.Name(), err)
		}
	}
	back, err := s.job.backtest(frame)
	if err != nil {
		return nil, err
	}
	return s.job.task(back, family, "", threads), nil
}

// A refitError says why the model of a trial cannot be fitted to all data. Another trial's
// model may work.
type refitError struct{ error }

func (e refitError) Unwrap() error { return e.error }

// final fits and returns, like fit, the model of the best trial for which that is possible.
func (s *jobStudy) final(ctx context.Context, threads int) (tune.Model, error) {
	if _, err := s.Best(ctx); err != nil {
		return tune.Model{}, err
	}
	candidates, _, err := s.candidates(ctx)
	if err != nil {
		return tune.Model{}, err
	}
	var first error
	for _, r := range candidates {
		m, err := s.fit(ctx, r, threads)
		if _, unfit := errors.AsType[refitError](err); !unfit {
			return m, err
		}
		first = cmp.Or(first, err)
	}
	return tune.Model{}, first
}

// candidates returns the currently usable trials of the study, and the unfit ones. If none is
// usable, all are candidates again.
func (s *jobStudy) candidates(ctx context.Context) ([]trial.Record, []unfit, error) {
	h, err := s.Snapshot(ctx)
	if err != nil {
		return nil, nil, err
	}
	attrs, err := s.Attrs(ctx)
	if err != nil {
		return nil, nil, err
	}
	fit, better := usable(h, attrs)
	if len(fit) == 0 {
		return ranked(h), nil, nil
	}
	return fit, better, nil
}
