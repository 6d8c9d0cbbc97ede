// Package storage defines how studies are stored: a [Store] is a catalogue of studies, and a [Ledger] holds the
// trials of one study.
//
// A ledger takes changes and returns records. It answers no other questions: readers keep a [trial.History] and query
// that.
//
// # Writing a back end
//
// A back end implements the five methods of [Store] and the seven of [Ledger]; package
// storage/memory is the shortest that does. A back end does not interpret changes:
// [CheckAdd] says which trials may be added, [Claim] returns the started trial, and
// [CanonicalChanges] with [trial.Record.Apply] define the effect of changes. Package
// storagetest tests the result.
//
// More abilities are optional interfaces. A [Leaser] is a ledger that knows which workers are alive, and a [Waiter]
// is a ledger that can wait for changes. A [Reader] is a store that opens studies read-only. The functions [Wait] and
// [Read] also work for back ends without these abilities. A [Summarizer] is a store that summarizes studies without
// reading all of their trials, a [Rower] knows the numbers by which other programs identify trials, and a [Placed]
// can report whether it still exists.
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
	// ErrNotExist reports a study that the store does not have.
	ErrNotExist = errors.New("does not exist")
	// ErrExist reports a name that is taken.
	ErrExist = errors.New("already exists")
	// ErrNoTrial reports a trial number that the study does not have.
	ErrNoTrial = errors.New("no such trial")
	// ErrVersion reports a file that another version of the format wrote.
	ErrVersion = errors.New("unsupported version")
	// ErrFormat reports a file that is not a store, or is damaged.
	ErrFormat = errors.New("not a store")
	// ErrPath reports a path that cannot hold a store: it does not name a file, or
	// its folder is missing.
	ErrPath = errors.New("bad path")
	// ErrUnreachable reports a server that does not answer.
	ErrUnreachable = errors.New("the server cannot be reached")
	// ErrAccess reports a server that refuses the user or the request.
	ErrAccess = errors.New("access denied")
	// ErrReserved reports a note under a key that the file format reserves.
	ErrReserved = errors.New("reserved key")
	// ErrClosed reports the use of a ledger after its Close.
	ErrClosed = errors.New("the study is closed")
	// ErrBusy reports that others locked a store for longer than the caller waits. Nothing was changed: try again.
	ErrBusy = errors.New("locked by other processes")
	// ErrFull reports that no space is left. Committed changes are safe.
	ErrFull = errors.New("no space left")
	// ErrReadOnly reports a change to a ledger that was opened for reading.
	ErrReadOnly = errors.New("opened for reading only")
)

// A Store is a catalogue of studies. It is safe for concurrent use.
type Store interface {
	// Create adds a study with the name, directions, seed, attributes and notes of s. It fails with ErrExist if the
	// name is taken, and with ErrReserved for a note under a reserved key; then it changes nothing.
	Create(ctx context.Context, s trial.Header) (Ledger, error)
	// Open finds a study by name. It fails with ErrNotExist if there is none.
	Open(ctx context.Context, name string) (Ledger, error)
	// Studies returns an iterator over all studies, in order of name. The first
	// error ends it.
	Studies(ctx context.Context) iter.Seq2[trial.Header, error]
	// Rename gives a study another name. It fails with ErrNotExist and ErrExist. Open ledgers stay with the study.
	Rename(ctx context.Context, from, to string) error
	// Delete removes a study and all its trials. It fails with ErrNotExist. Afterwards the study's open ledgers fail
	// with ErrNotExist.
	Delete(ctx context.Context, name string) error
}

// A Ledger holds the trials of one study, on which any number of processes may work. It is safe for concurrent use.
//
// If the context is done, a method returns the context's error, and leaves nothing
// half written.
type Ledger interface {
	// Header returns the header of the study, with its current attributes.
	Header(ctx context.Context) (trial.Header, error)
	// Annotate sets attributes and notes of the study, replacing those with the same key. It fails with ErrReserved.
	Annotate(ctx context.Context, attrs, notes trial.Attrs) error
	// Add appends trials unchanged except for their numbers, which it assigns in order and returns. Waiting trials
	// are thereby enqueued, finished ones copied. [CheckAdd] says which trials are refused. All are added, or none.
	Add(ctx context.Context, records ...trial.Record) ([]int, error)
	// Start claims the waiting trial with the lowest number or, if none is waiting, adds a new one, and returns it as
	// running since the given time. No two calls, in any process, return the same trial, unless they have the same
	// key.
	//
	// A key makes Start safe to repeat. If a trial was started under it before, in any process, Start changes nothing
	// and returns that trial as it is now, running or finished. The key is kept with the trial, see
	// [trial.Record.Key]. An empty key means no key. One that is not UTF-8 fails with [space.ErrInvalid].
	Start(ctx context.Context, at time.Time, key string) (trial.Record, error)
	// Write applies changes to a trial, all or none, as [trial.Record.Apply] does, and
	// fails with its errors, such as trial.ErrFinished for a finished trial; with those of
	// [CanonicalChanges] and [CheckObjectives]; and with ErrNoTrial if there is no such
	// trial. It keeps no reference to the data of the changes.
	Write(ctx context.Context, number int, changes ...trial.Change) error
	// Since returns an iterator over the trials that changed after the cursor, each as it
	// is now, clipped. It never misses a change by any process, but may yield a record
	// twice. The first error ends the iteration. A cursor that the ledger has not returned
	// counts as the nearest one that it has.
	Since(ctx context.Context, after Cursor) iter.Seq2[Update, error]
	// Close releases the ledger's resources. Closing twice is harmless; afterwards any other method fails with
	// ErrClosed.
	Close() error
}

