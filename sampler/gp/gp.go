// Package gp proposes points by Bayesian optimization: it fits a Gaussian process to the results so far, and
// proposes the point with the greatest expected improvement (Jones, Schonlau and Welch, "Efficient Global
// Optimization of Expensive Black-Box Functions", J. Global Optim. 13, 1998; Snoek, Larochelle and Adams,
// "Practical Bayesian Optimization of Machine Learning Algorithms", NeurIPS 2012).
//
// It is the sampler for objectives that are smooth in numeric parameters, and for budgets
// of some dozens to a few hundred trials. A proposal takes milliseconds, or seconds with
// 1,000 parameters. The time stops growing at Config.Observations trials: beyond them, the
// model has only the best ones and those near the best.
//
// The model is a Matérn kernel with a length scale for each parameter. Numbers are taken on
// their scale, logarithmic or not; integers and steps at their values; two different
// choices are equally far from each other. Its parameters maximize the posterior density,
// and are refitted when the study has grown by a tenth. Values are standardized by the
// better half of the trials, and losses above the median count logarithmically, so that one
// enormous loss does no harm.
//
// Running trials count with the value that the model expects for them, so parallel workers search in different
// places. Failed trials count as the worst value so far. Pruned trials count with their last report, but not as
// better than the median. Constraints have models of their own, and the improvement is multiplied by the
// probability that they are met (Gardner et al., "Bayesian Optimization with Inequality Constraints", ICML
// 2014).
//
// Beyond twice the first trials, five trials of eight come from a local search: from a box around one of the best trials,
// with its choices and a model of the fifty trials (or three for each parameter) that are nearest to it. It finds what a
// model of all trials cannot describe, if the objective is much steeper or rougher elsewhere, or has plateaus. Two
// boxes of five lie along the principal axes of the best trials and are as large as these are spread: so
// they follow narrow valleys, and converge. There is no local search with several objectives or with fixed values; a
// box lies along the axes of the space if that has constraints or more than seven floats, or if parameters have priors.
//
// If values are fixed (enqueued, or by [sampler.Fixed]), the improvement is over the best result that the model
// expects with these values.
//
// If trials differ in what they cost, set [Config.Cost]: then the improvement counts per cost, less so as the budget is
// spent.
//
// If parameters have priors, every second one of the first trials is drawn from them. Later the improvement is
// multiplied by the prior's density to a power that goes to 0 (πBO).
//
// With several objectives, each has a model, and the expected improvement is that of the hypervolume which the best
// trials dominate. Its reference point lies a tenth of their extent beyond the worst of them or, every second time,
// beyond the worst of all trials. The expectation is exact for two and three objectives; in a study with more, Sample
// fails.
//
// A conditional parameter has a model of the trials that have it.
package gp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/qmc"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
	"github.com/attune-hpo/attune/trial/pareto"
)

const pkg fault.Package = "gp"

// Config configures a [Sampler]. Its zero value stands for the defaults.
type Config struct {
	// Startup is the number of trials that Independent draws before there is a model. A branch of a conditional space
	// has at most that many, and no more than three and one for each of its parameters. At least 2. Default 10.
	Startup int
	// Independent draws the first trials. Default qmc.Sampler{}.
	Independent sampler.Sampler
	// Observations is the maximum number of trials in a model, at least 20. The time for a
	// proposal grows with its square. Default 300.
	Observations int
	// Deterministic says that the objective has no noise: evaluated twice at the
	// same point it gives the same value. By default the noise is estimated.
	Deterministic bool
	// Noise is the standard deviation of the objective's noise, in its units, if that is known. It counts for studies
	// of one objective. Default 0: the noise is estimated, unless Deterministic is set.
	Noise float64
	// Cost is the name of the attribute that holds the cost of a trial, a positive number: seconds, money. The search
	// then prefers cheap points: it maximizes the expected improvement divided by the expected cost to a power α, which
	// falls from 1 to 0 as the Budget is spent (Lee, Perrone, Archambeau and Seeger, "Cost-aware Bayesian
	// Optimization", 2020: EI-cool). [Duration] stands for the time that a trial took. Default "": all trials cost
	// the same.
	Cost string
	// Budget is the sum of the costs at which α is 0: what the study may cost. Default 100 times the mean cost so far.
	Budget float64
}

// Duration, as [Config.Cost], is the time from the start of a trial to its end. A reproducible run has no such times,
// and then it has no effect; report the cost as an attribute instead.
const Duration = "duration"

// A Sampler proposes points by Bayesian optimization. It is safe for concurrent
// use, and by several studies.
type Sampler struct {
	cfg    Config
	memory sampler.Memory[pasts]
}

