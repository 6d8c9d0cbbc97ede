package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/tables"
	"github.com/attune-hpo/attune/storage/sqlite/internal/driver"
)

// A conn is the one connection of a [Store]. Each statement is prepared once, and
// nothing is locked that the Store locks already.
type conn struct {
	db       *driver.Conn
	stmts    map[string]*driver.Stmt
	files    files
	switched bool // to WAL mode, or that was tried
	logs     bool // in WAL mode
	dists    tables.Distributions
	texts    tables.Texts
}

// dial opens the file without reading it.
func dial(path string, mode driver.Mode) (*conn, error) {
	db, err := driver.Open(path, mode)
	if err != nil {
		return nil, err
	}
	c := &conn{db: db, stmts: map[string]*driver.Stmt{}}
	for _, s := range setUp {
		if _, err := c.text(s); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	return c, nil
}

// setUp is what tests run on each new connection.
var setUp []string

// close closes the connection and, if it wrote and no other is open, merges the log into the file.
func (c *conn) close() error {
	c.closeStmts()
	if c.files.orphaned() {
		// Closing it would copy the log into a file that it does not belong to, so it stays open until the process
		// ends.
		abandon(c.files.main)
		return errors.Join(c.files.check(), c.files.closeLog())
	}
	err := c.files.sync() // for others that may still be doing this
	err = errors.Join(err, c.files.closeLog())
	if c.switched {
		// Two processes that close at once block each other; three tries are enough for one of them. A process that
		// fails leaves the merge to those that have the file open. They may be readers, so the file itself is already
		// complete.
		whole := false
		for i := 0; i < 3 && !whole; i++ {
			_, err := c.text("PRAGMA journal_mode = DELETE")
			if whole = !driver.Busy(err); !whole {
				time.Sleep(time.Duration(1+rand.IntN(10)) * time.Millisecond)
			}
		}
		if !whole {
			_, _ = c.text("PRAGMA wal_checkpoint(PASSIVE)") // as far as nobody blocks it
		}
		c.closeStmts()
	}
	return errors.Join(err, c.db.Close())
}

func (c *conn) closeStmts() {
	for _, s := range c.stmts {
		s.Close()
	}
	clear(c.stmts)
}

func (c *conn) stmt(sql string) (*driver.Stmt, error) {
	if s, ok := c.stmts[sql]; ok {
		return s, nil
	}
	s, err := c.db.Prepare(sql)
	if err == nil {
		c.stmts[sql] = s
	}
	return s, err
}

// exec runs a statement and passes over its rows. It returns the id of the row
// that was inserted last.
func (c *conn) exec(sql string, args ...value) (id int64, err error) {
	s, err := c.stmt(sql)
	if err != nil {
		return 0, err
	}
	return s.Exec(args)
}

// query calls each with every row of an answer. The row is valid until each
// returns.
func (c *conn) query(sql string, args []value, each func(row []value) error) error {
	s, err := c.stmt(sql)
	if err != nil {
		return err
	}
	return s.Query(args, each)
}

// Exec, Insert and Query implement [tables.DB].
func (c *conn) Exec(sql string, args ...value) error {
	_, err := c.exec(sql, args...)
	return err
}

func (c *conn) Insert(sql, _ string, args ...value) (id int64, err error) {
	return c.exec(sql, args...)
}

func (c *conn) Query(sql string, args []value, each func(row []value) error) error {
	return c.query(sql, args, each)
}

// writer returns what writes trials.
func (c *conn) writer() tables.Writer {
	return tables.Writer{Statements: statements, DB: c, Texts: &c.texts}
}

// text returns the first column of the last row of an answer as text, "" if
// there is none.
func (c *conn) text(sql string, args ...value) (s string, err error) {
	err = c.query(sql, args, func(row []value) error {
		s = asText(row[0])
		return nil
	})
	return s, err
}

// version returns a number that changes when another connection, of any process, has changed the file. Changes by c
// do not change it.
func (c *conn) version() (v int64, err error) {
	err = c.query("PRAGMA data_version", nil, func(row []value) error {
		v = asInt(row[0])
		return nil
	})
	return v, err
}

// A value is what a column holds: int64, float64, string, []byte or nil.
type value = tables.Value

// A column of SQLite may hold any type, so each value is checked.
var (
	asInt  = tables.Int
	asText = tables.Text
)

// read calls f in a transaction in which the file does not change.
func (s *Store) read(ctx context.Context, c *conn, f func() error) error {
	return s.transact(ctx, c, "BEGIN", f)
}

// write calls f in a transaction that has the write lock from its beginning, so that nothing changes between the
// reads and the writes of f. If other processes block it, f may be called again; a failed call leaves no trace.
func (s *Store) write(ctx context.Context, c *conn, f func() error) error {
	if err := c.files.check(); err != nil {
		return err
	}
	if !c.switched {
		if err := s.switchToWAL(ctx, c); err != nil {
			return err
		}
	}
	if err := s.transact(ctx, c, "BEGIN IMMEDIATE", f); err != nil {
		return err
	}
	if c.logs && c.files.log == nil { // the first transaction has made it
		return c.files.openLog()
	}
	return nil
}

func (s *Store) transact(ctx context.Context, c *conn, begin string, f func() error) error {
	return s.retry(ctx, s.timeout(), func() (err error) {
		if _, err := c.exec(begin); err != nil {
			return err
		}
		defer func() {
			if !c.db.InTransaction() {
				return
			}
			// f failed or panicked, or the commit failed.
			if _, fault := c.exec("ROLLBACK"); fault != nil {
				err = errors.Join(err, fault)
			}
		}()
		if err := f(); err != nil {
			return err
		}
		_, err = c.exec("COMMIT")
		return err
	})
}

func (s *Store) timeout() time.Duration {
	if s.BusyTimeout > 0 {
		return s.BusyTimeout
	}
	return 30 * time.Second
}

// retry calls f until no other connection blocks it.
func (s *Store) retry(ctx context.Context, timeout time.Duration, f func() error) error {
	deadline := time.Now().Add(timeout)
	for wait := 200 * time.Microsecond; ; wait = min(wait*3/2, 10*time.Millisecond) {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := f()
		if !driver.Busy(err) {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w: another process has kept the file locked for %v: %w", storage.ErrBusy, timeout, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait/2 + rand.N(wait)): // at random, so that two do not meet again
		}
	}
}

// switchToWAL puts the file in WAL mode. If that is impossible (a file system without shared memory, or another
// process that never releases the file), the work continues without it: slower, but as safe.
func (s *Store) switchToWAL(ctx context.Context, c *conn) error {
	mode := ""
	err := s.retry(ctx, min(s.timeout(), 2*time.Second), func() (err error) {
		mode, err = c.text("PRAGMA journal_mode = WAL")
		return err
	})
	if err != nil && !driver.Busy(err) {
		return err
	}
	c.switched = true
	if mode != "wal" {
		_, err = c.exec("PRAGMA synchronous = FULL")
		return err
	}
	// Durable changes are synced after the commit, without the lock of the file.
	_, err = c.exec("PRAGMA synchronous = NORMAL")
	c.logs = true
	return err
}

// settle copies the log into the file, so that committed changes are in the file itself and on the disk. If others
// block it for longer than a moment, they are on the disk in the log.
func (c *conn) settle(ctx context.Context) error {
	if c.files.log == nil {
		return nil
	}
	for range 20 {
		whole := false
		err := c.query("PRAGMA wal_checkpoint(PASSIVE)", nil, func(row []value) error {
			whole = asInt(row[0]) == 0 && asInt(row[1]) == asInt(row[2]) // not blocked, and all frames copied
			return nil
		})
		if whole {
			return c.files.check()
		}
		if err != nil && !driver.Busy(err) {
			return err
		}
		select {
		case <-ctx.Done(): // it is committed all the same
			return c.files.sync()
		case <-time.After(time.Millisecond):
		}
	}
	return c.files.sync()
}

// open opens the file and makes sure that it is a store. If there is none, it is
// created, or the error is errNoFile.
func (s *Store) open(ctx context.Context, create bool) (*conn, error) {
	if s.Path == "" || s.Path == ":memory:" || strings.HasPrefix(s.Path, "file:") || strings.Contains(s.Path, "://") {
		return nil, fmt.Errorf("%w: %q is not the path of a file: %w, or %w", storage.ErrPath, s.Path, someFile, inMemory)
	}
	info, err := os.Stat(s.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if dir, err := os.Stat(filepath.Dir(s.Path)); err != nil {
			return nil, fmt.Errorf("%w: folder %s: %w: create it, or %w", storage.ErrPath, filepath.Dir(s.Path), bare(err), otherFile)
		} else if !dir.IsDir() {
			return nil, fmt.Errorf("%w: %s is not a folder", storage.ErrPath, filepath.Dir(s.Path))
		}
		if !create {
			return nil, errNoFile
		}
	case err != nil: // a file where a folder should be, a folder that is closed to this user
		return nil, fmt.Errorf("%w: %w", storage.ErrPath, bare(err))
	case info.IsDir():
		return nil, fmt.Errorf("%w: it is a folder: %w", storage.ErrFormat, someFile)
	case !create && info.Size() == 0:
		return nil, errNoFile
	case 0 < info.Size() && info.Size() < 512:
		// SQLite would take it for empty and overwrite it. Its contents must not be read here, because closing the
		// file would release the locks of this process on it.
		what := ""
		if 120 <= info.Size() && info.Size() <= 150 {
			what = ", like a pointer of Git LFS"
		}
		return nil, fmt.Errorf("%w: it is not a SQLite database: it has only %d bytes%s", storage.ErrFormat, info.Size(), what)
	}
	mode := driver.ReadWrite
	switch {
	case s.readOnly && !exists(s.Path+"-journal"): // with one, SQLite may have to undo a transaction first
		mode = driver.ReadOnly
	case create:
		mode = driver.Create
	}
	c, err := s.examine(ctx, mode, create)
	if e := driver.As(err); e != nil && (e.Code == driver.CantOpen || e.Code == driver.ReadOnlyFile) && !exists(s.Path+"-wal") && !exists(s.Path+"-journal") {
		// In WAL mode even a reader writes files next to the database. If that is not allowed and there is no log,
		// the file is complete: read it as it is.
		if c, fault := s.examine(ctx, driver.Immutable, false); fault == nil {
			return c, nil
		}
	}
	return c, err
}

// bare returns an error of package os without the name of the system call and the
// path, which the sentence around it has.
func bare(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// examine opens the file and checks, or creates, its schema.
func (s *Store) examine(ctx context.Context, mode driver.Mode, create bool) (*conn, error) {
	var c *conn
	err := s.retry(ctx, s.timeout(), func() (err error) {
		c, err = dial(s.Path, mode)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := s.ensureSchema(ctx, c, create); err != nil {
		return nil, errors.Join(err, c.close())
	}
	if err = c.files.open(s.Path); err == nil && abandoned(c.files.main) {
		err = fmt.Errorf("%w: this process has lost its log: end the process, and start again", storage.ErrPath)
	}
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// explain returns an error that explains an error of SQLite, and says what to do.
func (s *Store) explain(err error) error {
	e := driver.As(err)
	switch {
	case e == nil:
		return err
	case e.Code == driver.Full || e.Errno == syscall.ENOSPC:
		return fmt.Errorf("%w: free some; what was committed is safe: %w", storage.ErrFull, err)
	case e.Code == driver.NotADB:
		return fmt.Errorf("%w: it is not a SQLite database (%w): %w", storage.ErrFormat, err, otherFile)
	case e.Code == driver.Corrupt:
		return fmt.Errorf("%w: it is damaged (%w): repair it with .recover of the sqlite3 shell, or %w", storage.ErrFormat, err, otherFile)
	case e.Code == driver.CantOpen && tooLong(s.Path):
		return fmt.Errorf("%w: as an absolute path it has %d bytes, and SQLite opens paths of at most %d: choose a shorter one: %w", storage.ErrPath, len(absolute(s.Path)), maxPath, err)
	case e.Code == driver.ReadOnlyFile || e.Code == driver.Perm || e.Code == driver.CantOpen:
		return fmt.Errorf("%w: make the file and its folder writable for this user (%w)", err, fs.ErrPermission)
	}
	return err
}

// maxPath is how long a path may be for SQLite: 512 bytes, with "-journal" at its
// end. On Windows it may be longer, so nothing is refused before SQLite does.
const maxPath = 512 - len("-journal")

func tooLong(path string) bool { return len(absolute(path)) > maxPath }

// absolute returns the path from the root or, if the folder is not known, as it is.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
