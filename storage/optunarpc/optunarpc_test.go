package optunarpc_test

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/attune-hpo/attune/internal/dev/servertest"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/storage/mysql"
	"github.com/attune-hpo/attune/storage/optunarpc"
	"github.com/attune-hpo/attune/storage/postgres"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// serve serves a store, and returns the port.
func serve(t *testing.T, s storage.Store) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server, service := grpc.NewServer(), optunarpc.New(s)
	service.Register(server)
	var done sync.WaitGroup
	done.Go(func() {
		if err := server.Serve(l); !errors.Is(err, grpc.ErrServerStopped) { // before it had begun
			assert.NoError(t, err)
		}
	})
	t.Cleanup(func() {
		server.Stop()
		done.Wait()
		assert.NoError(t, service.Close())
	})
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// python returns a run of a script of testdata.
func python(t *testing.T, script string, args ...string) *exec.Cmd {
	t.Helper()
	exe := os.Getenv("ATTUNE_PYTHON")
	if exe == "" {
		t.Skip("ATTUNE_PYTHON names no Python that has optuna 5 and grpcio: set it to what scripts/venv.sh prints")
	}
	return exec.CommandContext(t.Context(), exe, append([]string{filepath.Join("testdata", script)}, args...)...)
}

// Optuna's client gets the answers and exceptions of Optuna's own storage, whatever it does.
func TestTwin(t *testing.T) {
	for name, store := range map[string]func(t *testing.T) storage.Store{
		"memory":     func(*testing.T) storage.Store { return new(memory.Store) },
		"SQLite":     func(t *testing.T) storage.Store { return sqlite.File(filepath.Join(t.TempDir(), "a.db")) },
		"PostgreSQL": func(t *testing.T) storage.Store { return postgres.Database(servertest.PostgresReused(t)) },
		"MariaDB":    func(t *testing.T) storage.Store { return mysql.Database(servertest.MySQLReused(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			port := serve(t, store(t))
			for seed := range 2 {
				out, err := python(t, "twin.py", port, strconv.Itoa(seed)).CombinedOutput()
				require.NoError(t, err, "seed %d: %s", seed, out)
			}
		})
	}
}

// An enqueued value outside its distribution, which Optuna would use, is refused with a message.
func TestOutside(t *testing.T) {
	port := serve(t, new(memory.Store))
	out, err := python(t, "outside.py", port).CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), `parameter "x": 20 is not in float [0, 1]`)
	assert.Contains(t, string(out), "next 0.5", "the study goes on")
}

// Workers in Python and in Go share a study, and every trial that was enqueued is
// evaluated once.
func TestTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	st, err := study.Create(t.Context(), sqlite.File(path), "shared", study.Config{Sampler: random.Sampler{}})
	require.NoError(t, err)
	defer st.Close()
	x := space.Float("x", 0, 1)
	const enqueued, pythons, each, goers = 40, 3, 20, 20
	for n := range enqueued {
		_, err := st.Enqueue(t.Context(), x.At(float64(n)/enqueued))
		require.NoError(t, err)
	}
	port := serve(t, sqlite.File(path))
	var all sync.WaitGroup
	for range pythons {
		cmd := python(t, "work.py", port, "shared", strconv.Itoa(each))
		all.Go(func() {
			out, err := cmd.CombinedOutput()
			assert.NoError(t, err, "%s", out)
		})
	}
	require.NoError(t, st.Optimize(t.Context(), study.Func(func(ctx context.Context, tr *study.Trial) (float64, error) {
		tr.SetAttr("by", "go")
		return x.Suggest(tr), nil
	}), study.Run{Trials: goers}))
	all.Wait()
	h, err := st.Snapshot(t.Context())
	require.NoError(t, err)
	require.Len(t, h.Records(), pythons*each+goers)
	assert.Zero(t, h.Count(trial.Running)+h.Count(trial.Waiting)+h.Count(trial.Failed))
	for _, r := range h.Records()[:enqueued] {
		assert.Equal(t, float64(r.Number)/enqueued, r.Params.Point[0])
	}
}
