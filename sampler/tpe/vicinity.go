package tpe

import (
	"math"
	"slices"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// A vicinity says which trials are evidence about the requested part of the space: the near ones. If bounds were
// narrowed, or a value is fixed that the search would not choose, the best of all trials may be far, and the best
// near ones must be found.
//
// Far trials are only a hint until there is better evidence: one beyond the edge of the bounds suggests that the edge
// is good. If there are n near trials, a far one has the weight 1/(1+n)².
type vicinity struct {
	axes  []axis    // of the request
	fixed []axis    // axes whose values are given, but not by a sampler
	at    []float64 // positions on them

	read int   // finished trials taken in
	near split // the order of near trials, if some are far
	far  set   // the numbers of the others
}

const (
	// margin is the distance outside the bounds up to which a trial is near, as a share of the distance of the
	// bounds.
	margin = 0.25
	// reach is the distance from a fixed value up to which a trial is near, likewise. Choices must be equal.
	reach = 0.2
)

// moveTo updates v to the vicinity of r in its history.
func (v *vicinity) moveTo(r sampler.Request) {
	var fixed []axis
	var at []float64
	for i, a := range r.Given.Space {
		if slices.Contains(r.Fixed, a.Name) && a.Distribution.Len() != 1 {
			ax := newAxis(a)
			fixed, at = append(fixed, ax), append(at, ax.position(r.Given.Point[i]))
		}
	}
	same := func(a, b axis) bool { return a.Name == b.Name && space.Equal(a.Distribution, b.Distribution) }
	if !slices.Equal(at, v.at) || !slices.EqualFunc(fixed, v.fixed, same) {
		*v = vicinity{axes: v.axes, fixed: fixed, at: at}
	}
	for ; v.read < r.History.Len(); v.read++ {
		t := r.History.At(v.read)
		if (counts(t, r.History) || failed(t)) && !v.has(t) {
			v.far.add(t.Number)
		}
	}
	if v.far != nil {
		v.near.update(r.History, func(t *trial.Record) bool { return !v.far.has(t.Number) })
	}
}

// has reports whether a trial is near. A trial that lacks an axis of the request is near; one that lacks a fixed axis
// is not.
func (v *vicinity) has(t *trial.Record) bool {
	for d := range v.axes {
		a := &v.axes[d]
		if x, ok := a.read(t); ok && a.kind != choice && !(math.Abs(a.position(x)) <= 0.5+margin) {
			return false
		}
	}
	for d := range v.fixed {
		a := &v.fixed[d]
		x, ok := a.read(t)
		if !ok {
			return false
		}
		by := math.Abs(a.position(x) - v.at[d])
		if by > reach || a.kind == choice && by != 0 {
			return false
		}
	}
	return true
}

// best returns the numbers of the good trials, ascending, given those that are good among all. As soon as there are
// enough near trials, it returns the good ones among them, and the far ones that are good among all.
func (v *vicinity) best(c Config, all []int) []int {
	if v.far == nil || v.near.total < c.Startup {
		return all
	}
	best := v.near.best(c.good(v.near.total))
	for _, number := range all {
		if v.far.has(number) {
			best = append(best, number)
		}
	}
	slices.Sort(best)
	return best
}

// hint returns the weight of a far trial.
func (v *vicinity) hint() float64 {
	n := 1 + float64(v.near.total)
	return 1 / (n * n)
}

// A set is a set of trial numbers, with a bit for each.
type set []uint64

func (s *set) add(number int) {
	for number>>6 >= len(*s) {
		*s = append(*s, 0)
	}
	(*s)[number>>6] |= 1 << (number & 63)
}

func (s set) has(number int) bool {
	return number>>6 < len(s) && s[number>>6]>>(number&63)&1 == 1
}
