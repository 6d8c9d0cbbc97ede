package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The test binary is also the program: each command runs in its own process.
func TestMain(m *testing.M) {
	if os.Getenv("ATTUNE_TEST_PROGRAM") != "" {
		main()
	}
	os.Exit(m.Run())
}

// program returns a command in a folder, not started yet.
func program(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "ATTUNE_TEST_PROGRAM=1", "GORACE=atexit_sleep_ms=0")
	return cmd
}

type outcome struct {
	stdout, stderr string
	code           int
}

func attune(t *testing.T, dir string, args ...string) outcome {
	t.Helper()
	cmd := program(t, dir, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	exit := new(exec.ExitError)
	if !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// An error about a file that cannot be written uses the name that was asked for.
func TestWriteFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "best.json")
	denied := func(io.Writer) error {
		return &fs.PathError{Op: "open", Path: filepath.Join(filepath.Dir(file), ".best.json.123.tmp"), Err: fs.ErrPermission}
	}
	assert.EqualError(t, writeFile("output", file, denied), "--output "+file+": permission denied")
	assert.NoFileExists(t, file)
}

func countLines(text string) int { return strings.Count(text, "\n") }

// succeed returns the standard output of a command that must succeed.
func succeed(t *testing.T, dir string, args ...string) string {
	t.Helper()
	o := attune(t, dir, args...)
	require.Zero(t, o.code, "%s", o.stderr)
	return o.stdout
}

// air returns a new folder with the airline passengers, and the arguments of a quick and
// reproducible tuning.
func air(t *testing.T, more ...string) (dir string, args []string) {
	t.Helper()
	dir = t.TempDir()
	data, err := os.ReadFile("../../data/airpassengers.csv")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "air.csv"), data, 0o644))
	return dir, append([]string{"optimize", "--data", "air.csv", "--target", "passengers", "--models", "lightgbm", "--sampler", "random", "--trials", "4",
		"--max-rounds", "30", "--workers", "1", "--fixed", "transform=log,diff"}, more...)
}

// golden compares text with a file, ignoring numbers and spaces; UPDATE=1 writes the file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	got = regexp.MustCompile(`\d+(\.\d+)?(e-\d+)?`).ReplaceAllString(got, "#")
	got = regexp.MustCompile(`(#(ms|s|m))+`).ReplaceAllString(got, "#")
	got = regexp.MustCompile(`(\S) +`).ReplaceAllString(got, "$1 ")
	got = regexp.MustCompile(`(?m) +$`).ReplaceAllString(got, "")
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

// studyLine is the part of a study in "studies --format json" that the tests read.
type studyLine struct {
	Name                              string
	Complete, Pruned, Failed, Running int
}

