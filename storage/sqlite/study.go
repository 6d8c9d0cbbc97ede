package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

// study is what this process knows of a study that is open: all its records,
// shared by the ledgers of one Store. Whoever has locked the Store owns it.
//
// It holds as of the version of the file in seen. Optuna leaves no trace of what
// it changed; but finished trials never change, so only those that have not
// finished, and rows that are new, need to be read again.
type study struct {
	id      int64
	token   string
	ledgers int  // open ones
	gone    bool // deleted

	directions []trial.Direction // nil if they are not known
	header     *trial.Header     // likewise
	headerAt   int64             // version of the file that header comes from

	loaded  bool
	seen    int64              // version of the file
	last    int64              // highest row of a trial that was read
	pending map[int64]struct{} // rows of trials that have not finished
	trials  []entry            // by number
	waiting []int              // numbers, ascending
	changed []int              // numbers, in order of change; a Cursor is an index past it
	keys    map[string]int     // numbers of the trials started under a key
	news    chan struct{}      // closed at the next change to be known here; nil if nobody waits for it
	pool    space.Pool

	signs  map[int]sign // of the workers of running trials, when Reap looked last
	looked time.Time    // when that was
}

// An entry is a trial and its row, which is 0 where a number is missing.
type entry struct {
	trial.Record
	id int64
	at storage.Cursor // of the latest change
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
	// The row read last comes along as a witness: SQLite may give the ids of a
	// deleted study to the next, and one by Optuna has no token.
	reread := slices.AppendSeq([]int64{st.last}, maps.Keys(st.pending))
	slices.Sort(reread)
	reread = slices.Compact(reread)
	news, err := c.load(ctx, st.id, &st.pool, reread, st.last)
	if err != nil {
		return err
	}
	if err := st.verify(news, reread); err != nil {
		return err
	}
	st.trials = slices.Grow(st.trials, len(news))
	st.changed = slices.Grow(st.changed, len(news))
	for i := range news {
		n := &news[i]
		if n.missing {
			st.expect(n.id)
		} else if err := st.learn(entry{Record: n.Record, id: n.id}); err != nil {
			return err
		}
		st.last = max(st.last, n.id)
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

// verify makes sure that the rows of before are still trials of st.
func (st *study) verify(news []loaded, before []int64) error {
	for _, id := range before {
		if id == 0 {
			continue
		}
		i, found := slices.BinarySearchFunc(news, id, func(n loaded, id int64) int { return cmp.Compare(n.id, id) })
		if !found {
			return st.lost(nil)
		}
		n := &news[i]
		if n.missing || n.Number >= len(st.trials) || st.trials[n.Number].id != id {
			continue // it had no number before; learn sees to the rest
		}
		if old := &st.trials[n.Number]; old.State.Done() && !old.Started.Equal(n.Started) {
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

// maxGap is how many numbers in a row may be missing, of trials that somebody
// deleted by hand.
const maxGap = 1 << 16

// learn takes in what was read from the file.
func (st *study) learn(e entry) error {
	if e.Number > len(st.trials)+maxGap {
		return fmt.Errorf("%w: trial %d in row %d comes after trial %d", storage.ErrFormat, e.Number, e.id, len(st.trials)-1)
	}
	if e.Number < len(st.trials) {
		old := &st.trials[e.Number]
		if old.id != 0 && old.id != e.id {
			return fmt.Errorf("%w: trial %d stands in two rows, %d and %d", storage.ErrFormat, e.Number, old.id, e.id)
		}
		if old.id != 0 && (old.State.Done() || same(old.Record, e.Record)) {
			return nil
		}
	}
	st.put(e)
	return nil
}

// put records that a trial is now so.
func (st *study) put(e entry) {
	for e.Number >= len(st.trials) {
		st.trials = append(st.trials, entry{})
	}
	old := st.trials[e.Number]
	wasWaiting := old.id != 0 && old.State == trial.Waiting
	if isWaiting := e.State == trial.Waiting; wasWaiting != isWaiting {
		i, _ := slices.BinarySearch(st.waiting, e.Number)
		switch {
		case isWaiting:
			st.waiting = slices.Insert(st.waiting, i, e.Number)
		case i == 0:
			st.waiting = st.waiting[1:]
		default:
			st.waiting = slices.Delete(st.waiting, i, i+1)
		}
	}
	if e.State.Done() {
		delete(st.pending, e.id)
		e.Params.Space = st.pool.Share(e.Params.Space)
		e.Record = e.Clip()
	} else {
		st.expect(e.id)
	}
	st.last = max(st.last, e.id)
	st.changed = append(st.changed, e.Number)
	e.at = storage.Cursor(len(st.changed))
	st.trials[e.Number] = e
	if key := e.Key(); key != "" && e.State != trial.Waiting {
		if st.keys == nil {
			st.keys = map[string]int{}
		}
		if _, taken := st.keys[key]; !taken {
			st.keys[key] = e.Number
		}
	}
	st.wake()
}

// wake ends the waiting of those that wait for a change.
func (st *study) wake() {
	if st.news != nil {
		close(st.news)
		st.news = nil
	}
}

// entry returns the trial of a number; ErrNoTrial.
func (st *study) entry(number int) (entry, error) {
	if number < 0 || number >= len(st.trials) || st.trials[number].id == 0 {
		return entry{}, fmt.Errorf("trial %d: %w", number, storage.ErrNoTrial)
	}
	return st.trials[number], nil
}

// since returns the trials that changed after a cursor.
func (st *study) since(after storage.Cursor) []storage.Update {
	after = min(max(after, 0), storage.Cursor(len(st.changed)))
	if int(after) == len(st.changed) {
		return nil
	}
	news := make([]storage.Update, 0, min(len(st.changed)-int(after), len(st.trials)))
	for i, n := range st.changed[after:] {
		if e := &st.trials[n]; e.at == after+storage.Cursor(i)+1 { // its latest change
			news = append(news, storage.Update{Cursor: e.at, Trial: e.Clip()})
		}
	}
	return news
}

// ids returns a JSON list.
func ids(list []int64) string {
	b := []byte{'['}
	for i, id := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, id, 10)
	}
	return string(append(b, ']'))
}

// same reports whether a and b are one record, NaN being equal to itself.
func same(a, b trial.Record) bool {
	float := func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) }
	return a.Number == b.Number && a.State == b.State && a.Err == b.Err &&
		a.Started.Equal(b.Started) && a.Finished.Equal(b.Finished) &&
		a.Params.Space.Equal(b.Params.Space) && slices.EqualFunc(a.Params.Point, b.Params.Point, float) &&
		slices.Equal(a.Proposed, b.Proposed) && slices.Equal(a.Fixed, b.Fixed) &&
		slices.EqualFunc(a.Reports, b.Reports, func(x, y trial.Report) bool { return x.Step == y.Step && float(x.Value, y.Value) }) &&
		slices.EqualFunc(a.Values, b.Values, float) &&
		slices.EqualFunc(a.Constraints, b.Constraints, func(x, y trial.Constraint) bool { return x.Name == y.Name && float(x.Value, y.Value) }) &&
		slices.Equal(a.Attrs, b.Attrs) && slices.Equal(a.Notes, b.Notes)
}
