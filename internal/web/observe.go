package web

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// An Observer counts, times and logs the requests of servers.
type Observer struct {
	log      *slog.Logger
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	running  prometheus.Gauge
}

// NewObserver returns an observer with a registry of its own. A request is logged with the level
// Info, and Error if the server failed.
func NewObserver(log *slog.Logger) *Observer {
	o := &Observer{
		log:      log,
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "attune_requests_total", Help: "Requests that were answered, by route and status."}, []string{"route", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "attune_request_seconds", Help: "Time to answer a request, by route.",
			Buckets: []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}}, []string{"route"}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{Name: "attune_requests_running", Help: "Requests that are being answered."}),
	}
	o.registry.MustRegister(o.requests, o.seconds, o.running,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return o
}

// Metrics returns the handler of the metrics, in the formats of Prometheus.
func (o *Observer) Metrics() http.Handler {
	return promhttp.HandlerFor(o.registry, promhttp.HandlerOpts{})
}

// begin notes that a request has come. The caller calls end with its status when it is answered.
func (o *Observer) begin(ctx context.Context, route, from string) (end func(code string, failed bool)) {
	begun := time.Now()
	o.running.Inc()
	return func(code string, failed bool) {
		took := time.Since(begun)
		o.running.Dec()
		o.requests.WithLabelValues(route, code).Inc()
		o.seconds.WithLabelValues(route).Observe(took.Seconds())
		level := slog.LevelInfo
		if failed {
			level = slog.LevelError
		}
		o.log.Log(ctx, level, "request", "route", route, "code", code, "took", took, "from", from)
	}
}

// observed returns a handler whose requests the observer sees, if there is one. w is the writer of net/http.
func (s *Server) observed(w http.ResponseWriter, r *http.Request, serve func(http.ResponseWriter)) {
	o := s.config.Observer
	if o == nil {
		serve(w)
		return
	}
	route := "other"
	if s.config.Route != nil {
		if known := s.config.Route(r); known != "" {
			route = known
		}
	}
	answer := &answer{ResponseWriter: w, code: http.StatusOK}
	end := o.begin(r.Context(), route, r.RemoteAddr)
	defer func() {
		if p := recover(); p != nil {
			end("panic", true)
			o.log.Error("panic", "route", route, "value", p, "stack", string(debug.Stack()))
			panic(http.ErrAbortHandler) // ends the connection
		}
		// A server that ends, or a storage that is away for a moment, has not failed.
		end(strconv.Itoa(answer.code), answer.code == http.StatusInternalServerError || answer.code == http.StatusInsufficientStorage)
	}()
	serve(answer)
}

// An answer knows its status.
type answer struct {
	http.ResponseWriter
	code int
}

func (a *answer) WriteHeader(code int) {
	a.code = code
	a.ResponseWriter.WriteHeader(code)
}

// Unwrap is for [http.ResponseController].
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
