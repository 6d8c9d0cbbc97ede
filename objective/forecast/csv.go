package forecast

import (
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/attune-hpo/attune/internal/csvfile"
)

// A Fill says what happens to a missing value: of a row that the grid of the frequency has
// and the table lacks, or of an empty cell.
type Fill string

// The fills. Interpolate looks ahead: it fills a hole that spans the origin of a forecast
// with values after the origin, which is a leak if it is scored. Carry and Keep never look
// ahead.
const (
	Refuse      Fill = ""            // fail with ErrGap or ErrMissing
	Keep        Fill = "keep"        // keep NaN, which metrics and most models skip
	Carry       Fill = "carry"       // the last value before it
	Interpolate Fill = "interpolate" // the line between its neighbours
)

// CSV says how to read a frame from comma-separated values with a header. Only
// Target and, unless Layout is "rows", Time are required. Its JSON omits Location and Comma.
type CSV struct {
	// Time is the column with the time stamps.
	Time string `json:"time"`
	// Target is the column to forecast.
	Target string `json:"target"`
	// ID is the column that identifies the series of a row, or several columns, separated by
	// commas. The ID of a series is then the text of all columns, joined with slashes. Default:
	// there is a single series.
	ID string `json:"id,omitempty"`
	// Past lists the exogenous columns that are known no earlier than the target.
	Past []string `json:"past,omitempty"`
	// Known lists the exogenous columns that are known in advance.
	Known []string `json:"known,omitempty"`
	// Static lists the columns that have one value for each series. They are always known in advance: the frame has
	// them among its Known columns, before the others.
	Static []string `json:"static,omitempty"`
	// Join lists files in the same form, whose columns are added to the rows. A file is joined
	// on the columns that it shares with ID and Time; it has at most one row for each of their
	// values, and rows that it lacks have missing values. If none of its other columns is named in
	// Past, Known or Static, all are used: as Static if the file has no times, as Known if it goes
	// on after the last row of the series, and else as Past. Its rows after the end of a
	// series are the future of the columns known in advance.
	Join []string `json:"join,omitempty"`
	// Categories are the texts of the exogenous columns that have texts, by column. A column with a text as its first
	// value has texts. The frame has a column of zeros and ones for each text, named column=text; if there are two
	// texts, only for the second. A text that is not listed is a missing value. Default: the sorted texts in the file,
	// at most 32.
	Categories map[string][]string `json:"categories,omitempty"`
	// Open opens the file of ReadFile and those of Join. Default [os.Open].
	Open func(name string) (io.ReadCloser, error) `json:"-"`

	// Freq is the step between rows. Default: inferred from the stamps, see
	// [InferFrequency].
	Freq Frequency `json:"frequency,omitzero"`
	// Layout is the layout of the stamps: as for [time.Parse] or strptime (%d/%m/%Y),
	// "epoch" or "epoch ms". "index" stands for whole numbers that count the steps, and "rows" for a
	// file without stamps, in which each row is the step after the one before it, from 1; see
	// [Step]. Default: recognized, see [RecognizeLayout].
	Layout string `json:"layout,omitempty"`
	// Location is the location of the calendar, and of stamps without a zone. Default UTC. If
	// all stamps have an offset and the same time of day, the default is the offset of the last
	// stamp, so that days remain days when the clocks change.
	Location *time.Location `json:"-"`
	// Comma is the field separator. Default: the comma or, if the header has none, its first
	// semicolon, tab or bar.
	Comma rune `json:"-"`
	// Decimal is the decimal mark: "." or ",". The other mark groups thousands. Default:
	// recognized from the numbers. In a file separated by commas, a comma before three digits
	// groups thousands.
	Decimal string `json:"decimal,omitempty"`
	// NA lists the texts that mean a missing number. Default "", NA, N/A, NaN, nan, null,
	// NULL, None, "." and "?".
	NA []string `json:"na,omitempty"`

	// Fill says how missing values are filled. Default: a missing value is an error.
	Fill Fill `json:"fill,omitempty"`
	// Sort accepts rows in any time order.
	Sort bool `json:"sort,omitempty"`
	// AllowConstant accepts a target with only one distinct value and, among several series, one
	// without any value.
	AllowConstant bool `json:"allow_constant,omitempty"`
}

