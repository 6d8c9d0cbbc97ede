package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/internal/csvfile"
	"github.com/attune-hpo/attune/objective/forecast"
)

// A source says where series are and how to read them. Studies store it.
type source struct {
	File string `json:"file"` // absolute
	forecast.CSV

	notes []string // on what was chosen because of the data

	unnamed bool // --time is '', which selects the column without a name
}

// flags adds the flags that say how to read data.
func (s *source) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.File, "data", "", "`file` with a row for each time step: CSV with a header, possibly compressed by gzip, or Parquet; - reads standard input")
	f.StringVar(&s.Target, "target", "", "`column` to forecast")
	f.StringVar(&s.Time, "time", "", "`column` of the time stamps; '' names the column that has no name (default: the only column with time stamps)")
	f.Var((*list)(&s.ID), "id", "`column` that names the series, if the file has several; several columns together: store,dept")
	f.StringSliceVar(&s.Past, "past", nil, "further `columns` to learn from, whose future values are unknown")
	f.StringSliceVar(&s.Known, "known", nil, "further `columns` to learn from, whose future values are known, such as holidays")
	f.StringSliceVar(&s.Static, "static", nil, "further `columns` to learn from that have one value for each series, such as the type of a store")
	f.StringSliceVar(&s.Join, "join", nil, "`files` whose columns are added to the rows, joined on the columns that they share with --id and --time; all their columns are used, unless some are named in --past, --known or --static; rows after the end of the data are known in advance")
	f.Var(text{&s.Freq}, "freq", "`interval` from row to row: month, 15 minutes, W, ... (default: inferred from the time stamps)")
	f.StringVar(&s.Layout, "layout", "", "`format` of the time stamps, such as %d/%m/%Y (default: recognized); index: whole numbers that count the steps; rows: there are no time stamps, and each row is a step")
	f.StringVar((*string)(&s.Fill), "fill", "", "how to fill missing values: carry (repeat the last value), interpolate (draw a line) or keep (leave them missing); default: fail")
	f.BoolVar(&s.Sort, "sort", false, "sort the rows by time first")
	complete(cmd, "fill", "carry", "interpolate", "keep")
}

// text is a flag whose value is read and written as text.
type text struct{ *forecast.Frequency }

func (t text) Set(s string) error { return t.UnmarshalText([]byte(s)) }
func (t text) Type() string       { return "frequency" }

// list is a flag with one or several names, separated by commas. If the flag is repeated, the
// names are added up.
type list string

func (l *list) String() string { return string(*l) }
func (l *list) Type() string   { return "columns" }

func (l *list) Set(s string) error {
	if *l != "" && s != "" {
		s = string(*l) + "," + s
	}
	*l = list(s)
	return nil
}

// useful returns the series that are neither constant nor, among several, too short, and notes on
// the others.
func useful(frame forecast.Frame) (kept forecast.Frame, leftOut []string) {
	var ids, short []string
	for _, s := range frame {
		known := 0
		for _, v := range s.Y {
			if !math.IsNaN(v) {
				known++
			}
		}
		if known < fewestToLearn && len(frame) > 1 {
			short = append(short, s.ID)
			continue
		}
		first := slices.IndexFunc(s.Y, func(v float64) bool { return !math.IsNaN(v) })
		if slices.ContainsFunc(s.Y, func(v float64) bool { return !math.IsNaN(v) && v != s.Y[first] }) {
			kept = append(kept, s)
		} else {
			ids = append(ids, s.ID)
		}
	}
	if len(ids) > 0 {
		leftOut = append(leftOut, fmt.Sprintf("%d series left out, whose target is constant: %s", len(ids), csvfile.Names(ids)))
	}
	if len(short) > 0 {
		leftOut = append(leftOut, fmt.Sprintf("%d series left out, with fewer than %d values: %s", len(short), fewestToLearn, csvfile.Names(short)))
	}
	return kept, leftOut
}

