package forecast

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/attune-hpo/attune/internal/csvfile"
)

// A joined is a file whose columns are added to the rows of a table.
type joined struct {
	keys   []int // places, in the values of [table.id], of the shared columns
	timed  bool  // it shares the column of the times, too
	to     []int // index, in a row of the table, of each column
	values map[joinKey][]float64
	ends   map[string]time.Time // time of the last row, by the shared columns
}

// A joinKey has the values of the shared columns.
type joinKey struct {
	id string
	at int64 // time in nanoseconds since 1970; 0 if the file has no times
}

// openJoined reads the files of Join. main is the reader of the table itself.
func (t *table) openJoined(main *csvfile.Reader) error {
	for _, name := range t.Join {
		j, err := csvfile.ReadFile(name, t.Open, func(r io.Reader) (*joined, error) { return t.join(r, main) })
		if err != nil {
			return fmt.Errorf("joined: %w", err)
		}
		t.joined = append(t.joined, j)
	}
	return nil
}

// join reads a file. It adds those of its columns that have no role yet to the table.
func (t *table) join(r io.Reader, main *csvfile.Reader) (*joined, error) {
	in, err := csvfile.NewReader(r, 0)
	if err != nil {
		return nil, err
	}
	in.NameColumns()
	j := &joined{values: map[joinKey][]float64{}, ends: map[string]time.Time{}}
	var shared []int // indices, in the file, of the columns of j.keys
	keys := []string{t.Target}
	if t.time >= 0 {
		keys = append(keys, main.Header[t.time])
	}
	for i, k := range t.id {
		keys = append(keys, main.Header[k])
		if at := slices.Index(in.Header, main.Header[k]); at >= 0 {
			j.keys, shared = append(j.keys, i), append(shared, at)
		}
	}
	at := -1
	if t.time >= 0 {
		at = slices.Index(in.Header, main.Header[t.time])
	}
	if j.timed = at >= 0; !j.timed && len(shared) == 0 {
		return nil, &CSVError{Line: 1, Err: fmt.Errorf("%w %s not found: a joined file needs one of them", ErrColumn, csvfile.Names(keys[1:]))}
	}
	var from []int // indices, in the file, of the columns of j.to
	take := func(k int, c *column) {
		i := slices.Index(t.columns, c)
		if i < 0 {
			i, t.columns = len(t.columns), append(t.columns, c)
		}
		c.free, c.join = true, true
		from, j.to = append(from, k), append(j.to, i)
	}
	for k, name := range in.Header {
		if slices.Contains(in.Header[:k], name) {
			return nil, &CSVError{Line: 1, Column: name, Err: fmt.Errorf("%w occurs twice", ErrColumn)}
		}
		if i := slices.IndexFunc(t.columns, func(c *column) bool { return c.name == name && c.role != unset }); i > 0 {
			take(k, t.columns[i])
		}
	}
	if len(from) == 0 {
		for k, name := range in.Header {
			if slices.Contains(keys, name) {
				continue
			}
			i := slices.IndexFunc(t.columns, func(c *column) bool { return c.name == name })
			if i > 0 {
				take(k, t.columns[i]) // of a file that was joined before
				continue
			}
			c := &column{name: name}
			if !j.timed {
				c.role = static
			}
			take(k, c)
		}
	}
	layout := ""
	for {
		fields, err := in.Read()
		if err == io.EOF {
			return j, nil
		}
		if err != nil {
			return nil, err
		}
		var parts []string
		for _, k := range shared {
			parts = append(parts, fields[k])
		}
		key := joinKey{id: strings.Join(parts, "\x00")}
		if j.timed {
			text := fields[at]
			if layout == "" {
				if layout = t.Layout; layout == "" || !parses(layout, text) {
					layout = InferLayout([]string{text})
				}
			}
			when, err := ParseTime(layout, text, t.Location)
			if err != nil {
				return nil, csvfile.At(in.Line, in.Header[at], text, err)
			}
			key.at = when.UnixNano()
			if when.After(j.ends[key.id]) {
				j.ends[strings.Clone(key.id)] = when
			}
		}
		if j.values[key] != nil {
			return nil, &CSVError{Line: in.Line, Err: fmt.Errorf("%w of an earlier line: %s", ErrDuplicate, csvfile.Names(append(parts, fieldAt(fields, at)...)))}
		}
		row := make([]float64, len(from))
		for i, k := range from {
			if row[i], err = t.value(t.columns[j.to[i]], false, in, fields[k]); err != nil {
				return nil, err
			}
		}
		j.values[joinKey{strings.Clone(key.id), key.at}] = row
	}
}

