package gp

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// Regret is a rule that ends a run when a Gaussian process expects little further gain. Its method Reached is a
// study.Run.StopWhen. The zero value has the defaults.
//
// The bound is the lowest upper confidence bound of the tried points, minus the lowest lower confidence bound of the whole space
// (Makarova, Shen, Perrone, Klein, Faddoul, Krause, Seeger and Archambeau, "Automatic Termination for Hyperparameter
// Optimization", AutoML 2022, equation 5). It limits the distance from the best trial to the optimum if the model is right; for
// objectives that are not smooth it is a guess. The model is the sampler's: losses above the median count logarithmically, and
// the bound is for the part below it.
type Regret struct {
	// Gain is the smallest bound for which a run continues, as a share of the distance from the median of all
	// complete trials to the best. Default 0.01.
	Gain float64
	// Trials is the number of complete trials from which on the rule applies. At least 10. Default 30.
	Trials int
	// Constraints are those of the study's space, [space.Space.Constraints]; a snapshot lacks them. The bound is for
	// the points that meet them. Without them, the bound is too large if a constraint cuts off better points.
	Constraints []space.Constraint
}

// A Bound limits what is left to gain after some trials.
type Bound struct {
	Trials int     // that were complete and met their constraints
	Value  float64 // in units of the objective, at least 0
	Share  float64 // of the distance from the median to the best
}

// Reached reports whether the bound is below Gain, with the reason in words. If there is a bound that is not, it says
// what is left to gain. It never stops a
// study of several objectives, nor one whose trials have no parameters in common. It stops if all values are equal:
// then there is no bound, and nothing to learn.
func (g Regret) Reached(h trial.Snapshot) (reason string, stop bool) {
	if _, obs, ok := g.observe(h); ok {
		first := obs[0].losses[0]
		other := func(o observation) bool { return o.losses[0] != first }
		if !math.IsInf(first, 0) && !slices.ContainsFunc(obs, other) {
			return fmt.Sprintf("the values of all %d complete trials are equal", len(obs)), true
		}
	}
	gain := cmp.Or(g.Gain, 0.01)
	b, ok := g.Bound(h)
	if !ok {
		return "", false
	}
	if !(b.Share < gain) {
		return fmt.Sprintf("at most %.2g%% left to gain", 100*b.Share), false
	}
	return fmt.Sprintf("a Gaussian process expects that at most %.2g%% of the distance from the median to the best is left to gain", 100*b.Share), true
}

// Curve returns bounds for a plot: after the first n complete trials, in order of their numbers, for at most places
// values of n. These are evenly spaced from the first n with a bound to all trials; with places 0 it takes every n.
//
// The last bound is that of Bound. The others are faster to compute: a model is fitted to at most 100 trials and from
// where the one before ended, and the lowest lower confidence bound is searched at fewer points. Most are within a factor of 1.5
// of Bound's; where the fit has several optima, single ones are off by up to a factor of 10. Curve returns the bounds so far
// when ctx is done.
func (g Regret) Curve(ctx context.Context, h trial.Snapshot, places int) []Bound {
	in, obs, ok := g.observe(h)
	if !ok {
		return nil
	}
	first := g.least()
	if places <= 0 || places > len(obs)-first+1 {
		places = len(obs) - first + 1
	}
	if ctx.Err() != nil {
		return nil
	}
	var last Bound
	var known bool
	var exactly sync.WaitGroup
	exactly.Go(func() { last, _, known = exact.bound(in, obs, nil) }) // takes as long as the others together
	var out []Bound
	var start []float64
	for left := places - 1; left > 0 && ctx.Err() == nil; left-- {
		var b Bound
		if b, start, ok = rough.bound(in, obs[:len(obs)-left*(len(obs)-first)/(places-1)], start); ok {
			out = append(out, b)
		}
	}
	exactly.Wait()
	if known && ctx.Err() == nil {
		out = append(out, last)
	}
	return out
}

// least returns the minimum number of complete trials for a bound.
func (g Regret) least() int { return max(10, cmp.Or(g.Trials, 30)) }

// An effort is how exactly a bound is computed.
type effort struct {
	fitted int // number of trials to which the parameters of the model are fitted at most
	points int // number of random points among which the lowest lower confidence bound is searched first
}

var (
	exact = effort{mostBounded, 4 * scattered}
	rough = effort{100, scattered}
)

// mostBounded is the number of trials that the model of a bound has at most: the best half of
// them, and others.
const mostBounded = 200

// Bound returns a bound on what is left to gain. There is none (false) with fewer than Trials complete feasible
// trials, with several objectives, without parameters that all trials share, or if half of the values are equal or
// infinite. It depends on h alone.
func (g Regret) Bound(h trial.Snapshot) (Bound, bool) {
	in, obs, ok := g.observe(h)
	if !ok {
		return Bound{}, false
	}
	b, _, ok := exact.bound(in, obs, nil)
	return b, ok
}

// An allowed domain is one with constraints.
type allowed struct {
	*domain
	region *sampler.Region
}

