package tpe

import (
	"slices"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
	"github.com/attune-hpo/attune/trial"
)

// rounds is how often candidates are drawn as long as none is new.
const rounds = 10

// past has the configurations of a finite space that observations have, by their
// numbers: the last axis counts fastest.
type past struct {
	axes     []axis
	read     int   // finished trials taken in
	finished []int // of finished trials, ascending, each once
	running  []int // of running ones
}

// past returns the configurations that r should not be answered with. It is nil
// where none can be avoided: in a continuum, beside given values that vary, and
// when all have been tried.
func (k *history) past(c Config, r sampler.Request) *past {
	varies := func(a space.Axis) bool { return a.Distribution.Len() != 1 }
	size := r.Space.Len()
	if c.Repeat || size == 0 || slices.ContainsFunc(r.Given.Space, varies) {
		return nil
	}
	p := &k.indexes.of(r.Space, r.Number).past
	p.update(r, c.IgnoreRunning)
	if len(p.finished) == size {
		return nil
	}
	return p
}

// update takes in the finished trials that are new, and the running ones.
func (p *past) update(r sampler.Request, ignoreRunning bool) {
	known := len(p.finished)
	for ; p.read < r.History.Len(); p.read++ {
		t := r.History.At(p.read)
		if !counts(t, r.History) {
			continue
		}
		if n, ok := p.locate(t, r.History); ok {
			p.finished = append(p.finished, n)
		}
	}
	if len(p.finished) > known {
		slices.Sort(p.finished)
		p.finished = slices.Compact(p.finished)
	}
	p.running = p.running[:0]
	if ignoreRunning {
		return
	}
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

// locate returns the number of the configuration of a trial. It is not ok if the
// trial lacks an axis, has a value that is no longer in it, or has other
// parameters that vary.
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

// number returns the number of a point. It is not ok if the point lies outside.
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

// has reports whether a trial has been at a point of the space.
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
	_, ok := slices.BinarySearch(p.finished, n)
	return ok || slices.Contains(p.running, n)
}
