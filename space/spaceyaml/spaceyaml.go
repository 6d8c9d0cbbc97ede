// Package spaceyaml reads and writes search spaces, and settings of their
// parameters, as YAML.
//
// A space is an ordered list of parameters:
//
//	parameters:
//	  - {name: booster, type: categorical, choices: [gbdt, dart]}
//	  - {name: lr, type: float, low: 1.0e-5, high: 0.1, log: true}
//	  - {name: depth, type: int, low: 2, high: 12, step: 2, when: {booster: gbdt}}
//	  - {name: drop, type: float, low: 0, high: 0.5, when: {booster: dart, lr: {max: 0.01}}}
//
// The types are float, int and categorical. A float and an int need low and high, and
// may have log and step. A categorical needs choices.
//
// A parameter exists if all conditions under when hold. A condition is the name of an
// earlier parameter with a value, a list of values, or a range of min and max. Both
// ends of a range are included, and one of them may be left out. For several
// conditions on one parameter, when is a list of mappings.
//
// A list of constraints may follow the parameters: comparisons that each trial must satisfy,
// of numbers, sums and products of parameters; see [space.ParseConstraint]. They apply to
// trials that have all of their parameters.
//
//	constraints: [low < high, 2 * workers * batch <= 1024]
//
// A parameter may have a prior, a belief about where its good values lie: a mean and a deviation, a median and
// a factor, or weights of the choices, in their order. See [space.Prior].
//
//	parameters:
//	  - {name: lr, type: float, low: 1.0e-5, high: 0.1, log: true, prior: {median: 0.001, factor: 3}}
//	  - {name: depth, type: int, low: 2, high: 12, prior: {mean: 6, dev: 2}}
//	  - {name: booster, type: categorical, choices: [gbdt, dart], prior: {weights: [5, 1]}}
//
// Values keep their type: 1, 1.0, true and "1" are four choices. Some texts mean different things to different
// YAML readers: no, on, 010, 0x1f, 1_000, 12:30, 2001-01-01. They are refused, and the error says what to write
// instead. 1e-5 is read as a number, as in YAML 1.2, and written as 1.0e-05, which YAML 1.1 reads as a number
// too.
package spaceyaml

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/space"
)

const pkg fault.Package = "spaceyaml"

// Read reads a space from r and returns it normalized; see [space.Space.Normalize]. It
// fails for bad syntax, for keys that are unknown, missing or repeated, for values of the
// wrong type, and whenever Normalize does. Such an error wraps [space.ErrInvalid] and names
// the line, and the parameter if there is one. Errors of r are wrapped.
func Read(r io.Reader) (space.Space, error) {
	s, err := read(r)
	if err != nil {
		return nil, pkg.Errorf("%w", err)
	}
	return s, nil
}

func read(r io.Reader) (space.Space, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	root, err := document(string(text))
	if err != nil {
		return nil, err
	}
	top, err := mapping(root, "parameters", "constraints")
	if err != nil {
		return nil, err
	}
	list, ok := top.get("parameters")
	if !ok || list.Kind != yaml.SequenceNode {
		return nil, wrong(root, "want parameters: and a list of them")
	}
	s := make(space.Space, len(list.Content))
	for i, n := range list.Content {
		if s[i], err = axis(n); err != nil {
			return nil, err
		}
	}
	out, err := s.Normalize()
	if rules, ok := top.get("constraints"); ok && err == nil {
		return constrained(out, rules)
	}
	if err == nil {
		return out, nil
	}
	// The parameter at fault is the last of the shortest list that is invalid.
	i := sort.Search(len(s)-1, func(i int) bool { _, err := s[:i+1].Normalize(); return err != nil })
	_, err = s[:i+1].Normalize()
	return nil, fmt.Errorf("line %d: %w", list.Content[i].Line, err)
}

// constrained returns s with the constraints listed in n.
func constrained(s space.Space, n *yaml.Node) (space.Space, error) {
	if n.Kind != yaml.SequenceNode {
		return nil, wrong(n, "constraints: want a list")
	}
	for _, c := range n.Content {
		if reason(c) != "" {
			return nil, wrong(c, "constraints: want comparisons, such as a + b <= 1")
		}
		t, err := text(c)
		if err != nil {
			return nil, err
		}
		if s, err = s.Constrain(t); err != nil {
			return nil, fmt.Errorf("line %d: %w", c.Line, err)
		}
	}
	return s, nil
}

// document returns the root of the only document in text.
func document(text string) (*yaml.Node, error) {
	var doc, more yaml.Node
	in := yaml.NewDecoder(strings.NewReader(text))
	if err := in.Decode(&doc); err == io.EOF || err == nil && len(doc.Content) == 0 {
		return nil, fmt.Errorf("%w: the text is empty", space.ErrInvalid)
	} else if err != nil {
		return nil, fmt.Errorf("%w: %w", space.ErrInvalid, err)
	}
	if err := in.Decode(&more); err == nil {
		return nil, wrong(&more, "a second document: want one")
	} else if err != io.EOF {
		return nil, fmt.Errorf("%w: %w", space.ErrInvalid, err)
	}
	return follow(doc.Content[0]), nil
}

