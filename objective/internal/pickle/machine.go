package pickle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

const (
	// maxSteps limits the instructions of a pickle. Each allocates little. A fitted
	// scikit-learn tree has about 300, whatever its size.
	maxSteps = 1 << 24
	// maxDigits limits a decimal integer, because parsing takes quadratic time.
	maxDigits = 1000
)

var (
	errShort = errors.New("ends too early")
	errStack = errors.New("the stack is empty")
)

// Decode reads the pickle, or the joblib file, at the start of data and ignores the rest.
// allow says which classes and functions may occur, in addition to those that make the
// plain values of the package comment; nil allows no others. Decompress the file first:
// see [Unpack].
//
// An error in the data names the byte. Decode trusts no declared size before it has seen
// the bytes. The returned bytes and arrays are slices of data, which must not change. Other
// values take memory of two kinds: texts and the entries of dicts under texts, such as a
// vocabulary, and all others. Each kind takes at most 96 MiB, plus 256 bytes for each of packed,
// the number of bytes before decompression. Of the second kind there may be at most 2 bytes
// for each byte of data beyond 96 MiB; of the first kind, 4 bytes beyond 192 MiB. A file that
// needs more gives [ErrUnsupported]. A fitted tree takes about 10 kB in addition to its arrays.
func Decode(data []byte, packed int, allow func(Global) bool) (any, error) {
	packing := 256 * int64(packed)
	d := &decoder{data: data, allow: allow, joblib: true, packed: packed,
		left:  room + min(packing, 2*int64(len(data))),
		texts: min(room+packing, 2*room+4*int64(len(data)))}
	v, err := d.run()
	if err != nil {
		return nil, pkg.Errorf("byte %d: %w", d.step, err)
	}
	return v, nil
}

// room is the number of bytes that the values of any file may take, of either kind.
const room = 96 << 20

type decoder struct {
	data   []byte
	at     int
	step   int // start of the current instruction
	steps  int
	packed int   // size of the file before decompression
	left   int64 // bytes still allowed for values other than texts
	texts  int64 // bytes still allowed for texts and entries under texts
	allow  func(Global) bool
	joblib bool // array elements may follow their description

	stack   []any
	highest int            // greatest height of the stack
	marks   []int          // heights of the stack
	memo    []any          // by key, for keys that count up, as Python's do
	others  map[uint64]any // by key, for others
}

// run executes instructions up to STOP.
func (d *decoder) run() (any, error) {
	d.others = map[uint64]any{}
	for {
		d.step = d.at
		if d.steps++; d.steps > maxSteps {
			return nil, unsupported("more than %d instructions", maxSteps)
		}
		op, err := d.take(1)
		if err != nil {
			return nil, err
		}
		if op[0] == '.' { // STOP
			return d.pop()
		}
		if err := d.do(op[0]); err != nil {
			return nil, err
		}
	}
}

// width is the size, in bytes, of the number at the start of an instruction's argument: a
// value, a number of bytes or a key.
var width = [256]int{
	'K': 1, 'M': 2, 0x8a: 1, 0x8b: 4,
	'T': 4, 'U': 1, 'X': 4, 0x8c: 1, 0x8d: 8,
	'B': 4, 'C': 1, 0x8e: 8, 0x96: 8,
	'q': 1, 'r': 4, 'h': 1, 'j': 4,
}

