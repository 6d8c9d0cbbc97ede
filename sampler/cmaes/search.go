package cmaes

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
)

// A domain is the space of a search: axes by name, numbers before choices.
type domain struct {
	axes    space.Space
	numbers int // axes[:numbers] are numbers, the others choices
	grids   []grid
	choices []int
}

func newDomain(axes space.Space) *domain {
	d := &domain{}
	for _, a := range axes {
		if _, ok := a.Distribution.(*space.CategoricalDistribution); !ok {
			d.axes = append(d.axes, a)
			d.grids = append(d.grids, newGrid(a.Distribution))
		}
	}
	d.numbers = len(d.axes)
	for _, a := range axes {
		if _, ok := a.Distribution.(*space.CategoricalDistribution); ok {
			d.axes = append(d.axes, a)
			d.choices = append(d.choices, a.Distribution.Len())
		}
	}
	return d
}

// A solution is a point of a domain: where it was drawn on the unit interval of
// each number, and the choices.
type solution struct {
	at      []float64
	choices []int
}

// A search is the state of the search distributions of one domain.
type search struct {
	*domain
	set        Config
	seed       uint64
	generation int
	normal     *evolution  // nil without numbers
	spread     []float64   // A, of the numbers that can be counted; 1 for others
	categories *categories // nil without choices

	restarts int
	large    int          // restarts with a large population
	regime   int          // 0: the population is small, 1: it is large
	spent    [2]int       // solutions used in each regime
	best     []float64    // of recent generations since the restart
	last     []*candidate // the batch of the last generation since the restart, which the next one uses again
}

func newSearch(d *domain, set Config, seed uint64) *search {
	s := &search{domain: d, set: set, seed: seed}
	center := make([]float64, d.numbers)
	for i := range center {
		center[i] = 0.5
	}
	s.begin(center, set.Sigma, s.smallest())
	return s
}

// smallest returns the population before any restart, λ₀.
func (s *search) smallest() int {
	if s.set.Population > 0 {
		return s.set.Population
	}
	return 4 + int(3*math.Log(float64(len(s.axes))))
}

func (s *search) lambda() int {
	if s.normal != nil {
		return s.normal.lambda
	}
	return s.smallest()
}

// batch returns the number of new trials from which the next generation is made.
func (s *search) batch() int {
	if s.overlaps() {
		return (3*s.lambda() + 3) / 4
	}
	return s.lambda()
}

// overlaps reports whether a generation also uses the batch of the generation before. If parallel workers draw from a
// distribution that is about to move, generations split into two searches that take turns, unless they overlap. With
// noise, which AdaptRate is for, a lucky trial would count twice; and a distribution over values that can be counted
// would narrow too early.
func (s *search) overlaps() bool {
	return !s.set.AdaptRate && slices.ContainsFunc(s.grids, func(g grid) bool { return g.n == 0 })
}

// mostDense is the greatest number of dimensions with a covariance matrix.
const mostDense = 100

// begin starts afresh from a mean.
func (s *search) begin(mean []float64, sigma float64, lambda int) {
	s.best, s.last = nil, nil
	if len(s.choices) > 0 {
		s.categories = newCategories(s.choices)
	}
	if s.numbers == 0 {
		return
	}
	s.normal = newEvolution(mean, sigma, lambda, s.set.Separable || s.numbers > mostDense)
	if s.set.AdaptRate {
		s.normal.rate = newRate(s.numbers)
	}
	s.spread = make([]float64, s.numbers)
	for i := range s.spread {
		s.spread[i] = 1
	}
	s.margin()
}

// warm starts from the best tenth of injected solutions, best first, at least ten: from the distribution of the
// points near them (Nomura, Watanabe, Akimoto, Ozaki and Onishi, "Warm Starting CMA-ES for Hyperparameter
// Optimization", AAAI 2021, γ = α = 0.1). If values are fixed that most of them lack, they belong to a
// different task.
func (s *search) warm(solutions []solution, another bool) {
	top := solutions[:len(solutions)/10]
	if s.numbers > 0 {
		d := s.numbers
		mean := make([]float64, d)
		for _, p := range top {
			floats.AddScaled(mean, 1/float64(len(top)), p.at)
		}
		cov := mat.NewSymDense(d, nil)
		off := make([]float64, d)
		for _, p := range top {
			floats.SubTo(off, p.at, mean)
			cov.SymRankOne(cov, 1/float64(len(top)), mat.NewVecDense(d, off))
		}
		widen := widest
		if !another {
			widen = widening(cov, len(top))
		}
		for i := range d {
			cov.SetSym(i, i, cov.At(i, i)+widen)
		}
		var factor mat.Cholesky
		if !factor.Factorize(cov) { // positive definite by α², unless a coordinate is NaN
			return
		}
		sigma := math.Exp(factor.LogDet() / 2 / float64(d))
		s.begin(mean, sigma, s.lambda())
		s.normal.c.ScaleSym(1/(sigma*sigma), cov)
		if s.normal.separable {
			for i := range d {
				for j := range i {
					s.normal.c.SetSym(i, j, 0)
				}
			}
		}
		s.normal.decompose()
		s.margin()
	}
	if s.categories != nil {
		for i, q := range s.categories.q {
			floats.Scale(0.5, q) // half from the distribution so far, half from the best solutions
			for _, p := range top {
				q[p.choices[i]] += 0.5 / float64(len(top))
			}
		}
		s.categories.keep()
	}
}

