package tables

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/internal/optunadb"
	"github.com/attune-hpo/attune/trial"
)

// A Read is a record that was read, with its row.
type Read struct {
	trial.Record
	ID      int64
	Missing bool   // has no number yet
	Odd     string // what cannot be read of it, "" if nothing
}

// Spoil records that a part of the trial cannot be read. The first reason is kept.
func (r *Read) Spoil(reason string) {
	if r.Odd == "" {
		r.Odd = reason
	}
}

// SetState sets the state by its name.
func (r *Read) SetState(name string) {
	state, ok := optunadb.State(name)
	if !ok {
		state = trial.Failed
		r.Spoil(fmt.Sprintf("its state is %.20q", name))
	}
	r.State = state
}

// SetValues sets the values, which it sorts.
func (r *Read) SetValues(os []Objective, out []float64) {
	slices.SortFunc(os, func(a, b Objective) int { return cmp.Compare(a.Index, b.Index) })
	for i, o := range os {
		out[i] = o.Value
	}
	r.Values = out
}

// SetSystem moves system attributes to their fields in the record.
func (r *Read) SetSystem(as []Attr) { optunadb.Interpret(&r.Record, InOrder(as)) }

// CheckNumber returns an error that wraps [storage.ErrFormat] unless the trial may
// have the number it has: a number counts the rows of the study that came before, so
// the id exceeds it.
func (r *Read) CheckNumber() error {
	if r.Number < 0 || !r.Missing && int64(r.Number) >= r.ID {
		return fmt.Errorf("%w: the trial in row %d has the number %d", storage.ErrFormat, r.ID, r.Number)
	}
	return nil
}

// Unreadable returns a finished trial with unreadable parts as a failed trial without values, so that it is never the
// best, with the reason. The readable parts are kept.
func Unreadable(r trial.Record, reason string) trial.Record {
	if r.Err != "" {
		r.Err += "; "
	}
	r.Err += "cannot be read: " + reason
	r.State, r.Values = trial.Failed, nil
	return r
}

// An Objective is a row of trial_values.
type Objective struct {
	Index int64
	Value float64
}

// ParseObjective reads the columns of one.
func ParseObjective(index int64, value, kind any) (Objective, error) {
	o := Objective{index, optunadb.Float(value, kind)}
	if math.IsNaN(o.Value) {
		return o, fmt.Errorf("the value of objective %d is not a number", o.Index)
	}
	return o, nil
}

// A Param is a row of trial_params.
type Param struct {
	space.Axis
	ID    int64
	Coord float64
}

// Distributions caches distributions by their JSON. The zero value is ready to use. It is
// safe for concurrent use.
type Distributions struct {
	mu     sync.Mutex
	parsed map[string]space.Distribution
}

// Param reads the columns of a parameter.
func (ds *Distributions) Param(id int64, name string, coord any, text string) (p Param, err error) {
	d, err := ds.parse(text)
	if err != nil {
		return p, fmt.Errorf("parameter %q: %w", name, err)
	}
	p = Param{space.Axis{Name: name, Distribution: d}, id, optunadb.Float(coord, nil)}
	return p, storage.CheckCoord(p.Axis, p.Coord)
}

func (ds *Distributions) parse(text string) (d space.Distribution, err error) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	d, ok := ds.parsed[text]
	if ok {
		return d, nil
	}
	if d, err = space.ParseDistribution(text); err != nil {
		return nil, err
	}
	if ds.parsed == nil || len(ds.parsed) >= 1<<12 {
		ds.parsed = map[string]space.Distribution{}
	}
	ds.parsed[text] = d
	return d, nil
}

// An Attr is a row of a table of attributes.
type Attr struct {
	trial.Attr
	ID int64
}

// InOrder returns attributes in the order in which they were first set.
func InOrder(as []Attr) trial.Attrs {
	slices.SortFunc(as, func(a, b Attr) int { return cmp.Compare(a.ID, b.ID) })
	out := make(trial.Attrs, len(as))
	for i, a := range as {
		out[i] = a.Attr
	}
	return out
}

// ByStep orders reports.
func ByStep(a, b trial.Report) int { return cmp.Compare(a.Step, b.Step) }

// WithReport returns rs, in order of steps, with another report, which may be there already. It does not change rs,
// which others may share.
func WithReport(rs []trial.Report, r trial.Report) []trial.Report {
	if n := len(rs); n == 0 || rs[n-1].Step < r.Step {
		return append(rs, r)
	}
	i, found := slices.BinarySearchFunc(rs, r.Step, func(r trial.Report, step int) int { return cmp.Compare(r.Step, step) })
	switch {
	case !found:
		return slices.Insert(slices.Clone(rs), i, r)
	case !sameReport(rs[i], r):
		rs = slices.Clone(rs)
		rs[i] = r
	}
	return rs
}

// Same reports whether a and b are equal, where NaN equals NaN.
func Same(a, b trial.Record) bool {
	float := func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) }
	return a.Number == b.Number && a.State == b.State && a.Err == b.Err &&
		a.Started.Equal(b.Started) && a.Finished.Equal(b.Finished) &&
		a.Params.Space.Equal(b.Params.Space) && slices.EqualFunc(a.Params.Point, b.Params.Point, float) &&
		slices.Equal(a.Proposed, b.Proposed) && slices.Equal(a.Fixed, b.Fixed) &&
		sameReports(a.Reports, b.Reports) &&
		slices.EqualFunc(a.Values, b.Values, float) &&
		slices.EqualFunc(a.Constraints, b.Constraints, func(x, y trial.Constraint) bool { return x.Name == y.Name && float(x.Value, y.Value) }) &&
		slices.Equal(a.Attrs, b.Attrs) && slices.Equal(a.Notes, b.Notes)
}

// sameReports looks at none of them if a and b are one slice, as they are for a
// running trial that reported nothing since.
func sameReports(a, b []trial.Report) bool {
	if len(a) != len(b) {
		return false
	}
	return len(a) == 0 || &a[0] == &b[0] || slices.EqualFunc(a, b, sameReport)
}

func sameReport(x, y trial.Report) bool {
	return x.Step == y.Step && math.Float64bits(x.Value) == math.Float64bits(y.Value)
}
