package tpe_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// A study does all this by itself; see package study.
func ExampleNew() {
	x := space.Float("x", -10, 10)
	side := space.Categorical("side", "left", "right")
	s := space.Of(x, side)
	h := trial.NewHistory(trial.Header{})
	sam := tpe.New(tpe.Config{Startup: 5})
	for n := range 50 {
		p, err := sam.Sample(context.Background(), sampler.Request{
			Number: n, Space: s, History: h.Snapshot(), Rand: rand.New(rand.NewPCG(1, uint64(n))),
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		loss := math.Abs(p.Point[0]-3) + p.Point[1] // the right side, at index 1, is worse
		h.Put(trial.Record{
			Number: n, State: trial.Complete, Params: space.Params{Space: s, Point: p.Point},
			Values: []float64{loss},
		})
	}
	best, _ := h.Snapshot().Best()
	bestX, _ := x.Value(best)
	bestSide, _ := side.Value(best)
	fmt.Printf("x %.1f, %s\n", bestX, bestSide)
	// Output: x 3.0, left
}
