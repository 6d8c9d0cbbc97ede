// Package pruner defines how hopeless trials are stopped early: the [Pruner]
// interface, and the pruners themselves.
package pruner

import "github.com/attune-hpo/attune/trial"

// A Pruner judges a running trial by what it has reported. It is a pure function
// of its arguments, safe for concurrent use; settings are fields, the zero value
// is the documented default.
type Pruner interface {
	// Prune reports whether t should stop now, and why, for people to read. It is
	// called after each report of t, in studies of one objective. h is everything
	// known so far; t may be among its running trials, in an older state.
	Prune(t trial.Record, h trial.Snapshot) (reason string, prune bool)
}

// A Scoper is a pruner that divides the trials of a study into parts which do
// not see one another. The study hands the scoped view to its sampler as well as
// to the pruner.
type Scoper interface {
	Pruner
	// Scope returns the part of h that the trial of the given number belongs to.
	Scope(number int, h trial.Snapshot) trial.Snapshot
}

// None never prunes.
type None struct{}

// Prune implements [Pruner].
func (None) Prune(trial.Record, trial.Snapshot) (string, bool) { return "", false }
