// Package web runs the servers of the command, of HTTP and of gRPC. A server has one listener with
// limits, checks the host and the token of requests, observes them, and shuts down gracefully.
//
//	s, err := web.Listen(web.Config{Addr: "127.0.0.1:8080", Handler: h})
//	fmt.Println(s.URL())
//	err = s.Run(ctx) // until ctx is done
//
// A page of another site cannot reach a server on this machine by DNS rebinding: a request must
// name the server by an IP address, as localhost, or by one of [Config.Hosts].
package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/attune-hpo/attune/fault"
)

const pkg fault.Package = "web"

var (
	// ErrAddr reports an address that is not of the form host:port.
	ErrAddr = errors.New("not an address")
	// ErrToken reports an address that other machines can reach, but no token.
	ErrToken = errors.New("other machines reach this address, so it requires a token")
	// ErrCertificate reports files from which no certificate can be read.
	ErrCertificate = errors.New("no certificate")
)

// Config configures a server. Addr and Handler are required.
type Config struct {
	Addr    string // host:port; port 0 is any free one, and an empty host is every address
	Handler http.Handler
	// Token, if not empty, is required from clients as a bearer token, or as the password of
	// basic authentication with any user name. It is required if other machines can reach the
	// address.
	Token string
	// ReadToken, if not empty, is a token that admits only GET and HEAD. Without a Token it
	// means nothing.
	ReadToken string
	// Health is a path that takes no token and any host, for health checks. Default none.
	Health string
	// Refuse answers a request that the server rejects. Default [http.Error].
	Refuse func(w http.ResponseWriter, text string, code int)

	// Certificate and Key are files in PEM, with which the server speaks TLS. They are read again
	// when they have changed. Default none: plain HTTP.
	Certificate, Key string
	// Connections is the maximum number at once; more wait. Default 512.
	Connections int
	// Body is the maximum size of the body of a request in bytes. Default 8 MiB.
	Body int64
	// Observer observes the requests, by the route that Route returns. Default none.
	Observer *Observer
	Route    func(*http.Request) string

	Hosts []string      // names of the server besides localhost, without a port
	Grace time.Duration // time for running requests when the server ends; default 3 s
}

// Limits of a server. A handler that streams extends its own deadline with
// [http.ResponseController].
const (
	connections  = 512
	headerBytes  = 64 << 10
	bodyBytes    = 8 << 20
	headerTime   = 10 * time.Second
	requestTime  = time.Minute
	responseTime = 2 * time.Minute
	idleTime     = 2 * time.Minute
)

// A Server is a listening server.
type Server struct {
	config   Config
	listener net.Listener
	tls      *tls.Config // nil for plain HTTP
}

// Listen starts to listen. It fails with [ErrAddr], [ErrToken], [ErrCertificate], or an error of
// package net, such as for a port in use.
func Listen(c Config) (*Server, error) {
	s := &Server{config: c}
	if c.Certificate != "" || c.Key != "" {
		pair := &pair{certificate: c.Certificate, key: c.Key}
		if _, err := pair.get(nil); err != nil {
			return nil, pkg.Errorf("%w: %w", ErrCertificate, err)
		}
		s.tls = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.get}
	}
	if c.Connections == 0 {
		c.Connections = connections
	}
	if c.Body == 0 {
		s.config.Body = bodyBytes
	}
	var err error
	if s.listener, err = listen(c.Addr, c.Token != "", c.Connections); err != nil {
		return nil, err
	}
	return s, nil
}

// listen listens on an address, for a number of connections at once. Unless it may be public, it must
// be one of this machine.
func listen(addr string, public bool, connections int) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, pkg.Errorf("%q: %w: want host:port", addr, ErrAddr)
	}
	if !public && !loopback(host) {
		return nil, pkg.Errorf("%s: %w", addr, ErrToken)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, pkg.Errorf("%w", err)
	}
	return limited(l, connections), nil
}

// A pair is a certificate with its key, in files.
type pair struct {
	certificate, key string

	mu     sync.Mutex
	read   *tls.Certificate
	stamps [2]time.Time // of the files, when they were read
}

// get returns the current certificate. If the files cannot be read, as in the middle of a change, it returns the
// previous one.
func (p *pair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var stamps [2]time.Time
	for i, path := range []string{p.certificate, p.key} {
		if info, err := os.Stat(path); err == nil {
			stamps[i] = info.ModTime()
		}
	}
	if p.read != nil && stamps == p.stamps {
		return p.read, nil
	}
	c, err := tls.LoadX509KeyPair(p.certificate, p.key)
	if err == nil {
		p.read, p.stamps = &c, stamps
	}
	if p.read != nil {
		return p.read, nil
	}
	return nil, err
}

