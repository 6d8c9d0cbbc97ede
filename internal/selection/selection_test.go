package selection_test

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/selection"
)

func TestPartition(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		xs := make([]float64, 1+rng.IntN(40))
		for i := range xs {
			xs[i] = float64(rng.IntN(1 + rng.IntN(50)))
			if rng.IntN(10) == 0 {
				xs[i] = math.Inf(rng.IntN(2)*2 - 1)
			}
		}
		sorted := slices.Sorted(slices.Values(xs))
		k := rng.IntN(len(xs))
		selection.Partition(xs, k)
		require.Equal(t, sorted[k], xs[k])
		for i, x := range xs {
			require.True(t, i >= k || x <= xs[k])
			require.True(t, i <= k || x >= xs[k])
		}
		slices.SortFunc(xs, cmp.Compare)
		require.Equal(t, sorted, xs)
	}
}
