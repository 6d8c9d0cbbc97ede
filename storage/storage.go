// Package storage defines where studies are kept: a [Store] is a catalogue of
// studies, a [Ledger] holds the trials of one.
//
// A ledger takes changes and returns records. It answers no other question:
// readers keep a [trial.History] and query that.
//
// # Writing a back end
//
// A back end implements the five methods of [Store] and the seven of [Ledger];
// package storage/memory is the shortest that does. What a trial becomes is not
// for the back end to decide: [CheckAdd] says what may be added, [Claim] what a
// trial is once started, and [CanonicalChanges] with [trial.Record.Apply] what a
// change makes of it. Package storagetest proves the result.
//
// More abilities are optional interfaces. A ledger that is a [Leaser] knows
// which workers are alive, one that is a [Waiter] can wait for changes, and a
// store that is a [Reader] opens studies without the right to change them. The
// functions [Wait] and [Read] serve back ends that lack them. A store that is a
// [Summarizer] tells what studies are like without reading all of their trials, one
// that is a [Rower] tells by which numbers other programs know trials, and one that is a
// [Placed] tells whether it is still there.
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
	// ErrAccess reports a server that refuses the user, or what the user asked for.
	ErrAccess = errors.New("access denied")
	// ErrReserved reports a note under a key that the file format uses for itself.
	ErrReserved = errors.New("reserved key")
	// ErrClosed reports the use of a ledger after its Close.
	ErrClosed = errors.New("the study is closed")
	// ErrBusy reports that others kept a store locked for longer than the caller
	// waits. Nothing was changed: try again.
	ErrBusy = errors.New("locked by other processes")
	// ErrFull reports that there is no room left. What was committed is safe.
	ErrFull = errors.New("no space left")
	// ErrReadOnly reports a change to a ledger that was opened for reading.
	ErrReadOnly = errors.New("opened to be read only")
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
// If the context is done, a method returns the context's error, and leaves nothing
// half written.
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
	// whatever process, return the same trial, unless they have the same key.
	//
	// A key makes Start safe to repeat. If a trial was started under it before, in
	// whatever process, Start changes nothing and returns that trial as it is now,
	// running or finished. The key is kept with the trial, see [trial.Record.Key].
	// An empty key is none. One that is not UTF-8 fails with [space.ErrInvalid].
	Start(ctx context.Context, at time.Time, key string) (trial.Record, error)
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
	// Renew says that the workers which run the given trials are alive. It ignores
	// trials that have finished.
	Renew(ctx context.Context, numbers ...int) error
	// Release ends the leases of the given trials: they are never reaped.
	Release(ctx context.Context, numbers ...int) error
	// Reap fails the running trials whose lease is older than grace, and returns
	// them as they are then. In the same transaction it adds what retry returns
	// for each, unless that is not ok. No two calls, in whatever process, reap the
	// same trial. Trials that never had a lease are left alone.
	//
	// Held are the trials that the caller is working on. Reap renews them first, in
	// the same transaction, as Renew does: a process that was suspended must not
	// take its own trials for dead when it wakes up.
	Reap(ctx context.Context, held []int, grace time.Duration, at time.Time, retry Retry) ([]trial.Record, error)
}

// Retry returns the trial to enqueue in place of one that failed; ok is false
// when nothing replaces it. It is called within the transaction, and again if the
// transaction is repeated, so it must not use the store. If it panics, Reap
// changes nothing.
type Retry func(failed trial.Record) (waiting trial.Record, ok bool)

// A Waiter is a Ledger that learns of changes without polling.
type Waiter interface {
	Ledger
	// Wait returns nil when a trial may have changed after the cursor, in whatever
	// process: at once if one has already. It may return too early, never too late,
	// so the caller looks with Since and waits again. It fails like Since, if the
	// ledger is closed or its study deleted meanwhile too, and with the error of
	// ctx.
	Wait(ctx context.Context, after Cursor) error
}

// Wait waits until a trial of l may have changed after the cursor, as
// [Waiter.Wait] does. A ledger that is no Waiter is polled, less often the longer
// nothing happens: every 10 ms at first, every second in the end.
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
	// Read opens a study as Open does, for reading only: methods that would change
	// the study fail with ErrReadOnly. It creates nothing and changes nothing in the
	// store. The ledger sees what others change while it is open.
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

// A Summarizer is a Store that can tell what studies are like without reading all of
// their trials.
type Summarizer interface {
	Store
	// Summaries returns an iterator over the summaries of all studies, in order of
	// name. The first error ends it. Of the best trial a summary has only the number,
	// the state and the values. It has no Took.
	Summaries(ctx context.Context) iter.Seq2[trial.Summary, error]
	// Preview returns what a study is like, with as many of its newest trials as
	// asked for. It fails with ErrNotExist. All of it is as of one moment.
	Preview(ctx context.Context, name string, newest int) (Preview, error)
}

// A Preview is what one sees of a study first.
type Preview struct {
	Summary  trial.Summary  // without Took
	Front    []trial.Record // as of [trial.Snapshot.Front]
	Running  []trial.Record // by number
	Newest   []trial.Record // of all states, the highest number first
	Reported bool           // whether a trial has reported anything
	Values   []float64      // of the feasible complete trials, by number; nil for several objectives
}

// A Rower is a Store that Optuna's programs know too. They have numbers of their own
// for trials, which count those of all studies.
type Rower interface {
	Store
	// Row returns the number that a trial has in the tables. It fails with ErrNotExist
	// and ErrNoTrial, and with errors.ErrUnsupported if another store does the work and
	// has no such numbers.
	Row(ctx context.Context, study string, number int) (int64, error)
}

// A Placed is a Store in a place that can vanish, as a file can.
type Placed interface {
	Store
	// Exists reports whether there is anything at the place. Before the first Create
	// there need not be.
	Exists() (bool, error)
}
