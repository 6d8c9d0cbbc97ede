// Package pyjson reads and writes JSON like Python's json module in its default form:
// ", " and ": " between tokens, every character outside printable ASCII escaped,
// floats in their shortest form with a ".0" or an exponent, and the bare words
// NaN, Infinity and -Infinity.
//
// Optuna compares some of this text byte by byte, and distinguishes 1 from 1.0, so
// encoding/json cannot be used instead.
package pyjson

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/internal/plainjson"
)

const pkg fault.Package = "pyjson"

// AppendFloat appends x in the form of Python's repr: 1.0, 1e-05, 1e+16, NaN.
func AppendFloat(dst []byte, x float64) []byte {
	switch {
	case math.IsNaN(x):
		return append(dst, "NaN"...)
	case math.IsInf(x, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(x, -1):
		return append(dst, "-Infinity"...)
	}
	// Python uses an exponent if it is < -4 or >= 16.
	if abs := math.Abs(x); x != 0 && (abs < 1e-4 || abs >= 1e16) {
		return strconv.AppendFloat(dst, x, 'e', -1, 64)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, x, 'f', -1, 64)
	if !slices.Contains(dst[start:], '.') {
		dst = append(dst, ".0"...)
	}
	return dst
}

// Widen returns the float64 with the shortest decimal form of x: 0.1 for
// float32(0.1), not 0.10000000149011612.
func Widen(x float32) float64 {
	wide, _ := strconv.ParseFloat(strconv.FormatFloat(float64(x), 'g', -1, 32), 64)
	return wide
}

// AppendString appends s in quotes. Bytes that are not UTF-8 become U+FFFD.
func AppendString(dst []byte, s string) []byte {
	dst = append(slices.Grow(dst, len(s)+2), '"')
	for len(s) > 0 {
		if n := plain(s); n > 0 {
			dst, s = append(dst, s[:n]...), s[n:]
			continue
		}
		r, n := utf8.DecodeRuneInString(s)
		s = s[n:]
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r == '\r':
			dst = append(dst, '\\', 'r')
		case r == '\t':
			dst = append(dst, '\\', 't')
		case r == '\b':
			dst = append(dst, '\\', 'b')
		case r == '\f':
			dst = append(dst, '\\', 'f')
		case r >= 0x10000:
			hi, lo := utf16.EncodeRune(r)
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, hi, lo)
		default:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		}
	}
	return append(dst, '"')
}

// plain returns the number of bytes at the beginning of s that need no escape in a
// string: printable ASCII.
func plain(s string) int {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return i
		}
	}
	return len(s)
}

// Marshal returns v as JSON. Integers and floats keep their types. Maps are written in the
// order of their keys, and structs like encoding/json does. Marshal fails for values that
// JSON cannot represent: channels, functions, maps without string keys, cycles.
func Marshal(v any) (string, error) {
	b, err := appendValue(nil, reflect.ValueOf(v), 0)
	return string(b), err
}

const maxDepth = 200

func appendValue(dst []byte, v reflect.Value, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, pkg.Errorf("more than %d levels deep", maxDepth)
	}
	if !v.IsValid() {
		return append(dst, "null"...), nil
	}
	if v.CanInterface() && v.Kind() != reflect.Interface {
		if raw, ok := v.Interface().(Raw); ok {
			return append(dst, raw...), nil
		}
		switch v.Interface().(type) {
		case json.Marshaler, encoding.TextMarshaler, json.Number:
			return appendForeign(dst, v)
		}
	}
	switch v.Kind() {
	case reflect.Bool:
		return strconv.AppendBool(dst, v.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(dst, v.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.AppendUint(dst, v.Uint(), 10), nil
	case reflect.Float32:
		return AppendFloat(dst, Widen(float32(v.Float()))), nil
	case reflect.Float64:
		return AppendFloat(dst, v.Float()), nil
	case reflect.String:
		return AppendString(dst, v.String()), nil
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return append(dst, "null"...), nil
		}
		return appendValue(dst, v.Elem(), depth+1)
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && (v.IsNil() || v.Type().Elem().Kind() == reflect.Uint8) {
			return appendForeign(dst, v)
		}
		dst = append(dst, '[')
		for i := range v.Len() {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			var err error
			if dst, err = appendValue(dst, v.Index(i), depth+1); err != nil {
				return nil, err
			}
		}
		return append(dst, ']'), nil
	case reflect.Map:
		if v.IsNil() || v.Type().Key().Kind() != reflect.String {
			return appendForeign(dst, v)
		}
		members := make(map[string]reflect.Value, v.Len())
		for it := v.MapRange(); it.Next(); {
			members[it.Key().String()] = it.Value()
		}
		dst = append(dst, '{')
		for i, key := range slices.Sorted(maps.Keys(members)) {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(AppendString(dst, key), ": "...)
			var err error
			if dst, err = appendValue(dst, members[key], depth+1); err != nil {
				return nil, err
			}
		}
		return append(dst, '}'), nil
	}
	return appendForeign(dst, v)
}

