package registry

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// removeLeft removes the leftovers of killed processes. The lock must be held, so no
// process is at work.
func removeLeft(home string) error {
	entries, err := os.ReadDir(home)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), temp) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(home, e.Name())))
		}
	}
	return err
}

// A reader reads until ctx ends.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	if r.r == nil {
		return 0, errors.New("a nil reader")
	}
	return r.r.Read(p)
}

// writeFile writes a new file durably.
func writeFile(path string, from io.Reader) (file File, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return file, err
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, h), from)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return file, fmt.Errorf("file %s: %w", filepath.Base(path), err)
	}
	return File{filepath.Base(path), n, hex.EncodeToString(h.Sum(nil))}, nil
}

// readSums reads a file in the format of sha256sum.
func readSums(path string) (map[string]string, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); {
		sum, name, ok := strings.Cut(s.Text(), "  ")
		if _, twice := out[name]; !ok || len(sum) != 2*sha256.Size || twice {
			return nil, fmt.Errorf("line %q", s.Text())
		}
		out[name] = sum
	}
	if len(data) == 0 || data[len(data)-1] != '\n' {
		return nil, io.ErrUnexpectedEOF
	}
	return out, nil
}

// readFile reads a regular file. It does not follow links.
func readFile(path string) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	return os.ReadFile(path)
}
