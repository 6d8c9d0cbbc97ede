package storage

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/attune-hpo/attune/internal/pyjson"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/internal/optunadb"
	"github.com/attune-hpo/attune/trial"
)

// CheckAdd returns r as a study keeps it (see [Canonical]), or an error if it may not be added. Back ends call it in
// [Ledger.Add]. The error wraps [trial.ErrValues] (also for a state that is unknown or Running), [trial.ErrReport],
// [space.ErrInvalid], [space.ErrOutside] or [ErrReserved].
//
// Trials from Optuna's files can be added, so that every study can be copied: a coordinate only needs to pass
// [CheckCoord], and choices may be duplicates or lists (see [space.ParseDistribution]). A worker that suggests such a
// coordinate is refused; see [trial.Record.Apply].
func CheckAdd(s trial.Header, r trial.Record) (trial.Record, error) {
	r, err := Canonical(r)
	if err == nil {
		err = checkAdd(s, r)
	}
	if err != nil {
		return trial.Record{}, err
	}
	return r, nil
}

func checkAdd(s trial.Header, r trial.Record) error {
	if r.State == trial.Running {
		return fmt.Errorf("%w: a running trial cannot be added: start it instead", trial.ErrValues)
	}
	if len(r.Params.Point) != len(r.Params.Space) {
		return fmt.Errorf("%w: %d coordinates for %d parameters", space.ErrOutside, len(r.Params.Point), len(r.Params.Space))
	}
	var find space.Finder
	for i, a := range r.Params.Space {
		if find.Index(r.Params.Space[:i], a.Name) >= 0 {
			return fmt.Errorf("%w: parameter %q is duplicated", space.ErrInvalid, a.Name)
		}
		if err := CheckCoord(a, r.Params.Point[i]); err != nil {
			return err
		}
	}
	for i, report := range r.Reports {
		if report.Step < 0 || i > 0 && report.Step <= r.Reports[i-1].Step {
			return fmt.Errorf("%w: steps must increase from 0, unlike %v", trial.ErrReport, r.Reports)
		}
	}
	if r.State == trial.Waiting {
		if len(r.Values) > 0 {
			return fmt.Errorf("%w: a waiting trial has no values, not %v", trial.ErrValues, r.Values)
		}
		return nil
	}
	if err := trial.CheckValues(r.State, r.Values); err != nil {
		return err
	}
	return CheckObjectives(s, r)
}

// CheckCoord returns an error that wraps [space.ErrOutside] unless a record may have coordinate x on axis a. Back
// ends call it for the rows that they read.
//
// A number may lie outside its distribution, because Optuna uses such enqueued numbers, and an integer may have a
// fraction, which is truncated. A number must be finite, within ±2^53 if it is an integer, and above 0 on a
// logarithmic scale. The index of a choice must exist.
func CheckCoord(a space.Axis, x float64) error {
	ok := false
	switch d := a.Distribution.(type) {
	case space.FloatDistribution:
		ok = math.Abs(x) <= math.MaxFloat64 && (!d.Log || x > 0)
	case space.IntDistribution:
		ok = math.Abs(x) <= 1<<53 && (!d.Log || x > 0)
	default:
		ok = d.Contains(x)
	}
	if !ok {
		return fmt.Errorf("%w: parameter %q: %v is not in %s", space.ErrOutside, a.Name, x, space.Describe(a.Distribution))
	}
	return nil
}

// CheckObjectives returns an error that wraps [trial.ErrValues] unless r has as
// many values as the study has objectives, or at most that many if it was pruned.
// A trial that is neither complete nor pruned passes.
func CheckObjectives(s trial.Header, r trial.Record) error {
	n, most := len(r.Values), s.Objectives()
	if r.State == trial.Complete && n != most || r.State == trial.Pruned && n > most {
		return fmt.Errorf("%w: %v has %d, the number of objectives is %d", trial.ErrValues, r.Values, len(r.Values), s.Objectives())
	}
	return nil
}

// Claim returns r as started by a worker at the given time, under a key if the key is not empty. Back ends call it in
// [Ledger.Start]. It fails with [space.ErrInvalid] if the key is not UTF-8.
func Claim(r trial.Record, at time.Time, key string) (trial.Record, error) {
	if key != "" {
		note, err := trial.NewAttr(trial.KeyNote, key)
		var c canonical
		if c.text(key); c.err != nil {
			err = c.err
		}
		if err != nil {
			return trial.Record{}, err
		}
		r.Notes = r.Notes.With(note)
	}
	r.State, r.Started = trial.Running, Stamp(at)
	return r, nil
}

