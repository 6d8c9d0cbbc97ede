package importance

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/attune-hpo/attune/internal/selection"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
	"github.com/attune-hpo/attune/trial/pareto"
)

// PEDANOVA compares, for each parameter, the distribution of its values in the best trials
// with the distribution in all trials (Watanabe et al. 2023, PED-ANOVA: Efficiently
// Quantifying Hyperparameter Importance in Arbitrary Subspaces). A parameter matters if its
// values in the best trials lie close together. It does not if they are spread like all
// others.
//
// A conditional parameter is judged among the trials that have it. A parameter whose bounds
// changed is judged separately for each pair of bounds (Kaito et al. 2026, Conditional
// PED-ANOVA). The zero value is ready to use, and gives the values of Optuna 5's evaluator
// with its default settings.
type PEDANOVA struct {
	Target Target
	// Best is the share of the trials that count as the best. With one objective, trials that
	// tie with the last of them count too. With several objectives, whole fronts count, and
	// from the last front the trials that dominate the most volume. Default 0.1.
	Best float64
	// Baseline is the share of the trials, in the same order, with which the best are compared.
	// A value less than 1 asks what distinguishes very good trials from good ones. Default 1,
	// which means all trials.
	Baseline float64
	// Uniform compares the best trials with a uniform distribution over the search
	// space instead, as if a random sampler had drawn all trials.
	Uniform bool
}

// enoughBest is the number of best trials that a comparison should have, as the authors
// advise.
const enoughBest = 5

// Evaluate implements [Evaluator].
func (p PEDANOVA) Evaluate(ctx context.Context, h trial.Snapshot) (Result, error) {
	r, err := p.evaluate(ctx, h)
	if err != nil {
		return Result{}, pkg.Errorf("PED-ANOVA: %w", err)
	}
	return r, nil
}

func (p PEDANOVA) evaluate(ctx context.Context, h trial.Snapshot) (Result, error) {
	best, baseline := p.Best, p.Baseline
	if best == 0 {
		best = 0.1
	}
	if baseline == 0 {
		baseline = 1
	}
	if !(best > 0 && best < baseline && baseline <= 1) {
		return Result{}, fmt.Errorf("%w: best %v and baseline %v: want 0 < best < baseline <= 1", ErrConfig, best, baseline)
	}
	s, err := p.Target.draw(h)
	if err != nil {
		return Result{}, err
	}
	isBest, inRegion := s.best(best), s.best(baseline)
	c := comparison{uniform: p.Uniform}
	for i, r := range s.trials {
		if inRegion[i] {
			c.trials = append(c.trials, r)
			c.best = append(c.best, isBest[i])
			if isBest[i] {
				c.nBest++
			}
		}
	}
	if c.nBest == len(c.trials) {
		return Result{}, fmt.Errorf("%w: the best %d trials are all of them", ErrFlat, c.nBest)
	}

	var params []Param
	regimes := map[string][]regime{}
	varies, rare := false, []string{}
	for _, name := range s.names() {
		if err := context.Cause(ctx); err != nil {
			return Result{}, err
		}
		all, few := c.regimes(name)
		n := 0
		for _, g := range all {
			varies = varies || g.grid.size > 1
			n += len(g.at)
		}
		if few {
			rare = append(rare, name)
		}
		regimes[name] = all
		params = append(params, Param{Name: name, Value: c.importance(all, nil), Trials: n})
	}
	if !varies {
		return Result{}, fmt.Errorf("%w: %d trials", ErrParams, len(s.trials))
	}
	params = sorted(params)
	c.deviations(params, regimes)

	r := Result{Method: "PED-ANOVA", Of: s.of, Params: params, Trials: len(c.trials), Best: c.nBest, R2: math.NaN()}
	if c.nBest < enoughBest {
		r.Doubts = append(r.Doubts, fmt.Sprintf("only %s among the best: want %d, which %d trials would give",
			are(c.nBest, "trial"), enoughBest, int(math.Ceil(enoughBest/best))))
	}
	if len(rare) > 0 {
		r.Doubts = append(r.Doubts, fmt.Sprintf("bounds or conditions that only one trial had were left out: those of %s", some(rare)))
	}
	return r, nil
}

// best returns which trials belong to the best share.
func (s sample) best(share float64) []bool {
	n := len(s.trials)
	is := make([]bool, n)
	k := int(math.Ceil(share * float64(n)))
	if share == 1 {
		k = n
	}
	if s.several() && k < n {
		for _, i := range pareto.Best(s.losses, k) {
			is[i] = true
		}
		return is
	}
	losses := make([]float64, n)
	for i, l := range s.losses {
		losses[i] = l[0]
	}
	at := slices.Clone(losses)
	selection.Partition(at, k-1)
	for i, l := range losses {
		is[i] = k == n || l <= at[k-1]
	}
	return is
}

// A comparison compares the best trials with all trials of the baseline.
type comparison struct {
	trials  []*trial.Record
	best    []bool // by trial
	nBest   int
	uniform bool
}

