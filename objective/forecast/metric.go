package forecast

import (
	"fmt"
	"math"

	"github.com/attune-hpo/attune/objective/internal/metric"
)

// A Sample is a forecast with the true values.
type Sample struct {
	// Truth holds the true values, NaN where unknown.
	Truth []float64
	// Forecast has one value for each value of Truth.
	Forecast []float64
	// Train is the series up to the origin. Only scaled metrics use it.
	Train []float64
	// Season is the length of a season, for scaled metrics. Default 1.
	Season int
}

// A Metric scores forecasts. Points of several samples are pooled: the score of
// two folds is that of all their points, which generally differs from the mean of two
// scores. Metrics are comparable with ==.
//
// All metrics skip points whose truth is missing. A score of no points is NaN. If a
// forecast is missing where the truth is known, the score is NaN, so a model cannot improve
// its score by not forecasting.
type Metric struct{ m metric.Metric }

// The metrics. y is the truth and f the forecast; means are over all points. References:
// Hyndman and Koehler, "Another look at measures of forecast accuracy", IJF 22 (2006);
// Makridakis et al., "The M4 Competition", IJF 36 (2020), and "The M5 competition", IJF 38
// (2022).
var (
	// MAE is mean |y-f|, in the units of the target.
	MAE = Metric{metric.MAE}
	// RMSE is sqrt(mean (y-f)²), in the units of the target.
	RMSE = Metric{metric.RMSE}
	// MAPE is 100 mean |y-f|/|y|, in percent. Points with truth 0, where it is undefined,
	// are skipped; with many of them prefer WAPE or MASE.
	MAPE = Metric{metric.MAPE}
	// SMAPE is 100 mean 2|y-f|/(|y|+|f|), in percent from 0 to 200, as in M4. A point
	// whose truth and forecast are both 0 counts as 0.
	SMAPE = Metric{metric.New("smape")}
	// WAPE is 100 Σ|y-f|/Σ|y|, in percent. It is NaN if all truths are 0.
	WAPE = Metric{metric.New("wape")}
	// MASE is mean |y-f|/q. q is the mean |y(t)-y(t-m)| over the sample's training part, and
	// m its season. 1 is as good as the seasonal naive one-step forecast there. Samples are
	// skipped if q is 0 (constant) or unknown (at most m values).
	MASE = Metric{metric.New("mase")}
	// RMSSE is sqrt(mean (y-f)²/q), where q is the mean (y(t)-y(t-m))². Otherwise it is like
	// MASE. M5 uses it with m = 1.
	RMSSE = Metric{metric.New("rmsse")}
	// R2 is 1 - Σ(y-f)²/Σ(y-mean y)²; greater is better, and it is at most 1. It is
	// NaN if all truths are equal.
	R2 = Metric{metric.R2}
)

// Pinball returns the loss that the q-quantile minimizes: the mean of q(y-f) where f is
// at most y, and of (1-q)(f-y) elsewhere (Koenker and Bassett, Econometrica 46, 1978), in
// the units of the target. For q = 0.5 it is half of MAE. It panics unless 0 < q < 1.
func Pinball(q float64) Metric {
	m, ok := metric.Pinball(q)
	if !ok {
		panic(pkg.Errorf("pinball@%v: %w: the quantile must be between 0 and 1", q, ErrConfig))
	}
	return Metric{m}
}

var metrics = []metric.Metric{MAPE.m, SMAPE.m, WAPE.m, MASE.m, RMSSE.m, RMSE.m, MAE.m, R2.m}

// MetricNames returns the names that [ParseMetric] reads.
func MetricNames() []string { return metric.Names(metrics) }

// ParseMetric returns the metric whose [Metric.Name] is name, in upper or lower case, such
// as mape or pinball@0.9. It fails with [ErrConfig].
func ParseMetric(name string) (Metric, error) {
	m, err := metric.Parse(name, metrics)
	if err != nil {
		return Metric{}, pkg.Errorf("metric %q: %w: %w", name, ErrConfig, err)
	}
	return Metric{m}, nil
}

// Name returns the name of m, in lower case.
func (m Metric) Name() string { return m.m.Name() }

// Maximize reports whether greater is better.
func (m Metric) Maximize() bool { return m.m.Maximize() }

// Better reports whether the score a is better than b. A number is better than NaN.
func (m Metric) Better(a, b float64) bool { return m.m.Better(a, b) }

// Score returns the score of all points of the samples. It panics if a sample has
// different numbers of forecasts and truths, and for the zero Metric.
func (m Metric) Score(samples ...Sample) float64 {
	score, _ := m.score(samples)
	return score
}

// score also returns the number of points with a known truth that are skipped because the
// metric is undefined there.
func (m Metric) score(samples []Sample) (score float64, leftOut int) {
	if m == (Metric{}) {
		panic("forecast: the zero Metric scores nothing: see ParseMetric")
	}
	var sum metric.Sum
	for _, s := range samples {
		if len(s.Truth) != len(s.Forecast) {
			panic(fmt.Sprintf("forecast: %s: %d forecasts of %d values", m.Name(), len(s.Forecast), len(s.Truth)))
		}
		add := m.adder(&sum, s)
		for i, y := range s.Truth {
			if !math.IsNaN(y) && !add(y, s.Forecast[i]) {
				leftOut++
			}
		}
	}
	switch m {
	case RMSSE:
		return math.Sqrt(sum.Mean()), leftOut
	case SMAPE, WAPE:
		return 100 * sum.Mean(), leftOut
	}
	return sum.Score(m.m), leftOut
}

// adder returns a function that adds the error of forecast f of y, a point of s, to a sum,
// and reports whether m is defined there.
func (m Metric) adder(sum *metric.Sum, s Sample) func(y, f float64) bool {
	switch m {
	case SMAPE:
		return func(y, f float64) bool {
			e := math.Abs(y - f)
			if e != 0 {
				e *= 2 / (math.Abs(y) + math.Abs(f))
			}
			sum.Pool(e, 1)
			return true
		}
	case WAPE:
		return func(y, f float64) bool {
			sum.Pool(math.Abs(y-f), math.Abs(y))
			return true
		}
	case MASE, RMSSE:
		scale := naiveError(s.Train, max(1, s.Season), m == RMSSE)
		return func(y, f float64) bool {
			if !(scale > 0) {
				return false
			}
			e := math.Abs(y - f)
			if m == RMSSE {
				e *= e
			}
			sum.Pool(e/scale, 1)
			return true
		}
	}
	return func(y, f float64) bool { return sum.Add(m.m, y, f, 1) }
}

// naiveError is the mean absolute or squared error of the seasonal naive one-step forecast
// within y. It is NaN if there is no such forecast.
func naiveError(y []float64, season int, squared bool) float64 {
	var n, sum float64
	for i := season; i < len(y); i++ {
		d := math.Abs(y[i] - y[i-season])
		if math.IsNaN(d) {
			continue
		}
		if squared {
			d *= d
		}
		n, sum = n+1, sum+d
	}
	return sum / n
}
