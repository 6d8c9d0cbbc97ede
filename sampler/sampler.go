// Package sampler defines the [Sampler] interface, which proposes points, and combinators that make one sampler from
// another.
//
// The samplers themselves are in the packages below: auto, which chooses among the others, tpe, gp, cmaes, nsga2,
// nsga3, random, grid, bruteforce and qmc.
//
// # Writing a sampler
//
// A sampler has one method. It gets a [Request] and returns a coordinate for each axis in Request.Space. A
// coordinate is a number: the value of a parameter or, for a categorical one, the index of the choice. Package
// space/unit maps coordinates to the unit interval and back, so that a sampler can ignore scales and steps. The
// package's example is a whole sampler.
//
// The request contains everything that a sampler may use:
//
//   - Space: the axes to fill in. A study draws as many at once as it can: a declared space, one level of
//     conditions after the other, or the parameters that all trials so far have had. No axis has a single
//     value. Bounds may differ from those of earlier trials.
//   - Given and Fixed: the parameters that the trial already has.
//   - Constraints, if there are any: comparisons such as a + b <= 1. The point must lie in
//     the [Region] of the request, which draws points there and moves others into it.
//   - Priors of axes are optional: Believe draws from them, and Belief weighs them.
//   - History: all trials, as a [trial.Snapshot]. Finished trials are in the order in which they finished,
//     which must not matter: sort values before you sum them. Use Direction and its Loss, so that less is
//     better. Values may be infinite; a trial may have failed, been pruned, or lack some of the axes.
//     Running trials have their drawn values in Params and in Proposed.
//   - Rand: the only source of randomness. It is seeded for this draw, so that the same study always makes the same
//     draws.
//
// Return a proposal for every request, including unusual ones: use Draw of package space/unit as long as
// nothing is known. An error ends the trial, and the run as well; [ErrExhausted] ends a run without an error.
// State that cannot be computed from the trials belongs in Proposal.Notes, which are stored with the trial
// and come back in the history: an interrupted study then continues as if nothing had happened. To compute
// other state only once, use a [Memory]: it keeps the state for each study, so that several studies can
// safely share a sampler.
//
// Implement [Validator] if settings can be wrong, and [Finite] if the sampler can run out
// of points. Then run the suite of package samplertest, which tests all of the above.
package sampler

import (
	"context"
	"errors"
	"math/rand/v2"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

const pkg fault.Package = "sampler"

var (
	// ErrExhausted reports that a sampler has nothing left to propose: every point of its finite space has been
	// tried. It ends a run without an error.
	ErrExhausted = errors.New("search space exhausted")
	// ErrInvalid reports settings that a sampler cannot work with; see [Validator].
	ErrInvalid = errors.New("invalid settings")
)

// A Request asks for the coordinates of one trial.
//
// In a joint draw, Space is a whole search space. A parameter that first occurs in the objective is drawn alone, with
// the trial's other parameters in Given. So one type of request serves joint, independent and partially fixed
// sampling.
//
// A sampler reads the slices of a request and does not change them.
type Request struct {
	Number int          // of the trial
	Space  space.Space  // axes to fill in, normalized; never empty; no axis has a single value
	Given  space.Params // already decided
	// Fixed names the parameters in Given that no sampler has chosen: they were enqueued, or set by [Fixed]. It may
	// name parameters that are not in Given.
	Fixed []string
	// Constraints are comparisons that the trial must satisfy; see [Request.Region]. Later has parameters that may be
	// drawn after those of Space, if their conditions then hold; the answer must leave room for them.
	Constraints []space.Constraint
	Later       space.Space
	History     trial.Snapshot // everything known so far, this trial among the running
	Rand        *rand.Rand     // seeded from the study's seed, Number and what is in Given
}

// A Proposal answers a [Request].
type Proposal struct {
	Point []float64   // Point[i] lies on Request.Space[i]; its distribution contains it
	Notes trial.Attrs // stored with the trial; only the sampler interprets them
}

// A Sampler proposes points. A proposal depends on r alone: not on earlier requests, the clock, a generator of its
// own, or the order in which trials finished. Package samplertest tests this and the other requirements.
//
// A sampler must not change the contents of r, nor keep them beyond the call, except records, spaces and snapshots,
// which never change. It may remember what it computed from a history, as long as its answers stay the same; a
// [Memory] does the bookkeeping.
//
// One sampler may serve several studies at the same time, since a program may use one
// configuration for all of them. One study makes one call at a time, but several studies
// may call at once: a sampler must guard fields that change. A [Memory] does so.
//
// The settings of a sampler should be exported fields or a Config, so that they can be printed and compared. The zero
// value should mean the documented defaults.
type Sampler interface {
	Sample(ctx context.Context, r Request) (Proposal, error)
}

// Finite is implemented by samplers that can run out of points. Before a study starts a new trial, and if none is
// waiting, it calls Exhausted with the space as far as it is known, and starts none if that returns true. A study
// never calls Exhausted and Sample at the same time.
type Finite interface {
	Exhausted(s space.Space, h trial.Snapshot) bool
}

// Validator is implemented by samplers whose settings can be invalid. A study calls Validate when it is opened; the
// error wraps [ErrInvalid].
type Validator interface{ Validate() error }

// Func adapts a function to a [Sampler].
type Func func(ctx context.Context, r Request) (Proposal, error)

// Sample calls f.
func (f Func) Sample(ctx context.Context, r Request) (Proposal, error) { return f(ctx, r) }
