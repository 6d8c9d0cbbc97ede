package web_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/attune-hpo/attune/internal/web"
)

// running returns the URL of a server that runs until the test ends.
func running(t *testing.T, c web.Config) string {
	t.Helper()
	c.Addr = "127.0.0.1:0"
	s, err := web.Listen(c)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		assert.NoError(t, <-ended)
	})
	return s.URL()
}

func get(t *testing.T, url string, change func(*http.Request)) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	if change != nil {
		change(r)
	}
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

var hello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })

func TestGuard(t *testing.T) {
	open := running(t, web.Config{Handler: hello, Hosts: []string{"tuning.example"}})
	closed := running(t, web.Config{Handler: hello, Token: "secret"})
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	for _, c := range []struct {
		name   string
		url    string
		change func(*http.Request)
		code   int
	}{
		{"plain", open, nil, 200},
		{"localhost", open, host("localhost:9"), 200},
		{"an address of version 6", open, host("[::1]:9"), 200},
		{"a name of its own", open, host("Tuning.example"), 200},
		{"another site's name", open, host("evil.example"), 421},
		{"no token", closed, nil, 401},
		{"a wrong token", closed, func(r *http.Request) { r.Header.Set("Authorization", "Bearer secrets") }, 401},
		{"an empty token", closed, func(r *http.Request) { r.SetBasicAuth("", "") }, 401},
		{"a bearer", closed, func(r *http.Request) { r.Header.Set("Authorization", "Bearer secret") }, 200},
		{"a password", closed, func(r *http.Request) { r.SetBasicAuth("anyone", "secret") }, 200},
		{"a token, and another site's name", closed, func(r *http.Request) { r.SetBasicAuth("", "secret"); r.Host = "evil.example" }, 421},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, body := get(t, c.url, c.change)
			assert.Equal(t, c.code, code)
			assert.Equal(t, c.code == 200, body == "hello")
		})
	}
}

// A second token only allows reading, and a path for health checks requires none.
func TestReadToken(t *testing.T) {
	url := running(t, web.Config{Handler: hello, Token: "secret", ReadToken: "look", Health: "/healthz",
		Refuse: func(w http.ResponseWriter, text string, code int) { http.Error(w, "refused: "+text, code) }})
	for _, c := range []struct {
		name, method, path, token string
		code                      int
	}{
		{"reading with the token that reads", "GET", "a", "look", 200},
		{"its head", "HEAD", "a", "look", 200},
		{"writing with the token that reads", "POST", "a", "look", 403},
		{"writing with the other", "POST", "a", "secret", 200},
		{"no token", "GET", "a", "", 401},
		{"writing without a token", "POST", "a", "", 401},
		{"health", "GET", "healthz", "", 200},
		{"below health", "GET", "healthz/a", "", 401},
		{"writing health", "POST", "healthz", "", 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, body := get(t, url+c.path, func(r *http.Request) {
				r.Method = c.method
				if c.token != "" {
					r.Header.Set("Authorization", "Bearer "+c.token)
				}
			})
			assert.Equal(t, c.code, code)
			assert.Equal(t, c.code != 200, strings.HasPrefix(body, "refused: "))
		})
	}
	code, _ := get(t, url+"healthz", func(r *http.Request) { r.Host = "a.pod.example" })
	assert.Equal(t, 200, code, "whatever the host")
}

// A body that is too large is refused before the rest of it arrives.
func TestLargeBody(t *testing.T) {
	url := running(t, web.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	})})
	conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1073741824\r\n\r\n")
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, 413, resp.StatusCode)
}

