// Package bind declares a search space as a struct, and binds values back into it.
//
//	type Config struct {
//		Booster string  `attune:"booster,choices=gbdt|dart"`
//		LR      float64 `attune:"lr,min=1e-5,max=1e-1,log"`
//		Depth   int     `attune:"depth,min=2,max=12,step=2"`
//		Drop    float64 `attune:"drop,min=0,max=0.5,when=booster:dart"`
//		Bagging bool    `attune:"bagging"`
//		Threads int     // not tagged: left as it is
//	}
//
//	var config = bind.Must(Config{Threads: 4})
//	...
//	c := config.Suggest(t)           // in the objective, a Config
//	c, err := config.Value(best)     // from the best trial, a Config
//
// [Binding.Space] is a [space.Space] like any other.
//
// A tag is a name (the field's own if empty) and options, separated by commas:
//
//	min=, max=   bounds of a number, both included; both are needed
//	step=        values are min, min+step, min+2·step, ...
//	log          searched on a logarithmic scale; not with step
//	choices=     values separated by |, of a string, or of a number without bounds
//	when=        the condition under which the parameter exists: another parameter,
//	             a colon, and values separated by | or, of a number, a range:
//	             when=booster:gbdt|dart, when=depth:4..8, when=depth:4..
//	normal=      a belief about where good values of a number lie: normal=mean:deviation
//	lognormal=   likewise: lognormal=median:factor
//	weights=     likewise, of choices, in their order: weights=5|1
//	where=       a constraint on this number and others that are declared before it:
//	             where=low<high, where=a+b<=1
//
// A bool needs no choices. Choices cannot contain commas or bars: declare such a
// space in code. Several when options must all hold, and so must several where options. A
// condition or a constraint may name any
// parameter that is declared before it: one of the same struct by its own name, any
// other by its full name.
//
// A field of a nested struct has a dotted name: the name of the outer field, a dot,
// and its own. An embedded struct without a tag adds no name. The only option of a
// struct is when, which applies to all its fields.
package bind

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/space"
)

const pkg fault.Package = "bind"

// ErrMissing reports that a record lacks a parameter that it should have.
var ErrMissing = errors.New("parameter missing")

// A Binding ties the tagged fields of a struct type to parameters. It is
// immutable and safe for concurrent use.
type Binding[T any] struct {
	defaults T
	space    space.Space
	fields   []field // as in space
}

// A field is where a parameter is kept.
type field struct {
	index []int
	path  string // Model.Depth
}

// Of binds the struct type T. Fields without a tag, and fields whose parameter does not exist in a trial, keep their
// value from defaults. All results share the targets of pointers, slices and maps in defaults.
//
// It fails if no field is tagged; if a tagged field is unexported or has a type that
// cannot be tuned; if an option is unknown or repeated; if a number cannot be read,
// or the type of the field cannot hold it; and whenever [space.Space.Normalize]
// does. The error wraps [space.ErrInvalid] and names the field and the option.
func Of[T any](defaults T) (*Binding[T], error) {
	b := &Binding[T]{defaults: defaults}
	t := reflect.TypeFor[T]()
	if t.Kind() != reflect.Struct {
		return nil, pkg.Errorf("%v: %w: want a struct", t, space.ErrInvalid)
	}
	d := &declaration{}
	if err := d.walk(t, scope{}); err != nil {
		return nil, pkg.Errorf("%v: %w", t, err)
	}
	if len(d.space) == 0 {
		return nil, pkg.Errorf("%v: %w: no field is tagged: tag one, as in `attune:\"name,min=0,max=1\"`", t, space.ErrInvalid)
	}
	b.space, b.fields = d.space, d.fields
	return b, nil
}

// Must is [Of] for declarations in source code: it panics where Of fails.
func Must[T any](defaults T) *Binding[T] {
	b, err := Of(defaults)
	if err != nil {
		panic(err)
	}
	return b
}

// Space returns the parameters, in the order of the fields.
func (b *Binding[T]) Space() space.Space {
	s, _ := b.space.Normalize() // a copy
	return s
}

