package pruner

import (
	"fmt"
	"math"
	"sort"
	"strconv"

	"github.com/attune-hpo/attune/trial"
)

// SuccessiveHalving prunes a trial at a rung unless it is among the best 1/ReductionFactor of the trials that have
// reached the rung. It is asynchronous successive halving, ASHA (Li and others, MLSys 2020), without the promotion of
// stopped trials. The resource is the number of steps.
//
// Rung k = 0, 1, ... is at step MinResource · ReductionFactor^(MinEarlyStoppingRate+k). The value of a trial at a
// rung is the first number that it reports there or beyond; at NaN the trial is pruned. It continues if its value is
// among the best ⌊n/ReductionFactor⌋ of the n trials with a value at the rung, in any state and including itself, and
// always if it is the best. The last report of a pruned trial counts at the lowest rung that the report reached, and
// not above.
//
// For trials from Python, the values at rungs are read from their notes, completed_rung_k. attune keeps no such
// notes, so verdicts differ from Optuna's in these cases:
//   - A report at a lower step than an earlier one counts as if it had come in order.
//   - A report that reaches several rungs at once counts only at the lowest if the trial is pruned with it; in Optuna
//     it counts at all rungs that it passed.
//
// The defaults differ from Optuna's, which often lose the best configuration: see the package comment. Optuna's
// factor is 4 and, separately in each process, its MinResource is a hundredth of the longest complete trial at the
// first verdict.
type SuccessiveHalving struct {
	// MinResource is the step of the first rung, at least 1. Default a tenth of the
	// steps of the complete trial that finished first (see [trial.Snapshot.Horizon]),
	// and at least 1; until there is one, nothing is pruned.
	MinResource int
	// ReductionFactor is how many trials compete for one place, at least 2.
	// Default 2.
	ReductionFactor int
	// MinEarlyStoppingRate is the number of rungs to leave out at the start.
	MinEarlyStoppingRate int
	// Bootstrap is the number of values that a rung must have, besides that of the
	// trial, before it lets one through. It needs a MinResource. Default 0.
	Bootstrap int
}

// Validate returns an error that wraps [ErrInvalid] if ReductionFactor is less than 2,
// another setting is negative, or Bootstrap is set without MinResource.
func (s SuccessiveHalving) Validate() error {
	if s.MinEarlyStoppingRate < 0 {
		return invalid("min early stopping rate %d: it must be at least 0", s.MinEarlyStoppingRate)
	}
	if s.Bootstrap > 0 && s.MinResource == 0 {
		return invalid("bootstrap of %d trials without a min resource: set both or neither", s.Bootstrap)
	}
	return validRungs(s.MinResource, s.ReductionFactor, s.Bootstrap)
}

func validRungs(resource, factor, bootstrap int) error {
	switch {
	case resource < 0:
		return invalid("min resource %d: it must be at least 1, or 0 for the default", resource)
	case factor < 0 || factor == 1:
		return invalid("reduction factor %d: it must be at least 2, or 0 for the default", factor)
	case bootstrap < 0:
		return invalid("bootstrap of %d trials: it must be at least 0", bootstrap)
	}
	return nil
}

// Prune implements [Pruner].
func (s SuccessiveHalving) Prune(t trial.Record, h trial.Snapshot) (string, bool) {
	if len(t.Reports) == 0 || s.Validate() != nil {
		return "", false
	}
	base, factor := or(s.MinResource, firstRung(h.Horizon())), or(s.ReductionFactor, 2)
	if base == 0 {
		return "", false
	}
	last := t.Reports[len(t.Reports)-1]
	at := rung{step: base}
	for range s.MinEarlyStoppingRate {
		at.step = times(at.step, factor)
	}
	for ; at.step <= last.Step; at = (rung{at.k + 1, times(at.step, factor), at.step}) {
		if at.passed(t) {
			continue
		}
		if math.IsNaN(last.Value) {
			return fmt.Sprintf("NaN at step %d", last.Step), true
		}
		better, n := 0, 1
		d := h.Direction(0)
		count := func(v float64) {
			n++
			if d.Loss(v) < d.Loss(last.Value) {
				better++
			}
		}
		for _, v := range h.Column(at, at.value) {
			count(v)
		}
		running := h.Running()
		for i := range running {
			if v, ok := at.value(&running[i]); ok && running[i].Number != t.Number {
				count(v)
			}
		}
		if n <= s.Bootstrap {
			return fmt.Sprintf("rung %d at step %d has %d of the %d values it needs first", at.k, at.step, n, s.Bootstrap+1), true
		}
		if places := max(1, n/factor); better >= places {
			return fmt.Sprintf("%s at step %d is not among the best %d of %d at rung %d",
				number(last.Value), last.Step, places, n, at.k), true
		}
	}
	return "", false
}

// firstRung returns the first rung for trials with that many steps: a tenth of them, at
// least 1; 0 if their number is not known, and negative.
func firstRung(steps int) int {
	if steps < 0 {
		return 0
	}
	return max(1, (steps+5)/10)
}

// times returns a·b for positive a and b, or the largest int if that is less.
func times(a, b int) int {
	if a > math.MaxInt/b {
		return math.MaxInt
	}
	return a * b
}

// rung is one rung of one ladder. As a value it names [rung.value] for
// [trial.Snapshot.Column].
type rung struct {
	k    int
	step int // it stands at
	back int // the step of the rung before; 0 for the first
}

// passed reports whether t has been judged at r before its last report.
func (r rung) passed(t trial.Record) bool {
	_, ok := reached(t.Reports[:len(t.Reports)-1], r.step)
	return ok
}

// value returns the value with which t competes at r.
func (r rung) value(t *trial.Record) (float64, bool) {
	if _, ok := t.Notes.Get("completed_rung_0"); ok {
		var v float64
		a, ok := t.Notes.Get("completed_rung_" + strconv.Itoa(r.k))
		return v, ok && a.Decode(&v) == nil && v == v
	}
	reports := t.Reports
	if n := len(reports) - 1; t.State == trial.Pruned && n >= 0 {
		if _, before := reached(reports[:n], r.back); r.k > 0 && !before {
			reports = reports[:n] // stopped at a rung below, if not here
		}
	}
	return reached(reports, r.step)
}

// reached returns the first number among reports at or beyond a step.
func reached(reports []trial.Report, step int) (float64, bool) {
	if len(reports) == 0 || reports[len(reports)-1].Step < step {
		return 0, false
	}
	i := sort.Search(len(reports), func(i int) bool { return reports[i].Step >= step })
	for _, r := range reports[i:] {
		if r.Value == r.Value {
			return r.Value, true
		}
	}
	return 0, false
}
