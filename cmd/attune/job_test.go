package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/model"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// version1 returns a new folder with the airline passengers and a study of them with two
// trials, whose job is in the form of version 1, and the arguments that continue it.
func version1(t *testing.T) (dir string, args []string) {
	t.Helper()
	dir, _ = air(t)
	packed, err := os.Open("testdata/version1.db.gz")
	require.NoError(t, err)
	defer packed.Close()
	in, err := gzip.NewReader(packed)
	require.NoError(t, err)
	data, err := io.ReadAll(in)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "attune.db"), data, 0o644))
	return dir, []string{"optimize", "--data", "air.csv", "--target", "passengers", "--models", "lightgbm", "--trials", "3", "--max-rounds", "5",
		"--windows", "2", "--workers", "1", "--fixed", "transform=diff", "--fixed", "num_leaves=4"}
}

// attributes returns the attributes of the only study in a file.
func attributes(t *testing.T, dir string) trial.Attrs {
	t.Helper()
	st, err := study.Read(t.Context(), sqlite.File(filepath.Join(dir, "attune.db")), "air-passengers/lightgbm")
	require.NoError(t, err)
	defer st.Close()
	attrs, err := st.Attrs(t.Context())
	require.NoError(t, err)
	return attrs
}

// A study of version 1 is understood, refused for the same reasons as then, and rewritten
// when it is continued.
func TestVersion1(t *testing.T) {
	t.Parallel()
	dir, optimize := version1(t)
	refused := func(want string, more ...string) {
		t.Helper()
		o := attune(t, dir, append(optimize, more...)...)
		assert.Equal(t, 1, o.code, more)
		assert.Contains(t, o.stderr, want)
		assert.Equal(t, 1, countLines(o.stderr), o.stderr)
	}
	file := filepath.Join(dir, "air.csv")
	good, err := os.ReadFile(file)
	require.NoError(t, err)
	edited := func(from, to string, check func()) {
		t.Helper()
		require.NoError(t, os.WriteFile(file, bytes.Replace(good, []byte(from), []byte(to), 1), 0o644))
		check()
		require.NoError(t, os.WriteFile(file, good, 0o644))
	}
	otherwise := func() {
		t.Helper()
		refused("was made with --horizon 12, but it is now 6: use that value again, or use another --name", "--horizon", "6")
		refused("was made with --metric mape, but it is now mae", "--metric", "mae")
		refused("was made with --fixed ", "--fixed", "max_bin=31")
		refused("was made with --test 12, but it is now 6", "--test", "6")
		refused("was made with --patience 30, but it is now 7", "--patience", "7")
		edited(",112\n", ",113\n", func() { refused("was made with different values in the data (144 rows, 1949-01 to 1960-12, as now)") })
		edited(",432\n", ",433\n", func() { refused("was made with different values in the data") }) // 1960-12, in the test span
		edited("1960-12", "1961-12", func() { refused("", "--fill", "carry") })
	}
	otherwise()
	note, _ := attributes(t, dir).Get(noteKey)
	assert.Contains(t, note.JSON, `"version": 1`)

	forecast := succeed(t, dir, "predict", "--data", "air.csv")
	assert.Len(t, strings.Split(forecast, "\n"), 1+12+1)
	o := attune(t, dir, optimize...)
	require.Zero(t, o.code, o.stderr)
	assert.Contains(t, o.stderr, "resuming: 2 trials are done, 1 to go")

	attrs := attributes(t, dir)
	note, _ = attrs.Get(noteKey)
	assert.Contains(t, note.JSON, `"version": 2`)
	for _, once := range []string{"metric", "horizon", "windows", "fixed", "model"} {
		assert.NotContains(t, note.JSON, `"`+once+`"`, "the record of the task has it")
	}
	record, _ := attrs.Get(model.RecordKey)
	assert.Contains(t, record.JSON, `{"kind": "lightgbm", "metric": "mape", "fixed": {"transform": "diff", "num_leaves": 4}, "horizon": 12, "windows": 2, "step": 6, `)
	assert.Contains(t, attune(t, dir, optimize...).stderr, "all 3 trials are done")
	otherwise()
}

// Two studies of the same forecasts share a job, except for the model; pick chooses among them.
func TestJobs(t *testing.T) {
	t.Parallel()
	dir, optimize := air(t, "--windows", "4")
	optimize = append(optimize, "--trials", "1", "--windows", "2", "--models", "nlinear", "--quiet")
	succeed(t, dir, optimize...)
	assert.Contains(t, succeed(t, dir, "best"), "study air-passengers/", "the best of both")
	succeed(t, dir, append(optimize, "--test", "6", "--name", "other")...)
	assert.Contains(t, attune(t, dir, "best").stderr, "attune.db contains studies of different data or forecasts: choose one with --study: ")
}

// A study that was interrupted before its job was written gets the job.
func TestHalfBegun(t *testing.T) {
	t.Parallel()
	dir, optimize := air(t, "--windows", "4")
	st, err := study.Create(t.Context(), sqlite.File(filepath.Join(dir, "attune.db")), "air-passengers/lightgbm",
		study.Config{Sampler: random.Sampler{}, Metrics: []string{"mape"}})
	require.NoError(t, err)
	require.NoError(t, st.SetAttr(t.Context(), model.RecordKey, map[string]string{"kind": "xgboost"}))
	require.NoError(t, st.Close())
	succeed(t, dir, append(optimize, "--trials", "1", "--windows", "2")...)
	j, err := readJob(attributes(t, dir))
	require.NoError(t, err)
	assert.Equal(t, "lightgbm", j.Model)
	assert.Equal(t, 12, j.Horizon)
}