func TestListen(t *testing.T) {
	for addr, want := range map[string]error{"8080": web.ErrAddr, "": web.ErrAddr, ":0": web.ErrToken, "0.0.0.0:0": web.ErrToken, "10.1.2.3:0": web.ErrToken} {
		_, err := web.Listen(web.Config{Addr: addr, Handler: hello})
		require.ErrorIs(t, err, want, addr)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	_, err = web.Listen(web.Config{Addr: taken.Addr().String(), Handler: hello})
	var op *net.OpError
	require.ErrorAs(t, err, &op)
}

// A stream ends with the server, and a request that does not heed its context is cut off.
func TestEnd(t *testing.T) {
	began := make(chan string, 2)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began <- r.URL.Path
		http.NewResponseController(w).Flush()
		if r.URL.Path == "/stream" {
			<-r.Context().Done()
			io.WriteString(w, "bye")
			return
		}
		<-t.Context().Done() // long after
	})
	s, err := web.Listen(web.Config{Addr: "127.0.0.1:0", Handler: h, Grace: 50 * time.Millisecond})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	bodies := make(chan string, 2)
	for _, path := range []string{"stream", "deaf"} {
		go func() {
			resp, err := http.Get(s.URL() + path)
			if err != nil {
				bodies <- err.Error()
				return
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			bodies <- path + string(body)
		}()
	}
	<-began
	<-began
	stop()
	require.NoError(t, <-ended)
	both := <-bodies + " " + <-bodies
	assert.True(t, strings.Contains(both, "streambye") && strings.Contains(both, "deaf"), both)
	_, err = net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(s.URL(), "http://"), "/"))
	require.Error(t, err)
}

// certify writes a certificate for this machine, and its key.
func certify(t *testing.T, certificate, key string, serial int64) *x509.Certificate {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	form := &x509.Certificate{SerialNumber: big.NewInt(serial), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &private.PublicKey, private)
	require.NoError(t, err)
	text, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}), 0o600))
	require.NoError(t, os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	out, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return out
}

// A server speaks TLS, with a certificate that may be replaced while it runs.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	certificate, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	_, err := web.Listen(web.Config{Addr: "127.0.0.1:0", Handler: hello, Certificate: certificate, Key: key})
	require.ErrorIs(t, err, web.ErrCertificate)
	first := certify(t, certificate, key, 1)
	url := running(t, web.Config{Handler: hello, Certificate: certificate, Key: key})
	require.True(t, strings.HasPrefix(url, "https://"), url)
	get := func(trusted *x509.Certificate) (int64, error) {
		roots := x509.NewCertPool()
		roots.AddCert(trusted)
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
		defer transport.CloseIdleConnections()
		resp, err := (&http.Client{Transport: transport}).Get(url)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		return resp.TLS.PeerCertificates[0].SerialNumber.Int64(), nil
	}
	serial, err := get(first)
	require.NoError(t, err)
	assert.EqualValues(t, 1, serial)
	require.NoError(t, os.WriteFile(key, []byte("half of a ke"), 0o600))
	_, err = get(first)
	require.NoError(t, err, "what cannot be read replaces nothing")
	second := certify(t, certificate, key, 2)
	later := time.Now().Add(time.Minute)
	require.NoError(t, os.Chtimes(certificate, later, later))
	serial, err = get(second)
	require.NoError(t, err)
	assert.EqualValues(t, 2, serial)
	_, err = get(first)
	require.Error(t, err)
}

