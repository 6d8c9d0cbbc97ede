//go:build cgo

package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	stdruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/attune-hpo/attune/export/tensor"
	"github.com/attune-hpo/attune/internal/onnxsetup"
)

// loaded is the library. A process has only one, and never unloads it: a session that
// outlives the library would crash the process.
var loaded struct {
	mu      sync.Mutex
	done    bool
	library Library
}

func load(library string) (Library, error) {
	loaded.mu.Lock()
	defer loaded.mu.Unlock()
	if loaded.done {
		if library != "" && !same(library, loaded.library.Path) {
			return Library{}, fmt.Errorf("library %s: %q is already loaded, and a process can load only one", library, loaded.library.Path)
		}
		return loaded.library, nil
	}
	if !ort.IsInitialized() {
		file, err := onnxsetup.Find(library)
		if err != nil {
			return Library{}, err
		}
		if os.Getenv("ORT_DISABLE_TELEMETRY") == "" {
			os.Setenv("ORT_DISABLE_TELEMETRY", "1")
		}
		ort.SetSharedLibraryPath(file)
		if err := ort.InitializeEnvironment(ort.WithLogLevelFatal()); err != nil {
			return Library{}, fmt.Errorf("library %s: %s: run `attune setup onnxruntime` for ONNX Runtime %s", file, clean(err), onnxsetup.Version)
		}
		loaded.library.Path = file
		if os.Getenv("ORT_DISABLE_TELEMETRY") == "1" {
			_ = ort.DisableTelemetry() // only Windows has telemetry
		}
	}
	loaded.library.Version = ort.GetVersion()
	loaded.done = true
	return loaded.library, nil
}

func same(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	if err1 != nil || err2 != nil {
		return filepath.Clean(a) == b
	}
	return os.SameFile(x, y)
}

// An engine is a session of the library, and the other resources that are freed with it.
type engine struct {
	session *ort.DynamicAdvancedSession
	once    sync.Once
	mu      sync.Mutex
	idle    []*slot // the most recently used is last
}

// clean makes one line of a message of the library, without the places in its source.
func clean(err error) error { return errors.New(cleanMessage(err.Error())) }

func newEngine(model []byte, in, out []string, c Config, p Provider) (*engine, error) {
	opts, err := ort.NewSessionOptions()
	if err != nil {
		return nil, clean(err)
	}
	defer opts.Destroy()
	mode := ort.ExecutionMode(ort.ExecutionModeSequential)
	if c.InterThreads > 1 || c.InterThreads < 0 {
		mode = ort.ExecutionModeParallel
	}
	level := [...]ort.GraphOptimizationLevel{
		OptimizeAll: ort.GraphOptimizationLevelEnableAll, OptimizeExtended: ort.GraphOptimizationLevelEnableExtended,
		OptimizeBasic: ort.GraphOptimizationLevelEnableBasic, OptimizeNone: ort.GraphOptimizationLevelDisableAll,
	}[c.Optimize]
	// Waiting threads would otherwise spin on the cores that goroutines need.
	err = errors.Join(
		opts.SetLogSeverityLevel(ort.LoggingLevelFatal),
		opts.SetIntraOpNumThreads(threads(c.Threads)),
		opts.SetInterOpNumThreads(threads(c.InterThreads)),
		opts.SetExecutionMode(mode),
		opts.SetGraphOptimizationLevel(level),
		opts.SetCpuMemArena(!c.NoArena),
		opts.SetMemPattern(!c.NoMemoryPattern),
		opts.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
		opts.AddSessionConfigEntry("session.inter_op.allow_spinning", "0"),
	)
	if err == nil && p == CUDA {
		err = appendCUDA(opts, c.Device)
	}
	if err != nil {
		return nil, clean(err)
	}
	s, err := ort.NewDynamicAdvancedSessionWithONNXData(model, in, out, opts)
	if err != nil {
		return nil, clean(err)
	}
	return &engine{session: s}, nil
}

func threads(n int) int {
	switch n {
	case 0:
		return 1
	case -1:
		return stdruntime.NumCPU()
	}
	return n
}