// The first use, from a CSV file to forecasts.
func TestTour(t *testing.T) {
	t.Parallel()
	dir, optimize := air(t, "--windows", "4")
	first := attune(t, dir, optimize...)
	require.Zero(t, first.code, first.stderr)
	golden(t, "optimize.txt", strings.ReplaceAll(first.stdout, dir, "DIR"))
	assert.Contains(t, first.stderr, "air.csv: passengers by month, 144 rows, 1949-01 to 1960-12\nair-passengers/lightgbm: 4 trials\n")

	t.Run("again", func(t *testing.T) {
		again := attune(t, dir, optimize...)
		require.Zero(t, again.code, again.stderr)
		assert.Contains(t, again.stderr, "air-passengers/lightgbm: all 4 trials are done")
		assert.Equal(t, first.stdout, again.stdout)
	})
	t.Run("more", func(t *testing.T) {
		o := attune(t, dir, append(optimize, "--trials", "6", "--json")...)
		require.Zero(t, o.code, o.stderr)
		assert.Contains(t, o.stderr, "air-passengers/lightgbm: resuming: 4 trials are done, 2 to go")
		var report struct {
			Winner string
			Rows   []struct {
				Name       string
				Baseline   bool
				Trials     int
				Validation map[string]float64
				Test       map[string]float64
				Params     map[string]any
			}
		}
		require.NoError(t, json.Unmarshal([]byte(o.stdout), &report))
		assert.Equal(t, "air-passengers/lightgbm", report.Winner)
		require.Len(t, report.Rows, 6, "one model, five baselines")
		for _, r := range report.Rows {
			assert.Positive(t, r.Validation["mape"])
			if r.Name == "seasonal naive" {
				// For the last 12 months; the R package forecast gives the same.
				assert.InDelta(t, 9.99, r.Test["mape"], 0.01)
				assert.InDelta(t, 1.57, r.Test["mase"], 0.01)
			}
			if !r.Baseline {
				assert.Equal(t, 6, r.Trials)
				assert.Contains(t, r.Params, "num_leaves")
				assert.Equal(t, "log,diff", r.Params["transform"], "it is fixed")
				assert.Contains(t, r.Params, "num_iterations", "the rounds that were best")
				var best map[string]any
				require.NoError(t, json.Unmarshal([]byte(succeed(t, dir, "best", "--format", "json")), &best))
				assert.Equal(t, best, r.Params)
			}
		}
	})
	t.Run("studies", func(t *testing.T) {
		golden(t, "studies.txt", succeed(t, dir, "studies"))
		var list []studyLine
		require.NoError(t, json.Unmarshal([]byte(succeed(t, dir, "studies", "--format", "json")), &list))
		require.Len(t, list, 1)
		assert.Equal(t, "air-passengers/lightgbm", list[0].Name)
		assert.Equal(t, 6, list[0].Complete+list[0].Pruned)
	})
	t.Run("best", func(t *testing.T) {
		golden(t, "best.txt", succeed(t, dir, "best"))
		golden(t, "best.json", succeed(t, dir, "best", "--format", "json"))
		golden(t, "best.yaml", succeed(t, dir, "best", "--format", "yaml", "--study", "air-passengers/lightgbm"))
		assert.Empty(t, succeed(t, dir, "best", "--format", "json", "--output", "best.json"))
		assert.FileExists(t, filepath.Join(dir, "best.json"))
	})
	t.Run("trials", func(t *testing.T) {
		assert.Len(t, strings.Split(succeed(t, dir, "trials"), "\n"), 1+6+1)
		assert.Len(t, strings.Split(succeed(t, dir, "trials", "--format", "jsonl"), "\n"), 6+1)
	})
	forecast := succeed(t, dir, "predict")
	t.Run("not to be trusted", func(t *testing.T) {
		doubt := regexp.MustCompile(`which is worse than the baseline seasonal naive \+ drift \([0-9.]+\): do not trust it yet`)
		require.Regexp(t, doubt, first.stdout)
		assert.Regexp(t, `^attune: warning: on the test span lightgbm had mape [0-9.]+, `+doubt.String()+`\n$`, attune(t, dir, "predict").stderr)
	})
	t.Run("predict", func(t *testing.T) {
		rows := strings.Split(forecast, "\n")
		require.Len(t, rows, 1+12+1)
		assert.Equal(t, "time,prediction", rows[0])
		assert.Regexp(t, `^1961-01,4\d\d\.`, rows[1])
		assert.Regexp(t, `^1961-12,\d\d\d\.`, rows[12])

		assert.Empty(t, succeed(t, dir, "predict", "--output", "out.csv", "--plot", "out.svg", "--horizon", "12"))
		out, err := os.ReadFile(filepath.Join(dir, "out.csv"))
		require.NoError(t, err)
		assert.Equal(t, forecast, string(out))
		svg, err := os.ReadFile(filepath.Join(dir, "out.svg"))
		require.NoError(t, err)
		assert.Contains(t, string(svg), "passengers, next 12 months, by lightgbm")
	})
	model := "attune.db.models/model-air-passengers%2Flightgbm.json"
	t.Run("predict with a file", func(t *testing.T) {
		assert.Equal(t, forecast, succeed(t, dir, "predict", "--model", model, "--data", "air.csv"))
		assert.Contains(t, attune(t, dir, "predict", "--model", model).stderr, "attune: --model: name the data to continue with --data")
		assert.Contains(t, attune(t, dir, "predict", "--model", "air.csv", "--data", "air.csv").stderr, "attune: not a model file: air.csv: its first line is not JSON")
	})
	t.Run("data that are elsewhere", func(t *testing.T) {
		file := filepath.Join(dir, "air.csv")
		require.NoError(t, os.Rename(file, filepath.Join(dir, "moved.csv")))
		missing := file + ": no such file or directory: name the file with --data\n"
		for _, command := range [][]string{{"predict"}, {"export", "--output", "never.onnx"}} {
			assert.Contains(t, attune(t, dir, command...).stderr, "\nattune: "+missing)
		}
		require.NoError(t, os.Remove(filepath.Join(dir, filepath.FromSlash(model))))
		assert.Contains(t, attune(t, dir, "predict").stderr, "its best model must be fitted to the data first: "+missing)
		assert.Equal(t, forecast, succeed(t, dir, "predict", "--data", "moved.csv"), "the model is fitted once more")
		require.NoError(t, os.Rename(filepath.Join(dir, "moved.csv"), file))
	})
	t.Run("a model that cannot be kept", func(t *testing.T) {
		folder, aside := filepath.Join(dir, "attune.db.models"), filepath.Join(dir, "aside")
		require.NoError(t, os.Rename(folder, aside))
		require.NoError(t, os.Symlink(filepath.Join(dir, "nowhere", "models"), folder))
		o := attune(t, dir, "predict")
		assert.Zero(t, o.code, o.stderr)
		assert.Equal(t, forecast, o.stdout)
		assert.Contains(t, o.stderr, "attune: warning: the model could not be saved and will be fitted again next time: ")
		require.NoError(t, os.Remove(folder))
		require.NoError(t, os.Rename(aside, folder))
	})
	t.Run("predict again", func(t *testing.T) {
		require.NoError(t, os.Remove(filepath.Join(dir, filepath.FromSlash(model))))
		assert.Equal(t, forecast, succeed(t, dir, "predict"), "the model is fitted once more")
	})

	data := filepath.Join(dir, "air.csv")
	old, err := os.ReadFile(data)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(data, append(old, "1961-01,450\n1961-02,430\n1961-03,490\n"...), 0o644))
	t.Run("newer data", func(t *testing.T) {
		next := strings.Split(succeed(t, dir, "predict", "--horizon", "3"), "\n")
		require.Len(t, next, 1+3+1)
		assert.Regexp(t, `^1961-04,`, next[1])
		o := attune(t, dir, optimize...)
		assert.Equal(t, 1, o.code)
		assert.Contains(t, o.stderr, `study "air-passengers/lightgbm" was made with different data (144 rows, 1949-01 to 1960-12; now 147 rows, 1949-01 to 1961-03): their scores are not comparable: use another --name`)
	})
	t.Run("other values", func(t *testing.T) {
		require.NoError(t, os.WriteFile(data, bytes.Replace(old, []byte(",112\n"), []byte(",113\n"), 1), 0o644))
		o := attune(t, dir, optimize...)
		assert.Contains(t, o.stderr, `was made with different values in the data (144 rows, 1949-01 to 1960-12, as now): their scores are not comparable: use another --name`)
	})
	require.NoError(t, os.WriteFile(data, old, 0o644))
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"another horizon":  {[]string{"--horizon", "6"}, `was made with --horizon 12, but it is now 6: use that value again, or use another --name`},
		"other windows":    {[]string{"--windows", "2"}, `was made with --windows 4, but it is now 2`},
		"another metric":   {[]string{"--metric", "mae"}, `was made with --metric mape, but it is now mae`},
		"another test":     {[]string{"--test", "6"}, `was made with --test 12, but it is now 6`},
		"more fixed":       {[]string{"--fixed", "num_leaves=7"}, `was made with --fixed`},
		"other max-rounds": {[]string{"--max-rounds", "31"}, `was made with --max-rounds 30, but it is now 31`},
		"another seed":     {[]string{"--seed", "5"}, `was made with --seed 0, but it is now 5`},
	} {
		t.Run(name, func(t *testing.T) {
			o := attune(t, dir, append(optimize, tc.args...)...)
			assert.Equal(t, 1, o.code)
			assert.Contains(t, o.stderr, `"air-passengers/lightgbm"`)
			assert.Contains(t, o.stderr, tc.want)
		})
	}
	t.Run("a longer forecast", func(t *testing.T) {
		assert.Contains(t, attune(t, dir, "predict", "--horizon", "13").stderr,
			"attune: --horizon 13: the model was tuned to forecast 1 to 12 steps: for more, tune with a longer --horizon")
	})
	t.Run("several studies", func(t *testing.T) {
		o := attune(t, dir, append(optimize, "--name", "b", "--test", "0")...)
		require.Zero(t, o.code, o.stderr)
		assert.NotContains(t, o.stdout, "; test:")
		assert.Contains(t, attune(t, dir, "best").stderr, "attune: attune.db contains studies of different data or forecasts: choose one with --study: air-passengers/lightgbm, b/lightgbm")
		assert.Contains(t, attune(t, dir, "best", "--study", "c").stderr, "attune: --study c: want one of air-passengers/lightgbm, b/lightgbm")
		assert.Contains(t, succeed(t, dir, "__complete", "best", "--study", ""), "air-passengers/lightgbm\nb/lightgbm\n")
	})
	t.Run("files that cannot be", func(t *testing.T) {
		for _, args := range [][]string{{"predict", "--output"}, {"predict", "--plot"}, {"best", "--output"}, {"trials", "--output"},
			{"export", "--output"}, {"export", "--output", "a.onnx", "--report"}} {
			flag := args[len(args)-1]
			for file, want := range map[string]string{".": ": a folder: want a file\n", "no/a": ": there is no folder no\n"} {
				o := attune(t, dir, append(args, file)...)
				assert.Equal(t, 1, o.code)
				assert.Equal(t, "attune: "+flag+" "+file+want, o.stderr)
			}
		}
		assert.Equal(t, "attune: --plot a.gif: want a name that ends in .svg, .png or .html\n", attune(t, dir, "predict", "--plot", "a.gif").stderr)
		assert.Equal(t, "attune: --output is empty: want a file\n", attune(t, dir, "export", "--output", "").stderr)
		assert.NoFileExists(t, filepath.Join(dir, "a.onnx"))
		assert.Contains(t, attune(t, dir, "predict", "--study", "b/lightgbm", "--series", "x").stderr, "attune: --series x: the data have a single series, without an id\n")
	})
	t.Run("no time", func(t *testing.T) {
		o := attune(t, dir, append(optimize, "--name", "c", "--timeout", "1ns")...)
		assert.Equal(t, 1, o.code)
		assert.Contains(t, o.stderr, `study "c/lightgbm": no trial was completed within --timeout 1ns: raise it`)
	})
	if runtime.GOOS == "linux" {
		t.Run("a full disk", func(t *testing.T) {
			full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			require.NoError(t, err)
			defer full.Close()
			cmd := program(t, dir, "predict", "--study", "b/lightgbm")
			var stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = full, &stderr
			require.Error(t, cmd.Run())
			assert.Contains(t, stderr.String(), "no space left on device")
		})
	}
}

