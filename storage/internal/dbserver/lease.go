package dbserver

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/tables"
	"github.com/attune-hpo/attune/trial"
)

// trialsOf returns the trials of the given numbers, or ErrNoTrial. The image is up to date.
func (l *ledger) trialsOf(numbers []int) ([]entry, error) {
	out := make([]entry, len(numbers))
	for i, n := range numbers {
		var err error
		if out[i], err = l.study.entry(n); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// leased returns the trials of the given numbers, after updating the image if necessary.
func (l *ledger) leased(tx Tx, numbers []int) ([]entry, error) {
	es, err := l.trialsOf(numbers)
	if err == nil {
		return es, nil
	}
	if err := l.study.sync(tx); err != nil {
		return nil, err
	}
	return l.trialsOf(numbers)
}

// beat renews the leases of the running ones among the trials.
func (l *ledger) beat(tx Tx, es []entry) error {
	es = slices.Clone(es)
	slices.SortFunc(es, func(a, b entry) int { return a.Number - b.Number }) // so that two such calls do not deadlock
	for _, e := range es {
		if e.State != trial.Running {
			continue
		}
		if err := tx.Exec(l.store.Engine.Dialect().Beat, e.id); err != nil {
			return err
		}
	}
	return nil
}

// Renew implements [storage.Leaser].
func (l *ledger) Renew(ctx context.Context, numbers ...int) error {
	if len(numbers) == 0 {
		return l.store.wrap("renew leases", l.check(ctx))
	}
	return l.write(ctx, "renew leases", Lazy, true, func(tx Tx, _ error) ([]entry, error) {
		es, err := l.leased(tx, numbers)
		if err != nil {
			return nil, err
		}
		return nil, l.beat(tx, es)
	})
}

// Release implements [storage.Leaser].
func (l *ledger) Release(ctx context.Context, numbers ...int) error {
	return l.write(ctx, "release leases", Durable, true, func(tx Tx, _ error) ([]entry, error) {
		es, err := l.leased(tx, numbers)
		if err != nil {
			return nil, err
		}
		for _, e := range es {
			if err := tx.Exec("DELETE FROM trial_heartbeats WHERE trial_id = ?", e.id); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
}

// Reap implements [storage.Leaser]. The clock is that of the database. The lock of the
// study is held while retry runs, so it must not use the store.
func (l *ledger) Reap(ctx context.Context, held []int, grace time.Duration, at time.Time, retry storage.Retry) ([]trial.Record, error) {
	var reaped []trial.Record
	err := l.write(ctx, "reap trials", Durable, false, func(tx Tx, _ error) ([]entry, error) {
		reaped = nil
		es, err := l.leased(tx, held)
		if err == nil {
			err = l.beat(tx, es)
		}
		if err != nil {
			return nil, err
		}
		if err := l.alone(tx); err != nil {
			return nil, err
		}
		expired, err := l.expired(tx, held, grace)
		if err != nil || len(expired) == 0 {
			return nil, err
		}
		h, err := l.header(tx)
		if err != nil {
			return nil, err
		}
		w := l.store.writer(tx)
		var changed []entry
		added := 0
		for _, e := range expired {
			dead := []trial.Change{trial.Finished{
				State: trial.Failed,
				Err:   fmt.Sprintf("its worker gave no sign of life for %v", grace),
				At:    storage.Stamp(at),
			}}
			before := e.Record
			if e.Record, err = before.Apply(dead...); err != nil {
				return nil, err
			}
			if err := w.Apply(e.id, before, dead); err != nil {
				return nil, err
			}
			changed = append(changed, e)
			reaped = append(reaped, e.Clip())
			if retry == nil {
				continue
			}
			again, ok := retry(e.Clip())
			if !ok {
				continue
			}
			if again, err = storage.CheckAdd(h, again); err != nil {
				return nil, err
			}
			n, err := l.insert(tx, again, added)
			if err != nil {
				return nil, err
			}
			changed = append(changed, n)
			added++
		}
		return changed, nil
	})
	if err != nil {
		return nil, err
	}
	return reaped, nil
}

// expired locks the running trials, other than held, whose lease is older than grace, and returns them by number. The
// study is locked and the image up to date.
func (l *ledger) expired(tx Tx, held []int, grace time.Duration) ([]entry, error) {
	running := map[int64]int{} // rows to numbers
	b := []byte{'['}
	l.study.mu.Lock()
	for id := range l.study.pending {
		b = append(strconv.AppendInt(append(b, '['), id, 10), ",0],"...)
	}
	for number, id := range l.study.rows {
		if _, ok := l.study.pending[id]; ok && !slices.Contains(held, number) {
			running[id] = number
		}
	}
	l.study.mu.Unlock()
	if len(running) == 0 {
		return nil, nil
	}
	b[len(b)-1] = ']'
	var numbers []int
	d := l.store.Engine.Dialect()
	err := tx.Query(d.expired+" "+d.LockTrials, []tables.Value{string(b), grace.Seconds()}, func(row []tables.Value) error {
		if number, ok := running[tables.Int(row[0])]; ok {
			numbers = append(numbers, number)
		}
		return nil
	})
	if err != nil || len(numbers) == 0 {
		return nil, err
	}
	if err := l.study.sync(tx); err != nil { // they cannot change any more
		return nil, err
	}
	slices.Sort(numbers)
	return l.trialsOf(numbers)
}
