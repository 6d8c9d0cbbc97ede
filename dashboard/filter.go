package dashboard

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// A filter is a list of conditions that a trial has to meet: "lr>0.01 state=complete". The zero
// value accepts every trial.
type filter []condition

// A condition compares the field of a trial with a value, or with several: one of them for
// equality, none of them for inequality. A trial without the field does not meet it.
type condition struct {
	name, op string
	values   []constant
}

// A constant is a text, and what it means as a number and as a time, in Unix seconds, or NaN.
type constant struct {
	text         string
	number, time float64
}

// operators are the operators, in the order in which to try them.
var operators = []string{"!=", "<=", ">=", "=", "<", ">"}

// filterForm explains the syntax of a filter.
const filterForm = "A filter is like lr>0.01 state=complete|pruned: a name, one of = != < <= > >=, and a value or several with | between them, without spaces, or with names and values that have spaces in double quotes. " +
	"Names are those of parameters, objectives and attributes, and number, state, value, duration (in seconds), started and finished (as 2026-03-01 or 2026-03-01T09:30, UTC)."

// parseFilter reads conditions separated by spaces.
func parseFilter(text string) (filter, error) {
	var f filter
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimSpace(rest) {
		var c condition
		var ok bool
		if c.name, rest, ok = word(rest); !ok || c.name == "" {
			return nil, problem{400, fmt.Sprintf("%q: a name is missing. %s", rest, filterForm)}
		}
		for _, op := range operators {
			if after, found := strings.CutPrefix(rest, op); found {
				c.op, rest = op, after
				break
			}
		}
		if c.op == "" {
			return nil, problem{400, fmt.Sprintf("%q is followed by no comparison. %s", c.name, filterForm)}
		}
		for more := true; more; {
			var text string
			if text, rest, ok = word(rest); !ok {
				return nil, problem{400, fmt.Sprintf("%s%s: a value is missing. %s", c.name, c.op, filterForm)}
			}
			c.values = append(c.values, constantOf(text))
			rest, more = strings.CutPrefix(rest, "|")
		}
		if ordered := c.op != "=" && c.op != "!="; ordered && len(c.values) > 1 {
			return nil, problem{400, fmt.Sprintf("%s%s: only = and != take several values. %s", c.name, c.op, filterForm)}
		} else if v := c.values[0]; ordered && math.IsNaN(v.number) && math.IsNaN(v.time) {
			return nil, problem{400, fmt.Sprintf("%s%s%s: only numbers and times have an order. %s", c.name, c.op, v.text, filterForm)}
		}
		f = append(f, c)
	}
	return f, nil
}

// constantOf reads a value.
func constantOf(text string) constant {
	c := constant{text: text, time: math.NaN()}
	var err error
	if c.number, err = strconv.ParseFloat(text, 64); err != nil {
		c.number = math.NaN()
	}
	for _, form := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02T15:04:05", time.DateTime} {
		if t, err := time.Parse(form, text); err == nil {
			c.time = seconds(t)
		}
	}
	return c
}

// seconds returns a time in Unix seconds.
func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

// word cuts off a quoted text, or the text up to a space or an operator.
func word(s string) (w, rest string, ok bool) {
	if strings.HasPrefix(s, `"`) {
		if quoted, err := strconv.QuotedPrefix(s); err == nil {
			w, err = strconv.Unquote(quoted)
			return w, s[len(quoted):], err == nil
		}
		return "", s, false
	}
	i := strings.IndexFunc(s, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("=!<>|", r) })
	if i < 0 {
		i = len(s)
	}
	return s[:i], s[i:], i > 0
}

// of returns the trials that meet all conditions.
func (f filter) of(h trial.Header, all []*trial.Record) []*trial.Record {
	if len(f) == 0 {
		return all
	}
	fields := make([]field, len(f))
	for i, c := range f {
		fields[i] = fieldOf(h, c.name)
	}
	var out []*trial.Record
next:
	for _, r := range all {
		for i, c := range f {
			if v, ok := fields[i].of(r); !ok || !c.holds(v) {
				continue next
			}
		}
		out = append(out, r)
	}
	return out
}

