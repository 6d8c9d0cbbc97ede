// Package cmaes proposes points by an evolution strategy: it keeps a normal distribution over the numeric
// parameters, draws points from it, and moves and reshapes it by the ranks of their results (Hansen and
// Ostermeier, "Completely Derandomized Self-Adaptation in Evolution Strategies", Evolutionary Computation 9,
// 2001; Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv:1604.00772).
//
// It is the sampler for studies of several hundred trials and more over numeric parameters that depend on one
// another. Integers and stepped floats are drawn with a margin, so that no value becomes unreachable; choices
// have probabilities that are learnt, too (CatCMA). Only ranks count: a monotone transform of the objective
// changes nothing.
//
// # How a study is used
//
// The distribution is a function of the study's history. It learns from a batch of ¾ λ finished trials at a time,
// together with the batch before. This is not in the papers; within some hundred trials it comes nearer to the optimum
// than batches of λ that are used once, which remain where all parameters can be counted. The first trial drawn from the
// updated distribution notes the numbers of the batch, so that every process, also after a resume, computes the same
// distribution. No finished trial is left out: late trials of parallel workers, enqueued trials and trials of other
// samplers count as injected solutions. If there are thirty or more of these when the search begins, it starts from the
// best of them.
//
// Pruned trials rank behind complete ones, by how far they got and what they reported last;
// failed trials rank last. Interrupted trials do not count.
//
// The search is over the parameters that all trials have. Config.Independent draws the other parameters and, if the
// space is not declared, all parameters until a trial has finished. Values that a sampler has already drawn for a
// trial are taken into account when the rest is drawn.
//
// So is a fixed value (enqueued, or from [sampler.Fixed]) if it lies within three standard deviations of the
// distribution's mean. Otherwise the fixed values get a search of their own over the other parameters. It learns from
// trials with about the same values: the same choices, and numbers within a fifth of the range. It starts from the
// best of these trials, or of the thirty nearest trials if there are fewer.
package cmaes

import (
	"context"
	"errors"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
)

const pkg fault.Package = "cmaes"

// A Restart says what happens when the distribution has collapsed or no longer moves.
type Restart uint8

// The ways to restart.
const (
	// IPOP doubles the population each time and starts at a random place.
	IPOP Restart = iota
	// BIPOP alternates between such large populations and small ones, so that both use about the same number of
	// trials.
	BIPOP
)

// Config configures a [Sampler]. Its zero value stands for the defaults.
type Config struct {
	// Independent draws the parameters that the search does not. Default random.Sampler{}.
	Independent sampler.Sampler
	// Sigma is the initial standard deviation, as a share of each parameter's range. Default 1/6.
	Sigma float64
	// Population is λ. The distribution is updated after ¾ λ trials or, with AdaptRate and where all parameters can be
	// counted, after λ. Restarts enlarge it. At least 4. Default 4 + ⌊3 ln d⌋ for d parameters.
	Population int
	// Restart says how the population changes at restarts. Default IPOP.
	Restart Restart
	// Separable gives each parameter a variance and no covariances. It learns faster in
	// many dimensions, and cannot follow parameters that depend on one another. With more
	// than 100 parameters this is always so, because a covariance matrix costs the cube of
	// their number.
	Separable bool
	// AdaptRate adapts the learning rates to the noise. It helps if the objective is noisy or has many local minima,
	// and slows other searches down. Every trial then counts once.
	AdaptRate bool
	// Cold starts at the centre, regardless of earlier trials in the study.
	Cold bool
}

// A Sampler proposes points by CMA-ES. It is safe for concurrent use, and by
// several studies.
type Sampler struct {
	cfg    Config
	memory sampler.Memory[searches]
}

var (
	_ sampler.Sampler   = (*Sampler)(nil)
	_ sampler.Validator = (*Sampler)(nil)
)

// New returns a sampler.
func New(cfg Config) *Sampler {
	if cfg.Independent == nil {
		cfg.Independent = random.Sampler{}
	}
	if cfg.Sigma == 0 {
		cfg.Sigma = 1.0 / 6
	}
	return &Sampler{cfg: cfg}
}

// Config returns the settings of s, its defaults filled in.
func (s *Sampler) Config() Config { return s.cfg }

// Validate returns an error that wraps [sampler.ErrInvalid] if a setting makes no
// sense.
func (s *Sampler) Validate() error {
	switch c := s.cfg; {
	case !(0 < c.Sigma && c.Sigma <= 10):
		return pkg.Errorf("%w: sigma %v: give a share of the range, such as 0.2", sampler.ErrInvalid, c.Sigma)
	case c.Population != 0 && c.Population < 4:
		return pkg.Errorf("%w: population %d: give 4 or more, or 0 for the default", sampler.ErrInvalid, c.Population)
	case c.Restart > BIPOP:
		return pkg.Errorf("%w: restart %d: there are IPOP and BIPOP", sampler.ErrInvalid, c.Restart)
	}
	if v, ok := s.cfg.Independent.(sampler.Validator); ok {
		return v.Validate()
	}
	return nil
}

// errObjectives is part of the error for a study of several objectives.
var errObjectives = errors.New("CMA-ES needs exactly one objective")

// Sample implements [sampler.Sampler]. It fails with [sampler.ErrInvalid] in a
// study of several objectives, and with the errors of [Config.Independent].
func (s *Sampler) Sample(ctx context.Context, r sampler.Request) (sampler.Proposal, error) {
	if err := s.Validate(); err != nil {
		return sampler.Proposal{}, err
	}
	if n := r.History.Objectives(); n > 1 {
		return sampler.Proposal{}, pkg.Errorf("%w: %w; the study has %d", sampler.ErrInvalid, errObjectives, n)
	}
	axes := searched(r)
	if axes == nil {
		return s.cfg.Independent.Sample(ctx, r)
	}
	k := newKey(axes, r)
	var p sampler.Proposal
	var err error
	s.memory.Use(r.History, func(m *searches) { p, err = m.which(s.cfg, k, r.History).propose(s.cfg, r) })
	return p, err
}

// searched returns the axes of the search for r, including fixed ones, by name, or nil if there is no search.
func searched(r sampler.Request) space.Space {
	common := r.History.Common()
	var axes space.Space
	for _, a := range common {
		if a.Distribution.Len() != 1 {
			axes = append(axes, a)
		}
	}
	if len(axes) == 0 { // nothing has finished: a declared space is drawn at once
		if len(r.Given.Space) > 0 || len(r.Space) < 2 {
			return nil
		}
		axes = append(axes, r.Space...)
	}
	sortByName(axes)
	for _, a := range r.Space {
		i := axes.Index(a.Name)
		if i < 0 {
			return nil
		}
		axes[i] = a // its bounds may have changed
	}
	return axes
}
