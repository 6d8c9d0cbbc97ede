package trial_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/trial"
)

func report(t testing.TB, r trial.Record, step int, values ...float64) trial.Record {
	t.Helper()
	c, err := trial.Vector{Step: step, Values: values}.Change(r)
	require.NoError(t, err)
	r, err = r.Apply(c)
	require.NoError(t, err)
	return r
}

func ExampleVector() {
	r := trial.Record{State: trial.Running}
	note, _ := trial.Vector{Step: 3, Values: []float64{0.41, 12.5}}.Change(r)
	r, _ = r.Apply(note)
	fmt.Println(note.Key, note.JSON)
	fmt.Println(r.Vectors(), r.LastStep())
	// Output:
	// report:3 [0.41, 12.5]
	// [{3 [0.41 12.5]}] 3
}

func TestVectors(t *testing.T) {
	r := trial.Record{State: trial.Running}
	assert.Empty(t, r.Vectors())
	assert.Equal(t, -1, r.LastStep())
	for _, step := range []int{10, 2, 0} { // in any order
		r = report(t, r, step, float64(step), math.Inf(-1))
	}
	r = report(t, r, 3, math.NaN(), 1e-300)
	var steps []int
	for _, v := range r.Vectors() {
		steps = append(steps, v.Step)
	}
	assert.Equal(t, []int{0, 2, 3, 10}, steps)
	assert.Equal(t, 10, r.LastStep())
	v, ok := r.VectorAt(3)
	require.True(t, ok)
	assert.True(t, math.IsNaN(v[0]))
	assert.Equal(t, 1e-300, v[1])
	v, ok = r.VectorAt(2)
	require.True(t, ok)
	assert.Equal(t, []float64{2, math.Inf(-1)}, v)
	_, ok = r.VectorAt(4)
	assert.False(t, ok)

	for name, v := range map[string]trial.Vector{
		"a step twice":    {Step: 2, Values: []float64{1, 2}},
		"a negative step": {Step: -1, Values: []float64{1, 2}},
		"no values":       {Step: 7},
	} {
		_, err := v.Change(r)
		assert.ErrorIs(t, err, trial.ErrReport, name)
	}
	other := trial.Record{Notes: trial.Attrs{ // of somebody else
		{Key: "report:", JSON: "[1]"}, {Key: "report:-1", JSON: "[1]"}, {Key: "report:01", JSON: "[1]"}, {Key: "report:5", JSON: `"text"`},
		{Key: "report:x", JSON: "[1]"}, {Key: "reports", JSON: "[1]"}, {Key: "report:6", JSON: "[]"},
	}}
	assert.Empty(t, other.Vectors())

	// A pruner that does not know the length of trials takes it from the first complete one.
	h := trial.NewHistory(trial.Header{Directions: make([]trial.Direction, 2)})
	r.State, r.Values = trial.Complete, []float64{1, 2}
	h.Put(r)
	assert.Equal(t, 10, h.Snapshot().Horizon())
}