// ended returns the ids of the series that end before the last of the others.
func (s source) ended(frame forecast.Frame) (ids []string) {
	end := frame.End()
	for _, x := range frame {
		if x.Time(x.Len() - 1).Before(end) {
			ids = append(ids, x.ID)
		}
	}
	return ids
}

// read reads the series. It returns the source with the unset flags filled in: the column of
// the time stamps, their layout and their frequency.
func (s source) read() (forecast.Frame, source, error) {
	fills := []string{"", string(forecast.Carry), string(forecast.Interpolate), string(forecast.Keep)}
	if !slices.Contains(fills, string(s.Fill)) {
		return nil, s, oneOf("fill", string(s.Fill), fills[1:])
	}
	s, err := s.look()
	if err != nil {
		return nil, s, fmt.Errorf("%s: %w", s.File, err)
	}
	constant := s.AllowConstant
	s.AllowConstant = s.ID != "" // those are left out below
	s.Open = openData
	var frame forecast.Frame
	frame, s.CSV, err = s.RecognizeFile(s.File)
	if s.AllowConstant = constant; err != nil {
		return nil, s, err
	}
	frame, leftOut := useful(frame)
	if s.notes = append(s.notes, leftOut...); len(frame) == 0 {
		return nil, s, fmt.Errorf("%s: every series is constant or too short: there is nothing to forecast", s.File)
	}
	return frame, s, nil
}

// look returns the source with the column of the time stamps and their layout, as found in
// the first rows of the file.
func (s source) look() (source, error) {
	f, err := openData(s.File)
	if err != nil {
		return s, err
	}
	defer f.Close()
	in, err := csvfile.NewReader(f, s.Comma)
	if err != nil {
		return s, err
	}
	in.NameColumns()
	var rows [][]string
	for len(rows) < 100 {
		row, err := in.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return s, err
		}
		rows = append(rows, slices.Clone(row))
	}
	if s.Target == "" {
		return s, fmt.Errorf("which column to forecast? Name it with --target: there are %s", csvfile.Names(in.Header))
	}
	k := -1
	switch {
	case s.Layout == byRow:
		if s.Time != "" {
			return s, fmt.Errorf("--layout %s: it is for data without time stamps: leave out --time", byRow)
		}
	case s.unnamed:
		k, err = in.Find("")
	case s.Time == "":
		if k, err = s.stamps(in.Header, rows); err != nil && s.Layout == "" {
			if of, layout := s.counts(in.Header, rows); layout == byRow {
				s.Layout = layout
				s.notes = append(s.notes, "no column has time stamps: each row is the step after the one before it")
				return s, nil
			} else if layout != "" {
				k, err, s.Layout = of, nil, layout
				s.notes = append(s.notes, fmt.Sprintf("no column has time stamps: %q counts the steps", in.Header[of]))
			}
		}
	default:
		k = slices.Index(in.Header, s.Time) // reading the file checks that it exists
	}
	if err != nil || k < 0 {
		return s, err
	}
	s.Time = in.Header[k]
	if s.Layout == "" {
		texts := column(rows, k)
		if s.Layout = forecast.InferLayout(texts); s.Layout == "" && whole(texts) {
			s.Layout = byNumber
		}
	}
	return s, nil
}

// Layouts for data without time stamps.
const (
	byNumber = "index" // a column counts the steps
	byRow    = "rows"
)

// whole reports whether all texts are whole numbers.
func whole(texts []string) bool {
	return !slices.ContainsFunc(texts, func(text string) bool { return !parses(byNumber, text) })
}