func fieldAt(fields []string, k int) []string {
	if k < 0 {
		return nil
	}
	return fields[k : k+1]
}

func parses(layout, text string) bool {
	_, err := ParseTime(layout, text, time.UTC)
	return err == nil
}

// id returns the values of the shared columns, from those of all columns that identify a series.
func (j *joined) id(ids []string) string {
	parts := make([]string, len(j.keys))
	for i, k := range j.keys {
		parts[i] = ids[k]
	}
	return strings.Join(parts, "\x00")
}

// fill sets those values of a row that are missing.
func (j *joined) fill(values []float64, ids []string, at time.Time) {
	key := joinKey{id: j.id(ids)}
	if j.timed {
		key.at = at.UnixNano()
	}
	for i, v := range j.values[key] {
		if math.IsNaN(values[j.to[i]]) {
			values[j.to[i]] = v
		}
	}
}

// end returns the time of the last row for a series, the zero time if there is none.
func (j *joined) end(ids []string) time.Time { return j.ends[j.id(ids)] }

// roles gives a role to each joined column without one, and records the roles and the categories.
func (t *table) roles() error {
	var last time.Time // of the table
	for _, rows := range t.series {
		for _, r := range *rows {
			if r.time.After(last) {
				last = r.time
			}
		}
	}
	goesOn := func(column int) bool {
		for _, j := range t.joined {
			for _, end := range j.ends {
				if slices.Contains(j.to, column) && end.After(last) {
					return true
				}
			}
		}
		return false
	}
	for i, c := range t.columns[1:] {
		if c.role == unset && goesOn(i+1) {
			c.role = known
		} else if c.role == unset {
			c.role = past
		}
	}
	t.Past, t.Known, t.Static = nil, nil, nil
	categories := map[string][]string{}
	for _, c := range t.columns[1:] {
		switch c.role {
		case past:
			t.Past = append(t.Past, c.name)
		case known:
			t.Known = append(t.Known, c.name)
		case static:
			t.Static = append(t.Static, c.name)
		}
		if c.texts == nil {
			continue
		}
		if c.fixed == nil {
			for text := range c.texts {
				c.fixed = append(c.fixed, text)
			}
			slices.Sort(c.fixed)
		}
		categories[c.name] = c.fixed
	}
	if t.Categories = nil; len(categories) > 0 {
		t.Categories = categories
	}
	return nil
}

// still gives a static column its one value everywhere.
func (t *table) still(values []float64, lines []int, c *column, id string) error {
	first := slices.IndexFunc(values, func(v float64) bool { return !math.IsNaN(v) })
	if first < 0 {
		return nil
	}
	for i, v := range values {
		if !math.IsNaN(v) && v != values[first] {
			return csvfile.At(lines[i], c.name, "", fmt.Errorf("%s%w has one value for a series, and it changes here", of(id), ErrColumn))
		}
	}
	for i := range values {
		values[i] = values[first]
	}
	return nil
}

// expanded returns the columns of a frame for a column of a table: itself or, if it has texts, a column of zeros and
// ones for each text. For two texts there is a single column, for the second one.
func (t *table) expanded(c *column, values []float64) []Column {
	if c.texts == nil {
		return []Column{{c.name, values}}
	}
	texts := c.fixed
	if len(texts) == 2 {
		texts = texts[1:]
	}
	var out []Column
	for _, text := range texts {
		code := c.texts[text]
		x := make([]float64, len(values))
		for i, v := range values {
			switch {
			case math.IsNaN(v):
				x[i] = v
			case v == code:
				x[i] = 1
			}
		}
		out = append(out, Column{c.name + "=" + text, x})
	}
	return out
}
