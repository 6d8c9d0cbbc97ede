package tree

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// A value is a decoded JSON or UBJSON document: nil, bool, float64, string,
// []float64 (an array that is empty or holds only numbers), []any or
// map[string]any. Decoding takes memory in proportion to the input, because it trusts no
// declared size before it has seen the bytes.
type value struct {
	v    any
	path string // place in the document, for errors
}

const maxDepth = 1000 // of nested arrays and objects

var errShort = errors.New("ends too early")

// get returns the member of an object, or nil if it is absent or v is not an object.
func (v value) get(key string) value {
	o, _ := v.v.(map[string]any)
	return value{o[key], v.path + "." + key}
}

func (v value) errorf(format string, args ...any) error {
	path := v.path
	if path == "" {
		path = "document"
	}
	return fmt.Errorf("%s: %w", path, fmt.Errorf(format, args...))
}

func (v value) absent() bool { return v.v == nil }

func (v value) kind() string {
	switch v.v.(type) {
	case nil:
		return "nothing"
	case bool:
		return "a bool"
	case float64:
		return "a number"
	case string:
		return "a string"
	case []float64, []any:
		return "an array"
	}
	return "an object"
}

func (v value) str() (string, error) {
	s, ok := v.v.(string)
	if !ok {
		return "", v.errorf("want a string, have %s", v.kind())
	}
	return s, nil
}

func (v value) float() (float64, error) {
	switch x := v.v.(type) {
	case float64:
		return x, nil
	case string: // XGBoost writes parameters as strings
		f, err := strconv.ParseFloat(x, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return 0, v.errorf("want a number, have %q", x)
		}
		return f, nil
	}
	return 0, v.errorf("want a number, have %s", v.kind())
}

func (v value) int() (int, error) {
	f, err := v.float()
	if err != nil {
		return 0, err
	}
	if f != math.Trunc(f) || math.Abs(f) > most {
		return 0, v.whole(f)
	}
	return int(f), nil
}

const most = 1 << 52 // bound of whole numbers

func (v value) whole(have float64) error { return v.errorf("want a whole number, have %v", have) }

// floats returns an array of numbers; bools count as 0 and 1.
func (v value) floats() ([]float64, error) {
	switch a := v.v.(type) {
	case []float64:
		return a, nil
	case []any:
		out := make([]float64, len(a))
		for i, e := range a {
			switch x := e.(type) {
			case float64:
				out[i] = x
			case bool:
				if x {
					out[i] = 1
				}
			default:
				return nil, value{e, element(v.path, i)}.errorf("want a number, have %s", value{v: e}.kind())
			}
		}
		return out, nil
	}
	return nil, v.errorf("want an array of numbers, have %s", v.kind())
}

func (v value) ints() ([]int, error) {
	f, err := v.floats()
	if err != nil {
		return nil, err
	}
	out := make([]int, len(f))
	for i, x := range f {
		if x != math.Trunc(x) || math.Abs(x) > most {
			return nil, value{nil, element(v.path, i)}.whole(x)
		}
		out[i] = int(x)
	}
	return out, nil
}

