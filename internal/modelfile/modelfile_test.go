package modelfile_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/modelfile"
	"github.com/attune-hpo/attune/space"
)

// Any byte that changes, and any end that is missing, is seen.
func TestSeal(t *testing.T) {
	sealed, err := modelfile.Seal(map[string]int{"a": 1})
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(sealed), "{\"a\":1}\n{\"sha256\":\""))
	require.NoError(t, modelfile.Verify(sealed))
	for i := range sealed[:len(sealed)-1] {
		assert.Error(t, modelfile.Verify(sealed[:i]), "cut at %d", i)
	}
	for i := range len(`{"a":1}`) {
		spoilt := append([]byte(nil), sealed...)
		spoilt[i] ^= 1
		assert.Error(t, modelfile.Verify(spoilt), "byte %d", i)
	}
}

func TestPath(t *testing.T) {
	assert.Equal(t, filepath.Join("f", "model-air%2Flstm.json"), modelfile.Path("f", "air/lstm"))
	long := modelfile.Path("f", strings.Repeat("../é", 90))
	assert.Equal(t, "f", filepath.Dir(long))
	assert.NotEqual(t, long, modelfile.Path("f", strings.Repeat("../é", 91)))
}

func TestSettings(t *testing.T) {
	assert.Equal(t, `{}`, string(modelfile.Settings(nil)))
	assert.Equal(t, `{"b":2,"a \"x\"":"y"}`, string(modelfile.Settings(space.Settings{{Name: "b", Value: "2"}, {Name: `a "x"`, Value: `"y"`}})))
}
