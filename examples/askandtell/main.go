// Askandtell asks for trials and tells their results, for evaluations that
// are not a function call: a job queue, a laboratory, a person.
//
// Each ask and each tell opens the study again, as separate programs would. The trials are detached (study.Never):
// nobody takes them for dead in between. The space is declared, so that an asked trial has all its parameters at
// once.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

var (
	degrees = space.Float("degrees", 150, 250, space.Step(5))
	minutes = space.Int("minutes", 10, 60)
)

func open(ctx context.Context, store storage.Store) (*study.Study, error) {
	return study.Open(ctx, store, "bread", study.Config{
		Sampler: tpe.New(tpe.Config{}),
		Space:   space.Of(degrees, minutes),
		Renewal: study.Never,
	})
}

// ask returns the number of a new trial, which stays open until it is told.
func ask(ctx context.Context, store storage.Store) (int, error) {
	st, err := open(ctx, store)
	if err != nil {
		return 0, err
	}
	defer st.Close()
	t, err := st.Ask(ctx)
	if err != nil {
		return 0, err
	}
	return t.Number(), nil
}

// tell evaluates a trial that was asked for, and says what came of it.
func tell(ctx context.Context, store storage.Store, number int) error {
	st, err := open(ctx, store)
	if err != nil {
		return err
	}
	defer st.Close()
	t, err := st.Attach(ctx, number)
	if err != nil {
		return err
	}
	badness, burnt := bake(degrees.Suggest(t), minutes.Suggest(t))
	return st.Tell(ctx, t, []float64{badness}, burnt) // with an error, as a failed trial
}

// bake stands for an evaluation that the program has no hand in.
func bake(degrees float64, minutes int) (badness float64, err error) {
	if degrees > 240 {
		return 0, errors.New("the smoke detector went off")
	}
	heat, time := (degrees-210)/50, float64(minutes-35)/30
	return heat*heat + time*time, nil
}

func run(ctx context.Context) error {
	store := new(memory.Store)
	for range 20 {
		first, err := ask(ctx, store)
		if err != nil {
			return err
		}
		second, err := ask(ctx, store) // two loaves at a time
		if err != nil {
			return err
		}
		if err := errors.Join(tell(ctx, store, second), tell(ctx, store, first)); err != nil {
			return err
		}
	}

	st, err := open(ctx, store)
	if err != nil {
		return err
	}
	defer st.Close()
	h, err := st.Snapshot(ctx)
	if err != nil {
		return err
	}
	best, err := st.Best(ctx)
	if err != nil {
		return err
	}
	warm, _ := degrees.Value(best)
	long, _ := minutes.Value(best)
	fmt.Printf("%d loaves, %d of them burnt\n", h.Len(), h.Count(trial.Failed))
	fmt.Printf("best: %v degrees, %d minutes\n", warm, long)
	return nil
}

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
