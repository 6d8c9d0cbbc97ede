package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/export/deploy"
	"github.com/attune-hpo/attune/export/registry"
	"github.com/attune-hpo/attune/export/runtime"
	serving "github.com/attune-hpo/attune/export/serve"
	"github.com/attune-hpo/attune/internal/web"
	"github.com/attune-hpo/attune/objective/pipeline"
)

// modelTokenVariable is the environment variable with the token of serve-model.
const modelTokenVariable = "ATTUNE_MODEL_TOKEN"

// serveModel holds the flags of the command serve-model.
type serveModel struct {
	registry, name string
	native         string
	shadow         int
	reload         time.Duration
	config         serving.Config
	listen         string
	hosts          []string
	certificate    string
	key            string
	log            string
	body           int
}

func serveModelCommand() *cobra.Command {
	var s serveModel
	cmd := &cobra.Command{
		Use:   "serve-model [FILE]",
		Short: "Serve a model's predictions over HTTP, in the Open Inference Protocol",
		Long: `Serve-model answers requests for predictions until it is interrupted, in the Open Inference
Protocol, version 2, like KServe and Triton. GET /v2/models/NAME describes the inputs and
outputs, and POST /v2/models/NAME/infer predicts. It takes and returns tensors in JSON, or in the
protocol's binary form. In JSON, null is a missing number.

It serves an ONNX file, or the live version of a model in a registry. After a promotion or a
rollback it serves the new live version, and finishes the requests that are running. If the
new version cannot be loaded, the old one stays.

If the ONNX file fails, or ONNX Runtime cannot be loaded, the native model answers: the one that
attune registered with the file, or --native. Forecasters have none. The metrics count these runs.

Requests that wait for the model are run together. With --shadow, another version of the
registry predicts the same rows in the background, and the metrics say how often the two
disagree. GET /metrics has this and more for Prometheus: rows, runs, times, missing numbers,
and how far each column has drifted from the first 1000 rows since the version went live. GET
/v2/health/ready, which needs no token, says whether the server is ready.

It listens on this machine only. For an address that other machines reach, set a token in the
environment variable ` + modelTokenVariable + `; requests send it in the header Authorization: Bearer
TOKEN. Where others can listen, give --tls-cert and --tls-key, or use a proxy with TLS.

Serve-model runs ONNX Runtime. Install it with: attune setup onnxruntime`,
		Example: `  attune serve-model model.onnx
  attune serve-model model.onnx --native pipeline.joblib
  attune serve-model --registry models --name passengers --listen 127.0.0.1:9000
  attune serve-model --registry models --name passengers --shadow 4
  ` + modelTokenVariable + `=... attune serve-model model.onnx --listen :8080 --host models.example --tls-cert cert.pem --tls-key key.pem`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("want one ONNX file, not %d arguments: see %s --help", len(args), cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			file := ""
			if len(args) > 0 {
				file = args[0]
			}
			return s.run(cmd.Context(), cmd.ErrOrStderr(), file)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&s.registry, "registry", "", "`folder` of a model registry, whose live version to serve")
	f.StringVar(&s.name, "name", "", "`name` of the model: in the registry, or in requests (default: the name of the file)")
	f.StringVar(&s.native, "native", "", "`file` of the model that the ONNX file was converted from, which answers if that file fails")
	f.IntVar(&s.shadow, "shadow", 0, "`number` of a version in the registry that predicts the same rows, to be compared")
	f.DurationVar(&s.reload, "reload", time.Second, "`time` between checks of which version is live")
	f.StringVar(&s.listen, "listen", "127.0.0.1:8080", "`address` to listen on; port 0 is any free one")
	f.StringSliceVar(&s.hosts, "host", nil, "`names` by which clients call this server, besides localhost and IP addresses")
	f.StringVar(&s.certificate, "tls-cert", "", "PEM `file` with the certificate (default: plain HTTP)")
	f.StringVar(&s.key, "tls-key", "", "PEM `file` with its key")
	f.IntVar(&s.config.Rows, "max-rows", 4096, "maximum `number` of rows in a request")
	f.IntVar(&s.body, "max-body", 8, "maximum size of a request, in `MiB`")
	f.IntVar(&s.config.Queue, "max-waiting", 1024, "maximum `number` of requests that wait; further ones are refused, with the header Retry-After")
	f.IntVar(&s.config.Workers, "workers", 0, "`number` of runs at the same time (default: one for each processor)")
	f.StringVar(&s.log, "log", "errors", "`what` to log to standard error: errors, or all requests as text or as json")
	complete(cmd, "log", "errors", "text", "json")
	return cmd
}

func (s *serveModel) check(file string) error {
	switch {
	case file == "" && s.registry == "":
		return errors.New("want an ONNX file, or --registry and --name: see attune serve-model --help")
	case file != "" && s.registry != "":
		return fmt.Errorf("--registry %s: want no file besides: %s", quote(s.registry), quote(file))
	case s.registry != "" && s.name == "":
		return errors.New("--registry: name the model with --name")
	case s.registry != "" && s.native != "":
		return errors.New("--native is for an ONNX file: a registry keeps the native model with each version")
	case s.shadow != 0 && s.registry == "":
		return errors.New("--shadow is the number of a version in a registry: give --registry")
	case s.shadow < 0:
		return fmt.Errorf("--shadow %d: want the number of a version, from 1", s.shadow)
	case s.config.Rows < 1:
		return fmt.Errorf("--max-rows %d: want 1 or more", s.config.Rows)
	case s.body < 1 || s.body > 1024:
		return fmt.Errorf("--max-body %d: want 1 to 1024 MiB", s.body)
	case s.config.Queue < 1:
		return fmt.Errorf("--max-waiting %d: want 1 or more", s.config.Queue)
	case s.config.Workers < 0:
		return fmt.Errorf("--workers %d: want 1 or more", s.config.Workers)
	case s.reload < 10*time.Millisecond:
		return fmt.Errorf("--reload %v: want at least 10ms", s.reload)
	}
	return nil
}

func (s *serveModel) run(ctx context.Context, stderr io.Writer, file string) error {
	if err := s.check(file); err != nil {
		return err
	}
	log, err := logger(stderr, s.log)
	if err != nil {
		return err
	}
	s.config.Name, s.config.Log = s.name, log
	var models *registry.Registry
	var first serving.Version
	number := 0
	if file != "" {
		s.config.Name = cmp.Or(s.name, strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)))
		if first, err = s.open(file, log); err != nil {
			return err
		}
		warnLost(stderr, first)
	} else {
		if models, err = openRegistry(s.registry); err != nil {
			return err
		}
		live, err := models.Live(s.name)
		if errors.Is(err, registry.ErrNotExist) {
			return fmt.Errorf("%w: promote a version with: attune registry promote %s VERSION", err, quote(s.name))
		} else if err != nil {
			return err
		}
		if first, err = openVersion(live, log, stderr); err != nil {
			return err
		}
		number = live.Number
	}
	server, err := serving.New(s.config, first)
	if err != nil {
		return errors.Join(err, first.Model.Close())
	}
	defer server.Close()
	if s.shadow > 0 {
		v, err := models.Version(s.name, s.shadow)
		if err != nil {
			return fmt.Errorf("--shadow %d: %w", s.shadow, err)
		}
		other, err := openVersion(v, log, stderr)
		if err != nil {
			return fmt.Errorf("--shadow %d: %w", s.shadow, err)
		}
		server.Shadow(&other)
	}
	observer := web.NewObserver(log)
	observer.Collect(func() []web.Sample { return samplesOf(s.config.Name, server) })
	mux := http.NewServeMux()
	mux.Handle("/", server)
	mux.Handle("GET /metrics", observer.Metrics())
	token := os.Getenv(modelTokenVariable)
	l, err := web.Listen(web.Config{Addr: s.listen, Handler: mux, Hosts: s.hosts, Grace: goodbye, Token: token, Body: int64(s.body) << 20, Health: "/v2/health/ready",
		Certificate: s.certificate, Key: s.key, Observer: observer, Refuse: serving.Refuse, Route: func(r *http.Request) string {
			if _, pattern := mux.Handler(r); pattern != "/" {
				return pattern
			}
			return server.Route(r)
		}})
	if errors.Is(err, web.ErrCertificate) {
		err = fmt.Errorf("--tls-cert %s, --tls-key %s: %w: want files in PEM", quote(s.certificate), quote(s.key), err)
	}
	if err != nil {
		return refusedAddress(err, "listen", s.listen, "set a token in the environment variable "+modelTokenVariable)
	}
	fmt.Fprintf(stderr, "attune: serving %s, version %s, on %sv2/models/%s\n", s.config.Name, server.Live(), l.URL(), s.config.Name)
	return together(ctx, []func(context.Context) error{l.Run, func(ctx context.Context) error {
		if models != nil {
			(&follower{flags: s, stderr: stderr, registry: models, server: server, live: number}).run(ctx)
		}
		<-ctx.Done()
		return nil
	}})
}

