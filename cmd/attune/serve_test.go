package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

func TestServe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := program(t, dir, "serve", "--storage", "a.db", "--grpc", "127.0.0.1:0")
	lines, _, address := listening(t, cmd, "serving a.db to Optuna's storage proxy on ")
	healthy(t, address, "")
	if python := os.Getenv("ATTUNE_PYTHON"); python != "" {
		_, port, _ := strings.Cut(address, ":")
		out, err := exec.CommandContext(t.Context(), python, "-c", `import sys, optuna
s = optuna.storages.GrpcStorageProxy(host="127.0.0.1", port=int(sys.argv[1]))
optuna.create_study(storage=s, study_name="net").optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=3)`, port).CombinedOutput()
		require.NoError(t, err, "%s", out)
		o := attune(t, dir, "studies", "--storage", "a.db")
		assert.Contains(t, o.stdout, "net    minimize", "while it serves")
	}
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.NoError(t, cmd.Wait())
	assert.False(t, lines.Scan(), lines.Text())

	for want, args := range map[string][]string{
		"--grpc 0.0.0.0:1: other machines reach this address": {"--grpc", "0.0.0.0:1"},
		"--grpc :1: other machines reach this address":        {"--grpc", ":1"},
		"--grpc 13000: want an address and a port":            {"--grpc", "13000"},
		"--grpc 192.0.2.1:1: bind":                            {"--grpc", "192.0.2.1:1", "--public"},
		"not a store: it is a folder":                         {"--grpc", "127.0.0.1:0", "--storage", "."},
		"--listen :0: other machines reach this address: set a token in the environment variable ATTUNE_SERVE_TOKEN": {"--listen", ":0"},
		"--listen 8080: want an address and a port": {"--listen", "8080"},
		"--grace 1ms: want at least 1s":             {"--listen", "127.0.0.1:0", "--grace", "1ms"},
		"--sampler best: want one of":               {"--listen", "127.0.0.1:0", "--sampler", "best"},
	} {
		o := attune(t, filepath.Join(dir), append([]string{"serve"}, args...)...)
		assert.Equal(t, 1, o.code)
		assert.Equal(t, 1, countLines(o.stderr), o.stderr)
		assert.Contains(t, o.stderr, want)
	}
}

// listening starts a command that serves. It returns the command, its standard error, and the first line of that, which
// has the address.
func listening(t *testing.T, cmd *exec.Cmd, before string) (lines *bufio.Scanner, says, at string) {
	t.Helper()
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines = bufio.NewScanner(stderr)
	require.True(t, lines.Scan())
	says, at, ok := strings.Cut(lines.Text(), before)
	require.True(t, ok, lines.Text())
	return lines, says, at
}

// healthy asks a service over gRPC whether it serves.
func healthy(t *testing.T, address, service string) {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	answer, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
	require.NoError(t, err)
	assert.Equal(t, grpc_health_v1.HealthCheckResponse_SERVING, answer.Status)
}

// servedHTTP starts attune serve --listen, and returns its URL. The caller calls stop, which
// interrupts it and waits.
func servedHTTP(t *testing.T, dir string, env ...string) (url string, stop func()) {
	t.Helper()
	cmd := program(t, dir, "serve", "--storage", "a.db", "--listen", "127.0.0.1:0", "--sampler", "random")
	cmd.Env = append(cmd.Env, env...)
	lines, says, url := listening(t, cmd, " on http://")
	assert.Equal(t, len(env) == 0, strings.Contains(says, "this machine, without a token"), says)
	return "http://" + strings.TrimSuffix(url, "/"), func() {
		assert.NoError(t, cmd.Process.Signal(os.Interrupt))
		assert.False(t, lines.Scan(), lines.Text())
		assert.NoError(t, cmd.Wait())
	}
}

