package pruner

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/attune-hpo/attune/trial"
)

// Wilcoxon prunes a trial that is significantly worse than the best trial, step
// by step: Wilcoxon's signed-rank test (Biometrics Bulletin 1, 1945), one-sided,
// on the differences at the steps which both reported. It is meant for objectives
// that average over instances, such as the folds of a cross-validation or the
// problems of a benchmark, where a step is an instance and its order means
// nothing; not for learning curves.
//
// A trial continues if its average so far is at least as good as the average of all values of the best trial, or if a
// value of either trial is infinite or NaN. Steps that only one of the two reported are ignored. The best trial is
// [trial.Snapshot.Best].
//
// Equal values count half for each side, and equal differences have equal ranks. The p-value is exact for up to 50
// differences, or up to 13 if some are equal or zero; otherwise it comes from the normal approximation, as in SciPy's
// wilcoxon by default.
type Wilcoxon struct {
	P       float64 // pruned if the p-value is below it, in (0, 1]. Default 0.1
	Startup int     // differences before the first verdict. Default 2, which is the least
}

// Validate returns an error that wraps [ErrInvalid] if P lies outside [0, 1].
func (w Wilcoxon) Validate() error {
	if !(0 <= w.P && w.P <= 1) {
		return invalid("p-value %v: it must lie between 0 and 1", w.P)
	}
	return nil
}

// Prune implements [Pruner].
func (w Wilcoxon) Prune(t trial.Record, h trial.Snapshot) (string, bool) {
	best, ok := h.Best()
	if w.Validate() != nil || !ok {
		return "", false
	}
	d := h.Direction(0)
	own, ok1 := average(t.Reports)
	theirs, ok2 := average(best.Reports)
	if !ok1 || !ok2 || d.Loss(own) <= d.Loss(theirs) {
		return "", false
	}
	var worse []float64 // by how much t is worse, at each step of both
	for _, r := range t.Reports {
		if v, ok := best.ReportAt(r.Step); ok {
			worse = append(worse, d.Loss(r.Value-v))
		}
	}
	limit := w.P
	if limit == 0 {
		limit = 0.1
	}
	if len(worse) < max(2, w.Startup) {
		return "", false
	}
	p := signedRank(worse)
	if !(p < limit) {
		return "", false
	}
	return fmt.Sprintf("worse than trial %d with p = %.2g over %d steps", best.Number, p, len(worse)), true
}

// average returns the mean value of reports. It is not ok if there are none, or
// one that is not finite.
func average(reports []trial.Report) (mean float64, ok bool) {
	sum := 0.0
	for _, r := range reports {
		if math.IsNaN(r.Value) || math.IsInf(r.Value, 0) {
			return 0, false
		}
		sum += r.Value
	}
	return sum / float64(len(reports)), len(reports) > 0
}

// signedRank returns the p-value of the signed-rank test that the differences ds,
// at least one and none NaN, are not greater than 0.
//
// Ranks are doubled throughout, so that shared ones are integers.
func signedRank(ds []float64) float64 {
	ds = slices.Clone(ds)
	slices.SortFunc(ds, func(a, b float64) int { return cmp.Compare(math.Abs(a), math.Abs(b)) })
	var (
		n     = len(ds)
		ranks []int   // of the differences that are not 0
		plus  int     // sum of those that are positive
		split int     // half the ranks of the zeros
		ties  float64 // sum of t³-t over groups of t equal differences
	)
	for low := 0; low < n; {
		high := low + 1
		for high < n && math.Abs(ds[high]) == math.Abs(ds[low]) {
			high++
		}
		t := float64(high - low)
		ties += t*t*t - t
		rank := low + 1 + high // the mean of low+1 to high, doubled
		if ds[low] == 0 {
			split = high * rank / 2
			low = high
		}
		for ; low < high; low++ {
			ranks = append(ranks, rank)
			if ds[low] > 0 {
				plus += rank
			}
		}
	}
	if n <= 13 || n <= 50 && ties == 0 && split == 0 {
		return reaching(plus, ranks)
	}
	m := float64(n)
	mean := m * (m + 1) / 4
	deviation := math.Sqrt((m*(m+1)*(2*m+1) - ties/2) / 24)
	z := (float64(plus+split)/2 - mean) / deviation
	return math.Erfc(z/math.Sqrt2) / 2
}

// reaching returns the share of the subsets of ranks whose sum is at least s.
func reaching(s int, ranks []int) float64 {
	total := 0
	share := []float64{1} // of the subsets of the ranks so far, by their sum
	for _, r := range ranks {
		next := make([]float64, total+r+1)
		for sum, p := range share {
			next[sum] += p / 2
			next[sum+r] += p / 2
		}
		share, total = next, total+r
	}
	p := 0.0
	for _, q := range share[s:] {
		p += q
	}
	return p
}
