package runtime

import (
	"errors"
	"strconv"

	"github.com/attune-hpo/attune/export/internal/wire"
)

// A header is the part of a model that a session must know before the model is loaded.
// Asking the library for it would load the model twice.
type header struct {
	inputs, outputs []Info
	metadata        map[string]string
}

// readHeader reads the header of an ONNX file. Field numbers and the names in the comments
// are those of onnx.proto.
func readHeader(model []byte) (header, error) {
	h := header{metadata: map[string]string{}}
	if len(model) == 0 {
		return h, errors.New("the file is empty")
	}
	var graph []byte
	err := wire.Fields(model, func(f wire.Field) error {
		switch f.Number {
		case 7: // graph
			if graph != nil {
				return wire.ErrDamaged
			}
			graph = f.Data
		case 14: // metadata_props
			var key, value string
			err := wire.Fields(f.Data, func(f wire.Field) error {
				switch f.Number {
				case 1:
					key = string(f.Data)
				case 2:
					value = string(f.Data)
				}
				return nil
			})
			h.metadata[key] = value
			return err
		case 25: // functions
			return wire.Fields(f.Data, func(f wire.Field) error {
				if f.Number == 7 { // node
					return checkNode(f.Data, 0)
				}
				return nil
			})
		}
		return nil
	})
	switch {
	case err != nil:
		return h, err
	case graph == nil:
		return h, errors.New("not an ONNX file: it contains no graph")
	}
	return h, h.readGraph(graph)
}

func (h *header) readGraph(graph []byte) error {
	initialized := map[string]bool{} // old files also list these as inputs
	err := wire.Fields(graph, func(f wire.Field) error {
		switch f.Number {
		case 1: // node
			return checkNode(f.Data, 0)
		case 5: // initializer
			return wire.Fields(f.Data, func(f wire.Field) error {
				switch {
				case f.Number == 8: // name
					initialized[string(f.Data)] = true
				case f.Number == 14 && f.Num == 1: // data_location
					return errors.New("its weights are in another file, which is not supported: save the weights in the model file")
				}
				return nil
			})
		case 11: // input
			return appendInfo(&h.inputs, f.Data)
		case 12: // output
			return appendInfo(&h.outputs, f.Data)
		}
		return nil
	})
	inputs := h.inputs[:0]
	for _, i := range h.inputs {
		if !initialized[i.Name] {
			inputs = append(inputs, i)
		}
	}
	h.inputs = inputs
	return err
}

// elements names the types of TensorProto.DataType.
var elements = [...]string{
	1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string", 9: "bool",
	10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16",
}

// appendInfo reads a ValueInfoProto.
func appendInfo(to *[]Info, b []byte) error {
	info := Info{Type: "unknown"}
	shape := func(f wire.Field) error { // TensorShapeProto
		if f.Number != 1 { // dim
			return nil
		}
		size := int64(-1)
		err := wire.Fields(f.Data, func(f wire.Field) error {
			if f.Number == 1 && int64(f.Num) >= 0 { // dim_value
				size = int64(f.Num)
			}
			return nil
		})
		info.Shape = append(info.Shape, size)
		return err
	}
	tensor := func(f wire.Field) error { // TypeProto.Tensor
		switch f.Number {
		case 1: // elem_type
			info.Type = "type " + strconv.FormatUint(f.Num, 10)
			if f.Num < uint64(len(elements)) && elements[f.Num] != "" {
				info.Type = elements[f.Num]
			}
		case 2: // shape
			info.Shape = []int64{}
			return wire.Fields(f.Data, shape)
		}
		return nil
	}
	err := wire.Fields(b, func(f wire.Field) error {
		switch f.Number {
		case 1: // name
			info.Name = string(f.Data)
		case 2: // type
			return wire.Fields(f.Data, func(f wire.Field) error {
				switch f.Number {
				case 1:
					return wire.Fields(f.Data, tensor)
				case 4:
					info.Type = "sequence"
				case 5:
					info.Type = "map"
				case 8:
					info.Type = "sparse tensor"
				case 9:
					info.Type = "optional"
				}
				return nil
			})
		}
		return nil
	})
	*to = append(*to, info)
	return err
}