// open opens an ONNX file, with the native model to fall back to, if there is one.
func (s *serveModel) open(file string, log *slog.Logger) (serving.Version, error) {
	v := serving.Version{Name: "1"}
	if s.native == "" {
		session, err := runtime.Open(file, runtime.Config{Log: log})
		v.Model = session
		return v, err
	}
	m, _, err := readModel(s.native, pipeline.ReadOptions{})
	if err != nil {
		return v, fmt.Errorf("--native: %w", err)
	}
	v.Model, err = deploy.OpenPipeline(file, m, runtime.Config{Log: log})
	if errors.Is(err, deploy.ErrMismatch) {
		return v, fmt.Errorf("--native %s: %w", quote(s.native), err)
	}
	return v, err
}

// openVersion opens the ONNX file of a version, with the native model to fall back to, if there is one.
func openVersion(v registry.Version, log *slog.Logger, stderr io.Writer) (serving.Version, error) {
	out, err := deploy.OpenVersion(v, runtime.Config{Log: log})
	if err == nil {
		warnLost(stderr, out)
	}
	return out, err
}

// warnLost says why the native model of a version answers all requests, if it does.
func warnLost(stderr io.Writer, v serving.Version) {
	if s, ok := v.Model.(*deploy.Served); ok && s.Lost() != nil {
		warn(stderr, fmt.Errorf("version %s: the native model answers: %w", v.Name, s.Lost()))
	}
}