// do executes one instruction. The names are those of the pickletools module.
func (d *decoder) do(op byte) error {
	switch op {
	// Machine instructions.
	case 0x80: // PROTO
		b, err := d.take(1)
		if err == nil && b[0] > 5 {
			err = unsupported("protocol %d: write it with pickle.dump(model, file, protocol=5)", b[0])
		}
		return err
	case 0x95: // FRAME
		_, err := d.size(8)
		return err
	case '(': // MARK
		d.marks = append(d.marks, len(d.stack))
		return d.spend(16)
	case '0': // POP
		if n := len(d.marks); n > 0 && d.marks[n-1] == len(d.stack) {
			d.marks = d.marks[:n-1]
			return nil
		}
		_, err := d.pop()
		return err
	case '1': // POP_MARK
		_, err := d.popMark()
		return err
	case '2': // DUP
		v, err := d.top()
		return d.again(v, err)
	case 'p', 'q', 'r', 0x94: // PUT, BINPUT, LONG_BINPUT, MEMOIZE
		i, err := uint64(len(d.memo)+len(d.others)), error(nil)
		if op != 0x94 {
			i, err = d.index(op)
		}
		if err != nil {
			return err
		}
		v, err := d.top()
		if err != nil {
			return err
		}
		return d.remember(i, v)
	case 'g', 'h', 'j': // GET, BINGET, LONG_BINGET
		i, err := d.index(op)
		v, ok := d.others[i]
		if i < uint64(len(d.memo)) {
			v, ok = d.memo[i], true
		}
		if err == nil && !ok {
			err = fmt.Errorf("no value is stored under key %d", i)
		}
		return d.again(v, err)
	case 'P', 'Q': // PERSID, BINPERSID
		return unsupported("a persistent id: an object that the file does not hold")
	case 0x82, 0x83, 0x84: // EXT1, EXT2, EXT4
		return unsupported("a code of copyreg's extension registry")
	case 0x97: // NEXT_BUFFER
		return unsupported("a buffer outside the file: dump without buffer_callback")
	case 0x98: // READONLY_BUFFER
		_, err := d.top()
		return err

	// Plain values.
	case 'N': // NONE
		return d.push(nil, nil)
	case 0x88, 0x89: // NEWTRUE, NEWFALSE
		return d.push(op == 0x88, nil)
	case 'I', 'L': // INT, LONG
		line, err := d.line()
		if err != nil {
			return err
		}
		if op == 'I' && (line == "00" || line == "01") {
			return d.push(line == "01", nil)
		}
		v, err := decimal(strings.TrimSuffix(line, "L"))
		return d.push(v, err)
	case 'K', 'M': // BININT1, BININT2
		n, err := d.size(width[op])
		return d.push(int64(n), err)
	case 'J': // BININT
		b, err := d.take(4)
		if err != nil {
			return err
		}
		return d.push(int64(int32(binary.LittleEndian.Uint32(b))), nil)
	case 0x8a, 0x8b: // LONG1, LONG4
		b, err := d.counted(width[op])
		if err != nil {
			return err
		}
		return d.push(integer(b), nil)
	case 'F': // FLOAT
		line, err := d.line()
		if err != nil {
			return err
		}
		f, err := strconv.ParseFloat(line, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return fmt.Errorf("%.40q is not a number", line)
		}
		return d.push(f, nil)
	case 'G': // BINFLOAT
		b, err := d.take(8)
		if err != nil {
			return err
		}
		return d.push(math.Float64frombits(binary.BigEndian.Uint64(b)), nil)
	case 'S': // STRING
		line, err := d.line()
		if err != nil {
			return err
		}
		s, err := unquote(line)
		return d.push(s, err)
	case 'V': // UNICODE
		line, err := d.line()
		if err != nil {
			return err
		}
		s, err := rawUnicode(line)
		return d.push(s, err)
	case 'T', 'U': // BINSTRING, SHORT_BINSTRING
		b, err := d.counted(width[op])
		return d.push(latin1(b), err)
	case 'X', 0x8c, 0x8d: // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8
		b, err := d.counted(width[op])
		return d.push(string(b), err)
	case 'B', 'C', 0x8e, 0x96: // BINBYTES, SHORT_BINBYTES, BINBYTES8, BYTEARRAY8
		b, err := d.counted(width[op])
		return d.push(b, err)

	// Containers.
	case ')': // EMPTY_TUPLE
		return d.push(Tuple(nil), nil)
	case 0x85, 0x86, 0x87: // TUPLE1, TUPLE2, TUPLE3
		t := make(Tuple, op-0x84)
		for i := range t {
			var err error
			if t[len(t)-1-i], err = d.pop(); err != nil {
				return err
			}
		}
		return d.push(t, nil)
	case 't': // TUPLE
		items, err := d.popMark()
		return d.push(Tuple(items), err)
	case ']', 0x8f: // EMPTY_LIST, EMPTY_SET
		return d.push(&List{}, nil)
	case 'l', 0x91: // LIST, FROZENSET
		items, err := d.popMark()
		return d.push(&List{items}, err)
	case '}': // EMPTY_DICT
		return d.push(&Dict{}, nil)
	case 'd': // DICT
		items, err := d.popMark()
		if err != nil {
			return err
		}
		v := &Dict{}
		return d.push(v, d.put(v, items))
	case 'a': // APPEND
		v, err := d.pop()
		if err != nil {
			return err
		}
		return d.extend(v)
	case 'e', 0x90: // APPENDS, ADDITEMS
		items, err := d.popMark()
		if err != nil {
			return err
		}
		return d.extend(items...)
	case 's': // SETITEM
		v, err := d.pop()
		if err != nil {
			return err
		}
		k, err := d.pop()
		if err != nil {
			return err
		}
		return d.setItems(k, v)
	case 'u': // SETITEMS
		items, err := d.popMark()
		if err != nil {
			return err
		}
		return d.setItems(items...)

	// Classes, functions and their calls.
	case 'c': // GLOBAL
		g, err := d.named()
		return d.push(g, err)
	case 0x93: // STACK_GLOBAL
		name, err := d.pop()
		if err != nil {
			return err
		}
		module, err := d.pop()
		if err != nil {
			return err
		}
		m, isString := module.(string)
		n, isStringToo := name.(string)
		if !isString || !isStringToo {
			return errors.New("a name that is not a string")
		}
		g, err := d.global(m, n)
		return d.push(g, err)
	case 'R', 0x81: // REDUCE, NEWOBJ
		args, err := d.pop()
		if err != nil {
			return err
		}
		class, err := d.pop()
		if err != nil {
			return err
		}
		v, err := d.call(class, args)
		return d.push(v, err)
	case 0x92: // NEWOBJ_EX
		named, err := d.pop()
		if err != nil {
			return err
		}
		if n, ok := named.(*Dict); !ok || len(n.Keys) > 0 {
			return unsupported("an object made with named arguments")
		}
		return d.do(0x81)
	case 'i': // INST
		g, err := d.named()
		if err != nil {
			return err
		}
		args, err := d.popMark()
		if err != nil {
			return err
		}
		return d.push(&Object{Class: g, Args: args}, nil)
	case 'o': // OBJ
		items, err := d.popMark()
		if err != nil {
			return err
		}
		if len(items) == 0 {
			return errStack
		}
		v, err := d.call(items[0], Tuple(items[1:]))
		return d.push(v, err)
	case 'b': // BUILD
		state, err := d.pop()
		if err != nil {
			return err
		}
		v, err := d.top()
		if err != nil {
			return err
		}
		return d.build(v, state)
	}
	return fmt.Errorf("unknown instruction %#02x: not a pickle, or a broken one", op)
}

