package trial

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/attune-hpo/attune/internal/pyjson"
	"github.com/attune-hpo/attune/space"
)

// ErrRecord reports JSON that is not a record.
var ErrRecord = errors.New("not a record")

// wireTime is how a time is written: UTC, in microseconds.
const wireTime = "2006-01-02T15:04:05.000000Z"

// AppendJSON appends r as a JSON object, in the form that doc/format/record.md
// describes: strict JSON in ASCII, which holds all of r but the conditions of its
// parameters. It fails if an attribute or a setting is not JSON.
func (r Record) AppendJSON(dst []byte) ([]byte, error) {
	w := writer{b: append(dst, '{')}
	w.key("number")
	w.b = strconv.AppendInt(w.b, int64(r.Number), 10)
	w.key("state")
	w.string(r.State.String())
	w.key("values")
	w.b = append(w.b, '[')
	for _, v := range r.Values {
		w.comma()
		w.number(v)
	}
	w.b = append(w.b, ']')
	w.object("params", len(r.Params.Space), func(i int) {
		a := r.Params.Space[i]
		w.key(a.Name)
		w.literal(a.Name, a.Distribution.Decode(r.Params.Point[i]))
	})
	w.object("distributions", len(r.Params.Space), func(i int) {
		a := r.Params.Space[i]
		w.key(a.Name)
		w.distribution(a)
	})
	for _, of := range []struct {
		key      string
		settings []space.Setting
	}{{"proposed", r.Proposed}, {"fixed", r.Fixed}} {
		w.object(of.key, len(of.settings), func(i int) {
			w.key(of.settings[i].Name)
			w.value(of.settings[i].Name, string(of.settings[i].Value))
		})
	}
	w.key("reports")
	w.b = append(w.b, '[')
	for _, p := range r.Reports {
		w.comma()
		w.b = append(strconv.AppendInt(append(w.b, '['), int64(p.Step), 10), ", "...)
		w.number(p.Value)
		w.b = append(w.b, ']')
	}
	w.b = append(w.b, ']')
	w.object("constraints", len(r.Constraints), func(i int) {
		w.key(r.Constraints[i].Name)
		w.number(r.Constraints[i].Value)
	})
	for _, of := range []struct {
		key   string
		attrs Attrs
	}{{"attrs", r.Attrs}, {"notes", r.Notes}} {
		w.object(of.key, len(of.attrs), func(i int) {
			w.key(of.attrs[i].Key)
			w.value(of.attrs[i].Key, of.attrs[i].JSON)
		})
	}
	w.key("error")
	w.string(r.Err)
	w.key("started")
	w.time(r.Started)
	w.key("finished")
	w.time(r.Finished)
	if w.err != nil {
		return nil, pkg.Errorf("write record %d: %w", r.Number, w.err)
	}
	return append(w.b, '}'), nil
}

// MarshalJSON lets encoding/json write what [Record.AppendJSON] does.
func (r Record) MarshalJSON() ([]byte, error) { return r.AppendJSON(nil) }

// UnmarshalJSON reads what [Record.AppendJSON] writes. It ignores keys that it does
// not know, and every key but "number" and "state" may be missing. It fails with an
// error that wraps [ErrRecord], and then leaves r as it was.
//
// The record need not fit a study: a number may lie outside its distribution, as in
// files that Optuna wrote, and there may be any number of values.
func (r *Record) UnmarshalJSON(text []byte) error {
	v, err := pyjson.Parse(string(text))
	if err != nil {
		return pkg.Errorf("read record: %w: %w", ErrRecord, err)
	}
	f := reader{Value: v}
	if v.Kind != pyjson.Object {
		f.fail("want an object")
	}
	out := Record{
		Number:      f.whole("number"),
		State:       f.state(),
		Params:      f.params(),
		Proposed:    f.settings("proposed"),
		Fixed:       f.settings("fixed"),
		Reports:     f.reports(),
		Values:      f.values(),
		Constraints: f.constraints(),
		Attrs:       f.attrs("attrs"),
		Notes:       f.attrs("notes"),
		Err:         f.text("error"),
		Started:     f.time("started"),
		Finished:    f.time("finished"),
	}
	if f.err == nil && out.State.Done() {
		f.err = CheckValues(out.State, out.Values)
	}
	if f.err != nil {
		return pkg.Errorf("read record: %w: %w", ErrRecord, f.err)
	}
	*r = out
	return nil
}

