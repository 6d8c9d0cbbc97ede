// Package registry keeps versions of models in a folder. It lists them, records which one
// is live, and detects damage.
//
// A version is a set of files, such as an ONNX file and the native model that it was made
// from. It never changes. [Registry.Promote] makes a version live, and [Registry.Rollback]
// makes the previous one live again.
//
// Several processes may use one folder concurrently, and each may be killed at any
// moment: adding and promoting versions are atomic. When a method returns, its changes are
// durable. The folder must be on a file system on which several processes can lock files;
// some network file systems cannot.
//
// # Format
//
//	lock                    held by whoever changes anything
//	NAME/state              the promotions; see below
//	NAME/compared           the comparisons, in the same form
//	NAME/000001/            a version, never changed
//	NAME/000001/SHA256SUMS  checksums of the files beside it, in the format of sha256sum -c
//	NAME/000001/manifest.json
//	NAME/000001/model.onnx  and the other files of the version
//	NAME/.tmp-*             left by a killed process; the next change removes it
//
// state is a line of JSON and a line with its SHA-256. Names of models and files have at
// most 100 characters: lower-case letters, digits, '-', '_' and '.'. They begin with a
// letter or digit and do not end in '.', so that they mean the same on all systems.
// doc/format/registry.md in the repository describes the format in full.
package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/internal/atomicfile"
)

const pkg fault.Package = "registry"

// Names of files by convention. A version need not have these, and may have others.
const (
	ONNX   = "model.onnx"  // the ONNX file
	Native = "native.json" // the native model that it was made from
)

var (
	// ErrNotExist reports a model, version or file that does not exist, or that no version
	// is live. It equals [fs.ErrNotExist].
	ErrNotExist = fs.ErrNotExist
	// ErrName reports an invalid name.
	ErrName = errors.New("want lower-case letters, digits, '-', '_' and '.', beginning with a letter or digit")
	// ErrDamaged reports that files in the folder have changed.
	ErrDamaged = errors.New("damaged")
	// ErrLive reports that a version is live and cannot be deleted.
	ErrLive = errors.New("it is live: promote another first")
)

// A Registry is a folder of models. It is safe for concurrent use.
type Registry struct{ dir string }

// A Draft is a version to be added to a registry.
type Draft struct {
	// Files are the files by name, at least one. Each is read to its end.
	Files map[string]io.Reader
	// Note is a description for people.
	Note string
	// Meta is for programs: the study, the trial, its value and the like.
	Meta map[string]string
}

const (
	stateFile = "state"
	sumsFile  = "SHA256SUMS"
	manifest  = "manifest.json"
	temp      = ".tmp-"
)

// Open returns the registry in a folder. It creates the folder if needed.
func Open(dir string) (*Registry, error) {
	abs, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(abs, 0o755)
	}
	if err != nil {
		return nil, pkg.Errorf("open: %w", err)
	}
	return &Registry{abs}, nil
}

var good = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,98}[a-z0-9_-])?$`)

// devices are names that Windows reserves, with any extension.
var devices = regexp.MustCompile(`^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)`)

func checkName(name string) error {
	if !good.MatchString(name) || devices.MatchString(name) {
		return fmt.Errorf("name %q: %w", name, ErrName)
	}
	return nil
}

func failed(op, name string, number int, err error) error {
	if number != 0 {
		name += "/" + strconv.Itoa(number)
	}
	return pkg.Errorf("%s %s: %w", op, name, err)
}

// Put adds a version and returns it. It does not make it live. Its number is one more than
// the last. If anything fails, or ctx ends, nothing is added.
func (r *Registry) Put(ctx context.Context, name string, d Draft) (Version, error) {
	v, err := r.put(ctx, name, d)
	if err != nil {
		return Version{}, failed("put", name, 0, err)
	}
	return v, nil
}

func (r *Registry) put(ctx context.Context, name string, d Draft) (v Version, err error) {
	if err := checkName(name); err != nil {
		return v, err
	}
	if len(d.Files) == 0 {
		return v, errors.New("it has no files")
	}
	for file := range d.Files {
		if file == manifest {
			return v, fmt.Errorf("file %s: the registry itself writes a file of that name: use another name", file)
		}
		if err := checkName(file); err != nil {
			return v, fmt.Errorf("file %w", err)
		}
	}
	unlock, err := r.lock(ctx)
	if err != nil {
		return v, err
	}
	defer unlock()
	home := filepath.Join(r.dir, name)
	if err := os.MkdirAll(home, 0o755); err != nil {
		return v, err
	}
	if err := removeLeft(home); err != nil {
		return v, err
	}
	numbers, err := r.numbers(name)
	if err != nil {
		return v, err
	}
	s, err := r.state(name)
	if err != nil {
		return v, err
	}
	v = Version{
		Name: name, Number: max(s.Last, slices.Max(append(numbers, 0))) + 1,
		Created: time.Now().UTC().Truncate(time.Millisecond), Note: d.Note, Meta: maps.Clone(d.Meta),
	}
	v.dir = filepath.Join(home, folder(v.Number))
	dir, err := os.MkdirTemp(home, temp)
	if err != nil {
		return v, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	for _, file := range slices.Sorted(maps.Keys(d.Files)) {
		f, err := writeFile(filepath.Join(dir, file), reader{ctx, d.Files[file]})
		if err != nil {
			return v, err
		}
		v.Files = append(v.Files, f)
	}
	about, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return v, err
	}
	m, err := writeFile(filepath.Join(dir, manifest), bytes.NewReader(append(about, '\n')))
	if err != nil {
		return v, err
	}
	var sums strings.Builder
	for _, f := range append(slices.Clip(v.Files), m) {
		fmt.Fprintf(&sums, "%s  %s\n", f.SHA256, f.Name)
	}
	if _, err := writeFile(filepath.Join(dir, sumsFile), strings.NewReader(sums.String())); err != nil {
		return v, err
	}
	if err := errors.Join(os.Chmod(dir, 0o755), atomicfile.SyncDir(dir)); err != nil {
		return v, err
	}
	if err := os.Rename(dir, v.dir); err != nil {
		return v, err
	}
	return v, errors.Join(atomicfile.SyncDir(home), atomicfile.SyncDir(r.dir))
}

// lock waits until no other process or goroutine changes the registry.
func (r *Registry) lock(ctx context.Context) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(r.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		ok, err := tryLock(f)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		if ok {
			return func() { f.Close() }, nil // closing unlocks the file
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("another process is changing the registry: %w", context.Cause(ctx))
		case <-time.After(wait):
		}
	}
}