// Models share --timeout, even if one of them overran or left time.
func TestPortions(t *testing.T) {
	for name, tc := range map[string]struct {
		took, want []time.Duration
	}{
		"all of it":     {[]time.Duration{4, 4, 4}, []time.Duration{4, 4, 4}},
		"less":          {[]time.Duration{2, 0, 9}, []time.Duration{4, 5, 10}},
		"more":          {[]time.Duration{60, 60, 60}, []time.Duration{4, 4, 4}},
		"more, then no": {[]time.Duration{60, 0, 0}, []time.Duration{4, 4, 8}},
	} {
		left := 12 * time.Second
		for i, took := range tc.took {
			share := portion(left, len(tc.took)-i)
			assert.Equal(t, tc.want[i]*time.Second, share, name)
			left = after(left, share, took*time.Second)
		}
	}
	assert.Positive(t, portion(0, 2))
}

// A model without a complete trial does not prevent the comparison of the others.
func TestMissing(t *testing.T) {
	t.Parallel()
	dir, optimize := air(t, "--windows", "4")
	optimize = append(optimize, "--windows", "1", "--ensemble=false", "--quiet")
	failing := []string{"--models", "lstm", "--fixed", "lstm.learning_rate=999", "--fixed", "lstm.epochs=3"}
	o := attune(t, dir, append(optimize, failing...)...)
	require.Zero(t, o.code, o.stderr)
	assert.Regexp(t, `\nlstm +- +- +- +- +0 +0 +10 +0s +-\n`, o.stdout)
	assert.Contains(t, o.stdout, "\n"+`study "air-passengers/lstm": too many failures in a row: 10, the last in trial 9: `)
	assert.Contains(t, o.stdout, "\nbest model, fitted to all data: attune.db.models/model-air-passengers%2Flightgbm.json\n")
	assert.FileExists(t, filepath.Join(dir, "attune.db.models", "model-air-passengers%2Flightgbm.json"))
	o = attune(t, dir, append(optimize, "--models", "nlinear", "--name", "b", "--timeout", "1ns")...)
	assert.Equal(t, 1, o.code, "no model has a trial")
	assert.Empty(t, o.stdout)
	assert.Equal(t, `attune: study "b/lightgbm": no trial was completed within its share of --timeout 1ns, which was 0s: raise it; `+
		`study "b/nlinear": no trial was completed within its share of --timeout 1ns, which was 0s: raise it`+"\n", o.stderr)

	var report struct {
		Winner string
		Notes  []string
		Rows   []struct {
			Name, Error string
			Best        *int `json:"best_trial"`
			Trials      int
			NotMade     int `json:"not_made"`
		}
	}
	out := succeed(t, dir, append(optimize, "--models", "nlinear", "--trials", "50", "--timeout", "1ns", "--json")...)
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	assert.Equal(t, "air-passengers/lightgbm", report.Winner, "whose trials are of the first run")
	const ranOut = "lightgbm: --timeout ran out: 46 of 50 trials were not run"
	assert.Contains(t, report.Notes, ranOut)
	for _, r := range report.Rows {
		if r.Name == "lightgbm" {
			assert.Equal(t, 4, r.Trials)
			assert.Equal(t, 46, r.NotMade)
		}
	}
	o = attune(t, dir, append(optimize, "--models", "nlinear", "--trials", "50", "--timeout", "1ns", "--quiet=false")...)
	assert.Contains(t, o.stderr, "\nair-passengers/lightgbm: resuming: 4 trials are done, 46 to go\n")
	assert.Contains(t, o.stderr, "\n"+ranOut+"\n")
	assert.Contains(t, o.stdout, "\n"+ranOut+"\n")
	assert.Regexp(t, `\nlightgbm .* 4 of 50 `, o.stdout)
	last := report.Rows[len(report.Rows)-1]
	assert.Equal(t, "nlinear", last.Name)
	assert.Nil(t, last.Best)
	assert.Contains(t, last.Error, `study "air-passengers/nlinear": no trial was completed within its share of --timeout 1ns`)
	assert.Contains(t, report.Notes, last.Error)
}

