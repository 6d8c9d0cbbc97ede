package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// table writes a file with a header and rows.
func tableFile(t *testing.T, header string, n int, row func(i int) string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	var b strings.Builder
	fmt.Fprintln(&b, header)
	for i := range n {
		fmt.Fprintln(&b, row(i))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "y.csv"), []byte(b.String()), 0o644))
	return dir
}

func month(i int) string { return fmt.Sprintf("%d-%02d-01", 2000+i/12, i%12+1) }

// Settings without a flag are chosen to suit the data, and the command says so.
func TestDefaults(t *testing.T) {
	t.Parallel()
	wave := func(i int) float64 { return 100 + float64(i) + 20*math.Sin(float64(i)/12*2*math.Pi) }
	year := func(i int) string { return fmt.Sprintf("%d,%.1f", 1990+i, 10+float64(i%5)) }
	for name, c := range map[string]struct {
		dir  string
		args []string
		want []string
	}{
		"three years": {tableFile(t, "t,y", 36, func(i int) string { return fmt.Sprintf("%s,%.1f", month(i), wave(i)) }), nil,
			[]string{"--horizon 6, not 12, --windows 4, not 9: 1 series of 36 rows\n", "backtest: 4 forecasts of 6 steps, 3 steps apart; test: the last 6 steps"}},
		"sixteen years": {tableFile(t, "t,y", 16, year), nil, []string{"--horizon 2, not 6, --windows 6, not 9: 1 series of 16 rows\n"}},
		"zeros": {tableFile(t, "t,y", 120, func(i int) string { return fmt.Sprintf("%s,%.1f", month(i), max(0, wave(i)-110)) }), nil,
			[]string{"--metric mase, not mape: 11 values of the target are 0 or below, where percentages mean nothing\n", "backtest mase"}},
		"zeros, and a metric": {tableFile(t, "t,y", 120, func(i int) string { return fmt.Sprintf("%s,%.1f", month(i), max(0, wave(i)-110)) }), []string{"--metric", "rmse"},
			[]string{"backtest rmse"}},
		"one constant of two": {tableFile(t, "t,id,y", 240, func(i int) string {
			return fmt.Sprintf("%s,%s,%.1f", month(i%120), []string{"a", "flat"}[i/120], []float64{wave(i), 3}[i/120])
		}), []string{"--id", "id"}, []string{`1 series left out, whose target is constant: "flat"` + "\n"}},
		"ids in two columns": {tableFile(t, "t,store,dept,y", 240, func(i int) string {
			return fmt.Sprintf("%s,%d,%d,%.1f", month(i%120), 1, i/120, wave(i))
		}), []string{"--id", "store", "--id", "dept"}, []string{"2 series, 240 rows"}},
		"truths": {tableFile(t, "t,holiday,y", 120, func(i int) string {
			return fmt.Sprintf("%s,%v,%.1f", month(i), i%12 == 11, wave(i))
		}), []string{"--past", "holiday"}, nil},
		"decimal commas": {tableFile(t, "t;y", 120, func(i int) string {
			return month(i) + ";" + strings.Replace(fmt.Sprintf("%.1f", wave(i)), ".", ",", 1)
		}), nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := attune(t, c.dir, append([]string{"optimize", "--data", "y.csv", "--target", "y", "--models", "theta"}, c.args...)...)
			require.Zero(t, o.code, o.stderr)
			for _, w := range c.want {
				assert.Contains(t, o.stdout+o.stderr, w)
			}
			assert.Greater(t, countLines(succeed(t, c.dir, "predict")), 1)
		})
	}
	dir := tableFile(t, "t,id,y", 48, func(i int) string { return fmt.Sprintf("%s,%d,%d", month(i%24), i/24, i/24) })
	o := attune(t, dir, "optimize", "--data", "y.csv", "--target", "y", "--id", "id")
	assert.Equal(t, 1, o.code)
	assert.Equal(t, "attune: y.csv: every series is constant or too short: there is nothing to forecast\n", o.stderr)
}

// Short series get an answer: the defaults shrink, and models that need more are left out.
func TestShortSeries(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for rows := range 15 {
		for _, step := range []string{"year", "month"} {
			var b strings.Builder
			b.WriteString("t,y\n")
			for i := range rows {
				stamp := fmt.Sprintf("%d", 2000+i)
				if step == "month" {
					stamp = fmt.Sprintf("%d-%02d", 2000+i/12, 1+i%12)
				}
				fmt.Fprintf(&b, "%s,%d\n", stamp, 100+3*i+i*i%7)
			}
			file := fmt.Sprintf("%s%d.csv", step, rows)
			require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(b.String()), 0o644))
			if rows%2 == 1 {
				continue
			}
			o := attune(t, dir, "optimize", "--data", file, "--target", "y", "--trials", "1", "--storage", file+".db")
			if rows < 6 {
				assert.Equal(t, 1, o.code, file)
				assert.Contains(t, o.stderr, map[bool]string{true: "rows", false: "too few rows"}[rows < 4], file)
				continue
			}
			require.Zero(t, o.code, "%s: %s", file, o.stderr)
			assert.Contains(t, o.stderr, "left out, because the series are too short: ", file)
			assert.Contains(t, o.stdout, "--horizon ", file)
			assert.Contains(t, o.stdout, "The answer is ", file)
			succeed(t, dir, "predict", "--storage", file+".db")
		}
	}
}
