package native

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/tree/engine"
)

// The derivatives are LightGBM's, summed over the rows of each leaf of its tree;
// ../engine/testdata/rank.py made them. LightGBM computes in single precision, with a table
// of the logistic function.
func TestLambdas(t *testing.T) {
	text, err := os.ReadFile("../engine/testdata/rank.json")
	require.NoError(t, err)
	var cases []struct {
		Sizes, Leaf                   []int
		Grades, Scores, First, Second []float64
	}
	require.NoError(t, json.Unmarshal(text, &cases))
	require.Len(t, cases, 2)
	for _, c := range cases {
		n := len(c.Grades)
		d := engine.Dataset{Label: c.Grades}
		for q, size := range c.Sizes {
			for range size {
				d.Query = append(d.Query, q)
			}
		}
		for _, threads := range []int{1, 3} {
			w := newWorkers(threads)
			g, h := make([]float64, n), make([]float64, n)
			newRanker(d, w).derive(c.Scores, c.Grades, g, h)
			w.close()
			first, second := make([]float64, len(c.First)), make([]float64, len(c.First))
			for i, leaf := range c.Leaf {
				first[leaf] += g[i]
				second[leaf] += h[i]
			}
			assert.InDeltaSlice(t, c.First, first, 1e-4)
			assert.InDeltaSlice(t, c.Second, second, 1e-4)
		}
	}
}
