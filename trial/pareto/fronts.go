package pareto

import (
	"iter"
	"slices"
)

// Fronts keeps points by rank while more of them come. The zero value is empty
// and ready to use. It is not safe for concurrent use.
type Fronts struct {
	points [][]float64
	fronts [][]int // [rank], indices of points
}

// Len returns the number of points.
func (f *Fronts) Len() int { return len(f.points) }

// Point returns the i-th point, in the order of [Fronts.Add]. Read only.
func (f *Fronts) Point(i int) []float64 { return f.points[i] }

// All returns an iterator over the fronts from rank 0 on, each of them the
// indices of its points in no particular order. They belong to f: only read
// them, and only until the next Add.
func (f *Fronts) All() iter.Seq[[]int] { return slices.Values(f.fronts) }

// Add takes in points, which must not change from then on. One point costs at
// most a comparison with every other; many points cost what [Ranks] of all does.
func (f *Fronts) Add(points ...[]float64) {
	const many = 32
	if len(points) <= many {
		for _, p := range points {
			f.add(p)
		}
		return
	}
	f.points = append(f.points, points...)
	f.fronts = nil
	for i, rank := range Ranks(f.points) {
		for rank >= len(f.fronts) {
			f.fronts = append(f.fronts, nil)
		}
		f.fronts[rank] = append(f.fronts[rank], i)
	}
}

// add puts p into its front and pushes down what it dominates (Li et al. 2014,
// Efficient Non-domination Level Update).
func (f *Fronts) add(p []float64) {
	f.points = append(f.points, p)
	moving := []int{len(f.points) - 1}
	// What a member of a front dominates, a member of each front above it does.
	rank, _ := slices.BinarySearchFunc(f.fronts, p, func(front []int, p []float64) int {
		if slices.ContainsFunc(front, func(i int) bool { return Dominates(f.points[i], p) }) {
			return -1
		}
		return 1
	})
	for ; len(moving) > 0; rank++ {
		if rank == len(f.fronts) {
			f.fronts = append(f.fronts, nil)
		}
		var pushed []int
		stay := f.fronts[rank][:0]
		for _, i := range f.fronts[rank] {
			if slices.ContainsFunc(moving, func(j int) bool { return Dominates(f.points[j], f.points[i]) }) {
				pushed = append(pushed, i)
			} else {
				stay = append(stay, i)
			}
		}
		f.fronts[rank] = append(stay, moving...)
		moving = pushed
	}
}
