package tune

import (
	"slices"
	"sync"

	"github.com/attune-hpo/attune/objective/forecast"
)

// Forecasts keep what the best trials of a task predicted in the folds of its backtest. They are
// safe for concurrent use. Nil Forecasts keep nothing.
type Forecasts struct {
	most int

	mu   sync.Mutex
	best []keptFolds // best first
}

// foldsOf identifies a trial.
type foldsOf struct {
	study string
	trial int
	seed  uint64
}

type keptFolds struct {
	of     foldsOf
	result forecast.Result
}

// NewForecasts returns Forecasts that keep those of up to most trials, at least one: the trials with the best scores
// and, among equals, those with the lowest numbers.
func NewForecasts(most int) *Forecasts { return &Forecasts{most: max(1, most)} }

// keep keeps a result, unless enough others are better by the metric, which is its first. A trial that ran outside of
// Optimize has no study, so nothing could ask for its result, and it is not kept.
func (f *Forecasts) keep(of foldsOf, r forecast.Result, m forecast.Metric) {
	if f == nil || of.study == "" {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.best = append(f.best, keptFolds{of, r})
	slices.SortStableFunc(f.best, func(a, b keptFolds) int {
		switch x, y := a.result.Scores[0], b.result.Scores[0]; {
		case m.Better(x, y):
			return -1
		case m.Better(y, x):
			return 1
		}
		return a.of.trial - b.of.trial
	})
	f.best = f.best[:min(len(f.best), f.most)]
}

// get returns the result of a trial, if it is kept.
func (f *Forecasts) get(of foldsOf) (r forecast.Result, ok bool) {
	if f == nil {
		return r, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range f.best {
		if k.of == of {
			return k.result, true
		}
	}
	return r, false
}
