package storage_test

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/storagetest"
	"github.com/attune-hpo/attune/trial"
)

func TestCanonical(t *testing.T) {
	at := time.Date(2026, 11, 21, 2, 36, 53, 98146789, time.FixedZone("", 3600))
	in := trial.Record{
		State: trial.Failed,
		Params: space.Params{
			Space: space.Space{
				{Name: "n", Distribution: space.IntDistribution{High: 3}, When: []space.Condition{{Name: "m"}}},
				{Name: "grid", Distribution: space.FloatDistribution{High: 1, Step: 0.3}},
			},
			Point: []float64{math.Copysign(0, -1), 0.3},
		},
		Proposed:    []space.Setting{{Name: "n", Value: "1"}},
		Fixed:       []space.Setting{{Name: "n", Value: "1e0"}, {Name: "m", Value: "[1, 2]"}},
		Reports:     []trial.Report{},
		Values:      []float64{},
		Constraints: []trial.Constraint{{Name: "b", Value: 1}, {Name: "a", Value: 2}, {Name: "b", Value: 3}},
		Attrs:       trial.Attrs{{Key: "k", JSON: "1"}, {Key: "k", JSON: "2"}},
		Err:         "\xff",
		Started:     at,
	}
	want := trial.Record{
		State: trial.Failed,
		Params: space.Params{
			Space: space.Space{
				{Name: "n", Distribution: space.IntDistribution{High: 3, Step: 1}},
				{Name: "grid", Distribution: space.FloatDistribution{High: 0.9, Step: 0.3}},
			},
			Point: []float64{0, 0.3},
		},
		Fixed:       []space.Setting{{Name: "n", Value: "1.0"}, {Name: "m", Value: "[1, 2]"}},
		Constraints: []trial.Constraint{{Name: "a", Value: 2}, {Name: "b", Value: 3}},
		Attrs:       trial.Attrs{{Key: "k", JSON: "2"}},
		Err:         "\uFFFD",
		Started:     time.Date(2026, 11, 21, 1, 36, 53, 98146000, time.UTC),
	}
	got, err := storage.Canonical(in)
	require.NoError(t, err)
	storagetest.Equal(t, []trial.Record{want}, []trial.Record{got})
	again, err := storage.Canonical(got)
	require.NoError(t, err)
	storagetest.Equal(t, []trial.Record{got}, []trial.Record{again})
	assert.NotNil(t, in.Params.Space[0].When, "what was given stays as it is")
	in.Params.Space[0].Name, in.Params.Point[0] = "z", 3
	storagetest.Equal(t, []trial.Record{want}, []trial.Record{got})
}

// TestCanonicalSpaces brings more spaces into form than are remembered, from many
// goroutines.
func TestCanonicalSpaces(t *testing.T) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 200 {
				d := space.FloatDistribution{High: float64(i % 50), Step: 0.5}
				s := space.Space{{Name: "x", Distribution: d}}
				changes, err := storage.CanonicalChanges([]trial.Change{trial.Suggested{Space: s, Point: []float64{0}}})
				if !assert.NoError(t, err) {
					return
				}
				s[0].Name = "z"
				assert.Equal(t, space.Space{{Name: "x", Distribution: d}}, changes[0].(trial.Suggested).Space)
			}
		})
	}
	wg.Wait()
}

func TestCheckCoord(t *testing.T) {
	choice := &space.CategoricalDistribution{Choices: []space.Literal{"1", "2"}}
	for _, test := range []struct {
		name string
		d    space.Distribution
		x    float64
		ok   bool
	}{
		{"within", space.FloatDistribution{High: 1}, 0.5, true},
		{"outside", space.FloatDistribution{High: 1}, -1e300, true},
		{"off the grid", space.FloatDistribution{High: 1, Step: 0.5}, 0.3, true},
		{"NaN", space.FloatDistribution{High: 1}, math.NaN(), false},
		{"infinite", space.FloatDistribution{High: 1}, math.Inf(-1), false},
		{"outside a logarithmic scale", space.FloatDistribution{Low: 1, High: 2, Log: true}, 1e-300, true},
		{"0 on a logarithmic scale", space.FloatDistribution{Low: 1, High: 2, Log: true}, 0, false},
		{"integer outside", space.IntDistribution{High: 1}, -(1 << 53), true},
		{"integer beyond", space.IntDistribution{High: 1}, 1<<53 + 2, false},
		{"fraction of an integer", space.IntDistribution{High: 1}, 0.5, true},
		{"integer that is NaN", space.IntDistribution{High: 1}, math.NaN(), false},
		{"integer below a logarithmic scale", space.IntDistribution{Low: 1, High: 2, Log: true}, -1, false},
		{"choice", choice, 1, true},
		{"no choice", choice, 2, false},
		{"negative choice", choice, -1, false},
		{"fraction of a choice", choice, 0.5, false},
		{"choice that is NaN", choice, math.NaN(), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := storage.CheckCoord(space.Axis{Name: "x", Distribution: test.d}, test.x)
			if test.ok {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, space.ErrOutside)
			require.ErrorContains(t, err, `"x"`)
		})
	}
}
