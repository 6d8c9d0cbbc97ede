package tpe

import (
	"cmp"
	"slices"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// history is what a sampler keeps for one history. All of it can be recomputed.
type history struct {
	split   split
	places  places
	indexes indexes
	work    workspace // of the draw at hand
}

// places finds finished trials by number.
type places struct {
	read int
	at   []int32 // [number], the place among the finished ones, plus 1
}

func (p *places) update(h trial.Snapshot) {
	for ; p.read < h.Len(); p.read++ {
		number := h.At(p.read).Number
		if number >= len(p.at) {
			p.at = append(p.at, make([]int32, number+1-len(p.at))...)
		}
		p.at[number] = int32(p.read + 1)
	}
}

// of returns the finished trial of a number, or nil if there is none.
func (p *places) of(h trial.Snapshot, number int) *trial.Record {
	if number >= len(p.at) || p.at[number] == 0 {
		return nil
	}
	return h.At(int(p.at[number]) - 1)
}

// indexes are the indexes of the requested spaces.
type indexes struct {
	most   bounds
	all    []*index
	next   int // probable place of the next requested index
	number int // of the last request
	trials int // number of requested trials
}

// Limits of the memory of indexes, in bytes. If bounds change from trial to trial, every trial has its own space,
// which never recurs. So an index that was used for a single trial is forgotten sooner. But the indexes of the last
// few trials stay: a trial that draws its parameters one by one needs them all.
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
	x := newIndex(s, k.most)
	x.used = k.trials
	k.all = append(k.all, x)
	k.next = 0
	return x
}

// evict drops the least recently used indexes if there are too many. It frees more than necessary, so that it is
// called less often.
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
//
// Of many thousands of observations only some have a kernel: the good ones, those of
// the highest numbers, and a sample of the others, each of which stands for as many as
// were left out for it. See [thinning].
type index struct {
	space   space.Space
	axes    []axis
	used    int           // when: a count of trials
	again   bool          // it was used for more than one trial
	read    int           // finished trials taken in
	seen    int           // how many of them are observations
	thin    thinning      // which of these have kernels
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

func byNumber(a, b observation) int { return cmp.Compare(a.number, b.number) }

func newIndex(s space.Space, most bounds) *index {
	x := &index{space: s, axes: make([]axis, len(s)), thin: thinning{most: most.over(len(s))}}
	for i, a := range s {
		x.axes[i] = newAxis(a)
		x.axes[i].place = i
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

// update brings x into the state that it would have if it were built for r. The numbers of the good ones among all
// trials are ascending.
func (x *index) update(c Config, r sampler.Request, good []int, p *places) {
	x.place.moveTo(r)
	best := thinned(x.place.best(c, good), x.thin.most.good)
	for _, m := range []*mixture{x.l, x.g} {
		m.far, m.hint = x.place.far, x.place.hint()
	}
	var arrived []*trial.Record
	for ; x.read < r.History.Len(); x.read++ {
		t := r.History.At(x.read)
		if (counts(t, r.History) || failed(t)) && observed(x.axes, t) {
			arrived = append(arrived, t)
		}
	}
	x.seen += len(arrived)
	thinner := x.thin.to(x.seen)
	past := x.thin.take(arrived)
	keep := func(number int) bool {
		_, good := slices.BinarySearch(best, number)
		return good || x.thin.has(number)
	}
	var finished []observation
	for _, t := range arrived {
		if keep(t.Number) || failed(t) {
			at, _ := observe(x.axes, t)
			finished = append(finished, observation{t.Number, at, failed(t)})
		}
	}
	failures := x.blame.take(len(arrived), finished)
	finished = slices.DeleteFunc(finished, func(o observation) bool { return !keep(o.number) })
	slices.SortFunc(finished, byNumber)
	var again []observation
	for _, number := range best { // that was left out before
		_, known := x.g.slot(number)
		if _, new := slices.BinarySearchFunc(finished, observation{number: number}, byNumber); !known && !new {
			if t := p.of(r.History, number); t != nil {
				if at, ok := observe(x.axes, t); ok {
					again = append(again, observation{number, at, failed(t)})
				}
			}
		}
	}
	finished = append(finished, again...)
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
	slices.SortFunc(fresh, byNumber)
	if thinner || len(fresh) > 32 && len(fresh) > len(x.g.numbers)/8 {
		x.rebuild(fresh, best, keep)
	} else {
		for _, o := range fresh {
			x.g.add(o)
		}
		left := x.move(best)
		for _, number := range slices.Concat(past, left) {
			if !keep(number) {
				x.g.remove(number)
			}
		}
	}
	x.g.thin = &x.thin
	x.g.blame = x.blame.update(x, failures, finished, thinner)
	x.l.refresh()
	x.g.refresh()
}

// move makes those of the given trials that are observations the good ones. It returns the trials that are no longer
// good.
func (x *index) move(best []int) (left []int) {
	for _, number := range x.best {
		if _, still := slices.BinarySearch(best, number); !still {
			left = append(left, number)
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
	return left
}

// rebuild rebuilds x from its observations and the fresh ones, except those that must be dropped.
func (x *index) rebuild(fresh []observation, best []int, keep func(number int) bool) {
	for s, number := range x.g.numbers {
		if keep(number) || x.runs(number) {
			fresh = append(fresh, x.g.observation(s))
		}
	}
	slices.SortFunc(fresh, byNumber)
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

// runs reports whether the trial of a number is running.
func (x *index) runs(number int) bool {
	return slices.ContainsFunc(x.running, func(o observation) bool { return o.number == number })
}

// observed reports whether r has all axes.
func observed(axes []axis, r *trial.Record) bool {
	for d := range axes {
		if _, ok := axes[d].read(r); !ok {
			return false
		}
	}
	return true
}

// observe returns the values of r on all axes. It returns false if r lacks one of them.
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
