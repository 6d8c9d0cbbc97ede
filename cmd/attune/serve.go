package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

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
only reads in ` + serveReadTokenVariable + `; requests have it in the header Authorization: Bearer
TOKEN. The connection is not encrypted: use a proxy with TLS where others can listen.

With --grpc, the default, it answers Optuna's workers in the protocol of
optuna.storages.GrpcStorageProxy. Python workers on any machine then share studies with attune:

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
	s.search.flags(cmd)
	f.DurationVar(&s.grace, "grace", time.Minute, "`time` after which the worker of a trial counts as dead if it sends nothing to --listen")
	f.StringVar(&s.grpc, "grpc", "127.0.0.1:13000", "`address` to listen on for Optuna's storage proxy; with --listen, only if given")
	f.BoolVar(&s.public, "public", false, "allow addresses for --grpc that other machines reach")
	return cmd
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
	var servers []func(context.Context) error
	var says []string
	if s.listen == "" || s.given("grpc") {
		l, err := listen("grpc", s.grpc, s.public)
		if err != nil {
			return err
		}
		defer l.Close()
		says = append(says, fmt.Sprintf("Optuna's storage proxy on %s", l.Addr()))
		servers = append(servers, func(ctx context.Context) error { return s.serveOptuna(ctx, l) })
	}
	if _, err := study.List(ctx, newStore(s.storage)); err != nil { // say now what a worker would be told later
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
		l, err := web.Listen(web.Config{Addr: s.listen, Handler: mux, Hosts: s.hosts, Grace: goodbye,
			Token: token, ReadToken: os.Getenv(serveReadTokenVariable), Health: "/healthz", Refuse: refuseJSON})
		if err != nil {
			return cmp.Or(refusedAddress(err, s.listen, serveTokenVariable), h.Close())
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

// serveOptuna serves Optuna's storage proxy until ctx is done.
func (s *serve) serveOptuna(ctx context.Context, l net.Listener) error {
	service := optunarpc.New(newStore(s.storage))
	answers := grpc.NewServer()
	service.Register(answers)
	return cmp.Or(serveGRPC(ctx, answers, l, ""), service.Close())
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

// serveGRPC serves until ctx is done, and then until the running calls have ended. It answers
// health checks of the named service; "" is the whole server.
func serveGRPC(ctx context.Context, server *grpc.Server, l net.Listener, name string) error {
	alive := health.NewServer()
	alive.SetServingStatus(name, grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(server, alive)
	stop := context.AfterFunc(ctx, func() {
		alive.Shutdown()
		late := time.AfterFunc(goodbye, server.Stop)
		server.GracefulStop()
		late.Stop()
	})
	defer stop()
	if err := server.Serve(l); !errors.Is(err, grpc.ErrServerStopped) { // ctx was done before
		return err
	}
	return nil
}

// listen listens on the address of a flag. Unless public is set, it must be an address of
// this machine only.
func listen(flag, address string, public bool) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("--%s %s: want an address and a port, such as 127.0.0.1:13000", flag, quote(address))
	}
	if !public && !loopback(host) {
		return nil, fmt.Errorf("--%s %s: other machines reach this address, and whoever does can change the studies: give --public if that is what you want", flag, quote(address))
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flag, err)
	}
	return l, nil
}

// loopback reports whether a host is only reachable from this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