// The workers in examples/workers work against the real command.
func TestServeWorkers(t *testing.T) {
	t.Parallel()
	const token = "ATTUNE_SERVE_TOKEN=secret"
	for _, c := range []struct{ program, needs, script, study string }{
		{"bash", "curl", "worker.sh", "shell"},
		{"python3", "python3", "worker.py", "python"},
	} {
		t.Run(c.script, func(t *testing.T) {
			t.Parallel()
			for _, needs := range []string{c.program, c.needs} {
				if _, err := exec.LookPath(needs); err != nil {
					require.Empty(t, os.Getenv("ATTUNE_REQUIRE_CURL"), "%v", err)
					t.Skipf("%s is not installed: apt-get install bash curl python3", needs)
				}
			}
			dir := t.TempDir()
			url, stop := servedHTTP(t, dir, token)
			defer stop()
			script, err := filepath.Abs(filepath.Join("..", "..", "examples", "workers", c.script))
			require.NoError(t, err)
			var all sync.WaitGroup
			for range 2 {
				all.Go(func() {
					cmd := exec.CommandContext(t.Context(), c.program, script, url, "3")
					cmd.Env = append(os.Environ(), token)
					out, err := cmd.CombinedOutput()
					assert.NoError(t, err, "%s", out)
					assert.Regexp(t, `^best: trial [0-5]`, string(out))
				})
			}
			all.Wait()
			o := attune(t, dir, "trials", "--storage", "a.db", "--study", c.study, "--format", "csv")
			assert.Equal(t, 6, strings.Count(o.stdout, ",complete,")+strings.Count(o.stdout, ",pruned,"), "%s%s", o.stdout, o.stderr)
			cmd := exec.CommandContext(t.Context(), c.program, script, url, "1")
			cmd.Env = append(os.Environ(), "ATTUNE_SERVE_TOKEN=wrong")
			out, err := cmd.CombinedOutput()
			assert.Error(t, err)
			assert.Contains(t, string(out), "401")
		})
	}
}

// A token that only reads, and what is refused before the service, have errors of the same form.
// The command ends gracefully while a stream is open.
func TestServeTokens(t *testing.T) {
	t.Parallel()
	url, stop := servedHTTP(t, t.TempDir(), "ATTUNE_SERVE_TOKEN=write", "ATTUNE_SERVE_READ_TOKEN=read")
	defer stop()
	send := func(method, path, token, host string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(`{"parameters": [{"name": "x", "type": "float", "low": 0, "high": 1}]}`))
		require.NoError(t, err)
		r.Host = host
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		if resp.StatusCode == 200 && strings.HasSuffix(path, "/changes") {
			t.Cleanup(func() { resp.Body.Close() })
			return 200, ""
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(body)
	}
	for _, c := range []struct {
		name, method, path, token, host string
		code                            int
		says                            string
	}{
		{"health", "GET", "/healthz", "", "pod.example", 200, "ok"},
		{"no token", "GET", "/v1/studies", "", "", 401, "Authorization: Bearer"},
		{"a wrong token", "GET", "/v1/studies", "writ", "", 401, "Authorization: Bearer"},
		{"writing with the token that reads", "PUT", "/v1/studies/net", "read", "", 403, "the token that also writes"},
		{"writing", "PUT", "/v1/studies/net", "write", "", 201, "net"},
		{"reading", "GET", "/v1/studies", "read", "", 200, "net"},
		{"another name", "GET", "/v1/studies", "read", "evil.example", 421, "--host"},
		{"a stream", "GET", "/v1/studies/net/changes", "read", "", 200, ""},
	} {
		code, body := send(c.method, c.path, c.token, c.host)
		assert.Equal(t, c.code, code, c.name)
		assert.Contains(t, body, c.says, c.name)
		assert.Equal(t, code >= 400, strings.Contains(body, `"hint":`), c.name)
	}
	cmd := program(t, t.TempDir(), "serve", "--listen", "127.0.0.1:0")
	cmd.Env = append(cmd.Env, "ATTUNE_SERVE_READ_TOKEN=read")
	out, err := cmd.CombinedOutput()
	assert.Error(t, err)
	assert.Contains(t, string(out), "ATTUNE_SERVE_READ_TOKEN is set, but not ATTUNE_SERVE_TOKEN")
}

