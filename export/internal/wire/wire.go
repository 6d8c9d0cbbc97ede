// Package wire reads protocol buffer messages, the format of ONNX files: see
// https://protobuf.dev/programming-guides/encoding.
package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
)

// ErrDamaged reports bytes that are not a message.
var ErrDamaged = errors.New("not an ONNX file, or cut off or damaged")

// Name returns what the bytes of a file are if they are not a message but something else that is
// known, else nil.
func Name(b []byte) error {
	if bytes.HasPrefix(b, []byte("version https://git-lfs")) {
		return errors.New("a pointer of Git LFS, not the model: fetch that with git lfs pull")
	}
	return nil
}

// Wire types.
const (
	Varint = 0
	Fixed8 = 1 // 8 bytes
	Bytes  = 2 // a length and that many bytes: strings, messages, packed numbers
	Fixed4 = 5 // 4 bytes
)

// A Field is one field of a message.
type Field struct {
	Number int
	Wire   int
	Num    uint64 // value of all types except Bytes
	Data   []byte // value of Bytes, a slice of the message
}

// Fields calls yield for each field of a message in order, until yield fails. It fails with
// [ErrDamaged] or with the error of yield.
func Fields(b []byte, yield func(Field) error) error {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 || tag>>3 == 0 || tag>>3 > 1<<29-1 {
			return ErrDamaged
		}
		b = b[n:]
		f := Field{Number: int(tag >> 3), Wire: int(tag & 7)}
		switch f.Wire {
		case Varint:
			if f.Num, n = binary.Uvarint(b); n <= 0 {
				return ErrDamaged
			}
		case Fixed8:
			if n = 8; len(b) < n {
				return ErrDamaged
			}
			f.Num = binary.LittleEndian.Uint64(b)
		case Fixed4:
			if n = 4; len(b) < n {
				return ErrDamaged
			}
			f.Num = uint64(binary.LittleEndian.Uint32(b))
		case Bytes:
			size, k := binary.Uvarint(b)
			if k <= 0 || size > uint64(len(b)-k) {
				return ErrDamaged
			}
			n = k + int(size)
			f.Data = b[k:n:n]
		default:
			return ErrDamaged
		}
		b = b[n:]
		if err := yield(f); err != nil {
			return err
		}
	}
	return nil
}

// AppendInts appends a number, or several that are packed.
func (f Field) AppendInts(to []int64) ([]int64, error) {
	switch f.Wire {
	case Varint:
		return append(to, int64(f.Num)), nil
	case Bytes:
		n := 0
		for _, c := range f.Data {
			n += int(^c >> 7) // counts the last byte of each number
		}
		to = slices.Grow(to, n)
		for b := f.Data; len(b) > 0; {
			switch { // most numbers take one or two bytes
			case b[0] < 0x80:
				to, b = append(to, int64(b[0])), b[1:]
			case len(b) > 1 && b[1] < 0x80:
				to, b = append(to, int64(b[0]&0x7f)|int64(b[1])<<7), b[2:]
			default:
				v, n := binary.Uvarint(b)
				if n <= 0 {
					return to, ErrDamaged
				}
				to, b = append(to, int64(v)), b[n:]
			}
		}
		return to, nil
	}
	return to, ErrDamaged
}

// AppendFixed appends the bytes of a number of the given size, or of several that are
// packed. If to is nil, the result may share the memory of the message.
func (f Field) AppendFixed(to []byte, size int) ([]byte, error) {
	switch {
	case f.Wire == Fixed4 && size == 4:
		return binary.LittleEndian.AppendUint32(to, uint32(f.Num)), nil
	case f.Wire == Fixed8 && size == 8:
		return binary.LittleEndian.AppendUint64(to, f.Num), nil
	case f.Wire != Bytes || len(f.Data)%size != 0:
		return to, ErrDamaged
	case to == nil:
		return f.Data, nil
	}
	return append(to, f.Data...), nil
}
