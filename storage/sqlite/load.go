package sqlite

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/internal/optunadb"
	"github.com/attune-hpo/attune/storage/internal/tables"
	"github.com/attune-hpo/attune/trial"
)

// A loader runs the queries of one load; the first error sticks.
type loader struct {
	ctx   context.Context
	conn  *conn
	study *study
	args  []value       // of which
	scan  bool          // read whole tables rather than the rows of which
	out   []tables.Read // by row
	at    int           // in out; where the last row belonged
	err   error
}

// which selects rows of trials of study ?1: those listed in ?3, and those after ?2. All tables are read in this
// order, so the rows of one trial are adjacent.
const which = `WITH which(id) AS (
	SELECT value FROM json_each(?3)
	UNION ALL
	SELECT trial_id FROM trials WHERE study_id = ?1 AND trial_id > ?2
) SELECT id, `

// load reads the trials of the known rows, which ascend, and those of later rows. The result is in order of rows.
//
// For known finished trials it only reads their row. For trials that were running before and still are, it only reads
// new reports: there may be a hundred thousand, and other processes may write many between two calls.
func (l *loader) load(known []int64) ([]tables.Read, error) {
	l.trials(known)
	if l.err == nil {
		l.err = l.study.verify(l.out, known)
	}
	if l.err != nil || len(l.out) == 0 {
		return nil, l.err
	}
	var reread, afresh []int64 // known rows: all but the reports, and with the reports
	running := map[int64]int{} // rows of trials whose reports go on, and where they are in out
	for i := range l.out {
		n := &l.out[i]
		if n.ID > l.study.last {
			break
		}
		switch old, ok := l.study.known(n.ID, n.Number); {
		case !ok:
			reread, afresh = append(reread, n.ID), append(afresh, n.ID)
		case old.State.Done():
		case old.State == n.State:
			n.Reports = old.Reports
			if n.State == trial.Running {
				running[n.ID] = i
			}
			reread = append(reread, n.ID)
		default:
			reread, afresh = append(reread, n.ID), append(afresh, n.ID)
		}
	}
	if !l.news(running) {
		for id, i := range running {
			l.out[i].Reports = nil
			afresh = append(afresh, id)
		}
		slices.Sort(afresh)
	}
	l.scan = l.whole()
	l.list(afresh)
	l.readReports()
	l.list(reread)
	l.readParams()
	l.readRest()
	return l.out, l.err
}

func (l *loader) list(rows []int64) { l.args = []value{l.study.id, l.study.last, ids(rows)} }

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

// trials reads the trials themselves into out.
func (l *loader) trials(known []int64) {
	l.list(known)
	l.err = l.conn.query("SELECT count(*) FROM trials WHERE study_id = ?1 AND trial_id > ?2", l.args[:2], func(row []value) error {
		l.out = make([]tables.Read, 0, int(asInt(row[0]))+len(known))
		return nil
	})
	if l.err != nil {
		return
	}
	l.err = l.conn.query(which+`number, state, CAST(datetime_start AS TEXT), CAST(datetime_complete AS TEXT)
		FROM which CROSS JOIN trials ON trial_id = id AND study_id = ?1`, l.args, func(row []value) error {
		r := tables.Read{ID: asInt(row[0]), Missing: row[1] == nil}
		r.Number = int(asInt(row[1]))
		if err := r.CheckNumber(); err != nil {
			return err
		}
		r.SetState(asText(row[2]))
		r.Started, r.Finished = optunadb.Time(row[3]), optunadb.Time(row[4])
		l.out = append(l.out, r)
		return l.ctx.Err()
	})
	slices.SortFunc(l.out, func(a, b tables.Read) int { return cmp.Compare(a.ID, b.ID) })
}

// whole reports whether reading whole tables is faster than looking up rows, because most trials of the file are
// wanted.
func (l *loader) whole() (yes bool) {
	if l.err != nil || l.study.loaded {
		return false
	}
	l.err = l.conn.query("SELECT count(*) FROM trials", nil, func(row []value) error {
		yes = asInt(row[0]) < 2*int64(len(l.out))
		return nil
	})
	return yes
}

// A mark is the last row of the reports of all trials at the last reading: new ones come after it. If that row has
// changed, rows were deleted, and new ones may have any id.
type mark struct{ id, trial, step int64 }

// news adds the reports after the mark to running trials, given by rows and their places in out, and moves the mark.
// It reports whether the mark was valid.
func (l *loader) news(running map[int64]int) bool {
	if l.err != nil {
		return true
	}
	const columns = "SELECT trial_intermediate_value_id, trial_id, step, intermediate_value, nullif(intermediate_value_type, 'FINITE') FROM trial_intermediate_values "
	old := l.study.reports
	if len(running) == 0 || old.id == 0 {
		l.study.reports = mark{}
		l.err = l.conn.query(columns+"ORDER BY trial_intermediate_value_id DESC LIMIT 1", nil, func(row []value) error {
			l.study.reports = mark{asInt(row[0]), asInt(row[1]), asInt(row[2])}
			return nil
		})
		return len(running) == 0
	}
	found, good := mark{}, false
	l.err = l.conn.query(columns+"WHERE trial_intermediate_value_id >= ? ORDER BY trial_intermediate_value_id", []value{old.id}, func(row []value) error {
		found = mark{asInt(row[0]), asInt(row[1]), asInt(row[2])}
		if found == old {
			good = true
			return nil
		}
		if i, ok := running[found.trial]; ok && good {
			r := &l.out[i]
			r.Reports = tables.WithReport(r.Reports, trial.Report{Step: int(found.step), Value: optunadb.Float(row[3], row[4])})
		}
		return l.ctx.Err()
	})
	l.study.reports = found // none, if there is no such row any more
	return good
}