var (
	_ sampler.Sampler   = (*Sampler)(nil)
	_ sampler.Validator = (*Sampler)(nil)
)

// New returns a sampler.
func New(cfg Config) *Sampler {
	if cfg.Startup == 0 {
		cfg.Startup = 10
	}
	if cfg.Independent == nil {
		cfg.Independent = qmc.Sampler{}
	}
	if cfg.Observations == 0 {
		cfg.Observations = 300
	}
	return &Sampler{cfg: cfg}
}

// Config returns the settings of s, its defaults filled in.
func (s *Sampler) Config() Config { return s.cfg }

// Validate returns an error that wraps [sampler.ErrInvalid] if a setting makes no
// sense.
func (s *Sampler) Validate() error {
	switch c := s.cfg; {
	case c.Startup < 2:
		return pkg.Errorf("%w: startup %d: give 2 or more, or 0 for the default", sampler.ErrInvalid, c.Startup)
	case c.Observations < 20:
		return pkg.Errorf("%w: observations %d: give 20 or more, or 0 for the default", sampler.ErrInvalid, c.Observations)
	case !(c.Noise >= 0) || math.IsInf(c.Noise, 1):
		return pkg.Errorf("%w: noise %v: give a positive number, or 0 if it is not known", sampler.ErrInvalid, c.Noise)
	case c.Noise > 0 && c.Deterministic:
		return pkg.Errorf("%w: noise %v of a deterministic objective: set one of them", sampler.ErrInvalid, c.Noise)
	case !(c.Budget >= 0) || math.IsInf(c.Budget, 1):
		return pkg.Errorf("%w: budget %v: give a positive number, or 0 for the default", sampler.ErrInvalid, c.Budget)
	case c.Budget > 0 && c.Cost == "":
		return pkg.Errorf("%w: budget %v without a cost: set both or neither", sampler.ErrInvalid, c.Budget)
	}
	if v, ok := s.cfg.Independent.(sampler.Validator); ok {
		return v.Validate()
	}
	return nil
}

// MostObjectives is the number of objectives that a study may have.
const MostObjectives = 3

var errObjectives = errors.New("there are models for at most three objectives")

// Sample implements [sampler.Sampler]. It fails with [sampler.ErrInvalid] in a
// study of more than [MostObjectives], and with the errors of [Config.Independent].
func (s *Sampler) Sample(ctx context.Context, r sampler.Request) (sampler.Proposal, error) {
	if err := s.Validate(); err != nil {
		return sampler.Proposal{}, err
	}
	if n := r.History.Objectives(); n > MostObjectives {
		return sampler.Proposal{}, pkg.Errorf("%w: %w; the study has %d", sampler.ErrInvalid, errObjectives, n)
	}
	d := newDomain(r)
	d.cost = s.cfg.Cost
	var x []float64
	s.memory.Use(r.History, func(known *pasts) {
		if p := known.of(d, r.History); p.ready(s.cfg, d) {
			x = p.propose(s.cfg, d, r)
		}
	})
	if x == nil {
		p, err := s.cfg.Independent.Sample(ctx, r)
		if err == nil && r.Number%2 == 0 && r.Believes() {
			p.Point = slices.Clone(p.Point)
			err = r.Believe(p.Point, r.Number == 0)
		}
		return p, err
	}
	out := sampler.Proposal{Point: make([]float64, len(r.Space))}
	for j, place := range d.place {
		if place >= 0 {
			out.Point[place] = d.coordinate(j, x[j])
		}
	}
	return out, nil
}

// A past has the observations of a study in one domain, as far as its history was read.
type past struct {
	axes  space.Space
	read  int
	obs   []observation // by number
	fits  map[string]fitted
	names map[string]bool // of constraints
}

// fitted are parameters of a model, and the observations that they come from: the
// first ones, up to a number.
type fitted struct {
	count, last int
	hyper       hyper
}

// pasts are the pasts of one history in each of the last few domains, the last used at the end.
type pasts struct{ known []*past }

const mostPasts = 16

// of returns the past of h in d.
func (m *pasts) of(d *domain, h trial.Snapshot) *past {
	p := &past{axes: d.axes, fits: map[string]fitted{}, names: map[string]bool{}}
	if i := slices.IndexFunc(m.known, func(p *past) bool { return p.axes.Equal(d.axes) }); i >= 0 {
		p = m.known[i]
		m.known = slices.Delete(m.known, i, i+1)
	}
	if len(m.known) == mostPasts {
		m.known = slices.Delete(m.known, 0, 1)
	}
	m.known = append(m.known, p)
	for ; p.read < h.Len(); p.read++ {
		if o, ok := d.observe(h, h.At(p.read)); ok {
			at, _ := slices.BinarySearchFunc(p.obs, o, byNumber)
			p.obs = slices.Insert(p.obs, at, o)
			for _, c := range o.constraints {
				p.names[c.Name] = true
			}
		}
	}
	return p
}

