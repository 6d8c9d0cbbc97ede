//go:build unix

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

const slowEnv = "ATTUNE_E2E_SLOW" // makes a worker slow in one trial: in "objective" or in "sampler"

// slowGrace is the grace of the worker of a slow trial.
const slowGrace = 500 * time.Millisecond

// slowly is a sampler that takes five times the grace.
type slowly struct{ sampler.Sampler }

func (s slowly) Sample(ctx context.Context, r sampler.Request) (sampler.Proposal, error) {
	time.Sleep(5 * slowGrace)
	return s.Sampler.Sample(ctx, r)
}

// workSlowly evaluates one trial that takes five times the grace.
func workSlowly(ctx context.Context, file string) error {
	var draws sampler.Sampler = random.Sampler{}
	if os.Getenv(slowEnv) == "sampler" {
		draws = slowly{draws}
	}
	st, err := study.Open(ctx, sqlite.File(file), "suspended", study.Config{
		Sampler:  draws,
		Grace:    slowGrace,
		Observer: study.On(func(_ context.Context, e study.Warned) { fmt.Fprintln(os.Stderr, "warning:", e.Err) }),
	})
	if err != nil {
		return err
	}
	defer st.Close()
	x := space.Float("x", 0, 1)
	return st.Optimize(ctx, study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
		if os.Getenv(slowEnv) == "objective" {
			time.Sleep(5 * slowGrace)
		}
		return x.Suggest(t), nil
	}), study.Run{Total: 1})
}

// A process that is suspended for longer than the grace, for example by closing a laptop,
// finds its own trial silent when it wakes up.
func TestASuspendedProcessKeepsItsTrial(t *testing.T) {
	t.Setenv(slowEnv, "objective")
	var all sync.WaitGroup
	for range 8 { // which of its tickers wakes up first is random
		file := filepath.Join(t.TempDir(), "suspended.db")
		var log strings.Builder
		cmd := worker(t, file, &log)
		all.Go(func() {
			defer func() {
				assert.NoError(t, cmd.Wait())
				assert.Empty(t, log.String())
			}()
			if !assert.NoError(t, awaitRunning(t.Context(), file)) {
				return
			}
			assert.NoError(t, cmd.Process.Signal(syscall.SIGSTOP))
			time.Sleep(3 * slowGrace)
			assert.NoError(t, cmd.Process.Signal(syscall.SIGCONT))
		})
		t.Cleanup(func() {
			v, err := study.Read(context.Background(), sqlite.File(file), "suspended")
			require.NoError(t, err)
			defer v.Close()
			h, err := v.Snapshot(context.Background())
			require.NoError(t, err)
			require.Len(t, h.Records(), 1)
			assert.Equal(t, trial.Complete, h.Records()[0].State)
		})
	}
	all.Wait()
}

// A process that is suspended while it asks loses the trial to another process, which
// considers it dead. Its run continues with the next trial.
func TestAProcessSuspendedInAskGoesOn(t *testing.T) {
	t.Setenv(slowEnv, "sampler")
	file := filepath.Join(t.TempDir(), "suspended.db")
	var log strings.Builder
	cmd := worker(t, file, &log)
	require.NoError(t, awaitRunning(t.Context(), file))
	require.NoError(t, cmd.Process.Signal(syscall.SIGSTOP))

	st, err := study.Open(t.Context(), sqlite.File(file), "suspended", study.Config{Sampler: random.Sampler{}, Grace: slowGrace})
	require.NoError(t, err)
	defer st.Close()
	for revived := false; !revived; time.Sleep(slowGrace / 10) {
		dead, err := st.Reap(t.Context())
		require.NoError(t, err)
		revived = len(dead) > 0
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGCONT))
	require.NoError(t, cmd.Wait(), "%s", &log)
	assert.Contains(t, log.String(), trial.ErrFinished.Error())

	h, err := st.Snapshot(t.Context())
	require.NoError(t, err)
	require.Len(t, h.Records(), 2)
	assert.Equal(t, trial.Failed, h.Records()[0].State)
	assert.Equal(t, trial.Complete, h.Records()[1].State)
}

// awaitRunning waits until the file has a running trial.
func awaitRunning(ctx context.Context, file string) error {
	v, err := study.Read(ctx, sqlite.File(file), "suspended")
	for ; err != nil; v, err = study.Read(ctx, sqlite.File(file), "suspended") {
		if ctx.Err() != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond) // the file, and then the study, is being created
	}
	defer v.Close()
	changes := v.Watch(ctx)
	h, err := v.Snapshot(ctx)
	if err != nil || len(h.Running()) > 0 {
		return err
	}
	for r, err := range changes {
		if err != nil || r.State == trial.Running {
			return err
		}
	}
	return ctx.Err()
}
