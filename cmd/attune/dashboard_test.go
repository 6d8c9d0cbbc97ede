package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"html"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/registry"
)

// The dashboard serves until it is interrupted, and then exits with status 0.
func TestDashboard(t *testing.T) {
	t.Parallel()
	dir := studies(t)
	cmd := program(t, dir, "dashboard", "--listen", "127.0.0.1:0", "--prefix", "/tuning")
	root, end := browsed(t, cmd)
	require.Regexp(t, `^http://127.0.0.1:\d+/tuning/$`, root)
	get := func(url string) (int, string) {
		resp, err := http.Get(url)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(body)
	}
	for _, at := range []string{root, strings.TrimSuffix(root, "/")} {
		code, body := get(at)
		assert.Equal(t, 200, code)
		assert.Contains(t, body, ">bowl</a>", at)
	}
	code, body := get(root + "study?name=trade")
	assert.Equal(t, 200, code)
	assert.Contains(t, body, "Pareto front")
	code, _ = get(strings.TrimSuffix(root, "tuning/"))
	assert.Equal(t, 404, code)
	end()
}

// browsed starts attune dashboard, and returns its URL. end interrupts it, and requires that it exits with status 0.
func browsed(t *testing.T, cmd *exec.Cmd) (root string, end func()) {
	t.Helper()
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err, &stderr)
	root, ok := strings.CutPrefix(strings.TrimSpace(line), "attune.db: ")
	require.True(t, ok, line)
	return root, func() {
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
		require.NoError(t, cmd.Wait(), &stderr)
		assert.Empty(t, stderr.String())
	}
}

func TestDashboardBadInput(t *testing.T) {
	t.Parallel()
	dir := studies(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	port := taken.Addr().String()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("no database"), 0o644))
	for args, want := range map[string]string{
		"--listen 8080":          "--listen 8080: want an address and a port, such as 127.0.0.1:8080",
		"--listen :0":            "--listen :0: other machines reach this address: set a token in the environment variable ATTUNE_DASHBOARD_TOKEN",
		"--listen " + port:       "--listen " + port + ": another program listens there: choose another port, or 0 for any free one",
		"--listen 127.0.0.1:xyz": "--listen 127.0.0.1:xyz: lookup tcp/xyz: unknown port",
		"--prefix tuning":        "--prefix tuning: want a path that begins with a slash and does not end with one",
		"--storage notes.txt":    "list studies in notes.txt: not a store: it is not a SQLite database: it has only 11 bytes: set --storage to another file",
		"--storage none.db":      "none.db: no such file: attune optimize and attune run create it; name another one with --storage",
	} {
		o := attune(t, dir, append([]string{"dashboard"}, strings.Fields(args)...)...)
		assert.Equal(t, 1, o.code, args)
		assert.Equal(t, "attune: "+want+"\n", o.stderr, args)
	}
	assert.Contains(t, succeed(t, dir, "dashboard", "--help"), "Examples:\n  attune dashboard\n")
}

