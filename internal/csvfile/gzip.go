package csvfile

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

// A file that unpacks to more than bombBytes, and to more than bombRatio times its own size,
// is taken for a bomb. Tables of numbers unpack to 3 to 30 times their size.
const (
	bombBytes = 32 << 20
	bombRatio = 200
)

// unpacked returns a reader of r, decompressed if r is compressed by gzip.
func unpacked(r io.Reader) (io.Reader, error) {
	in := bufio.NewReader(r)
	if start, _ := in.Peek(2); !bytes.Equal(start, []byte("\x1f\x8b")) {
		return in, nil
	}
	packed := &counted{Reader: in}
	z, err := gzip.NewReader(packed)
	if err != nil {
		return nil, damaged(err)
	}
	return &unpacker{from: packed, z: z}, nil
}

// damaged says what is wrong with a file compressed by gzip.
func damaged(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("it is cut short")
	}
	return fmt.Errorf("the file, which is compressed by gzip, is damaged: %w", err)
}

type counted struct {
	io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// An unpacker decompresses. It fails for what is much larger than it was packed.
type unpacker struct {
	from *counted
	z    *gzip.Reader
	n    int64
}

func (u *unpacker) Read(p []byte) (int, error) {
	n, err := u.z.Read(p)
	u.n += int64(n)
	if u.n > bombBytes && u.n > bombRatio*u.from.n {
		return 0, fmt.Errorf("the file, which is compressed by gzip, unpacks to more than %d times its size: decompress it first", bombRatio)
	}
	if err != nil && err != io.EOF {
		err = damaged(err)
	}
	return n, err
}
