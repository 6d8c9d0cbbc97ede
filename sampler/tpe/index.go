package tpe

import (
	"cmp"
	"slices"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// history is what a sampler keeps of one history. All of it can be computed anew.
type history struct {
	split   split
	indexes indexes
	work    workspace // of the draw at hand
}

// indexes are those of the spaces that were asked for.
type indexes struct {
	all    []*index
	next   int // where the index that is asked for next is likely to be
	number int // of the trial that was asked for last
	trials int // counts the trials that were asked for
}

// Bounds of what indexes take, in bytes. Where bounds change from trial to trial
// every trial has a space of its own, which never comes again: that is why an index
// which was used for one trial only is forgotten sooner. Indexes of the last few
// trials stay all the same: one that draws its parameters one after the other
// needs them all.
const (
	mostKept  = 64 << 20
	mostOnce  = 4 << 20 // of those used for one trial only
	fewTrials = 4
)

// of returns the index of a space, for the trial of the given number.
func (k *indexes) of(s space.Space, number int) *index {
	if k.trials == 0 || k.number != number {
		k.number = number
		k.trials++
	}
	for i := range k.all {
		at := (k.next + i) % len(k.all)
		if x := k.all[at]; x.space.Equal(s) {
			k.next = at + 1
			x.again = x.again || x.used != k.trials
			x.used = k.trials
			return x
		}
	}
	k.evict()
	x := newIndex(s)
	x.used = k.trials
	k.all = append(k.all, x)
	k.next = 0
	return x
}

// evict drops the indexes that were not used for longest if there are too many.
// It makes more room than it must, to be called the less.
func (k *indexes) evict() {
	kept, once := 0, 0
	for _, x := range k.all {
		kept += x.size()
		if !x.again {
			once += x.size()
		}
	}
	if kept <= mostKept && once <= mostOnce {
		return
	}
	byUse := slices.SortedStableFunc(slices.Values(k.all), func(a, b *index) int { return cmp.Compare(a.used, b.used) })
	drop := map[*index]bool{}
	for _, x := range byUse {
		if k.trials-x.used >= fewTrials && (kept > mostKept/2 || once > mostOnce/2 && !x.again) {
			drop[x] = true
			kept -= x.size()
			if !x.again {
				once -= x.size()
			}
		}
	}
	k.all = slices.DeleteFunc(k.all, func(x *index) bool { return drop[x] })
}

// An index has the two densities of one space, those of the good and the bad
// trials of one history. It is brought up to date for each request.
type index struct {
	space   space.Space
	axes    []axis
	used    int           // when: a count of trials
	again   bool          // it was used for more than one
	read    int           // finished trials taken in
	running []observation // that are in, by number
	best    []int         // numbers of the good trials that l has, ascending
	l, g    *mixture
	place   vicinity
	blame   blame
	past    past
}

type observation struct {
	number int
	at     []float64 // position on each axis
	failed bool
}

func newIndex(s space.Space) *index {
	x := &index{space: s, axes: make([]axis, len(s))}
	for i, a := range s {
		x.axes[i] = newAxis(a)
	}
	x.l, x.g = newMixture(x.axes), newMixture(x.axes)
	x.place.axes, x.past.axes = x.axes, x.axes
	return x
}

// size returns about how many bytes x takes.
func (x *index) size() int {
	const kernel, class = 60, 64
	size := len(x.axes)*(len(x.g.numbers)+block)*kernel + 24*x.place.near.total +
		8*(len(x.past.worked)+len(x.past.failed)+len(x.place.far))
	for _, m := range []*mixture{x.l, x.g} {
		for d := range m.columns {
			c := &m.columns[d].cells
			size += 8*len(c.table) + class*len(c.shapes)
		}
	}
	return size
}

// update makes x what it would be had it been built for r. The numbers of the
// good ones among all trials are ascending.
func (x *index) update(c Config, r sampler.Request, good []int) {
	x.place.moveTo(r)
	best := x.place.best(c, good)
	for _, m := range []*mixture{x.l, x.g} {
		m.far, m.hint = x.place.far, x.place.hint()
	}
	var finished []observation
	for ; x.read < r.History.Len(); x.read++ {
		t := r.History.At(x.read)
		if !counts(t, r.History) && !failed(t) {
			continue
		}
		if at, ok := observe(x.axes, t); ok {
			finished = append(finished, observation{t.Number, at, failed(t)})
		}
	}
	var running []observation
	if !c.IgnoreRunning {
		for i := range r.History.Running() {
			t := &r.History.Running()[i]
			if t.Number == r.Number {
				continue
			}
			if at, ok := observe(x.axes, t); ok {
				running = append(running, observation{t.Number, at, false})
			}
		}
	}
	for _, old := range x.running {
		same := func(o observation) bool {
			return o.number == old.number && o.failed == old.failed && slices.Equal(o.at, old.at)
		}
		if !slices.ContainsFunc(running, same) && !slices.ContainsFunc(finished, same) {
			x.g.remove(old.number)
		}
	}
	x.running = running
	fresh := slices.DeleteFunc(slices.Concat(finished, running), func(o observation) bool {
		_, known := x.g.slot(o.number)
		return known
	})
	slices.SortFunc(fresh, func(a, b observation) int { return cmp.Compare(a.number, b.number) })
	if len(fresh) > 32 && len(fresh) > len(x.g.numbers)/8 {
		x.rebuild(fresh, best)
	} else {
		for _, o := range fresh {
			x.g.add(o)
		}
		x.move(best)
	}
	x.g.blame = x.blame.update(x, finished)
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
			x.l.add(x.g.observation(s))
		}
	}
}

// rebuild starts anew from what x has and the fresh observations.
func (x *index) rebuild(fresh []observation, best []int) {
	for s := range x.g.numbers {
		fresh = append(fresh, x.g.observation(s))
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
