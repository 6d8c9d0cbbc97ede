// Package trial holds trials as data. A [Record] is the state of one trial at some moment. A [Change] is something that
// happens to it, and [Record.Apply] says what each change does. A [History] gathers the records of a study, and a
// [Snapshot] is an immutable view of it.
//
// Facts about trials have their home here. A sampler, a pruner or a program that
// shows a study asks a Snapshot for the best trial so far, the Pareto front, the
// parameters that all trials share, or what was reported at step 7. None of them
// needs the engine or the storage.
//
// What snapshots and records return is shared: read it, do not change it.
package trial

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/internal/pyjson"
	"github.com/attune-hpo/attune/space"
)

const pkg fault.Package = "trial"

var (
	// ErrFinished reports a change to a trial that has finished. It is how a
	// worker learns that another has declared its trial dead.
	ErrFinished = errors.New("already finished")
	// ErrReport reports an intermediate value at a negative step, or at a step
	// that has one already. The value that was there is kept.
	ErrReport = errors.New("bad report")
	// ErrValues reports final values that cannot be: NaN, or none at all.
	ErrValues = errors.New("bad values")
)

// A State is a stage in the life of a trial.
type State uint8

// The states, in the order in which a trial may pass through them.
const (
	Waiting  State = iota // enqueued, for whoever asks next
	Running               // claimed by a worker
	Complete              // evaluated; has a value for each objective
	Pruned                // stopped early, on purpose
	Failed                // ended by an error, a panic or the death of its worker
)

// Done reports whether s is final.
func (s State) Done() bool { return s > Running }

