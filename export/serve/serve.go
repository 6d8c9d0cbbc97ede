// Package serve answers requests for predictions over HTTP, in the Open Inference Protocol, version 2, which KServe
// and Triton use.
//
// A [Server] serves one model at a time. [Server.Swap] replaces it without losing a request.
// Waiting requests are run together. A second model can predict in the shadow of the first.
// [Server.Stats] says how often the two disagree, and how far inputs and outputs have
// drifted since the model went live.
//
//	session, err := runtime.Open("model.onnx", runtime.Config{})
//	s, err := serve.New(serve.Config{Name: "demand"}, serve.Version{Name: "1", Model: session})
//	http.ListenAndServe("127.0.0.1:8080", s)
package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	stdruntime "runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/export/tensor"
	"github.com/attune-hpo/attune/fault"
)

const pkg fault.Package = "serve"

var (
	// ErrBusy reports that too many requests wait for the model.
	ErrBusy = errors.New("too many requests are waiting")
	// ErrClosed reports the use of a closed server.
	ErrClosed = errors.New("the server is closed")
)

// A Model runs on tensors: a [runtime.Session], the Served of package deploy, which has a native model to fall back to, or
// any other. It must be safe
// for concurrent use. Close waits for running calls.
type Model interface {
	Inputs() []runtime.Info
	Outputs() []runtime.Info
	Run(ctx context.Context, inputs tensor.List) (tensor.List, error)
	Close() error
}

// A Version is a model with the name of its version.
type Version struct {
	Name  string
	Model Model
}

// Config configures a [Server]. Only Name is required.
type Config struct {
	Name string // of the model, in the paths of requests
	// Platform is the platform in the model's metadata. Default "onnxruntime_onnx".
	Platform string
	// Rows is the maximum number of rows in a request, and in a run. Default 4096.
	Rows int
	// Queue is the maximum number of waiting requests. Further ones are refused with the status 503.
	// Default 1024.
	Queue int
	// Workers is the number of runs at the same time. Default [stdruntime.GOMAXPROCS].
	Workers int
	Log     *slog.Logger // default [slog.Default]
}

// A Server is an [http.Handler] for one model. Close it after use.
type Server struct {
	config Config
	mux    *http.ServeMux
	queue  chan *call
	done   chan struct{}
	ending sync.Once
	works  sync.WaitGroup
	began  time.Time

	mu   sync.RWMutex // held for reading during a run: see Swap
	live Version

	shadow  atomic.Pointer[Version]
	shading chan shaded

	counts counts
	drift  drift
}

// A call is a request that waits for the model.
type call struct {
	ctx    context.Context
	inputs tensor.List
	rows   int // 0 if it cannot be joined with others
	out    chan<- result
}

type result struct {
	outputs tensor.List
	version string
	err     error
}

// New returns a server of a model. The server closes the model when it is replaced, or when the server is closed.
func New(c Config, v Version) (*Server, error) {
	if c.Name == "" || v.Model == nil {
		return nil, pkg.Errorf("want a name and a model")
	}
	if c.Rows < 0 || c.Queue < 0 || c.Workers < 0 {
		return nil, pkg.Errorf("%d rows, %d requests and %d workers: want 0 or more", c.Rows, c.Queue, c.Workers)
	}
	c.Platform, c.Rows, c.Queue, c.Workers = cmp.Or(c.Platform, "onnxruntime_onnx"), cmp.Or(c.Rows, 4096), cmp.Or(c.Queue, 1024), cmp.Or(c.Workers, stdruntime.GOMAXPROCS(0))
	c.Log = cmp.Or(c.Log, slog.Default())
	s := &Server{config: c, live: v, queue: make(chan *call, c.Queue), done: make(chan struct{}), shading: make(chan shaded, 1), began: time.Now()}
	s.routes()
	for range c.Workers {
		s.works.Go(s.work)
	}
	s.works.Go(s.shade)
	return s, nil
}

// Swap makes another version live, and closes the previous model when its runs have ended. The new version runs the
// waiting requests. The drift gets a new reference.
func (s *Server) Swap(v Version) error {
	s.mu.Lock()
	before := s.live
	s.live = v
	s.counts.fallbacks.Add(fallbacks(before.Model))
	s.drift.reset()
	s.mu.Unlock()
	s.counts.swaps.Add(1)
	return before.Model.Close()
}

// Live returns the name of the version that is live.
func (s *Server) Live() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.live.Name
}

// Shadow makes a model predict the same rows as the live one, in the background. With nil, no model does. Shadow
// returns the previous shadow version, which the caller may close once its runs have ended.
func (s *Server) Shadow(v *Version) (before *Version) { return s.shadow.Swap(v) }