func (l *loader) readReports() {
	slabs := slab[trial.Report]{trials: len(l.out)}
	gather(l, table{"trial_intermediate_values", "trial_intermediate_value_id", "step, intermediate_value, nullif(intermediate_value_type, 'FINITE')", l.scan},
		func(row []value) (trial.Report, error) {
			return trial.Report{Step: int(asInt(row[2])), Value: optunadb.Float(row[3], row[4])}, nil
		},
		func(r *tables.Read, rs []trial.Report) {
			if r.Reports == nil {
				r.Reports = append(slabs.take(len(rs))[:0], rs...)
			} else {
				r.Reports = append(r.Reports, rs...)
			}
			before := max(0, len(r.Reports)-len(rs)-1)
			if !slices.IsSortedFunc(r.Reports[before:], tables.ByStep) {
				slices.SortFunc(r.Reports, tables.ByStep)
			}
		})
}

func (l *loader) readParams() {
	points := slab[float64]{trials: len(l.out)}
	scratch := space.Space{}
	gather(l, table{"trial_params", "param_id", "param_name, param_value, distribution_json", l.scan}, func(row []value) (tables.Param, error) {
		return l.conn.dists.Param(asInt(row[1]), asText(row[2]), row[3], asText(row[4]))
	},
		func(r *tables.Read, ps []tables.Param) {
			slices.SortStableFunc(ps, func(a, b tables.Param) int { return cmp.Compare(a.ID, b.ID) })
			scratch = append(scratch[:0], r.Params.Space...)
			point := append(points.take(len(scratch) + len(ps))[:0], r.Params.Point...)
			for _, p := range ps {
				scratch = append(scratch, p.Axis)
				point = append(point, p.Coord)
			}
			r.Params.Point = point
			r.Params.Space = l.study.trials.Share(scratch)
			if &r.Params.Space[0] == &scratch[0] { // it is the first of its kind, and kept
				scratch = make(space.Space, 0, len(ps))
			}
		})
}

func (l *loader) readRest() {
	values := slab[float64]{trials: len(l.out)}
	gather(l, table{"trial_values", "trial_value_id", "objective, value, nullif(value_type, 'FINITE')", false},
		func(row []value) (tables.Objective, error) {
			return tables.ParseObjective(asInt(row[2]), row[3], row[4])
		},
		func(r *tables.Read, os []tables.Objective) { r.SetValues(os, values.take(len(os))) })
	gather(l, table{"trial_user_attributes", "trial_user_attribute_id", "key, value_json", false}, parseAttr,
		func(r *tables.Read, as []tables.Attr) { r.Attrs = tables.InOrder(as) })
	gather(l, table{"trial_system_attributes", "trial_system_attribute_id", "key, value_json", false}, parseAttr,
		(*tables.Read).SetSystem)
}

// A table holds rows of trials.
type table struct {
	name, id, columns string
	scan              bool // read all of it
}

// query returns the trial of each row, its own id, and the columns.
func (t table) query() string {
	if t.scan { // in order of insertion, so the ids are not needed
		return "SELECT trial_id, 0, " + t.columns + " FROM " + t.name + " ORDER BY " + t.id
	}
	return which + t.id + ", " + t.columns + " FROM which CROSS JOIN " + t.name + " ON trial_id = id"
}

// gather reads the rows of a table that belong to trials, and passes the rows of each trial to put together, in the
// order of an index. If it reads the whole table, the rows are in the order of insertion, and put may get those of a
// trial in several parts.
//
// A row that parse refuses is skipped, and its trial is marked as unreadable.
func gather[T any](l *loader, t table, parse func(row []value) (T, error), put func(r *tables.Read, rows []T)) {
	if l.err != nil {
		return
	}
	var owner *tables.Read
	var rows []T
	flush := func() {
		if len(rows) > 0 {
			put(owner, rows)
			rows = rows[:0]
		}
	}
	args := l.args
	if t.scan {
		args = nil
	}
	l.err = l.conn.query(t.query(), args, func(row []value) error {
		r := l.find(asInt(row[0]))
		if r == nil {
			return nil
		}
		if r != owner {
			flush()
			owner = r
			if err := l.ctx.Err(); err != nil {
				return err
			}
		}
		x, err := parse(row)
		if err != nil {
			r.Spoil(err.Error())
			return nil
		}
		rows = append(rows, x)
		return nil
	})
	if l.err == nil {
		flush()
	}
}

// find returns the trial of a row, or nil.
func (l *loader) find(id int64) *tables.Read {
	for _, i := range [2]int{l.at, l.at + 1} { // where it usually is
		if i < len(l.out) && l.out[i].ID == id {
			l.at = i
			return &l.out[i]
		}
	}
	i, found := slices.BinarySearchFunc(l.out, id, func(r tables.Read, id int64) int { return cmp.Compare(r.ID, id) })
	if !found {
		return nil
	}
	l.at = i
	return &l.out[i]
}

// A slab returns slices of a few large arrays.
type slab[T any] struct {
	trials int // the most slices wanted
	free   []T
}

func (s *slab[T]) take(n int) []T {
	if len(s.free) < n {
		s.free = make([]T, max(n, min(n*s.trials, 1024)))
	}
	out := s.free[:n:n]
	s.free = s.free[n:]
	return out
}

func parseAttr(row []value) (tables.Attr, error) {
	return tables.Attr{Attr: trial.Attr{Key: asText(row[2]), JSON: asText(row[3])}, ID: asInt(row[1])}, nil
}
