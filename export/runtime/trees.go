package runtime

import (
	"errors"
	"fmt"
	"math"

	"github.com/attune-hpo/attune/export/internal/treecheck"
	"github.com/attune-hpo/attune/export/internal/wire"
)

// maxDepth limits the nesting of graphs.
const maxDepth = 16

// checkNode checks a NodeProto and the graphs inside it: see package treecheck.
func checkNode(node []byte, depth int) error {
	var op, domain string
	attrs := map[string]treecheck.Attr{}
	err := wire.Fields(node, func(f wire.Field) error {
		switch f.Number {
		case 4: // op_type
			op = string(f.Data)
		case 5: // attribute
			a, name, err := readAttribute(f.Data, depth)
			if _, twice := attrs[name]; twice && err == nil {
				err = fmt.Errorf("an attribute %q of a node is duplicated", name)
			}
			attrs[name] = a
			return err
		case 7: // domain
			domain = string(f.Data)
		}
		return nil
	})
	if err != nil || domain != "ai.onnx.ml" {
		return err
	}
	if _, err = treecheck.Node(op, attrs, -1); err != nil {
		return fmt.Errorf("its %s is damaged: %w", op, err)
	}
	return nil
}

// checkGraph checks the nodes of a GraphProto.
func checkGraph(graph []byte, depth int) error {
	if depth > maxDepth {
		return errors.New("its graphs are nested too deeply")
	}
	return wire.Fields(graph, func(f wire.Field) error {
		if f.Number == 1 { // node
			return checkNode(f.Data, depth)
		}
		return nil
	})
}

// readAttribute reads an AttributeProto.
func readAttribute(b []byte, depth int) (a treecheck.Attr, name string, err error) {
	var floats []byte
	err = wire.Fields(b, func(f wire.Field) (err error) {
		switch f.Number {
		case 1: // name
			name = string(f.Data)
		case 3: // i
			a.Int = int64(f.Num)
		case 5: // t
			if a.Type != 0 {
				return wire.ErrDamaged
			}
			return readTensor(&a, f.Data)
		case 6, 11: // g, graphs
			return checkGraph(f.Data, depth+1)
		case 7: // floats
			floats, err = f.AppendFixed(floats, 4)
			a.N = len(floats) / 4
		case 8: // ints
			a.Ints, err = f.AppendInts(a.Ints)
			a.N = len(a.Ints)
		case 9: // strings
			a.Modes = append(a.Modes, treecheck.ModeOf(f.Data))
			a.N = len(a.Modes)
		}
		return err
	})
	kinds := 0
	for _, has := range []bool{floats != nil, a.Ints != nil, a.Modes != nil, a.Type != 0} {
		if has {
			kinds++
		}
	}
	if kinds > 1 { // the library decides which of them counts
		a.N = -1
	}
	return a, name, err
}

// readTensor reads a TensorProto.
func readTensor(a *treecheck.Attr, b []byte) error {
	size := int64(1)
	var values, raw []byte
	err := wire.Fields(b, func(f wire.Field) (err error) {
		var ints []int64
		switch f.Number {
		case 1: // dims
			ints, err = f.AppendInts(nil)
			for _, d := range ints {
				size *= d
			}
		case 2: // data_type
			a.Type = int64(f.Num)
		case 4: // float_data
			values, err = f.AppendFixed(values, 4)
		case 5: // int32_data, which holds uint8 too
			ints, err = f.AppendInts(nil)
			for _, v := range ints {
				values = append(values, byte(min(uint64(v), math.MaxUint8)))
			}
		case 9: // raw_data
			raw = f.Data
		case 10: // double_data
			values, err = f.AppendFixed(values, 8)
		}
		return err
	})
	if err != nil {
		return err
	}
	if a.Raw = raw; len(raw) == 0 {
		a.Raw = values
	}
	width := map[int64]int{treecheck.Float: 4, treecheck.Uint8: 1, treecheck.Double: 8}[a.Type]
	switch {
	case width == 0: // whoever needs it refuses its type
	case len(a.Raw)%width != 0 || int64(len(a.Raw)/width) != size:
		a.N = -1
	default:
		a.N = len(a.Raw) / width
	}
	return nil
}
