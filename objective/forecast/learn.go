package forecast

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"time"
)

// LearnOptions say how a forecaster is trained in all folds at once.
type LearnOptions struct {
	// Fit is for each fold's fit. Horizon is set to what the folds need, Holdout to 0,
	// OnIteration is not called. Threads are those of all fits together.
	Fit FitOptions
	// Patience ends the training after so many rounds without a better score.
	// Default 0: never.
	Patience int
	// Last has the last round be the result and not the best: for training that more
	// rounds do not spoil, as that of forests.
	Last bool
	// OnRound, if not nil, is called after each round. An error it returns ends the
	// training, and Learn returns it wrapped: that is how a trial is pruned.
	OnRound func(Round) error
}

// A Round is where a training of all folds stands.
type Round struct {
	Step   int       // from 0: a round of training, or a fold where training has no rounds
	Scores []float64 // by metric, of the points of all folds so far
}

// Learned is how a training of all folds went.
type Learned struct {
	Result Result    // of the best round, or the last
	Rounds int       // up to and including that one; 0 if training has no rounds
	Curve  []float64 // after each round, the score by the first metric; nil if training has no rounds
}

// Learn trains a forecaster in all folds side by side, round by round, and scores
// each round on the points of all folds: the learning curve of a cross-validation.
// The best round of the curve is the result, so that all folds stop at one number
// of rounds, which a fit to all of the data can then have too. No fit sees the
// truth that it is scored by.
//
// A forecaster that cannot tell what it would forecast after a round (see
// [Iteration.Forecast]) is trained fold after fold, and OnRound called after each.
//
// model makes the forecaster of a fold. Learn returns when all fits have; it fails as
// [Backtest.Run] does.
func (b *Backtest) Learn(ctx context.Context, name string, model func() Forecaster, opts LearnOptions) (Learned, error) {
	n, threads := len(b.folds), max(1, opts.Fit.Threads)
	opts.Fit.Horizon, opts.Fit.Holdout, opts.Fit.Threads = b.gap+b.horizon, 0, max(1, threads/n)
	l := &learner{
		Backtest: b, name: name, opts: opts,
		turns:  make(chan struct{}, min(threads, n)),
		events: make(chan learnerEvent),
	}
	for _, fold := range b.folds {
		l.folds = append(l.folds, learnerFold{result: FoldResult{Origin: fold.Origin}, verdict: make(chan error)})
	}
	defer l.end(errOver) // a panic of OnRound leaves nobody waiting
	l.start(ctx, 0, model())
	l.wait(1)
	if l.waiting() == 0 {
		return l.foldByFold(ctx, model)
	}
	var others []Forecaster
	for range n - 1 {
		others = append(others, model())
	}
	for i, m := range others {
		l.start(ctx, i+1, m)
	}
	l.wait(n - 1)
	return l.roundByRound(ctx)
}

// foldByFold goes on after the first fold, whose training had no rounds.
func (l *learner) foldByFold(ctx context.Context, model func() Forecaster) (Learned, error) {
	for i := range l.folds {
		if i > 0 {
			l.start(ctx, i, model())
			l.wait(1)
		}
		for l.waiting() > 0 {
			l.answer(nil)
			l.wait(1)
		}
		if err := l.err(ctx); err != nil {
			return Learned{}, err
		}
		if err := l.report(i, l.result(l.name, l.results()[:i+1])); err != nil {
			return Learned{}, err
		}
	}
	return Learned{Result: l.result(l.name, l.results())}, nil
}

// roundByRound goes on when all folds are at the end of the first round.
func (l *learner) roundByRound(ctx context.Context) (Learned, error) {
	var out Learned
	var best []FoldResult
	score, better := math.NaN(), l.metrics[0].Better
	for l.waiting() > 0 {
		if err := l.err(ctx); err != nil {
			l.end(errOver)
			return Learned{}, err
		}
		r := l.result(l.name, l.results())
		out.Curve = append(out.Curve, r.Scores[0])
		if best == nil || l.opts.Last || better(r.Scores[0], score) {
			score, best, out.Rounds = r.Scores[0], l.results(), len(out.Curve)
		}
		if err := l.report(len(out.Curve)-1, r); err != nil {
			l.end(err)
			return Learned{}, err
		}
		if p := l.opts.Patience; p > 0 && len(out.Curve)-out.Rounds >= p {
			l.end(errOver)
			break
		}
		n := l.waiting()
		l.answer(nil)
		l.wait(n)
	}
	if err := l.err(ctx); err != nil && !errors.Is(err, errOver) {
		return Learned{}, err
	}
	out.Result = l.result(l.name, best)
	return out, nil
}

