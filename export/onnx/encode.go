package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/attune-hpo/attune/export/internal/wire"
)

type encoder struct{ b []byte }

func (e *encoder) tag(field, kind int) {
	e.b = binary.AppendUvarint(e.b, uint64(field)<<3|uint64(kind))
}

// int writes a number, even if it is 0.
func (e *encoder) int(field int, v int64) {
	e.tag(field, wire.Varint)
	e.b = binary.AppendUvarint(e.b, uint64(v))
}

// text writes a string, even if it is empty.
func (e *encoder) text(field int, s string) {
	e.tag(field, wire.Bytes)
	e.b = binary.AppendUvarint(e.b, uint64(len(s)))
	e.b = append(e.b, s...)
}

// optional writes a string unless it is empty.
func (e *encoder) optional(field int, s string) {
	if s != "" {
		e.text(field, s)
	}
}

func (e *encoder) bytes(field int, b []byte) {
	e.tag(field, wire.Bytes)
	e.b = binary.AppendUvarint(e.b, uint64(len(b)))
	e.b = append(e.b, b...)
}

// message writes the output of body, preceded by its length.
func (e *encoder) message(field int, body func()) {
	e.tag(field, wire.Bytes)
	start := len(e.b)
	body()
	length := binary.AppendUvarint(nil, uint64(len(e.b)-start))
	e.b = slices.Insert(e.b, start, length...)
}

// packed writes numbers without a tag each.
func (e *encoder) packed(field int, v []int64) {
	if len(v) == 0 {
		return
	}
	e.message(field, func() {
		for _, x := range v {
			e.b = binary.AppendUvarint(e.b, uint64(x))
		}
	})
}

// Encode returns m as the bytes of an ONNX file. They depend on m alone. It does not check m, and only fails for an
// attribute without a value, and for more than [MaxSize] bytes.
func (m *Model) Encode() ([]byte, error) {
	size := 4096
	for i := range m.Graph.Initializers {
		size += len(m.Graph.Initializers[i].Raw) + 64
	}
	e := &encoder{make([]byte, 0, size)}
	e.int(1, m.IR)
	e.optional(2, m.Producer)
	e.optional(3, m.ProducerVersion)
	e.optional(4, m.Domain)
	if m.Version != 0 {
		e.int(5, m.Version)
	}
	e.optional(6, m.Doc)
	var err error
	e.message(7, func() { err = e.graph(&m.Graph) })
	if err != nil {
		return nil, pkg.Errorf("encode: %w", err)
	}
	for _, o := range m.Opsets {
		e.message(8, func() {
			e.text(1, o.Domain)
			e.int(2, o.Version)
		})
	}
	for _, p := range m.Metadata {
		e.message(14, func() {
			e.text(1, p.Key)
			e.text(2, p.Value)
		})
	}
	if len(e.b) > MaxSize {
		return nil, pkg.Errorf("encode: %w: %d bytes, at most %d", ErrUnsupported, len(e.b), MaxSize)
	}
	return e.b, nil
}

func (e *encoder) graph(g *Graph) error {
	for i := range g.Nodes {
		var err error
		e.message(1, func() { err = e.node(&g.Nodes[i]) })
		if err != nil {
			return fmt.Errorf("node %d (%s): %w", i, g.Nodes[i].Op, err)
		}
	}
	e.text(2, g.Name)
	for i := range g.Initializers {
		e.message(5, func() { e.tensor(&g.Initializers[i]) })
	}
	e.optional(10, g.Doc)
	e.values(11, g.Inputs)
	e.values(12, g.Outputs)
	e.values(13, g.Values)
	return nil
}

func (e *encoder) values(field int, values []ValueInfo) {
	for _, v := range values {
		e.message(field, func() {
			e.text(1, v.Name)
			e.message(2, func() { // the type
				e.message(1, func() { // of a tensor
					e.int(1, int64(v.Type))
					if v.Dims == nil {
						return
					}
					e.message(2, func() {
						for _, d := range v.Dims {
							e.message(1, func() {
								switch {
								case d.Name != "":
									e.text(2, d.Name)
								case d.Size >= 0:
									e.int(1, d.Size)
								}
							})
						}
					})
				})
			})
			e.optional(3, v.Doc)
		})
	}
}

func (e *encoder) node(n *Node) error {
	for _, s := range n.Inputs {
		e.text(1, s)
	}
	for _, s := range n.Outputs {
		e.text(2, s)
	}
	e.optional(3, n.Name)
	e.text(4, n.Op)
	for _, a := range n.Attrs {
		if a.Value == nil {
			return fmt.Errorf("attribute %s: %w: it has no value", a.Name, ErrInvalid)
		}
		var err error
		e.message(5, func() { err = e.attr(a) })
		if err != nil {
			return fmt.Errorf("attribute %s: %w", a.Name, err)
		}
	}
	e.optional(6, n.Doc)
	e.optional(7, n.Domain)
	return nil
}

func (e *encoder) attr(a Attr) error {
	var err error
	e.text(1, a.Name)
	switch v := a.Value.(type) {
	case Float:
		e.tag(2, wire.Fixed4)
		e.b = binary.LittleEndian.AppendUint32(e.b, math.Float32bits(float32(v)))
	case Int:
		e.int(3, int64(v))
	case String:
		e.text(4, string(v))
	case Tensor:
		e.message(5, func() { e.tensor(&v) })
	case Graph:
		e.message(6, func() { err = e.graph(&v) })
	case Floats:
		if len(v) > 0 {
			e.message(7, func() {
				for _, x := range v {
					e.b = binary.LittleEndian.AppendUint32(e.b, math.Float32bits(x))
				}
			})
		}
	case Ints:
		e.packed(8, v)
	case Strings:
		for _, s := range v {
			e.text(9, s)
		}
	}
	e.int(20, int64(a.Value.attr()))
	return err
}

func (e *encoder) tensor(t *Tensor) {
	e.packed(1, t.Dims)
	e.int(2, int64(t.Type))
	e.optional(8, t.Name)
	e.bytes(9, t.Raw)
}
