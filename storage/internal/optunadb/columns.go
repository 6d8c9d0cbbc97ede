package optunadb

import (
	"math"
	"time"

	"github.com/attune-hpo/attune/trial"
)

// states are the names of states.
var states = map[string]trial.State{
	"WAITING": trial.Waiting, "RUNNING": trial.Running,
	"COMPLETE": trial.Complete, "PRUNED": trial.Pruned, "FAIL": trial.Failed,
}

var stateNames = [...]string{"WAITING", "RUNNING", "COMPLETE", "PRUNED", "FAIL"}

// State returns the state of a name; ok is false if there is none.
func State(name string) (s trial.State, ok bool) {
	s, ok = states[name]
	return s, ok
}

// StateName returns the name of a state.
func StateName(s trial.State) string { return stateNames[s] }

// Float returns the number in a column, or NaN if there is none. Kind is the value of the type column next to it, nil
// for FINITE.
func Float(v, kind any) float64 {
	switch kind {
	case "INF_POS":
		return math.Inf(1)
	case "INF_NEG":
		return math.Inf(-1)
	}
	switch v := v.(type) {
	case float64:
		return v
	case int64:
		return float64(v)
	}
	return math.NaN()
}

// FloatColumns returns the two columns of a number: the reverse of Float.
func FloatColumns(x float64) (v any, kind string) {
	switch {
	case math.IsNaN(x):
		return nil, "NAN"
	case math.IsInf(x, 1):
		return nil, "INF_POS"
	case math.IsInf(x, -1):
		return nil, "INF_NEG"
	}
	return x, "FINITE"
}

// timeForm is how SQLAlchemy writes times.
const timeForm = "2006-01-02 15:04:05.000000"

// Time reads a time in UTC: seconds, and up to nine digits of a fraction. For anything else it returns the zero time.
func Time(v any) time.Time {
	s, ok := v.(string)
	if !ok {
		return time.Time{}
	}
	t, err := time.Parse(time.DateTime, s) // takes a fraction too
	if err != nil {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// TimeColumn returns the column of a time, nil for the zero time: the reverse of
// Time.
func TimeColumn(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(timeForm)
}
