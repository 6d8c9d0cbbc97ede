package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math"
	"os"
	"slices"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/optunadb"
	"github.com/attune-hpo/attune/storage/internal/tables"
	"github.com/attune-hpo/attune/trial"
	"github.com/attune-hpo/attune/trial/pareto"
)

var (
	_ storage.Summarizer = (*Store)(nil)
	_ storage.Rower      = (*Store)(nil)
	_ storage.Placed     = (*Store)(nil)
)

// Summaries implements [storage.Summarizer]. It reads only the state, the times and the values of each trial.
func (s *Store) Summaries(ctx context.Context) iter.Seq2[trial.Summary, error] {
	return func(yield func(trial.Summary, error) bool) {
		var all []trial.Summary
		err := s.look(ctx, func(c *conn) (err error) {
			all, err = summaries(ctx, c)
			return err
		})
		if err != nil && err != errNoFile {
			yield(trial.Summary{}, s.wrap("list studies", err))
			return
		}
		for _, one := range all {
			if !yield(one, nil) {
				return
			}
		}
	}
}

// Preview implements [storage.Summarizer].
func (s *Store) Preview(ctx context.Context, name string, newest int) (p storage.Preview, err error) {
	err = s.look(ctx, func(c *conn) error {
		id, err := tables.StudyID(c, name)
		if err != nil {
			return err
		}
		p, err = preview(ctx, c, id, newest)
		return err
	})
	return p, s.wrap(fmt.Sprintf("read study %q", name), err)
}

// Row implements [storage.Rower].
func (s *Store) Row(ctx context.Context, study string, number int) (row int64, err error) {
	err = s.look(ctx, func(c *conn) error {
		id, err := tables.StudyID(c, study)
		if err != nil {
			return err
		}
		row, err = tables.TrialID(c, id, number)
		return err
	})
	return row, s.wrap(fmt.Sprintf("look up a trial of study %q", study), err)
}

// look calls f in a read transaction, on its own connection unless the file is open, so that other ledgers need not
// wait.
func (s *Store) look(ctx context.Context, f func(c *conn) error) error {
	from := s.reader()
	return from.use(ctx, false, func(c *conn) error {
		return from.read(ctx, c, func() error { return f(c) })
	})
}

// count adds what a row of the query counts says to a summary: a state, how many trials are
// in it, the earliest start and the latest finish.
func count(s *trial.Summary, row []value) {
	n := int(asInt(row[1]))
	state, ok := optunadb.State(asText(row[0]))
	if !ok {
		state = trial.Failed // as loader has it
	}
	switch state {
	case trial.Complete:
		s.Complete += n
	case trial.Pruned:
		s.Pruned += n
	case trial.Failed:
		s.Failed += n
	case trial.Running:
		s.Running += n
	case trial.Waiting:
		s.Waiting += n
	}
	if !state.Done() {
		return
	}
	if at := optunadb.Time(row[2]); !at.IsZero() && (s.Begun.IsZero() || at.Before(s.Begun)) {
		s.Begun = at
	}
	if at := optunadb.Time(row[3]); at.After(s.Latest) {
		s.Latest = at
	}
}

const counts = "state, count(*), CAST(min(datetime_start) AS TEXT), CAST(max(datetime_complete) AS TEXT) FROM trials "

