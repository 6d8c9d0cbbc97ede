package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	stdruntime "runtime"
	"slices"
	"strings"
	"sync"

	"github.com/attune-hpo/attune/internal/onnxsetup"
)

var (
	// ErrNoLibrary reports that there is no library of ONNX Runtime; the error says
	// how to get it.
	ErrNoLibrary = onnxsetup.ErrMissing
	// ErrModel reports a model that cannot be loaded or used: damaged, or newer than
	// the runtime, or of a form that is not supported.
	ErrModel = errors.New("not a usable model")
	// ErrInput reports arguments that do not fit the model: a mistake of the caller's.
	ErrInput = errors.New("wrong input")
	// ErrClosed reports the use of a closed session.
	ErrClosed = errors.New("session is closed")
)

// A Provider is what computes.
type Provider string

// The providers. Auto is CUDA where the library has it, else the CPU.
const (
	Auto Provider = ""
	CPU  Provider = "cpu"
	CUDA Provider = "cuda"
)

// A Level says how much a graph is rewritten when it is loaded.
type Level uint8

// The levels; each does what the next does, and more.
const (
	OptimizeAll      Level = iota // layouts too
	OptimizeExtended              // fusions
	OptimizeBasic                 // what leaves the operators as they are
	OptimizeNone
)

// Options say how a model is run. The zero value is right for a server whose
// goroutines are the parallelism.
type Options struct {
	// Threads work on one operator together. Default 1; -1 is a thread a core. More
	// than one may change the last bits of what floats add up to.
	Threads int
	// InterThreads work on branches of the graph side by side. Default 1; -1 is a
	// thread a core.
	InterThreads int
	// NoArena returns memory to the system after each run; NoMemoryPattern does not
	// plan it ahead. Both save memory and take time.
	NoArena, NoMemoryPattern bool
	Optimize                 Level
	// Provider computes; default [Auto]. Where [CUDA] cannot be had the CPU does it:
	// see [Session.Provider] and [Session.Reason]. CUDA takes over the signal
	// handlers of the process.
	Provider Provider
	// Device is the number of the GPU.
	Device int
	// Library is the file to load; see [Load].
	Library string
	// Log gets a warning when CUDA was asked for and the CPU computes. Default
	// [slog.Default].
	Log *slog.Logger
}

// A Library is a loaded ONNX Runtime.
type Library struct {
	Path    string // empty when the program had loaded one of its own
	Version string // as "1.24.3"
}

// Load loads the library of ONNX Runtime: the file named or, if library is empty, the
// first there is of: the one that the environment variable
// ONNXRUNTIME_SHARED_LIBRARY_PATH names, one beside the executable, the one that
// `attune setup onnxruntime` fetched, the system's. Every Open does so; to call it
// before tells early whether there is one. A file is checked before it is loaded.
//
// A process loads one library: the second call returns the first's, or an error if
// it names another. What failed may be tried again. The error wraps [ErrNoLibrary]
// when there is none.
func Load(library string) (Library, error) { return load(library) }

// An Info describes an input or output of a model.
type Info struct {
	Name string
	// Type is that of its elements: "float32", "float64", "int64", which a [Session]
	// takes and returns, or another, such as "string", "float16" or "map".
	Type string
	// Shape holds the sizes of its dimensions, -1 for one that is free; nil is a
	// shape that the model does not tell, and an empty one a single value.
	Shape []int64
}

// fits says whether a shape is one of i's.
func (i Info) fits(shape []int64) bool {
	return i.Shape == nil || slices.EqualFunc(i.Shape, shape, func(want, got int64) bool { return want < 0 || want == got })
}

// String returns something like "x float32 [? 3]".
func (i Info) String() string {
	if i.Shape == nil {
		return i.Name + " " + i.Type
	}
	return i.Name + " " + i.Type + " " + strings.ReplaceAll(fmt.Sprint(i.Shape), "-1", "?")
}

// A Tensor is an array: the values of the last dimension side by side.
type Tensor struct {
	// Shape holds the sizes of its dimensions, none for a single value.
	Shape []int64
	// Data is a []float32, a []float64 or an []int64 of as many values as Shape says.
	Data any
}

