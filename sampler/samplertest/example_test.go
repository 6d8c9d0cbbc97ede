package samplertest_test

import (
	"testing"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/sampler/samplertest"
	"github.com/attune-hpo/attune/space"
)

func ExampleRun() {
	// In a file that ends in _test.go this is func TestLaws(t *testing.T).
	_ = func(t *testing.T) {
		samplertest.Run(t, samplertest.Config{
			New:   func(space.Space) sampler.Sampler { return random.Sampler{} },
			Ranks: true, // it does not even look at the values
		})
	}
}
