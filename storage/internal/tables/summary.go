package tables

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/optunadb"
	"github.com/attune-hpo/attune/trial"
	"github.com/attune-hpo/attune/trial/pareto"
)

// A Summarizer reads summaries of studies, without all of their trials, in a transaction that sees
// one state of the database.
type Summarizer struct {
	*Statements
	DB
	Key  string // the column named key, in quotes if need be
	Text string // a format that casts an expression to text
	// Of reads the attributes of one study's trials through an index. Without it those of all studies
	// are read one after another, which is quicker in a file.
	Of bool
	// Load reads the trials of some rows of a study, which ascend.
	Load func(study int64, rows []int64) ([]Read, error)
}

func (s *Summarizer) text(column string) string { return fmt.Sprintf(s.Text, column) }

// counts selects what count takes in.
func (s *Summarizer) counts() string {
	return s.text("state") + ", count(*), " + s.text("min(datetime_start)") + ", " + s.text("max(datetime_complete)") + " FROM trials "
}

// value selects the value and the type of a row of trial_values.
func (s *Summarizer) value() string { return "value, nullif(" + s.text("value_type") + ", 'FINITE')" }

// float returns what value selected.
func float(value, kind Value) float64 {
	if kind != nil {
		kind = Text(kind)
	}
	return optunadb.Float(value, kind)
}

// instant returns the time in a column that was cast to text.
func instant(v Value) time.Time {
	if v == nil {
		return time.Time{}
	}
	return optunadb.Time(Text(v))
}

