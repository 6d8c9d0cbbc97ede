package runtime

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	stdruntime "runtime"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/attune-hpo/attune/figure"
)

// A Measurement says on what models are compared. Subjects take turns, so that other work
// on the machine affects all of them.
type Measurement struct {
	// Rows holds Width values per row. Runs predict the rows in order and start over at the
	// end. Use real rows, because the time of trees depends on their branches.
	Rows  []float64
	Width int
	// Outputs is the number of predicted values per row. Default 1.
	Outputs int
	// Batches are the numbers of rows per call. Default 1, 10, 100 and 1000.
	Batches []int
	// Time is the minimum time that each subject spends on each batch size. Default 200 ms.
	Time time.Duration
	// Opens is the number of times that each subject is opened. Memory is measured with
	// that many copies of all subjects open, and loading time by opening and closing each
	// that often. Default 5.
	Opens int
}

// A Subject is a model to measure.
type Subject struct {
	Name string
	// Open loads the model. The measurement closes it afterwards, if it has a Close method.
	Open func() (Model, error)
	// File is the file that it is loaded from, to report its size. It may be empty.
	File string
}

// A Report is the result of a [Measurement]. In its JSON, times are in nanoseconds.
type Report struct {
	Subjects []Measured `json:"subjects"`
}

// Measured is the result for a [Subject].
type Measured struct {
	Name  string  `json:"name"`
	Error string  `json:"error,omitempty"` // why the other fields are missing
	Load  Summary `json:"load"`
	// File is the file's size in bytes, or 0 if there is none.
	File int64 `json:"file_bytes"`
	// Memory is the growth of the process's memory in bytes per copy, or -1 if it cannot be
	// determined. It is only meaningful if it is large compared with 100 kB.
	Memory  int64   `json:"memory_bytes"`
	Batches []Batch `json:"batches"`
	// Best is the smallest batch that reaches 95 % of the maximum rows per second.
	Best int `json:"best_batch"`
}

// A Batch describes the durations of calls with a given number of rows.
type Batch struct {
	Rows int `json:"rows"`
	Summary
	RowsPerSecond float64 `json:"rows_per_second"`
}

// rounds is the number of turns of each subject.
const rounds = 10

// Run measures the subjects. If one fails to open or to predict, the report says so, and
// the others are measured. The error reports invalid settings, or is ctx's cause if ctx
// ends first.
func (m Measurement) Run(ctx context.Context, subjects ...Subject) (Report, error) {
	m.Outputs, m.Time, m.Opens = cmp.Or(m.Outputs, 1), cmp.Or(m.Time, 200*time.Millisecond), cmp.Or(m.Opens, 5)
	if m.Batches == nil {
		m.Batches = []int{1, 10, 100, 1000}
	}
	largest := slices.Max(append([]int{0}, m.Batches...))
	switch {
	case m.Width < 1 || len(m.Rows) == 0 || len(m.Rows)%m.Width != 0:
		return Report{}, pkg.Errorf("measure: %w: %d values in rows of %d", ErrInput, len(m.Rows), m.Width)
	case len(m.Batches) == 0 || slices.Min(m.Batches) < 1:
		return Report{}, pkg.Errorf("measure: %w: batches %v", ErrInput, m.Batches)
	case m.Outputs < 1 || m.Opens < 1 || m.Time < 0:
		return Report{}, pkg.Errorf("measure: %w: %d outputs, %d opens, %v", ErrInput, m.Outputs, m.Opens, m.Time)
	}
	for len(m.Rows) < largest*m.Width {
		m.Rows = append(m.Rows[:len(m.Rows):len(m.Rows)], m.Rows...)
	}
	report := Report{make([]Measured, len(subjects))}
	models := make([]Model, len(subjects))
	defer func() { closeAll(models...) }()
	// Measure the memory of all subjects before any time: a closed model leaves memory to
	// the process, which would hide the growth of the next one.
	var copies []Model
	defer func() { closeAll(copies...) }()
	for i, s := range subjects {
		if ctx.Err() != nil {
			return report, context.Cause(ctx)
		}
		at := &report.Subjects[i]
		err := at.file(s)
		if err == nil {
			// Load once before measuring: what exists once per process, such as the library, does not count.
			models[i], err = s.open()
		}
		if err == nil {
			copies, err = m.memory(s, copies, at)
		}
		if err != nil {
			at.Error = err.Error()
		}
	}
	closeAll(copies...)
	copies = nil
	for i, s := range subjects {
		if ctx.Err() != nil {
			return report, context.Cause(ctx)
		}
		if at := &report.Subjects[i]; at.Error == "" {
			if err := m.load(s, at); err != nil {
				at.Error = err.Error()
			}
		}
	}
	for _, size := range m.Batches {
		if err := m.batch(ctx, size, models, report.Subjects); err != nil {
			return report, err
		}
	}
	for i := range report.Subjects {
		report.Subjects[i].best()
	}
	return report, nil
}

// open opens a subject. On an error it returns a nil interface, because a nil pointer
// inside an interface could not be closed.
func (s Subject) open() (Model, error) {
	m, err := s.Open()
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Measured) file(s Subject) error {
	m.Name, m.Memory = s.Name, -1
	if s.File == "" {
		return nil
	}
	info, err := os.Stat(s.File)
	if err == nil {
		m.File = info.Size()
	}
	return err
}

// memory opens a subject several times, keeps all of them open, and appends them to copies,
// even if one fails.
func (m Measurement) memory(s Subject, copies []Model, to *Measured) ([]Model, error) {
	before, known := resident()
	for range m.Opens {
		again, err := s.open()
		if err != nil {
			return copies, err
		}
		copies = append(copies, again)
	}
	if after, ok := resident(); known && ok {
		to.Memory = max(0, after-before) / int64(m.Opens)
	}
	stdruntime.KeepAlive(copies)
	return copies, nil
}