// ReadFile reads a frame from a file; see [CSV.Read].
func (c CSV) ReadFile(name string) (Frame, error) {
	f, _, err := c.RecognizeFile(name)
	return f, err
}

// RecognizeFile is [CSV.Recognize] for a file.
func (c CSV) RecognizeFile(name string) (Frame, CSV, error) {
	t, err := csvfile.ReadFile(name, c.Open, c.read)
	if err != nil {
		return nil, c, pkg.Errorf("%w", err)
	}
	return t.recognized()
}

// Recognize is like [CSV.Read]. It also returns the settings that read another file in the
// same way, with what Read recognizes: Layout, Freq, Categories, and the roles of joined
// columns.
func (c CSV) Recognize(r io.Reader) (Frame, CSV, error) {
	t, err := c.read(r)
	if err != nil {
		return nil, c, pkg.Errorf("csv: %w", err)
	}
	return t.recognized()
}

func (t *table) recognized() (Frame, CSV, error) {
	as := t.CSV
	as.Freq = t.out[0].Freq
	return t.out, as, nil
}

// Read reads a frame. The series are in the order of their first rows, which may be
// interleaved. Columns without a role are ignored. A column without a name, as pandas
// writes for an index, has the name that pandas gives it: "Unnamed: 0" if it is the first.
// If a series has columns known in advance, rows without a target at its end give their
// future values.
//
// Errors are a *[CSVError] that gives the place and wraps: [encoding/csv.ErrFieldCount] and similar errors for a ragged
// or malformed row; [ErrColumn] for an unknown or ambiguous name; [ErrTime]; [ErrOrder]; [ErrDuplicate]; [ErrGap];
// [ErrNumber] for text or an infinity; [ErrMissing]; [ErrFrequency]; [ErrConstant]; [ErrEmpty]. Errors in a file of
// Join name the file. A row of more than 16 MiB is refused.
func (c CSV) Read(r io.Reader) (Frame, error) {
	f, _, err := c.Recognize(r)
	return f, err
}

func (c CSV) read(r io.Reader) (*table, error) {
	if c.Location == nil {
		c.Location = time.UTC
	}
	if c.NA == nil {
		c.NA = csvfile.NA
	}
	if !slices.Contains([]Fill{Refuse, Keep, Carry, Interpolate}, c.Fill) {
		return nil, &CSVError{Err: fmt.Errorf("%w: filled by %q: %w", ErrConfig, c.Fill, setFill)}
	}
	if !slices.Contains([]string{"", ".", ","}, c.Decimal) {
		return nil, &CSVError{Err: fmt.Errorf("%w: the decimal mark %q: want a point or a comma", ErrConfig, c.Decimal)}
	}
	t := &table{CSV: c, decimal: c.Decimal, series: map[string]*[]row{}, keys: map[string][]string{}}
	in, err := csvfile.NewReader(r, c.Comma)
	if err == nil {
		in.NameColumns()
		err = t.header(in)
	}
	if err == nil {
		err = t.rows(in)
	}
	if err == nil {
		err = t.roles()
	}
	if err == nil {
		t.out, err = t.frame()
	}
	return t, err
}

// A table is a CSV file that is being converted to a frame.
type table struct {
	CSV
	columns []*column // the target, and the exogenous columns
	joined  []*joined
	time    int
	id      []int  // empty: there is a single series
	decimal string // the decimal mark, once it is known
	pointed bool   // a number with a point was read before
	ids     []string
	series  map[string]*[]row
	keys    map[string][]string // values of the columns id, by series
	out     Frame
}

// A column is the target or an exogenous column of a table.
type column struct {
	name string
	at   int  // index in the file; -1: it is only in files that are joined
	role role // of exogenous columns
	free bool // missing values are no error, because it is joined or has texts
	join bool // a joined file has it

	texts map[string]float64 // codes of the texts, in the order in which they occur; nil: it has numbers
	known bool               // it is known whether it has texts
	fixed []string           // the texts that are listed in Categories
}

type role int

const (
	unset role = iota // a joined column whose role is not known yet
	past
	known
	static
)

type row struct {
	line   int
	time   time.Time
	stamp  time.Time // the same with the offset in the file, or zero if it has none
	values []float64 // in the order of table.columns
}

