package table

import (
	"context"
	"fmt"
	"math"

	"github.com/attune-hpo/attune/internal/lockstep"
	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
)

// A learner trains a model in each fold, side by side; see package lockstep.
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

// training is one fold's.
type training struct {
	*foldData
	round     int       // that was looked at last; -1: none
	predicted []float64 // after it
}

// run trains until all folds are done, patience is, or someone objects. It returns when
// all trainings have. All work of threads goroutines at once.
func (l *learner) run(ctx context.Context, threads int) (curve, error) {
	all := make([]training, len(l.folds))
	for i := range all {
		all[i] = training{foldData: &l.folds[i], round: -1}
	}
	params := l.params
	params.Threads = max(1, threads/len(all))
	group := lockstep.New(len(all), threads, func(i int, wait func() error) error {
		if err := l.fit(ctx, &all[i], params, wait); err != nil {
			return fmt.Errorf("table: fold %d: %w", i, err)
		}
		return nil
	})
	defer group.End() // whatever happens, nobody is left waiting
	group.Start(0, len(all))
	best := curve{score: math.NaN()}
	// There is something new after a round, and at the end of trainings that had none.
	for first := true; first || group.Waiting() > 0; first = false {
		if err := group.Err(ctx); err != nil {
			return curve{}, err
		}
		over, err := l.judge(&best, all)
		if err != nil {
			return curve{}, err
		}
		if over {
			group.End()
			break
		}
		group.Answer(nil)
	}
	return best, group.Err(ctx)
}

// fit trains in one fold.
func (l *learner) fit(ctx context.Context, t *training, p engine.Params, wait func() error) error {
	m, err := l.engine.Fit(ctx, t.train, t.valid, p, func(it engine.Iteration) error {
		// The rounds of an isolation forest differ little, and predictions take all trees.
		if p.Method == engine.Isolation && (it.Round+1)%10 != 0 && it.Round+1 != p.Trees || it.Predictions == nil {
			return nil
		}
		t.round, t.predicted = it.Round, it.Predictions()
		return wait()
	})
	if err == nil && t.predicted == nil {
		t.predicted, err = predict(m, t.valid)
	}
	return err
}

// judge scores a round, and tells whether it is the last that is needed.
func (l *learner) judge(best *curve, all []training) (over bool, err error) {
	var truth, predicted, weight []float64
	round := -1
	for _, t := range all {
		truth, predicted, weight = append(truth, t.truth...), append(predicted, t.predicted...), append(weight, t.weight...)
		round = max(round, t.round)
	}
	if round < 0 {
		round = l.params.Trees - 1
	}
	score := l.metric.Score(truth, predicted, weight)
	if best.predicted == nil || l.last || l.metric.Better(score, best.score) {
		*best = curve{round + 1, score, predicted}
	}
	return l.patience > 0 && round+1-best.rounds >= l.patience, l.onRound(round, score)
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
