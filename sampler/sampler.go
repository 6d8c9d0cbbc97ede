// Package sampler defines how points are proposed: the [Sampler] interface, and
// combinators that make one sampler of another.
//
// The samplers themselves are in the folders below: auto, which chooses among the
// others, tpe, gp, cmaes, nsga2, nsga3, random, grid, bruteforce, qmc.
//
// # Writing a sampler
//
// A sampler has one method. It gets a [Request] and returns a coordinate for each
// axis in Request.Space. A coordinate is a number: the value of a parameter or, of
// a categorical one, the index of the choice. Package space/unit maps coordinates
// to the unit interval and back, so that a sampler can ignore scales and steps.
// The package's example is a whole sampler.
//
// What a sampler may use is all in the request:
//
//   - Space: the axes to fill in. A study draws as many at once as it can: all of
//     a declared space, a level of conditions after the other, or those that all
//     trials so far have had. No axis has a single value. Bounds may differ from
//     those of earlier trials.
//   - Given and Fixed: what the trial has already.
//   - Constraints, if there are any: comparisons such as a + b <= 1. The point must lie in
//     the [Region] of the request, which draws points there and moves others into it.
//   - Priors of axes, if you like: Believe draws from them, and Belief weighs them.
//   - History: all trials, as a [trial.Snapshot]. Finished ones are in the order
//     in which they finished, which must not matter: sort what is summed up. Use
//     Direction and its Loss, so that less is better. Values may be infinite; a
//     trial may have failed, been pruned, or lack some of the axes. Running trials
//     have what was drawn for them in Params and in Proposed.
//   - Rand: the only source of randomness. It is seeded for this draw, so that the
//     same study always goes the same way.
//
// Return a proposal for every request, the odd ones included: fall back to Draw of
// package space/unit as long as nothing is known. An error ends the trial, and the run
// as well; [ErrExhausted] ends a run without an error. State that cannot be computed from
// the trials belongs in Proposal.Notes, which are stored with the trial and come
// back in the history: an interrupted study then goes on as if nothing had
// happened. State that can be computed from the trials is best computed once: a
// [Memory] keeps it for each study, and makes it safe that several studies share a
// sampler.
//
// Implement [Validator] if settings can be wrong, and [Finite] if the sampler can
// run out of points. Then run the suite of package samplertest, which tries all of
// the above.
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
	// ErrExhausted reports that a sampler has nothing left to propose: every point
	// of its finite space has been tried. A run that meets it ends without an error.
	ErrExhausted = errors.New("search space exhausted")
	// ErrInvalid reports settings that a sampler cannot work with; see [Validator].
	ErrInvalid = errors.New("invalid settings")
)

// A Request asks for the coordinates of one trial.
//
// A joint draw has a whole search space in Space. A parameter met only in the
// objective is drawn alone, with what the trial has so far in Given: one request
// serves joint, independent and partially fixed sampling.
//
// A sampler reads the slices of a request and does not change them.
type Request struct {
	Number int          // of the trial
	Space  space.Space  // axes to fill in, normalized; never empty; no axis has a single value
	Given  space.Params // already decided
	// Fixed names the parameters in Given that no sampler has chosen: whoever enqueued
	// the trial did, or [Fixed]. It may name parameters that are not in Given.
	Fixed []string
	// Constraints are comparisons that the trial must satisfy; see [Request.Region]. Later
	// has parameters that may be drawn after those of Space, when their conditions turn out
	// to hold, and that the answer must leave room for.
	Constraints []space.Constraint
	Later       space.Space
	History     trial.Snapshot // everything known so far, this trial among the running
	Rand        *rand.Rand     // seeded from the study's seed, Number and what is in Given
}

// A Proposal answers a [Request].
type Proposal struct {
	Point []float64   // Point[i] lies on Request.Space[i]; its distribution contains it
	Notes trial.Attrs // kept with the trial, opaque to everyone else
}

// A Sampler proposes points. What it proposes depends on r alone: not on earlier
// requests, on the clock or on a generator of its own, nor on the order in which
// trials finished. Package samplertest proves that, and what else is expected.
//
// A sampler must not change what is in r, nor keep it beyond the call, but for
// records, spaces and snapshots, which never change. It may remember what it
// computed from a history, as long as its answers stay the same; a [Memory] does
// the bookkeeping.
//
// One sampler may serve several studies at the same time, since a program may use
// one configuration for all of them. A study does not call its sampler while an
// earlier call has not returned, but others may: a sampler that has fields which
// change must guard them. A Memory does so.
//
// Settings of a sampler are exported fields or a Config whose zero value stands
// for the documented defaults, so that they can be printed and compared.
type Sampler interface {
	Sample(ctx context.Context, r Request) (Proposal, error)
}

// Finite is implemented by samplers that can run out of points. Before a study
// starts a new trial, and if none waits, it calls Exhausted with the space as far as
// it is known, and does not start one if that returns true. A study does not call
// Exhausted while Sample has not returned, nor the other way round.
type Finite interface {
	Exhausted(s space.Space, h trial.Snapshot) bool
}

// Validator is implemented by samplers whose settings can be wrong. A study asks
// when it is opened; the error wraps [ErrInvalid].
type Validator interface{ Validate() error }

// Func adapts a function to a [Sampler].
type Func func(ctx context.Context, r Request) (Proposal, error)

// Sample calls f.
func (f Func) Sample(ctx context.Context, r Request) (Proposal, error) { return f(ctx, r) }
