// Package onnxsetup finds and downloads the ONNX Runtime library that export/runtime
// loads. The versions that belong together are in versions.go.
//
// [Setup] puts the pinned release into the user's cache. [Find] returns the file to load,
// and never one that cannot be loaded.
package onnxsetup

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/internal/atomicfile"
)

const pkg fault.Package = "onnxsetup"

// Env is the environment variable that names a library to load.
const Env = "ONNXRUNTIME_SHARED_LIBRARY_PATH"

// ErrMissing is the error of [Find] when there is no library.
var ErrMissing = errors.New("no ONNX Runtime library: run `attune setup onnxruntime`, or set " + Env)

// Find returns the path of the library to load, the first that exists among:
//
//  1. explicit, if it is not empty
//  2. the file that the environment variable [Env] names
//  3. the library beside the executable
//  4. the library that [Setup] put into the user's cache
//  5. the system's: in LD_LIBRARY_PATH, then in the usual folders
//
// If explicit or Env names a file that cannot be loaded (see [Check]), Find fails. It skips
// such files among the others. A file in the cache must have the pinned SHA-256, which is
// computed only once for each size and modification time. The error wraps [ErrMissing] and
// lists the skipped files.
func Find(explicit string) (string, error) {
	for _, named := range []struct{ file, by string }{{explicit, "the library asked for"}, {os.Getenv(Env), Env}} {
		if named.file == "" {
			continue
		}
		if err := Check(named.file); err != nil {
			return "", pkg.Errorf("find: %s: %w", named.by, err)
		}
		return filepath.Abs(named.file)
	}
	var passed []string
	try := func(file string, check func(string) error) bool {
		err := check(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			passed = append(passed, err.Error())
		}
		return err == nil
	}
	if exe, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(exe); err == nil {
			exe = real
		}
		for _, name := range names() {
			if file := filepath.Join(filepath.Dir(exe), name); try(file, Check) {
				return file, nil
			}
		}
	}
	if b, ok := builds[platform]; ok {
		if dir, err := CacheDir(); err == nil {
			if file := filepath.Join(dir, b.file); try(file, func(f string) error { return checkCached(f, b) }) {
				return file, nil
			}
		}
	}
	for _, dir := range systemDirs() {
		for _, name := range names() {
			if file := filepath.Join(dir, name); try(file, Check) {
				return file, nil
			}
		}
	}
	if passed != nil {
		return "", pkg.Errorf("find: %w (passed over: %s)", ErrMissing, strings.Join(passed, "; "))
	}
	return "", pkg.Errorf("find: %w", ErrMissing)
}

// CacheDir returns the folder of [Setup]'s library: attune/onnxruntime/VERSION in the
// user's cache. It need not exist. CacheDir fails like [os.UserCacheDir].
func CacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", pkg.Errorf("cache: %w", err)
	}
	return filepath.Join(dir, "attune", "onnxruntime", Version), nil
}

// names returns the possible names of the library.
func names() []string {
	switch runtime.GOOS {
	case "windows":
		return []string{"onnxruntime.dll"}
	case "darwin":
		return []string{"libonnxruntime.dylib", "libonnxruntime." + Version + ".dylib", "libonnxruntime.1.dylib"}
	}
	return []string{"libonnxruntime.so", "libonnxruntime.so." + Version, "libonnxruntime.so.1"}
}

// systemDirs returns the folders in which a package manager may have installed the
// library. It has none for Windows, whose own library is too old.
func systemDirs() []string {
	switch runtime.GOOS {
	case "windows":
		return nil
	case "darwin":
		return append(filepath.SplitList(os.Getenv("DYLD_LIBRARY_PATH")), "/opt/homebrew/lib", "/usr/local/lib")
	}
	triple := map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[runtime.GOARCH]
	dirs := append(filepath.SplitList(os.Getenv("LD_LIBRARY_PATH")),
		"/usr/local/lib", "/usr/lib/"+triple, "/usr/lib64", "/usr/lib")
	return slices.DeleteFunc(dirs, func(dir string) bool { return !filepath.IsAbs(dir) })
}

// checkCached checks that the file is one of the pinned ones. This means reading all of it,
// so a success is recorded beside the file, with the size and modification time for which
// it holds.
func checkCached(file string, b build) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	stamp := file + ".checked"
	want := fmt.Sprintf("%d %d ", info.Size(), info.ModTime().UnixNano())
	if kept, err := os.ReadFile(stamp); err == nil {
		if sum, ok := strings.CutPrefix(string(kept), want); ok && b.pinned(sum) {
			return nil
		}
	}
	sum, err := hash(file)
	if err != nil {
		return err
	}
	if !b.pinned(sum) {
		return &fs.PathError{Op: "check", Path: file, Err: errors.New("not the file that was put there: run `attune setup onnxruntime` again")}
	}
	// Without the stamp, the next check only takes longer.
	_ = atomicfile.Write(stamp, func(w io.Writer) error { _, err := io.WriteString(w, want+sum); return err })
	return nil
}

func (b build) pinned(sum string) bool {
	return slices.ContainsFunc(b.sources, func(s source) bool { return s.sha256 == sum })
}

// hash returns the SHA-256 of a file, in hexadecimal.
func hash(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
