package dylib_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/dylib"
)

// math returns a search for the C mathematics library.
func math(t *testing.T) dylib.Search {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("names are those of Linux")
	}
	t.Setenv("ATTUNE_NOTHING", "")
	s := dylib.Search{Env: "ATTUNE_NOTHING", Names: []string{"libm.so.6"}}
	if _, err := s.Open(); err != nil {
		t.Skip(err)
	}
	return s
}

func TestOpen(t *testing.T) {
	s := math(t)
	l, err := s.Open()
	require.NoError(t, err)
	again, err := s.Open()
	require.NoError(t, err)
	assert.Same(t, l, again)
	var cos func(float64) float64
	require.NoError(t, l.Func("cos", &cos))
	assert.Equal(t, 1.0, cos(0))
	assert.ErrorContains(t, l.Func("no_such_function", &cos), "libm.so.6 has no no_such_function")
	assert.NotEmpty(t, os.Getenv("OMP_WAIT_POLICY"))

	t.Setenv("ATTUNE_NOTHING", "libm.so.6")
	s.Names = nil
	_, err = s.Open()
	require.NoError(t, err, "a name in the variable")
}

// If a named library is missing, no other is used instead.
func TestOpenOnlyThat(t *testing.T) {
	s := math(t)
	folder := t.TempDir()
	t.Setenv("ATTUNE_NOTHING", filepath.Join(folder, "libm.so.6"))
	_, err := s.Open()
	require.ErrorIs(t, err, os.ErrNotExist)
	t.Setenv("ATTUNE_NOTHING", folder)
	_, err = s.Open()
	require.ErrorContains(t, err, filepath.Join(folder, "libm.so.6"))
	s.Path = filepath.Join(folder, "other.so")
	_, err = s.Open()
	require.ErrorContains(t, err, "other.so")
}

// Wheels are found in the packages of a virtual environment.
func TestOpenWheel(t *testing.T) {
	s := math(t)
	root := t.TempDir()
	t.Setenv("ATTUNE_PYTHON", "")
	t.Setenv("VIRTUAL_ENV", root)
	folder := filepath.Join(root, "lib", "python3.11", "site-packages", "some", "lib")
	require.NoError(t, os.MkdirAll(folder, 0o755))
	file := filepath.Join(folder, "libsome.so")
	require.NoError(t, os.WriteFile(file, []byte("no library at all"), 0o644))
	s.Wheels = []string{"some/lib/libsome.so"}
	s.Names = nil
	_, err := s.Open()
	require.ErrorContains(t, err, file)
}

// Truncated files are refused before the loader sees them, which the process would not
// survive.
func TestOpenCutShort(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads ELF")
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	whole, err := os.ReadFile(exe)
	require.NoError(t, err)
	for name, n := range map[string]int{"empty": 0, "magic": 4, "header": 64, "half": len(whole) / 2, "all but the end": len(whole) - 1} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "lib.so")
			require.NoError(t, os.WriteFile(file, whole[:n], 0o755))
			_, err := dylib.Search{Path: file}.Open()
			require.ErrorIs(t, err, dylib.ErrBroken)
			assert.ErrorContains(t, err, file)
		})
	}
}
