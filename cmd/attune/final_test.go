package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/onnxsetup/onnxtest"
)

// growing returns a new folder with y.csv, a series that grows by the month and ends with the
// given values, and the arguments of a quick and reproducible tuning.
func growing(t *testing.T, last ...float64) (dir string, args []string) {
	t.Helper()
	dir = t.TempDir()
	var b strings.Builder
	b.WriteString("date,y\n")
	for i := range 150 {
		y := 100 * math.Pow(1.01, float64(i)) * (1 + 0.3*math.Sin(float64(i)/6*math.Pi))
		if k := i - 150 + len(last); k >= 0 {
			y = last[k]
		}
		fmt.Fprintf(&b, "%d-%02d-01,%.1f\n", 2000+i/12, i%12+1, y)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "y.csv"), []byte(b.String()), 0o644))
	return dir, []string{"optimize", "--data", "y.csv", "--target", "y", "--models", "lightgbm", "--trials", "4", "--max-rounds", "30",
		"--windows", "2", "--workers", "1", "--metric", "mae", "--sampler", "random", "--quiet"}
}

// A value that the tuning did not see can make the best trial impossible, like 0 with
// logarithms. The next best trial then replaces it in all commands.
func TestUnfit(t *testing.T) {
	t.Parallel()
	for name, last := range map[string]float64{"zero": 0, "below zero": -5} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, optimize := growing(t, last)
			first := succeed(t, dir, optimize...)
			assert.Regexp(t, `\nlightgbm: the model is from trial \d, because a?\d? ?better trials? cannot be fitted to all data: refit trial \d: from 2000-01-01: log: value 149 is `, first)
			assert.Regexp(t, `\nlightgbm +\d\S+ ± \d\S* +\d\S+ `, first, "it has scores, on the test span too")
			assert.Contains(t, first, "\nbest model, fitted to all data: attune.db.models/model-y-y%2Flightgbm.json\n")
			assert.Equal(t, first, succeed(t, dir, optimize...), "once more")
			var report struct {
				Winner string
				Notes  []string
				Rows   []struct {
					Name   string
					Best   *int           `json:"best_trial"`
					File   string         `json:"model_file"`
					Params map[string]any `json:"params"`
				}
			}
			require.NoError(t, json.Unmarshal([]byte(succeed(t, dir, append(optimize, "--json")...)), &report))
			assert.Equal(t, "y-y/lightgbm", report.Winner)
			for _, r := range report.Rows {
				if r.Name != "lightgbm" {
					continue
				}
				assert.Equal(t, "attune.db.models/model-y-y%2Flightgbm.json", r.File)
				assert.NotContains(t, r.Params["transform"], "log")
				assert.Contains(t, first, fmt.Sprintf("lightgbm (trial %d): transform=%s ", *r.Best, r.Params["transform"]))
				var best map[string]any
				require.NoError(t, json.Unmarshal([]byte(succeed(t, dir, "best", "--format", "json")), &best))
				assert.Equal(t, best, r.Params)
			}
			assert.Contains(t, succeed(t, dir, "best"), "the model is from trial ")
			forecast := succeed(t, dir, "predict")
			assert.Len(t, strings.Split(forecast, "\n"), 1+12+1)
			require.NoError(t, os.RemoveAll(filepath.Join(dir, "attune.db.models")))
			assert.Equal(t, forecast, succeed(t, dir, "predict"), "the same trial's model, refitted")
		})
	}
	t.Run("export", func(t *testing.T) {
		onnxtest.Require(t)
		dir, optimize := growing(t, 0)
		succeed(t, dir, optimize...)
		assert.Contains(t, succeed(t, dir, "export", "--output", "y.onnx"), "pass: ")
	})
}

// If no model of a study can be fitted to all data, another study replaces it.
func TestUnfitStudy(t *testing.T) {
	t.Parallel()
	dir, optimize := growing(t, 0)
	optimize = append(optimize, "--models", "xgboost", "--fixed", "lightgbm.transform=log,diff 12", "--fixed", "xgboost.transform=none", "--trials", "2")
	out := succeed(t, dir, optimize...)
	assert.Regexp(t, `\nlightgbm +[0-9.]+ ± [0-9.]+ +- +- +- +- +2 `, out, "its best score, and no test")
	assert.Contains(t, out, "\n"+`study "y-y/lightgbm": none of its 2 complete trials can be fitted to all data: refit trial `)
	assert.Contains(t, out, "\nbest model, fitted to all data: attune.db.models/model-y-y%2Fxgboost.json\n")
	assert.Equal(t, out, succeed(t, dir, optimize...), "once more")
	assert.Len(t, strings.Split(succeed(t, dir, "predict"), "\n"), 1+12+1, "with xgboost")
	o := attune(t, dir, "predict", "--study", "y-y/lightgbm")
	assert.Equal(t, 1, o.code)
	assert.Contains(t, o.stderr, "log: value 149 is 0")
}

// The table is printed even if something fails after the tuning.
func TestTableInTheEnd(t *testing.T) {
	t.Parallel()
	t.Run("no trial has a model", func(t *testing.T) {
		t.Parallel()
		dir, optimize := growing(t, 0)
		optimize = append(optimize, "--fixed", "transform=log")
		for _, more := range []string{"--json=false", "--json"} {
			o := attune(t, dir, append(optimize, more)...)
			assert.Equal(t, 1, o.code)
			assert.Contains(t, o.stderr, `attune: no model could be fitted to all data: study "y-y/lightgbm": none of its 4 complete trials can be fitted to all data: refit trial `)
			assert.Equal(t, 1, countLines(o.stderr))
			assert.Contains(t, o.stdout, "There is no model: none could be fitted to all data.")
			assert.Contains(t, o.stdout, "seasonal naive")
			assert.NotContains(t, o.stdout, "attune predict")
		}
		o := attune(t, dir, "predict")
		assert.Equal(t, 1, o.code)
		assert.Contains(t, o.stderr, "log: value 149 is 0")
		succeed(t, dir, "best")
	})
	t.Run("the model cannot be written", func(t *testing.T) {
		t.Parallel()
		dir, optimize := growing(t)
		for _, folder := range []string{"attune.db.models", "attune.db.models/tuned"} { // the places of files
			require.NoError(t, os.MkdirAll(filepath.Join(dir, folder, "model-y-y%2Flightgbm.json", "x"), 0o755))
		}
		o := attune(t, dir, optimize...)
		assert.Equal(t, 1, o.code)
		assert.Contains(t, o.stderr, `attune: study "y-y/lightgbm": the model fitted to all data could not be saved: `)
		assert.Regexp(t, `\nlightgbm +\d\S+ ± \d\S* +\d\S+ `, o.stdout, "it has scores, on the test span too")
		assert.NotContains(t, o.stdout, "attune predict")
		o = attune(t, dir, "predict")
		assert.Zero(t, o.code, o.stderr)
		assert.Contains(t, o.stderr, "the model could not be saved and will be fitted again next time: ")
	})
	t.Run("the metric has no value on the test span", func(t *testing.T) {
		t.Parallel()
		dir, optimize := growing(t, make([]float64, 12)...)
		out := succeed(t, dir, append(optimize, "--metric", "mape")...)
		assert.Contains(t, out, "On the test span, which the tuning never saw, mape has no value.")
		assert.NotContains(t, out, "NaN")
		assert.Empty(t, attune(t, dir, "predict").stderr, "no doubts that are none")
	})
}
