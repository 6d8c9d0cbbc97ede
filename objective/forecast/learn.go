package forecast

import (
	"context"
	"slices"
	"time"

	"github.com/attune-hpo/attune/internal/lockstep"
)

// LearnOptions say how a forecaster is trained in all folds at once.
type LearnOptions struct {
	// Fit has the options of each fold's fit. Learn sets Horizon to what the folds need and
	// Holdout to 0, and does not call OnIteration. Threads is the number for all fits together.
	Fit FitOptions
	// Patience ends the training after this many rounds without a better score.
	// Default 0: never.
	Patience int
	// Last makes the last round the result instead of the best one. It is for models that do
	// not overfit with more rounds, such as forests.
	Last bool
	// Stop, if not nil, is asked after each round. If it returns true, the training ends, and the
	// best round so far is the result. It is not asked if training has no rounds.
	Stop func() bool
	// OnRound, if not nil, is called after each round. If it returns an error, the training
	// ends and Learn returns the error wrapped. That is how a trial is pruned.
	OnRound func(Round) error
}

// A Round is the state of a training of all folds.
type Round struct {
	// Step counts the rounds of training from 0, or the folds if training has no rounds.
	Step int
	// Scores are the scores by metric, over the points of all folds so far.
	Scores []float64
}

// Learned is the result of a training of all folds.
type Learned struct {
	// Result is the result of the best round or, with [LearnOptions.Last], of the last.
	Result Result
	// Rounds is the number of rounds up to and including that round. It is 0 if training
	// has no rounds.
	Rounds int
	// Curve holds the score by the first metric after each round. It is nil if training
	// has no rounds.
	Curve []float64
}

// Learn trains a forecaster in all folds in parallel, round by round, and scores each
// round on the points of all folds. This gives the learning curve of the cross-validation.
// The result is the best round of the curve, so all folds stop after the same number of
// rounds, which also suits a fit to all of the data. No fit sees the truth that scores it.
//
// If a forecaster has no forecast after a round (see [Iteration.Forecast]), Learn trains
// one fold after another, and calls OnRound after each fold.
//
// model makes the forecaster of a fold. Learn returns when all fits have returned; it fails
// like [Backtest.Run].
func (b *Backtest) Learn(ctx context.Context, name string, model func() Forecaster, opts LearnOptions) (Learned, error) {
	n, threads := len(b.folds), max(1, opts.Fit.Threads)
	opts.Fit.Horizon, opts.Fit.Holdout, opts.Fit.Threads = b.gap+b.horizon, 0, max(1, threads/n)
	l := &learner{Backtest: b, name: name, opts: opts, models: make([]Forecaster, n)}
	for i, fold := range b.folds {
		l.models[i] = model()
		l.results = append(l.results, FoldResult{Origin: fold.Origin})
	}
	l.group = lockstep.New(n, threads, func(i int, wait func() error) error {
		if err := l.train(ctx, i, wait); err != nil {
			return b.failed(name, i, err)
		}
		return nil
	})
	defer l.group.End() // so that no fit waits forever
	l.group.Start(0, 1)
	if l.group.Waiting() == 0 {
		return l.foldByFold(ctx)
	}
	l.group.Start(1, n)
	return l.roundByRound(ctx)
}

// A learner fits a forecaster in each fold.
type learner struct {
	*Backtest
	name    string
	opts    LearnOptions
	group   *lockstep.Group
	models  []Forecaster
	results []FoldResult // results of the folds so far
}

// train fits the model of a fold, and waits after each round that has a forecast.
func (l *learner) train(ctx context.Context, i int, wait func() error) (err error) {
	model, result, rounds, begin := l.models[i], &l.results[i], 0, time.Now()
	l.models[i] = nil // not needed any longer
	opts := l.opts.Fit
	opts.OnIteration = func(it Iteration) error {
		if it.Forecast == nil {
			return nil
		}
		next, err := it.Forecast()
		if err != nil {
			return err
		}
		if result.Forecast, err = l.scored(i, next); err != nil {
			return err
		}
		rounds++
		result.Took += time.Since(begin)
		defer func() { begin = time.Now() }()
		return wait()
	}
	defer func() { result.Took += time.Since(begin) }()
	if err := model.Fit(ctx, l.folds[i].Train, opts); err != nil || rounds > 0 {
		return err
	}
	result.Forecast, err = l.predict(ctx, i, model)
	return err
}

// foldByFold continues after the first fold, whose training had no rounds.
func (l *learner) foldByFold(ctx context.Context) (Learned, error) {
	var r Result
	for i := range l.results {
		if i > 0 {
			l.group.Start(i, i+1)
		}
		for l.group.Waiting() > 0 {
			l.group.Answer(nil)
		}
		if err := l.group.Err(ctx); err != nil {
			return Learned{}, err
		}
		r = l.result(l.name, l.results[:i+1])
		if err := l.report(i, r.Scores); err != nil {
			return Learned{}, err
		}
	}
	return Learned{Result: r}, nil
}

// roundByRound continues when all folds have finished the first round.
func (l *learner) roundByRound(ctx context.Context) (Learned, error) {
	var out Learned
	var best []FoldResult
	rule := lockstep.Rule{Better: l.metrics[0].Better, Patience: l.opts.Patience, Last: l.opts.Last, Stop: l.opts.Stop}
	look := func() (rounds int, score float64, err error) {
		scores, _ := l.score(l.Samples(Result{Folds: l.results})) // the rest of a result takes longer than a round
		out.Curve = append(out.Curve, scores[0])
		return len(out.Curve), scores[0], l.report(len(out.Curve)-1, scores)
	}
	var err error
	if out.Rounds, err = l.group.Best(ctx, rule, look, func() { best = slices.Clone(l.results) }); err != nil {
		return Learned{}, err
	}
	out.Result = l.result(l.name, best)
	return out, nil
}

func (l *learner) report(step int, scores []float64) error {
	if l.opts.OnRound == nil {
		return nil
	}
	if err := l.opts.OnRound(Round{step, scores}); err != nil {
		return pkg.Errorf("backtest %s: %w", l.name, err)
	}
	return nil
}