// Requests are counted by route and status, and logged.
func TestObserver(t *testing.T) {
	var log lines
	o := web.NewObserver(slog.New(slog.NewJSONHandler(&log, nil)))
	mux := http.NewServeMux()
	mux.Handle("GET /hello/{name}", hello)
	mux.Handle("GET /metrics", o.Metrics())
	mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("oh") })
	mux.HandleFunc("GET /flush", func(w http.ResponseWriter, _ *http.Request) { assert.NoError(t, http.NewResponseController(w).Flush()) })
	url := running(t, web.Config{Handler: mux, Token: "secret", ReadToken: "look", Observer: o, Route: func(r *http.Request) string {
		_, route := mux.Handler(r)
		return route
	}})
	token := func(r *http.Request) { r.Header.Set("Authorization", "Bearer look") }
	for _, path := range []string{"hello/a", "hello/b", "nothing", "flush"} {
		get(t, url+path, token)
	}
	get(t, url+"hello/c", nil)
	r, err := http.NewRequest("GET", url+"panic", nil)
	require.NoError(t, err)
	token(r)
	_, err = http.DefaultClient.Do(r)
	require.Error(t, err)
	code, metrics := get(t, url+"metrics", token)
	assert.Equal(t, 200, code)
	for _, want := range []string{
		`attune_requests_total{code="200",route="GET /hello/{name}"} 2`,
		`attune_requests_total{code="401",route="GET /hello/{name}"} 1`,
		`attune_requests_total{code="404",route="other"} 1`,
		`attune_requests_total{code="panic",route="GET /panic"}`, // net/http may send it twice
		`attune_request_seconds_count{route="GET /hello/{name}"} 3`,
		"attune_requests_running 1", "go_goroutines",
	} {
		assert.True(t, strings.Contains(metrics, want), want)
	}
	assert.False(t, strings.Contains(metrics, "secret"))
	assert.NotContains(t, log.String(), "secret")
	assert.Contains(t, log.String(), `"level":"INFO","msg":"request","route":"GET /hello/{name}","code":"200"`)
	assert.Contains(t, log.String(), `"level":"ERROR","msg":"panic","route":"GET /panic","value":"oh"`)
}

// lines is a log.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A server of gRPC answers health checks, observes calls, survives panics, and ends gracefully.
func TestGRPC(t *testing.T) {
	for addr, want := range map[string]error{"8080": web.ErrAddr, ":0": web.ErrToken} {
		_, err := web.ListenGRPC(web.GRPCConfig{Addr: addr})
		require.ErrorIs(t, err, want, addr)
	}
	var log lines
	o := web.NewObserver(slog.New(slog.NewTextHandler(&log, nil)))
	call := func(method string, f func() (*emptypb.Empty, error)) grpc.MethodDesc {
		return grpc.MethodDesc{MethodName: method, Handler: func(_ any, ctx context.Context, read func(any) error, call grpc.UnaryServerInterceptor) (any, error) {
			in := new(emptypb.Empty)
			if err := read(in); err != nil {
				return nil, err
			}
			return call(ctx, in, &grpc.UnaryServerInfo{FullMethod: "/test/" + method}, func(context.Context, any) (any, error) { return f() })
		}}
	}
	entered, leave := make(chan struct{}), make(chan struct{})
	s, err := web.ListenGRPC(web.GRPCConfig{Addr: "127.0.0.1:0", Health: "test", Observer: o, Register: func(r grpc.ServiceRegistrar) {
		r.RegisterService(&grpc.ServiceDesc{ServiceName: "test", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{
			call("Panic", func() (*emptypb.Empty, error) { panic("oh") }),
			call("Slow", func() (*emptypb.Empty, error) {
				close(entered)
				<-leave
				return new(emptypb.Empty), nil
			}),
		}}, nil)
	}})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	conn, err := grpc.NewClient(s.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	health, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "test"})
	require.NoError(t, err)
	assert.Equal(t, grpc_health_v1.HealthCheckResponse_SERVING, health.Status)
	err = conn.Invoke(t.Context(), "/test/Panic", new(emptypb.Empty), new(emptypb.Empty))
	assert.Equal(t, codes.Internal, status.Code(err))
	large := wrapperspb.Bytes(make([]byte, 5<<20))
	err = conn.Invoke(t.Context(), "/test/Panic", large, new(emptypb.Empty))
	assert.Equal(t, codes.ResourceExhausted, status.Code(err))
	slow := make(chan error, 1)
	go func() { slow <- conn.Invoke(t.Context(), "/test/Slow", new(emptypb.Empty), new(emptypb.Empty)) }()
	<-entered
	stop()
	close(leave)
	require.NoError(t, <-slow, "what was begun is ended")
	require.NoError(t, <-ended)
	assert.Contains(t, log.String(), "level=ERROR msg=request route=/test/Panic code=Internal")
	assert.Contains(t, log.String(), "route=/test/Slow code=OK")
}
