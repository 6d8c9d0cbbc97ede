package tpe

import (
	"slices"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
	"github.com/attune-hpo/attune/trial"
)

// rounds returns how often candidates are drawn as long as none is new. A round of the Univariate kernel makes one
// point of them, which is seldom new when most of what is likely has been tried; the later ones are cheap.
func rounds(k Kernel) int {
	if k == Univariate {
		return 100
	}
	return 10
}

// past has the configurations of a finite space that observations have, as numbers in which the last axis varies
// fastest.
type past struct {
	axes    []axis
	read    int   // finished trials taken in
	worked  []int // of complete and pruned trials, ascending, each once
	failed  []int // likewise of failed trials, without configurations that have also worked
	running []int // of running ones
	all     bool  // all have been tried: only failed ones are avoided
}

// past returns the configurations that the answer to r should avoid: the tried ones or, if all were tried, the failed
// ones. It returns nil if none can be avoided: on a continuous axis, if the values of varying parameters are given,
// and if all configurations have worked, or none has.
func (k *history) past(c Config, r sampler.Request) *past {
	varies := func(a space.Axis) bool { return a.Distribution.Len() != 1 }
	size := r.Space.Len()
	if c.Repeat || size == 0 || slices.ContainsFunc(r.Given.Space, varies) {
		return nil
	}
	p := &k.indexes.of(r.Space, r.Number).past
	p.update(r)
	p.all = len(p.worked)+len(p.failed) == size
	if p.all && (len(p.failed) == 0 || len(p.worked) == 0) {
		return nil
	}
	return p
}

// update adds the new finished trials, and the running ones.
func (p *past) update(r sampler.Request) {
	fresh := false
	for ; p.read < r.History.Len(); p.read++ {
		t := r.History.At(p.read)
		if !counts(t, r.History) && !failed(t) {
			continue
		}
		n, ok := p.locate(t, r.History)
		switch {
		case !ok:
			continue
		case failed(t):
			p.failed = append(p.failed, n)
		default:
			p.worked = append(p.worked, n)
		}
		fresh = true
	}
	if fresh {
		slices.Sort(p.worked)
		slices.Sort(p.failed)
		p.worked, p.failed = slices.Compact(p.worked), slices.Compact(p.failed)
		p.failed = slices.DeleteFunc(p.failed, func(n int) bool { return has(p.worked, n) })
	}
	p.running = p.running[:0]
	for i := range r.History.Running() {
		t := &r.History.Running()[i]
		if t.Number == r.Number {
			continue
		}
		if n, ok := p.locate(t, r.History); ok {
			p.running = append(p.running, n)
		}
	}
}

// locate returns the number of the configuration of a trial. It returns false if the trial lacks an axis, has a value
// that is no longer in it, or has other parameters that vary.
func (p *past) locate(t *trial.Record, h trial.Snapshot) (n int, ok bool) {
	other := func(name string) bool {
		return !slices.ContainsFunc(p.axes, func(a axis) bool { return a.Name == name })
	}
	for _, a := range t.Params.Space {
		if a.Distribution.Len() != 1 && other(a.Name) {
			return 0, false
		}
	}
	for _, s := range t.Proposed { // of a running one
		if a, ok := h.Axis(s.Name); other(s.Name) && !(ok && a.Distribution.Len() == 1) {
			return 0, false
		}
	}
	point := make([]float64, len(p.axes))
	for d := range p.axes {
		if point[d], ok = p.axes[d].read(t); !ok {
			return 0, false
		}
	}
	return p.number(point)
}

// number returns the number of a point, or false if the point lies outside.
func (p *past) number(point []float64) (n int, ok bool) {
	for d := range p.axes {
		a := &p.axes[d]
		i, ok := unit.Cell(a.Distribution, point[d])
		if !ok {
			return 0, false
		}
		n = n*a.n + i
	}
	return n, true
}

// has reports whether a point of the space must be avoided.
func (p *past) has(point []float64) bool {
	n, _ := p.number(point)
	return p.knows(n)
}

// hasValues reports the same of values[0], values[stride] and so on.
func (p *past) hasValues(values []float64, stride int) bool {
	n := 0
	for d := range p.axes {
		n = n*p.axes[d].n + int(values[d*stride])
	}
	return p.knows(n)
}

func (p *past) knows(n int) bool {
	return has(p.failed, n) || !p.all && (has(p.worked, n) || slices.Contains(p.running, n))
}

func has(ascending []int, n int) bool {
	_, ok := slices.BinarySearch(ascending, n)
	return ok
}
