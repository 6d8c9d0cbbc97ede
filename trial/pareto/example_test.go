package pareto_test

import (
	"fmt"

	"github.com/attune-hpo/attune/trial"
	"github.com/attune-hpo/attune/trial/pareto"
)

// Accuracy is maximized and latency minimized: the losses of three trials.
func Example() {
	header := trial.Header{Directions: []trial.Direction{trial.Maximize, trial.Minimize}}
	points := [][]float64{
		header.Losses([]float64{0.91, 12}),
		header.Losses([]float64{0.95, 30}),
		header.Losses([]float64{0.90, 40}), // worse than the others in both
	}
	fmt.Println("ranks:", pareto.Ranks(points))
	fmt.Println("front:", pareto.Front(points))
	fmt.Printf("hypervolume: %.1f\n", pareto.Hypervolume(points, header.Losses([]float64{0.5, 100})))
	// Output:
	// ranks: [0 0 1]
	// front: [0 1]
	// hypervolume: 38.9
}

func ExampleRanks() {
	fmt.Println(pareto.Ranks([][]float64{{1, 1}, {2, 2}, {3, 0}, {3, 3}, {2, 2}}))
	// Output: [0 1 0 2 1]
}

func ExampleFronts() {
	var f pareto.Fronts
	f.Add([]float64{2, 2}, []float64{3, 1})
	f.Add([]float64{1, 2}) // dominates the first
	for front := range f.All() {
		fmt.Println(front)
	}
	// Output:
	// [1 2]
	// [0]
}

func ExampleHypervolume() {
	fmt.Println(pareto.Hypervolume([][]float64{{1, 3}, {2, 2}, {3, 1}}, []float64{4, 4}))
	// Output: 6
}

func ExampleSubset() {
	points := [][]float64{{0, 9}, {1, 8.9}, {4, 4}, {9, 0}}
	fmt.Println(pareto.Subset(points, 2, []float64{10, 10}))
	// Output: [2 0]
}
