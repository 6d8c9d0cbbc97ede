package classify_test

import (
	"fmt"
	"strings"

	"github.com/attune-hpo/attune/export/classify"
	"github.com/attune-hpo/attune/objective/pipeline"
	"github.com/attune-hpo/attune/objective/tree"
)

func ExampleReadConfig() {
	c, err := classify.ReadConfig(strings.NewReader(`
rules:
  - {match: '(?i)out of memory', label: memory, confidence: 0.95}
`))
	if err != nil {
		panic(err)
	}
	answers, err := c.Rules.Classify([]classify.Item{{Text: "worker 3: Out of memory"}})
	fmt.Println(answers[0].Label, answers[0].Confidence, err)
	// Output: memory 0.95 <nil>
}

func ExampleNewEnsemble() {
	always := func(label string, confidence float64) classify.Classifier {
		return classify.Func(func(items []classify.Item) ([]classify.Answer, error) {
			out := make([]classify.Answer, len(items))
			for i := range out {
				out[i] = classify.Answer{Label: label, Confidence: confidence}
			}
			return out, nil
		})
	}
	e, err := classify.NewEnsemble(
		classify.Member{Name: "rules", Classifier: always("disk", 0.9), Weight: 2},
		classify.Member{Name: "text", Classifier: always("network", 0.6), Weight: 1})
	if err != nil {
		panic(err)
	}
	answers, err := e.Classify([]classify.Item{{Text: "disk sda1 is full"}})
	fmt.Printf("%s %.1f %v\n", answers[0].Label, answers[0].Confidence, err)
	// Output: disk 0.6 <nil>
}

func ExampleNewModel() {
	stump := &tree.Model{Features: make([]tree.Feature, 1), Outputs: 1,
		Trees: []tree.Tree{{Nodes: []tree.Node{{Threshold: 20, Left: ^0, Right: ^1}}, Leaves: []tree.Leaf{{Value: 0.25}, {Value: 0.75}}}}}
	m := &pipeline.Model{
		Inputs: []pipeline.Input{{Name: "celsius"}},
		Nodes: []pipeline.Node{{Op: pipeline.Columns{At: []int{0}}}, {Op: pipeline.Trees{Model: stump}, In: []int{0}},
			{Op: pipeline.Complement{}, In: []int{1}}, {Op: pipeline.Largest{}, In: []int{2}}},
		Outputs: []pipeline.Output{{Name: "label", Node: 3, Labels: &pipeline.Labels{Texts: []string{"cold", "warm"}}}, {Name: "probabilities", Node: 2}},
	}
	native, err := pipeline.NewPredictor(m)
	if err != nil {
		panic(err)
	}
	c, err := classify.NewModel(m, native, classify.ModelOptions{})
	if err != nil {
		panic(err)
	}
	answers, err := c.Classify([]classify.Item{{Row: map[string]any{"celsius": 25}}})
	fmt.Println(answers[0].Label, answers[0].Confidence, err)
	// Output: warm 0.75 <nil>
}
