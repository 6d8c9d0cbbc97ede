package sqlite_test

import (
	"context"
	sqldriver "database/sql/driver"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/sqlite"
	"github.com/attune-hpo/attune/storage/sqlite/internal/driver"
	"github.com/attune-hpo/attune/trial"
)

// connect opens a file as another program would.
func connect(t *testing.T, path string, mode driver.Mode) *driver.Conn {
	t.Helper()
	c, err := driver.Open(path, mode)
	require.NoError(t, err)
	require.NoError(t, c.Script("PRAGMA busy_timeout = 10000"))
	return c
}

// sql runs statements on a file as another program would, and returns the rows of
// the last.
func sql(t *testing.T, path string, statements ...string) (rows [][]sqldriver.Value) {
	t.Helper()
	return ask(t, path, driver.Create, statements...)
}

func ask(t *testing.T, path string, mode driver.Mode, statements ...string) (rows [][]sqldriver.Value) {
	t.Helper()
	c := connect(t, path, mode)
	defer func() { require.NoError(t, c.Close()) }()
	for _, sql := range statements {
		s, err := c.Prepare(sql)
		require.NoError(t, err, sql)
		rows = nil
		require.NoError(t, s.Query(nil, func(row []sqldriver.Value) error {
			rows = append(rows, slices.Clone(row))
			return nil
		}), sql)
		require.NoError(t, s.Close())
	}
	return rows
}

func mode(t *testing.T, path string) any {
	t.Helper()
	return sql(t, path, "PRAGMA journal_mode")[0][0]
}

func temp(t *testing.T) string { return filepath.Join(t.TempDir(), "study.db") }

// use does what a worker does first.
func use(ctx context.Context, path string) error {
	l, err := sqlite.File(path).Create(ctx, trial.Header{Name: "new"})
	if err != nil {
		return err
	}
	defer l.Close()
	_, err = l.Start(ctx, time.Now(), "")
	return err
}

func first(ctx context.Context, st storage.Store) error {
	for _, err := range st.Studies(ctx) {
		return err
	}
	return nil
}

func TestSchemaIsOptunas(t *testing.T) {
	path := temp(t)
	require.NoError(t, use(t.Context(), path))
	const query = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY rowid"
	assert.Equal(t, ask(t, "testdata/optuna5dev_single.sqlite3", driver.Immutable, query), sql(t, path, query))
	assert.Equal(t, [][]sqldriver.Value{{int64(1), int64(12), "5.0.0"}}, sql(t, path, "SELECT * FROM version_info"))
	assert.Equal(t, [][]sqldriver.Value{{"v3.2.0.a"}}, sql(t, path, "SELECT * FROM alembic_version"))
}

func TestNothingIsMadeByReading(t *testing.T) {
	path := temp(t)
	st := sqlite.File(path)
	_, err := st.Open(t.Context(), "a")
	require.ErrorIs(t, err, storage.ErrNotExist)
	require.ErrorIs(t, st.Delete(t.Context(), "a"), storage.ErrNotExist)
	require.ErrorIs(t, st.Rename(t.Context(), "a", "b"), storage.ErrNotExist)
	require.NoError(t, first(t.Context(), st))
	assert.NoFileExists(t, path)

	require.NoError(t, os.WriteFile(path, nil, 0o644)) // as tempfile leaves it
	_, err = st.Open(t.Context(), "a")
	require.ErrorIs(t, err, storage.ErrNotExist)
	require.NoError(t, use(t.Context(), path), "an empty file becomes a store")
}

