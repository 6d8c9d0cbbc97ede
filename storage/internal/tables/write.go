package tables

import (
	"sync"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/internal/optunadb"
	"github.com/attune-hpo/attune/trial"
)

// A Writer writes the parts of trials. It is not safe for concurrent use.
type Writer struct {
	*Statements
	DB
	Texts *Texts // of the distributions
}

// Insert adds a trial with everything it has, and returns its row.
func (w Writer) Insert(study int64, r trial.Record) (id int64, err error) {
	if id, err = w.Bare(study, r); err != nil {
		return 0, err
	}
	p := part{Writer: w, id: id}
	if len(r.Fixed) > 0 {
		p.system(optunadb.Fixed(r.Fixed))
	}
	p.proposed(r.Proposed)
	p.params(r.Params, "")
	for _, report := range r.Reports {
		p.report(report, "")
	}
	p.values(r.Values)
	for _, con := range r.Constraints {
		p.system(optunadb.Constrained(con))
	}
	for _, a := range r.Attrs {
		p.user(a)
	}
	for _, n := range r.Notes {
		p.system(n)
	}
	p.reason(r.Err)
	return id, p.err
}

// Bare adds a row for a trial that has only the number, the state and the times of r.
func (w Writer) Bare(study int64, r trial.Record) (id int64, err error) {
	return w.DB.Insert("INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete) VALUES (?, ?, ?, ?, ?)", "trial_id",
		int64(r.Number), study, optunadb.StateName(r.State), optunadb.TimeColumn(r.Started), optunadb.TimeColumn(r.Finished))
}

// Note sets a note of a trial.
func (w Writer) Note(id int64, n trial.Attr) error { return w.Exec(w.trialSystem, id, n.Key, n.JSON) }

// Apply writes changes that the trial allows. Before is the record without them.
func (w Writer) Apply(id int64, before trial.Record, changes []trial.Change) error {
	p := part{Writer: w, id: id}
	proposed := len(before.Proposed) > 0
	for _, change := range changes {
		switch change := change.(type) {
		case trial.Proposed:
			if proposed {
				p.exec(p.withdraw, id)
			}
			p.proposed(change)
			proposed = len(change) > 0
		case trial.Suggested:
			p.params(space.Params(change), "")
		case trial.Reported:
			p.report(trial.Report(change), "")
		case trial.Constrained:
			p.system(optunadb.Constrained(trial.Constraint(change)))
		case trial.Annotated:
			p.user(trial.Attr(change))
		case trial.Noted:
			p.system(trial.Attr(change))
		case trial.Finished:
			if proposed {
				p.exec(p.withdraw, id)
			}
			p.values(change.Values)
			p.reason(change.Err)
			p.exec("UPDATE trials SET state = ?, datetime_complete = ? WHERE trial_id = ?",
				optunadb.StateName(change.State), optunadb.TimeColumn(change.At), id)
		}
	}
	return p.err
}

// Restore writes the missing parameters and reports of a trial.
func (w Writer) Restore(id int64, r trial.Record) error {
	p := part{Writer: w, id: id}
	p.params(r.Params, w.skip)
	for _, report := range r.Reports {
		p.report(report, w.skip)
	}
	return p.err
}

// A part writes parts of one trial; the first error sticks.
type part struct {
	Writer
	id  int64
	err error
}

func (p *part) exec(sql string, args ...Value) {
	if p.err == nil {
		p.err = p.DB.Exec(sql, args...)
	}
}

func (p *part) params(ps space.Params, end string) {
	for len(ps.Point) > 0 {
		n := min(len(ps.Point), maxParams)
		args := make([]Value, 0, 4*n)
		for i, a := range ps.Space[:n] {
			args = append(args, p.id, a.Name, ps.Point[i], p.Texts.of(a.Distribution))
		}
		sql := p.Statements.params[n]
		if end != "" {
			sql += end
		}
		p.exec(sql, args...)
		ps.Space, ps.Point = ps.Space[n:], ps.Point[n:]
	}
}

const insertReport = "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type) VALUES (?, ?, ?, ?)"

func (p *part) report(r trial.Report, end string) {
	v, kind := optunadb.FloatColumns(r.Value)
	sql := insertReport
	if end != "" {
		sql += end
	}
	p.exec(sql, p.id, int64(r.Step), v, kind)
}

func (p *part) values(xs []float64) {
	for i, x := range xs {
		v, kind := optunadb.FloatColumns(x)
		p.exec("INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (?, ?, ?, ?)",
			p.id, int64(i), v, kind)
	}
}

func (p *part) reason(text string) {
	if text != "" {
		p.system(optunadb.Reason(text))
	}
}

// proposed writes a proposal; there is none before it.
func (p *part) proposed(ss []space.Setting) {
	for _, piece := range optunadb.Proposed(ss) {
		p.system(piece)
	}
}

func (p *part) system(a trial.Attr) { p.exec(p.trialSystem, p.id, a.Key, a.JSON) }

func (p *part) user(a trial.Attr) { p.exec(p.trialUser, p.id, a.Key, a.JSON) }

// Texts caches the JSON of distributions, because a study has few distributions but many rows. The zero value is
// ready to use. It is safe for concurrent use.
type Texts struct {
	mu      sync.Mutex
	written map[space.Distribution]string
}

func (ts *Texts) of(d space.Distribution) string {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	text, ok := ts.written[d]
	if !ok {
		text = d.String()
		if ts.written == nil || len(ts.written) >= 1<<12 {
			ts.written = map[space.Distribution]string{}
		}
		ts.written[d] = text
	}
	return text
}
