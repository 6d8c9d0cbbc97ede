package table

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/objective/internal/metric"
	"github.com/attune-hpo/attune/objective/tree/engine"
)

// A Metric scores predictions. The score of several folds is that of all their rows
// together, which generally differs from the mean of their scores. Metrics are comparable
// with ==.
//
// Rows count by their weights. All metrics skip rows whose truth is NaN or whose weight is
// 0. A score of no rows is NaN. If the prediction for a row that counts is NaN, the score
// is NaN, so a model cannot improve its score by not predicting.
type Metric struct{ m metric.Metric }

// The metrics of numbers. y is the truth and f the prediction; means are weighted and over
// all rows.
var (
	// RMSE is sqrt(mean (y-f)²), in the units of the target.
	RMSE = Metric{metric.RMSE}
	// MAE is mean |y-f|, in the units of the target.
	MAE = Metric{metric.MAE}
	// MAPE is 100 mean |y-f|/|y|, in percent. Rows with truth 0, where it is undefined, are
	// skipped.
	MAPE = Metric{metric.MAPE}
	// R2 is 1 - Σ(y-f)²/Σ(y-mean y)²; greater is better, and it is at most 1. It is NaN
	// if all truths are equal.
	R2 = Metric{metric.R2}
)

// The metrics of classes. p are the predicted probabilities. The predicted class of a row
// is the most likely one; of equally likely ones, the first.
var (
	// LogLoss is mean -log p of the true class. Probabilities below 2.2e-16 count as 2.2e-16,
	// so that one mistake is not infinite.
	LogLoss = Metric{metric.New("logloss")}
	// Brier is mean Σ(p_k - [y=k])² over the classes k; for two classes it is half of that, the
	// mean (p-y)² (Brier, Monthly Weather Review 78, 1950).
	Brier = Metric{metric.New("brier")}
	// Accuracy is the share of rows whose predicted class is the true one; greater is
	// better.
	Accuracy = Metric{metric.Greater("accuracy")}
	// F1 is the mean over the classes of 2TP/(2TP+FP+FN); greater is better. Classes
	// that neither occur nor are predicted are skipped.
	F1 = Metric{metric.Greater("f1")}
)

// The metrics of rankings, by the probability of the second of two classes, or by the
// anomaly score. For more classes they are the mean over the classes of each against the
// rest. A class with all rows or none is skipped; a score of no class is NaN. Greater is
// better.
var (
	// AUC is the probability that a random row of the class scores higher than a random
	// row of the rest, with ties counting half: the area under the ROC curve (Hanley and
	// McNeil, Radiology 143, 1982).
	AUC = Metric{metric.Greater("auc")}
	// AP is the average precision: Σ (R_i - R_{i-1}) P_i with recall R and precision P, where
	// the thresholds i are the scores from high to low. Prefer it to AUC if anomalies are
	// rare.
	AP = Metric{metric.Greater("ap")}
)

// Pinball returns the loss that the q-quantile minimizes: the mean of q(y-f) where f is
// at most y, and of (1-q)(f-y) elsewhere (Koenker and Bassett, Econometrica 46, 1978), in
// the units of the target. A [Task] trains for this loss. Pinball panics unless 0 < q < 1.
func Pinball(q float64) Metric {
	m, ok := metric.Pinball(q)
	if !ok {
		panic(pkg.Errorf("pinball@%v: %w: the quantile must be between 0 and 1", q, ErrConfig))
	}
	return Metric{m}
}

// NDCG returns the normalized discounted cumulative gain of the first k ranks of each group, from 0
// to 1; greater is better. It judges the order of the rows of a group ([Table.Group]) by their
// predictions, the greatest first. The target has grades, whole numbers from 0 to 30. As in
// LightGBM, a row of grade y has the gain 2^y-1, discounted by log2(1+rank), and a group without a
// grade above 0 has the value 1. Rows with equal predictions share the mean of their gains; see
// [engine.NDCG]. A [Task] with this metric ranks. NDCG panics unless k is at least 1.
func NDCG(k int) Metric {
	m, ok := metric.NDCG(k)
	if !ok {
		panic(pkg.Errorf("ndcg@%d: %w: want at least one rank", k, ErrConfig))
	}
	return Metric{m}
}

// A Kind is what a table's models predict.
type Kind string

// The kinds.
const (
	Regression     Kind = "regression"     // a number
	Classification Kind = "classification" // a probability for each class
	Ranking        Kind = "ranking"        // a score; in each group of rows, the greatest comes first
	Anomalies      Kind = "anomalies"      // a score from 0 to 1; closer to 1 for rows that differ from the rest
)

