package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Version is a version of a model in a registry.
type Version struct {
	Name    string            `json:"name"`
	Number  int               `json:"number"` // from 1; never reused
	Created time.Time         `json:"created"`
	Note    string            `json:"note,omitempty"`
	Meta    map[string]string `json:"meta,omitempty"`
	Files   []File            `json:"files"` // sorted by name
	dir     string
}

// A File is a file of a version.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // in hexadecimal
}

func folder(number int) string { return fmt.Sprintf("%06d", number) }

// numbers returns the numbers of the versions in ascending order.
func (r *Registry) numbers(name string) ([]int, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Join(r.dir, name))
	if err != nil {
		return nil, err
	}
	var out []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && n > 0 && e.Name() == folder(n) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}

// Names returns the names of the models that have versions, sorted.
func (r *Registry) Names() ([]string, error) {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return nil, pkg.Errorf("names: %w", err)
	}
	var out []string
	for _, e := range entries {
		if numbers, err := r.numbers(e.Name()); err == nil && len(numbers) > 0 {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// Versions returns the versions of a model in ascending order. It only reads their
// manifests and checksums, not their files: see [Registry.Verify].
func (r *Registry) Versions(name string) ([]Version, error) {
	numbers, err := r.numbers(name)
	if err != nil {
		return nil, failed("versions of", name, 0, err)
	}
	out := make([]Version, 0, len(numbers))
	for _, n := range numbers {
		v, err := r.Version(name, n)
		if absent(err) {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// Version returns a version of a model. It fails with [ErrNotExist], or
// [ErrDamaged].
func (r *Registry) Version(name string, number int) (Version, error) {
	v, err := r.version(name, number)
	if err != nil {
		return Version{}, failed("version", name, number, err)
	}
	return v, nil
}

func (r *Registry) version(name string, number int) (v Version, err error) {
	if err := checkName(name); err != nil {
		return v, err
	}
	dir := filepath.Join(r.dir, name, folder(number))
	if number < 1 {
		return v, fmt.Errorf("version %d: %w", number, ErrNotExist)
	}
	if _, err := os.Stat(dir); err != nil {
		return v, err
	}
	damaged := func(file string, err error) error {
		return &fs.PathError{Op: "read", Path: filepath.Join(dir, file), Err: fmt.Errorf("%w: %w", ErrDamaged, err)}
	}
	sums, err := readSums(filepath.Join(dir, sumsFile))
	if err != nil {
		return v, damaged(sumsFile, err)
	}
	about, err := readFile(filepath.Join(dir, manifest))
	if err != nil {
		return v, damaged(manifest, err)
	}
	if got := strings.TrimSpace(sumLine(about)); got != sums[manifest] {
		return v, damaged(manifest, errors.New("its SHA-256 differs"))
	}
	if err := json.Unmarshal(about, &v); err != nil {
		return v, damaged(manifest, err)
	}
	delete(sums, manifest)
	if v.Name != name || v.Number != number {
		return v, damaged(manifest, fmt.Errorf("it belongs to %s/%d", v.Name, v.Number))
	}
	for _, f := range v.Files {
		if sums[f.Name] != f.SHA256 {
			return v, damaged(sumsFile, fmt.Errorf("the SHA-256 of %s differs from that in %s", f.Name, manifest))
		}
		delete(sums, f.Name)
	}
	if len(sums) > 0 {
		return v, damaged(sumsFile, fmt.Errorf("it has files that %s does not list", manifest))
	}
	v.dir = dir
	return v, nil
}

// absent reports whether the version does not exist, as opposed to being damaged.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrDamaged) }

func (v Version) file(name string) (File, error) {
	for _, f := range v.Files {
		if f.Name == name {
			return f, nil
		}
	}
	return File{}, fmt.Errorf("file %q: %w", name, ErrNotExist)
}

// Path returns the path of a file of the version. Do not change the file. Path fails with
// [ErrNotExist].
func (v Version) Path(name string) (string, error) {
	if _, err := v.file(name); err != nil {
		return "", failed("path", v.Name, v.Number, err)
	}
	return filepath.Join(v.dir, name), nil
}

// Read returns the content of a file of the version. It fails with [ErrDamaged] if the
// SHA-256 differs, and with [ErrNotExist].
func (v Version) Read(name string) ([]byte, error) {
	f, err := v.file(name)
	if err != nil {
		return nil, failed("read", v.Name, v.Number, err)
	}
	path := filepath.Join(v.dir, name)
	data, err := readFile(path)
	if err == nil && strings.TrimSpace(sumLine(data)) != f.SHA256 {
		err = &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("%w: its SHA-256 differs", ErrDamaged)}
	}
	if err != nil {
		return nil, failed("read", v.Name, v.Number, err)
	}
	return data, nil
}
