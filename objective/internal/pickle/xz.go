package pickle

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

// dictionary limits the memory that a file of xz or LZMA declares for unpacking: that of their
// highest preset.
const dictionary = 64 << 20

func openLZMA(r io.Reader) (io.Reader, error) {
	return lzma.ReaderConfig{DictCap: dictionary}.NewReader(r)
}

// openXZ reads the first stream of a file in xz's format, version 1.2.0. The library's own
// reader allocates whatever memory a block declares, up to 4 GiB.
func openXZ(r io.Reader) (io.Reader, error) {
	head := make([]byte, 12)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint32(head[8:]) != crc32.ChecksumIEEE(head[6:8]) || head[6] != 0 {
		return nil, errors.New("its header is damaged")
	}
	checks := map[byte]func() hash.Hash{
		0x00: func() hash.Hash { return nil },
		0x01: func() hash.Hash { return crc32.NewIEEE() },
		0x04: func() hash.Hash { return crc64.New(crc64.MakeTable(crc64.ECMA)) },
		0x0a: sha256.New,
	}
	check, ok := checks[head[7]]
	if !ok {
		return nil, fmt.Errorf("its check %d is unknown", head[7])
	}
	return &xzReader{from: &counter{r: r}, check: check}, nil
}

// A counter counts the bytes that are read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *counter) ReadByte() (byte, error) {
	var b [1]byte
	_, err := io.ReadFull(c, b[:])
	return b[0], err
}

// An xzReader reads the blocks of a stream.
type xzReader struct {
	from  *counter
	check func() hash.Hash
	block io.Reader // nil between blocks
	start int64     // of the block's data, by from
	sum   hash.Hash // of the block
	ended bool
}

func (x *xzReader) Read(p []byte) (int, error) {
	for {
		if x.ended {
			return 0, io.EOF
		}
		if x.block == nil {
			if err := x.header(); err != nil {
				return 0, err
			}
			continue
		}
		n, err := x.block.Read(p)
		if x.sum != nil {
			x.sum.Write(p[:n])
		}
		if errors.Is(err, io.EOF) {
			x.block, err = nil, x.finish()
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// header reads the header of the next block, or notes that there is none.
func (x *xzReader) header() error {
	size, err := x.from.ReadByte()
	if err != nil {
		return io.ErrUnexpectedEOF
	}
	if size == 0 { // the index, and the end
		x.ended = true
		return nil
	}
	head := make([]byte, (int(size)+1)*4)
	head[0] = size
	if _, err := io.ReadFull(x.from, head[1:]); err != nil {
		return io.ErrUnexpectedEOF
	}
	body, sum := head[:len(head)-4], head[len(head)-4:]
	if binary.LittleEndian.Uint32(sum) != crc32.ChecksumIEEE(body) {
		return errors.New("the header of a block is damaged")
	}
	flags := body[1]
	at := bytes.NewReader(body[2:])
	for _, there := range []byte{0x40, 0x80} { // sizes, which the data have as well
		if flags&there != 0 {
			if _, err := binary.ReadUvarint(at); err != nil {
				return errors.New("the header of a block is damaged")
			}
		}
	}
	var filter [3]byte // LZMA2, one byte, the size of the dictionary
	if _, err := io.ReadFull(at, filter[:]); err != nil || flags&3 != 0 || filter[0] != 0x21 || filter[1] != 1 {
		return unsupported("it is compressed with filters of xz other than LZMA2: write it with joblib.dump(model, \"model.joblib\", compress=0)")
	}
	bits := filter[2]
	if bits > 40 || int64(2|bits&1)<<(bits/2+11) > dictionary {
		return unsupported("it takes more than %d bytes of memory to unpack: write it with joblib.dump(model, \"model.joblib\", compress=0)", dictionary)
	}
	x.sum, x.start = x.check(), x.from.n
	x.block, err = lzma.Reader2Config{DictCap: max(lzma.MinDictCap, int(2|bits&1)<<(bits/2+11))}.NewReader2(x.from)
	return err
}

// finish reads what follows the data of a block: padding, and the check.
func (x *xzReader) finish() error {
	pad := make([]byte, (4-(x.from.n-x.start)%4)%4)
	if _, err := io.ReadFull(x.from, pad); err != nil {
		return io.ErrUnexpectedEOF
	}
	if x.sum == nil {
		return nil
	}
	want := x.sum.Sum(nil)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(x.from, got); err != nil {
		return io.ErrUnexpectedEOF
	}
	if x.sum.Size() < sha256.Size { // numbers are little-endian
		for i := range len(got) / 2 {
			got[i], got[len(got)-1-i] = got[len(got)-1-i], got[i]
		}
	}
	if !bytes.Equal(got, want) {
		return errors.New("the check of a block differs: the file is damaged")
	}
	return nil
}
