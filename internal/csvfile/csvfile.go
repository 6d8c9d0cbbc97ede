// Package csvfile reads comma-separated values with a header, and says where in a file
// something is wrong. What a file can make it hold in memory at once is bounded.
package csvfile

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What can be wrong with a file; errors wrap them.
var (
	ErrEmpty  = errors.New("there are no rows")
	ErrColumn = errors.New("column")
)

// NA are the texts of a missing number, unless the user says otherwise.
var NA = []string{"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", ".", "?"}

// limit is how many bytes a row may have: a file without the end of a line, or of a
// quote, must not fill the memory.
const limit = 16 << 20

const ahead = 1 << 16 // what is read ahead of a row

var errLong = fmt.Errorf("longer than %d MiB: a line or a quoted text does not end", limit>>20)

// An Error says where in a file something is wrong. Its text names neither the file nor
// the package that reads it.
type Error struct {
	Line   int    // of the file, the header being 1; 0: the file as a whole
	Column string // its name in the header; may be empty
	Value  string // the text found there; may be empty
	Err    error
}

// At returns an error with all of its fields.
func At(line int, column, value string, err error) *Error {
	return &Error{Line: line, Column: column, Value: value, Err: err}
}

// Error returns what is wrong after line, column and value, long ones cut short.
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

// Names lists names for people: quoted, and no more than 20 of them.
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

// quote quotes a text, of which it leaves out the end if it is long.
func quote(s string) string {
	const most = 200
	if len(s) > most {
		return fmt.Sprintf("%q...", s[:most])
	}
	return strconv.Quote(s)
}

// Number returns the finite number that a text is, or NaN where it is one of na. It is
// not ok for anything else.
func Number(text string, na []string) (x float64, ok bool) {
	if slices.Contains(na, text) {
		return math.NaN(), true
	}
	if strings.Contains(text, "_") { // which ParseFloat takes, and dates may have: 2020_01_31
		return 0, false
	}
	x, err := strconv.ParseFloat(text, 64)
	return x, err == nil && !math.IsInf(x, 0)
}

// ReadFile returns what read makes of a file, which its errors name.
func ReadFile[T any](name string, read func(io.Reader) (T, error)) (T, error) {
	f, err := os.Open(name)
	if err != nil {
		var none T
		return none, err
	}
	defer f.Close()
	out, err := read(f)
	if err != nil {
		return out, fmt.Errorf("%s: %w", name, err)
	}
	return out, nil
}

// A Reader reads a file row by row. All of its errors are an *[Error], but for [io.EOF].
type Reader struct {
	Header []string // names of the columns, without white space around them
	Line   int      // of the row last read

	in      *csv.Reader
	left    *io.LimitedReader
	next    int   // line after the row last read
	any     bool  // there was a row after the header
	unnamed []int // columns that NameColumns has named
}

// NewReader returns a reader of what follows the header of r, whose fields comma
// separates; if that is 0, the comma or, where the header has none outside of quotes,
// the first semicolon, tab or bar in it. It fails with [ErrEmpty] if there is no header,
// and says what the file is if it is no text, is UTF-16 or has the line ends of old Macs.
func NewReader(r io.Reader, comma rune) (*Reader, error) {
	left := &io.LimitedReader{R: r, N: ahead}
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

// NameColumns gives the columns without a name, as pandas writes for an index, the names
// that pandas gives them: "Unnamed: 0" to the first column of the file, "Unnamed: 1" to
// the second.
func (r *Reader) NameColumns() {
	for i, name := range r.Header {
		if name == "" {
			r.Header[i] = fmt.Sprintf("Unnamed: %d", i)
			r.unnamed = append(r.unnamed, i)
		}
	}
}

// separator returns what separates the fields of the header that text begins with.
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

// Read returns the fields of the next row, without white space around them, which are
// good until the next call. After the last row it fails with [io.EOF], and with
// [ErrEmpty] if there was none; with [csv.ErrFieldCount] for a row of more or fewer
// fields than the header; with what else [csv.Reader] finds.
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
	case r.left.N <= 0: // which csv.Reader took for the end of the file
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

// locate returns an error of csv.Reader, which has read so many fields, as one of ours. A
// quote that is left open is wrong where its row begins, not where the file ends.
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

// Find returns the place of the one column of a name. The name "" is also that of the one
// column that [Reader.NameColumns] has named.
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

// Text reports the first field of the row last read, or of the header, that is no text.
func (r *Reader) Text(fields ...string) error {
	for _, field := range fields {
		if !utf8.ValidString(field) {
			return &Error{Line: r.Line, Value: field, Err: errors.New("the text is not UTF-8: save it as UTF-8")}
		}
	}
	return nil
}
