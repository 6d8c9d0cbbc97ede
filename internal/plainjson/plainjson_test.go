package plainjson_test

import (
	"encoding/json"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/plainjson"
)

func TestExplain(t *testing.T) {
	for text, want := range map[string]string{
		`{"inputs": [{"shape": "3"}]}`:       "inputs.shape: want a list, not a text",
		`{"inputs": [{"shape": ["3"]}]}`:     "inputs.shape: want a whole number, not a text",
		`{"inputs": [{"shape": [1.5]}]}`:     "inputs.shape: want a whole number, not 1.5",
		`{"inputs": [{"name": 5}]}`:          "inputs.name: want a text, not a number",
		`{"inputs": [{"name": [5]}]}`:        "inputs.name: want a text, not a list",
		`{"inputs": [{"name": true}]}`:       "inputs.name: want a text, not true or false",
		`{"inputs": {"name": "a"}}`:          "inputs: want a list, not an object",
		`{"parameters": []}`:                 "parameters: want an object, not a list",
		`{"share": "1"}`:                     "share: want a number, not a text",
		`{"count": -1}`:                      "count: want a whole number from 0, not -1",
		`{"sure": "yes"}`:                    "sure: want true or false, not a text",
		`[]`:                                 "want an object, not a list",
		`{"share": }`:                        "invalid character '}' looking for beginning of value",
		`{"share": 1`:                        "unexpected end of JSON input",
		`{"share": 1, "inputs": [null, {}]}`: "",
	} {
		var in struct {
			Inputs []struct {
				Name  string  `json:"name"`
				Shape []int64 `json:"shape"`
			} `json:"inputs"`
			Parameters map[string]any `json:"parameters"`
			Share      float64        `json:"share"`
			Count      *uint          `json:"count"`
			Sure       bool           `json:"sure"`
		}
		err := plainjson.Explain(json.Unmarshal([]byte(text), &in))
		if want == "" {
			require.NoError(t, err, text)
			continue
		}
		assert.EqualError(t, err, want, text)
	}
	assert.Equal(t, io.EOF, plainjson.Explain(io.EOF))
}
