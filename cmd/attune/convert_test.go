package main

import (
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/dev/foreign"
	"github.com/attune-hpo/attune/internal/onnxsetup/onnxtest"
	"github.com/attune-hpo/attune/objective/pipeline"
)

// Estimators in joblib files, CatBoost's own format and XGBoost's early stopping.
func TestConvertEstimators(t *testing.T) {
	onnxtest.Require(t)
	dir := t.TempDir()
	cases := map[string]foreign.Case{}
	for _, c := range foreign.Read(t, "../../objective/tree/testdata/estimators/estimators.json.gz") {
		cases[c.Name] = c
	}
	for file, c := range map[string]struct{ name, kind, want string }{
		"lightgbm.joblib": {"lightgbm LGBMClassifier", "joblib", "LGBMClassifier, trees 5, columns 4, outputs label, probabilities\npass: "},
		"catboost.cbm":    {"catboost classes, Lossguide", "cbm", "CatBoost .cbm, trees 5, features 4, outputs 3\nraw outputs: pass"},
		"stopped.ubj":     {"xgboost XGBRegressor, early", "ubj", "(up to the best iteration; --all-trees takes all), features 4, outputs 1\npass: equal numbers"},
	} {
		data, err := base64.StdEncoding.DecodeString(cases[c.name].Files[c.kind])
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), data, 0o644))
		assert.Contains(t, succeed(t, dir, "convert", file, "--output", "model.onnx"), c.want)
	}
	assert.NotContains(t, succeed(t, dir, "convert", "stopped.ubj", "--output", "model.onnx", "--all-trees"), "best iteration")
}

// A keptPipeline is a file of scikit-learn.
type keptPipeline struct {
	Name string
	File []byte
}

func keptPipelines(t *testing.T) []keptPipeline {
	t.Helper()
	var cases []keptPipeline
	for _, name := range []string{"pipelines", "texts"} {
		file, err := os.Open("../../objective/pipeline/testdata/" + name + ".json.gz")
		require.NoError(t, err)
		defer file.Close()
		z, err := gzip.NewReader(file)
		require.NoError(t, err)
		var doc struct{ Cases []keptPipeline }
		require.NoError(t, json.NewDecoder(z).Decode(&doc))
		cases = append(cases, doc.Cases...)
	}
	return cases
}

