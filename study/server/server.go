// Package server serves the studies of a store over HTTP with JSON, to workers in any language.
//
//	h := server.New(store, server.Config{Sampler: auto.New(), Pruner: pruner.Extrapolation{}})
//	defer h.Close()
//	err := http.ListenAndServe("127.0.0.1:8080", h)
//
// A worker needs three requests: it asks for a trial, reports if it likes, and tells.
//
//	PUT  /v1/studies/net                 {"parameters": [{"name": "lr", "type": "float", "low": 1e-5, "high": 0.1, "log": true}]}
//	POST /v1/studies/net/trials          {"keys": ["worker-1-trial-1"]}
//	POST /v1/studies/net/trials/0/reports {"step": 0, "value": 0.7}     ("values": [0.7, 12] of several objectives)
//	POST /v1/studies/net/trials/0/tell   {"values": [0.3]}
//
// The file openapi.json describes all requests; the server sends it under /v1/openapi.json.
//
// # Lost answers
//
// Every request can be repeated. A client asks for a trial under a key of its choice, and asking again under the same
// key returns the same trial. A report or an outcome that the trial already has is accepted again; a different one is
// refused.
//
// # Workers that die
//
// A request about a running trial shows that its worker is alive. A trial whose worker is silent
// for longer than [Config.Grace] fails, and is enqueued again. Later reports and outcomes from
// that worker are refused with the status 409. The server looks for such trials in the studies
// that it has had requests for since it started. Stores in memory have no leases: there, a trial
// without a worker runs for ever.
//
// # Security
//
// The handler trusts its clients, except for requests that a browser makes for another site.
// The program that serves it must add tokens and limits on connections, as attune serve does.
package server

import (
	"context"
	_ "embed"
	"net/http"
	"sync"
	"time"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/storage"
)

const pkg fault.Package = "server"

// Config says how the server searches. Sampler is required.
type Config struct {
	Sampler sampler.Sampler // of all studies
	Pruner  pruner.Pruner   // of all studies; default pruner.None
	// Grace is how long the worker of a trial may be silent; see [study.Config]. Default 1 minute.
	Grace time.Duration
	// Revivals is how often a trial is enqueued again after the death of its worker. Default 3;
	// negative: never.
	Revivals int
}

// Limits of requests.
const (
	bodyBytes   = 1 << 20
	nameBytes   = 500 // of a study or a key; databases take 512 characters
	mostKeys    = 100 // in one request
	mostPage    = 1000
	mostStreams = 2048
)

// A Server is an [http.Handler]. Close it in the end.
type Server struct {
	cfg     Config
	studies *studies
	mux     *http.ServeMux
	handler http.Handler // of mux
	streams chan struct{}

	declaring sync.Mutex // held while a study is created or gets its space
	stop      context.CancelFunc
	reaping   sync.WaitGroup
}

// New returns a server of the studies in a store.
func New(store storage.Store, cfg Config) *Server {
	if cfg.Grace <= 0 {
		cfg.Grace = time.Minute
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{cfg: cfg, streams: make(chan struct{}, mostStreams), stop: stop}
	s.studies = newStudies(store, s.config)
	s.handler = s.routed()
	s.reaping.Go(func() { s.reap(ctx) })
	return s
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Route returns the route that a request takes, as in "GET /v1/studies/{study}/best", for metrics
// and logs. It is "/" if there is none.
func (s *Server) Route(r *http.Request) string {
	_, route := s.mux.Handler(r)
	return route
}

// Close ends all streams and releases the store. Later requests fail with the status 503. Running trials are left to
// the next server.
func (s *Server) Close() error {
	s.stop()
	s.reaping.Wait()
	return s.studies.close()
}

// reap looks for dead workers, four times in the grace.
func (s *Server) reap(ctx context.Context) {
	tick := time.NewTicker(max(s.cfg.Grace/4, 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, o := range s.studies.all() {
			_, _ = o.study.Reap(ctx) // a lasting error shows in the next request
			s.studies.release(o)
		}
	}
}

// A route is a request that the server answers.
type route struct {
	method, path string
	serve        func(*Server, http.ResponseWriter, *http.Request) error
}

var routes = []route{
	{"GET", "/healthz", (*Server).health},
	{"GET", "/v1/openapi.json", (*Server).description},
	{"GET", "/v1/studies", (*Server).list},
	{"PUT", "/v1/studies/{study}", (*Server).declare},
	{"GET", "/v1/studies/{study}", (*Server).show},
	{"GET", "/v1/studies/{study}/best", (*Server).best},
	{"GET", "/v1/studies/{study}/front", (*Server).front},
	{"GET", "/v1/studies/{study}/changes", (*Server).changes},
	{"GET", "/v1/studies/{study}/attributes", (*Server).attributes},
	{"PUT", "/v1/studies/{study}/attributes/{key}", (*Server).setAttribute},
	{"GET", "/v1/studies/{study}/trials", (*Server).page},
	{"POST", "/v1/studies/{study}/trials", (*Server).ask},
	{"GET", "/v1/studies/{study}/trials/{number}", (*Server).trial},
	{"POST", "/v1/studies/{study}/trials/{number}/heartbeat", (*Server).heartbeat},
	{"POST", "/v1/studies/{study}/trials/{number}/reports", (*Server).report},
	{"POST", "/v1/studies/{study}/trials/{number}/tell", (*Server).tell},
}

// routed returns the handler of all routes. Other paths and methods, and requests of other
// sites, get errors of the same form.
func (s *Server) routed() http.Handler {
	mux := http.NewServeMux()
	s.mux = mux
	allowed := map[string]string{}
	for _, at := range routes {
		mux.HandleFunc(at.method+" "+at.path, func(w http.ResponseWriter, r *http.Request) {
			limited := *r // so that net/http still knows the body, and does not wait for the rest of a large one
			limited.Body = http.MaxBytesReader(w, r.Body, bodyBytes)
			if err := at.serve(s, w, &limited); err != nil {
				refuse(w, problemOf(err))
			}
		})
		if allowed[at.path] != "" {
			allowed[at.path] += ", "
		}
		allowed[at.path] += at.method
	}
	for path, methods := range allowed {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", methods)
			refuse(w, problem{http.StatusMethodNotAllowed, "this path does not take " + r.Method, "use " + methods})
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, problem{http.StatusNotFound, "there is no such path", "GET /v1/openapi.json describes the paths"})
	})
	sites := http.NewCrossOriginProtection()
	sites.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse(w, problem{http.StatusForbidden, "a page of another site made this request", "send it from a program"})
	}))
	return sites.Handler(mux)
}

//go:embed openapi.json
var openAPI []byte

func (s *Server) health(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, http.StatusOK, map[string]string{"status": "ok"})
}

func (s *Server) description(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	w.Write(openAPI)
	return nil
}
