package pickle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// makers implement the calls that make plain values. They get only the arguments. A call
// with a nil maker becomes an [Object].
var makers = map[Global]func(d *decoder, args Tuple) (any, error){
	{"builtins", "object"}:         nil,
	{"builtins", "bytes"}:          makeBytes,
	{"builtins", "bytearray"}:      makeBytes,
	{"_codecs", "encode"}:          makeBytes,
	{"builtins", "set"}:            makeList,
	{"builtins", "frozenset"}:      makeList,
	{"builtins", "complex"}:        nil,
	{"builtins", "slice"}:          nil,
	{"collections", "OrderedDict"}: makeDict,
	{"collections", "defaultdict"}: makeDict,
	{"copyreg", "_reconstructor"}:  makeObject,

	{"numpy", "ndarray"}:                       nil,
	{"numpy", "memmap"}:                        nil,
	{"numpy", "dtype"}:                         makeDType,
	{"numpy.core.multiarray", "_reconstruct"}:  makeArray,
	{"numpy._core.multiarray", "_reconstruct"}: makeArray,
	{"numpy.core.multiarray", "scalar"}:        makeScalar,
	{"numpy._core.multiarray", "scalar"}:       makeScalar,
	{"numpy.core.numeric", "_frombuffer"}:      fromBuffer,
	{"numpy._core.numeric", "_frombuffer"}:     fromBuffer,

	{"pandas.core.indexes.base", "_new_Index"}: makeIndex,
	{"pandas.core.indexes.base", "Index"}:      nil,

	arrayWrapper: nil,
}

// plain reports whether g makes plain values.
func plain(g Global) bool {
	_, ok := makers[g]
	return ok
}

// call returns what calling a class or function would make.
func (d *decoder) call(class, args any) (any, error) {
	g, ok := class.(Global)
	if !ok {
		return nil, unsupported("a call of %s", Kind(class))
	}
	a, ok := args.(Tuple)
	if !ok {
		return nil, fmt.Errorf("%s is called with %s", g, Kind(args))
	}
	if maker := makers[g]; maker != nil {
		v, err := maker(d, a)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", g, err)
		}
		return v, nil
	}
	return &Object{Class: g, Args: a}, nil
}

// arg returns argument i, or the zero value if it is absent or has another type.
func arg[T any](args Tuple, i int) (v T) {
	if i < len(args) {
		v, _ = args[i].(T)
	}
	return v
}

// makeIndex is pandas' _new_Index(class, settings): the names of columns. It returns the array of names.
func makeIndex(_ *decoder, args Tuple) (any, error) {
	names, ok := arg[*Dict](args, 1).Get("data").(*Array)
	if !ok {
		return nil, unsupported("an index without an array of names")
	}
	return names, nil
}

// makeObject is copyreg._reconstructor(class, base, state) of protocols 0 and 1.
func makeObject(_ *decoder, args Tuple) (any, error) {
	class, ok := args.at(0).(Global)
	if !ok {
		return nil, fmt.Errorf("want a class, have %s", Kind(args.at(0)))
	}
	o := &Object{Class: class}
	if base := arg[Global](args, 1); base != (Global{"builtins", "object"}) {
		o.Args = args[min(2, len(args)):]
	}
	return o, nil
}

func (t Tuple) at(i int) any {
	if i < len(t) {
		return t[i]
	}
	return nil
}

// makeBytes implements bytes(), bytearray(b) and encode(text, "latin1"), which protocols
// before 3 use for bytes.
func makeBytes(d *decoder, args Tuple) (any, error) {
	switch s := args.at(0).(type) {
	case nil:
		return []byte{}, nil
	case []byte:
		return s, nil
	case string:
		if len(args) > 1 && args[1] != "latin1" && args[1] != "latin-1" {
			return nil, unsupported("an encoding other than Latin-1")
		}
		if err := d.spend(len(s)); err != nil {
			return nil, err
		}
		b := make([]byte, 0, len(s))
		for _, c := range s {
			if c > 255 {
				return nil, fmt.Errorf("the character %q in Latin-1", c)
			}
			b = append(b, byte(c))
		}
		return b, nil
	}
	return nil, fmt.Errorf("bytes of %s", Kind(args[0]))
}

func makeList(d *decoder, args Tuple) (any, error) {
	if len(args) == 0 {
		return &List{}, nil
	}
	items, ok := Items(args[0])
	if !ok {
		return nil, fmt.Errorf("the elements are %s", Kind(args[0]))
	}
	if err := d.spend(16 * len(items)); err != nil {
		return nil, err
	}
	return &List{slices.Clone(items)}, nil
}

