package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

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
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stderr)
	require.True(t, lines.Scan())
	_, address, ok := strings.Cut(lines.Text(), "serving a.db to Optuna's storage proxy on ")
	require.True(t, ok, lines.Text())

	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	answer, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	require.NoError(t, err)
	assert.Equal(t, grpc_health_v1.HealthCheckResponse_SERVING, answer.Status)
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
		"--grpc: listen tcp":                                  {"--grpc", "192.0.2.1:1", "--public"},
		"not a store: it is a folder":                         {"--grpc", "127.0.0.1:0", "--storage", "."},
	} {
		o := attune(t, filepath.Join(dir), append([]string{"serve"}, args...)...)
		assert.Equal(t, 1, o.code)
		assert.Equal(t, 1, countLines(o.stderr), o.stderr)
		assert.Contains(t, o.stderr, want)
	}
}
