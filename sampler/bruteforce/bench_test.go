package bruteforce_test

import (
	"math/rand/v2"
	"testing"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/bruteforce"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// A proposal after 5,000 of 10,000 points.
func BenchmarkSample(b *testing.B) {
	axes := space.Of(space.Int("a", 1, 100), space.Int("b", 1, 100))
	h := trial.NewHistory(trial.Header{})
	for n := range 5000 {
		h.Put(trial.Record{Number: n, State: trial.Complete, Values: []float64{1}, Params: space.Params{
			Space: axes, Point: []float64{float64(1 + n%100), float64(1 + n/100)},
		}})
	}
	s := bruteforce.New()
	r := sampler.Request{Number: 5000, Space: axes, History: h.Snapshot(), Rand: rand.New(rand.NewPCG(1, 2))}
	for b.Loop() {
		if s.Exhausted(axes, r.History) {
			b.Fatal("half of the points are left")
		}
		if _, err := s.Sample(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}
