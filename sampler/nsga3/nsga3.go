// Package nsga3 proposes points by a genetic algorithm for three and more objectives. It differs from package nsga2 in
// the selection: it keeps the points of a front that are nearest to reference lines through the origin, so that the
// front is covered evenly for any number of objectives (Deb and Jain, "An Evolutionary Many-Objective Optimization
// Algorithm Using Reference-Point-Based Nondominated Sorting Approach, Part I", IEEE Transactions on Evolutionary
// Computation 18, 2014).
//
// With two objectives package nsga2 is as good and simpler.
package nsga3

import (
	"cmp"
	"context"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/internal/genetic"
	"github.com/attune-hpo/attune/sampler/random"
)

const pkg fault.Package = "nsga3"

// A Crossover says how the numbers of parents become those of a child. Choices are taken from one of the parents.
type Crossover = genetic.Crossover

// The crossovers.
const (
	DefaultCrossover = genetic.DefaultCrossover // Uniform
	Uniform          = genetic.Uniform          // each number from either parent (Syswerda 1989)
	SBX              = genetic.SBX              // simulated binary crossover, bounded (Deb and Agrawal 1995)
	VSBX             = genetic.VSBX             // SBX to either side of a parent (Ballester and Carter 2003)
	BLX              = genetic.BLX              // BLX-α, α = ½ (Eshelman and Schaffer 1992)
	SPX              = genetic.SPX              // simplex of three parents (Tsutsui et al. 1999)
	UNDX             = genetic.UNDX             // unimodal normal, of three parents (Ono and Kobayashi 1997)
)

// Config configures a [Sampler]. Its zero value stands for the defaults.
type Config struct {
	// Population is the number of trials that may be parents. At least 4. Default a
	// tenth of the trials, at least 10 and at most 100.
	Population int
	// Divisions is the number of parts into which each edge of the simplex of directions is divided, from 1 to 50: p
	// parts give C(m+p-1, p) directions for m objectives. The default is the largest number that gives no more
	// directions than parents, at least 1.
	Divisions int
	// Startup is the number of complete and pruned trials until which Independent draws. At least 2. Default 10.
	Startup int
	// Independent draws the first trials. Default random.Sampler{}.
	Independent sampler.Sampler
	// Crossover makes a child of its parents.
	Crossover Crossover
	// CrossoverRate is the probability that a child has several parents; otherwise it is a mutated copy of one.
	// Default 0.9; negative means 0.
	CrossoverRate float64
	// MutationRate is the probability that a parameter is mutated: numbers by polynomial mutation with the index 2,
	// choices to another choice. Default one over the number of parameters; negative means 0.
	MutationRate float64
}

// A Sampler proposes points by NSGA-III. It is safe for concurrent use, and by several
// studies.
type Sampler struct {
	cfg     Config
	breeder genetic.Breeder
}

var (
	_ sampler.Sampler   = (*Sampler)(nil)
	_ sampler.Validator = (*Sampler)(nil)
)

// New returns a sampler.
func New(cfg Config) *Sampler {
	cfg.Startup = cmp.Or(cfg.Startup, 10)
	cfg.Crossover = cmp.Or(cfg.Crossover, Uniform)
	cfg.CrossoverRate = cmp.Or(cfg.CrossoverRate, 0.9)
	if cfg.Independent == nil {
		cfg.Independent = random.Sampler{}
	}
	return &Sampler{cfg: cfg}
}

// Config returns the settings of s with defaults filled in, except a Population, Divisions and a MutationRate of 0,
// which depend on the study.
func (s *Sampler) Config() Config { return s.cfg }

func (s *Sampler) settings() genetic.Settings {
	c := s.cfg
	return genetic.Settings{
		Independent: c.Independent, Population: c.Population, Startup: c.Startup, Crossover: c.Crossover,
		CrossoverRate: c.CrossoverRate, MutationRate: c.MutationRate, Selection: niches{divisions: c.Divisions},
	}.Resolved()
}

// Validate returns an error that wraps [sampler.ErrInvalid] if a setting is invalid.
func (s *Sampler) Validate() error {
	if d := s.cfg.Divisions; d < 0 || d > mostDivisions {
		return pkg.Errorf("%w: Divisions %d: give 1 to %d, or 0 for the default", sampler.ErrInvalid, d, mostDivisions)
	}
	return s.settings().Validate(pkg)
}

// Sample implements [sampler.Sampler]. It fails with [sampler.ErrInvalid] for invalid settings, and with the errors
// of Config.Independent.
func (s *Sampler) Sample(ctx context.Context, r sampler.Request) (sampler.Proposal, error) {
	if err := s.Validate(); err != nil {
		return sampler.Proposal{}, err
	}
	return s.breeder.Sample(ctx, s.settings(), r)
}
