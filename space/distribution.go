package space

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/internal/pyjson"
)

const pkg fault.Package = "space"

var (
	// ErrInvalid reports an impossible declaration: reversed or NaN bounds, a logarithmic scale from zero, a step
	// that does not fit, no choices.
	ErrInvalid = errors.New("invalid declaration")
	// ErrOutside reports a value that its distribution does not contain.
	ErrOutside = errors.New("value outside the distribution")
	// ErrMismatch reports that one parameter name was used with two distributions.
	ErrMismatch = errors.New("parameter used with two distributions")
)

// A Distribution is the set of values that a parameter may take, and the scale on which it is searched. Inside the
// library a value is a coordinate, a float64: the number itself or, for a choice, its index. Literals are used where
// values are stored or shown.
//
// The set of distributions is closed: a switch over [FloatDistribution],
// [IntDistribution] and [*CategoricalDistribution] is exhaustive.
type Distribution interface {
	// Contains reports whether coordinate x is one of the values. NaN never is.
	Contains(x float64) bool
	// Encode returns the coordinate of l, or an error that wraps ErrOutside.
	Encode(l Literal) (float64, error)
	// Decode returns the literal of coordinate x, which d must contain.
	Decode(x float64) Literal
	// Len returns the number of values, or 0 if they are a continuum.
	Len() int
	// At returns the coordinate of the i-th value in ascending order,
	// 0 <= i < Len(). In a continuum At(0) is the lower bound.
	At(i int) float64
	// Normalize returns the distribution in the form that trials have: its upper
	// bound is lowered to the last value that its step reaches. It fails with an
	// error that wraps ErrInvalid.
	Normalize() (Distribution, error)
	// String returns the distribution as JSON, byte for byte as Optuna stores it.
	String() string

	distribution() // closed
}

// A FloatDistribution is a closed interval of reals or, with a Step, the grid
// Low, Low+Step, Low+2·Step, ... up to High.
type FloatDistribution struct {
	Low, High float64
	Step      float64 // 0 for a continuum
	Log       bool    // searched on a logarithmic scale; needs Low > 0 and no Step
}

// An IntDistribution is a closed interval of integers, Step apart.
type IntDistribution struct {
	Low, High int
	Step      int  // at least 1; 0 stands for 1
	Log       bool // searched on a logarithmic scale; needs Low >= 1 and Step 1
}

// A CategoricalDistribution is a finite set without an order. A coordinate is an index into Choices, which must not
// change while the distribution is in use.
type CategoricalDistribution struct{ Choices []Literal }

func (FloatDistribution) distribution()        {}
func (IntDistribution) distribution()          {}
func (*CategoricalDistribution) distribution() {}

// gridTolerance is how far, in steps, a value may lie from the grid: that of
// Optuna, so that what it accepts is accepted here.
const gridTolerance = 1e-8

// Contains implements [Distribution].
func (d FloatDistribution) Contains(x float64) bool {
	if !(d.Low <= x && x <= d.High) {
		return false
	}
	if d.Step == 0 {
		return true
	}
	k := (x - d.Low) / d.Step
	// Where steps are not much larger than the rounding of x itself, Optuna refuses
	// points of its own grid; these count here.
	rounding := 0x1p-50 * max(math.Abs(d.Low), math.Abs(d.High)) / d.Step
	return math.Abs(k-math.Round(k)) < gridTolerance+rounding
}

// Encode implements [Distribution].
func (d FloatDistribution) Encode(l Literal) (float64, error) { return encodeNumber(d, l) }

// Decode implements [Distribution].
func (d FloatDistribution) Decode(x float64) Literal { return floatLiteral(x) }

// Len implements [Distribution].
func (d FloatDistribution) Len() int {
	switch {
	case d.Low == d.High:
		return 1
	case d.Step == 0:
		return 0
	}
	return int(math.Round((d.High-d.Low)/d.Step)) + 1
}

// At implements [Distribution]. A point of the grid is rounded to 15 significant digits, so
// that the fourth value from 0 by 0.1 is 0.3 and not 0.30000000000000004. It is not rounded
// if the steps are so small that rounding would leave the grid.
func (d FloatDistribution) At(i int) float64 {
	switch i {
	case 0:
		return d.Low
	case d.Len() - 1:
		return d.High
	}
	x := d.Low + float64(i)*d.Step
	short, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 15, 64), 64)
	if math.Abs(short-x) < gridTolerance*d.Step {
		x = short
	}
	return min(max(x, d.Low), d.High)
}

