package onnxtest_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/onnxsetup"
	"github.com/attune-hpo/attune/internal/onnxsetup/onnxtest"
)

// A library that is truncated anywhere is refused before it is loaded.
func TestCheckTruncated(t *testing.T) {
	file := onnxtest.Require(t)
	require.NoError(t, onnxsetup.Check(file))
	if runtime.GOOS != "linux" {
		t.Skip("where the end of a library is told is known for Linux")
	}
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	cut := filepath.Join(t.TempDir(), "lib.so")
	for _, n := range []int{0, 3, 64, 4096, len(whole) / 2, len(whole) - 4096, len(whole) - 1} {
		require.NoError(t, os.WriteFile(cut, whole[:n], 0o644))
		require.Error(t, onnxsetup.Check(cut), "%d of %d bytes", n, len(whole))
		_, err := onnxsetup.Find(cut)
		require.ErrorContains(t, err, "cut off", "%d of %d bytes", n, len(whole))
	}
	whole[18] ^= 0xff // e_machine
	require.NoError(t, os.WriteFile(cut, whole, 0o644))
	require.ErrorContains(t, onnxsetup.Check(cut), "another processor")
}
