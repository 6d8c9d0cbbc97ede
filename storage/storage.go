// Package storage defines where studies are kept: a [Store] is a catalogue of
// studies, a [Ledger] holds the trials of one.
//
// A ledger takes changes and gives out records. It answers no other question:
// whoever reads it keeps a [trial.History], and asks that. A new back end has
// twelve methods to write, and package storagetest to prove itself by.
package storage

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/attune-hpo/attune/trial"
)

// Errors that stores return, wrapped; test with [errors.Is].
var (
	// ErrNotExist reports a study that the store does not hold.
	ErrNotExist = errors.New("storage: study does not exist")
	// ErrExist reports a name that is taken.
	ErrExist = errors.New("storage: study already exists")
	// ErrNoTrial reports a trial number that the study does not have.
	ErrNoTrial = errors.New("storage: no such trial")
	// ErrVersion reports a file that another version of the format wrote.
	ErrVersion = errors.New("storage: unsupported version")
	// ErrFormat reports a file that is not a store at all, or a damaged one.
	ErrFormat = errors.New("storage: not a store")
	// ErrPath reports a path at which there can be no store: it is not one of a
	// file, or its folder is missing.
	ErrPath = errors.New("storage: bad path")
	// ErrReserved reports a note under a key that files keep something else by.
	ErrReserved = errors.New("storage: reserved key")
	// ErrClosed reports the use of a ledger after its Close.
	ErrClosed = errors.New("storage: ledger is closed")
	// ErrBusy reports that others have kept a store locked for longer than the
	// caller is willing to wait. Nothing was changed: try again.
	ErrBusy = errors.New("storage: locked by others")
	// ErrFull reports that there is no room left. What was committed is safe.
	ErrFull = errors.New("storage: no space left")
)

// A Store is a catalogue of studies. It is safe for concurrent use.
type Store interface {
	// Create adds a study with the name, directions, seed, attributes and notes
	// of s. It fails with ErrExist if the name is taken and with ErrReserved for a
	// note that cannot be, and then changes nothing.
	Create(ctx context.Context, s trial.Header) (Ledger, error)
	// Open finds a study by name. It fails with ErrNotExist if there is none.
	Open(ctx context.Context, name string) (Ledger, error)
	// Studies returns an iterator over all studies, in order of name. The first
	// error ends it.
	Studies(ctx context.Context) iter.Seq2[trial.Header, error]
	// Rename gives a study another name; ErrNotExist, ErrExist. Ledgers that are
	// open stay with the study.
	Rename(ctx context.Context, from, to string) error
	// Delete removes a study and all its trials; ErrNotExist if there is none.
	// Ledgers that are open fail with ErrNotExist from then on.
	Delete(ctx context.Context, name string) error
}

// A Ledger holds the trials of one study, which any number of processes may be
// working on. It is safe for concurrent use.
//
// A context that is done makes a method return its error; nothing is half
// written then.
type Ledger interface {
	// Header returns the study as it is now: what was fixed about it, and its attributes.
	Header(ctx context.Context) (trial.Header, error)
	// Annotate sets attributes and notes of the study, replacing those with the
	// same key; ErrReserved.
	Annotate(ctx context.Context, attrs, notes trial.Attrs) error
	// Add appends trials as they are, but for their numbers, which it assigns in
	// order and returns: waiting ones are thereby enqueued, finished ones copied.
	// [CheckAdd] says what is refused. All are added, or none.
	Add(ctx context.Context, records ...trial.Record) ([]int, error)
	// Start claims the waiting trial of the lowest number or, if none waits, adds
	// a new one, and returns it as running since the given time. No two calls, in
	// whatever process, return the same trial.
	Start(ctx context.Context, at time.Time) (trial.Record, error)
	// Write applies changes to a trial, all or none, as [trial.Record.Apply] does,
	// and fails with its errors, trial.ErrFinished if it has finished; with those of
	// [CanonicalChanges] and [CheckObjectives]; with ErrNoTrial if there is no such
	// trial. What the changes refer to stays the caller's.
	Write(ctx context.Context, number int, changes ...trial.Change) error
	// Since returns an iterator over the trials that changed after the cursor,
	// each as it is now, clipped. A change is never missed, in whatever process it
	// was made, though a record may come twice. The first error ends the iteration.
	// A cursor that the ledger did not give out counts as the nearest it did.
	Since(ctx context.Context, after Cursor) iter.Seq2[Update, error]
	// Close gives back what the ledger holds. Closing twice is harmless; any other
	// method fails with ErrClosed after it.
	Close() error
}

// A Cursor is a place in a [Ledger]; 0 is the beginning. It means nothing to any
// other Ledger value, even one for the same study.
type Cursor int64

// An Update is a record and the cursor to resume from after it.
type Update struct {
	Cursor Cursor
	Trial  trial.Record
}

// A Leaser is a Ledger that knows which workers are alive, because they say so
// from time to time. Trials are under lease from Start; liveness is not history,
// so it is kept apart from the records.
type Leaser interface {
	Ledger
	// Renew says that the workers which run the given trials are alive. Numbers of
	// trials that have finished are passed over.
	Renew(ctx context.Context, numbers ...int) error
	// Release ends the leases of the given trials: they are never reaped.
	Release(ctx context.Context, numbers ...int) error
	// Reap fails the running trials whose lease is older than grace, and returns
	// them as they are then. In the same transaction it adds what retry returns
	// for each, unless that is not ok. No two calls, in whatever process, reap the
	// same trial. Trials that never had a lease are left alone.
	Reap(ctx context.Context, grace time.Duration, at time.Time, retry Retry) ([]trial.Record, error)
}

// Retry returns the trial to enqueue in place of one that failed; ok is false
// when there is to be none. It is called within the transaction, and perhaps
// again if that is repeated, so it must not use the store. If it panics, Reap
// changes nothing.
type Retry func(failed trial.Record) (waiting trial.Record, ok bool)
