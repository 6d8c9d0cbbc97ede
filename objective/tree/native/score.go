package native

import (
	"math"
	"slices"

	"github.com/attune-hpo/attune/objective/tree/engine"
)

// score returns the loss of the model on the validation rows, or on the training rows if
// there are none.
func (b *booster) score() float64 {
	d, raw := b.valid, b.validScores
	if d.Rows() == 0 || d.Label == nil {
		d, raw = b.train, b.scores
		if b.sums != nil {
			raw = b.sums
		}
	}
	if b.p.Method == engine.Forest {
		raw = means(raw, len(b.model.Trees)/b.model.Outputs)
	}
	if b.p.Loss == engine.LambdaRank {
		return 1 - engine.NDCG(engine.RankDepth, d.Label, raw[0], d.Weight, d.Query)
	}
	w, n := b.grower.workers, d.Rows()
	o := newObjective(b.p)
	total := float64(n)
	if d.Weight != nil {
		total = w.sum(n, func(from, to int) (sum float64) {
			for _, v := range d.Weight[from:to] {
				sum += v
			}
			return sum
		})
	}
	softmax := b.p.Loss == engine.Softmax && b.p.Method == engine.Boosting
	logit := b.p.Loss == engine.Logistic && b.p.Method == engine.Forest
	var predictions []float64
	if softmax {
		predictions = b.predictions(raw)
	}
	return o.report(w.sum(n, func(from, to int) (sum float64) {
		for i := from; i < to; i++ {
			s := raw[0][i]
			switch {
			case softmax:
				s = predictions[i*len(raw)+int(d.Label[i])]
			case b.p.Loss == engine.Softmax:
				s = raw[int(d.Label[i])][i]
			case logit:
				s = math.Log(clip(s) / (1 - clip(s)))
			}
			v := o.loss(s, d.Label[i])
			if d.Weight != nil {
				v *= d.Weight[i]
			}
			sum += v
		}
		return sum
	}) / total)
}

// validPredictions returns the model's predictions for the validation rows.
func (b *booster) validPredictions() []float64 {
	if b.valid.Rows() == 0 {
		return nil
	}
	raw := b.validScores
	if b.p.Method == engine.Forest {
		raw = means(raw, len(b.model.Trees)/b.model.Outputs)
	}
	return b.predictions(raw)
}

// means returns sums divided by n.
func means(sums [][]float64, n int) [][]float64 {
	out := make([][]float64, len(sums))
	for k := range sums {
		out[k] = slices.Clone(sums[k])
		for i := range out[k] {
			out[k][i] /= float64(n)
		}
	}
	return out
}

// predictions converts the raw outputs of rows to predictions.
func (b *booster) predictions(raw [][]float64) []float64 {
	n := len(raw[0])
	out := make([]float64, n*len(raw))
	b.grower.workers.rows(n, func(_, from, to int) {
		for i := from; i < to; i++ {
			row := out[i*len(raw) : (i+1)*len(raw)]
			for k := range raw {
				row[k] = raw[k][i]
			}
			b.model.Link.Apply(row)
		}
	})
	return out
}
