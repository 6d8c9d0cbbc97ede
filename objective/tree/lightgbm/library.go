package lightgbm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/attune-hpo/attune/internal/dylib"
	"github.com/attune-hpo/attune/objective/tree/engine"
)

// A library holds the functions of LightGBM's C API (c_api.h) that this package uses.
// They return 0, or -1 with getLastError set.
type library struct {
	aliases map[string]string // of parameters: name → canonical name; canonical names map to themselves

	getLastError               func() string
	dumpParamAliases           func(size int64, written *int64, text []byte) int32
	datasetCreateFromMat       func(values []float64, kind, rows, columns, byRow int32, settings string, reference uintptr, dataset *uintptr) int32
	datasetSetField            func(dataset uintptr, name string, values []float32, n, kind int32) int32
	datasetSetInts             func(dataset uintptr, name string, values []int32, n, kind int32) int32
	datasetFree                func(dataset uintptr) int32
	boosterCreate              func(dataset uintptr, settings string, booster *uintptr) int32
	boosterFree                func(booster uintptr) int32
	boosterAddValidData        func(booster, dataset uintptr) int32
	boosterGetNumClasses       func(booster uintptr, classes *int32) int32
	boosterUpdateOneIter       func(booster uintptr, finished *int32) int32
	boosterGetCurrentIteration func(booster uintptr, rounds *int32) int32
	boosterGetNumPredict       func(booster uintptr, set int32, n *int64) int32
	boosterGetPredict          func(booster uintptr, set int32, n *int64, predictions []float64) int32
	boosterSaveModelToString   func(booster uintptr, from, rounds, importance int32, size int64, written *int64, text []byte) int32
}

var (
	mu        sync.Mutex
	libraries = map[*dylib.Library]*library{}
)

// load opens the library at path, or the one that it finds if path is empty.
func load(path string) (*library, error) {
	extension := ".so"
	switch runtime.GOOS {
	case "windows":
		extension = ".dll"
	case "darwin":
		extension = ".dylib"
	}
	name := "lib_lightgbm" + extension
	file, err := dylib.Search{
		Path: path, Env: "ATTUNE_LIGHTGBM", Names: []string{name},
		Wheels: []string{"lightgbm/lib/" + name, "lightgbm/" + name},
	}.Open()
	if err != nil {
		return nil, fmt.Errorf("lightgbm: %w: install LightGBM 4.0 or later (pip install lightgbm), or set ATTUNE_LIGHTGBM to its %s; tried: %w", engine.ErrUnavailable, name, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if l := libraries[file]; l != nil {
		return l, nil
	}
	l := &library{}
	if err := l.bind(file); err != nil {
		return nil, fmt.Errorf("lightgbm: %w: LightGBM 4.0 or later is needed, this is %s: %w", engine.ErrUnavailable, version(file.Path), err)
	}
	libraries[file] = l
	return l, nil
}

// bind looks up the functions and the parameter names.
func (l *library) bind(file *dylib.Library) error {
	for _, f := range []struct {
		name     string
		function any
	}{
		{"LGBM_GetLastError", &l.getLastError},
		{"LGBM_DumpParamAliases", &l.dumpParamAliases}, // since 4.0
		{"LGBM_DatasetCreateFromMat", &l.datasetCreateFromMat},
		{"LGBM_DatasetSetField", &l.datasetSetField},
		{"LGBM_DatasetSetField", &l.datasetSetInts},
		{"LGBM_DatasetFree", &l.datasetFree},
		{"LGBM_BoosterCreate", &l.boosterCreate},
		{"LGBM_BoosterFree", &l.boosterFree},
		{"LGBM_BoosterAddValidData", &l.boosterAddValidData},
		{"LGBM_BoosterGetNumClasses", &l.boosterGetNumClasses},
		{"LGBM_BoosterUpdateOneIter", &l.boosterUpdateOneIter},
		{"LGBM_BoosterGetCurrentIteration", &l.boosterGetCurrentIteration},
		{"LGBM_BoosterGetNumPredict", &l.boosterGetNumPredict},
		{"LGBM_BoosterGetPredict", &l.boosterGetPredict},
		{"LGBM_BoosterSaveModelToString", &l.boosterSaveModelToString},
	} {
		if err := file.Func(f.name, f.function); err != nil {
			return err
		}
	}
	text := make([]byte, 1<<18)
	var size int64
	if l.dumpParamAliases(int64(len(text)), &size, text) != 0 || size > int64(len(text)) {
		return errors.New("no list of parameters")
	}
	var names map[string][]string
	if err := json.Unmarshal(bytes.TrimSuffix(text[:size], []byte{0}), &names); err != nil {
		return fmt.Errorf("list of parameters: %w", err)
	}
	l.aliases = make(map[string]string, len(names))
	for name, others := range names {
		l.aliases[name] = name
		for _, other := range others {
			l.aliases[other] = name
		}
	}
	return nil
}

// version returns the version of a library inside a Python package, from the package's
// version file: the library itself does not report it.
func version(path string) string {
	for _, folder := range []string{filepath.Dir(path), filepath.Dir(filepath.Dir(path))} {
		if text, err := os.ReadFile(filepath.Join(folder, "VERSION.txt")); err == nil {
			return string(bytes.TrimSpace(text))
		}
	}
	return "of unknown version"
}
