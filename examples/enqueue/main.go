// Enqueue gives a study settings that are known to be good, so that the search
// starts from them, and puts the best parameters back into the program's own
// configuration, so that they reach the next training run.
package main

import (
	"context"
	"fmt"
	"log"
	"math"

	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/space/bind"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
)

// A Config is what the training program is configured by, tuned or not.
type Config struct {
	Rate    float64 `attune:"learning_rate,min=1e-5,max=1,log"`
	Depth   int     `attune:"depth,min=1,max=16"`
	Threads int     // not tuned
}

// byHand is what was in use before.
var byHand = Config{Rate: 0.1, Depth: 6, Threads: 4}

var parameters = bind.Must(byHand)

// train stands for the training program.
func train(c Config) (loss float64) {
	return math.Pow(math.Log10(c.Rate)+2, 2) + math.Pow(float64(c.Depth-9)/8, 2)
}

func run(ctx context.Context) error {
	st, err := study.Open(ctx, new(memory.Store), "training", study.Config{
		Sampler: tpe.New(tpe.Config{}),
		Space:   parameters.Space(),
	})
	if err != nil {
		return err
	}
	defer st.Close()

	// Once, however often the program is started.
	first, err := st.EnqueueOnce(ctx, parameters.Settings(byHand)...)
	if err != nil {
		return err
	}
	objective := study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
		return train(parameters.Suggest(t)), nil
	})
	if err := st.Optimize(ctx, objective, study.Run{Trials: 60}); err != nil {
		return err
	}
	best, err := st.Best(ctx)
	if err != nil {
		return err
	}
	tuned, err := parameters.Value(best) // a Config, its other fields as by hand
	if err != nil {
		return err
	}
	fmt.Println("the settings in use were trial", first)
	fmt.Printf("loss: %.3f by hand, %.3f tuned\n", train(byHand), train(tuned))
	fmt.Println("the tuned settings still have", tuned.Threads, "threads")
	return nil
}

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
