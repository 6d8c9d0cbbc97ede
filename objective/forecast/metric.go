package forecast

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Sample is a forecast beside what came.
type Sample struct {
	Truth    []float64 // NaN where nothing is known
	Forecast []float64 // as many
	Train    []float64 // the series up to the origin; only scaled metrics look at it
	Season   int       // of the series, for scaled metrics; default 1
}

// A Metric scores forecasts. Points of several samples are pooled: the score of
// two folds is that of all their points, which is not in general the mean of two
// scores. A metric is comparable with ==.
//
// In all of them a point whose truth is missing is left out, a score of no points
// is NaN, and a forecast that is missing where the truth is known makes the score
// NaN: nobody gets better by not answering.
type Metric struct {
	name     string
	quantile float64
}

// The metrics, with y the truth, f the forecast and means over all points. The
// references are Hyndman and Koehler, "Another look at measures of forecast
// accuracy", IJF 22 (2006), and Makridakis et al., "The M4 Competition", IJF 36
// (2020), and "The M5 competition", IJF 38 (2022).
var (
	// MAE is mean |y-f|, in the units of the target.
	MAE = Metric{name: "mae"}
	// RMSE is sqrt(mean (y-f)²), in the units of the target.
	RMSE = Metric{name: "rmse"}
	// MAPE is 100 mean |y-f|/|y|, in percent. Points of a truth of 0, where it is
	// not defined, are left out; with many of them prefer WAPE or MASE.
	MAPE = Metric{name: "mape"}
	// SMAPE is 100 mean 2|y-f|/(|y|+|f|), in percent from 0 to 200, as in M4. A point
	// of truth and forecast 0 counts 0.
	SMAPE = Metric{name: "smape"}
	// WAPE is 100 Σ|y-f|/Σ|y|, in percent. It is NaN if all truths are 0.
	WAPE = Metric{name: "wape"}
	// MASE is mean |y-f|/q, with q the mean |y(t)-y(t-m)| over the sample's training
	// part, m its season: 1 is as good as the seasonal naive forecast of one step
	// there. Samples in which q is 0 (constant) or unknown (no more than m values) are
	// left out.
	MASE = Metric{name: "mase"}
	// RMSSE is sqrt(mean (y-f)²/q), with q the mean (y(t)-y(t-m))²; as MASE else. M5
	// has it with m = 1.
	RMSSE = Metric{name: "rmsse"}
	// R2 is 1 - Σ(y-f)²/Σ(y-mean y)²; greater is better, and it is at most 1. It is
	// NaN if all truths are equal.
	R2 = Metric{name: "r2"}
)

// Pinball returns the loss that the q-quantile minimizes: the mean of q(y-f) where
// f is at most y, else of (1-q)(f-y) (Koenker and Bassett, Econometrica 46, 1978),
// in the units of the target. For q = 0.5 it is half of MAE. It panics unless
// 0 < q < 1.
func Pinball(q float64) Metric {
	if !(q > 0 && q < 1) {
		panic(fmt.Errorf("forecast: pinball@%v: %w: a quantile is between 0 and 1", q, ErrConfig))
	}
	return Metric{name: "pinball", quantile: q}
}

var metrics = []Metric{MAPE, SMAPE, WAPE, MASE, RMSSE, RMSE, MAE, R2}

// MetricNames returns what [ParseMetric] reads.
func MetricNames() []string {
	var names []string
	for _, m := range metrics {
		names = append(names, m.name)
	}
	return append(names, "pinball@Q")
}

// ParseMetric returns the metric of a name, upper or lower case: that of
// [Metric.Name], as in mape or pinball@0.9.
func ParseMetric(name string) (Metric, error) {
	s := strings.ToLower(strings.TrimSpace(name))
	for _, m := range metrics {
		if m.name == s {
			return m, nil
		}
	}
	if q, ok := strings.CutPrefix(s, "pinball@"); ok {
		if q, err := strconv.ParseFloat(q, 64); err == nil && q > 0 && q < 1 {
			return Pinball(q), nil
		}
		return Metric{}, fmt.Errorf("forecast: metric %q: %w: the quantile is between 0 and 1, as in pinball@0.9", name, ErrConfig)
	}
	return Metric{}, fmt.Errorf("forecast: metric %q: %w: want one of %s", name, ErrConfig, columnList(MetricNames()))
}