// Several series, with past and known columns, an ID and a special layout.
func TestPanel(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var b strings.Builder
	b.WriteString("shop;day;sold;visitors;holiday\n")
	day := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 77 {
		for k, shop := range []string{"north", "south"} {
			sold, visitors := "", ""
			if i < 70 {
				sold = string(rune('1'+(i+k)%7)) + "0"
				visitors = sold + "0"
			}
			holiday := "0"
			if i%10 == 0 {
				holiday = "1"
			}
			b.WriteString(strings.Join([]string{shop, day.AddDate(0, 0, i).Format("02/01/2006"), sold, visitors, holiday}, ";") + "\n")
		}
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "shops.csv"), []byte(b.String()), 0o644))
	o := attune(t, dir, "optimize", "--data", "shops.csv", "--target", "sold", "--time", "day", "--layout", "02/01/2006", "--id", "shop",
		"--past", "visitors", "--known", "holiday", "--models", "random_forest,xgboost", "--trials", "2", "--max-rounds", "20", "--metric", "mae",
		"--quiet", "--fixed", "random_forest.n_estimators=10", "--fixed", "xgboost.eta=0.5", "--sampler", "qmc", "--pruner", "halving")
	require.Zero(t, o.code, o.stderr)
	assert.Empty(t, o.stderr)
	assert.Contains(t, o.stdout, "sold by day, 2 series, 140 rows, 01/01/2024 to 10/03/2024")
	assert.Contains(t, o.stdout, "backtest mae")
	assert.Contains(t, o.stdout, "eta=")

	forecast := strings.Split(succeed(t, dir, "predict"), "\n")
	require.Len(t, forecast, 1+2*7+1)
	assert.Equal(t, "id,time,prediction", forecast[0])
	assert.Regexp(t, `^north,11/03/2024,`, forecast[1])
	assert.Regexp(t, `^south,17/03/2024,`, forecast[14])
	assert.Len(t, strings.Split(succeed(t, dir, "predict", "--series", "south", "--plot", "south.svg"), "\n"), 1+7+1)
	assert.Contains(t, attune(t, dir, "predict", "--plot", "all.svg").stderr, "--plot draws one series, and there are 2: choose one with --series")
	assert.Contains(t, attune(t, dir, "predict", "--series", "west").stderr, `--series west: no series has that id: there are "north", "south"`)
}

// Networks search the quick space unless another is chosen.
func TestSpaces(t *testing.T) {
	t.Parallel()
	dir, _ := air(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "own.yaml"), []byte("parameters:\n  - {name: hidden_size, type: int, low: 7, high: 7}\n"), 0o644))
	for name, tc := range map[string]struct {
		args      []string
		low, high float64
	}{
		"by default":          {nil, 8, 64},
		"quick":               {[]string{"--space", "quick"}, 8, 64},
		"full":                {[]string{"--space", "full"}, 64, 512},
		"full for one":        {[]string{"--space", "quick", "--space", "lstm=full"}, 64, 512},
		"of a file":           {[]string{"--space", "full", "--space", "lstm=own.yaml"}, 7, 7},
		"of a file, for one":  {[]string{"--space", "lstm=own.yaml"}, 7, 7},
		"full, not for trees": {[]string{"--space", "full", "--models", "random_forest", "--fixed", "random_forest.n_estimators=3"}, 64, 512},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			study := strings.ReplaceAll(name, " ", "-")
			o := attune(t, dir, append([]string{"optimize", "--data", "air.csv", "--target", "passengers", "--models", "lstm", "--fixed", "lstm.epochs=1", "--fixed", "lstm.batch_size=128",
				"--trials", "1", "--windows", "1", "--device", "cpu", "--storage", study + ".db", "--name", study, "--quiet"}, tc.args...)...)
			require.Zero(t, o.code, o.stderr)
			var params map[string]any
			require.NoError(t, json.Unmarshal([]byte(succeed(t, dir, "best", "--storage", study+".db", "--study", study+"/lstm", "--format", "json")), &params))
			assert.GreaterOrEqual(t, params["hidden_size"], tc.low)
			assert.LessOrEqual(t, params["hidden_size"], tc.high)
			assert.NotContains(t, params, "device")
		})
	}
}

