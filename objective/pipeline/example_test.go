package pipeline_test

import (
	"bytes"
	"fmt"

	"github.com/attune-hpo/attune/objective/pipeline"
	"github.com/attune-hpo/attune/objective/tree"
)

// A scaler and a tree of one split, as one model: above 20 degrees or not.
func warm() *pipeline.Model {
	stump := &tree.Model{Features: make([]tree.Feature, 1), Outputs: 1,
		Trees: []tree.Tree{{Nodes: []tree.Node{{Threshold: 1, Left: ^0, Right: ^1}}, Leaves: []tree.Leaf{{Value: 0.1}, {Value: 0.9}}}}}
	return &pipeline.Model{
		Inputs: []pipeline.Input{{Name: "celsius"}},
		Nodes: []pipeline.Node{
			{Op: pipeline.Columns{At: []int{0}}},
			{Op: pipeline.Arithmetic{Do: pipeline.Subtract, By: []float64{15}}, In: []int{0}},
			{Op: pipeline.Arithmetic{Do: pipeline.Divide, By: []float64{5}}, In: []int{1}},
			{Op: pipeline.Trees{Model: stump}, In: []int{2}},
			{Op: pipeline.Complement{}, In: []int{3}},
			{Op: pipeline.Largest{}, In: []int{4}},
		},
		Outputs: []pipeline.Output{
			{Name: "label", Node: 5, Labels: &pipeline.Labels{Texts: []string{"cold", "warm"}}},
			{Name: "probabilities", Node: 4},
		},
	}
}

func ExampleNewPredictor() {
	m := warm()
	p, err := pipeline.NewPredictor(m)
	if err != nil {
		panic(err)
	}
	out, err := p.Predict([]pipeline.Column{{Numbers: []float64{20, 21}}})
	if err != nil {
		panic(err)
	}
	for i, place := range out[0] {
		fmt.Println(m.Outputs[0].Labels.Texts[int(place)], out[1][2*i:2*i+2])
	}
	// Output:
	// cold [0.9 0.1]
	// warm [0.09999999999999998 0.9]
}

func ExampleWrite() {
	var file bytes.Buffer
	if err := pipeline.Write(&file, warm()); err != nil {
		panic(err)
	}
	m, from, err := pipeline.Read(&file)
	fmt.Println(from.Format, len(m.Nodes), err)
	// Output: attune JSON 6 <nil>
}