func TestRefused(t *testing.T) {
	sqlite.SetPatience(t, 30*time.Millisecond)
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
		return path
	}
	database := func(name string, statements ...string) string {
		path := filepath.Join(dir, name)
		sql(t, path, statements...)
		return path
	}
	versioned := func(name, change string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, use(t.Context(), path))
		sql(t, path, change)
		return path
	}
	for _, test := range []struct {
		name, path string
		want       error
		text       string // in the error
	}{
		{"text", file("text.db", strings.Repeat("This is not a database. ", 100)), storage.ErrFormat, "not a SQLite database"},
		{"short", file("short.db", "x"), storage.ErrFormat, "not a SQLite database"},
		{"something else", database("else.db", "CREATE TABLE places (id)"), storage.ErrFormat, "tables places"},
		{"older", versioned("older.db", "UPDATE alembic_version SET version_num = 'v2.6.0.a'"), storage.ErrVersion, "its schema has version v2.6.0.a, not v3.2.0.a: run `optuna storage upgrade`"},
		{"newer", versioned("newer.db", "UPDATE alembic_version SET version_num = 'v6.0.0.a'"), storage.ErrVersion, "newer"},
		{"no version", versioned("none.db", "DELETE FROM alembic_version"), storage.ErrVersion, "no version"},
		{"no folder", filepath.Join(dir, "missing", "study.db"), storage.ErrPath, "create it, or set sqlite.Store.Path to another file"},
		{"no folder, to package fs", filepath.Join(dir, "missing", "study.db"), fs.ErrNotExist, "missing"},
		{"a file for a folder", filepath.Join(dir, "text.db", "study.db"), storage.ErrPath, "text.db"},
		{"a folder", dir, storage.ErrFormat, "folder"},
		{"memory", ":memory:", storage.ErrPath, "set sqlite.Store.Path to the path of a file, or keep the studies in a memory.Store"},
		{"nothing", "", storage.ErrPath, "set sqlite.Store.Path to the path of a file, or keep the studies in a memory.Store"},
		{"a URL", "sqlite:///study.db", storage.ErrPath, "not the path"},
	} {
		t.Run(test.name, func(t *testing.T) {
			before, _ := os.ReadFile(test.path)
			for op, err := range map[string]error{
				"create": use(t.Context(), test.path),
				"open":   func() error { _, err := sqlite.File(test.path).Open(t.Context(), "a"); return err }(),
				"list":   first(t.Context(), sqlite.File(test.path)),
			} {
				require.ErrorContains(t, err, test.text, op)
				require.ErrorContains(t, err, "sqlite: ", op)
				require.ErrorIs(t, err, test.want, op)
			}
			after, _ := os.ReadFile(test.path)
			assert.Equal(t, before, after, "an attempt changes nothing")
			assert.NoFileExists(t, test.path+"-wal")
		})
	}
}

func TestOddPaths(t *testing.T) {
	for _, name := range []string{"with space.db", "a?b=c&d.db", "50%.db", "#1.db", "é漢😀.db", "file:x.db", "'quoted'.db"} {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, use(t.Context(), path), name)
		assert.FileExists(t, path)
	}
	t.Chdir(t.TempDir())
	require.NoError(t, use(t.Context(), "relative.db"))
	assert.FileExists(t, "relative.db")
}

func TestReadOnly(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("nothing is read-only to root")
	}
	for _, inWAL := range []bool{false, true} {
		dir := t.TempDir()
		path := filepath.Join(dir, "study.db")
		require.NoError(t, use(t.Context(), path))
		if inWAL {
			sql(t, path, "PRAGMA journal_mode = WAL")
		}
		require.NoError(t, os.Chmod(path, 0o444))
		require.NoError(t, os.Chmod(dir, 0o555))
		t.Cleanup(func() { os.Chmod(dir, 0o755) })

		st := sqlite.File(path)
		l, err := st.Open(t.Context(), "new")
		require.NoError(t, err, "it can be read")
		n := 0
		for u, err := range l.Since(t.Context(), 0) {
			require.NoError(t, err)
			assert.Equal(t, trial.Running, u.Trial.State)
			n++
		}
		assert.Equal(t, 1, n)
		_, err = l.Start(t.Context(), time.Now(), "")
		require.ErrorIs(t, err, fs.ErrPermission)
		require.ErrorContains(t, err, "writable")
		require.NoError(t, l.Close())
		_, err = st.Create(t.Context(), trial.Header{Name: "other"})
		require.ErrorIs(t, err, fs.ErrPermission)
		_, err = sqlite.File(filepath.Join(dir, "other.db")).Create(t.Context(), trial.Header{Name: "a"})
		require.ErrorIs(t, err, fs.ErrPermission)
	}
}

func TestJournalMode(t *testing.T) {
	path := temp(t)
	a, err := sqlite.File(path).Create(t.Context(), trial.Header{Name: "a"})
	require.NoError(t, err)
	assert.Equal(t, "wal", mode(t, path), "while a writer is at work")
	b, err := sqlite.File(path).Open(t.Context(), "a")
	require.NoError(t, err)
	_, err = b.Start(t.Context(), time.Now(), "")
	require.NoError(t, err)
	require.NoError(t, a.Close())
	assert.Equal(t, "wal", mode(t, path), "another is at work")
	require.NoError(t, b.Close())
	assert.Equal(t, "delete", mode(t, path))
	assert.NoFileExists(t, path+"-wal")
	assert.NoFileExists(t, path+"-shm")

	// Reading does not write.
	before, err := os.Stat(path)
	require.NoError(t, err)
	require.NoError(t, first(t.Context(), sqlite.File(path)))
	after, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, before.ModTime(), after.ModTime())
}