// Models that users asked for: LightGBM in a Pipeline and in a MultiOutputRegressor, an isolation forest with its
// scaler, TF-IDF with XGBoost; and a table with texts.
func TestConvertPipelines(t *testing.T) {
	onnxtest.Require(t)
	dir := t.TempDir()
	cases := keptPipelines(t)
	wants := map[string]string{
		"LightGBM behind standard":       "m.joblib: Pipeline(StandardScaler, LGBMRegressor), trees 8, columns 4, outputs predictions\npass: ",
		"MultiOutputRegressor":           "m.joblib: MultiOutputRegressor(3 × LGBMRegressor), trees 24, columns 4, outputs predictions\npass: ",
		"isolation forest in a dict":     "m.joblib: dict(IsolationForest, StandardScaler), trees 20, columns 4, outputs label, score, decision\npass: ",
		"TF-IDF and XGBoost":             "m.joblib: Pipeline(TfidfVectorizer, XGBClassifier), trees 24, columns 1, outputs label, probabilities\npass: ",
		"OneHotEncoder of a mixed table": "note: step \"columntransformer\" of the Pipeline: step \"all\" of the ColumnTransformer: OneHotEncoder raises an error for an unknown category in Python. Here it gives zeros, or a missing value.\npass: ",
		"LightGBM classes in a Pipeline": "m.joblib: Pipeline(StandardScaler, LGBMClassifier), trees 24, columns 4, outputs label, probabilities\npass: ",
		"ColumnTransformer and LightGBM": "m.joblib: Pipeline(ColumnTransformer, LGBMRegressor), trees 8, columns 5, outputs predictions\npass: ",
	}
	for _, c := range cases {
		want := wants[c.Name]
		if want == "" {
			continue
		}
		delete(wants, c.Name)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "m.joblib"), c.File, 0o644))
		out := succeed(t, dir, "convert", "m.joblib", "--output", "m.onnx")
		assert.Contains(t, out, want, c.Name)
		if strings.Contains(c.Name, "TF-IDF") {
			assert.Contains(t, out, ", com.microsoft 1, for ONNX Runtime 1.23.2 and later\n")
			assert.Contains(t, out, ` (text="`)
		}
		assert.FileExists(t, filepath.Join(dir, "m.onnx"))
	}
	assert.Empty(t, wants)
	// Columns by their names, texts among them.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "table.csv"), []byte("shop,width,height,colour,size\na,1,2,red,3\nz,,2,pink,1\n"), 0o644))
	for _, c := range cases {
		if c.Name == "ColumnTransformer and LightGBM" {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "m.joblib"), c.File, 0o644))
		}
	}
	out := succeed(t, dir, "convert", "m.joblib", "--output", "m.onnx", "--rows", "table.csv")
	assert.Contains(t, out, "rows                   2\n")
	assert.Contains(t, out, "rows at the thresholds: pass, ")
	for name, c := range map[string]struct {
		code       int
		text, want string
	}{
		"another order":    {0, "size,colour,height,shop,width\n3,red,2,a,1\n", "rows                   1\n"},
		"unknown category": {0, "shop,width,height,colour,size\nnone such,1,2,,3\n", "rows                   1\n"},
		"missing column":   {1, "shop,width,height,colour\na,1,2,red\n", `some columns have names of the model's features ("width", "height", "colour", "shop"), but none has the name of "size": name all of them, or none`},
		"text for number":  {1, "shop,width,height,colour,size\na,1,2,red,3\na,wide,2,red,3\n", `--rows other.csv: line 3: column "width": "wide": not a number`},
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "other.csv"), []byte(c.text), 0o644))
		o := attune(t, dir, "convert", "m.joblib", "--output", "other.onnx", "--rows", "other.csv")
		assert.Equal(t, c.code, o.code, "%s: %s", name, o.stderr)
		assert.Contains(t, o.stdout+o.stderr, c.want, name)
	}
	o := attune(t, dir, "convert", "m.joblib", "--output", "n.onnx", "--form", "float32")
	assert.Contains(t, o.stderr, "--form float32: m.joblib is more than a tree ensemble: it scales or encodes the rows first: use exact or compatible")
	out = succeed(t, dir, "convert", "m.joblib", "--output", "n.onnx", "--benchmark")
	assert.Regexp(t, `(?m)^ *native .*$`, out)
	assert.Regexp(t, `(?m)^ *onnx .*$`, out)
}

// The form float32 is measured on rows that it cannot hold.
func TestConvertFloat32(t *testing.T) {
	onnxtest.Require(t)
	dir := lightgbmModel(t)
	out := succeed(t, dir, "convert", "lightgbm.txt", "--output", "model.onnx", "--form", "float32", "--report", "report.json")
	assert.Contains(t, out, "rows as float32: pass: ")
	assert.Regexp(t, `rows at the thresholds that float32 cannot hold: [1-9]\d* of \d+ values are wrong, by up to [\d.]+: --form compatible takes such rows`, out)
	var report struct {
		Form  string
		Probe struct{ Beyond int }
	}
	read(t, filepath.Join(dir, "report.json"), &report)
	assert.Equal(t, "float32", report.Form)
	assert.Positive(t, report.Probe.Beyond)
}

// A scikit-learn forest is read from the output of joblib.dump, under any file name.
func TestConvertScikitLearn(t *testing.T) {
	onnxtest.Require(t)
	data, err := os.ReadFile("../../objective/tree/testdata/sklearn/forest.joblib")
	require.NoError(t, err)
	dir := t.TempDir()
	for _, file := range []string{"forest.joblib", "forest.pkl", "forest"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), data, 0o644))
		out := succeed(t, dir, "convert", file, "--output", "forest.onnx")
		assert.Contains(t, out, file+": RandomForestRegressor, trees 3, features 2, outputs 1\npass: equal numbers\n")
		assert.FileExists(t, filepath.Join(dir, "forest.onnx"))
	}
}

// lightgbmModel writes a model of LightGBM's tests into a new folder and returns it.
func lightgbmModel(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, c := range foreign.Read(t, "../../objective/tree/testdata/lightgbm-4.7.0.json.gz") {
		if text := c.Files["txt"] + c.Files["text"]; c.Name == "regression" && text != "" {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "lightgbm.txt"), []byte(text), 0o644))
			return dir
		}
	}
	t.Fatal("there is no such model")
	return ""
}

