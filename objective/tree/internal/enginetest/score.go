package enginetest

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
)

// Predict returns the predictions of m for the rows of d.
func Predict(t testing.TB, m *tree.Model, d engine.Dataset) []float64 {
	t.Helper()
	p, err := tree.NewPredictor(m)
	require.NoError(t, err)
	out := make([]float64, d.Rows()*m.Outputs)
	require.NoError(t, p.Predict(Rows(d), out))
	return out
}

// Score is a simple implementation of the loss of predictions.
func Score(p engine.Params, d engine.Dataset, predictions []float64) float64 {
	if p.Loss == engine.LambdaRank {
		return 1 - ndcg(d, predictions)
	}
	p = p.WithDefaults(len(d.Columns))
	sum, total := 0.0, 0.0
	for i, y := range d.Label {
		w := 1.0
		if d.Weight != nil {
			w = d.Weight[i]
		}
		at := predictions[min(i, len(predictions)-1)]
		d := math.Abs(y - at)
		l := 0.0
		switch p.Loss {
		case engine.L2:
			l = d * d
		case engine.L1:
			l = d
		case engine.Huber:
			l = d * d / 2
			if d > p.HuberDelta {
				l = p.HuberDelta*d - p.HuberDelta*p.HuberDelta/2
			}
		case engine.Quantile:
			l = p.Quantile * d
			if at > y {
				l = (1 - p.Quantile) * d
			}
		case engine.Poisson:
			l = at - y*math.Log(at)
		case engine.Tweedie:
			l = math.Pow(at, 2-p.TweediePower)/(2-p.TweediePower) - y*math.Pow(at, 1-p.TweediePower)/(1-p.TweediePower)
		case engine.Logistic:
			l = -y*math.Log(max(at, 1e-15)) - (1-y)*math.Log(max(1-at, 1e-15))
		case engine.Softmax:
			l = -math.Log(max(predictions[i*p.Classes+int(y)], 1e-15))
		}
		sum, total = sum+w*l, total+w
	}
	if p.Loss == engine.L2 {
		return math.Sqrt(sum / total)
	}
	return sum / total
}

// ndcg is a simple implementation of engine.NDCG for queries of fewer rows than
// engine.RankDepth: the rank of a row is one more than the number of rows above it, and ties
// share the mean.
func ndcg(d engine.Dataset, scores []float64) float64 {
	sum, total := 0.0, 0.0
	for i, q := range d.Query {
		if i > 0 && d.Query[i-1] == q {
			continue
		}
		var got, best, weight, rows float64
		counts := func(j int) bool { return d.Weight == nil || d.Weight[j] != 0 }
		for j := i; j < len(d.Query) && d.Query[j] == q; j++ {
			if !counts(j) {
				continue
			}
			rows++
			weight += 1
			if d.Weight != nil {
				weight += d.Weight[j] - 1
			}
			above, level, more, same := 0, 0, 0, 0
			for k := i; k < len(d.Query) && d.Query[k] == q; k++ {
				if !counts(k) {
					continue
				}
				above += int(indicator(scores[k] > scores[j]))
				level += int(indicator(scores[k] == scores[j]))
				more += int(indicator(d.Label[k] > d.Label[j]))
				same += int(indicator(d.Label[k] == d.Label[j] && k < j))
			}
			gain := math.Pow(2, d.Label[j]) - 1
			for rank := above + 1; rank <= above+level; rank++ {
				got += gain / math.Log2(float64(1+rank)) / float64(level)
			}
			best += gain / math.Log2(float64(2+more+same))
		}
		value := 1.0
		if best > 0 {
			value = got / best
		}
		if rows > 0 {
			sum, total = sum+value*weight/rows, total+weight/rows
		}
	}
	return sum / total
}
