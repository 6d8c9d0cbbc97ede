package cuda

import (
	_ "embed"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"unsafe"
)

//go:embed kernels.ptx
var ptx string

// A kernel is a function of kernels.cu.
type kernel int

const (
	copyRows kernel = iota
	scaleRows
	add
	addRow
	relu
	reluGrad
	pointers
	softmax
	softmaxGrad
	layerNorm
	layerNormGrad
	addRows
	layerNormGradRows
	weightNorm
	weightNormGrad
	lstmCell
	lstmCellGrad
	dropout
	norm2
	loss
	adam
	kernels
)

var kernelNames = [kernels]string{"copy_rows", "scale_rows", "add", "add_row", "relu", "relu_grad", "pointers",
	"softmax", "softmax_grad", "layer_norm", "layer_norm_grad", "add_rows", "layer_norm_grad_rows",
	"weight_norm", "weight_norm_grad", "lstm_cell", "lstm_cell_grad", "dropout", "norm2", "loss", "adam"}

// A gpu is a GPU that the process uses. It stays open until the process ends.
type gpu struct {
	*driver
	ordinal   int
	name      string
	context   uintptr
	functions [kernels]uintptr

	mu     sync.Mutex
	idle   []*queue
	broken error // error of the context, after which no call can succeed
}

// A queue is a stream and the objects that belong to it.
type queue struct {
	stream, blas uintptr
	pinned       []float32 // host memory that the GPU can access
}

// pinnedSize is the maximum count of numbers in flight: 4 MiB.
const pinnedSize = 1 << 20

type place struct {
	d       *driver
	ordinal int
}

var (
	gpusMu sync.Mutex
	gpus   = map[place]*gpu{}
)