func TestConvert(t *testing.T) {
	onnxtest.Require(t)
	dir := lightgbmModel(t)
	out := succeed(t, dir, "convert", "lightgbm.txt", "--output", "model.onnx")
	assert.Contains(t, out, "pass: equal numbers\n")
	assert.Contains(t, out, "opset 21, ai.onnx.ml 5, for ONNX Runtime 1.23.2 and later\n")

	out = succeed(t, dir, "convert", "lightgbm.txt", "--output", "compatible.onnx", "--form", "compatible", "--registry", "models", "--name", "old", "--promote")
	assert.Contains(t, out, "pass: within 0.0001 + 0.001·|native|")
	assert.Contains(t, out, "opset 17, ai.onnx.ml 3")
	assert.Contains(t, out, "models: old, version 1, live\n")
	o := attune(t, dir, "predict", "--registry", "models", "--name", "old", "--data", "lightgbm.txt")
	assert.Equal(t, "attune: "+filepath.Join("models", "old", "000001", "native.json")+": a tree model, not a forecaster: serve its model.onnx\n", o.stderr)
	o = attune(t, dir, "predict", "--model", "lightgbm.txt", "--data", "lightgbm.txt")
	assert.Equal(t, "attune: lightgbm.txt: a tree model, not a forecaster: attune convert makes ONNX of it\n", o.stderr)

	out = succeed(t, dir, "convert", "lightgbm.txt", "--output", "model.onnx", "--benchmark-json", "speed.json", "--benchmark-plot", "speed.svg", "--report", "report.json")
	assert.Regexp(t, `(?m)^ *native .*$`, out)
	assert.Regexp(t, `(?m)^ *onnx .*$`, out)
	var speed struct {
		Subjects []struct {
			Name    string
			Batches []struct{ Rows int }
		}
	}
	read(t, filepath.Join(dir, "speed.json"), &speed)
	require.Len(t, speed.Subjects, 2)
	assert.Len(t, speed.Subjects[1].Batches, 4)
	assert.FileExists(t, filepath.Join(dir, "speed.svg"))
	var report struct {
		Pass   bool
		Form   string
		Report struct {
			Equal bool
			Rows  int
		}
	}
	read(t, filepath.Join(dir, "report.json"), &report)
	assert.True(t, report.Pass && report.Report.Equal)
	assert.Equal(t, "exact", report.Form)
	assert.GreaterOrEqual(t, report.Report.Rows, 1000)
}

func read(t *testing.T, file string, into any) {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, into))
}

func TestConvertOnRows(t *testing.T) {
	onnxtest.Require(t)
	dir := lightgbmModel(t)
	model, _, err := readModel(filepath.Join(dir, "lightgbm.txt"), pipeline.ReadOptions{})
	require.NoError(t, err)
	m, ok := model.Trees()
	require.True(t, ok)
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	header := make([]string, len(m.Features))
	for i, f := range m.Features {
		header[len(header)-1-i] = f.Name
	}
	row := strings.Repeat(",1.5", len(m.Features))[1:]
	write("rows.csv", "more,"+strings.Join(header, ",")+"\nx,"+row+"\nx"+strings.Repeat(",NA", len(m.Features))+"\n")
	out := succeed(t, dir, "convert", "lightgbm.txt", "--output", "model.onnx", "--rows", "rows.csv")
	assert.Contains(t, out, "rows                   2\n")

	for name, c := range map[string]struct{ text, want string }{
		"empty":   {"", "there are no rows"},
		"header":  {strings.Join(header, ",") + "\n", "there are no rows after the header"},
		"columns": {"a,b\n1,2\n", "it has 2 columns, but the model has"},
		"some":    {strings.Join(header[1:], ",") + ",b\n" + row + "\n", `some columns have names of the model's features ("`},
		"text":    {strings.Join(header, ",") + "\n" + row + "\n" + strings.Replace(row, "1.5", "one", 1) + "\n", `line 3: column "` + header[0] + `": "one": not a number`},
		"ragged":  {strings.Join(header, ",") + "\n1\n", "line 2: wrong number of fields"},
	} {
		write("bad.csv", c.text)
		o := attune(t, dir, "convert", "lightgbm.txt", "--output", "never.onnx", "--rows", "bad.csv")
		assert.Equal(t, 1, o.code, name)
		assert.Contains(t, o.stderr, "--rows bad.csv: "+c.want, name)
	}
	assert.NoFileExists(t, filepath.Join(dir, "never.onnx"))
}