// summaries reads the summaries of all studies.
func summaries(ctx context.Context, c *conn) ([]trial.Summary, error) {
	headers, err := statements.Headers(c, 0)
	if err != nil {
		return nil, err
	}
	all := make([]trial.Summary, len(headers))
	at := map[string]*trial.Summary{}
	for i, h := range headers {
		all[i].Header = h
		at[h.Name] = &all[i]
	}
	of := map[int64]*trial.Summary{} // by row
	each := func(sql string, f func(s *trial.Summary, row []value)) {
		if err != nil {
			return
		}
		err = c.query(sql, nil, func(row []value) error {
			if s := of[asInt(row[0])]; s != nil {
				f(s, row[1:])
			}
			return ctx.Err()
		})
	}
	err = c.query("SELECT study_id, study_name FROM studies", nil, func(row []value) error {
		of[asInt(row[0])] = at[asText(row[1])]
		return nil
	})
	each("SELECT study_id, "+counts+"WHERE number IS NOT NULL GROUP BY study_id, state", count)
	each("SELECT study_id, count(*) FROM trial_system_attributes JOIN trials USING (trial_id) WHERE key = '"+trial.InterruptedKey+"' AND state = 'FAIL' GROUP BY study_id",
		func(s *trial.Summary, row []value) {
			s.Interrupted += int(asInt(row[0]))
			s.Failed -= int(asInt(row[0]))
		})
	bad, fault := violated(ctx, c)
	err = cmp.Or(err, fault)
	each("SELECT study_id, trial_id, number, value, nullif(value_type, 'FINITE') FROM trial_values JOIN trials USING (trial_id) WHERE objective = 0 AND state = 'COMPLETE'",
		func(s *trial.Summary, row []value) {
			v, n := optunadb.Float(row[2], row[3]), int(asInt(row[1]))
			if s.Header.Objectives() > 1 || math.IsNaN(v) || bad[asInt(row[0])] {
				return
			}
			loss := s.Header.Direction(0).Loss
			if b := s.Best; b == nil || cmp.Or(cmp.Compare(loss(v), loss(b.Values[0])), cmp.Compare(n, b.Number)) < 0 {
				s.Best = &trial.Record{Number: n, State: trial.Complete, Values: []float64{v}}
			}
		})
	return all, err
}

// violated returns the rows of trials that do not meet their constraints.
func violated(ctx context.Context, c *conn) (map[int64]bool, error) {
	all := map[int64]*trial.Record{}
	err := c.query("SELECT trial_id, key, value_json FROM trial_system_attributes WHERE key >= '"+optunadb.ConstraintsKey+"' AND key < 'constraints;'",
		nil, func(row []value) error {
			r := all[asInt(row[0])]
			if r == nil {
				r = &trial.Record{}
				all[asInt(row[0])] = r
			}
			optunadb.Interpret(r, []trial.Attr{{Key: asText(row[1]), JSON: asText(row[2])}})
			return ctx.Err()
		})
	bad := map[int64]bool{}
	for id, r := range all {
		if !r.Feasible() {
			bad[id] = true
		}
	}
	return bad, err
}

