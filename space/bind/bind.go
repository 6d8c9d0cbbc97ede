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
// It is an adapter: [Binding.Space] is a [space.Space] like any other.
//
// A tag is a name (the field's own if empty) and options, separated by commas:
//
//	min=, max=   bounds of a number, both included; both are needed
//	step=        values are min, min+step, min+2·step, ...
//	log          searched on a logarithmic scale; not with step
//	choices=     values separated by |, for strings and for numbers without bounds
//	when=        exists only if: another parameter, a colon, and values separated
//	             by | or, for a number, a range: when=depth:4..8, when=depth:4..
//
// when may stand several times; all must hold. The parameter it names must be
// declared before, in the same struct or, by its full name, anywhere. A bool needs
// no choices. Choices cannot have commas or bars; a space that needs them is
// declared in code.
//
// Fields of nested structs have dotted names: the name of the outer field, from
// its tag or its own, a dot and theirs. Embedded structs without a tag add no
// name. The only option of a struct is when, which then goes for all its fields.
package bind

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"

	"github.com/attune-hpo/attune/space"
)

// ErrMissing reports a parameter that a record should have and does not.
var ErrMissing = errors.New("bind: parameter missing")

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

// Of binds the struct type T. Fields that are not tagged, and parameters that do
// not exist, have the values they have in defaults; what pointers, slices and
// maps in it refer to is shared by all results.
//
// The error wraps [space.ErrInvalid] and names the field and the option: a field
// that is unexported or of a type that cannot be tuned, an option that is unknown
// or stands twice, a number that is none or that the field's type cannot hold, no
// tagged field at all, and whatever [space.Space.Normalize] refuses.
func Of[T any](defaults T) (*Binding[T], error) {
	b := &Binding[T]{defaults: defaults}
	t := reflect.TypeFor[T]()
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("bind: %v: %w: want a struct", t, space.ErrInvalid)
	}
	d := &declaration{}
	if err := d.walk(t, scope{}); err != nil {
		return nil, fmt.Errorf("bind: %v: %w", t, err)
	}
	if len(d.space) == 0 {
		return nil, fmt.Errorf("bind: %v: %w: no field is tagged: write `attune:\"name,min=0,max=1\"` behind one", t, space.ErrInvalid)
	}
	b.space, b.fields = d.space, d.fields
	return b, nil
}

// Must is Of for declarations in source code: it panics with the error.
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

// Suggest asks s for the parameters, in order, each only if its conditions hold
// for those before it. The other fields have their defaults.
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
			panic(fmt.Errorf("bind: field %s: %w", b.fields[i].path, err)) // Of has seen to it that all values fit
		}
	}
	return c
}

// Value returns the defaults with what [Binding.Read] makes of them.
func (b *Binding[T]) Value(g space.Getter) (T, error) {
	c := b.defaults
	err := b.Read(g, &c)
	return c, err
}

// Read stores the parameters that g has, the record of the best trial say, into
// c. A parameter whose conditions do not hold for g is left as it is in c; any
// other must be there, or the error wraps [ErrMissing]. A value need not lie in
// the bounds that the tag has now, but the field must be able to hold it (a float
// as nearly as its size allows), or the error wraps [space.ErrOutside].
//
// After an error c is as it was.
func (b *Binding[T]) Read(g space.Getter, c *T) error {
	out := *c
	v := reflect.ValueOf(&out).Elem()
	for i, a := range b.space {
		if !a.Exists(g) {
			continue
		}
		l, ok := g.Get(a.Name)
		if !ok {
			return fmt.Errorf("%w: %q, for field %s", ErrMissing, a.Name, b.fields[i].path)
		}
		if err := put(v.FieldByIndex(b.fields[i].index), l); err != nil {
			return fmt.Errorf("bind: parameter %q: field %s: %w", a.Name, b.fields[i].path, err)
		}
	}
	*c = out
	return nil
}

// Settings returns the parameters of c that exist in it, to be enqueued. Whether
// its values lie in the space is for whoever receives them to say.
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