// fewestInBranch is the number of trials, beside one for each parameter, before a branch has a model.
const fewestInBranch = 3

// ready reports whether there is enough for a model in d. A branch of a conditional space needs fewer trials of its own:
// the rest of the space is known by then.
func (p *past) ready(cfg Config, d *domain) bool {
	least := cfg.Startup
	drawn := len(d.axes)
	for _, place := range d.place {
		if place < 0 {
			drawn--
		}
	}
	if drawn < len(d.axes) && len(d.fixed) == 0 {
		least = min(least, fewestInBranch+drawn)
	}
	return len(p.obs) >= least && slices.ContainsFunc(p.obs, func(o observation) bool { return o.state == trial.Complete })
}

// propose returns the position of the greatest expected improvement, or nil if there is nothing to learn from. Where a
// local search finds nothing new, all of the space is searched.
func (p *past) propose(cfg Config, d *domain, r sampler.Request) []float64 {
	if l := p.local(cfg, d, r); l != nil {
		if x, fresh := p.search(cfg, d, r, l); x != nil && fresh {
			return x
		}
	}
	x, _ := p.search(cfg, d, r, nil)
	return x
}

// search returns the position of the greatest expected improvement where l looks, or anywhere if it is nil, and whether
// it is one that may be proposed: in a finite space, one that was not tried. The position is nil if there is nothing to
// learn from.
func (p *past) search(cfg Config, d *domain, r sampler.Request, l *local) (x []float64, fresh bool) {
	a := newAcquisition(d, r.Region(), len(p.obs))
	obs := p.chosen(cfg, d)
	fitted := func(name string, values func([]observation) []float64, noise float64) hyper {
		return p.hyper(name, cfg, d, values, noise)
	}
	if l != nil {
		obs = l.obs
		a.confine(l)
		fitted = func(_ string, values func([]observation) []float64, noise float64) hyper {
			return l.fit(cfg, d, values(obs), noise)
		}
	}
	var pending [][]float64
	for _, o := range r.History.Running() {
		if x, ok := d.ahead(o); ok && o.Number != r.Number {
			if a.frame != nil {
				x = a.frame.to(x)
			}
			pending = append(pending, x)
		}
	}
	at := points{d: len(d.axes), choices: d.choices}
	for _, o := range obs {
		at.add(o.x)
	}
	var feasible []int // complete ones, which may be the best
	for i, o := range obs {
		if o.state == trial.Complete && (trial.Record{Constraints: o.constraints}).Feasible() {
			feasible = append(feasible, i)
		}
	}
	order := d.order(obs, merits(obs))
	learnt := false
	learn := func(values []float64) {
		learnt = learnt || slices.Min(values) < slices.Max(values)
	}
	if len(feasible) > 0 {
		var models []*model
		var ys [][]float64
		for k := range r.History.Objectives() {
			values := func(obs []observation) []float64 { return targets(obs, k) }
			ys = append(ys, values(obs))
			learn(ys[k])
			noise := 0.0
			if r.History.Objectives() == 1 {
				noise = cfg.Noise
			}
			m, ok := newModel(fitted(fmt.Sprint("objective ", k), values, noise), at, ys[k])
			if !ok {
				return nil, false
			}
			models = append(models, m)
		}
		if len(models) == 1 {
			a.best = d.incumbent(models[0], ys[0], feasible)
			a.objective = models[0].with(pending)
		} else {
			a.several = d.gain(models, ys, feasible, pending, r.Number%2 == 0) // alternately: ADR 0048
		}
	}
	for _, name := range sorted(p.names) {
		values, offset, ok := constrained(obs, name)
		if !ok {
			continue
		}
		learn(values)
		h := fitted("constraint "+name, func(obs []observation) []float64 {
			v, _, _ := constrained(obs, name)
			return v
		}, 0)
		m, ok := newModel(h, at, values)
		if !ok {
			continue
		}
		a.constraints = append(a.constraints, m.with(pending))
		a.offsets = append(a.offsets, offset)
	}
	if !learnt || a.objective == nil && a.several == nil && len(a.constraints) == 0 { // no place is better than another
		return nil, false
	}
	p.price(cfg, a, obs, at, fitted)
	var best [][]float64
	around := 5
	if a.several != nil {
		around = 20 // what is best is many
	}
	for _, i := range order[:min(around, len(order))] {
		best = append(best, obs[i].x)
	}
	refused := func(x []float64) bool { return false }
	if d.finite() {
		tried := map[string]bool{}
		for _, o := range p.obs {
			tried[key(o.x)] = true
		}
		for _, x := range pending {
			tried[key(x)] = true
		}
		refused = func(x []float64) bool { return tried[key(x)] }
	}
	if x = a.maximize(r.Rand, best, refused); x == nil {
		return nil, false
	}
	fresh = !refused(x)
	if a.frame != nil {
		x = a.frame.from(x)
	}
	return x, fresh
}