// Normalize implements [Distribution].
func (d FloatDistribution) Normalize() (Distribution, error) {
	switch {
	case math.IsNaN(d.Low) || math.IsNaN(d.High) || math.IsInf(d.Low, 0) || math.IsInf(d.High, 0):
		return nil, invalid("bounds %v and %v: both must be finite numbers", d.Low, d.High)
	case d.Low > d.High:
		return nil, invalid("low %v exceeds high %v: swap them", d.Low, d.High)
	case math.IsInf(d.High-d.Low, 0):
		return nil, invalid("the width from %v to %v overflows a float64: narrow the bounds", d.Low, d.High)
	case d.Log && d.Low <= 0:
		return nil, invalid("low %v on a logarithmic scale: it must be greater than 0", d.Low)
	case math.IsNaN(d.Step) || math.IsInf(d.Step, 0) || d.Step < 0:
		return nil, invalid("step %v: it must be a positive number, or 0 for none", d.Step)
	case d.Log && d.Step != 0:
		return nil, invalid("step %v on a logarithmic scale: leave out one of the two", d.Step)
	}
	if d.Step != 0 {
		if (d.High-d.Low)/d.Step > maxCells {
			return nil, invalid("step %v divides [%v, %v] into more than %d values: use a larger step or none", d.Step, d.Low, d.High, maxCells)
		}
		d.High = trim(d.Low, d.High, d.Step)
	}
	return d, nil
}

// maxCells bounds integers, and the values of a grid, to what a float64 counts
// exactly: 2^53, or where an int has 32 bits as many as let it count the integers
// between two such bounds.
const maxCells = min(1<<53, math.MaxInt/2)

// trim returns the largest low + k·step that is not above high. It computes in
// decimals, as the numbers were written: from 0 by 0.1, 0.3 is reached. So is a
// high that is only the rounding of such a value: to trim twice is to trim once.
func trim(low, high, step float64) float64 {
	l, h, s := decimal(low), decimal(high), decimal(step)
	k := new(big.Rat).Sub(h, l)
	k.Quo(k, s)
	k.SetInt(new(big.Int).Quo(k.Num(), k.Denom()))
	at := l.Add(l, k.Mul(k, s))
	x, _ := at.Float64()
	if next, _ := at.Add(at, s).Float64(); next == high {
		return high
	}
	return x
}

func decimal(x float64) *big.Rat {
	r, _ := new(big.Rat).SetString(strconv.FormatFloat(x, 'g', -1, 64))
	return r
}

// String implements [Distribution].
func (d FloatDistribution) String() string {
	b := append(make([]byte, 0, 128), `{"name": "FloatDistribution", "attributes": {"step": `...)
	if d.Step == 0 {
		b = append(b, "null"...)
	} else {
		b = pyjson.AppendFloat(b, d.Step)
	}
	b = pyjson.AppendFloat(append(b, `, "low": `...), d.Low)
	b = pyjson.AppendFloat(append(b, `, "high": `...), d.High)
	b = strconv.AppendBool(append(b, `, "log": `...), d.Log)
	return string(append(b, "}}"...))
}

// Contains implements [Distribution].
func (d IntDistribution) Contains(x float64) bool {
	return x == math.Trunc(x) && float64(d.Low) <= x && x <= float64(d.High) &&
		(int(x)-d.Low)%d.step() == 0
}

func (d IntDistribution) step() int { return max(1, d.Step) }

// Encode implements [Distribution].
func (d IntDistribution) Encode(l Literal) (float64, error) { return encodeNumber(d, l) }

// Decode implements [Distribution].
func (d IntDistribution) Decode(x float64) Literal {
	return Literal(strconv.FormatInt(int64(x), 10))
}

// Len implements [Distribution].
func (d IntDistribution) Len() int { return (d.High-d.Low)/d.step() + 1 }

// At implements [Distribution].
func (d IntDistribution) At(i int) float64 { return float64(d.Low + i*d.step()) }

// Normalize implements [Distribution].
func (d IntDistribution) Normalize() (Distribution, error) {
	switch {
	case d.Low > d.High:
		return nil, invalid("low %d exceeds high %d: swap them", d.Low, d.High)
	case d.Low < -maxCells || d.High > maxCells: // beyond 2^53 a float64 skips integers
		return nil, invalid("bounds %d and %d: an integer must lie within ±%d", d.Low, d.High, maxCells)
	case d.Step < 0:
		return nil, invalid("step %d: it must be at least 1", d.Step)
	case d.Log && d.Low < 1:
		return nil, invalid("low %d on a logarithmic scale: it must be at least 1", d.Low)
	case d.Log && d.Step > 1:
		return nil, invalid("step %d on a logarithmic scale: leave out one of the two", d.Step)
	}
	d.Step = d.step()
	d.High = d.Low + (d.High-d.Low)/d.Step*d.Step
	return d, nil
}

// String implements [Distribution].
func (d IntDistribution) String() string {
	return fmt.Sprintf(`{"name": "IntDistribution", "attributes": {"log": %t, "step": %d, "low": %d, "high": %d}}`,
		d.Log, d.step(), d.Low, d.High)
}

