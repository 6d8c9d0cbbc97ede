package enginetest

import (
	"math"
	"math/rand/v2"

	"github.com/attune-hpo/attune/objective/tree/engine"
)

// Data returns rows of random features, a few of them missing, and labels that suit the
// loss.
func Data(loss engine.Loss, n int, seed uint64) engine.Dataset {
	r := rand.New(rand.NewPCG(seed, 1))
	d := engine.Dataset{Columns: make([][]float64, features), Label: make([]float64, n)}
	for f := range d.Columns {
		d.Columns[f] = make([]float64, n)
	}
	for i := range n {
		for f := range d.Columns {
			d.Columns[f][i] = float64(float32(r.NormFloat64()))
		}
		s := math.Sin(2*d.Columns[0][i]) + d.Columns[1][i]*d.Columns[2][i]/2 + 0.3*r.NormFloat64()
		if i%17 == 3 {
			d.Columns[0][i] = math.NaN()
			s++
		}
		switch loss {
		case engine.Poisson:
			s = math.Floor(math.Exp(s))
		case engine.Tweedie:
			s = max(0, s)
		case engine.Logistic:
			s = indicator(s > 0)
		case engine.Softmax:
			s = indicator(s > -0.5) + indicator(s > 0.5)
		}
		if loss == engine.LambdaRank { // queries of one to nine rows, grades 0 to 3
			s = min(max(math.Floor(s+1), 0), 3)
			d.Query = append(d.Query, i/10*2+int(indicator(i%10 > i/10%9)))
		}
		d.Label[i] = s
	}
	return d
}

func indicator(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// Rows returns the rows of d, one after another.
func Rows(d engine.Dataset) []float64 {
	rows := make([]float64, 0, d.Rows()*len(d.Columns))
	for i := range d.Rows() {
		for f := range d.Columns {
			rows = append(rows, d.Columns[f][i])
		}
	}
	return rows
}

func weights(n int) []float64 {
	w := make([]float64, n)
	for i := range w {
		w[i] = float64(i%4) / 2 // some are 0
	}
	return w
}

func mean(d engine.Dataset) float64 {
	sum, total := 0.0, 0.0
	for i, y := range d.Label {
		w := 1.0
		if d.Weight != nil {
			w = d.Weight[i]
		}
		sum, total = sum+w*y, total+w
	}
	return sum / total
}
