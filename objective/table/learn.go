package table

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"

	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/study"
)

// A learner trains a model in each fold, side by side: all wait for one another after
// each round.
type learner struct {
	engine   engine.Engine
	params   engine.Params
	metric   Metric
	patience int  // ends the training after so many rounds without a better score; 0: never
	last     bool // the last round is the result, and not the best
	folds    []foldData
	onRound  func(round int, score float64) error
}

// foldData is a fold as engines read it. The labels of the rows that it is judged by
// are kept from them.
type foldData struct {
	train, valid  engine.Dataset
	truth, weight []float64 // of valid
}

// curve is how a training went.
type curve struct {
	rounds    int       // up to and including the one that counts
	score     float64   // of that
	predicted []float64 // by the folds' rows, one fold after the other
}

// errOver ends a training whose end is no failure.
var errOver = errors.New("table: the training is over")

// training is one fold's, in a goroutine of its own.
type training struct {
	*foldData
	rounds    chan int   // after each round that is looked at, its number; closed at the end
	verdict   chan error // on it
	predicted []float64  // after it
	err       error
}

// run trains until all folds are done, patience is, or someone objects. It returns when
// all trainings have. All work of threads goroutines at once.
func (l *learner) run(ctx context.Context, threads int) (curve, error) {
	n := len(l.folds)
	turns := make(chan struct{}, min(threads, n)) // held by those that compute
	params := l.params
	params.Threads = max(1, threads/n)
	all := make([]*training, n)
	for i := range all {
		all[i] = &training{foldData: &l.folds[i], rounds: make(chan int), verdict: make(chan error)}
		go func() {
			defer close(all[i].rounds)
			turns <- struct{}{}
			defer func() { <-turns }()
			all[i].err = l.fit(ctx, all[i], params, turns)
		}()
	}
	best, step := curve{score: math.NaN()}, 0
	var verdict error
	for live := all; len(live) > 0; {
		round, next := params.Trees-1, []*training(nil)
		for _, t := range live {
			if r, ok := <-t.rounds; ok {
				round, next = r, append(next, t)
			}
		}
		// The score of what is new: a round, or the end of trainings that had none.
		if verdict == nil && (len(next) > 0 || step == 0) {
			if verdict = failure(ctx, all); verdict == nil {
				verdict = l.judge(&best, all, round)
				step++
			}
		}
		for _, t := range next {
			t.verdict <- verdict
		}
		live = next
	}
	if verdict == nil {
		verdict = failure(ctx, all)
	}
	if verdict != nil && !errors.Is(verdict, errOver) {
		return curve{}, verdict
	}
	return best, nil
}

// fit trains in one fold.
func (l *learner) fit(ctx context.Context, t *training, p engine.Params, turns chan struct{}) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &study.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	m, err := l.engine.Fit(ctx, t.train, t.valid, p, func(it engine.Iteration) error {
		// The rounds of an isolation forest differ little, and predictions take all trees.
		if p.Method == engine.Isolation && (it.Round+1)%10 != 0 && it.Round+1 != p.Trees || it.Predictions == nil {
			return nil
		}
		t.predicted = it.Predictions()
		<-turns
		defer func() { turns <- struct{}{} }()
		t.rounds <- it.Round
		return <-t.verdict
	})
	if err == nil && t.predicted == nil {
		t.predicted, err = predict(m, t.valid)
	}
	return err
}

// judge scores a round, and returns what is to become of the training.
func (l *learner) judge(best *curve, all []*training, round int) (err error) {
	defer func() { // so that the trainings, which wait, are told
		if v := recover(); v != nil {
			err = &study.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	var truth, predicted, weight []float64
	for _, t := range all {
		truth, predicted, weight = append(truth, t.truth...), append(predicted, t.predicted...), append(weight, t.weight...)
	}
	score := l.metric.Score(truth, predicted, weight)
	if best.predicted == nil || l.last || l.metric.Better(score, best.score) {
		*best = curve{round + 1, score, predicted}
	}
	if err := l.onRound(round, score); err != nil {
		return err
	}
	if l.patience > 0 && round+1-best.rounds >= l.patience {
		return errOver
	}
	return nil
}

// failure returns the error of the first fold that has one.
func failure(ctx context.Context, all []*training) error {
	for i, t := range all {
		if t.err == nil || errors.Is(t.err, errOver) {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("table: fold %d: %w", i, t.err)
	}
	return nil
}

// predict returns what a model says of the rows of d, one output after the other.
func predict(m *tree.Model, d engine.Dataset) ([]float64, error) {
	p, err := tree.NewPredictor(m, 1)
	if err != nil {
		return nil, err
	}
	rows := make([]float64, d.Rows()*len(d.Columns))
	for f, c := range d.Columns {
		for i, v := range c {
			rows[i*len(d.Columns)+f] = v
		}
	}
	out := make([]float64, d.Rows()*m.Outputs)
	return out, p.Predict(rows, out)
}