// kinds are the metrics of each kind; the first is the default.
var kinds = map[Kind][]Metric{
	Regression:     {RMSE, MAE, MAPE, R2},
	Classification: {LogLoss, AUC, AP, Accuracy, F1, Brier},
	Ranking:        {NDCG(10), NDCG(5), NDCG(1)},
	Anomalies:      {AUC, AP},
}

// Metrics returns the metrics for predictions of a kind, except [Pinball] for numbers and [NDCG] of
// other numbers of ranks. The
// first is the default of a [Task].
func Metrics(k Kind) []Metric { return slices.Clone(kinds[k]) }

// goes reports whether m can score predictions of a kind.
func (m Metric) goes(k Kind) bool {
	return slices.Contains(kinds[k], m) || k == Regression && m.m.IsPinball() || k == Ranking && m.m.Ranks() > 0
}

// ParseMetric returns the metric whose [Metric.Name] is name, in upper or lower case, such
// as auc, pinball@0.9 or ndcg@10. It fails with [ErrConfig].
func ParseMetric(name string) (Metric, error) {
	if k, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(name)), "ndcg@"); ok {
		k, err := strconv.Atoi(k)
		if m, ok := metric.NDCG(k); err == nil && ok {
			return Metric{m}, nil
		}
		return Metric{}, pkg.Errorf("metric %q: %w: want a number of ranks from 1, as in ndcg@10", name, ErrConfig)
	}
	m, err := metric.Parse(name, metrics)
	if err != nil {
		if !strings.Contains(name, "@") {
			err = fmt.Errorf("%w, ndcg@K", err)
		}
		return Metric{}, pkg.Errorf("metric %q: %w: %w", name, ErrConfig, err)
	}
	return Metric{m}, nil
}

// metrics are all metrics except those with a number in their name.
var metrics = func() (all []metric.Metric) {
	for _, m := range slices.Concat(kinds[Regression], kinds[Classification]) {
		all = append(all, m.m)
	}
	return all
}()

// Name returns the name of m, in lower case.
func (m Metric) Name() string { return m.m.Name() }

// Maximize reports whether greater is better.
func (m Metric) Maximize() bool { return m.m.Maximize() }

// Better reports whether the score a is better than b. A number is better than NaN.
func (m Metric) Better(a, b float64) bool { return m.m.Better(a, b) }

// Score returns the score of predictions. truth has a number per row: the index of the
// class for classes, 1 or 0 for anomaly scores. predicted has one value per row: a
// prediction, a score, or the probability of class 1. With more than two classes it has a
// probability for each class, row by row. weight has one value per row; nil means 1 for
// all rows. All rows are one group; see [Metric.ScoreGroups].
//
// It panics if the lengths do not match, and for the zero Metric.
func (m Metric) Score(truth, predicted, weight []float64) float64 {
	return m.ScoreGroups(truth, predicted, weight, nil)
}

// ScoreGroups is like [Metric.Score] for rows in groups, which only [NDCG] heeds. group has the
// number of each row's group, as [Table.Group]; nil means that all rows are one group.
func (m Metric) ScoreGroups(truth, predicted, weight []float64, group []int) float64 {
	if len(truth) == 0 {
		return math.NaN()
	}
	outputs := len(predicted) / len(truth)
	if outputs*len(truth) != len(predicted) || outputs == 0 || outputs > 1 && m.goes(Regression) || outputs > 1 && m.goes(Ranking) || weight != nil && len(weight) != len(truth) || group != nil && len(group) != len(truth) {
		panic(fmt.Sprintf("table: %s: %d predictions, %d weights and %d groups for %d rows", m.Name(), len(predicted), len(weight), len(group), len(truth)))
	}
	s := scored{outputs: outputs}
	for i, y := range truth {
		w := 1.0
		if weight != nil {
			w = weight[i]
		}
		if math.IsNaN(y) || w == 0 || m == MAPE && y == 0 { // undefined there
			continue
		}
		row := predicted[i*outputs : (i+1)*outputs]
		if slices.ContainsFunc(row, math.IsNaN) {
			return math.NaN()
		}
		if group != nil {
			s.group = append(s.group, group[i])
		}
		s.truth, s.weight, s.predicted = append(s.truth, y), append(s.weight, w), append(s.predicted, row...)
	}
	if len(s.truth) == 0 {
		return math.NaN()
	}
	if m.goes(Regression) {
		return s.points(m.m)
	}
	if k := m.m.Ranks(); k > 0 {
		return engine.NDCG(k, s.truth, s.predicted, s.weight, s.group)
	}
	switch m {
	case LogLoss:
		const least = 0x1p-52
		return s.mean(func(y float64, p []float64) float64 {
			return -math.Log(min(max(probability(p, int(y)), least), 1-least))
		})
	case Brier:
		return s.mean(func(y float64, p []float64) float64 {
			if len(p) == 1 {
				return (p[0] - y) * (p[0] - y)
			}
			sum := 0.0
			for k := range p {
				d := p[k]
				if k == int(y) {
					d--
				}
				sum += d * d
			}
			if len(p) == 2 {
				sum /= 2
			}
			return sum
		})
	case Accuracy:
		return s.mean(func(y float64, p []float64) float64 {
			if likeliest(p) == int(y) {
				return 1
			}
			return 0
		})
	case F1:
		return s.f1()
	case AUC:
		return s.ranking(rocArea)
	case AP:
		return s.ranking(averagePrecision)
	}
	panic("table: the zero Metric scores nothing: see ParseMetric")
}

