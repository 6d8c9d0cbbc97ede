package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/attune-hpo/attune/storage/optunarpc"
	"github.com/attune-hpo/attune/study"
)

// serve holds the flags of the command serve.
type serve struct {
	storage string
	grpc    string
	public  bool
}

func serveCommand() *cobra.Command {
	var s serve
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve studies to workers on other machines and in other languages",
		Long: `Serve answers Optuna's workers over gRPC, in the protocol of optuna.storages.GrpcStorageProxy,
until it is interrupted. Python workers on any machine then share studies with attune:

  storage = optuna.storages.GrpcStorageProxy(host="127.0.0.1", port=13000)
  study = optuna.load_study(study_name="net", storage=storage)

The protocol has no passwords, so serve listens on this machine only. With --public it
accepts other addresses: whoever reaches such an address can read and change all studies.`,
		Example: `  attune serve
  attune serve --storage attune.db --grpc 127.0.0.1:13000`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.run(cmd.Context(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	storageFlag(cmd, &s.storage, "SQLite `file` with the studies, created if it does not exist, or URL of a PostgreSQL or MySQL database")
	f.StringVar(&s.grpc, "grpc", "127.0.0.1:13000", "`address` to listen on for Optuna's storage proxy")
	f.BoolVar(&s.public, "public", false, "allow addresses that other machines reach")
	return cmd
}

// goodbye is the time that running calls may take after the server is stopped.
const goodbye = 5 * time.Second

func (s *serve) run(ctx context.Context, stderr io.Writer) error {
	l, err := listen("grpc", s.grpc, s.public)
	if err != nil {
		return err
	}
	store := newStore(s.storage)
	if _, err := study.List(ctx, store); err != nil { // say now what a worker would be told later
		return cmp.Or(err, l.Close())
	}
	service := optunarpc.New(store)
	server := grpc.NewServer()
	service.Register(server)
	fmt.Fprintf(stderr, "attune: serving %s to Optuna's storage proxy on %s\n", shown(s.storage), l.Addr())
	return cmp.Or(serveGRPC(ctx, server, l, ""), service.Close())
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