// remember stores a value under a key of the memo.
func (d *decoder) remember(i uint64, v any) error {
	if i < uint64(len(d.memo)) {
		d.memo[i] = v
		return nil
	}
	if _, ok := d.others[i]; !ok {
		if err := d.pay(v, 64); err != nil {
			return err
		}
		if i == uint64(len(d.memo)) {
			d.memo = append(d.memo, v)
			return nil
		}
	}
	d.others[i] = v
	return nil
}

// build applies state to an object.
func (d *decoder) build(v, state any) error {
	switch v := v.(type) {
	case *Array:
		return v.build(state)
	case *DType:
		return v.build(d, state)
	case *Dict, *List: // attributes of an OrderedDict or the like
		return nil
	case *Object:
		v.State = state
		if d.joblib && v.Class == arrayWrapper {
			a, err := d.array(v)
			if err != nil {
				return err
			}
			d.stack[len(d.stack)-1] = a
		}
		return nil
	}
	return fmt.Errorf("a state for %s", Kind(v))
}

// extend appends to the value on top of the stack.
func (d *decoder) extend(items ...any) error {
	v, err := d.top()
	if err == nil {
		err = d.spend(32 * len(items))
	}
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case *List:
		v.Items = append(v.Items, items...)
	case *Object:
		v.Items = append(v.Items, items...)
	default:
		return fmt.Errorf("elements for %s", Kind(v))
	}
	return nil
}

// setItems sets alternating keys and values in the value on top of the stack.
func (d *decoder) setItems(items ...any) error {
	v, err := d.top()
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case *Dict:
		return d.put(v, items)
	case *Object:
		if v.Entries == nil {
			v.Entries = &Dict{}
		}
		return d.put(v.Entries, items)
	}
	return fmt.Errorf("entries for %s", Kind(v))
}