// probability returns the probability of class k in a row that has one for each class, or only that of class 1.
func probability(p []float64, k int) float64 {
	switch {
	case len(p) > 1:
		return p[k]
	case k == 1:
		return p[0]
	}
	return 1 - p[0]
}

// likeliest returns the most likely class.
func likeliest(p []float64) int {
	if len(p) == 1 {
		if p[0] > 0.5 {
			return 1
		}
		return 0
	}
	best := 0
	for k := range p {
		if p[k] > p[best] {
			best = k
		}
	}
	return best
}

// scored holds the rows that count.
type scored struct {
	truth, weight, predicted []float64
	outputs                  int
	group                    []int // nil if all rows are one group
}

func (s scored) row(i int) []float64 { return s.predicted[i*s.outputs : (i+1)*s.outputs] }

// mean returns the weighted mean of a loss.
func (s scored) mean(loss func(y float64, f []float64) float64) float64 {
	sum, weight := 0.0, 0.0
	for i, y := range s.truth {
		sum += s.weight[i] * loss(y, s.row(i))
		weight += s.weight[i]
	}
	return sum / weight
}

// points returns the score of a metric of numbers.
func (s scored) points(m metric.Metric) float64 {
	var sum metric.Sum
	for i, y := range s.truth {
		sum.Add(m, y, s.predicted[i], s.weight[i])
	}
	return sum.Score(m)
}

func (s scored) f1() float64 {
	right, occurs, predicted := map[int]float64{}, map[int]float64{}, map[int]float64{}
	classes := 0
	for i, y := range s.truth {
		k, w := likeliest(s.row(i)), s.weight[i]
		occurs[int(y)] += w
		predicted[k] += w
		if k == int(y) {
			right[k] += w
		}
		classes = max(classes, k+1, int(y)+1)
	}
	sum, n := 0.0, 0.0
	for k := range classes {
		if all := occurs[k] + predicted[k]; all > 0 {
			sum, n = sum+2*right[k]/all, n+1
		}
	}
	return sum / n
}

// ranking returns the mean of quality over the classes.
func (s scored) ranking(quality func(order []ranked) float64) float64 {
	first, last := 1, 1 // range of the classes that count
	if s.outputs > 2 {
		first, last = 0, s.outputs-1
	}
	sum, n := 0.0, 0.0
	for k := first; k <= last; k++ {
		order := make([]ranked, len(s.truth))
		for i, y := range s.truth {
			order[i] = ranked{score: probability(s.row(i), k)}
			if int(y) == k {
				order[i].of = s.weight[i]
			} else {
				order[i].rest = s.weight[i]
			}
		}
		slices.SortFunc(order, func(a, b ranked) int { return cmp.Compare(b.score, a.score) })
		steps := order[:0] // rows with equal scores form one step
		for _, r := range order {
			if n := len(steps); n > 0 && steps[n-1].score == r.score {
				steps[n-1].of += r.of
				steps[n-1].rest += r.rest
			} else {
				steps = append(steps, r)
			}
		}
		if q := quality(steps); !math.IsNaN(q) {
			sum, n = sum+q, n+1
		}
	}
	return sum / n
}

// ranked is a score with the weight of its rows: of the class, and of the rest.
type ranked struct{ score, of, rest float64 }

func rocArea(steps []ranked) float64 {
	area, of, rest := 0.0, 0.0, 0.0
	for _, s := range steps {
		area += s.rest * (of + s.of/2)
		of, rest = of+s.of, rest+s.rest
	}
	return area / (of * rest) // NaN if one of them is 0
}

func averagePrecision(steps []ranked) float64 {
	sum, of, rest := 0.0, 0.0, 0.0
	for _, s := range steps {
		of, rest = of+s.of, rest+s.rest
		sum += s.of * of / (of + rest)
	}
	if rest == 0 {
		return math.NaN()
	}
	return sum / of
}
