package devicetest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/attune-hpo/attune/internal/dylib"
)

// An Emulator is a CUDA driver, with cuBLAS, that runs kernels on the CPU, slowly. It has
// one GPU, named "emulated".
type Emulator struct {
	Limit   func(bytes uintptr) // sets the GPU's memory; initially 1 GiB
	Fail    func(code int32)    // breaks the context: waiting for the GPU returns code from now on
	Mend    func()              // undoes Fail
	Reverse func(on int32)      // 1: blocks, and the threads of a block, run in reverse order
	Used    func() uintptr      // bytes of the GPU's memory
	Count   func() uintptr      // kernels and products launched so far

	path string
}

var emulator = sync.OnceValues(build)

// Emulate makes package cuda use the emulator until the test ends. It skips the test
// without a C++ compiler, without the emulator's source, or if the system is not Linux.
func Emulate(t testing.TB) *Emulator {
	t.Helper()
	if _, err := exec.LookPath("c++"); err != nil || runtime.GOOS != "linux" {
		t.Skip("devicetest: the emulator needs Linux and a C++ compiler")
	}
	e, err := emulator()
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("ATTUNE_LIBCUDA", e.path)
	t.Setenv("ATTUNE_LIBCUBLAS", e.path)
	t.Cleanup(func() {
		e.Limit(1 << 30)
		e.Mend()
		e.Reverse(0)
	})
	return e
}

// NeedGPU skips a test if reason says why no GPU can be opened. If the environment
// variable ATTUNE_TEST_GPU is set, as by scripts/gpu.sh, it fails the test instead.
func NeedGPU(t testing.TB, reason error) {
	t.Helper()
	switch {
	case reason == nil:
	case os.Getenv("ATTUNE_TEST_GPU") != "":
		t.Fatal(reason)
	default:
		t.Skip(reason)
	}
}

func build() (*Emulator, error) {
	_, here, _, _ := runtime.Caller(0)
	source := filepath.Join(filepath.Dir(here), "testdata", "emulator.cpp")
	kernels := filepath.Join(filepath.Dir(here), "..", "cuda", "kernels.cu")
	if _, err := os.Stat(source); err != nil {
		return nil, fmt.Errorf("devicetest: emulator: %w", err)
	}
	folder, err := os.MkdirTemp("", "attune-emulator")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder) // the library stays open
	e := &Emulator{path: filepath.Join(folder, "emulator.so")}
	cmd := exec.Command("c++", "-std=c++17", "-O2", "-shared", "-fPIC", fmt.Sprintf("-DKERNELS=%q", kernels), source, "-o", e.path)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("devicetest: compile the emulator: %w\n%s", err, out)
	}
	lib, err := dylib.Search{Path: e.path}.Open()
	if err != nil {
		return nil, err
	}
	for name, f := range map[string]any{"limit": &e.Limit, "fail": &e.Fail, "mend": &e.Mend, "reverse": &e.Reverse, "used": &e.Used, "launches": &e.Count} {
		if err := lib.Func("emulator_"+name, f); err != nil {
			return nil, err
		}
	}
	return e, nil
}
