package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/attune-hpo/attune/internal/pyjson"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

// Keys of trial system attributes that are not notes; nor is any that begins with
// ownPrefix. Notes under them are refused by package storage.
const (
	fixedKey         = "fixed_params"         // an object
	proposedPrefix   = "tpe:relative_params:" // and a count from 0: strings, pieces of one object
	constraintPrefix = "constraints:"         // and a name: a number
	constraintsKey   = "constraints"          // before Optuna 5: a list of numbers, named "0", "1", ...
	errorKey         = "attune:error"         // a string
	maxPiece         = 2045                   // characters of a proposal in one attribute
)

// loaded is a record that was read, and its row.
type loaded struct {
	trial.Record
	id      int64
	missing bool // has no number yet
}

// which selects rows of trials of study ?1: those listed in ?3, and those after
// ?2. Columns that follow are read in this order, so the rows of one trial stand
// together, in all tables.
const which = `WITH which(id) AS (
	SELECT value FROM json_each(?3)
	UNION ALL
	SELECT trial_id FROM trials WHERE study_id = ?1 AND trial_id > ?2
) SELECT id, `

// load reads trials of a study: the rows listed, which ascend, and all after
// last. The result is in order of rows.
func (c *conn) load(ctx context.Context, study int64, pool *space.Pool, list []int64, last int64) ([]loaded, error) {
	l := loader{ctx: ctx, conn: c, args: []value{study, last, ids(list)}}
	l.trials()
	if len(l.out) == 0 {
		return nil, l.err
	}
	points := slab[float64]{trials: len(l.out)}
	reports := slab[trial.Report]{trials: len(l.out)}
	values := slab[float64]{trials: len(l.out)}
	scratch := space.Space{}
	gather(&l, `param_id, param_name, param_value, distribution_json
		FROM which CROSS JOIN trial_params ON trial_id = id`, c.dists.param,
		func(r *loaded, ps []param) {
			slices.SortFunc(ps, func(a, b param) int { return cmp.Compare(a.id, b.id) })
			scratch = scratch[:0]
			r.Params.Point = points.take(len(ps))
			for i, p := range ps {
				scratch = append(scratch, p.Axis)
				r.Params.Point[i] = p.coord
			}
			r.Params.Space = pool.Share(scratch)
			if &r.Params.Space[0] == &scratch[0] { // it is the first of its kind, and kept
				scratch = make(space.Space, 0, len(ps))
			}
		})
	gather(&l, `step, intermediate_value, nullif(intermediate_value_type, 'FINITE')
		FROM which CROSS JOIN trial_intermediate_values ON trial_id = id`,
		func(row []value) (trial.Report, error) {
			return trial.Report{Step: int(asInt(row[1])), Value: asFloat(row[2], row[3])}, nil
		},
		func(r *loaded, rs []trial.Report) {
			slices.SortFunc(rs, func(a, b trial.Report) int { return cmp.Compare(a.Step, b.Step) })
			r.Reports = reports.take(len(rs))
			copy(r.Reports, rs)
		})
	gather(&l, `objective, value, nullif(value_type, 'FINITE')
		FROM which CROSS JOIN trial_values ON trial_id = id`,
		func(row []value) (o objective, err error) {
			o = objective{asInt(row[1]), asFloat(row[2], row[3])}
			if math.IsNaN(o.value) {
				err = fmt.Errorf("%w: the value of objective %d is not a number", storage.ErrFormat, o.index)
			}
			return o, err
		},
		func(r *loaded, os []objective) {
			slices.SortFunc(os, func(a, b objective) int { return cmp.Compare(a.index, b.index) })
			r.Values = values.take(len(os))
			for i, o := range os {
				r.Values[i] = o.value
			}
		})
	gather(&l, `trial_user_attribute_id, key, value_json
		FROM which CROSS JOIN trial_user_attributes ON trial_id = id`, parseAttr,
		func(r *loaded, as []attr) {
			r.Attrs = make(trial.Attrs, len(as))
			for i, a := range inOrder(as) {
				r.Attrs[i] = a.Attr
			}
		})
	gather(&l, `trial_system_attribute_id, key, value_json
		FROM which CROSS JOIN trial_system_attributes ON trial_id = id`, parseAttr,
		func(r *loaded, as []attr) { interpret(&r.Record, inOrder(as)) })
	return l.out, l.err
}

// A loader runs the queries of one load; the first error sticks.
type loader struct {
	ctx  context.Context
	conn *conn
	args []value  // of which
	out  []loaded // by row
	at   int      // in out; where the last row belonged
	err  error
}

