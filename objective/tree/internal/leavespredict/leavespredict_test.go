package leavespredict_test

import (
	"fmt"
	"log"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/internal/leavespredict"
)

// forest averages two trees of one feature.
func forest() *tree.Model {
	t := tree.Tree{
		Nodes:  []tree.Node{{Threshold: 0.5, Left: ^0, Right: ^1}},
		Leaves: []tree.Leaf{{Value: -1}, {Value: 1}},
	}
	return &tree.Model{
		Features: []tree.Feature{{Name: "x"}}, Outputs: 1, Average: true,
		Link:  tree.Link{Func: tree.Step}, // which LightGBM's text cannot express
		Trees: []tree.Tree{t, t, {Leaves: []tree.Leaf{{Value: 0.5}}}},
	}
}

func Example() {
	p, err := leavespredict.New(forest(), 1)
	if err != nil {
		log.Fatal(err)
	}
	out := make([]float64, 2)
	if err := p.Predict([]float64{0, 1}, out); err != nil {
		log.Fatal(err)
	}
	fmt.Println(out)
	// Output: [0 1]
}

// The tests of package tree check that leaves gives the same bits for models of all
// libraries.
func TestPredict(t *testing.T) {
	p, err := leavespredict.New(forest(), 4)
	require.NoError(t, err)
	rows := make([]float64, 100)
	for i := range rows {
		rows[i] = []float64{0, 1, math.NaN()}[i%3]
	}
	out := make([]float64, 100)
	require.NoError(t, p.PredictRaw(rows, out))
	assert.Equal(t, []float64{-0.5, 2.5 / 3, 2.5 / 3}, out[:3])
	require.ErrorContains(t, p.Predict(rows[1:], out), "want 1 in and 1 out a row")
}

func TestNewRefuses(t *testing.T) {
	m := forest()
	m.Trees[2].Leaves[0].Linear = &tree.Linear{}
	_, err := leavespredict.New(m, 1)
	require.ErrorIs(t, err, tree.ErrUnsupported)
	m.Outputs = 0
	_, err = leavespredict.New(m, 1)
	require.ErrorIs(t, err, tree.ErrInvalid)
	m = forest()
	m.Features = append(m.Features, tree.Feature{Kind: tree.Categorical})
	n := &m.Trees[0].Nodes[0]
	n.Feature, n.DefaultLeft = 1, true
	n.SetCategories(2)
	_, err = leavespredict.New(m, 1)
	require.ErrorIs(t, err, tree.ErrUnsupported)
}
