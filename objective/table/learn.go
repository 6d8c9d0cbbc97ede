package table

import (
	"context"

	"github.com/attune-hpo/attune/internal/lockstep"
	"github.com/attune-hpo/attune/objective/tree/engine"
)

// A learner trains a model in each fold, all in parallel; see package lockstep.
type learner struct {
	trainer
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
	group         []int     // group of valid; nil if there are none
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
	each := max(1, threads/len(all))
	group := lockstep.New(len(all), threads, func(i int, wait func() error) error {
		if err := l.one(ctx, &all[i], each, wait); err != nil {
			return pkg.Errorf("fold %d: %w", i, err)
		}
		return nil
	})
	defer group.End() // so that no training waits forever
	group.Start(0, len(all))
	var now, best curve
	rule := lockstep.Rule{Better: l.metric.Better, Patience: l.patience, Last: l.last}
	look := func() (int, float64, error) {
		if now = l.look(all); now.rounds == 0 { // without a curve there is nothing to report
			return 0, now.score, nil
		}
		return now.rounds, now.score, l.onRound(now.rounds-1, now.score)
	}
	if _, err := group.Best(ctx, rule, look, func() { best = now }); err != nil {
		return curve{}, err
	}
	return best, nil
}

// one trains one fold.
func (l *learner) one(ctx context.Context, t *training, threads int, wait func() error) error {
	m, err := l.fit(ctx, t.train, t.valid, threads, func(it engine.Iteration) error {
		if (it.Round+1)%l.every != 0 && it.Round+1 != l.trainer.rounds || it.Predictions == nil {
			return nil
		}
		t.round, t.predicted = it.Round, it.Predictions()
		return wait()
	})
	if err == nil && t.predicted == nil {
		t.predicted, err = m.predict(t.valid)
	}
	return err
}

// look returns the state of the training after the latest round of any fold. If no fold
// has rounds, it returns the final state.
func (l *learner) look(all []training) curve {
	var c curve
	var folds []*foldData
	for _, t := range all {
		folds, c.predicted = append(folds, t.foldData), append(c.predicted, t.predicted...)
		c.rounds = max(c.rounds, t.round+1)
	}
	if c.rounds == 0 {
		c.rounds = l.trainer.rounds
	}
	c.score = score(l.metric, folds, c.predicted)
	return c
}

// score returns the score of predictions for the rows of all folds together.
func score(m Metric, folds []*foldData, predicted []float64) float64 {
	var truth, weight []float64
	var group []int
	for _, f := range folds {
		truth, weight, group = append(truth, f.truth...), append(weight, f.weight...), append(group, f.group...)
	}
	return m.ScoreGroups(truth, predicted, weight, group)
}
