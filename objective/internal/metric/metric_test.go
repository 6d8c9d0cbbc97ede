package metric_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/internal/metric"
)

func pinball(t *testing.T, q float64) metric.Metric {
	m, ok := metric.Pinball(q)
	require.True(t, ok)
	return m
}

func TestParse(t *testing.T) {
	known := []metric.Metric{metric.MAE, metric.R2}
	for text, want := range map[string]metric.Metric{"mae": metric.MAE, " R2 ": metric.R2, "pinball@0.90": pinball(t, 0.9)} {
		m, err := metric.Parse(text, known)
		require.NoError(t, err, text)
		assert.Equal(t, want, m)
		again, err := metric.Parse(m.Name(), known)
		require.NoError(t, err)
		assert.Equal(t, m, again, "a name is read again")
	}
	for _, text := range []string{"", "rmse", "pinball"} {
		_, err := metric.Parse(text, known)
		assert.EqualError(t, err, "want one of mae, r2, pinball@Q", text)
	}
	for _, text := range []string{"pinball@", "pinball@0", "pinball@1", "pinball@x", "pinball@NaN"} {
		_, err := metric.Parse(text, known)
		assert.EqualError(t, err, "the quantile is between 0 and 1, as in pinball@0.9", text)
	}
}

// A point of weight 2 is two points, of weight 0 none; points add up in any order.
func TestWeights(t *testing.T) {
	y, f := []float64{1, 2, 4, 0, 5}, []float64{2, 2, 1, 1, 9}
	for _, m := range []metric.Metric{metric.MAE, metric.RMSE, metric.MAPE, metric.R2, pinball(t, 0.3)} {
		var once, weighted metric.Sum
		for i := range y {
			for range []int{1, 2, 1, 1, 0}[i] {
				once.Add(m, y[i], f[i], 1)
			}
		}
		for i := len(y) - 1; i >= 0; i-- {
			assert.Equal(t, m != metric.MAPE || y[i] != 0, weighted.Add(m, y[i], f[i], []float64{1, 2, 1, 1, 0}[i]))
		}
		assert.True(t, weighted.Add(m, math.NaN(), 1, 1), "a missing truth adds nothing")
		assert.InEpsilon(t, once.Score(m), weighted.Score(m), 1e-14, m.Name())
		assert.True(t, math.IsNaN(new(metric.Sum).Score(m)), "no points")
	}
	assert.Panics(t, func() { new(metric.Sum).Add(metric.New("auc"), 1, 1, 1) })
}
