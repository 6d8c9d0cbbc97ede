// Package parquet reads tables in Apache Parquet, such as pandas, Spark and R write, and gives them out as
// comma-separated values. [Open] is for [forecast.CSV.Open] and [table.CSV.Open]:
//
//	frame, err := forecast.CSV{Time: "date", Target: "sales", Open: parquet.Open}.ReadFile("sales.parquet")
//
// A missing value is an empty field. Dates are written as 2006-01-31, timestamps as
// 2006-01-31T15:04:05 with a Z if they are in UTC, decimals with all of their digits. Columns of lists
// and groups are refused.
//
// It is a separate package, so that programs that read no Parquet files do not compile the library; see ADR 0054.
//
// [forecast.CSV.Open]: https://pkg.go.dev/github.com/attune-hpo/attune/objective/forecast#CSV
// [table.CSV.Open]: https://pkg.go.dev/github.com/attune-hpo/attune/objective/table#CSV
package parquet

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"math/big"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"

	"github.com/attune-hpo/attune/fault"
)

const pkg fault.Package = "parquet"

// ErrFormat reports a file that is not a Parquet file, is damaged, or has columns of lists or groups.
var ErrFormat = errors.New("not a Parquet file of plain columns")

// Magic is the text with which a Parquet file begins and ends.
const Magic = "PAR1"

// Open opens a file. If it is a Parquet file, the reader reads its rows as comma-separated values
// with a header; other files are read as they are. Errors of the reader wrap [ErrFormat].
func Open(name string) (io.ReadCloser, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	start := make([]byte, len(Magic))
	if n, _ := f.ReadAt(start, 0); n < len(Magic) || string(start) != Magic {
		return f, nil
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	r, err := NewReader(f, info.Size())
	if err != nil {
		f.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{r, f}, nil
}

// NewReader returns a reader of the rows of a Parquet file of size bytes, as comma-separated
// values with a header. It fails with [ErrFormat], or with the errors of r. A file that unpacks to more than 200 times
// its size, and to more than 32 MiB, is refused, here or by the reader.
func NewReader(r io.ReaderAt, size int64) (_ io.Reader, err error) {
	defer recovered(&err)
	f, err := parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, damaged(err)
	}
	if err := checkPages(r, f); err != nil {
		return nil, damaged(err)
	}
	out := &reader{left: f.RowGroups(), size: size}
	out.csv = csv.NewWriter(&out.text)
	var header []string
	for _, field := range f.Root().Columns() {
		if !field.Leaf() || field.Repeated() {
			return nil, pkg.Errorf("%w: column %q has lists or groups of values", ErrFormat, field.Name())
		}
		header = append(header, field.Name())
		out.columns = append(out.columns, textOf(field.Type()))
	}
	if len(header) == 0 {
		return nil, pkg.Errorf("%w: it has no columns", ErrFormat)
	}
	out.cells = make([]string, len(header))
	if err := out.csv.Write(header); err != nil {
		return nil, err
	}
	out.csv.Flush()
	return bufio.NewReader(out), nil
}

func damaged(err error) error { return pkg.Errorf("%w: %w", ErrFormat, err) }

// recovered turns a panic of the library, about a damaged file, into an error.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = pkg.Errorf("%w: %v", ErrFormat, p)
	}
}

// A reader writes one batch of rows after the other.
type reader struct {
	left    []parquet.RowGroup // those not begun yet
	rows    parquet.Rows       // of the row group that has been begun
	columns []func(parquet.Value) string
	cells   []string
	batch   [256]parquet.Row
	text    bytes.Buffer
	csv     *csv.Writer
	err     error

	size, n int64 // of the file, and of the text so far
}

// Read implements [io.Reader].
func (r *reader) Read(p []byte) (int, error) {
	for r.text.Len() == 0 && r.err == nil {
		r.text.Reset()
		r.err = r.more()
	}
	if r.text.Len() > 0 {
		n, err := r.text.Read(p)
		if r.n += int64(n); r.n > bombBytes && r.n > bombRatio*r.size {
			r.err = pkg.Errorf("%w: it unpacks to more than %d times its size", ErrFormat, bombRatio)
			return 0, r.err
		}
		return n, err
	}
	return 0, r.err
}

