package sqlite

import (
	"strings"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/internal/optunadb"
	"github.com/attune-hpo/attune/trial"
)

// insertTrial adds a row for a trial that has nothing yet but the state and the
// times of r.
func (c *conn) insertTrial(study int64, r trial.Record) (id int64, err error) {
	return c.exec("INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete) VALUES (?, ?, ?, ?, ?)",
		int64(r.Number), study, optunadb.StateName(r.State), optunadb.TimeColumn(r.Started), optunadb.TimeColumn(r.Finished))
}

// insert adds r with everything it has.
func (c *conn) insert(study int64, r trial.Record) (id int64, err error) {
	if id, err = c.insertTrial(study, r); err != nil {
		return 0, err
	}
	w := writer{conn: c, id: id}
	if len(r.Fixed) > 0 {
		w.system(optunadb.Fixed(r.Fixed))
	}
	w.proposed(r.Proposed)
	w.params(r.Params)
	for _, report := range r.Reports {
		w.report(report)
	}
	w.values(r.Values)
	for _, con := range r.Constraints {
		w.constraint(con)
	}
	for _, a := range r.Attrs {
		w.user(a)
	}
	for _, n := range r.Notes {
		w.system(n)
	}
	w.reason(r.Err)
	return id, w.err
}

// apply writes changes that a trial was found to allow; before is what it was.
func (c *conn) apply(id int64, before trial.Record, changes []trial.Change) error {
	w := writer{conn: c, id: id}
	proposed := len(before.Proposed) > 0
	for _, change := range changes {
		switch change := change.(type) {
		case trial.Proposed:
			if proposed {
				w.withdraw()
			}
			w.proposed(change)
			proposed = len(change) > 0
		case trial.Suggested:
			w.params(space.Params(change))
		case trial.Reported:
			w.report(trial.Report(change))
		case trial.Constrained:
			w.constraint(trial.Constraint(change))
		case trial.Annotated:
			w.user(trial.Attr(change))
		case trial.Noted:
			w.system(trial.Attr(change))
		case trial.Finished:
			if proposed {
				w.withdraw()
			}
			w.values(change.Values)
			w.reason(change.Err)
			w.exec("UPDATE trials SET state = ?, datetime_complete = ? WHERE trial_id = ?",
				optunadb.StateName(change.State), optunadb.TimeColumn(change.At), id)
		}
	}
	return w.err
}

// A writer writes the parts of one trial; the first error sticks.
type writer struct {
	*conn
	id  int64
	err error
}

func (w *writer) exec(sql string, args ...value) {
	if w.err == nil {
		_, w.err = w.conn.exec(sql, args...)
	}
}

func (w *writer) params(p space.Params) {
	const most = 16 // rows in one statement
	for len(p.Point) > 0 {
		n := min(len(p.Point), most)
		args := make([]value, 0, 4*n)
		for i, a := range p.Space[:n] {
			args = append(args, w.id, a.Name, p.Point[i], w.dists.text(a.Distribution))
		}
		w.exec(paramInserts[n], args...)
		p.Space, p.Point = p.Space[n:], p.Point[n:]
	}
}

// paramInserts[n] inserts n parameters.
var paramInserts = func() (out [17]string) {
	for n := range out {
		out[n] = "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES " +
			strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?), ", n), ", ")
	}
	return out
}()

func (w *writer) report(r trial.Report) {
	v, kind := optunadb.FloatColumns(r.Value)
	w.exec("INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type) VALUES (?, ?, ?, ?)",
		w.id, int64(r.Step), v, kind)
}

func (w *writer) values(xs []float64) {
	for i, x := range xs {
		v, kind := optunadb.FloatColumns(x)
		w.exec("INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (?, ?, ?, ?)",
			w.id, int64(i), v, kind)
	}
}

func (w *writer) constraint(c trial.Constraint) { w.system(optunadb.Constrained(c)) }

func (w *writer) reason(text string) {
	if text != "" {
		w.system(optunadb.Reason(text))
	}
}

// proposed writes a proposal; there is none before it.
func (w *writer) proposed(p []space.Setting) {
	for _, piece := range optunadb.Proposed(p) {
		w.system(piece)
	}
}

func (w *writer) withdraw() {
	// By key, which is a range of the index: ";" follows ":".
	w.exec("DELETE FROM trial_system_attributes WHERE trial_id = ? AND key >= 'tpe:relative_params:' AND key < 'tpe:relative_params;'", w.id)
}

const upsert = " (trial_id, key, value_json) VALUES (?, ?, ?) ON CONFLICT (trial_id, key) DO UPDATE SET value_json = excluded.value_json"

func (w *writer) system(a trial.Attr) {
	w.exec("INSERT INTO trial_system_attributes"+upsert, w.id, a.Key, a.JSON)
}

func (w *writer) user(a trial.Attr) {
	w.exec("INSERT INTO trial_user_attributes"+upsert, w.id, a.Key, a.JSON)
}
