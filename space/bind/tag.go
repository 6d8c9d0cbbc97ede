package bind

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/space"
)

const tagKey = "attune"

// A scope is the struct that is being walked.
type scope struct {
	index  []int
	path   string            // of fields, with a dot behind
	prefix string            // of names, with a dot behind
	when   []space.Condition // of all its fields
}

// A declaration gathers the axes of a struct.
type declaration struct {
	space  space.Space
	fields []field
}

func (d *declaration) walk(t reflect.Type, in scope) error {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, tagged := f.Tag.Lookup(tagKey)
		if tag == "-" {
			continue
		}
		at := field{append(slices.Clip(in.index), i), in.path + f.Name}
		inner := f.Type.Kind() == reflect.Struct && hasTags(f.Type, nil)
		switch {
		case !tagged && !inner:
			switch f.Type.Kind() {
			case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
				if hasTags(f.Type.Elem(), nil) {
					return at.wrong("tagged fields within a %v: make it the struct itself, or tag it \"-\"", f.Type.Kind())
				}
			}
			continue
		case !f.IsExported() && !(f.Anonymous && inner):
			return at.wrong("it is not exported: begin its name with a capital letter")
		}
		declare := d.field
		if inner {
			declare = d.nested
		}
		if err := declare(f, parse(tag), at, in); err != nil {
			return err
		}
	}
	return nil
}

// nested walks the struct in field f.
func (d *declaration) nested(f reflect.StructField, o options, at field, in scope) error {
	if key, ok := o.beyond("when"); ok {
		return at.wrong("option %q: a struct has none but when", key)
	}
	inner := scope{at.index, at.path + ".", in.prefix, nil}
	if o.name != "" {
		inner.prefix += o.name + "."
	} else if !f.Anonymous {
		inner.prefix += f.Name + "."
	}
	when, err := d.conditions(o, at, in)
	if err != nil {
		return err
	}
	inner.when = when
	return d.walk(f.Type, inner)
}

// field declares the axis of field f.
func (d *declaration) field(f reflect.StructField, o options, at field, in scope) error {
	if o.name == "" {
		o.name = f.Name
	}
	a := space.Axis{Name: in.prefix + o.name}
	var err error
	if a.Distribution, err = distribution(f.Type, o, at); err != nil {
		return err
	}
	if a.When, err = d.conditions(o, at, in); err != nil {
		return err
	}
	if a.Prior, err = prior(o, at); err != nil {
		return err
	}
	if a.Where, err = d.constraints(o, a.Name, at, in); err != nil {
		return err
	}
	s, err := append(slices.Clip(d.space), a).Normalize()
	if err != nil {
		return fmt.Errorf("field %s: %w", at.path, err)
	}
	d.space, d.fields = s, append(d.fields, at)
	return nil
}

// options are those of one tag.
type options struct {
	name string
	list []option
}

type option struct {
	key, value string
	has        bool // a value, if an empty one
}

func parse(tag string) (o options) {
	name, rest, more := strings.Cut(tag, ",")
	o.name = strings.TrimSpace(name)
	for more {
		var part string
		part, rest, more = strings.Cut(rest, ",")
		key, value, has := strings.Cut(part, "=")
		o.list = append(o.list, option{strings.TrimSpace(key), strings.TrimSpace(value), has})
	}
	return o
}

// get returns the value of an option.
func (o options) get(key string) (string, bool) {
	for _, e := range o.list {
		if e.key == key {
			return e.value, true
		}
	}
	return "", false
}

// beyond returns the first option that is none of the given ones.
func (o options) beyond(keys ...string) (string, bool) {
	for _, e := range o.list {
		if !slices.Contains(keys, e.key) {
			return e.key, true
		}
	}
	return "", false
}

func (f field) wrong(format string, args ...any) error {
	return fmt.Errorf("field %s: %w: %s", f.path, space.ErrInvalid, fmt.Sprintf(format, args...))
}

