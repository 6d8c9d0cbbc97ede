package cuda

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/internal/dylib"
)

const pkg fault.Package = "cuda"

var (
	// ErrMissing reports that there is no GPU, or that a library it needs is missing.
	ErrMissing = errors.New("no such GPU")
	// ErrMemory reports that a GPU is out of memory.
	ErrMemory = errors.New("out of memory on the GPU")
)

// A driver is libcuda, with cuBLAS.
type driver struct {
	cuda, blas *dylib.Library

	driverGetVersion, deviceGetCount, deviceGet, deviceGetName, deviceGetAttribute uintptr
	initialize, primaryCtxRetain, ctxPush, ctxPop, getErrorName                    uintptr
	moduleLoad, moduleGetFunction, launchKernel                                    uintptr
	streamCreate, streamDestroy, streamSynchronize                                 uintptr
	memAlloc, memFree, memGetInfo, memHostAlloc, memFreeHost                       uintptr
	memcpyHtoD, memcpyDtoH, memcpyDtoD, memset                                     uintptr
	blasCreate, blasDestroy, blasSetStream, gemm, gemmBatched                      uintptr
}

// symbols are the symbols of libcuda with their versions: the meaning of unversioned
// names has changed over time.
func (d *driver) symbols() map[string]*uintptr {
	return map[string]*uintptr{
		"cuInit": &d.initialize, "cuDriverGetVersion": &d.driverGetVersion, "cuGetErrorName": &d.getErrorName,
		"cuDeviceGetCount": &d.deviceGetCount, "cuDeviceGet": &d.deviceGet,
		"cuDeviceGetName": &d.deviceGetName, "cuDeviceGetAttribute": &d.deviceGetAttribute,
		"cuDevicePrimaryCtxRetain": &d.primaryCtxRetain, "cuCtxPushCurrent_v2": &d.ctxPush, "cuCtxPopCurrent_v2": &d.ctxPop,
		"cuModuleLoadData": &d.moduleLoad, "cuModuleGetFunction": &d.moduleGetFunction, "cuLaunchKernel": &d.launchKernel,
		"cuStreamCreate": &d.streamCreate, "cuStreamDestroy_v2": &d.streamDestroy, "cuStreamSynchronize": &d.streamSynchronize,
		"cuMemAlloc_v2": &d.memAlloc, "cuMemFree_v2": &d.memFree, "cuMemGetInfo_v2": &d.memGetInfo,
		"cuMemHostAlloc": &d.memHostAlloc, "cuMemFreeHost": &d.memFreeHost,
		"cuMemcpyHtoDAsync_v2": &d.memcpyHtoD, "cuMemcpyDtoHAsync_v2": &d.memcpyDtoH, "cuMemcpyDtoDAsync_v2": &d.memcpyDtoD,
		"cuMemsetD32Async": &d.memset,
	}
}

// blasSymbols are the symbols of cuBLAS.
func (d *driver) blasSymbols() map[string]*uintptr {
	return map[string]*uintptr{
		"cublasCreate_v2": &d.blasCreate, "cublasDestroy_v2": &d.blasDestroy, "cublasSetStream_v2": &d.blasSetStream,
		"cublasSgemm_v2": &d.gemm, "cublasSgemmBatched": &d.gemmBatched,
	}
}

func resolve(l *dylib.Library, symbols map[string]*uintptr) (err error) {
	for name, p := range symbols {
		if *p, err = l.Symbol(name); err != nil {
			return err
		}
	}
	return nil
}

// The versions that the kernels and calls need, in CUDA's notation.
const (
	oldestDriver = 11070 // PTX 7.7
	newestBLAS   = 13
	oldestBLAS   = 11
)

var (
	mu      sync.Mutex
	drivers = map[*dylib.Library]*driver{}
)