func makeDict(d *decoder, args Tuple) (any, error) {
	out := &Dict{}
	pairs, _ := Items(args.at(0)) // for a defaultdict this is a class
	for _, p := range pairs {
		kv, ok := Items(p)
		if !ok || len(kv) != 2 {
			return nil, errors.New("an entry that is not a pair")
		}
		if err := d.put1(out, kv[0], kv[1]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// A DType is the type of an array's elements.
type DType struct {
	// Kind is NumPy's: b bool, i and u integers, f floats, c complex, S bytes, U text, O
	// objects, V void and records, M and m times.
	Kind   byte
	Size   int // bytes per element
	Big    bool
	Fields []Field // of records; they do not overlap
	Sub    bool    // elements are arrays, which are not supported
}

// A Field is a column of records.
type Field struct {
	Name   string
	Type   DType
	Offset int // bytes from the beginning of the record
}

func (t DType) String() string {
	if t.Kind == 0 {
		return "nothing"
	}
	if t.Fields != nil {
		names := make([]string, len(t.Fields))
		for i, f := range t.Fields {
			names[i] = f.Name
		}
		return fmt.Sprintf("records (%.100s)", strings.Join(names, ", "))
	}
	return fmt.Sprintf("%c%d", t.Kind, t.Size)
}

// makeDType implements numpy.dtype(name, align, copy). The state adds the details that the name lacks.
func makeDType(_ *decoder, args Tuple) (any, error) {
	name, ok := args.at(0).(string)
	if !ok {
		return nil, unsupported("a dtype of %s", Kind(args.at(0)))
	}
	t := &DType{}
	text := strings.TrimLeft(name, "<>=|")
	t.Big = strings.HasPrefix(name, ">")
	if text == "" || strings.IndexByte("biufcSUOVMm?", text[0]) < 0 {
		return nil, unsupported("the dtype %.40q", name)
	}
	t.Kind, t.Size = text[0], map[byte]int{'b': 1, '?': 1, 'O': 8}[text[0]]
	if t.Kind == '?' {
		t.Kind = 'b'
	}
	if digits := text[1:]; digits != "" {
		n, err := strconv.ParseUint(digits, 10, 24)
		if err != nil {
			return nil, unsupported("the dtype %.40q", name)
		}
		t.Size = int(n)
	}
	if t.Kind == 'U' {
		t.Size *= 4
	}
	return t, nil
}

// maxFields limits the fields of a record. The records of scikit-learn's trees have about 12.
const maxFields = 64

// build applies the state of a dtype: version, byte order, subarray, names, fields, size of
// an element, alignment, flags.
func (t *DType) build(d *decoder, state any) error {
	s, ok := state.(Tuple)
	if !ok || len(s) < 7 {
		return errors.New("the state of a dtype is not a tuple of 7 or more")
	}
	if version, ok := Int(s[0]); !ok || version < 3 || version > 4 {
		return unsupported("a version of the state of a dtype other than 3 and 4")
	}
	switch s[1] {
	case "<", "|", "=":
		t.Big = false
	case ">":
		t.Big = true
	default:
		return errors.New("no byte order in the state of a dtype")
	}
	t.Sub = s[2] != nil
	if n, ok := Int(s[5]); ok && n >= 0 {
		t.Size = n
	}
	t.Fields = nil
	if s[3] == nil {
		return nil
	}
	names, ok := Items(s[3])
	fields, isDict := s[4].(*Dict)
	if !ok || !isDict {
		return errors.New("the fields of a dtype are not a tuple and a dict")
	}
	if t.Kind != 'V' {
		return fmt.Errorf("fields of a dtype of kind %c, not V", t.Kind)
	}
	if len(names) > maxFields {
		return unsupported("a dtype of %d fields, more than %d", len(names), maxFields)
	}
	if err := d.spend(80 * len(names)); err != nil {
		return err
	}
	t.Fields = make([]Field, len(names))
	for i, n := range names {
		name, _ := n.(string)
		f, _ := fields.Get(name).(Tuple)
		ft, ok := f.at(0).(*DType)
		offset, isInt := Int(f.at(1))
		if !ok || !isInt {
			return fmt.Errorf("field %.40q of a dtype has no type and offset", name)
		}
		if offset < 0 || ft.Size < 0 || offset > t.Size-ft.Size {
			return fmt.Errorf("field %.40q of a dtype does not lie in the record", name)
		}
		t.Fields[i] = Field{name, *ft, offset}
		t.Sub = t.Sub || ft.Kind == 'O'
	}
	at := slices.SortedFunc(slices.Values(t.Fields), func(a, b Field) int { return a.Offset - b.Offset })
	for i := 1; i < len(at); i++ {
		if at[i-1].Offset+at[i-1].Type.Size > at[i].Offset {
			return unsupported("a dtype of fields that overlap, %.40q and %.40q", at[i-1].Name, at[i].Name)
		}
	}
	return nil
}

// An Array is a NumPy array.
type Array struct {
	Type    DType
	Shape   []int  // nil for a scalar
	Fortran bool   // the first index varies fastest in Data
	Data    []byte // elements of all types except O; a slice of the file
	Objects []any  // elements of type O, in C order
}

// Len returns the number of elements.
func (a *Array) Len() int {
	if a.Type.Kind == 'O' {
		return len(a.Objects)
	}
	if a.Type.Size == 0 {
		return 0
	}
	return len(a.Data) / a.Type.Size
}

// newArray returns an array if its sizes are consistent.
func newArray(t DType, shape any, fortran bool, data any) (*Array, error) {
	dims, err := sizes(shape)
	if err != nil {
		return nil, err
	}
	n, err := count(dims)
	if err != nil {
		return nil, err
	}
	a := &Array{Type: t, Shape: dims, Fortran: fortran}
	if t.Kind == 'O' {
		list, ok := data.(*List)
		if !ok || len(list.Items) != n {
			return nil, fmt.Errorf("the data of an array of %d objects is %s", n, Kind(data))
		}
		a.Objects = list.Items
		return a, nil
	}
	b, ok := data.([]byte)
	if !ok {
		return nil, fmt.Errorf("the data of an array is %s", Kind(data))
	}
	a.Data = b
	if high, bytes := bits.Mul64(uint64(n), uint64(t.Size)); high > 0 || bytes != uint64(len(a.Data)) || t.Size == 0 && n > 1 { // one empty text has no bytes
		return nil, fmt.Errorf("%d elements of %d bytes in %d bytes", n, t.Size, len(a.Data))
	}
	return a, nil
}

// sizes returns the dimensions of a shape, at most 64.
func sizes(shape any) ([]int, error) {
	dims, ok := Items(shape)
	if !ok || len(dims) > 64 {
		return nil, fmt.Errorf("the shape of an array is %s", Kind(shape))
	}
	out := make([]int, len(dims))
	for i, n := range dims {
		if out[i], ok = Int(n); !ok || out[i] < 0 {
			return nil, fmt.Errorf("dimension %d of an array is not a size", i)
		}
	}
	return out, nil
}

// count returns the number of elements of a shape.
func count(shape []int) (int, error) {
	n := uint64(1)
	for _, d := range shape {
		var high uint64
		if high, n = bits.Mul64(n, uint64(d)); high > 0 || n > math.MaxInt {
			return 0, fmt.Errorf("an array of shape %v", shape)
		}
	}
	return int(n), nil
}

// makeArray implements _reconstruct(class, shape, type). The state defines the array.
func makeArray(*decoder, Tuple) (any, error) { return &Array{Shape: []int{0}}, nil }

// build applies the state of an array: a version, which old arrays lack, the shape, the
// type, whether it is in Fortran order, and the elements.
func (a *Array) build(state any) error {
	s, _ := state.(Tuple)
	if len(s) == 4 {
		s = append(Tuple{nil}, s...)
	}
	if len(s) != 5 {
		return fmt.Errorf("the state of an array is %s", Kind(state))
	}
	t, ok := s[2].(*DType)
	if !ok {
		return fmt.Errorf("the type of an array is %s", Kind(s[2]))
	}
	fortran, _ := Int(s[3])
	made, err := newArray(*t, s[1], fortran != 0, s[4])
	if err != nil {
		return err
	}
	*a = *made
	return nil
}

// fromBuffer implements _frombuffer(buffer, type, shape, order), of protocol 5.
func fromBuffer(_ *decoder, args Tuple) (any, error) {
	t, ok := args.at(1).(*DType)
	if !ok || t.Kind == 'O' {
		return nil, fmt.Errorf("the type of an array is %s", Kind(args.at(1)))
	}
	return newArray(*t, args.at(2), args.at(3) == "F", args.at(0))
}

// makeScalar implements scalar(type, bytes).
func makeScalar(_ *decoder, args Tuple) (any, error) {
	t, ok := args.at(0).(*DType)
	if !ok {
		return nil, fmt.Errorf("the type of a scalar is %s", Kind(args.at(0)))
	}
	if t.Kind == 'O' {
		return args.at(1), nil
	}
	a, err := newArray(*t, Tuple{}, false, args.at(1))
	if err != nil {
		return nil, err
	}
	switch {
	case t.Fields != nil || t.Sub:
	case t.Kind == 'b':
		return a.Data[0] != 0, nil
	case t.Kind == 'i', t.Kind == 'u':
		if i, err := a.Ints(); err == nil {
			return i[0], nil
		}
	case t.Kind == 'f':
		if f, err := a.Floats(); err == nil {
			return f[0], nil
		}
	}
	return a, nil
}

// Field returns a column of records.
func (a *Array) Field(name string) (*Array, error) {
	for i := range a.Type.Fields {
		f := &a.Type.Fields[i]
		if f.Name != name || a.Type.Sub || a.Type.Kind == 'O' {
			continue
		}
		n, size := a.Len(), a.Type.Size
		out := &Array{Type: f.Type, Shape: a.Shape, Fortran: a.Fortran, Data: make([]byte, 0, n*f.Type.Size)}
		for i := range n {
			from := i*size + f.Offset
			out.Data = append(out.Data, a.Data[from:from+f.Type.Size]...)
		}
		return out, nil
	}
	return nil, fmt.Errorf("an array of %s has no column %q", a.Type, name)
}

// at returns the offset of the i-th element in C order.
func (a *Array) at(i int) int {
	if !a.Fortran || len(a.Shape) < 2 {
		return i
	}
	at, stride := 0, a.Len()
	for d := len(a.Shape) - 1; d >= 0; d-- {
		n := a.Shape[d]
		stride /= n
		at += i % n * stride
		i /= n
	}
	return at
}

// number returns the raw bits of the i-th element in C order.
func (a *Array) number(i int) uint64 {
	n := a.Type.Size
	b := a.Data[a.at(i)*n:][:n]
	var order binary.ByteOrder = binary.LittleEndian
	if a.Type.Big {
		order = binary.BigEndian
	}
	switch n {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(order.Uint16(b))
	case 4:
		return uint64(order.Uint32(b))
	}
	return order.Uint64(b)
}

// integers reports whether the elements are integers or bools of a supported size.
func (a *Array) integers() bool {
	switch a.Type.Size {
	case 1, 2, 4, 8:
		return strings.IndexByte("biu", a.Type.Kind) >= 0 && !a.Type.Sub
	}
	return false
}

// Ints returns the elements of an array of integers or bools, in C order.
func (a *Array) Ints() ([]int64, error) {
	if !a.integers() {
		return nil, fmt.Errorf("want an array of integers, have one of %s", a.Type)
	}
	out := make([]int64, a.Len())
	for i := range out {
		u := a.number(i)
		switch {
		case a.Type.Kind == 'i':
			shift := 64 - 8*a.Type.Size
			out[i] = int64(u) << shift >> shift
		case u > math.MaxInt64:
			return nil, fmt.Errorf("the integer %d is out of range", u)
		default:
			out[i] = int64(u)
		}
	}
	return out, nil
}

// Floats returns the elements of an array of numbers or bools, in C order.
func (a *Array) Floats() ([]float64, error) {
	if a.integers() {
		ints, err := a.Ints()
		if err != nil {
			return nil, err
		}
		out := make([]float64, len(ints))
		for i, v := range ints {
			out[i] = float64(v)
		}
		return out, nil
	}
	if a.Type.Kind != 'f' || a.Type.Size != 4 && a.Type.Size != 8 || a.Type.Sub {
		return nil, fmt.Errorf("want an array of numbers, have one of %s", a.Type)
	}
	out := make([]float64, a.Len())
	for i := range out {
		if u := a.number(i); a.Type.Size == 4 {
			out[i] = float64(math.Float32frombits(uint32(u)))
		} else {
			out[i] = math.Float64frombits(u)
		}
	}
	return out, nil
}

// Strings returns the elements of an array of text, stored as text or as objects, in C order.
func (a *Array) Strings() ([]string, error) {
	if a.Type.Kind != 'O' && (a.Type.Kind != 'U' || a.Type.Size%4 != 0 || a.Type.Sub) {
		return nil, fmt.Errorf("want an array of text, have one of %s", a.Type)
	}
	out := make([]string, a.Len())
	for i := range out {
		if a.Type.Kind == 'O' {
			s, ok := a.Objects[i].(string)
			if !ok {
				return nil, fmt.Errorf("want text, have %s", Kind(a.Objects[i]))
			}
			out[i] = s
			continue
		}
		n := a.Type.Size
		b := a.Data[a.at(i)*n:][:n]
		var s []rune
		for ; len(b) > 0; b = b[4:] {
			c := binary.LittleEndian.Uint32(b)
			if a.Type.Big {
				c = binary.BigEndian.Uint32(b)
			}
			s = append(s, rune(c))
		}
		out[i] = strings.TrimRight(string(s), "\x00")
	}
	return out, nil
}