// find returns a GPU by its number, counted from 0.
func find(ordinal int) (*gpu, error) {
	d, err := load()
	if err != nil {
		return nil, err
	}
	gpusMu.Lock()
	defer gpusMu.Unlock()
	at := place{d, ordinal}
	g := gpus[at]
	if g == nil {
		if g, err = d.find(ordinal); err != nil {
			return nil, err
		}
		gpus[at] = g
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g, g.broken
}

func (d *driver) find(ordinal int) (*gpu, error) {
	var count int32
	if r := call(d.deviceGetCount, uintptr(unsafe.Pointer(&count))); r != 0 {
		return nil, fmt.Errorf("%w: cuDeviceGetCount: %w", ErrMissing, d.error(r))
	}
	if ordinal < 0 || ordinal >= int(count) {
		return nil, fmt.Errorf("%w: cuda:%d: the machine has %d", ErrMissing, ordinal, count)
	}
	var device, major, minor int32
	g := &gpu{driver: d, ordinal: ordinal}
	name := make([]byte, 256)
	for _, step := range []struct {
		name string
		call func() result
	}{
		{"cuDeviceGet", func() result {
			return call(d.deviceGet, uintptr(unsafe.Pointer(&device)), uintptr(ordinal))
		}},
		{"cuDeviceGetName", func() result {
			return call(d.deviceGetName, uintptr(unsafe.Pointer(&name[0])), uintptr(len(name)-1), uintptr(device))
		}},
		{"cuDeviceGetAttribute", func() result {
			const computeCapabilityMajor = 75
			return call(d.deviceGetAttribute, uintptr(unsafe.Pointer(&major)), computeCapabilityMajor, uintptr(device))
		}},
		{"cuDeviceGetAttribute", func() result {
			const computeCapabilityMinor = 76
			return call(d.deviceGetAttribute, uintptr(unsafe.Pointer(&minor)), computeCapabilityMinor, uintptr(device))
		}},
		{"cuDevicePrimaryCtxRetain", func() result {
			g.name, _, _ = strings.Cut(string(name), "\x00")
			if major*10+minor < 75 {
				return 0
			}
			return call(d.primaryCtxRetain, uintptr(unsafe.Pointer(&g.context)), uintptr(device))
		}},
	} {
		if r := step.call(); r != 0 {
			return nil, fmt.Errorf("cuda:%d: %s: %w", ordinal, step.name, d.error(r))
		}
	}
	if g.context == 0 {
		return nil, fmt.Errorf("%w: %v has compute capability %d.%d: want 7.5 or later", ErrMissing, g, major, minor)
	}
	if err := g.compile(); err != nil {
		return nil, fmt.Errorf("%v: %w", g, err)
	}
	return g, nil
}

// String returns the number and the name.
func (g *gpu) String() string { return fmt.Sprintf("cuda:%d (%s)", g.ordinal, g.name) }

// within calls a function with the GPU's context on this thread. It restores the thread's
// previous context, because other libraries may use it.
//
//go:uintptrescapes
func (g *gpu) within(function uintptr, args ...uintptr) result {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if r := call(g.ctxPush, g.context); r != 0 {
		return r
	}
	r := call(function, args...)
	var context uintptr
	if popped := call(g.ctxPop, uintptr(unsafe.Pointer(&context))); r == 0 {
		r = popped
	}
	return r
}

// compile makes the driver compile the kernels to machine code.
func (g *gpu) compile() error {
	text := append([]byte(ptx), 0)
	var module uintptr
	if r := g.within(g.moduleLoad, uintptr(unsafe.Pointer(&module)), uintptr(unsafe.Pointer(&text[0]))); r != 0 {
		return fmt.Errorf("cuModuleLoadData: %w", g.error(r))
	}
	for k, name := range kernelNames {
		text := append([]byte(name), 0)
		if r := g.within(g.moduleGetFunction, uintptr(unsafe.Pointer(&g.functions[k])), module, uintptr(unsafe.Pointer(&text[0]))); r != 0 {
			return fmt.Errorf("cuModuleGetFunction %s: %w", name, g.error(r))
		}
	}
	return nil
}

// take returns a queue for exclusive use.
func (g *gpu) take() (*queue, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := len(g.idle); n > 0 {
		q := g.idle[n-1]
		g.idle = g.idle[:n-1]
		return q, nil
	}
	q := &queue{}
	const nonBlocking = 1
	if r := g.within(g.streamCreate, uintptr(unsafe.Pointer(&q.stream)), nonBlocking); r != 0 {
		return nil, fmt.Errorf("cuStreamCreate: %w", g.error(r))
	}
	err := g.fill(q)
	if err != nil {
		g.drop(q)
	}
	return q, err
}

func (g *gpu) fill(q *queue) error {
	if r := g.within(g.blasCreate, uintptr(unsafe.Pointer(&q.blas))); r != 0 {
		return fmt.Errorf("cublasCreate: %w", blasError(r))
	}
	if r := g.within(g.blasSetStream, q.blas, q.stream); r != 0 {
		return fmt.Errorf("cublasSetStream: %w", blasError(r))
	}
	var p unsafe.Pointer
	if r := g.within(g.memHostAlloc, uintptr(unsafe.Pointer(&p)), 4*pinnedSize, 0); r != 0 {
		return fmt.Errorf("cuMemHostAlloc: %w", g.error(r))
	}
	q.pinned = unsafe.Slice((*float32)(p), pinnedSize)
	return nil
}

// give returns an idle queue for reuse.
func (g *gpu) give(q *queue) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.idle = append(g.idle, q)
}

// drop ends a queue. It ignores errors, which only occur if the context is broken.
func (g *gpu) drop(q *queue) {
	if q.pinned != nil {
		g.within(g.memFreeHost, uintptr(unsafe.Pointer(&q.pinned[0])))
	}
	if q.blas != 0 {
		g.within(g.blasDestroy, q.blas)
	}
	g.within(g.streamDestroy, q.stream)
}

// breaks records that calls to the GPU will fail from now on, if the result r means that:
// the errors of kernels, from CUDA_ERROR_ILLEGAL_ADDRESS to CUDA_ERROR_LAUNCH_FAILED,
// and CUDA_ERROR_ECC_UNCORRECTABLE.
func (g *gpu) breaks(r result, err error) {
	const uncorrectable, illegalAddress, launchFailed = 214, 700, 719
	outOfResources := result(701)
	if r != uncorrectable && (r < illegalAddress || r > launchFailed || r == outOfResources) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.broken = fmt.Errorf("it cannot be used until the process is restarted: %w", err)
}

// memory describes the free memory.
func (g *gpu) memory() string {
	var free, total uint64
	if g.within(g.memGetInfo, uintptr(unsafe.Pointer(&free)), uintptr(unsafe.Pointer(&total))) != 0 {
		return "unknown memory"
	}
	return fmt.Sprintf("%s free of %s", size(free), size(total))
}

// size formats a number of bytes.
func size(n uint64) string {
	if n < 1<<30 {
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}
