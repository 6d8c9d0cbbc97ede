package wire

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAppendInts(t *testing.T) {
	want := []int64{0, 1, 127, 128, 16383, 16384, 1 << 40, math.MaxInt64, -1, math.MinInt64}
	var packed []byte
	for _, v := range want {
		packed = binary.AppendUvarint(packed, uint64(v))
	}
	got, err := Field{Wire: Bytes, Data: packed}.AppendInts([]int64{7})
	require.NoError(t, err)
	assert.Equal(t, append([]int64{7}, want...), got)
	got, err = Field{Wire: Varint, Num: math.MaxUint64}.AppendInts(nil)
	require.NoError(t, err)
	assert.Equal(t, []int64{-1}, got)
	for _, cut := range []Field{{Wire: Bytes, Data: []byte{1, 0x80}}, {Wire: Bytes, Data: packed[:len(packed)-1]}, {Wire: Fixed4}} {
		_, err = cut.AppendInts(nil)
		assert.ErrorIs(t, err, ErrDamaged)
	}
}

func TestAppendFixed(t *testing.T) {
	message := []byte{1, 2, 3, 4, 5, 6, 7, 8}
	one, err := Field{Wire: Bytes, Data: message[:4:4]}.AppendFixed(nil, 4)
	require.NoError(t, err)
	two, err := Field{Wire: Fixed4, Num: 0x0c0b0a09}.AppendFixed(one, 4)
	require.NoError(t, err)
	assert.Equal(t, []byte{1, 2, 3, 4, 9, 10, 11, 12}, two)
	assert.Equal(t, []byte{1, 2, 3, 4, 5, 6, 7, 8}, message, "the message stays as it is")
	two, err = Field{Wire: Fixed8, Num: 1}.AppendFixed(two, 8)
	require.NoError(t, err)
	assert.Len(t, two, 16)
	for _, bad := range []Field{{Wire: Fixed4}, {Wire: Varint}, {Wire: Bytes, Data: message[:7]}} {
		_, err = bad.AppendFixed(nil, 8)
		assert.ErrorIs(t, err, ErrDamaged)
	}
}

func TestFields(t *testing.T) {
	var got []Field
	whole := []byte{0x08, 0x96, 0x01, 0x12, 2, 'h', 'i', 0x1d, 1, 0, 0, 0, 0x21, 2, 0, 0, 0, 0, 0, 0, 0}
	require.NoError(t, Fields(whole, func(f Field) error { got = append(got, f); return nil }))
	assert.Equal(t, []Field{{1, Varint, 150, nil}, {2, Bytes, 0, []byte("hi")}, {3, Fixed4, 1, nil}, {4, Fixed8, 2, nil}}, got)
	ends := map[int]bool{0: true, 3: true, 7: true, 12: true} // ends of fields
	for n := range whole {
		err := Fields(whole[:n], func(Field) error { return nil })
		assert.Equal(t, ends[n], err == nil, n)
	}
	for name, b := range map[string][]byte{"no number": {0x00, 0}, "a group": {0x0b}, "a length of 2^63": {0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}} {
		assert.ErrorIs(t, Fields(b, func(Field) error { return nil }), ErrDamaged, name)
	}
}
