// Package qmc proposes the points of a low-discrepancy sequence: like random search it ignores results, but it leaves
// no holes and makes no clusters.
//
// The trial with number n gets the n-th point of the sequence, so studies resume and share work between processes
// without any bookkeeping. Optuna's QMCSampler counts in an attribute of the study instead; the sequences are
// otherwise the same. They differ if some trials were enqueued or drawn by another sampler: attune leaves out the
// points of these trials.
//
// The dimension of a parameter is the rank of its name among the parameters of complete and pruned trials so
// far, without parameters that have a single value; new parameters follow, by name. So parameters that an
// objective suggests one by one have different dimensions. Every block of 2^k trials of a Sobol' sequence fills
// the space evenly, so 2^k trials are a good number to run.
//
// If the point of a trial breaks a constraint, a point of a later block takes its place.
package qmc

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space/unit"
)

const pkg fault.Package = "qmc"

// A Sequence is a kind of low-discrepancy sequence.
type Sequence uint8

// The sequences.
const (
	// Sobol is the sequence of Sobol' with the direction numbers of Joe and Kuo (SIAM J.
	// Sci. Comput. 30, 2008), in the order of the Gray code. It has 2^32 points, and then
	// repeats.
	Sobol Sequence = iota
	// Halton is the sequence of Halton (Numer. Math. 2, 1960): the i-th dimension
	// counts in the i-th prime base.
	Halton
)

// String returns "sobol" or "halton".
func (s Sequence) String() string {
	switch s {
	case Sobol:
		return "sobol"
	case Halton:
		return "halton"
	}
	return fmt.Sprintf("sequence(%d)", uint8(s))
}

// Dimensions is the number of dimensions of a sequence. Parameters beyond it are
// drawn at random.
const Dimensions = 1111

// Sampler proposes the points of a scrambled Sobol' sequence, or as its fields
// say. Scrambling depends on the seed of the study alone.
type Sampler struct {
	Sequence Sequence // Default Sobol.
	// Plain leaves the sequence as it is. It is then the same in every study, and
	// begins with the point where every parameter is at its lower bound or first
	// choice, which is kept: without it, blocks of 2^k points would not be even
	// (Owen, "On dropping the first Sobol' point", 2020).
	Plain bool
}

var (
	_ sampler.Sampler   = Sampler{}
	_ sampler.Validator = Sampler{}
)

// Validate returns an error that wraps [sampler.ErrInvalid] if there is no such
// Sequence.
func (q Sampler) Validate() error {
	if q.Sequence > Halton {
		return pkg.Errorf("%w: %v: use Sobol or Halton", sampler.ErrInvalid, q.Sequence)
	}
	return nil
}

// later is the distance, in points, to the next point that may replace a point, and laters is how many are tried.
const (
	later  = 1 << 16
	laters = 64
)

// Sample implements [sampler.Sampler]. It fails if Validate does, and if no point meets the
// constraints.
func (q Sampler) Sample(_ context.Context, r sampler.Request) (sampler.Proposal, error) {
	if err := q.Validate(); err != nil {
		return sampler.Proposal{}, err
	}
	region, dims := r.Region(), dimensions(r)
	for i := range laters {
		if point := q.point(r, dims, r.Number+i*later); region.Contains(point) {
			return sampler.Proposal{Point: point}, nil
		}
	}
	point, err := region.Draw(r.Rand)
	return sampler.Proposal{Point: point}, err
}

// point returns the point of a number in the sequence.
func (q Sampler) point(r sampler.Request, dims []int, number int) []float64 {
	seed := r.History.Header().Seed
	point := make([]float64, len(r.Space))
	for i, dim := range dims {
		var u float64
		switch {
		case dim >= Dimensions:
			u = r.Rand.Float64()
		case q.Sequence == Halton && q.Plain:
			u = halton(number, dim)
		case q.Sequence == Halton:
			u = scrambledHalton(number, dim, seed)
		case q.Plain:
			u = sobol(number, dim)
		default:
			u = scrambledSobol(number, dim, seed)
		}
		point[i] = unit.From(r.Space[i].Distribution, u)
	}
	return point
}

// dimensions returns the dimension of each axis of r.Space. The requests of one
// trial, which have one history, get distinct ones.
func dimensions(r sampler.Request) []int {
	known := make([]string, 0, 2*len(r.Space))
	for _, g := range r.History.Groups() {
		for _, a := range g {
			if a.Distribution.Len() != 1 {
				known = append(known, a.Name)
			}
		}
	}
	slices.Sort(known)

	next := len(known)
	for _, a := range r.Given.Space {
		if _, ok := slices.BinarySearch(known, a.Name); !ok && a.Distribution.Len() != 1 {
			next++
		}
	}
	// New parameters are sorted by name, so that the order of a declaration does not matter.
	byName := make([]int, len(r.Space))
	for i := range byName {
		byName[i] = i
	}
	slices.SortFunc(byName, func(i, j int) int { return cmp.Compare(r.Space[i].Name, r.Space[j].Name) })
	dims := make([]int, len(r.Space))
	for _, i := range byName {
		rank, ok := slices.BinarySearch(known, r.Space[i].Name)
		if !ok {
			rank, next = next, next+1
		}
		dims[i] = rank
	}
	return dims
}
