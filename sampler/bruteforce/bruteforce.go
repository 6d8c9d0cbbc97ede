// Package bruteforce visits every configuration of a finite space once, in random order. The space may have
// conditions.
//
// The space need not be declared: the sampler learns from the trials which parameters exist and on which values they
// depend. The parameters of each trial, in the order in which its objective suggested them, are a path in a tree,
// whose leaves are configurations. The remaining leaves have equal probabilities as far as their number is known; it
// is unknown for parts of the tree that no trial has reached.
//
//   - A study can be resumed anywhere, and trials that other samplers or people proposed
//     count too. Complete, pruned and failed trials count as visits; interrupted ones do
//     not.
//   - Configurations of running and enqueued trials are not proposed again. There is one exception: as long as no
//     trial with the same set of parameters has finished, a running trial may still get further parameters. If
//     nothing else is left, another trial then gets the same values.
//   - A continuous parameter has infinitely many values: it is drawn at random, and a study with one never ends by
//     itself.
//   - If values are fixed, by enqueueing or by [sampler.Fixed], the others are chosen so that the configuration is
//     new, if possible.
//
// Configurations that break a constraint are left out. With constraints, the end of the search is only recognized if
// the space is declared and has at most 65,536 configurations.
//
// Package grid visits given values of declared parameters, which may be continuous.
package bruteforce

import (
	"context"
	"slices"
	"sort"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
	"github.com/attune-hpo/attune/trial"
)

const pkg fault.Package = "bruteforce"

// A Sampler proposes configurations that have not been tried. The zero value is ready to use, by
// several studies and goroutines at once.
type Sampler struct{ memory sampler.Memory[tree] }

var (
	_ sampler.Sampler = (*Sampler)(nil)
	_ sampler.Finite  = (*Sampler)(nil)
)

// New returns a sampler.
func New() *Sampler { return new(Sampler) }

// Sample implements [sampler.Sampler]. It fails with [sampler.ErrExhausted] when no configuration is left. If all
// remaining configurations differ from r.Given, it proposes a repetition.
func (s *Sampler) Sample(_ context.Context, r sampler.Request) (p sampler.Proposal, err error) {
	s.memory.Use(r.History, func(t *tree) {
		t.use(append(append(space.Space{}, r.Given.Space...), r.Space...), r.History)
		forget := t.look(r.History, r.Number)
		defer forget()
		if t.exhausted() {
			err = pkg.Errorf("trial %d: %w", r.Number, sampler.ErrExhausted)
			return
		}
		p.Point, err = t.answer(r)
	})
	return p, err
}

// Exhausted implements [sampler.Finite].
func (s *Sampler) Exhausted(axes space.Space, h trial.Snapshot) (exhausted bool) {
	s.memory.Use(h, func(t *tree) {
		t.use(axes, h)
		forget := t.look(h, -1)
		defer forget()
		exhausted = t.exhausted() || len(axes.Constraints()) > 0 && t.visited(axes)
	})
	return exhausted
}

// mostListed is the maximum number of configurations that are listed if there are constraints.
const mostListed = 1 << 16

// visited reports whether all configurations of s that meet its constraints were visited. It returns false if they
// are too many to check.
func (t *tree) visited(s space.Space) bool {
	c := count{map[string]float64{}, map[string]bool{}}
	looked := 0
	var visit func(i int, given space.Settings) bool
	visit = func(i int, given space.Settings) bool {
		if looked++; looked > mostListed {
			return false
		}
		for ; i < len(s); i++ {
			if s[i].Exists(given) {
				break
			}
		}
		if i == len(s) {
			return c.leaves(t.root, 1) == 0
		}
		d := s[i].Distribution
		if d.Len() == 0 {
			return false
		}
		defer delete(c.given, s[i].Name)
		for v := range d.Len() {
			x := d.At(v)
			c.given[s[i].Name] = x
			next := append(slices.Clip(given), space.Setting{Name: s[i].Name, Value: d.Decode(x)})
			if s[i:i+1].Meets(next) == nil && !visit(i+1, next) {
				return false
			}
		}
		return true
	}
	return visit(0, nil)
}

// answer returns values for the axes of r.
func (t *tree) answer(r sampler.Request) ([]float64, error) {
	region := r.Region()
	if region.Free() {
		return t.draw(r), nil
	}
	n := r.Space.Len()
	if n == 0 || n > mostListed {
		const attempts = 100
		for range attempts {
			if point := t.draw(r); region.Contains(point) {
				return point, nil
			}
		}
		return region.Draw(r.Rand)
	}
	c := count{map[string]float64{}, map[string]bool{}}
	for i, a := range r.Given.Space {
		c.given[a.Name] = r.Given.Point[i]
	}
	point := make([]float64, len(r.Space))
	set := func(i int) {
		for k := len(r.Space) - 1; k >= 0; k-- {
			d := r.Space[k].Distribution
			point[k] = d.At(i % d.Len())
			c.given[r.Space[k].Name] = point[k]
			i /= d.Len()
		}
	}
	var met []int
	var left []float64 // leaves, summed up
	sum := 0.0
	for i := range n {
		if set(i); region.Contains(point) {
			sum += c.leaves(t.root, 1)
			met, left = append(met, i), append(left, sum)
		}
	}
	switch {
	case len(met) == 0:
		return region.Draw(r.Rand)
	case sum > 0:
		u := r.Rand.Float64() * sum
		at := sort.Search(len(left)-1, func(i int) bool { return left[i] > u })
		set(met[at])
	case !slices.ContainsFunc(r.Given.Space, func(a space.Axis) bool { return a.Distribution.Len() != 1 }):
		return nil, pkg.Errorf("trial %d: %w", r.Number, sampler.ErrExhausted)
	default:
		set(met[r.Rand.IntN(len(met))])
	}
	return point, nil
}

// draw returns values for the axes of r that lead to a remaining leaf, or any values if no remaining leaf has the
// given values.
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
