package dbserver

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/outage"
	"github.com/attune-hpo/attune/storage/internal/tables"
	"github.com/attune-hpo/attune/trial"
)

// ErrEmpty reports a database without any tables.
var ErrEmpty = errors.New("the database is empty")

// A Store is a [storage.Store] in a database of an Engine. The pool is opened when it is
// needed and closed when no ledger is open. It must not be copied.
type Store struct {
	Package  fault.Package
	Name     string // of the database in messages, without credentials
	Engine   Engine
	Patience time.Duration // with a server that is away, or busy
	Outage   outage.Watch

	mu      sync.Mutex // guards what follows
	pool    Pool       // nil while closed
	made    bool       // it has the tables
	users   int        // open ledgers and running methods
	studies map[int64]*study

	texts tables.Texts
}

var (
	_ storage.Reader = (*Store)(nil)
	_ storage.Rower  = (*Store)(nil)
	_ storage.Leaser = (*ledger)(nil)
	_ storage.Waiter = (*ledger)(nil)
)

// enter opens the pool, if necessary, and keeps it open until leave.
func (s *Store) enter(ctx context.Context, create bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pool == nil {
		err := s.patiently(ctx, func() (err error) {
			s.pool, err = s.Engine.Connect(ctx)
			return err
		})
		if err != nil {
			s.pool = nil
			return err
		}
		s.made = false
	}
	if !s.made {
		err := s.patiently(ctx, func() error { return s.pool.EnsureSchema(ctx, create) })
		if err != nil {
			if s.users == 0 {
				s.close()
			}
			return err
		}
		s.made = true
	}
	s.users++
	return nil
}

// leave releases the pool, and closes it after the last user.
func (s *Store) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.users == 0 {
		s.close()
	}
}

func (s *Store) close() {
	s.pool.Close()
	s.pool = nil
}

// use calls f with the pool open.
func (s *Store) use(ctx context.Context, create bool, f func() error) error {
	if err := s.enter(ctx, create); err != nil {
		return err
	}
	defer s.leave()
	return f()
}

// transact calls f in a transaction, and commits it. f may be called several times; a failed call leaves no trace.
func (s *Store) transact(ctx context.Context, mode Mode, f func(Tx) error) error {
	return s.patiently(ctx, func() error {
		tx, err := s.pool.Begin(ctx, mode)
		if err != nil {
			return err
		}
		defer tx.Rollback() // if f fails or panics
		if err := f(tx); err != nil {
			return err
		}
		return tx.Commit()
	})
}

// patiently calls f until it succeeds or fails with a permanent error.
func (s *Store) patiently(ctx context.Context, f func() error) error {
	deadline, finishing := time.Now().Add(s.Patience), storage.Finishing(ctx)
	for wait := 2 * time.Millisecond; ; wait = min(wait*2, 250*time.Millisecond) {
		err := f()
		_, away := errors.AsType[Lost](err)
		switch {
		case away:
			s.Outage.Failed(err)
		case err == nil:
			s.Outage.Answered()
		}
		if err == nil || s.Engine.Class(err) != Again {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if away && finishing.Err() != nil {
			return fmt.Errorf("%w: a run that ends does not wait for it: %w", storage.ErrUnreachable, err)
		}
		if time.Now().After(deadline) {
			cause := storage.ErrBusy
			if away {
				cause = storage.ErrUnreachable
			}
			return fmt.Errorf("%w: tried for %v: %w", cause, s.Patience, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait/2 + rand.N(wait)): // at random, so that two do not meet again
		}
	}
}

func (s *Store) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, ErrEmpty) {
		err = storage.ErrNotExist
	}
	return s.Package.Errorf("%s in %s: %w", op, s.Name, s.Engine.Explain(err))
}

// writer returns a writer of trials in tx.
func (s *Store) writer(tx Tx) tables.Writer {
	return tables.Writer{Statements: s.Engine.Dialect().Statements, DB: tx, Texts: &s.texts}
}

