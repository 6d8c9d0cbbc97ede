package pareto

import "slices"

// Best returns the indices, in ascending order, of the k best points: whole
// fronts as long as they fit, and then the [Subset] of the next front that
// dominates much volume up to its [Reference]. It returns all of them if k is
// larger than their number.
func Best(points [][]float64, k int) []int {
	fronts := map[int][]int{}
	for i, rank := range Ranks(points) {
		fronts[rank] = append(fronts[rank], i)
	}
	var best []int
	for rank := 0; len(fronts[rank]) > 0 && len(best) < k; rank++ {
		front := fronts[rank]
		if room := k - len(best); room < len(front) {
			losses := make([][]float64, len(front))
			for at, i := range front {
				losses[at] = points[i]
			}
			var chosen []int
			for _, at := range Subset(losses, room, Reference(losses)) {
				chosen = append(chosen, front[at])
			}
			front = chosen
		}
		best = append(best, front...)
	}
	slices.Sort(best)
	return best
}

// Reference returns a point from which the volume that points dominate can be
// measured so that each of them adds to it: a tenth worse than the worst in each
// objective, and slightly worse where that is 0. There must be a point.
func Reference(points [][]float64) []float64 {
	reference := slices.Clone(points[0])
	for _, p := range points {
		for k := range p {
			reference[k] = max(reference[k], p[k])
		}
	}
	for k, worst := range reference {
		reference[k] = max(1.1*worst, 0.9*worst)
		if worst == 0 {
			reference[k] = 1e-12
		}
	}
	return reference
}
