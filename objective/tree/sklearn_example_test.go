package tree_test

import (
	"fmt"
	"log"
	"os"

	"github.com/attune-hpo/attune/objective/tree"
)

// The file is what joblib.dump(forest, "forest.joblib") wrote.
func ExampleReadScikitLearn() {
	file, err := os.Open("testdata/sklearn/forest.joblib")
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	m, err := tree.ReadScikitLearn(file)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(m.Trees), "trees of", m.Features[0].Name, "and", m.Features[1].Name)
	p, err := tree.NewPredictor(m)
	if err != nil {
		log.Fatal(err)
	}
	out := make([]float64, 1)
	if err := p.Predict([]float64{120, 5}, out); err != nil {
		log.Fatal(err)
	}
	fmt.Println(out[0])
	// Output:
	// 3 trees of area and rooms
	// 389832.0707070707
}
