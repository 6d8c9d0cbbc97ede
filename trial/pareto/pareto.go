// Package pareto compares points that have several objectives: which dominate
// which, their ranks and fronts, and the hypervolume of a set.
//
// A point is a slice with one loss for each objective; less is better in each. All
// points of a call have the same length. A loss may be infinite but not NaN. The
// values of a trial become losses by Header.Losses of package trial.
package pareto

import (
	"cmp"
	"slices"
)

// Dominates reports whether a is no worse than b in any objective and better in
// at least one.
func Dominates(a, b []float64) bool {
	strictly := false
	for k := range a {
		if a[k] > b[k] {
			return false
		}
		strictly = strictly || a[k] < b[k]
	}
	return strictly
}

// Front returns the indices, in ascending order, of the points that no other point
// dominates. It has all of several equal points, or none. It costs what [Ranks]
// does.
func Front(points [][]float64) []int {
	var front []int
	for i, rank := range Ranks(points) {
		if rank == 0 {
			front = append(front, i)
		}
	}
	return front
}

// Ranks returns the rank of each point: 0 if no other point dominates it, or else
// one more than the highest rank of those that do.
//
// For n points it costs O(n log n) with one or two objectives, and O(n
// log^(m-1) n) with m. It divides and conquers (Jensen 2003, Reducing the
// Run-Time Complexity of Multiobjective EAs: The NSGA-II and Other Algorithms;
// with the ties as in Fortin et al. 2013, Generalizing the Improved Run-Time
// Complexity Algorithm for Non-Dominated Sorting).
func Ranks(points [][]float64) []int {
	ranks := make([]int, len(points))
	if len(points) == 0 {
		return ranks
	}
	// Equal points have one rank and are one item. Items are numbered in
	// lexicographic order, so that an item is dominated only by lower ones.
	order := make([]int, len(points))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return slices.Compare(points[i], points[j]) })
	first := make([]int, 0, len(points)) // of each item, a point
	itemOf := make([]int32, len(points))
	for _, i := range order {
		if len(first) == 0 || slices.Compare(points[first[len(first)-1]], points[i]) != 0 {
			first = append(first, i)
		}
		itemOf[i] = int32(len(first) - 1)
	}

	r := newRanking(len(first), len(points[0]), func(item, k int) float64 { return points[first[item]][k] })
	all := make([]int32, len(first))
	for item := range all {
		all[item] = int32(item)
	}
	r.within(all, len(r.levels)-1)
	for i, item := range itemOf {
		ranks[i] = int(r.ranks[item])
	}
	return ranks
}

// ranking is the state of [Ranks]. Sets of items are sorted slices. What is
// compared of an item is its level in each objective, the place of its loss among
// all losses; the first objective is in the items' numbers.
type ranking struct {
	levels [][]int32 // [objective][item], of all but the first objective
	ranks  []int32   // of the items, as far as is known
	steps  staircase
	stack  []int32 // the sets that are being worked on
}

func newRanking(items, objectives int, loss func(item, k int) float64) *ranking {
	r := &ranking{levels: make([][]int32, max(2, objectives)), ranks: make([]int32, items)}
	r.levels[1] = make([]int32, items) // of one objective: all the same
	order := make([]int, items)
	for k := 1; k < objectives; k++ {
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(i, j int) int { return cmp.Compare(loss(i, k), loss(j, k)) })
		r.levels[k] = make([]int32, items)
		for at := 1; at < items; at++ {
			level := r.levels[k][order[at-1]]
			if loss(order[at-1], k) < loss(order[at], k) {
				level++
			}
			r.levels[k][order[at]] = level
		}
	}
	return r
}

// few is how many pairs are compared one by one.
const few = 128

