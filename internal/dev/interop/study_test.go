package interop_test

import (
	"bufio"
	"context"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

var x = space.Float("x", 0, 1)

// On SQLite, Optuna may take a waiting trial that already has a worker. That costs the
// trial, but the run continues.
func TestATrialThatPythonTakesCostsNoRun(t *testing.T) {
	interpreter(t)
	path := filepath.Join(t.TempDir(), "study.db")
	var warnings []error
	st, err := study.Create(t.Context(), sqlite.File(path), "shared", study.Config{
		Sampler:  random.Sampler{},
		Observer: study.On(func(_ context.Context, e study.Warned) { warnings = append(warnings, e.Err) }),
	})
	require.NoError(t, err)
	defer st.Close()
	for range 3 {
		_, err := st.Enqueue(t.Context(), x.At(0.75))
		require.NoError(t, err)
	}
	require.NoError(t, st.Optimize(t.Context(), study.Func(func(_ context.Context, tr *study.Trial) (float64, error) {
		if tr.Number() == 1 {
			python(t, "claim.py", path, "shared", strconv.Itoa(tr.Number()))
		}
		return x.Suggest(tr), nil
	}), study.Run{Trials: 3}))
	require.Len(t, warnings, 1)
	require.ErrorIs(t, warnings[0], space.ErrMismatch)

	h, err := st.Snapshot(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 2, h.Count(trial.Complete))
	for _, n := range []int{0, 2} {
		assert.Equal(t, []float64{0.75}, h.Records()[n].Values)
	}
}

// While another process holds the lock for longer than BusyTimeout, values are kept,
// and are written afterwards.
func TestALockThatPythonHoldsLosesNoValue(t *testing.T) {
	exe := interpreter(t)
	path := filepath.Join(t.TempDir(), "study.db")
	busy := make(chan struct{}, 1)
	st, err := study.Create(t.Context(), &sqlite.Store{Path: path, BusyTimeout: 50 * time.Millisecond}, "shared", study.Config{
		Sampler: random.Sampler{},
		Grace:   time.Second, // leases are renewed four times as often, and warn of the lock
		Observer: study.On(func(_ context.Context, e study.Warned) {
			assert.ErrorIs(t, e.Err, storage.ErrBusy)
			select {
			case busy <- struct{}{}:
			default:
			}
		}),
	})
	require.NoError(t, err)
	defer st.Close()

	const workers = 4
	running, locked := make(chan struct{}, workers), make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() {
		for range workers {
			<-running
		}
		cmd := exec.CommandContext(t.Context(), exe, filepath.Join("testdata", "lock.py"), path)
		in, err := cmd.StdinPipe()
		assert.NoError(t, err)
		out, err := cmd.StdoutPipe()
		assert.NoError(t, err)
		assert.NoError(t, cmd.Start())
		line, err := bufio.NewReader(out).ReadString('\n')
		assert.NoError(t, err)
		assert.Equal(t, "locked\n", line)
		close(locked) // the workers have their values but cannot write them
		<-busy
		_, err = in.Write([]byte("go\n"))
		assert.NoError(t, err)
		assert.NoError(t, cmd.Wait())
	})
	require.NoError(t, st.Optimize(t.Context(), study.Func(func(_ context.Context, tr *study.Trial) (float64, error) {
		if tr.Number() < workers {
			running <- struct{}{}
			<-locked
		}
		return float64(tr.Number()), nil
	}), study.Run{Trials: 2 * workers, Workers: workers}))
	others.Wait()

	rs, err := st.Snapshot(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2*workers, rs.Count(trial.Complete))
	for i, r := range rs.Records() {
		assert.Equal(t, []float64{float64(i)}, r.Values)
	}
}
