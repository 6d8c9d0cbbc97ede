package table

import (
	"context"

	"github.com/attune-hpo/attune/internal/lockstep"
	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
)

// A learner trains a model in each fold, all in parallel; see package lockstep.
type learner struct {
	engine   engine.Engine
	params   engine.Params
	metric   Metric
	patience int  // see lockstep.Rule
	last     bool // see lockstep.Rule
	folds    []foldData
	onRound  func(round int, score float64) error
}

// foldData is a fold in the form for engines. Engines do not get the labels of the rows
// that the fold is judged by.
type foldData struct {
	train, valid  engine.Dataset
	truth, weight []float64 // truth and weight of valid
}

// curve is the result of a training.
type curve struct {
	rounds    int       // number of rounds, up to the one that counts
	score     float64   // score of that round
	predicted []float64 // predictions for the folds' rows, fold by fold
}

// training is the training of one fold.
type training struct {
	*foldData
	round     int       // the last round seen; -1 if none
	predicted []float64 // predictions after that round
}

// run trains until all folds are done, patience ends the training, or an error occurs. It
// returns when all trainings have returned. At most threads goroutines work at a time.
func (l *learner) run(ctx context.Context, threads int) (curve, error) {
	all := make([]training, len(l.folds))
	for i := range all {
		all[i] = training{foldData: &l.folds[i], round: -1}
	}
	params := l.params
	params.Threads = max(1, threads/len(all))
	group := lockstep.New(len(all), threads, func(i int, wait func() error) error {
		if err := l.fit(ctx, &all[i], params, wait); err != nil {
			return pkg.Errorf("fold %d: %w", i, err)
		}
		return nil
	})
	defer group.End() // so that no training waits forever
	group.Start(0, len(all))
	var now, best curve
	rule := lockstep.Rule{Better: l.metric.Better, Patience: l.patience, Last: l.last}
	look := func() (int, float64, error) {
		now = l.look(all)
		return now.rounds, now.score, l.onRound(now.rounds-1, now.score)
	}
	if _, err := group.Best(ctx, rule, look, func() { best = now }); err != nil {
		return curve{}, err
	}
	return best, nil
}

// fit trains one fold.
func (l *learner) fit(ctx context.Context, t *training, p engine.Params, wait func() error) error {
	m, err := l.engine.Fit(ctx, t.train, t.valid, p, func(it engine.Iteration) error {
		// The rounds of an isolation forest differ little, and each prediction goes through all trees.
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

// look returns the state of the training after the latest round of any fold. If no fold
// has rounds, it returns the final state.
func (l *learner) look(all []training) curve {
	var c curve
	var truth, weight []float64
	for _, t := range all {
		truth, c.predicted, weight = append(truth, t.truth...), append(c.predicted, t.predicted...), append(weight, t.weight...)
		c.rounds = max(c.rounds, t.round+1)
	}
	if c.rounds == 0 {
		c.rounds = l.params.Trees
	}
	c.score = l.metric.Score(truth, c.predicted, weight)
	return c
}

// predict returns the predictions of a model for the rows of d, row by row.
func predict(m *tree.Model, d engine.Dataset) ([]float64, error) {
	p, err := tree.NewPredictor(m)
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
