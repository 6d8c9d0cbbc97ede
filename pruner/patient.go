package pruner

import (
	"fmt"

	"github.com/attune-hpo/attune/trial"
)

// Patient lets another pruner judge a trial only if the trial has not improved for a while: if the best of its last
// Patience+1 values is worse, by more than MinDelta, than the best of the earlier values. Values are counted, not
// steps. NaN values are ignored; if only NaN remains on one side, the trial continues.
//
// Learning curves are rough: with no patience, and no other pruner to ask, nearly
// every study loses its best configuration; see the package comment.
type Patient struct {
	Pruner   Pruner  // decides when patience has run out. Default: always prune
	Patience int     // values without improvement that are forgiven. Default 10; negative: none
	MinDelta float64 // in units of the objective, at least 0
}

// Validate returns an error that wraps [ErrInvalid] if MinDelta is negative or NaN,
// or if Pruner's own settings are wrong.
func (p Patient) Validate() error {
	if !(p.MinDelta >= 0) {
		return invalid("least difference %v: it must be at least 0", p.MinDelta)
	}
	if v, ok := p.Pruner.(interface{ Validate() error }); ok {
		return v.Validate()
	}
	return nil
}

// Prune implements [Pruner].
func (p Patient) Prune(t trial.Record, h trial.Snapshot) (string, bool) {
	since := len(t.Reports) - 1 - or(p.Patience, 10)
	if p.Validate() != nil || since <= 0 {
		return "", false
	}
	d := h.Direction(0)
	before, after := best(t.Reports[:since], d), best(t.Reports[since:], d)
	if !(d.Loss(before)+p.MinDelta < d.Loss(after)) {
		return "", false
	}
	reason := fmt.Sprintf("no better than %s since step %d", number(before), t.Reports[since].Step)
	if p.Pruner == nil {
		return reason, true
	}
	why, prune := p.Pruner.Prune(t, h)
	if !prune {
		return "", false
	}
	return reason + "; " + why, true
}
