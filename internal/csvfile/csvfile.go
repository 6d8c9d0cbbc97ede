// Package csvfile reads comma-separated values with a header, and reports the place of
// errors. It limits the memory that a file can take.
package csvfile

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Causes of errors in a file. Errors wrap them.
var (
	ErrEmpty  = errors.New("there are no rows")
	ErrColumn = errors.New("column")
)

// NA are the default texts that mean a missing number.
var NA = []string{"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", ".", "?"}

// limit is the maximum number of bytes in a row, so that a file without line ends, or with
// an unclosed quote, does not fill the memory.
const limit = 16 << 20

const ahead = 1 << 16 // bytes read ahead of a row

var errLong = fmt.Errorf("longer than %d MiB: a line or a quoted text does not end", limit>>20)

// An Error gives the place of an error in a file. Its text names neither the file nor the
// package that reads it.
type Error struct {
	Line   int    // line of the file, 1 for the header, 0 for the file as a whole
	Column string // name of the column in the header; may be empty
	Value  string // text of the field; may be empty
	Err    error
}

// At returns an error with the given fields.
func At(line int, column, value string, err error) *Error {
	return &Error{Line: line, Column: column, Value: value, Err: err}
}

// Error returns the line, the column and the value, shortened if they are long, and the cause.
func (e *Error) Error() string {
	var s string
	if e.Line > 0 {
		s = fmt.Sprintf("line %d: ", e.Line)
	}
	if e.Column != "" {
		s += fmt.Sprintf("column %s: ", quote(e.Column))
	}
	if e.Value != "" {
		s += quote(e.Value) + ": "
	}
	return s + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Names lists names for people: quoted, and at most 20 of them.
func Names(names []string) string {
	const most = 20
	var quoted []string
	for _, name := range names[:min(len(names), most)] {
		quoted = append(quoted, quote(name))
	}
	if more := len(names) - most; more > 0 {
		quoted = append(quoted, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(quoted, ", ")
}

// Others says how many other rows have the same error: ", as in 3 other rows", or "" for 0.
func Others(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return ", as in one other row"
	}
	return fmt.Sprintf(", as in %d other rows", n)
}

// quote quotes a text, and shortens it if it is long.
func quote(s string) string {
	const most = 200
	if len(s) > most {
		return fmt.Sprintf("%q...", s[:most])
	}
	return strconv.Quote(s)
}

// Number parses a finite number, or returns NaN if text is one of na. ok is false for
// anything else.
func Number(text string, na []string) (x float64, ok bool) {
	if slices.Contains(na, text) {
		return math.NaN(), true
	}
	if strings.Contains(text, "_") { // ParseFloat accepts this, but it may be a date: 2020_01_31
		return 0, false
	}
	x, err := strconv.ParseFloat(text, 64)
	return x, err == nil && !math.IsInf(x, 0)
}

// ReadFile returns the result of read for a file, which open opens, by default [os.Open]. Its
// errors name the file.
func ReadFile[T any](name string, open func(string) (io.ReadCloser, error), read func(io.Reader) (T, error)) (T, error) {
	if open == nil {
		open = func(name string) (io.ReadCloser, error) { return os.Open(name) }
	}
	f, err := open(name)
	if err != nil {
		var none T
		if _, named := errors.AsType[*fs.PathError](err); !named {
			err = fmt.Errorf("%s: %w", name, err)
		}
		return none, err
	}
	defer f.Close()
	out, err := read(f)
	if err != nil {
		return out, fmt.Errorf("%s: %w", name, err)
	}
	return out, nil
}

// A Reader reads a file row by row. All of its errors except [io.EOF] are an *[Error].
type Reader struct {
	Header []string // names of the columns, without surrounding white space
	Line   int      // line of the last row read

	in      *csv.Reader
	left    *io.LimitedReader
	next    int   // line after the last row read
	any     bool  // there is a row after the header
	unnamed []int // columns that NameColumns named
}

// Comma returns the field separator.
func (c *Reader) Comma() rune { return c.in.Comma }

// NewReader reads the header of r and returns a reader of the rows after it. comma is the
// field separator. If it is 0, the separator is the comma or, if the header has none outside
// quotes, its first semicolon, tab or bar. NewReader fails with [ErrEmpty] if there is no
// header. A file compressed by gzip is decompressed. It recognizes files that are not text, are UTF-16 or have the line ends of old
// Macs, and says what to do.
func NewReader(r io.Reader, comma rune) (*Reader, error) {
	plain, err := unpacked(r)
	if err != nil {
		return nil, &Error{Err: err}
	}
	left := &io.LimitedReader{R: plain, N: ahead}
	in := bufio.NewReaderSize(left, ahead)
	start, _ := in.Peek(in.Size())
	if what := recognize(start); what != "" {
		return nil, &Error{Err: errors.New(what)}
	}
	if text, marked := bytes.CutPrefix(start, []byte("\xef\xbb\xbf")); marked {
		start = text
		in.Discard(3)
	}
	if comma == 0 {
		comma = separator(start)
	}
	c := &Reader{in: csv.NewReader(in), left: left, next: 1}
	c.in.Comma, c.in.ReuseRecord = comma, true
	header, err := c.read()
	if err == io.EOF {
		return nil, &Error{Err: ErrEmpty}
	}
	c.Header = slices.Clone(header)
	return c, err
}

// NameColumns names the columns that have no name, as pandas writes for an index. The names
// are those that pandas gives: "Unnamed: 0" to the first column of the file, "Unnamed: 1" to
// the second.
func (r *Reader) NameColumns() {
	for i, name := range r.Header {
		if name == "" {
			r.Header[i] = fmt.Sprintf("Unnamed: %d", i)
			r.unnamed = append(r.unnamed, i)
		}
	}
}

// separator returns the field separator of the header at the start of text.
func separator(text []byte) rune {
	found, quoted := ',', false
	for _, b := range bytes.TrimLeft(text, "\r\n") {
		switch {
		case b == '"':
			quoted = !quoted
		case quoted:
		case b == ',':
			return ','
		case b == '\n':
			return found
		case found == ',' && strings.IndexByte(";\t|", b) >= 0:
			found = rune(b)
		}
	}
	return found
}

// Read returns the fields of the next row, without surrounding white space. They are valid
// until the next call. After the last row it fails with [io.EOF], or with [ErrEmpty] if
// there was no row. It fails with [csv.ErrFieldCount] for a row with more or fewer fields
// than the header, and with the other errors of [csv.Reader].
func (r *Reader) Read() ([]string, error) {
	fields, err := r.read()
	if err == io.EOF && !r.any {
		err = &Error{Err: fmt.Errorf("%w after the header", ErrEmpty)}
	}
	r.any = true
	return fields, err
}

func (r *Reader) read() ([]string, error) {
	r.left.N = limit + ahead
	fields, err := r.in.Read()
	switch {
	case r.left.N <= 0: // csv.Reader took this for the end of the file
		return nil, &Error{Line: r.next, Err: errLong}
	case err == io.EOF:
		return nil, err
	case err != nil:
		return nil, r.locate(err, len(fields))
	}
	last := len(fields) - 1
	r.Line, _ = r.in.FieldPos(0)
	r.next, _ = r.in.FieldPos(last)
	r.next += 1 + strings.Count(fields[last], "\n")
	for i, field := range fields {
		fields[i] = strings.TrimSpace(field)
	}
	return fields, nil
}

// locate converts an error of csv.Reader, which has read the given number of fields, to an
// [Error]. An unclosed quote is reported where its row begins, not at the end of the file.
func (r *Reader) locate(err error, fields int) error {
	syntax, ok := errors.AsType[*csv.ParseError](err)
	switch {
	case !ok:
		return &Error{Line: r.next, Err: err}
	case errors.Is(err, csv.ErrFieldCount):
		return &Error{Line: syntax.StartLine, Err: fmt.Errorf("%w: %d, but the header has %d", csv.ErrFieldCount, fields, len(r.Header))}
	}
	return &Error{Line: syntax.StartLine, Err: syntax.Err}
}

// Find returns the index of the column with a name, which must be unique. "" also finds the
// only column that [Reader.NameColumns] has named.
func (r *Reader) Find(name string) (int, error) {
	if name == "" && len(r.unnamed) == 1 {
		return r.unnamed[0], nil
	}
	k := slices.Index(r.Header, name)
	switch {
	case k < 0:
		return 0, &Error{Line: 1, Column: name, Err: fmt.Errorf("%w not found: there are %s", ErrColumn, Names(r.Header))}
	case slices.Contains(r.Header[k+1:], name):
		return 0, &Error{Line: 1, Column: name, Err: fmt.Errorf("%w occurs twice", ErrColumn)}
	}
	return k, nil
}

// Text reports the first field of the header or of the last row read that is not valid UTF-8.
func (r *Reader) Text(fields ...string) error {
	for _, field := range fields {
		if !utf8.ValidString(field) {
			return &Error{Line: r.Line, Value: field, Err: errors.New("the text is not UTF-8: save it as UTF-8")}
		}
	}
	return nil
}