// errOver ends a fit whose end is no failure.
var errOver = errors.New("forecast: the training is over")

// A learner fits a forecaster in each fold, in goroutines that wait for one another
// after each round.
type learner struct {
	*Backtest
	name   string
	opts   LearnOptions
	turns  chan struct{} // held by those that compute
	events chan learnerEvent
	folds  []learnerFold
}

type learnerFold struct {
	result  FoldResult // of the last round
	waits   bool       // for a verdict on the round
	verdict chan error
	err     error
}

// A learnerEvent says that a fold has reached the end of a round, or of its fit.
type learnerEvent struct {
	fold     int
	forecast Frame // nil: none is new
	took     time.Duration
	waits    bool
	err      error
	panicked string // what with, and where
}

// start fits a model in a fold. A panic of the model is one of Learn.
func (l *learner) start(ctx context.Context, fold int, model Forecaster) {
	go func() {
		l.turns <- struct{}{}
		begin := time.Now()
		end := learnerEvent{fold: fold, err: errors.New("the forecaster left its goroutine")}
		defer func() {
			if v := recover(); v != nil {
				end.panicked = fmt.Sprintf("%v\n\n%s", v, debug.Stack())
			}
			end.took = time.Since(begin)
			<-l.turns
			l.events <- end
		}()
		rounds := 0
		opts := l.opts.Fit
		opts.OnIteration = func(it Iteration) error {
			if it.Forecast == nil {
				return nil
			}
			next, err := it.Forecast()
			if err != nil {
				return err
			}
			if next, err = l.scored(fold, next); err != nil {
				return err
			}
			rounds++
			<-l.turns
			l.events <- learnerEvent{fold: fold, forecast: next, took: time.Since(begin), waits: true}
			err = <-l.folds[fold].verdict
			l.turns <- struct{}{}
			begin = time.Now()
			return err
		}
		err := model.Fit(ctx, l.Backtest.folds[fold].Train, opts)
		if err == nil && rounds == 0 {
			end.forecast, err = l.predict(ctx, fold, model)
		}
		end.err = err
	}()
}

// wait takes in so many events.
func (l *learner) wait(n int) {
	var panicked string
	for range n {
		e := <-l.events
		panicked = cmp.Or(panicked, e.panicked)
		f := &l.folds[e.fold]
		f.waits, f.err = e.waits, e.err
		f.result.Took += e.took
		if e.forecast != nil {
			f.result.Forecast = e.forecast
		}
	}
	if panicked != "" {
		panic(panicked)
	}
}

// answer lets the folds that wait go on, or ends them.
func (l *learner) answer(err error) {
	for i := range l.folds {
		if f := &l.folds[i]; f.waits {
			f.waits = false
			f.verdict <- err
		}
	}
}

// end ends the folds that wait, and waits for their fits to return.
func (l *learner) end(err error) {
	for n := l.waiting(); n > 0; n = l.waiting() {
		l.answer(err)
		l.wait(n)
	}
}

// waiting returns how many folds wait for a verdict.
func (l *learner) waiting() int {
	n := 0
	for _, f := range l.folds {
		if f.waits {
			n++
		}
	}
	return n
}

// err returns the error of the first fold that has one.
func (l *learner) err(ctx context.Context) error {
	for i, f := range l.folds {
		if f.err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return l.failed(l.name, i, f.err)
		}
	}
	return nil
}

func (l *learner) report(step int, r Result) error {
	if l.opts.OnRound == nil {
		return nil
	}
	if err := l.opts.OnRound(Round{step, r.Scores}); err != nil {
		return fmt.Errorf("forecast: backtest %s: %w", l.name, err)
	}
	return nil
}

// results returns how far the folds are.
func (l *learner) results() []FoldResult {
	var out []FoldResult
	for _, f := range l.folds {
		out = append(out, f.result)
	}
	return out
}
