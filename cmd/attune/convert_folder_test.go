package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
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

	// The speed of each model is measured, one after the other, and the table is also written as a page.
	o = attune(t, dir, append(args, "--benchmark", "--report", "report.json", "--report-html", "report.html")...)
	assert.Equal(t, 1, o.code)
	assert.Regexp(t, `(?m)^model +kind +bytes +ONNX +load +native +ONNX +speed-up +difference +verdict$`, o.stdout)
	assert.Regexp(t, `(?m)^a\.cbm +CatBoost \.cbm +\d+ +\d+ +\S+ .?s +\S+ .?s +\S+ .?s +\S+× +- +unchanged$`, o.stdout)
	read(t, filepath.Join(dir, "report.json"), &report)
	require.NotNil(t, report[0].Speed)
	assert.Empty(t, report[0].Speed.Error)
	assert.Positive(t, report[0].Speed.Load*report[0].Speed.Native*report[0].Speed.ONNXRows*report[0].Speed.Speedup)
	page, err := os.ReadFile(filepath.Join(dir, "report.html"))
	require.NoError(t, err)
	assert.Contains(t, string(page), "<td>a.cbm</td><td>CatBoost .cbm</td>")
	assert.Contains(t, string(page), `<tr class="bad"><td>deep/er/b.json</td>`)

	// An encoder that is stricter in Python is noted in all of them.
	for _, c := range keptPipelines(t) {
		if c.Name == "OneHotEncoder of a mixed table" {
			put("table.joblib", c.File)
		}
	}
	o = attune(t, dir, append(args, "--report", "report.json", "--report-html", "report.html")...)
	note := `step "columntransformer" of the Pipeline: step "all" of the ColumnTransformer: OneHotEncoder raises an error for an unknown category in Python`
	assert.Contains(t, o.stdout, "note: table.joblib: "+note)
	read(t, filepath.Join(dir, "report.json"), &report)
	assert.Contains(t, report[len(report)-1].Notes[0], note)
	page, err = os.ReadFile(filepath.Join(dir, "report.html"))
	require.NoError(t, err)
	assert.Contains(t, string(page), "<p>Note: table.joblib: step")
	require.NoError(t, os.Remove(filepath.Join(dir, "models", "table.joblib")))

	// Another --form makes another file; --model selects models.
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

// Scalers beside the models of a folder become part of the ONNX files if --before names them. A folder without a scaler
// is refused, because its model alone would take other rows.
func TestConvertFolderBefore(t *testing.T) {
	onnxtest.Require(t)
	dir := t.TempDir()
	var doc struct {
		Cases []struct {
			Before [][]byte
			File   []byte
		}
	}
	file, err := os.Open("../../objective/pipeline/testdata/beside.json.gz")
	require.NoError(t, err)
	defer file.Close()
	z, err := gzip.NewReader(file)
	require.NoError(t, err)
	require.NoError(t, json.NewDecoder(z).Decode(&doc))
	for i, folder := range []string{"shop", "mill", "bare"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "models", folder), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "models", folder, "forest.joblib"), doc.Cases[0].File, 0o644))
		if i < 2 {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "models", folder, "forest_scaler.joblib"), doc.Cases[0].Before[0], 0o644))
		}
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "models", "bare", "notes.txt"), []byte("no model"), 0o644))
	args := []string{"convert", "--input", "models", "--output", "onnx", "--before", "*_scaler.joblib"}
	o := attune(t, dir, args...)
	assert.Equal(t, 1, o.code)
	assert.Contains(t, o.stdout, "refused: --before: there is no forest_scaler.joblib beside it\n")
	assert.Regexp(t, `(?m)^shop/forest\.joblib +StandardScaler \+ IsolationForest +\d+ +\d+ +\S+ +pass$`, o.stdout)
	assert.Contains(t, o.stdout, "3 models: 2 pass, 1 refused; other files: 1\n")
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "models", "bare")))
	assert.Contains(t, succeed(t, dir, args...), "2 models: 2 unchanged; other files: 0\n")

	// For one model, they are paths.
	out := succeed(t, dir, "convert", "models/shop/forest.joblib", "--before", "models/shop/forest_scaler.joblib", "--output", "m.onnx")
	assert.Contains(t, out, "models/shop/forest.joblib: StandardScaler + IsolationForest, trees 10, columns 3, outputs label, score, decision\n")
	// A share of the rows is -1.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "rows.csv"), []byte("a,b,c\n5,5,5\n5,6,5\n6,5,5\n5,5,6\n40,-40,40\n"), 0o644))
	one := []string{"convert", "models/shop/forest.joblib", "--before", "models/shop/forest_scaler.joblib", "--output", "m.onnx", "--contamination", "0.2"}
	assert.Contains(t, succeed(t, dir, append(one, "--rows", "rows.csv", "--benchmark")...), "pass: ")
	for _, c := range []struct {
		args []string
		want string
	}{
		{one, "--contamination is a share of rows: give --rows, such as those that the forest was trained on"},
		{append(one, "--rows", "rows.csv", "--contamination", "2"), "models/shop/forest.joblib: contamination 2: wrong input: want more than 0 and at most 0.5"},
		{append(args, "--contamination", "0.2"), "--contamination is for a single model: name its file instead of --input"},
	} {
		o := attune(t, dir, c.args...)
		assert.Equal(t, 1, o.code)
		assert.Equal(t, "attune: "+c.want+"\n", o.stderr)
	}
	o = attune(t, dir, "convert", "models/shop/forest.joblib", "--before", "nowhere", "--output", "m.onnx")
	assert.Equal(t, "attune: --before: open nowhere: no such file or directory\n", o.stderr)

	// A model that XGBoost trained on a sparse matrix: attune warns of it, and with --zeros-missing zeros count as
	// missing.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sparse.json"), doc.Cases[2].File, 0o644))
	o = attune(t, dir, "convert", "sparse.json", "--output", "m.onnx")
	assert.Contains(t, o.stderr, "attune: warning: sparse.json: XGBoost was trained with missing values, and splits only at numbers above 0: if it was trained on a sparse matrix, its zeros counted as missing: give --zeros-missing\n")
	o = attune(t, dir, "convert", "sparse.json", "--zeros-missing", "--output", "m.onnx")
	assert.Zero(t, o.code, o.stderr)
	assert.Empty(t, o.stderr)
}

// The bar goes to a terminal alone.
func TestMeter(t *testing.T) {
	var b bytes.Buffer
	m := newMeter(&b, 3, "converting")
	m.add()
	m.end()
	assert.Empty(t, b.String())
	m = barOn(&b, 3, "converting")
	m.add()
	m.add()
	m.end()
	assert.Contains(t, b.String(), "converting")
	assert.Contains(t, b.String(), "2/3")
}

// A file with the name of a model that holds none is damaged, and not some other file.
func TestConvertFolderNamesDamagedModels(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "in"), 0o777))
	for _, name := range []string{"a.joblib", "b.cbm", "c.txt"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "in", name), []byte("version 3\noid"), 0o666))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "in", "d.txt"), []byte("version https://git-lfs.github.com/spec/v1\noid"), 0o666))
	o := attune(t, dir, "convert", "--input", "in", "--output", "out")
	assert.Equal(t, 1, o.code)
	assert.Contains(t, o.stdout, "a.joblib")
	assert.Contains(t, o.stdout, "b.cbm")
	assert.Contains(t, o.stdout, "3 models: 3 refused; other files: 1")
}
