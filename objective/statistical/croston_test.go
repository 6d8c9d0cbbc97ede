package statistical_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/statistical"
	"github.com/attune-hpo/attune/space"
)

func TestCroston(t *testing.T) {
	every4 := make([]float64, 40)
	for i := 3; i < len(every4); i += 4 {
		every4[i] = 6
	}
	ended := append(append([]float64(nil), every4...), make([]float64, 100)...)
	for name, c := range map[string]struct {
		form  string
		alpha float64
		y     []float64
		want  float64
	}{
		"regular":           {"classic", 0.1, every4, 1.5},
		"corrected":         {"sba", 0.1, every4, 1.5 * 0.95},
		"ended, remembered": {"classic", 0.1, ended, 1.5},
		"ended, forgotten":  {"tsb", 0.1, ended, 0},
		"always":            {"tsb", 0.3, []float64{5, 5, 5, 5}, 5},
		"by hand":           {"classic", 0.5, []float64{0, 4, 0, 0, 8}, 6 / 2.5},        // sizes 4, 6; intervals 2, 2.5
		"tsb by hand":       {"tsb", 0.5, []float64{0, 4, 0, 8}, (0.5*0.5 + 0.375) * 6}, // p 1/2, 1/4, 5/8
		"none":              {"sba", 0.1, make([]float64, 12), 0},
	} {
		t.Run(name, func(t *testing.T) {
			past := quarters(c.y)
			f := fitted(t, statistical.Croston{}, past, setting("form", c.form), setting("alpha", c.alpha))
			next, err := f.Predict(t.Context(), past, 3)
			require.NoError(t, err)
			assert.InDeltaSlice(t, []float64{c.want, c.want, c.want}, next[0].Y, 1e-3)
			var file bytes.Buffer
			require.NoError(t, f.Save(&file))
			again, err := statistical.Croston{}.New(nil)
			require.NoError(t, err)
			require.NoError(t, again.Load(&file))
			same, err := again.Predict(t.Context(), past, 3)
			require.NoError(t, err)
			assert.Equal(t, next, same, "the settings are the model's")
		})
	}
	for _, s := range []space.Setting{setting("form", "lumpy"), setting("alpha", 0), setting("alpha", 1.5), setting("alpha", "x"), setting("season", 4)} {
		_, err := statistical.Croston{}.New(space.Settings{s})
		require.ErrorIs(t, err, forecast.ErrConfig)
	}
	assert.Len(t, statistical.Croston{}.Space(nil), 2)
	assert.Empty(t, statistical.Croston{Form: "tsb", Alpha: 0.2}.Space(nil))
}

func ExampleCroston() {
	fmt.Println(statistical.Croston{}.Name())
	// Output: croston
}
