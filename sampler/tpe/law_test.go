package tpe_test

import (
	"fmt"
	"testing"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/samplertest"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/space"
)

func TestLaws(t *testing.T) {
	for _, c := range []tpe.Config{{}, {Kernel: tpe.Univariate}, {IgnoreRunning: true, Repeat: true, Startup: -1}} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			samplertest.Run(t, samplertest.Config{New: func(space.Space) sampler.Sampler { return tpe.New(c) }, Ranks: true})
		})
	}
}
