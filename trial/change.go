package trial

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/attune-hpo/attune/space"
)

// A Change is something that happens to a trial that has not finished. The set
// is closed: [Proposed], [Suggested], [Reported], [Constrained], [Annotated],
// [Noted], [Finished].
type Change interface{ apply(r *Record) error }

type (
	// Proposed says what a sampler drew before the objective asked for it, so that other workers see where this one is
	// looking. It replaces an earlier proposal. When the trial finishes, the proposal is removed.
	Proposed []space.Setting
	// Suggested adds parameters that the trial does not have yet. Each has a
	// coordinate that its distribution contains.
	Suggested space.Params
	// Reported adds an intermediate value at a step that has none.
	Reported Report
	// Constrained sets the value of a constraint, replacing an earlier one.
	Constrained Constraint
	// Annotated sets one of [Record.Attrs], replacing an earlier one with its key.
	Annotated Attr
	// Noted sets one of [Record.Notes], replacing an earlier one with its key.
	Noted Attr
	// Finished ends the trial. State is Complete, Pruned or Failed. A complete trial
	// has a value for each objective, a pruned one has its last report if that is a
	// number, and a failed one has no values.
	Finished struct {
		State  State
		Values []float64
		Err    string
		At     time.Time
	}
)

// Apply returns r with all changes made, or fails and makes none. It defines what
// changes mean, and every storage agrees with it. It fails with
//
//   - [ErrFinished] if r has finished before the last change;
//   - [ErrReport] for a step that is negative or has a report already;
//   - [space.ErrMismatch] for a parameter that is suggested twice;
//   - [space.ErrOutside] for a coordinate outside its distribution, or if there is
//     not one coordinate for each parameter;
//   - [ErrValues] as [CheckValues] does.
//
// It does not know how many objectives the study has: the study checks that.
func (r Record) Apply(changes ...Change) (Record, error) {
	for _, c := range changes {
		if r.State.Done() {
			return Record{}, pkg.Errorf("%w: it is %v", ErrFinished, r.State)
		}
		if err := c.apply(&r); err != nil {
			return Record{}, pkg.Errorf("%w", err)
		}
	}
	return r, nil
}

// The methods below may append beyond the length of a slice they share with
// older records, but never within it; [Record.Clip] ends the sharing.

func (c Proposed) apply(r *Record) error {
	r.Proposed = c
	return nil
}

func (c Suggested) apply(r *Record) (err error) {
	if len(c.Point) != len(c.Space) {
		return fmt.Errorf("%w: %d coordinates for %d parameters", space.ErrOutside, len(c.Point), len(c.Space))
	}
	var find space.Finder
	for i, a := range c.Space {
		if find.Index(c.Space[:i], a.Name) >= 0 {
			return fmt.Errorf("%w: %q is suggested twice", space.ErrMismatch, a.Name)
		}
		if x := c.Point[i]; !a.Distribution.Contains(x) {
			return fmt.Errorf("%w: parameter %q: %v is not in %s", space.ErrOutside, a.Name, x, space.Describe(a.Distribution))
		}
	}
	r.Params, err = r.Params.Join(space.Params(c))
	return err
}

func (c Reported) apply(r *Record) error {
	if c.Step < 0 {
		return fmt.Errorf("%w: step %d is negative: count steps from 0", ErrReport, c.Step)
	}
	if n := len(r.Reports); n == 0 || c.Step > r.Reports[n-1].Step {
		r.Reports = append(r.Reports, Report(c))
		return nil
	}
	i, found := slices.BinarySearchFunc(r.Reports, c.Step, func(r Report, step int) int { return cmp.Compare(r.Step, step) })
	if found {
		return fmt.Errorf("%w: step %d already has the value %v: report each step once", ErrReport, c.Step, r.Reports[i].Value)
	}
	r.Reports = slices.Insert(slices.Clone(r.Reports), i, Report(c))
	return nil
}

func (c Constrained) apply(r *Record) error {
	i, found := slices.BinarySearchFunc(r.Constraints, c.Name, func(c Constraint, name string) int { return cmp.Compare(c.Name, name) })
	r.Constraints = slices.Clone(r.Constraints)
	if found {
		r.Constraints[i] = Constraint(c)
	} else {
		r.Constraints = slices.Insert(r.Constraints, i, Constraint(c))
	}
	return nil
}

func (c Annotated) apply(r *Record) error {
	r.Attrs = r.Attrs.With(Attr(c))
	return nil
}

func (c Noted) apply(r *Record) error {
	r.Notes = r.Notes.With(Attr(c))
	return nil
}

func (c Finished) apply(r *Record) error {
	if err := CheckValues(c.State, c.Values); err != nil {
		return err
	}
	r.State, r.Values, r.Err, r.Finished = c.State, c.Values, c.Err, c.At
	r.Proposed = nil
	return nil
}

// CheckValues returns an error that wraps [ErrValues] unless a trial may finish in
// the given state with the given values: the state is final, no value is NaN, a
// complete trial has values, and a failed one has none.
func CheckValues(s State, values []float64) error {
	switch {
	case s != Complete && s != Pruned && s != Failed:
		return pkg.Errorf("%w: a trial ends complete, pruned or failed, not %v", ErrValues, s)
	case s == Complete && len(values) == 0:
		return pkg.Errorf("%w: a complete trial needs a value", ErrValues)
	case s == Failed && len(values) > 0:
		return pkg.Errorf("%w: a failed trial has no values, not %v", ErrValues, values)
	case slices.ContainsFunc(values, math.IsNaN):
		return pkg.Errorf("%w: %v contains NaN", ErrValues, values)
	}
	return nil
}

// Clip returns r with slices that cannot grow in place. An owner that goes on
// applying changes to its own copy of r hands out the clipped one.
func (r Record) Clip() Record {
	r.Params.Space, r.Params.Point = slices.Clip(r.Params.Space), slices.Clip(r.Params.Point)
	r.Reports = slices.Clip(r.Reports)
	return r
}
