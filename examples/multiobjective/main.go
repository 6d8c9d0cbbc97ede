// Multiobjective trades the error of a model against its size. There is no single best trial then: a study of several
// objectives has a Pareto front, the trials that no other trial dominates.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"math"
	"slices"

	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

var (
	layers = space.Int("layers", 1, 6)
	width  = space.Int("width", 8, 256, space.Log())
)

// objective returns the error of a network and its number of parameters.
func objective(_ context.Context, t *study.Trial) ([]float64, error) {
	l, w := float64(layers.Suggest(t)), float64(width.Suggest(t))
	size := l * w * w
	underfit := 1 / math.Log(2+size)
	overfit := 0.02 * l
	return []float64{underfit + overfit, size}, nil
}

func run(ctx context.Context) error {
	st, err := study.Open(ctx, new(memory.Store), "network", study.Config{
		Sampler:    tpe.New(tpe.Config{}),
		Directions: []trial.Direction{trial.Minimize, trial.Minimize},
		Metrics:    []string{"error", "size"},
	})
	if err != nil {
		return err
	}
	defer st.Close()
	if err := st.Optimize(ctx, study.MultiFunc(objective), study.Run{Trials: 150}); err != nil {
		return err
	}
	front, err := st.Front(ctx)
	if err != nil {
		return err
	}
	slices.SortFunc(front, func(a, b trial.Record) int { return cmp.Compare(a.Values[1], b.Values[1]) })
	smallest, largest := front[0], front[len(front)-1]
	fmt.Printf("%d trials are on the front: the larger the model, the smaller the error\n", len(front))
	for _, r := range []trial.Record{smallest, largest} {
		l, _ := layers.Value(r)
		w, _ := width.Value(r)
		fmt.Printf("%d x %3d: error %.3f with %6.0f parameters\n", l, w, r.Values[0], r.Values[1])
	}
	return nil
}

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
