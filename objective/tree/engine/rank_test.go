package engine_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/tree/engine"
)

// The values are those of LightGBM where scores differ, and of scikit-learn also where they are
// tied; testdata/rank.py made them.
func TestNDCG(t *testing.T) {
	text, err := os.ReadFile("testdata/rank.json")
	require.NoError(t, err)
	var cases []struct {
		Sizes          []int
		Grades, Scores []float64
		LightGBM       []float64 `json:"lightgbm_ndcg"`
		Sklearn        []float64 `json:"sklearn_ndcg"`
	}
	require.NoError(t, json.Unmarshal(text, &cases))
	require.Len(t, cases, 2)
	for i, c := range cases {
		var queries []int
		for q, n := range c.Sizes {
			for range n {
				queries = append(queries, q)
			}
		}
		for j, k := range []int{1, 3, 10} {
			got := engine.NDCG(k, c.Grades, c.Scores, nil, queries)
			assert.InDelta(t, c.Sklearn[j], got, 1e-12, "ndcg@%d", k)
			if i == 0 {
				assert.InDelta(t, c.LightGBM[j], got, 1e-12, "ndcg@%d", k)
			}
			// neither the order of the rows nor the place of a query's rows matters
			n := len(queries)
			grades, scores, of := make([]float64, n), make([]float64, n), make([]int, n)
			for from := range n {
				to := from * 29 % n
				grades[to], scores[to], of[to] = c.Grades[from], c.Scores[from], queries[from]
			}
			assert.InDelta(t, got, engine.NDCG(k, grades, scores, nil, of), 1e-12)
		}
	}
}

// A query counts by the mean weight of its rows.
func TestNDCGWeights(t *testing.T) {
	grades, scores, queries := []float64{0, 1, 0, 1}, []float64{2, 1, 1, 2}, []int{0, 0, 1, 1}
	worse := 1 / math.Log2(3)
	assert.InDelta(t, (worse+1)/2, engine.NDCG(5, grades, scores, nil, queries), 1e-15)
	assert.InDelta(t, (3*worse+1)/4, engine.NDCG(5, grades, scores, []float64{3, 3, 0.5, 1.5}, queries), 1e-15)
	assert.InDelta(t, 1, engine.NDCG(5, grades, scores, []float64{0, 1, 1, 1}, queries), 1e-15, "a row of weight 0 has no effect")
	assert.True(t, math.IsNaN(engine.NDCG(5, nil, nil, nil, nil)))
}

func TestCheckQueries(t *testing.T) {
	d := engine.Dataset{Columns: [][]float64{{1, 2, 3}}, Label: []float64{0, 2, 1}}
	check := func(grade float64, queries ...int) error {
		d := d
		d.Query, d.Label = queries, []float64{0, 2, grade}
		return engine.Check(d, engine.Dataset{}, engine.Params{Loss: engine.LambdaRank})
	}
	assert.NoError(t, check(1, 4, 4, 2))
	assert.ErrorContains(t, check(1), "train: 0 queries for 3 rows: lambdarank needs the query of each row")
	assert.ErrorContains(t, check(1, 4, 2, 4), "train: row 2 is of query 4, which ended before it: sort the rows by query")
	for _, bad := range []float64{-1, 0.5, 31} {
		assert.ErrorContains(t, check(bad, 4, 4, 2), "it must be a grade, a whole number from 0 to 30")
	}
	assert.ErrorIs(t, engine.Check(d, engine.Dataset{}, engine.Params{Loss: engine.LambdaRank, Method: engine.Forest}), engine.ErrParams)
}

func ExampleNDCG() {
	// Two queries. The first order is perfect; in the second, the row of grade 2 comes last.
	grades := []float64{2, 1, 0, 0, 1, 2}
	scores := []float64{0.9, 0.5, 0.1, 0.9, 0.5, 0.1}
	fmt.Printf("%.3f\n", engine.NDCG(10, grades, scores, nil, []int{0, 0, 0, 1, 1, 1}))
	// Output:
	// 0.793
}
