package pareto

import (
	"cmp"
	"math"
	"slices"
)

// Hypervolume returns the volume of the region that at least one point dominates
// and that dominates the reference point. A point that is not better than the
// reference in every objective adds nothing, nor does a duplicate. The result is
// 0 without points, and +Inf if the reference has an infinite coordinate or a
// point that adds something has the coordinate -Inf.
//
// It sweeps in two and three dimensions, in O(n log n) and O(n²), and recurs on
// exclusive volumes in more (While et al. 2012, A Fast Way of Calculating Exact
// Hypervolumes), which takes exponential time in the number of dimensions.
func Hypervolume(points [][]float64, reference []float64) float64 {
	inside := make([][]float64, 0, len(points))
	for _, p := range points {
		if below(p, reference) {
			inside = append(inside, p)
		}
	}
	slices.SortFunc(inside, slices.Compare)
	v := volume(inside, reference)
	if math.IsNaN(v) { // ∞ - ∞
		return math.Inf(1)
	}
	return v
}

func below(p, reference []float64) bool {
	for k, r := range reference {
		if !(p[k] < r) {
			return false
		}
	}
	return true
}

// volume wants points below the reference, sorted by the first coordinate.
func volume(points [][]float64, reference []float64) float64 {
	switch {
	case len(points) == 0:
		return 0
	case len(points) == 1:
		return box(points[0], reference)
	case len(reference) == 1:
		return box(points[0], reference)
	case len(reference) == 2:
		return area(points, reference)
	case len(reference) == 3:
		return solid(points, reference)
	}
	sum := 0.0
	for i, p := range points {
		sum += box(p, reference) - volume(limited(points[i+1:], p), reference)
	}
	return sum
}

// box returns the volume that p alone dominates.
func box(p, reference []float64) float64 {
	v := 1.0
	for k, r := range reference {
		v *= r - p[k]
	}
	return v
}

func area(points [][]float64, reference []float64) float64 {
	sum, top := 0.0, reference[1]
	for _, p := range points {
		if p[1] < top {
			sum += (reference[0] - p[0]) * (top - p[1])
			top = p[1]
		}
	}
	return sum
}

// solid sweeps along the first coordinate; steps is the staircase of the points
// passed so far in the other two, its first ascending, its second descending.
func solid(points [][]float64, reference []float64) float64 {
	type corner struct{ y, z float64 }
	steps := make([]corner, 0, len(points))
	sum, base := 0.0, 0.0
	for i, p := range points {
		at, _ := slices.BinarySearchFunc(steps, p[1], func(c corner, y float64) int { return cmp.Compare(c.y, y) })
		roof := reference[2]
		if at > 0 {
			roof = steps[at-1].z
		}
		if at < len(steps) && steps[at].y == p[1] {
			roof = min(roof, steps[at].z)
		}
		if p[2] < roof {
			end, y := at, p[1]
			for ; end < len(steps) && steps[end].z >= p[2]; end++ {
				base += (steps[end].y - y) * (roof - p[2])
				y, roof = steps[end].y, min(roof, steps[end].z)
			}
			next := reference[1]
			if end < len(steps) {
				next = steps[end].y
			}
			base += (next - y) * (roof - p[2])
			steps = slices.Replace(steps, at, end, corner{p[1], p[2]})
		}
		x := reference[0]
		if i+1 < len(points) {
			x = points[i+1][0]
		}
		if x > p[0] {
			sum += (x - p[0]) * base
		}
	}
	return sum
}

// limited returns what points dominate of what p does, as a set of points.
func limited(points [][]float64, p []float64) [][]float64 {
	all := make([][]float64, len(points))
	for i, q := range points {
		l := make([]float64, len(p))
		for k := range p {
			l[k] = max(p[k], q[k])
		}
		all[i] = l
	}
	return undominated(all)
}

// undominated returns points without those that others dominate or equal, sorted,
// in their place.
func undominated(points [][]float64) [][]float64 {
	slices.SortFunc(points, slices.Compare)
	front := points[:0]
	for _, q := range points { // a point is dominated only by earlier ones
		if !slices.ContainsFunc(front, func(f []float64) bool { return weaklyDominates(f, q) }) {
			front = append(front, q)
		}
	}
	return front
}

func weaklyDominates(p, q []float64) bool {
	for k := range p {
		if p[k] > q[k] {
			return false
		}
	}
	return true
}

