package tpe

import (
	"cmp"
	"math"
	"slices"

	"github.com/attune-hpo/attune/internal/hypervolume"
	"github.com/attune-hpo/attune/trial"
)

// A split orders the complete and pruned trials of a history from good to bad,
// as far as needed to tell the best of them. It takes in what is new and depends
// on the set of trials only, not on the order in which they finished.
type split struct {
	read, total int      // finished trials taken in; complete and pruned ones
	complete    []ranked // feasible, of one objective
	fronts      fronts   // feasible, of several
	pruned      []ranked // feasible
	infeasible  []ranked // complete or pruned
}

// ranked is a trial with what it is ordered by.
type ranked struct {
	first, second float64
	number        int
}

func compareRanked(a, b ranked) int {
	return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.second, b.second), cmp.Compare(a.number, b.number))
}

// update takes in the finished trials of h beyond those it has.
func (s *split) update(h trial.Snapshot) {
	bulk := h.Len()-s.read > 64 // sort at the end
	add := func(list *[]ranked, r ranked) {
		i := len(*list)
		if !bulk {
			i, _ = slices.BinarySearchFunc(*list, r, compareRanked)
		}
		*list = slices.Insert(*list, i, r)
	}
	var points []point
	for ; s.read < h.Len(); s.read++ {
		r := h.At(s.read)
		if !counts(r, h) {
			continue
		}
		s.total++
		switch v := r.Violation(); {
		case v > 0:
			add(&s.infeasible, ranked{v, 0, r.Number})
		case r.State == trial.Pruned:
			add(&s.pruned, rankPruned(r, h.Direction(0)))
		case h.Objectives() == 1:
			add(&s.complete, ranked{h.Direction(0).Loss(r.Values[0]), 0, r.Number})
		default:
			p := point{r.Number, make([]float64, len(r.Values))}
			for k, v := range r.Values {
				p.loss[k] = h.Direction(k).Loss(v)
			}
			points = append(points, p)
		}
	}
	if bulk {
		for _, list := range [][]ranked{s.complete, s.pruned, s.infeasible} {
			slices.SortFunc(list, compareRanked)
		}
		// In lexicographic order none dominates an earlier one, which is what
		// makes adding a point dear.
		slices.SortFunc(points, func(a, b point) int { return slices.Compare(a.loss, b.loss) })
	}
	for _, p := range points {
		s.fronts.add(p)
	}
}

// counts reports whether a finished trial is an observation.
func counts(r *trial.Record, h trial.Snapshot) bool {
	return r.State == trial.Pruned || r.State == trial.Complete && len(r.Values) == h.Objectives()
}

// rankPruned orders pruned trials by how far they came, then by what they
// reported there. Those without a report come last.
func rankPruned(r *trial.Record, d trial.Direction) ranked {
	if len(r.Reports) == 0 {
		return ranked{1, 0, r.Number}
	}
	last := r.Reports[len(r.Reports)-1]
	loss := d.Loss(last.Value)
	if math.IsNaN(loss) {
		loss = math.Inf(1)
	}
	return ranked{-float64(last.Step), loss, r.Number}
}

// best returns the numbers of the n best trials, ascending: feasible complete
// ones first, then feasible pruned ones, then those that miss their constraints
// by the least.
func (s *split) best(n int) []int {
	best := make([]int, 0, n)
	best = append(best, s.fronts.best(n)...)
	for _, list := range [][]ranked{s.complete, s.pruned, s.infeasible} {
		for _, r := range list[:min(n-len(best), len(list))] {
			best = append(best, r.number)
		}
	}
	slices.Sort(best)
	return best
}

// fronts is the partition of points into ranks of non-domination: a point is in
// front r if the longest chain of points that dominate one another and end in it
// has r others.
type fronts struct {
	points  []point
	members [][]int // [rank], indices of points
	tie     tie
}

type point struct {
	number int
	loss   []float64
}

// tie remembers the last subset chosen from a front.
type tie struct {
	front  []int
	k      int
	chosen []int
}

// add puts p into its front and pushes down what it dominates (Li et al. 2014,
// Efficient Non-domination Level Update).
func (f *fronts) add(p point) {
	f.points = append(f.points, p)
	moving := []int{len(f.points) - 1}
	// Who is dominated by a member of a front is so by one of each front above.
	rank, _ := slices.BinarySearchFunc(f.members, p, func(front []int, p point) int {
		if slices.ContainsFunc(front, func(i int) bool { return dominates(f.points[i].loss, p.loss) }) {
			return -1
		}
		return 1
	})
	for ; len(moving) > 0; rank++ {
		if rank == len(f.members) {
			f.members = append(f.members, nil)
		}
		var pushed []int
		stay := f.members[rank][:0]
		for _, i := range f.members[rank] {
			if slices.ContainsFunc(moving, func(j int) bool { return dominates(f.points[j].loss, f.points[i].loss) }) {
				pushed = append(pushed, i)
			} else {
				stay = append(stay, i)
			}
		}
		f.members[rank] = append(stay, moving...)
		moving = pushed
	}
}

func dominates(a, b []float64) bool {
	strictly := false
	for k := range a {
		if a[k] > b[k] {
			return false
		}
		strictly = strictly || a[k] < b[k]
	}
	return strictly
}

// best returns the numbers of the n best points: whole fronts as long as they
// fit, then those of the next that dominate the most volume.
func (f *fronts) best(n int) []int {
	var best []int
	for _, front := range f.members {
		chosen := front
		if room := n - len(best); room < len(front) {
			chosen = f.choose(front, room)
		}
		for _, i := range chosen {
			best = append(best, f.points[i].number)
		}
		if len(best) >= n {
			break
		}
	}
	return best
}

func (f *fronts) choose(front []int, k int) []int {
	if k == 0 {
		return nil
	}
	front = slices.SortedFunc(slices.Values(front), func(i, j int) int {
		return cmp.Compare(f.points[i].number, f.points[j].number)
	})
	if f.tie.k == k && slices.Equal(f.tie.front, front) {
		return f.tie.chosen
	}
	losses := make([][]float64, len(front))
	for r, i := range front {
		losses[r] = f.points[i].loss
	}
	f.tie = tie{front: front, k: k}
	for _, r := range hypervolume.Subset(losses, k, referencePoint(losses)) {
		f.tie.chosen = append(f.tie.chosen, front[r])
	}
	return f.tie.chosen
}

// referencePoint returns a point a tenth worse than the worst in each objective.
func referencePoint(losses [][]float64) []float64 {
	reference := slices.Clone(losses[0])
	for _, l := range losses {
		for k := range l {
			reference[k] = max(reference[k], l[k])
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