// Create implements [storage.Store].
func (s *Store) Create(ctx context.Context, header trial.Header) (storage.Ledger, error) {
	header, err := storage.CanonicalStudy(header)
	if err == nil {
		err = s.names().header(header)
	}
	var l *ledger
	if err == nil {
		err = s.use(ctx, true, func() error {
			var id int64
			err := s.transact(ctx, Durable, func(tx Tx) (err error) {
				if _, err := tables.StudyID(tx, header.Name); !errors.Is(err, storage.ErrNotExist) {
					if err == nil {
						err = storage.ErrExist
					}
					return err
				}
				id, err = s.Engine.Dialect().InsertStudy(tx, header, tables.NewToken())
				return err
			})
			if s.Engine.Class(err) == Clash { // another process was quicker
				err = storage.ErrExist
			}
			if err == nil {
				l = s.ledger(id, false)
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
	return s.open(ctx, name, false)
}

// Read implements [storage.Reader].
func (s *Store) Read(ctx context.Context, name string) (storage.Ledger, error) {
	return s.open(ctx, name, true)
}

func (s *Store) open(ctx context.Context, name string, readOnly bool) (storage.Ledger, error) {
	var l *ledger
	err := s.use(ctx, false, func() error {
		id, err := s.find(ctx, name)
		if err == nil {
			l = s.ledger(id, readOnly)
		}
		return err
	})
	if err != nil {
		return nil, s.wrap(fmt.Sprintf("open study %q", name), err)
	}
	return l, nil
}

// find returns the row of a study, or ErrNotExist.
func (s *Store) find(ctx context.Context, name string) (id int64, err error) {
	if s.names().check("study", name) != nil {
		return 0, storage.ErrNotExist
	}
	err = s.transact(ctx, Reading, func(tx Tx) (err error) {
		id, err = tables.StudyID(tx, name)
		return err
	})
	return id, err
}

// Row implements [storage.Rower].
func (s *Store) Row(ctx context.Context, study string, number int) (row int64, err error) {
	err = s.use(ctx, false, func() error {
		id, err := s.find(ctx, study)
		if err != nil {
			return err
		}
		return s.transact(ctx, Reading, func(tx Tx) (err error) {
			row, err = tables.TrialID(tx, id, number)
			return err
		})
	})
	return row, s.wrap(fmt.Sprintf("look up a trial of study %q", study), err)
}

// Studies implements [storage.Store]. An empty database has none.
func (s *Store) Studies(ctx context.Context) iter.Seq2[trial.Header, error] {
	return func(yield func(trial.Header, error) bool) {
		var headers []trial.Header
		err := s.use(ctx, false, func() error {
			return s.transact(ctx, Reading, func(tx Tx) (err error) {
				headers, err = s.Engine.Dialect().Headers(tx, 0)
				return err
			})
		})
		if errors.Is(err, ErrEmpty) {
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

// Rename implements [storage.Store].
func (s *Store) Rename(ctx context.Context, from, to string) error {
	_, err := storage.CanonicalStudy(trial.Header{Name: to})
	if err == nil {
		err = s.names().check("study", to)
	}
	if err == nil {
		err = s.use(ctx, false, func() error {
			err := s.transact(ctx, Durable, func(tx Tx) error {
				id, err := tables.StudyID(tx, from)
				if err != nil || from == to {
					return err
				}
				if _, err := tables.StudyID(tx, to); !errors.Is(err, storage.ErrNotExist) {
					if err == nil {
						err = storage.ErrExist
					}
					return err
				}
				return tx.Exec("UPDATE studies SET study_name = ? WHERE study_id = ?", to, id)
			})
			if s.Engine.Class(err) == Clash {
				err = storage.ErrExist
			}
			return err
		})
	}
	return s.wrap(fmt.Sprintf("rename study %q to %q", from, to), err)
}

// Delete implements [storage.Store].
func (s *Store) Delete(ctx context.Context, name string) error {
	err := s.use(ctx, false, func() error {
		for {
			var id int64
			err := s.transact(ctx, Durable, func(tx Tx) (err error) {
				if id, err = tables.StudyID(tx, name); err != nil {
					return err
				}
				if err := s.Engine.Dialect().lockStudy(tx, id); err != nil {
					return err
				}
				return tables.DeleteStudy(tx, id)
			})
			if s.Engine.Class(err) == Clash && ctx.Err() == nil {
				continue // somebody wrote to a trial meanwhile
			}
			if err == nil {
				s.forget(id)
			}
			return err
		}
	})
	return s.wrap(fmt.Sprintf("delete study %q", name), err)
}

// forget makes calls that wait for changes of a study check again.
func (s *Store) forget(id int64) {
	s.mu.Lock()
	st := s.studies[id]
	s.mu.Unlock()
	if st != nil {
		st.mu.Lock()
		st.gone = true
		st.trials.Wake()
		st.mu.Unlock()
	}
}

// ledger returns a new ledger of a study. The caller has entered the store.
func (s *Store) ledger(id int64, readOnly bool) *ledger {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.studies[id]
	if st == nil {
		st = &study{store: s, id: id}
		if s.studies == nil {
			s.studies = map[int64]*study{}
		}
		s.studies[id] = st
	}
	st.ledgers++
	s.users++
	return &ledger{store: s, study: st, readOnly: readOnly}
}
