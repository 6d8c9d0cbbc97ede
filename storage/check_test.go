package storage_test

import (
	"math"
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
			Space: space.Space{{Name: "n", Distribution: space.IntDistribution{High: 3}, When: []space.Condition{{Name: "m"}}}},
			Point: []float64{math.Copysign(0, -1)},
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
			Space: space.Space{{Name: "n", Distribution: space.IntDistribution{High: 3, Step: 1}}},
			Point: []float64{0},
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
}
