package sqlite

import (
	"context"
	"fmt"
	"iter"
	"os"
	"slices"
	"time"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/optunadb"
	"github.com/attune-hpo/attune/trial"
)

// ledger is a [storage.Leaser] and a [storage.Waiter]. All it has is shared.
type ledger struct {
	store  *Store
	study  *study
	closed bool // guarded by the store's lock
}

// read calls f with the study as it is in the file now, or was a moment before.
func (l *ledger) read(ctx context.Context, op string, f func(c *conn) error) error {
	return l.wrap(op, l.use(ctx, func(c *conn) error {
		// Usually nothing has changed elsewhere, as the version shows. Only if something has, a transaction is
		// needed.
		var v int64
		err := l.store.retry(ctx, l.store.timeout(), func() (err error) {
			v, err = c.version()
			return err
		})
		if err == nil && !(l.study.loaded && l.study.seen == v) {
			err = l.store.read(ctx, c, func() error { return l.study.sync(ctx, c) })
		}
		if err != nil {
			return err
		}
		return f(c)
	}))
}

// write calls f in a transaction with the current study, and then updates the image with the trials that f returns.
// It waits for the disk if one of them is not running; see SyncTold.
func (l *ledger) write(ctx context.Context, op string, f func(c *conn) ([]entry, error)) error {
	return l.commit(ctx, op, func(changed []entry) bool {
		return slices.ContainsFunc(changed, func(e entry) bool { return e.State != trial.Running })
	}, f)
}

// commit is like write, but lasts says whether the changes wait for the disk.
func (l *ledger) commit(ctx context.Context, op string, lasts func(changed []entry) bool, f func(c *conn) ([]entry, error)) error {
	if l.store.readOnly {
		return l.wrap(op, storage.ErrReadOnly)
	}
	var log *os.File // to be synced
	err := l.use(ctx, func(c *conn) error {
		var changed []entry
		err := l.store.write(ctx, c, func() (err error) {
			if err = l.study.sync(ctx, c); err == nil {
				changed, err = f(c)
			}
			return err
		})
		if err != nil {
			return err
		}
		for _, e := range changed {
			l.study.put(e)
		}
		if l.store.Sync == SyncEach || l.store.Sync == SyncTold && lasts(changed) {
			log = c.files.log
		}
		return nil
	})
	// Nobody else waits for the disk: neither other processes, which can take the lock by now, nor the other workers
	// of this process.
	if err == nil && log != nil {
		err = syncLog(log)
	}
	return l.wrap(op, err)
}

// use calls f with the connection, and alone.
func (l *ledger) use(ctx context.Context, f func(c *conn) error) error {
	if err := l.store.lock(ctx); err != nil {
		return err
	}
	defer l.store.unlock()
	switch {
	case l.closed:
		return storage.ErrClosed
	case l.study.gone:
		return storage.ErrNotExist
	}
	return f(l.store.db)
}

func (l *ledger) wrap(op string, err error) error {
	return l.store.wrap(op, err)
}

// Close implements [storage.Ledger]. The last one closes the file.
func (l *ledger) Close() error {
	s := l.store
	if err := s.lock(context.Background()); err != nil {
		return err
	}
	defer s.unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	l.study.trials.Wake() // for calls of Wait on this ledger
	if l.study.ledgers--; l.study.ledgers == 0 && s.studies[l.study.id] == l.study {
		delete(s.studies, l.study.id)
	}
	if s.ledgers--; s.ledgers > 0 {
		return nil
	}
	return l.wrap("close", s.close())
}

// Header implements [storage.Ledger].
func (l *ledger) Header(ctx context.Context) (header trial.Header, err error) {
	err = l.read(ctx, "read study", func(c *conn) error {
		if l.study.header == nil || l.study.headerAt != l.study.seen {
			var hs []trial.Header
			err := l.store.read(ctx, c, func() (err error) {
				hs, err = statements.Headers(c, l.study.id)
				return err
			})
			if err == nil && len(hs) == 0 {
				err = storage.ErrNotExist
			}
			if err != nil {
				return err
			}
			l.study.header, l.study.headerAt = &hs[0], l.study.seen
		}
		header = *l.study.header
		return nil
	})
	return header, err
}

