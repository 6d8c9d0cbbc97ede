package forecast

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMetricsAgreeWithNumpy(t *testing.T) {
	g := readGolden(t)
	s := Sample{Forecast: g.Forecast, Train: g.Train, Season: g.Season}
	for _, v := range g.Truth {
		if v == nil {
			s.Truth = append(s.Truth, nan)
		} else {
			s.Truth = append(s.Truth, *v)
		}
	}
	require.Len(t, g.Scores, 11)
	for name, want := range g.Scores {
		m, err := ParseMetric(name)
		require.NoError(t, err)
		assert.Equal(t, name, m.Name())
		assert.InEpsilon(t, want, m.Score(s), 1e-12, name)
		// Pooling: the same points in two samples give the same score.
		a, b := s, s
		a.Truth, a.Forecast, b.Truth, b.Forecast = s.Truth[:4], s.Forecast[:4], s.Truth[4:], s.Forecast[4:]
		assert.InEpsilon(t, want, m.Score(a, b), 1e-12, name)
	}
}

func TestMetricsAtTheEdges(t *testing.T) {
	train := []float64{1, 2, 4}
	for _, tc := range []struct {
		name string
		m    Metric
		s    Sample
		want float64
	}{
		{"MAPE leaves a truth of 0 out", MAPE, Sample{Truth: []float64{0, 2}, Forecast: []float64{5, 3}}, 50},
		{"MAPE of nothing but 0", MAPE, Sample{Truth: []float64{0}, Forecast: []float64{5}}, nan},
		{"sMAPE of 0 and 0", SMAPE, Sample{Truth: []float64{0, 0}, Forecast: []float64{0, 1}}, 100},
		{"WAPE counts a truth of 0", WAPE, Sample{Truth: []float64{0, 2}, Forecast: []float64{1, 3}}, 100},
		{"WAPE of nothing but 0", WAPE, Sample{Truth: []float64{0}, Forecast: []float64{1}}, nan},
		{"MASE of a constant series", MASE, Sample{Truth: []float64{1}, Forecast: []float64{2}, Train: []float64{3, 3, 3}}, nan},
		{"MASE of a series shorter than a season", MASE, Sample{Truth: []float64{1}, Forecast: []float64{2}, Train: train, Season: 3}, nan},
		{"MASE without a season", MASE, Sample{Truth: []float64{1}, Forecast: []float64{4}, Train: train}, 2},
		{"RMSSE without a season", RMSSE, Sample{Truth: []float64{1}, Forecast: []float64{3}, Train: train}, math.Sqrt(4 / 2.5)},
		{"R2 of one truth", R2, Sample{Truth: []float64{1, 1}, Forecast: []float64{1, 2}}, nan},
		{"R2 of the truth itself", R2, Sample{Truth: []float64{1, 2}, Forecast: []float64{1, 2}}, 1},
		{"a missing truth is left out", MAE, Sample{Truth: []float64{nan, 2}, Forecast: []float64{9, 3}}, 1},
		{"a missing forecast is not", MAE, Sample{Truth: []float64{1, 2}, Forecast: []float64{nan, 3}}, nan},
		{"nor by R2", R2, Sample{Truth: []float64{1, 2}, Forecast: []float64{nan, 3}}, nan},
		{"no points", RMSE, Sample{}, nan},
		{"pinball below", Pinball(0.9), Sample{Truth: []float64{10}, Forecast: []float64{8}}, 1.8},
		{"pinball above", Pinball(0.9), Sample{Truth: []float64{10}, Forecast: []float64{12}}, 0.2},
	} {
		t.Run(tc.name, func(t *testing.T) { assertSame(t, []float64{tc.want}, []float64{tc.m.Score(tc.s)}) })
	}
	assert.Panics(t, func() { MAE.Score(Sample{Truth: []float64{1}}) })
	assert.Panics(t, func() { Pinball(1) })
	_, leftOut := MAPE.score([]Sample{{Truth: []float64{0, nan, 2}, Forecast: []float64{1, 1, 1}}})
	assert.Equal(t, 1, leftOut, "a missing truth is no loss of the metric")
}

func TestParseMetric(t *testing.T) {
	for _, name := range []string{"", "map", "pinball", "pinball@0", "pinball@1", "pinball@x", "pinball@NaN"} {
		_, err := ParseMetric(name)
		assert.ErrorIs(t, err, ErrConfig, name)
	}
	m, err := ParseMetric(" sMAPE ")
	require.NoError(t, err)
	assert.Equal(t, SMAPE, m)
	assert.Contains(t, MetricNames(), "mape")
	assert.True(t, R2.Maximize())
	assert.True(t, R2.Better(1, 0))
	assert.True(t, MAE.Better(0, 1))
	assert.True(t, MAE.Better(1, nan))
	assert.False(t, MAE.Better(nan, 1))
	assert.False(t, MAE.Better(nan, nan))
}
