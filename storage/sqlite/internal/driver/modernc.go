//go:build !cgo && ((darwin && (amd64 || arm64)) || (freebsd && (386 || amd64 || arm || arm64)) || (linux && (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x)) || (netbsd && amd64) || (openbsd && (amd64 || arm64)) || (windows && (386 || amd64 || arm64)))

package driver

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	lib "modernc.org/sqlite/lib"
)

// Library names the SQLite that was compiled in.
const Library = "modernc.org/sqlite"

// A Conn is a connection to a file. The library is C in all but syntax: memory
// that it is given is allocated with libc, and freed by hand.
type Conn struct {
	tls *libc.TLS
	db  uintptr // *sqlite3
	out uintptr // a word, for results by address
	buf scratch // for text on its way in
}

// Open opens a file. SQLite reads it only when a statement needs it.
func Open(path string, mode Mode) (*Conn, error) {
	c := &Conn{tls: libc.NewTLS()}
	c.out = libc.Xmalloc(c.tls, 8)
	c.buf.tls = c.tls
	name, err := c.buf.text(uri(path, mode))
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	rc := lib.Xsqlite3_open_v2(c.tls, name, c.out,
		lib.SQLITE_OPEN_READWRITE|lib.SQLITE_OPEN_CREATE|lib.SQLITE_OPEN_URI|lib.SQLITE_OPEN_NOMUTEX, 0)
	c.db = *(*uintptr)(at(c.out))
	if err := c.fault(rc); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	lib.Xsqlite3_extended_result_codes(c.tls, c.db, 1)
	return c, nil
}

// Close closes the connection. Its statements must be closed before.
func (c *Conn) Close() error {
	err := c.fault(lib.Xsqlite3_close_v2(c.tls, c.db))
	c.buf.free()
	libc.Xfree(c.tls, c.out)
	c.tls.Close()
	return err
}

// InTransaction reports whether a transaction is open.
func (c *Conn) InTransaction() bool { return lib.Xsqlite3_get_autocommit(c.tls, c.db) == 0 }

// Script runs statements that have no arguments and whose rows do not matter.
func (c *Conn) Script(sql string) error {
	text, err := c.buf.text(sql)
	if err != nil {
		return err
	}
	return c.fault(lib.Xsqlite3_exec(c.tls, c.db, text, 0, 0, 0))
}

// Prepare compiles one statement, to be run any number of times.
func (c *Conn) Prepare(sql string) (*Stmt, error) {
	text, err := c.buf.text(sql)
	if err != nil {
		return nil, err
	}
	if err := c.fault(lib.Xsqlite3_prepare_v2(c.tls, c.db, text, int32(len(sql)), c.out, 0)); err != nil {
		return nil, err
	}
	return &Stmt{c, *(*uintptr)(at(c.out))}, nil
}

// A Stmt is a compiled statement.
type Stmt struct {
	c *Conn
	s uintptr // *sqlite3_stmt
}

// Close frees the statement.
func (s *Stmt) Close() error {
	lib.Xsqlite3_finalize(s.c.tls, s.s) // repeats the error of the last run
	return nil
}

// Exec runs the statement and ignores its rows. It returns the id of the
// row that the connection inserted last.
func (s *Stmt) Exec(args []driver.Value) (id int64, err error) {
	err = s.run(args, nil)
	return lib.Xsqlite3_last_insert_rowid(s.c.tls, s.c.db), err
}

// Query calls each with every row of the answer: int64, float64, string, []byte
// or nil a column. The row is valid until each returns; its values stay valid.
func (s *Stmt) Query(args []driver.Value, each func(row []driver.Value) error) error {
	return s.run(args, each)
}

func (s *Stmt) run(args []driver.Value, each func(row []driver.Value) error) error {
	defer s.reset()
	if err := s.bind(args); err != nil {
		return err
	}
	var row []driver.Value
	for {
		switch rc := lib.Xsqlite3_step(s.c.tls, s.s); {
		case rc == lib.SQLITE_DONE:
			return nil
		case rc != lib.SQLITE_ROW:
			return s.c.fault(rc)
		case each == nil:
			continue
		}
		if row == nil {
			row = make([]driver.Value, lib.Xsqlite3_column_count(s.c.tls, s.s))
		}
		for i := range row {
			row[i] = s.column(int32(i))
		}
		if err := each(row); err != nil {
			return err
		}
	}
}

