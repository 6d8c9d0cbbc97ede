// Package export writes the trials of a study as tables, and the parameters of one
// trial for the program that will use them.
//
//	export.All(h).CSV(file)              // one row per trial
//	export.All(h).JSONL(file)            // one object per trial
//	export.ParamsYAML(file, best)        // lr: 0.01 ...
//	settings, err := export.ReadParams(file)
package export

import (
	"encoding/csv"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/spaceyaml"
	"github.com/attune-hpo/attune/trial"
)

const pkg fault.Package = "export"

// A Table is a table of trials of a study, in the given order. From the study's header it only uses the number of
// objectives and their names.
type Table struct {
	Study  trial.Header
	Trials []trial.Record
}

// All returns the table of all trials in any state, ordered by number.
func All(h trial.Snapshot) Table { return Table{h.Header(), h.Records()} }

const timeLayout = "2006-01-02T15:04:05.000000Z"

// objectives returns the names of the objectives. Without names, a single objective is
// "value", and several are "0", "1" and so on.
func (t Table) objectives() []string {
	if names := t.Study.Metrics(); names != nil {
		return names
	}
	if t.Study.Objectives() == 1 {
		return []string{"value"}
	}
	names := make([]string, t.Study.Objectives())
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	return names
}

// CSV writes a row of column names and one row per trial. The columns are
//
//	number, state
//	value                            of the only objective, if it has no name
//	values_<name>                    of each objective: its name or its index
//	params_<name>                    of each parameter that a trial has
//	user_attrs_<key>                 of each attribute
//	constraints_<name>               of each constraint
//	datetime_start, datetime_complete, duration
//	error
//
// Within a group, columns are in the order in which the trials first have them, so a study
// that grows only adds columns. Most are named as in Optuna's data frame.
//
// A cell is empty if the trial lacks the value. Numbers are written in the shortest form
// that reads back the same, and as NaN, Infinity and -Infinity. Strings are written
// unchanged, so 1 and "1" look alike; other attributes are JSON. Times are UTC with
// microseconds, and durations are in seconds. A cell that begins with =, +, - or @ is not
// altered, so a spreadsheet may take it for a formula: import tables of untrusted origin
// as text.
func (t Table) CSV(w io.Writer) error {
	out := csv.NewWriter(w)
	names := t.objectives()
	head := []string{"number", "state"}
	for _, name := range names {
		if name != "value" || len(names) > 1 {
			name = "values_" + name
		}
		head = append(head, name)
	}
	columns := func(prefix string, of func(r trial.Record, yield func(string))) []string {
		var keys []string
		seen := map[string]bool{}
		for _, r := range t.Trials {
			of(r, func(key string) {
				if !seen[key] {
					seen[key], keys, head = true, append(keys, key), append(head, prefix+key)
				}
			})
		}
		return keys
	}
	params := columns("params_", func(r trial.Record, yield func(string)) {
		for name := range r.Params.All() {
			yield(name)
		}
	})
	attrs := columns("user_attrs_", func(r trial.Record, yield func(string)) {
		for _, a := range r.Attrs {
			yield(a.Key)
		}
	})
	constraints := columns("constraints_", func(r trial.Record, yield func(string)) {
		for _, c := range r.Constraints {
			yield(c.Name)
		}
	})
	head = append(head, "datetime_start", "datetime_complete", "duration", "error")
	if err := out.Write(head); err != nil {
		return pkg.Errorf("csv: %w", err)
	}
	for _, r := range t.Trials {
		row := append(make([]string, 0, len(head)), strconv.Itoa(r.Number), r.State.String())
		for i := range names {
			row = append(row, number(r.Values, i))
		}
		for _, name := range params {
			l, _ := r.Get(name)
			row = append(row, l.String())
		}
		for _, key := range attrs {
			a, _ := r.Attrs.Get(key)
			row = append(row, space.Literal(a.JSON).String())
		}
		for _, name := range constraints {
			i := slices.IndexFunc(r.Constraints, func(c trial.Constraint) bool { return c.Name == name })
			cell := ""
			if i >= 0 {
				cell = space.Lit(r.Constraints[i].Value).String()
			}
			row = append(row, cell)
		}
		row = append(row, stamp(r.Started), stamp(r.Finished), seconds(r), r.Err)
		if err := out.Write(row); err != nil {
			return pkg.Errorf("csv: trial %d: %w", r.Number, err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return pkg.Errorf("csv: %w", err)
	}
	return nil
}

func number(xs []float64, i int) string {
	if i >= len(xs) {
		return ""
	}
	return space.Lit(xs[i]).String()
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(timeLayout)
}

func seconds(r trial.Record) string {
	if r.Started.IsZero() || r.Finished.IsZero() {
		return ""
	}
	return space.Lit(float64(r.Duration().Microseconds()) / 1e6).String() // times have microseconds
}

// JSONL writes one JSON object per trial, each on its own line, in the complete form of
// [trial.Record.AppendJSON], so that a program can read the records back. It
// fails for an attribute that is not JSON.
func (t Table) JSONL(w io.Writer) error {
	var line []byte
	for _, r := range t.Trials {
		var err error
		if line, err = r.AppendJSON(line[:0]); err != nil {
			return pkg.Errorf("jsonl: %w", err)
		}
		line = append(line, '\n')
		if _, err := w.Write(line); err != nil {
			return pkg.Errorf("jsonl: trial %d: %w", r.Number, err)
		}
	}
	return nil
}

// ParamsJSON writes the parameters of r as one JSON object, in the order of suggestion, for
// a training job to read. It fails for NaN or an infinity, which JSON lacks but YAML has:
// the error wraps [space.ErrOutside], and nothing is written.
func ParamsJSON(w io.Writer, r trial.Record) error {
	b, err := jsonObject(r.Params.Settings())
	if err != nil {
		return pkg.Errorf("%w", err)
	}
	if _, err := w.Write(b); err != nil {
		return pkg.Errorf("parameters of trial %d: %w", r.Number, err)
	}
	return nil
}

// ParamsYAML writes the parameters of r as a mapping from names to values, in the
// order of suggestion. It fails like [spaceyaml.WriteSettings].
func ParamsYAML(w io.Writer, r trial.Record) error {
	if err := spaceyaml.WriteSettings(w, r.Params.Settings()); err != nil {
		return pkg.Errorf("parameters of trial %d: %w", r.Number, err)
	}
	return nil
}

// ReadParams reads parameters from [ParamsJSON], [ParamsYAML] or another source, so that
// they can be enqueued in another study. The errors are those of [spaceyaml.ReadSettings].
func ReadParams(r io.Reader) ([]space.Setting, error) {
	settings, err := spaceyaml.ReadSettings(r)
	if err != nil {
		return nil, pkg.Errorf("%w", err)
	}
	return settings, nil
}