func (t *table) header(in *csvfile.Reader) (err error) {
	for _, c := range []struct{ name, role string }{{t.Time, "time"}, {t.Target, "target"}} {
		if c.name == "" && (c.role != "time" || t.Layout != rowNumbers) {
			return &CSVError{Err: fmt.Errorf("%w of the %s: it is not named", ErrColumn, c.role)}
		}
	}
	if t.time = -1; t.Layout != rowNumbers {
		if t.time, err = in.Find(t.Time); err != nil {
			return err
		}
	}
	if t.ID != "" {
		names := []string{t.ID}
		if !slices.Contains(in.Header, t.ID) {
			names = strings.Split(t.ID, ",")
		}
		for _, name := range names {
			k, err := in.Find(name)
			if err != nil {
				return err
			}
			t.id = append(t.id, k)
		}
	}
	t.columns = []*column{{name: t.Target}}
	for r, names := range map[role][]string{past: t.Past, known: t.Known, static: t.Static} {
		for _, name := range names {
			c := &column{name: name, role: r}
			if c.fixed = t.Categories[name]; c.fixed != nil {
				c.texts, c.known, c.free = map[string]float64{}, true, true
				for i, text := range c.fixed {
					c.texts[text] = float64(i)
				}
			}
			t.columns = append(t.columns, c)
		}
	}
	slices.SortStableFunc(t.columns[1:], func(a, b *column) int { return int(a.role) - int(b.role) })
	if err := t.openJoined(in); err != nil {
		return err
	}
	used := map[int]bool{t.time: true} // -1: no column
	for _, k := range t.id {
		used[k] = true
	}
	seen := map[string]bool{}
	for _, c := range t.columns {
		if c.at = slices.Index(in.Header, c.name); c.at < 0 && c.join {
			if seen[c.name] {
				return &CSVError{Line: 1, Column: c.name, Err: fmt.Errorf("%w has two roles", ErrColumn)}
			}
			seen[c.name] = true
			continue
		}
		if c.at, err = in.Find(c.name); err != nil {
			return err
		}
		if used[c.at] {
			return &CSVError{Line: 1, Column: c.name, Err: fmt.Errorf("%w has two roles", ErrColumn)}
		}
		used[c.at] = true
	}
	return nil
}

func (t *table) rows(in *csvfile.Reader) error {
	for {
		fields, err := in.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		r := row{line: in.Line, values: make([]float64, len(t.columns))}
		text := ""
		if t.time >= 0 {
			text = fields[t.time]
		}
		if t.Layout == "" {
			if t.Layout = RecognizeLayout(text); t.Layout == "" {
				return csvfile.At(r.line, t.Time, text, fmt.Errorf("%w in a known layout: %w", ErrTime, setLayout))
			}
		}
		if t.time >= 0 {
			if r.time, err = ParseTime(t.Layout, text, t.Location); err != nil {
				return csvfile.At(r.line, t.Time, text, err)
			}
		}
		if l := layout(t.Layout); t.Location == time.UTC && offsets.MatchString(l) {
			r.stamp, _ = time.Parse(l, text) // ParseTime has succeeded
		}
		for i, c := range t.columns {
			if c.at < 0 {
				r.values[i] = math.NaN()
				continue
			}
			if r.values[i], err = t.value(c, i == 0, in, fields[c.at]); err != nil {
				return err
			}
		}
		var id string
		for i, k := range t.id {
			if i > 0 {
				id += "/"
			}
			id += fields[k]
		}
		if t.series[id] == nil {
			if err := in.Text(id); err != nil {
				return err
			}
			id = strings.Clone(id)
			t.series[id] = new([]row)
			t.ids = append(t.ids, id)
			for _, k := range t.id {
				t.keys[id] = append(t.keys[id], strings.Clone(fields[k]))
			}
		}
		if t.time < 0 {
			r.time = counted(len(*t.series[id]) + 1)
		}
		for _, j := range t.joined {
			j.fill(r.values, t.keys[id], r.time)
		}
		*t.series[id] = append(*t.series[id], r)
	}
}

