package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/onnxsetup/onnxtest"
)

// shops writes a table of shops to a new folder: numbers with gaps, a category, the owner who
// has several, the day, the rent, a class and rare anomalies.
func shops(t *testing.T, rows int) (dir string) {
	t.Helper()
	r := rand.New(rand.NewPCG(5, 6))
	var b strings.Builder
	b.WriteString("id,owner,day,town,area,age,rent,size,sold,odd\n")
	for i := range rows {
		town, area, age := r.IntN(4), r.Float64(), r.Float64()
		rent := 3*area + 2*float64(town%2) + 0.1*r.NormFloat64()
		size := []string{"large", "small", "tiny"}[min(int(3*(1-area)), 2)]
		sold := []string{"no", "yes"}[min(int(2*area), 1)]
		odd := 0
		if i%20 == 7 {
			odd, age = 1, 9+r.Float64()
		}
		gap := fmt.Sprintf("%.3f", age)
		if i%11 == 3 {
			gap = "NA"
		}
		fmt.Fprintf(&b, "%d,%d,2020-%02d-%02d,%s,%.3f,%s,%.3f,%s,%s,%d\n", i, i/3, 1+i/28%12, 1+i%28, []string{"Ayr", "Bonn", "Cork", ""}[town], area, gap, rent, size, sold, odd)
	}
	dir = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "shops.csv"), []byte(b.String()), 0o644))
	return dir
}

var quickTable = []string{"optimize", "--data", "shops.csv", "--trials", "2", "--max-rounds", "15", "--quiet", "--ignore", "id"}

