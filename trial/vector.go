package trial

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Vector is one report in a study of several objectives: a value for each, any of which may be NaN or infinite.
//
// Optuna's format stores one value a step, and none in studies of several objectives. So a Vector is a note, which
// every storage keeps: [Vector.Change] writes it, and [Record.Vectors] reads it.
type Vector struct {
	Step   int // at least 0
	Values []float64
}

// VectorPrefix begins the key of the note that holds a [Vector]. The step follows, in decimal: report:7. The note's
// JSON is the list of values.
const VectorPrefix = "report:"

// Change returns the change that adds v to r, which has values at other steps. It fails with an error that wraps
// [ErrReport] if the step is negative, or r has a vector at that step already, or there are no values.
func (v Vector) Change(r Record) (Noted, error) {
	switch _, known := r.VectorAt(v.Step); {
	case v.Step < 0:
		return Noted{}, pkg.Errorf("%w: step %d is negative: count steps from 0", ErrReport, v.Step)
	case len(v.Values) == 0:
		return Noted{}, pkg.Errorf("%w: step %d has no values", ErrReport, v.Step)
	case known:
		return Noted{}, pkg.Errorf("%w: step %d already has values: report each step once", ErrReport, v.Step)
	}
	a, err := NewAttr(fmt.Sprint(VectorPrefix, v.Step), v.Values)
	return Noted(a), err
}

// Vectors returns the reports of r in a study of several objectives, in ascending order of steps. Notes that cannot be
// read are left out. Each call reads them again.
func (r Record) Vectors() []Vector {
	var out []Vector
	for _, a := range r.Notes {
		if v, ok := vector(a); ok {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b Vector) int { return cmp.Compare(a.Step, b.Step) })
	return out
}

// VectorAt returns the values reported at a step of a study of several objectives. It is not ok if there are none.
func (r Record) VectorAt(step int) (values []float64, ok bool) {
	a, ok := r.Notes.Get(fmt.Sprint(VectorPrefix, step))
	if !ok {
		return nil, false
	}
	v, ok := vector(a)
	return v.Values, ok
}

func vector(a Attr) (Vector, bool) {
	step, ok := vectorStep(a)
	v := Vector{Step: step}
	return v, ok && a.Decode(&v.Values) == nil && len(v.Values) > 0
}

func vectorStep(a Attr) (int, bool) {
	digits, ok := strings.CutPrefix(a.Key, VectorPrefix)
	if !ok {
		return 0, false
	}
	step, err := strconv.Atoi(digits)
	return step, err == nil && step >= 0 && strconv.Itoa(step) == digits
}

// lastVector returns the highest step with a vector, or -1.
func (r Record) lastVector() int {
	last := -1
	for _, a := range r.Notes {
		if step, ok := vectorStep(a); ok {
			last = max(last, step)
		}
	}
	return last
}
