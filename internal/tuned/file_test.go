package tuned_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/tuned"
	"github.com/attune-hpo/attune/space"
)

// What is sealed comes back; any byte that changes, and any end that is missing, is seen.
func TestSeal(t *testing.T) {
	type model struct {
		tuned.Header
		A int `json:"a"`
	}
	m := model{tuned.Header{Format: "f", Version: 1, Settings: tuned.Settings{{Name: "x", Value: "1.0"}}, Seed: 1<<64 - 1, Trial: 2, Metric: "mae", Value: 0.1}, 3}
	sealed, err := tuned.Seal(m)
	require.NoError(t, err)
	line := `{"format":"f","version":1,"settings":{"x":1.0},"seed":"18446744073709551615","trial":2,"metric":"mae","value":0.1,"a":3}`
	assert.True(t, strings.HasPrefix(string(sealed), line+"\n{\"sha256\":\""), string(sealed))
	var got model
	require.NoError(t, tuned.Unseal(sealed, "f", &got))
	assert.Equal(t, m, got)
	assert.ErrorContains(t, tuned.Unseal(sealed, "g", &got), `format "f", version 1: this is a reader of "g", version 1`)
	for i := range sealed[:len(sealed)-1] {
		assert.Error(t, tuned.Unseal(sealed[:i], "f", &got), "cut at %d", i)
	}
	for i := range line {
		spoilt := append([]byte(nil), sealed...)
		spoilt[i] ^= 1
		assert.Error(t, tuned.Unseal(spoilt, "f", &got), "byte %d", i)
	}
}

func TestPath(t *testing.T) {
	assert.Equal(t, filepath.Join("f", "model-air%2Flstm.json"), tuned.Path("f", "air/lstm"))
	long := tuned.Path("f", strings.Repeat("../é", 90))
	assert.Equal(t, "f", filepath.Dir(long))
	assert.NotEqual(t, long, tuned.Path("f", strings.Repeat("../é", 91)))
}

func TestSettings(t *testing.T) {
	for want, settings := range map[string]space.Settings{
		`{}`:                          nil,
		`{"b":2,"a \"x\"":"y\u0026"}`: {{Name: "b", Value: "2"}, {Name: `a "x"`, Value: `"y&"`}},
	} {
		got, err := json.Marshal(tuned.Settings(settings))
		require.NoError(t, err)
		assert.Equal(t, want, string(got))
	}
}