// The file of a model that does not pass is removed, unless it is to be kept under its own name.
func TestConvertFails(t *testing.T) {
	onnxtest.Require(t)
	dir := lightgbmModel(t)
	args := []string{"convert", "lightgbm.txt", "--output", "model.onnx", "--form", "compatible", "--equal"}
	o := attune(t, dir, args...)
	assert.Equal(t, 1, o.code)
	assert.Contains(t, o.stdout, "FAIL: ")
	assert.Contains(t, o.stdout, "its inputs: ")
	assert.Contains(t, o.stderr, "attune: the export does not predict what the native model does: ")
	assert.NoFileExists(t, filepath.Join(dir, "model.onnx"))
	o = attune(t, dir, append(args, "--keep-failed", "--benchmark")...)
	assert.Equal(t, 1, o.code)
	assert.FileExists(t, filepath.Join(dir, "model.failed.onnx"))
	assert.NoFileExists(t, filepath.Join(dir, "model.onnx"))
}

func TestConvertBadInput(t *testing.T) {
	dir := lightgbmModel(t)
	text, err := os.ReadFile(filepath.Join(dir, "lightgbm.txt"))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"cut short": {text[:len(text)/2], "model: malformed model"},
		"no model":  {[]byte("hello"), "model: malformed model: want LightGBM text"},
		"pickle":    {[]byte("\x80\x04\x95hello"), "model: malformed model: byte 2: ends too early"},
		"program":   {[]byte("cos\nsystem\n(S'echo hello'\ntR."), "model: unsupported: byte 0: os.system is not among"},
		"CatBoost":  {[]byte("CBM1\x08!"), "model: malformed model: CatBoost .cbm: "},
		"LightGBM":  {[]byte("clightgbm.sklearn\nLGBMRegressor\n."), "lightgbm.sklearn.LGBMRegressor itself: want a model"},
		"unfitted":  {[]byte("clightgbm.sklearn\nLGBMRegressor\n)\x81."), "_Booster is nothing: is the model fitted?"},
		"old":       {append([]byte("binf"), make([]byte, 5000)...), `load it with XGBoost 3.0 or older and save it again: xgboost.Booster(model_file="m.bin").save_model("m.json")`},
		"ONNX":      {append([]byte("\x08\x07\x12\x08catboost"), make([]byte, 5000)...), "it looks like an ONNX model: attune reads the model that ONNX was made from"},
		"pointer":   {[]byte("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"), "malformed model: it is a pointer of Git LFS, not the model: fetch that with git lfs pull"},
		"empty":     {nil, "model: malformed model"},
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "model"), c.content, 0o644))
		o := attune(t, dir, "convert", "model", "--output", "never.onnx")
		assert.Equal(t, 1, o.code, name)
		assert.Contains(t, o.stderr, c.want, name)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"convert"}, "want one model file, not 0 arguments"},
		{[]string{"convert", "model"}, "attune: --output is missing: want a file: see attune convert --help\n"},
		{[]string{"convert", "nowhere", "--output", "x"}, "nowhere: no such file or directory"},
		{[]string{"convert", "model", "--output", "x", "--form", "tiny"}, "--form tiny: want one of exact, compatible, float32"},
		{[]string{"convert", "lightgbm.txt", "--output", "./lightgbm.txt"}, "--output ./lightgbm.txt: that is the model to convert"},
		{[]string{"convert", "model", "--output", "x", "--promote"}, "need a registry: name its folder with --registry"},
		{[]string{"convert", "model", "--output", "x", "--registry", "r"}, "name the model with --name"},
		{[]string{"setup"}, "attune setup onnxruntime"},
		{[]string{"setup", "onnxruntime", "--from", "nowhere"}, "nowhere: no such file or directory"},
		{[]string{"setup", "onnxruntime", "--from", "lightgbm.txt"}, "not the pinned build of ONNX Runtime"},
	} {
		o := attune(t, dir, c.args...)
		assert.Equal(t, 1, o.code, c.args)
		assert.Contains(t, o.stderr, c.want, c.args)
	}
}

// A text of 10 MB is a row like any other, and so is an empty one.
func TestConvertOnLargeRow(t *testing.T) {
	onnxtest.Require(t)
	dir := t.TempDir()
	model, err := os.ReadFile("../../examples/logs/text.joblib")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "text.joblib"), model, 0o644))
	rows := "text\n" + strings.Repeat("disk full ", 1<<20) + "\n\"\"\naccepted password for n1\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "rows.csv"), []byte(rows), 0o644))
	out := succeed(t, dir, "convert", "text.joblib", "--output", "m.onnx", "--rows", "rows.csv")
	assert.Contains(t, out, "rows                   3 with 3 outputs\n")
	assert.Less(t, len(out), 3000, "the report does not repeat the text")
}