// count adds to a summary a state, how many trials are in it, the earliest start and the latest
// finish.
func count(s *trial.Summary, row []Value) {
	n := int(Int(row[1]))
	state, ok := optunadb.State(Text(row[0]))
	if !ok {
		state = trial.Failed // as when it is loaded
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
	if at := instant(row[2]); !at.IsZero() && (s.Begun.IsZero() || at.Before(s.Begun)) {
		s.Begun = at
	}
	if at := instant(row[3]); at.After(s.Latest) {
		s.Latest = at
	}
}

// Summaries returns the summaries of all studies, in order of name.
func (s *Summarizer) Summaries(ctx context.Context) ([]trial.Summary, error) {
	headers, err := s.Headers(s, 0)
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
	each := func(sql string, f func(sum *trial.Summary, row []Value)) {
		if err != nil {
			return
		}
		err = s.Query(sql, nil, func(row []Value) error {
			if sum := of[Int(row[0])]; sum != nil {
				f(sum, row[1:])
			}
			return ctx.Err()
		})
	}
	err = s.Query("SELECT study_id, study_name FROM studies", nil, func(row []Value) error {
		of[Int(row[0])] = at[Text(row[1])]
		return nil
	})
	each("SELECT study_id, "+s.counts()+"WHERE number IS NOT NULL GROUP BY study_id, state", count)
	each("SELECT study_id, count(*) FROM trial_system_attributes JOIN trials USING (trial_id) WHERE "+s.Key+" = '"+trial.InterruptedKey+"' AND state = 'FAIL' GROUP BY study_id",
		func(sum *trial.Summary, row []Value) {
			sum.Interrupted += int(Int(row[0]))
			sum.Failed -= int(Int(row[0]))
		})
	bad, fault := s.violated(ctx, 0)
	err = cmp.Or(err, fault)
	each("SELECT study_id, trial_id, number, "+s.value()+" FROM trial_values JOIN trials USING (trial_id) WHERE objective = 0 AND state = 'COMPLETE'",
		func(sum *trial.Summary, row []Value) {
			v, n := float(row[2], row[3]), int(Int(row[1]))
			if sum.Header.Objectives() > 1 || math.IsNaN(v) || bad[Int(row[0])] {
				return
			}
			loss := sum.Header.Direction(0).Loss
			if b := sum.Best; b == nil || cmp.Or(cmp.Compare(loss(v), loss(b.Values[0])), cmp.Compare(n, b.Number)) < 0 {
				sum.Best = &trial.Record{Number: n, State: trial.Complete, Values: []float64{v}}
			}
		})
	return all, err
}

// violated returns the rows of trials that do not meet their constraints, of a study or of all.
func (s *Summarizer) violated(ctx context.Context, study int64) (map[int64]bool, error) {
	all := map[int64]*trial.Record{}
	sql, args := "", []Value(nil)
	if s.Of && study != 0 {
		sql, args = "trial_id IN (SELECT trial_id FROM trials WHERE study_id = ?) AND ", []Value{study}
	}
	err := s.Query("SELECT trial_id, "+s.Key+", value_json FROM trial_system_attributes WHERE "+sql+s.Key+" LIKE '"+optunadb.ConstraintsKey+"%'",
		args, func(row []Value) error {
			r := all[Int(row[0])]
			if r == nil {
				r = &trial.Record{}
				all[Int(row[0])] = r
			}
			optunadb.Interpret(r, []trial.Attr{{Key: Text(row[1]), JSON: Text(row[2])}})
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

// Preview returns the preview of a study. It fails with [storage.ErrNotExist].
func (s *Summarizer) Preview(ctx context.Context, id int64, newest int) (p storage.Preview, err error) {
	headers, err := s.Headers(s, id)
	if err != nil {
		return p, err
	}
	if len(headers) == 0 {
		return p, storage.ErrNotExist
	}
	p.Summary.Header = headers[0]
	each := func(sql string, f func(row []Value), more ...Value) {
		if err == nil {
			err = s.Query(sql, append([]Value{id}, more...), func(row []Value) error {
				f(row)
				return ctx.Err()
			})
		}
	}
	each("SELECT "+s.counts()+"WHERE study_id = ? AND number IS NOT NULL GROUP BY state", func(row []Value) { count(&p.Summary, row) })
	each("SELECT count(*) FROM trials JOIN trial_system_attributes USING (trial_id) WHERE study_id = ? AND state = 'FAIL' AND "+s.Key+" = '"+trial.InterruptedKey+"'", func(row []Value) {
		p.Summary.Interrupted = int(Int(row[0]))
		p.Summary.Failed -= p.Summary.Interrupted
	})
	each("SELECT CASE WHEN EXISTS (SELECT 1 FROM trials JOIN trial_intermediate_values USING (trial_id) WHERE study_id = ?) THEN 1 ELSE 0 END", func(row []Value) { p.Reported = Int(row[0]) == 1 })
	if p.Summary.Header.Objectives() > 1 {
		each("SELECT CASE WHEN EXISTS (SELECT 1 FROM trials JOIN trial_system_attributes USING (trial_id) WHERE study_id = ? AND "+s.Key+" LIKE '"+trial.VectorPrefix+"%') THEN 1 ELSE 0 END",
			func(row []Value) { p.Reported = p.Reported || Int(row[0]) == 1 })
	}
	var last, running []int64
	each("SELECT trial_id FROM trials WHERE study_id = ? AND number IS NOT NULL ORDER BY trial_id DESC LIMIT ?", func(row []Value) { last = append(last, Int(row[0])) }, int64(newest))
	each("SELECT trial_id FROM trials WHERE study_id = ? AND number IS NOT NULL AND state = 'RUNNING'", func(row []Value) { running = append(running, Int(row[0])) })
	if err != nil {
		return p, err
	}
	bad, err := s.violated(ctx, id)
	if err != nil {
		return p, err
	}
	of := map[int64]trial.Record{}
	load := func(rows []int64) error {
		slices.Sort(rows)
		read, err := s.Load(id, slices.Compact(rows))
		for _, r := range read {
			if r.Odd != "" && r.State.Done() {
				r.Record = Unreadable(r.Record, r.Odd)
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
		if best, p.Values, err = s.front(ctx, id, p.Summary.Header, bad); err != nil {
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
func (s *Summarizer) front(ctx context.Context, id int64, h trial.Header, bad map[int64]bool) (best []int64, values []float64, err error) {
	var rows []int64
	var losses [][]float64
	var flat []float64
	n := h.Objectives()
	err = s.Query("SELECT trial_id, objective, "+s.value()+" FROM trials JOIN trial_values USING (trial_id) WHERE study_id = ? AND state = 'COMPLETE' ORDER BY trial_id",
		[]Value{id}, func(row []Value) error {
			at, k := Int(row[0]), int(Int(row[1]))
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
			losses[len(losses)-1][k] = h.Direction(k).Loss(float(row[2], row[3]))
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
