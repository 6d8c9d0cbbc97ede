package attune_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/attune-hpo/attune"
	"github.com/attune-hpo/attune/storage/sqlite"
)

func ExampleMinimize() {
	x, y := attune.Float("x", -5, 5), attune.Float("y", -5, 5)
	best, err := attune.Minimize(context.Background(), func(_ context.Context, t *attune.Trial) (float64, error) {
		a, b := x.Suggest(t), y.Suggest(t)
		return (a-1)*(a-1) + (b+2)*(b+2), nil
	}, 200)
	if err != nil {
		fmt.Println(err)
		return
	}
	a, _ := x.Value(best)
	b, _ := y.Value(best)
	fmt.Printf("%.0f at %.0f, %.0f\n", best.Values[0], a, b)
	// Output: 0 at 1, -2
}

func ExampleMaximize() {
	rate := attune.Float("rate", 1e-5, 1, attune.Log())
	layers := attune.Int("layers", 1, 8)
	kind := attune.Categorical("kind", "relu", "tanh")
	accuracy := func(ctx context.Context, t *attune.Trial) (score float64, err error) {
		goal := 1 - 0.1*float64(max(layers.Suggest(t), 4)-4)
		if kind.Suggest(t) == "tanh" {
			goal -= 0.2
		}
		for epoch := range 30 {
			score = goal * float64(epoch) / (float64(epoch) + 1000*rate.Suggest(t))
			if err := t.Report(ctx, epoch, score); err != nil {
				return 0, err // pruned: the others were better at this epoch
			}
		}
		return score, nil
	}
	best, err := attune.Maximize(context.Background(), accuracy, 100, attune.Workers(4))
	if err != nil {
		fmt.Println(err)
		return
	}
	k, _ := kind.Value(best)
	l, _ := layers.Value(best)
	fmt.Println(k, l <= 4, best.Values[0] > 0.9)
	// Output: relu true true
}

// A study in a file continues where it stopped.
func ExampleIn() {
	dir, err := os.MkdirTemp("", "attune")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	file := sqlite.File(filepath.Join(dir, "trials.db"))
	x := attune.Float("x", 0, 1)
	objective := func(_ context.Context, t *attune.Trial) (float64, error) { return x.Suggest(t), nil }
	for _, trials := range []int{10, 20, 20} {
		best, err := attune.Minimize(context.Background(), objective, trials, attune.In(file, "a"))
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(best.Number < trials)
	}
	// Output:
	// true
	// true
	// true
}
