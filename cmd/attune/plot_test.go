package main

import (
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/plot"
)

func TestPlot(t *testing.T) {
	t.Parallel()
	dir := studies(t)
	read := func(file string) string {
		text, err := os.ReadFile(filepath.Join(dir, file))
		require.NoError(t, err)
		return string(text)
	}
	for _, kind := range plot.Kinds() {
		study := "bowl"
		if kind.Name == "front" || kind.Name == "hypervolume" {
			study = "trade"
		}
		if kind.Name == "intermediate" {
			o := attune(t, dir, "plot", "intermediate", "--study", "bowl", "--output", "a.svg")
			assert.Equal(t, "attune: intermediate: study bowl: nothing to plot: no trial has reported a value (60 complete)\n", o.stderr)
			continue
		}
		if kind.Name == "backtest" {
			o := attune(t, dir, "plot", "backtest", "--study", "bowl", "--output", "a.svg")
			assert.Equal(t, "attune: backtest: study bowl: no forecasts: the study has no models of time series\n", o.stderr)
			continue
		}
		assert.Empty(t, succeed(t, dir, "plot", kind.Name, "--study", study, "--output", kind.Name+".svg"))
		assert.Contains(t, read(kind.Name+".svg"), "<svg ")
	}
	assert.Contains(t, read("importance.svg"), "Importance for rmse (PED-ANOVA)")
	succeed(t, dir, "plot", "slice", "--study", "trade", "--objective", "speed", "--params", "y,x", "--output", "a.html", "--width", "900")
	assert.Contains(t, read("a.html"), "<!DOCTYPE html>")
	assert.Contains(t, read("a.html"), ">speed</text>")
	succeed(t, dir, "plot", "history", "--study", "bowl", "--also", "trade", "--output", "a.PNG", "--dark", "--height", "300")
	f, err := os.Open(filepath.Join(dir, "a.PNG"))
	require.NoError(t, err)
	defer f.Close()
	image, err := png.Decode(f)
	require.NoError(t, err)
	assert.Equal(t, 600, image.Bounds().Dy())

	for args, want := range map[string]string{
		"history --study bowl":                                      "--output is missing: want a file: see attune plot history --help",
		"history --study bowl --output a.pdf":                       "--output a.pdf: want a name that ends in .svg, .png or .html",
		"history --study bowl --output a.svg --width 9":             "--width 9: want 200 to 10000",
		"history --study bowl --output a.svg --height 9":            "--height 9: want 120 to 10000",
		"history --study trade --output a.svg --objective 3":        "--objective 3: want one of loss, speed",
		"history --study trade --output a.svg --also none":          "--study none: want one of bowl, trade",
		"slice --study bowl --output a.svg --params z":              `slice: study bowl: no such parameter: "z": want one of c, x, y`,
		"front --study bowl --output a.svg":                         "front: study bowl: no such objective: it has one objective, and a Pareto front has several",
		"importance --study bowl --output a.svg --objective absent": "--objective absent: want one of rmse, duration",
		"histroy": "unknown command histroy: did you mean attune plot history?",
	} {
		o := attune(t, dir, append([]string{"plot"}, strings.Fields(args)...)...)
		assert.Equal(t, 1, o.code, args)
		assert.Equal(t, "attune: "+want+"\n", o.stderr, args)
	}
	for _, kind := range plot.Kinds() {
		assert.Contains(t, succeed(t, dir, "plot", kind.Name, "--help"), "Examples:\n  attune plot "+kind.Name)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	dir := studies(t)
	assert.Empty(t, succeed(t, dir, "report", "--study", "bowl", "--output", "report.html"))
	page, err := os.ReadFile(filepath.Join(dir, "report.html"))
	require.NoError(t, err)
	assert.Contains(t, string(page), "<title>bowl</title>")
	assert.Contains(t, string(page), "<dt>Objective</dt><dd>minimize rmse</dd>")

	assert.Contains(t, succeed(t, dir, "report", "--help"), "Examples:\n  attune report ")
	assert.Equal(t, "attune: --output is empty: want a file\n", attune(t, dir, "report", "--study", "bowl", "--output", "").stderr)
	assert.Equal(t, "attune: --study none: want one of bowl, trade\n", attune(t, dir, "report", "--study", "none", "--output", "a.html").stderr)

	assert.Regexp(t, `^--x=[0-9.e-]+ --y=[0-9.e-]+ --c=(red|green)\n$`, succeed(t, dir, "best", "--study", "bowl", "--format", "flags"))
	assert.Contains(t, succeed(t, dir, "best", "--study", "bowl", "--format", "python"), "{\n    \"x\": ")
	assert.Contains(t, succeed(t, dir, "best", "--study", "bowl", "--format", "go"), "map[string]any{\n\t\"x\": ")
	assert.Equal(t, "attune: --format toml: want one of text, json, yaml, python, go, flags\n", attune(t, dir, "best", "--study", "bowl", "--format", "toml").stderr)
}