// element is the path of an element of an array.
func element(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// list returns the elements of an array. An absent array has none.
func (v value) list() ([]value, error) {
	switch a := v.v.(type) {
	case nil:
		return nil, nil
	case []float64:
		out := make([]value, len(a))
		for i, e := range a {
			out[i] = value{e, element(v.path, i)}
		}
		return out, nil
	case []any:
		out := make([]value, len(a))
		for i, e := range a {
			out[i] = value{e, element(v.path, i)}
		}
		return out, nil
	}
	return nil, v.errorf("want an array, have %s", v.kind())
}

// elements collects an array, as []float64 as long as all elements are numbers.
type elements struct {
	nums []float64
	any  []any
}

func (e *elements) add(x any) {
	if f, ok := x.(float64); ok && e.any == nil {
		e.nums = append(e.nums, f)
		return
	}
	if e.any == nil {
		e.any = make([]any, 0, len(e.nums)+1)
		for _, f := range e.nums {
			e.any = append(e.any, f)
		}
		e.nums = nil
	}
	e.any = append(e.any, x)
}

func (e *elements) value() any {
	if e.any != nil {
		return e.any
	}
	return e.nums
}

// decodeJSON reads JSON, and also the bare NaN, Infinity and -Infinity that XGBoost 1.x
// wrote.
func decodeJSON(data []byte) (value, error) {
	p := &jsonParser{data: data}
	v, err := p.value(0)
	if err == nil {
		if p.space(); p.at < len(data) {
			err = fmt.Errorf("unexpected %q after the end", p.data[p.at])
		}
	}
	if err != nil {
		return value{}, fmt.Errorf("JSON at byte %d: %w", p.at, err)
	}
	return value{v: v}, nil
}

type jsonParser struct {
	data []byte
	at   int
}

func (p *jsonParser) space() {
	for p.at < len(p.data) {
		switch p.data[p.at] {
		case ' ', '\t', '\r', '\n':
			p.at++
		default:
			return
		}
	}
}

// next skips white space and returns the byte that follows, or 0 at the end.
func (p *jsonParser) next() byte {
	if p.space(); p.at < len(p.data) {
		return p.data[p.at]
	}
	return 0
}

func (p *jsonParser) expect(c byte) error {
	switch got := p.next(); {
	case p.at >= len(p.data):
		return errShort
	case got != c:
		return fmt.Errorf("want %q, have %q", c, got)
	}
	p.at++
	return nil
}

var jsonWords = []struct {
	text string
	is   any
}{
	{"null", nil}, {"true", true}, {"false", false},
	{"NaN", math.NaN()}, {"Infinity", math.Inf(1)}, {"-Infinity", math.Inf(-1)}, {"-NaN", math.NaN()},
}

func (p *jsonParser) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested more than %d deep", maxDepth)
	}
	switch c := p.next(); {
	case p.at >= len(p.data):
		return nil, errShort
	case c == '{':
		o := map[string]any{}
		err := p.object(func(key string) (err error) {
			o[key], err = p.value(depth + 1)
			return err
		})
		if err != nil {
			return nil, err
		}
		return o, nil
	case c == '[':
		var e elements
		err := p.array(func() error {
			if e.any == nil && p.numeric() { // most of a model
				if e.nums == nil {
					e.nums = make([]float64, 0, p.commas()+1)
				}
				x, err := p.number()
				e.nums = append(e.nums, x)
				return err
			}
			x, err := p.value(depth + 1)
			if err == nil {
				e.add(x)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		return e.value(), nil
	case c == '"':
		return p.str()
	case c == '-' || c >= 'A':
		for _, w := range jsonWords {
			if bytes.HasPrefix(p.data[p.at:], []byte(w.text)) {
				p.at += len(w.text)
				return w.is, nil
			}
		}
	}
	f, err := p.number()
	if err != nil {
		return nil, err
	}
	return f, nil
}

// object reads an object. It calls member to read the value of each key.
func (p *jsonParser) object(member func(key string) error) error {
	return p.items('{', '}', func() error {
		k, err := p.str()
		if err != nil {
			return err
		}
		if err := p.expect(':'); err != nil {
			return err
		}
		return member(k)
	})
}

// array reads an array. It calls element at the start of each element.
func (p *jsonParser) array(element func() error) error { return p.items('[', ']', element) }

// items reads comma-separated items between begin and end. It calls item at the start of
// each.
func (p *jsonParser) items(begin, end byte, item func() error) error {
	if err := p.expect(begin); err != nil {
		return err
	}
	for first := true; ; first = false {
		if p.next() == end {
			p.at++
			return nil
		}
		if !first {
			if err := p.expect(','); err != nil {
				return err
			}
			p.space()
		}
		if err := item(); err != nil {
			return err
		}
	}
}

// commas returns the number of commas before the end of this array, or 0 if it contains
// another array: counting nested arrays again at each level would take quadratic time.
func (p *jsonParser) commas() int {
	rest := p.data[p.at:]
	rest = rest[:max(bytes.IndexByte(rest, ']'), 0)]
	if bytes.IndexByte(rest, '[') >= 0 {
		return 0
	}
	return bytes.Count(rest, []byte(","))
}

// numeric reports whether a number comes next.
func (p *jsonParser) numeric() bool {
	rest := p.data[p.at:]
	if len(rest) > 1 && rest[0] == '-' {
		rest = rest[1:]
	}
	return len(rest) > 0 && rest[0] >= '0' && rest[0] <= '9'
}

// token returns the longest run of characters that may occur in a number.
func (p *jsonParser) token() []byte {
	for n, c := range p.data[p.at:] {
		switch c {
		case '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '+', '-', '.', 'e', 'E':
		default:
			return p.data[p.at : p.at+n]
		}
	}
	return p.data[p.at:]
}

// number reads a number, or another word that ParseFloat accepts. A number that is out of
// range becomes infinite.
func (p *jsonParser) number() (float64, error) {
	if f, n := short(p.data[p.at:]); n > 0 {
		p.at += n
		return f, nil
	}
	t := p.token()
	f, err := strconv.ParseFloat(string(t), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, p.unexpected()
	}
	p.at += len(t)
	return f, nil
}

func (p *jsonParser) unexpected() error {
	if p.at >= len(p.data) {
		return errShort
	}
	return fmt.Errorf("unexpected %q", p.data[p.at])
}

var tens = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// short reads the number that text begins with, if it has at most 15 digits and a power
// of ten within 10^±22. Both are then exact, so the result is rounded only once (Clinger,
// How to Read Floating Point Numbers Accurately, 1990). It also returns the length of
// the number, or 0 for anything else.
func short[T string | []byte](text T) (x float64, length int) {
	i := 0
	negative := len(text) > 0 && text[0] == '-'
	if negative {
		i++
	}
	var n uint64
	from := i
	for ; i < len(text) && text[i]-'0' <= 9; i++ {
		n = n*10 + uint64(text[i]-'0')
	}
	digits, exponent := i-from, 0
	if digits == 0 {
		return 0, 0
	}
	if i < len(text) && text[i] == '.' {
		i++
		point := i
		for ; i < len(text) && text[i]-'0' <= 9; i++ {
			n = n*10 + uint64(text[i]-'0')
		}
		if exponent = point - i; exponent == 0 {
			return 0, 0
		}
		digits -= exponent
	}
	if i < len(text) && text[i]|' ' == 'e' {
		i++
		down := i < len(text) && text[i] == '-'
		if down || i < len(text) && text[i] == '+' {
			i++
		}
		e, from := 0, i
		for ; i < len(text) && text[i]-'0' <= 9 && e < 1000; i++ {
			e = e*10 + int(text[i]-'0')
		}
		if i == from {
			return 0, 0
		}
		if down {
			e = -e
		}
		exponent += e
	}
	if digits > 15 || exponent < -22 || exponent > 22 {
		return 0, 0
	}
	if i < len(text) { // these cannot follow a number
		switch text[i] {
		case '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '+', '-', '.', 'e', 'E':
			return 0, 0
		}
	}
	x = float64(n)
	if exponent < 0 {
		x /= tens[-exponent]
	} else {
		x *= tens[exponent]
	}
	if negative {
		x = -x
	}
	return x, i
}

func (p *jsonParser) str() (string, error) {
	if p.at >= len(p.data) {
		return "", errShort
	}
	if p.data[p.at] != '"' {
		return "", fmt.Errorf("want a string, have %q", p.data[p.at])
	}
	plain := true // ASCII without escapes
	for end := p.at + 1; end < len(p.data); end++ {
		switch c := p.data[end]; {
		case c == '\\':
			plain = false
			end++
		case c < ' ' || c >= utf8.RuneSelf:
			plain = false
		case c == '"':
			raw := p.data[p.at : end+1]
			var s string
			if plain {
				s = string(raw[1 : len(raw)-1])
			} else if err := json.Unmarshal(raw, &s); err != nil {
				return "", err
			}
			p.at = end + 1
			return s, nil
		}
	}
	return "", errShort
}

// decodeUBJSON reads Universal Binary JSON as XGBoost writes it: draft 12, with
// typed and counted containers.
func decodeUBJSON(data []byte) (value, error) {
	p := &ubjParser{data: data}
	v, err := p.value(0)
	if err != nil {
		return value{}, fmt.Errorf("UBJSON at byte %d: %w", p.at, err)
	}
	return value{v: v}, nil
}

type ubjParser struct {
	data []byte
	at   int
}

func (p *ubjParser) take(n int) ([]byte, error) {
	if n < 0 || n > len(p.data)-p.at {
		return nil, errShort
	}
	b := p.data[p.at : p.at+n]
	p.at += n
	return b, nil
}

// marker returns the next type marker. It skips N (no operation).
func (p *ubjParser) marker() (byte, error) {
	for {
		b, err := p.take(1)
		if err != nil {
			return 0, err
		}
		if b[0] != 'N' {
			return b[0], nil
		}
	}
}

func (p *ubjParser) peek() byte {
	if p.at < len(p.data) {
		return p.data[p.at]
	}
	return 0
}

// ubjSize returns the size of a number by its marker: I, U and i are integers of 2, 1 and 1
// bytes, l and L of 4 and 8; d and D are floats.
func ubjSize(marker byte) int {
	switch marker {
	case 'i', 'U':
		return 1
	case 'I':
		return 2
	case 'l', 'd':
		return 4
	case 'L', 'D':
		return 8
	}
	return 0
}

func ubjNumber(marker byte, b []byte) float64 {
	switch marker {
	case 'i':
		return float64(int8(b[0]))
	case 'U':
		return float64(b[0])
	case 'I':
		return float64(int16(binary.BigEndian.Uint16(b)))
	case 'l':
		return float64(int32(binary.BigEndian.Uint32(b)))
	case 'L':
		return float64(int64(binary.BigEndian.Uint64(b)))
	case 'd':
		return float64(math.Float32frombits(binary.BigEndian.Uint32(b)))
	}
	return math.Float64frombits(binary.BigEndian.Uint64(b))
}

func (p *ubjParser) length() (int, error) {
	m, err := p.marker()
	if err != nil {
		return 0, err
	}
	size := ubjSize(m)
	if size == 0 || m == 'd' || m == 'D' {
		return 0, fmt.Errorf("a length of type %q", m)
	}
	b, err := p.take(size)
	if err != nil {
		return 0, err
	}
	n := ubjNumber(m, b)
	if n < 0 || n > float64(len(p.data)-p.at) {
		return 0, fmt.Errorf("length %v with %d bytes left: %w", n, len(p.data)-p.at, errShort)
	}
	return int(n), nil
}

func (p *ubjParser) str() (string, error) {
	n, err := p.length()
	if err != nil {
		return "", err
	}
	b, err := p.take(n)
	return string(b), err
}

func (p *ubjParser) value(depth int) (any, error) {
	m, err := p.marker()
	if err != nil {
		return nil, err
	}
	return p.typed(m, depth)
}

func (p *ubjParser) typed(m byte, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested more than %d deep", maxDepth)
	}
	if size := ubjSize(m); size > 0 {
		b, err := p.take(size)
		if err != nil {
			return nil, err
		}
		return ubjNumber(m, b), nil
	}
	switch m {
	case 'Z':
		return nil, nil
	case 'T':
		return true, nil
	case 'F':
		return false, nil
	case 'C':
		b, err := p.take(1)
		return string(b), err
	case 'S':
		return p.str()
	case '[', '{':
		return p.container(m, depth)
	}
	return nil, fmt.Errorf("unknown type %q", m)
}

// container reads an array or an object after its marker. The elements may share a
// declared type ($), in which case their count follows. The count may be declared (#);
// otherwise a marker ends the container.
func (p *ubjParser) container(m byte, depth int) (any, error) {
	var elem byte
	count := -1
	var err error
	if p.peek() == '$' {
		p.at++
		if elem, err = p.marker(); err != nil {
			return nil, err
		}
		if elem != '[' && elem != '{' && elem != 'S' && elem != 'C' && ubjSize(elem) == 0 {
			return nil, fmt.Errorf("elements of type %q", elem) // elements without a body would take no bytes
		}
		if p.peek() != '#' {
			return nil, errors.New("a type of elements without their count")
		}
	}
	if p.peek() == '#' {
		p.at++
		if count, err = p.length(); err != nil {
			return nil, err
		}
	}
	var e elements
	o := map[string]any{}
	if size := ubjSize(elem); m == '[' && size > 0 { // most of a model
		if count > (len(p.data)-p.at)/size {
			return nil, fmt.Errorf("%d elements with %d bytes left: %w", count, len(p.data)-p.at, errShort)
		}
		nums := make([]float64, count)
		for i := range nums {
			nums[i] = ubjNumber(elem, p.data[p.at+i*size:])
		}
		p.at += count * size
		return nums, nil
	}
	end := byte(']')
	if m == '{' {
		end = '}'
	}
	for i := 0; i != count; i++ {
		if count < 0 && p.peek() == end {
			p.at++
			break
		}
		if p.at >= len(p.data) {
			return nil, errShort
		}
		key := ""
		if m == '{' {
			if key, err = p.str(); err != nil {
				return nil, err
			}
		}
		var x any
		if elem != 0 {
			x, err = p.typed(elem, depth+1)
		} else {
			x, err = p.value(depth + 1)
		}
		if err != nil {
			return nil, err
		}
		if m == '{' {
			o[key] = x
		} else {
			e.add(x)
		}
	}
	if m == '{' {
		return o, nil
	}
	return e.value(), nil
}
