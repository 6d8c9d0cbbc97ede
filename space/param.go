package space

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"

	"github.com/attune-hpo/attune/internal/pyjson"
)

// A Suggester chooses a coordinate for an axis; *study.Trial is one.
type Suggester interface {
	Suggest(Axis) float64
}

// A Getter looks up the value of a parameter. [Params], [Settings], trial.Record and
// *study.Trial implement it.
type Getter interface {
	Get(name string) (Literal, bool)
}

// A Param is a parameter whose values have type T. Declare it once, suggest it
// in the objective, and read it back from any record without a type assertion.
// It is immutable and safe for concurrent use.
//
// The zero Param is not a parameter: it has no name, Value returns false, and Suggest, At, Is and Between panic with
// a message that it was never declared.
type Param[T any] struct {
	axis   Axis
	decode func(x float64) T
	encode func(v T) Literal
}

// An Option refines the declaration of a [Float] or an [Int].
type Option func(*options)

type options struct {
	log  bool
	step float64
}

// Log searches the parameter on a logarithmic scale.
func Log() Option { return func(o *options) { o.log = true } }

// Step restricts the parameter to low, low+q, low+2q, ... An upper bound that is not on this grid is lowered to the
// last point of the grid. Step(0) means no step.
func Step(q float64) Option { return func(o *options) { o.step = q } }

func gather(opts []Option) options {
	var o options
	for _, set := range opts {
		set(&o)
	}
	return o
}

// Float declares a real parameter in [low, high], both ends included.
//
// Declarations are source code. Like [regexp.MustCompile], Float panics if the declaration is invalid: if low >
// high, if a bound is not finite, if Log is used with low <= 0 or with a Step, or if a step is negative or NaN.
// For bounds from elsewhere use [ParamOf], which returns an error instead.
func Float(name string, low, high float64, opts ...Option) Param[float64] {
	o := gather(opts)
	return must[float64](Axis{Name: name, Distribution: FloatDistribution{Low: low, High: high, Step: o.step, Log: o.log}})
}

// Int declares an integer parameter in [low, high], both ends included. It
// panics as [Float] does, also if a step is not a whole number; Log needs
// low >= 1.
func Int(name string, low, high int, opts ...Option) Param[int] {
	o := gather(opts)
	if o.step != math.Trunc(o.step) || math.Abs(o.step) > maxCells {
		panic(pkg.Errorf("parameter %q: %w", name, invalid("step %v of an integer: it must be a whole number", o.step)))
	}
	return must[int](Axis{Name: name, Distribution: IntDistribution{Low: low, High: high, Step: int(o.step), Log: o.log}})
}

// Categorical declares a parameter that takes one of the given choices, which have
// no order. It panics if there is no choice or one is given twice.
func Categorical[T Scalar](name string, choices ...T) Param[T] {
	literals := make([]Literal, len(choices))
	for i, c := range choices {
		literals[i] = Lit(c)
	}
	a := Axis{Name: name, Distribution: &CategoricalDistribution{literals}}
	if _, err := (Space{a}).Normalize(); err != nil {
		panic(err)
	}
	choices = slices.Clone(choices)
	return Param[T]{a, func(x float64) T { return choices[int(x)] }, Lit[T]}
}

func must[T any](a Axis) Param[T] {
	p, err := ParamOf[T](a)
	if err != nil {
		panic(err)
	}
	return p
}

// ParamOf returns the typed form of an axis that was not declared in code but comes from a file, a struct or another
// process. T must be float64 for floats and int for integers. For choices it must be their type (string, int, float64
// or bool) if all have that type and none is null. T may always be any. The error wraps [ErrInvalid].
func ParamOf[T any](a Axis) (Param[T], error) {
	s, err := Space{{Name: a.Name, Distribution: a.Distribution}}.Normalize()
	if err != nil {
		return Param[T]{}, err
	}
	a.Distribution = s[0].Distribution
	p := Param[T]{axis: a}
	var zero T
	var decode, encode any
	switch d := p.axis.Distribution.(type) {
	case FloatDistribution:
		decode = func(x float64) float64 { return x }
		encode = floatLiteral
	case IntDistribution:
		decode = func(x float64) int { return int(x) }
		encode = func(v int) Literal { return Literal(strconv.Itoa(v)) }
	case *CategoricalDistribution:
		decode, encode, err = choicesAs[T](d)
	}
	var ok1, ok2 bool
	p.decode, ok1 = decode.(func(float64) T)
	p.encode, ok2 = encode.(func(T) Literal)
	if err != nil || !ok1 || !ok2 {
		return Param[T]{}, pkg.Errorf("parameter %q: %w", a.Name,
			invalid("%s does not have values of type %T", Describe(p.axis.Distribution), zero))
	}
	return p, nil
}