// A follower serves whichever version of a registry is live, and records how the version in the
// shadow does.
type follower struct {
	flags    *serveModel
	stderr   io.Writer
	registry *registry.Registry
	server   *serving.Server
	live     int    // number of the live version
	told     string // the last error of a new version
	compared registry.Comparison
	before   serving.Stats // counts when the comparison began
	lost     bool          // the comparison could not be recorded
}

// recordEvery is the time between two records of a comparison that goes on.
const recordEvery = 10 * time.Second

// run follows the registry until ctx is done.
func (f *follower) run(ctx context.Context) {
	f.begin(serving.Stats{}) // requests may have come before
	for {
		select {
		case <-ctx.Done():
			f.record(context.WithoutCancel(ctx))
			return
		case <-time.After(f.flags.reload):
		}
		if time.Since(f.compared.Until) >= recordEvery {
			f.record(ctx)
		}
		f.reload(ctx)
	}
}

// reload serves the version that is live now.
func (f *follower) reload(ctx context.Context) {
	live, err := f.registry.Live(f.flags.name)
	if err == nil && live.Number == f.live {
		return
	}
	var v serving.Version
	if err == nil {
		v, err = openVersion(live, f.flags.config.Log, f.stderr)
	}
	if err == nil {
		err = f.server.Swap(v)
	}
	if err == nil {
		f.record(ctx)
		f.live, f.told = live.Number, ""
		f.begin(f.server.Stats())
		fmt.Fprintf(f.stderr, "attune: serving %s, version %d\n", f.flags.name, f.live)
	} else if err.Error() != f.told {
		f.told = err.Error()
		warn(f.stderr, fmt.Errorf("version %d stays: %w", f.live, err))
	}
}

