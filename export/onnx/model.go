package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/internal/atomicfile"
)

const pkg fault.Package = "onnx"

var (
	// ErrFormat reports bytes that are not an ONNX model.
	ErrFormat = errors.New("malformed model")
	// ErrUnsupported reports something that this package, or the requested form, cannot express; the error names it.
	ErrUnsupported = errors.New("unsupported")
	// ErrInvalid reports an inconsistent model; see [Model.Check].
	ErrInvalid = errors.New("invalid model")
)

// A Model is the content of an ONNX file: a graph, and the versions that it requires.
type Model struct {
	IR              int64 // version of the file format
	Opsets          []Opset
	Producer        string // the program that wrote it
	ProducerVersion string
	Domain          string // of the model: a reversed DNS name; may be empty
	Version         int64  // of the model
	Doc             string
	Metadata        []Property // in order; keys are unique
	Graph           Graph
}

// An Opset says which version of a domain's operators a model uses.
type Opset struct {
	Domain  string // [Standard], [ML]
	Version int64
}

// A Property is an entry of a model's metadata.
type Property struct{ Key, Value string }

// A Graph is a list of nodes. Values are identified by name: inputs, initial values and the outputs of nodes. Each is
// set once, before it is used.
type Graph struct {
	Name         string
	Doc          string
	Nodes        []Node // in an order in which they can run
	Initializers []Tensor
	Inputs       []ValueInfo
	Outputs      []ValueInfo
	Values       []ValueInfo // what is known of other values; may be empty
}

// A Node applies an operator.
type Node struct {
	Name    string // may be empty
	Op      string // the operator, such as "Add"
	Domain  string // of the operator
	Inputs  []string
	Outputs []string
	Attrs   []Attr // by name, which is unique
	Doc     string
}

// An Attr is a setting of a node that is fixed in the file.
type Attr struct {
	Name  string
	Value AttrValue
}

// An AttrValue is an [Int], a [Float], a [String], [Ints], [Floats], [Strings], a [Tensor], or the [Graph] that Scan
// repeats. The graphs of If and Loop are not supported.
type AttrValue interface{ attr() attrType }

// The types of attributes.
type (
	Int     int64
	Float   float32
	String  string
	Ints    []int64
	Floats  []float32
	Strings []string
)

type attrType int64

const (
	attrFloat   attrType = 1
	attrInt     attrType = 2
	attrString  attrType = 3
	attrTensor  attrType = 4
	attrGraph   attrType = 5
	attrFloats  attrType = 6
	attrInts    attrType = 7
	attrStrings attrType = 8
)

func (Int) attr() attrType     { return attrInt }
func (Float) attr() attrType   { return attrFloat }
func (String) attr() attrType  { return attrString }
func (Ints) attr() attrType    { return attrInts }
func (Floats) attr() attrType  { return attrFloats }
func (Strings) attr() attrType { return attrStrings }
func (Tensor) attr() attrType  { return attrTensor }
func (Graph) attr() attrType   { return attrGraph }

// Attr returns the attribute with the given name, or nil if there is none.
func (n *Node) Attr(name string) AttrValue {
	for _, a := range n.Attrs {
		if a.Name == name {
			return a.Value
		}
	}
	return nil
}

// A DataType is the type of the elements of a tensor, by its number in ONNX.
type DataType int32

// The data types that this package supports.
const (
	Float32 DataType = 1
	Uint8   DataType = 2
	Int8    DataType = 3
	Int32   DataType = 6
	Int64   DataType = 7
	Texts   DataType = 8 // only for inputs and outputs, not for tensors in files
	Bool    DataType = 9
	Float16 DataType = 10
	Float64 DataType = 11
)

// size returns the bytes of an element, 0 if the type is not known.
func (d DataType) size() int {
	switch d {
	case Uint8, Int8, Bool:
		return 1
	case Float16:
		return 2
	case Float32, Int32:
		return 4
	case Int64, Float64:
		return 8
	}
	return 0
}

