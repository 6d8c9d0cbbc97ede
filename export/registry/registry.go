// Package registry keeps the versions of models in a folder: which there are, which
// is live, and that none is damaged.
//
// A version is a set of files, such as an ONNX file and the native model it was made
// from, that never changes once it is there. [Registry.Promote] makes one live,
// [Registry.Rollback] the one before it.
//
// Several processes may use one folder at the same time, and each may be killed at
// any moment: a version is there whole or not at all, and so is a promotion. What is
// returned has been made durable. The folder must be on a file system that several
// processes can lock files on, which some network file systems are not.
//
// # Format
//
//	lock                    held by whoever changes anything
//	NAME/state              what was promoted; see below
//	NAME/000001/            a version, never changed
//	NAME/000001/SHA256SUMS  checksums of the files beside it, as sha256sum -c takes them
//	NAME/000001/manifest.json
//	NAME/000001/model.onnx  and the other files of the version
//	NAME/.tmp-*             what a process that was killed left; the next removes it
//
// state is a line of JSON and a line with its SHA-256. A name and a file's name are
// of lower-case letters, digits, '-', '_' and '.', begin with a letter or digit and
// do not end in '.', at most 100 of them; so they mean the same on all systems.
// doc/format/registry.md in the repository says all of it.
package registry

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Names of files by convention; a version may have others, and need have none of these.
const (
	ONNX   = "model.onnx"  // the ONNX file
	Native = "native.json" // the model it was made from
)

var (
	// ErrNotExist reports a model, a version or a file that there is not, or that no
	// version is live. It is [fs.ErrNotExist].
	ErrNotExist = fs.ErrNotExist
	// ErrName reports a name that may not be.
	ErrName = errors.New("want lower-case letters, digits, '-', '_' and '.', beginning with a letter or digit")
	// ErrDamaged reports that what is in the folder is not what was put there.
	ErrDamaged = errors.New("damaged")
	// ErrLive reports that a version is live and cannot be deleted.
	ErrLive = errors.New("it is live: promote another first")
)

// A Registry is a folder of models. It is safe for concurrent use.
type Registry struct{ dir string }

// A Draft is a version to be put into a registry.
type Draft struct {
	// Files by their names; each is read to its end. At least one.
	Files map[string]io.Reader
	// Note says what it is, for people.
	Note string
	// Meta is for programs: the study, the trial, its value.
	Meta map[string]string
}

// A Version of a model, in a registry.
type Version struct {
	Name    string            `json:"name"`
	Number  int               `json:"number"` // from 1 on; never used twice
	Created time.Time         `json:"created"`
	Note    string            `json:"note,omitempty"`
	Meta    map[string]string `json:"meta,omitempty"`
	Files   []File            `json:"files"` // sorted by name
	dir     string
}

// A File of a version.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // in hexadecimal
}

// A Promotion made a version live.
type Promotion struct {
	Number int       `json:"number"`
	At     time.Time `json:"at"`
}

// state is what changes of a model.
type state struct {
	// Last is the largest number of a version that was deleted: it is not used again.
	Last int `json:"last,omitempty"`
	// Promoted are the promotions that were not rolled back, the latest last.
	Promoted []Promotion `json:"promoted,omitempty"`
}

const (
	stateFile = "state"
	sumsFile  = "SHA256SUMS"
	manifest  = "manifest.json"
	temp      = ".tmp-"
)

// Open returns the registry in a folder, which it makes if need be.
func Open(dir string) (*Registry, error) {
	abs, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(abs, 0o755)
	}
	if err != nil {
		return nil, fmt.Errorf("registry: open: %w", err)
	}
	return &Registry{abs}, nil
}

