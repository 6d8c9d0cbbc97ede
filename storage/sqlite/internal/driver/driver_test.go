package driver_test

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	sqldriver "database/sql/driver"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/storage/sqlite/internal/driver"
)

func open(t *testing.T, path string, mode driver.Mode) *driver.Conn {
	t.Helper()
	c, err := driver.Open(path, mode)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func query(t *testing.T, c *driver.Conn, sql string, args ...sqldriver.Value) (rows [][]sqldriver.Value, err error) {
	t.Helper()
	s, err := c.Prepare(sql)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	err = s.Query(args, func(row []sqldriver.Value) error {
		rows = append(rows, slices.Clone(row))
		return nil
	})
	return rows, err
}

func TestValues(t *testing.T) {
	c := open(t, filepath.Join(t.TempDir(), "a.db"), driver.Create)
	for _, v := range []sqldriver.Value{
		nil, int64(0), int64(math.MinInt64), int64(math.MaxInt64), 0.1, 5e-324, math.MaxFloat64, math.Inf(1), math.Inf(-1),
		"", "text", "é\x00漢😀", strings.Repeat("x", 1<<20),
	} {
		rows, err := query(t, c, "SELECT ?", v)
		require.NoError(t, err)
		assert.True(t, rows[0][0] == v, "%.40v became %.40v", v, rows[0][0])
	}
	rows, err := query(t, c, "SELECT ?", math.NaN())
	require.NoError(t, err)
	assert.Nil(t, rows[0][0], "SQLite has no NaN")
	rows, err = query(t, c, "SELECT x'00ff', x''")
	require.NoError(t, err)
	assert.Equal(t, []sqldriver.Value{[]byte{0, 255}, []byte{}}, rows[0])
}

// Bindings of a statement do not affect its next run.
func TestStatementsStartAfresh(t *testing.T) {
	c := open(t, filepath.Join(t.TempDir(), "a.db"), driver.Create)
	require.NoError(t, c.Script("CREATE TABLE t (id INTEGER PRIMARY KEY, a UNIQUE); INSERT INTO t VALUES (7, 'taken')"))
	s, err := c.Prepare("INSERT INTO t (a) VALUES (?)")
	require.NoError(t, err)
	defer s.Close()
	_, err = s.Exec([]sqldriver.Value{"taken"})
	require.ErrorContains(t, err, "UNIQUE")
	id, err := s.Exec([]sqldriver.Value{"free"})
	require.NoError(t, err)
	assert.Equal(t, int64(8), id)

	list, err := c.Prepare("SELECT a FROM t ORDER BY id")
	require.NoError(t, err)
	defer list.Close()
	stop := assert.AnError
	for range 2 {
		n := 0
		require.ErrorIs(t, list.Query(nil, func([]sqldriver.Value) error { n++; return stop }), stop)
		assert.Equal(t, 1, n)
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.db")
	a, b := open(t, path, driver.Create), open(t, path, driver.ReadWrite)
	require.NoError(t, a.Script("CREATE TABLE t (a)"))
	assert.False(t, a.InTransaction())
	require.NoError(t, a.Script("BEGIN IMMEDIATE"))
	assert.True(t, a.InTransaction())
	err := b.Script("BEGIN IMMEDIATE")
	assert.True(t, driver.Busy(err), "%v", err)
	assert.EqualError(t, err, "database is locked")
	require.NoError(t, a.Script("ROLLBACK"))

	c, err := driver.Open(filepath.Join(dir, "missing", "a.db"), driver.Create)
	require.Error(t, err)
	require.Nil(t, c)
	e := driver.As(err)
	require.NotNil(t, e)
	assert.Equal(t, driver.CantOpen, e.Code)
	assert.Equal(t, syscall.ENOENT, e.Errno)
	assert.False(t, driver.Busy(err))

	r := open(t, path, driver.ReadOnly)
	e = driver.As(r.Script("INSERT INTO t VALUES (1)"))
	require.NotNil(t, e)
	assert.Equal(t, driver.ReadOnlyFile, e.Code)

	assert.False(t, driver.Busy(nil))
	assert.Nil(t, driver.As(assert.AnError))
}