// value reads a value of a column.
func (t *table) value(c *column, target bool, in *csvfile.Reader, text string) (float64, error) {
	if c.texts == nil {
		v, ok := t.number(text, in.Comma())
		if !ok && !target {
			v, ok = truth(text)
		}
		if ok {
			c.known = c.known || !math.IsNaN(v)
			return v, nil
		}
		if _, number := decimal(text); target || c.known || number == nil || infinite.MatchString(text) {
			return 0, csvfile.At(in.Line, c.name, text, ErrNumber)
		}
		c.texts, c.known, c.free = map[string]float64{}, true, true
	}
	if slices.Contains(t.NA, text) {
		return math.NaN(), nil
	}
	v, ok := c.texts[text]
	switch {
	case ok:
		return v, nil
	case c.fixed != nil:
		return math.NaN(), nil
	case len(c.texts) == maxTexts:
		return 0, csvfile.At(in.Line, c.name, text, fmt.Errorf("%w has more than %d different texts: leave it out", ErrColumn, maxTexts))
	}
	if err := in.Text(text); err != nil {
		return 0, err
	}
	v = float64(len(c.texts))
	c.texts[strings.Clone(text)] = v
	return v, nil
}

// maxTexts is the maximum number of categories of an exogenous column.
const maxTexts = 32

var infinite = regexp.MustCompile(`(?i)^[-+]?inf(inity)?$`)

// number reads a number with either decimal mark.
func (t *table) number(text string, separator rune) (float64, bool) {
	if slices.Contains(t.NA, text) {
		return math.NaN(), true
	}
	commas, points := strings.Count(text, ","), strings.Count(text, ".")
	if t.decimal == "" {
		switch {
		case commas > 1, commas > 0 && strings.LastIndex(text, ",") < strings.LastIndex(text, "."), separator == ',' && thousands.MatchString(text):
			t.decimal = "."
		case points > 1, commas > 0:
			if t.decimal = ","; t.pointed {
				return 0, false // a number before it was read with a decimal point
			}
		}
	}
	t.pointed = t.pointed || points > 0 && t.decimal == ""
	group := ","
	if t.decimal == "," {
		group = "."
	}
	if strings.Contains(text, group) {
		if !grouped(text, group, t.decimal) {
			return 0, false
		}
		text = strings.ReplaceAll(text, group, "")
	}
	if t.decimal == "," {
		text = strings.Replace(text, ",", ".", 1)
	}
	return csvfile.Number(text, t.NA)
}

var thousands = regexp.MustCompile(`^[-+]?\d{1,3}(,\d{3})+$`)

// offsets matches layouts with an offset from UTC.
var offsets = regexp.MustCompile(`[-Z]07:?00|Z07|-07`)

// grouped reports whether a text is a number whose thousands are grouped by a mark.
func grouped(text, mark, decimal string) bool {
	whole := strings.TrimLeft(text, "+-")
	if decimal != "" {
		whole, _, _ = strings.Cut(whole, decimal)
	}
	parts := strings.Split(whole, mark)
	for i, p := range parts {
		if i == 0 && (len(p) < 1 || len(p) > 3) || i > 0 && len(p) != 3 || strings.Trim(p, "0123456789") != "" {
			return false
		}
	}
	return true
}

// truth parses the forms of true and false that pandas, R and spreadsheets write.
func truth(text string) (float64, bool) {
	switch strings.ToLower(text) {
	case "true":
		return 1, true
	case "false":
		return 0, true
	}
	return 0, false
}

// local treats stamps with offsets as calendar times if they all have the same time of day, as
// stamps of days and months do. Their offsets change with the clocks, so local replaces all
// offsets by the last one. It does not change other stamps.
func (t *table) local() {
	var clocks, offsets []time.Duration
	var last time.Time
	for _, id := range t.ids {
		for _, r := range *t.series[id] {
			if r.stamp.IsZero() {
				return // without an offset
			}
			_, seconds := r.stamp.Zone()
			if c := clock(r.stamp); !slices.Contains(clocks, c) {
				clocks = append(clocks, c)
			}
			if o := time.Duration(seconds) * time.Second; !slices.Contains(offsets, o) {
				offsets = append(offsets, o)
			}
			if r.stamp.After(last) {
				last = r.stamp
			}
		}
	}
	if len(clocks) != 1 || len(offsets) == 1 && offsets[0] == 0 {
		return
	}
	_, seconds := last.Zone()
	zone := time.FixedZone("", seconds)
	for _, id := range t.ids {
		rows := *t.series[id]
		for i, r := range rows {
			y, m, d := r.stamp.Date()
			h, min, s := r.stamp.Clock()
			rows[i].time = time.Date(y, m, d, h, min, s, r.stamp.Nanosecond(), zone)
		}
	}
}

