package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/internal/onnxsetup/onnxtest"
)

func TestExport(t *testing.T) {
	library := onnxtest.Require(t)
	dir, args := air(t, "--windows", "4")
	succeed(t, dir, args...)
	succeed(t, dir, "optimize", "--data", "air.csv", "--target", "passengers", "--models", "nlinear", "--trials", "1", "--windows", "1", "--name", "small", "--storage", "small.db")
	assert.Contains(t, attune(t, dir, "export", "--output", "model.onnx").stderr, "attune: warning: on the test span lightgbm had ")
	out := succeed(t, dir, "export", "--output", "model.onnx", "--report", "report.json")
	assert.Contains(t, out, "lightgbm, trial ")
	assert.Contains(t, out, "pass: within 0.0001 + 0.001·|native|\n")
	s, err := runtime.Open(filepath.Join(dir, "model.onnx"), runtime.Config{Library: library})
	require.NoError(t, err)
	defer s.Close()
	assert.Equal(t, "air-passengers/lightgbm", s.Metadata()["attune.study"])
	assert.NotEmpty(t, s.Metadata()["attune.value"])
	assert.Equal(t, "log,diff", s.Metadata()["attune.param.transform"])
	var report struct {
		Pass   bool
		Report struct{ Rows int }
	}
	read(t, filepath.Join(dir, "report.json"), &report)
	assert.True(t, report.Pass)
	assert.Greater(t, report.Report.Rows, 100)

	out = succeed(t, dir, "export", "--output", "model.onnx", "--form", "compatible", "--windows", "10", "--registry", "models", "--name", "air", "--promote")
	assert.Contains(t, out, "rows                   10 with 12 outputs\n")
	assert.Contains(t, out, "models: air, version 1, live\n")

	o := attune(t, dir, "export", "--output", "exact.onnx", "--form", "compatible", "--equal")
	assert.Equal(t, 1, o.code)
	assert.Contains(t, o.stdout, "FAIL: ")
	assert.NoFileExists(t, filepath.Join(dir, "exact.onnx"))

	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--study", "other"}, "--study other: want one of "},
		{[]string{"--quantize", "int8"}, "--quantize int8: only networks can be quantized: export lightgbm without --quantize"},
		{[]string{"--quantize", "fp16", "--study", "small/nlinear", "--storage", "small.db"}, "--quantize fp16: there is nothing to quantize: no weights of float32 have 1024 elements: the network is too small to gain: export without --quantize"},
		{[]string{"--quantize", "int2"}, "--quantize int2: want one of fp16, int8"},
		{[]string{"--windows", "0"}, "--windows 0: want 1 or more"},
		{[]string{"--rtol", "-1"}, "want finite numbers of at least 0"},
		{[]string{"--storage", "nowhere.db"}, "nowhere.db: no such file: attune optimize and attune run create it"},
		{[]string{"--data", "nowhere.csv"}, "nowhere.csv"},
	} {
		o := attune(t, dir, append([]string{"export", "--output", "never.onnx"}, c.args...)...)
		assert.Equal(t, 1, o.code, c.args)
		assert.Contains(t, o.stderr, c.want, c.args)
	}
	assert.NoFileExists(t, filepath.Join(dir, "never.onnx"))

	cmd := program(t, dir, "export", "--output", "never.onnx")
	cmd.Env = append(cmd.Env, "HOME="+dir, "XDG_CACHE_HOME="+dir, "LD_LIBRARY_PATH=", "ONNXRUNTIME_SHARED_LIBRARY_PATH=")
	text, err := cmd.CombinedOutput()
	if err == nil {
		t.Skip("there is an ONNX Runtime of the system")
	}
	assert.Contains(t, string(text), "no ONNX Runtime library: run `attune setup onnxruntime`")
	_, err = os.Stat(filepath.Join(dir, "never.onnx"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}
