package table_test

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/table"
)

// testdata/metrics.json has the scores of scikit-learn 1.9.1.
func TestMetricsAgreeWithScikitLearn(t *testing.T) {
	text, err := os.ReadFile("testdata/metrics.json")
	require.NoError(t, err)
	var file struct {
		Cases []struct {
			Name                     string
			Truth, Predicted, Weight []float64
			Scores                   map[string]float64
		}
	}
	require.NoError(t, json.Unmarshal(text, &file))
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			for name, want := range c.Scores {
				m, err := table.ParseMetric(name)
				require.NoError(t, err)
				assert.Equal(t, name, m.Name())
				assert.InDelta(t, want, m.Score(c.Truth, c.Predicted, c.Weight), 1e-12*max(1, math.Abs(want)), name)
			}
		})
	}
	assert.Len(t, file.Cases, 6)
}

func TestMetricsAtTheEdges(t *testing.T) {
	nan := math.NaN()
	all := slices.Concat(table.Metrics(table.Regression), table.Metrics(table.Classification), []table.Metric{table.Pinball(0.3)})
	for _, m := range all {
		t.Run(m.Name(), func(t *testing.T) {
			truth, predicted := []float64{0, 1, 1, 0}, []float64{0.1, 0.9, 0.7, 0.2}
			assert.NotPanics(t, func() { m.Score(truth, predicted, nil) })
			assert.True(t, math.IsNaN(m.Score(nil, nil, nil)), "no rows")
			assert.True(t, math.IsNaN(m.Score(truth, []float64{0.1, nan, 0.7, 0.2}, nil)), "no answer")
			assert.True(t, math.IsNaN(m.Score(truth, predicted, make([]float64, 4))), "no weight")
			full := m.Score(truth, predicted, nil)
			assert.Equal(t, full, m.Score(append(truth, nan), append(predicted, 0.5), nil), "no truth")
			assert.Equal(t, full, m.Score(append(truth, 1), append(predicted, nan), []float64{1, 1, 1, 1, 0}), "weight 0")
			assert.InDelta(t, full, m.Score(truth, predicted, []float64{2, 2, 2, 2}), 1e-15, "equal weights")
			twice := m.Score(append(truth, 1), append(predicted, 0.7), nil)
			assert.InDelta(t, twice, m.Score(truth, predicted, []float64{1, 1, 2, 1}), 1e-14, "a weight of 2 is a row twice")
			assert.Panics(t, func() { m.Score(truth, predicted[:3], nil) })
			assert.Panics(t, func() { m.Score(truth, predicted, []float64{1}) })
			assert.True(t, m.Better(1, nan))
			assert.False(t, m.Better(nan, 1))
			assert.Equal(t, m.Maximize(), m.Better(2, 1))
			again, err := table.ParseMetric(" " + m.Name())
			require.NoError(t, err)
			assert.Equal(t, m, again)
		})
	}
	for name, c := range map[string]struct {
		metric                   table.Metric
		truth, predicted, weight []float64
		want                     float64
	}{
		"auc of one class":                        {table.AUC, []float64{1, 1}, []float64{0.2, 0.4}, nil, nan},
		"ap of no anomaly":                        {table.AP, []float64{0, 0}, []float64{0.2, 0.4}, nil, nan},
		"auc of all the same":                     {table.AUC, []float64{0, 1, 1}, []float64{0.5, 0.5, 0.5}, nil, 0.5},
		"auc without a third class":               {table.AUC, []float64{0, 1}, []float64{0.8, 0.1, 0.1, 0.1, 0.8, 0.1}, nil, 1},
		"f1 without a third class":                {table.F1, []float64{0, 1}, []float64{0.8, 0.1, 0.1, 0.1, 0.8, 0.1}, nil, 1},
		"f1 of a class that is never right":       {table.F1, []float64{0, 1}, []float64{0.1, 0.1}, nil, 1. / 3},
		"logloss of a sure mistake":               {table.LogLoss, []float64{1}, []float64{0}, nil, 52 * math.Ln2},
		"accuracy, the first of equals":           {table.Accuracy, []float64{0}, []float64{0.5}, nil, 1},
		"brier of two columns is that of one":     {table.Brier, []float64{1}, []float64{0.3, 0.7}, nil, 0.09},
		"r2 of equal truths":                      {table.R2, []float64{2, 2}, []float64{2, 2}, nil, nan},
		"mape leaves out truths of 0":             {table.MAPE, []float64{0, 2}, []float64{5, 1}, nil, 50},
		"mape of truths of 0":                     {table.MAPE, []float64{0}, []float64{5}, nil, nan},
		"infinite predictions are infinitely bad": {table.RMSE, []float64{0}, []float64{math.Inf(1)}, nil, math.Inf(1)},
	} {
		got := c.metric.Score(c.truth, c.predicted, c.weight)
		if math.IsNaN(c.want) || math.IsInf(c.want, 0) {
			assert.Equal(t, math.IsNaN(c.want), math.IsNaN(got), name)
			continue
		}
		assert.InDelta(t, c.want, got, 1e-12, name)
	}
}

func TestParseMetric(t *testing.T) {
	for name, text := range map[string]string{
		"rsme":        "want one of rmse, mae, mape, r2, logloss, auc, ap, accuracy, f1, brier, pinball@Q, ndcg@K",
		"pinball@1.5": "the quantile is between 0 and 1, as in pinball@0.9",
	} {
		_, err := table.ParseMetric(name)
		require.ErrorIs(t, err, table.ErrConfig)
		assert.ErrorContains(t, err, text)
	}
	assert.Panics(t, func() { table.Pinball(1) })
	assert.Panics(t, func() { table.Metric{}.Score([]float64{1}, []float64{1}, nil) })
}

func TestNDCG(t *testing.T) {
	m, err := table.ParseMetric("NDCG@7")
	require.NoError(t, err)
	assert.Equal(t, table.NDCG(7), m)
	assert.Equal(t, "ndcg@7", m.Name())
	assert.True(t, m.Maximize())
	for _, bad := range []string{"ndcg", "ndcg@", "ndcg@0", "ndcg@1.5"} {
		_, err := table.ParseMetric(bad)
		assert.ErrorIs(t, err, table.ErrConfig, bad)
	}
	assert.Panics(t, func() { table.NDCG(0) })
	truth, predicted := []float64{0, 1, 0, 1}, []float64{2, 1, 1, 2}
	assert.InDelta(t, (1/math.Log2(3)+1)/2, m.ScoreGroups(truth, predicted, nil, []int{0, 0, 1, 1}), 1e-15)
	assert.Equal(t, m.ScoreGroups(truth, predicted, nil, []int{5, 5, 5, 5}), m.Score(truth, predicted, nil), "without groups all rows are one")
}
