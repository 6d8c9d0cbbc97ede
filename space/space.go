// Package space describes what a study may search: named parameters, the
// distributions they range over, and the points drawn from them.
//
// An objective uses a [Param]. Declare it once; suggest it in the objective; read it
// back, typed, from any record:
//
//	lr := space.Float("lr", 1e-5, 1e-1, space.Log())
//	...
//	rate := lr.Suggest(t)        // in the objective, a float64
//	rate, ok := lr.Value(best)   // from the best trial, a float64
//
// A [Space] is an ordered list of declarations, each an [Axis]: a name, a [Distribution], and any conditions
// ([Condition]) under which the parameter exists. It is plain data. Package spaceyaml reads and writes it as YAML, and
// package bind derives it from a struct.
//
// A sampler works with coordinates. A coordinate is a float64: the number itself or, for a choice, its index. A
// distribution converts it from and to a [Literal], the text that is stored; package unit converts it from and to a
// number in [0, 1]. [Params] are the parameters of a trial: a space, and a coordinate on each of its axes.
//
// The package knows nothing of trials and studies.
package space

import (
	"iter"
	"reflect"
	"slices"
	"strings"
)

// An Axis is one named dimension of a [Space].
type Axis struct {
	Name         string
	Distribution Distribution
	When         []Condition // all must hold for the parameter to exist; none: always
	// Where are constraints on this parameter and others before it; see [Space.Where].
	Where []Constraint
	Prior *Prior // where good values are believed to lie; nil: anywhere
}

// A Space is an ordered set of axes with distinct names.
type Space []Axis

// Axer is implemented by every [Param] and by [Axis] itself.
type Axer interface{ Axis() Axis }

// Axis implements [Axer]: it returns a.
func (a Axis) Axis() Axis { return a }

// Of gathers declarations into a Space. Like the declarations themselves it panics on mistakes in the source: two
// parameters with the same name, or a condition on a parameter that is not declared before it.
func Of(params ...Axer) Space {
	s := make(Space, len(params))
	for i, p := range params {
		s[i] = p.Axis()
	}
	s, err := s.Normalize()
	if err != nil {
		panic(err)
	}
	return s
}

// Normalize returns s with normalized distributions, and with the values of
// conditions written as trials have them: 1 becomes 1.0 for a float. The result
// shares no slice of axes or conditions with s.
//
// It fails if a name is empty or is declared twice; if a distribution is nil or invalid; if a condition is on a
// parameter that is not declared before the one it governs, or on a value that this parameter never takes; if a
// constraint does not involve the parameter that has it, or involves one that is not declared before, or a choice
// that is not a number; or if a prior does not fit. The error wraps [ErrInvalid] and names the parameter.
func (s Space) Normalize() (Space, error) {
	out := make(Space, len(s))
	var before Finder
	for i, a := range s {
		if a.Name == "" {
			return nil, invalid("parameter %d has no name", i)
		}
		if before.Index(out[:i], a.Name) >= 0 {
			return nil, invalid("parameter %q is duplicated", a.Name)
		}
		if v := reflect.ValueOf(a.Distribution); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
			return nil, invalid("parameter %q has no distribution", a.Name)
		}
		d, err := a.Distribution.Normalize()
		if err != nil {
			return nil, pkg.Errorf("parameter %q: %w", a.Name, err)
		}
		a.Distribution = d
		if a.Prior != nil {
			if err := a.Prior.check(d); err != nil {
				return nil, pkg.Errorf("parameter %q: %w", a.Name, err)
			}
		}
		a.When = slices.Clone(a.When)
		for j, c := range a.When {
			if a.When[j], err = c.normalize(out[:i], &before); err != nil {
				return nil, pkg.Errorf("parameter %q: %w", a.Name, err)
			}
		}
		a.Where = slices.Clone(a.Where)
		out[i] = a
		for _, c := range a.Where {
			if err := c.check(out[:i+1], &before); err != nil {
				return nil, pkg.Errorf("parameter %q: %w", a.Name, err)
			}
		}
	}
	return out, nil
}

// Index returns the position of the named axis, or -1. It searches linearly; to look up many axes, [Space.IndexNear]
// or a [Finder] is faster.
func (s Space) Index(name string) int {
	for i := range s {
		if s[i].Name == name {
			return i
		}
	}
	return -1
}

// IndexNear returns the position of the named axis, or -1. It looks at position i first: two
// spaces often have the same order.
func (s Space) IndexNear(i int, name string) int {
	if i >= 0 && i < len(s) && s[i].Name == name {
		return i
	}
	return s.Index(name)
}

