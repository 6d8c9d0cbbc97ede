// Package e2e tests behaviour that only shows with whole processes: workers that are killed
// while they share a file.
package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

const (
	fileEnv = "ATTUNE_E2E_FILE" // makes the test binary a worker on this file
	total   = 400
)

func TestMain(m *testing.M) {
	if role, arg, ok := strings.Cut(os.Getenv("ATTUNE_E2E_HOST"), " "); ok {
		if err := host(context.Background(), role, arg); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if file := os.Getenv(fileEnv); file != "" {
		work := work
		if os.Getenv(slowEnv) != "" {
			work = workSlowly
		}
		if err := work(context.Background(), file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func open(ctx context.Context, file string) (*study.Study, error) {
	return study.Open(ctx, sqlite.File(file), "kill", study.Config{
		Sampler:  tpe.New(tpe.Config{}),
		Pruner:   pruner.Median{},
		Grace:    2 * time.Second,
		Revivals: 1000,
		Observer: study.On(func(_ context.Context, e study.Warned) { fmt.Fprintln(os.Stderr, "warning:", e.Err) }),
	})
}

func work(ctx context.Context, file string) error {
	st, err := open(ctx, file)
	if err != nil {
		return err
	}
	defer st.Close()
	x, y := space.Float("x", 0, 1), space.Int("y", 1, 9)
	o := study.Func(func(ctx context.Context, t *study.Trial) (float64, error) {
		v := x.Suggest(t) * float64(y.Suggest(t))
		for step := range 5 {
			time.Sleep(10 * time.Millisecond)
			if err := t.Report(ctx, step, v/float64(step+1)); err != nil {
				return 0, err
			}
		}
		return v, nil
	})
	return st.Optimize(ctx, o, study.Run{Total: total, Workers: 2})
}

// worker starts a process that works on the file; its output goes to log.
func worker(t *testing.T, file string, log *strings.Builder) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), fileEnv+"="+file)
	cmd.Stderr = log
	require.NoError(t, cmd.Start())
	return cmd
}

func TestWorkersAreKilledAndNothingIsLost(t *testing.T) {
	const workers, kills = 8, 40
	file := filepath.Join(t.TempDir(), "kill.db")
	rng := rand.New(rand.NewPCG(1, 2))
	logs := make([]strings.Builder, workers+kills)
	running := make([]*exec.Cmd, workers)
	started := 0
	start := func() *exec.Cmd {
		started++
		return worker(t, file, &logs[started-1])
	}
	for i := range running {
		running[i] = start()
	}
	for range kills {
		time.Sleep(time.Duration(50+rng.IntN(150)) * time.Millisecond)
		i := rng.IntN(workers)
		_ = running[i].Process.Kill() // it may have ended already
		_ = running[i].Wait()
		running[i] = start()
	}
	for _, cmd := range running {
		require.NoError(t, cmd.Wait(), "the last workers reach the total")
	}
	for i := range logs {
		assert.NotContains(t, logs[i].String(), "locked")
	}

	st, err := open(t.Context(), file)
	require.NoError(t, err)
	defer st.Close()
	h, err := st.Snapshot(t.Context())
	require.NoError(t, err)
	// The total may be reached before a killed worker has been silent for long enough.
	for h.Count(trial.Running) > 0 {
		time.Sleep(50 * time.Millisecond)
		_, err = st.Reap(t.Context())
		require.NoError(t, err)
		h, err = st.Snapshot(t.Context())
		require.NoError(t, err)
	}
	all := h.Records()
	retried := map[int]int{} // number of retries by trial
	for i, r := range all {
		assert.Equal(t, i, r.Number, "numbers have no gaps")
		var history []int
		if a, ok := r.Notes.Get("retry_history"); ok {
			require.NoError(t, a.Decode(&history))
			retried[history[len(history)-1]]++
		}
		if r.State == trial.Complete {
			assert.Len(t, r.Params.Point, 2)
			assert.Len(t, r.Reports, 5)
		}
	}
	assert.Positive(t, h.Count(trial.Failed), "some were killed")
	for _, r := range all {
		if r.State == trial.Failed {
			assert.Equal(t, 1, retried[r.Number], "trial %d was enqueued again, once", r.Number)
		}
	}
	done := h.Evaluated()
	assert.GreaterOrEqual(t, done, total)
	assert.LessOrEqual(t, done, total+workers)
	t.Logf("%d trials: %d complete, %d pruned, %d failed with their workers, %d waiting",
		len(all), h.Count(trial.Complete), h.Count(trial.Pruned), h.Count(trial.Failed), h.Count(trial.Waiting))
}