// choicesAs returns the choices of d as values of T, both ways.
func choicesAs[T any](d *CategoricalDistribution) (func(float64) T, func(T) Literal, error) {
	values := make([]T, len(d.Choices))
	for i, c := range d.Choices {
		v := c.Any()
		if n, ok := v.(int64); ok {
			if _, wantsInt := any(values[i]).(int); wantsInt {
				v = int(n)
			}
		}
		t, ok := v.(T)
		if !ok && (v != nil || reflect.TypeFor[T]().Kind() != reflect.Interface) {
			return nil, nil, ErrInvalid
		}
		values[i] = t
	}
	decode := func(x float64) T { return values[int(x)] }
	encode := func(v T) Literal {
		text, err := pyjson.Marshal(v)
		if err != nil { // no choice; whoever encodes it says so
			return Lit(fmt.Sprint(v))
		}
		return Literal(text)
	}
	return decode, encode, nil
}

// Name returns the name of p.
func (p Param[T]) Name() string { return p.axis.Name }

// Axis returns the untyped form of p.
func (p Param[T]) Axis() Axis { return p.axis }

// declared panics if p is the zero Param.
func (p Param[T]) declared() {
	if p.axis.Distribution == nil {
		panic(invalid("a zero %T is not a parameter: declare it with Float, Int, Categorical or ParamOf", p))
	}
}

// Suggest asks s for a value of p.
func (p Param[T]) Suggest(s Suggester) T {
	p.declared()
	return p.decode(s.Suggest(p.axis))
}

// Value returns the value of p in g. It returns false if g lacks p, or has a value that p never takes.
func (p Param[T]) Value(g Getter) (v T, ok bool) {
	l, ok := g.Get(p.axis.Name)
	if !ok || p.axis.Distribution == nil {
		return v, false
	}
	x, err := p.axis.Distribution.Encode(l)
	if err != nil {
		return v, false
	}
	return p.decode(x), true
}

// At returns the setting of p to v, which can be enqueued or held fixed. It does not check v: the receiver of the
// setting refuses a value that p never takes.
func (p Param[T]) At(v T) Setting {
	p.declared()
	return Setting{p.axis.Name, p.encode(v)}
}

// When returns p as a parameter that exists only if all conditions hold, including those of earlier calls. A study
// with a declared [Space] draws it only then; an objective decides with its own control flow.
func (p Param[T]) When(conditions ...Condition) Param[T] {
	p.axis.When = append(slices.Clip(p.axis.When), conditions...)
	return p
}

// Where returns p with a constraint, which [ParseConstraint] reads: "a + b <= 1", where p is
// b. The other parameters must be suggested before p, or declared before it in a [Space].
// Where panics if the text is not a constraint. In a declared space, [Space.Where] does the
// same, and determines the last parameter itself.
func (p Param[T]) Where(constraint string) Param[T] {
	c, err := ParseConstraint(constraint)
	if err == nil && !slices.Contains(c.Names(), p.axis.Name) {
		err = pkg.Errorf("parameter %q: %w", p.axis.Name, invalid("constraint %q is not about this parameter", c.Text))
	}
	if err != nil {
		panic(err)
	}
	p.axis.Where = append(slices.Clip(p.axis.Where), c)
	return p
}

// Believe returns p with a belief about where its good values lie. The belief has an effect if p is in a declared
// [Space]. Believe panics if the belief does not fit p: weights for a number, not one weight for each choice, or a
// deviation that is not greater than 0.
func (p Param[T]) Believe(prior Prior) Param[T] {
	p.declared()
	if err := prior.check(p.axis.Distribution); err != nil {
		panic(pkg.Errorf("parameter %q: %w", p.axis.Name, err))
	}
	p.axis.Prior = &prior
	return p
}

// Is returns the condition that p has one of the given values.
func (p Param[T]) Is(values ...T) Condition {
	p.declared()
	c := Condition{Name: p.axis.Name, Values: make([]Literal, len(values))}
	for i, v := range values {
		c.Values[i] = p.encode(v)
	}
	if len(values) == 0 {
		c.Low, c.High = math.NaN(), math.NaN() // invalid, and never holds
	}
	return c
}

// Between returns the condition that p, a number, lies in [low, high].
func (p Param[T]) Between(low, high T) Condition {
	p.declared()
	c := Condition{Name: p.axis.Name, Low: math.NaN(), High: math.NaN()}
	if x, ok := p.encode(low).number(); ok {
		c.Low = x
	}
	if x, ok := p.encode(high).number(); ok {
		c.High = x
	}
	return c
}
