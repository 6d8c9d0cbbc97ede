package pickle

import (
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"strings"

	"github.com/pierrec/lz4/v4"
)

// arrayWrapper describes an array in a joblib file. The elements follow it.
var arrayWrapper = Global{"joblib.numpy_pickle", "NumpyArrayWrapper"}

// array reads the elements that follow the description of an array. An array of objects
// is a pickle of its own. Other arrays are stored as in memory; in files of joblib 1.2 and
// later they follow alignment bytes, whose number is in the byte before.
func (d *decoder) array(o *Object) (*Array, error) {
	t, ok := o.Get("dtype").(*DType)
	if !ok {
		return nil, fmt.Errorf("the type of an array is %s", Kind(o.Get("dtype")))
	}
	if t.Kind == 'O' {
		inner := &decoder{data: d.data, at: d.at, steps: d.steps, packed: d.packed, left: d.left, texts: d.texts, allow: d.allow}
		v, err := inner.run()
		d.at, d.step, d.steps, d.left, d.texts = inner.at, inner.step, inner.steps, inner.left, inner.texts
		if err != nil {
			return nil, err
		}
		a, ok := v.(*Array)
		if !ok {
			return nil, fmt.Errorf("want an array of objects, have %s", Kind(v))
		}
		return a, nil
	}
	if o.Get("numpy_array_alignment_bytes") != nil {
		if _, err := d.counted(1); err != nil {
			return nil, err
		}
	}
	shape, err := sizes(o.Get("shape"))
	if err != nil {
		return nil, err
	}
	n, err := count(shape)
	if err != nil {
		return nil, err
	}
	high, size := bits.Mul64(uint64(n), uint64(t.Size))
	if high > 0 || size > uint64(len(d.data)-d.at) {
		return nil, fmt.Errorf("an array of shape %v, %d bytes left: %w", shape, len(d.data)-d.at, errShort)
	}
	data, err := d.take(int(size))
	if err != nil {
		return nil, err
	}
	return newArray(*t, o.Get("shape"), o.Get("order") == "F", data)
}

// compressions are recognized by how a file begins. Those without open are not supported.
var compressions = []struct {
	name, magic string
	open        func(io.Reader) (io.Reader, error)
}{
	{"gzip", "\x1f\x8b", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
	{"bzip2", "BZh", func(r io.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil }},
	{"zlib", "x\x01", openZlib}, {"zlib", "x\x5e", openZlib}, {"zlib", "x\x9c", openZlib}, {"zlib", "x\xda", openZlib},
	{"xz", "\xfd7zXZ", openXZ},
	{"LZMA", "\x5d\x00\x00", openLZMA},
	{"LZ4", "\x04\x22\x4d\x18", func(r io.Reader) (io.Reader, error) { return lz4.NewReader(r), nil }},
	{"the compression of joblib before 0.10", "ZF", nil},
}

func openZlib(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) }

// Packed reports whether data begins as a compressed file does, of a kind that [Unpack]
// knows.
func Packed(data []byte) bool {
	for _, c := range compressions {
		if bytes.HasPrefix(data, []byte(c.magic)) {
			return true
		}
	}
	return false
}

// Detect reports whether data begins as the pickle of an object does: with its protocol,
// or, before protocol 2, with the name of a function.
func Detect(data []byte) bool {
	if len(data) > 1 && data[0] == 0x80 {
		return data[1] >= 2 && data[1] < 16
	}
	head, _, ok := strings.Cut(string(data[:min(len(data), 100)]), "\n")
	if !ok || len(head) < 2 || head[0] != 'c' {
		return false
	}
	for _, c := range head {
		if c != '.' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

// Unpack decompresses a file: zlib, gzip, bzip2, xz, LZMA or LZ4, up to the larger of 64 MiB
// and 100 times the size of data. A file that unpacks to more gives [ErrUnsupported], and so
// does the compression of old versions of joblib. Uncompressed data is returned unchanged.
func Unpack(data []byte) ([]byte, error) { return unpack(data, 64<<20) }

func unpack(data []byte, least int64) ([]byte, error) {
	for _, c := range compressions {
		if !bytes.HasPrefix(data, []byte(c.magic)) {
			continue
		}
		if c.open == nil {
			return nil, pkg.Errorf("%w", unsupported(`it is compressed with %s: write it with joblib.dump(model, "model.joblib", compress=0), or with compress=("gzip", 3)`, c.name))
		}
		limit := max(least, 100*int64(len(data)))
		r, err := c.open(bytes.NewReader(data))
		var out []byte
		if err == nil {
			out, err = io.ReadAll(io.LimitReader(r, limit+1))
		}
		switch {
		case errors.Is(err, ErrUnsupported):
			return nil, pkg.Errorf("%w", err)
		case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
			return nil, pkg.Errorf("unpack %s: %w", c.name, errShort)
		case err != nil:
			return nil, pkg.Errorf("unpack %s: %w", c.name, err)
		case int64(len(out)) > limit:
			return nil, pkg.Errorf("%w", unsupported(`%d bytes of %s unpack to more than %d: write it uncompressed, with joblib.dump(model, "model.joblib", compress=0)`, len(data), c.name, limit))
		}
		return out, nil
	}
	return data, nil
}