// reset makes the statement ready for its next run, and drops the locks and the
// arguments of this one.
func (s *Stmt) reset() {
	lib.Xsqlite3_reset(s.c.tls, s.s)
	lib.Xsqlite3_clear_bindings(s.c.tls, s.s)
}

func (s *Stmt) bind(args []driver.Value) error {
	for i, arg := range args {
		n := int32(i + 1)
		var rc int32
		switch arg := arg.(type) {
		case nil:
			rc = lib.Xsqlite3_bind_null(s.c.tls, s.s, n)
		case int64:
			rc = lib.Xsqlite3_bind_int64(s.c.tls, s.s, n, arg)
		case float64:
			rc = lib.Xsqlite3_bind_double(s.c.tls, s.s, n, arg)
		case string:
			text, err := s.c.buf.text(arg)
			if err != nil {
				return err
			}
			rc = lib.Xsqlite3_bind_text(s.c.tls, s.s, n, text, int32(len(arg)), lib.SQLITE_TRANSIENT)
		default:
			return fmt.Errorf("argument of type %T", arg)
		}
		if err := s.c.fault(rc); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stmt) column(i int32) driver.Value {
	switch lib.Xsqlite3_column_type(s.c.tls, s.s, i) {
	case lib.SQLITE_INTEGER:
		return lib.Xsqlite3_column_int64(s.c.tls, s.s, i)
	case lib.SQLITE_FLOAT:
		return lib.Xsqlite3_column_double(s.c.tls, s.s, i)
	case lib.SQLITE_TEXT:
		p := lib.Xsqlite3_column_text(s.c.tls, s.s, i)
		return string(bytes(p, lib.Xsqlite3_column_bytes(s.c.tls, s.s, i)))
	case lib.SQLITE_BLOB:
		p := lib.Xsqlite3_column_blob(s.c.tls, s.s, i)
		return append([]byte{}, bytes(p, lib.Xsqlite3_column_bytes(s.c.tls, s.s, i))...)
	}
	return nil
}

// fault returns the error of a result code, nil if it is none.
func (c *Conn) fault(rc int32) error {
	if rc == lib.SQLITE_OK {
		return nil
	}
	e := &Error{Code: Code(rc & 0xff), Extended: int(rc), Text: libc.GoString(lib.Xsqlite3_errstr(c.tls, rc))}
	if c.db != 0 {
		e.Text = libc.GoString(lib.Xsqlite3_errmsg(c.tls, c.db))
		if e.Code == ioErr || e.Code == CantOpen {
			e.Errno = syscall.Errno(lib.Xsqlite3_system_errno(c.tls, c.db))
		}
	}
	return e
}

// at returns an address of the library as a pointer.
func at(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }

func bytes(p uintptr, n int32) []byte {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(at(p)), n)
}

// A scratch is memory for one text on its way to the library.
type scratch struct {
	tls  *libc.TLS
	at   uintptr
	size int
}

// text returns the address of a copy of s, which ends in a NUL. It is valid until
// the next call.
func (b *scratch) text(s string) (uintptr, error) {
	const keep = 1 << 16 // larger ones are rare
	if need := len(s) + 1; need > b.size || b.size > keep {
		b.free()
		if b.at = libc.Xmalloc(b.tls, types.Size_t(max(need, 1<<12))); b.at == 0 {
			return 0, &Error{Code: noMem, Extended: int(noMem), Text: "out of memory"}
		}
		b.size = max(need, 1<<12)
	}
	to := unsafe.Slice((*byte)(at(b.at)), len(s)+1)
	copy(to, s)
	to[len(s)] = 0
	return b.at, nil
}

func (b *scratch) free() {
	libc.Xfree(b.tls, b.at)
	b.at, b.size = 0, 0
}
