package xgboost

import (
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"

	"github.com/attune-hpo/attune/internal/dylib"
	"github.com/attune-hpo/attune/objective/tree/engine"
)

// A library holds the functions of XGBoost's C API (c_api.h) that this package uses. They
// return 0, or -1 with getLastError set. XGBoost owns the memory that results point to,
// until the next call.
type library struct {
	version                  func(major, minor, patch *int32)
	getLastError             func() string
	registerLogCallback      func(callback uintptr) int32
	setGlobalConfig          func(config string) int32
	matrixCreate             func(values []float32, rows, columns uint64, missing float32, matrix *uintptr, threads int32) int32
	matrixFree               func(matrix uintptr) int32
	matrixSetFloatInfo       func(matrix uintptr, name string, values []float32, n uint64) int32
	matrixSetStrFeatureInfo  func(matrix uintptr, name string, values []*byte, n uint64) int32
	boosterCreate            func(matrices []uintptr, n uint64, booster *uintptr) int32
	boosterFree              func(booster uintptr) int32
	boosterSetParam          func(booster uintptr, name, value string) int32
	boosterSaveJSONConfig    func(booster uintptr, size *uint64, text **byte) int32
	boosterUpdateOneIter     func(booster uintptr, round int32, matrix uintptr) int32
	boosterPredict           func(booster, matrix uintptr, config string, shape **uint64, dimensions *uint64, result **float32) int32
	boosterSaveModelToBuffer func(booster uintptr, config string, size *uint64, text **byte) int32
}

var (
	mu        sync.Mutex
	libraries = map[*dylib.Library]*library{}
)

// load opens the library at path, or the one that it finds if path is empty.
func load(path string) (*library, error) {
	name := "libxgboost.so"
	switch runtime.GOOS {
	case "windows":
		name = "xgboost.dll"
	case "darwin":
		name = "libxgboost.dylib"
	}
	file, err := dylib.Search{
		Path: path, Env: "ATTUNE_XGBOOST", Names: []string{name}, Wheels: []string{"xgboost/lib/" + name},
	}.Open()
	if err != nil {
		return nil, fmt.Errorf("xgboost: %w: install XGBoost 2.0 or later (pip install xgboost), or set ATTUNE_XGBOOST to its %s; tried: %w", engine.ErrUnavailable, name, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if l := libraries[file]; l != nil {
		return l, nil
	}
	l := &library{}
	if err := l.bind(file); err != nil {
		return nil, fmt.Errorf("xgboost: %w: XGBoost 2.0 or later is needed: %w", engine.ErrUnavailable, err)
	}
	libraries[file] = l
	return l, nil
}

// bind looks up the functions.
func (l *library) bind(file *dylib.Library) error {
	if err := file.Func("XGBoostVersion", &l.version); err != nil {
		return err
	}
	var major, minor, patch int32
	if l.version(&major, &minor, &patch); major < 2 {
		return fmt.Errorf("%s is %d.%d.%d", file.Path, major, minor, patch)
	}
	for _, f := range []struct {
		name     string
		function any
	}{
		{"XGBGetLastError", &l.getLastError},
		{"XGBRegisterLogCallback", &l.registerLogCallback},
		{"XGBSetGlobalConfig", &l.setGlobalConfig},
		{"XGDMatrixCreateFromMat_omp", &l.matrixCreate},
		{"XGDMatrixFree", &l.matrixFree},
		{"XGDMatrixSetFloatInfo", &l.matrixSetFloatInfo},
		{"XGDMatrixSetStrFeatureInfo", &l.matrixSetStrFeatureInfo},
		{"XGBoosterCreate", &l.boosterCreate},
		{"XGBoosterFree", &l.boosterFree},
		{"XGBoosterSetParam", &l.boosterSetParam},
		{"XGBoosterSaveJsonConfig", &l.boosterSaveJSONConfig},
		{"XGBoosterUpdateOneIter", &l.boosterUpdateOneIter},
		{"XGBoosterPredictFromDMatrix", &l.boosterPredict},
		{"XGBoosterSaveModelToBuffer", &l.boosterSaveModelToBuffer},
	} {
		if err := file.Func(f.name, f.function); err != nil {
			return err
		}
	}
	return nil
}

// place matches the time and the C++ source line at the beginning of errors.
var place = regexp.MustCompile(`^\[[0-9:]+\] \S+:[0-9]+: `)

// lastError returns XGBoost's last error on this thread, without its time, place and stack trace.
func (l *library) lastError() string {
	text, _, _ := strings.Cut(l.getLastError(), "\nStack trace")
	return strings.TrimSpace(place.ReplaceAllString(text, ""))
}

// State of listen. There is only one callback, because callbacks are never freed.
var (
	listening sync.Mutex
	heard     []string
	hear      = sync.OnceValue(func() uintptr {
		return purego.NewCallback(func(message *byte) uintptr {
			n := 0
			for *(*byte)(unsafe.Add(unsafe.Pointer(message), n)) != 0 {
				n++
			}
			heard = append(heard, string(unsafe.Slice(message, n)))
			return 0
		})
	})
)

// listen calls f and returns the warnings that XGBoost logs on this thread meanwhile.
func (l *library) listen(f func()) []string {
	listening.Lock()
	defer listening.Unlock()
	heard = nil
	if l.registerLogCallback(hear()) != 0 || l.setGlobalConfig(`{"verbosity": 1}`) != 0 {
		return nil
	}
	f()
	l.setGlobalConfig(`{"verbosity": 0}`)
	return heard
}

var quoted = regexp.MustCompile(`"([^"]+)"`)

// unused returns the parameters that XGBoost says it does not use.
func unused(said []string) []string {
	var names []string
	for _, text := range said {
		if !strings.Contains(text, "are not used") {
			continue
		}
		for _, match := range quoted.FindAllStringSubmatch(text, -1) {
			names = append(names, match[1])
		}
	}
	return names
}
