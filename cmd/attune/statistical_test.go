package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Statistical models and baselines are kept, predicted with and registered as others are.
func TestStatistical(t *testing.T) {
	t.Parallel()
	dir, _ := air(t)
	optimize := []string{"optimize", "--data", "air.csv", "--target", "passengers", "--models", "theta,ets,naive,lightgbm", "--trials", "2",
		"--max-rounds", "5", "--fixed", "transform=none", "--fixed", "ets.estimation=standard", "--fixed", "form=auto"}
	first := attune(t, dir, optimize...)
	require.Zero(t, first.code, first.stderr)
	assert.Contains(t, first.stderr, "air-passengers/theta: 1 trial\n")
	assert.Contains(t, first.stderr, "air-passengers/lightgbm: 2 trials\n")
	assert.Contains(t, first.stdout, "theta is the best model on the backtest")
	assert.Contains(t, first.stdout, "naive (trial 0): it has none\n")
	assert.Contains(t, first.stdout, "theta (trial 0): form=auto\n")
	again := attune(t, dir, optimize...)
	require.Zero(t, again.code, again.stderr)
	assert.Contains(t, again.stderr, "air-passengers/theta: its trial is done\n")
	assert.Equal(t, first.stdout, again.stdout)

	rows := strings.Split(succeed(t, dir, "predict"), "\n")
	require.Len(t, rows, 1+12+1)
	assert.True(t, strings.HasPrefix(rows[1], "1961-01,44"), rows[1])
	assert.True(t, strings.HasPrefix(succeed(t, dir, "predict", "--study", "air-passengers/naive"), "time,prediction\n1961-01,432\n1961-02,432\n"))

	o := attune(t, dir, "export", "--output", "model.onnx", "--study", "air-passengers/naive")
	assert.Equal(t, 1, o.code)
	assert.Contains(t, o.stderr, `attune: study "air-passengers/naive": naive has no ONNX form: use it with attune predict, or keep its native model with: attune registry add NAME attune.db.models/model-air-passengers%2Fnaive.json`)

	native := filepath.Join("attune.db.models", "model-air-passengers%2Ftheta.json")
	assert.Equal(t, "models: air, version 1, live\n", succeed(t, dir, "registry", "add", "air", native, "--promote"))
	assert.Equal(t, strings.Join(rows, "\n"), succeed(t, dir, "predict", "--registry", "models", "--name", "air", "--data", "air.csv"))
	assert.Contains(t, succeed(t, dir, "registry", "show", "air"), "attune.family  theta\n")

	succeed(t, dir, "predict", "--study", "air-passengers/lightgbm") // which fits and keeps it
	o = attune(t, dir, "registry", "add", "air", filepath.Join("attune.db.models", "model-air-passengers%2Flightgbm.json"))
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

// Where the best model has no ONNX form, export says which one it takes and what that costs.
func TestExportPicks(t *testing.T) {
	t.Parallel()
	dir, _ := air(t)
	succeed(t, dir, "optimize", "--data", "air.csv", "--target", "passengers", "--models", "theta,nlinear", "--trials", "1", "--quiet")
	o := attune(t, dir, "export", "--output", "model.onnx")
	assert.Regexp(t, `attune: warning: the model of air-passengers/theta has no ONNX form: exporting the best that has, of air-passengers/nlinear: mape [0-9.]+ on the backtest in place of [0-9.]+\n`, o.stderr)
}