func (c condition) holds(v cell) bool {
	number := func(k constant) float64 {
		if v.time {
			return k.time
		}
		return k.number
	}
	first := number(c.values[0])
	switch c.op {
	case "=", "!=":
		equal := slices.ContainsFunc(c.values, func(k constant) bool { return v.number == number(k) || v.text != "" && v.text == k.text })
		return equal == (c.op == "=")
	case "<":
		return v.number < first
	case "<=":
		return v.number <= first
	case ">":
		return v.number > first
	}
	return v.number >= first
}

// A cell is a value of a field: a number, or NaN and a text, or both.
type cell struct {
	text   string
	number float64 // of a time in Unix seconds
	time   bool
}

// A field finds something in trials by its name. It is not safe for concurrent use.
type field struct {
	name   string
	metric int         // the objective of the name, or -1
	last   *space.Axis // the space that was searched last
	size   int         // and its size
	at     int         // where the name is in it, or -1
}

func fieldOf(h trial.Header, name string) field {
	f := field{name: name, metric: slices.Index(h.Metrics(), name)}
	if name == "value" {
		f.metric = 0
	} else if i, err := strconv.Atoi(strings.TrimPrefix(name, "value ")); err == nil && strings.HasPrefix(name, "value ") && i >= 0 && i < h.Objectives() {
		f.metric = i
	}
	return f
}

// index returns where the field is among the parameters, or -1. Spaces are shared by trials.
func (f *field) index(s space.Space) int {
	if len(s) == 0 {
		return -1
	}
	if f.last != &s[0] || f.size != len(s) {
		f.last, f.size, f.at = &s[0], len(s), s.Index(f.name)
	}
	return f.at
}

// of returns the field of a trial: a parameter, a fact about the trial, a value, or an
// attribute.
func (f *field) of(r *trial.Record) (v cell, ok bool) {
	if i := f.index(r.Params.Space); i >= 0 {
		x := r.Params.Point[i]
		if d, ok := r.Params.Space[i].Distribution.(*space.CategoricalDistribution); ok {
			return literal(d.Decode(x)), true
		}
		return cell{number: x}, true
	}
	instant := func(t time.Time) (cell, bool) { return cell{number: seconds(t), time: true}, !t.IsZero() }
	switch f.name {
	case "number":
		return cell{number: float64(r.Number)}, true
	case "state":
		return cell{text: r.State.String(), number: math.NaN()}, true
	case "duration":
		return cell{number: r.Duration().Seconds()}, !r.Finished.IsZero()
	case "started":
		return instant(r.Started)
	case "finished":
		return instant(r.Finished)
	}
	if f.metric >= 0 {
		if f.metric >= len(r.Values) {
			return cell{}, false
		}
		return cell{number: r.Values[f.metric]}, true
	}
	a, ok := r.Attrs.Get(f.name)
	if !ok {
		return cell{}, false
	}
	return literal(space.Literal(a.JSON)), true
}

// literal returns a value as a cell: the text is without quotes.
func literal(l space.Literal) cell {
	c := constantOf(l.String())
	return cell{text: c.text, number: c.number}
}

// An order sorts trials by a field.
type order struct {
	name string
	down bool
}

// sort sorts trials. Trials without the field come last in either direction. Trials with equal
// fields are in the order of their numbers.
func (o order) sort(h trial.Header, trials []*trial.Record) {
	type key struct {
		cell
		ok bool
		r  *trial.Record
	}
	f := fieldOf(h, o.name)
	keys := make([]key, len(trials))
	for i, r := range trials {
		k := key{r: r}
		k.cell, k.ok = f.of(r)
		keys[i] = k
	}
	slices.SortFunc(keys, func(a, b key) int {
		if a.ok != b.ok {
			return map[bool]int{true: -1, false: 1}[a.ok]
		}
		by := 0
		if math.IsNaN(a.number) || math.IsNaN(b.number) {
			by = strings.Compare(a.text, b.text)
		} else {
			by = cmp.Compare(a.number, b.number)
		}
		if o.down {
			by = -by
		}
		return cmp.Or(by, cmp.Compare(a.r.Number, b.r.Number))
	})
	for i, k := range keys {
		trials[i] = k.r
	}
}