// appendForeign appends v as encoding/json writes it, converted to this form.
func appendForeign(dst []byte, v reflect.Value) ([]byte, error) {
	b, err := json.Marshal(v.Interface())
	if err != nil {
		return nil, pkg.Errorf("%w", err)
	}
	parsed, err := Parse(string(b))
	if err != nil {
		return nil, err
	}
	return parsed.append(dst), nil
}

// Raw is text that is already JSON; [Marshal] writes it unchanged.
type Raw string

// A Kind is the type of a [Value].
type Kind uint8

// The kinds of JSON. Integers and floats differ in how they are written.
const (
	Null Kind = iota
	Bool
	Int
	Float
	String
	List
	Object
)

// A Value is parsed JSON. Scalars keep their text in canonical form: integers of
// any size digit by digit, floats as [AppendFloat] writes them.
type Value struct {
	Kind    Kind
	Text    string   // canonical JSON of a scalar
	List    []Value  // elements of a list
	Members []Member // members of an object, in the order of the text
}

// A Member is one member of an object.
type Member struct {
	Key   string
	Value Value
}

// Get returns the member of v with the given key; the last, if there are several.
func (v Value) Get(key string) (Value, bool) {
	for _, m := range slices.Backward(v.Members) {
		if m.Key == key {
			return m.Value, true
		}
	}
	return Value{}, false
}

// Number returns v as a float64; ok is false if v is not a number.
func (v Value) Number() (x float64, ok bool) {
	if v.Kind != Int && v.Kind != Float {
		return 0, false
	}
	return parseNumber(v.Text)
}

// Str returns the decoded string in v; ok is false if v is not a string.
func (v Value) Str() (s string, ok bool) {
	if v.Kind != String {
		return "", false
	}
	p := parser{text: v.Text}
	s, err := p.string()
	return s, err == nil
}

// String returns v as JSON text in canonical form.
func (v Value) String() string { return string(v.append(nil)) }

func (v Value) append(dst []byte) []byte {
	switch v.Kind {
	case List:
		dst = append(dst, '[')
		for i, e := range v.List {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = e.append(dst)
		}
		return append(dst, ']')
	case Object:
		dst = append(dst, '{')
		for i, m := range v.Members {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(AppendString(dst, m.Key), ": "...)
			dst = m.Value.append(dst)
		}
		return append(dst, '}')
	}
	return append(dst, v.Text...)
}

// Any returns v as Go values: nil, bool, int64, float64, string, []any and
// map[string]any. An integer too large for an int64 becomes a float64. If several members
// have the same key, the last one counts.
func (v Value) Any() any {
	switch v.Kind {
	case Bool:
		return v.Text == "true"
	case Int:
		if n, err := strconv.ParseInt(v.Text, 10, 64); err == nil {
			return n
		}
		x, _ := v.Number()
		return x
	case Float:
		x, _ := v.Number()
		return x
	case String:
		s, _ := v.Str()
		return s
	case List:
		list := make([]any, len(v.List))
		for i, e := range v.List {
			list[i] = e.Any()
		}
		return list
	case Object:
		object := make(map[string]any, len(v.Members))
		for _, m := range v.Members {
			object[m.Key] = m.Value.Any()
		}
		return object
	}
	return nil
}

// Unmarshal stores JSON text in the value that dst points to, like encoding/json. It also
// accepts NaN and the infinities where dst has a float64 or any.
func Unmarshal(text string, dst any) error {
	v, err := Parse(text)
	if err != nil {
		return err
	}
	if p, ok := dst.(*any); ok {
		*p = v.Any()
		return nil
	}
	if p, ok := dst.(*float64); ok {
		x, ok := v.Number()
		if !ok {
			return pkg.Errorf("%.40q is not a number", text)
		}
		*p = x
		return nil
	}
	if p, ok := dst.(*[]float64); ok && v.Kind == List {
		xs := make([]float64, len(v.List))
		for i, e := range v.List {
			if xs[i], ok = e.Number(); !ok {
				return pkg.Errorf("element %d of %.40q is not a number", i, text)
			}
		}
		*p = xs
		return nil
	}
	if err := json.Unmarshal([]byte(text), dst); err != nil {
		return pkg.Errorf("%w", plainjson.Explain(err))
	}
	return nil
}

// Parse reads one JSON value and nothing after it.
func Parse(text string) (Value, error) {
	p := parser{text: text}
	return p.whole()
}

// Check returns the error that Parse would return, but keeps nothing of the text.
func Check(text string) error {
	p := parser{text: text, check: true}
	_, err := p.whole()
	return err
}

type parser struct {
	text  string
	at    int
	check bool // only check: leave values and strings empty
}

// whole reads a value that must be all of the text.
func (p *parser) whole() (Value, error) {
	v, err := p.value(0)
	if err != nil {
		return Value{}, err
	}
	if p.space(); p.at < len(p.text) {
		return Value{}, p.fail("end of text")
	}
	return v, nil
}

func (p *parser) fail(want string) error {
	return pkg.Errorf("byte %d of %.60q: want %s", p.at, p.text, want)
}

func (p *parser) space() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

