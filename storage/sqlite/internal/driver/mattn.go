//go:build cgo

package driver

import (
	"database/sql/driver"
	"errors"
	"io"

	"github.com/mattn/go-sqlite3"
)

// Library names the SQLite that was compiled in.
const Library = "github.com/mattn/go-sqlite3"

// A Conn is a connection to a file.
type Conn struct{ db *sqlite3.SQLiteConn }

// Open opens a file. SQLite reads it only when a statement needs it.
func Open(path string, mode Mode) (*Conn, error) {
	db, err := (&sqlite3.SQLiteDriver{}).Open(uri(path, mode) + "&_busy_timeout=0&_mutex=no")
	if err != nil {
		return nil, fault(err)
	}
	return &Conn{db.(*sqlite3.SQLiteConn)}, nil
}

// Close closes the connection. Its statements must be closed before.
func (c *Conn) Close() error { return fault(c.db.Close()) }

// InTransaction reports whether a transaction is open.
func (c *Conn) InTransaction() bool { return !c.db.AutoCommit() }

// Script runs statements that have no arguments and whose rows do not matter.
func (c *Conn) Script(sql string) error {
	_, err := c.db.Exec(sql, nil)
	return fault(err)
}

// Prepare compiles one statement, to be run any number of times.
func (c *Conn) Prepare(sql string) (*Stmt, error) {
	s, err := c.db.Prepare(sql)
	if err != nil {
		return nil, fault(err)
	}
	return &Stmt{s.(*sqlite3.SQLiteStmt)}, nil
}

// A Stmt is a compiled statement.
type Stmt struct{ s *sqlite3.SQLiteStmt }

// Close frees the statement.
func (s *Stmt) Close() error { return fault(s.s.Close()) }

// Exec runs the statement and ignores its rows. It returns the id of the
// row that the connection inserted last.
func (s *Stmt) Exec(args []driver.Value) (id int64, err error) {
	res, err := s.s.Exec(args)
	if err != nil {
		return 0, fault(err)
	}
	return res.LastInsertId()
}

// Query calls each with every row of the answer: int64, float64, string, []byte
// or nil a column. The row is valid until each returns; its values stay valid.
func (s *Stmt) Query(args []driver.Value, each func(row []driver.Value) error) (err error) {
	rows, err := s.s.Query(args)
	if err != nil {
		return fault(err)
	}
	defer func() { err = errors.Join(err, fault(rows.Close())) }()
	row := make([]driver.Value, len(rows.Columns()))
	for {
		if err := rows.Next(row); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fault(err)
		}
		if err := each(row); err != nil {
			return err
		}
	}
}

// fault returns an error of the library as an [Error].
func fault(err error) error {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return err
	}
	out := &Error{Code: Code(e.Code), Extended: int(e.ExtendedCode), Errno: e.SystemErrno}
	e.SystemErrno = 0 // which Error would append
	out.Text = e.Error()
	return out
}