// AppendJSON appends s as a JSON object, in the form that doc/format/record.md describes. It includes the name, the
// directions and the metrics of the header.
func (s Summary) AppendJSON(dst []byte) []byte {
	w := writer{b: append(dst, '{')}
	w.key("name")
	w.string(s.Header.Name)
	w.key("directions")
	w.b = append(w.b, '[')
	for i := range s.Header.Objectives() {
		w.comma()
		w.string(s.Header.Direction(i).String())
	}
	w.b = append(w.b, ']')
	w.key("metrics")
	w.b = append(w.b, '[')
	for _, name := range s.Header.Metrics() {
		w.comma()
		w.string(name)
	}
	w.b = append(w.b, ']')
	for _, count := range []struct {
		key string
		n   int
	}{{"complete", s.Complete}, {"pruned", s.Pruned}, {"failed", s.Failed}, {"interrupted", s.Interrupted},
		{"running", s.Running}, {"waiting", s.Waiting}} {
		w.key(count.key)
		w.b = strconv.AppendInt(w.b, int64(count.n), 10)
	}
	if s.Best != nil {
		w.key("best")
		w.number(s.Best.Values[0])
		w.key("best_trial")
		w.b = strconv.AppendInt(w.b, int64(s.Best.Number), 10)
	} else {
		w.b = append(w.b, `, "best": null, "best_trial": null`...)
	}
	w.key("begun")
	w.time(s.Begun)
	w.key("latest")
	w.time(s.Latest)
	w.key("took")
	w.number(s.Took.Seconds())
	return append(w.b, '}')
}

// MarshalJSON lets encoding/json write what [Summary.AppendJSON] does.
func (s Summary) MarshalJSON() ([]byte, error) { return s.AppendJSON(nil), nil }

// writer appends JSON. The first error sticks.
type writer struct {
	b   []byte
	err error
}

// comma separates what comes next from what was before.
func (w *writer) comma() {
	if last := w.b[len(w.b)-1]; last != '{' && last != '[' {
		w.b = append(w.b, ", "...)
	}
}

func (w *writer) key(name string) {
	w.comma()
	w.string(name)
	w.b = append(w.b, ": "...)
}

func (w *writer) object(key string, n int, member func(i int)) {
	w.key(key)
	w.b = append(w.b, '{')
	for i := range n {
		member(i)
	}
	w.b = append(w.b, '}')
}

func (w *writer) string(s string) { w.b = pyjson.AppendString(w.b, s) }

// number writes x where nothing but a number can be: one that JSON lacks is a
// string.
func (w *writer) number(x float64) {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		w.b = append(pyjson.AppendFloat(append(w.b, '"'), x), '"')
		return
	}
	w.b = pyjson.AppendFloat(w.b, x)
}

// literal writes the value of a parameter.
func (w *writer) literal(name string, l space.Literal) {
	if isOdd(l) {
		w.value(name, string(l))
		return
	}
	w.b = append(w.b, l...)
}

// isOdd reports whether l is a number that JSON lacks, or may have one inside: of
// Optuna's choices some are lists.
func isOdd(l space.Literal) bool { return isWord(string(l)) || l != "" && (l[0] == '[' || l[0] == '{') }

func (w *writer) distribution(a space.Axis) {
	if d, ok := a.Distribution.(*space.CategoricalDistribution); ok && slices.ContainsFunc(d.Choices, isOdd) {
		w.value(a.Name, d.String())
		return
	}
	w.b = append(w.b, a.Distribution.String()...)
}

