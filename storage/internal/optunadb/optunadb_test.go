package optunadb_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/internal/optunadb"
	"github.com/attune-hpo/attune/trial"
)

func TestReserved(t *testing.T) {
	for key, want := range map[string][2]bool{ // of a trial, of a study
		"fixed_params":          {true, false},
		"constraints":           {true, false},
		"constraints:c":         {true, false},
		"tpe:relative_params:0": {true, false},
		"attune:error":          {true, true},
		"attune:seed":           {true, true},
		"constraint":            {false, false},
		"retry_history":         {false, false},
	} {
		assert.Equal(t, want, [2]bool{optunadb.Reserved(key), optunadb.ReservedForStudies(key)}, key)
	}
}

func TestColumns(t *testing.T) {
	for _, x := range []float64{0, 1.5, -5e-324, math.MaxFloat64, math.Inf(1), math.Inf(-1), math.NaN()} {
		v, kind := optunadb.FloatColumns(x)
		got := optunadb.Float(v, kind)
		assert.True(t, got == x || math.IsNaN(got) && math.IsNaN(x), "%v became %v", x, got)
	}
	assert.Equal(t, 3.0, optunadb.Float(int64(3), nil), "a column of type FLOAT may hold an integer")
	assert.True(t, math.IsNaN(optunadb.Float("3", nil)))

	for s := trial.Waiting; s <= trial.Failed; s++ {
		got, ok := optunadb.State(optunadb.StateName(s))
		assert.True(t, ok)
		assert.Equal(t, s, got)
	}
	_, ok := optunadb.State("PAUSED")
	assert.False(t, ok)

	at := time.Date(2026, 11, 21, 1, 36, 53, 98146000, time.UTC)
	assert.Equal(t, "2026-11-21 01:36:53.098146", optunadb.TimeColumn(at))
	assert.Equal(t, at, optunadb.Time("2026-11-21 01:36:53.098146"))
	assert.Equal(t, at.Truncate(time.Second), optunadb.Time("2026-11-21 01:36:53"))
	for _, v := range []any{nil, "", "yesterday", int64(3), optunadb.TimeColumn(time.Time{})} {
		assert.True(t, optunadb.Time(v).IsZero(), "%v", v)
	}
}

func TestAttributesOfARecord(t *testing.T) {
	long := space.Setting{Name: "long", Value: space.Lit(strings.Repeat("é", 700))}
	want := trial.Record{
		State:       trial.Running,
		Fixed:       []space.Setting{{Name: "x", Value: "1.5"}},
		Proposed:    []space.Setting{long, {Name: "y", Value: "1"}},
		Constraints: []trial.Constraint{{Name: "c", Value: -0.5}},
		Notes:       trial.Attrs{{Key: "note", JSON: "1"}},
		Err:         "exit status 1",
	}
	pieces := optunadb.Proposed(want.Proposed)
	assert.Len(t, pieces, 3)
	as := append(pieces, optunadb.Fixed(want.Fixed), optunadb.Constrained(want.Constraints[0]), optunadb.Reason(want.Err), want.Notes[0],
		trial.Attr{Key: "attune:later", JSON: "1"}, trial.Attr{Key: "constraints:odd", JSON: `"high"`})
	got := trial.Record{State: trial.Running}
	optunadb.Interpret(&got, as)
	require.Equal(t, want, got)

	got = trial.Record{State: trial.Complete}
	optunadb.Interpret(&got, as)
	assert.Empty(t, got.Proposed, "it means nothing once a trial has finished")
	assert.Empty(t, optunadb.Proposed(nil))
}
