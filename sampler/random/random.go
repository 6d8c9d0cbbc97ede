// Package random draws every parameter uniformly on its scale. Other samplers use it for their first trials, and must
// perform better.
package random

import (
	"context"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space/unit"
)

// Sampler draws each parameter on its own: a float uniformly between its bounds, or between their logarithms;
// the values of a grid, integers and choices with equal probability; integers on a logarithmic scale in
// proportion to log(x+½) - log(x-½). If there are constraints, it draws from the region that meets them. It
// ignores the history. (Bergstra and Bengio, "Random Search for Hyper-Parameter Optimization", JMLR 13, 2012.)
type Sampler struct{}

var _ sampler.Sampler = Sampler{}

// Sample implements [sampler.Sampler]. It fails if no point meets the constraints.
func (Sampler) Sample(_ context.Context, r sampler.Request) (sampler.Proposal, error) {
	if len(r.Constraints) > 0 {
		point, err := r.Region().Draw(r.Rand)
		return sampler.Proposal{Point: point}, err
	}
	point := make([]float64, len(r.Space))
	for i, a := range r.Space {
		point[i] = unit.Draw(a.Distribution, r.Rand)
	}
	return sampler.Proposal{Point: point}, nil
}
