package random_test

import (
	"testing"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/sampler/samplertest"
	"github.com/attune-hpo/attune/space"
)

func TestLaws(t *testing.T) {
	samplertest.Run(t, samplertest.Config{New: func(space.Space) sampler.Sampler { return random.Sampler{} }, Ranks: true})
}