// distribution returns what the options of a field say.
func distribution(t reflect.Type, o options, at field) (space.Distribution, error) {
	v := reflect.New(t).Elem()
	isNumber := v.CanInt() || v.CanUint() || v.CanFloat()
	if !isNumber && t.Kind() != reflect.String && t.Kind() != reflect.Bool || t.Kind() == reflect.Uintptr {
		return nil, at.wrong("type %v cannot be tuned: want a number, a string or a bool", t)
	}
	known := []string{"min", "max", "step", "log", "choices", "when", "where", "normal", "lognormal", "weights"}
	if key, ok := o.beyond(known...); ok {
		return nil, at.wrong("unknown option %q: want one of %s", key, strings.Join(known, ", "))
	}
	for i, e := range o.list {
		again := slices.ContainsFunc(o.list[:i], func(b option) bool { return b.key == e.key })
		switch {
		case again && e.key != "when" && e.key != "where":
			return nil, at.wrong("option %q is duplicated", e.key)
		case e.has && e.key == "log":
			return nil, at.wrong("option \"log\" takes no value: write log, or leave it out")
		case e.value == "" && e.key != "log" && e.key != "choices":
			return nil, at.wrong("option %q needs a value: write %s=...", e.key, e.key)
		}
	}
	if choices, ok := o.get("choices"); ok || t.Kind() == reflect.Bool || t.Kind() == reflect.String {
		if key, beyond := o.beyond("choices", "when", "where", "weights"); beyond {
			return nil, at.wrong("option %q: type %v with choices has no order, and no %s", key, t, key)
		}
		return choicesOf(v, choices, ok, at)
	}
	if _, ok := o.get("min"); !ok {
		return nil, at.wrong("option \"min\" is missing: write min= and max=, or choices=")
	}
	if _, ok := o.get("max"); !ok {
		return nil, at.wrong("option \"max\" is missing: write min= and max=, or choices=")
	}
	_, log := o.get("log")
	if v.CanFloat() {
		low, high, step, err := numbers(o, at, func(text string) (float64, error) { return strconv.ParseFloat(text, 64) })
		if err == nil && v.OverflowFloat(max(math.Abs(low), math.Abs(high))) {
			err = at.wrong("options \"min\" and \"max\": type %v does not reach that far", t)
		}
		return space.FloatDistribution{Low: low, High: high, Step: step, Log: log}, err
	}
	low, high, step, err := numbers(o, at, strconv.Atoi)
	if err == nil && low <= high {
		if put(v, space.Lit(low)) != nil || put(v, space.Lit(high)) != nil {
			return nil, at.wrong("options \"min\" and \"max\": type %v does not hold both %d and %d", t, low, high)
		}
	}
	return space.IntDistribution{Low: low, High: high, Step: step, Log: log}, err
}

// numbers reads min, max and step.
func numbers[N int | float64](o options, at field, parse func(string) (N, error)) (low, high, step N, err error) {
	for i, key := range []string{"min", "max", "step"} {
		text, ok := o.get(key)
		if !ok {
			continue
		}
		x, err := parse(text)
		if err != nil {
			return 0, 0, 0, at.wrong("option %q: %q is not a number of the field's type", key, text)
		}
		if key == "step" && !(x > 0) {
			return 0, 0, 0, at.wrong("option \"step\": %s: it must be greater than 0", text)
		}
		*[]*N{&low, &high, &step}[i] = x
	}
	return low, high, step, nil
}

// choicesOf returns the choices of a field whose zero value is v.
func choicesOf(v reflect.Value, list string, listed bool, at field) (space.Distribution, error) {
	if !listed && v.Kind() == reflect.Bool {
		return &space.CategoricalDistribution{Choices: []space.Literal{"false", "true"}}, nil
	}
	if !listed {
		return nil, at.wrong("option \"choices\" is missing: write choices=one|two")
	}
	d := &space.CategoricalDistribution{}
	for _, text := range strings.Split(list, "|") {
		l, err := literal(v, text)
		if err != nil {
			return nil, at.wrong("option \"choices\": %q is no %v", text, v.Type())
		}
		d.Choices = append(d.Choices, l)
	}
	return d, nil
}

// literal returns the literal of a text that v can hold.
func literal(v reflect.Value, text string) (space.Literal, error) {
	if v.Kind() == reflect.String {
		return space.Lit(text), nil
	}
	l, err := space.ParseLiteral(text)
	if err != nil {
		return "", err
	}
	if v.CanFloat() { // 1 is written as 1.0
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return "", err
		}
		l = space.Lit(x)
	}
	if err := put(v, l); err != nil {
		return "", err
	}
	return get(v, nil), nil
}