// loopback reports whether a host can only be reached from this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// URL returns the address of the server for a browser on this machine.
func (s *Server) URL() string {
	addr := s.listener.Addr().(*net.TCPAddr)
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		host = "localhost"
	}
	scheme := "http://"
	if s.tls != nil {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(host, fmt.Sprint(addr.Port)) + "/"
}

// Run serves until ctx is done. Then it cancels the contexts of all requests, and cuts off
// requests that have not ended after the grace. It returns nil, or the error that ended the
// server before ctx was done.
func (s *Server) Run(ctx context.Context) error {
	requests, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	server := &http.Server{
		Handler:           s.guard(),
		BaseContext:       func(net.Listener) context.Context { return requests },
		ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, WriteTimeout: responseTime, IdleTimeout: idleTime,
		MaxHeaderBytes: headerBytes, TLSConfig: s.tls,
	}
	if o := s.config.Observer; o != nil {
		server.ErrorLog = slog.NewLogLogger(o.log.Handler(), slog.LevelInfo)
	}
	ended := make(chan error, 1)
	go func() {
		if s.tls != nil {
			ended <- server.ServeTLS(s.listener, "", "")
		} else {
			ended <- server.Serve(s.listener)
		}
	}()
	select {
	case err := <-ended:
		return pkg.Errorf("%w", err)
	case <-ctx.Done():
	}
	end()
	grace := s.config.Grace
	if grace == 0 {
		grace = 3 * time.Second
	}
	shutdown, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if server.Shutdown(shutdown) != nil {
		server.Close()
	}
	<-ended
	return nil
}

// guard rejects requests for another host, or without the token.
func (s *Server) guard() http.Handler {
	refuse := s.config.Refuse
	if refuse == nil {
		refuse = http.Error
	}
	serve := func(w, plain http.ResponseWriter, r *http.Request) {
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		health := reads && s.config.Health != "" && r.URL.Path == s.config.Health
		switch {
		case !health && !s.named(r.Host):
			refuse(w, "this server goes by another name", http.StatusMisdirectedRequest)
		case !health && !reads && s.readsOnly(r):
			refuse(w, "this token only reads", http.StatusForbidden)
		case !health && !s.admitted(r) && !s.readsOnly(r):
			w.Header().Set("WWW-Authenticate", `Basic realm="attune", charset="UTF-8"`)
			refuse(w, "this server requires a token", http.StatusUnauthorized)
		default:
			limited := *r // so that net/http still knows the body, and does not wait for the rest of a large one
			limited.Body = http.MaxBytesReader(plain, r.Body, s.config.Body)
			s.config.Handler.ServeHTTP(w, &limited)
		}
	}
	return http.HandlerFunc(func(plain http.ResponseWriter, r *http.Request) {
		s.observed(plain, r, func(w http.ResponseWriter) { serve(w, plain, r) })
	})
}

// named reports whether the Host of a request is a name of this server.
func (s *Server) named(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	return net.ParseIP(host) != nil || strings.EqualFold(host, "localhost") ||
		slices.ContainsFunc(s.config.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// admitted reports whether a request has the token, or needs none.
func (s *Server) admitted(r *http.Request) bool {
	return s.config.Token == "" || has(r, s.config.Token)
}

// readsOnly reports whether a request has the token that only reads.
func (s *Server) readsOnly(r *http.Request) bool {
	return s.config.ReadToken != "" && !s.admitted(r) && has(r, s.config.ReadToken)
}

// has reports whether a request has a token. A wrong token takes as long as the right one.
func has(r *http.Request, token string) bool {
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		_, given, _ = r.BasicAuth()
	}
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// limited returns a listener that limits the number of connections at once.
func limited(l net.Listener, connections int) net.Listener {
	return &limit{l, make(chan struct{}, connections)}
}

type limit struct {
	net.Listener
	open chan struct{}
}

func (l *limit) Accept() (net.Conn, error) {
	l.open <- struct{}{}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.open
		return nil, err
	}
	return &conn{Conn: c, open: l.open}, nil
}

type conn struct {
	net.Conn
	open chan struct{}
	once sync.Once
}

func (c *conn) Close() error {
	c.once.Do(func() { <-c.open })
	return c.Conn.Close()
}
