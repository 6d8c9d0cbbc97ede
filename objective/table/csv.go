package table

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/internal/csvfile"
)

// CSV says how to read a table from comma-separated values with a header. All columns
// without another role are features.
//
// A column is numeric if most of its known values are numbers; the others are then an
// error. Otherwise it is categorical. Its categories are the sorted texts, without white
// space around them. A column whose known values are mostly dates is refused unless it is
// Time, or named in Ignore or Categorical.
type CSV struct {
	Target string // column to predict; empty if there is none, as for anomaly scores
	// Classes says that the numbers in the target are names of classes. Texts always are.
	// Classes are sorted as numbers, or else as texts.
	Classes bool
	// Positive names the class, of two, whose probability is predicted. Default: the second.
	Positive string

	Ignore      []string // columns to ignore
	Categorical []string // categorical columns; their numbers are read as texts, so 1 and 1.0 differ
	Weight      string   // column with the weight of each row; default: all rows weigh 1
	Group       string   // column whose values say which rows belong together; see [Table.Group]
	// Time names a column of numbers, or of dates like 2006-01-31, 2006-01-31 15:04:05 or
	// 2006-01-31T15:04:05Z. The rows are sorted by it, and it is no feature. See
	// [Splits.Ordered].
	Time string

	NA    []string // texts that mean a missing value; default "", NA, N/A, NaN, nan, null, NULL, None, "." and "?"
	Comma rune     // field separator; default: the comma or, if the header has none, its first semicolon, tab or bar

	// Open opens the file of ReadFile. Default [os.Open].
	Open func(name string) (io.ReadCloser, error)
}

// ReadFile reads a table from a file; see [CSV.Read].
func (c CSV) ReadFile(name string) (Table, error) {
	t, err := csvfile.ReadFile(name, c.Open, c.read)
	if err != nil {
		return Table{}, pkg.Errorf("%w", err)
	}
	return t, nil
}

// Read reads a table into memory. Features may have missing values; targets, weights and
// groups may not.
//
// Errors are a *[CSVError] that gives the place and wraps: [encoding/csv.ErrFieldCount] and similar errors for a ragged
// or malformed row; [ErrColumn] for a name that is unknown, occurs twice or has two roles, and for a feature of dates;
// [ErrNumber] for text among numbers or an infinity; [ErrMissing]; [ErrConstant] for a target with one value or class;
// [ErrConfig]; [ErrEmpty]. A row of more than 16 MiB is refused.
func (c CSV) Read(r io.Reader) (Table, error) {
	t, err := c.read(r)
	if err != nil {
		return Table{}, pkg.Errorf("csv: %w", err)
	}
	return t, nil
}

// The roles of columns besides that of a feature.
const (
	target      = "the target"
	weight      = "the weight"
	group       = "the group"
	times       = "the time"
	ignored     = "ignored"
	categorical = "categorical"
)

func (c CSV) read(r io.Reader) (Table, error) {
	if c.NA == nil {
		c.NA = csvfile.NA
	}
	in, err := readCells(r, c.Comma)
	if err != nil {
		return Table{}, err
	}
	if twice, ok := repeated(slices.DeleteFunc(slices.Clone(in.Header), func(h string) bool { return h == "" })); ok {
		return Table{}, &CSVError{Line: 1, Column: twice, Err: fmt.Errorf("%w occurs twice", ErrColumn)}
	}
	roles := map[string]string{}
	for _, role := range []struct {
		is    string
		names []string
	}{{target, []string{c.Target}}, {weight, []string{c.Weight}}, {group, []string{c.Group}}, {times, []string{c.Time}}, {ignored, c.Ignore}, {categorical, c.Categorical}} {
		for _, name := range role.names {
			if name == "" && role.is != ignored {
				continue
			}
			if _, err := in.Find(name); err != nil {
				return Table{}, err
			}
			if was, ok := roles[name]; ok {
				return Table{}, &CSVError{Line: 1, Column: name, Err: fmt.Errorf("%w has two roles: it is %s and %s", ErrColumn, was, role.is)}
			}
			roles[name] = role.is
		}
	}
	t := Table{NA: c.NA, Comma: c.Comma}
	var at []float64 // times
	for k, name := range in.Header {
		switch role := roles[name]; {
		case role == ignored:
		case role == target:
			t.Target, err = c.target(in, k)
		case role == weight:
			t.Weight, err = c.weight(in, k)
		case role == group:
			t.Group, err = c.group(in, k)
		case role == times:
			at, err = in.times(k, c.NA)
		case name == "":
			return Table{}, &CSVError{Line: 1, Err: fmt.Errorf("%w %d has no name: name it, or %w", ErrColumn, k+1, ignoreBlank)}
		default:
			var col Column
			col, err = in.column(k, c.NA, role == categorical, readAsTexts)
			t.Columns = append(t.Columns, col)
		}
		if err != nil {
			return Table{}, err
		}
	}
	if len(t.Columns) == 0 {
		return Table{}, &CSVError{Line: 1, Err: fmt.Errorf("%w of features: there are none besides %s", ErrColumn, csvfile.Names(in.Header))}
	}
	if at != nil {
		order := make([]int, len(at))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(at[a], at[b]) })
		t = t.Take(order)
	}
	return t, nil
}

