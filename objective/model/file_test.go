package model_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/model"
	"github.com/attune-hpo/attune/space"
)

// Sealed data comes back. Any changed byte, and any missing end, is detected.
func TestSeal(t *testing.T) {
	type body struct {
		A int `json:"a"`
	}
	o := model.Origin{Settings: space.Settings{{Name: "x", Value: "1.0"}, {Name: `a "x"`, Value: `"y&"`}}, Seed: 1<<64 - 1, Trial: 2, Metric: "mae", Value: 0.1}
	sealed, err := model.Seal("f", 1, o, body{3})
	require.NoError(t, err)
	line := `{"format":"f","version":1,"settings":{"x":1.0,"a \"x\"":"y\u0026"},"seed":"18446744073709551615","trial":2,"metric":"mae","value":0.1,"a":3}`
	assert.True(t, strings.HasPrefix(string(sealed), line+"\n{\"sha256\":\""), string(sealed))
	var got body
	from, err := model.Unseal(sealed, "f", 1, &got)
	require.NoError(t, err)
	assert.Equal(t, body{3}, got)
	assert.Equal(t, o, from)
	fails := func(data []byte, format string, version int) error {
		_, err := model.Unseal(data, format, version, &got)
		return err
	}
	assert.ErrorContains(t, fails(sealed, "g", 1), `format "f", version 1: this is a reader of "g", version 1`)
	assert.ErrorContains(t, fails(sealed, "f", 2), `format "f", version 1: this is a reader of "f", version 2`)
	for i := range sealed[:len(sealed)-1] {
		assert.Error(t, fails(sealed[:i], "f", 1), "cut at %d", i)
	}
	for i := range line {
		spoilt := append([]byte(nil), sealed...)
		spoilt[i] ^= 1
		assert.Error(t, fails(spoilt, "f", 1), "byte %d", i)
	}
	empty, err := model.Seal("f", 1, model.Origin{}, struct{}{})
	require.NoError(t, err)
	assert.NoError(t, fails(empty, "f", 1))
	_, err = model.Seal("f", 1, o, 3)
	assert.ErrorContains(t, err, "a body of type int is not a JSON object")
}

func TestPath(t *testing.T) {
	assert.Equal(t, filepath.Join("f", "model-air%2Flstm.json"), model.Path("f", "air/lstm"))
	long := model.Path("f", strings.Repeat("../é", 90))
	assert.Equal(t, "f", filepath.Dir(long))
	assert.NotEqual(t, long, model.Path("f", strings.Repeat("../é", 91)))
}
