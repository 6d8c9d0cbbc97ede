package main

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/dev/foreign"
	"github.com/attune-hpo/attune/internal/onnxsetup/onnxtest"
)

// A folder is converted at once: every model in it, and in the folders in it; what is no
// model is passed over, and what cannot be converted is in the table with its reason. A second
// run converts what has changed.
func TestConvertFolder(t *testing.T) {
	onnxtest.Require(t)
	dir := t.TempDir()
	put := func(name string, content []byte) {
		file := filepath.Join(dir, "models", name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, content, 0o644))
	}
	for _, c := range foreign.Read(t, "../../objective/tree/testdata/estimators/estimators.json.gz") {
		for kind, name := range map[string]string{"joblib": "lightgbm/a.joblib", "cbm": "a.cbm", "ubj": "deep/er/b.ubj", "json": "deep/er/b.json"} {
			wanted := map[string]string{"joblib": "lightgbm LGBMClassifier", "cbm": "catboost classes", "ubj": "xgboost XGBRegressor, early", "json": "xgboost XGBClassifier"}
			if c.Name == wanted[kind] {
				data, err := base64.StdEncoding.DecodeString(c.Files[kind])
				require.NoError(t, err)
				put(name, data)
			}
		}
	}
	put("README.txt", []byte("models of the shop\n"))
	put("rows.csv", []byte("a,b\n1,2\n"))
	put(".hidden/x.json", []byte("{"))

	args := []string{"convert", "--input", "models", "--output", "onnx"}
	out := succeed(t, dir, args...)
	assert.Regexp(t, `(?m)^model +kind +bytes +ONNX +difference +verdict$`, out)
	assert.Regexp(t, `(?m)^a\.cbm +CatBoost \.cbm +\d+ +\d+ +\S+ +pass$`, out)
	assert.Regexp(t, `(?m)^lightgbm/a\.joblib +LGBMClassifier +\d+ +\d+ +\S+ +pass$`, out)
	assert.Contains(t, out, "4 models: 4 pass; other files: 1\n")
	for _, file := range []string{"a.onnx", "lightgbm/a.onnx", "deep/er/b.ubj.onnx", "deep/er/b.json.onnx"} {
		assert.FileExists(t, filepath.Join(dir, "onnx", file))
	}

	before, err := os.Stat(filepath.Join(dir, "onnx", "a.onnx"))
	require.NoError(t, err)
	put("deep/er/b.json", []byte(`{"learner":{"gradient_booster":{"name":"gblinear"},"learner_model_param":{"base_score":"0","num_feature":"1"}}}`))
	o := attune(t, dir, append(args, "--report", "report.json")...)
	assert.Equal(t, 1, o.code)
	assert.Contains(t, o.stdout, "4 models: 3 unchanged, 1 refused; other files: 1\n")
	assert.Contains(t, o.stdout, `refused: unsupported: XGBoost booster "gblinear"`)
	assert.Contains(t, o.stderr, "attune: 1 of 4 models were not converted: see the table\n")
	after, err := os.Stat(filepath.Join(dir, "onnx", "a.onnx"))
	require.NoError(t, err)
	assert.Equal(t, before.ModTime().Round(time.Nanosecond), after.ModTime().Round(time.Nanosecond))
	var report []converted
	read(t, filepath.Join(dir, "report.json"), &report)
	require.Len(t, report, 4)
	assert.Equal(t, "unchanged", report[0].Verdict)

	// Another form is another file; --model picks.
	out = succeed(t, dir, append(args, "--form", "compatible", "--model", "*.ubj", "--model", "lgbm")...)
	assert.Contains(t, out, "2 models: 2 pass; other files: 3\n")

	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"convert", "--input", "nowhere", "--output", "onnx"}, "--input nowhere: there is no such folder"},
		{[]string{"convert", "m.txt", "--input", "models", "--output", "onnx"}, "--input models: want no model file besides: m.txt"},
		{append(args, "--rows", "x.csv"), "--rows is for a single model: name its file instead of --input"},
		{append(args, "--jobs", "0"), "--jobs 0: want 1 or more"},
		{append(args, "--model", "nothing"), "--input models: there is no model in it, or none that --model selects"},
		{[]string{"convert", "--input", "models", "--output", "report.json"}, "--output report.json: a file: with --input, want a folder"},
		{[]string{"convert", "models", "--output", "m.onnx"}, "attune: models: a folder: convert its models with --input models, and a folder as --output\n"},
		{[]string{"convert", "m.txt", "--model", "x", "--output", "m.onnx"}, "--model picks models of a folder: give --input"},
	} {
		o := attune(t, dir, c.args...)
		assert.Equal(t, 1, o.code, c.args)
		assert.Contains(t, o.stderr, c.want, c.args)
		assert.NotContains(t, o.stdout, "models: ;", "there are no verdicts without models")
	}
}
