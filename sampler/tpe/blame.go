package tpe

import (
	"cmp"
	"math"
	"slices"
)

// blame estimates how much failures depend on the parameters. If a part of the space does not work, the nearest
// neighbour of a failed trial has probably failed, too; if trials crash at random, it fails as often as any other.
//
// It considers the mostBlamed failed trials with the highest numbers, and their neighbours among the trials that
// [thinning] chooses.
type blame struct {
	finished, failed int
	latest           []failure // by number
}

// failure is a failed trial and its nearest neighbour among the finished ones.
type failure struct {
	observation
	distance float64
	alike    bool // the neighbour has failed, or another one at the same distance
}

const (
	mostBlamed = 100
	// leastBlame is the share of its weight that a failed trial always keeps. A sum of exponentials must not lose its
	// greatest term completely.
	leastBlame = 0.01
)

// take counts the new finished trials, and returns those that failed. some contains all of them, and perhaps others.
func (b *blame) take(finished int, some []observation) (failures []observation) {
	b.finished += finished
	for _, o := range some {
		if o.failed {
			b.failed++
			failures = append(failures, o)
		}
	}
	return failures
}

// update takes in the failures that are new to x, and the finished trials that are and
// have kernels, and returns the share of its weight that a failed trial is to have: from
// leastBlame, if failures are as likely anywhere, to 1. It starts anew when fewer
// neighbours are left to choose among.
func (b *blame) update(x *index, failures, fresh []observation, anew bool) float64 {
	for i := range b.latest {
		if anew {
			b.latest[i].distance = math.Inf(1)
			continue
		}
		for _, o := range fresh {
			if chosen(o.number, x.thin.level) {
				b.latest[i].meet(x.axes, o)
			}
		}
	}
	for _, o := range failures {
		b.latest = append(b.latest, failure{o, math.Inf(1), false})
	}
	slices.SortFunc(b.latest, func(f, g failure) int { return cmp.Compare(f.number, g.number) })
	b.latest = slices.Delete(b.latest, 0, max(0, len(b.latest)-mostBlamed))
	for i := range b.latest {
		if f := &b.latest[i]; math.IsInf(f.distance, 1) { // it is new, or alone
			f.search(x)
		}
	}
	if b.failed == b.finished {
		return 1
	}
	// Two additional failures, whose neighbours have failed, too: until there is evidence to the contrary, failures
	// depend on the parameters.
	alike, all := 2.0, 2.0
	for _, f := range b.latest {
		if f.alike {
			alike++
		}
		all++
	}
	usual := float64(b.failed) / float64(b.finished)
	return max(leastBlame, (alike/all-usual)/(1-usual))
}

// search finds the neighbour of f among the finished trials of x.
func (f *failure) search(x *index) {
	o := observation{at: make([]float64, len(x.axes))}
	for s, number := range x.g.numbers {
		if chosen(number, x.thin.level) && !x.runs(number) {
			x.g.read(s, &o)
			f.meet(x.axes, o)
		}
	}
}

// meet makes o the neighbour of f if it is nearer than the current one.
func (f *failure) meet(axes []axis, o observation) {
	if o.number == f.number {
		return
	}
	distance := 0.0
	for d := range axes {
		by := f.at[d] - o.at[d]
		if axes[d].kind == choice && by != 0 {
			by = 1
		}
		distance += by * by
	}
	if distance < f.distance {
		f.distance, f.alike = distance, o.failed
	} else if distance == f.distance {
		f.alike = f.alike || o.failed
	}
}