func (c CSV) target(in cells, k int) (Column, error) {
	col, err := in.column(k, c.NA, c.Classes, setClasses)
	if err != nil {
		return col, err
	}
	if err := in.complete(col.Values, k, "remove such rows"); err != nil {
		return col, err
	}
	if first := col.Values[0]; !slices.ContainsFunc(col.Values, func(v float64) bool { return v != first }) {
		return col, &CSVError{Column: col.Name, Err: fmt.Errorf("%w, %s: there is nothing to learn", ErrConstant, col.text(first))}
	}
	if len(col.Categories) > maxClasses {
		return col, &CSVError{Column: col.Name, Err: fmt.Errorf("%w: it has %d classes, more than %d: is it a column of names?", ErrConfig, len(col.Categories), maxClasses)}
	}
	if col.Categories != nil {
		col.sortNumbers()
	}
	if c.Positive == "" {
		return col, nil
	}
	switch i := slices.Index(col.Categories, c.Positive); {
	case col.Categories == nil:
		return col, &CSVError{Column: col.Name, Err: fmt.Errorf("%w: the target has numbers, but %q names a class: %w", ErrConfig, c.Positive, setClasses)}
	case len(col.Categories) != 2 || i < 0:
		return col, &CSVError{Column: col.Name, Value: c.Positive, Err: fmt.Errorf("%w: the classes are %s: %w", ErrConfig, csvfile.Names(col.Categories), otherClass)}
	case i == 0:
		col.Categories[0], col.Categories[1] = col.Categories[1], col.Categories[0]
		for i, v := range col.Values {
			col.Values[i] = 1 - v
		}
	}
	return col, nil
}

// errWeight reports a negative weight, which is a number, but not one that Read accepts.
var errWeight = fault.Mark(errors.New("a weight must be at least 0"), ErrNumber)

func (c CSV) weight(in cells, k int) ([]float64, error) {
	w, err := in.numbers(k, c.NA, ErrNumber)
	if err != nil {
		return nil, err
	}
	if err := in.complete(w, k, "write 0 for a row that must not count"); err != nil {
		return nil, err
	}
	for i, v := range w {
		if v < 0 {
			return nil, in.at(i, k, errWeight)
		}
	}
	return w, nil
}

func (c CSV) group(in cells, k int) ([]int, error) {
	col := in.categories(k, c.NA)
	if err := in.complete(col.Values, k, "give each row a group"); err != nil {
		return nil, err
	}
	out := make([]int, len(col.Values))
	for i, v := range col.Values {
		out[i] = int(v)
	}
	return out, nil
}

// layouts are the layouts of times.
var layouts = []string{"2006-01-02", "2006-01-02 15:04:05", "2006-01-02T15:04:05", time.RFC3339, "2006-01-02 15:04", "2006-01", "2006/01/02"}

// date parses a date or a time.
func date(text string) (at time.Time, ok bool) {
	for _, layout := range layouts {
		if at, err := time.Parse(layout, text); err == nil {
			return at, true
		}
	}
	return at, false
}

// times returns the values of a column of times, as numbers that ascend with them.
func (c cells) times(k int, na []string) ([]float64, error) {
	out := make([]float64, len(c.rows))
	for i, row := range c.rows {
		v, ok := csvfile.Number(row[k], na)
		if at, is := date(row[k]); is {
			v, ok = float64(at.UnixNano()), true
		}
		if !ok {
			return nil, c.at(i, k, fmt.Errorf("%w nor a date like 2006-01-31", ErrNumber))
		}
		out[i] = v
	}
	return out, c.complete(out, k, "give each row a time")
}

// sortNumbers sorts categories as numbers if all of them are.
func (c *Column) sortNumbers() {
	order := make([]int, len(c.Categories))
	value := make([]float64, len(order))
	for i, text := range c.Categories {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return
		}
		order[i], value[i] = i, v
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(value[a], value[b]) })
	sorted, place := take(c.Categories, order), make([]float64, len(order))
	for to, from := range order {
		place[from] = float64(to)
	}
	c.Categories = sorted
	for i, v := range c.Values {
		c.Values[i] = place[int(v)]
	}
}