// widest is the variance that a warm start adds to the covariance in each direction, α² of
// the paper, which expects the trials of another task.
const widest = 0.01

// widening returns the addition for n points of the same task: their mean variance times the number of dimensions
// divided by n, at most widest.
func widening(cov *mat.SymDense, n int) float64 {
	const least = 1e-8
	return math.Min(math.Max(cov.Trace()/float64(n), least), widest)
}

// draw returns a new solution. Coordinates of given that are not NaN, and choices
// of given that are not negative, are kept, and the others drawn in the light of
// them.
func (s *search) draw(given solution, rng *rand.Rand) solution {
	p := solution{make([]float64, s.numbers), make([]int, len(s.choices))}
	for i := range p.choices {
		if p.choices[i] = given.choices[i]; p.choices[i] < 0 {
			p.choices[i] = s.categories.draw(i, rng)
		}
	}
	if s.numbers == 0 {
		return p
	}
	e := s.normal
	z, y := make([]float64, e.d), make([]float64, e.d)
	for range 10 * e.d { // a draw outside of the box is drawn again
		for i := range z {
			z[i] = rng.NormFloat64()
		}
		e.draw(y, z)
		for i := range y {
			p.at[i] = e.mean[i] + e.sigma*s.spread[i]*y[i]
		}
		s.condition(p.at, given.at)
		if s.inside(p.at) {
			return p
		}
	}
	for i := range p.at {
		if s.grids[i].n == 0 {
			p.at[i] = math.Min(math.Max(p.at[i], 0), 1)
		}
	}
	return p
}

func (s *search) inside(at []float64) bool {
	for i, u := range at {
		if s.grids[i].n == 0 && !(0 <= u && u <= 1) {
			return false
		}
	}
	return true
}

// condition turns a draw of the joint distribution into a draw of its conditional distribution given some
// coordinates: x + Σ_ab Σ_bb⁻¹ (given - x_b), Matheron's rule.
func (s *search) condition(at, given []float64) {
	var fixed []int
	for i, u := range given {
		if !math.IsNaN(u) {
			fixed = append(fixed, i)
		}
	}
	if len(fixed) == 0 {
		return
	}
	cov := func(i, j int) float64 { return s.spread[i] * s.spread[j] * s.normal.c.At(i, j) }
	within := mat.NewSymDense(len(fixed), nil)
	off := mat.NewVecDense(len(fixed), nil)
	for a, i := range fixed {
		for b, j := range fixed[:a+1] {
			within.SetSym(a, b, cov(i, j))
		}
		off.SetVec(a, given[i]-at[i])
	}
	var factor mat.Cholesky
	var pull mat.VecDense
	if factor.Factorize(within) && factor.SolveVecTo(&pull, off) == nil {
		for i := range at {
			for b, j := range fixed {
				at[i] += cov(i, j) * pull.AtVec(b)
			}
		}
	}
	for _, i := range fixed {
		at[i] = given[i]
	}
}

// A scored solution is one that was evaluated. Own means that it was drawn from
// the distribution as it is now.
type scored struct {
	solution
	loss float64 // NaN if there is none
	own  bool
}

// update learns from at least λ solutions, best first.
func (s *search) update(solutions []scored) {
	s.generation++
	if s.categories != nil {
		chosen := make([][]int, len(solutions))
		for i, p := range solutions {
			chosen[i] = p.choices
		}
		s.categories.update(chosen)
	}
	if s.numbers == 0 {
		return
	}
	e := s.normal
	steps := make([][]float64, len(solutions))
	white := make([]float64, e.d)
	// The maximum length of an injected step (Hansen, "Injecting External Solutions Into
	// CMA-ES", arXiv:1110.4181, table 1).
	longest := math.Sqrt(float64(e.d)) + 2*float64(e.d)/float64(e.d+2)
	for i, p := range solutions {
		y := make([]float64, e.d)
		for j, u := range p.at {
			y[j] = (u - e.mean[j]) / (e.sigma * s.spread[j])
		}
		if !p.own {
			e.whiten(white, y)
			if n := floats.Norm(white, 2); n > longest {
				floats.Scale(longest/n, y)
			}
		}
		steps[i] = y
	}
	e.update(steps)
	for i := range e.mean {
		if s.grids[i].n == 0 {
			e.mean[i] = math.Min(math.Max(e.mean[i], 0), 1)
		}
	}
	s.margin()
	s.best = append(s.best, solutions[0].loss)
	if s.stuck(solutions) {
		s.restart()
	}
}

