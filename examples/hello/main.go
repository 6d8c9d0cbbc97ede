package main

import (
	"context"
	"fmt"
	"log"

	"github.com/attune-hpo/attune"
)

func main() {
	x, y := attune.Float("x", -5, 5), attune.Int("y", 0, 9)
	best, err := attune.Minimize(context.Background(), func(_ context.Context, t *attune.Trial) (float64, error) {
		a, b := x.Suggest(t), float64(y.Suggest(t)) // a float64 and an int
		return (a-1)*(a-1) + (b-7)*(b-7), nil
	}, 100)
	if err != nil {
		log.Fatal(err)
	}
	a, _ := x.Value(best)
	b, _ := y.Value(best)
	fmt.Printf("best at x = %.1f, y = %d\n", a, b)
}