// within raises the ranks of items by what dominates them among themselves. They
// are equal in all objectives beyond k.
func (r *ranking) within(items []int32, k int) {
	if len(items)*len(items) <= few {
		for j, high := range items {
			for _, low := range items[:j] {
				r.raise(low, high, k)
			}
		}
		return
	}
	if k == 1 {
		r.steps = r.steps[:0]
		for _, item := range items {
			r.ranks[item] = max(r.ranks[item], r.steps.below(r.levels[1][item])+1)
			r.steps.add(r.levels[1][item], r.ranks[item])
		}
		return
	}
	least, most := r.span(items, k)
	if least == most {
		r.within(items, k-1)
		return
	}
	mark := len(r.stack)
	low, high := r.split(items, k, least+(most-least)/2)
	r.within(low, k)
	r.across(low, high, k-1)
	r.within(high, k)
	r.stack = r.stack[:mark]
}

// across raises the ranks of high by what dominates them in low. Each of low,
// whose ranks are known, is no worse than each of high in all objectives beyond k.
func (r *ranking) across(low, high []int32, k int) {
	if len(low)*len(high) <= few {
		for _, h := range high {
			for _, l := range low {
				if l >= h {
					break
				}
				r.raise(l, h, k)
			}
		}
		return
	}
	if k == 1 {
		r.steps = r.steps[:0]
		for _, h := range high {
			for ; len(low) > 0 && low[0] < h; low = low[1:] {
				r.steps.add(r.levels[1][low[0]], r.ranks[low[0]])
			}
			r.ranks[h] = max(r.ranks[h], r.steps.below(r.levels[1][h])+1)
		}
		return
	}
	lowLeast, lowMost := r.span(low, k)
	highLeast, highMost := r.span(high, k)
	if lowMost <= highLeast {
		r.across(low, high, k-1)
		return
	}
	if lowLeast > highMost {
		return
	}
	least, most := min(lowLeast, highLeast), max(lowMost, highMost)
	mark := len(r.stack)
	lowLow, lowHigh := r.split(low, k, least+(most-least)/2)
	highLow, highHigh := r.split(high, k, least+(most-least)/2)
	r.across(lowLow, highLow, k)
	r.across(lowLow, highHigh, k-1)
	r.across(lowHigh, highHigh, k)
	r.stack = r.stack[:mark]
}

// raise gives high a rank above that of low, a lower number, if low is no worse
// in any objective up to k.
func (r *ranking) raise(low, high int32, k int) {
	if r.ranks[high] > r.ranks[low] {
		return
	}
	for ; k >= 1; k-- {
		if r.levels[k][low] > r.levels[k][high] {
			return
		}
	}
	r.ranks[high] = r.ranks[low] + 1
}

func (r *ranking) span(items []int32, k int) (least, most int32) {
	levels := r.levels[k]
	least, most = levels[items[0]], levels[items[0]]
	for _, item := range items[1:] {
		least, most = min(least, levels[item]), max(most, levels[item])
	}
	return least, most
}

// split returns the items at levels up to and above the given one. Both are on
// the stack.
func (r *ranking) split(items []int32, k int, level int32) (low, high []int32) {
	start := len(r.stack)
	for _, item := range items {
		if r.levels[k][item] <= level {
			r.stack = append(r.stack, item)
		}
	}
	mid := len(r.stack)
	for _, item := range items {
		if r.levels[k][item] > level {
			r.stack = append(r.stack, item)
		}
	}
	return r.stack[start:mid:mid], r.stack[mid:len(r.stack):len(r.stack)]
}

// A staircase knows the highest rank of the items up to each level: both ascend
// from step to step.
type staircase []step

type step struct{ level, rank int32 }

func (s staircase) find(level int32) (int, bool) {
	return slices.BinarySearchFunc(s, level, func(s step, level int32) int { return cmp.Compare(s.level, level) })
}

// below returns the highest rank up to a level, or -1.
func (s staircase) below(level int32) int32 {
	i, found := s.find(level)
	if found {
		return s[i].rank
	}
	if i == 0 {
		return -1
	}
	return s[i-1].rank
}

func (s *staircase) add(level, rank int32) {
	if s.below(level) >= rank {
		return
	}
	start, _ := s.find(level)
	end := start
	for end < len(*s) && (*s)[end].rank <= rank {
		end++
	}
	*s = slices.Replace(*s, start, end, step{level, rank})
}
