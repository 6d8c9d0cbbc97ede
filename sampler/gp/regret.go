package gp

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// Regret is a rule that ends a run when there is little left to be gained, as a Gaussian process
// sees it: its Reached is a study.Run.StopWhen. The zero value has the defaults.
//
// The bound is the least upper confidence bound of the points that were tried, less the least
// lower one of the whole space (Makarova, Shen, Perrone, Klein, Faddoul, Krause, Seeger and
// Archambeau, "Automatic Termination for Hyperparameter Optimization", AutoML 2022, equation 5).
// It says how far the best may be from what could be found, if the model is right: it is a
// guess for objectives that are not smooth. The model is that of the sampler: losses above the
// median count logarithmically, and the bound is of the part below it. It knows nothing of
// constraints between parameters: where the best lies at one, the bound is too large.
type Regret struct {
	// Gain is the least bound that is worth going on for, as a share of the distance from the
	// median of all complete trials to the best. Default 0.01.
	Gain float64
	// Trials is the number of complete trials before which the rule is not asked. At least 10.
	// Default 30.
	Trials int
}

// A Bound is how much may be left to be gained after some trials.
type Bound struct {
	Trials int     // that were complete and met their constraints
	Value  float64 // in units of the objective, at least 0
	Share  float64 // of the distance from the median to the best
}

// Reached reports whether the bound is below the Gain, and says so for people. It never stops
// a study of several objectives, nor one whose trials have no parameters in common.
func (g Regret) Reached(h trial.Snapshot) (reason string, stop bool) {
	gain := cmp.Or(g.Gain, 0.01)
	b, ok := g.Bound(h)
	if !ok || !(b.Share < gain) {
		return "", false
	}
	return fmt.Sprintf("at most %.2g%% of the distance from the median to the best is left to be gained, as a Gaussian process sees it", 100*b.Share), true
}

// Curve returns the bound after numbers of complete trials, for plots, in order of the trials'
// numbers: at most places of them, at even distances from the first number for which there is
// a bound to all trials, or after each trial if places is 0. It fits a model at each place, and
// stops with what it has when ctx is done.
func (g Regret) Curve(ctx context.Context, h trial.Snapshot, places int) []Bound {
	records := slices.SortedFunc(h.All(), func(a, b trial.Record) int { return cmp.Compare(a.Number, b.Number) })
	first, all := g.least(), h.Count(trial.Complete)
	if places <= 0 || places > all-first+1 {
		places = all - first + 1
	}
	var out []Bound
	part := trial.NewHistory(h.Header())
	complete, place := 0, 0
	for _, r := range records {
		part.Put(r)
		if r.State != trial.Complete {
			continue
		}
		complete++
		if place >= places || complete < all-(places-1-place)*(all-first)/max(1, places-1) {
			continue
		}
		place++
		if ctx.Err() != nil {
			break
		}
		if b, ok := g.Bound(part.Snapshot()); ok {
			out = append(out, b)
		}
	}
	return out
}

// least returns the number of complete trials before which there is no bound.
func (g Regret) least() int { return max(10, cmp.Or(g.Trials, 30)) }

// mostBounded is the number of trials that the model of a bound has at most: the best half of
// them, and others.
const mostBounded = 200

// Bound returns how much may be left to be gained. It is not ok with fewer than Trials complete
// feasible trials, with several objectives, without parameters that all of them have, and if
// half of the values are equal or infinite. It depends on h alone.
func (g Regret) Bound(h trial.Snapshot) (Bound, bool) {
	least := g.least()
	if h.Objectives() != 1 || h.Count(trial.Complete) < least {
		return Bound{}, false
	}
	var axes space.Space
	for _, a := range h.Common() {
		if a.Distribution.Len() != 1 {
			axes = append(axes, a)
		}
	}
	if len(axes) == 0 {
		return Bound{}, false
	}
	d := newDomain(sampler.Request{Space: axes})
	var obs []observation
	for r := range h.All() {
		if o, ok := d.observe(h, &r); ok && r.State == trial.Complete && r.Feasible() {
			obs = append(obs, o)
		}
	}
	if len(obs) < least {
		return Bound{}, false
	}
	slices.SortFunc(obs, func(a, b observation) int {
		return cmp.Or(cmp.Compare(a.losses[0], b.losses[0]), cmp.Compare(a.number, b.number))
	})
	total, best, middle := len(obs), obs[0].losses[0], obs[len(obs)/2].losses[0]
	distance := middle - best
	if !(distance > 0) || math.IsInf(distance, 0) {
		return Bound{}, false
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
	at := points{d: len(d.axes), choices: d.choices}
	for i, o := range obs {
		y[i] = (min(o.losses[0], math.MaxFloat64) - middle) / distance
		if y[i] > 0 {
			y[i] = math.Log1p(y[i])
		}
		at.add(o.x)
	}
	scale := deviation(y)
	standardize(y)
	m, ok := newModel(fit(at, y, 0), at, y)
	if !ok {
		return Bound{}, false
	}
	share := max(0, m.gap(d, obs, total)) * scale
	return Bound{total, share * distance, share}, true
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
func (m *model) gap(d *domain, obs []observation, trials int) float64 {
	width := math.Sqrt(2 * math.Log(float64(len(d.axes))*float64(trials*trials)*math.Pi*math.Pi/0.6) / 5)
	scratch, gradMean, gradDev := make([]float64, 3*m.n), make([]float64, m.d), make([]float64, m.d)
	upper := math.Inf(1)
	for _, o := range obs {
		mean, dev := m.at(o.x, nil, nil, scratch)
		upper = min(upper, mean+width*dev)
	}
	rows := points{d: m.d, choices: d.choices}
	rng := rand.New(rand.NewPCG(uint64(trials), 0))
	a := &acquisition{domain: d}
	for range 4 * scattered {
		rows.add(a.anywhere(rng))
	}
	for i := range nearby {
		rows.add(a.near(obs[i%min(5, len(obs))].x, rng))
	}
	for _, o := range obs {
		rows.add(o.x)
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
	for j, axis := range d.axes {
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
		if !math.IsNaN(value) {
			lower = min(lower, value)
		}
	}
	return upper - lower
}
