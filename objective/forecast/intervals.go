package forecast

import (
	"fmt"
	"math"
	"slices"
)

// Intervals say how far truths lie from the forecasts of a model, by the errors that it made
// in the folds of a backtest: conformal intervals (Vovk et al., "Algorithmic Learning in a
// Random World", 2005) with a width for each step.
//
// Errors are divided by the scale of their series, the mean absolute error of the seasonal
// naive forecast of one step within the values before, so that those of all series are pooled.
// The width grows with the step as the errors do, and never falls; the quantiles are those of
// all steps together, since a few folds have too few errors at each.
type Intervals struct {
	// Widths holds, for each step after the origin, the root mean square of the scaled errors.
	Widths []float64 `json:"widths"`
	// Sizes holds the absolute scaled errors, each divided by the width of its step, in
	// ascending order: at most 50 quantiles of them.
	Sizes []float64 `json:"sizes"`
	// Errors is the number of errors that Sizes summarize.
	Errors int `json:"errors"`
}

const mostSizes = 50

// Intervals returns the intervals by the errors of a result. It returns nil if there are
// fewer than ten errors whose scale is known, or if all are 0.
func (b *Backtest) Intervals(r Result) *Intervals { return b.intervals(b.Samples(r)) }

func (b *Backtest) intervals(samples []Sample) *Intervals {
	steps := b.gap + b.horizon
	squares, counts := make([]float64, steps), make([]float64, steps)
	var sizes []float64
	var at []int // the step of each
	for _, s := range samples {
		scale := intervalScale(s.Train, s.Season)
		if !(scale > 0) {
			continue
		}
		for h, y := range s.Truth {
			if e := math.Abs(y-s.Forecast[h]) / scale; !math.IsNaN(e) && !math.IsInf(e, 0) {
				squares[b.gap+h] += e * e
				counts[b.gap+h]++
				sizes, at = append(sizes, e), append(at, b.gap+h)
			}
		}
	}
	widths := rising(squares, counts)
	if len(sizes) < 10 || !(widths[0] > 0) {
		return nil
	}
	for i, h := range at {
		sizes[i] /= widths[h]
	}
	slices.Sort(sizes)
	v := &Intervals{Errors: len(sizes)}
	for _, w := range widths {
		v.Widths = append(v.Widths, rounded(w))
	}
	n := min(len(sizes), mostSizes)
	for i := range n {
		v.Sizes = append(v.Sizes, rounded(sizes[(i+1)*len(sizes)/n-1]))
	}
	return v
}

// rounded returns x to four digits, which is more than is known.
func rounded(x float64) float64 {
	if x == 0 {
		return 0
	}
	unit := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(x))))
	return math.Round(x*unit) / unit
}

// intervalScale is the unit of the errors of a series.
func intervalScale(past []float64, season int) float64 {
	for _, m := range []int{max(1, season), 1} {
		if s := naiveError(past, m, false); s > 0 {
			return s
		}
	}
	return 0
}

// rising returns the square roots of means that rise with the index: neighbours whose means fall are pooled (isotonic
// regression). An index without values gets the mean of its neighbours.
func rising(sums, counts []float64) []float64 {
	type block struct {
		sum, count float64
		length     int
	}
	mean := func(b block) float64 { return b.sum / b.count }
	var blocks []block
	for i := range sums {
		blocks = append(blocks, block{sums[i], counts[i], 1})
		for n := len(blocks); n > 1 && !(mean(blocks[n-2]) < mean(blocks[n-1])); n = len(blocks) {
			a, b := blocks[n-2], blocks[n-1]
			blocks = append(blocks[:n-2], block{a.sum + b.sum, a.count + b.count, a.length + b.length})
		}
	}
	var out []float64
	for _, b := range blocks {
		for range b.length {
			out = append(out, math.Sqrt(mean(b)))
		}
	}
	return out
}

// Around returns the bounds of the intervals of a forecast that continues past: a truth is
// between them with a probability of level, such as 0.8, if errors remain what they were in
// the folds. The bounds of a series that never changed are the forecast. It fails with
// [ErrConfig] unless 0 < level < 1, and with [ErrHorizon] for more steps than the backtest had.
func (v *Intervals) Around(next, past Frame, level float64) (lower, upper Frame, err error) {
	if !(level > 0 && level < 1) || v == nil || len(v.Sizes) == 0 {
		return nil, nil, pkg.Errorf("intervals: %w: a level of %v: want a number between 0 and 1, and intervals of a backtest with enough errors", ErrConfig, level)
	}
	size := v.size(level)
	for i, s := range next {
		if s.Len() > len(v.Widths) {
			return nil, nil, pkg.Errorf("intervals: %w of %d is more than the %d of the backtest", ErrHorizon, s.Len(), len(v.Widths))
		}
		if i >= len(past) || past[i].ID != s.ID {
			return nil, nil, pkg.Errorf("intervals: %w: the forecast does not continue the series in their order", ErrConfig)
		}
		low, high := s, s
		low.Y, high.Y = make([]float64, s.Len()), make([]float64, s.Len())
		scale := intervalScale(past[i].Y, past[i].Freq.Season())
		for h, y := range s.Y {
			d := size * v.Widths[h] * scale
			low.Y[h], high.Y[h] = y-d, y+d
		}
		lower, upper = append(lower, low), append(upper, high)
	}
	return lower, upper, nil
}

// size returns the size that a share of the errors does not exceed, with the correction for a
// finite number of them. If they are too few for the level it is the greatest.
func (v *Intervals) size(level float64) float64 {
	n := float64(v.Errors)
	share := math.Min(1, math.Ceil((n+1)*level)/n)
	return v.Sizes[max(1, int(math.Ceil(share*float64(len(v.Sizes)))))-1]
}

// Coverage returns the share of the known truths that lie between bounds, or NaN if no truth is known.
func Coverage(truth, lower, upper Frame) float64 {
	var in, all float64
	for i, s := range truth {
		for h, y := range s.Y {
			if math.IsNaN(y) || h >= lower[i].Len() {
				continue
			}
			if all++; y >= lower[i].Y[h] && y <= upper[i].Y[h] {
				in++
			}
		}
	}
	return in / all
}

// String returns the widths and the sizes of 80 and 95 %, for people.
func (v *Intervals) String() string {
	return fmt.Sprintf("widths %.3g, 80 %% within %.3g, 95 %% within %.3g", v.Widths, v.size(0.8), v.size(0.95))
}