// load returns the driver, the same one each time. It does not cache a failure.
func load() (*driver, error) {
	if runtime.GOOS != "linux" {
		return nil, fmt.Errorf("%w: CUDA is only supported on Linux so far", ErrMissing)
	}
	lib, err := dylib.Search{Env: "ATTUNE_LIBCUDA", Names: []string{"libcuda.so.1"}}.Open()
	if err != nil {
		return nil, fmt.Errorf("%w: no driver: %w", ErrMissing, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if d := drivers[lib]; d != nil {
		return d, nil
	}
	d := &driver{cuda: lib}
	if err := resolve(lib, d.symbols()); err != nil {
		return nil, fmt.Errorf("%w: the driver is too old: %w", ErrMissing, err)
	}
	if r := call(d.initialize, 0); r != 0 {
		return nil, fmt.Errorf("%w: cuInit: %w", ErrMissing, d.error(r))
	}
	var version int32
	if r := call(d.driverGetVersion, uintptr(unsafe.Pointer(&version))); r != 0 {
		return nil, fmt.Errorf("%w: cuDriverGetVersion: %w", ErrMissing, d.error(r))
	}
	if version < oldestDriver {
		return nil, fmt.Errorf("%w: the driver supports CUDA %d.%d: install one for 11.7 or later", ErrMissing, version/1000, version%1000/10)
	}
	if d.blas, err = openBLAS(int(version) / 1000); err != nil {
		return nil, fmt.Errorf("%w: no cuBLAS for a driver of CUDA %d.%d: install the CUDA toolkit or Python's nvidia-cublas-cu12: %w", ErrMissing, version/1000, version%1000/10, err)
	}
	if err := resolve(d.blas, d.blasSymbols()); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	drivers[lib] = d
	return d, nil
}

// openBLAS returns the newest cuBLAS that a driver of the given major version can run.
func openBLAS(major int) (*dylib.Library, error) {
	var tried error
	for v := min(major, newestBLAS); v >= oldestBLAS; v-- {
		name := fmt.Sprintf("libcublas.so.%d", v)
		s := dylib.Search{
			Env:    "ATTUNE_LIBCUBLAS",
			Wheels: []string{"nvidia/cublas/lib/" + name, fmt.Sprintf("nvidia/cu%d/lib/%s", v, name)},
			Names:  []string{name},
		}
		for _, pattern := range []string{"/usr/local/cuda*/lib64/", "/usr/local/cuda*/targets/*/lib/"} {
			found, _ := filepath.Glob(pattern + name) // fails only for a malformed pattern
			slices.Reverse(found)                     // newest first
			s.Names = append(s.Names, found...)
		}
		lib, err := s.Open()
		if err == nil {
			return lib, nil
		}
		tried = errors.Join(tried, err)
	}
	return nil, tried
}

// A result is the result of a call of libcuda or cuBLAS: 0 on success.
type result uint32

// call calls a function of a library. Arguments that are addresses of variables must be
// converted in the call expression.
//
//go:uintptrescapes
func call(function uintptr, args ...uintptr) result {
	r, _, _ := purego.SyscallN(function, args...)
	return result(r) // a 32-bit int
}

// outOfMemory is CUDA_ERROR_OUT_OF_MEMORY.
const outOfMemory result = 2

// error converts a result of libcuda to an error.
func (d *driver) error(r result) error {
	var name *byte
	text := "an unknown error"
	if call(d.getErrorName, uintptr(r), uintptr(unsafe.Pointer(&name))) == 0 && name != nil {
		text = goString(name)
	}
	err := fmt.Errorf("%s (%d)", text, r)
	if r == outOfMemory {
		err = fmt.Errorf("%w: %w", ErrMemory, err)
	}
	return err
}

// blasError converts a result of cuBLAS to an error.
func blasError(r result) error {
	name := map[result]string{1: "NOT_INITIALIZED", 3: "ALLOC_FAILED", 7: "INVALID_VALUE", 8: "ARCH_MISMATCH",
		11: "MAPPING_ERROR", 13: "EXECUTION_FAILED", 14: "INTERNAL_ERROR", 15: "NOT_SUPPORTED", 16: "LICENSE_ERROR"}[r]
	err := fmt.Errorf("CUBLAS_STATUS_%s (%d)", name, r)
	if r == 3 {
		err = fmt.Errorf("%w: %w", ErrMemory, err)
	}
	return err
}

// goString returns the null-terminated text at p.
func goString(p *byte) string {
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
		n++
	}
	return string(unsafe.Slice(p, n))
}
