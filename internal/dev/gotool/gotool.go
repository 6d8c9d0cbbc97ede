// Package gotool runs the go command in tests that are about the module itself.
package gotool

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Run runs the go command in the current directory and returns what it prints.
// It adds env, each of the form "KEY=value", to the environment. The test fails
// if the command does.
func Run(t testing.TB, env []string, args ...string) []byte {
	t.Helper()
	dependOnModule(t)
	var stderr strings.Builder
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, &stderr)
	}
	return out
}

// dependOnModule looks at every Go file of the module. The go command caches the
// result of a test by the files that the test looked at, and does not see what
// its child processes read.
func dependOnModule(t testing.TB) {
	t.Helper()
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Dir(strings.TrimSpace(string(out)))
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir // .git, .venv
		}
		if err == nil && strings.HasSuffix(path, ".go") {
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
