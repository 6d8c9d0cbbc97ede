package trainer

import (
	"fmt"
	"strings"

	"github.com/attune-hpo/attune/objective/tree/engine"
)

// Bootstrap is the share of different rows among n drawn with replacement: 1 - 1/e. It
// is what forests see of the rows where a library draws without replacement.
const Bootstrap = 0.632

// A Library says what a library calls the fields of [engine.Params].
type Library struct {
	Name      string
	Objective string               // the setting that names the loss
	Losses    map[engine.Loss]Loss // those that it has; it is a mistake to ask for another
	Fields    map[string]string    // settings by the fields that are numbers; another is refused unless it is 0
	Seed      string               // the setting of the seed
	Threads   string               // the setting of the number of goroutines
	Aliases   map[string]string    // first names of parameters, by the others
	Strict    bool                 // a name that Aliases does not have is none at all
	Reserved  map[string]string    // fields by the settings that Params.Extra may not have
}

// A Loss is what a library calls a loss.
type Loss struct {
	// Name may have a %v, which is the number of the loss: a level, a limit, a power or
	// how many classes there are.
	Name   string
	Number string // the setting of that number; "" where Name has it, or there is none
}

// Without returns l with some fields that it refuses.
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

// Apply sets in s what p says, for data with the given number of columns: its loss, its numbers, the
// seed, the threads, and last what p.Extra has. The method, the way trees grow and the
// directions of columns are for the caller to set.
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

// canonical returns the first name of a parameter. Unless it has all names, whether there
// is such a parameter is for the library to say.
func (l Library) canonical(name string) (string, bool) {
	if first, ok := l.Aliases[name]; ok {
		return first, true
	}
	return name, !l.Strict
}

// A number is a field of Params, and its value: an int or a float64.
type number struct {
	name  string
	value any
}

// numbers returns the fields that every engine may have or refuse.
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
