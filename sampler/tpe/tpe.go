// Package tpe proposes points by the tree-structured Parzen estimator (Bergstra et
// al. 2011, Algorithms for Hyper-Parameter Optimization; Watanabe 2023, arXiv
// 2304.11127), with the rules and defaults of Optuna 5.
//
// The trials are split into a few good ones and the rest. Parzen estimators give the density l of the good trials and
// g of the rest. Candidates are drawn from l, and the one with the highest l/g is proposed. In detail:
//
//   - Complete and pruned trials are observations: feasible complete ones are the
//     best, by value or, for several objectives, by rank of non-domination and
//     hypervolume; then come feasible pruned ones, by how far they got; then those
//     that violate constraints, by how much.
//   - Running trials count among the bad, and so do failed ones, which Optuna ignores. A failed trial has its full
//     weight if failures depend on the parameters, and almost none if trials crash at random; the share of failures
//     among the nearest neighbours of failed trials decides. Interrupted trials are ignored.
//   - All trials take part in the split, but only trials with every axis of the request enter the densities.
//   - Trials far from the request do not decide. A trial is far if it lies outside the bounds by more than a quarter
//     of their distance, which happens after bounds were changed. It is also far if, for a value that was enqueued or
//     fixed by [sampler.Fixed], it has another choice or a number farther away than a fifth of the range. Once there
//     are Startup near trials, the good trials are chosen among them. If there are n near trials, a far one has the
//     weight 1/(1+n)². Values that a sampler has drawn earlier for the same trial do not count as fixed.
//   - Each observation has a kernel: on each axis a normal distribution truncated
//     to the bounds, as wide as the gap to its neighbours, or a distribution over
//     the choices. A last kernel, the prior, covers everything.
//   - In the density g, older trials count less.
//   - In a finite space no configuration is proposed twice as long as there are new ones among the candidates. Optuna
//     has no such rule; see [Config].
//   - If parameters have priors, every second one of the first trials is drawn from them. Later some candidates are,
//     and l/g is multiplied by a power of the prior's density that goes to 1 (πBO).
//   - Candidates that break a constraint are drawn again, and if that fails moved to a point that meets it.
//
// Proposals depend on ranks: they do not change with the scale of the objective or the units of a parameter.
//
// The time of a draw grows in proportion to the number of trials up to 16,384 trials with at least 16 axes
// (twice as many with 8 axes, and so on). Beyond that it stays constant: besides the latest 512 trials, one in
// two, four, eight ... of the bad trials then represents those that are left out. The sampler keeps about 60
// bytes an axis and kernel. Processors with AVX2 and FMA get the same bits faster; across architectures the
// last bits may differ, as those of Go's math package do.
package tpe

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
)

// A Config configures a Sampler. The zero value means the defaults, which are those of Optuna 5 except for Repeat.
type Config struct {
	// Startup is the number of complete and pruned trials until which points are drawn at random. Default 10;
	// negative means none.
	Startup int
	// Candidates is how many points are drawn from l to choose among. Default 24.
	Candidates int
	// Kernel says whether the axes of a joint request are drawn together.
	Kernel Kernel
	// Good is the share of the complete and pruned trials that counts as good, in
	// (0, 1], their number rounded up. Default 0.1.
	Good float64
	// MostGood bounds the number of good trials. Default 25 for one objective,
	// no bound for several; negative means no bound.
	MostGood int
	// IgnoreRunning leaves running trials out of the densities. By default they count among the bad, so that parallel
	// workers do not all search in the same place.
	IgnoreRunning bool
	// Repeat allows proposals of configurations that were tried before, as in Optuna. By default, in a finite space
	// (one without continuous parameters), the proposal is the best candidate that no complete, pruned, failed or
	// running trial has. If there is none, candidates are drawn again, up to ten times in all, and then a repetition
	// is proposed. Once everything has been tried, failed configurations are still avoided in this way. So
	// repetitions are rare, with parallel workers too; [sampler.NoRepeat] rules them out. With the Univariate kernel,
	// each round makes one point of its candidates, and the next one draws half as many; there are up to a hundred.
	//
	// A configuration is the values of all parameters that vary. If some of them are given (at a condition, in an
	// enqueued trial, by [sampler.Fixed]), repetitions are not avoided.
	Repeat bool
}

// A Kernel says how many axes a kernel spans.
type Kernel uint8

// The kernels.
const (
	DefaultKernel Kernel = iota // Multivariate for one objective, Univariate for several
	Multivariate                // all axes of a request at once, which captures dependencies between them
	Univariate                  // one axis after the other, each on its own
)

