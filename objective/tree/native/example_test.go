package native_test

import (
	"context"
	"fmt"

	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tree/native"
)

func ExampleFit() {
	// Each row has two features: x and its parity. The label is 3 where x is above 10.
	var rows, labels []float64
	for x := range 20 {
		rows = append(rows, float64(x), float64(x%2))
		label := 0.0
		if x > 10 {
			label = 3
		}
		labels = append(labels, label)
	}
	train := engine.Dataset{Columns: engine.Columns(rows, 2), Names: []string{"x", "odd"}, Label: labels}
	m, err := native.Fit(context.Background(), train, engine.Dataset{}, engine.Params{Trees: 1, LearningRate: 1, MinRows: 2}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	root := m.Trees[0].Nodes[0]
	fmt.Println(m.Features[root.Feature].Name, "<=", root.Threshold)
	// Output: x <= 10.5
}