var good = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,98}[a-z0-9_-])?$`)

// devices are no names of files on Windows, whatever follows a dot.
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
	return fmt.Errorf("registry: %s %s: %w", op, name, err)
}

func folder(number int) string { return fmt.Sprintf("%06d", number) }

// Put adds a version and returns it; it is not live yet. Its number is one more than
// that of the last. When anything fails, or ctx ends, nothing is added.
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
			return v, fmt.Errorf("file %s: the registry has one of its own", file)
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
	if err := errors.Join(os.Chmod(dir, 0o755), syncDir(dir)); err != nil {
		return v, err
	}
	if err := os.Rename(dir, v.dir); err != nil {
		return v, err
	}
	return v, errors.Join(syncDir(home), syncDir(r.dir))
}

// removeLeft removes what killed processes left. The lock is held: nobody is at work.
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

// writeFile writes a new file, durably.
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

// syncDir makes what was added to a folder durable. Windows has no such call.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// numbers returns those of the versions, ascending.
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

// state reads a model's state; one that never was promoted has none.
func (r *Registry) state(name string) (s state, err error) {
	path := filepath.Join(r.dir, name, stateFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	line, sum, _ := bytes.Cut(data, []byte("\n"))
	if string(sum) != sumLine(line) {
		return s, &fs.PathError{Op: "read", Path: path, Err: ErrDamaged}
	}
	if err := json.Unmarshal(line, &s); err != nil {
		return s, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("%w: %w", ErrDamaged, err)}
	}
	return s, nil
}

func sumLine(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]) + "\n"
}

// setState replaces a model's state. The lock is held.
func (r *Registry) setState(name string, s state) error {
	line, err := json.Marshal(s)
	if err != nil {
		return err
	}
	home := filepath.Join(r.dir, name)
	if err := removeLeft(home); err != nil {
		return err
	}
	tmp := filepath.Join(home, temp+stateFile)
	if _, err := writeFile(tmp, strings.NewReader(string(line)+"\n"+sumLine(line))); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	if err := os.Rename(tmp, filepath.Join(home, stateFile)); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return syncDir(home)
}

// Names returns the names of the models that have versions, sorted.
func (r *Registry) Names() ([]string, error) {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return nil, fmt.Errorf("registry: names: %w", err)
	}
	var out []string
	for _, e := range entries {
		if numbers, err := r.numbers(e.Name()); err == nil && len(numbers) > 0 {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// Versions returns the versions of a model, ascending. It does not read their files,
// but what tells about them: see [Registry.Verify].
func (r *Registry) Versions(name string) ([]Version, error) {
	numbers, err := r.numbers(name)
	if err != nil {
		return nil, failed("versions of", name, 0, err)
	}
	out := make([]Version, 0, len(numbers))
	for _, n := range numbers {
		v, err := r.Version(name, n)
		if absent(err) {
			continue // deleted since
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
		return v, damaged(manifest, errors.New("its SHA-256 is another"))
	}
	if err := json.Unmarshal(about, &v); err != nil {
		return v, damaged(manifest, err)
	}
	delete(sums, manifest)
	if v.Name != name || v.Number != number {
		return v, damaged(manifest, fmt.Errorf("it is of %s/%d", v.Name, v.Number))
	}
	for _, f := range v.Files {
		if sums[f.Name] != f.SHA256 {
			return v, damaged(sumsFile, fmt.Errorf("another SHA-256 of %s than in %s", f.Name, manifest))
		}
		delete(sums, f.Name)
	}
	if len(sums) > 0 {
		return v, damaged(sumsFile, fmt.Errorf("files that are not in %s", manifest))
	}
	v.dir = dir
	return v, nil
}

// absent says whether there is no such version, rather than one that is damaged.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrDamaged) }

// readSums reads a file as sha256sum writes it.
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

// readFile reads a regular file, and nothing that a link points to.
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

func (v Version) file(name string) (File, error) {
	for _, f := range v.Files {
		if f.Name == name {
			return f, nil
		}
	}
	return File{}, fmt.Errorf("file %q: %w", name, ErrNotExist)
}

// Path returns where a file of the version is. It must not be changed. It fails with
// [ErrNotExist].
func (v Version) Path(name string) (string, error) {
	if _, err := v.file(name); err != nil {
		return "", failed("path", v.Name, v.Number, err)
	}
	return filepath.Join(v.dir, name), nil
}

// Read returns a file of the version, after a look at its SHA-256: [ErrDamaged] where
// it is another. It fails with [ErrNotExist].
func (v Version) Read(name string) ([]byte, error) {
	f, err := v.file(name)
	if err != nil {
		return nil, failed("read", v.Name, v.Number, err)
	}
	path := filepath.Join(v.dir, name)
	data, err := readFile(path)
	if err == nil && strings.TrimSpace(sumLine(data)) != f.SHA256 {
		err = &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("%w: its SHA-256 is another", ErrDamaged)}
	}
	if err != nil {
		return nil, failed("read", v.Name, v.Number, err)
	}
	return data, nil
}

// check returns what is wrong with the files of a version.
func (v Version) check() error {
	var errs []error
	for _, f := range v.Files {
		path := filepath.Join(v.dir, f.Name)
		if err := checkFile(path, f); err != nil {
			errs = append(errs, &fs.PathError{Op: "verify", Path: path, Err: fmt.Errorf("%w: %w", ErrDamaged, err)})
		}
	}
	entries, err := os.ReadDir(v.dir)
	if err != nil {
		errs = append(errs, err)
	}
	for _, e := range entries {
		if _, err := v.file(e.Name()); err != nil && e.Name() != manifest && e.Name() != sumsFile {
			errs = append(errs, &fs.PathError{Op: "verify", Path: filepath.Join(v.dir, e.Name()), Err: fmt.Errorf("%w: it was not put there", ErrDamaged)})
		}
	}
	return errors.Join(errs...)
}

func checkFile(path string, want File) error {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return errors.Unwrap(err)
	case !info.Mode().IsRegular():
		return errors.New("not a regular file")
	case info.Size() != want.Size:
		return fmt.Errorf("%d bytes, want %d", info.Size(), want.Size)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if hex.EncodeToString(h.Sum(nil)) != want.SHA256 {
		return errors.New("its SHA-256 is another")
	}
	return nil
}

// Live returns the version that is live. It fails with [ErrNotExist] where none is.
func (r *Registry) Live(name string) (Version, error) {
	fail := func(err error) (Version, error) { return Version{}, failed("live version of", name, 0, err) }
	if err := checkName(name); err != nil {
		return fail(err)
	}
	s, err := r.state(name)
	if err != nil {
		return fail(err)
	}
	if len(s.Promoted) == 0 {
		return fail(fmt.Errorf("none was promoted: %w", ErrNotExist))
	}
	number := s.Promoted[len(s.Promoted)-1].Number
	v, err := r.version(name, number)
	if err != nil {
		// Another may have been promoted, and this one deleted, just now.
		if now, nowErr := r.state(name); nowErr == nil && len(now.Promoted) > 0 && now.Promoted[len(now.Promoted)-1].Number != number {
			return r.Live(name)
		}
		return fail(err)
	}
	return v, nil
}

// History returns the promotions that were not rolled back, the live one last.
func (r *Registry) History(name string) ([]Promotion, error) {
	err := checkName(name)
	var s state
	if err == nil {
		s, err = r.state(name)
	}
	if err != nil {
		return nil, failed("history of", name, 0, err)
	}
	return s.Promoted, nil
}

// Promote makes a version live, after a look at all of its files: [ErrDamaged] where
// one is not what it was. One that is live stays so.
func (r *Registry) Promote(ctx context.Context, name string, number int) error {
	err := r.change(ctx, name, func(s *state) error {
		v, err := r.version(name, number)
		if err == nil {
			err = v.check()
		}
		if n := len(s.Promoted); err != nil || n > 0 && s.Promoted[n-1].Number == number {
			return err
		}
		s.Promoted = append(s.Promoted, Promotion{number, time.Now().UTC().Truncate(time.Millisecond)})
		return nil
	})
	if err != nil {
		return failed("promote", name, number, err)
	}
	return nil
}

// Rollback makes that version live again that was before the live one, and returns it;
// those that were deleted are passed over. It fails with [ErrNotExist] where there is
// none, and with [ErrDamaged] as [Registry.Promote] does.
func (r *Registry) Rollback(ctx context.Context, name string) (Version, error) {
	var v Version
	err := r.change(ctx, name, func(s *state) error {
		for n := len(s.Promoted) - 1; n > 0; n-- {
			var err error
			v, err = r.version(name, s.Promoted[n-1].Number)
			if absent(err) {
				continue
			}
			s.Promoted = s.Promoted[:n]
			if err == nil {
				err = v.check()
			}
			return err
		}
		return fmt.Errorf("there is no version before: %w", ErrNotExist)
	})
	if err != nil {
		return Version{}, failed("roll back", name, 0, err)
	}
	return v, nil
}

// Delete removes a version that is not live: [ErrLive]. Its number is not used again.
func (r *Registry) Delete(ctx context.Context, name string, number int) error {
	err := r.change(ctx, name, func(s *state) error {
		if n := len(s.Promoted); n > 0 && s.Promoted[n-1].Number == number {
			return ErrLive
		}
		if _, err := os.Stat(filepath.Join(r.dir, name, folder(number))); err != nil {
			return err
		}
		s.Last = max(s.Last, number)
		return nil
	}, func() error {
		home := filepath.Join(r.dir, name)
		gone := filepath.Join(home, temp+"deleted-"+folder(number))
		if err := os.Rename(filepath.Join(home, folder(number)), gone); err != nil {
			return err
		}
		return errors.Join(syncDir(home), os.RemoveAll(gone))
	})
	if err != nil {
		return failed("delete", name, number, err)
	}
	return nil
}

// change changes a model's state, and then does more, under the lock.
func (r *Registry) change(ctx context.Context, name string, change func(*state) error, more ...func() error) error {
	if err := checkName(name); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(r.dir, name)); err != nil {
		return err
	}
	unlock, err := r.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	s, err := r.state(name)
	if err != nil {
		return err
	}
	if err := change(&s); err != nil {
		return err
	}
	if err := r.setState(name, s); err != nil {
		return err
	}
	for _, do := range more {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
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
			return func() { f.Close() }, nil // which unlocks it
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("another process changes the registry: %w", context.Cause(ctx))
		case <-time.After(wait):
		}
	}
}

// Verify reads everything and returns what is damaged, file by file: each error is a
// [*fs.PathError] that wraps [ErrDamaged] and names the file. The error is of what
// kept it from looking. What a killed process left is no damage. Versions that are
// put or deleted meanwhile may be missed.
func (r *Registry) Verify(ctx context.Context) (damage []error, err error) {
	names, err := r.Names()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		s, err := r.state(name)
		if err != nil {
			damage = append(damage, err)
		}
		numbers, err := r.numbers(name)
		if err != nil {
			return damage, failed("verify", name, 0, err)
		}
		if n := len(s.Promoted); n > 0 && !slices.Contains(numbers, s.Promoted[n-1].Number) {
			path := filepath.Join(r.dir, name, folder(s.Promoted[n-1].Number))
			damage = append(damage, &fs.PathError{Op: "verify", Path: path, Err: fmt.Errorf("%w: it is live, and missing", ErrDamaged)})
		}
		for _, number := range numbers {
			if ctx.Err() != nil {
				return damage, context.Cause(ctx)
			}
			v, err := r.version(name, number)
			if err == nil {
				err = v.check()
			}
			if _, gone := os.Stat(filepath.Join(r.dir, name, folder(number))); gone != nil {
				continue // deleted since
			}
			damage = append(damage, split(err)...)
		}
	}
	slices.SortStableFunc(damage, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return damage, nil
}

// split returns the errors that were joined.
func split(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}
