package pareto_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/attune-hpo/attune/trial/pareto"
)

// Two fronts, of which the second has three points and room for one: the middle
// one dominates the most.
func ExampleBest() {
	points := [][]float64{{1, 4}, {9, 3}, {5, 5}, {4, 1}, {3, 9}}
	fmt.Println(pareto.Best(points, 3))
	// Output: [0 2 3]
}

func TestBest(t *testing.T) {
	points := [][]float64{{1, 4}, {9, 3}, {5, 5}, {4, 1}, {3, 9}}
	for _, c := range []struct {
		name string
		k    int
		want []int
	}{
		{"none", 0, nil},
		{"part of the first front", 1, []int{0}},
		{"the first front", 2, []int{0, 3}},
		{"all", 5, []int{0, 1, 2, 3, 4}},
		{"more than there are", 9, []int{0, 1, 2, 3, 4}},
	} {
		t.Run(c.name, func(t *testing.T) { assert.Equal(t, c.want, pareto.Best(points, c.k)) })
	}
	assert.Empty(t, pareto.Best(nil, 3))
}

func TestReference(t *testing.T) {
	assert.Equal(t, []float64{2.2, -0.9, 1e-12}, pareto.Reference([][]float64{{1, -2, 0}, {2, -1, -3}}))
}