func appendCUDA(opts *ort.SessionOptions, device int) error {
	cuda, err := ort.NewCUDAProviderOptions()
	if err != nil {
		return err
	}
	defer cuda.Destroy()
	if err := cuda.Update(map[string]string{"device_id": strconv.Itoa(device)}); err != nil {
		return err
	}
	return opts.AppendExecutionProviderCUDA(cuda)
}

// destroy frees the session. No call may be running.
func (e *engine) destroy() {
	e.once.Do(func() {
		for _, s := range e.idle {
			s.destroy()
		}
		e.session.Destroy()
	})
}

// call runs the session until it is done or ctx ends. The memory of the values must be
// pinned, or not Go's.
func (e *engine) call(ctx context.Context, in, out []ort.Value) error {
	if ctx.Done() == nil {
		if err := e.session.Run(in, out); err != nil {
			return clean(err)
		}
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	opts, err := ort.NewRunOptions()
	if err != nil {
		return clean(err)
	}
	defer opts.Destroy()
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		opts.Terminate()
	})
	err = e.session.RunWithOptions(in, out, opts)
	if !stop() {
		<-ended // opts must outlive it
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return clean(err)
}

// run runs the session on tensors that were checked.
func (e *engine) run(ctx context.Context, in tensor.List, outputs []Info) (tensor.List, error) {
	var pin stdruntime.Pinner
	defer pin.Unpin()
	values := make([]ort.Value, len(in)+len(outputs))
	defer func() {
		for _, v := range values {
			if v != nil {
				v.Destroy()
			}
		}
	}()
	for i, t := range in {
		v, err := wrap(t, &pin)
		if err != nil {
			return nil, clean(err)
		}
		values[i] = v
	}
	// The library allocates the outputs, except single values: it returns these as tensors
	// without dimensions, which the binding refuses.
	for i, info := range outputs {
		if info.Shape != nil && len(info.Shape) == 0 {
			v, err := single(info.Type)
			if err != nil {
				return nil, clean(err)
			}
			values[len(in)+i] = v
		}
	}
	if err := e.call(ctx, values[:len(in):len(in)], values[len(in):]); err != nil {
		return nil, err
	}
	out := make(tensor.List, len(outputs))
	for i, v := range values[len(in):] {
		var err error
		if out[i], err = unwrap(v); err != nil {
			return nil, fmt.Errorf("output %v: %w", outputs[i], err)
		}
		out[i].Name = outputs[i].Name
	}
	return out, nil
}

func wrap(t tensor.Tensor, pin *stdruntime.Pinner) (ort.Value, error) {
	switch d := t.Data.(type) {
	case []float32:
		return share(t.Shape, d, pin)
	case []float64:
		return share(t.Shape, d, pin)
	case []int64:
		return share(t.Shape, d, pin)
	case []string: // which the library copies
		v, err := ort.NewStringTensor(ort.Shape(t.Shape))
		if err != nil {
			return nil, err
		}
		if err := v.SetContents(d); err != nil {
			v.Destroy()
			return nil, err
		}
		return v, nil
	}
	return nil, fmt.Errorf("a tensor of %T", t.Data)
}

// share hands data to the library, which keeps a pointer to them.
func share[T float32 | float64 | int64](shape []int64, data []T, pin *stdruntime.Pinner) (ort.Value, error) {
	if len(shape) == 0 {
		return ort.NewScalar(data[0])
	}
	if len(data) > 0 {
		pin.Pin(&data[0])
	}
	return ort.NewTensor(ort.Shape(shape), data)
}

func single(kind string) (ort.Value, error) {
	switch kind {
	case "float32":
		return ort.NewEmptyScalar[float32]()
	case "float64":
		return ort.NewEmptyScalar[float64]()
	}
	return ort.NewEmptyScalar[int64]()
}