// value writes JSON of whatever kind, as Python writes it, under a name.
func (w *writer) value(name, text string) {
	v, err := pyjson.Parse(text)
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("%q: %w", name, err)
	}
	w.b = append(w.b, strict(v).String()...)
}

func (w *writer) time(t time.Time) {
	if t.IsZero() {
		w.b = append(w.b, "null"...)
		return
	}
	w.string(t.UTC().Format(wireTime))
}

// numberKey is the only key of an object that stands for a number which JSON
// lacks: {"$number": "NaN"}. An object that happens to look so is wrapped once more.
const numberKey = "$number"

func isWord(text string) bool { return text == "NaN" || text == "Infinity" || text == "-Infinity" }

func wrapped(v pyjson.Value) (pyjson.Value, bool) {
	if v.Kind == pyjson.Object && len(v.Members) == 1 && v.Members[0].Key == numberKey {
		return v.Members[0].Value, true
	}
	return pyjson.Value{}, false
}

func wrap(v pyjson.Value) pyjson.Value {
	return pyjson.Value{Kind: pyjson.Object, Members: []pyjson.Member{{Key: numberKey, Value: v}}}
}

// strict returns v with objects for the numbers that JSON lacks.
func strict(v pyjson.Value) pyjson.Value {
	if v.Kind == pyjson.Float && isWord(v.Text) {
		return wrap(pyjson.Value{Kind: pyjson.String, Text: `"` + v.Text + `"`})
	}
	_, alike := wrapped(v)
	v = each(v, strict)
	if alike {
		return wrap(v)
	}
	return v
}

// lenient undoes strict.
func lenient(v pyjson.Value) pyjson.Value {
	inner, ok := wrapped(v)
	if !ok {
		return each(v, lenient)
	}
	if word, ok := inner.Str(); ok && isWord(word) {
		return pyjson.Value{Kind: pyjson.Float, Text: word}
	}
	if _, alike := wrapped(inner); alike {
		return each(inner, lenient)
	}
	return each(v, lenient)
}

// each returns v with f of its elements or members.
func each(v pyjson.Value, f func(pyjson.Value) pyjson.Value) pyjson.Value {
	v.List, v.Members = slices.Clone(v.List), slices.Clone(v.Members)
	for i, e := range v.List {
		v.List[i] = f(e)
	}
	for i, m := range v.Members {
		v.Members[i].Value = f(m.Value)
	}
	return v
}

// reader reads the members of an object. The first error sticks.
type reader struct {
	pyjson.Value
	err error
}

func (f *reader) fail(format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf(format, args...)
	}
}

// members returns those of the object under key; none if there is no key.
func (f *reader) members(key string) []pyjson.Member {
	v, ok := f.Get(key)
	if ok && v.Kind != pyjson.Object {
		f.fail("%s: want an object", key)
	}
	return v.Members
}

func (f *reader) list(key string) []pyjson.Value {
	v, ok := f.Get(key)
	if ok && v.Kind != pyjson.List {
		f.fail("%s: want a list", key)
	}
	return v.List
}

// integer returns v, which is in key, as an integer of at least 0.
func (f *reader) integer(key string, v pyjson.Value) int {
	n, err := strconv.Atoi(v.Text)
	if v.Kind != pyjson.Int || err != nil || n < 0 {
		f.fail("%s: want an integer of at least 0", key)
	}
	return n
}

func (f *reader) whole(key string) int {
	v, _ := f.Get(key)
	return f.integer(key, v)
}

// number returns v, which is in key, as a number.
func (f *reader) number(key string, v pyjson.Value) float64 {
	if word, ok := v.Str(); ok && isWord(word) {
		v = pyjson.Value{Kind: pyjson.Float, Text: word}
	}
	x, ok := v.Number()
	if !ok {
		f.fail("%s: want a number", key)
	}
	return x
}

func (f *reader) text(key string) string {
	v, ok := f.Get(key)
	s, isString := v.Str()
	if ok && !isString {
		f.fail("%s: want a string", key)
	}
	return s
}

