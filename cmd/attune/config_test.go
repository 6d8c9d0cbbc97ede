package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
)

// A configuration that was printed makes the same study, flags override it, and the study
// keeps it.
func TestConfig(t *testing.T) {
	t.Parallel()
	dir, args := air(t, "--windows", "4", "--sampler", "tpe:startup=3,candidates=12", "--pruner", "median:startup=2,warmup=4", "--quiet")
	printed := succeed(t, dir, append(args, "--print-config")...)
	assert.NoFileExists(t, filepath.Join(dir, "attune.db"))
	assert.Contains(t, printed, "horizon: 12\n", "what was chosen is there")
	assert.Contains(t, printed, "sampler: tpe:startup=3,candidates=12\n", "the last of two flags counts")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "run.yaml"), []byte(printed), 0o644))
	first := succeed(t, dir, args...)
	assert.Equal(t, first, succeed(t, dir, "optimize", "--config", "run.yaml", "--quiet"), "the same study")
	assert.Equal(t, printed, succeed(t, dir, "optimize", "--config", "run.yaml", "--print-config"))
	more := attune(t, dir, "optimize", "--config", "run.yaml", "--trials", "5")
	assert.Contains(t, more.stderr, "resuming: 4 trials are done, 1 to go")
	st, err := study.Read(t.Context(), sqlite.File(filepath.Join(dir, "attune.db")), "air-passengers/lightgbm")
	require.NoError(t, err)
	defer st.Close()
	attrs, err := st.Attrs(t.Context())
	require.NoError(t, err)
	kept, _ := attrs.Get(configKey)
	var text string
	require.NoError(t, kept.Decode(&text))
	assert.Equal(t, strings.Replace(printed, "trials: 4", "trials: 5", 1), text)

	hydra := `
data: air.csv
target: passengers
models: nlinear
metric: mape
trials: 3
seed: 42
sampler: {name: tpe, startup: 10}
pruner: {name: median, startup: 5, warmup: 10}
fixed: {ridge: 0.5}
space:
  nlinear:
    parameters:
      - {name: window, type: int, low: 13, high: 20}
      - {name: transform, type: categorical, choices: [log]}
`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "lstm.yaml"), []byte(hydra), 0o644))
	out := succeed(t, dir, "optimize", "--config", "lstm.yaml", "--name", "hydra", "--quiet")
	assert.Regexp(t, `nlinear \(trial \d\): ridge=0.5 window=(1[3-9]|20) transform=log`, out)
	assert.Contains(t, succeed(t, dir, "optimize", "--config", "lstm.yaml", "--print-config"), "pruner: median:startup=5,warmup=10\n")
	assert.Contains(t, succeed(t, dir, "optimize", "--config", "lstm.yaml", "--print-config", "--space", "quick"), "{name: window, type: int, low: 7, high: 30}")
}

// A configuration of a table.
func TestConfigOfTable(t *testing.T) {
	t.Parallel()
	dir := shops(t, 120)
	args := []string{"optimize", "--task", "regression", "--data", "shops.csv", "--target", "rent", "--ignore", "id,owner,day,size,sold,odd", "--models", "linear,xgboost", "--trials", "2", "--quiet"}
	printed := succeed(t, dir, append(args, "--print-config")...)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "run.yaml"), []byte(printed), 0o644))
	assert.Equal(t, succeed(t, dir, args...), succeed(t, dir, "optimize", "--config", "run.yaml", "--quiet"))
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	dir, _ := air(t)
	for text, want := range map[string]string{
		"":                                    "--config run.yaml: it is empty",
		"- a":                                 "line 1: want a name and a value on each line",
		"data: [":                             "line 1",
		"trails: 5":                           "line 1: there is no trails: the names are those of the flags",
		"quiet: true":                         "there is no quiet",
		"trials: many":                        "line 1: trials: many: want a whole number",
		"trials: 1\ntrials: 2":                "line 2: trials: it occurs twice",
		"data: {a: b}":                        "line 1: data: want a value or a list",
		"sampler: {startup: 3}":               "line 1: sampler: want its name",
		"sampler: {name: tpe, starts: 3}":     "--sampler tpe:starts=3: 'starts=3': want NAME=VALUE, with a name of startup, candidates",
		"sampler: {name: tpe, startup: few}":  "startup=few: want a whole number",
		"sampler: {name: random, startup: 3}": "startup=3: it has no settings",
		"pruner: halving:reduction_factor=1":  "--pruner halving:reduction_factor=1: ",
		"space: {lstn: {parameters: []}}":     "line 1: space: there is no model lstn",
		"space: {lstm: {parameters: [{name: a, type: b}]}}": "line 1: space: lstm: line 1: invalid declaration: parameter",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "run.yaml"), []byte(text), 0o644))
		args := []string{"optimize", "--target", "passengers", "--config", "run.yaml"}
		if !strings.HasPrefix(text, "data") { // a flag takes the place of the name in the file
			args = append(args, "--data", "air.csv")
		}
		o := attune(t, dir, args...)
		assert.Equal(t, 1, o.code, text)
		assert.Contains(t, o.stderr, want, text)
		assert.Equal(t, 1, countLines(o.stderr), o.stderr)
	}
	assert.Contains(t, attune(t, dir, "optimize", "--config", "none.yaml").stderr, "--config: open none.yaml: no such file")
}
