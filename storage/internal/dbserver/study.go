package dbserver

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/image"
	"github.com/attune-hpo/attune/storage/internal/optunadb"
	"github.com/attune-hpo/attune/storage/internal/tables"
	"github.com/attune-hpo/attune/trial"
)

// study holds what this process knows about an open study, shared by the ledgers of one Store.
type study struct {
	store   *Store
	id      int64
	ledgers int // open ones; guarded by the store's mutex

	mu         sync.Mutex // guards what follows
	gone       bool       // deleted
	directions []trial.Direction
	trials     image.Study
	rows       []int64 // of the trials, by number; 0 if one is missing
	loaded     bool    // all trials were read, once
	seen       string  // version of the database; "" since this process has written
	last       int64   // highest row of a trial that was read
	// Rows to read again: those of unfinished trials, and those of trials that this process finished, because others
	// may have written to them before. The mark is the last row of the reports that were read while the trial was
	// running.
	pending map[int64]int64
	dists   tables.Distributions
}

// An entry is a trial and its row.
type entry struct {
	trial.Record
	id int64
}

// look updates st, unless nothing has changed in the database.
func (st *study) look(tx Tx) error {
	st.mu.Lock()
	seen := st.seen
	st.mu.Unlock()
	if version := st.store.Engine.Dialect().Version; version != "" && seen != "" {
		now := ""
		err := tx.Query("SELECT "+version, nil, func(row []tables.Value) error {
			now = tables.Text(row[0])
			return nil
		})
		if err != nil || now == seen {
			return err
		}
	}
	return st.sync(tx)
}

// sync updates st, as of one moment. Another goroutine may do the same and be ahead, so an update never removes
// anything from a trial.
func (st *study) sync(tx Tx) error {
	st.mu.Lock()
	gone := st.gone
	d := st.store.Engine.Dialect()
	sql, args := d.whole, slices.Repeat([]tables.Value{st.id}, 7)
	if st.loaded {
		sql, args = d.news, []tables.Value{st.list(), st.id, st.last, st.id}
	}
	st.mu.Unlock()
	if gone {
		return storage.ErrNotExist
	}
	r := reader{study: st, at: map[int64]int{}}
	// Not under the mutex: tx may wait here for a lock whose owner waits for the mutex.
	err := tx.Rows(sql, args, r.take)

	st.mu.Lock()
	defer st.mu.Unlock()
	if err == nil && !r.there {
		st.gone = true
		st.trials.Wake()
		err = storage.ErrNotExist
	}
	if err != nil {
		return err
	}
	slices.SortFunc(r.out, func(a, b found) int { return cmp.Compare(a.ID, b.ID) })
	st.trials.Grow(len(r.out))
	for i := range r.out {
		if err := st.learn(r.finish(&r.out[i])); err != nil {
			return err
		}
	}
	st.loaded, st.seen = true, r.version // after put, which clears it
	return nil
}

// list returns the pending rows and their marks, as JSON.
func (st *study) list() string {
	b := []byte{'['}
	for id, mark := range st.pending {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(strconv.AppendInt(append(b, '['), id, 10), ',')
		b = append(strconv.AppendInt(b, mark, 10), ']')
	}
	return string(append(b, ']'))
}

// found is a trial that was read.
type found struct {
	tables.Read
	params       []tables.Param
	values       []tables.Objective
	user, system []tables.Attr
	mark         int64 // the row of the last report that was read
}

// A reader takes in rows.
type reader struct {
	study   *study
	out     []found
	at      map[int64]int // in out
	last    int           // place in out of the trial of the last row
	there   bool          // the study is
	version string
	scratch space.Space
}

// found returns the trial of a row. Most rows follow another one of their trial.
func (r *reader) found(id int64) *found {
	if r.last < len(r.out) && r.out[r.last].ID == id {
		return &r.out[r.last]
	}
	i, ok := r.at[id]
	if !ok {
		i = len(r.out)
		r.at[id] = i
		r.out = append(r.out, found{Read: tables.Read{ID: id}})
	}
	r.last = i
	return &r.out[i]
}

// take takes in a row.
func (r *reader) take(row *Row) error {
	switch row.Kind {
	case kindStudy:
		r.there = true
		return nil
	case kindVersion:
		r.version = row.V
		return nil
	}
	f := r.found(row.Trial)
	var x any
	if !row.NoX {
		x = row.X
	}
	switch row.Kind {
	case kindTrial:
		f.Number, f.Missing = int(row.N), row.NoN
		f.SetState(row.K)
		f.Started, f.Finished = optunadb.Time(row.V), optunadb.Time(row.W)
		return f.CheckNumber()
	case kindParam:
		p, err := r.study.dists.Param(row.ID, row.K, x, row.V)
		if err != nil {
			f.Spoil(err.Error())
			return nil
		}
		f.params = append(f.params, p)
	case kindReport:
		f.Reports = append(f.Reports, trial.Report{Step: int(row.N), Value: optunadb.Float(x, kind(row.K))})
		f.mark = max(f.mark, row.ID)
	case kindValue:
		o, err := tables.ParseObjective(row.N, x, kind(row.K))
		if err != nil {
			f.Spoil(err.Error())
			return nil
		}
		f.values = append(f.values, o)
	case kindUser:
		f.user = append(f.user, tables.Attr{Attr: trial.Attr{Key: row.K, JSON: row.V}, ID: row.ID})
	case kindSystem:
		f.system = append(f.system, tables.Attr{Attr: trial.Attr{Key: row.K, JSON: row.V}, ID: row.ID})
	}
	return nil
}