func (f *reader) time(key string) time.Time {
	v, ok := f.Get(key)
	if !ok || v.Kind == pyjson.Null {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, f.text(key))
	if err != nil {
		f.fail("%s: want a time like %s, or null", key, wireTime)
	}
	return t.UTC().Truncate(time.Microsecond)
}

func (f *reader) state() State {
	name := f.text("state")
	for s := Waiting; s <= Failed; s++ {
		if s.String() == name {
			return s
		}
	}
	f.fail("state: want waiting, running, complete, pruned or failed")
	return 0
}

func (f *reader) params() space.Params {
	var p space.Params
	named := map[string]space.Distribution{}
	for _, m := range f.members("distributions") {
		d, err := space.ParseDistribution(lenient(m.Value).String())
		if err != nil {
			f.fail("distributions: %q: %w", m.Key, err)
		}
		named[m.Key] = d
	}
	seen := map[string]bool{}
	for _, m := range f.members("params") {
		d := named[m.Key]
		switch {
		case seen[m.Key]:
			f.fail("params: %q is duplicated", m.Key)
		case d == nil:
			f.fail("params: %q has no distribution", m.Key)
			continue
		}
		seen[m.Key] = true
		x, err := coordinate(d, lenient(m.Value))
		if err != nil {
			f.fail("params: %q: %w", m.Key, err)
		}
		p.Space, p.Point = append(p.Space, space.Axis{Name: m.Key, Distribution: d}), append(p.Point, x)
	}
	return p
}

// coordinate returns the coordinate of a value. A number need not be in d.
func coordinate(d space.Distribution, v pyjson.Value) (float64, error) {
	if _, ok := d.(*space.CategoricalDistribution); ok {
		return d.Encode(space.Literal(v.String()))
	}
	x, ok := v.Number()
	if !ok || math.IsNaN(x) {
		return 0, fmt.Errorf("%.60s: want a number", v)
	}
	if _, ok := d.(space.IntDistribution); ok && !(math.Abs(x) <= 1<<53) {
		return 0, fmt.Errorf("%.60s: want an integer within ±2^53", v)
	} else if ok {
		x = math.Trunc(x)
	}
	return x, nil
}

func (f *reader) settings(key string) []space.Setting {
	var out []space.Setting
	for _, m := range f.members(key) {
		out = append(out, space.Setting{Name: m.Key, Value: space.Literal(lenient(m.Value).String())})
	}
	return out
}

func (f *reader) reports() []Report {
	var out []Report
	for _, v := range f.list("reports") {
		if v.Kind != pyjson.List || len(v.List) != 2 {
			f.fail("reports: want pairs of a step and a value")
			return nil
		}
		p := Report{f.integer("reports", v.List[0]), f.number("reports", v.List[1])}
		if n := len(out); n > 0 && out[n-1].Step >= p.Step {
			f.fail("reports: step %d comes after step %d", p.Step, out[n-1].Step)
		}
		out = append(out, p)
	}
	return out
}

func (f *reader) values() []float64 {
	var out []float64
	for _, v := range f.list("values") {
		out = append(out, f.number("values", v))
	}
	return out
}

func (f *reader) constraints() []Constraint {
	var out []Constraint
	for _, m := range f.members("constraints") {
		out = append(out, Constraint{m.Key, f.number("constraints", m.Value)})
	}
	slices.SortFunc(out, func(a, b Constraint) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(out); i++ {
		if out[i].Name == out[i-1].Name {
			f.fail("constraints: %q is duplicated", out[i].Name)
		}
	}
	return out
}

func (f *reader) attrs(key string) Attrs {
	var out Attrs
	seen := map[string]bool{}
	for _, m := range f.members(key) {
		if seen[m.Key] {
			f.fail("%s: %q is duplicated", key, m.Key)
		}
		seen[m.Key] = true
		out = append(out, Attr{m.Key, lenient(m.Value).String()})
	}
	return out
}