// A study of forecasters has a page about its model, which also says what is missing.
func TestDashboardModel(t *testing.T) {
	t.Parallel()
	dir, native := tunedModel(t)
	r, err := registry.Open(filepath.Join(dir, "models"))
	require.NoError(t, err)
	for _, of := range []string{"air-passengers/lightgbm", "another"} {
		v, err := r.Put(t.Context(), "air", registry.Draft{Files: map[string]io.Reader{registry.ONNX: strings.NewReader("a model")}, Note: "of " + of,
			Meta: map[string]string{"attune.study": of, "attune.trial": "0"}})
		require.NoError(t, err)
		require.NoError(t, r.Promote(t.Context(), "air", v.Number))
	}
	began := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	require.NoError(t, r.Compared(t.Context(), "air", registry.Comparison{Live: 2, Shadow: 1, Since: began, Until: began.Add(time.Hour), Rows: 400, Disagreements: 3, Failures: 1}))
	page := func() string {
		cmd := program(t, dir, "dashboard", "--listen", "127.0.0.1:0", "--registry", "models")
		root, end := browsed(t, cmd)
		defer end()
		get := func(url string) string {
			resp, err := http.Get(url)
			require.NoError(t, err)
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			assert.Equal(t, 200, resp.StatusCode, string(body))
			return string(body)
		}
		const study = "name=air-passengers%2Flightgbm"
		assert.Contains(t, get(root+"study?"+study), `href="model?`+study)
		assert.Contains(t, get(root+"study?"+study), "kind=backtest")
		text := get(root + "model?" + study)
		for _, m := range regexp.MustCompile(`src="(model\.svg[^"]*)"`).FindAllStringSubmatch(text, -1) {
			assert.Contains(t, get(root+html.UnescapeString(m[1])), "</svg>")
		}
		return text
	}
	text := page()
	for _, want := range []string{"Forecast", "Backtest", "Beside baselines", "Importance of the features", "Use it", "Registry", "In the shadow"} {
		assert.Contains(t, text, ">"+want+"</h2>")
	}
	assert.Contains(t, text, "By trial 0, fitted to all data.")
	assert.Regexp(t, `<th scope="row">lightgbm</th><td>[\d.]+</td>`, text)
	assert.Regexp(t, `<th scope="row">[a-z ]*naive[^<]*</th><td>[\d.]+</td>`, text)
	assert.Contains(t, text, "attune export --storage attune.db --study air-passengers/lightgbm --output model.onnx")
	assert.Regexp(t, `<th scope="row">air</th><td>1</td><td>0</td><td>[^<]* UTC</td><td></td><td>model.onnx</td><td>of air-passengers/lightgbm</td>`, text)
	assert.NotContains(t, text, "of another")
	assert.Contains(t, text, `<th scope="row">air</th><td>1</td><td>2</td><td>400</td><td>3 (0.75 %)</td><td>1</td><td>0</td><td>2026-03-01 09:00:00 UTC</td><td>2026-03-01 10:00:00 UTC</td>`)

	require.NoError(t, os.Rename(filepath.Join(dir, "air.csv"), filepath.Join(dir, "moved.csv")))
	require.NoError(t, os.Remove(filepath.Join(dir, native)))
	text = page()
	assert.Contains(t, text, `alt="Backtest"`, "it needs neither the data nor the model")
	assert.Contains(t, text, "No model is fitted to all data yet: attune predict fits one.")
	assert.Regexp(t, `Beside baselines</h2>\n<p class="text">[^<]*no such file`, text)
}

// With a certificate the dashboard speaks TLS, and the second token only reads.
func TestDashboardTLS(t *testing.T) {
	t.Parallel()
	dir := studies(t)
	certify(t, dir)
	cmd := program(t, dir, "dashboard", "--listen", "127.0.0.1:0", "--tls-cert", "cert.pem", "--tls-key", "key.pem", "--write")
	cmd.Env = append(cmd.Environ(), "ATTUNE_DASHBOARD_TOKEN=writes", "ATTUNE_DASHBOARD_READ_TOKEN=reads")
	root, end := browsed(t, cmd)
	defer end()
	require.Regexp(t, "^https://", root)
	pem, err := os.ReadFile(filepath.Join(dir, "cert.pem"))
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(pem))
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	status := func(method, token string) int {
		r, err := http.NewRequestWithContext(t.Context(), method, root+map[string]string{"GET": "", "POST": "note"}[method], nil)
		require.NoError(t, err)
		r.SetBasicAuth("anybody", token)
		resp, err := client.Do(r)
		require.NoError(t, err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		if method == "POST" && token == "reads" {
			assert.Contains(t, string(text), "this token only reads")
		}
		return resp.StatusCode
	}
	assert.Equal(t, 401, status("GET", "wrong"))
	assert.Equal(t, 200, status("GET", "reads"))
	assert.Equal(t, 200, status("GET", "writes"))
	assert.Equal(t, 403, status("POST", "reads"))
	assert.Equal(t, 403, status("POST", "writes"), "the form lacks its secret")

	for want, env := range map[string][]string{
		"attune: --tls-cert none.pem, --tls-key key.pem: ":                                                   nil,
		"attune: ATTUNE_DASHBOARD_READ_TOKEN is set, but not ATTUNE_DASHBOARD_TOKEN: set both, or neither\n": {"ATTUNE_DASHBOARD_READ_TOKEN=x"},
	} {
		bad := program(t, dir, "dashboard", "--listen", "127.0.0.1:0", "--tls-cert", "none.pem", "--tls-key", "key.pem")
		bad.Env = append(bad.Environ(), env...)
		out, err := bad.CombinedOutput()
		require.Error(t, err)
		assert.Contains(t, string(out), want)
	}
}