// Contains implements [Distribution].
func (d *CategoricalDistribution) Contains(x float64) bool {
	return x == math.Trunc(x) && 0 <= x && x < float64(len(d.Choices))
}

// Encode implements [Distribution].
func (d *CategoricalDistribution) Encode(l Literal) (float64, error) {
	if i := slices.Index(d.Choices, l); i >= 0 {
		return float64(i), nil
	}
	return 0, pkg.Errorf("%w: %s is not one of the choices %s", ErrOutside, l, d.brief())
}

// Decode implements [Distribution].
func (d *CategoricalDistribution) Decode(x float64) Literal { return d.Choices[int(x)] }

// Len implements [Distribution].
func (d *CategoricalDistribution) Len() int { return len(d.Choices) }

// At implements [Distribution].
func (d *CategoricalDistribution) At(i int) float64 { return float64(i) }

// Normalize implements [Distribution].
func (d *CategoricalDistribution) Normalize() (Distribution, error) {
	if d == nil || len(d.Choices) == 0 {
		return nil, invalid("no choices: name at least one")
	}
	seen := make(map[Literal]bool, len(d.Choices))
	for _, c := range d.Choices {
		if v, err := pyjson.Parse(string(c)); err != nil || v.String() != string(c) {
			return nil, invalid("choice %.60q is not a literal: write it with space.Lit", string(c))
		}
		if seen[c] {
			return nil, invalid("choice %s is duplicated: name each choice once", string(c))
		}
		seen[c] = true
	}
	return d, nil
}

// String implements [Distribution].
func (d *CategoricalDistribution) String() string {
	return `{"name": "CategoricalDistribution", "attributes": {"choices": ` + list(d.Choices) + `}}`
}

func list(ls []Literal) string {
	b := []byte{'['}
	for i, l := range ls {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, l...)
	}
	return string(append(b, ']'))
}

// listed is how many choices an error message names.
const listed = 20

// brief lists the choices for an error message: of many only the first.
func (d *CategoricalDistribution) brief() string {
	if len(d.Choices) <= listed {
		return list(d.Choices)
	}
	return fmt.Sprintf("%s and %d more", list(d.Choices[:listed]), len(d.Choices)-listed)
}

func encodeNumber(d Distribution, l Literal) (float64, error) {
	x, ok := l.number()
	if !ok {
		return 0, pkg.Errorf("%w: %s is not a number: want %s", ErrOutside, l, Describe(d))
	}
	if !d.Contains(x) {
		return 0, pkg.Errorf("%w: %s is not in %s", ErrOutside, l, Describe(d))
	}
	return x, nil
}