// load opens and closes a subject several times.
func (m Measurement) load(s Subject, to *Measured) error {
	var times []time.Duration
	for range m.Opens {
		start := time.Now()
		again, err := s.open()
		if err != nil {
			return err
		}
		times = append(times, time.Since(start))
		closeAll(again)
	}
	to.Load = summarize(times)
	return nil
}

// resident returns the memory of the process in bytes, after a garbage collection.
func resident() (int64, bool) {
	debug.FreeOSMemory()
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, false
	}
	var all, in int64
	if _, err := fmt.Fscan(bytes.NewReader(data), &all, &in); err != nil {
		return 0, false
	}
	return in * int64(os.Getpagesize()), true
}

// batch measures batches of one size.
func (m Measurement) batch(ctx context.Context, size int, models []Model, to []Measured) error {
	times := make([][]time.Duration, len(models))
	at := make([]int, len(models))
	out := make([]float64, size*m.Outputs)
	last := len(m.Rows)/m.Width - size
	call := func(i int) (time.Duration, error) {
		rows := m.Rows[at[i]*m.Width : (at[i]+size)*m.Width]
		if at[i] += size; at[i] > last {
			at[i] = 0
		}
		start := time.Now()
		err := predict(models[i], rows, out)
		return time.Since(start), err
	}
	for round := range rounds + 1 {
		for i := range models {
			for spent, calls := time.Duration(0), 0; to[i].Error == "" && (spent < m.Time/rounds || calls < 2); calls++ {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				t, err := call(i)
				if err != nil {
					to[i].Error = fmt.Sprintf("batches of %d: %v", size, err)
					break
				}
				if round > 0 { // the first round warms up
					times[i] = append(times[i], t)
				}
				spent += t
			}
		}
	}
	for i := range models {
		if to[i].Error == "" {
			b := Batch{Rows: size, Summary: summarize(times[i])}
			if b.Mean > 0 {
				b.RowsPerSecond = float64(size) / b.Mean.Seconds()
			}
			to[i].Batches = append(to[i].Batches, b)
		}
	}
	return nil
}

func (m *Measured) best() {
	var most float64
	for _, b := range m.Batches {
		most = max(most, b.RowsPerSecond)
	}
	for _, b := range m.Batches {
		if b.RowsPerSecond >= 0.95*most && (m.Best == 0 || b.Rows < m.Best) {
			m.Best = b.Rows
		}
	}
}

// String returns a table with a line for each subject and batch size, where a star marks
// the best size. Failures follow.
func (r Report) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "model\tload\tfile\tmemory\tbatch\tmean\tsd\tp50\tp99\trows/s\t")
	for _, m := range r.Subjects {
		if m.Error != "" {
			continue
		}
		head := fmt.Sprintf("%s\t%s\t%s\t%s", m.Name, short(m.Load.Mean), size(m.File), size(m.Memory))
		for _, b := range m.Batches {
			star := ""
			if b.Rows == m.Best {
				star = "*"
			}
			fmt.Fprintf(w, "%s\t%s%d\t%s\t%s\t%s\t%s\t%.0f\t\n", head, star, b.Rows, short(b.Mean), short(b.SD), short(b.P50), short(b.P99), b.RowsPerSecond)
			head = "\t\t\t"
		}
	}
	w.Flush() // a strings.Builder does not fail
	for _, m := range r.Subjects {
		if m.Error != "" {
			fmt.Fprintf(&b, "%s: %s\n", m.Name, m.Error)
		}
	}
	return b.String()
}

// short formats a time with three digits.
func short(t time.Duration) string {
	unit := time.Nanosecond
	for _, u := range []time.Duration{time.Microsecond, time.Millisecond, time.Second} {
		if t >= u {
			unit = u
		}
	}
	name := map[time.Duration]string{time.Nanosecond: "ns", time.Microsecond: "µs", time.Millisecond: "ms", time.Second: "s"}[unit]
	return fmt.Sprintf("%.3g %s", min(float64(t)/float64(unit), 999.4), name)
}

// size formats a number of bytes with three digits, or as - if there is none.
func size(n int64) string {
	v, unit := float64(n), "B"
	for _, u := range []string{"kB", "MB", "GB"} {
		if v >= 1000 {
			v, unit = v/1000, u
		}
	}
	if n <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.4g %s", v, unit)
}

// WriteJSON writes r as indented JSON.
func (r Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// Figure returns a drawing of r as data: the median time per row against the batch size,
// both on logarithmic axes, with a line for each subject. It fails with [ErrInput] if
// nothing was measured.
func (r Report) Figure() (figure.Figure, error) {
	panel := figure.Panel{X: figure.Axis{Label: "rows a call", Scale: figure.Log}, Y: figure.Axis{Label: "µs a row", Scale: figure.Log}}

	for i, m := range r.Subjects {
		line := figure.Line{Name: m.Name, Colour: figure.Nth(i)}
		for _, b := range m.Batches {
			line.X = append(line.X, float64(b.Rows))
			line.Y = append(line.Y, float64(max(b.P50, 1))/float64(b.Rows)/float64(time.Microsecond))
		}
		if len(line.X) > 0 {
			panel.Marks = append(panel.Marks, line, figure.Points{Colour: line.Colour, X: line.X, Y: line.Y})
		}
	}
	if panel.Marks == nil {
		return figure.Figure{}, pkg.Errorf("plot: %w: nothing was measured", ErrInput)
	}
	return figure.Figure{Title: "Median time a row, by rows a call", Panels: []figure.Panel{panel}}, nil
}
