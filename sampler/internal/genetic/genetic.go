// Package genetic has the common parts of genetic samplers: a pool of the trials that may be parents, from the best
// to the worst, and operators that make a child of two or three of them.
//
// There are no generations. The population is the best of all trials that have finished, so it follows from the
// history alone, regardless of their order. Each trial counts as soon as it has finished, including trials of
// parallel workers, enqueued trials and trials of other samplers. (Durillo, Nebro, Luna and Alba, "On the
// Effect of the Steady-State Selection Scheme in Multi-Objective Genetic Algorithms", EMO 2009, found this to
// be better than generations on most of the usual problems.)
package genetic

import (
	"context"
	"math/rand/v2"
	"slices"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space/unit"
)

// Settings are the settings of a genetic sampler.
type Settings struct {
	Independent   sampler.Sampler // draws the first trials
	Population    int             // the maximum; 0: a tenth of the trials, between fewest and most
	Startup       int             // trials that Independent draws
	Crossover     Crossover
	CrossoverRate float64
	MutationRate  float64 // of a parameter; negative: one over their number
	Selection     Selection
}

// Resolved returns s with the rates that this package uses. In the user's settings a negative rate means 0, and a
// MutationRate of 0 means one over the number of parameters.
func (s Settings) Resolved() Settings {
	s.CrossoverRate = max(0, s.CrossoverRate)
	switch {
	case s.MutationRate == 0:
		s.MutationRate = -1
	case s.MutationRate < 0:
		s.MutationRate = 0
	}
	return s
}

// Validate returns an error of package pkg that wraps [sampler.ErrInvalid] if a
// setting makes no sense.
func (s Settings) Validate(pkg fault.Package) error {
	switch {
	case s.Population != 0 && s.Population < 4:
		return pkg.Errorf("%w: population %d: give 4 or more, or 0 for the default", sampler.ErrInvalid, s.Population)
	case s.Startup < 2:
		return pkg.Errorf("%w: startup %d: give 2 or more, or 0 for the default", sampler.ErrInvalid, s.Startup)
	case s.Crossover >= crossovers:
		return pkg.Errorf("%w: crossover %d: there are %d", sampler.ErrInvalid, s.Crossover, crossovers)
	case !(0 <= s.CrossoverRate && s.CrossoverRate <= 1):
		return pkg.Errorf("%w: crossover rate %v: give a probability", sampler.ErrInvalid, s.CrossoverRate)
	case !(s.MutationRate <= 1):
		return pkg.Errorf("%w: mutation rate %v: give a probability", sampler.ErrInvalid, s.MutationRate)
	}
	if v, ok := s.Independent.(sampler.Validator); ok {
		return v.Validate()
	}
	return nil
}

// A Selection cuts the front that does not fit into the population as a whole, and ranks the members of a front as
// parents.
type Selection interface {
	// Cut returns the indices of the k points of front that stay in the population together with those of above, 0 <
	// k < len(front). Points are losses. The result must not depend on the order of above.
	Cut(above, front [][]float64, k int, rng *rand.Rand) []int
	// Spread returns a preference for each point of one front as a parent, or nil if all are equal.
	Spread(front [][]float64) []float64
}

// A Breeder proposes the children of the best trials. The zero value is ready to use,
// by several goroutines at once.
type Breeder struct{ memory sampler.Memory[pools] }

const (
	attempts = 20 // attempts to find a child at a new point
	fewest   = 10 // minimum number of trials with the axes of a request to be parents
	most     = 100
)

// members returns the size of the population for n trials. A small one approaches the front within a few hundred
// trials, and a large one spreads along it.
func (s Settings) members(n int) int {
	if s.Population > 0 {
		return s.Population
	}
	return min(max(n/10, fewest), most)
}

// Sample proposes a point for r.
func (b *Breeder) Sample(ctx context.Context, s Settings, r sampler.Request) (sampler.Proposal, error) {
	var child []float64 // its coordinates
	d, region := newDomain(r), r.Region()
	b.memory.Use(r.History, func(m *pools) {
		p := m.of(d, r.History)
		if r.History.Evaluated() < s.Startup || p.len() < min(s.Startup, fewest) {
			return
		}
		population := p.best(s.members(p.len()), s.Selection, r.Rand)
		tried := p.tried(r)
		for range attempts {
			c := d.child(s, population, r.Rand)
			point := make([]float64, len(c))
			for i, u := range c {
				point[i] = d.coordinate(i, u)
			}
			if !region.Contains(point) {
				if region.Move(point, r.Rand) != nil {
					return
				}
				for i, x := range point {
					c[i] = unit.Position(r.Space[i].Distribution, x)
				}
			}
			if d.whole && tried(c) {
				continue
			}
			child = point
			return
		}
	})
	switch {
	case child == nil && r.History.Evaluated() < s.Startup:
		return s.Independent.Sample(ctx, r)
	case child == nil:
		point, err := region.Draw(r.Rand)
		return sampler.Proposal{Point: point}, err
	}
	return sampler.Proposal{Point: child}, nil
}

// child returns a child of members of the population: of two or three parents, or a
// copy of one, and mutated.
func (d *domain) child(s Settings, population []member, rng *rand.Rand) []float64 {
	parents := choose(population, s.Crossover.parents(), rng)
	first, last := parents[0].x, parents[len(parents)-1].x
	child := slices.Clone(first)
	if len(parents) > 1 && rng.Float64() < s.CrossoverRate {
		rows := make([][]float64, len(parents))
		for k, p := range parents {
			for _, j := range d.numbers {
				rows[k] = append(rows[k], p.x[j])
			}
		}
		if len(d.numbers) > 0 {
			for i, u := range s.Crossover.cross(rows, population[0].objectives(), rng) {
				child[d.numbers[i]] = u
			}
		}
		for j, choice := range d.choices {
			if choice && rng.IntN(2) == 0 {
				child[j] = last[j]
			}
		}
	}
	rate := s.MutationRate
	if rate < 0 {
		rate = 1 / float64(len(child))
	}
	for j := range child {
		if rng.Float64() < rate {
			child[j] = d.mutate(j, child[j], rng)
		}
		child[j] = d.snap(j, child[j])
	}
	return child
}

// choose returns n parents, different as far as there are as many: each is the better
// one of two that are drawn.
func choose(population []member, n int, rng *rand.Rand) []member {
	left := slices.Clone(population)
	n = min(n, len(left))
	chosen := make([]member, 0, n)
	for range n {
		at := rng.IntN(len(left))
		if other := rng.IntN(len(left)); left[other].beats(left[at]) {
			at = other
		}
		chosen = append(chosen, left[at])
		left[at] = left[len(left)-1]
		left = left[:len(left)-1]
	}
	return chosen
}