// --print-space writes a valid space, and nothing else.
func TestPrintSpace(t *testing.T) {
	dir := t.TempDir()
	file, err := filepath.Abs("../../data/airpassengers.csv")
	require.NoError(t, err)
	args := []string{"optimize", "--data", file, "--target", "passengers", "--models", "lstm", "--print-space"}
	o := attune(t, dir, append(args, "--space", "full")...)
	require.Zero(t, o.code, o.stderr)
	assert.Contains(t, o.stdout, "{name: hidden_size, type: int, low: 64, high: 512, log: true}")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "own.yaml"), []byte(o.stdout), 0o644))
	assert.Equal(t, o, attune(t, dir, append(args, "--space", "own.yaml")...))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, left, 1)
	assert.Equal(t, "attune: --print-space: which model? Choose one with --models: lstm, tcn\n", attune(t, dir, append(args, "--models", "tcn")...).stderr)
}

// The number of workers changes only the time that a study takes.
func TestLag(t *testing.T) {
	t.Parallel()
	var tables []string
	for _, workers := range []string{"1", "3"} {
		dir, optimize := air(t, "--trials", "8", "--windows", "3", "--lag", "3", "--workers", workers, "--pruner", "halving", "--quiet")
		succeed(t, dir, optimize...)
		var table strings.Builder
		for line := range strings.Lines(succeed(t, dir, "trials", "--format", "jsonl")) {
			var one struct {
				Number int
				State  string
				Values []float64
				Params json.RawMessage
			}
			require.NoError(t, json.Unmarshal([]byte(line), &one))
			fmt.Fprintln(&table, one.Number, one.State, one.Values, string(one.Params))
		}
		tables = append(tables, table.String())
	}
	assert.Equal(t, 8, countLines(tables[0]))
	assert.Equal(t, tables[0], tables[1])
}

