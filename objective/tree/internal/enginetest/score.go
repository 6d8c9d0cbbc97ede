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
