package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/dev/gotool"
)

// One command joins the sales of departments with columns about their stores and weeks. The model then needs the same
// columns.
func TestWalmart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	gotool.Run(t, nil, "run", "../../examples/walmart", dir)
	args := []string{"optimize", "--data", "train.csv", "--target", "Weekly_Sales", "--id", "Store,Dept", "--join", "features.csv,stores.csv", "--horizon", "8",
		"--metric", "mae", "--windows", "2", "--trials", "1", "--max-rounds", "20", "--models", "lightgbm,theta"}
	o := attune(t, dir, args...)
	require.Zero(t, o.code, o.stderr)
	assert.Contains(t, o.stdout, "Weekly_Sales by week, 11 series, 1513 rows, 2010-02-05 to 2012-10-26")
	again := attune(t, dir, append(args, "--json")...)
	require.Zero(t, again.code, again.stderr)

	predict := []string{"predict", "--study", "train-Weekly_Sales/lightgbm"}
	out := succeed(t, dir, predict...)
	assert.Equal(t, 1+11*8, strings.Count(out, "\n"))
	assert.True(t, strings.HasPrefix(out, "id,time,prediction\n1/1,2012-11-02,"), out)

	// The features of newer weeks are in newer files.
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		return string(data)
	}
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	lines := strings.Split(read("features.csv"), "\n")
	write("few.csv", strings.Join(slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(line, "2012-12-") || strings.Contains(line, "2013-") }), "\n"))
	fails(t, dir, `column "Temperature": the horizon of 8: its values are known only 5 steps ahead`, append(predict, "--join", "few.csv,stores.csv")...)
	fails(t, dir, `column "Temperature": column not found`, append(predict, "--join", "stores.csv,stores.csv")...)
	write("late.csv", strings.ReplaceAll(strings.ReplaceAll(read("features.csv"), "FALSE", "0"), "TRUE", "1"))
	assert.Equal(t, out, succeed(t, dir, append(predict, "--join", "late.csv,stores.csv")...))

	// A series that the model has not seen is forecast, too.
	write("new.csv", "Store,Dept,Date,Weekly_Sales,IsHoliday\n"+strings.Join(strings.Split(strings.ReplaceAll(read("train.csv"), "1,1,20", "9,7,20"), "\n")[1:144], "\n")+"\n")
	write("shops.csv", read("stores.csv")+"9,D,100000\n")
	write("theirs.csv", read("features.csv")+strings.ReplaceAll(strings.Join(strings.Split(read("features.csv"), "\n")[1:156], "\n"), "1,20", "9,20")+"\n")
	out = succeed(t, dir, append(predict, "--data", "new.csv", "--join", "theirs.csv,shops.csv")...)
	assert.True(t, strings.HasPrefix(out, "id,time,prediction\n9/7,2012-11-02,"), out)
}

// fails runs the command, which must fail with words in its error.
func fails(t *testing.T, dir, words string, args ...string) {
	t.Helper()
	o := attune(t, dir, args...)
	assert.Equal(t, 1, o.code, o.stdout)
	assert.Contains(t, o.stderr, words)
}

// Data come from standard input, too, and from Parquet files.
func TestStdin(t *testing.T) {
	t.Parallel()
	dir, args := air(t, "--data", "-", "--quiet")
	data, err := os.ReadFile(filepath.Join(dir, "air.csv"))
	require.NoError(t, err)
	run := func(args ...string) outcome {
		cmd := program(t, dir, args...)
		var stdout, stderr bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(data), &stdout, &stderr
		_ = cmd.Run()
		return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
	}
	o := run(args...)
	require.Zero(t, o.code, o.stderr)
	assert.Contains(t, o.stdout, "passengers by month, 144 rows")
	assert.Contains(t, succeed(t, dir, "studies"), "stdin-passengers/lightgbm")
	out := succeed(t, dir, "predict", "--study", "stdin-passengers/lightgbm", "--data", "air.csv")
	o = run("predict", "--study", "stdin-passengers/lightgbm", "--data", "-")
	assert.Equal(t, out, o.stdout, o.stderr)
	fails(t, dir, "standard input: no such file or directory: name the file with --data", "predict", "--study", "stdin-passengers/lightgbm")

	data = []byte("a,b,y\n1,x,2\n2,y,4\n3,x,6\n4,x,8\n5,y,10\n6,x,12\n7,y,14\n8,x,16\n9,y,18\n10,x,20\n11,y,22\n12,x,24\n")
	o = run("optimize", "--task", "regression", "--data", "-", "--target", "y", "--models", "linear", "--trials", "2", "--quiet")
	require.Zero(t, o.code, o.stderr)
	o = run("predict", "--study", "stdin-y/linear", "--data", "-")
	assert.Equal(t, 13, strings.Count(o.stdout, "\n"), o.stderr)

	sales, err := filepath.Abs("../../objective/parquet/testdata/pandas.parquet")
	require.NoError(t, err)
	fails(t, dir, "too few rows", "optimize", "--data", sales, "--target", "n", "--time", "day")
	fails(t, dir, "/pandas.parquet: no column has", "optimize", "--data", sales, "--target", "n", "--layout", "%Y")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "not.parquet"), []byte("PAR1, as a text"), 0o644))
	fails(t, dir, "not.parquet: not a Parquet file of plain columns", "optimize", "--data", "not.parquet", "--target", "n")
	fails(t, dir, "not.parquet: not a Parquet file of plain columns", "optimize", "--task", "regression", "--data", "not.parquet", "--target", "n")
}
