package compare_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/dev/compare"
)

// The numbers are those of scipy.stats.mannwhitneyu(method="asymptotic") 1.17.1.
func TestJudge(t *testing.T) {
	for name, tt := range map[string]struct {
		a, b    []float64
		wins, p float64
		says    string
	}{
		"no ties": {
			a: []float64{1, 2, 3, 4, 5, 6, 7, 8}, b: []float64{3, 5, 7, 9, 11, 13, 15, 17},
			wins: 0.8359375, p: 0.02708280670191722, says: "better",
		},
		"ties": {
			a: []float64{1, 1, 2, 2, 3, 3, 3, 9}, b: []float64{2, 2, 2, 4, 4, 5, 5, 5, 6},
			wins: 0.7083333333333333, p: 0.15513050467489922, says: "same",
		},
		"all equal": {a: []float64{1, 1}, b: []float64{1, 1, 1}, wins: 0.5, p: 1, says: "same"},
	} {
		t.Run(name, func(t *testing.T) {
			v := compare.Judge(tt.a, tt.b)
			assert.InDelta(t, tt.wins, v.Wins, 1e-12)
			assert.InDelta(t, tt.p, v.P, 1e-12)
			assert.Contains(t, v.String(), tt.says)
			assert.InDelta(t, 1-tt.wins, compare.Judge(tt.b, tt.a).Wins, 1e-12)
		})
	}
}

// The numbers are those of numpy.quantile.
func TestQuartiles(t *testing.T) {
	assert.Equal(t, [3]float64{2.5, 4.5, 6.5}, compare.Quartiles([]float64{5, 1, 4, 2, 9, 7}))
	assert.Equal(t, [3]float64{3, 3, 3}, compare.Quartiles([]float64{3}))
}

func TestRead(t *testing.T) {
	runs, err := compare.Read(strings.NewReader(`{"sampler": "s", "problem": "p", "seed": 3, "best": {"10": 2.5, "25": -1}, "distinct": 24}` + "\n"))
	require.NoError(t, err)
	assert.Equal(t, []compare.Run{{Sampler: "s", Problem: "p", Seed: 3, Best: map[int]float64{10: 2.5, 25: -1}, Distinct: 24}}, runs)
	_, err = compare.Read(strings.NewReader("{}\nno\n"))
	assert.ErrorContains(t, err, "line 2")
}

func TestNamed(t *testing.T) {
	all, _, _, err := compare.Named("")
	require.NoError(t, err)
	assert.Len(t, all, 11)
	some, _, _, err := compare.Named("branin,nasbench201_cifar100")
	require.NoError(t, err)
	assert.Equal(t, "nasbench201_cifar100", some[1].Name)
	_, _, _, err = compare.Named("branin,nothing")
	assert.ErrorContains(t, err, `"nothing"`)
}
