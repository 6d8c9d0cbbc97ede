package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/attune-hpo/attune/export/internal/wire"
)

// A field is one field of a message as it stands on the wire.
type field wire.Field

func fields(b []byte, f func(field) error) error {
	return wire.Fields(b, func(w wire.Field) error { return f(field(w)) })
}

func (f field) want(kind int, what string) error {
	if f.Wire != kind {
		return fmt.Errorf("%s: wire type %d, not %d", what, f.Wire, kind)
	}
	return nil
}

func (f field) text(to *string, what string) error {
	if err := f.want(wire.Bytes, what); err != nil {
		return err
	}
	if !utf8.Valid(f.Data) {
		return fmt.Errorf("%s: not UTF-8", what)
	}
	*to = string(f.Data)
	return nil
}

func (f field) int(to *int64, what string) error {
	if err := f.want(wire.Varint, what); err != nil {
		return err
	}
	*to = int64(f.Num)
	return nil
}

// message decodes a nested message.
func (f field) message(what string, of func(field) error) error {
	if err := f.want(wire.Bytes, what); err != nil {
		return err
	}
	if err := fields(f.Data, of); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// ints appends one number, or many that are packed.
func (f field) ints(to *[]int64, what string) (err error) {
	if *to, err = wire.Field(f).AppendInts(*to); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// fixed appends the bytes of one number of a size, or of many that are packed.
func (f field) fixed(to *[]byte, size int, what string) (err error) {
	if *to, err = wire.Field(f).AppendFixed(*to, size); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func unsupportedField(what string) error { return fmt.Errorf("%w: %s", ErrUnsupported, what) }

// Decode reads a model from the bytes of an ONNX file. Tensors may share the memory of
// b.
//
// It fails with [ErrFormat] for bytes that are not a model, and with [ErrUnsupported] for functions, the
// graphs of If and Loop and graphs nested deeper than 8, data in other files, sparse tensors, tensors of strings and values that are not tensors. It ignores fields
// that are unknown in ONNX 1.20, as protobuf requires, and hints about training, devices and quantization. It does
// not check that the model is consistent; [Model.Check] does. Its memory is at most proportional to the length of b.
func Decode(b []byte) (*Model, error) {
	m, err := decode(b)
	switch {
	case err == nil:
		return m, nil
	case errors.Is(err, ErrUnsupported):
		return nil, pkg.Errorf("decode: %w", err)
	}
	return nil, pkg.Errorf("decode: %w: %w", ErrFormat, err)
}

func decode(b []byte) (*Model, error) {
	if len(b) > MaxSize {
		return nil, fmt.Errorf("%d bytes, at most %d", len(b), MaxSize)
	}
	if err := wire.Name(b); err != nil {
		return nil, err
	}
	m := &Model{}
	graph := false
	err := fields(b, func(f field) error {
		switch f.Number {
		case 1:
			return f.int(&m.IR, "IR version")
		case 2:
			return f.text(&m.Producer, "producer")
		case 3:
			return f.text(&m.ProducerVersion, "version of the producer")
		case 4:
			return f.text(&m.Domain, "domain")
		case 5:
			return f.int(&m.Version, "model version")
		case 6:
			return f.text(&m.Doc, "doc string")
		case 7:
			graph = true
			return f.message("graph", m.Graph.decode(0))
		case 8:
			var o Opset
			err := f.message("opset", func(f field) error {
				switch f.Number {
				case 1:
					return f.text(&o.Domain, "domain")
				case 2:
					return f.int(&o.Version, "version")
				}
				return nil
			})
			m.Opsets = append(m.Opsets, o)
			return err
		case 14:
			var p Property
			err := f.message("metadata", func(f field) error {
				switch f.Number {
				case 1:
					return f.text(&p.Key, "key")
				case 2:
					return f.text(&p.Value, "value")
				}
				return nil
			})
			m.Metadata = append(m.Metadata, p)
			return err
		case 25:
			return unsupportedField("functions of the model's own")
		}
		return nil
	})
	if err == nil && !graph {
		err = errors.New("it has no graph")
	}
	return m, err
}

// deepest is the maximum depth of graphs within nodes.
const deepest = 8

// decode returns a function that decodes the fields of a graph at a depth.
func (g *Graph) decode(depth int) func(field) error {
	return func(f field) error { return g.decodeField(f, depth) }
}

func (g *Graph) decodeField(f field, depth int) error {
	switch f.Number {
	case 1:
		var n Node
		what := fmt.Sprintf("node %d", len(g.Nodes))
		if err := f.message(what, n.decode(depth)); err != nil {
			return err
		}
		if n.Op == "" {
			return fmt.Errorf("%s: it has no operator", what)
		}
		if n.Op != "Scan" && slices.ContainsFunc(n.Attrs, func(a Attr) bool { return a.Value != nil && a.Value.attr() == attrGraph }) {
			return unsupportedField(fmt.Sprintf("%s: the graph within a node of %s", what, n.Op))
		}
		g.Nodes = append(g.Nodes, n)
	case 2:
		return f.text(&g.Name, "name")
	case 5:
		var t Tensor
		what := fmt.Sprintf("initializer %d", len(g.Initializers))
		if err := f.want(wire.Bytes, what); err != nil {
			return err
		}
		if err := t.decode(f.Data); err != nil {
			return fmt.Errorf("%s (%q): %w", what, t.Name, err)
		}
		g.Initializers = append(g.Initializers, t)
	case 10:
		return f.text(&g.Doc, "doc string")
	case 11:
		return decodeValue(f, "input", &g.Inputs)
	case 12:
		return decodeValue(f, "output", &g.Outputs)
	case 13:
		return decodeValue(f, "value", &g.Values)
	case 15:
		return unsupportedField("sparse initializers")
	}
	return nil
}

func decodeValue(f field, what string, to *[]ValueInfo) error {
	var v ValueInfo
	what = fmt.Sprintf("%s %d", what, len(*to))
	typed := false
	err := f.message(what, func(f field) error {
		switch f.Number {
		case 1:
			return f.text(&v.Name, "name")
		case 2:
			return f.message("type", func(f field) error {
				switch f.Number {
				case 1:
					typed = true
					return f.message("tensor", v.decodeTensor)
				case 4, 5, 7, 8, 9:
					return unsupportedField("a value that is not a tensor")
				}
				return nil
			})
		case 3:
			return f.text(&v.Doc, "doc string")
		}
		return nil
	})
	if err == nil && !typed {
		err = fmt.Errorf("%s: it has no type", what)
	}
	*to = append(*to, v)
	return err
}

func (v *ValueInfo) decodeTensor(f field) error {
	switch f.Number {
	case 1:
		var t int64
		err := f.int(&t, "element type")
		v.Type = DataType(t)
		return err
	case 2:
		if v.Dims == nil {
			v.Dims = []Dim{}
		}
		return f.message("shape", func(f field) error {
			if f.Number != 1 {
				return nil
			}
			d := Unknown
			err := f.message("dimension", func(f field) error {
				switch f.Number {
				case 1:
					d.Name = ""
					return f.int(&d.Size, "size")
				case 2:
					d.Size = -1
					return f.text(&d.Name, "name")
				}
				return nil
			})
			if d.Size < 0 && d.Name == "" {
				d = Unknown
			}
			if d.Name != "" {
				d.Size = 0
			}
			v.Dims = append(v.Dims, d)
			return err
		})
	}
	return nil
}

// decode returns a function that decodes the fields of a node in a graph at a depth.
func (n *Node) decode(depth int) func(field) error {
	return func(f field) error { return n.decodeField(f, depth) }
}

func (n *Node) decodeField(f field, depth int) error {
	var s string
	switch f.Number {
	case 1:
		err := f.text(&s, "input")
		n.Inputs = append(n.Inputs, s)
		return err
	case 2:
		err := f.text(&s, "output")
		n.Outputs = append(n.Outputs, s)
		return err
	case 3:
		return f.text(&n.Name, "name")
	case 4:
		return f.text(&n.Op, "operator")
	case 5:
		if err := f.want(wire.Bytes, "attribute"); err != nil {
			return err
		}
		a, err := decodeAttr(f.Data, depth)
		if err != nil {
			return fmt.Errorf("attribute %q: %w", a.Name, err)
		}
		n.Attrs = append(n.Attrs, a)
	case 6:
		return f.text(&n.Doc, "doc string")
	case 7:
		return f.text(&n.Domain, "domain")
	case 8:
		return unsupportedField("an overload of a function")
	}
	return nil
}

func decodeAttr(b []byte, depth int) (Attr, error) {
	var (
		a       Attr
		typ     int64
		i       int64
		x       uint64
		s       string
		t       Tensor
		g       Graph
		ints    []int64
		rawFl   []byte
		strings []string
	)
	err := fields(b, func(f field) error {
		switch f.Number {
		case 1:
			return f.text(&a.Name, "name")
		case 2:
			x = f.Num
			return f.want(wire.Fixed4, "f")
		case 3:
			return f.int(&i, "i")
		case 4:
			err := f.want(wire.Bytes, "s")
			s = string(f.Data)
			return err
		case 5:
			if err := f.want(wire.Bytes, "t"); err != nil {
				return err
			}
			return t.decode(f.Data)
		case 6:
			if depth == deepest {
				return unsupportedField("graphs within nodes, too deep")
			}
			return f.message("graph", g.decode(depth+1))
		case 11:
			return unsupportedField("a list of graphs within a node")
		case 7:
			return f.fixed(&rawFl, 4, "floats")
		case 8:
			return f.ints(&ints, "ints")
		case 9:
			err := f.want(wire.Bytes, "strings")
			strings = append(strings, string(f.Data))
			return err
		case 20:
			return f.int(&typ, "type")
		case 21:
			return unsupportedField("a reference to an attribute")
		}
		return nil
	})
	if err != nil {
		return a, err
	}
	switch attrType(typ) {
	case attrFloat:
		a.Value = Float(math.Float32frombits(uint32(x)))
	case attrInt:
		a.Value = Int(i)
	case attrString:
		a.Value = String(s)
	case attrTensor:
		a.Value = t
	case attrGraph:
		a.Value = g
	case attrFloats:
		v := make(Floats, len(rawFl)/4)
		for i := range v {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(rawFl[4*i:]))
		}
		a.Value = v
	case attrInts:
		a.Value = Ints(ints)
	case attrStrings:
		a.Value = Strings(strings)
	default:
		return a, unsupportedField(fmt.Sprintf("attributes of type %d", typ))
	}
	return a, nil
}

func (t *Tensor) decode(b []byte) error {
	var (
		typ     int64
		typed   []byte  // float_data or double_data
		numbers []int64 // int32_data, int64_data or uint64_data
		raw     bool
	)
	t.Dims = []int64{}
	err := fields(b, func(f field) error {
		switch f.Number {
		case 1:
			return f.ints(&t.Dims, "dims")
		case 2:
			return f.int(&typ, "type")
		case 3:
			return unsupportedField("a tensor in segments")
		case 4:
			return f.fixed(&typed, 4, "float_data")
		case 5, 7, 11:
			return f.ints(&numbers, "integer data")
		case 6:
			return unsupportedField("a tensor of strings")
		case 8:
			return f.text(&t.Name, "name")
		case 9:
			raw = true
			t.Raw = f.Data
			return f.want(wire.Bytes, "raw_data")
		case 10:
			return f.fixed(&typed, 8, "double_data")
		case 13:
			return unsupportedField("data in another file")
		case 14:
			if f.Num != 0 {
				return unsupportedField("data in another file")
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	t.Type = DataType(typ)
	size := t.Type.size()
	switch {
	case size == 0:
		return unsupportedField(fmt.Sprintf("elements of type %v", t.Type))
	case raw || typed == nil && numbers == nil:
	case typed != nil:
		if t.Type != Float32 && t.Type != Float64 {
			return fmt.Errorf("%v in a field of floats", t.Type)
		}
		t.Raw = typed
	default:
		if t.Type == Float32 || t.Type == Float64 {
			return fmt.Errorf("%v in a field of integers", t.Type)
		}
		t.Raw = make([]byte, 0, len(numbers)*size)
		for _, v := range numbers {
			for i := range size {
				t.Raw = append(t.Raw, byte(v>>(8*i)))
			}
		}
	}
	return t.check()
}
