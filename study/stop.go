package study

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/attune-hpo/attune/trial"
)

// A Stagnation ends a run whose best value hardly improves any more. Its method Reached is a [Run.StopWhen]. The zero
// value has the defaults.
type Stagnation struct {
	// Trials is the number of latest complete and pruned trials that are considered. There must be as many before
	// them. Default 30.
	Trials int
	// Gain is the improvement that these must have brought, as a share of the distance from the median of all
	// complete trials to the best. Default 0.01; negative: any.
	Gain float64
}

// Reached reports whether the last trials have brought less than Gain, with the reason in words, or says what they
// have brought. It considers feasible trials
// with finite values, in order of their numbers. It never stops a study of several objectives, nor one without a complete
// feasible trial.
func (s Stagnation) Reached(h trial.Snapshot) (reason string, stop bool) {
	last, least := cmp.Or(max(0, s.Trials), 30), cmp.Or(s.Gain, 0.01)
	best, ok := h.Best()
	if !ok || h.Evaluated() < 2*last {
		return "", false
	}
	loss := func(r trial.Record) float64 { return h.Direction(0).Loss(r.Values[0]) }
	evaluated := slices.DeleteFunc(slices.Collect(h.All()), func(r trial.Record) bool { return r.State == trial.Failed })
	slices.SortFunc(evaluated, func(a, b trial.Record) int { return cmp.Compare(a.Number, b.Number) })
	before := math.Inf(1)
	var all []float64
	for i, r := range evaluated {
		if r.State != trial.Complete || !r.Feasible() || math.IsInf(r.Values[0], 0) {
			continue
		}
		all = append(all, loss(r))
		if i < len(evaluated)-last {
			before = min(before, loss(r))
		}
	}
	if len(all) == 0 || math.IsInf(before, 1) || math.IsInf(loss(best), 0) {
		return "", false
	}
	slices.Sort(all)
	gain, distance := before-all[0], all[len(all)/2]-all[0]
	share := 0.0
	if distance > 0 {
		share = gain / distance
	}
	if gain > 0 && gain >= max(0, least)*distance {
		return fmt.Sprintf("gained %.2g%% in %d trials", 100*share, last), false
	}
	return fmt.Sprintf("the last %d trials gained %.2g%% of the distance from the median to the best", last, 100*share), true
}
