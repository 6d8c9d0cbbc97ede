package main

import (
	"fmt"
	"slices"

	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/trial"
)

// A study ends on a plateau: it has enough trials, and the last of them together improved the
// score by much less than its standard error. Then noise decides which trial is the best, and
// the time is better spent elsewhere.
const (
	plateauLeast = 12  // minimum number of trials
	plateauLast  = 7   // number of last trials whose gain counts
	plateauGain  = 0.1 // minimum gain in standard errors
)

// onPlateau reports whether a study is on a plateau. It depends only on the trials.
func onPlateau(h trial.Snapshot) bool {
	loss := h.Direction(0).Loss
	var made []trial.Record // complete and pruned trials, by number
	for r := range h.All() {
		if r.State == trial.Complete || r.State == trial.Pruned {
			made = append(made, r)
		}
	}
	if len(made) < plateauLeast {
		return false
	}
	slices.SortFunc(made, func(a, b trial.Record) int { return a.Number - b.Number })
	// best returns the best of some trials.
	best := func(of []trial.Record) (best trial.Record, ok bool) {
		for _, r := range of {
			if r.State == trial.Complete && len(r.Values) == 1 && (!ok || loss(r.Values[0]) < loss(best.Values[0])) {
				best, ok = r, true
			}
		}
		return best, ok
	}
	now, ok := best(made)
	before, had := best(made[:len(made)-plateauLast])
	if !ok || !had {
		return false
	}
	var noise float64
	if a, ok := now.Attrs.Get(tune.ErrorKey); !ok || a.Decode(&noise) != nil {
		return false // the noise is unknown
	}
	return loss(before.Values[0])-loss(now.Values[0]) <= plateauGain*noise
}

// settled reports whether a study may end before it has --trials: if it is on a plateau, and
// the flag was not given.
func (s *session) settled(h trial.Snapshot) bool { return !s.given("trials") && onPlateau(h) }

// settledNote returns a note that a study ended on a plateau.
func settledNote(name string, made, of int) string {
	return fmt.Sprintf("%s: stopped after %d of %d trials: the last %d gained less than a tenth of the standard error; --trials %d runs all", name, made, of, plateauLast, of)
}
