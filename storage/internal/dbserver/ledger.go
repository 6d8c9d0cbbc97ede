package dbserver

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/optunadb"
	"github.com/attune-hpo/attune/storage/internal/tables"
	"github.com/attune-hpo/attune/trial"
)

// ledger is a [storage.Leaser] and a [storage.Waiter]. All it has is shared.
type ledger struct {
	store    *Store
	study    *study
	readOnly bool
	closed   atomic.Bool
}

// errStale reports that the image of a study is out of date.
var errStale = errors.New("others have written to it")

// check returns an error if the ledger cannot be used.
func (l *ledger) check(ctx context.Context) error {
	l.study.mu.Lock()
	defer l.study.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case l.closed.Load():
		return storage.ErrClosed
	case l.study.gone:
		return storage.ErrNotExist
	}
	return nil
}

// read calls f with the study as it is now, or was a moment before, with its mutex held.
func (l *ledger) read(ctx context.Context, op string, f func(st *study)) error {
	err := l.check(ctx)
	if err == nil {
		err = l.store.transact(ctx, Reading, func(tx Tx) error {
			if err := l.study.look(tx); err != nil {
				return err
			}
			l.study.mu.Lock()
			defer l.study.mu.Unlock()
			f(l.study)
			return nil
		})
	}
	return l.store.wrap(op, err)
}

// write calls f in a transaction, and then updates the image with the trials that f returns. If others have changed
// something that f relied on, f is called again with the error that says so, and then updates the image in the
// transaction. If f can determine the outcome of a commit, it is also called again after ErrUnknown.
func (l *ledger) write(ctx context.Context, op string, mode Mode, tells bool, f func(tx Tx, last error) ([]entry, error)) error {
	if l.readOnly {
		return l.store.wrap(op, storage.ErrReadOnly)
	}
	err := l.check(ctx)
	if err != nil {
		return l.store.wrap(op, err)
	}
	for range 20 {
		var changed []entry
		last := err
		err = l.store.transact(ctx, mode, func(tx Tx) (err error) {
			changed, err = f(tx, last)
			return err
		})
		if err == nil {
			l.study.mu.Lock()
			for _, e := range changed {
				l.study.put(e)
			}
			l.study.mu.Unlock()
			return nil
		}
		if !errors.Is(err, errStale) && l.store.Engine.Class(err) != Clash && (!tells || !errors.Is(err, ErrUnknown)) {
			return l.store.wrap(op, err)
		}
	}
	return l.store.wrap(op, fmt.Errorf("%w: %w", storage.ErrBusy, err))
}

// lockStudy locks the row of a study, so that nobody adds or claims trials. It fails with ErrNotExist.
func (d *Dialect) lockStudy(tx Tx, id int64) error {
	err := storage.ErrNotExist
	fault := tx.Query("SELECT study_id FROM studies WHERE study_id = ? "+d.Lock, []tables.Value{id}, func([]tables.Value) error {
		err = nil
		return nil
	})
	if fault != nil {
		return fault
	}
	return err
}

// alone locks the study and updates its image: no trial appears until tx ends.
func (l *ledger) alone(tx Tx) error {
	// The lock is taken before the rows are read, in one round trip if possible.
	if err := tx.Exec("SELECT study_id FROM studies WHERE study_id = ? "+l.store.Engine.Dialect().Lock, l.study.id); err != nil {
		return err
	}
	return l.study.sync(tx)
}

// Close implements [storage.Ledger]. The last one closes the connections.
func (l *ledger) Close() error {
	if l.closed.Swap(true) {
		return nil
	}
	s, st := l.store, l.study
	st.mu.Lock()
	st.trials.Wake() // for calls of Wait on this ledger
	st.mu.Unlock()
	s.mu.Lock()
	if st.ledgers--; st.ledgers == 0 {
		delete(s.studies, st.id)
	}
	s.mu.Unlock()
	s.leave()
	return nil
}

// Header implements [storage.Ledger].
func (l *ledger) Header(ctx context.Context) (header trial.Header, err error) {
	err = l.check(ctx)
	if err == nil {
		err = l.store.transact(ctx, Reading, func(tx Tx) (err error) {
			header, err = l.header(tx)
			return err
		})
	}
	return header, l.store.wrap("read study", err)
}