// observe returns the complete feasible trials of a study by number, and their domain: the parameters that
// all trials of the study share.
func (g Regret) observe(h trial.Snapshot) (in allowed, obs []observation, ok bool) {
	if h.Objectives() != 1 || h.Count(trial.Complete) < g.least() {
		return in, nil, false
	}
	var axes space.Space
	var single space.Params
	for _, a := range h.Common() {
		if a.Distribution.Len() != 1 {
			axes = append(axes, a)
			continue
		}
		single.Space, single.Point = append(single.Space, a), append(single.Point, a.Distribution.At(0))
	}
	if len(axes) == 0 {
		return in, nil, false
	}
	r := sampler.Request{Space: axes, Given: single, Constraints: g.Constraints}
	in = allowed{newDomain(r), r.Region()}
	for i := range h.Len() {
		r := h.At(i)
		if r.State != trial.Complete || !r.Feasible() {
			continue
		}
		if o, ok := in.observe(h, r); ok {
			obs = append(obs, o)
		}
	}
	slices.SortFunc(obs, byNumber)
	return in, obs, len(obs) >= g.least()
}

// bound returns the bound after some trials, and where the fit of the model of the next bound can start. The fit starts
// from the modes of the priors if start is nil.
func (e effort) bound(in allowed, all []observation, start []float64) (b Bound, next []float64, ok bool) {
	obs := slices.Clone(all)
	slices.SortFunc(obs, func(a, b observation) int {
		return cmp.Or(cmp.Compare(a.losses[0], b.losses[0]), cmp.Compare(a.number, b.number))
	})
	total, best, middle := len(obs), obs[0].losses[0], obs[len(obs)/2].losses[0]
	distance := middle - best
	if !(distance > 0) || math.IsInf(distance, 0) {
		return Bound{}, start, false
	}
	if total > mostBounded {
		half := mostBounded / 2
		some := slices.Clone(obs[:half])
		for i := range half {
			some = append(some, obs[half+i*(total-half)/half])
		}
		obs = some
	}
	y := make([]float64, len(obs))
	at := points{d: len(in.axes), choices: in.choices}
	for i, o := range obs {
		y[i] = (min(o.losses[0], math.MaxFloat64) - middle) / distance
		if y[i] > 0 {
			y[i] = math.Log1p(y[i])
		}
		at.add(o.x)
	}
	scale := deviation(y)
	standardize(y)
	some, of := at, y
	if len(y) > e.fitted {
		some, of = points{d: at.d, choices: at.choices}, nil
		for _, i := range few(y, e.fitted) {
			some.add(at.row(i))
			of = append(of, y[i])
		}
	}
	h, next := fitFrom(some, of, 0, start)
	m, ok := newModel(h, at, y)
	if !ok {
		return Bound{}, start, false
	}
	share := max(0, m.gap(in, obs, total, e.points)) * scale
	return Bound{total, share * distance, share}, next, true
}

func deviation(y []float64) float64 {
	mean, squares := 0.0, 0.0
	for _, v := range y {
		mean += v / float64(len(y))
	}
	for _, v := range y {
		squares += (v - mean) * (v - mean) / float64(len(y))
	}
	return math.Sqrt(squares)
}

// gap returns the least upper confidence bound of the observations less the least lower one
// anywhere: √β deviations from the mean, β = 2 log(d t² π² / (6 δ)) / 5 with δ = 0.1 (section
// 4 of the paper, after Srinivas et al. 2010).
func (m *model) gap(in allowed, obs []observation, trials, scattered int) float64 {
	width := math.Sqrt(2 * math.Log(float64(len(in.axes))*float64(trials*trials)*math.Pi*math.Pi/0.6) / 5)
	scratch, gradMean, gradDev := make([]float64, 3*m.n), make([]float64, m.d), make([]float64, m.d)
	upper := math.Inf(1)
	for _, o := range obs {
		mean, dev := m.at(o.x, nil, nil, scratch)
		upper = min(upper, mean+width*dev)
	}
	rows := points{d: m.d, choices: in.choices}
	rng := rand.New(rand.NewPCG(uint64(trials), 0))
	a := newAcquisition(in.domain, in.region, trials)
	add := func(x []float64) {
		if a.admit(x, rng) {
			rows.add(x)
		}
	}
	for range scattered {
		add(a.anywhere(rng))
	}
	for i := range nearby {
		add(a.near(obs[i%min(5, len(obs))].x, rng))
	}
	for _, o := range obs {
		if a.admits(o.x) {
			rows.add(o.x)
		}
	}
	if rows.n == 0 { // the constraints cannot be met
		rows.add(obs[0].x)
	}
	means, devs := m.batch(&rows)
	order := make([]int, rows.n)
	for i := range order {
		order[i] = i
	}
	low := func(i int) float64 { return means[i] - width*devs[i] }
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(low(i), low(j)) })
	lower := low(order[0])
	var smooth []int
	for j, axis := range in.axes {
		if axis.Distribution.Len() == 0 {
			smooth = append(smooth, j)
		}
	}
	for _, i := range order[:min(3, len(order))] {
		if len(smooth) == 0 {
			break
		}
		whole := slices.Clone(rows.row(i))
		x, from, to := make([]float64, len(smooth)), make([]float64, len(smooth)), make([]float64, len(smooth))
		for k, j := range smooth {
			x[k], to[k] = whole[j], 1
		}
		value := minimize(func(x, grad []float64) float64 {
			for k, j := range smooth {
				whole[j] = x[k]
			}
			mean, dev := m.at(whole, gradMean, gradDev, scratch)
			for k, j := range smooth {
				grad[k] = gradMean[j] - width*gradDev[j]
			}
			return mean - width*dev
		}, x, from, to, 40, 1e-4)
		for k, j := range smooth {
			whole[j] = x[k]
		}
		if !a.admits(whole) { // the border on the way there
			mean, dev := m.at(a.edge(rows.row(i), whole, smooth), nil, nil, scratch)
			value = mean - width*dev
		}
		if !math.IsNaN(value) {
			lower = min(lower, value)
		}
	}
	return upper - lower
}
