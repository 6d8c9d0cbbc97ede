package tpe

import (
	"cmp"
	"slices"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// memory is what a sampler keeps of the histories it has been asked about. All
// of it can be computed anew.
type memory struct {
	histories []*history // the last used at the end
	clock     int        // counts draws
}

// history is what is known of one history.
type history struct {
	id      any
	split   split
	indexes []*index
	next    int // where the index that is asked for next is likely to be
}

// Bounds of a memory: its histories and, summed over its indexes, trials times
// axes, each of which takes some 60 bytes. An index that was used in the last few
// draws stays all the same: without it each draw would start from nothing.
const (
	mostHistories = 32
	mostIndexed   = 1 << 20
	fewDraws      = 2000
)

// of returns what is known of the history that h is a view of, its split up to
// date with h.
func (m *memory) of(h trial.Snapshot) *history {
	k := &history{id: h.ID()}
	if i := slices.IndexFunc(m.histories, func(k *history) bool { return k.id == h.ID() }); i >= 0 {
		if known := m.histories[i]; known.split.read <= h.Len() { // or h is an older view
			k = known
		}
		m.histories = slices.Delete(m.histories, i, i+1)
	}
	if len(m.histories) == mostHistories {
		m.histories = slices.Delete(m.histories, 0, 1)
	}
	m.histories = append(m.histories, k)
	k.split.update(h)
	return k
}

// index returns the index of k for a space.
func (m *memory) index(k *history, s space.Space) *index {
	m.clock++
	for i := range k.indexes {
		at := (k.next + i) % len(k.indexes)
		if x := k.indexes[at]; x.space.Equal(s) {
			k.next = at + 1
			x.used = m.clock
			return x
		}
	}
	m.evict()
	x := newIndex(s)
	x.used = m.clock
	k.indexes = append(k.indexes, x)
	k.next = 0
	return x
}

// evict drops indexes that have not been used for long if there is too much.
func (m *memory) evict() {
	size := 0
	for _, k := range m.histories {
		for _, x := range k.indexes {
			size += len(x.space) * (len(x.g.numbers) + block)
		}
	}
	if size <= mostIndexed {
		return
	}
	for _, k := range m.histories {
		k.indexes = slices.DeleteFunc(k.indexes, func(x *index) bool { return m.clock-x.used > fewDraws })
	}
}

// An index has the two densities of one space, those of the good and the bad
// trials of one history. It is brought up to date for each request.
type index struct {
	space   space.Space
	axes    []axis
	used    int
	read    int           // finished trials taken in
	running []observation // that are in, by number
	best    []int         // numbers of the good trials that l has, ascending
	l, g    *mixture
	past    past
}

type observation struct {
	number int
	at     []float64 // position on each axis
}

func newIndex(s space.Space) *index {
	x := &index{space: s, axes: make([]axis, len(s))}
	for i, a := range s {
		x.axes[i] = newAxis(a)
	}
	x.l, x.g = newMixture(x.axes), newMixture(x.axes)
	x.past.axes = x.axes
	return x
}

// update makes x what it would be had it been built for r. The numbers of the
// best trials are ascending.
func (x *index) update(r sampler.Request, best []int, ignoreRunning bool) {
	var fresh []observation
	for ; x.read < r.History.Len(); x.read++ {
		t := r.History.At(x.read)
		if !counts(t, r.History) {
			continue
		}
		if at, ok := observe(x.axes, t); ok {
			fresh = append(fresh, observation{t.Number, at})
		}
	}
	var running []observation
	if !ignoreRunning {
		for i := range r.History.Running() {
			t := &r.History.Running()[i]
			if t.Number == r.Number {
				continue
			}
			if at, ok := observe(x.axes, t); ok {
				running = append(running, observation{t.Number, at})
			}
		}
	}
	for _, old := range x.running {
		same := func(o observation) bool { return o.number == old.number && slices.Equal(o.at, old.at) }
		if !slices.ContainsFunc(running, same) && !slices.ContainsFunc(fresh, same) {
			x.g.remove(old.number)
		}
	}
	x.running = running
	fresh = append(slices.Clip(fresh), running...)
	fresh = slices.DeleteFunc(fresh, func(o observation) bool {
		_, known := x.g.slot(o.number)
		return known
	})
	slices.SortFunc(fresh, func(a, b observation) int { return cmp.Compare(a.number, b.number) })
	if len(fresh) > 32 && len(fresh) > len(x.g.numbers)/8 {
		x.rebuild(fresh, best)
	} else {
		for _, o := range fresh {
			x.g.add(o.number, o.at)
		}
		x.move(best)
	}
	x.l.refresh()
	x.g.refresh()
}

// move makes the given trials, as far as they are observations, the good ones.
func (x *index) move(best []int) {
	for _, number := range x.best {
		if _, still := slices.BinarySearch(best, number); !still {
			x.l.remove(number)
			s, _ := x.g.slot(number)
			x.g.enter(s)
		}
	}
	kept := x.best
	x.best = nil
	for _, number := range best {
		s, ok := x.g.slot(number)
		if !ok {
			continue
		}
		x.best = append(x.best, number)
		if _, known := slices.BinarySearch(kept, number); !known {
			x.g.leave(s)
			x.l.add(number, x.g.at(s))
		}
	}
}

// rebuild starts anew from what x has and the fresh observations.
func (x *index) rebuild(fresh []observation, best []int) {
	for s, number := range x.g.numbers {
		fresh = append(fresh, observation{number, x.g.at(s)})
	}
	slices.SortFunc(fresh, func(a, b observation) int { return cmp.Compare(a.number, b.number) })
	isBest := func(number int) bool {
		_, ok := slices.BinarySearch(best, number)
		return ok
	}
	x.g.load(fresh, func(number int) bool { return !isBest(number) })
	fresh = slices.DeleteFunc(fresh, func(o observation) bool { return !isBest(o.number) })
	x.l.load(fresh, isBest)
	x.best = nil
	for _, o := range fresh {
		x.best = append(x.best, o.number)
	}
}

// observe returns where r lies on all axes. It is not ok if r lacks one of them.
func observe(axes []axis, r *trial.Record) (at []float64, ok bool) {
	at = make([]float64, len(axes))
	for d := range axes {
		x, ok := axes[d].read(r)
		if !ok {
			return nil, false
		}
		at[d] = axes[d].position(x)
	}
	return at, true
}
