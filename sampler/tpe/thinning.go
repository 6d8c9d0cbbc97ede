package tpe

import (
	"math/bits"
	"slices"

	"github.com/attune-hpo/attune/trial"
)

// A thinning says which of many observations have kernels, so that the time of a draw stays bounded. Up to
// 2·most.kernels observations, all have kernels. Of more, one in 2^level is chosen by its number, so that
// most.kernels to twice as many are chosen; the latest have kernels, too. The chosen ones represent the others: their
// kernels have 2^level times the weight.
type thinning struct {
	most   bounds
	level  int
	latest []int // the highest numbers, ascending; at most most.latest
}

// bounds say how many observations have kernels.
type bounds struct {
	kernels int // half of the maximum of those chosen by their numbers
	good    int // likewise of the good ones
	latest  int
}

var usual = bounds{kernels: 1 << 13, good: 1 << 10, latest: 1 << 9}

// over returns the bounds for a density over some axes. In few dimensions more observations are close together and
// matter, and each costs less.
func (b bounds) over(axes int) bounds {
	if axes > 1 {
		b.kernels *= max(1, 16/axes)
	}
	return b
}

// level returns the lowest level at which fewer than twice most of n remain.
func level(n, most int) int { return max(0, bits.Len(uint(n/most))-1) }

// chosen reports whether a number is among the one in 2^level. A number that is chosen at a level is chosen at
// all lower levels (Knuth, "The Art of Computer Programming", volume 3, section 6.4: multiplying by the golden
// ratio spreads successive numbers evenly).
func chosen(number, level int) bool {
	const golden = 0x9E3779B97F4A7C15
	return level == 0 || uint64(number+1)*golden>>(64-level) == 0
}

// to sets the level for n observations and reports whether it has changed.
func (t *thinning) to(n int) bool {
	old := t.level
	t.level = level(n, t.most.kernels)
	return t.level != old
}

// take adds observations, and returns the numbers that are no longer among the latest.
func (t *thinning) take(arrived []*trial.Record) (past []int) {
	if len(arrived) > t.most.latest { // many at once
		for _, r := range arrived {
			t.latest = append(t.latest, r.Number)
		}
		slices.Sort(t.latest)
		n := max(0, len(t.latest)-t.most.latest)
		past = slices.Clone(t.latest[:n])
		t.latest = slices.Delete(t.latest, 0, n)
		return past
	}
	for _, r := range arrived {
		at, _ := slices.BinarySearch(t.latest, r.Number)
		t.latest = slices.Insert(t.latest, at, r.Number)
		if len(t.latest) > t.most.latest {
			past = append(past, t.latest[0])
			t.latest = slices.Delete(t.latest, 0, 1)
		}
	}
	return past
}

// recent reports whether a number is among the latest, or above them.
func (t *thinning) recent(number int) bool {
	return len(t.latest) < t.most.latest || number >= t.latest[0]
}

// has reports whether an observation has a kernel, good or not.
func (t *thinning) has(number int) bool { return chosen(number, t.level) || t.recent(number) }

// stands returns how many observations one represents.
func (t *thinning) stands(number int) int {
	if t == nil || t.level == 0 || t.recent(number) || !chosen(number, t.level) {
		return 1
	}
	return 1 << t.level
}

// thinned returns the chosen ones of ascending numbers, if there are at least twice most.
func thinned(numbers []int, most int) []int {
	l := level(len(numbers), most)
	if l == 0 {
		return numbers
	}
	var some []int
	for _, n := range numbers {
		if chosen(n, l) {
			some = append(some, n)
		}
	}
	return some
}
