// Package pruner stops hopeless trials early: the [Pruner] interface, and the
// pruners themselves. The verdicts of those that Optuna 5 has are Optuna's for the same
// settings and reports; where one differs, its comment says so.
//
// # How much to prune
//
// A rule that judges from the first step discards trials that start slowly. These figures
// are for random search of 100 trials with 52 epochs each, on a surrogate of learning
// curves for eight data sets. Epochs is the share of the full training that was spent, loss
// is the loss of accuracy in points compared with the same trials run to their end, and
// lost is the share of studies whose best configuration was pruned:
//
//	rule                                          epochs   loss   lost
//	None                                            1.00      0    0 %
//	Median, no warm-up                              0.15   3.17   60 %
//	Median, warm-up 5 steps                         0.31   0.16   6-10 %
//	Median, warm-up 10 steps                        0.40   0.12    4 %
//	SuccessiveHalving, factor 4, from 1 step        0.08   4.10   69 %
//	SuccessiveHalving, factor 3, from 3 steps       0.17   0.50   20 %
//	SuccessiveHalving, factor 2, from 5 steps       0.28   0.09    4 %
//	Hyperband, factor 3, from 3 steps               0.32   0.17    9 %
//
// These are for real curves of 50 epochs: of boosted trees, linear models and networks
// trained by scikit-learn on its bundled data (testdata/curves), five sets of 60 to 100
// configurations, 40 random searches each. Loss is how much worse the best value is than
// without pruning, in units of the distance from the best to the median of all
// configurations. In one set the best configurations learn so slowly that the median and
// halving stop the best in nearly every study; this accounts for 19 % in the last column.
//
//	rule                                          epochs   loss   lost
//	Median, no warm-up                              0.25   0.06   49 %
//	Median, warm-up 5 steps                         0.38   0.05   26 %
//	Median{}: warm-up 10 steps                      0.47   0.04   18 %
//	SuccessiveHalving, factor 4, from 1 step        0.12   0.15   50 %
//	SuccessiveHalving, factor 3, from 3 steps       0.21   0.09   24 %
//	SuccessiveHalving{}: factor 2, from 5 steps     0.32   0.05   20 %
//	SuccessiveHalving, factor 2, from 10 steps      0.46   0.03   19 %
//	Hyperband, factor 3, from 1 step                0.27   0.06   33 %
//	Hyperband{}: factor 2, from 5 steps             0.55   0.02   12 %
//	Patient, no patience                            0.63   0.21   60 %
//	Patient{}: patience 10                          0.80   0.02   20 %
//	Extrapolation{}                                 0.31   0.04   19 %
//
// On twelve other sets of real curves, on which the settings of Extrapolation were chosen
// (testdata/curves/other.py):
//
//	rule                                          epochs   loss   lost
//	Median{}: warm-up 10 steps                      0.42   0.01   11 %
//	SuccessiveHalving{}: factor 2, from 5 steps     0.32   0.01    6 %
//	Hyperband{}: factor 2, from 5 steps             0.55   0.00    5 %
//	Patient{}: patience 10                          0.87   0.07   33 %
//	Extrapolation{}                                 0.28   0.00    2 %
//
// Extrapolation{} is the recommended pruner: it spends less than the median and halving, and loses no more. It
// needs reports on the scale of the result, such as a loss by epoch. Use the median if reports and results are
// different things, or if the order of steps means little.
//
// Whatever the rule, let a trial run for a while before it is judged: for a fifth of its steps if it is compared with
// the median, for a tenth if half of the trials continue. The zero values do so. The zero Median does not know the
// number of steps and waits for 10 steps; if you know it, use Median{Warmup: WarmupFor(steps)}.
//
// The rows of zero values come from this command, with -curves FOLDER for other curves:
//
//	go test ./pruner -run TestZeroValuesAreSafe -v -searches 40
package pruner

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/trial"
)

const pkg fault.Package = "pruner"

// ErrInvalid reports an invalid setting of a pruner. The Validate methods of pruners return it, wrapped, and a study
// calls them when it is opened. A pruner with an invalid setting never prunes.
var ErrInvalid = errors.New("invalid setting")

func invalid(format string, args ...any) error {
	return pkg.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// A Pruner judges a running trial by what it has reported. It is a pure function of its arguments and safe for
// concurrent use. Settings are fields, and the zero value has the documented defaults.
type Pruner interface {
	// Prune reports whether t should stop now, with the reason in words. It is called after each report of t. With
	// several objectives, the reports are in t.Vectors, and t.Reports is empty: a pruner that only knows the latter
	// never prunes. h is everything known so far; t may be among its running trials, in an older state.
	Prune(t trial.Record, h trial.Snapshot) (reason string, prune bool)
}

// A Scoper is a pruner that divides the trials of a study into parts that do not see one another. The study passes
// the scoped view to the pruner and to the sampler, unless the sampler is a sampler.Finite, which must see all points
// to avoid repetitions. Scoping a scoped view changes nothing.
type Scoper interface {
	Pruner
	// Scope returns the part of h that the trial of the given number belongs to.
	Scope(number int, h trial.Snapshot) trial.Snapshot
}

// None never prunes.
type None struct{}

// Prune implements [Pruner].
func (None) Prune(trial.Record, trial.Snapshot) (string, bool) { return "", false }

// WarmupFor returns the warm-up for trials of the given number of steps: a fifth of
// them, at least 1. The package comment says why.
func WarmupFor(steps int) int { return max(1, steps/5) }

// due reports whether t, which has reports, must be judged at its last step:
// warmup is over, and it is the first report since the last multiple of interval
// steps after warmup. A check that finds no report is made up for by the next.
func due(t trial.Record, warmup, interval int) bool {
	step := t.LastStep()
	if step < warmup {
		return false
	}
	previous := -1
	if n := len(t.Reports); n > 1 {
		previous = t.Reports[n-2].Step
	}
	return previous < step-(step-warmup)%interval
}

// best returns the best value among reports, or NaN if none is a number.
func best(reports []trial.Report, d trial.Direction) float64 {
	b := math.NaN()
	for _, r := range reports {
		if math.IsNaN(b) || d.Loss(r.Value) < d.Loss(b) {
			b = r.Value
		}
	}
	return b
}

// or returns the value that a setting v means: byDefault for 0, 0 for a negative v, and otherwise v.
func or(v, byDefault int) int {
	if v == 0 {
		return byDefault
	}
	return max(0, v)
}

// number formats v briefly, but with enough digits to distinguish it from similar values.
func number(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