// Suggest asks s, in order, for each parameter whose conditions hold for the earlier ones. The other fields have
// their defaults.
func (b *Binding[T]) Suggest(s space.Suggester) T {
	c := b.defaults
	v := reflect.ValueOf(&c).Elem()
	var given space.Settings
	for i, a := range b.space {
		if !a.Exists(given) {
			continue
		}
		l := a.Distribution.Decode(s.Suggest(a))
		given = append(given, space.Setting{Name: a.Name, Value: l})
		if err := put(v.FieldByIndex(b.fields[i].index), l); err != nil {
			panic(pkg.Errorf("field %s: %w", b.fields[i].path, err)) // Of has seen to it that all values fit
		}
	}
	return c
}

// Value returns the defaults with the parameters of g; see [Binding.Read].
func (b *Binding[T]) Value(g space.Getter) (T, error) {
	c := b.defaults
	err := b.Read(g, &c)
	return c, err
}

// Read stores the parameters of g, which may be the record of the best trial, into
// c. It leaves a field as it is if the conditions of its parameter do not hold for
// g.
//
// It fails with [ErrMissing] if g lacks a parameter whose conditions hold, and with
// [space.ErrOutside] if a field cannot hold the value. A value need not lie in the
// bounds of the tag, and a float32 takes the nearest one that it has. After an error
// c is as it was.
func (b *Binding[T]) Read(g space.Getter, c *T) error {
	out := *c
	v := reflect.ValueOf(&out).Elem()
	for i, a := range b.space {
		if !a.Exists(g) {
			continue
		}
		l, ok := g.Get(a.Name)
		if !ok {
			return pkg.Errorf("%w: %q, for field %s", ErrMissing, a.Name, b.fields[i].path)
		}
		if err := put(v.FieldByIndex(b.fields[i].index), l); err != nil {
			return pkg.Errorf("parameter %q: field %s: %w", a.Name, b.fields[i].path, err)
		}
	}
	*c = out
	return nil
}

// Settings returns the parameters that exist in c as settings, which can be
// enqueued. It does not check that the values lie in the space.
func (b *Binding[T]) Settings(c T) []space.Setting {
	v := reflect.ValueOf(c)
	var given space.Settings
	for i, a := range b.space {
		if a.Exists(given) {
			given = append(given, space.Setting{Name: a.Name, Value: get(v.FieldByIndex(b.fields[i].index), a.Distribution)})
		}
	}
	return given
}

// get returns the value of a field as a literal.
func get(v reflect.Value, d space.Distribution) space.Literal {
	switch {
	case v.Kind() == reflect.String:
		return space.Lit(v.String())
	case v.Kind() == reflect.Bool:
		return space.Lit(v.Bool())
	case v.CanInt():
		return space.Literal(strconv.FormatInt(v.Int(), 10))
	case v.CanUint():
		return space.Literal(strconv.FormatUint(v.Uint(), 10))
	case v.Kind() == reflect.Float32:
		x := float32(v.Float())
		// A bound that a float32 rounds is still the bound.
		if f, ok := d.(space.FloatDistribution); ok && x == float32(f.Low) {
			return space.Lit(f.Low)
		} else if ok && x == float32(f.High) {
			return space.Lit(f.High)
		}
		return space.Lit(x)
	}
	return space.Lit(v.Float())
}

// put stores a literal into a field, if it can hold it.
func put(v reflect.Value, l space.Literal) error {
	value := l.Any()
	if whole, ok := value.(float64); ok && (v.CanInt() || v.CanUint()) && whole == math.Trunc(whole) && math.Abs(whole) <= 1<<53 {
		value = int64(whole)
	}
	switch x := value.(type) {
	case bool:
		if v.Kind() == reflect.Bool {
			v.SetBool(x)
			return nil
		}
	case string:
		if v.Kind() == reflect.String && l != "" && l[0] == '"' {
			v.SetString(x)
			return nil
		}
	case int64:
		switch {
		case v.CanInt() && !v.OverflowInt(x):
			v.SetInt(x)
			return nil
		case v.CanUint() && x >= 0 && !v.OverflowUint(uint64(x)):
			v.SetUint(uint64(x))
			return nil
		case v.CanFloat() && !v.OverflowFloat(float64(x)):
			v.SetFloat(float64(x))
			return nil
		}
	case float64:
		if v.CanFloat() && !v.OverflowFloat(x) {
			v.SetFloat(x)
			return nil
		}
	}
	return fmt.Errorf("%w: %s does not fit type %v", space.ErrOutside, string(l), v.Type())
}