// A Finder looks up many axes of one space, which may grow by append between calls. The zero value is ready to use;
// it is not safe for concurrent use.
type Finder struct {
	asked int
	at    map[string]int
}

// Index returns what s.Index(name) does. After a few calls it builds an index, and
// costs O(1).
func (f *Finder) Index(s Space, name string) int {
	const few = 16
	if f.asked++; len(s) <= few || f.asked <= few {
		return s.Index(name)
	}
	if f.at == nil {
		f.at = make(map[string]int, len(s))
	}
	for i := len(f.at); i < len(s); i++ {
		f.at[s[i].Name] = i
	}
	if i, ok := f.at[name]; ok {
		return i
	}
	return -1
}

// Equal reports whether s and other have the same names and distributions in the same
// order. It ignores conditions, constraints and priors.
func (s Space) Equal(other Space) bool {
	if len(s) == len(other) && (len(s) == 0 || &s[0] == &other[0]) {
		return true
	}
	return slices.EqualFunc(s, other, func(a, b Axis) bool {
		return a.Name == b.Name && Equal(a.Distribution, b.Distribution)
	})
}

// Len returns the number of points in s, as if there were no conditions. It is 0 if s has a continuous parameter, or
// if the number overflows an int.
func (s Space) Len() int {
	n := 1
	for _, a := range s {
		m := a.Distribution.Len()
		if m == 0 || n > maxCells/m {
			return 0
		}
		n *= m
	}
	return n
}

// A Condition says when a parameter exists: if another parameter, declared before it, has one of the given values or
// lies in the given range. [Param.Is] and [Param.Between] make conditions.
type Condition struct {
	Name      string    // of the other parameter
	Values    []Literal // one of which it must have; none: see Low and High
	Low, High float64   // between which it must lie, both ends included, if Values is empty
}

// Holds reports whether c holds for the values of g. It returns false if g lacks the parameter.
func (c Condition) Holds(g Getter) bool {
	l, ok := g.Get(c.Name)
	if !ok {
		return false
	}
	if len(c.Values) > 0 {
		return slices.Contains(c.Values, l)
	}
	x, ok := l.number()
	return ok && c.Low <= x && x <= c.High
}

// normalize returns c with its values as the parameter it reads has them.
func (c Condition) normalize(before Space, find *Finder) (Condition, error) {
	i := find.Index(before, c.Name)
	if i < 0 {
		return c, invalid("condition on %q, which is not declared before it: declare it first", c.Name)
	}
	d := before[i].Distribution
	c.Values = slices.Clone(c.Values)
	for j, v := range c.Values {
		x, err := d.Encode(v)
		if err != nil {
			return c, pkg.Errorf("%w: condition on %q: %w", ErrInvalid, c.Name, err)
		}
		c.Values[j] = d.Decode(x)
	}
	if len(c.Values) > 0 {
		c.Low, c.High = 0, 0
		return c, nil
	}
	if _, isChoice := d.(*CategoricalDistribution); isChoice {
		return c, invalid("condition on %q, which is %s: name the values it may have", c.Name, Describe(d))
	}
	if !(c.Low <= c.High) {
		return c, invalid("condition on %q between %v and %v: name its values or two numbers in order", c.Name, c.Low, c.High)
	}
	return c, nil
}

// Exists reports whether all conditions of a hold for the values of g.
func (a Axis) Exists(g Getter) bool {
	for _, c := range a.When {
		if !c.Holds(g) {
			return false
		}
	}
	return true
}

// Params are the parameters of a trial. Point[i] is the coordinate on Space[i], and
// both have the same length. The zero value has no parameters. Params are a value:
// nothing changes them in place.
type Params struct {
	Space Space
	Point []float64
}

// Get returns the value of the named parameter as a literal.
func (p Params) Get(name string) (Literal, bool) {
	if i := p.Space.Index(name); i >= 0 {
		return p.Space[i].Distribution.Decode(p.Point[i]), true
	}
	return "", false
}

// Coord returns the coordinate of the named parameter.
func (p Params) Coord(name string) (float64, bool) {
	if i := p.Space.Index(name); i >= 0 {
		return p.Point[i], true
	}
	return 0, false
}

// All returns an iterator over names and values, in the order of the space.
func (p Params) All() iter.Seq2[string, Literal] {
	return func(yield func(string, Literal) bool) {
		for i, a := range p.Space {
			if !yield(a.Name, a.Distribution.Decode(p.Point[i])) {
				return
			}
		}
	}
}