// preview reads the preview of a study.
func preview(ctx context.Context, c *conn, id int64, newest int) (p storage.Preview, err error) {
	headers, err := statements.Headers(c, id)
	if err != nil {
		return p, err
	}
	if len(headers) == 0 {
		return p, storage.ErrNotExist
	}
	p.Summary.Header = headers[0]
	each := func(sql string, f func(row []value), more ...value) {
		if err == nil {
			err = c.query(sql, append([]value{id}, more...), func(row []value) error {
				f(row)
				return ctx.Err()
			})
		}
	}
	each("SELECT "+counts+"WHERE study_id = ? AND number IS NOT NULL GROUP BY state", func(row []value) { count(&p.Summary, row) })
	each("SELECT count(*) FROM trials JOIN trial_system_attributes USING (trial_id) WHERE study_id = ? AND state = 'FAIL' AND key = '"+trial.InterruptedKey+"'", func(row []value) {
		p.Summary.Interrupted = int(asInt(row[0]))
		p.Summary.Failed -= p.Summary.Interrupted
	})
	each("SELECT EXISTS (SELECT 1 FROM trials JOIN trial_intermediate_values USING (trial_id) WHERE study_id = ?)", func(row []value) { p.Reported = asInt(row[0]) == 1 })
	var last, running []int64
	each("SELECT trial_id FROM trials WHERE study_id = ? AND number IS NOT NULL ORDER BY trial_id DESC LIMIT ?", func(row []value) { last = append(last, asInt(row[0])) }, int64(newest))
	each("SELECT trial_id FROM trials WHERE study_id = ? AND number IS NOT NULL AND state = 'RUNNING'", func(row []value) { running = append(running, asInt(row[0])) })
	if err != nil {
		return p, err
	}
	bad, err := violated(ctx, c)
	if err != nil {
		return p, err
	}
	of := map[int64]trial.Record{}
	load := func(rows []int64) error {
		slices.Sort(rows)
		l := loader{ctx: ctx, conn: c, study: &study{id: id, last: math.MaxInt64}} // nothing after the rows listed
		read, err := l.load(slices.Compact(rows))
		for _, r := range read {
			if r.Odd != "" && r.State.Done() {
				r.Record = tables.Unreadable(r.Record, r.Odd)
				bad[r.ID] = true
			}
			of[r.ID] = r.Record.Clip()
		}
		return err
	}
	if err := load(slices.Concat(last, running)); err != nil {
		return p, err
	}
	var best []int64
	for again := true; again; { // once, unless one of them cannot be read
		if best, p.Values, err = front(ctx, c, id, p.Summary.Header, bad); err != nil {
			return p, err
		}
		if err := load(slices.Clone(best)); err != nil {
			return p, err
		}
		again = slices.ContainsFunc(best, func(row int64) bool { return bad[row] })
	}
	take := func(rows []int64) (out []trial.Record) {
		for _, row := range rows {
			out = append(out, of[row])
		}
		return out
	}
	p.Newest, p.Running, p.Front = take(last), take(running), take(best)
	byNumber := func(a, b trial.Record) int { return cmp.Compare(a.Number, b.Number) }
	slices.SortFunc(p.Newest, func(a, b trial.Record) int { return byNumber(b, a) })
	slices.SortFunc(p.Running, byNumber)
	slices.SortFunc(p.Front, byNumber)
	if p.Summary.Header.Objectives() == 1 && len(p.Front) > 0 {
		p.Summary.Best = &p.Front[0]
	}
	return p, nil
}

// front returns the rows of the Pareto front without the bad ones: of one objective, the row
// of the best trial, and the values of all.
func front(ctx context.Context, c *conn, id int64, h trial.Header, bad map[int64]bool) (best []int64, values []float64, err error) {
	var rows []int64
	var losses [][]float64
	var flat []float64
	n := h.Objectives()
	err = c.query("SELECT trial_id, objective, value, nullif(value_type, 'FINITE') FROM trials JOIN trial_values USING (trial_id) WHERE study_id = ? AND state = 'COMPLETE' ORDER BY trial_id",
		[]value{id}, func(row []value) error {
			at, k := asInt(row[0]), int(asInt(row[1]))
			if bad[at] || k < 0 || k >= n {
				return ctx.Err()
			}
			if len(rows) == 0 || rows[len(rows)-1] != at {
				if len(flat) < n {
					flat = make([]float64, 1024*n)
				}
				rows, losses = append(rows, at), append(losses, flat[:n:n])
				flat = flat[n:]
				for i := range n {
					losses[len(losses)-1][i] = math.NaN() // until its row comes
				}
			}
			losses[len(losses)-1][k] = h.Direction(k).Loss(optunadb.Float(row[2], row[3]))
			return nil
		})
	if err != nil {
		return nil, nil, err
	}
	kept := 0
	for i, l := range losses {
		if !slices.ContainsFunc(l, math.IsNaN) {
			rows[kept], losses[kept] = rows[i], l
			kept++
		}
	}
	rows, losses = rows[:kept], losses[:kept]
	if n > 1 {
		for _, i := range pareto.Front(losses) {
			best = append(best, rows[i])
		}
		return best, nil, nil
	}
	at := 0
	for i, l := range losses { // rows are in the order of numbers
		values = append(values, h.Direction(0).Loss(l[0]))
		if l[0] < losses[at][0] {
			at = i
		}
	}
	if kept > 0 {
		best = rows[at : at+1]
	}
	return best, values, nil
}

// Exists implements [storage.Placed].
func (s *Store) Exists() (bool, error) {
	_, err := os.Stat(s.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, s.wrap("look for a file", err)
}
