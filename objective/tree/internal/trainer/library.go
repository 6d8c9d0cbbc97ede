package trainer

import (
	"fmt"
	"strings"

	"github.com/attune-hpo/attune/objective/tree/engine"
)

// Bootstrap is the expected share of distinct rows among n drawn with replacement: 1 - 1/e.
// It is the share of the rows that a tree of a forest sees in libraries that draw without
// replacement.
const Bootstrap = 0.632

// A Library holds a library's names for the fields of [engine.Params].
type Library struct {
	Name      string
	Objective string               // the setting that names the loss
	Losses    map[engine.Loss]Loss // the losses that it has; others are refused
	Fields    map[string]string    // its setting for each numeric field; other fields are refused unless 0
	Seed      string               // the setting of the seed
	Threads   string               // the setting of the number of threads
	Aliases   map[string]string    // primary names of parameters by their aliases
	Strict    bool                 // names that are not in Aliases are refused
	Reserved  map[string]string    // fields by the settings that Params.Extra may not set
}

// A Loss is a library's name for a loss.
type Loss struct {
	// Name may contain a %v for the loss's number: a level, a limit, a power or the
	// number of classes.
	Name   string
	Number string // the setting of that number; "" if Name contains it, or there is none
}

// Without returns a copy of l that refuses the given fields.
func (l Library) Without(fields ...string) Library {
	kept := map[string]string{}
	for field, name := range l.Fields {
		kept[field] = name
	}
	for _, field := range fields {
		delete(kept, field)
	}
	l.Fields = kept
	return l
}

// Apply sets in s, in this order, the loss of p, its numbers, the seed, the threads and
// p.Extra, for data with the given number of columns. The caller sets the method, the
// growth policy and the monotone constraints.
func (l Library) Apply(s Settings, p engine.Params, columns int) error {
	q := p.WithDefaults(columns)
	loss, ok := l.Losses[p.Loss]
	if !ok {
		return engine.BadParam("Loss", p.Loss, "another: "+l.Name+" does not have it")
	}
	number := map[engine.Loss]any{
		engine.Huber: q.HuberDelta, engine.Quantile: q.Quantile, engine.Tweedie: q.TweediePower, engine.Softmax: p.Classes,
	}[p.Loss]
	if strings.Contains(loss.Name, "%v") {
		loss.Name = fmt.Sprintf(loss.Name, number)
	}
	s.Set(l.Objective, loss.Name)
	if loss.Number != "" {
		s.Set(loss.Number, number)
	}
	for _, f := range numbers(p) {
		switch name := l.Fields[f.name]; {
		case f.value == 0 || f.value == 0.0:
		case name == "":
			return engine.BadParam(f.name, f.value, "0: "+l.Name+" has no such setting")
		default:
			s.Set(name, f.value)
		}
	}
	s.Set(l.Seed, Seed(p.Seed))
	s.Set(l.Threads, q.Threads)
	return s.Extra(p.Extra, l.canonical, l.Reserved)
}

// canonical returns the primary name of a parameter. It reports false only if l is Strict
// and lacks the name; otherwise the library itself decides whether the parameter exists.
func (l Library) canonical(name string) (string, bool) {
	if first, ok := l.Aliases[name]; ok {
		return first, true
	}
	return name, !l.Strict
}

// A number is a field of Params with its value: an int or a float64.
type number struct {
	name  string
	value any
}

// numbers returns the numeric fields, each of which an engine either supports or refuses.
func numbers(p engine.Params) []number {
	return []number{
		{"LearningRate", p.LearningRate},
		{"Leaves", p.Leaves},
		{"Depth", p.Depth},
		{"MinRows", p.MinRows},
		{"MinWeight", p.MinWeight},
		{"MinGain", p.MinGain},
		{"LambdaL1", p.LambdaL1},
		{"LambdaL2", p.LambdaL2},
		{"MaxBins", p.MaxBins},
		{"Bagging", p.Bagging},
		{"FeatureFraction", p.FeatureFraction},
		{"NodeFraction", p.NodeFraction},
		{"OneHot", p.OneHot},
		{"CategorySmooth", p.CategorySmooth},
		{"CategoryL2", p.CategoryL2},
		{"CategorySet", p.CategorySet},
		{"Samples", p.Samples},
	}
}