// A Session is a loaded model, ready to run. Its methods may be called from many
// goroutines.
type Session struct {
	name            string // the file, in errors
	inputs, outputs []Info
	metadata        map[string]string
	returned        []Info // the outputs that Run returns
	provider        Provider
	reason          string

	mu     sync.RWMutex // held for writing while the session is closed
	engine *engine      // nil when closed
}

// Open loads a model from a file. See [OpenBytes].
func Open(path string, o Options) (*Session, error) {
	model, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("runtime: open %s: %w", path, unwrapPath(err))
	}
	return open(path, model, o)
}

// unwrapPath leaves out a path that the error's text has already.
func unwrapPath(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}

// OpenBytes loads a model; it may be changed afterwards. The error wraps [ErrModel]
// where the model is at fault, and [ErrNoLibrary] or what else keeps the library from
// being loaded. Data kept outside the model file is not supported.
func OpenBytes(model []byte, o Options) (*Session, error) { return open("model", model, o) }

func open(name string, model []byte, o Options) (*Session, error) {
	fail := func(err error) (*Session, error) { return nil, fmt.Errorf("runtime: open %s: %w", name, err) }
	if o.Threads < -1 || o.InterThreads < -1 {
		return fail(fmt.Errorf("%d and %d threads: want -1 or more", o.Threads, o.InterThreads))
	}
	if o.Provider != Auto && o.Provider != CPU && o.Provider != CUDA {
		return fail(fmt.Errorf("provider %q: want cpu, cuda or none for either", o.Provider))
	}
	if o.Optimize > OptimizeNone {
		return fail(fmt.Errorf("optimisation level %d is unknown", o.Optimize))
	}
	head, err := readHeader(model)
	if err != nil {
		return fail(fmt.Errorf("%w: %w", ErrModel, err))
	}
	s := &Session{name: name, inputs: head.inputs, outputs: head.outputs, metadata: head.metadata}
	if len(s.inputs) == 0 {
		return fail(fmt.Errorf("%w: it takes no input", ErrModel))
	}
	for _, i := range s.inputs {
		if !supported(i.Type) {
			return fail(fmt.Errorf("%w: its input %v is of an unsupported type: want float32, float64 or int64", ErrModel, i))
		}
	}
	s.returned = slices.DeleteFunc(slices.Clone(s.outputs), func(i Info) bool { return !supported(i.Type) })
	if len(s.returned) == 0 {
		return fail(fmt.Errorf("%w: none of its outputs is a tensor of float32, float64 or int64", ErrModel))
	}
	if _, err := Load(o.Library); err != nil {
		return nil, fmt.Errorf("runtime: open %s: %w", name, err)
	}
	s.provider, s.reason = choose(o)
	s.engine, err = newEngine(model, names(s.inputs), names(s.returned), o, s.provider)
	if err != nil && s.provider == CUDA {
		s.provider, s.reason = CPU, "CUDA failed: "+err.Error()
		s.engine, err = newEngine(model, names(s.inputs), names(s.returned), o, CPU)
	}
	if err != nil {
		return fail(fmt.Errorf("%w: %w", ErrModel, err))
	}
	if s.provider == CPU && o.Provider == CUDA {
		log := cmp.Or(o.Log, slog.Default())
		log.Warn("onnx: the CPU computes, though CUDA was asked for", "model", name, "reason", s.reason)
	}
	stdruntime.AddCleanup(s, (*engine).destroy, s.engine)
	return s, nil
}

func supported(kind string) bool { return kind == "float32" || kind == "float64" || kind == "int64" }

func names(infos []Info) []string {
	out := make([]string, len(infos))
	for i, info := range infos {
		out[i] = info.Name
	}
	return out
}

// choose returns the provider to try first, and why it is not another. The library
// looks for that of CUDA beside itself.
func choose(o Options) (Provider, string) {
	if o.Provider == CPU {
		return CPU, ""
	}
	file := map[string]string{"linux": "libonnxruntime_providers_cuda.so", "windows": "onnxruntime_providers_cuda.dll"}[stdruntime.GOOS]
	if file == "" {
		return CPU, "there is no CUDA for " + stdruntime.GOOS
	}
	lib, err := Load("")
	if err != nil || lib.Path == "" {
		return CUDA, ""
	}
	real, err := filepath.EvalSymlinks(lib.Path)
	if err != nil {
		return CPU, err.Error()
	}
	file = filepath.Join(filepath.Dir(real), file)
	if _, err := os.Stat(file); err != nil {
		return CPU, "this ONNX Runtime has no CUDA: there is no " + file
	}
	return CUDA, ""
}

