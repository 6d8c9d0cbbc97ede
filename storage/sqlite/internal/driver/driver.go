// Package driver connects to SQLite: it has the few calls that package sqlite makes, with the same interface with and
// without cgo.
//
// With cgo it uses SQLite's own C code, through github.com/mattn/go-sqlite3. Without cgo it uses the same code
// translated to Go, modernc.org/sqlite/lib. Both lock files and share memory as every SQLite does, so processes of
// both kinds may have one file open at once; doc/adr/0021 explains the choice. On platforms where neither exists,
// Open fails.
//
// A [Conn] and its statements belong to one goroutine at a time. Nothing here
// waits for locks: an operation that another connection blocks fails with an
// error that [Busy] recognizes.
package driver

import (
	"errors"
	"net/url"
	"path/filepath"
	"syscall"
)

// A Mode says how a file is opened.
type Mode string

const (
	ReadWrite Mode = "mode=rw"             // a file that exists
	Create    Mode = "mode=rwc"            // a file that exists, or a new one
	ReadOnly  Mode = "mode=ro"             // a file that exists, and is not written to
	Immutable Mode = "mode=ro&immutable=1" // likewise, and no one writes to it: without locks or a log
)

// uri returns the path as SQLite's URI, so that no character of it means
// anything else.
func uri(path string, mode Mode) string {
	return "file:" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath() + "?" + string(mode)
}

// A Code is a primary result code of SQLite.
type Code int

// The codes that matter here; SQLite documents all of them.
const (
	Perm         Code = 3
	ReadOnlyFile Code = 8
	Corrupt      Code = 11
	Full         Code = 13
	CantOpen     Code = 14
	NotADB       Code = 26

	busy     Code = 5
	locked   Code = 6
	noMem    Code = 7
	ioErr    Code = 10
	protocol Code = 15
)

// An Error is what SQLite reports.
type Error struct {
	Code     Code
	Extended int           // the extended result code; its low byte is Code
	Errno    syscall.Errno // what the operating system said, or 0
	Text     string        // SQLite's words
}

func (e *Error) Error() string {
	if e.Errno == 0 {
		return e.Text
	}
	return e.Text + ": " + e.Errno.Error()
}

// As returns the error of SQLite in err's tree, or nil.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// Busy reports whether err means that another connection blocks the call, so that the same call may succeed later.
func Busy(err error) bool {
	e := As(err)
	return e != nil && (e.Code == busy || e.Code == locked || e.Code == protocol)
}