// kind is the type column of a number, in the form of package optunadb.
func kind(name string) any {
	if name == "FINITE" {
		return nil
	}
	return name
}

// finish assembles what was read of a trial.
func (r *reader) finish(f *found) *found {
	if len(f.params) > 0 {
		slices.SortFunc(f.params, func(a, b tables.Param) int { return cmp.Compare(a.ID, b.ID) })
		r.scratch = r.scratch[:0]
		f.Params.Point = make([]float64, len(f.params))
		for i, p := range f.params {
			r.scratch = append(r.scratch, p.Axis)
			f.Params.Point[i] = p.Coord
		}
		f.Params.Space = r.study.trials.Share(r.scratch)
		if &f.Params.Space[0] == &r.scratch[0] { // it is the first of its kind, and kept
			r.scratch = nil
		}
	}
	slices.SortFunc(f.Reports, tables.ByStep)
	if len(f.values) > 0 {
		f.SetValues(f.values, make([]float64, len(f.values)))
	}
	if len(f.user) > 0 {
		f.Attrs = tables.InOrder(f.user)
	}
	f.SetSystem(f.system)
	return f
}

// known returns the trial of a row as it was read before.
func (st *study) known(id int64, number int) (trial.Record, bool) {
	if number >= len(st.rows) || st.rows[number] != id {
		return trial.Record{}, false
	}
	r, err := st.trials.Trial(number)
	return r, err == nil
}

// maxGap is how many consecutive numbers may be missing, because somebody deleted trials by hand.
const maxGap = 1 << 16

// learn updates st with what was read of a trial.
func (st *study) learn(f *found) error {
	if f.Missing { // Optuna adds the number in the same transaction
		st.expect(f.ID, 0)
		st.last = max(st.last, f.ID)
		return nil
	}
	if f.Number > len(st.rows)+maxGap {
		return fmt.Errorf("%w: trial %d in row %d comes after trial %d", storage.ErrFormat, f.Number, f.ID, len(st.rows)-1)
	}
	if f.Number < len(st.rows) {
		if id := st.rows[f.Number]; id != 0 && id != f.ID {
			return fmt.Errorf("%w: trial %d is in two rows, %d and %d", storage.ErrFormat, f.Number, id, f.ID)
		}
	}
	done := f.State.Done()
	old, ok := st.known(f.ID, f.Number)
	switch mark := st.pending[f.ID]; {
	case ok && old.State.Done() && !done:
		return nil // the reading is from before this process finished it
	case ok && !done:
		// Nothing is removed from a running trial. If something is missing, the reading is from before this process
		// wrote it, or had only the new reports, or the server lost it in a crash; see guard.
		news := f.Reports
		f.Reports = slices.Clip(old.Reports)
		for _, r := range news {
			f.Reports = tables.WithReport(f.Reports, r)
		}
		if len(f.Params.Point) < len(old.Params.Point) {
			f.Params = old.Params
		}
		f.mark = max(f.mark, mark)
	}
	if done && f.Odd != "" {
		f.Record = tables.Unreadable(f.Record, f.Odd)
	}
	if !ok || !tables.Same(old, f.Record) {
		st.put(entry{f.Record, f.ID})
	}
	if delete(st.pending, f.ID); !done {
		st.expect(f.ID, f.mark)
	}
	return nil
}

func (st *study) expect(id, mark int64) {
	if st.pending == nil {
		st.pending = map[int64]int64{}
	}
	st.pending[id] = mark
}

// put replaces the record of a trial. mu must be held.
func (st *study) put(e entry) {
	for e.Number >= len(st.rows) {
		st.rows = append(st.rows, 0)
	}
	st.rows[e.Number] = e.id
	st.seen = ""
	st.last = max(st.last, e.id)
	if _, ok := st.pending[e.id]; !ok {
		st.expect(e.id, 0)
	}
	st.trials.Put(e.Record)
}

// isLoaded reports whether all trials were read, once.
func (st *study) isLoaded() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.loaded
}

// entry returns the trial of a number, or ErrNoTrial.
func (st *study) entry(number int) (entry, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	r, err := st.trials.Trial(number)
	if err != nil {
		return entry{}, err
	}
	return entry{r, st.rows[number]}, nil
}
