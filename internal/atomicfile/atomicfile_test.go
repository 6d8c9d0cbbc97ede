package atomicfile_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/atomicfile"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.txt")
	require.NoError(t, atomicfile.Write(path, text("one")))
	require.NoError(t, atomicfile.Write(path, text("two")))

	broken := errors.New("broken")
	err := atomicfile.Write(path, func(w io.Writer) error {
		_, err := io.WriteString(w, "three")
		return errors.Join(err, broken)
	})
	require.ErrorIs(t, err, broken)
	assert.Panics(t, func() { _ = atomicfile.Write(path, func(io.Writer) error { panic("broken") }) })
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "two", string(got), "what was there stays")
	assert.Equal(t, []string{"a.txt"}, names(t, dir), "and nothing beside it")

	err = atomicfile.Write(filepath.Join(dir, "none", "a.txt"), text("one"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorContains(t, err, "there is no folder "+filepath.Join(dir, "none"))
}

// Clean removes the leftovers of killed processes, and nothing else.
func TestClean(t *testing.T) {
	dir := t.TempDir()
	keep := []string{".a.txt.tmp", ".a.txt.x1.tmp", ".b.txt.12.tmp", "a.txt", "a.txt.12.tmp"}
	for _, name := range append([]string{".a.txt.1234.tmp", ".a.txt.5.tmp"}, keep...) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
	}
	require.NoError(t, atomicfile.Clean(filepath.Join(dir, "a.txt")))
	assert.Equal(t, keep, names(t, dir))
	require.NoError(t, atomicfile.Clean(filepath.Join(dir, "none", "a.txt")))

	// The names are those that Write uses.
	path := filepath.Join(dir, "c.txt")
	err := atomicfile.Write(path, func(io.Writer) error { return atomicfile.Clean(path) })
	require.ErrorIs(t, err, fs.ErrNotExist, "the new file is gone before it has its name")
}
