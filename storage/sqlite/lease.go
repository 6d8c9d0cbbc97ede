package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

// now is the clock of the database, in the form of its times.
const now = "strftime('%Y-%m-%d %H:%M:%f000', 'now')"

// beat says that the worker of a trial is alive.
func (c *conn) beat(id int64) error {
	_, err := c.exec("INSERT INTO trial_heartbeats (trial_id, heartbeat) VALUES (?, "+now+") ON CONFLICT (trial_id) DO UPDATE SET heartbeat = excluded.heartbeat", id)
	return err
}

// Renew implements [storage.Leaser].
func (l *ledger) Renew(ctx context.Context, numbers ...int) error {
	return l.write(ctx, "renew leases", func(c *conn) ([]entry, error) {
		for _, n := range numbers {
			e, err := l.study.entry(n)
			if err != nil {
				return nil, err
			}
			if e.State == trial.Running {
				if err := c.beat(e.id); err != nil {
					return nil, err
				}
			}
		}
		return nil, nil
	})
}

// Release implements [storage.Leaser].
func (l *ledger) Release(ctx context.Context, numbers ...int) error {
	return l.write(ctx, "release leases", func(c *conn) ([]entry, error) {
		for _, n := range numbers {
			e, err := l.study.entry(n)
			if err != nil {
				return nil, err
			}
			if _, err := c.exec("DELETE FROM trial_heartbeats WHERE trial_id = ?", e.id); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
}

// Reap implements [storage.Leaser]. Time passes by the clock of the machine that
// calls it, as in Optuna. The lock of the file is held while retry runs, so it
// must not use the store.
func (l *ledger) Reap(ctx context.Context, grace time.Duration, at time.Time, retry storage.Retry) ([]trial.Record, error) {
	var reaped []trial.Record
	err := l.write(ctx, "reap trials", func(c *conn) ([]entry, error) {
		reaped = nil
		expired, err := c.expired(l.study.id, grace)
		if err != nil || len(expired) == 0 {
			return nil, err
		}
		hs, err := c.headers(l.study.id)
		if err != nil || len(hs) == 0 {
			return nil, err
		}
		var changed []entry
		next := len(l.study.trials)
		for _, number := range expired {
			e, err := l.study.entry(number)
			if err != nil {
				return nil, err
			}
			dead := []trial.Change{trial.Finished{
				State: trial.Failed,
				Err:   fmt.Sprintf("its worker gave no sign of life for %v", grace),
				At:    storage.Stamp(at),
			}}
			before := e.Record
			if e.Record, err = before.Apply(dead...); err != nil {
				return nil, err
			}
			if err := c.apply(e.id, before, dead); err != nil {
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
			if again, err = storage.CheckAdd(hs[0], again); err != nil {
				return nil, err
			}
			again.Number = next
			next++
			id, err := c.insert(l.study.id, again)
			if err != nil {
				return nil, err
			}
			changed = append(changed, entry{Record: again, id: id})
		}
		return changed, nil
	})
	if err != nil {
		return nil, err
	}
	return reaped, nil
}

// expired returns the numbers of the running trials whose lease is older than
// grace, ascending.
func (c *conn) expired(study int64, grace time.Duration) (numbers []int, err error) {
	err = c.query(`SELECT number, CAST(heartbeat AS TEXT), `+now+` FROM trials JOIN trial_heartbeats USING (trial_id)
		WHERE study_id = ? AND state = 'RUNNING' ORDER BY number`, []driver.Value{study}, func(row []driver.Value) error {
		if asTime(row[2]).Sub(asTime(row[1])) > grace {
			numbers = append(numbers, int(asInt(row[0])))
		}
		return nil
	})
	return numbers, err
}
