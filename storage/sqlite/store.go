// Package sqlite keeps studies in a SQLite file that is shared with Optuna.
//
// The file has the tables of Optuna's newest schema, byte for byte, so Python's Optuna 5
// and optuna-dashboard open it while Go workers write to it, and this package opens theirs.
// All other data of a study are in attributes whose keys begin with "attune:".
// doc/format/sqlite.md lists every table and key.
//
//	st, err := study.Open(ctx, sqlite.File("walmart.db"), "lightgbm", study.Config{Sampler: tpe.New(tpe.Config{})})
//
// Any number of goroutines and processes of one machine may work on one file.
// Each transaction takes the write lock first and waits for it, so "database is
// locked" is not an error that workers meet.
//
// # Durability
//
// Whatever a method has written survives the death of the process. It also survives a power failure, except the
// writes of a running trial: these are on the disk when the trial is told. [Store.Sync] changes this.
//
// While a ledger that wrote is open, the file is in WAL mode: its log and the log's index,
// two more files, lie next to it. Copy all three, or close the file first; the file alone
// has every study, but not the trials of the last minutes. The last process to close the
// file merges the log into it, and browser tools can then open it; after a crash, opening,
// writing and closing it once does the same.
//
// If any of the three is removed, replaced or truncated while it is open, the next write fails, and so does Close if
// something is lost.
//
// # Caveats
//
//   - Do not use a network file system: its locks and shared memory are unreliable, for this package and for Python.
//     Put a file on a local disk.
//   - Times are UTC, as Optuna 5 writes them. Optuna up to 4.9 wrote local time without a zone; such times are read
//     as if they were UTC.
//   - Python's Optuna may claim a waiting trial twice on SQLite. Go workers never claim a taken trial, but cannot
//     prevent Python from doing so.
//   - A process keeps the records of an open study in memory, for all ledgers of one Store
//     together. Whenever another process has written, it rereads the unfinished trials,
//     except their known reports. Tens of thousands of waiting trials make this slow.
//   - A trial with data that attune cannot use, such as an integer beyond 2^53 that Python wrote, reads as a failed
//     trial whose Err gives the reason.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/tables"
	"github.com/attune-hpo/attune/trial"
)

const pkg fault.Package = "sqlite"

// Hints to change a setting.
var (
	someFile  = fault.Hint{Field: "sqlite.Store.Path", Want: "set %s to the path of a file"}
	otherFile = fault.Hint{Field: "sqlite.Store.Path", Want: "set %s to another file"}
	inMemory  = fault.Hint{Field: "memory.Store", Want: "keep the studies in a %s"}
)

// A Store is a SQLite file. Its fields must not change once it is in use. It is
// safe for concurrent use, and must not be copied.
//
// The file is opened when it is needed and closed when no ledger is open; it is
// created, in a folder that exists, by the first Create. Errors wrap
// [storage.ErrPath] if it cannot be a file, [storage.ErrFormat] if it is not a
// store, or a damaged one, [storage.ErrVersion] if another version of Optuna wrote
// it, [storage.ErrBusy] after BusyTimeout, [storage.ErrFull] on a full disk, and
// what package fs or the driver reports. A file that cannot be written can be
// read.
type Store struct {
	// Path is the path of the file. URLs are not supported, and neither is ":memory:": use package memory.
	Path string
	// BusyTimeout is how long to wait for other processes before giving up.
	// Default 30 s.
	BusyTimeout time.Duration
	// Sync says which changes wait for the disk. Default [SyncTold].
	Sync Sync

	readOnly bool // as Read opens it

	once    sync.Once
	sem     chan struct{} // of one; guards what follows
	db      *conn         // nil while closed
	ledgers int           // open ones
	studies map[int64]*study
}

var (
	_ storage.Reader = (*Store)(nil)
	_ storage.Leaser = (*ledger)(nil)
	_ storage.Waiter = (*ledger)(nil)
)

// Sync says which changes are on the disk when the method that made them returns, and so survive a power failure. A
// killed process never loses anything.
type Sync int

const (
	// SyncTold makes every change wait for the disk, except the changes of a running trial: its start, parameters,
	// reports, attributes and lease. These are on the disk when the trial is told. So a trial waits once: 2.5 ms in a
	// run of BenchmarkTrial, in which a trial took 1.5 ms without the wait.
	SyncTold Sync = iota
	// SyncEach makes every change wait.
	SyncEach
	// SyncSeldom makes only new studies wait. The log is synced when it is copied into the file, about every four
	// megabytes. A power failure loses later changes, including told trials, but never the file.
	SyncSeldom
)

// File returns the store in the file of the given path, with default settings.
// It does not touch the file.
func File(path string) *Store { return &Store{Path: path} }

// errNoFile reports that there is nothing at the path yet.
var errNoFile = errors.New("the file does not exist")

// use calls f with the connection, and alone. The file is opened before and, if
// no ledger is left open, closed after it.
func (s *Store) use(ctx context.Context, create bool, f func(*conn) error) (err error) {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	if s.db == nil {
		if s.db, err = s.open(ctx, create); err != nil {
			return elsewhere(err)
		}
	}
	defer func() {
		if s.ledgers == 0 {
			err = errors.Join(err, s.close())
		}
	}()
	return f(s.db)
}