func (l *ledger) header(tx Tx) (trial.Header, error) {
	hs, err := l.store.Engine.Dialect().Headers(tx, l.study.id)
	if err == nil && len(hs) == 0 {
		err = storage.ErrNotExist
	}
	if err != nil {
		return trial.Header{}, err
	}
	l.study.mu.Lock()
	l.study.directions = hs[0].Directions
	l.study.mu.Unlock()
	return hs[0], nil
}

// objectives returns the directions of the study, which never change.
func (l *ledger) objectives(tx Tx) (trial.Header, error) {
	l.study.mu.Lock()
	ds := l.study.directions
	l.study.mu.Unlock()
	if ds != nil {
		return trial.Header{Directions: ds}, nil
	}
	return l.header(tx)
}

// Annotate implements [storage.Ledger].
func (l *ledger) Annotate(ctx context.Context, attrs, notes trial.Attrs) error {
	h, err := storage.CanonicalStudy(trial.Header{Attrs: attrs, Notes: notes})
	if err == nil {
		err = l.store.names().attrs(h.Attrs, h.Notes)
	}
	if err != nil {
		return l.store.wrap("annotate study", err)
	}
	return l.write(ctx, "annotate study", Durable, true, func(tx Tx, _ error) ([]entry, error) {
		if err := l.store.Engine.Dialect().lockStudy(tx, l.study.id); err != nil {
			return nil, err
		}
		return nil, l.store.Engine.Dialect().Annotate(tx, l.study.id, h.Attrs, h.Notes)
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
		if checked[i], err = storage.CheckAdd(header, r); err == nil {
			err = l.store.names().record(checked[i])
		}
		if err != nil {
			return nil, l.store.wrap("add trial", err)
		}
	}
	err = l.write(ctx, "add trials", Durable, false, func(tx Tx, _ error) ([]entry, error) {
		if err := l.alone(tx); err != nil {
			return nil, err
		}
		numbers = make([]int, len(checked))
		changed := make([]entry, len(checked))
		for i, r := range checked {
			var err error
			if changed[i], err = l.insert(tx, r, i); err != nil {
				return nil, err
			}
			numbers[i] = changed[i].Number
		}
		return changed, nil
	})
	if err != nil {
		return nil, err
	}
	return numbers, nil
}

// insert adds r after the existing trials and those that tx has already added.
func (l *ledger) insert(tx Tx, r trial.Record, more int) (entry, error) {
	l.study.mu.Lock()
	r.Number = l.study.trials.Len() + more
	l.study.mu.Unlock()
	id, err := l.store.writer(tx).Insert(l.study.id, r)
	return entry{r, id}, err
}

// Start implements [storage.Ledger]. If it is unknown whether a trial was started, it starts again. With a key it
// finds the trial; without one, the first trial is reaped when its lease ends.
func (l *ledger) Start(ctx context.Context, at time.Time, key string) (trial.Record, error) {
	var e entry
	err := l.write(ctx, "start trial", Durable, true, func(tx Tx, _ error) ([]entry, error) {
		if err := l.alone(tx); err != nil {
			return nil, err
		}
		l.study.mu.Lock()
		r, started := l.study.trials.ByKey(key)
		waiting := false
		if !started {
			r, waiting = l.study.trials.Next()
		}
		if e = (entry{Record: r}); waiting {
			e.id = l.study.rows[r.Number]
		}
		l.study.mu.Unlock()
		if started {
			return nil, nil
		}
		var err error
		if e.Record, err = storage.Claim(e.Record, at, key); err != nil {
			return nil, err
		}
		if waiting {
			err = claim(tx, e)
		} else {
			e.id, err = l.store.writer(tx).Bare(l.study.id, e.Record)
		}
		if note, ok := e.Notes.Get(trial.KeyNote); ok && key != "" && err == nil {
			err = l.store.writer(tx).Note(e.id, note)
		}
		if err == nil {
			err = tx.Exec(l.store.Engine.Dialect().Beat, e.id)
		}
		return []entry{e}, err
	})
	if err != nil {
		return trial.Record{}, err
	}
	return e.Clip(), nil
}

// claim turns a waiting trial into a running one. It returns errStale if the trial is no longer waiting: Optuna
// claims trials without the lock of the study.
func claim(tx Tx, e entry) error {
	n, err := tx.Change("UPDATE trials SET state = 'RUNNING', datetime_start = ? WHERE trial_id = ? AND state = 'WAITING'", optunadb.TimeColumn(e.Started), e.id)
	if err == nil && n == 0 {
		err = errStale
	}
	return err
}

// lazily reports whether changes need not be on the disk before the trial is told. Reports and parameters are only
// added, so the final Write detects lost ones.
func lazily(changes []trial.Change) bool {
	return !slices.ContainsFunc(changes, func(c trial.Change) bool {
		switch c.(type) {
		case trial.Proposed, trial.Suggested, trial.Reported:
			return false
		}
		return true
	})
}

// Write implements [storage.Ledger].
func (l *ledger) Write(ctx context.Context, number int, changes ...trial.Change) error {
	changes, err := storage.CanonicalChanges(changes)
	if err == nil {
		err = l.store.names().changes(changes)
	}
	if err != nil {
		return l.store.wrap("write trial", fmt.Errorf("trial %d: %w", number, err))
	}
	mode := Durable
	if lazily(changes) {
		mode = Lazy
	}
	var tried trial.Record
	return l.write(ctx, "write trial", mode, true, func(tx Tx, last error) ([]entry, error) {
		e, after, err := l.prepare(tx, number, changes, last != nil)
		if errors.Is(last, ErrUnknown) && tables.Same(e.Record, tried) {
			return nil, nil // it was committed
		}
		if err != nil {
			return nil, err
		}
		tried = after
		if err := l.guard(tx, e, after, last != nil); err != nil {
			return nil, err
		}
		err = l.store.writer(tx).Apply(e.id, e.Record, changes)
		return []entry{{after, e.id}}, err
	})
}

// prepare returns a trial as in the image, and with the changes applied. Unless the image is fresh, an error is
// errStale.
func (l *ledger) prepare(tx Tx, number int, changes []trial.Change, fresh bool) (e entry, after trial.Record, err error) {
	if fresh || !l.study.isLoaded() {
		err, fresh = l.study.sync(tx), true
	}
	if err == nil {
		e, err = l.study.entry(number)
	}
	if err == nil {
		after, err = e.Apply(changes...)
	}
	if err == nil && after.State.Done() && len(changes) > 0 {
		var h trial.Header
		if h, err = l.objectives(tx); err == nil {
			err = storage.CheckObjectives(h, after)
		}
	}
	if err != nil && !fresh && l.store.Engine.Class(err) == Final {
		err = errStale
	}
	return e, after, err
}

// guard locks a trial. If the trial differs from the image, guard returns errStale or makes the transaction fail with
// Clash. If a crash of the server lost writes that were not on the disk, guard repeats them before the trial ends.
func (l *ledger) guard(tx Tx, e entry, after trial.Record, fresh bool) error {
	d := l.store.Engine.Dialect()
	if !fresh && d.Assert != "" && e.State == trial.Running { // in the round trip of the changes
		if !after.State.Done() {
			return tx.Exec(d.Assert, e.id)
		}
		return tx.Exec(d.Assert+" AND "+countParams+" = ? AND "+countReports+" = ?", e.id, int64(len(e.Params.Point)), int64(len(e.Reports)))
	}
	state, params, reports := "", 0, 0
	err := tx.Query(d.guard(), []tables.Value{e.id}, func(row []tables.Value) error {
		state, params, reports = tables.Text(row[0]), int(tables.Int(row[1])), int(tables.Int(row[2]))
		return nil
	})
	switch {
	case err != nil:
		return err
	case state != optunadb.StateName(e.State):
		return errStale
	case !after.State.Done():
		return nil
	case params > len(e.Params.Point) || reports > len(e.Reports):
		return errStale
	case params < len(e.Params.Point) || reports < len(e.Reports):
		return l.store.writer(tx).Restore(e.id, e.Record)
	}
	return nil
}

// Since implements [storage.Ledger].
func (l *ledger) Since(ctx context.Context, after storage.Cursor) iter.Seq2[storage.Update, error] {
	return func(yield func(storage.Update, error) bool) {
		var news []storage.Update
		err := l.read(ctx, "read trials", func(st *study) { news = st.trials.Since(after) })
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

// Wait implements [storage.Waiter]. A write by this Store ends it at once. To detect other writes it asks the server:
// every 2 ms at first, and every 100 ms in the end.
func (l *ledger) Wait(ctx context.Context, after storage.Cursor) error {
	const seldom = 100 * time.Millisecond
	for pause := 2 * time.Millisecond; ; pause = min(pause*3/2, seldom) {
		var news <-chan struct{}
		err := l.read(ctx, "wait for changes", func(st *study) { news = st.trials.News(after) })
		if news == nil || err != nil {
			return err
		}
		select {
		case <-news:
		case <-time.After(pause):
		case <-ctx.Done(): // which read returns
		}
	}
}