// String returns the name of k in lower case.
func (k Kernel) String() string {
	names := [...]string{"default", "multivariate", "univariate"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("kernel(%d)", uint8(k))
}

// A Sampler is a [sampler.Sampler]. Make one with [New]. It caches its computations for the last few histories, which
// changes its speed but not its proposals. It may serve several studies at once.
type Sampler struct {
	config Config
	most   bounds
	memory sampler.Memory[history]
}

var _ sampler.Sampler = (*Sampler)(nil)

// New returns a sampler with the given settings.
func New(c Config) *Sampler { return &Sampler{config: c, most: usual} }

// Config returns the settings of s, as they were given to [New].
func (s *Sampler) Config() Config { return s.config }

// Sample implements [sampler.Sampler]. It fails if no point meets the constraints.
func (s *Sampler) Sample(_ context.Context, r sampler.Request) (sampler.Proposal, error) {
	p := sampler.Proposal{Point: make([]float64, len(r.Space))}
	var err error
	s.memory.Use(r.History, func(k *history) {
		k.indexes.most = s.most
		err = k.sample(s.config.resolved(r.History.Objectives()), r, p.Point)
	})
	return p, err
}

// sample writes the proposal for r to point.
func (k *history) sample(c Config, r sampler.Request, point []float64) error {
	region := r.Region()
	k.split.update(r.History, nil)
	k.places.update(r.History)
	tried := k.past(c, r)
	startup := r.History.Evaluated() < c.Startup
	var good []int
	if !startup {
		good = thinned(k.split.best(c.good(k.split.total)), k.indexes.most.good)
	}
	for range rounds(c.Kernel) {
		switch {
		case startup:
			drawn, err := region.Draw(r.Rand)
			if err != nil {
				return err
			}
			copy(point, drawn)
			if r.Number%2 == 0 && r.Believes() {
				if err := r.Believe(point, r.Number == 0); err != nil {
					return err
				}
			}
		case c.Kernel == Multivariate:
			if err := k.draw(c, good, r, region, tried, point); err != nil {
				return err
			}
		default:
			for i, a := range r.Space {
				axis := r
				axis.Space = space.Space{a}
				axis.Constraints = nil
				if err := k.draw(c, good, axis, axis.Region(), nil, point[i:i+1]); err != nil {
					return err
				}
			}
			if err := region.Move(point, r.Rand); err != nil {
				return err
			}
			c.Candidates = (c.Candidates + 1) / 2 // with as many again the same would win
		}
		if tried == nil || !tried.has(point) {
			return nil
		}
	}
	return nil
}

// resolved returns c with defaults in place of zeros.
func (c Config) resolved(objectives int) Config {
	if c.Startup == 0 {
		c.Startup = 10
	}
	if c.Candidates <= 0 {
		c.Candidates = 24
	}
	if !(c.Good > 0) {
		c.Good = 0.1
	}
	if c.Kernel == DefaultKernel {
		c.Kernel = Multivariate
		if objectives > 1 {
			c.Kernel = Univariate
		}
	}
	if c.MostGood == 0 && objectives == 1 {
		c.MostGood = 25
	}
	if c.MostGood <= 0 {
		c.MostGood = math.MaxInt
	}
	return c
}

// good returns how many of n trials are good.
func (c Config) good(n int) int {
	return min(int(math.Ceil(c.Good*float64(n))), c.MostGood, n)
}

// draw writes the best candidate for the axes of r to point, preferring untried candidates.
func (k *history) draw(c Config, good []int, r sampler.Request, region *sampler.Region, tried *past, point []float64) error {
	x := k.indexes.of(r.Space, r.Number)
	x.update(c, r, good, &k.places)
	several := r.History.Objectives() > 1
	w := &k.work

	stride := (c.Candidates + candidates - 1) / candidates * candidates
	w.points = slices.Grow(w.points[:0], stride*len(x.axes))[:stride*len(x.axes)]
	x.l.weigh(several)
	w.cumulative = w.cumulative[:0]
	sum := 0.0
	for s := range x.l.numbers {
		sum += x.l.weights[s]
		w.cumulative = append(w.cumulative, sum)
	}
	believed, trials := 0, r.History.Evaluated()
	if r.Believes() {
		believed = c.Candidates * sampler.Trust / (2 * max(sampler.Trust, trials)) * sampler.Trust / max(sampler.Trust, trials)
	}
	for i := range c.Candidates {
		x.l.sample(r.Rand, w.cumulative, w.points[i:], stride)
		if i < believed {
			for d, a := range r.Space {
				if a.Prior != nil {
					w.points[d*stride+i] = x.axes[d].valueOf(sampler.Believed(a, false, r.Rand))
				}
			}
		}
		if region.Free() {
			continue
		}
		const again = 5
		for range again {
			for d := range x.axes {
				point[d] = x.axes[d].coordinate(w.points[d*stride+i])
			}
			if region.Contains(point) {
				break
			}
			x.l.sample(r.Rand, w.cumulative, w.points[i:], stride)
		}
		for d := range x.axes {
			point[d] = x.axes[d].coordinate(w.points[d*stride+i])
		}
		if !region.Contains(point) {
			if err := region.Move(point, r.Rand); err != nil {
				return err
			}
			for d := range x.axes {
				w.points[d*stride+i] = x.axes[d].valueOf(point[d])
			}
		}
	}
	for d := range x.axes { // the rest of the stride does not matter
		row := w.points[d*stride:][:stride]
		for i := c.Candidates; i < stride; i++ {
			row[i] = row[0]
		}
	}

	if c.Candidates == 1 {
		for d := range x.axes {
			point[d] = x.axes[d].coordinate(w.points[d*stride])
		}
		return nil
	}
	w.scores = slices.Grow(w.scores[:0], c.Candidates)[:c.Candidates]
	clear(w.scores)
	x.l.logPDF(w.points, w.scores, 1, several, w)
	x.g.logPDF(w.points, w.scores, -1, false, w)
	if r.Believes() {
		for d, a := range r.Space {
			for i := range w.scores {
				w.scores[i] += sampler.Belief(a, x.axes[d].coordinate(w.points[d*stride+i]), trials)
			}
		}
	}
	top, fresh := 0, false
	for i, score := range w.scores {
		if fresh && !(score > w.scores[top]) {
			continue
		}
		isNew := tried == nil || !tried.hasValues(w.points[i:], stride)
		if isNew && !fresh || score > w.scores[top] && isNew == fresh {
			top, fresh = i, isNew
		}
	}
	for d := range x.axes {
		point[d] = x.axes[d].coordinate(w.points[d*stride+top])
	}
	return nil
}
