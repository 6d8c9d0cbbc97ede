package parquet_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	lib "github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/parquet"
)

func read(t *testing.T, name string) string {
	t.Helper()
	f, err := parquet.Open(name)
	require.NoError(t, err)
	defer f.Close()
	text, err := io.ReadAll(f)
	require.NoError(t, err)
	return string(text)
}

// The files are those of testdata/make.py.
func TestOpen(t *testing.T) {
	assert.Equal(t, `sales,shop,n,open,at,day
1.5,Köln,1,true,2024-01-30T00:30:00Z,2024-01-30T00:00:00
,"a,b",2,false,2024-01-31T00:30:00Z,2024-01-31T00:00:00
1e+300,,3,true,2024-02-01T00:30:00Z,2024-02-01T00:00:00
-0,"say ""x""",4,true,2024-02-02T00:30:00Z,2024-02-02T00:00:00
`, read(t, "testdata/pandas.parquet"))
	assert.Equal(t, `date,price,small,u,i,f,ns,text
1969-12-31,-0.05,1.5,0,-128,0.1,2024-01-01T00:00:00.000001,x
,1234567890123.45,0.0,18446744073709551615,127,2.5,,
2024-02-29,,-12.3,1,,,1960-01-01T00:00:00,
`, read(t, "testdata/spark.parquet"))

	plain := filepath.Join(t.TempDir(), "a.csv")
	require.NoError(t, os.WriteFile(plain, []byte("a,b\n1,2\n"), 0o644))
	assert.Equal(t, "a,b\n1,2\n", read(t, plain), "other files are as they are")

	_, err := parquet.Open("testdata/nothing")
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = parquet.Open("testdata/lists.parquet")
	assert.ErrorIs(t, err, parquet.ErrFormat)
	assert.ErrorContains(t, err, `parquet: not a Parquet file of plain columns: column "a" has lists or groups of values`)
}

// Damaged files make errors, no panics.
func TestDamaged(t *testing.T) {
	whole, err := os.ReadFile("testdata/spark.parquet")
	require.NoError(t, err)
	try := func(data []byte) error {
		r, err := parquet.NewReader(bytes.NewReader(data), int64(len(data)))
		if err == nil {
			_, err = io.Copy(io.Discard, io.LimitReader(r, 1<<20))
		}
		return err
	}
	require.NoError(t, try(whole))
	for _, data := range [][]byte{nil, []byte("PAR1"), []byte("PAR1PAR1"), []byte("PAR1 and something else"), whole[:100], whole[:len(whole)-1], whole[50:]} {
		assert.ErrorIs(t, try(data), parquet.ErrFormat)
	}
	r := rand.New(rand.NewPCG(1, 2))
	refused := 0
	for range 2000 {
		data := bytes.Clone(whole)
		for range 1 + r.IntN(4) {
			data[r.IntN(len(data))] = byte(r.IntN(256))
		}
		if err := try(data); err != nil {
			assert.ErrorIs(t, err, parquet.ErrFormat)
			refused++
		}
	}
	assert.Greater(t, refused, 500)
}

// A small file cannot claim much memory, nor have many rows.
func TestBombs(t *testing.T) {
	type line struct {
		N int64 `parquet:"n,zstd"`
	}
	var file bytes.Buffer
	w := lib.NewGenericWriter[line](&file)
	rows := slices.Repeat([]line{{1234567890123456}}, 1<<16)
	for range 40 { // 2.6 million equal numbers
		_, err := w.Write(rows)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	r, err := parquet.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()))
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, r)
	assert.ErrorIs(t, err, parquet.ErrFormat)
	assert.ErrorContains(t, err, "unpacks to more than 200 times its size")

	// A page header whose uncompressed size is 2 GiB: the size is a varint of 5 bytes after the type of the page.
	file.Reset()
	w = lib.NewGenericWriter[line](&file)
	_, err = w.Write(make([]line, 1<<17)) // a page of 1 MiB of zeros
	require.NoError(t, err)
	require.NoError(t, w.Close())
	data := file.Bytes()
	header := bytes.Index(data, []byte{0x15, 0x06, 0x15}) // the type is a data page of version 2
	require.Positive(t, header)
	_, n := binary.Uvarint(data[header+3:])
	require.Positive(t, n)
	claim := binary.AppendUvarint(nil, 1<<32-2)
	if len(claim) != n {
		// The header grows: what follows moves, and the offsets in the footer do not matter for the first page.
		data = slices.Replace(slices.Clone(data), header+3, header+3+n, claim...)
	}
	_, err = parquet.NewReader(bytes.NewReader(data), int64(len(data)))
	assert.ErrorIs(t, err, parquet.ErrFormat)
	assert.ErrorContains(t, err, "claims to unpack to 2147483647")
}

func ExampleOpen() {
	in := forecast.CSV{Time: "day", Target: "n", Past: []string{"open"}, Open: parquet.Open}
	frame, err := in.ReadFile("testdata/pandas.parquet")
	if err != nil {
		panic(err)
	}
	fmt.Println(frame[0].Freq, frame[0].Y)
	// Output: day [1 2 3 4]
}

func ExampleNewReader() {
	data, err := os.ReadFile("testdata/pandas.parquet")
	if err != nil {
		panic(err)
	}
	r, err := parquet.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		panic(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s\n", text[:16])
	// Output: sales,shop,n,ope
}