func invalid(format string, args ...any) error {
	return pkg.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// Describe returns d as readable text: "float [1e-05, 0.1] log", "int [1, 9] step 2", "one of [relu tanh]". If there
// are more than 20 choices, it names the first 20.
func Describe(d Distribution) string {
	scale := ""
	switch d := d.(type) {
	case FloatDistribution:
		if d.Log {
			scale = " log"
		}
		if d.Step != 0 {
			scale = fmt.Sprintf(" step %v", d.Step)
		}
		return fmt.Sprintf("float [%v, %v]%s", d.Low, d.High, scale)
	case IntDistribution:
		if d.Log {
			scale = " log"
		}
		if d.step() != 1 {
			scale = fmt.Sprintf(" step %d", d.Step)
		}
		return fmt.Sprintf("int [%d, %d]%s", d.Low, d.High, scale)
	}
	choices := d.(*CategoricalDistribution).Choices
	if len(choices) <= listed {
		return fmt.Sprintf("one of %v", choices)
	}
	return fmt.Sprintf("one of %v and %d more", choices[:listed], len(choices)-listed)
}

// Equal reports whether a and b are the same distribution.
func Equal(a, b Distribution) bool {
	ca, ok1 := a.(*CategoricalDistribution)
	cb, ok2 := b.(*CategoricalDistribution)
	if ok1 && ok2 {
		return ca == cb || slices.Equal(ca.Choices, cb.Choices)
	}
	ia, ok1 := a.(IntDistribution)
	ib, ok2 := b.(IntDistribution)
	if ok1 && ok2 {
		ia.Step, ib.Step = ia.step(), ib.step()
		return ia == ib
	}
	return a == b
}

// Only returns the distribution whose single value is the value of d at coordinate x.
func Only(d Distribution, x float64) Distribution {
	switch d := d.(type) {
	case FloatDistribution:
		d.Low, d.High = x, x
		return d
	case IntDistribution:
		d.Low, d.High = int(x), int(x)
		return d
	}
	return &CategoricalDistribution{Choices: []Literal{d.Decode(x)}}
}

// Compatible reports whether a parameter may have both distributions in one study:
// bounds and steps may change from trial to trial, but the type, the scale and the
// choices may not.
func Compatible(a, b Distribution) bool {
	switch a := a.(type) {
	case FloatDistribution:
		b, ok := b.(FloatDistribution)
		return ok && a.Log == b.Log
	case IntDistribution:
		b, ok := b.(IntDistribution)
		return ok && a.Log == b.Log
	}
	return Equal(a, b)
}

// ParseDistribution reads the JSON that Optuna stores: that of
// [Distribution.String], in any order of keys, and the five legacy names
// (UniformDistribution, LogUniformDistribution, DiscreteUniformDistribution,
// IntUniformDistribution, IntLogUniformDistribution). The error wraps ErrInvalid.
//
// It accepts two things that occur in Optuna files but are not allowed in declarations: duplicate choices, which are
// read as the first of them, and a choice that is a list or an object, whose literal is that JSON.
func ParseDistribution(text string) (Distribution, error) {
	v, err := pyjson.Parse(text)
	if err != nil {
		return nil, pkg.Errorf("%w: %w", ErrInvalid, err)
	}
	d, err := distributionOf(v)
	if c, ok := d.(*CategoricalDistribution); ok && err == nil && len(c.Choices) > 0 {
		return c, nil
	}
	if err == nil {
		d, err = d.Normalize()
	}
	if err != nil {
		return nil, pkg.Errorf("distribution %.120q: %w", text, err)
	}
	return d, nil
}

func distributionOf(v pyjson.Value) (Distribution, error) {
	name, attrs := "", v
	if n, ok := v.Get("name"); ok {
		name, _ = n.Str()
		attrs, _ = v.Get("attributes")
	} else if n, ok := v.Get("type"); ok {
		name, _ = n.Str()
	}
	f := fields{Value: attrs}
	var d Distribution
	switch name {
	case "FloatDistribution", "float":
		d = FloatDistribution{f.float("low"), f.float("high"), f.optional("step"), f.flag("log")}
	case "IntDistribution", "int":
		d = IntDistribution{f.int("low"), f.int("high"), f.optionalInt("step"), f.flag("log")}
	case "UniformDistribution":
		d = FloatDistribution{Low: f.float("low"), High: f.float("high")}
	case "LogUniformDistribution":
		d = FloatDistribution{Low: f.float("low"), High: f.float("high"), Log: true}
	case "DiscreteUniformDistribution":
		d = FloatDistribution{Low: f.float("low"), High: f.float("high"), Step: f.float("q")}
	case "IntUniformDistribution":
		d = IntDistribution{Low: f.int("low"), High: f.int("high"), Step: f.optionalInt("step")}
	case "IntLogUniformDistribution":
		d = IntDistribution{Low: f.int("low"), High: f.int("high"), Log: true}
	case "CategoricalDistribution", "categorical":
		d = &CategoricalDistribution{f.literals("choices")}
	default:
		return nil, invalid("name %.60q: want FloatDistribution, IntDistribution or CategoricalDistribution", name)
	}
	return d, f.err
}

// fields reads the members of an object; the first error sticks.
type fields struct {
	pyjson.Value
	err error
}

func (f *fields) float(key string) float64 {
	v, ok := f.Get(key)
	x, isNumber := v.Number()
	if (!ok || !isNumber) && f.err == nil {
		f.err = invalid("%s: want a number", key)
	}
	return x
}

func (f *fields) int(key string) int { return f.whole(key, f.float(key)) }

func (f *fields) optionalInt(key string) int { return f.whole(key, f.optional(key)) }

// whole returns x, the number under key, as an integer.
func (f *fields) whole(key string, x float64) int {
	v, _ := f.Get(key)
	if n, ok := v.Any().(int64); ok && -maxCells <= n && n <= maxCells || !ok && x == math.Trunc(x) && math.Abs(x) <= maxCells {
		return int(x)
	}
	if f.err == nil {
		f.err = invalid("%s %s: want an integer within ±%d", key, v, maxCells)
	}
	return 0
}

func (f *fields) optional(key string) float64 {
	if v, ok := f.Get(key); !ok || v.Kind == pyjson.Null {
		return 0
	}
	return f.float(key)
}

func (f *fields) flag(key string) bool {
	v, ok := f.Get(key)
	if ok && v.Kind != pyjson.Bool && f.err == nil {
		f.err = invalid("%s: want true or false", key)
	}
	return v.Text == "true"
}

func (f *fields) literals(key string) []Literal {
	v, _ := f.Get(key)
	if v.Kind != pyjson.List && f.err == nil {
		f.err = invalid("%s: want a list", key)
	}
	ls := make([]Literal, len(v.List))
	for i, e := range v.List {
		ls[i] = Literal(e.String())
	}
	return ls
}