// Annotate implements [storage.Ledger].
func (l *ledger) Annotate(ctx context.Context, attrs, notes trial.Attrs) error {
	s, err := storage.CanonicalStudy(trial.Header{Attrs: attrs, Notes: notes})
	if err != nil {
		return l.wrap("annotate study", err)
	}
	always := func([]entry) bool { return true }
	return l.commit(ctx, "annotate study", always, func(c *conn) ([]entry, error) {
		l.study.header = nil
		return nil, statements.Annotate(c, l.study.id, s.Attrs, s.Notes)
	})
}

// Add implements [storage.Ledger].
func (l *ledger) Add(ctx context.Context, records ...trial.Record) ([]int, error) {
	var numbers []int
	header, err := l.Header(ctx)
	if err != nil {
		return nil, err
	}
	checked := make([]trial.Record, len(records))
	for i, r := range records {
		if checked[i], err = storage.CheckAdd(header, r); err != nil {
			return nil, l.wrap("add trial", err)
		}
	}
	err = l.write(ctx, "add trials", func(c *conn) ([]entry, error) {
		numbers = make([]int, len(checked))
		changed := make([]entry, len(checked))
		for i, r := range checked {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			r.Number = l.study.trials.Len() + i
			id, err := c.writer().Insert(l.study.id, r)
			if err != nil {
				return nil, err
			}
			numbers[i], changed[i] = r.Number, entry{Record: r, id: id}
		}
		return changed, nil
	})
	if err != nil {
		return nil, err
	}
	return numbers, nil
}

// Start implements [storage.Ledger].
func (l *ledger) Start(ctx context.Context, at time.Time, key string) (trial.Record, error) {
	var e entry
	err := l.write(ctx, "start trial", func(c *conn) (_ []entry, err error) {
		st := l.study
		if r, ok := st.trials.ByKey(key); ok {
			e = entry{Record: r}
			return nil, nil
		}
		r, waiting := st.trials.Next()
		e = entry{Record: r}
		if e.Record, err = storage.Claim(e.Record, at, key); err != nil {
			return nil, err
		}
		if waiting {
			e.id = st.rows[e.Number]
			_, err = c.exec("UPDATE trials SET state = 'RUNNING', datetime_start = ? WHERE trial_id = ?", optunadb.TimeColumn(e.Started), e.id)
		} else {
			e.id, err = c.writer().Bare(st.id, e.Record)
		}
		if err != nil {
			return nil, err
		}
		if key != "" {
			note, _ := e.Notes.Get(trial.KeyNote)
			if err := c.writer().Note(e.id, note); err != nil {
				return nil, err
			}
		}
		return []entry{e}, c.beat(e.id)
	})
	if err != nil {
		return trial.Record{}, err
	}
	return e.Clip(), nil
}

// Write implements [storage.Ledger].
func (l *ledger) Write(ctx context.Context, number int, changes ...trial.Change) error {
	changes, err := storage.CanonicalChanges(changes)
	if err != nil {
		return l.wrap("write trial", fmt.Errorf("trial %d: %w", number, err))
	}
	return l.write(ctx, "write trial", func(c *conn) ([]entry, error) {
		e, err := l.study.entry(number)
		if err != nil {
			return nil, err
		}
		before := e.Record
		if e.Record, err = before.Apply(changes...); err != nil {
			return nil, err
		}
		if e.State.Done() && len(changes) > 0 {
			n, err := l.objectives(c)
			if err == nil {
				err = storage.CheckObjectives(trial.Header{Directions: n}, e.Record)
			}
			if err != nil {
				return nil, err
			}
		}
		return []entry{e}, c.writer().Apply(e.id, before, changes)
	})
}

// objectives returns the directions of the study, which never change.
func (l *ledger) objectives(c *conn) ([]trial.Direction, error) {
	if l.study.directions == nil {
		hs, err := statements.Headers(c, l.study.id)
		if err != nil || len(hs) == 0 {
			return nil, err
		}
		l.study.directions = hs[0].Directions
	}
	return l.study.directions, nil
}

// Since implements [storage.Ledger]. Changes by this process are known without reading.
func (l *ledger) Since(ctx context.Context, after storage.Cursor) iter.Seq2[storage.Update, error] {
	return func(yield func(storage.Update, error) bool) {
		var news []storage.Update
		err := l.read(ctx, "read trials", func(*conn) error {
			news = l.study.trials.Since(after)
			return nil
		})
		if err != nil {
			yield(storage.Update{}, err)
			return
		}
		for _, u := range news {
			if !yield(u, nil) {
				return
			}
		}
	}
}
