// Package samplertest tests that a sampler keeps the contract of package sampler. Run it from the sampler's own
// tests:
//
//	func TestSampler(t *testing.T) {
//		samplertest.Run(t, samplertest.Config{
//			New: func(space.Space) sampler.Sampler { return mine.New() },
//		})
//	}
//
// Run it under the race detector too. Each law is a subtest, named after its requirement; a failure names the space,
// the trial and both answers. The suite calls Sample as a study does: one level of conditions at a time, never for a
// parameter with a single value, and with some trials pruned, failed, infeasible and still running.
//
// The suite does not measure how well a sampler searches: a random sampler passes it.
package samplertest

import (
	"testing"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
)

// Config says which sampler to test, and which of the optional laws apply to it.
type Config struct {
	// New returns a new sampler for studies of a space. Most samplers serve any
	// space and ignore it; a grid makes its values from it. Samplers that New
	// returns for equal spaces have equal settings. Required.
	New func(s space.Space) sampler.Sampler

	// Trials is the number of trials in a study of the suite. It should be well above the number that the sampler
	// draws at random before it learns. Default 40.
	Trials int

	// Ranks says that the sampler uses only the order of values: with one objective, a monotone transform of it
	// changes no proposal.
	Ranks bool

	// Finite says that the sampler runs out of points: it implements
	// [sampler.Finite] and visits every point of a finite space once.
	Finite bool

	// OneObjective says that the sampler refuses a study of several objectives, with
	// an error that wraps [sampler.ErrInvalid].
	OneObjective bool

	// OneSpace says that the sampler serves the space that it was made for, and may
	// refuse any other with an error that wraps [sampler.ErrInvalid] or
	// [space.ErrOutside].
	OneSpace bool
}

// law is what every sampler keeps, or those that a Config names.
type law struct {
	name  string
	check func(t testing.TB, c Config)
}

var laws = []law{
	{"valid settings", valid},
	{"the same request has the same answer", pure},
	{"a request and its history stay as they are", unchanged},
	{"a cancelled context costs one proposal at most", cancelled},

	{"points lie in the space", inside},
	{"conditions", conditions},
	{"constraints", constraints},
	{"a thousand parameters", thousand},
	{"a space that changes", changing},
	{"rescaled intervals rescale the proposals", rescaled},

	{"maximizing f is minimizing -f", mirrored},
	{"a monotone transform changes nothing", monotone},
	{"several objectives", severalObjectives},

	{"a resumed study goes on as an uninterrupted one", resumed},
	{"the order of finishing does not matter", order},
	{"an older view is what it was", older},
	{"a view of some trials knows no others", scoped},
	{"odd histories", odd},
	{"studies of one and three trials", few},
	{"ten thousand trials", many},
	{"ten thousand choices", choices},
	{"a study that teaches nothing goes on exploring", silent},

	{"parallel trials go to different places", parallel},
	{"studies that share a sampler do not notice", shared},
	{"a finite sampler visits each point once", exhausted},
}

// Run runs the suite, one subtest a law. It takes a second or so for a sampler
// that answers within a millisecond.
func Run(t *testing.T, c Config) {
	c = c.resolved()
	for _, l := range laws {
		t.Run(l.name, func(t *testing.T) { l.check(t, c) })
	}
}

func (c Config) resolved() Config {
	if c.Trials <= 0 {
		c.Trials = 40
	}
	return c
}