// close closes the file. The caller is alone with s.
func (s *Store) close() error {
	err := s.db.close()
	s.db = nil
	return err
}

// lock waits until the caller is alone with s.
func (s *Store) lock(ctx context.Context) error {
	s.once.Do(func() { s.sem = make(chan struct{}, 1) })
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.sem <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// elsewhere returns an error of opening the file with the hint to use another path, unless it already has a hint.
func elsewhere(err error) error {
	if (errors.Is(err, storage.ErrPath) || errors.Is(err, storage.ErrFormat)) && len(fault.Hints(err)) == 0 {
		return fmt.Errorf("%w: %w", err, otherFile)
	}
	return err
}

func (s *Store) unlock() { <-s.sem }

func (s *Store) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, errNoFile) {
		err = storage.ErrNotExist
	}
	return pkg.Errorf("%s in %s: %w", op, s.Path, s.explain(err))
}

// Create implements [storage.Store].
func (s *Store) Create(ctx context.Context, header trial.Header) (storage.Ledger, error) {
	var l *ledger
	header, err := storage.CanonicalStudy(header)
	if err == nil {
		err = s.use(ctx, true, func(c *conn) error {
			var id int64
			token := tables.NewToken()
			err := s.write(ctx, c, func() (err error) {
				if _, err := tables.StudyID(c, header.Name); !errors.Is(err, storage.ErrNotExist) {
					if err == nil {
						err = storage.ErrExist
					}
					return err
				}
				id, err = statements.InsertStudy(c, header, token)
				return err
			})
			if err == nil {
				err = c.settle(ctx)
			}
			if err == nil {
				l = s.ledger(id, token)
			}
			return err
		})
	}
	if err != nil {
		return nil, s.wrap(fmt.Sprintf("create study %q", header.Name), err)
	}
	return l, nil
}

// Open implements [storage.Store].
func (s *Store) Open(ctx context.Context, name string) (storage.Ledger, error) {
	var l *ledger
	err := s.use(ctx, false, func(c *conn) error {
		return s.read(ctx, c, func() error {
			id, err := tables.StudyID(c, name)
			if err != nil {
				return err
			}
			_, token, err := c.identity(id)
			if err == nil {
				l = s.ledger(id, token)
			}
			return err
		})
	})
	if err != nil {
		return nil, s.wrap(fmt.Sprintf("open study %q", name), err)
	}
	return l, nil
}

// Studies implements [storage.Store]. A file that does not exist has none.
func (s *Store) Studies(ctx context.Context) iter.Seq2[trial.Header, error] {
	return func(yield func(trial.Header, error) bool) {
		var headers []trial.Header
		from, err := s.forReading(ctx)
		if err == nil {
			err = from.use(ctx, false, func(c *conn) error {
				return from.read(ctx, c, func() (err error) {
					headers, err = statements.Headers(c, 0)
					return err
				})
			})
		}
		if errors.Is(err, errNoFile) {
			return
		}
		wrap := func(err error) error { return s.wrap("list studies", err) }
		if err != nil {
			yield(trial.Header{}, wrap(err))
			return
		}
		tables.Each(ctx, headers, wrap, yield)
	}
}

// sync waits for the disk after a change of the catalogue, unless that failed.
func (s *Store) sync(c *conn, err error) error {
	if err != nil || s.Sync == SyncSeldom {
		return err
	}
	return c.files.sync()
}

// Rename implements [storage.Store].
func (s *Store) Rename(ctx context.Context, from, to string) error {
	_, err := storage.CanonicalStudy(trial.Header{Name: to})
	if err == nil {
		err = s.use(ctx, false, func(c *conn) error {
			var id int64
			err := s.write(ctx, c, func() (err error) {
				if id, err = tables.StudyID(c, from); err != nil || from == to {
					return err
				}
				if _, err := tables.StudyID(c, to); !errors.Is(err, storage.ErrNotExist) {
					if err == nil {
						err = storage.ErrExist
					}
					return err
				}
				_, err = c.exec("UPDATE studies SET study_name = ? WHERE study_id = ?", to, id)
				return err
			})
			if st := s.studies[id]; err == nil && st != nil {
				st.header = nil
			}
			return s.sync(c, err)
		})
	}
	return s.wrap(fmt.Sprintf("rename study %q to %q", from, to), err)
}

// Delete implements [storage.Store].
func (s *Store) Delete(ctx context.Context, name string) error {
	err := s.use(ctx, false, func(c *conn) error {
		var id int64
		err := s.write(ctx, c, func() (err error) {
			if id, err = tables.StudyID(c, name); err != nil {
				return err
			}
			return tables.DeleteStudy(c, id)
		})
		if st := s.studies[id]; err == nil && st != nil {
			st.gone = true
			st.trials.Wake()
			delete(s.studies, id) // the id may be given to the next study
		}
		return s.sync(c, err)
	})
	return s.wrap(fmt.Sprintf("delete study %q", name), err)
}

// ledger returns a new ledger of a study. The caller is alone with s.
func (s *Store) ledger(id int64, token string) *ledger {
	st := s.studies[id]
	if st == nil || st.gone || st.token != token {
		st = &study{id: id, token: token}
		if s.studies == nil {
			s.studies = map[int64]*study{}
		}
		s.studies[id] = st
	}
	st.ledgers++
	s.ledgers++
	return &ledger{store: s, study: st}
}
