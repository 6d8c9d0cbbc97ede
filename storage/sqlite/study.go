package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/image"
	"github.com/attune-hpo/attune/storage/internal/tables"
	"github.com/attune-hpo/attune/trial"
)

// study holds what this process knows about an open study: all its records, shared by the ledgers of one Store. The
// holder of the Store's lock owns it.
//
// It corresponds to the file's version in seen. Optuna does not record what it changes. But finished trials never
// change, so only unfinished trials and new rows need to be read again.
type study struct {
	id      int64
	token   string
	ledgers int  // open ones
	gone    bool // deleted

	directions []trial.Direction // nil if they are not known
	header     *trial.Header     // likewise
	headerAt   int64             // version of the file that header comes from

	trials  image.Study
	rows    []int64            // of the trials, by number; 0 if one is missing
	loaded  bool               // all trials were read, once
	seen    int64              // version of the file
	last    int64              // highest row of a trial that was read
	pending map[int64]struct{} // rows of trials that have not finished
	odd     map[int]string     // what cannot be read of these, by number
	reports mark               // up to which rows of reports were read

	signs  map[int]sign // of the workers of running trials, at the last Reap
	looked time.Time    // when that was
}

// An entry is a trial and its row.
type entry struct {
	trial.Record
	id int64
}

// sync brings st up to date. It is called in a transaction.
func (st *study) sync(ctx context.Context, c *conn) error {
	if st.gone {
		return storage.ErrNotExist
	}
	v, err := c.version()
	if err != nil || st.loaded && v == st.seen {
		return err
	}
	if _, token, err := c.identity(st.id); err != nil || token != st.token {
		return st.lost(err)
	}
	// The last known row is read again as a check: SQLite may reuse the ids of a deleted study, and a study by Optuna
	// has no token.
	known := slices.AppendSeq([]int64{st.last}, maps.Keys(st.pending))
	slices.Sort(known)
	known = slices.Compact(known)
	l := loader{ctx: ctx, conn: c, study: st}
	news, err := l.load(known)
	if err != nil {
		return err
	}
	st.trials.Grow(len(news))
	for i := range news {
		n := &news[i]
		if n.Missing {
			st.expect(n.ID)
		} else if err := st.learn(n); err != nil {
			return err
		}
		st.last = max(st.last, n.ID)
	}
	st.loaded, st.seen = true, v
	return nil
}

func (st *study) lost(err error) error {
	if err == nil {
		err = storage.ErrNotExist
	}
	if err == storage.ErrNotExist {
		st.gone = true
	}
	return err
}

// known returns the trial of a row as it was read before.
func (st *study) known(id int64, number int) (trial.Record, bool) {
	if number >= len(st.rows) || st.rows[number] != id {
		return trial.Record{}, false
	}
	r, err := st.trials.Trial(number)
	return r, err == nil
}

// verify makes sure that the rows of before are still trials of st.
func (st *study) verify(news []tables.Read, before []int64) error {
	for _, id := range before {
		if id == 0 {
			continue
		}
		i, found := slices.BinarySearchFunc(news, id, func(n tables.Read, id int64) int { return cmp.Compare(n.ID, id) })
		if !found {
			return st.lost(nil)
		}
		n := &news[i]
		// learn handles trials that had no number before.
		if old, ok := st.known(id, n.Number); ok && !n.Missing && old.State.Done() && !old.Started.Equal(n.Started) {
			return st.lost(nil)
		}
	}
	return nil
}

func (st *study) expect(id int64) {
	if st.pending == nil {
		st.pending = map[int64]struct{}{}
	}
	st.pending[id] = struct{}{}
}

// maxGap is how many consecutive numbers may be missing, because somebody deleted trials by hand.
const maxGap = 1 << 16

// learn updates st with what was read from the file.
func (st *study) learn(n *tables.Read) error {
	if n.Number > len(st.rows)+maxGap {
		return fmt.Errorf("%w: trial %d in row %d comes after trial %d", storage.ErrFormat, n.Number, n.ID, len(st.rows)-1)
	}
	if n.Number < len(st.rows) {
		if id := st.rows[n.Number]; id != 0 && id != n.ID {
			return fmt.Errorf("%w: trial %d is in two rows, %d and %d", storage.ErrFormat, n.Number, id, n.ID)
		}
	}
	if n.Odd != "" && st.odd[n.Number] == "" {
		if st.odd == nil {
			st.odd = map[int]string{}
		}
		st.odd[n.Number] = n.Odd
	}
	if old, ok := st.known(n.ID, n.Number); ok && (old.State.Done() || tables.Same(old, n.Record)) {
		return nil
	}
	st.put(entry{n.Record, n.ID})
	return nil
}

// put replaces the record of a trial.
func (st *study) put(e entry) {
	for e.Number >= len(st.rows) {
		st.rows = append(st.rows, 0)
	}
	st.rows[e.Number] = e.id
	st.last = max(st.last, e.id)
	if e.State.Done() {
		delete(st.pending, e.id)
		if reason, ok := st.odd[e.Number]; ok {
			e.Record = tables.Unreadable(e.Record, reason)
			delete(st.odd, e.Number)
		}
	} else {
		st.expect(e.id)
	}
	st.trials.Put(e.Record)
}

// entry returns the trial of a number, or ErrNoTrial.
func (st *study) entry(number int) (entry, error) {
	r, err := st.trials.Trial(number)
	if err != nil {
		return entry{}, err
	}
	return entry{r, st.rows[number]}, nil
}
