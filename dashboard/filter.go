package dashboard

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// A filter is a list of conditions that a trial has to meet: "lr>0.01 state=complete". The zero
// value accepts every trial.
type filter []condition

// A condition compares the field of a trial with a value. A trial without the field does not
// meet it.
type condition struct {
	name, op, value string
	number          float64 // the value as a number, or NaN
}

// operators are the operators, in the order in which to try them.
var operators = []string{"!=", "<=", ">=", "=", "<", ">"}

// filterForm explains the syntax of a filter.
const filterForm = "A filter is like lr>0.01 state=complete: a name, one of = != < <= > >=, and a value, without spaces, or with names and values that have spaces in double quotes. " +
	"Names are those of parameters and objectives, and number, state, value and duration (in seconds)."

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
		if c.value, rest, ok = word(rest); !ok {
			return nil, problem{400, fmt.Sprintf("%s%s: a value is missing. %s", c.name, c.op, filterForm)}
		}
		var err error
		if c.number, err = strconv.ParseFloat(c.value, 64); err != nil {
			c.number = math.NaN()
		}
		if math.IsNaN(c.number) && c.op != "=" && c.op != "!=" {
			return nil, problem{400, fmt.Sprintf("%s%s%s: only numbers have an order. %s", c.name, c.op, c.value, filterForm)}
		}
		f = append(f, c)
	}
	return f, nil
}

// word cuts off a quoted text, or the text up to a space or an operator.
func word(s string) (w, rest string, ok bool) {
	if strings.HasPrefix(s, `"`) {
		if quoted, err := strconv.QuotedPrefix(s); err == nil {
			w, err = strconv.Unquote(quoted)
			return w, s[len(quoted):], err == nil
		}
		return "", s, false
	}
	i := strings.IndexFunc(s, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("=!<>", r) })
	if i < 0 {
		i = len(s)
	}
	return s[:i], s[i:], i > 0
}

// meets reports whether a trial meets all conditions.
func (f filter) meets(h trial.Header, r *trial.Record) bool {
	for _, c := range f {
		text, number, ok := field(h, r, c.name)
		if !ok || !c.holds(text, number) {
			return false
		}
	}
	return true
}

func (c condition) holds(text string, number float64) bool {
	equal := number == c.number || text != "" && text == c.value
	switch c.op {
	case "=":
		return equal
	case "!=":
		return !equal
	case "<":
		return number < c.number
	case "<=":
		return number <= c.number
	case ">":
		return number > c.number
	}
	return number >= c.number
}

// field returns a field of a trial by name: a number, or NaN and a text.
func field(h trial.Header, r *trial.Record, name string) (text string, number float64, ok bool) {
	if i := r.Params.Space.Index(name); i >= 0 {
		x := r.Params.Point[i]
		if d, ok := r.Params.Space[i].Distribution.(*space.CategoricalDistribution); ok {
			l := d.Decode(x)
			number, err := strconv.ParseFloat(l.String(), 64)
			if err != nil {
				number = math.NaN()
			}
			return l.String(), number, true
		}
		return "", x, true
	}
	numeric := func(v float64) (string, float64, bool) { return "", v, true }
	switch name {
	case "number":
		return numeric(float64(r.Number))
	case "state":
		return r.State.String(), math.NaN(), true
	case "duration":
		if r.Finished.IsZero() {
			return "", 0, false
		}
		return numeric(r.Duration().Seconds())
	}
	i := slices.Index(h.Metrics(), name)
	if name == "value" {
		i = 0
	}
	if i < 0 || i >= len(r.Values) {
		return "", 0, false
	}
	return numeric(r.Values[i])
}

// apply returns a study with only the trials that meet the filter.
func (f filter) apply(h trial.Snapshot) trial.Snapshot {
	if len(f) == 0 {
		return h
	}
	header := h.Header()
	out := trial.NewHistory(header)
	for _, r := range h.Records() {
		if f.meets(header, &r) {
			out.Put(r)
		}
	}
	return out.Snapshot()
}

// An order sorts trials by a field.
type order struct {
	name string
	down bool
}

// sort sorts trials. Trials without the field come last in either direction. Trials with equal
// fields are in the order of their numbers.
func (o order) sort(h trial.Header, records []trial.Record) {
	type key struct {
		text   string
		number float64
		ok     bool
		at     int
	}
	keys := make([]key, len(records))
	for i := range records {
		k := key{at: i}
		k.text, k.number, k.ok = field(h, &records[i], o.name)
		keys[i] = k
	}
	slices.SortStableFunc(keys, func(a, b key) int {
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
		return cmp.Or(by, cmp.Compare(records[a.at].Number, records[b.at].Number))
	})
	sorted := make([]trial.Record, len(records))
	for i, k := range keys {
		sorted[i] = records[k.at]
	}
	copy(records, sorted)
}
