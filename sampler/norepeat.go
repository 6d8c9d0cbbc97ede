package sampler

import (
	"cmp"
	"context"
	"slices"
	"sort"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
	"github.com/attune-hpo/attune/trial"
)

// NoRepeat returns a sampler that proposes what s does but, in a finite space, never a configuration that a
// trial already has, in whatever state: the trial may be waiting or have failed. If s repeats one, NoRepeat
// asks it again, up to ten times, and then draws uniformly from the configurations that are left. If none is
// left, Sample fails with [ErrExhausted]. In a space with a continuous parameter, or with more than 2^53
// points (65,536 with constraints), NoRepeat returns the proposals of s unchanged.
//
// A configuration is the values of all parameters that vary. It may be repeated in
// three cases:
//
//   - [Request.Space] and [Request.Given] are only a part of it: at a condition, or in the first trials of an
//     objective without a declared space.
//   - Some values are given, and every configuration with these values has been seen.
//     Request.Given cannot be changed.
//   - Two processes draw at the same moment. Neither sees the other's proposal.
func NoRepeat(s Sampler) Sampler { return &noRepeat{Sampler: s} }

// redraws is how often a sampler is asked again for a new configuration.
const redraws = 10

type noRepeat struct {
	Sampler
	requests  Memory[seen]
	exhausted Memory[seen]
}

// Validate implements [Validator].
func (n *noRepeat) Validate() error { return validate(n.Sampler) }

// Sample implements [Sampler].
func (n *noRepeat) Sample(ctx context.Context, r Request) (p Proposal, err error) {
	size, region := r.Space.Len(), r.Region()
	if size == 0 || size > mostSeen && !region.Free() {
		return propose(ctx, n.Sampler, r)
	}
	n.requests.Use(r.History, func(known *seen) {
		taken := known.survey(r.Space, r.Given, r.History, r.Number)
		if !region.Free() {
			taken = without(taken, size, func(i int) bool { return region.Contains(point(r.Space, i)) })
		}
		p, err = n.fresh(ctx, r, size, taken)
	})
	return p, err
}

