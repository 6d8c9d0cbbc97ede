// Package dbserver keeps studies in Optuna's tables on a database server. It has the common parts of all servers; an
// [Engine] has the parts that differ.
//
// # Concurrent writers
//
// A process keeps an image of each open study, which may be out of date. A write uses the image, locks the row of its
// one trial, and checks that the trial is as in the image; if not, it reads the changes and begins again. No writer
// waits for a writer of another trial.
//
// Trials are added, and claimed, under the lock of the study's row, which Optuna takes for
// the same purpose. So rows of one study become visible in the order of their ids, and a
// process that has read up to an id has missed no row before it.
//
// To avoid deadlocks, a goroutine takes a connection first, then locks of the database, then the mutex of an image.
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
	// Class classifies an error of a transaction.
	Class(err error) Class
	// Explain returns an error that explains err and says what to do. It contains no credentials.
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
	// Clash is an error about a row that already exists, or no longer exists.
	Clash
)

// ErrUnknown reports that a connection was lost during a commit, and that it is unknown whether the commit succeeded.
var ErrUnknown = errors.New("the connection was lost during the commit: it is not known whether the change was made")

// Unreachable is the error of a server that did not answer the first request.
type Unreachable struct{ Cause error }

func (e Unreachable) Error() string { return e.Cause.Error() }

func (e Unreachable) Unwrap() error { return e.Cause }

// Lost is an error of a connection that was lost before anything was committed.
type Lost struct{ Cause error }

func (e Lost) Error() string { return e.Cause.Error() }

func (e Lost) Unwrap() error { return e.Cause }

// A Pool is a bounded number of connections. It is safe for concurrent use.
type Pool interface {
	// Begin takes a connection, waiting for one if necessary, and begins a transaction. ctx applies to the whole
	// transaction.
	Begin(ctx context.Context, mode Mode) (Tx, error)
	// EnsureSchema returns an error unless the database has the tables, of the version that
	// attune knows. If the database is empty, it creates them if create is set, and
	// otherwise fails with ErrEmpty.
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
	// Snapshot sees one state of the database in all of its statements, and writes nothing.
	Snapshot
	// Durable is on the disk of the server when Commit returns.
	Durable
	// Lazy need not be: a crash of the server may lose it, but then also everything committed after it. An engine
	// without this mode treats it as Durable.
	Lazy
)

// A Tx is a transaction. The caller ends it with Commit or Rollback, and must not use it afterwards. It is not safe
// for concurrent use.
type Tx interface {
	tables.DB
	// Change runs a statement and returns how many rows it changed.
	Change(sql string, args ...tables.Value) (rows int64, err error)
	// Rows calls each with every row of a result that has the columns of a Row. The row is
	// valid until each returns.
	Rows(sql string, args []tables.Value, each func(*Row) error) error
	// Commit commits. If the connection is lost meanwhile, it determines the outcome of the transaction. If that is
	// impossible, the error is ErrUnknown.
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