// counts returns the column that counts the steps of each series, one by one, and its layout. If there is no such
// column and all columns without a role have numbers, the rows count the steps. Otherwise the layout is "".
func (s source) counts(header []string, rows [][]string) (k int, layout string) {
	ids := strings.Split(s.ID, ",")
	var candidates []int
	layout = byRow
	for k, name := range header {
		if s.role(name) {
			continue
		}
		last, ok := map[string]int{}, whole(column(rows, k))
		for _, row := range rows {
			if _, number := csvfile.Number(row[k], csvfile.NA); !number {
				layout = ""
			}
			var id string
			for i, name := range header {
				if slices.Contains(ids, name) {
					id += row[i] + "\x00"
				}
			}
			now, _ := strconv.Atoi(row[k])
			was, begun := last[id]
			ok = ok && (!begun || now == was+1)
			last[id] = now
		}
		if ok {
			candidates = append(candidates, k)
		}
	}
	if len(candidates) == 1 {
		return candidates[0], byNumber
	}
	return -1, layout
}

// role reports whether a flag says what a column is, apart from --time.
func (s source) role(name string) bool {
	return name == s.Target || name == s.ID || slices.Contains(slices.Concat(strings.Split(s.ID, ","), s.Past, s.Known, s.Static), name)
}

func column(rows [][]string, k int) []string {
	var out []string
	for _, row := range rows {
		out = append(out, row[k])
	}
	return out
}

// stamps returns the index of the one column in which most values are time stamps; reading
// reports the other values later. Bare numbers may be years or anything else, so they count
// only if no other column qualifies, and if they ascend.
func (s source) stamps(header []string, rows [][]string) (int, error) {
	var sure, maybe, either []int // either: day or month may come first
	for k, name := range header {
		if s.role(name) {
			continue
		}
		texts := column(rows, k)
		layout := cmp.Or(s.Layout, forecast.InferLayout(texts))
		stamps, numbers, slashes, ascend, last := 0, 0, 0, true, math.Inf(-1)
		for _, text := range texts {
			if s.Layout == "" && forecast.RecognizeLayout(text) != "" || layout != "" && parses(layout, text) {
				stamps++
			}
			if parses("2/1/2006", text) || parses("1/2/2006", text) {
				slashes++
			}
			if x, ok := csvfile.Number(text, nil); ok {
				numbers++
				ascend = ascend && (x > last || s.ID != "" || s.Sort)
				last = x
			}
		}
		switch {
		case 2*stamps <= len(rows) && 2*slashes > len(rows):
			either = append(either, k)
		case 2*stamps <= len(rows):
		case numbers == 0:
			sure = append(sure, k)
		case numbers == len(rows) && ascend:
			maybe = append(maybe, k)
		}
	}
	if len(sure) == 0 {
		sure = maybe
	}
	switch {
	case len(sure) == 1:
		return sure[0], nil
	case len(sure) > 1:
		var names []string
		for _, k := range sure {
			names = append(names, header[k])
		}
		return 0, fmt.Errorf("%s could be the time stamps: choose one with --time", csvfile.Names(names))
	case s.Layout != "":
		return 0, fmt.Errorf("no column has time stamps in the format --layout %s: there are %s", quote(s.Layout), csvfile.Names(header))
	case len(either) > 0:
		return 0, fmt.Errorf("column %q has dates like %s: say with --layout which comes first: the day, %%d/%%m/%%Y, or the month, %%m/%%d/%%Y",
			header[either[0]], rows[0][either[0]])
	}
	return 0, fmt.Errorf("no column has time stamps that attune recognizes: name the column with --time and their format with --layout, such as --layout %%d/%%m/%%Y: there are %s",
		csvfile.Names(header))
}

func parses(layout, text string) bool {
	_, err := forecast.ParseTime(layout, text, time.UTC)
	return err == nil
}

// stamp formats a time like the file does.
func (s source) stamp(t time.Time) string { return forecast.FormatTime(s.Layout, t) }

// span describes the rows of a frame: "144 rows, 1949-01 to 1960-12".
func (s source) span(f forecast.Frame) string {
	rows, start := 0, f[0].Start
	for _, x := range f {
		rows += x.Len()
		if x.Start.Before(start) {
			start = x.Start
		}
	}
	text := fmt.Sprintf("%d rows, %s to %s", rows, s.stamp(start), s.stamp(f.End()))
	if len(f) > 1 {
		text = fmt.Sprintf("%d series, %s", len(f), text)
	}
	return text
}