// String returns the name of the state in lower case.
func (s State) String() string {
	names := [...]string{"waiting", "running", "complete", "pruned", "failed"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// A Direction says which way an objective improves.
type Direction int8

// The directions. The zero value is Minimize.
const (
	Minimize Direction = iota
	Maximize
)

// Loss returns v or -v, so that less is better.
func (d Direction) Loss(v float64) float64 {
	if d == Maximize {
		return -v
	}
	return v
}

// String returns "minimize" or "maximize".
func (d Direction) String() string {
	if d == Maximize {
		return "maximize"
	}
	return "minimize"
}

// A Header is a study without its trials: what was fixed when it was created, and
// its present attributes.
type Header struct {
	Name       string
	Directions []Direction // of each objective; nil means one objective, minimized
	Seed       uint64      // of all random draws
	Attrs      Attrs       // set by the user
	Notes      Attrs       // set by the library, and by others that share the storage
}

// Objectives returns the number of objectives, at least 1.
func (h Header) Objectives() int { return max(1, len(h.Directions)) }

// Direction returns the direction of the i-th objective.
func (h Header) Direction(i int) Direction {
	if i < len(h.Directions) {
		return h.Directions[i]
	}
	return Minimize
}

// Losses returns, for the value of each objective, a number of which less is better.
func (h Header) Losses(values []float64) []float64 {
	losses := make([]float64, len(values))
	for k, v := range values {
		losses[k] = h.Direction(k).Loss(v)
	}
	return losses
}

// MetricsKey is the key of the note that holds the names of a study's objectives, a
// JSON list of strings. Optuna uses the same key.
const MetricsKey = "study:metric_names"

// Metrics returns the name of each objective, or nil if they have no names.
func (h Header) Metrics() []string {
	var names []string
	if a, ok := h.Notes.Get(MetricsKey); !ok || a.Decode(&names) != nil || len(names) != h.Objectives() {
		return nil
	}
	return names
}

// A Record is the state of a trial at some moment. It is a value: nothing in the library changes a Record, or what it
// refers to, once it has been handed out.
type Record struct {
	Number      int // in its study, from 0, without gaps
	State       State
	Params      space.Params    // suggested so far, in order
	Proposed    []space.Setting // drawn in advance, perhaps not suggested yet; see [Proposed]
	Fixed       []space.Setting // by whoever enqueued it
	Reports     []Report        // in ascending order of steps
	Values      []float64       // of each objective; may be ±Inf, never NaN
	Constraints []Constraint    // sorted by name
	Attrs       Attrs           // set by the user
	Notes       Attrs           // set by the library, and by others that share the storage
	Err         string          // why it failed or was pruned; may be empty
	Started     time.Time       // in UTC and microseconds; zero if it has not started
	Finished    time.Time       // in UTC and microseconds; zero if it has not finished
}

// A Report is one intermediate value, in a study of one objective; see [Vector] for several. Value may be anything, NaN
// included.
type Report struct {
	Step  int // at least 0
	Value float64
}

// A Constraint is met when its Value is at most 0. NaN counts as not met.
type Constraint struct {
	Name  string
	Value float64
}

// Get implements [space.Getter]: it returns the value of a parameter that was
// suggested.
func (r Record) Get(name string) (space.Literal, bool) { return r.Params.Get(name) }

// InterruptedKey is the key of the note on a trial that failed because its run was
// ended, as by Ctrl-C. Such a failure says nothing about the parameters, and they are
// enqueued again.
const InterruptedKey = "interrupted"

// Interrupted reports whether r failed because its run was ended. A trial that
// panicked or returned impossible values at that time is not interrupted.
func (r Record) Interrupted() bool {
	_, ok := r.Notes.Get(InterruptedKey)
	return ok && r.State == Failed
}

// PlaceKey is the key of the note that holds the place of a trial, an integer, where it is
// not the trial's number: in a reproducible run, the number that the trial would have if
// none had been repeated. A trial that repeats another has the place of that.
const PlaceKey = "place"

// Place returns the place of r: what [PlaceKey] holds, or else its number.
func (r Record) Place() int {
	place := r.Number
	if a, ok := r.Notes.Get(PlaceKey); ok && a.Decode(&place) != nil {
		return r.Number // somebody else's note
	}
	return place
}

// KeyNote is the note of a trial that was started under a key of the caller's. Its
// value is that key, a JSON string.
const KeyNote = "ask_key"

// Key returns the key under which r was started, or "" if there is none: one trial
// is started under a key, however often it is asked for.
func (r Record) Key() string {
	var key string
	if a, ok := r.Notes.Get(KeyNote); ok && a.Decode(&key) != nil {
		return "" // somebody else's note
	}
	return key
}

// LastStep returns the highest step with a report, of one value or of several, or -1 if there is none.
func (r Record) LastStep() int {
	if len(r.Reports) == 0 {
		return r.lastVector()
	}
	return r.Reports[len(r.Reports)-1].Step
}

// ReportAt returns the value reported at a step. It is not ok if there is none.
func (r Record) ReportAt(step int) (value float64, ok bool) {
	// Steps usually count up from 0 or 1, so look there first.
	for _, i := range [2]int{step, step - 1} {
		if 0 <= i && i < len(r.Reports) && r.Reports[i].Step == step {
			return r.Reports[i].Value, true
		}
	}
	i, ok := slices.BinarySearchFunc(r.Reports, step, func(r Report, step int) int { return cmp.Compare(r.Step, step) })
	if !ok {
		return 0, false
	}
	return r.Reports[i].Value, true
}

// Ahead returns the coordinates of r on axes. While r runs, coordinates that were drawn for it count, even if its
// objective has not asked for them yet. It is not ok if one is missing, or outside of its axis.
func (r Record) Ahead(axes space.Space) (point []float64, ok bool) {
	point = make([]float64, len(axes))
	for j, a := range axes {
		x, ok := r.Params.Coord(a.Name)
		if !ok {
			v, found := space.Settings(r.Proposed).Get(a.Name)
			if !found {
				return nil, false
			}
			var err error
			if x, err = a.Distribution.Encode(v); err != nil {
				return nil, false
			}
		}
		if !a.Distribution.Contains(x) {
			return nil, false
		}
		point[j] = x
	}
	return point, true
}

// Violation returns by how much r misses its constraints: the sum of the values
// above 0, or +Inf if a value is NaN. It is 0 if r has no constraints.
func (r Record) Violation() float64 {
	sum := 0.0
	for _, c := range r.Constraints {
		if math.IsNaN(c.Value) {
			return math.Inf(1)
		}
		sum += max(0, c.Value)
	}
	return sum
}

// Feasible reports whether r meets all its constraints, as it does if it has none.
func (r Record) Feasible() bool { return r.Violation() == 0 }

// Duration returns the time from start to finish, or 0 if r has not finished.
func (r Record) Duration() time.Duration {
	if r.Started.IsZero() || r.Finished.IsZero() {
		return 0
	}
	return r.Finished.Sub(r.Started)
}

// Attrs are named JSON values, in the order in which they were first set.
type Attrs []Attr

// An Attr is a named JSON value. JSON is text as Python's json module writes it, with
// the bare words NaN and Infinity. [NewAttr] writes that form.
type Attr struct {
	Key  string
	JSON string
}

// NewAttr returns the attribute with the JSON of v, which may be a scalar, a slice, a
// map with string keys, or a struct. It fails if v cannot be written as JSON.
func NewAttr(key string, v any) (Attr, error) {
	text, err := pyjson.Marshal(v)
	if err != nil {
		return Attr{}, pkg.Errorf("attribute %q: %w", key, err)
	}
	return Attr{key, text}, nil
}

// Decode stores the value of a into what dst points to, as encoding/json does.
func (a Attr) Decode(dst any) error {
	if err := pyjson.Unmarshal(a.JSON, dst); err != nil {
		return pkg.Errorf("attribute %q: %w", a.Key, err)
	}
	return nil
}

// Get returns the attribute with the given key. It is not ok if there is none.
func (as Attrs) Get(key string) (Attr, bool) {
	for _, a := range as {
		if a.Key == key {
			return a, true
		}
	}
	return Attr{}, false
}

// With returns a copy of as in which a is set: in the place of an attribute with its
// key, or at the end.
func (as Attrs) With(a Attr) Attrs {
	for i := range as {
		if as[i].Key == a.Key {
			out := slices.Clone(as)
			out[i] = a
			return out
		}
	}
	return append(slices.Clip(as), a)
}