// without returns taken together with the points, of size, that are not allowed, ascending.
func without(taken []int, size int, allowed func(i int) bool) []int {
	all := slices.Clone(taken)
	for i := range size {
		if !allowed(i) {
			all = append(all, i)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// fresh proposes a point of r.Space, which has size points, that is not taken.
func (n *noRepeat) fresh(ctx context.Context, r Request, size int, taken []int) (Proposal, error) {
	if len(taken) == size {
		if varies(r.Given.Space) {
			return propose(ctx, n.Sampler, r)
		}
		return Proposal{}, pkg.Errorf("trial %d: %w: all %d configurations were tried", r.Number, ErrExhausted, size)
	}
	for range 1 + redraws {
		p, err := propose(ctx, n.Sampler, r)
		if err != nil {
			return Proposal{}, err
		}
		i, ok := index(r.Space, func(k int) (float64, bool) { return p.Point[k], true })
		if _, repeated := slices.BinarySearch(taken, i); !ok || !repeated {
			return p, nil
		}
	}
	return Proposal{Point: point(r.Space, missing(taken, r.Rand.IntN(size-len(taken))))}, nil
}

// Exhausted implements [Finite]: it reports whether every configuration of s was
// seen, or the sampler below has none left. Of a space with conditions it knows
// only the latter.
func (n *noRepeat) Exhausted(s space.Space, h trial.Snapshot) bool {
	if f, ok := n.Sampler.(Finite); ok && f.Exhausted(s, h) {
		return true
	}
	conditional := slices.ContainsFunc(s, func(a space.Axis) bool { return len(a.When) > 0 })
	size := s.Len()
	if len(s) == 0 || size == 0 || conditional {
		return false
	}
	var open space.Space
	var given space.Params
	for _, a := range s {
		if a.Distribution.Len() == 1 {
			given.Space = append(given.Space, a)
		} else {
			open = append(open, a)
		}
	}
	slices.SortFunc(given.Space, func(a, b space.Axis) int { return cmp.Compare(a.Name, b.Name) })
	for _, a := range given.Space {
		given.Point = append(given.Point, a.Distribution.At(0))
	}
	all := false
	n.exhausted.Use(h, func(known *seen) {
		taken := known.survey(open, given, h, -1)
		if cs := s.Constraints(); len(cs) > 0 && size <= mostSeen {
			region := Request{Space: open, Given: given, Constraints: cs}.Region()
			taken = without(taken, size, func(i int) bool { return region.Contains(point(open, i)) })
		}
		all = len(taken) == size
	})
	return all
}

// seen has the points of a space that finished trials of one history have, if the trials agree with the given values.
type seen struct {
	space  space.Space
	given  space.Params
	read   int   // finished trials taken in
	points []int // their indices in space, ascending
}

// survey returns the indices of the points of s that trials other than the given one have, ascending.
func (c *seen) survey(s space.Space, given space.Params, h trial.Snapshot, but int) []int {
	if !c.space.Equal(s) || !c.given.Space.Equal(given.Space) || !slices.Equal(c.given.Point, given.Point) {
		*c = seen{space: s, given: space.Params{Space: slices.Clone(given.Space), Point: slices.Clone(given.Point)}}
	}
	for ; c.read < h.Len(); c.read++ {
		if i, ok := c.locate(*h.At(c.read), h); ok {
			c.points = insert(c.points, i)
		}
	}
	var pending []int
	for _, rs := range [][]trial.Record{h.Running(), h.Waiting()} {
		for _, r := range rs {
			if i, ok := c.locate(r, h); ok && r.Number != but {
				pending = insert(pending, i)
			}
		}
	}
	if len(pending) == 0 {
		return c.points
	}
	all := slices.Concat(c.points, pending)
	slices.Sort(all)
	return slices.Compact(all)
}

func insert(sorted []int, i int) []int {
	at, found := slices.BinarySearch(sorted, i)
	if found {
		return sorted
	}
	return slices.Insert(sorted, at, i)
}

// locate returns the index in c.space of the configuration of a trial. It returns false if the trial lacks a part of
// c.space or c.given, has other values than the given ones, or has other parameters that vary.
func (c *seen) locate(r trial.Record, h trial.Snapshot) (int, bool) {
	settings := space.Settings(slices.Clip(r.Fixed))
	switch {
	case r.State.Done():
		settings = nil
	case r.State == trial.Running:
		settings = append(settings, r.Proposed...)
	}
	// lookup returns the coordinate on a that the trial has or will have.
	lookup := func(a space.Axis) (float64, bool) {
		if i := r.Params.Space.Index(a.Name); i >= 0 {
			d := r.Params.Space[i].Distribution
			if _, isChoice := d.(*space.CategoricalDistribution); !isChoice || space.Equal(d, a.Distribution) {
				return r.Params.Point[i], true
			}
			x, err := a.Distribution.Encode(d.Decode(r.Params.Point[i]))
			return x, err == nil
		}
		v, ok := settings.Get(a.Name)
		if !ok {
			return 0, false
		}
		x, err := a.Distribution.Encode(v)
		return x, err == nil
	}
	for i, a := range c.given.Space {
		if x, ok := lookup(a); !ok || x != c.given.Point[i] {
			return 0, false
		}
	}
	other := func(name string) bool { return c.space.Index(name) < 0 && c.given.Space.Index(name) < 0 }
	for _, a := range r.Params.Space {
		if other(a.Name) && a.Distribution.Len() != 1 {
			return 0, false
		}
	}
	for _, set := range settings {
		if a, ok := h.Axis(set.Name); other(set.Name) && !(ok && a.Distribution.Len() == 1) {
			return 0, false
		}
	}
	return index(c.space, func(k int) (float64, bool) { return lookup(c.space[k]) })
}

// index returns the number of a point of a finite space, in which the last axis varies fastest. It returns false if a
// coordinate is missing or outside.
func index(s space.Space, coord func(k int) (float64, bool)) (n int, ok bool) {
	for k, a := range s {
		x, ok := coord(k)
		if !ok {
			return 0, false
		}
		i, ok := unit.Cell(a.Distribution, x)
		if !ok {
			return 0, false
		}
		n = n*a.Distribution.Len() + i
	}
	return n, true
}

// point returns the point of the given number.
func point(s space.Space, n int) []float64 {
	out := make([]float64, len(s))
	for k := len(s) - 1; k >= 0; k-- {
		d := s[k].Distribution
		out[k] = d.At(n % d.Len())
		n /= d.Len()
	}
	return out
}

// missing returns the i-th number, from 0, that is not among the ascending ones.
func missing(ascending []int, i int) int {
	// Before ascending[j] there are ascending[j]-j numbers that are not.
	return i + sort.Search(len(ascending), func(j int) bool { return ascending[j]-j > i })
}

func varies(s space.Space) bool {
	return slices.ContainsFunc(s, func(a space.Axis) bool { return a.Distribution.Len() != 1 })
}