// Stamp returns t in the form that records have: in UTC, in whole microseconds, without a monotonic reading. The zero
// time stays zero.
func Stamp(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// Canonical returns r as every store keeps it. The result shares nothing with r that a caller might change. Empty
// slices are nil, zeros have no sign, times are as [Stamp] returns them, distributions are normalized, axes have no
// conditions, constraints are sorted by name, attributes have distinct keys, and a finished trial has no proposal.
// The error wraps [space.ErrInvalid] (a name that is not UTF-8, a literal or an attribute that is not JSON, an
// invalid distribution) or [ErrReserved].
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
	for _, n := range r.Notes {
		c.note(n)
	}
	r.Err = valid(r.Err)
	r.Started, r.Finished = Stamp(r.Started), Stamp(r.Finished)
	return r, c.err
}

// CanonicalStudy returns s as every store keeps it: with at least one direction,
// and otherwise as [Canonical] says.
func CanonicalStudy(s trial.Header) (trial.Header, error) {
	var c canonical
	c.text(s.Name)
	s.Directions = clone(s.Directions)
	if s.Directions == nil {
		s.Directions = []trial.Direction{trial.Minimize}
	}
	s.Attrs, s.Notes = c.attrs(s.Attrs), c.attrs(s.Notes)
	for _, n := range s.Notes {
		if optunadb.ReservedForStudies(n.Key) {
			c.reserved(n.Key)
		}
	}
	return s, c.err
}

// CanonicalChanges returns changes that turn a canonical record into another canonical one, or an error; see
// [Canonical]. Back ends call it in [Ledger.Write], and apply the result.
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
			c.note(trial.Attr(change))
			out[i] = change
		case trial.Finished:
			change.Values = unsigned(change.Values)
			change.Err, change.At = valid(change.Err), Stamp(change.At)
			out[i] = change
		default: // nil, or a pointer
			c.fail("change of type %T", change)
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
	return space.Params{Space: c.space(p.Space), Point: unsigned(p.Point)}
}

func (c *canonical) space(s space.Space) space.Space {
	if len(s) == 0 {
		return nil
	}
	for _, a := range s {
		if choices, ok := a.Distribution.(*space.CategoricalDistribution); a.Distribution == nil || ok && choices == nil {
			c.fail("parameter %q has no distribution", a.Name)
			return nil
		}
	}
	if form, ok := forms.find(s); ok {
		return form
	}
	s = slices.Clone(s)
	for i, a := range s {
		c.text(a.Name)
		d, err := normalize(a.Distribution)
		if err != nil {
			if c.err == nil {
				c.err = fmt.Errorf("parameter %q: %w", a.Name, err)
			}
			return nil
		}
		s[i] = space.Axis{Name: a.Name, Distribution: d}
	}
	if c.err == nil {
		forms.keep(s)
	}
	return s
}

// forms are the spaces met last, in canonical form: a study has few, and many
// trials.
var forms formList

type formList struct {
	sync.RWMutex
	list [32]space.Space
	next int // to be replaced
}

func (f *formList) find(s space.Space) (space.Space, bool) {
	f.RLock()
	defer f.RUnlock()
	for _, form := range f.list {
		if len(form) == len(s) && form[0].Name == s[0].Name && form.Equal(s) {
			return form, true
		}
	}
	return nil, false
}

func (f *formList) keep(s space.Space) {
	f.Lock()
	defer f.Unlock()
	f.list[f.next] = slices.Clip(s)
	f.next = (f.next + 1) % len(f.list)
}

// normalize returns d normalized. Choices that a declaration may not have but a
// file may stay as they are.
func normalize(d space.Distribution) (space.Distribution, error) {
	form, err := d.Normalize()
	if _, isChoice := d.(*space.CategoricalDistribution); isChoice && err != nil {
		if parsed, bad := space.ParseDistribution(d.String()); bad == nil && space.Equal(parsed, d) {
			return d, nil
		}
	}
	return form, err
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

// note refuses a note of a trial under a reserved key.
func (c *canonical) note(n trial.Attr) {
	if optunadb.Reserved(n.Key) {
		c.reserved(n.Key)
	}
}

func (c *canonical) reserved(key string) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: note %q: the storage uses that key itself: choose another", ErrReserved, key)
	}
}

func (c *canonical) json(what, name, text string) {
	c.text(text)
	if pyjson.Check(text) != nil {
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
