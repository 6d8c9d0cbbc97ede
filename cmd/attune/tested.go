package main

import (
	"context"
	"fmt"
	"math"

	"github.com/attune-hpo/attune/space"
)

// testKey is the attribute of a study that records the scores of its best model on the test
// span: a tested as JSON.
const testKey = "test"

// A tested records a comparison of a model with the baselines on the test span.
type tested struct {
	Trial    int           `json:"trial"`
	Metric   string        `json:"metric"`
	Value    space.Literal `json:"value"`
	Baseline string        `json:"baseline"` // best baseline there
	Score    space.Literal `json:"score"`    // score of the baseline
	Worse    bool          `json:"worse"`    // the model is not better, and its backtest is not good enough to make up for that
}

// keep records in a study the scores of its model on the test span, if it has any.
func (r *report) keep(ctx context.Context, m row) error {
	metric, base := r.job.metrics()[0], r.testBase()
	score, best := first(m.test.Scores), first(base.test.Scores)
	if math.IsNaN(best) {
		return nil
	}
	return m.of.work.SetAttr(ctx, testKey, tested{Trial: m.best.Number, Metric: metric.Name(), Value: space.Lit(score),
		Baseline: base.name, Score: space.Lit(best), Worse: !metric.Better(score, best) && !m.isBaseline() && !r.surpasses(m, base)})
}

// doubt returns the reason to doubt the model of a trial: that a baseline is known to be
// better on the test span. Otherwise it is nil.
func (s *jobStudy) doubt(ctx context.Context, number int) error {
	attrs, err := s.Attrs(ctx)
	if err != nil {
		return err
	}
	var t tested
	if a, ok := attrs.Get(testKey); !ok || a.Decode(&t) != nil || !t.Worse || t.Trial != number {
		return nil
	}
	value, _ := t.Value.Any().(float64)
	score, _ := t.Score.Any().(float64)
	return fmt.Errorf("on the test span %s had %s %.4g, which is worse than the baseline %s (%.4g): do not trust it yet", s.job.Model, t.Metric, value, t.Baseline, score)
}