// frame checks the order of the rows, puts them on the grid and makes the series.
func (t *table) frame() (Frame, error) {
	t.local()
	stamps := make([][]time.Time, len(t.ids))
	for i, id := range t.ids {
		rows := *t.series[id]
		if t.Sort {
			slices.SortStableFunc(rows, func(a, b row) int { return a.time.Compare(b.time) })
		}
		for k, r := range rows {
			stamps[i] = append(stamps[i], r.time)
			if k == 0 {
				continue
			}
			switch last := rows[k-1]; {
			case r.time.Equal(last.time) && t.ID == "":
				return nil, t.at(r.line, stamp(r.time), id, fmt.Errorf("%w of line %d: if the file has several series, %w", ErrDuplicate, last.line, tellApart))
			case r.time.Equal(last.time):
				return nil, t.at(r.line, stamp(r.time), id, fmt.Errorf("%w of line %d", ErrDuplicate, last.line))
			case r.time.Before(last.time) && t.ID == "" && !r.time.After(rows[0].time): // as where the next series begins
				return nil, t.at(r.line, stamp(r.time), id, fmt.Errorf("%w: not after line %d: if the file has several series, %w; if not, sort the rows, or %w", ErrOrder, rows[0].line, tellApart, setSort))
			case r.time.Before(last.time):
				return nil, t.at(r.line, stamp(r.time), id, fmt.Errorf("%w: after %s in line %d: sort the rows, or %w", ErrOrder, stamp(last.time), last.line, setSort))
			}
		}
	}
	freq, err := t.frequency(stamps)
	if err != nil {
		return nil, err
	}
	var out Frame
	for _, id := range t.ids {
		s, err := t.one(id, *t.series[id], freq)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, out.Validate()
}

// frequency returns the stated frequency, anchored like the stamps, or the inferred one.
func (t *table) frequency(stamps [][]time.Time) (Frequency, error) {
	f := t.Freq
	if f == (Frequency{}) && (t.Layout == wholeNumbers || t.Layout == rowNumbers) {
		var apart steps
		for _, ts := range stamps {
			for i := range ts[1:] {
				apart.add(int(ts[i+1].Sub(ts[i]) / time.Second))
			}
		}
		return Frequency{N: max(1, apart.gcd), Unit: Step}, nil
	}
	if f == (Frequency{}) {
		f, err := InferFrequency(stamps...)
		if err != nil {
			return f, &CSVError{Column: t.Time, Err: err}
		}
		return f, nil
	}
	if !f.Valid() {
		return f, &CSVError{Column: t.Time, Err: fmt.Errorf("%w: %+v", ErrFrequency, f)}
	}
	if f.Unit.months() > 0 && !f.End {
		f.End = true
		first := stamps[0][0]
		same := true
		for _, ts := range stamps {
			for _, s := range ts {
				f.End = f.End && monthEnd(s)
				same = same && s.Day() == first.Day()
			}
		}
		f.End = f.End && !(same && first.Day() <= 28)
	}
	return f, nil
}

func (t *table) at(line int, value, id string, err error) error {
	return csvfile.At(line, t.Time, value, fmt.Errorf("%s%w", of(id), err))
}

func (t *table) one(id string, rows []row, freq Frequency) (Series, error) {
	s := Series{ID: id, Start: rows[0].time, Freq: freq}
	columns := make([][]float64, len(t.columns))
	lines := make([]int, 0, len(rows)) // line of each value; for a gap, that of the row before it
	for i, r := range rows {
		n, on := freq.Index(s.Start, r.time)
		if !on {
			return s, t.at(r.line, stamp(r.time), id, fmt.Errorf("%w: it is not a whole number of steps after %s, at a frequency of %v", ErrFrequency, stamp(s.Start), freq))
		}
		missing := n - len(lines)
		if missing > 0 && t.Fill == Refuse {
			return s, t.at(r.line, stamp(r.time), id, fmt.Errorf("%w before it: %s is missing (%d in all, at a frequency of %v): %w",
				ErrGap, stamp(s.Time(len(lines))), missing, freq, setFill))
		}
		if n > maxGrid(len(rows)) {
			return s, t.at(r.line, stamp(r.time), id, fmt.Errorf("%w of %d rows before it, at a frequency of %v: check the stamp", ErrGap, missing, freq))
		}
		for range missing {
			lines = append(lines, rows[i-1].line)
			for k := range columns {
				columns[k] = append(columns[k], math.NaN())
			}
		}
		lines = append(lines, r.line)
		for k, v := range r.values {
			columns[k] = append(columns[k], v)
		}
	}
	n := len(lines)
	empty := !slices.ContainsFunc(columns[0], func(v float64) bool { return !math.IsNaN(v) })
	if empty && !(t.AllowConstant && len(t.ids) > 1) {
		return s, csvfile.At(rows[0].line, t.Target, "", fmt.Errorf("%s%w: no row has a target", of(id), ErrMissing))
	}
	if len(t.Known)+len(t.Static) > 0 && !empty { // rows at the end without a target are the future
		for n > 0 && math.IsNaN(columns[0][n-1]) {
			n--
		}
	}
	last := time.Time{}
	for _, j := range t.joined {
		if end := j.end(t.keys[id]); end.After(last) {
			last = end
		}
	}
	for at := s.Time(len(columns[0])); !at.After(last) && len(columns[0]) < maxGrid(len(rows)); at = s.Time(len(columns[0])) {
		values := slices.Repeat([]float64{math.NaN()}, len(columns))
		for _, j := range t.joined {
			j.fill(values, t.keys[id], at)
		}
		for k, v := range values {
			columns[k] = append(columns[k], v)
		}
		lines = append(lines, rows[len(rows)-1].line)
	}
	for k, c := range t.columns {
		switch c.role {
		case static:
			if err := t.still(columns[k], lines, c, id); err != nil {
				return s, err
			}
			columns[k] = append(columns[k], slices.Repeat(columns[k][:1], n)...) // further than forecasts reach
		case known:
		default:
			columns[k] = columns[k][:n]
		}
		hole := slices.IndexFunc(columns[k], math.IsNaN)
		if hole >= 0 && t.Fill == Refuse && !c.free && !(empty && k == 0) {
			others := -1
			for _, v := range columns[k] {
				if math.IsNaN(v) {
					others++
				}
			}
			return s, csvfile.At(lines[hole], c.name, "", fmt.Errorf("%w at %s%s: %w", ErrMissing, stamp(s.Time(hole)), csvfile.Others(others), setFill))
		}
		if c.texts == nil || t.Fill == Carry {
			fill(t.Fill, columns[k])
		}
	}
	s.Y = columns[0]
	for _, r := range []role{past, static, known} {
		for k, c := range t.columns {
			switch {
			case c.role != r:
			case r == past:
				s.Past = append(s.Past, t.expanded(c, columns[k])...)
			default:
				s.Known = append(s.Known, t.expanded(c, columns[k])...)
			}
		}
	}
	if first := slices.IndexFunc(s.Y, func(v float64) bool { return !math.IsNaN(v) }); !t.AllowConstant && !slices.ContainsFunc(s.Y, func(v float64) bool { return !math.IsNaN(v) && v != s.Y[first] }) {
		return s, csvfile.At(0, t.Target, "", fmt.Errorf("%s%w, %v: there is nothing to forecast: %w", of(id), ErrConstant, s.Y[first], allowConstant))
	}
	return s, nil
}

// maxGrid limits the size of the grid for the given number of rows: a single wrong stamp, or
// a frequency that is too fine, must not fill the memory.
func maxGrid(rows int) int { return 1000*rows + 1_000_000 }

// fill fills the holes in y, as far as that is possible: Carry leaves the holes at the start, and Interpolate those at
// both ends.
func fill(how Fill, y []float64) {
	if how != Carry && how != Interpolate {
		return
	}
	last := -1 // index of the last value present
	for i, v := range y {
		if !math.IsNaN(v) {
			if how == Interpolate && last >= 0 {
				for k := last + 1; k < i; k++ {
					w := float64(k-last) / float64(i-last)
					y[k] = (1-w)*y[last] + w*v
				}
			}
			last = i
		} else if how == Carry && last >= 0 {
			y[i] = y[last]
		}
	}
}
