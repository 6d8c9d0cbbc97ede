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
	"time"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/internal/web"
	"github.com/attune-hpo/attune/storage/optunarpc"
	"github.com/attune-hpo/attune/storage/remote"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/study/server"
)

// The environment variables with the tokens of serve. A flag would show them to all users of
// the machine.
const (
	serveTokenVariable     = "ATTUNE_SERVE_TOKEN"
	serveReadTokenVariable = "ATTUNE_SERVE_READ_TOKEN"
)

// serve holds the flags of the command serve.
type serve struct {
	storage string
	listen  string
	hosts   []string
	search  search
	grace   time.Duration
	grpc    string
	public  bool

	certificate, key string
	log              string

	given func(flag string) bool
}

func serveCommand() *cobra.Command {
	var s serve
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve studies to workers on other machines and in other languages",
		Long: `Serve answers workers until it is interrupted.

With --listen it answers workers in any language, over HTTP with JSON: it proposes
parameters, says which trials should stop, and runs the trials of dead workers again. GET
/v1/openapi.json describes the requests. It listens on this machine only. For an address that
other machines reach, set a token in the environment variable ` + serveTokenVariable + `, and one that
only allows reading in ` + serveReadTokenVariable + `; requests send it in the header Authorization: Bearer
TOKEN. Where others can listen, give --tls-cert and --tls-key, or use a proxy with TLS. GET
/metrics has metrics for Prometheus, and GET /healthz, which needs no token, checks that the
server is up.

attune's other commands can use a server with --listen as their storage: --storage
http://host:port, with the token in the same variable. They sample and prune by themselves.

With --grpc, the default, it answers Optuna's workers in the protocol of
optuna.storages.GrpcStorageProxy. Python workers then share studies with attune:

  storage = optuna.storages.GrpcStorageProxy(host="127.0.0.1", port=13000)
  study = optuna.load_study(study_name="net", storage=storage)

This protocol has no passwords, so serve listens for it on this machine only. With --public it
accepts other addresses: whoever reaches such an address can read and change all studies.`,
		Example: `  attune serve
  attune serve --storage attune.db --listen 127.0.0.1:8080
  attune serve --storage attune.db --listen 127.0.0.1:8080 --grpc 127.0.0.1:13000
  ` + serveTokenVariable + `=... attune serve --listen :8080 --host tuning.example`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s.given = cmd.Flags().Changed
			return s.run(cmd.Context(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	storageFlag(cmd, &s.storage, "SQLite `file` with the studies, created if it does not exist, or URL of a PostgreSQL or MySQL database or of attune serve")
	f.StringVar(&s.listen, "listen", "", "`address` to listen on for workers in any language; port 0 is any free one (default: none)")
	f.StringSliceVar(&s.hosts, "host", nil, "`names` by which workers call this server at --listen, besides localhost and IP addresses")
	s.search.flags(cmd, "extrapolation")
	f.DurationVar(&s.grace, "grace", time.Minute, "`time` after which the worker of a trial counts as dead if it sends nothing to --listen")
	f.StringVar(&s.certificate, "tls-cert", "", "PEM `file` with the certificate for --listen (default: plain HTTP)")
	f.StringVar(&s.key, "tls-key", "", "PEM `file` with its key")
	f.StringVar(&s.log, "log", "errors", "`what` to log to standard error: errors, or all requests as text or as json")
	f.StringVar(&s.grpc, "grpc", "127.0.0.1:13000", "`address` to listen on for Optuna's storage proxy; with --listen, only if given")
	f.BoolVar(&s.public, "public", false, "allow addresses for --grpc that other machines reach")
	return cmd
}

// mostConnections is how many workers may be connected to --listen at once; more wait.
const mostConnections = 4096

// mostBytes is the size of a request to --listen: of some 200,000 trials that are added at once.
const mostBytes = 64 << 20

// observer returns what counts and logs the requests, as --log says.
func (s *serve) observer(stderr io.Writer) (*web.Observer, error) {
	log, err := logger(stderr, s.log)
	if err != nil {
		return nil, err
	}
	return web.NewObserver(log), nil
}

// logger returns the logger for the value of --log.
func logger(stderr io.Writer, what string) (*slog.Logger, error) {
	var logs slog.Handler
	switch what {
	case "errors":
		logs = slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelError})
	case "text":
		logs = slog.NewTextHandler(stderr, nil)
	case "json":
		logs = slog.NewJSONHandler(stderr, nil)
	default:
		return nil, oneOf("log", what, []string{"errors", "text", "json"})
	}
	return slog.New(logs), nil
}

