package table_test

import (
	"bufio"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/dev/compare/table"
	"github.com/attune-hpo/attune/objective/problem"
	"github.com/attune-hpo/attune/space"
)

func TestTables(t *testing.T) {
	text, err := os.ReadFile("testdata/tables.json")
	require.NoError(t, err)
	var index struct {
		Tables []struct {
			N              int
			Min            float64
			Argmin         []float64
			RandomExpected map[string]float64 `json:"random_expected_best"`
		}
	}
	require.NoError(t, json.Unmarshal(text, &index))
	require.Len(t, table.All(), len(index.Tables))
	for i, got := range table.All() {
		want := index.Tables[i]
		t.Run(got.Name, func(t *testing.T) {
			assert.Equal(t, want.N, got.Space.Len())
			assert.InEpsilon(t, want.Min, got.Minimum, 1e-6) // float32
			for _, best := range got.Argmin {
				assert.Equal(t, got.Minimum, got.Loss(problem.At(best)))
			}
			assert.Contains(t, got.Argmin, space.Params{Space: got.Space, Point: want.Argmin})
			assert.InEpsilon(t, want.RandomExpected["10"], got.Random(10), 1e-6)
			assert.InEpsilon(t, want.RandomExpected["200"], got.Random(200), 1e-6)
			assert.InEpsilon(t, 200, got.Draws(got.Random(200)), 1e-6)
			assert.Equal(t, 1/float64(want.N), got.Rank(got.Minimum))
		})
	}
}

func TestGolden(t *testing.T) {
	tables := map[string]*table.Table{}
	for _, p := range table.All() {
		tables[p.Name] = p
	}
	file, err := os.Open("testdata/golden.jsonl")
	require.NoError(t, err)
	defer file.Close()
	seen := 0
	for lines := bufio.NewScanner(file); lines.Scan(); seen++ {
		var g struct {
			Problem string
			Params  map[string]json.RawMessage
			Values  []float64
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &g))
		p := tables[g.Problem]
		point := make([]float64, len(p.Space))
		for i, a := range p.Space {
			point[i], err = a.Distribution.Encode(space.Literal(g.Params[a.Name]))
			require.NoError(t, err)
		}
		assert.Equal(t, g.Values[0], p.Loss(problem.At{Space: p.Space, Point: point}))
	}
	assert.Equal(t, 24, seen)
}