// take moves past token if it comes next after white space.
func (p *parser) take(token string) bool {
	p.space()
	if !strings.HasPrefix(p.text[p.at:], token) {
		return false
	}
	p.at += len(token)
	return true
}

var words = []struct {
	text string
	kind Kind
}{{"null", Null}, {"true", Bool}, {"false", Bool}, {"NaN", Float}, {"Infinity", Float}, {"-Infinity", Float}}

func (p *parser) value(depth int) (Value, error) {
	if depth > maxDepth {
		return Value{}, p.fail(fmt.Sprintf("at most %d levels", maxDepth))
	}
	for _, w := range words {
		if p.take(w.text) {
			return Value{Kind: w.kind, Text: w.text}, nil
		}
	}
	switch p.space(); {
	case p.at == len(p.text):
		return Value{}, p.fail("a value")
	case p.text[p.at] == '"':
		s, err := p.string()
		if p.check {
			return Value{}, err
		}
		return Value{Kind: String, Text: string(AppendString(nil, s))}, err
	case p.take("["):
		return p.list(depth)
	case p.take("{"):
		return p.object(depth)
	}
	return p.number()
}

func (p *parser) list(depth int) (Value, error) {
	v := Value{Kind: List}
	if p.take("]") {
		return v, nil
	}
	for {
		e, err := p.value(depth + 1)
		if err != nil {
			return Value{}, err
		}
		if !p.check {
			v.List = append(v.List, e)
		}
		if p.take("]") {
			return v, nil
		}
		if !p.take(",") {
			return Value{}, p.fail(`"," or "]"`)
		}
	}
}

func (p *parser) object(depth int) (Value, error) {
	v := Value{Kind: Object}
	if p.take("}") {
		return v, nil
	}
	for {
		p.space()
		key, err := p.string()
		if err != nil {
			return Value{}, err
		}
		if !p.take(":") {
			return Value{}, p.fail(`":"`)
		}
		e, err := p.value(depth + 1)
		if err != nil {
			return Value{}, err
		}
		if !p.check {
			v.Members = append(v.Members, Member{key, e})
		}
		if p.take("}") {
			return v, nil
		}
		if !p.take(",") {
			return Value{}, p.fail(`"," or "}"`)
		}
	}
}

func (p *parser) number() (Value, error) {
	start := p.at
	for p.at < len(p.text) && strings.IndexByte("+-.0123456789eE", p.text[p.at]) >= 0 {
		p.at++
	}
	text := p.text[start:p.at]
	if !json.Valid([]byte(text)) {
		p.at = start
		return Value{}, p.fail("a value")
	}
	if !strings.ContainsAny(text, ".eE") {
		if text == "-0" { // integers have only one zero
			text = "0"
		}
		return Value{Kind: Int, Text: text}, nil
	}
	x, _ := parseNumber(text)
	return Value{Kind: Float, Text: string(AppendFloat(nil, x))}, nil
}

// parseNumber reads a number like Python does: a number out of range is infinite.
func parseNumber(text string) (x float64, ok bool) {
	x, err := strconv.ParseFloat(text, 64)
	return x, err == nil || math.IsInf(x, 0)
}

// string reads a string in quotes.
func (p *parser) string() (string, error) {
	if p.at == len(p.text) || p.text[p.at] != '"' {
		return "", p.fail("a string")
	}
	p.at++
	var out []byte
	for p.at < len(p.text) {
		if n := plain(p.text[p.at:]); n > 0 {
			if !p.check {
				out = append(out, p.text[p.at:p.at+n]...)
			}
			p.at += n
			continue
		}
		c := p.text[p.at]
		switch {
		case c == '"':
			p.at++
			return string(out), nil
		case c < ' ':
			return "", p.fail("no control character in a string")
		case c != '\\':
			r, n := utf8.DecodeRuneInString(p.text[p.at:])
			if !p.check {
				out = utf8.AppendRune(out, r)
			}
			p.at += n
		default:
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			if !p.check {
				out = utf8.AppendRune(out, r)
			}
		}
	}
	return "", p.fail("the end of a string")
}

// escape reads an escape sequence; a lone surrogate becomes U+FFFD.
func (p *parser) escape() (rune, error) {
	if p.at+1 < len(p.text) {
		if i := strings.IndexByte(`"\/bfnrt`, p.text[p.at+1]); i >= 0 {
			p.at += 2
			return rune("\"\\/\b\f\n\r\t"[i]), nil
		}
	}
	r, ok := p.hex()
	if !ok {
		return 0, p.fail("an escape sequence")
	}
	if utf16.IsSurrogate(r) {
		mark := p.at
		if low, ok := p.hex(); ok {
			if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
				return both, nil
			}
		}
		p.at = mark
		return utf8.RuneError, nil
	}
	return r, nil
}

// hex reads \uXXXX.
func (p *parser) hex() (rune, bool) {
	if len(p.text) < p.at+6 || p.text[p.at:p.at+2] != `\u` {
		return 0, false
	}
	n, err := strconv.ParseUint(p.text[p.at+2:p.at+6], 16, 16)
	if err != nil {
		return 0, false
	}
	p.at += 6
	return rune(n), true
}
