package python_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/python"
)

func TestOrder(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("folders are those of Unix")
	}
	root := t.TempDir()
	environment := func(name string) string {
		prefix := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Join(prefix, "bin"), 0o755))
		require.NoError(t, os.MkdirAll(filepath.Join(prefix, "lib", "python3.11", "site-packages"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(prefix, "bin", "python3"), nil, 0o755))
		return prefix
	}
	said, virtual, path := environment("said"), environment("virtual"), environment("path")
	t.Setenv("ATTUNE_PYTHON", filepath.Join(said, "bin", "python3"))
	t.Setenv("VIRTUAL_ENV", virtual)
	t.Setenv("CONDA_PREFIX", "")
	t.Setenv("PATH", filepath.Join(path, "bin"))
	t.Setenv("HOME", root)
	assert.Equal(t, []string{
		filepath.Join(said, "bin", "python3"), filepath.Join(virtual, "bin", "python"), filepath.Join(path, "bin", "python3"),
	}, python.Executables())
	packages := python.Packages()
	require.GreaterOrEqual(t, len(packages), 3)
	for i, prefix := range []string{said, virtual, path} {
		assert.Equal(t, filepath.Join(prefix, "lib", "python3.11", "site-packages"), packages[i])
	}
}
