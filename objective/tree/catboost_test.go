package tree_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/tree"
)

// A model of CatBoost that splits on categories is refused with their columns. One that only has
// such columns is read.
func TestCatBoostCategories(t *testing.T) {
	f, err := os.Open("testdata/categories/catboost.json.gz")
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	var cases []struct {
		Name string
		File []byte
	}
	require.NoError(t, json.NewDecoder(z).Decode(&cases))
	require.Len(t, cases, 6)
	for _, c := range cases {
		m, err := tree.ReadCatBoost(bytes.NewReader(c.File))
		if strings.HasPrefix(c.Name, "unused") {
			require.NoError(t, err, c.Name)
			assert.Len(t, m.Features, 3, c.Name)
			assert.Len(t, m.Trees, 4, c.Name)
			continue
		}
		require.ErrorIs(t, err, tree.ErrUnsupported, c.Name)
		assert.ErrorContains(t, err, `CatBoost splits on categories (one-hot or CTR), which are in columns "shop", "kind": train it without cat_features`, c.Name)
	}
}
