package tpe

import (
	"cmp"
	"math"
	"slices"

	"github.com/attune-hpo/attune/trial"
	"github.com/attune-hpo/attune/trial/pareto"
)

// A split orders the complete and pruned trials of a history from good to bad, as far as needed to find the best
// ones. It is updated with new trials, and depends only on the set of trials, not on the order in which they
// finished.
type split struct {
	read, total int      // finished trials so far; complete and pruned ones
	complete    []ranked // feasible, of one objective
	fronts      fronts   // feasible, of several
	pruned      []ranked // feasible
	infeasible  []ranked // complete or pruned
}

// ranked is a trial with its sort key.
type ranked struct {
	first, second float64
	number        int
}

func compareRanked(a, b ranked) int {
	return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.second, b.second), cmp.Compare(a.number, b.number))
}

// update adds the new finished trials of h that keep accepts; nil accepts all.
func (s *split) update(h trial.Snapshot, keep func(r *trial.Record) bool) {
	bulk := h.Len()-s.read > 64 // sort at the end
	add := func(list *[]ranked, r ranked) {
		i := len(*list)
		if !bulk {
			i, _ = slices.BinarySearchFunc(*list, r, compareRanked)
		}
		*list = slices.Insert(*list, i, r)
	}
	var losses [][]float64
	for ; s.read < h.Len(); s.read++ {
		r := h.At(s.read)
		if !counts(r, h) || keep != nil && !keep(r) {
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
			s.fronts.numbers = append(s.fronts.numbers, r.Number)
			losses = append(losses, h.Header().Losses(r.Values))
		}
	}
	if bulk {
		for _, list := range [][]ranked{s.complete, s.pruned, s.infeasible} {
			slices.SortFunc(list, compareRanked)
		}
	}
	s.fronts.Add(losses...)
}

// failed reports whether a finished trial is evidence that its parameters may not work: it failed, and was not
// interrupted.
func failed(r *trial.Record) bool { return r.State == trial.Failed && !r.Interrupted() }

// counts reports whether a finished trial has a place in the order from good to bad.
func counts(r *trial.Record, h trial.Snapshot) bool {
	return r.State == trial.Pruned || r.State == trial.Complete && len(r.Values) == h.Objectives()
}

// rankPruned orders pruned trials by their last step, then by the value reported there. Trials without a report come
// last.
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

// fronts ranks trials of several objectives.
type fronts struct {
	pareto.Fronts
	numbers []int // of the trials, by their place in Fronts
	tie     tie
}

// tie remembers the last subset chosen from a front.
type tie struct {
	front  []int
	k      int
	chosen []int
}

// best returns the numbers of the n best points: whole fronts as long as they
// fit, then those of the next that dominate the most volume.
func (f *fronts) best(n int) []int {
	var best []int
	for front := range f.All() {
		chosen := front
		if room := n - len(best); room < len(front) {
			chosen = f.choose(front, room)
		}
		for _, i := range chosen {
			best = append(best, f.numbers[i])
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
		return cmp.Compare(f.numbers[i], f.numbers[j])
	})
	if f.tie.k == k && slices.Equal(f.tie.front, front) {
		return f.tie.chosen
	}
	losses := make([][]float64, len(front))
	for r, i := range front {
		losses[r] = f.Point(i)
	}
	f.tie = tie{front: front, k: k}
	for _, r := range pareto.Subset(losses, k, pareto.Reference(losses)) {
		f.tie.chosen = append(f.tie.chosen, front[r])
	}
	return f.tie.chosen
}
