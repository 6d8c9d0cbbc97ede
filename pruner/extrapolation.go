package pruner

import (
	"cmp"
	"fmt"
	"math"
	"sort"

	"github.com/attune-hpo/attune/trial"
)

// Extrapolation prunes a trial that is unlikely to become the best: if its learning curve, continued with
// optimism, ends worse than the best complete trial.
//
// Many learning curves gain less with each doubling of the steps. So the curve is continued to the last step T as
// if each doubling gained Optimism times what the last one did: at step t, counted from 1, the forecast is
//
//	best(t) - Optimism · (best(t/2) - best(t)) · log2(T/t)
//
// where best(t) is the best value among the last quarter of the steps up to t, so that a single bad value does no
// harm. T is the last step of the complete trial that finished first; see [trial.Snapshot.Horizon].
//
// Whatever the forecast says, a trial continues if it is among the best Keep of all finished trials that have
// reached the step, or if one of its values is as good as the result of the best trial. The latter does not hold if the
// result of each complete trial is its last report: then an early value does not count in the end.
//
// A trial that has reported nothing but NaN in the last quarter of its steps is pruned.
//
// The rule does not change if all values are multiplied by a positive number or shifted. It takes the complete
// trials' values as what their curves lead to: the reports must be on the scale of the result.
type Extrapolation struct {
	Startup  int     // complete trials before the first verdict. Default 3; negative: 1
	Warmup   int     // steps below which no trial is judged. Default a tenth of T; negative: none. The first four reports of a trial are never judged
	Optimism float64 // gain of the next doubling of the steps, as a share of the last one's. Default 0.75
	Keep     float64 // share of the trials at a step that continue in any case, at most 1. Default 1/3; negative: none
}

// Validate returns an error that wraps [ErrInvalid] if Optimism is negative or not a number, or Keep exceeds 1.
func (p Extrapolation) Validate() error {
	switch {
	case !(0 <= p.Optimism && p.Optimism <= math.MaxFloat64):
		return invalid("optimism %v: it must be at least 0, where 0 is the default", p.Optimism)
	case !(p.Keep <= 1):
		return invalid("keep %v: it must be at most 1", p.Keep)
	}
	return nil
}

const fewestReports = 5 // of a trial that is judged

// Prune implements [Pruner].
func (p Extrapolation) Prune(t trial.Record, h trial.Snapshot) (string, bool) {
	top, ok := h.Best()
	last := h.Horizon()
	if p.Validate() != nil || len(t.Reports) < fewestReports || !ok || last < 0 || h.Count(trial.Complete) < max(1, or(p.Startup, 3)) {
		return "", false
	}
	step, end := t.LastStep(), float64(last+1)
	warm := step >= p.Warmup
	if p.Warmup == 0 {
		warm = float64(step+1) >= end/10
	}
	if !warm {
		return "", false
	}
	d := h.Direction(0)
	goal := d.Loss(top.Values[0])
	now := recent(t.Reports, step, d)
	if math.IsNaN(now) {
		return fmt.Sprintf("only NaN in the last quarter of %d steps", step+1), true
	}
	if d.Loss(best(t.Reports, d)) <= goal && !lastCounts(h) {
		return "", false
	}
	forecast := now
	if gain := recent(t.Reports, (step+1)/2-1, d) - now; gain > 0 {
		forecast -= cmp.Or(p.Optimism, 0.75) * gain * max(0, math.Log2(end/float64(step+1)))
	}
	if !(forecast > goal) {
		return "", false
	}
	keep := cmp.Or(max(0, p.Keep), 1./3)
	if p.Keep < 0 {
		keep = 0
	}
	better, n := 0, 1
	for _, v := range h.Column(passing(step), passing(step).value) {
		n++
		better += count(d.Loss(v) < now)
	}
	if float64(better) < keep*float64(n) {
		return "", false
	}
	return fmt.Sprintf("%s by step %d points to %s at step %d, and the best trial has %s",
		number(d.Loss(now)), step, number(d.Loss(forecast)), last, number(top.Values[0])), true
}

// recent returns the least loss among the last quarter of the steps from 0 to step, NaN if that has only NaN. If
// nothing was reported there, it returns the loss reported last before.
func recent(reports []trial.Report, step int, d trial.Direction) float64 {
	least := math.NaN()
	before := (step+1)*3/4 - 1
	end := sort.Search(len(reports), func(i int) bool { return reports[i].Step > step })
	for i := end - 1; i >= 0 && (reports[i].Step > before || i == end-1); i-- {
		if v := d.Loss(reports[i].Value); math.IsNaN(least) || v < least {
			least = v
		}
	}
	return least
}

// lastCounts reports whether the result of each complete trial of h is its last report.
func lastCounts(h trial.Snapshot) bool {
	return len(h.Column(exceptions{}, func(t *trial.Record) (float64, bool) {
		n := len(t.Reports)
		return 0, t.State == trial.Complete && n > 0 && t.Reports[n-1].Value != t.Values[0]
	})) == 0
}

// exceptions names the complete trials whose result is not their last report, for [trial.Snapshot.Column].
type exceptions struct{}

// passing is a step. As a value it names [passing.value] for [trial.Snapshot.Column].
type passing int

// value returns what t reported at the step, or first beyond it.
func (p passing) value(t *trial.Record) (float64, bool) { return reached(t.Reports, int(p)) }