// order returns the indices of observations: those near what is fixed before the
// others, and the best first.
func (d *domain) order(obs []observation, y []float64) []int {
	order := make([]int, len(obs))
	far := make([]int, len(obs))
	for i, o := range obs {
		if order[i] = i; !d.near(o.x) {
			far[i] = 1
		}
	}
	slices.SortStableFunc(order, func(i, j int) int {
		return cmp.Or(far[i]-far[j], cmpFeasible(obs[i], obs[j], y[i], y[j]))
	})
	return order
}

// incumbent returns the value to improve on: the smallest mean of the model at the feasible observations, which are
// among its first points. So lucky noise does not count.
//
// If values are fixed, only observations with these values count. If there are none, the incumbent is the smallest
// mean at any observation with the fixed values in place of its own: an unreachable best would drive the search into
// unknown regions.
func (d *domain) incumbent(m *model, y []float64, feasible []int) float64 {
	best := math.Inf(1)
	for _, i := range feasible {
		if d.same(m.row(i)) {
			best = math.Min(best, y[i]-(m.noise+jitter*m.scale)*m.alpha[i])
		}
	}
	if !math.IsInf(best, 1) {
		return best
	}
	scratch := make([]float64, 3*m.n)
	for _, i := range feasible {
		mean, _ := m.at(d.pinned(m.row(i)), nil, nil, scratch)
		best = math.Min(best, mean)
	}
	return best
}

// gain returns the expected gain of hypervolume over what the models, whose first points
// the observations are, expect of the feasible ones and of those that are running. Where
// values are fixed, it does so as incumbent does.
func (d *domain) gain(models []*model, ys [][]float64, feasible []int, pending [][]float64, whole bool) *gain {
	var values [][]float64
	for _, i := range feasible {
		if d.same(models[0].row(i)) {
			v := make([]float64, len(models))
			for k, m := range models {
				v[k] = ys[k][i] - (m.noise+jitter*m.scale)*m.alpha[i]
			}
			values = append(values, v)
		}
	}
	scratch := make([]float64, 3*models[0].n)
	expected := func(x []float64) {
		v := make([]float64, len(models))
		for k, m := range models {
			v[k], _ = m.at(x, nil, nil, scratch)
		}
		values = append(values, v)
	}
	if len(values) == 0 {
		for _, i := range feasible {
			expected(d.pinned(models[0].row(i)))
		}
	}
	for _, x := range pending {
		expected(x)
	}
	sure := make([]*model, len(models))
	for k, m := range models {
		sure[k] = m.with(pending)
	}
	return newGain(sure, values, whole)
}

// merits returns a sort key for observations, less is better: the losses or, with several objectives, the ranks of
// non-domination.
func merits(obs []observation) []float64 {
	out := make([]float64, len(obs))
	if len(obs) == 0 || len(obs[0].losses) == 1 {
		return targets(obs, 0)
	}
	points := make([][]float64, len(obs))
	for k := range obs[0].losses {
		for i, y := range targets(obs, k) {
			points[i] = append(points[i], y)
		}
	}
	for i, rank := range pareto.Ranks(points) {
		out[i] = float64(rank)
	}
	return out
}

func cmpFeasible(a, b observation, ya, yb float64) int {
	fa, fb := trial.Record{Constraints: a.constraints}.Violation(), trial.Record{Constraints: b.constraints}.Violation()
	switch {
	case fa < fb || fa == fb && ya < yb:
		return -1
	case fa > fb || ya > yb:
		return 1
	}
	return 0
}

func value(cs []trial.Constraint, name string) (float64, bool) {
	for _, c := range cs {
		if c.Name == name {
			return c.Value, true
		}
	}
	return 0, false
}

