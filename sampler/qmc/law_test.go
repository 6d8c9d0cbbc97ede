package qmc_test

import (
	"fmt"
	"testing"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/qmc"
	"github.com/attune-hpo/attune/sampler/samplertest"
	"github.com/attune-hpo/attune/space"
)

func TestLaws(t *testing.T) {
	for _, q := range []qmc.Sampler{{}, {Plain: true}, {Sequence: qmc.Halton}, {Sequence: qmc.Halton, Plain: true}} {
		t.Run(fmt.Sprintf("%+v", q), func(t *testing.T) {
			samplertest.Run(t, samplertest.Config{New: func(space.Space) sampler.Sampler { return q }, Ranks: true})
		})
	}
}
