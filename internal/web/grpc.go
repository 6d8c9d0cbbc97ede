package web

import (
	"context"
	"errors"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// GRPCConfig configures a server of gRPC. Addr and Register are required.
type GRPCConfig struct {
	Addr     string // host:port; port 0 is any free one
	Register func(grpc.ServiceRegistrar)
	// Public allows an address that other machines reach. The services here have no tokens, so whoever reaches the
	// address may do everything.
	Public bool
	// Health is the name of the service that health checks ask for. Default "", the whole server.
	Health string
	// Largest is the maximum size of a request in bytes. Default 4 MiB.
	Largest  int
	Observer *Observer
	Grace    time.Duration // time for running calls when the server ends; default 3 s
}

const callTime = 2 * time.Minute // for a call

// A GRPC is a listening server of gRPC.
type GRPC struct {
	config   GRPCConfig
	listener net.Listener
}

// ListenGRPC starts to listen. It fails with [ErrAddr], [ErrToken], or an error of package net.
func ListenGRPC(c GRPCConfig) (*GRPC, error) {
	l, err := listen(c.Addr, c.Public, connections)
	if err != nil {
		return nil, err
	}
	return &GRPC{c, l}, nil
}

// Addr returns the address on which the server listens.
func (g *GRPC) Addr() net.Addr { return g.listener.Addr() }

// Close stops listening. It is for a server that does not run.
func (g *GRPC) Close() error { return g.listener.Close() }

// Run serves until ctx is done, and then until the running calls have ended, at most for the grace.
// It returns nil, or the error that ended the server before ctx was done.
func (g *GRPC) Run(ctx context.Context) error {
	largest, grace := g.config.Largest, g.config.Grace
	if largest == 0 {
		largest = 4 << 20
	}
	if grace == 0 {
		grace = 3 * time.Second
	}
	server := grpc.NewServer(
		grpc.MaxRecvMsgSize(largest),
		grpc.MaxConcurrentStreams(1024),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}), // a client that vanished without closing its connection
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.ConnectionTimeout(headerTime),
		grpc.UnaryInterceptor(g.call),
	)
	g.config.Register(server)
	alive := health.NewServer()
	alive.SetServingStatus(g.config.Health, grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(server, alive)
	stop := context.AfterFunc(ctx, func() {
		alive.Shutdown()
		late := time.AfterFunc(grace, server.Stop)
		server.GracefulStop()
		late.Stop()
	})
	defer stop()
	if err := server.Serve(g.listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) { // ctx was done before
		return pkg.Errorf("%w", err)
	}
	return nil
}

// call answers a call, within a time, and observes it. A panic fails the call alone.
func (g *GRPC) call(ctx context.Context, in any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (out any, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	end := func(string, bool) {}
	if g.config.Observer != nil {
		from := ""
		if p, ok := peer.FromContext(ctx); ok {
			from = p.Addr.String()
		}
		end = g.config.Observer.begin(ctx, info.FullMethod, from)
	}
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, status.Errorf(codes.Internal, "the server failed: %v", p)
		}
		code := status.Code(err)
		end(code.String(), code == codes.Internal || code == codes.Unknown)
	}()
	return next(ctx, in)
}
