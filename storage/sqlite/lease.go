package sqlite

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/optunadb"
	"github.com/attune-hpo/attune/trial"
)

// now is the clock of the database, in the form of its times.
const now = "strftime('%Y-%m-%d %H:%M:%f000', 'now')"

// beat renews the lease of a trial.
func (c *conn) beat(id int64) error {
	_, err := c.exec("INSERT INTO trial_heartbeats (trial_id, heartbeat) VALUES (?, "+now+") ON CONFLICT (trial_id) DO UPDATE SET heartbeat = excluded.heartbeat", id)
	return err
}

// Renew implements [storage.Leaser].
func (l *ledger) Renew(ctx context.Context, numbers ...int) error {
	return l.write(ctx, "renew leases", func(c *conn) ([]entry, error) {
		return nil, l.study.renew(c, numbers)
	})
}

// renew renews the leases of the running ones among the trials. It is called in a transaction.
func (st *study) renew(c *conn, numbers []int) error {
	for _, n := range numbers {
		e, err := st.entry(n)
		if err == nil && e.State == trial.Running {
			err = c.beat(e.id)
		}
		if err != nil {
			return err
		}
	}
	return nil
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

// Reap implements [storage.Leaser]. The lock of the file is held while retry runs,
// so it must not use the store.
func (l *ledger) Reap(ctx context.Context, held []int, grace time.Duration, at time.Time, retry storage.Retry) ([]trial.Record, error) {
	var reaped []trial.Record
	err := l.write(ctx, "reap trials", func(c *conn) ([]entry, error) {
		reaped = nil
		if err := l.study.renew(c, held); err != nil {
			return nil, err
		}
		expired, err := l.study.expired(c, held, grace)
		if err != nil || len(expired) == 0 {
			return nil, err
		}
		hs, err := statements.Headers(c, l.study.id)
		if err != nil || len(hs) == 0 {
			return nil, err
		}
		var changed []entry
		next := l.study.trials.Len()
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
			if err := c.writer().Apply(e.id, before, dead); err != nil {
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
			id, err := c.writer().Insert(l.study.id, again)
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

// A sign of life of a trial's worker, as this process knows it.
type sign struct {
	heartbeat string    // as the file has it
	at        time.Time // when it was seen, by the monotonic clock of this process
}

// expired returns the numbers of the running trials, other than held, whose lease
// is older than grace, ascending.
//
// The file has the time of a heartbeat by the clock of the worker's machine, which may be set back. So that time only
// counts when this process sees a trial for the first time. From then on, this process measures with its own
// monotonic clock how long ago the heartbeat changed.
func (st *study) expired(c *conn, held []int, grace time.Duration) (numbers []int, err error) {
	looked := time.Now()
	signs := map[int]sign{}
	err = c.query(`SELECT number, CAST(heartbeat AS TEXT), `+now+` FROM trials JOIN trial_heartbeats USING (trial_id)
		WHERE study_id = ? AND state = 'RUNNING' ORDER BY number`, []value{st.id}, func(row []value) error {
		number, last := int(asInt(row[0])), asText(row[1])
		s, known := st.signs[number]
		if !known || s.heartbeat != last {
			s = sign{last, looked.Add(-max(0, optunadb.Time(row[2]).Sub(optunadb.Time(row[1]))))}
			if known && s.at.Before(st.looked) {
				s.at = st.looked
			}
		}
		signs[number] = s
		if looked.Sub(s.at) > grace && !slices.Contains(held, number) {
			numbers = append(numbers, number)
		}
		return nil
	})
	if err == nil {
		st.signs, st.looked = signs, looked
	}
	return numbers, err
}
