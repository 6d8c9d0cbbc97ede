// Package metric has the common parts of the metrics of packages forecast and table: names,
// which scores are better, and the losses of numbers.
package metric

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Metric scores predictions. It is comparable with ==.
type Metric struct {
	name     string
	quantile float64 // quantile of a pinball loss
	ranks    int     // ranks that NDCG looks at
	maximize bool
}

// The metrics of numbers. y is the truth and f the prediction; means are weighted and over
// all points with known y.
var (
	MAE  = New("mae")    // mean |y-f|
	RMSE = New("rmse")   // sqrt(mean (y-f)²)
	MAPE = New("mape")   // 100 mean |y-f|/|y| over the points with y ≠ 0
	R2   = Greater("r2") // 1 - Σ(y-f)²/Σ(y-mean y)²
)

// New returns a metric for which lower scores are better.
func New(name string) Metric { return Metric{name: name} }

// Greater returns a metric for which greater scores are better.
func Greater(name string) Metric { return Metric{name: name, maximize: true} }

// pinball is the name of the quantile loss.
const pinball = "pinball"

// Pinball returns the loss that the q-quantile minimizes: the mean of q(y-f) where f is
// at most y, and of (1-q)(f-y) elsewhere. ok is false unless 0 < q < 1.
func Pinball(q float64) (m Metric, ok bool) {
	if !(q > 0 && q < 1) {
		return Metric{}, false
	}
	return Metric{name: pinball, quantile: q}, true
}

// ndcg is the name of the metric of rankings.
const ndcg = "ndcg"

// NDCG returns the metric of the first k ranks. ok is false unless k is at least 1.
func NDCG(k int) (m Metric, ok bool) {
	return Metric{name: ndcg, ranks: k, maximize: true}, k >= 1
}

// Names returns the names that [Parse] reads.
func Names(known []Metric) []string {
	names := make([]string, len(known), len(known)+1)
	for i, m := range known {
		names[i] = m.name
	}
	return append(names, pinball+"@Q")
}

// Parse returns the metric whose [Metric.Name] is text, in upper or lower case: one of the
// known metrics, or a pinball loss. Its error says what it wants.
func Parse(text string, known []Metric) (Metric, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	if i := slices.IndexFunc(known, func(m Metric) bool { return m.name == text }); i >= 0 {
		return known[i], nil
	}
	if q, ok := strings.CutPrefix(text, pinball+"@"); ok {
		if q, err := strconv.ParseFloat(q, 64); err == nil {
			if m, ok := Pinball(q); ok {
				return m, nil
			}
		}
		return Metric{}, fmt.Errorf("the quantile is between 0 and 1, as in %s@0.9", pinball)
	}
	return Metric{}, fmt.Errorf("want one of %s", strings.Join(Names(known), ", "))
}

// Name returns the name of m, in lower case.
func (m Metric) Name() string {
	if m.IsPinball() {
		return m.name + "@" + strconv.FormatFloat(m.quantile, 'g', -1, 64)
	}
	if m.ranks > 0 {
		return m.name + "@" + strconv.Itoa(m.ranks)
	}
	return m.name
}

// IsPinball reports whether m is a pinball loss.
func (m Metric) IsPinball() bool { return m.name == pinball }

// Quantile returns the quantile of a pinball loss, else 0.
func (m Metric) Quantile() float64 { return m.quantile }

// Ranks returns how many ranks NDCG looks at, else 0.
func (m Metric) Ranks() int { return m.ranks }

// Maximize reports whether greater is better.
func (m Metric) Maximize() bool { return m.maximize }

// Better reports whether the score a is better than b. A number is better than NaN.
func (m Metric) Better(a, b float64) bool {
	if math.IsNaN(a) || math.IsNaN(b) {
		return !math.IsNaN(a) && math.IsNaN(b)
	}
	if m.maximize {
		return a > b
	}
	return a < b
}

// A Sum pools the points from which a metric of numbers is computed. The zero value has no
// points.
type Sum struct {
	losses, weights float64
	truth, weight   []float64 // of each point, for R2
}

// Add adds the prediction f of y with weight w. It adds nothing if y is NaN or w is 0. Add
// returns false if m is undefined for y, which is then skipped. It panics for a metric that
// is not one of numbers.
func (s *Sum) Add(m Metric, y, f, w float64) bool {
	if math.IsNaN(y) || w == 0 {
		return true
	}
	e := math.Abs(y - f)
	switch {
	case m == MAE:
	case m == RMSE:
		e *= e
	case m == MAPE:
		if y == 0 {
			return false
		}
		e /= math.Abs(y)
	case m == R2:
		e *= e
		s.truth, s.weight = append(s.truth, y), append(s.weight, w)
	case m.IsPinball():
		if f <= y {
			e *= m.quantile
		} else {
			e *= 1 - m.quantile
		}
	default:
		panic(fmt.Sprintf("metric %q: it is not one of numbers", m.name))
	}
	s.Pool(w*e, w)
	return true
}

// Pool adds to the sums of losses and of weights, whose quotient is the mean.
func (s *Sum) Pool(losses, weights float64) {
	s.losses, s.weights = s.losses+losses, s.weights+weights
}

// Mean returns the weighted mean of the losses, NaN if the weights sum to 0.
func (s *Sum) Mean() float64 {
	if s.weights == 0 {
		return math.NaN()
	}
	return s.losses / s.weights
}

// Score returns the score of the added points for m. It is NaN without points, and for R2
// if all truths are equal.
func (s *Sum) Score(m Metric) float64 {
	switch m {
	case RMSE:
		return math.Sqrt(s.Mean())
	case MAPE:
		return 100 * s.Mean()
	case R2:
		return s.r2()
	}
	return s.Mean()
}

func (s *Sum) r2() float64 {
	if len(s.truth) == 0 || slices.Min(s.truth) == slices.Max(s.truth) {
		return math.NaN()
	}
	mean := 0.0
	for i, y := range s.truth {
		mean += s.weight[i] * y / s.weights
	}
	squares := 0.0
	for i, y := range s.truth {
		squares += s.weight[i] * (y - mean) * (y - mean)
	}
	return 1 - s.losses/squares
}
