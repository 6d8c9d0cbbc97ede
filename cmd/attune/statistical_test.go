package main

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/internal/onnxsetup/onnxtest"
)

// Statistical models and baselines are kept, predicted with and registered like other models.
func TestStatistical(t *testing.T) {
	t.Parallel()
	dir, _ := air(t)
	optimize := []string{"optimize", "--data", "air.csv", "--target", "passengers", "--models", "theta,ets,naive,lightgbm", "--trials", "2",
		"--max-rounds", "5", "--ensemble=false", "--fixed", "transform=none", "--fixed", "ets.estimation=standard", "--fixed", "form=auto"}
	first := attune(t, dir, optimize...)
	require.Zero(t, first.code, first.stderr)
	assert.Contains(t, first.stderr, "air-passengers/theta: 1 trial\n")
	assert.Contains(t, first.stderr, "air-passengers/lightgbm: 2 trials\n")
	assert.Contains(t, first.stdout, "theta is the best model on the backtest")
	assert.Contains(t, first.stdout, "naive (trial 0): no hyperparameters\n")
	assert.Contains(t, first.stdout, "theta (trial 0): form=auto\n")
	again := attune(t, dir, optimize...)
	require.Zero(t, again.code, again.stderr)
	assert.Contains(t, again.stderr, "air-passengers/theta: its trial is done\n")
	assert.Equal(t, first.stdout, again.stdout)

	rows := strings.Split(succeed(t, dir, "predict"), "\n")
	require.Len(t, rows, 1+12+1)
	assert.True(t, strings.HasPrefix(rows[1], "1961-01,44"), rows[1])
	assert.True(t, strings.HasPrefix(succeed(t, dir, "predict", "--study", "air-passengers/naive"), "time,prediction\n1961-01,432\n1961-02,432\n"))

	native := filepath.Join("attune.db.models", "model-air-passengers%2Ftheta.json")
	assert.Equal(t, "models: air, version 1, live\n", succeed(t, dir, "registry", "add", "air", native, "--promote"))
	assert.Equal(t, strings.Join(rows, "\n"), succeed(t, dir, "predict", "--registry", "models", "--name", "air", "--data", "air.csv"))
	assert.Contains(t, succeed(t, dir, "registry", "show", "air"), "attune.family  theta\n")

	succeed(t, dir, "predict", "--study", "air-passengers/lightgbm") // fits and keeps it
	o := attune(t, dir, "registry", "add", "air", filepath.Join("attune.db.models", "model-air-passengers%2Flightgbm.json"))
	assert.Equal(t, 1, o.code)
	assert.Contains(t, o.stderr, "this is a native model: add the ONNX file that attune export makes of lightgbm")
}

// A setting that no model can have is refused.
func TestFixedForSome(t *testing.T) {
	t.Parallel()
	dir, _ := air(t)
	o := attune(t, dir, "optimize", "--data", "air.csv", "--target", "passengers", "--models", "ets,theta", "--fixed", "wings=2")
	assert.Equal(t, 1, o.code)
	assert.Contains(t, o.stderr, "--fixed wings=2 for ets: ets: there is no wings: there are form, season, estimation")
	assert.NoFileExists(t, filepath.Join(dir, "attune.db"))
}

// Statistical models, baselines and ensembles are exported as they are.
func TestExportStatistical(t *testing.T) {
	t.Parallel()
	library := onnxtest.Require(t)
	dir, _ := air(t)
	succeed(t, dir, "optimize", "--data", "air.csv", "--target", "passengers", "--models", "theta,nlinear,naive", "--trials", "1", "--quiet")
	for _, model := range []string{"theta", "naive", "ensemble"} {
		out := succeed(t, dir, "export", "--output", model+".onnx", "--study", "air-passengers/"+model, "--windows", "10")
		assert.Contains(t, out, "rows                   10 with 12 outputs\n")
		s, err := runtime.Open(filepath.Join(dir, model+".onnx"), runtime.Config{Library: library})
		require.NoError(t, err)
		assert.Equal(t, []int64{-1, -1}, s.Inputs()[0].Shape, "the whole series")
		require.NoError(t, s.Close())
	}
	o := attune(t, dir, "export", "--output", "never.onnx", "--study", "air-passengers/theta", "--quantize", "int8")
	assert.Contains(t, o.stderr, "--quantize int8: only networks can be quantized: export theta without --quantize")
}