// Provider returns what computes: [CPU] or [CUDA].
func (s *Session) Provider() Provider { return s.provider }

// Reason says why the CPU computes where CUDA was not ruled out; otherwise it is empty.
func (s *Session) Reason() string { return s.reason }

// Inputs describes the model's inputs, in its order.
func (s *Session) Inputs() []Info { return cloneInfos(s.inputs) }

// Outputs describes the model's outputs, in its order. Those of other types than
// float32, float64 and int64 are not computed.
func (s *Session) Outputs() []Info { return cloneInfos(s.outputs) }

func cloneInfos(infos []Info) []Info {
	out := slices.Clone(infos)
	for i := range out {
		out[i].Shape = slices.Clone(out[i].Shape)
	}
	return out
}

// Metadata returns the properties that are kept in the model: for one of attune's,
// the study, the trial and the names of the features among them.
func (s *Session) Metadata() map[string]string { return maps.Clone(s.metadata) }

// Run runs the model on inputs by name and returns the outputs by name. The inputs
// must not be changed meanwhile; the outputs are the caller's.
//
// An input that is missing, unknown, of another type or shape than the model's, or
// whose data are not as many as its shape says, is an error that wraps [ErrInput]. When
// ctx ends, Run does as soon as the operator at work is done, with ctx's cause. After
// Close it fails with [ErrClosed].
func (s *Session) Run(ctx context.Context, inputs map[string]Tensor) (map[string]Tensor, error) {
	in := make([]Tensor, len(s.inputs))
	for i, info := range s.inputs {
		t, ok := inputs[info.Name]
		if !ok {
			return nil, s.failed(fmt.Errorf("%w: input %v is missing", ErrInput, info))
		}
		if err := check(t, info); err != nil {
			return nil, s.failed(err)
		}
		in[i] = t
	}
	if len(inputs) > len(in) {
		for _, name := range slices.Sorted(maps.Keys(inputs)) {
			if !slices.Contains(names(s.inputs), name) {
				return nil, s.failed(fmt.Errorf("%w: there is no input %q: it takes %v", ErrInput, name, s.inputs))
			}
		}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.engine == nil {
		return nil, s.failed(ErrClosed)
	}
	out, err := s.engine.run(ctx, in, s.returned)
	if err != nil {
		return nil, s.failed(err)
	}
	named := make(map[string]Tensor, len(out))
	for i, t := range out {
		named[s.returned[i].Name] = t
	}
	return named, nil
}

func (s *Session) failed(err error) error { return fmt.Errorf("runtime: run %s: %w", s.name, err) }

func check(t Tensor, info Info) error {
	var kind string
	var n int
	switch d := t.Data.(type) {
	case []float32:
		kind, n = "float32", len(d)
	case []float64:
		kind, n = "float64", len(d)
	case []int64:
		kind, n = "int64", len(d)
	default:
		return fmt.Errorf("%w: input %v: its data are a %T", ErrInput, info, t.Data)
	}
	if kind != info.Type {
		return fmt.Errorf("%w: input %v: its data are of type %s", ErrInput, info, kind)
	}
	if !info.fits(t.Shape) {
		return fmt.Errorf("%w: input %v: its shape is %v", ErrInput, info, t.Shape)
	}
	size := 1
	for _, d := range t.Shape {
		// A product that is larger than n stays so: no overflow.
		if d < 0 || d > 0 && size > n/int(d) && n > 0 {
			size = -1
			break
		}
		size *= int(d)
	}
	if size != n {
		return fmt.Errorf("%w: input %v: %d values do not fill the shape %v", ErrInput, info, n, t.Shape)
	}
	return nil
}

// Close waits for what runs and frees the session. Closing it again does nothing.
// It returns nil.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.engine != nil {
		s.engine.destroy()
		s.engine = nil
	}
	return nil
}