// goodbye is the time that running calls may take after the server is stopped.
const goodbye = 5 * time.Second

func (s *serve) run(ctx context.Context, stderr io.Writer) error {
	if err := s.search.check(); err != nil {
		return err
	}
	if s.grace < time.Second {
		return fmt.Errorf("--grace %v: want at least 1s", s.grace)
	}
	if os.Getenv(serveReadTokenVariable) != "" && os.Getenv(serveTokenVariable) == "" {
		return fmt.Errorf("%s is set, but not %s: set both, or neither", serveReadTokenVariable, serveTokenVariable)
	}
	observer, err := s.observer(stderr)
	if err != nil {
		return err
	}
	var servers []func(context.Context) error
	var says []string
	if s.listen == "" || s.given("grpc") {
		service := optunarpc.New(newStore(s.storage))
		l, err := web.ListenGRPC(web.GRPCConfig{Addr: s.grpc, Public: s.public, Register: service.Register, Observer: observer, Grace: goodbye})
		if err != nil {
			return refusedAddress(err, "grpc", s.grpc, "whoever does can change the studies: give --public if that is what you want")
		}
		defer l.Close()
		says = append(says, fmt.Sprintf("Optuna's storage proxy on %s", l.Addr()))
		servers = append(servers, func(ctx context.Context) error { return errors.Join(l.Run(ctx), service.Close()) })
	}
	if _, err := study.List(ctx, newStore(s.storage)); err != nil { // report now what a worker would be told later
		return err
	}
	if s.listen != "" {
		samples, prunes := s.search.make()
		h := server.New(newStore(s.storage), server.Config{Sampler: samples, Pruner: prunes, Grace: s.grace})
		token := os.Getenv(serveTokenVariable)
		ledgers := remote.NewHandler(newStore(s.storage))
		defer ledgers.Close()
		mux := http.NewServeMux()
		mux.Handle("/", h)
		mux.Handle("/ledger/", ledgers)
		mux.Handle("GET /metrics", observer.Metrics())
		route := func(r *http.Request) string {
			_, pattern := mux.Handler(r)
			switch pattern {
			case "/":
				return h.Route(r)
			case "/ledger/":
				return ledgers.Route(r)
			}
			return pattern
		}
		l, err := web.Listen(web.Config{Addr: s.listen, Handler: mux, Hosts: s.hosts, Grace: goodbye,
			Token: token, ReadToken: os.Getenv(serveReadTokenVariable), Health: "/healthz", Refuse: refuseJSON,
			Certificate: s.certificate, Key: s.key, Connections: mostConnections, Body: mostBytes, Observer: observer, Route: route})
		if errors.Is(err, web.ErrCertificate) {
			err = fmt.Errorf("--tls-cert %s, --tls-key %s: %w: want files in PEM", quote(s.certificate), quote(s.key), err)
		}
		if err != nil {
			return cmp.Or(refusedAddress(err, "listen", s.listen, "set a token in the environment variable "+serveTokenVariable), h.Close())
		}
		who := "workers"
		if token == "" {
			who = "workers on this machine, without a token,"
		}
		says = append(says, who+" on "+l.URL())
		servers = append(servers, func(ctx context.Context) error { return errors.Join(l.Run(ctx), h.Close(), ledgers.Close()) })
	}
	for _, to := range says {
		fmt.Fprintf(stderr, "attune: serving %s to %s\n", shown(s.storage), to)
	}
	return together(ctx, servers)
}

// together runs servers until ctx is done, or one of them fails.
func together(ctx context.Context, servers []func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, len(servers))
	for _, run := range servers {
		go func() {
			err := run(ctx)
			cancel()
			ended <- err
		}()
	}
	var errs []error
	for range servers {
		errs = append(errs, <-ended)
	}
	return errors.Join(errs...)
}

// refuseJSON answers a request that is rejected before it reaches the service.
func refuseJSON(w http.ResponseWriter, text string, code int) {
	hint := map[int]string{
		http.StatusUnauthorized:       "send the header Authorization: Bearer TOKEN, with the server's token",
		http.StatusForbidden:          "use the token that also writes",
		http.StatusMisdirectedRequest: "call it by an IP address or localhost, or start it with --host and this name",
	}[code]
	server.Refuse(w, code, text, hint)
}
