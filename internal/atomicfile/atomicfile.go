// Package atomicfile writes files atomically: a file is either complete or absent.
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Write calls write to fill a new file. Once its content is on disk, Write renames it to
// path, replacing an existing file. After an error, and after a crash at any moment, the
// existing file is unchanged; a crash may leave a file .NAME.*.tmp. The folder must exist.
//
// [Clean] removes the leftovers of crashes.
func Write(path string, write func(io.Writer) error) error {
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no folder %s: %w", dir, fs.ErrNotExist)
	}
	f, err := os.CreateTemp(dir, temporary(path, "*"))
	if err != nil {
		return err
	}
	named := false
	defer func() { // even if write panics
		if !named {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	w := bufio.NewWriterSize(f, 1<<16)
	if err := write(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	named = true
	if err := SyncDir(dir); err != nil { // the name is on disk once its folder is
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}

// SyncDir makes the names in a folder durable. It does nothing for a folder that it may not
// open, and on Windows, which has no such call.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	return d.Sync()
}

// temporary returns the name of a file until it is complete.
func temporary(path, mark string) string { return "." + filepath.Base(path) + "." + mark + ".tmp" }

// Clean removes the leftovers of crashes of [Write] to path. No one may be writing to path
// meanwhile. A folder that does not exist is clean.
func Clean(path string) error {
	dir := filepath.Dir(path)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	before, after, _ := strings.Cut(temporary(path, "*"), "*")
	for _, e := range entries {
		mark, found := strings.CutPrefix(e.Name(), before)
		mark, ended := strings.CutSuffix(mark, after)
		if !found || !ended || mark == "" || strings.Trim(mark, "0123456789") != "" {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