// follow returns what n stands for: itself, unless it is an alias.
func follow(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func wrong(n *yaml.Node, format string, args ...any) error {
	return &mistake{n.Line, fmt.Sprintf(format, args...)}
}

// A mistake is what is wrong on a line.
type mistake struct {
	line int
	what string
}

func (f *mistake) Error() string {
	return fmt.Sprintf("line %d: %v: %s", f.line, space.ErrInvalid, f.what)
}
func (f *mistake) Unwrap() error { return space.ErrInvalid }

// An entry is one key of a mapping, with its value.
type entry struct {
	key  string
	at   *yaml.Node // the key
	node *yaml.Node
}

type entries []entry

// mapping returns the entries of n, in order. Keys are strings and stand once. If
// some are allowed, there is no other.
func mapping(n *yaml.Node, allowed ...string) (entries, error) {
	if n.Kind != yaml.MappingNode {
		return nil, wrong(n, "want a mapping of keys to values")
	}
	var es entries
	seen := map[string]bool{}
	for i := 0; i < len(n.Content); i += 2 {
		at := n.Content[i]
		key, err := text(at)
		if err != nil {
			return nil, err
		}
		if seen[key] {
			return nil, wrong(at, "key %q is duplicated", key)
		}
		seen[key] = true
		if len(allowed) > 0 && !slices.Contains(allowed, key) {
			return nil, wrong(at, "unknown key %q: want %s", key, strings.Join(allowed, ", "))
		}
		es = append(es, entry{key, at, follow(n.Content[i+1])})
	}
	return es, nil
}

func (es entries) get(key string) (*yaml.Node, bool) {
	for _, e := range es {
		if e.key == key {
			return e.node, true
		}
	}
	return nil, false
}

// keys lists what a parameter of each type may have, and how many of them, the
// first, it needs.
var keys = map[string]struct {
	all  []string
	need int
}{
	"float":       {[]string{"name", "type", "low", "high", "log", "step", "when", "prior"}, 4},
	"int":         {[]string{"name", "type", "low", "high", "log", "step", "when", "prior"}, 4},
	"categorical": {[]string{"name", "type", "choices", "when", "prior"}, 3},
}

func axis(n *yaml.Node) (space.Axis, error) {
	n = follow(n)
	es, err := mapping(n)
	if err != nil {
		return space.Axis{}, err
	}
	node, ok := es.get("name")
	if !ok {
		return space.Axis{}, wrong(n, "the parameter has no name: want name, type and what belongs to the type")
	}
	f := &fields{entries: es}
	a := space.Axis{Name: f.text(node)}
	f.name = a.Name
	if node, ok = es.get("type"); !ok {
		f.fail(n, "no type: want float, int or categorical")
		return a, f.err
	}
	kind := f.text(node)
	known, ok := keys[kind]
	if !ok {
		f.fail(node, "type %q: want float, int or categorical", kind)
		return a, f.err
	}
	for _, e := range es {
		if !slices.Contains(known.all, e.key) {
			f.fail(e.at, "unknown key %q of type %s: want %s", e.key, kind, strings.Join(known.all, ", "))
		}
	}
	for _, key := range known.all[:known.need] {
		if _, ok := es.get(key); !ok {
			f.fail(n, "no %s, which type %s needs", key, kind)
		}
	}
	switch kind {
	case "float":
		a.Distribution = space.FloatDistribution{Low: f.float("low"), High: f.float("high"), Step: f.float("step"), Log: f.flag("log")}
	case "int":
		a.Distribution = space.IntDistribution{Low: f.int("low"), High: f.int("high"), Step: f.int("step"), Log: f.flag("log")}
	default:
		node, _ := es.get("choices")
		a.Distribution = &space.CategoricalDistribution{Choices: f.literals(node)}
	}
	if node, ok := es.get("when"); ok {
		a.When = f.conditions(node)
	}
	if node, ok := es.get("prior"); ok {
		a.Prior = f.prior(node)
	}
	return a, f.err
}

// fields reads what stands under the keys of one parameter. The first error
// sticks.
type fields struct {
	entries
	name string
	err  error
}

func (f *fields) fail(n *yaml.Node, format string, args ...any) {
	f.keep("", wrong(n, format, args...))
}

// keep keeps err, of [wrong], as what is wrong with the parameter. What says
// where in it, and may be empty.
func (f *fields) keep(what string, err error) {
	var at *mistake
	if f.err != nil || !errors.As(err, &at) {
		return
	}
	if f.name != "" {
		what = fmt.Sprintf("parameter %q: %s", f.name, what)
	}
	f.err = &mistake{at.line, what + at.what}
}

func (f *fields) text(n *yaml.Node) string {
	s, err := text(n)
	if err != nil {
		f.keep("", err)
	}
	return s
}

// literal returns the scalar n. What names it in an error.
func (f *fields) literal(what string, n *yaml.Node) space.Literal {
	l, err := scalar(n)
	if err != "" {
		f.fail(n, "%s: %s", what, err)
	}
	return l
}

// float returns the number under a key, or 0 if there is none.
func (f *fields) float(key string) float64 {
	n, ok := f.get(key)
	if !ok {
		return 0
	}
	return f.number(key, n)
}

func (f *fields) number(what string, n *yaml.Node) float64 {
	switch x := f.literal(what, n).Any().(type) {
	case int64:
		return float64(x)
	case float64:
		return x
	case string:
		f.fail(n, "%s: want a number, not the string %q", what, x)
	default:
		f.fail(n, "%s: want a number, not %v", what, x)
	}
	return 0
}

func (f *fields) int(key string) int {
	n, ok := f.get(key)
	if !ok {
		return 0
	}
	x := f.number(key, n)
	l, _ := scalar(n)
	// A float64 may be a neighbour of the number that was written.
	exact, whole := l.Any().(int64)
	if !whole && x == math.Trunc(x) && math.Abs(x) <= 1<<53 {
		exact, whole = int64(x), true
	}
	if !whole || exact < -1<<53 || exact > 1<<53 || int64(int(exact)) != exact {
		f.fail(n, "%s: want an integer within ±2^53, not %s", key, n.Value)
		return 0
	}
	return int(exact)
}

func (f *fields) flag(key string) bool {
	n, ok := f.get(key)
	if !ok {
		return false
	}
	on, ok := f.literal(key, n).Any().(bool)
	if !ok {
		f.fail(n, "%s: want true or false", key)
	}
	return on
}

func (f *fields) literals(n *yaml.Node) []space.Literal {
	if n == nil || n.Kind != yaml.SequenceNode {
		if n != nil {
			f.fail(n, "choices: want a list")
		}
		return nil
	}
	out := make([]space.Literal, len(n.Content))
	for i, c := range n.Content {
		out[i] = f.literal(fmt.Sprintf("choice %d", i+1), follow(c))
	}
	return out
}

// prior reads what stands under prior.
func (f *fields) prior(n *yaml.Node) *space.Prior {
	es, err := mapping(n)
	if err != nil {
		f.keep("prior: ", err)
		return nil
	}
	var names []string
	for _, e := range es {
		names = append(names, e.key)
	}
	slices.Sort(names)
	number := func(key string) float64 {
		node, _ := es.get(key)
		return f.number("prior "+key, node)
	}
	var p space.Prior
	switch strings.Join(names, " ") {
	case "dev mean":
		p = space.Normal(number("mean"), number("dev"))
	case "factor median":
		p = space.LogNormal(number("median"), number("factor"))
	case "weights":
		node, _ := es.get("weights")
		if node.Kind != yaml.SequenceNode {
			f.fail(node, "prior weights: want a list")
			return nil
		}
		for _, w := range node.Content {
			p.Weights = append(p.Weights, f.number("prior weights", follow(w)))
		}
	default:
		f.fail(n, "prior: want mean and dev, median and factor, or weights")
	}
	return &p
}

// conditions reads what stands under when: a mapping, or a list of them.
func (f *fields) conditions(n *yaml.Node) (out []space.Condition) {
	if n.Kind == yaml.SequenceNode {
		for _, c := range n.Content {
			out = append(out, f.conditionsOf(follow(c))...)
		}
		return out
	}
	return f.conditionsOf(n)
}

func (f *fields) conditionsOf(n *yaml.Node) []space.Condition {
	es, err := mapping(n)
	if err != nil {
		f.keep("when: ", err)
	}
	out := make([]space.Condition, len(es))
	for i, e := range es {
		c := space.Condition{Name: e.key}
		switch e.node.Kind {
		case yaml.SequenceNode:
			for _, v := range e.node.Content {
				c.Values = append(c.Values, f.literal("when "+e.key, follow(v)))
			}
			if len(c.Values) == 0 {
				f.fail(e.node, "when %s: the list is empty, so it never holds", e.key)
			}
		case yaml.MappingNode:
			c.Low, c.High = f.between(e)
		default:
			c.Values = []space.Literal{f.literal("when "+e.key, e.node)}
		}
		out[i] = c
	}
	return out
}

func (f *fields) between(e entry) (low, high float64) {
	ends, err := mapping(e.node, "min", "max")
	if err != nil {
		f.keep("when "+e.key+": ", err)
	} else if len(ends) == 0 {
		f.fail(e.node, "when %s: want a value, a list of values, or {min: number, max: number}", e.key)
	}
	low, high = math.Inf(-1), math.Inf(1)
	if n, ok := ends.get("min"); ok {
		low = f.number("when "+e.key+": min", n)
	}
	if n, ok := ends.get("max"); ok {
		high = f.number("when "+e.key+": max", n)
	}
	return low, high
}
