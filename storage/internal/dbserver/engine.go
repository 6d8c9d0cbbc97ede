// Package dbserver keeps studies in Optuna's tables on a database server. What the
// servers have in common is here; an [Engine] is what they differ in.
//
// # How writers stay out of each other's way
//
// A process keeps an image of each open study, which may be out of date. A write
// looks at the image, locks the row of its one trial, and makes sure that the trial is
// as the image has it; if not, it reads what is new, and begins again. Nobody waits
// for a writer of another trial.
//
// Trials are added, and claimed, under the lock of the study's row, which Optuna takes
// for the same purpose. So rows of one study become visible in the order of their ids,
// and whoever has read up to one id has missed nothing before it.
//
// A goroutine takes a connection first, then locks of the database, then the mutex of
// an image, and none of them in another order.
package dbserver

import (
	"context"
	"errors"

	"github.com/attune-hpo/attune/storage/internal/tables"
)

// An Engine connects to one database on a server.
type Engine interface {
	// Connect opens a pool of connections. It fails at once if the server does not
	// answer.
	Connect(ctx context.Context) (Pool, error)
	// Dialect returns the SQL of the engine.
	Dialect() *Dialect
	// Class says what an error of a transaction means for it.
	Class(err error) Class
	// Explain returns an error with what it means here, and what to do. It holds no
	// credentials.
	Explain(err error) error
}

// A Class says what to do about an error of a transaction.
type Class int

const (
	// Final errors are the caller's.
	Final Class = iota
	// Again is an error after which the same transaction may succeed: a deadlock, a
	// connection that was lost before the commit. Nothing was written.
	Again
	// Clash is an error of a row that is there already, or no longer.
	Clash
)

// ErrUnknown reports that a connection was lost during a commit, and nothing says whether
// that happened.
var ErrUnknown = errors.New("the connection was lost during the commit: it is not known whether the change was made")

// Unreachable is an error of a server that did not answer when it was asked first.
type Unreachable struct{ Cause error }

func (e Unreachable) Error() string { return e.Cause.Error() }

func (e Unreachable) Unwrap() error { return e.Cause }

// Lost is an error of a connection that was lost before anything was committed.
type Lost struct{ Cause error }

func (e Lost) Error() string { return e.Cause.Error() }

func (e Lost) Unwrap() error { return e.Cause }

// A Pool is a bounded number of connections. It is safe for concurrent use.
type Pool interface {
	// Begin takes a connection, waiting for one, and begins a transaction. ctx is that
	// of all it does.
	Begin(ctx context.Context, mode Mode) (Tx, error)
	// EnsureSchema returns an error unless the database has the tables, of the version
	// that attune knows. An empty database gets them, if create is set, or the error is
	// ErrEmpty.
	EnsureSchema(ctx context.Context, create bool) error
	// Close closes all connections, once none is in use.
	Close()
}

// A Mode is a kind of transaction.
type Mode int

const (
	// Reading sees one state of the database. One statement at a time does that without
	// a transaction.
	Reading Mode = iota
	// Durable is on the disk of the server when Commit returns.
	Durable
	// Lazy need not be: the server may lose it if it crashes, but not before what was
	// committed earlier. An engine without such a thing has Durable in its place.
	Lazy
)

// A Tx is a transaction. The caller ends it, with Commit or Rollback, and then it must not
// be used any more. It is not safe for concurrent use.
type Tx interface {
	tables.DB
	// Change runs a statement and returns how many rows it changed.
	Change(sql string, args ...tables.Value) (rows int64, err error)
	// Rows calls each with every row of an answer that has the columns of a Row. The
	// row is valid until each returns.
	Rows(sql string, args []tables.Value, each func(*Row) error) error
	// Commit commits. If the connection is lost meanwhile, it finds out what became of
	// the transaction. Where that cannot be, the error is ErrUnknown.
	Commit() error
	// Rollback undoes everything. After Commit it does nothing.
	Rollback()
}

// A Row is a row of one of the tables; see [Dialect].
type Row struct {
	Kind, Trial, ID int64
	N               int64
	NoN             bool // N is NULL
	K, V, W         string
	X               float64
	NoX             bool // X is NULL
}