// Name returns the name of m, in lower case.
func (m Metric) Name() string {
	if m.quantile > 0 {
		return m.name + "@" + strconv.FormatFloat(m.quantile, 'g', -1, 64)
	}
	return m.name
}

// Maximize reports whether greater is better.
func (m Metric) Maximize() bool { return m == R2 }

// Better reports whether the score a is better than b. A number is better than NaN.
func (m Metric) Better(a, b float64) bool {
	if math.IsNaN(a) || math.IsNaN(b) {
		return !math.IsNaN(a) && math.IsNaN(b)
	}
	if m.Maximize() {
		return a > b
	}
	return a < b
}

// Score returns the score of all points of the samples. It panics if a sample has
// not as many forecasts as truths, and for the zero Metric.
func (m Metric) Score(samples ...Sample) float64 {
	score, _ := m.score(samples)
	return score
}

// score also returns how many points with a known truth are left out, since the
// metric is not defined there.
func (m Metric) score(samples []Sample) (score float64, leftOut int) {
	var n, sum, weight float64 // the score is made of sum/weight
	if m == R2 {
		return rSquared(samples), 0
	}
	for _, s := range samples {
		if len(s.Truth) != len(s.Forecast) {
			panic(fmt.Sprintf("forecast: %s: %d forecasts of %d values", m.Name(), len(s.Forecast), len(s.Truth)))
		}
		scale := 1.0
		if m == MASE || m == RMSSE {
			scale = naiveError(s.Train, max(1, s.Season), m == RMSSE)
		}
		for i, y := range s.Truth {
			f := s.Forecast[i]
			if math.IsNaN(y) {
				continue
			}
			e, w := math.Abs(y-f), 1.0
			switch m.name {
			case "mae":
			case "rmse":
				e *= e
			case "mape":
				if y == 0 {
					leftOut++
					continue
				}
				e /= math.Abs(y)
			case "smape":
				if e != 0 {
					e *= 2 / (math.Abs(y) + math.Abs(f))
				}
			case "wape":
				w = math.Abs(y)
			case "mase", "rmsse":
				if !(scale > 0) {
					leftOut++
					continue
				}
				if m == RMSSE {
					e *= e
				}
				e /= scale
			case "pinball":
				if f <= y {
					e *= m.quantile
				} else {
					e *= 1 - m.quantile
				}
			default:
				panic(fmt.Sprintf("forecast: metric %q: there is none", m.name))
			}
			n, sum, weight = n+1, sum+e, weight+w
		}
	}
	if n == 0 || weight == 0 {
		return math.NaN(), leftOut
	}
	score = sum / weight
	switch m {
	case RMSE, RMSSE:
		score = math.Sqrt(score)
	case MAPE, SMAPE, WAPE:
		score *= 100
	}
	return score, leftOut
}

// naiveError is the mean error, absolute or squared, of the seasonal naive
// forecast of one step within y. It is NaN if there is none.
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

func rSquared(samples []Sample) float64 {
	var known []float64
	sse := 0.0
	for _, s := range samples {
		for i, y := range s.Truth {
			if !math.IsNaN(y) {
				known = append(known, y)
				sse += (y - s.Forecast[i]) * (y - s.Forecast[i])
			}
		}
	}
	if len(known) == 0 || slices.Min(known) == slices.Max(known) {
		return math.NaN()
	}
	mean, sst := 0.0, 0.0
	for _, y := range known {
		mean += y / float64(len(known))
	}
	for _, y := range known {
		sst += (y - mean) * (y - mean)
	}
	return 1 - sse/sst
}
