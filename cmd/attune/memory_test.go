package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMemorySize(t *testing.T) {
	for text, want := range map[string]int64{"2GB": 2e9, "1.5 gb": 1.5e9, "500MB": 5e8, "4000kB": 4e6, "": 0} {
		var m memorySize
		require.NoError(t, m.Set(text), text)
		assert.EqualValues(t, want, m, text)
		var again memorySize
		require.NoError(t, again.Set(m.String()))
		assert.Equal(t, m, again)
	}
	for _, text := range []string{"2", "GB", "-1GB", "1kB", "NaNGB", "1e99GB", "2GiB"} {
		var m memorySize
		assert.Error(t, m.Set(text), text)
	}
	assert.Greater(t, machineMemory(), int64(1e8))
	assert.Equal(t, machineMemory()/4, memorySize(0).limit())
}

// Trees learn from fewer rows if there is little memory; every later fit does the same.
func TestLittleMemory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := "id,date,y\n" + monthsOf("a", 0, 96) + monthsOf("b", 0, 96)
	flags := []string{"--id", "id", "--models", "lightgbm", "--trials", "1", "--windows", "2", "--ensemble=false"}
	o := tuned(t, dir, data, append(flags, "--memory", "4MB")...)
	require.Zero(t, o.code, o.stderr)
	assert.Regexp(t, `lightgbm learns from \d+ of 2304 rows in each fold, because --memory is 4MB`, o.stdout)
	assert.Contains(t, succeed(t, dir, "best", "--study", "p-y/lightgbm"), "max_rows")
	again := tuned(t, dir, data, append(flags, "--memory", "4MB")...)
	assert.Equal(t, o.stdout, again.stdout)
	succeed(t, dir, "predict", "--study", "p-y/lightgbm")

	o = tuned(t, t.TempDir(), data, append(flags, "--memory", "1MB", "--windows", "9")...)
	assert.Regexp(t, `--memory 1MB: lightgbm needs at least [0-9.]+MB: raise it, or lower --windows`, o.stderr)
	o = tuned(t, t.TempDir(), data, append(flags, "--memory", "much")...)
	assert.Contains(t, o.stderr, "--memory")
	assert.Contains(t, o.stderr, "want a size from 1MB, such as 500MB or 2GB")

	o = attune(t, dir, "optimize", "--data", "p.csv", "--target", "y", "--id", "id", "--models", "lightgbm", "--trials", "1", "--windows", "2", "--name", "shown")
	require.Zero(t, o.code, o.stderr)
	assert.Regexp(t, `shown/lightgbm: a trial has tables of up to 2304 rows and \d+ columns, 3 at once: about [0-9.]+MB`, o.stderr)
	assert.NotContains(t, strings.ToLower(o.stdout), "max_rows")
}
