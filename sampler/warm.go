package sampler

import (
	"cmp"
	"math"
	"slices"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
	"github.com/attune-hpo/attune/trial"
)

// Numbers of [WarmStart].
const (
	fewestWarm = 10   // minimum number of trials of another study
	bestWarm   = 0.1  // share of them that is used
	leastWarm  = 5    // and at least so many
	widestWarm = 0.3  // deviation, as a share of the range, beyond which there is no belief
	narrowWarm = 0.05 // the least deviation
)

// WarmStart returns s with beliefs from other studies: each axis without a [space.Prior] gets one from the values of
// their best trials, the best tenth of the complete and feasible ones. All studies have equal weight. TPE and the
// Gaussian process treat it like a user's belief, which fades, so that a misleading study costs only some trials.
//
// A study is ignored if it has several objectives or fewer than ten such trials, or if its parameter of the same name
// is of another kind. Values that are spread widely give no belief either. Bounds may differ: values outside of s are
// ignored. s must be normalized, and is not changed.
func WarmStart(s space.Space, others ...trial.Snapshot) space.Space {
	out := slices.Clone(s)
	for i, a := range out {
		if a.Prior != nil || a.Distribution.Len() == 1 {
			continue
		}
		var values []float64 // coordinates
		var weights []float64
		for _, h := range others {
			found := bestValues(a, h)
			for _, x := range found {
				values, weights = append(values, x), append(weights, 1/float64(len(found)))
			}
		}
		if len(values) > 0 {
			out[i].Prior = evidence(a.Distribution, values, weights)
		}
	}
	return out
}

// bestValues returns the coordinates that the best trials of h have on a.
func bestValues(a space.Axis, h trial.Snapshot) []float64 {
	if h.Objectives() != 1 {
		return nil
	}
	var good []trial.Record
	for r := range h.All() {
		if r.State == trial.Complete && r.Feasible() && !math.IsInf(r.Values[0], 0) {
			good = append(good, r)
		}
	}
	if len(good) < fewestWarm {
		return nil
	}
	loss := h.Direction(0).Loss
	slices.SortFunc(good, func(a, b trial.Record) int {
		return cmp.Or(cmp.Compare(loss(a.Values[0]), loss(b.Values[0])), cmp.Compare(a.Number, b.Number))
	})
	var out []float64
	for _, r := range good[:max(leastWarm, int(bestWarm*float64(len(good))))] {
		l, ok := r.Params.Get(a.Name)
		had := r.Params.Space.Index(a.Name)
		if !ok || !space.Compatible(r.Params.Space[had].Distribution, a.Distribution) {
			if _, choice := a.Distribution.(*space.CategoricalDistribution); !choice || !ok {
				continue
			}
		}
		if x, err := a.Distribution.Encode(l); err == nil { // of other choices, those that are the same
			out = append(out, x)
		}
	}
	return out
}

// evidence returns the belief that good values are like these, or nil if they are no evidence.
func evidence(d space.Distribution, values, weights []float64) *space.Prior {
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	if c, ok := d.(*space.CategoricalDistribution); ok {
		counts := make([]float64, len(c.Choices))
		for i := range counts {
			counts[i] = 0.2 / float64(len(counts)) // no choice is ruled out
		}
		for i, x := range values {
			counts[int(x)] += weights[i]
		}
		p := space.Weights(counts...)
		return &p
	}
	mean, squares := 0.0, 0.0 // on the unit interval
	for i, x := range values {
		mean += weights[i] / sum * unit.To(d, x)
	}
	for i, x := range values {
		by := unit.To(d, x) - mean
		squares += weights[i] / sum * by * by
	}
	dev := max(narrowWarm, 1.5*math.Sqrt(squares))
	if dev > widestWarm {
		return nil
	}
	low, high := numbers(d)
	log := false
	switch d := d.(type) {
	case space.FloatDistribution:
		log = d.Log
	case space.IntDistribution:
		log = d.Log
	}
	p := space.Normal(low+mean*(high-low), dev*(high-low))
	if log {
		width := math.Log(high / low)
		p = space.LogNormal(low*math.Exp(mean*width), math.Exp(dev*width))
	}
	return &p
}