func TestBusy(t *testing.T) {
	path := temp(t)
	require.NoError(t, use(t.Context(), path))
	other := connect(t, path, driver.ReadWrite)
	defer other.Close()
	require.NoError(t, other.Script("BEGIN EXCLUSIVE"))

	st := &sqlite.Store{Path: path, BusyTimeout: 20 * time.Millisecond}
	_, err := st.Create(t.Context(), trial.Header{Name: "b"})
	require.ErrorIs(t, err, storage.ErrBusy)
	require.ErrorContains(t, err, "another process has kept the file locked for 20ms")

	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(20*time.Millisecond, func() { cancel(nil) })
	_, err = sqlite.File(path).Create(ctx, trial.Header{Name: "b"})
	require.ErrorIs(t, err, context.Canceled, "who waits can be called back")

	committed := make(chan error)
	time.AfterFunc(50*time.Millisecond, func() { committed <- other.Script("COMMIT") })
	l, err := sqlite.File(path).Create(t.Context(), trial.Header{Name: "b"})
	require.NoError(t, <-committed)
	require.NoError(t, err, "who waits gets it")
	require.NoError(t, l.Close())
}

func TestFullDisk(t *testing.T) {
	path := temp(t)
	l, err := sqlite.File(path).Create(t.Context(), trial.Header{Name: "a"})
	require.NoError(t, err)
	_, err = l.Add(t.Context(), trial.Record{State: trial.Failed, Err: "kept"})
	require.NoError(t, err)
	require.NoError(t, l.Close())

	// A file with a limit on its pages is as good as a full disk.
	sqlite.SetMaxPages(t, 60)
	st := sqlite.File(path)
	l, err = st.Open(t.Context(), "a")
	require.NoError(t, err)
	big := trial.Record{State: trial.Failed, Err: strings.Repeat("x", 1<<20)}
	_, err = l.Add(t.Context(), big)
	require.ErrorIs(t, err, storage.ErrFull)
	_, err = l.Add(t.Context(), trial.Record{State: trial.Failed, Err: "small"})
	require.NoError(t, err, "what fits goes on")
	got := []string{}
	for u, err := range l.Since(t.Context(), 0) {
		require.NoError(t, err)
		got = append(got, u.Trial.Err)
	}
	assert.Equal(t, []string{"kept", "small"}, got)
	require.NoError(t, l.Close())
}

func TestManyCreateTheFile(t *testing.T) {
	path := temp(t)
	errs := make(chan error)
	const stores = 8
	for i := range stores {
		go func() {
			l, err := sqlite.File(path).Create(t.Context(), trial.Header{Name: string(rune('a' + i))})
			if err == nil {
				err = l.Close()
			}
			errs <- err
		}()
	}
	for range stores {
		require.NoError(t, <-errs)
	}
	n := 0
	for _, err := range sqlite.File(path).Studies(t.Context()) {
		require.NoError(t, err)
		n++
	}
	assert.Equal(t, stores, n)
}

func TestAFileThatGoesAwayIsNoticed(t *testing.T) {
	for name, away := range map[string]func(t *testing.T, path string){
		"removed": func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) },
		"moved":   func(t *testing.T, path string) { require.NoError(t, os.Rename(path, path+".old")) },
		"replaced": func(t *testing.T, path string) {
			require.NoError(t, os.Rename(path, path+".old"))
			require.NoError(t, os.WriteFile(path, nil, 0o644))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			l, err := sqlite.File("study.db").Create(t.Context(), trial.Header{Name: "a"})
			require.NoError(t, err)
			path, err := filepath.Abs("study.db")
			require.NoError(t, err)
			t.Chdir(t.TempDir()) // which is no matter
			_, err = l.Start(t.Context(), time.Now(), "")
			require.NoError(t, err)
			away(t, path)
			_, err = l.Start(t.Context(), time.Now(), "")
			require.ErrorIs(t, err, storage.ErrPath)
			require.ErrorContains(t, err, "removed or replaced")
			l.Close()
		})
	}
}