// cells are the fields of a file.
type cells struct {
	*csvfile.Reader
	rows  [][]string
	lines []int // line of each row
}

func readCells(r io.Reader, comma rune) (cells, error) {
	in, err := csvfile.NewReader(r, comma)
	if err == nil {
		err = in.Text(in.Header...)
	}
	if err != nil {
		return cells{}, err
	}
	c := cells{Reader: in}
	for {
		row, err := in.Read()
		if err == io.EOF {
			return c, nil
		}
		if err == nil {
			err = in.Text(row...)
		}
		if err != nil {
			return c, err
		}
		c.rows, c.lines = append(c.rows, slices.Clone(row)), append(c.lines, in.Line)
	}
}

// at adds the place of a field to an error.
func (c cells) at(row, k int, err error) error {
	return csvfile.At(c.lines[row], c.Header[k], c.rows[row][k], err)
}

// complete reports the first missing value, and how many others there are.
func (c cells) complete(values []float64, k int, wayOut string) error {
	first, others := -1, 0
	for i, v := range values {
		switch {
		case !math.IsNaN(v):
		case first < 0:
			first = i
		default:
			others++
		}
	}
	if first < 0 {
		return nil
	}
	return c.at(first, k, fmt.Errorf("%w%s: %s", ErrMissing, csvfile.Others(others), wayOut))
}

// column returns a column. It is numeric if most values are numbers and categorical is not
// set. wayOut is advice for a column of numbers and texts.
func (c cells) column(k int, na []string, categorical bool, wayOut fault.Hint) (Column, error) {
	if !categorical {
		known, numbers, dates := 0, 0, 0
		for _, row := range c.rows {
			if slices.Contains(na, row[k]) {
				continue
			}
			known++
			if _, err := strconv.ParseFloat(row[k], 64); err == nil || errors.Is(err, strconv.ErrRange) {
				numbers++
			} else if _, ok := date(row[k]); ok {
				dates++
			}
		}
		if 2*dates > known {
			return Column{}, &CSVError{Column: c.Header[k], Err: fmt.Errorf("%w of dates, which are neither numbers nor categories: %w, %w, or %w", ErrColumn, orderBy, ignore, wayOut)}
		}
		categorical = 2*numbers <= known && known > 0
	}
	if categorical {
		col := c.categories(k, na)
		if len(col.Categories) > maxCategories {
			return col, &CSVError{Column: col.Name, Err: fmt.Errorf("%w: it has %d categories, more than %d: %w", ErrConfig, len(col.Categories), maxCategories, ignore)}
		}
		return col, nil
	}
	values, err := c.numbers(k, na, fmt.Errorf("%w, unlike most of the column: %w, or %w", ErrNumber, readAsNone, wayOut))
	return Column{Name: c.Header[k], Values: values}, err
}

const maxCategories = 1 << 20 // the limit of engine.Dataset.Categorical

// numbers returns the values of a column of numbers. text is the error for a text.
func (c cells) numbers(k int, na []string, text error) ([]float64, error) {
	out := make([]float64, len(c.rows))
	for i, row := range c.rows {
		v, ok := csvfile.Number(row[k], na)
		if !ok {
			if _, err := strconv.ParseFloat(row[k], 64); err == nil || errors.Is(err, strconv.ErrRange) {
				text = fmt.Errorf("%w: %w", ErrNumber, readAsNone) // an infinity
			}
			return nil, c.at(i, k, text)
		}
		out[i] = v
	}
	return out, nil
}

func (c cells) categories(k int, na []string) Column {
	out := Column{Name: c.Header[k], Values: make([]float64, len(c.rows)), Categories: []string{}}
	for _, row := range c.rows {
		out.Categories = append(out.Categories, row[k])
	}
	slices.Sort(out.Categories)
	out.Categories = slices.Compact(out.Categories)
	out.Categories = slices.DeleteFunc(out.Categories, func(text string) bool { return slices.Contains(na, text) })
	out.Categories = slices.Clip(out.Categories)
	for i, text := range out.Categories { // a copy, which does not keep the row in memory
		out.Categories[i] = strings.Clone(text)
	}
	index := out.index()
	for i, row := range c.rows {
		out.Values[i] = index(row[k])
	}
	return out
}

// index returns a function that returns the index of a category, or NaN.
func (c Column) index() func(text string) float64 {
	at := make(map[string]float64, len(c.Categories))
	for i, text := range c.Categories {
		at[text] = float64(i)
	}
	return func(text string) float64 {
		if i, ok := at[text]; ok {
			return i
		}
		return math.NaN()
	}
}
