package storage

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// CheckAdd returns r as a study keeps it, see [Canonical], or an error unless it
// may be added. It serves back ends, which call it in [Ledger.Add]. The error
// wraps [trial.ErrValues], [trial.ErrReport], [space.ErrInvalid] or
// [space.ErrOutside].
func CheckAdd(s trial.Study, r trial.Record) (trial.Record, error) {
	if err := checkAdd(s, r); err != nil {
		return trial.Record{}, err
	}
	return Canonical(r)
}

func checkAdd(s trial.Study, r trial.Record) error {
	if r.State == trial.Running {
		return fmt.Errorf("%w: a running trial cannot be added: start it", trial.ErrValues)
	}
	if _, err := r.Params.Space.Normalize(); err != nil {
		return err
	}
	if len(r.Params.Point) != len(r.Params.Space) {
		return fmt.Errorf("%w: %d coordinates for %d parameters", space.ErrOutside, len(r.Params.Point), len(r.Params.Space))
	}
	for i, a := range r.Params.Space {
		if x := r.Params.Point[i]; !a.Distribution.Contains(x) {
			return fmt.Errorf("%w: parameter %q: %v is not in %s", space.ErrOutside, a.Name, x, space.Describe(a.Distribution))
		}
	}
	for i, report := range r.Reports {
		if report.Step < 0 || i > 0 && report.Step <= r.Reports[i-1].Step {
			return fmt.Errorf("%w: steps must ascend from 0, not %v", trial.ErrReport, r.Reports)
		}
	}
	if r.State == trial.Waiting {
		if len(r.Values) > 0 {
			return fmt.Errorf("%w: a waiting trial has none, not %v", trial.ErrValues, r.Values)
		}
		return nil
	}
	if err := trial.CheckValues(r.State, r.Values); err != nil {
		return err
	}
	return CheckObjectives(s, r)
}

// CheckObjectives returns an error that wraps [trial.ErrValues] unless a finished
// trial has as many values as the study has objectives.
func CheckObjectives(s trial.Study, r trial.Record) error {
	if r.State == trial.Complete && len(r.Values) != s.Objectives() {
		return fmt.Errorf("%w: %d values %v, and the study has %d objectives", trial.ErrValues, len(r.Values), r.Values, s.Objectives())
	}
	return nil
}

// Stamp returns t as records keep it: in UTC, in whole microseconds, without a
// monotonic reading. The zero time stays zero.
func Stamp(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// Canonical returns r as every store keeps it, sharing nothing with r that a
// caller might change: empty slices are nil, zeros have no sign, times are
// stamped, axes have no conditions, constraints stand by name and attributes
// once, a trial that is done has no proposal. The error wraps
// [space.ErrInvalid]: a name that is not UTF-8, a literal or an attribute that is
// not JSON.
func Canonical(r trial.Record) (trial.Record, error) {
	var c canonical
	r.Params = c.params(r.Params)
	r.Proposed = c.settings(r.Proposed)
	if r.State.Done() {
		r.Proposed = nil
	}
	r.Fixed = c.settings(r.Fixed)
	r.Reports = clone(r.Reports)
	for i := range r.Reports {
		r.Reports[i].Value += 0
	}
	r.Values = unsigned(r.Values)
	r.Constraints = c.constraints(r.Constraints)
	r.Attrs, r.Notes = c.attrs(r.Attrs), c.attrs(r.Notes)
	r.Err = valid(r.Err)
	r.Started, r.Finished = Stamp(r.Started), Stamp(r.Finished)
	return r, c.err
}

// CanonicalStudy returns s as every store keeps it: with at least one direction,
// and otherwise as [Canonical] says.
func CanonicalStudy(s trial.Study) (trial.Study, error) {
	var c canonical
	c.text(s.Name)
	s.Directions = clone(s.Directions)
	if s.Directions == nil {
		s.Directions = []trial.Direction{trial.Minimize}
	}
	s.Attrs, s.Notes = c.attrs(s.Attrs), c.attrs(s.Notes)
	return s, c.err
}

// CanonicalChanges returns changes that make of a canonical record another one;
// see [Canonical]. Back ends call it in [Ledger.Write], and apply the result.
func CanonicalChanges(changes []trial.Change) ([]trial.Change, error) {
	var c canonical
	out := make([]trial.Change, len(changes))
	for i, change := range changes {
		switch change := change.(type) {
		case trial.Proposed:
			out[i] = trial.Proposed(c.settings(change))
		case trial.Suggested:
			out[i] = trial.Suggested(c.params(space.Params(change)))
		case trial.Reported:
			change.Value += 0
			out[i] = change
		case trial.Constrained:
			c.text(change.Name)
			change.Value += 0
			out[i] = change
		case trial.Annotated:
			c.attr(trial.Attr(change))
			out[i] = change
		case trial.Noted:
			c.attr(trial.Attr(change))
			out[i] = change
		case trial.Finished:
			change.Values = unsigned(change.Values)
			change.Err, change.At = valid(change.Err), Stamp(change.At)
			out[i] = change
		default:
			out[i] = change
		}
	}
	return out, c.err
}

// canonical brings parts of a record into form; the first error sticks.
type canonical struct{ err error }

func (c *canonical) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: %s", space.ErrInvalid, fmt.Sprintf(format, args...))
	}
}

