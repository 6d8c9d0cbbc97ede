// Package dylib finds shared libraries that users have installed, and opens them
// without cgo.
package dylib

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/ebitengine/purego"

	"github.com/attune-hpo/attune/internal/python"
)

// A Search says where to look for a library. If Path is set, only that is tried; otherwise,
// if the environment variable Env is set, only its value. Otherwise the Wheels in the
// folders of Python's packages are tried, and then the Names.
type Search struct {
	Path   string   // a file, or a folder with one of the Names
	Env    string   // the name of a variable that holds such a path
	Wheels []string // files in a folder of packages, written with slashes
	Names  []string // file names for the system's loader
}

// A Library is an open library. It stays open until the process ends.
type Library struct {
	Path   string // path that was opened: a file, or a name known to the loader
	handle uintptr
}

var (
	mu   sync.Mutex
	open = map[string]*Library{}
)

// Open returns the first library that exists and opens, the same one each time. The error
// lists what was tried.
//
// Before it opens the first library, it sets OMP_WAIT_POLICY to passive, unless it is set.
// Otherwise waiting OpenMP threads would occupy the cores that other trials need.
func (s Search) Open() (*Library, error) {
	mu.Lock()
	defer mu.Unlock()
	files, names := s.files()
	var tried error
	failed := func(cause error) {
		if tried == nil {
			tried = cause
		} else {
			tried = fmt.Errorf("%w; %w", tried, cause)
		}
	}
	if s.path() == "" && len(files) == 0 && len(s.Wheels) > 0 {
		failed(fmt.Errorf("no %s in the packages of Python (%s)", s.Wheels[0], strings.Join(python.Packages(), ", ")))
	}
	for _, file := range append(files, names...) {
		l, err := load(file)
		if err == nil {
			return l, nil
		}
		failed(err)
	}
	return nil, tried
}

// path returns the only path to try, or "".
func (s Search) path() string {
	if s.Path != "" {
		return s.Path
	}
	return os.Getenv(s.Env)
}

// files returns the files and the names to try.
func (s Search) files() (files, names []string) {
	if path := s.path(); path != "" {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			for _, name := range s.Names {
				files = append(files, filepath.Join(path, name))
			}
			return files, nil
		}
		return []string{path}, nil
	}
	for _, folder := range python.Packages() {
		for _, wheel := range s.Wheels {
			file := filepath.Join(folder, filepath.FromSlash(wheel))
			if _, err := os.Stat(file); err == nil {
				files = append(files, file)
			}
		}
	}
	return files, s.Names
}

// load opens a library, once.
func load(path string) (*Library, error) {
	if l := open[path]; l != nil {
		return l, nil
	}
	if strings.ContainsRune(path, filepath.Separator) { // a file, as opposed to a name for the loader
		if err := Check(path); err != nil {
			return nil, err
		}
	}
	if len(open) == 0 && os.Getenv("OMP_WAIT_POLICY") == "" {
		if err := os.Setenv("OMP_WAIT_POLICY", "passive"); err != nil {
			return nil, err
		}
	}
	handle, err := dlopen(path)
	if err != nil {
		return nil, err
	}
	l := &Library{Path: path, handle: handle}
	open[path] = l
	return l, nil
}

// Func sets function, a pointer to a variable of function type, to the library's function
// name. It panics for a type that [purego.RegisterFunc] does not support.
func (l *Library) Func(name string, function any) error {
	address, err := l.Symbol(name)
	if err != nil {
		return err
	}
	purego.RegisterFunc(function, address)
	return nil
}

// Symbol returns the address of the library's symbol name.
func (l *Library) Symbol(name string) (uintptr, error) {
	address, err := dlsym(l.handle, name)
	if err != nil {
		return 0, fmt.Errorf("%s has no %s", l.Path, name)
	}
	return address, nil
}
