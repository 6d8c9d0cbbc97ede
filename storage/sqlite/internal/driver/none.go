//go:build !cgo && !((darwin && (amd64 || arm64)) || (freebsd && (386 || amd64 || arm || arm64)) || (linux && (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x)) || (netbsd && amd64) || (openbsd && (amd64 || arm64)) || (windows && (386 || amd64 || arm64)))

package driver

import (
	"database/sql/driver"
	"errors"
	"runtime"
)

// Library names the SQLite that was compiled in: none.
const Library = ""

var errNone = errors.New("without cgo there is no SQLite for " + runtime.GOOS + "/" + runtime.GOARCH + ": build with CGO_ENABLED=1, or use package storage/memory")

// Open fails: there is no SQLite here.
func Open(path string, mode Mode) (*Conn, error) { return nil, errNone }

type Conn struct{}

func (*Conn) Close() error                      { return errNone }
func (*Conn) InTransaction() bool               { return false }
func (*Conn) Script(sql string) error           { return errNone }
func (*Conn) Prepare(sql string) (*Stmt, error) { return nil, errNone }

type Stmt struct{}

func (*Stmt) Close() error                                                         { return errNone }
func (*Stmt) Exec(args []driver.Value) (int64, error)                              { return 0, errNone }
func (*Stmt) Query(args []driver.Value, each func(row []driver.Value) error) error { return errNone }