// text makes sure that s is UTF-8: Python refuses a whole file for one that is not.
func (c *canonical) text(s string) {
	if !utf8.ValidString(s) {
		c.fail("%.60q is not UTF-8", s)
	}
}

func (c *canonical) params(p space.Params) space.Params {
	if len(p.Space) == 0 {
		return space.Params{}
	}
	owned := false
	for i, a := range p.Space {
		c.text(a.Name)
		d, isInt := a.Distribution.(space.IntDistribution)
		if a.When == nil && (!isInt || d.Step != 0) {
			continue
		}
		if !owned {
			p.Space, owned = slices.Clone(p.Space), true
		}
		p.Space[i].When = nil
		if isInt {
			d.Step = max(1, d.Step)
			p.Space[i].Distribution = d
		}
	}
	return space.Params{Space: p.Space, Point: unsigned(p.Point)}
}

func (c *canonical) settings(ss []space.Setting) []space.Setting {
	ss = clone(ss)
	for i, s := range ss {
		c.text(s.Name)
		if l, err := space.ParseLiteral(string(s.Value)); err == nil {
			ss[i].Value = l
		} else { // Optuna enqueues lists too
			c.json("setting", s.Name, string(s.Value))
		}
	}
	return ss
}

func (c *canonical) constraints(cs []trial.Constraint) []trial.Constraint {
	var out []trial.Constraint
	for _, con := range cs {
		c.text(con.Name)
		con.Value += 0
		i, found := slices.BinarySearchFunc(out, con.Name, func(c trial.Constraint, name string) int { return cmp.Compare(c.Name, name) })
		if found {
			out[i] = con
		} else {
			out = slices.Insert(out, i, con)
		}
	}
	return out
}

func (c *canonical) attrs(as trial.Attrs) trial.Attrs {
	var out trial.Attrs
	for _, a := range as {
		c.attr(a)
		out = out.With(a)
	}
	return out
}

func (c *canonical) attr(a trial.Attr) {
	c.text(a.Key)
	c.json("attribute", a.Key, a.JSON)
}

func (c *canonical) json(what, name, text string) {
	c.text(text)
	var v any
	if err := (trial.Attr{Key: name, JSON: text}).Decode(&v); err != nil {
		c.fail("%s %q: not JSON: %.60q", what, name, text)
	}
}

func clone[S ~[]E, E any](s S) S {
	if len(s) == 0 {
		return nil
	}
	return slices.Clone(s)
}

// unsigned returns a copy of xs in which no zero has a sign: SQL databases do
// not keep it.
func unsigned(xs []float64) []float64 {
	xs = clone(xs)
	for i := range xs {
		xs[i] += 0
	}
	return xs
}

func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