func (d *decoder) put(v *Dict, items []any) error {
	if len(items)%2 != 0 {
		return errors.New("a key without a value")
	}
	for i := 0; i < len(items); i += 2 {
		if err := d.put1(v, items[i], items[i+1]); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) put1(v *Dict, key, value any) error {
	n := 128
	if v.index == nil {
		n += 256 // the minimum size of a map
	}
	v.set(key, value)
	return d.pay(key, n)
}

// named reads the name of a class or function, from two lines.
func (d *decoder) named() (Global, error) {
	module, err := d.line()
	if err != nil {
		return Global{}, err
	}
	name, err := d.line()
	if err != nil {
		return Global{}, err
	}
	return d.global(module, name)
}

func (d *decoder) global(module, name string) (Global, error) {
	switch module {
	case "copy_reg":
		module = "copyreg"
	case "__builtin__":
		module = "builtins"
	}
	g := Global{module, name}
	if !plain(g) && !(d.allow != nil && d.allow(g)) {
		return g, unsupported("%s is %w", g, ErrUnknown)
	}
	return g, nil
}

// spend charges n bytes to the memory that values may take.
func (d *decoder) spend(n int) error { return d.pay(nil, n) }

// pay charges n bytes on behalf of a value.
func (d *decoder) pay(v any, n int) error {
	from := &d.left
	if _, ok := v.(string); ok {
		from = &d.texts
	}
	if *from -= int64(n); *from >= 0 {
		return nil
	}
	hint := ""
	if d.packed < len(d.data) {
		hint = `: write an uncompressed file, which is allowed more, with joblib.dump(model, "model.joblib", compress=0)`
	}
	return unsupported("its content needs more memory than a file of %d bytes is allowed%s", d.packed, hint)
}

// weight is the approximate number of bytes of a value, without the values inside it.
func weight(v any) int {
	switch v := v.(type) {
	case nil, bool:
		return 0
	case string:
		return 16 + len(v)
	case []byte:
		return 24 // a slice of the file
	case *big.Int:
		return 32 + v.BitLen()/8
	case Tuple:
		return 24 + 16*len(v)
	case *List:
		return 24 + 16*len(v.Items)
	case *Dict:
		return 64
	case Global:
		return 32
	case *Object:
		return 112
	case *Array:
		return 160 + 8*len(v.Shape)
	case *DType:
		return 64
	}
	return 8
}

// take returns the next n bytes.
func (d *decoder) take(n int) ([]byte, error) {
	if n < 0 || n > len(d.data)-d.at {
		return nil, errShort
	}
	b := d.data[d.at : d.at+n : d.at+n]
	d.at += n
	return b, nil
}

// size reads a number of n bytes.
func (d *decoder) size(n int) (uint64, error) {
	b, err := d.take(n)
	var v uint64
	for i := len(b) - 1; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v, err
}

// counted returns a byte string whose length comes first, in n bytes.
func (d *decoder) counted(n int) ([]byte, error) {
	size, err := d.size(n)
	if err != nil {
		return nil, err
	}
	if size > uint64(len(d.data)-d.at) {
		return nil, fmt.Errorf("%d bytes declared, %d left: %w", size, len(d.data)-d.at, errShort)
	}
	return d.take(int(size))
}

// line returns the text up to the end of the line.
func (d *decoder) line() (string, error) {
	for i, c := range d.data[d.at:] {
		if c == '\n' {
			b, err := d.take(i + 1)
			return strings.TrimSuffix(string(b[:i]), "\r"), err
		}
	}
	return "", errShort
}

// index reads a key of the memo: a number, or a line for PUT and GET.
func (d *decoder) index(op byte) (uint64, error) {
	if width[op] > 0 {
		return d.size(width[op])
	}
	line, err := d.line()
	if err != nil {
		return 0, err
	}
	i, err := strconv.ParseUint(line, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%.40q is not a key", line)
	}
	return i, nil
}

// push charges the memory of a new value and pushes it.
func (d *decoder) push(v any, err error) error {
	if err == nil {
		err = d.pay(v, weight(v))
	}
	return d.again(v, err)
}

// again pushes a value that is on the stack or in the memo already.
func (d *decoder) again(v any, err error) error {
	if err != nil {
		return err
	}
	if d.stack = append(d.stack, v); len(d.stack) > d.highest {
		d.highest = len(d.stack)
		return d.spend(64) // the stack, and the shorter ones that it outgrew
	}
	return nil
}

// floor is the height below which the stack must not shrink.
func (d *decoder) floor() int {
	if n := len(d.marks); n > 0 {
		return d.marks[n-1]
	}
	return 0
}

func (d *decoder) top() (any, error) {
	if len(d.stack) <= d.floor() {
		return nil, errStack
	}
	return d.stack[len(d.stack)-1], nil
}

func (d *decoder) pop() (any, error) {
	v, err := d.top()
	if err == nil {
		d.stack = d.stack[:len(d.stack)-1]
	}
	return v, err
}

// popMark returns the values above the last mark, and removes them and the mark.
func (d *decoder) popMark() ([]any, error) {
	if len(d.marks) == 0 {
		return nil, errors.New("no mark on the stack")
	}
	from := d.floor()
	items := append([]any(nil), d.stack[from:]...)
	d.stack, d.marks = d.stack[:from], d.marks[:len(d.marks)-1]
	return items, nil
}

// integer returns a little-endian integer in two's complement.
func integer(b []byte) any {
	if len(b) == 0 {
		return int64(0)
	}
	negative := b[len(b)-1]&0x80 != 0
	if len(b) <= 8 {
		var v uint64
		if negative {
			v = math.MaxUint64
		}
		for i := len(b) - 1; i >= 0; i-- {
			v = v<<8 | uint64(b[i])
		}
		return int64(v)
	}
	reversed := make([]byte, len(b))
	for i, c := range b {
		reversed[len(b)-1-i] = c
	}
	v := new(big.Int).SetBytes(reversed)
	if negative {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return v
}

func decimal(text string) (any, error) {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i, nil
	}
	if len(text) > maxDigits {
		return nil, unsupported("an integer of %d digits: at most %d", len(text), maxDigits)
	}
	if v, ok := new(big.Int).SetString(text, 10); ok {
		return v, nil
	}
	return nil, fmt.Errorf("%.40q is not a whole number", text)
}

// latin1 returns the text of a Python 2 str, whose characters are bytes.
func latin1(b []byte) string {
	r := make([]rune, len(b))
	for i, c := range b {
		r[i] = rune(c)
	}
	return string(r)
}

// unquote reads a str in the notation of Python 2's repr.
func unquote(line string) (string, error) {
	n := len(line)
	if n < 2 || line[0] != line[n-1] || line[0] != '\'' && line[0] != '"' {
		return "", fmt.Errorf("%.40q is not a quoted string", line)
	}
	body := line[1 : n-1]
	var out []byte
	for i := 0; i < len(body); i++ {
		if body[i] != '\\' {
			out = append(out, body[i])
			continue
		}
		if i++; i == len(body) {
			return "", fmt.Errorf("%.40q ends in a backslash", line)
		}
		if short := strings.IndexByte(`abfnrtv\'"`, body[i]); short >= 0 {
			out = append(out, "\a\b\f\n\r\t\v\\'\""[short])
			continue
		}
		digits, base := 0, 8
		for i+digits < len(body) && digits < 3 && body[i+digits] >= '0' && body[i+digits] <= '7' {
			digits++
		}
		if body[i] == 'x' && i+2 < len(body) {
			i++
			digits, base = 2, 16
		}
		c, err := strconv.ParseUint(body[i:i+digits], base, 16)
		if err != nil {
			return "", fmt.Errorf("%.40q has an unknown escape", line)
		}
		out = append(out, byte(c))
		i += digits - 1
	}
	return latin1(out), nil
}

// rawUnicode reads the encoding raw_unicode_escape: Latin-1, and \u and \U.
func rawUnicode(line string) (string, error) {
	var out strings.Builder
	for i := 0; i < len(line); i++ {
		digits := 0
		if line[i] == '\\' && i+1 < len(line) {
			switch line[i+1] {
			case 'u':
				digits = 4
			case 'U':
				digits = 8
			}
		}
		if digits == 0 {
			out.WriteRune(rune(line[i]))
			continue
		}
		if i+2+digits > len(line) {
			return "", fmt.Errorf("%.40q ends in an escape", line)
		}
		c, err := strconv.ParseUint(line[i+2:i+2+digits], 16, 32)
		if err != nil || c > 0x10ffff {
			return "", fmt.Errorf("%.40q has a broken escape", line)
		}
		out.WriteRune(rune(c))
		i += 1 + digits
	}
	return out.String(), nil
}