// margin keeps discrete values reachable.
func (s *search) margin() {
	margin := 1 / float64(len(s.axes)*s.normal.lambda)
	for i, g := range s.grids {
		if g.n > 0 {
			deviation := s.normal.sigma * math.Sqrt(s.normal.c.At(i, i))
			g.keep(s.axes[i].Distribution, &s.normal.mean[i], &s.spread[i], deviation, margin)
		}
	}
}

// stuck reports whether the distribution can no longer make progress (Hansen's tutorial,
// section B.3).
func (s *search) stuck(solutions []scored) bool {
	e := s.normal
	const tolerance = 1e-12
	flat := 10 + int(math.Ceil(30*float64(e.d)/float64(e.lambda)))
	if len(s.best) > flat {
		s.best = slices.Delete(s.best, 0, len(s.best)-flat)
	}
	if len(s.best) == flat {
		recent := slices.Clone(s.best)
		for _, p := range solutions {
			if !math.IsNaN(p.loss) {
				recent = append(recent, p.loss)
			}
		}
		low, high := slices.Min(recent), slices.Max(recent)
		if high-low <= tolerance*math.Max(1, math.Abs(low)) {
			return true
		}
	}
	small := true
	for i := range e.d {
		deviation := e.sigma * math.Max(math.Sqrt(e.c.At(i, i)), math.Abs(e.pathC[i]))
		small = small && deviation < tolerance*s.set.Sigma
	}
	least, most := slices.Min(e.roots), slices.Max(e.roots)
	return small || e.sigma*most > 1e4*s.set.Sigma || most/least > 1e7
}

// restart starts again at a random place, with a larger population (Auger and
// Hansen, "A Restart CMA Evolution Strategy With Increasing Population Size", CEC
// 2005) or, in turns by what each has used so far, a small one (Hansen,
// "Benchmarking a BI-Population CMA-ES", GECCO 2009).
func (s *search) restart() {
	s.restarts++
	rng := rand.New(rand.NewPCG(s.seed, uint64(s.restarts)))
	mean := make([]float64, s.numbers)
	for i := range mean {
		mean[i] = rng.Float64()
	}
	lambda, sigma := s.smallest(), s.set.Sigma
	if s.set.Restart == BIPOP && s.restarts > 1 && s.spent[0] < s.spent[1] {
		s.regime = 0
		// Between λ₀ and half of the last large population.
		lambda = int(float64(lambda) * math.Pow(math.Exp2(float64(s.large))/2, math.Pow(rng.Float64(), 2)))
		sigma *= math.Pow(100, -rng.Float64())
	} else {
		const most = 10 // 1024 λ₀
		s.regime, s.large = 1, min(s.large+1, most)
		lambda <<= s.large
	}
	s.begin(mean, sigma, max(lambda, s.smallest()))
}

// clone returns a copy of s that can be updated by itself.
func (s *search) clone() *search {
	c := *s
	c.best = slices.Clone(s.best)
	c.spread = slices.Clone(s.spread)
	if s.categories != nil {
		k := *s.categories
		k.path = slices.Clone(k.path)
		k.q = make([][]float64, len(s.categories.q))
		for i, q := range s.categories.q {
			k.q[i] = slices.Clone(q)
		}
		c.categories = &k
	}
	if s.normal != nil {
		e := *s.normal
		e.mean, e.pathSigma, e.pathC = slices.Clone(e.mean), slices.Clone(e.pathSigma), slices.Clone(e.pathC)
		e.roots, e.scratch = slices.Clone(e.roots), make([]float64, e.d)
		e.c = mat.NewSymDense(e.d, nil)
		e.c.CopySym(s.normal.c)
		e.vectors = mat.Dense{}
		if !e.separable {
			e.vectors.CloneFrom(&s.normal.vectors)
		}
		if s.normal.rate != nil {
			r := *s.normal.rate
			r.mean.average, r.cov.average = slices.Clone(r.mean.average), slices.Clone(r.cov.average)
			e.rate = &r
		}
		c.normal = &e
	}
	return &c
}

// point returns the coordinate that a solution has on an axis of the domain.
func (d *domain) point(i int, p solution) float64 {
	if i < d.numbers {
		return unit.From(d.axes[i].Distribution, p.at[i])
	}
	return float64(p.choices[i-d.numbers])
}
