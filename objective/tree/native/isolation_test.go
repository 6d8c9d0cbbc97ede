package native

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/tree/engine"
)

// c(256) agrees with scikit-learn's _average_path_length, up to its
// approximation of the harmonic number.
func TestPathLength(t *testing.T) {
	for n, want := range map[int]float64{0: 0, 1: 0, 2: 1, 3: 5.0/3 + 0, 256: 10.2448} {
		assert.InDelta(t, want, pathLength(n), 5e-3, "%d rows", n)
	}
}

func TestIsolationForestsFindOutliers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	d := engine.Dataset{Columns: make([][]float64, 3)}
	for i := range 1000 {
		shift := 0.0
		if i < 10 {
			shift = 8
		}
		for f := range d.Columns {
			d.Columns[f] = append(d.Columns[f], r.NormFloat64()+shift)
		}
	}
	m := fit(t, d, engine.Dataset{}, engine.Params{Method: engine.Isolation})
	scores := predict(m, d)
	assert.InDeltaSlice(t, scores, (&paths{model: m, data: d, sums: make([]float64, d.Rows())}).scores(), 1e-12)
	inlier := mean(scores[10:], nil)
	assert.Less(t, inlier, 0.5)
	for i, s := range scores[:10] {
		require.Greater(t, s, 0.65, "row %d", i)
	}
	assert.Equal(t, m, fit(t, d, engine.Dataset{}, engine.Params{Method: engine.Isolation, Threads: 3}))
}

func TestIsolationForestsTakeAnyColumns(t *testing.T) {
	d := mixed(500, engine.L2, false, 1)
	m := fit(t, d, engine.Dataset{}, engine.Params{Method: engine.Isolation})
	assert.InDeltaSlice(t, predict(m, d), (&paths{model: m, data: d, sums: make([]float64, d.Rows())}).scores(), 1e-12)
}
