package space

import (
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/internal/pyjson"
)

// A Literal is a value as the text of a JSON scalar. Values are stored and compared in this form, which distinguishes
// 1, 1.0, true and "1".
//
// The text is in the form of Python's json module (floats have a ".0" or an
// exponent, strings are ASCII), so that files are shared with Optuna byte by
// byte. [Lit] and [ParseLiteral] write that form.
type Literal string

// Scalar is the constraint on the choices of a categorical parameter. Derived types (type Booster string) are
// allowed.
type Scalar interface {
	~bool | ~int | ~int8 | ~int16 | ~int32 | ~int64 |
		~uint8 | ~uint16 | ~uint32 | ~float32 | ~float64 | ~string
}

// Lit returns the literal of v: true, 3, 1e-05, "relu". A float32 is written in its shortest form. Bytes that are not
// UTF-8 become U+FFFD.
func Lit[T Scalar](v T) Literal {
	switch v := reflect.ValueOf(v); v.Kind() {
	case reflect.Bool:
		return Literal(strconv.FormatBool(v.Bool()))
	case reflect.String:
		return Literal(pyjson.AppendString(nil, v.String()))
	case reflect.Float32:
		return floatLiteral(pyjson.Widen(float32(v.Float())))
	case reflect.Float64:
		return floatLiteral(v.Float())
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return Literal(strconv.FormatUint(v.Uint(), 10))
	default:
		return Literal(strconv.FormatInt(v.Int(), 10))
	}
}

// ParseLiteral returns the canonical literal of JSON text, which must be a
// scalar: null, a bool, a number (NaN and Infinity included) or a string.
func ParseLiteral(text string) (Literal, error) {
	if canonicalFloat(text) { // the common case, for which this is the quick way
		return Literal(text), nil
	}
	v, err := pyjson.Parse(text)
	if err != nil {
		return "", pkg.Errorf("literal: %w", err)
	}
	if v.Kind == pyjson.List || v.Kind == pyjson.Object {
		return "", pkg.Errorf("literal %.60q: want a scalar, not a list or an object", text)
	}
	return Literal(v.Text), nil
}

// Any returns the value of l as nil, bool, int64, float64 or string. If l is not a
// JSON scalar, it returns the text of l.
func (l Literal) Any() any {
	v, err := pyjson.Parse(string(l))
	if err != nil {
		return string(l)
	}
	return v.Any()
}

// String returns l as readable text: a string has no quotes.
func (l Literal) String() string {
	if s, ok := l.Any().(string); ok {
		return s
	}
	return string(l)
}

// number returns the number that l is.
func (l Literal) number() (x float64, ok bool) {
	switch l {
	case "NaN":
		return math.NaN(), true
	case "Infinity":
		return math.Inf(1), true
	case "-Infinity":
		return math.Inf(-1), true
	}
	// ParseFloat also reads hexadecimal, underscores and Inf, which JSON does not.
	if l == "" || strings.Trim(string(l), "+-.0123456789eE") != "" || l[0] == '+' || l[0] == '.' {
		return 0, false
	}
	x, err := strconv.ParseFloat(string(l), 64)
	return x, err == nil
}

func floatLiteral(x float64) Literal { return Literal(pyjson.AppendFloat(nil, x)) }

// canonicalFloat reports whether text is a finite float in the form of [Lit].
func canonicalFloat(text string) bool {
	const longest = 24 // characters
	if len(text) > longest || !strings.ContainsAny(text, ".e") {
		return false
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return false
	}
	var b [longest]byte
	return string(pyjson.AppendFloat(b[:0], x)) == text
}