// trials reads the trials themselves into out.
func (l *loader) trials() {
	l.err = l.conn.query("SELECT count(*) FROM trials WHERE study_id = ?1 AND trial_id > ?2", l.args[:2], func(row []value) error {
		l.out = make([]loaded, 0, int(asInt(row[0]))+8)
		return nil
	})
	if l.err != nil {
		return
	}
	l.err = l.conn.query(which+`number, state, CAST(datetime_start AS TEXT), CAST(datetime_complete AS TEXT)
		FROM which CROSS JOIN trials ON trial_id = id AND study_id = ?1`, l.args, func(row []value) error {
		r := loaded{id: asInt(row[0]), missing: row[1] == nil}
		r.Number = int(asInt(row[1]))
		state, ok := states[asText(row[2])]
		if !ok {
			return fmt.Errorf("%w: trial %d has the state %.20q", storage.ErrFormat, r.Number, asText(row[2]))
		}
		// A number counts the rows of the study that came before, so the id exceeds it.
		if r.Number < 0 || !r.missing && int64(r.Number) >= r.id {
			return fmt.Errorf("%w: the trial in row %d has the number %d", storage.ErrFormat, r.id, r.Number)
		}
		r.State = state
		r.Started, r.Finished = asTime(row[3]), asTime(row[4])
		l.out = append(l.out, r)
		return l.ctx.Err()
	})
	slices.SortFunc(l.out, func(a, b loaded) int { return cmp.Compare(a.id, b.id) })
}

// find returns the trial of a row, or nil.
func (l *loader) find(id int64) *loaded {
	for _, i := range [2]int{l.at, l.at + 1} { // where it nearly always is
		if i < len(l.out) && l.out[i].id == id {
			l.at = i
			return &l.out[i]
		}
	}
	i, found := slices.BinarySearchFunc(l.out, id, func(r loaded, id int64) int { return cmp.Compare(r.id, id) })
	if !found {
		return nil
	}
	l.at = i
	return &l.out[i]
}

// gather reads the rows of a table that belong to trials, and gives those of one
// trial to put, together. They are in the order of an index, not of insertion.
func gather[T any](l *loader, sql string, parse func(row []value) (T, error), put func(r *loaded, rows []T)) {
	if l.err != nil {
		return
	}
	var owner *loaded
	var rows []T
	l.err = l.conn.query(which+sql, l.args, func(row []value) error {
		r := l.find(asInt(row[0]))
		if r == nil {
			return nil
		}
		if r != owner && owner != nil {
			put(owner, rows)
			rows = rows[:0]
			if err := l.ctx.Err(); err != nil {
				return err
			}
		}
		owner = r
		x, err := parse(row)
		if err != nil {
			return fmt.Errorf("trial %d: %w", r.Number, err)
		}
		rows = append(rows, x)
		return nil
	})
	if owner != nil && l.err == nil {
		put(owner, rows)
	}
}