func unwrap(v ort.Value) (tensor.Tensor, error) {
	switch v := v.(type) {
	case *ort.Tensor[float32]:
		return tensor.Tensor{Shape: v.GetShape(), Data: v.GetData()}, nil
	case *ort.Tensor[float64]:
		return tensor.Tensor{Shape: v.GetShape(), Data: v.GetData()}, nil
	case *ort.Tensor[int64]:
		return tensor.Tensor{Shape: v.GetShape(), Data: v.GetData()}, nil
	case *ort.StringTensor:
		texts, err := v.GetContents()
		return tensor.Tensor{Shape: v.GetShape(), Data: texts}, err
	case *ort.Scalar[float32]:
		return tensor.Tensor{Data: []float32{v.GetData()}}, nil
	case *ort.Scalar[float64]:
		return tensor.Tensor{Data: []float64{v.GetData()}}, nil
	case *ort.Scalar[int64]:
		return tensor.Tensor{Data: []int64{v.GetData()}}, nil
	}
	return tensor.Tensor{}, fmt.Errorf("the library returned a %s", strings.TrimPrefix(fmt.Sprintf("%T", v), "*onnxruntime_go."))
}

// A slot is the memory for calls of a predictor with a number of rows, and the tensors in
// which the library sees it.
type slot struct {
	layout    *layout
	rows      int
	in, out   floats
	ins, outs []ort.Value
	texts     bool // some of outs are made by the library
	pin       stdruntime.Pinner
}

// floats is a float32 or a float64 array.
type floats struct {
	f32 []float32
	f64 []float64
}

// maxIdle limits the number of idle slots.
const maxIdle = 32

// take returns a slot for the given number of rows.
func (e *engine) take(l *layout, rows int) (*slot, error) {
	e.mu.Lock()
	for i := len(e.idle) - 1; i >= 0; i-- {
		if s := e.idle[i]; s.layout == l && s.rows == rows {
			e.idle = append(e.idle[:i], e.idle[i+1:]...)
			e.mu.Unlock()
			return s, nil
		}
	}
	e.mu.Unlock()
	s := &slot{layout: l, rows: rows}
	v, in, err := s.make(l.in)
	if err != nil {
		s.destroy()
		return nil, clean(err)
	}
	s.ins, s.in = []ort.Value{v}, in
	for i, info := range l.outs {
		if info.Type == "string" { // the library makes it, for each call
			s.outs, s.texts = append(s.outs, nil), true
			continue
		}
		v, out, err := s.make(info)
		if err != nil {
			s.destroy()
			return nil, clean(err)
		}
		s.outs = append(s.outs, v)
		if i == l.out {
			s.out = out
		}
	}
	return s, nil
}

// make makes a tensor.
func (s *slot) make(info Info) (ort.Value, floats, error) {
	if len(info.Shape) == 0 {
		v, err := single(info.Type)
		return v, floats{}, err
	}
	shape := slices.Clone(info.Shape)
	if shape[0] < 0 {
		shape[0] = int64(s.rows)
	}
	var f floats
	var v ort.Value
	var err error
	switch info.Type {
	case "float32":
		f.f32 = make([]float32, product(shape))
		v, err = share(shape, f.f32, &s.pin)
	case "float64":
		f.f64 = make([]float64, product(shape))
		v, err = share(shape, f.f64, &s.pin)
	default:
		v, err = share(shape, make([]int64, product(shape)), &s.pin)
	}
	return v, f, err
}

// give keeps a slot for a later call.
func (e *engine) give(s *slot) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.idle) == maxIdle {
		e.idle[0].destroy()
		e.idle = append(e.idle[:0], e.idle[1:]...)
	}
	e.idle = append(e.idle, s)
}

func (s *slot) destroy() {
	for _, v := range append(s.ins, s.outs...) {
		if v != nil {
			v.Destroy()
		}
	}
	s.pin.Unpin()
}

// predict runs at most as many rows as the slot has, and fills out.
func (e *engine) predict(ctx context.Context, s *slot, rows, out []float64) error {
	if s.in.f32 != nil {
		for i, v := range rows {
			s.in.f32[i] = float32(v)
		}
		clear(s.in.f32[len(rows):])
	} else {
		copy(s.in.f64, rows)
		clear(s.in.f64[len(rows):])
	}
	outs := s.outs
	if s.texts {
		outs = slices.Clone(outs)
	}
	if err := e.call(ctx, s.ins, outs); err != nil {
		return err
	}
	for i, v := range outs {
		if s.outs[i] == nil && v != nil {
			v.Destroy()
		}
	}
	if s.out.f32 != nil {
		for i := range out {
			out[i] = float64(s.out.f32[i])
		}
	} else {
		copy(out, s.out.f64)
	}
	return nil
}