// A Cursor is a place in a [Ledger]; 0 is the beginning. It is only valid for that Ledger value, not even for another
// one of the same study.
type Cursor int64

// An Update is a record and the cursor to resume from after it.
type Update struct {
	Cursor Cursor
	Trial  trial.Record
}

// A Leaser is a [Ledger] that knows which workers are alive, because they renew the leases of their trials. A trial
// has a lease from Start on. Leases are not history, so they are kept apart from the records.
type Leaser interface {
	Ledger
	// Renew renews the leases of the given trials, because their workers are alive. It ignores finished trials.
	Renew(ctx context.Context, numbers ...int) error
	// Release ends the leases of the given trials: they are never reaped.
	Release(ctx context.Context, numbers ...int) error
	// Reap fails the running trials whose lease is older than grace, and returns the failed trials. In the same
	// transaction it adds the trial that retry returns for each, if any. No two calls, in any process, reap the same
	// trial. Trials that never had a lease are not reaped.
	//
	// Held are the trials that the caller is working on. Reap renews them first, in
	// the same transaction, as Renew does: a process that was suspended must not
	// take its own trials for dead when it wakes up.
	Reap(ctx context.Context, held []int, grace time.Duration, at time.Time, retry Retry) ([]trial.Record, error)
}

// Retry returns the trial to enqueue in place of a failed one, or false if there is none. It is called within the
// transaction, and again if the transaction is repeated, so it must not use the store. A store on another machine may
// also call it for running trials that do not fail in the end. If it panics, Reap changes nothing.
type Retry func(failed trial.Record) (waiting trial.Record, ok bool)

// A Waiter is a Ledger that learns of changes without polling.
type Waiter interface {
	Ledger
	// Wait returns nil when a trial may have changed after the cursor, in any process, and at once if one has changed
	// already. It may return too early but never too late, so the caller checks with Since and waits again. It fails
	// like Since, also if the ledger is closed or its study is deleted in the meantime, and with the error of ctx.
	Wait(ctx context.Context, after Cursor) error
}

// Wait waits until a trial of l may have changed after the cursor, as [Waiter.Wait] does. A
// ledger that is not a Waiter is polled: every 10 ms at first, and less often the longer
// nothing happens, down to once a second.
func Wait(ctx context.Context, l Ledger, after Cursor) error {
	if w, ok := l.(Waiter); ok {
		return w.Wait(ctx, after)
	}
	for pause := 10 * time.Millisecond; ; pause = min(pause*5/4, time.Second) {
		changed, err := changed(ctx, l, after)
		if changed || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func changed(ctx context.Context, l Ledger, after Cursor) (bool, error) {
	next, stop := iter.Pull2(l.Since(ctx, after))
	defer stop()
	_, err, ok := next()
	return ok && err == nil, err
}

// A Reader is a Store that can open a study without changing it.
type Reader interface {
	Store
	// Read opens a study as Open does, for reading only: methods that would change the
	// study fail with ErrReadOnly. It creates nothing and changes nothing in the store. The
	// ledger sees the changes that others make while it is open.
	Read(ctx context.Context, name string) (Ledger, error)
}

// Read opens a study of s for reading only, as [Reader.Read] does. If s is no Reader,
// Read opens the study with Open, and the ledger then refuses changes.
func Read(ctx context.Context, s Store, name string) (Ledger, error) {
	if r, ok := s.(Reader); ok {
		return r.Read(ctx, name)
	}
	l, err := s.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	return readOnly{l}, nil
}

// readOnly is a ledger without the methods that change it.
type readOnly struct{ Ledger }

var _ Waiter = readOnly{}

func (l readOnly) Annotate(context.Context, trial.Attrs, trial.Attrs) error { return ErrReadOnly }

func (l readOnly) Add(context.Context, ...trial.Record) ([]int, error) { return nil, ErrReadOnly }

func (l readOnly) Start(context.Context, time.Time, string) (trial.Record, error) {
	return trial.Record{}, ErrReadOnly
}

func (l readOnly) Write(context.Context, int, ...trial.Change) error { return ErrReadOnly }

func (l readOnly) Wait(ctx context.Context, after Cursor) error { return Wait(ctx, l.Ledger, after) }

// A Summarizer is a [Store] that can summarize studies without reading all of their trials. Its methods fail with
// errors.ErrUnsupported if an underlying store cannot.
type Summarizer interface {
	Store
	// Summaries returns an iterator over the summaries of all studies, in order of name.
	// The first error ends it. The best trial in a summary has only its number, state and
	// values, and Took is 0.
	Summaries(ctx context.Context) iter.Seq2[trial.Summary, error]
	// Preview returns a preview of a study with the given number of its newest trials, all as of one moment. It fails
	// with ErrNotExist.
	Preview(ctx context.Context, name string, newest int) (Preview, error)
}

// A Preview is the part of a study that is shown first.
type Preview struct {
	Summary  trial.Summary  // without Took
	Front    []trial.Record // the result of [trial.Snapshot.Front]
	Running  []trial.Record // by number
	Newest   []trial.Record // of all states, the highest number first
	Reported bool           // whether a trial has a [trial.Report] or a [trial.Vector]
	Values   []float64      // of the feasible complete trials, by number; nil for several objectives
}

// A Rower is a [Store] that Optuna's programs can open, too. They number the trials of all studies together.
type Rower interface {
	Store
	// Row returns the number of a trial in the tables. It fails with ErrNotExist and ErrNoTrial, and with
	// errors.ErrUnsupported if an underlying store has no such numbers.
	Row(ctx context.Context, study string, number int) (int64, error)
}

// A Placed is a [Store] that can vanish, as a file can.
type Placed interface {
	Store
	// Exists reports whether the store exists at its place. It may not exist before the first Create.
	Exists() (bool, error)
}