// A slab hands out slices of few arrays rather than an array each.
type slab[T any] struct {
	trials int // at most so many slices are wanted
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

type objective struct {
	index int64
	value float64
}

type param struct {
	space.Axis
	id    int64
	coord float64
}

// distributions remembers what the JSON of a distribution means, and how one is
// written: a study has few, and many rows.
type distributions struct {
	parsed  map[string]space.Distribution
	written map[space.Distribution]string
}

func (ds *distributions) param(row []value) (p param, err error) {
	text := asText(row[4])
	d, ok := ds.parsed[text]
	if !ok {
		if d, err = space.ParseDistribution(text); err != nil {
			return p, fmt.Errorf("%w: parameter %q: %w", storage.ErrFormat, asText(row[2]), err)
		}
		if ds.parsed == nil || len(ds.parsed) >= 1<<12 {
			ds.parsed = map[string]space.Distribution{}
		}
		ds.parsed[text] = d
	}
	p = param{space.Axis{Name: asText(row[2]), Distribution: d}, asInt(row[1]), asFloat(row[3], nil)}
	if err := storage.CheckCoord(p.Axis, p.coord); err != nil {
		return p, fmt.Errorf("%w: %w", storage.ErrFormat, err)
	}
	return p, nil
}

func (ds *distributions) text(d space.Distribution) string {
	text, ok := ds.written[d]
	if !ok {
		text = d.String()
		if ds.written == nil || len(ds.written) >= 1<<12 {
			ds.written = map[space.Distribution]string{}
		}
		ds.written[d] = text
	}
	return text
}

type attr struct {
	trial.Attr
	id int64
}

func parseAttr(row []value) (attr, error) {
	return attr{trial.Attr{Key: asText(row[2]), JSON: asText(row[3])}, asInt(row[1])}, nil
}

// inOrder sorts attributes by when they were first set.
func inOrder(as []attr) []attr {
	slices.SortFunc(as, func(a, b attr) int { return cmp.Compare(a.id, b.id) })
	return as
}

// interpret puts system attributes where they belong in a record. One that does
// not have the form its key promises is passed over.
func interpret(r *trial.Record, as []attr) {
	var pieces map[string]string
	for _, a := range as {
		switch {
		case a.Key == errorKey:
			_ = pyjson.Unmarshal(a.JSON, &r.Err)
		case a.Key == fixedKey:
			r.Fixed = settings(a.JSON)
		case strings.HasPrefix(a.Key, proposedPrefix):
			if r.State.Done() {
				break // means nothing any more
			}
			var piece string
			if pyjson.Unmarshal(a.JSON, &piece) == nil {
				if pieces == nil {
					pieces = map[string]string{}
				}
				pieces[a.Key[len(proposedPrefix):]] = piece
			}
		case a.Key == constraintsKey:
			var list []float64
			if pyjson.Unmarshal(a.JSON, &list) == nil {
				for i, x := range list {
					constrain(r, strconv.Itoa(i), x, false)
				}
			}
		case strings.HasPrefix(a.Key, constraintPrefix):
			var x float64
			if pyjson.Unmarshal(a.JSON, &x) == nil {
				constrain(r, a.Key[len(constraintPrefix):], x, true)
			}
		case strings.HasPrefix(a.Key, ownPrefix): // of a later version
		default:
			r.Notes = append(r.Notes, a.Attr)
		}
	}
	if pieces != nil {
		r.Proposed = proposal(pieces)
	}
}

// proposal joins the pieces of a proposal. One that another worker is writing
// just now, and is not whole, is none.
func proposal(pieces map[string]string) []space.Setting {
	var whole strings.Builder
	for i := 0; ; i++ {
		piece, ok := pieces[strconv.Itoa(i)]
		if !ok {
			break
		}
		whole.WriteString(piece)
	}
	return settings(whole.String())
}

// settings reads an object as settings, in its order. A value that is no scalar
// stays JSON text. What is not an object has none.
func settings(text string) (out []space.Setting) {
	v, err := pyjson.Parse(text)
	if err != nil || v.Kind != pyjson.Object {
		return nil
	}
	for _, m := range v.Members {
		out = append(out, space.Setting{Name: m.Key, Value: space.Literal(m.Value.String())})
	}
	return out
}

// constrain sets a constraint unless there is one and it shall stay.
func constrain(r *trial.Record, name string, x float64, replace bool) {
	i, found := slices.BinarySearchFunc(r.Constraints, name, func(c trial.Constraint, name string) int { return cmp.Compare(c.Name, name) })
	switch {
	case !found:
		r.Constraints = slices.Insert(r.Constraints, i, trial.Constraint{Name: name, Value: x})
	case replace:
		r.Constraints[i].Value = x
	}
}

var states = map[string]trial.State{
	"WAITING": trial.Waiting, "RUNNING": trial.Running,
	"COMPLETE": trial.Complete, "PRUNED": trial.Pruned, "FAIL": trial.Failed,
}

var stateNames = [...]string{"WAITING", "RUNNING", "COMPLETE", "PRUNED", "FAIL"}

// asFloat returns the number in a column; kind is what stands beside it, nil for
// FINITE.
func asFloat(v, kind value) float64 {
	switch kind {
	case "INF_POS":
		return math.Inf(1)
	case "INF_NEG":
		return math.Inf(-1)
	}
	switch v := v.(type) {
	case float64:
		return v
	case int64:
		return float64(v)
	}
	return math.NaN()
}

// fromFloat is the reverse of asFloat.
func fromFloat(x float64) (v value, kind string) {
	switch {
	case math.IsNaN(x):
		return nil, "NAN"
	case math.IsInf(x, 1):
		return nil, "INF_POS"
	case math.IsInf(x, -1):
		return nil, "INF_NEG"
	}
	return x, "FINITE"
}

// timeForm is how SQLAlchemy writes times.
const timeForm = "2006-01-02 15:04:05.000000"

// asTime reads a time in UTC: seconds, and up to nine digits of a fraction. The
// zero time is what is not one.
func asTime(v value) time.Time {
	s, ok := v.(string)
	if !ok {
		return time.Time{}
	}
	t, err := time.Parse(time.DateTime, s) // takes a fraction too
	if err != nil {
		return time.Time{}
	}
	return storage.Stamp(t)
}

func fromTime(t time.Time) value {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(timeForm)
}
