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

	"github.com/attune-hpo/attune/export/tensor"
	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/internal/onnxsetup"
)

const pkg fault.Package = "runtime"

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

// A Config says how a [Session] runs a model. The zero value is right for a server whose
// goroutines are the parallelism.
type Config struct {
	// Threads is the number of threads that work on one operator together; -1 is one for
	// each core. More than one may change the last bits of sums. Default 1.
	Threads int
	// InterThreads is the number of threads that work on branches of the graph at the same
	// time; -1 is one for each core. Default 1.
	InterThreads int
	// NoArena returns memory to the system after each run. It saves memory and takes time.
	NoArena bool
	// NoMemoryPattern does not plan memory ahead. It saves memory and takes time.
	NoMemoryPattern bool
	// Optimize says how much the graph is rewritten. Default [OptimizeAll].
	Optimize Level
	// Provider computes. If [CUDA] is not available, the CPU computes: see
	// [Session.Provider] and [Session.Reason]. CUDA takes over the signal handlers of the
	// process. Default [Auto].
	Provider Provider
	// Device is the number of the GPU. Default 0.
	Device int
	// Library is the file to load. Default: see [Load].
	Library string
	// Log gets a warning if CUDA was asked for and the CPU computes. Default
	// [slog.Default].
	Log *slog.Logger
}

// A Library is a loaded ONNX Runtime.
type Library struct {
	Path    string // empty when the program had loaded one of its own
	Version string // as "1.24.3"
}

// Load loads the library of ONNX Runtime: the named file or, if library is empty, the
// first of these that exists:
//
//  1. the file that the environment variable ONNXRUNTIME_SHARED_LIBRARY_PATH names
//  2. one beside the executable
//  3. the one that `attune setup onnxruntime` fetched
//  4. the system's
//
// Every Open calls Load; call it earlier to find out whether there is a library. A file is
// checked before it is loaded.
//
// A process loads one library. A second call returns that of the first, or an error if it
// names another. A call that failed may be repeated. The error wraps [ErrNoLibrary] if
// there is none.
func Load(library string) (Library, error) { return load(library) }

// An Info describes an input or output of a model.
type Info struct {
	Name string
	// Type is that of its elements: "float32", "float64", "int64", which a [Session]
	// takes and returns, or another, such as "string", "float16" or "map".
	Type string
	// Shape holds the sizes of its dimensions, -1 for one that is free. Nil is
	// an unknown shape, and an empty one that of a single value.
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
func Open(path string, c Config) (*Session, error) {
	model, err := os.ReadFile(path)
	if err != nil {
		return nil, pkg.Errorf("open %s: %w", path, unwrapPath(err))
	}
	return open(path, model, c)
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
func OpenBytes(model []byte, c Config) (*Session, error) { return open("model", model, c) }

func open(name string, model []byte, c Config) (*Session, error) {
	fail := func(err error) (*Session, error) { return nil, pkg.Errorf("open %s: %w", name, err) }
	if c.Threads < -1 || c.InterThreads < -1 {
		return fail(fmt.Errorf("%d and %d threads: want -1 or more", c.Threads, c.InterThreads))
	}
	if c.Provider != Auto && c.Provider != CPU && c.Provider != CUDA {
		return fail(fmt.Errorf("provider %q: want cpu, cuda or none for either", c.Provider))
	}
	if c.Optimize > OptimizeNone {
		return fail(fmt.Errorf("optimisation level %d is unknown", c.Optimize))
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
	if _, err := Load(c.Library); err != nil {
		return nil, pkg.Errorf("open %s: %w", name, err)
	}
	s.provider, s.reason = choose(c)
	s.engine, err = newEngine(model, names(s.inputs), names(s.returned), c, s.provider)
	if err != nil && s.provider == CUDA {
		s.provider, s.reason = CPU, "CUDA failed: "+err.Error()
		s.engine, err = newEngine(model, names(s.inputs), names(s.returned), c, CPU)
	}
	if err != nil {
		return fail(fmt.Errorf("%w: %w", ErrModel, err))
	}
	if s.provider == CPU && c.Provider == CUDA {
		log := cmp.Or(c.Log, slog.Default())
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
func choose(c Config) (Provider, string) {
	if c.Provider == CPU {
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

// Run runs the model on its inputs, in any order, and returns its outputs, in the
// model's order, but for those of types that [Session.Outputs] says are not computed.
// The inputs must not be changed meanwhile; the outputs are the caller's.
//
// An input that is missing, unknown, given twice, of another type or shape than the
// model's, or whose data do not fill its shape, is an error that wraps [ErrInput]. When
// ctx ends, Run ends as soon as the operator at work is done, with ctx's cause. After
// Close it fails with [ErrClosed].
func (s *Session) Run(ctx context.Context, inputs tensor.List) (tensor.List, error) {
	in := make(tensor.List, len(s.inputs))
	for i, info := range s.inputs {
		t, ok := inputs.Named(info.Name)
		if !ok {
			return nil, s.failed(fmt.Errorf("%w: input %v is missing", ErrInput, info))
		}
		if err := check(t, info); err != nil {
			return nil, s.failed(err)
		}
		in[i] = t
	}
	if len(inputs) > len(in) {
		return nil, s.failed(s.excess(inputs))
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
	return out, nil
}

// excess says which of the inputs is one too many.
func (s *Session) excess(inputs tensor.List) error {
	known := names(s.inputs)
	var seen []string
	for _, t := range inputs {
		if !slices.Contains(known, t.Name) {
			return fmt.Errorf("%w: there is no input %q: it takes %v", ErrInput, t.Name, s.inputs)
		}
		if slices.Contains(seen, t.Name) {
			return fmt.Errorf("%w: input %q is given twice", ErrInput, t.Name)
		}
		seen = append(seen, t.Name)
	}
	return nil // more inputs than known names: one of the two was returned
}

func (s *Session) failed(err error) error { return pkg.Errorf("run %s: %w", s.name, err) }

func check(t tensor.Tensor, info Info) error {
	kind, _ := t.Kind()
	switch {
	case kind == "":
		return fmt.Errorf("%w: input %v: its data are a %T", ErrInput, info, t.Data)
	case kind != info.Type:
		return fmt.Errorf("%w: input %v: its data are of type %s", ErrInput, info, kind)
	case !info.fits(t.Shape):
		return fmt.Errorf("%w: input %v: its shape is %v", ErrInput, info, t.Shape)
	}
	if err := t.Check(); err != nil {
		return fmt.Errorf("%w: input %v: %w", ErrInput, info, err)
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
