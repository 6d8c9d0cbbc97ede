package export_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export"
	"github.com/attune-hpo/attune/space"
)

func ExampleSettings() {
	best := []space.Setting{{Name: "lr", Value: "0.01"}, {Name: "booster", Value: `"dart"`}, {Name: "bagging", Value: "true"}}
	for _, form := range export.Forms() {
		if err := export.Settings(os.Stdout, form, best); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// {
	//   "lr": 0.01,
	//   "booster": "dart",
	//   "bagging": true
	// }
	// lr: 0.01
	// booster: dart
	// bagging: true
	// {
	//     "lr": 0.01,
	//     "booster": "dart",
	//     "bagging": True,
	// }
	// map[string]any{
	// 	"lr": 0.01,
	// 	"booster": "dart",
	// 	"bagging": true,
	// }
	// --lr=0.01 --booster=dart --bagging=true
}

func TestSettings(t *testing.T) {
	for _, c := range []struct {
		name  string
		value space.Literal
		want  map[export.Form]string
	}{
		{"n", "3", map[export.Form]string{export.JSON: "{\n  \"n\": 3\n}\n", export.Go: "map[string]any{\n\t\"n\": 3,\n}\n", export.Python: "{\n    \"n\": 3,\n}\n", export.Flags: "--n=3\n"}},
		{"a float that is whole", "3.0", map[export.Form]string{export.Go: "map[string]any{\n\t\"a float that is whole\": 3.0,\n}\n", export.Flags: "'--a float that is whole=3.0'\n"}},
		{"n", "1e-05", map[export.Form]string{export.Go: "map[string]any{\n\t\"n\": 1e-05,\n}\n"}},
		{"n", "null", map[export.Form]string{export.Go: "map[string]any{\n\t\"n\": nil,\n}\n", export.Python: "{\n    \"n\": None,\n}\n", export.Flags: "--n=null\n"}},
		{"n", "false", map[export.Form]string{export.Python: "{\n    \"n\": False,\n}\n"}},
		{"n", "NaN", map[export.Form]string{export.Go: "map[string]any{\n\t\"n\": math.NaN(),\n}\n", export.Python: "{\n    \"n\": float(\"nan\"),\n}\n", export.YAML: "\"n\": .nan\n"}},
		{"n", "-Infinity", map[export.Form]string{export.Go: "map[string]any{\n\t\"n\": math.Inf(-1),\n}\n", export.Python: "{\n    \"n\": float(\"-inf\"),\n}\n"}},
		{"n", "Infinity", map[export.Form]string{export.Python: "{\n    \"n\": float(\"inf\"),\n}\n"}},
		{"n", space.Lit(`it's "$HOME"` + "\n"), map[export.Form]string{
			export.Go:    "map[string]any{\n\t\"n\": \"it's \\\"$HOME\\\"\\n\",\n}\n",
			export.Flags: `'--n=it'\''s "$HOME"` + "\n'\n",
		}},
	} {
		for form, want := range c.want {
			var b bytes.Buffer
			require.NoError(t, export.Settings(&b, form, []space.Setting{{Name: c.name, Value: c.value}}))
			assert.Equal(t, want, b.String(), "%s as %s", c.value, form)
		}
	}
	var b bytes.Buffer
	require.NoError(t, export.Settings(&b, export.JSON, nil))
	assert.Equal(t, "{}\n", b.String())

	b.Reset()
	err := export.Settings(&b, export.JSON, []space.Setting{{Name: "n", Value: "1"}, {Name: "m", Value: "NaN"}})
	require.ErrorIs(t, err, space.ErrOutside)
	require.ErrorContains(t, err, `export: settings: parameter "m"`)
	require.ErrorIs(t, export.Settings(&b, "toml", nil), space.ErrInvalid)
	assert.Empty(t, b.String())
	full := errors.New("full")
	require.ErrorIs(t, export.Settings(failing{full}, export.Go, nil), full)
}

type failing struct{ error }

func (f failing) Write([]byte) (int, error) { return 0, f.error }
