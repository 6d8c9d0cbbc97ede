package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/onnxsetup/onnxtest"
)

// A model is trained on newer data, and is live only if it is not worse than the live one.
func TestRefit(t *testing.T) {
	t.Parallel()
	dir, _ := air(t)
	all, err := os.ReadFile(filepath.Join(dir, "air.csv"))
	require.NoError(t, err)
	lines := strings.SplitAfter(string(all), "\n")
	write := func(name string, lines []string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(strings.Join(lines, "")), 0o644))
	}
	write("old.csv", lines[:1+120])
	succeed(t, dir, "optimize", "--data", "old.csv", "--target", "passengers", "--models", "theta", "--name", "air", "--trials", "1", "--ensemble=false", "--quiet")
	out := succeed(t, dir, "refit", "--data", "air.csv", "--name", "air", "--promote")
	assert.Regexp(t, `^passengers, the newest 12 steps +mape\ntheta, trained without them +3\.\d+\n`, out)
	assert.Contains(t, out, "seasonal naive + drift, the best baseline")
	assert.NotContains(t, out, "theta, live")
	assert.Contains(t, out, "models: air, version 1, live\n")
	assert.True(t, strings.HasPrefix(succeed(t, dir, "predict", "--registry", "models", "--name", "air", "--data", "air.csv"), "time,prediction\n1961-01,"))

	same := succeed(t, dir, "refit", "--data", "air.csv", "--name", "air", "--promote")
	assert.Contains(t, same, "theta, live, trained again without them", "it has seen the newest steps")
	assert.Regexp(t, `theta, trained without them +(3\.\d+)\n`, same)
	assert.Contains(t, same, "version 2, live\n", "it is no worse")
	assert.Contains(t, succeed(t, dir, "refit", "--data", "air.csv", "--name", "air"), "models: air, version 3\n")

	// A live version that was trained before the newest steps is compared without another training.
	succeed(t, dir, "registry", "add", "old", filepath.Join("attune.db.models", "model-air%2Ftheta.json"), "--promote")
	assert.Regexp(t, `\ntheta, live +\d+\.\d+\n`, succeed(t, dir, "refit", "--data", "air.csv", "--name", "old"))

	write("short.csv", lines[:1+10])
	write("other.csv", []string{"a,b\n1,2\n"})
	for args, want := range map[string]string{
		"--data short.csv --name air":                  "short.csv: ",
		"--data other.csv --name air":                  "other.csv: ",
		"--data none.csv --name air":                   "none.csv: no such file",
		"--data air.csv --name Air":                    "--name Air: want lower-case letters",
		"--data air.csv --name ../../evil":             "attune: --name ../../evil: want lower-case letters",
		"--data air.csv --name air --max-rounds 0":     "--max-rounds 0: want 1 to 1000000",
		"--data air.csv --name air --storage none.db":  "none.db: no such file",
		"--data air.csv --name air --study other":      "--study other: want one of air/theta",
		"--data air.csv --name air --registry air.csv": "--registry: ",
		"--data air.csv":                               "--name is missing: want a name",
	} {
		o := attune(t, dir, append([]string{"refit"}, strings.Fields(args)...)...)
		assert.Equal(t, 1, o.code, args)
		assert.Contains(t, o.stderr, want, args)
	}
}

// The trees of series are explained by their lags, the calendar and covariates.
func TestExplainSeries(t *testing.T) {
	t.Parallel()
	dir, args := air(t, "--quiet")
	succeed(t, dir, args...)
	text := succeed(t, dir, "explain", "--output", "shap.csv")
	assert.Regexp(t, `^study air-passengers/lightgbm, trial \d+: lightgbm, \d+ rows\n\nfeature +gain +shap\n`, text)
	assert.Contains(t, text, "lag_1 ")
	data, err := os.ReadFile(filepath.Join(dir, "shap.csv"))
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	assert.True(t, strings.HasPrefix(lines[0], "id,origin,target,lag_1,"), lines[0])
	assert.True(t, strings.HasSuffix(lines[0], ",expected"), lines[0])
	assert.Regexp(t, `^,19\d\d-\d\d,19\d\d-\d\d,`, lines[1])
	assert.Contains(t, succeed(t, dir, "explain", "--format", "json"), `"shap": `)

	succeed(t, dir, "optimize", "--data", "air.csv", "--target", "passengers", "--models", "theta", "--trials", "1", "--quiet")
	fails(t, dir, "theta does not forecast with features: choose a study of trees with --study", "explain", "--study", "air-passengers/theta")
}

// Trees are trained for another number of rounds, and exported to ONNX.
func TestRefitTrees(t *testing.T) {
	t.Parallel()
	onnxtest.Require(t)
	dir, args := air(t, "--windows", "4", "--quiet")
	succeed(t, dir, args...)
	out := succeed(t, dir, "refit", "--data", "air.csv", "--name", "air", "--max-rounds", "7", "--output", "model.onnx", "--promote")
	assert.Contains(t, out, "ONNX: pass: within 0.0001 + 0.001·|native|\n")
	assert.Contains(t, out, "models: air, version 1, live\n")
	assert.FileExists(t, filepath.Join(dir, "model.onnx"))
	worse := succeed(t, dir, "refit", "--data", "air.csv", "--name", "air", "--max-rounds", "1", "--promote")
	assert.Contains(t, worse, "models: air, version 2, which is not live: its score is worse than that of the live version\n")
}

// A model of a table is trained on newer rows, and is live only if it is not worse than the live one.
func TestRefitTable(t *testing.T) {
	t.Parallel()
	onnxtest.Require(t)
	dir := shops(t, 200)
	all, err := os.ReadFile(filepath.Join(dir, "shops.csv"))
	require.NoError(t, err)
	lines := strings.SplitAfter(string(all), "\n")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "old.csv"), []byte(strings.Join(lines[:1+120], "")), 0o644))
	optimize := []string{"optimize", "--task", "regression", "--target", "rent", "--ignore", "id,owner,day,size,sold,odd", "--trials", "2", "--max-rounds", "15", "--quiet", "--models"}
	succeed(t, dir, append(optimize, "linear,lightgbm", "--data", "old.csv")...)
	refit := []string{"refit", "--data", "shops.csv", "--name", "rents", "--promote", "--study"}
	out := succeed(t, dir, append(refit, "old-rent/linear")...)
	assert.Regexp(t, `^rent, the newest 24 rows +rmse\nlinear, trained without them +0?\.?\d+.*\nONNX: .*\nmodels: rents, version 1, live\n$`, out)
	assert.Regexp(t, `linear, live, trained again without them .*\n(?s).*version 2, live\n$`, succeed(t, dir, append(refit, "old-rent/linear")...), "it is no worse")
	out = succeed(t, dir, append(refit, "old-rent/lightgbm")...)
	assert.Regexp(t, `lightgbm, trained without them `, out)
	assert.Regexp(t, `version 3, which is not live: its score is worse than that of the live version\n$`, out)
	predicted := succeed(t, dir, "predict", "--data", "shops.csv", "--registry", "models", "--name", "rents")
	assert.Equal(t, 201, countLines(predicted))

	require.NoError(t, os.WriteFile(filepath.Join(dir, "other.csv"), []byte("a,b\n1,2\n"), 0o644))
	fails(t, dir, "other.csv: ", "refit", "--data", "other.csv", "--name", "rents", "--study", "old-rent/linear")
	fails(t, dir, "--join is for series", append(refit, "old-rent/linear", "--join", "shops.csv")...)
	fails(t, dir, "--max-rounds is for series", append(refit, "old-rent/linear", "--max-rounds", "9")...)
}