func sorted(names map[string]bool) []string {
	var out []string
	for n := range names {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// constrained returns the standardized values of a constraint for a model, and the number to add so that the
// constraint is met at 0 and below. Trials that lack the constraint count as the worst value seen. It returns false
// if no trial has it.
func constrained(obs []observation, name string) (values []float64, offset float64, ok bool) {
	values = make([]float64, len(obs))
	worst, mean, n := math.Inf(-1), 0.0, 0.0
	for i, o := range obs {
		v, ok := value(o.constraints, name)
		if !ok || math.IsNaN(v) || math.IsInf(v, 0) {
			v = math.NaN()
		} else {
			worst, mean, n = math.Max(worst, v), mean+v, n+1
		}
		values[i] = v
	}
	if n == 0 {
		return values, 0, false
	}
	mean /= n
	squares := 0.0
	for i := range values {
		if math.IsNaN(values[i]) {
			values[i] = math.Max(worst, 0)
		}
		values[i] -= mean
		squares += values[i] * values[i] / float64(len(values))
	}
	dev := math.Sqrt(squares)
	if !(dev > 1e-12*math.Abs(mean)) || math.IsInf(dev, 0) {
		dev = math.Max(math.Abs(mean), 1)
	}
	for i := range values {
		values[i] /= dev
	}
	return values, mean / dev, true
}

// finite reports whether all axes are discrete.
func (d *domain) finite() bool {
	return !slices.ContainsFunc(d.axes, func(a space.Axis) bool { return a.Distribution.Len() == 0 })
}

// key is equal for equal positions.
func key(x []float64) string {
	b := make([]byte, 0, 8*len(x))
	for _, v := range x {
		u := math.Float64bits(v)
		for k := range 8 {
			b = append(b, byte(u>>(8*k)))
		}
	}
	return string(b)
}

// chosen returns the observations of a model: all of them, or half the best ones and half those nearest to the best
// one. Observations near fixed values come first.
func (p *past) chosen(cfg Config, d *domain) []observation {
	if len(p.obs) <= cfg.Observations {
		return p.obs
	}
	order := d.order(p.obs, merits(p.obs))
	center := d.pinned(p.obs[order[0]].x)
	half := cfg.Observations / 2
	rest := slices.Clone(order[half:])
	slices.SortStableFunc(rest, func(i, j int) int {
		di, dj := distance(p.obs[i].x, center), distance(p.obs[j].x, center)
		switch {
		case di < dj:
			return -1
		case di > dj:
			return 1
		}
		return 0
	})
	chosen := append(order[:half:half], rest[:cfg.Observations-half]...)
	slices.Sort(chosen)
	out := make([]observation, len(chosen))
	for i, at := range chosen {
		out[i] = p.obs[at]
	}
	return out
}

// mostFitted is the maximum number of observations that hyperparameters are fitted to.
const mostFitted = 120

// fittedTo returns that number for d parameters: it is smaller for hundreds of parameters, so that a fit takes no
// longer for 1,000 parameters than for 140.
func fittedTo(d int) int {
	const mostDifferences = 1e6 // of pairs of observations, in each of the parameters
	return min(mostFitted, int(math.Sqrt(2*mostDifferences/float64(d))))
}

// hyper returns the parameters of the model of the given name. They are fitted to the values of the first n
// observations, where n is the last rung reached of a ladder whose rungs are a tenth apart. So they follow from the
// history alone, and most proposals need no fit. The standard deviation of the noise is in units of the objective; 0:
// it is estimated.
func (p *past) hyper(name string, cfg Config, d *domain, values func([]observation) []float64, deviation float64) hyper {
	count := rung(len(p.obs))
	last := p.obs[count-1].number
	if f, ok := p.fits[name]; ok && f.count == count && f.last == last {
		return f.hyper
	}
	h := d.fit(cfg, p.obs[:count], values(p.obs[:count]), deviation)
	p.fits[name] = fitted{count, last, h}
	return h
}

// fit returns the parameters of a model that are fitted to values, or to some of them.
func (d *domain) fit(cfg Config, obs []observation, values []float64, deviation float64) hyper {
	at := points{d: len(d.axes), choices: d.choices}
	var y []float64
	for _, i := range few(values, fittedTo(len(d.axes))) {
		at.add(obs[i].x)
		y = append(y, values[i])
	}
	noise := 0.0
	if cfg.Deterministic {
		noise = 1e-6
	} else if deviation > 0 {
		_, unit := standardized(obs, 0)
		noise = min(max(deviation*deviation/(unit*unit), 1e-6), 10)
	}
	return fit(at, y, noise)
}

// rung returns the greatest of 1, 2, ..., 20, 22, 25, 28, ... that is not above n.
func rung(n int) int {
	at := 20
	if n <= at {
		return n
	}
	for at+at/10 <= n {
		at += at / 10
	}
	return at
}