func TestResume(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no signals to send")
	}
	for name, tc := range map[string]struct {
		signal os.Signal
		code   int
		stderr string
	}{
		"interrupted": {os.Interrupt, 130, "attune: interrupted: air-passengers/lightgbm keeps its trials: run the same command again to resume"},
		"killed":      {os.Kill, -1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, optimize := air(t, "--trials", "200", "--workers", "2", "--max-rounds", "60", "--windows", "2", "--patience", "-1", "--pruner", "none", "--grace", "1s")
			cmd := program(t, dir, optimize...)
			var stdout bytes.Buffer
			cmd.Stdout = &stdout
			stderr, err := cmd.StderrPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			var before, last string
			for r, sent := bufio.NewScanner(stderr), false; r.Scan(); {
				if before, last = last, r.Text(); !sent && strings.Contains(last, "/200 trials in") {
					sent = true
					require.NoError(t, cmd.Process.Signal(tc.signal))
				}
			}
			require.Error(t, cmd.Wait())
			assert.Equal(t, tc.code, cmd.ProcessState.ExitCode())
			assert.Empty(t, stdout.String())
			if tc.stderr != "" {
				assert.Equal(t, tc.stderr, last)
				assert.Regexp(t, `/200 trials in .*, [12] interrupted: ended by: interrupted$`, before)
				assert.NotContains(t, before, "failed")
			}

			var list []studyLine
			require.NoError(t, json.Unmarshal([]byte(succeed(t, dir, "studies", "--format", "json")), &list))
			were := list[0].Complete
			assert.Zero(t, list[0].Failed)
			trials := succeed(t, dir, "trials")
			assert.Equal(t, name == "interrupted", strings.Contains(trials, ",interrupted,"), "some of them were cut short")
			if name == "interrupted" {
				assert.NotContains(t, trials, ",failed,")
			}
			require.Less(t, were, 200, "it was not stopped in the middle")

			total := []string{"--trials", strconv.Itoa(were + 2)}
			o := attune(t, dir, append(optimize, total...)...)
			require.Zero(t, o.code, o.stderr)
			assert.Contains(t, o.stderr, "resuming: "+strconv.Itoa(were)+" trials are done, 2 to go")
			require.NoError(t, json.Unmarshal([]byte(succeed(t, dir, "studies", "--format", "json")), &list))
			assert.GreaterOrEqual(t, list[0].Complete, were+2)
			assert.LessOrEqual(t, list[0].Complete, were+3, "a dead worker's trial may come on top")
			dead := 0 // trials of a killed worker that no process has found yet
			if tc.signal == os.Kill {
				dead = 2
			}
			assert.LessOrEqual(t, list[0].Running, dead)
			assert.Len(t, strings.Split(succeed(t, dir, "predict"), "\n"), 1+12+1)
		})
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	good, err := os.ReadFile("../../data/airpassengers.csv")
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(good)), "\n")
	edit := func(f func(l []string) []string) string {
		return strings.Join(f(append([]string(nil), lines...)), "\n") + "\n"
	}
	line8 := func(text string) string {
		return edit(func(l []string) []string { l[7] = text; return l })
	}
	// Each case tunes air.csv with the target passengers and more flags.
	for name, tc := range map[string]struct {
		csv  string
		args []string
		want string // all of standard error
	}{
		"a ragged row":        {line8("1949-07,148,1"), nil, "air.csv: line 8: wrong number of fields: 3, but the header has 2"},
		"a quote left open":   {line8(`1949-07,"148`), nil, `air.csv: line 8: extraneous or missing " in quoted-field`},
		"dates out of order":  {edit(func(l []string) []string { l[7], l[8] = l[8], l[7]; return l }), nil, `air.csv: line 9: column "month": "1949-07-01": out of order: after 1949-08-01 in line 8: sort the rows, or give --sort`},
		"a date twice":        {edit(func(l []string) []string { l[8] = l[7]; return l }), nil, `air.csv: line 9: column "month": "1949-07-01": duplicate of line 8: if the file has several series, name the column that tells them apart with --id`},
		"a gap":               {edit(func(l []string) []string { return append(l[:7], l[9:]...) }), nil, `air.csv: line 8: column "month": "1949-09-01": a gap before it: 1949-07-01 is missing (2 in all, at a frequency of month): set --fill to carry, interpolate or keep`},
		"a date that is none": {line8("soon,148"), nil, `air.csv: line 8: column "month": "soon": not a time of the form YYYY-MM`},
		"a constant target": {edit(func(l []string) []string {
			for i := range l[1:] {
				l[1+i] = l[1+i][:8] + "5"
			}
			return l
		}), nil, `air.csv: column "passengers": the target is constant, 5: there is nothing to forecast`},
		"too few rows":         {edit(func(l []string) []string { return l[:51] }), []string{"--horizon", "12", "--windows", "9"}, "air.csv: too few rows: there are 50, but 86 are needed: 14 to learn from (--horizon + 2), 60 for --windows 9 of --horizon 12, --step 6 apart, and --test 12: lower --windows to 3"},
		"far too few rows":     {edit(func(l []string) []string { return l[:8] }), nil, "air.csv: too few rows: features, transform and horizon need 13 rows of one series: the longest has 3"},
		"one row":              {edit(func(l []string) []string { return l[:2] }), nil, `air.csv: column "month": infer the frequency: no frequency: no series has two rows: state it with --freq`},
		"NaN in the target":    {line8("1949-07,NaN"), nil, `air.csv: line 8: column "passengers": a missing value at 1949-07-01: set --fill to carry, interpolate or keep`},
		"text for a number":    {line8("1949-07,many"), nil, `air.csv: line 8: column "passengers": "many": not a finite number`},
		"an infinite number":   {line8("1949-07,inf"), nil, `air.csv: line 8: column "passengers": "inf": not a finite number`},
		"no rows":              {lines[0] + "\n", nil, "air.csv: there are no rows after the header"},
		"nothing":              {"", nil, "air.csv: there are no rows"},
		"no time stamps":       {"shop,passengers\na,1\nb,2\n", nil, `air.csv: no column has time stamps that attune recognizes: name the column with --time and their format with --layout, such as --layout %d/%m/%Y: there are "shop", "passengers"`},
		"another layout":       {string(good), []string{"--layout", "%d.%m.%Y"}, `air.csv: no column has time stamps in the format --layout %d.%m.%Y: there are "month", "passengers"`},
		"not that layout":      {string(good), []string{"--layout", "02.01.2006", "--time", "month"}, `air.csv: line 2: column "month": "1949-01": not a time of the form DD.MM.YYYY`},
		"a day too many":       {"day,passengers\n31.01.2020,1\n30.02.2020,2\n01.03.2020,3\n", nil, `air.csv: line 3: column "day": "30.02.2020": not a time of the form DD.MM.YYYY: day out of range`},
		"no name, and named":   {string(good), []string{"--time", ""}, `air.csv: line 1: column not found: there are "month", "passengers"`},
		"days or months first": {"day,passengers\n01/02/2020,1\n01/03/2020,2\n", nil, `air.csv: column "day" has dates like 01/02/2020: say with --layout which comes first: the day, %d/%m/%Y, or the month, %m/%d/%Y`},
		"steps of all kinds":   {"day,passengers\n2020-01-01,1\n2020-01-29,2\n2020-02-10,3\n", nil, `air.csv: column "day": infer the frequency: no frequency: the time stamps are from 12 days to 28 days apart: if there is one, state it with --freq`},
		"gzip":                 {"\x1f\x8b\x08\x00", nil, "air.csv: the file, which is compressed by gzip, is damaged: it is cut short"},
		"a ZIP archive":        {"PK\x03\x04\x14\x00", nil, "air.csv: the file is a ZIP archive or an Excel workbook: unpack it, or save the sheet as CSV"},
		"UTF-16, unmarked":     {"m\x00o\x00n\x00,\x00y\x00\n\x00", nil, "air.csv: the text is UTF-16: save it as UTF-8"},
		"old Macs":             {strings.ReplaceAll(string(good), "\n", "\r"), nil, "air.csv: the lines end with carriage returns, as on old Macs: save it with line feeds"},
		"binary":               {"\x7fELF\x02\x01\x01\x00", nil, "air.csv: the file is binary: want text, comma-separated values in UTF-8"},
		"two of time stamps":   {"day,month,passengers\n2020-01-01,2020-01,1\n2020-01-02,2020-02,3\n", nil, `air.csv: "day", "month" could be the time stamps: choose one with --time`},
		"American dates":       {"day,passengers\n01/02/2020,1\n01/03/2020,2\n", []string{"--time", "day"}, `air.csv: line 2: column "day": "01/02/2020": not a time in a known layout: set --layout to the way it is written, as in 02/01/2006`},
		"a line without end":   {string(good) + strings.Repeat("x", 17<<20), nil, "air.csv: line 146: longer than 16 MiB: a line or a quoted text does not end"},
		"a device":             {string(good), []string{"--data", os.DevNull}, os.DevNull + ": a device or a pipe: want a file"},
		"UTF-16":               {"\xff\xfem\x00o\x00", nil, "air.csv: the text is UTF-16: save it as UTF-8"},
		"no target":            {string(good), []string{"--target", ""}, `air.csv: which column to forecast? Name it with --target: there are "month", "passengers"`},
		"an unknown column":    {string(good), []string{"--target", "passenger"}, `air.csv: line 1: column "passenger": column not found: there are "month", "passengers"`},
		"an unknown id":        {string(good), []string{"--id", "shop"}, `air.csv: line 1: column "shop": column not found: there are "month", "passengers"`},
		"a column twice":       {string(good), []string{"--past", "passengers"}, `air.csv: line 1: column "passengers": column has two roles`},
		"no data":              {string(good), []string{"--data", ""}, "which series? Name it with --data FILE --target COLUMN"},
		"no such file":         {string(good), []string{"--data", "b.csv"}, "b.csv: no such file or directory"},
		"a folder":             {string(good), []string{"--data", "."}, ".: a folder: want a file"},
		"an unknown model":     {string(good), []string{"--models", "lgbm"}, "--models lgbm: want one of ets, theta, arima, ces, mstl, croston, lightgbm, xgboost, catboost, random_forest, nlinear, lstm, tcn, transformer, naive"},
		"a model twice":        {string(good), []string{"--models", "xgboost,xgboost"}, "--models: xgboost is listed twice"},
		"an unknown metric":    {string(good), []string{"--metric", "accuracy"}, "--metric accuracy: want one of mape, smape, wape, mase, rmsse, rmse, mae, r2, pinball@Q"},
		"an unknown sampler":   {string(good), []string{"--sampler", "magic"}, "--sampler magic: want one of auto, tpe, gp, cmaes, random, qmc"},
		"an unknown pruner":    {string(good), []string{"--pruner", "magic"}, "--pruner magic: want one of median, halving, hyperband, pareto, extrapolation, none"},
		"an unknown fill":      {string(good), []string{"--fill", "zero"}, "--fill zero: want one of carry, interpolate, keep"},
		"no frequency":         {string(good), []string{"--freq", "lunar"}, `--freq lunar: frequency "lunar": no frequency: want, for instance, month, 15 minutes, W or 2 quarters: see attune optimize --help`},
		"no patience":          {string(good), []string{"--patience", "-3"}, "--patience -3: want -1 to 1000000"},
		"no time":              {string(good), []string{"--timeout", "-5s"}, "--timeout -5s: want at least 0s"},
		"no trials":            {string(good), []string{"--trials", "0"}, "--trials 0: want 1 to 1000000"},
		"no patience at all":   {string(good), []string{"--patience", "0"}, "--patience 0: want 1 or more, or -1 for never"},
		"a test below 0":       {string(good), []string{"--test", "-1"}, "--test -1: want 0 to 1000000"},
		"a horizon of 0":       {string(good), []string{"--horizon", "0"}, "--horizon 0: want 1 to 1000000"},
		"a step of 0":          {string(good), []string{"--step", "0"}, "--step 0: want 1 to 1000000"},
		"windows without end":  {string(good), []string{"--windows", "9223372036854775807"}, "--windows 9223372036854775807: want 1 to 1000000"},
		"a million windows":    {string(good), []string{"--windows", "1000000"}, "air.csv: too few rows: there are 144, but 6000032 are needed: "},
		"too many workers":     {string(good), []string{"--workers", "1000000000"}, "--workers 1000000000: want 1 to 1024"},
		"too many rounds":      {string(good), []string{"--max-rounds", "9223372036854775807"}, "--max-rounds 9223372036854775807: want 1 to 1000000"},
		"half a step":          {string(good), []string{"--horizon", "1.5"}, "--horizon 1.5: want a whole number: see attune optimize --help"},
		"more than a number":   {string(good), []string{"--trials", "99999999999999999999"}, "--trials 99999999999999999999: want a number closer to 0: see attune optimize --help"},
		"a seed below 0":       {string(good), []string{"--seed", "-1"}, "--seed -1: want a whole number from 0: see attune optimize --help"},
		"a time of no length":  {string(good), []string{"--timeout", "NaN"}, "--timeout NaN: want a length of time, such as 90s, 10m or 2h: see attune optimize --help"},
		"no grace":             {string(good), []string{"--grace", "-5s"}, "--grace -5s: want at least 1s"},
		"no storage":           {string(good), []string{"--storage", ""}, "--storage is empty: want a file"},
		"an empty model":       {string(good), []string{"--models", ","}, "--models '': want one of ets, "},
		"lags beyond the data": {string(good), []string{"--fixed", "lags=500"}, "--fixed lags=500: too few rows: features, transform and horizon need 513 rows of one series: the longest has 72: take fewer lags, or lower --horizon, --windows or --test"},
		"a rate of no number":  {string(good), []string{"--fixed", "learning_rate=NaN"}, "--fixed learning_rate=NaN: lightgbm: learning_rate is NaN, want a finite number"},
		"a device fixed":       {string(good), []string{"--fixed", "device=cuda"}, "--fixed device=cuda: it is not a hyperparameter: use --device"},
		"an unknown device":    {string(good), []string{"--device", "gpu"}, "--device gpu: want auto, cpu, cuda or cuda:N with N the number of a GPU"},
		"a device for trees":   {string(good), []string{"--device", "cuda"}, "--device cuda: none of the --models lightgbm trains on a GPU"},
		"two spaces":           {string(good), []string{"--space", "full", "--space", "quick"}, "--space: two spaces for lightgbm, full and quick"},
		"a space of nothing":   {string(good), []string{"--space", "lightgbm="}, "--space 'lightgbm=': want quick, full or a YAML file"},
		"a space of no model":  {string(good), []string{"--space", "lstm=full"}, "--space lstm=full: lstm is not one of the --models"},
		"a folder as space":    {string(good), []string{"--space", "."}, "--space .: a folder: want a file: or use quick or full"},
		"an odd test":          {string(good), []string{"--test", "13"}, "--test 13: want a multiple of the horizon, 12, or less than it"},
		"too long a horizon":   {string(good), []string{"--horizon", "60", "--windows", "9"}, "air.csv: too few rows: there are 144, but 422 are needed: 62 to learn from (--horizon + 2), 300 for --windows 9 of --horizon 60, --step 30 apart, and --test 60: lower --horizon, --windows or --test"},
		"fixed without value":  {string(good), []string{"--fixed", "eta"}, "--fixed eta: want NAME=VALUE, or MODEL.NAME=VALUE"},
		"fixed of no model":    {string(good), []string{"--fixed", "xgboost.eta=1"}, "--fixed xgboost.eta=1: xgboost is not one of the --models"},
		"a space of no file":   {string(good), []string{"--space", "s.yaml"}, "--space s.yaml: no such file or directory: or use quick or full"},
		"a space of no YAML":   {string(good), []string{"--space", "air.csv"}, "--space air.csv: "},
		"no such flag":         {string(good), []string{"--trails", "5"}, "unknown flag: --trails: see attune optimize --help"},
		"one word too many":    {string(good), []string{"now"}, `unknown command "now" for "attune optimize"`},
		"a storage of text":    {string(good), []string{"--storage", "air.csv"}, `open study "air-passengers/lightgbm" in air.csv: not a store: it is not a SQLite database`},
		"a storage of nowhere": {string(good), []string{"--storage", "no/a.db"}, `open study "air-passengers/lightgbm" in no/a.db: bad path: folder no: no such file or directory: create it, or set --storage to another file`},
		"a folder as storage":  {string(good), []string{"--storage", "."}, `open study "air-passengers/lightgbm" in .: not a store: it is a folder: set --storage to the path of a file`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, optimize := air(t)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "air.csv"), []byte(tc.csv), 0o644))
			o := attune(t, dir, append(append(optimize, "--quiet"), tc.args...)...)
			assert.Equal(t, 1, o.code)
			assert.Empty(t, o.stdout)
			assert.True(t, strings.HasPrefix(o.stderr, "attune: "+tc.want), "%s\nwant %s", o.stderr, tc.want)
			assert.Equal(t, 1, countLines(o.stderr), "one line")
			assert.NoFileExists(t, filepath.Join(dir, "attune.db"), "nothing is begun")
		})
	}
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"an unknown hyperparameter": {[]string{"--fixed", "num_leves=3"}, "--fixed num_leves=3 for nlinear: nlinear: there is no num_leves: there are "},
		"a window beyond the data":  {[]string{"--models", "nlinear,lstm", "--fixed", "lstm.window=200"}, "--fixed window=200 for lstm: lstm: fit: too few rows: a window of 200 and a horizon of 12 need 212 steps of one series: the longest has 72: take a shorter window, or lower --horizon, --windows or --test"},
		"few rows for a network":    {[]string{"--models", "nlinear", "--windows", "18"}, "air.csv: nlinear: fit: too few rows: a window of 7 and a horizon of 12 need 19 steps of one series: the longest has 18: take a shorter window, or lower --horizon, --windows or --test"},
		"no such device":            {[]string{"--models", "lightgbm,lstm", "--device", "cuda:9999"}, "--device cuda:9999: lstm: fit: the device cannot be used: "},
		"one space for several":     {[]string{"--space", "s.yaml"}, "--space s.yaml: there are several models: name one, MODEL=FILE"},
		"an engine of others":       {[]string{"--engine", "lightgbm", "--models", "xgboost"}, "--engine lightgbm trains lightgbm and random_forest, not xgboost: use --engine auto"},
		"an unknown engine":         {[]string{"--engine", "jet"}, "--engine jet: want one of native, "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, _ := air(t)
			o := attune(t, dir, append([]string{"optimize", "--data", "air.csv", "--target", "passengers", "--trials", "1"}, tc.args...)...)
			assert.Equal(t, 1, o.code)
			assert.Contains(t, o.stderr, "attune: "+tc.want)
		})
	}
	t.Run("a folder that cannot be written", func(t *testing.T) {
		t.Parallel()
		if os.Geteuid() == 0 || runtime.GOOS == "windows" {
			t.Skip("nothing is out of reach")
		}
		dir, optimize := air(t, "--windows", "4")
		require.NoError(t, os.Chmod(dir, 0o555))
		o := attune(t, dir, optimize...)
		assert.Equal(t, 1, o.code)
		assert.Contains(t, o.stderr, "attune.db")
	})
	t.Run("no storage", func(t *testing.T) {
		t.Parallel()
		dir, _ := air(t)
		for _, command := range []string{"predict", "best", "studies", "trials"} {
			o := attune(t, dir, command)
			assert.Equal(t, 1, o.code)
			assert.Equal(t, "attune: attune.db: no such file: attune optimize and attune run create it; name another one with --storage\n", o.stderr)
			o = attune(t, dir, command, "--storage", "air.csv")
			assert.Equal(t, 1, o.code)
			assert.Contains(t, o.stderr, "list studies in air.csv: not a store: it is not a SQLite database")
			assert.Contains(t, attune(t, dir, command, "--storage", ".").stderr, "attune: .: this is a folder: --storage needs a file")
		}
		assert.Equal(t, "attune: --format xml: want one of text, json\n", attune(t, dir, "studies", "--format", "xml").stderr)
	})
}

