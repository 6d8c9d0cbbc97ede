package sqlite_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/trial"
)

// copyFile copies a file, if it exists.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, b, 0o644))
}

// trials returns the trials in a file, by a Store of its own.
func trials(t *testing.T, path, study string) (rs []trial.Record) {
	t.Helper()
	l, err := sqlite.File(path).Open(t.Context(), study)
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	for u, err := range l.Since(t.Context(), 0) {
		require.NoError(t, err)
		rs = append(rs, u.Trial)
	}
	return rs
}

// run runs a trial with three reports.
func run(t *testing.T, l storage.Ledger) error {
	t.Helper()
	r, err := l.Start(t.Context(), time.Now(), "")
	for step := range 3 {
		if err == nil {
			err = l.Write(t.Context(), r.Number, trial.Reported{Step: step, Value: 1})
		}
	}
	if err == nil {
		err = l.Write(t.Context(), r.Number, trial.Finished{State: trial.Complete, Values: []float64{1}, At: time.Now()})
	}
	return err
}

// After a power failure, the disk has what was last synced: the test keeps a copy of that, and opens it after each
// trial.
func TestLossOfPower(t *testing.T) {
	const ran = 20
	for _, test := range []struct {
		name   string
		sync   sqlite.Sync
		syncs  int // a trial
		left   int // trials that are complete in the end
		asked  int // and those that run
		latest int // reports of the last one
	}{
		{"told", sqlite.SyncTold, 1, ran, 0, 0},
		{"each", sqlite.SyncEach, 5, ran, 1, 1},
		{"seldom", sqlite.SyncSeldom, 0, 0, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			path, disk := temp(t), temp(t)
			keep := func(path string) {
				copyFile(t, path, disk)
				copyFile(t, path+"-wal", disk+"-wal")
			}
			st := &sqlite.Store{Path: path, Sync: test.sync}
			l, err := st.Create(t.Context(), trial.Header{Name: "a"})
			require.NoError(t, err)
			keep(path) // SQLite itself has synced a new study
			require.Empty(t, trials(t, disk, "a"))

			syncs := 0
			sqlite.OnSync(t, func(path string) { syncs++; keep(path) })
			for n := range ran {
				require.NoError(t, run(t, l))
				require.Equal(t, test.syncs*(n+1), syncs)
			}
			r, err := l.Start(t.Context(), time.Now(), "")
			require.NoError(t, err)
			require.NoError(t, l.Write(t.Context(), r.Number, trial.Reported{Step: 0, Value: 1}))

			left := map[trial.State]int{}
			reports := 0
			for _, r := range trials(t, disk, "a") {
				left[r.State]++
				if r.State == trial.Running {
					reports = len(r.Reports)
				}
			}
			assert.Equal(t, test.left, left[trial.Complete])
			assert.Equal(t, test.asked, left[trial.Running])
			assert.Equal(t, test.latest, reports)
			require.NoError(t, l.Close())
		})
	}
}

// Every change waits for the disk, except those to a running trial.
func TestWhatWaitsForTheDisk(t *testing.T) {
	st := sqlite.File(temp(t))
	l, err := st.Create(t.Context(), trial.Header{Name: "a"})
	require.NoError(t, err)
	defer l.Close()
	syncs := 0
	sqlite.OnSync(t, func(string) { syncs++ })
	lease := l.(storage.Leaser)
	for _, test := range []struct {
		name  string
		do    func() error
		waits bool
	}{
		{"start", func() error { _, err := l.Start(t.Context(), time.Now(), ""); return err }, false},
		{"report", func() error { return l.Write(t.Context(), 0, trial.Reported{Step: 1, Value: 1}) }, false},
		{"renew", func() error { return lease.Renew(t.Context(), 0) }, false},
		{"finish", func() error { return l.Write(t.Context(), 0, trial.Finished{State: trial.Failed}) }, true},
		{"enqueue", func() error { _, err := l.Add(t.Context(), trial.Record{State: trial.Waiting}); return err }, true},
		{"add", func() error { _, err := l.Add(t.Context(), trial.Record{State: trial.Failed}); return err }, true},
		{"annotate", func() error { return l.Annotate(t.Context(), trial.Attrs{{Key: "k", JSON: "1"}}, nil) }, true},
		{"rename", func() error { return st.Rename(t.Context(), "a", "b") }, true},
	} {
		before := syncs
		require.NoError(t, test.do(), test.name)
		assert.Equal(t, test.waits, syncs > before, test.name)
	}
}

// A copy of the file alone, without the log beside it, has every study.
func TestANewStudyIsInTheFile(t *testing.T) {
	path, alone := temp(t), temp(t)
	for _, name := range []string{"a", "b"} {
		l, err := sqlite.File(path).Create(t.Context(), trial.Header{Name: name, Attrs: trial.Attrs{{Key: "k", JSON: "1"}}})
		require.NoError(t, err)
		defer l.Close()
		copyFile(t, path, alone)
		l, err = sqlite.File(alone).Open(t.Context(), name)
		require.NoError(t, err)
		h, err := l.Header(t.Context())
		require.NoError(t, err)
		assert.Len(t, h.Attrs, 1)
		require.NoError(t, l.Close())
	}
}

