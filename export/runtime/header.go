package runtime

import (
	"encoding/binary"
	"errors"
	"strconv"
)

// A header is what a session must know of a model before it is loaded. To ask the
// library would load the model twice.
type header struct {
	inputs, outputs []Info
	metadata        map[string]string
}

// readHeader reads the header of an ONNX file: messages of protocol buffers
// (https://protobuf.dev/programming-guides/encoding), with the field numbers of
// onnx.proto, which the names beside them are from.
func readHeader(model []byte) (header, error) {
	h := header{metadata: map[string]string{}}
	if len(model) == 0 {
		return h, errors.New("the file is empty")
	}
	var graph []byte
	err := fields(model, func(f field) error {
		switch f.number {
		case 7: // graph
			if graph != nil {
				return errCut
			}
			graph = f.bytes
		case 14: // metadata_props
			var key, value string
			err := fields(f.bytes, func(f field) error {
				switch f.number {
				case 1:
					key = string(f.bytes)
				case 2:
					value = string(f.bytes)
				}
				return nil
			})
			h.metadata[key] = value
			return err
		case 25: // functions
			return fields(f.bytes, func(f field) error {
				if f.number == 7 { // node
					return checkNode(f.bytes, 0)
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
		return h, errors.New("no ONNX file: it holds no graph")
	}
	return h, h.readGraph(graph)
}

func (h *header) readGraph(graph []byte) error {
	initialized := map[string]bool{} // old files list them among the inputs
	err := fields(graph, func(f field) error {
		switch f.number {
		case 1: // node
			return checkNode(f.bytes, 0)
		case 5: // initializer
			return fields(f.bytes, func(f field) error {
				switch {
				case f.number == 8: // name
					initialized[string(f.bytes)] = true
				case f.number == 14 && f.value == 1: // data_location
					return errors.New("its weights are kept in another file, which is not supported")
				}
				return nil
			})
		case 11: // input
			return appendInfo(&h.inputs, f.bytes)
		case 12: // output
			return appendInfo(&h.outputs, f.bytes)
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
	shape := func(f field) error { // TensorShapeProto
		if f.number != 1 { // dim
			return nil
		}
		size := int64(-1)
		err := fields(f.bytes, func(f field) error {
			if f.number == 1 && int64(f.value) >= 0 { // dim_value
				size = int64(f.value)
			}
			return nil
		})
		info.Shape = append(info.Shape, size)
		return err
	}
	tensor := func(f field) error { // TypeProto.Tensor
		switch f.number {
		case 1: // elem_type
			info.Type = "type " + strconv.FormatUint(f.value, 10)
			if f.value < uint64(len(elements)) && elements[f.value] != "" {
				info.Type = elements[f.value]
			}
		case 2: // shape
			info.Shape = []int64{}
			return fields(f.bytes, shape)
		}
		return nil
	}
	err := fields(b, func(f field) error {
		switch f.number {
		case 1: // name
			info.Name = string(f.bytes)
		case 2: // type
			return fields(f.bytes, func(f field) error {
				switch f.number {
				case 1:
					return fields(f.bytes, tensor)
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

// A field of a message: a number, or bytes within the message.
type field struct {
	number uint64
	wire   uint64 // its wire type
	value  uint64 // of a varint
	bytes  []byte // of wire type 2
}

// The wire types.
const (
	wireVarint = 0
	wire64     = 1
	wireBytes  = 2
	wire32     = 5
)

var errCut = errors.New("no ONNX file, or one that is cut off or damaged")

// fields calls yield for the fields of a message, in their order, until it fails.
func fields(b []byte, yield func(field) error) error {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 || tag>>3 == 0 {
			return errCut
		}
		b = b[n:]
		f := field{number: tag >> 3, wire: tag & 7}
		switch f.wire {
		case wireVarint:
			f.value, n = binary.Uvarint(b)
			if n <= 0 {
				return errCut
			}
		case wire64, wire32:
			n = 8
			if f.wire == wire32 {
				n = 4
			}
			if len(b) < n {
				return errCut
			}
		case wireBytes:
			size, m := binary.Uvarint(b)
			if m <= 0 || size > uint64(len(b)-m) {
				return errCut
			}
			n = m + int(size)
			f.bytes = b[m:n:n]
		default:
			return errCut
		}
		b = b[n:]
		if err := yield(f); err != nil {
			return err
		}
	}
	return nil
}