// A regime has the trials in which a parameter had one distribution, and the cell of its grid
// that has the value of each.
type regime struct {
	grid grid
	at   []int // indices of trials
	cell []int // of each trial
}

// regimes returns the regimes of a parameter that have at least two trials. few reports whether a regime was left out,
// or only one trial lacks the parameter.
func (c comparison) regimes(name string) (all []regime, few bool) {
	groups := map[string]int{}
	var found []regime
	absent := 0
	var last space.Space // of the trial before, which most trials share
	j, g := -1, 0        // the parameter's place there, and its regime
	for i, r := range c.trials {
		if s := r.Params.Space; len(s) == 0 || len(s) != len(last) || &s[0] != &last[0] {
			last = s
			if j = s.Index(name); j >= 0 {
				key := s[j].Distribution.String()
				known := false
				if g, known = groups[key]; !known {
					g = len(found)
					groups[key] = g
					found = append(found, regime{grid: newGrid(s[j].Distribution)})
				}
			}
		}
		if j < 0 {
			absent++
			continue
		}
		found[g].at = append(found[g].at, i)
		found[g].cell = append(found[g].cell, found[g].grid.cell(r.Params.Point[j]))
	}
	for _, g := range found {
		if len(g.at) < 2 {
			few = true
			continue
		}
		all = append(all, g)
	}
	return all, few || absent == 1
}

// importance returns the importance of a parameter with the given regimes, by theorem 4.2 of
// the conditional form. weight says how often each trial counts; nil means once.
func (c comparison) importance(regimes []regime, weight []int) float64 {
	nAll, nBest := len(c.trials), c.nBest
	if weight != nil {
		nAll, nBest = 0, 0
		for i, w := range weight {
			nAll += w
			if c.best[i] {
				nBest += w
			}
		}
	}
	if nBest == 0 {
		return 0
	}
	sum := 0.0
	for _, g := range regimes {
		if g.grid.size < 2 {
			continue
		}
		all, best := make([]int, g.grid.size), make([]int, g.grid.size)
		inAll, inBest := 0, 0
		for k, i := range g.at {
			w := 1
			if weight != nil {
				w = weight[i]
			}
			all[g.cell[k]] += w
			inAll += w
			if c.best[i] {
				best[g.cell[k]] += w
				inBest += w
			}
		}
		if inBest == 0 {
			continue
		}
		alpha, beta := float64(inBest)/float64(nBest), float64(inAll)/float64(nAll)
		local := uniform(g.grid.size)
		if !c.uniform {
			local = g.grid.density(all)
		}
		sum += alpha * alpha / beta * pearson(g.grid.density(best), local)
	}
	quantile := float64(nBest) / float64(nAll)
	return sum * quantile * quantile
}

// pearson returns the χ² divergence of p from q.
func pearson(p, q []float64) float64 {
	sum := 0.0
	for i := range p {
		d := p[i]/q[i] - 1
		sum += q[i] * d * d
	}
	return sum
}

func uniform(n int) []float64 { return slices.Repeat([]float64{1 / float64(n)}, n) }

// resamples is the number of bootstrap samples for the deviation of shares. Each has at
// most resampled trials: the deviation falls with the root of their number.
const (
	resamples = 32
	resampled = 2000
)

// deviations sets the standard deviation of each parameter's share over bootstrap samples of
// the trials. The best trials stay the same.
func (c comparison) deviations(params []Param, regimes map[string][]regime) {
	n := len(c.trials)
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	if n > resampled {
		c, regimes = c.part(rng.Perm(n)[:resampled], params)
	}
	scale := math.Sqrt(float64(len(c.trials)) / float64(n))
	weight := make([]int, len(c.trials))
	sums, squares := make([]float64, len(params)), make([]float64, len(params))
	values := make([]float64, len(params))
	for range resamples {
		clear(weight)
		for range weight {
			weight[rng.IntN(len(weight))]++
		}
		total := 0.0
		for i, p := range params {
			values[i] = c.importance(regimes[p.Name], weight)
			total += values[i]
		}
		for i, v := range values {
			if total > 0 {
				sums[i] += v / total
				squares[i] += v / total * v / total
			}
		}
	}
	for i := range params {
		mean := sums[i] / resamples
		params[i].Deviation = scale * math.Sqrt(max(0, squares[i]/resamples-mean*mean))
	}
}

// part returns the comparison of some of the trials, and the regimes of all parameters
// in it.
func (c comparison) part(chosen []int, params []Param) (comparison, map[string][]regime) {
	p := comparison{uniform: c.uniform}
	for _, i := range chosen {
		p.trials, p.best = append(p.trials, c.trials[i]), append(p.best, c.best[i])
		if c.best[i] {
			p.nBest++
		}
	}
	regimes := map[string][]regime{}
	for _, q := range params {
		regimes[q.Name], _ = p.regimes(q.Name)
	}
	return p, regimes
}
