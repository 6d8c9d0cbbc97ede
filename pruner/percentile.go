package pruner

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/attune-hpo/attune/internal/selection"
	"github.com/attune-hpo/attune/trial"
)

// Median prunes a trial whose best value so far is worse than the median of what
// complete trials reported at the same step. It is [Percentile] at 50, the rule
// of Vizier (Golovin and others, KDD 2017, section 3.2.2) by step.
//
// The zero value differs from Optuna's default, which has no warm-up; the package comment shows its cost. With
// trials of 10 steps or fewer, counted from 0, it never prunes; set Warmup to [WarmupFor] of their number of
// steps.
type Median struct {
	Startup   int // complete trials before the first verdict. Default 5; negative: 1
	Warmup    int // steps below which no trial is judged. Default 10; negative: none
	Interval  int // steps from one verdict to the next. Default 1
	MinTrials int // complete trials with a report at the step, below which there is no verdict. Default 1
}

// Percentile prunes a trial whose best value so far is worse than a percentile of what
// complete trials reported at the same step: with 25 it must be among the best quarter.
//
// The comparison is only with complete trials that reported at exactly the same step. A trial that has reported
// nothing but NaN is pruned. NaN values of other trials are ignored. The percentile is interpolated between the
// two nearest values as in NumPy's nanpercentile; next to an infinite value the result may be NaN, and then
// nothing is pruned.
type Percentile struct {
	Percentile float64 // in (0, 100], counted from the best. Default 50, and Percentile is Median
	Startup    int     // complete trials before the first verdict. Default 5; negative: 1
	Warmup     int     // steps below which no trial is judged. Default 10; negative: none
	Interval   int     // steps from one verdict to the next. Default 1
	MinTrials  int     // complete trials with a report at the step, below which there is no verdict. Default 1
}

// Prune implements [Pruner].
func (m Median) Prune(t trial.Record, h trial.Snapshot) (string, bool) {
	return m.percentile().Prune(t, h)
}

// Validate returns an error that wraps [ErrInvalid] if Interval or MinTrials is
// negative.
func (m Median) Validate() error { return m.percentile().Validate() }

func (m Median) percentile() Percentile {
	return Percentile{50, m.Startup, m.Warmup, m.Interval, m.MinTrials}
}

// Validate returns an error that wraps [ErrInvalid] if Percentile lies outside
// [0, 100], or if Interval or MinTrials is negative.
func (p Percentile) Validate() error {
	switch {
	case !(0 <= p.Percentile && p.Percentile <= 100):
		return invalid("percentile %v: it must lie between 0 and 100", p.Percentile)
	case p.MinTrials < 0:
		return invalid("a minimum of %d trials: give 1 or more, or 0 for 1", p.MinTrials)
	}
	return validInterval(p.Interval)
}

func validInterval(interval int) error {
	if interval < 0 {
		return invalid("interval of %d steps: give 1 or more, or 0 for 1", interval)
	}
	return nil
}

// Prune implements [Pruner].
func (p Percentile) Prune(t trial.Record, h trial.Snapshot) (string, bool) {
	if len(t.Reports) == 0 || p.Validate() != nil || h.Count(trial.Complete) < max(1, or(p.Startup, 5)) ||
		!due(t, or(p.Warmup, 10), or(p.Interval, 1)) {
		return "", false
	}
	step, d := t.LastStep(), h.Direction(0)
	own := best(t.Reports, d)
	if math.IsNaN(own) {
		return fmt.Sprintf("only NaN up to step %d", step), true
	}
	others := h.CompletedAt(step)
	if len(others) < or(p.MinTrials, 1) {
		return "", false
	}
	share := p.Percentile
	if share == 0 {
		share = 50
	}
	q := share
	if d == trial.Maximize {
		q = 100 - share
	}
	limit, n, worse := beyond(own, others, q, d)
	if !worse {
		return "", false
	}
	name := "median"
	if share != 50 {
		name = number(share) + "th percentile"
	}
	return fmt.Sprintf("%s by step %d is worse than the %s %s of %d trials", number(own), step, name, number(limit), n), true
}

// beyond reports whether own is worse than the q-th percentile of the n values
// that are numbers, in ascending order whatever the direction, and returns that
// percentile if it is.
func beyond(own float64, values []float64, q float64, d trial.Direction) (limit float64, n int, worse bool) {
	better := 0
	for _, v := range values {
		n += count(v == v)
	}
	if d == trial.Minimize {
		for _, v := range values {
			better += count(v < own)
		}
	} else {
		for _, v := range values {
			better += count(v > own)
		}
	}
	if n == 0 {
		return 0, 0, false
	}
	position := float64(n-1) * (q / 100)
	low := min(int(position), n-1)
	high := min(low+1, n-1)
	// The percentile lies between the values of these ranks. Most trials are no
	// worse than both, and for them counting was enough.
	if d == trial.Minimize && better <= low || d == trial.Maximize && better <= n-1-high {
		return 0, n, false
	}
	a, b := ranked(values, n, low, high)
	// As NumPy interpolates, to the last bit.
	if t := position - float64(low); t < 0.5 {
		limit = a + float64((b-a)*t)
	} else {
		limit = b - float64((b-a)*(1-t))
	}
	return limit, n, d.Loss(own) > d.Loss(limit)
}

// count is 1 for true. It compiles to no branch, which random values would have
// mispredicted half the time.
func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

var buffers = sync.Pool{New: func() any { return new([]float64) }}

// ranked returns the values of two ranks from 0 among the n values that are
// numbers, where high is low or low+1.
//
// As in Floyd and Rivest's SELECT (CACM 18, 1975), a sample gives two values between which the ranks most likely lie,
// and only the values between them are partitioned.
func ranked(values []float64, n, low, high int) (a, b float64) {
	scratch := buffers.Get().(*[]float64)
	defer buffers.Put(scratch)
	*scratch = slices.Grow((*scratch)[:0], len(values))
	from, to := between(values, float64(low)/float64(n), (*scratch)[:0])
	for {
		xs := (*scratch)[:len(values)]
		below, in := 0, 0
		for _, v := range values {
			xs[in] = v // kept only if the value lies between the two
			in += count(from <= v) & count(v <= to)
			below += count(v < from)
		}
		xs = xs[:in]
		if k := low - below; k >= 0 && high-below < in {
			selection.Partition(xs, k)
			a, b = xs[k], xs[k]
			if high > low {
				b = slices.Min(xs[k+1:])
			}
			return a, b
		}
		from, to = math.Inf(-1), math.Inf(1) // the sample was a rare one
	}
}

// between returns two values that most likely have the given quantile of values
// between them. It uses the free space behind xs.
func between(values []float64, quantile float64, xs []float64) (from, to float64) {
	from, to = math.Inf(-1), math.Inf(1)
	const sample, margin = 1024, 48 // three standard deviations of the rank of a median
	if len(values) <= 4*sample {
		return from, to
	}
	for i := 0; i < len(values); i += len(values) / sample {
		if v := values[i]; v == v {
			xs = append(xs, v)
		}
	}
	slices.Sort(xs)
	middle := int(quantile * float64(len(xs)))
	if i := middle - margin; i >= 0 && i < len(xs) {
		from = xs[i]
	}
	if i := middle + margin; i < len(xs) {
		to = xs[i]
	}
	return from, to
}
