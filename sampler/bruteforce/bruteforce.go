// Package bruteforce visits every configuration of a finite space once, conditions
// included, in random order.
//
// Nothing is declared: the sampler learns from the trials which parameters there are
// and on which values they depend. The parameters of each trial, in the order in which
// its objective asked for them, are a path in a tree, whose leaves are configurations.
// A leaf is drawn from those that are left, each with the same probability as far as
// their number is known: of a part of the tree where no trial has been, it is not.
//
//   - A study can be resumed anywhere, and trials that other samplers or people
//     proposed count too. A trial counts whether it completed, was pruned or failed;
//     one that was interrupted does not.
//   - What is running or enqueued is not proposed again. One exception: as long as no
//     trial with the same set of parameters has finished, a running trial may be about
//     to meet further ones, and when nothing else is left another is sent the same way.
//   - A number without a step has no end of values: it is drawn at random, and a study
//     with one never ends by itself.
//   - Where values are fixed, by whoever enqueued a trial or by [sampler.Fixed], the
//     others are chosen so that the configuration is new, if one is left.
//
// Package grid visits given values of declared parameters, continua among them.
package bruteforce

import (
	"context"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
	"github.com/attune-hpo/attune/trial"
)

const pkg fault.Package = "bruteforce"

// A Sampler proposes what has not been tried. The zero value is ready to use, by
// several studies and goroutines at once.
type Sampler struct{ memory sampler.Memory[tree] }

var (
	_ sampler.Sampler = (*Sampler)(nil)
	_ sampler.Finite  = (*Sampler)(nil)
)

// New returns a sampler.
func New() *Sampler { return new(Sampler) }

// Sample implements [sampler.Sampler]. It fails with [sampler.ErrExhausted] when no
// configuration is left. Where only those are left that differ from r.Given, it
// proposes a repetition.
func (s *Sampler) Sample(_ context.Context, r sampler.Request) (p sampler.Proposal, err error) {
	s.memory.Use(r.History, func(t *tree) {
		t.use(append(append(space.Space{}, r.Given.Space...), r.Space...), r.History)
		forget := t.look(r.History, r.Number)
		defer forget()
		if t.exhausted() {
			err = pkg.Errorf("trial %d: %w", r.Number, sampler.ErrExhausted)
			return
		}
		p.Point = t.draw(r)
	})
	return p, err
}

// Exhausted implements [sampler.Finite].
func (s *Sampler) Exhausted(axes space.Space, h trial.Snapshot) (exhausted bool) {
	s.memory.Use(h, func(t *tree) {
		t.use(axes, h)
		forget := t.look(h, -1)
		defer forget()
		exhausted = t.exhausted()
	})
	return exhausted
}

// draw returns values for the axes of r that lead to a leaf that is left, or anywhere
// if there is none beside what is given.
func (t *tree) draw(r sampler.Request) []float64 {
	point := make([]float64, len(r.Space))
	left := map[string]int{} // axes that are not decided, by their place
	c := count{map[string]float64{}, map[string]bool{}}
	unseen := 1.0 // points of those that are not decided
	for i, a := range r.Space {
		left[a.Name], c.asked[a.Name] = i, true
		unseen *= size(a)
	}
	for i, a := range r.Given.Space {
		c.given[a.Name] = r.Given.Point[i]
	}
	for at := t.root; at != nil && at.axis != nil && len(left) > 0; {
		name := at.axis.Name
		x, known := c.given[name]
		if !known {
			x = c.choose(at, unseen, r.Rand.Float64, func() float64 { return unit.Draw(at.axis.Distribution, r.Rand) })
			unseen = c.under(at, unseen)
		}
		if i, asked := left[name]; asked {
			point[i] = x
			delete(left, name)
		}
		c.given[name] = x
		at = at.children[x]
	}
	for i, a := range r.Space { // in order: a map has none
		if _, open := left[a.Name]; open {
			point[i] = unit.Draw(a.Distribution, r.Rand)
		}
	}
	return point
}

// size returns the number of values of an axis, large for a continuum.
func size(a space.Axis) float64 {
	if n := a.Distribution.Len(); n > 0 {
		return float64(n)
	}
	return 1 << 53
}