// If a file is truncated while it is open, its content is lost, but not silently.
func TestACutFileIsNoticed(t *testing.T) {
	for _, size := range []int64{0, 100, 60_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			path := temp(t)
			l, err := sqlite.File(path).Create(t.Context(), trial.Header{Name: "a"})
			require.NoError(t, err)
			require.NoError(t, run(t, l))
			require.NoError(t, os.Truncate(path, size))
			err = run(t, l)
			require.ErrorIs(t, err, storage.ErrFormat)
			require.ErrorContains(t, err, "while it was open")
			require.ErrorIs(t, l.Close(), storage.ErrFormat)
			assert.FileExists(t, path+"-wal", "what it holds may save some")
		})
	}
}

// VACUUM makes a file smaller too.
func TestATidiedFileIsNoCutOne(t *testing.T) {
	path := temp(t)
	st := sqlite.File(path)
	l, err := st.Create(t.Context(), trial.Header{Name: "a"})
	require.NoError(t, err)
	_, err = l.Add(t.Context(), trial.Record{State: trial.Failed, Err: string(make([]byte, 1<<20))})
	require.NoError(t, err)
	sql(t, path, "PRAGMA wal_checkpoint(TRUNCATE)")
	require.NoError(t, run(t, l))
	before, err := os.Stat(path)
	require.NoError(t, err)
	sql(t, path, "DELETE FROM trial_system_attributes", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)")
	after, err := os.Stat(path)
	require.NoError(t, err)
	require.Less(t, after.Size(), before.Size())
	require.NoError(t, run(t, l))
	require.NoError(t, l.Close())
	assert.Len(t, trials(t, path, "a"), 3)
}

const joinEnv = "ATTUNE_SQLITE_JOIN"

// TestJoin is the second process of TestALostLogIsNoticed.
func TestJoin(t *testing.T) {
	path := os.Getenv(joinEnv)
	if path == "" {
		t.Skip("TestALostLogIsNoticed runs this")
	}
	l, err := sqlite.File(path).Open(t.Context(), "a")
	require.NoError(t, err)
	for range 10 {
		require.NoError(t, run(t, l))
	}
	fmt.Println("told")
	bufio.NewReader(os.Stdin).ReadString('\n')
	require.NoError(t, l.Close())
}

// The log and its index were removed, and a second process creates new ones: neither process sees what the other
// writes.
func TestALostLogIsNoticed(t *testing.T) {
	lost := func(t *testing.T) (path string, l storage.Ledger) {
		path = temp(t)
		l, err := sqlite.File(path).Create(t.Context(), trial.Header{Name: "a"})
		require.NoError(t, err)
		require.NoError(t, run(t, l))
		require.NoError(t, os.Remove(path+"-wal"))
		require.NoError(t, os.Remove(path+"-shm"))
		return path, l
	}
	noticed := func(t *testing.T, err error) {
		t.Helper()
		require.ErrorIs(t, err, storage.ErrPath)
		require.ErrorContains(t, err, "was removed or replaced while it was in use")
	}
	t.Run("alone", func(t *testing.T) {
		path, l := lost(t)
		noticed(t, run(t, l))
		require.NoError(t, l.Close())
		assert.Equal(t, trial.Complete, trials(t, path, "a")[0].State, "closing has saved it")
	})
	for _, name := range []string{"a second one at work", "a second one that has left"} {
		t.Run(name, func(t *testing.T) {
			path, l := lost(t)
			second := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestJoin$")
			second.Env = append(os.Environ(), joinEnv+"="+path)
			in, err := second.StdinPipe()
			require.NoError(t, err)
			out, err := second.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, second.Start())
			line, err := bufio.NewReader(out).ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, "told\n", line)
			leave := func() {
				require.NoError(t, in.Close())
				require.NoError(t, second.Wait())
			}
			if name != "a second one at work" {
				leave()
			}
			noticed(t, run(t, l))
			noticed(t, l.Close())
			if name == "a second one at work" {
				leave()
			}
			_, err = sqlite.File(path).Open(t.Context(), "a")
			require.ErrorContains(t, err, "this process has lost its log")
			seen := temp(t) // as another process sees it
			copyFile(t, path, seen)
			copyFile(t, path+"-wal", seen+"-wal")
			complete := 0
			for _, r := range trials(t, seen, "a") {
				if r.State == trial.Complete {
					complete++
				}
			}
			assert.GreaterOrEqual(t, complete, 10, "what the second one told is there")
			assert.Equal(t, "ok", sql(t, seen, "PRAGMA integrity_check")[0][0])
		})
	}
	t.Run("only the index", func(t *testing.T) {
		path := temp(t)
		l, err := sqlite.File(path).Create(t.Context(), trial.Header{Name: "a"})
		require.NoError(t, err)
		require.NoError(t, os.Remove(path+"-shm"))
		noticed(t, run(t, l))
		require.NoError(t, l.Close())
	})
}

func TestALongPathIsCalledLong(t *testing.T) {
	dir := t.TempDir()
	for range 3 {
		dir = filepath.Join(dir, strings.Repeat("d", 200))
	}
	require.NoError(t, os.MkdirAll(dir, 0o755))
	err := use(t.Context(), filepath.Join(dir, "study.db"))
	require.ErrorIs(t, err, storage.ErrPath)
	require.NotErrorIs(t, err, fs.ErrPermission)
	require.ErrorContains(t, err, "bytes, and SQLite opens paths of at most 504")
}