// From a table to predictions, explanations, a registry and an ONNX file.
func TestTable(t *testing.T) {
	t.Parallel()
	dir := shops(t, 150)
	optimize := append(quickTable, "--task", "regression", "--target", "rent", "--ignore", "owner,day,size,sold,odd")
	first := succeed(t, dir, optimize...)
	golden(t, "table.txt", regexpLines(first))
	assert.Equal(t, first, succeed(t, dir, optimize...), "a resumed study changes nothing")
	assert.Contains(t, first, "shops.csv: rent by regression, 150 rows, 3 features, 1 of them categorical,")

	var report struct {
		Winner string
		Rows   []struct {
			Name string
			Test map[string]float64
			File string `json:"model_file"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(succeed(t, dir, append(optimize, "--json")...)), &report))
	assert.Len(t, report.Rows, 7)
	for _, r := range report.Rows {
		assert.Equal(t, r.Name == "mean", r.Test["r2"] < 0.2, "%s has r2 %v", r.Name, r.Test["r2"])
	}

	require.NoError(t, os.WriteFile(filepath.Join(dir, "new.csv"), []byte("town,age,area\nBonn,0.5,0.5\nAyr,0.5,0.5\nParis,,0.5\n"), 0o644))
	for _, model := range []string{"linear", "lightgbm"} {
		study := []string{"--study", "shops-rent/" + model}
		lines := strings.Split(succeed(t, dir, append([]string{"predict", "--data", "new.csv"}, study...)...), "\n")
		require.Len(t, lines, 5)
		assert.Equal(t, "row,prediction", lines[0])
		var bonn, ayr float64
		fmt.Sscanf(lines[1], "1,%g", &bonn)
		fmt.Sscanf(lines[2], "2,%g", &ayr)
		assert.InDelta(t, 2, bonn-ayr, 0.7, model)

		text := succeed(t, dir, append([]string{"explain", "--output", "shap.csv"}, study...)...)
		assert.Regexp(t, `(?s)town .*age `, text)
		shap, err := os.ReadFile(filepath.Join(dir, "shap.csv"))
		require.NoError(t, err)
		assert.Equal(t, 151, countLines(string(shap)))
		assert.True(t, strings.HasPrefix(string(shap), "row,town,area,age,expected\n1,"))
	}
	fail := attune(t, dir, "explain", "--study", "shops-rent/mlp", "--output", "shap.csv")
	assert.Contains(t, fail.stderr, "--output: mlp has no SHAP values")

	onnxtest.Require(t)
	for _, model := range []string{"linear", "lightgbm", "mlp", "catboost"} {
		study := []string{"--study", "shops-rent/" + model}
		out := succeed(t, dir, append([]string{"export", "--output", "m.onnx", "--registry", "reg", "--name", model, "--promote"}, study...)...)
		assert.Contains(t, out, "pass", model)
		assert.Contains(t, out, "reg: "+model+", version 1, live")
		assert.Equal(t, succeed(t, dir, append([]string{"predict", "--data", "new.csv"}, study...)...),
			succeed(t, dir, "predict", "--data", "new.csv", "--registry", "reg", "--name", model))
		native := filepath.Join("attune.db.models", "model-shops-rent%2F"+model+".json")
		assert.Contains(t, succeed(t, dir, "registry", "--registry", "reg", "add", model, "m.onnx", "--native", native), "version 2")
	}
}

// regexpLines leaves out what depends on the machine: the folder and the order of equal models.
func regexpLines(text string) string {
	var keep []string
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "cross-validation") || strings.HasPrefix(line, "model ") || strings.HasPrefix(line, "  attune ") {
			keep = append(keep, line)
		}
	}
	return strings.Join(keep, "\n") + "\n"
}

// Classes, groups, times and anomalies.
func TestTableTasks(t *testing.T) {
	t.Parallel()
	dir := shops(t, 200)
	for name, c := range map[string]struct {
		args    []string
		want    []string
		predict string
	}{
		"binary": {[]string{"--task", "binary", "--target", "sold", "--ignore", "owner,day,size,rent,odd", "--models", "linear,lightgbm", "--metric", "auc", "--positive", "no"},
			[]string{"stratified", "shares of the classes (baseline)"}, "row,prediction,probability_yes,probability_no\n1,"},
		"multiclass by group": {[]string{"--task", "multiclass", "--target", "size", "--group", "owner", "--ignore", "day,rent,sold,odd", "--models", "random_forest,mlp"},
			[]string{"which split no group", "test accuracy"}, "row,prediction,probability_large,probability_small,probability_tiny\n1,"},
		"by time": {[]string{"--task", "regression", "--target", "rent", "--time", "day", "--ignore", "owner,size,sold,odd", "--models", "xgboost", "--metric", "pinball@0.9"},
			[]string{"each later than the rows it learns from", "0.9-quantile (baseline)"}, "row,prediction\n1,"},
		"anomalies": {[]string{"--task", "anomaly", "--target", "odd", "--ignore", "owner,day,town,rent,size,sold", "--metric", "ap"},
			[]string{"isolation_forest has, in the cross-validation, ap"}, "row,score\n1,"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			more := append([]string{"--storage", name + ".db", "--name", "x"}, c.args...)
			if name == "anomalies" {
				more = append(more, "--fixed", "n_estimators=20")
			}
			out := succeed(t, dir, append(quickTable, more...)...)
			for _, want := range c.want {
				assert.Contains(t, out, want)
			}
			assert.NotContains(t, out, "do not trust it")
			rows := succeed(t, dir, "predict", "--storage", name+".db", "--data", "shops.csv")
			assert.True(t, strings.HasPrefix(rows, c.predict), rows[:60])
			assert.Equal(t, 201, countLines(rows))
			assert.NotEmpty(t, succeed(t, dir, "best", "--storage", name+".db", "--format", "json"))
			assert.Contains(t, succeed(t, dir, "explain", "--storage", name+".db"), "area")
		})
	}
}

// Mistakes in a table are reported before anything is written.
func TestTableErrors(t *testing.T) {
	t.Parallel()
	dir := shops(t, 120)
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	write("constant.csv", "a,y\n1,2\n2,2\n")
	write("three.csv", "a,y\n1,2\n2,3\n3,4\n")
	write("text.csv", "a,y\n1,2\n2,x\n3,4\n4,5\n")
	write("empty.csv", "")
	for args, want := range map[string]string{
		"--task guess --data shops.csv --target rent":                                                                "--task guess: want one of forecast, regression, binary, multiclass, ranking, anomaly",
		"--task regression --data shops.csv":                                                                         `which column to predict? Name it with --target: there are "id", "owner"`,
		"--task anomaly --data shops.csv":                                                                            "which column to judge anomalies by",
		"--task regression --target rent":                                                                            "which table? Name it with --data FILE --target COLUMN",
		"--task regression --data shops.csv --target price":                                                          `column "price"`,
		"--task regression --data shops.csv --target size --ignore day":                                              `the target "size" has texts, such as "large"`,
		"--task binary --data shops.csv --target size --ignore day":                                                  `the target "size" has 3 classes, want 2: use --task multiclass`,
		"--task binary --data shops.csv --target sold --metric rmse":                                                 "--metric rmse: want one of logloss, auc, ap, accuracy, f1, brier",
		"--task binary --data shops.csv --target sold --positive maybe --ignore day":                                 `the classes are "no", "yes": name one of two classes with --positive`,
		"--task regression --data shops.csv --target rent --models lstm":                                             "--models lstm: want one of linear, lightgbm",
		"--task anomaly --data shops.csv --target odd --models lightgbm":                                             "--models lightgbm: it does not go with --task anomaly",
		"--task anomaly --data shops.csv --target rent --ignore day":                                                 "must be 1 for anomalies and 0 for the rest",
		"--task regression --data shops.csv --target rent --horizon 3":                                               "--horizon is for series",
		"--task regression --data shops.csv --target rent --folds 1":                                                 "--folds 1: want 2 to 100",
		"--task regression --data shops.csv --target rent --folds 99":                                                "",
		"--task regression --data shops.csv --target rent --test 119 --ignore day":                                   "--test 119: there are only 120 rows",
		"--task regression --data shops.csv --target rent --time size --ignore day":                                  "nor a date like 2006-01-31",
		"--task regression --data shops.csv --target rent --group rent":                                              "two roles",
		"--task regression --data shops.csv --target rent --time day --group owner":                                  "folds in time order would split groups: leave out --time, or leave out --group",
		"--task regression --data shops.csv --target rent --fixed alpha=x --models linear --ignore day":              "alpha is x, want a number",
		"--task regression --data shops.csv --target rent --models linear,mlp --print-space --ignore day":            "--print-space: which model?",
		"--task regression --data shops.csv --target rent --ignore day --models linear,mlp --fixed linear.alpha=-1":  "attune: --fixed alpha=-1 for linear: linear: alpha is -1, want a number from 1e-09",
		"--task regression --data shops.csv --target rent --ignore day --models lightgbm --fixed bagging_fraction=3": "attune: --fixed bagging_fraction=3: lightgbm: bagging_fraction is 3, want a share between 0",
		"--task regression --data shops.csv --target rent --metric pinball@1.5":                                      "--metric pinball@1.5: want pinball@Q with a quantile Q between 0 and 1, such as pinball@0.9",
		"--task regression --data shops.csv --target rent --metric auc":                                              "--metric auc: want one of rmse, mae, mape, r2, pinball@Q",
		"--task regression --data constant.csv --target y":                                                           "the target is constant",
		"--task regression --data three.csv --target y":                                                              "too few rows",
		"--task regression --data text.csv --target y":                                                               "not a finite number",
		"--task regression --data empty.csv --target y":                                                              "there are no rows",
		"--task regression --data none.csv --target y":                                                               "none.csv: no such file",
		"--data shops.csv --target rent --group owner":                                                               "--group is for tables",
	} {
		if want == "" {
			continue
		}
		o := attune(t, dir, append([]string{"optimize"}, strings.Fields(args)...)...)
		assert.Equal(t, 1, o.code, args)
		assert.Contains(t, o.stderr, want, args)
		assert.Equal(t, 1, countLines(o.stderr), o.stderr)
	}
	assert.NoFileExists(t, filepath.Join(dir, "attune.db"))

	base := append(quickTable, "--task", "regression", "--target", "rent", "--ignore", "owner,day,size,sold,odd", "--models", "linear")
	succeed(t, dir, base...)
	for args, want := range map[string]string{
		"--folds 3":    "was made with --folds 5, but it is now 3",
		"--metric mae": "was made with --metric rmse, but it is now mae",
		"--test 30":    "was made with --test 24, but it is now 30",
		"--ignore age": "was made with different data",
	} {
		o := attune(t, dir, append(base, strings.Fields(args)...)...)
		assert.Contains(t, o.stderr, want, args)
	}
	for args, want := range map[string]string{
		"predict":                                "which rows to predict? Name their file with --data",
		"predict --data shops.csv --levels 80":   "--levels is for series",
		"predict --data three.csv":               `column "town"`,
		"export --output m.onnx --quantize fp16": "--quantize fp16 is for networks that forecast",
	} {
		o := attune(t, dir, strings.Fields(args)...)
		assert.Contains(t, o.stderr, want, args)
	}
}

// The answers to a query are ranked: from the table to predictions, explanations and ONNX.
func TestTableRanking(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 8))
	b := "query,match,age,grade\n"
	for q := range 40 {
		for range 8 {
			match, age := r.Float64(), r.Float64()
			b += fmt.Sprintf("q%d,%.3f,%.3f,%d\n", q, match, age, int(4*match*(1-age/2)))
		}
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "answers.csv"), []byte(b), 0o644))
	optimize := []string{"optimize", "--task", "ranking", "--data", "answers.csv", "--target", "grade", "--group", "query", "--trials", "2", "--max-rounds", "20", "--quiet"}
	var report struct {
		Metric string
		Rows   []struct {
			Name       string
			Validation float64
			Test       map[string]float64
		}
	}
	require.NoError(t, json.Unmarshal([]byte(succeed(t, dir, append(optimize, "--models", "lightgbm,linear", "--json")...)), &report))
	assert.Equal(t, "ndcg@10", report.Metric)
	require.Len(t, report.Rows, 3)
	for _, r := range report.Rows {
		assert.Contains(t, r.Test, "ndcg@5")
		assert.Equal(t, r.Name == "random order", r.Test["ndcg@10"] < 0.85, "%s has %v", r.Name, r.Test)
		assert.InDelta(t, r.Test["ndcg@10"], r.Validation, 0.15)
	}
	study := []string{"--study", "answers-grade/lightgbm"}
	predicted := succeed(t, dir, append([]string{"predict", "--data", "answers.csv"}, study...)...)
	assert.True(t, strings.HasPrefix(predicted, "row,score\n"))
	assert.Regexp(t, `(?s)match .*age `, succeed(t, dir, append([]string{"explain"}, study...)...))
	fails(t, dir, "--engine xgboost trains no rankings here: use --engine native", append(optimize, "--name", "x", "--models", "xgboost", "--engine", "xgboost")...)
	fails(t, dir, "--metric rmse", append(optimize, "--name", "x", "--metric", "rmse")...)
	onnxtest.Require(t)
	assert.Contains(t, succeed(t, dir, append([]string{"export", "--output", "m.onnx", "--registry", "reg", "--name", "answers", "--promote"}, study...)...), "pass")
	assert.Equal(t, predicted, succeed(t, dir, "predict", "--data", "answers.csv", "--registry", "reg", "--name", "answers"))
}