// With several models, the answer is an ensemble or one of them. The command says why, and the answer is used like any
// model.
func TestEnsemble(t *testing.T) {
	t.Parallel()
	dir, _ := air(t)
	optimize := []string{"optimize", "--data", "air.csv", "--target", "passengers", "--models", "theta,nlinear", "--trials", "6", "--workers", "1"}
	first := attune(t, dir, optimize...)
	require.Zero(t, first.code, first.stderr)
	assert.Regexp(t, `(?m)^ensemble +[0-9.]+ ± [0-9.]+ `, first.stdout)
	assert.Regexp(t, `The answer is an ensemble: 0\.\d\d \w+( \(trial \d+\))? \+ .*\.\nOn folds that its weights were not chosen on, it has mape [0-9.]+ ± [0-9.]+: better by [0-9.]+ ± [0-9.]+ than a single model chosen in the same way\.`, first.stdout)
	assert.Contains(t, first.stdout, "--study air-passengers/ensemble")
	again := attune(t, dir, optimize...)
	require.Zero(t, again.code, again.stderr)
	assert.Equal(t, first.stdout, again.stdout)
	var list []studyLine
	require.NoError(t, json.Unmarshal([]byte(succeed(t, dir, "studies", "--format", "json")), &list))
	assert.Equal(t, studyLine{Name: "air-passengers/ensemble", Complete: 1}, list[0], "the same ensemble is not added again")

	forecast := succeed(t, dir, "predict")
	assert.Equal(t, forecast, succeed(t, dir, "predict", "--study", "air-passengers/ensemble"))
	assert.Len(t, strings.Split(forecast, "\n"), 1+12+1)
	assert.Contains(t, succeed(t, dir, "best"), "study air-passengers/ensemble, trial 0\n")
	native := filepath.Join("attune.db.models", "model-air-passengers%2Fensemble.json")
	require.NoError(t, os.Remove(filepath.Join(dir, native)))
	assert.Equal(t, forecast, succeed(t, dir, "predict"), "it is fitted again, and is the same")
	assert.Equal(t, "models: air, version 1, live\n", succeed(t, dir, "registry", "add", "air", native, "--promote"))
	assert.Equal(t, forecast, succeed(t, dir, "predict", "--registry", "models", "--name", "air", "--data", "air.csv"))
	var best map[string]struct {
		Weight   float64
		Settings map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(succeed(t, dir, "best", "--format", "json")), &best), "members are objects")
	assert.Positive(t, best["member01"].Weight)
	assert.NotEmpty(t, best["member01"].Settings)

	var report struct {
		Winner string
		Rows   []struct {
			Name  string
			Error float64 `json:"validation_error"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(succeed(t, dir, append(optimize, "--json")...)), &report))
	assert.Equal(t, "air-passengers/ensemble", report.Winner)
	for _, r := range report.Rows {
		assert.Positive(t, r.Error, r.Name)
	}
}

// If nothing is better than a baseline, the baseline is the answer, and is kept.
func TestBaselineWins(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var b strings.Builder
	b.WriteString("date,y\n")
	r, year := rand.New(rand.NewPCG(3, 4)), make([]float64, 12)
	for i := range year {
		year[i] = math.Round(1000 + 100*r.NormFloat64())
	}
	for i := range 120 { // the same year again and again
		fmt.Fprintf(&b, "%d-%02d-01,%v\n", 2000+i/12, i%12+1, year[i%12])
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "year.csv"), []byte(b.String()), 0o644))
	o := attune(t, dir, "optimize", "--data", "year.csv", "--target", "y", "--models", "naive,drift", "--trials", "2", "--workers", "1", "--metric", "mae")
	require.Zero(t, o.code, o.stderr)
	assert.Regexp(t, "The answer is seasonal_(naive|drift) alone", o.stdout)
	rows := strings.Split(succeed(t, dir, "predict"), "\n")
	require.Len(t, rows, 1+12+1)
	assert.Equal(t, fmt.Sprintf("2010-01-01,%v", year[0]), rows[1])
	assert.Equal(t, fmt.Sprintf("2010-12-01,%v", year[11]), rows[12])
}

// On a random walk, an ensemble that the naive forecast beats is not the answer. If the folds say
// nothing about that, it is.
func TestEnsembleWithoutProof(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var b strings.Builder
	b.WriteString("date,y\n")
	r, y := rand.New(rand.NewPCG(3, 4)), 1000.0
	for i := range 120 {
		y += r.NormFloat64()
		fmt.Fprintf(&b, "%d-%02d-01,%.2f\n", 2000+i/12, i%12+1, y)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "walk.csv"), []byte(b.String()), 0o644))
	optimize := []string{"optimize", "--data", "walk.csv", "--target", "y", "--models", "theta,nlinear", "--trials", "2", "--workers", "1", "--metric", "mae"}
	o := attune(t, dir, optimize...)
	require.Zero(t, o.code, o.stderr)
	assert.Regexp(t, `The answer is naive alone: on folds that its weights were not chosen on, an ensemble \(mae [0-9.]+ ± [0-9.]+\) is worse than naive by [0-9.]+ ± [0-9.]+\.`, o.stdout, "this is a random walk")
	o = attune(t, dir, append(optimize, "--windows", "1", "--name", "one")...)
	require.Zero(t, o.code, o.stderr)
	assert.Contains(t, o.stdout, "The backtest has too few folds to judge whether a single model is better.")
}

// If a baseline is the answer, the report does not say that it does better than itself.
func TestBaselineBesideItself(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := "date,y\n"
	start := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 60 { // the same week again and again, after another one: there is no drift to follow
		y := 10 + i%7*(i%7)
		if i < 7 {
			y = 3
		}
		text += fmt.Sprintf("%s,%d\n", start.AddDate(0, 0, i).Format(time.DateOnly), y)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "weeks.csv"), []byte(text), 0o644))
	args := []string{"optimize", "--data", "weeks.csv", "--target", "y", "--models", "theta,nlinear", "--trials", "3", "--quiet"}
	out := succeed(t, dir, args...)
	assert.Contains(t, out, "The answer is seasonal_naive alone")
	assert.Regexp(t, `it has mape [0-9.]+, as has the baseline seasonal naive\.\n`, out)

	out = succeed(t, dir, append(args, "--horizon", "1", "--windows", "1", "--test", "1", "--name", "one")...)
	assert.Contains(t, out, "\nbacktest: 1 forecast of 1 step; test: the last 1 step, which the tuning never saw\n")
}

// Intervals come with the model, from the studies, the file and the registry alike.
func TestLevels(t *testing.T) {
	t.Parallel()
	dir, _ := air(t)
	out := succeed(t, dir, "optimize", "--data", "air.csv", "--target", "passengers", "--models", "theta,seasonal_drift", "--trials", "1")
	assert.Regexp(t, `(?m)^theta .* \d+, \d+ +1 +0 +0 `, out, "what the intervals cover")
	rows := strings.Split(strings.TrimSpace(succeed(t, dir, "predict", "--study", "air-passengers/theta", "--levels", "80,95")), "\n")
	require.Len(t, rows, 1+12)
	assert.Equal(t, "time,prediction,lower_80,upper_80,lower_95,upper_95", rows[0])
	width := 0.0
	for _, row := range rows[1:] {
		var y, l80, u80, l95, u95 float64
		_, err := fmt.Sscanf(row[len("1961-01,"):], "%g,%g,%g,%g,%g", &y, &l80, &u80, &l95, &u95)
		require.NoError(t, err)
		assert.Less(t, l95, l80)
		assert.Less(t, l80, y)
		assert.Less(t, y, u80)
		assert.Less(t, u80, u95)
		assert.GreaterOrEqual(t, u80-l80, width-1e-9, "a later step is no surer")
		width = u80 - l80
	}
	native := filepath.Join("attune.db.models", "model-air-passengers%2Ftheta.json")
	assert.Equal(t, strings.Join(rows, "\n")+"\n", succeed(t, dir, "predict", "--model", native, "--data", "air.csv", "--levels", "80,95"))
	succeed(t, dir, "predict", "--levels", "50") // of the answer
	for _, level := range []string{"0", "100", "-5"} {
		o := attune(t, dir, "predict", "--levels="+level)
		assert.Equal(t, 1, o.code)
		assert.Equal(t, "attune: --levels "+level+": want percents between 0 and 100\n", o.stderr)
	}
	assert.Equal(t, "attune: --levels many: want numbers with commas between them: see attune predict --help\n", attune(t, dir, "predict", "--levels", "many").stderr)
	assert.Equal(t, "attune: --levels 80 occurs twice\n", attune(t, dir, "predict", "--levels", "80,95,80").stderr)
	succeed(t, dir, "optimize", "--data", "air.csv", "--target", "passengers", "--models", "naive", "--windows", "1", "--horizon", "3", "--name", "few", "--quiet")
	o := attune(t, dir, "predict", "--study", "few/naive", "--levels", "80")
	assert.Equal(t, 1, o.code)
	assert.Contains(t, o.stderr, "--levels: naive has no intervals: its backtest had too few errors")
}