// more writes the next rows. After the last row it returns [io.EOF].
func (r *reader) more() (err error) {
	defer recovered(&err)
	if r.rows == nil {
		if len(r.left) == 0 {
			return io.EOF
		}
		r.rows, r.left = r.left[0].Rows(), r.left[1:]
	}
	n, err := r.rows.ReadRows(r.batch[:])
	for _, row := range r.batch[:n] {
		clear(r.cells)
		for _, v := range row {
			if k := v.Column(); !v.IsNull() {
				r.cells[k] = r.columns[k](v)
			}
		}
		if len(r.cells) == 1 && r.cells[0] == "" {
			r.text.WriteString("\"\"\n") // an empty line is no row
			continue
		}
		if err := r.csv.Write(r.cells); err != nil {
			return err
		}
		r.csv.Flush()
	}
	switch {
	case err == io.EOF:
		err = r.rows.Close()
		r.rows = nil
	case err != nil:
		err = damaged(err)
	}
	return err
}

// textOf returns the function that writes the values of a type.
func textOf(t parquet.Type) func(parquet.Value) string {
	if l := t.LogicalType(); l != nil {
		switch l := l.Value.(type) {
		case *format.DateType:
			return func(v parquet.Value) string {
				return time.Unix(int64(v.Int32())*24*3600, 0).UTC().Format(time.DateOnly)
			}
		case *format.TimestampType:
			return timestamp(l.Unit.Value.Duration(), l.IsAdjustedToUTC)
		case *format.DecimalType:
			return func(v parquet.Value) string { return decimal(v, int(l.Scale)) }
		case *format.IntType:
			if !l.IsSigned {
				return unsigned
			}
		}
	}
	switch c := t.ConvertedType(); {
	case c == nil || t.LogicalType() != nil:
	case *c == deprecated.Date:
		return textOf(parquet.Date().Type())
	case *c == deprecated.TimestampMillis:
		return timestamp(time.Millisecond, true)
	case *c == deprecated.TimestampMicros:
		return timestamp(time.Microsecond, true)
	case *c >= deprecated.Uint8 && *c <= deprecated.Uint64:
		return unsigned
	}
	return plain
}

func unsigned(v parquet.Value) string {
	if v.Kind() == parquet.Int32 {
		return strconv.FormatUint(uint64(v.Uint32()), 10)
	}
	return strconv.FormatUint(v.Uint64(), 10)
}

func timestamp(unit time.Duration, utc bool) func(parquet.Value) string {
	layout := "2006-01-02T15:04:05.999999999"
	if utc {
		layout += "Z"
	}
	return func(v parquet.Value) string {
		perSecond := int64(time.Second / unit)
		x := v.Int64()
		return time.Unix(x/perSecond, x%perSecond*int64(unit)).UTC().Format(layout)
	}
}

// decimal writes a whole number with a point before its last scale digits.
func decimal(v parquet.Value, scale int) string {
	whole := new(big.Int)
	switch v.Kind() {
	case parquet.Int32:
		whole.SetInt64(int64(v.Int32()))
	case parquet.Int64:
		whole.SetInt64(v.Int64())
	default: // two's complement
		b := v.ByteArray()
		whole.SetBytes(b)
		if len(b) > 0 && b[0] >= 0x80 {
			whole.Sub(whole, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
		}
	}
	if scale <= 0 || scale > 1000 {
		return whole.String()
	}
	sign, digits := "", whole.String()
	if whole.Sign() < 0 {
		sign, digits = "-", digits[1:]
	}
	if short := scale + 1 - len(digits); short > 0 {
		digits = strings.Repeat("0", short) + digits
	}
	return sign + digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
}

// plain writes a value of a type without a logical type, or whose logical type does not matter.
func plain(v parquet.Value) string {
	switch v.Kind() {
	case parquet.Boolean:
		return strconv.FormatBool(v.Boolean())
	case parquet.Int32:
		return strconv.FormatInt(int64(v.Int32()), 10)
	case parquet.Int64:
		return strconv.FormatInt(v.Int64(), 10)
	case parquet.Int96: // nanoseconds of a day, and the Julian day
		x := v.Int96()
		const unixDay = 2440588
		return time.Unix((int64(x[2])-unixDay)*24*3600, int64(uint64(x[1])<<32|uint64(x[0]))).UTC().Format("2006-01-02T15:04:05.999999999")
	case parquet.Float:
		return strconv.FormatFloat(float64(v.Float()), 'g', -1, 32)
	case parquet.Double:
		return strconv.FormatFloat(v.Double(), 'g', -1, 64)
	}
	return string(v.ByteArray())
}