// Close ends the server, and closes the live model. Waiting requests fail with [ErrClosed].
func (s *Server) Close() error {
	s.ending.Do(func() { close(s.done) })
	s.works.Wait()
	return s.live.Model.Close()
}

// infer runs the model on inputs that were checked.
func (s *Server) infer(ctx context.Context, inputs tensor.List, rows int) result {
	out := make(chan result, 1)
	select {
	case <-s.done:
		return result{err: ErrClosed}
	case s.queue <- &call{ctx, inputs, rows, out}:
	default:
		s.counts.refused.Add(1)
		return result{err: ErrBusy}
	}
	select {
	case r := <-out:
		return r
	case <-ctx.Done():
		return result{err: context.Cause(ctx)}
	case <-s.done:
		return result{err: ErrClosed}
	}
}

// work runs what waits, as much at once as there is.
func (s *Server) work() {
	for {
		var calls []*call
		select {
		case <-s.done:
			return
		case c := <-s.queue:
			calls = append(calls, c)
		}
		for rows := calls[0].rows; rows > 0 && rows < s.config.Rows; {
			var c *call
			select {
			case c = <-s.queue:
			default:
			}
			if c == nil {
				break
			}
			calls = append(calls, c)
			rows += c.rows
			if c.rows == 0 {
				break
			}
		}
		calls = slices.DeleteFunc(calls, func(c *call) bool { return c.ctx.Err() != nil }) // nobody waits for them
		s.run(calls)
	}
}

// run runs calls together, those that cannot be joined by themselves.
func (s *Server) run(calls []*call) {
	var together []*call
	for _, c := range calls {
		if c.rows == 0 || len(calls) == 1 {
			s.alone(c)
		} else {
			together = append(together, c)
		}
	}
	if len(together) == 0 {
		return
	}
	lists := make([]tensor.List, len(together))
	for i, c := range together {
		lists[i] = c.inputs
	}
	joined, err := tensor.Join(lists...)
	var r result
	if err == nil {
		r = s.predict(context.Background(), joined)
		err = r.err
	}
	total := 0
	for _, c := range together {
		total += c.rows
	}
	for _, o := range r.outputs {
		if err == nil && (len(o.Shape) == 0 || o.Shape[0] != int64(total)) {
			err = errors.New("an output without rows")
		}
	}
	if err != nil { // one of them may be at fault
		for _, c := range together {
			s.alone(c)
		}
		return
	}
	s.counts.joined.Add(uint64(len(together)))
	at := 0
	for _, c := range together {
		c.out <- result{r.outputs.Slice(at, at+c.rows), r.version, nil}
		at += c.rows
	}
}

func (s *Server) alone(c *call) { c.out <- s.predict(c.ctx, c.inputs) }

// predict runs the live model.
func (s *Server) predict(ctx context.Context, inputs tensor.List) (r result) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	start := time.Now()
	outputs, err := caught(func() (tensor.List, error) { return s.live.Model.Run(ctx, inputs) })
	s.counts.runs.Add(1)
	if err != nil {
		s.counts.failures.Add(1)
		return result{err: err}
	}
	s.counts.latency.Add(time.Since(start))
	if n, err := inputs.Rows(); err == nil {
		s.counts.rows.Add(uint64(n))
	}
	s.drift.note(inputs, outputs)
	if s.shadow.Load() != nil {
		select {
		case s.shading <- shaded{inputs, outputs}:
		default:
			s.counts.dropped.Add(1)
		}
	}
	return result{outputs, s.live.Name, nil}
}

// caught converts a panic to an error.
func caught(run func() (tensor.List, error)) (out tensor.List, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the model panicked: %v", p)
		}
	}()
	return run()
}

// A shaded is a run for the model in the shadow.
type shaded struct{ inputs, outputs tensor.List }

// shade lets the model in the shadow predict what the live one did.
func (s *Server) shade() {
	for {
		var run shaded
		select {
		case <-s.done:
			return
		case run = <-s.shading:
		}
		v := s.shadow.Load()
		if v == nil {
			continue
		}
		got, err := caught(func() (tensor.List, error) { return v.Model.Run(context.Background(), run.inputs) })
		n, bad := 0, 0
		if err == nil {
			n, bad, err = disagreements(run.outputs, got)
		}
		if err != nil {
			if n := s.counts.shadowErrors.Add(1); n&(n-1) == 0 {
				s.config.Log.Warn("serve: the model in the shadow failed", "failures", n, "error", err)
			}
			continue
		}
		s.counts.compared.Add(uint64(n))
		s.counts.disagreements.Add(uint64(bad))
	}
}
