package pruner

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/attune-hpo/attune/trial"
	"github.com/attune-hpo/attune/trial/pareto"
)

// ParetoHalving is [SuccessiveHalving] for several objectives: MO-ASHA (Schmucker, Donini, Zafar, Salinas and
// Archambeau, "Multi-objective Asynchronous Successive Halving", 2021, with the ε-net strategy), without the promotion
// of stopped trials. It judges the vectors that a trial reports, [trial.Record.Vectors].
//
// The rungs are those of SuccessiveHalving. At a rung, the trials are ordered by their ranks of non-domination. Within
// the front that has more trials than places, the trial with the least loss in the first objective comes first, and
// then, again and again, the one that is farthest from those chosen, in units of the front's extent: so the trials that
// continue cover the front. Trials with equal values are treated alike, so more than the places may continue.
//
// A trial with NaN among the values at a rung is pruned. An infinite loss is worse than any number, and the ends of the
// front are then measured without it. In a study of one objective it is SuccessiveHalving.
type ParetoHalving struct {
	// MinResource is the step of the first rung, at least 1. Default a tenth of the
	// steps of the complete trial that finished first (see [trial.Snapshot.Horizon]),
	// and at least 1; until there is one, nothing is pruned.
	MinResource int
	// ReductionFactor is how many trials compete for one place, at least 2.
	// Default 2.
	ReductionFactor int
}

// Validate returns an error that wraps [ErrInvalid] if ReductionFactor is less than 2, or a setting is negative.
func (p ParetoHalving) Validate() error { return validRungs(p.MinResource, p.ReductionFactor, 0) }

// Prune implements [Pruner].
func (p ParetoHalving) Prune(t trial.Record, h trial.Snapshot) (string, bool) {
	objectives := h.Objectives()
	if objectives == 1 {
		return SuccessiveHalving{MinResource: p.MinResource, ReductionFactor: p.ReductionFactor}.Prune(t, h)
	}
	vectors := t.Vectors()
	base, factor := or(p.MinResource, firstRung(h.Horizon())), or(p.ReductionFactor, 2)
	if len(vectors) == 0 || p.Validate() != nil || base == 0 {
		return "", false
	}
	last := vectors[len(vectors)-1]
	if len(last.Values) != objectives {
		return "", false
	}
	header := h.Header()
	for at := (rung{step: base}); at.step <= last.Step; at = (rung{at.k + 1, times(at.step, factor), at.step}) {
		if _, passed := arrived(vectors[:len(vectors)-1], at.step, objectives); passed {
			continue
		}
		if slices.ContainsFunc(last.Values, math.IsNaN) {
			return fmt.Sprintf("NaN at step %d", last.Step), true
		}
		points := [][]float64{header.Losses(last.Values)}
		columns := make([][]float64, objectives)
		for k := range columns {
			columns[k] = h.Column(side{at, objectives, k}, side{at, objectives, k}.value)
		}
		for i := range columns[0] {
			values := make([]float64, objectives)
			for k := range columns {
				values[k] = columns[k][i]
			}
			points = append(points, header.Losses(values))
		}
		running := h.Running()
		for i := range running {
			if v, ok := brought(&running[i], at, objectives); ok && running[i].Number != t.Number {
				points = append(points, header.Losses(v))
			}
		}
		if places := max(1, len(points)/factor); !among(points, places) {
			return fmt.Sprintf("%v at step %d is not among the best %d of %d at rung %d",
				last.Values, last.Step, places, len(points), at.k), true
		}
	}
	return "", false
}

// among reports whether the first point is among the best ones.
func among(points [][]float64, places int) bool {
	ranks := pareto.Ranks(points)
	var front [][]float64
	for i, rank := range ranks {
		switch {
		case rank < ranks[0]:
			places--
		case rank == ranks[0]:
			front = append(front, points[i])
		}
	}
	if places <= 0 || len(front) <= places {
		return places > 0
	}
	return slices.ContainsFunc(net(front, places), func(p []float64) bool { return slices.Equal(p, points[0]) })
}

// net returns n points that cover a front: the first in lexical order, and then the farthest from those it has.
func net(front [][]float64, n int) [][]float64 {
	front = slices.Clone(front)
	slices.SortFunc(front, slices.Compare)
	low, extent := slices.Clone(front[0]), make([]float64, len(front[0]))
	for k := range low {
		high := math.Inf(-1)
		low[k] = math.Inf(1)
		for _, p := range front {
			if !math.IsInf(p[k], 0) {
				low[k], high = min(low[k], p[k]), max(high, p[k])
			}
		}
		if extent[k] = high - low[k]; !(extent[k] > 0) || math.IsInf(extent[k], 0) {
			extent[k] = 1
		}
	}
	between := func(a, b []float64) float64 {
		sum := 0.0
		for k := range a {
			if d := (a[k] - b[k]) / extent[k]; a[k] != b[k] {
				sum += min(d*d, 4) // infinities lie beyond the ends
			}
		}
		return sum
	}
	distance := make([]float64, len(front))
	for i := range distance {
		distance[i] = math.Inf(1)
	}
	var out [][]float64
	for next := 0; len(out) < n; {
		out = append(out, front[next])
		distance[next] = math.Inf(-1)
		farthest := -1
		for i, p := range front {
			if math.IsInf(distance[i], -1) {
				continue
			}
			distance[i] = min(distance[i], between(p, front[next]))
			if farthest < 0 || cmp.Compare(distance[i], distance[farthest]) > 0 {
				farthest = i
			}
		}
		if next = farthest; next < 0 {
			break
		}
	}
	return out
}

// side is one objective at one rung. As a value it names [side.value] for [trial.Snapshot.Column].
type side struct {
	rung
	objectives, k int
}

func (s side) value(t *trial.Record) (float64, bool) {
	v, ok := brought(t, s.rung, s.objectives)
	if !ok {
		return 0, false
	}
	return v[s.k], true
}

// brought returns the values that t has brought to a rung.
func brought(t *trial.Record, r rung, objectives int) ([]float64, bool) {
	vectors := t.Vectors()
	if n := len(vectors) - 1; t.State == trial.Pruned && n >= 0 {
		if _, before := arrived(vectors[:n], r.back, objectives); r.k > 0 && !before {
			vectors = vectors[:n] // stopped at a rung below, if not here
		}
	}
	return arrived(vectors, r.step, objectives)
}

// arrived returns the first values without NaN among vectors at or beyond a step.
func arrived(vectors []trial.Vector, step, objectives int) ([]float64, bool) {
	for _, v := range vectors {
		if v.Step >= step && len(v.Values) == objectives && !slices.ContainsFunc(v.Values, math.IsNaN) {
			return v.Values, true
		}
	}
	return nil, false
}
