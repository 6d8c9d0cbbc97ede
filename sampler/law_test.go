package sampler_test

import (
	"testing"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/sampler/samplertest"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/space"
)

func TestLaws(t *testing.T) {
	lowest := func(s space.Space) space.Setting { // of the first parameter
		d := s[0].Distribution
		return space.Setting{Name: s[0].Name, Value: d.Decode(d.At(0))}
	}
	for name, c := range map[string]samplertest.Config{
		"the sampler of the example": {New: func(space.Space) sampler.Sampler { return Climber{} }},
		"no repeat":                  {New: func(space.Space) sampler.Sampler { return sampler.NoRepeat(random.Sampler{}) }, Finite: true},
		"fixed": {New: func(s space.Space) sampler.Sampler {
			return sampler.Fixed(tpe.New(tpe.Config{}), lowest(s))
		}, OneSpace: true},
		"fixed, no repeat": {New: func(s space.Space) sampler.Sampler {
			return sampler.Fixed(sampler.NoRepeat(tpe.New(tpe.Config{})), lowest(s))
		}, OneSpace: true, Finite: true},
	} {
		t.Run(name, func(t *testing.T) {
			c.Ranks = true
			samplertest.Run(t, c)
		})
	}
}
