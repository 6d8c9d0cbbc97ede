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
	// ErrNoLibrary reports that the library of ONNX Runtime is missing. The error says how to
	// get it.
	ErrNoLibrary = onnxsetup.ErrMissing
	// ErrModel reports a model that cannot be loaded or used, because it is damaged, newer
	// than the runtime, or in an unsupported form.
	ErrModel = errors.New("not a usable model")
	// ErrInput reports arguments that do not fit the model, which is the caller's mistake.
	ErrInput = errors.New("wrong input")
	// ErrClosed reports the use of a closed session.
	ErrClosed = errors.New("session is closed")
)

// A Provider is the hardware that computes.
type Provider string

// The providers. Auto is CUDA if the library has it, else the CPU.
const (
	Auto Provider = ""
	CPU  Provider = "cpu"
	CUDA Provider = "cuda"
)

// A Level says how much a graph is optimized when it is loaded.
type Level uint8

// The levels. Each includes the next.
const (
	OptimizeAll      Level = iota // also changes layouts
	OptimizeExtended              // also fuses operators
	OptimizeBasic                 // keeps the operators
	OptimizeNone
)

// A Config says how a [Session] runs a model. The zero value suits a server, whose
// goroutines provide the parallelism.
type Config struct {
	// Threads is the number of threads that work on one operator together; -1 is one per
	// core. More than one may change the last bits of sums. Default 1.
	Threads int
	// InterThreads is the number of threads that work on branches of the graph in parallel;
	// -1 is one per core. Default 1.
	InterThreads int
	// NoArena returns memory to the system after each run, which saves memory but costs time.
	NoArena bool
	// NoMemoryPattern disables planning memory ahead, which saves memory but costs time.
	NoMemoryPattern bool
	// Optimize says how much the graph is rewritten. Default [OptimizeAll].
	Optimize Level
	// Provider is the hardware to compute on. If [CUDA] is not available, the CPU computes:
	// see [Session.Provider] and [Session.Reason]. CUDA takes over the signal handlers of
	// the process. Default [Auto].
	Provider Provider
	// Device is the number of the GPU. Default 0.
	Device int
	// Library is the file to load. Default: see [Load].
	Library string
	// Log gets a warning if CUDA is requested and the CPU computes. Default
	// [slog.Default].
	Log *slog.Logger
}

// A Library is a loaded ONNX Runtime.
type Library struct {
	Path    string // empty if the program itself had loaded the library
	Version string // such as "1.24.3"
}

// Load loads the library of ONNX Runtime: the named file or, if library is empty, the
// first of these that exists:
//
//  1. the file that the environment variable ONNXRUNTIME_SHARED_LIBRARY_PATH names
//  2. one beside the executable
//  3. the one that `attune setup onnxruntime` downloaded
//  4. the system's
//
// Every Open calls Load. Call it earlier to find out whether there is a library. Load
// checks a file before it loads it.
//
// A process loads only one library. A second call returns the first library, or an error
// if it names another. After a failure Load may be called again. The error wraps
// [ErrNoLibrary] if there is no library.
func Load(library string) (Library, error) { return load(library) }

// An Info describes an input or output of a model.
type Info struct {
	Name string
	// Type is the element type. A [Session] takes and returns "float32", "float64",
	// "int64" and "string"; there are others, such as "float16" or "map".
	Type string
	// Shape holds the sizes of its dimensions, -1 for a free one. Nil means an unknown
	// shape; an empty Shape means a single value.
	Shape []int64
}

// fits reports whether i allows a shape.
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

// A Session is a loaded model, ready to run. Its methods are safe for concurrent use.
type Session struct {
	name            string // name of the file, for errors
	inputs, outputs []Info
	metadata        map[string]string
	returned        []Info // outputs that Run returns
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

// unwrapPath drops a path that the error's text already has.
func unwrapPath(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}

// OpenBytes loads a model from memory. The slice may be changed afterwards. If the model is
// at fault, the error wraps [ErrModel]; if the library cannot be loaded, it wraps
// [ErrNoLibrary] or the cause. Data outside the model file is not supported.
func OpenBytes(model []byte, c Config) (*Session, error) { return open("model", model, c) }

func open(name string, model []byte, c Config) (*Session, error) {
	fail := func(err error) (*Session, error) { return nil, pkg.Errorf("open %s: %w", name, err) }
	if c.Threads < -1 || c.InterThreads < -1 {
		return fail(fmt.Errorf("%d and %d threads: want -1 or more", c.Threads, c.InterThreads))
	}
	if c.Provider != Auto && c.Provider != CPU && c.Provider != CUDA {
		return fail(fmt.Errorf("provider %q: want cpu or cuda, or nothing for either", c.Provider))
	}
	if c.Optimize > OptimizeNone {
		return fail(fmt.Errorf("optimization level %d is unknown", c.Optimize))
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
			return fail(fmt.Errorf("%w: its input %v is of an unsupported type: want float32, float64, int64 or string", ErrModel, i))
		}
	}
	s.returned = slices.DeleteFunc(slices.Clone(s.outputs), func(i Info) bool { return !supported(i.Type) })
	if len(s.returned) == 0 {
		return fail(fmt.Errorf("%w: none of its outputs is a tensor of float32, float64, int64 or string", ErrModel))
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
		log.Warn("onnx: the CPU computes, although CUDA was requested", "model", name, "reason", s.reason)
	}
	stdruntime.AddCleanup(s, (*engine).destroy, s.engine)
	return s, nil
}

func supported(kind string) bool {
	return kind == "float32" || kind == "float64" || kind == "int64" || kind == "string"
}

func names(infos []Info) []string {
	out := make([]string, len(infos))
	for i, info := range infos {
		out[i] = info.Name
	}
	return out
}

// choose returns the provider to try first, and why it is not another. The library
// expects the CUDA provider in its own folder.
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

// Provider returns the provider that computes: [CPU] or [CUDA].
func (s *Session) Provider() Provider { return s.provider }

// Reason says why the CPU computes although CUDA was allowed. Otherwise it is empty.
func (s *Session) Reason() string { return s.reason }

// Inputs describes the model's inputs, in the model's order.
func (s *Session) Inputs() []Info { return cloneInfos(s.inputs) }

// Outputs describes the model's outputs, in the model's order. Only outputs of float32,
// float64, int64 and string are computed.
func (s *Session) Outputs() []Info { return cloneInfos(s.outputs) }

func cloneInfos(infos []Info) []Info {
	out := slices.Clone(infos)
	for i := range out {
		out[i].Shape = slices.Clone(out[i].Shape)
	}
	return out
}

// Metadata returns the metadata properties of the model. Those of attune's models include
// the study, the trial and the names of the features.
func (s *Session) Metadata() map[string]string { return maps.Clone(s.metadata) }

// Run runs the model on inputs, which may be in any order, and returns its outputs in the
// model's order. It omits outputs of types that are not computed: see [Session.Outputs].
// The inputs must not change meanwhile. The caller owns the outputs.
//
// If an input is missing, unknown, duplicated, of another type or shape than the model's,
// or has data that do not fill its shape, the error wraps [ErrInput]. When ctx ends, Run
// returns ctx's cause as soon as the running operator is done. After Close it fails with
// [ErrClosed].
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

// excess returns the error for a superfluous input.
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
	return nil // unreachable: with more inputs than names, one is unknown or duplicated
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

// Close waits for running calls and frees the session. Closing it again does nothing.
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