// Subset chooses k points that together dominate much volume. No point may
// dominate another. It is greedy: each time it takes the point that adds the most
// volume, and among equals the first in lexicographic order. That reaches at least
// 1-1/e of the greatest volume possible (Guerreiro et al. 2016, Greedy Hypervolume
// Subset Selection in Low Dimensions).
//
// It returns indices into points, in the order of choice, with duplicates last.
// If k is larger than the number of points, it returns all of them. If everything
// but duplicates is chosen, or if the reference point is not finite, the order is
// lexicographic.
func Subset(points [][]float64, k int, reference []float64) []int {
	order := make([]int, len(points))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return slices.Compare(points[i], points[j]) })
	unique := make([]int, 0, len(points))
	var duplicates []int
	for r, i := range order {
		if r > 0 && slices.Equal(points[i], points[order[r-1]]) {
			duplicates = append(duplicates, i)
		} else {
			unique = append(unique, i)
		}
	}
	if k >= len(unique) {
		slices.Sort(duplicates)
		return append(unique, duplicates[:min(k-len(unique), len(duplicates))]...)
	}
	for _, r := range reference {
		if math.IsInf(r, 0) {
			return unique[:k]
		}
	}
	g := greedy{reference: reference}
	for _, i := range unique {
		g.points = append(g.points, points[i])
		g.queue = append(g.queue, candidate{number(box(points[i], reference)), len(g.queue)})
	}
	slices.SortFunc(g.queue, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.bound, a.bound), cmp.Compare(a.at, b.at))
	})
	chosen := make([]int, 0, k)
	for len(chosen) < k {
		chosen = append(chosen, unique[g.next()])
	}
	return chosen
}

// number returns v, or +Inf for the NaN of ∞ - ∞ and 0·∞.
func number(v float64) float64 {
	if math.IsNaN(v) {
		return math.Inf(1)
	}
	return v
}

// greedy is lazy: what a point adds only shrinks as others are chosen, so what it
// added before is a bound, and the one whose bound is the highest is often still
// the best.
type greedy struct {
	points    [][]float64 // sorted
	reference []float64
	queue     []candidate // a heap
	chosen    []int       // sorted
	limits    [][]float64
	buffer    []float64
}

type candidate struct {
	bound float64
	at    int // in points
}

func (c candidate) before(d candidate) bool {
	return c.bound > d.bound || c.bound == d.bound && c.at < d.at
}

// next chooses a point.
func (g *greedy) next() int {
	for {
		top := &g.queue[0]
		added := min(top.bound, g.adds(top.at))
		if added == top.bound {
			at := top.at
			last := len(g.queue) - 1
			g.queue[0] = g.queue[last]
			g.queue = g.queue[:last]
			g.sink()
			i, _ := slices.BinarySearch(g.chosen, at)
			g.chosen = slices.Insert(g.chosen, i, at)
			return at
		}
		top.bound = added
		g.sink()
	}
}

// adds returns the volume that a point dominates and the chosen ones do not.
func (g *greedy) adds(at int) float64 {
	p := g.points[at]
	if len(g.reference) == 2 { // only the neighbours matter
		x, y := g.reference[0], g.reference[1]
		i, _ := slices.BinarySearch(g.chosen, at)
		if i > 0 {
			y = g.points[g.chosen[i-1]][1]
		}
		if i < len(g.chosen) {
			x = g.points[g.chosen[i]][0]
		}
		return number((x - p[0]) * (y - p[1]))
	}
	// What the chosen ones dominate of what p does. They are sorted by the first
	// coordinate, and so is this.
	g.limits, g.buffer = g.limits[:0], g.buffer[:0]
	for _, c := range g.chosen {
		for k, x := range g.points[c] {
			g.buffer = append(g.buffer, max(x, p[k]))
		}
	}
	for l := g.buffer; len(l) > 0; l = l[len(p):] {
		g.limits = append(g.limits, l[:len(p)])
	}
	limits := g.limits
	if len(p) > 3 {
		limits = undominated(limits)
	}
	return number(box(p, g.reference) - volume(limits, g.reference))
}

// sink restores the heap after its top has got worse.
func (g *greedy) sink() {
	for i := 0; ; {
		child := 2*i + 1
		if child >= len(g.queue) {
			return
		}
		if child+1 < len(g.queue) && g.queue[child+1].before(g.queue[child]) {
			child++
		}
		if !g.queue[child].before(g.queue[i]) {
			return
		}
		g.queue[i], g.queue[child] = g.queue[child], g.queue[i]
		i = child
	}
}
