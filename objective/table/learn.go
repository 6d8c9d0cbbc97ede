package table

import (
	"context"

	"github.com/attune-hpo/attune/internal/lockstep"
	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
)

// A learner trains a model in each fold, side by side; see package lockstep.
type learner struct {
	engine   engine.Engine
	params   engine.Params
	metric   Metric
	patience int  // see lockstep.Rule
	last     bool // see lockstep.Rule
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
			return pkg.Errorf("fold %d: %w", i, err)
		}
		return nil
	})
	defer group.End() // whatever happens, nobody is left waiting
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

// look returns how the training stands: after the round that a fold is furthest in, or
// after all rounds where no fold has any.
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

// predict returns what a model says of the rows of d, one output after the other.
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
