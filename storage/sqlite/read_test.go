package sqlite

import (
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

// sums returns a checksum of each file in a folder.
func sums(t *testing.T, dir string) map[string][sha256.Size]byte {
	t.Helper()
	out := map[string][sha256.Size]byte{}
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		require.NoError(t, err)
		out[f.Name()] = sha256.Sum256(data)
	}
	return out
}

func TestReadingChangesNoFile(t *testing.T) {
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	crash := t.TempDir()
	whole := filepath.Join(t.TempDir(), "a.db")
	writer, err := File(whole).Create(t.Context(), trial.Header{Name: "a"})
	require.NoError(t, err)
	for range 3 {
		_, err = writer.Start(t.Context(), at, "")
		require.NoError(t, err)
	}
	for name := range sums(t, filepath.Dir(whole)) { // as a worker that is killed leaves them
		data, err := os.ReadFile(filepath.Join(filepath.Dir(whole), name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(crash, name), data, 0o644))
	}
	require.NoError(t, writer.Close())

	for name, path := range map[string]string{"closed": whole, "crashed": filepath.Join(crash, "a.db")} {
		t.Run(name, func(t *testing.T) {
			before := sums(t, filepath.Dir(path))
			st := File(path)
			n := 0
			for _, err := range st.Studies(t.Context()) {
				require.NoError(t, err)
				n++
			}
			assert.Equal(t, 1, n)
			l, err := st.Read(t.Context(), "a")
			require.NoError(t, err)
			for u, err := range l.Since(t.Context(), 0) {
				require.NoError(t, err)
				require.ErrorIs(t, l.Write(t.Context(), u.Trial.Number, trial.Reported{}), storage.ErrReadOnly)
				n++
			}
			assert.Equal(t, 4, n)
			require.NoError(t, l.Close())
			after := sums(t, filepath.Dir(path))
			delete(before, "a.db-shm") // an index of the log, which the crash left undone
			delete(after, "a.db-shm")
			assert.Equal(t, before, after)
		})
	}

	t.Run("missing", func(t *testing.T) {
		dir := t.TempDir()
		_, err := File(filepath.Join(dir, "none.db")).Read(t.Context(), "a")
		require.ErrorIs(t, err, storage.ErrNotExist)
		assert.Empty(t, sums(t, dir))
	})
}

// If a clock is set back, dead workers must still be found. If it is set forward, live workers must not be taken for
// dead.
func TestLeasesEndByAClockThatNobodySets(t *testing.T) {
	const grace = 300 * time.Millisecond
	path := filepath.Join(t.TempDir(), "a.db")
	st := File(path)
	made, err := st.Create(t.Context(), trial.Header{Name: "a"})
	require.NoError(t, err)
	l := made.(*ledger)
	defer l.Close()
	_, err = l.Start(t.Context(), time.Now(), "")
	require.NoError(t, err)
	reap := func() int {
		dead, err := l.Reap(t.Context(), nil, grace, time.Now(), nil)
		require.NoError(t, err)
		return len(dead)
	}
	heartbeat := func(modifier string) {
		require.NoError(t, l.use(t.Context(), func(c *conn) error {
			_, err := c.exec("UPDATE trial_heartbeats SET heartbeat = strftime('%Y-%m-%d %H:%M:%f000', 'now', ?)", modifier)
			return err
		}))
	}

	heartbeat("+1 hour") // the clock is set back by an hour now
	require.Zero(t, reap())
	for deadline := time.Now().Add(time.Minute); reap() == 0; time.Sleep(grace / 10) {
		require.True(t, time.Now().Before(deadline), "the dead worker's trial is never reaped")
	}

	_, err = l.Start(t.Context(), time.Now(), "")
	require.NoError(t, err)
	require.Zero(t, reap())
	looked := time.Now()
	heartbeat("-1 hour") // renewed a moment ago; now the clock is set forward by an hour
	if n := reap(); time.Since(looked) < grace {
		assert.Zero(t, n, "a worker that has just given a sign of life is alive")
	}
}

// If a reader has the file open when the last worker closes it, the log stays beside it. The file itself is complete
// all the same.
func TestAWorkerThatClosesBeforeAReaderLeavesAWholeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	writer, err := File(path).Create(t.Context(), trial.Header{Name: "a"})
	require.NoError(t, err)
	reader, err := File(path).Read(t.Context(), "a")
	require.NoError(t, err)
	for range 20 {
		_, err = writer.Start(t.Context(), time.Now(), "")
		require.NoError(t, err)
	}
	count := func(l storage.Ledger) (n int) {
		for _, err := range l.Since(t.Context(), 0) {
			require.NoError(t, err)
			n++
		}
		return n
	}
	require.Equal(t, 20, count(reader))
	require.NoError(t, writer.Close())

	data, err := os.ReadFile(path)
	require.NoError(t, err)
	copied := filepath.Join(t.TempDir(), "copy.db")
	require.NoError(t, os.WriteFile(copied, data, 0o644))
	require.NoError(t, reader.Close())
	l, err := File(copied).Open(t.Context(), "a")
	require.NoError(t, err)
	assert.Equal(t, 20, count(l))
	require.NoError(t, l.Close())
}

// Waiting for changes of a file that was removed would never end.
func TestAFileThatIsRemovedWhileItIsWatched(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	writer, err := File(path).Create(t.Context(), trial.Header{Name: "a"})
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, test := range []struct {
		name string
		lose func() error
	}{
		{"replaced", func() error { return errors.Join(os.WriteFile(path+"2", data, 0o644), os.Rename(path+"2", path)) }},
		{"removed", func() error { return os.Remove(path) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			reader, err := File(path).Read(t.Context(), "a")
			require.NoError(t, err)
			end := make(chan error, 1)
			go func() { end <- storage.Wait(t.Context(), reader, 0) }()
			require.NoError(t, test.lose())
			require.ErrorIs(t, <-end, storage.ErrPath)
			require.NoError(t, reader.Close())
		})
	}
}
