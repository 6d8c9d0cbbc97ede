package sampler_test

import (
	"context"
	"fmt"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
)

// Climber takes steps from the best trial so far. A number moves by about Step of
// its range; a choice is drawn again one time in four.
type Climber struct {
	Step float64 // default 0.1
}

// Sample implements [sampler.Sampler].
func (c Climber) Sample(_ context.Context, r sampler.Request) (sampler.Proposal, error) {
	if c.Step == 0 {
		c.Step = 0.1
	}
	best, _ := r.History.Best() // without parameters if there is none
	p := sampler.Proposal{Point: make([]float64, len(r.Space))}
	for i, a := range r.Space {
		at := best.Params.Space.Index(a.Name)
		_, isChoice := a.Distribution.(*space.CategoricalDistribution)
		switch {
		case at < 0 || !space.Compatible(best.Params.Space[at].Distribution, a.Distribution):
			p.Point[i] = unit.Draw(a.Distribution, r.Rand)
		case isChoice && r.Rand.IntN(4) == 0:
			p.Point[i] = unit.Draw(a.Distribution, r.Rand)
		case isChoice:
			p.Point[i] = best.Params.Point[at]
		default:
			u := unit.To(a.Distribution, best.Params.Point[at])
			p.Point[i] = unit.From(a.Distribution, u+c.Step*r.Rand.NormFloat64())
		}
	}
	return p, r.Region().Move(p.Point, r.Rand) // to where the constraints are met
}

// A sampler of one's own.
func Example() {
	rate := space.Float("rate", 1e-5, 1, space.Log())
	depth := space.Int("depth", 1, 12)
	objective := study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
		d := float64(depth.Suggest(t) - 7)
		return d*d + rate.Suggest(t), nil
	})

	ctx := context.Background()
	st, err := study.Create(ctx, new(memory.Store), "climb", study.Config{Sampler: Climber{}, Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer st.Close()
	if err := st.Optimize(ctx, objective, study.Run{Trials: 100}); err != nil {
		fmt.Println(err)
		return
	}
	best, err := st.Best(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	d, _ := depth.Value(best)
	r, _ := rate.Value(best)
	fmt.Printf("depth %d, rate below 0.001: %v\n", d, r < 0.001)
	// Output: depth 7, rate below 0.001: true
}