// begin begins to compare the live version with the one in the shadow, from the given counts on.
func (f *follower) begin(before serving.Stats) {
	now := time.Now()
	f.before = before
	f.compared = registry.Comparison{Live: f.live, Shadow: f.flags.shadow, Since: now, Until: now}
}

// record records the comparison in the registry, if there is news. It warns once if it cannot: a
// registry may be for reading only.
func (f *follower) record(ctx context.Context) {
	now, c := f.server.Stats(), f.compared
	c.Rows, c.Disagreements = now.Compared-f.before.Compared, now.Disagreements-f.before.Disagreements
	c.Failures, c.Dropped = now.ShadowErrors-f.before.ShadowErrors, now.ShadowDropped-f.before.ShadowDropped
	if f.flags.shadow == 0 || f.flags.shadow == f.live || c == f.compared {
		return
	}
	c.Until = time.Now()
	if err := f.registry.Compared(ctx, f.flags.name, c); err != nil && !f.lost {
		f.lost = true
		warn(f.stderr, fmt.Errorf("the comparison with version %d is not recorded: %w", f.flags.shadow, err))
	}
	f.compared = c
}

// samplesOf returns the metrics of a model.
func samplesOf(name string, server *serving.Server) []web.Sample {
	t := server.Stats()
	model := web.Label{Name: "model", Value: name}
	var all []web.Sample
	add := func(counter bool, metric, help string, value float64, labels ...web.Label) {
		all = append(all, web.Sample{Name: "attune_model_" + metric, Help: help, Counter: counter, Labels: append([]web.Label{model}, labels...), Value: value})
	}
	add(true, "rows_total", "Rows that were predicted.", float64(t.Rows))
	add(true, "runs_total", "Runs of the model.", float64(t.Runs))
	add(true, "run_seconds_total", "Time in runs that did not fail.", t.Latency.Mean.Seconds()*float64(t.Latency.Calls))
	add(true, "joined_requests_total", "Requests that shared a run with others.", float64(t.Joined))
	add(true, "failed_runs_total", "Runs that failed.", float64(t.Failures))
	add(true, "fallback_runs_total", "Runs for which the native model was asked because the ONNX file failed.", float64(t.Fallbacks))
	add(true, "refused_requests_total", "Requests that were refused because too many were waiting.", float64(t.Refused))
	add(true, "missing_values_total", "Numbers that were missing in the inputs.", float64(t.Missing))
	add(true, "swaps_total", "Times another version went live.", float64(t.Swaps))
	add(false, "waiting_requests", "Requests that wait for the model.", float64(t.Waiting))
	version, _ := strconv.ParseFloat(server.Live(), 64)
	add(false, "version", "Number of the version that is live.", version)
	add(true, "shadow_rows_total", "Rows that the version in the shadow predicted too.", float64(t.Compared))
	add(true, "shadow_disagreements_total", "Of these, rows in which it disagreed.", float64(t.Disagreements))
	add(true, "shadow_failed_runs_total", "Runs that failed in the shadow.", float64(t.ShadowErrors))
	add(true, "shadow_dropped_runs_total", "Runs that were not compared because the shadow was busy.", float64(t.ShadowDropped))
	for _, d := range t.Drift {
		add(false, "drift", "Population stability index of the latest 1000 rows, compared with the first 1000.", d.Index,
			web.Label{Name: "tensor", Value: d.Tensor}, web.Label{Name: "column", Value: strconv.Itoa(d.Column)})
	}
	return all
}