func TestHelp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	assert.Regexp(t, `^attune .+\n$`, succeed(t, dir, "--version"))
	for _, command := range []string{"optimize", "predict", "studies", "best", "trials", "importance"} {
		help := succeed(t, dir, command, "--help")
		assert.Contains(t, help, "Examples:\n  attune "+command)
		assert.Contains(t, help, "--storage file")
	}
	for _, command := range []string{"add", "list", "show", "promote", "rollback", "delete", "verify"} {
		assert.Contains(t, succeed(t, dir, "registry", command, "--help"), "--registry folder")
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		assert.Contains(t, succeed(t, dir, "completion", shell), "attune")
	}
	assert.Contains(t, succeed(t, dir, "__complete", "optimize", "--pruner", ""), "median\nhalving\nhyperband\npareto\nextrapolation\nnone\n")
	assert.Contains(t, succeed(t, dir, "__complete", "optimize", "--device", ""), "auto\ncpu\ncuda\n")
	o := attune(t, dir, "teach")
	assert.Equal(t, 1, o.code)
	assert.Equal(t, "attune: unknown command teach: see attune --help\n", o.stderr)
	for args, want := range map[string]string{
		"optimise":      "unknown command optimise: did you mean attune optimize?",
		"stu":           "unknown command stu: did you mean attune studies?",
		"registry shwo": "unknown command shwo: did you mean attune registry show?",
		"registry x":    "unknown command x: see attune registry --help",
	} {
		o := attune(t, dir, strings.Fields(args)...)
		assert.Equal(t, 1, o.code, args)
		assert.Equal(t, "attune: "+want+"\n", o.stderr)
		assert.Empty(t, o.stdout)
	}
	for _, args := range [][]string{nil, {"registry"}} {
		assert.Contains(t, succeed(t, dir, args...), "Available Commands:")
	}
}