// Every command can use attune serve as its storage: with the read-only token to read, and with the other to work.
func TestServeStorage(t *testing.T) {
	t.Parallel()
	url, stop := servedHTTP(t, t.TempDir(), "ATTUNE_SERVE_TOKEN=write", "ATTUNE_SERVE_READ_TOKEN=read")
	defer stop()
	dir, run := scripted(t, square, "--trials", "6", "--workers", "2", "--quiet", "--name", "net", "--storage", url)
	call := func(token string, args ...string) (string, bool) {
		cmd := program(t, dir, args...)
		cmd.Env = append(cmd.Environ(), "ATTUNE_SERVE_TOKEN="+token)
		out, err := cmd.CombinedOutput()
		return string(out), err == nil
	}
	out, ok := call("write", run...)
	assert.True(t, ok, out)
	for _, token := range []string{"read", "write"} {
		out, ok = call(token, "trials", "--storage", url, "--study", "net", "--format", "csv")
		assert.True(t, ok, out)
		assert.Equal(t, 6, strings.Count(out, ",complete,"), out)
	}
	for token, says := range map[string]string{
		"":      "access denied: the server requires a token: set the variable ATTUNE_SERVE_TOKEN",
		"wrong": "access denied: the server does not know this token",
		"read":  "access denied: this token only reads",
	} {
		out, ok = call(token, with(run, "--name", "other")...)
		assert.False(t, ok, out)
		assert.Contains(t, out, says)
	}
}

// With a certificate, serve speaks TLS. It has metrics, and logs its requests where it is told to.
func TestServeObserved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certify(t, dir)
	cmd := program(t, dir, "serve", "--storage", "a.db", "--listen", "127.0.0.1:0", "--tls-cert", "cert.pem", "--tls-key", "key.pem", "--log", "json")
	lines, _, at := listening(t, cmd, " on https://")

	call := program(t, dir, "studies", "--storage", "https://"+at)
	call.Env = append(call.Environ(), "SSL_CERT_FILE=cert.pem")
	out, err := call.CombinedOutput()
	assert.NoError(t, err)
	assert.Contains(t, string(out), "study  objective")
	out, err = program(t, dir, "studies", "--storage", "https://"+at).CombinedOutput()
	assert.Error(t, err)
	assert.Contains(t, string(out), "certificate signed by unknown authority")
	curl := program(t, dir, "studies", "--storage", "http://"+at) // not https
	out, err = curl.CombinedOutput()
	assert.Error(t, err)
	assert.Contains(t, string(out), "400 Bad Request")

	roots := x509.NewCertPool()
	pem, err := os.ReadFile(filepath.Join(dir, "cert.pem"))
	require.NoError(t, err)
	require.True(t, roots.AppendCertsFromPEM(pem))
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	for _, path := range []string{"v1/studies/none", "metrics"} {
		resp, err := client.Get("https://" + at + path)
		require.NoError(t, err)
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		if path == "metrics" {
			for _, want := range []string{`{code="404",route="GET /v1/studies/{study}"} 1`, `{code="200",route="GET /ledger/v1/studies"} 1`} {
				assert.True(t, strings.Contains(string(text), "attune_requests_total"+want), "%s", want)
			}
		}
	}
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	logged := ""
	for lines.Scan() {
		logged += lines.Text() + "\n"
	}
	require.NoError(t, cmd.Wait())
	assert.Contains(t, logged, `"msg":"request","route":"GET /v1/studies/{study}","code":"404"`)

	for want, args := range map[string][]string{
		"--tls-cert none.pem, --tls-key key.pem: no certificate": {"--tls-cert", "none.pem", "--tls-key", "key.pem"},
		"--tls-cert cert.pem, --tls-key '': no certificate":      {"--tls-cert", "cert.pem"},
		"--log all: want one of":                                 {"--log", "all"},
	} {
		o := attune(t, dir, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
		assert.Equal(t, 1, o.code)
		assert.Contains(t, o.stderr, want)
	}
}

// certify writes a certificate for this machine and its key into a folder.
func certify(t *testing.T, dir string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	form := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &private.PublicKey, private)
	require.NoError(t, err)
	key, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: key}} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600))
	}
}

// Both protocols are served at once, on one storage.
func TestServeBoth(t *testing.T) {
	t.Parallel()
	cmd := program(t, t.TempDir(), "serve", "--storage", "a.db", "--listen", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
	lines, _, _ := listening(t, cmd, "Optuna's storage proxy on 127.0.0.1:")
	require.True(t, lines.Scan())
	assert.Contains(t, lines.Text(), "workers on this machine, without a token, on http://127.0.0.1:")
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	assert.False(t, lines.Scan(), lines.Text())
	require.NoError(t, cmd.Wait())
}
