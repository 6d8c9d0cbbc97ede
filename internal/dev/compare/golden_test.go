package compare_test

import (
	"bufio"
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/dev/compare"
	"github.com/attune-hpo/attune/objective/problem"
	"github.com/attune-hpo/attune/space"
)

// The problems are the same in Python: testdata/golden.jsonl has their values at random
// points, from optuna/golden.py.
func TestGolden(t *testing.T) {
	type function struct {
		space  space.Space
		values func(s space.Suggester) []float64
	}
	functions := map[string]function{}
	for _, p := range slices.Concat(compare.Tuning(), compare.Judging(), compare.Fresh(), compare.Mixed(), compare.MixedFresh()) {
		if p.Name != "pipeline" { // which objective/problem tests
			functions[p.Name] = function{p.Space, func(s space.Suggester) []float64 { return []float64{p.Loss(s)} }}
		}
	}
	for _, b := range compare.Constrained() {
		functions[b.Name] = function{b.Space, func(s space.Suggester) []float64 { return append([]float64{b.Loss(s)}, b.Limits(s)...) }}
	}

	file, err := os.Open("testdata/golden.jsonl")
	require.NoError(t, err)
	defer file.Close()
	seen := map[string]bool{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var g struct {
			Problem string
			Params  map[string]json.RawMessage
			Values  []float64
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &g))
		f := functions[g.Problem]
		var at problem.At
		for _, a := range f.space {
			if text, ok := g.Params[a.Name]; ok {
				x, err := a.Distribution.Encode(space.Literal(text))
				require.NoError(t, err)
				at.Space, at.Point = append(at.Space, a), append(at.Point, x)
			}
		}
		require.Len(t, at.Point, len(g.Params), g.Problem)
		got := f.values(at)
		require.Len(t, got, len(g.Values), g.Problem)
		for i, want := range g.Values {
			assert.InDelta(t, want, got[i], 1e-9*math.Max(1, math.Abs(want)), "%s", lines.Text())
		}
		seen[g.Problem] = true
	}
	assert.Len(t, seen, len(functions), "every problem has golden values")
}

// The minimum of a landscape is 0, where it says.
func TestMinimum(t *testing.T) {
	for _, p := range slices.Concat(compare.Tuning(), compare.Judging(), compare.Fresh()) {
		assert.InDelta(t, 0, p.Loss(problem.At(p.Argmin[0])), 1e-9, p.Name)
	}
}