// String returns ONNX's name, such as "DOUBLE".
func (d DataType) String() string {
	switch d {
	case Float32:
		return "FLOAT"
	case Uint8:
		return "UINT8"
	case Int8:
		return "INT8"
	case Int32:
		return "INT32"
	case Int64:
		return "INT64"
	case Texts:
		return "STRING"
	case Bool:
		return "BOOL"
	case Float16:
		return "FLOAT16"
	case Float64:
		return "DOUBLE"
	}
	return fmt.Sprintf("DataType(%d)", int32(d))
}

// A ValueInfo is the type and the shape of a value.
type ValueInfo struct {
	Name string
	Type DataType
	Dims []Dim // empty for a scalar; nil if unknown
	Doc  string
}

// A Dim is one dimension of a shape: a size, or a name for a size that is only known when the model runs. The zero
// Dim has size 0.
type Dim struct {
	Size int64
	Name string // not empty: Size does not count
}

// Unknown is a dimension of unknown size.
var Unknown = Dim{Size: -1}

// Fixed returns dimensions of given sizes.
func Fixed(sizes ...int64) []Dim {
	d := make([]Dim, len(sizes))
	for i, s := range sizes {
		d[i].Size = s
	}
	return d
}

func (d Dim) known() bool { return d.Name == "" && d.Size >= 0 }

// String returns the size or the name, or "?" if there is neither.
func (d Dim) String() string {
	switch {
	case d.Name != "":
		return d.Name
	case d.Size < 0:
		return "?"
	}
	return fmt.Sprint(d.Size)
}

// A Tensor is an array: an initial value of a graph, or an attribute.
type Tensor struct {
	Name string
	Type DataType
	Dims []int64
	Raw  []byte // the elements by row, little endian; a bool is a byte of 0 or 1
}

// An Element is a Go type of the elements of tensors.
type Element interface {
	float32 | float64 | int8 | uint8 | int32 | int64 | bool
}

// NewTensor returns a tensor of the values, row by row. Without dims it is a vector of all values; for a scalar use
// [Scalar]. It does not compare the number of values with dims; [Model.Check] does.
func NewTensor[T Element](name string, values []T, dims ...int64) Tensor {
	if dims == nil {
		dims = []int64{int64(len(values))}
	}
	t := Tensor{Name: name, Type: dataType[T](), Dims: dims}
	t.Raw = make([]byte, 0, len(values)*t.Type.size())
	switch v := any(values).(type) {
	case []float64:
		for _, x := range v {
			t.Raw = binary.LittleEndian.AppendUint64(t.Raw, math.Float64bits(x))
		}
	case []float32:
		for _, x := range v {
			t.Raw = binary.LittleEndian.AppendUint32(t.Raw, math.Float32bits(x))
		}
	case []int64:
		for _, x := range v {
			t.Raw = binary.LittleEndian.AppendUint64(t.Raw, uint64(x))
		}
	case []int32:
		for _, x := range v {
			t.Raw = binary.LittleEndian.AppendUint32(t.Raw, uint32(x))
		}
	case []int8:
		for _, x := range v {
			t.Raw = append(t.Raw, byte(x))
		}
	case []uint8:
		t.Raw = append(t.Raw, v...)
	case []bool:
		for _, x := range v {
			b := byte(0)
			if x {
				b = 1
			}
			t.Raw = append(t.Raw, b)
		}
	}
	return t
}

// Scalar returns a tensor without dimensions.
func Scalar[T Element](name string, value T) Tensor {
	t := NewTensor(name, []T{value})
	t.Dims = []int64{}
	return t
}

func dataType[T Element]() DataType {
	var zero T
	switch any(zero).(type) {
	case float64:
		return Float64
	case float32:
		return Float32
	case int64:
		return Int64
	case int32:
		return Int32
	case int8:
		return Int8
	case uint8:
		return Uint8
	}
	return Bool
}