// Params returns the parameters that have a setting, in the order of s. It fails
// with [ErrOutside] if a distribution does not contain the value, and with
// [ErrInvalid] if s lacks the name or the name is set twice.
func (s Space) Params(settings ...Setting) (Params, error) {
	byAxis := make([]*Setting, len(s))
	var find Finder
	for i := range settings {
		at := find.Index(s, settings[i].Name)
		if at < 0 {
			return Params{}, invalid("there is no parameter %q", settings[i].Name)
		}
		if byAxis[at] != nil {
			return Params{}, invalid("parameter %q is set twice", settings[i].Name)
		}
		byAxis[at] = &settings[i]
	}
	var p Params
	for i, set := range byAxis {
		if set == nil {
			continue
		}
		x, err := s[i].Distribution.Encode(set.Value)
		if err != nil {
			return Params{}, pkg.Errorf("parameter %q: %w", set.Name, err)
		}
		p.Space, p.Point = append(p.Space, s[i]), append(p.Point, x)
	}
	return p, nil
}

// String returns the parameters as readable text: "lr=0.01 booster=dart".
func (p Params) String() string {
	var b strings.Builder
	for name, v := range p.All() {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(name + "=" + v.String())
	}
	return b.String()
}

// Settings returns the parameters as settings, which can be enqueued elsewhere.
func (p Params) Settings() []Setting {
	out := make([]Setting, len(p.Point))
	for i, a := range p.Space {
		out[i] = Setting{a.Name, a.Distribution.Decode(p.Point[i])}
	}
	return out
}

// Join returns p with q appended. It fails with [ErrMismatch] if both have a parameter of
// one name. Like append it may write beyond the end of p's slices: p must have one owner,
// who continues with the result.
func (p Params) Join(q Params) (Params, error) {
	if len(p.Space) == 0 {
		return Params{slices.Clip(q.Space), slices.Clip(q.Point)}, nil
	}
	var find Finder
	for _, a := range q.Space {
		if find.Index(p.Space, a.Name) >= 0 {
			return Params{}, pkg.Errorf("%w: %q was suggested before", ErrMismatch, a.Name)
		}
	}
	return Params{
		Space: append(p.Space, q.Space...),
		Point: append(p.Point, q.Point...),
	}, nil
}

// A Setting is a value that the user has fixed; [Param.At] makes one. It is a literal rather than a coordinate
// because the distribution may not be known yet.
type Setting struct {
	Name  string
	Value Literal
}

// Settings are values by name. Any []Setting can be converted to them.
type Settings []Setting

// Get implements [Getter]: it returns the first value of a name.
func (ss Settings) Get(name string) (Literal, bool) {
	for _, s := range ss {
		if s.Name == name {
			return s.Value, true
		}
	}
	return "", false
}

// Twice returns the first name that occurs a second time. It returns false if there is none.
func (ss Settings) Twice() (name string, ok bool) {
	seen := make(map[string]bool, len(ss))
	for _, s := range ss {
		if seen[s.Name] {
			return s.Name, true
		}
		seen[s.Name] = true
	}
	return "", false
}

// A Pool makes equal spaces share one array, so that a hundred thousand records with the same space store it
// once. The zero value is ready to use; it is not safe for concurrent use.
type Pool struct{ seen []Space }

// Share returns the first space given to it that equals s, ignoring conditions: often not s itself. A pool only
// remembers the last few spaces, so that it stays small and fast.
func (p *Pool) Share(s Space) Space {
	if len(s) == 0 {
		return nil
	}
	for i := len(p.seen) - 1; i >= 0; i-- {
		if p.seen[i].Equal(s) {
			return p.seen[i]
		}
	}
	const most = 32
	if len(p.seen) == most {
		p.seen = slices.Delete(p.seen, 0, most/2)
	}
	s = slices.Clip(s)
	p.seen = append(p.seen, s)
	return s
}

// Corner returns given with a setting appended for each parameter of s that exists: its lowest value or, if
// high, its highest. For choices these are the first and the last. A parameter exists if its conditions hold
// for given and for the settings of the parameters before it.
func (s Space) Corner(given Settings, high bool) Settings {
	out := append(Settings(nil), given...)
	for _, a := range s {
		if !a.Exists(out) {
			continue
		}
		x := a.Distribution.At(0)
		if f, ok := a.Distribution.(FloatDistribution); ok && high {
			x = f.High
		} else if high {
			x = a.Distribution.At(a.Distribution.Len() - 1)
		}
		out = append(out, Setting{Name: a.Name, Value: a.Distribution.Decode(x)})
	}
	return out
}
