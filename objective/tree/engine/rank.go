package engine

import (
	"cmp"
	"math"
	"slices"
)

// RankDepth is the number of ranks, from the top, that the LambdaRank loss looks at:
// LightGBM's lambdarank_truncation_level.
const RankDepth = 30

// MaxGrade is the greatest label of the LambdaRank loss.
const MaxGrade = 30

// Gain returns the gain of a row with a grade: 2^grade - 1.
func Gain(grade float64) float64 { return math.Exp2(grade) - 1 }

// Discount returns what a gain at a rank, counted from 0, is multiplied by: 1/log2(rank + 2).
func Discount(rank int) float64 { return 1 / math.Log2(float64(rank+2)) }

// MaxDCG returns the greatest discounted cumulative gain of the first k ranks that an order of
// the rows can have.
func MaxDCG(k int, grades []float64) float64 {
	sum := 0.0
	sorted := slices.Sorted(slices.Values(grades))
	for rank := range min(k, len(sorted)) {
		sum += Gain(sorted[len(sorted)-1-rank]) * Discount(rank)
	}
	return sum
}

// NDCG returns the normalized discounted cumulative gain of the first k ranks (Järvelin and
// Kekäläinen, Cumulated gain-based evaluation of IR techniques, 2002), from 0 to 1: the mean
// over the queries of DCG divided by [MaxDCG]. DCG is the sum of [Gain] times [Discount] over
// the first k rows by descending score. Rows with equal scores share the mean of their gains
// (McSherry and Najork, Computing information retrieval performance measures efficiently in the
// presence of tied scores, 2008). A query counts by the mean weight of its rows; one whose grades are all 0
// has the value 1, as in LightGBM. Rows of weight 0 have no effect. NDCG is NaN without others.
//
// The slices have a value per row: the grade, the score, the weight (nil for 1) and the
// query's number (nil if all rows are of one query).
func NDCG(k int, grades, scores, weights []float64, queries []int) float64 {
	query := func(i int) int {
		if queries == nil {
			return 0
		}
		return queries[i]
	}
	var order []int
	for i := range grades {
		if weights == nil || weights[i] != 0 {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(query(a), query(b)), cmp.Compare(scores[b], scores[a]))
	})
	sum, total := 0.0, 0.0
	var of []float64 // grades of a query
	for from, to := 0, 0; from < len(order); from = to {
		of = of[:0]
		weight := 0.0
		for to = from; to < len(order) && query(order[to]) == query(order[from]); to++ {
			of = append(of, grades[order[to]])
			if weights == nil {
				weight++
			} else {
				weight += weights[order[to]]
			}
		}
		weight /= float64(len(of))
		total += weight
		if best := MaxDCG(k, of); best > 0 {
			weight *= dcg(k, of, func(rank int) float64 { return scores[order[from+rank]] }) / best
		}
		sum += weight
	}
	return sum / total
}

// dcg returns the discounted cumulative gain of the grades of rows in descending order of score.
func dcg(k int, grades []float64, score func(rank int) float64) float64 {
	sum := 0.0
	for from, to := 0, 0; from < min(k, len(grades)); from = to {
		gain, discount := 0.0, 0.0
		for to = from; to < len(grades) && score(to) == score(from); to++ {
			gain += Gain(grades[to])
			if to < k {
				discount += Discount(to)
			}
		}
		sum += gain / float64(to-from) * discount
	}
	return sum
}