// Values returns a copy of the elements of t. It fails with [ErrInvalid] if they are not of type T, or if their
// number does not match the dimensions.
func Values[T Element](t Tensor) ([]T, error) {
	if want := dataType[T](); t.Type != want {
		return nil, pkg.Errorf("tensor %q: %w: elements are %v, not %v", t.Name, ErrInvalid, t.Type, want)
	}
	if err := t.check(); err != nil {
		return nil, pkg.Errorf("tensor %q: %w: %w", t.Name, ErrInvalid, err)
	}
	out := make([]T, len(t.Raw)/t.Type.size())
	switch v := any(out).(type) {
	case []float64:
		for i := range v {
			v[i] = math.Float64frombits(binary.LittleEndian.Uint64(t.Raw[8*i:]))
		}
	case []float32:
		for i := range v {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.Raw[4*i:]))
		}
	case []int64:
		for i := range v {
			v[i] = int64(binary.LittleEndian.Uint64(t.Raw[8*i:]))
		}
	case []int32:
		for i := range v {
			v[i] = int32(binary.LittleEndian.Uint32(t.Raw[4*i:]))
		}
	case []int8:
		for i := range v {
			v[i] = int8(t.Raw[i])
		}
	case []uint8:
		copy(v, t.Raw)
	case []bool:
		for i := range v {
			v[i] = t.Raw[i] != 0
		}
	}
	return out, nil
}

// check compares the number of bytes with the shape.
func (t *Tensor) check() error {
	size := t.Type.size()
	if size == 0 {
		return fmt.Errorf("elements of unknown type %v", t.Type)
	}
	n := int64(1)
	for _, d := range t.Dims {
		if d < 0 {
			return fmt.Errorf("dimensions %v: none may be negative", t.Dims)
		}
		if d > 0 && n > MaxSize/d {
			return fmt.Errorf("dimensions %v: more than %d elements", t.Dims, MaxSize)
		}
		n *= d
	}
	if n*int64(size) != int64(len(t.Raw)) {
		return fmt.Errorf("%d bytes of data for dimensions %v of %v, which take %d", len(t.Raw), t.Dims, t.Type, n*int64(size))
	}
	return nil
}

// MaxSize is the maximum size of a model file in bytes, which is protobuf's limit.
const MaxSize = math.MaxInt32

// Write checks m and writes it as an ONNX file. The bytes depend on m alone. It fails with [ErrInvalid], as
// [Model.Check] does, before it writes anything, and with the writer's error.
func (m *Model) Write(w io.Writer) error {
	if err := m.Check(); err != nil {
		return err
	}
	b, err := m.Encode()
	if err != nil {
		return err
	}
	if _, err := w.Write(b); err != nil {
		return pkg.Errorf("write: %w", err)
	}
	return nil
}

// WriteFile checks m and writes it to a file. After an error or a crash the file is unchanged: see [Model.Write].
func (m *Model) WriteFile(name string) error {
	if err := m.Check(); err != nil {
		return err
	}
	if err := atomicfile.Write(name, m.Write); err != nil {
		return pkg.Errorf("write: %w", err)
	}
	return nil
}

// Read reads a model, to the end of r. It fails as [Decode] does.
func Read(r io.Reader) (*Model, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, pkg.Errorf("read: %w", err)
	}
	return Decode(b)
}

// Opset returns the version of a domain's operators, or 0 if it is not declared.
func (m *Model) Opset(domain string) int64 {
	i := slices.IndexFunc(m.Opsets, func(o Opset) bool { return sameDomain(o.Domain, domain) })
	if i < 0 {
		return 0
	}
	return m.Opsets[i].Version
}

// sameDomain: the standard domain has two names.
func sameDomain(a, b string) bool {
	if a == "ai.onnx" {
		a = Standard
	}
	if b == "ai.onnx" {
		b = Standard
	}
	return a == b
}
