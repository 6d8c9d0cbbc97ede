package native

import (
	"cmp"
	"math"
	"slices"

	"github.com/attune-hpo/attune/objective/tree/engine"
)

// A ranker is the LambdaRank loss (Burges, From RankNet to LambdaRank to LambdaMART: an
// overview, 2010, section 4), in LightGBM's form: a pair of rows counts only if one of them is among
// the first engine.RankDepth ranks; a pair's weight is divided by the distance of its scores;
// and the derivatives of a query are scaled by log2(1+Λ)/Λ, where Λ is the sum of all |λ|.
type ranker struct {
	starts []int     // first row of each query, followed by the number of rows
	best   []float64 // by query, the greatest DCG
	*workers
}

func newRanker(d engine.Dataset, w *workers) *ranker {
	r := &ranker{workers: w}
	for i, q := range d.Query {
		if i == 0 || q != d.Query[i-1] {
			r.starts = append(r.starts, i)
		}
	}
	r.starts = append(r.starts, d.Rows())
	for q, from := range r.starts[:len(r.starts)-1] {
		r.best = append(r.best, engine.MaxDCG(engine.RankDepth, d.Label[from:r.starts[q+1]]))
	}
	return r
}

func (*ranker) constant() bool               { return false }
func (*ranker) start(_, _ []float64) float64 { return 0 }

// derive takes all rows, because those of a query depend on one another.
func (r *ranker) derive(scores, labels, g, h []float64) {
	r.each(len(r.best), func(_, q int) {
		from, to := r.starts[q], r.starts[q+1]
		clear(g[from:to])
		clear(h[from:to])
		if r.best[q] > 0 {
			lambdas(scores[from:to], labels[from:to], g[from:to], h[from:to], r.best[q])
		}
	})
}

// lambdas adds the derivatives of a query to g and h. best is its greatest DCG.
func lambdas(scores, labels, g, h []float64, best float64) {
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	gain, discount := make([]float64, len(order)), make([]float64, len(order))
	for i, y := range labels {
		gain[i], discount[i] = engine.Gain(y), engine.Discount(i)
	}
	differ := scores[order[0]] != scores[order[len(order)-1]]
	total := 0.0 // Λ
	for i := range min(engine.RankDepth, len(order)) {
		for j := i + 1; j < len(order); j++ {
			above, below := order[i], order[j]
			if labels[above] == labels[below] {
				continue
			}
			// |ΔNDCG| of exchanging the two
			swap := math.Abs(gain[above]-gain[below]) * (discount[i] - discount[j]) / best
			if labels[above] < labels[below] {
				above, below = below, above // above should be above
			}
			distance := scores[above] - scores[below]
			if differ {
				swap /= 0.01 + math.Abs(distance)
			}
			p := 1 / (1 + exp(distance))
			lambda, curve := p*swap, p*(1-p)*swap
			g[above] -= lambda
			g[below] += lambda
			h[above] += curve
			h[below] += curve
			total += 2 * lambda
		}
	}
	if total > 0 {
		scale := math.Log2(1+total) / total
		for i := range g {
			g[i] *= scale
			h[i] *= scale
		}
	}
}

// loss and report are unused: see booster.score.
func (*ranker) loss(_, _ float64) float64   { return math.NaN() }
func (*ranker) report(mean float64) float64 { return mean }