// conditions returns those of a field: of the struct it is in, and its own.
func (d *declaration) conditions(o options, at field, in scope) ([]space.Condition, error) {
	out := slices.Clip(in.when)
	for _, e := range o.list {
		if e.key != "when" {
			continue
		}
		name, list, ok := strings.Cut(e.value, ":")
		if !ok {
			return nil, at.wrong("option \"when\": %q: want when=parameter:value", e.value)
		}
		i := d.space.Index(in.prefix + name)
		if i < 0 {
			i = d.space.Index(name)
		}
		if i < 0 {
			return nil, at.wrong("option \"when\": no parameter %q is declared before", name)
		}
		c, err := condition(d.space[i], list)
		if err != nil {
			return nil, at.wrong("option \"when\": %q: %v", e.value, err)
		}
		out = append(out, c)
	}
	return out, nil
}

// prior returns the belief of a field, or nil.
func prior(o options, at field) (*space.Prior, error) {
	var found []space.Prior
	for _, e := range o.list {
		separator := map[string]string{"normal": ":", "lognormal": ":", "weights": "|"}[e.key]
		if separator == "" {
			continue
		}
		var numbers []float64
		for _, text := range strings.Split(e.value, separator) {
			x, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return nil, at.wrong("option %q: %q is not a number", e.key, text)
			}
			numbers = append(numbers, x)
		}
		switch {
		case e.key == "weights":
			found = append(found, space.Weights(numbers...))
		case len(numbers) != 2:
			return nil, at.wrong("option %q: %q: want two numbers with a colon between", e.key, e.value)
		case e.key == "normal":
			found = append(found, space.Normal(numbers[0], numbers[1]))
		default:
			found = append(found, space.LogNormal(numbers[0], numbers[1]))
		}
	}
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return &found[0], nil
	}
	return nil, at.wrong("it has two beliefs: leave one of them out")
}

// constraints returns those of the field that declares the parameter of the given name.
func (d *declaration) constraints(o options, own string, at field, in scope) (out []space.Constraint, err error) {
	for _, e := range o.list {
		if e.key != "where" {
			continue
		}
		c, err := space.ParseConstraint(e.value)
		if err != nil {
			return nil, at.wrong("option \"where\": %v", err)
		}
		out = append(out, c.Rename(func(name string) string {
			if full := in.prefix + name; full == own || d.space.Index(full) >= 0 {
				return full
			}
			return name
		}))
	}
	return out, nil
}

// condition returns the condition that a has one of the listed values, or lies in
// the range.
func condition(a space.Axis, list string) (space.Condition, error) {
	c := space.Condition{Name: a.Name}
	d, isChoice := a.Distribution.(*space.CategoricalDistribution)
	if from, to, ok := strings.Cut(list, ".."); ok && !isChoice {
		c.Low, c.High = math.Inf(-1), math.Inf(1)
		var err1, err2 error
		if from != "" {
			c.Low, err1 = strconv.ParseFloat(from, 64)
		}
		if to != "" {
			c.High, err2 = strconv.ParseFloat(to, 64)
		}
		return c, errors.Join(err1, err2)
	}
	for _, text := range strings.Split(list, "|") {
		l, err := space.ParseLiteral(text)
		if isChoice {
			l, err = choiceOf(d, text)
		}
		if err != nil {
			return c, err
		}
		c.Values = append(c.Values, l)
	}
	return c, nil
}

// choiceOf returns the choice that a text in a tag means: all are strings, bools
// or numbers.
func choiceOf(d *space.CategoricalDistribution, text string) (space.Literal, error) {
	x, err := strconv.ParseFloat(text, 64)
	for _, c := range d.Choices {
		switch v := c.Any().(type) {
		case float64:
			if err == nil && v == x {
				return c, nil
			}
		default:
			if c.String() == text {
				return c, nil
			}
		}
	}
	return "", fmt.Errorf("%q is not one of %v", text, d.Choices)
}

// hasTags reports whether a struct type has tagged fields, itself or within.
func hasTags(t reflect.Type, seen []reflect.Type) bool {
	if t.Kind() != reflect.Struct || slices.Contains(seen, t) {
		return false
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if tag, ok := f.Tag.Lookup(tagKey); ok && tag != "-" || !ok && hasTags(f.Type, append(seen, t)) {
			return true
		}
	}
	return false
}
