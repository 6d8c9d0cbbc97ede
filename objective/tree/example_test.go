package tree_test

import (
	"fmt"
	"log"
	"strings"

	"github.com/attune-hpo/attune/objective/tree"
)

// stump is a model of one split, as a trainer would return it.
var stump = tree.Model{
	Features: []tree.Feature{{Name: "temperature"}, {Name: "rain"}},
	Outputs:  1,
	Base:     []float64{10},
	Trees: []tree.Tree{{
		Nodes:  []tree.Node{{Feature: 0, Threshold: 18.5, Left: ^0, Right: ^1, Gain: 4, Count: 10}},
		Leaves: []tree.Leaf{{Value: -2, Count: 6}, {Value: 3, Count: 4}},
	}},
}

func ExampleNewPredictor() {
	p, err := tree.NewPredictor(&stump)
	if err != nil {
		log.Fatal(err)
	}
	rows := []float64{
		12, 0.5, // a row
		25, 0, // another
	}
	out := make([]float64, 2)
	if err := p.Predict(rows, out); err != nil {
		log.Fatal(err)
	}
	fmt.Println(out)
	// Output: [8 13]
}

func ExampleRead() {
	const file = `tree
version=v4
num_class=1
num_tree_per_iteration=1
max_feature_idx=0
objective=binary sigmoid:1
feature_names=x
feature_infos=[0:1]
tree_sizes=120

Tree=0
num_leaves=2
num_cat=0
split_feature=0
threshold=0.5
decision_type=2
left_child=-1
right_child=-2
leaf_value=-1 1

end of trees
`
	m, err := tree.Read(strings.NewReader(file))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Features[0].Name, len(m.Trees), m.Link.Func)
	// Output: x 1 sigmoid
}

func ExampleWriteLightGBM() {
	var text strings.Builder
	if err := tree.WriteLightGBM(&text, &stump); err != nil {
		log.Fatal(err)
	}
	for line := range strings.Lines(text.String()) {
		if strings.HasPrefix(line, "feature_names") || strings.HasPrefix(line, "leaf_value") {
			fmt.Print(line)
		}
	}
	// Output:
	// feature_names=temperature rain
	// leaf_value=8 13
}

func ExampleModel_SHAP() {
	out := make([]float64, 3) // temperature, rain, expected
	if err := stump.SHAP([]float64{25, 0}, out); err != nil {
		log.Fatal(err)
	}
	fmt.Println(out)
	// Output: [3 0 10]
}

func ExampleModel_Importance() {
	for i, f := range stump.Importance() {
		fmt.Println(stump.Features[i].Name, f.Gain, f.Splits)
	}
	// Output:
	// temperature 4 1
	// rain 0 0
}
