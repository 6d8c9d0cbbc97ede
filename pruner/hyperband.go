package pruner

import (
	"fmt"
	"hash/crc32"
	"math"
	"strconv"

	"github.com/attune-hpo/attune/trial"
)

// Hyperband divides the trials of a study into brackets that run [SuccessiveHalving] with the first rung at different
// steps and do not see one another. So it hedges against judging too early (Li and others, JMLR 18, 2018, algorithm
// 1). A sampler sees only the bracket of its trial, too, so it needs several times as many trials.
//
// There are ⌊log_η(MaxResource/MinResource)⌋ + 1 brackets. Bracket b leaves out the first b rungs and gets
// trials in proportion to ⌈n·η^s/(s+1)⌉, where n is the number of brackets and s = n-1-b. The bracket of a
// trial follows from the CRC-32 of the study's name and the trial's number.
//
// The number of brackets is computed in integers; Optuna's logarithm rounds down at some powers of η, for example 3⁵
// and 10³, and gives one bracket fewer there. The defaults differ from Optuna's, too: Optuna starts at step 1 with a
// factor of 3 and, separately in each process, takes the longest complete trial at the first verdict as MaxResource.
// Within a bracket, the differences described at SuccessiveHalving apply.
type Hyperband struct {
	// MinResource is the step of the first rung of the first bracket. Default a tenth
	// of the steps of a full evaluation, and at least 1.
	MinResource int
	// MaxResource is the number of steps of a full evaluation. Default that of the complete
	// trial that finished first, from step 0 on (see [trial.Snapshot.Horizon]); until there
	// is one, nothing is pruned and there is one bracket. This stays so if that number is
	// less than MinResource.
	MaxResource int
	// ReductionFactor, η, is how many trials compete for one place, at least 2.
	// Default 2.
	ReductionFactor int
	// Bootstrap is the number of values that a rung must have, besides that of the
	// trial, before it lets one through. It needs a MaxResource. Default 0.
	Bootstrap int
}

// Validate returns an error that wraps [ErrInvalid] if ReductionFactor is less than 2,
// another setting is negative, MaxResource is less than MinResource, or Bootstrap is set
// without MaxResource.
func (p Hyperband) Validate() error {
	switch {
	case p.MaxResource != 0 && p.MaxResource < p.MinResource:
		return invalid("max resource %d: it must be at least the min resource %d", p.MaxResource, p.MinResource)
	case p.MaxResource < 0:
		return invalid("max resource %d: it must be at least 1, or 0 for the default", p.MaxResource)
	case p.Bootstrap > 0 && p.MaxResource == 0:
		return invalid("bootstrap of %d trials without a max resource: set both or neither", p.Bootstrap)
	}
	return validRungs(p.MinResource, p.ReductionFactor, p.Bootstrap)
}

// Prune implements [Pruner]. h may be the whole history or the part of it that
// Scope returns for t.
func (p Hyperband) Prune(t trial.Record, h trial.Snapshot) (string, bool) {
	budgets := p.budgets(h)
	if len(budgets) == 0 {
		return "", false
	}
	b := bracket(h.Header().Name, t.Number, budgets)
	first, _ := p.resources(h)
	halving := SuccessiveHalving{first, or(p.ReductionFactor, 2), b, p.Bootstrap}
	reason, prune := halving.Prune(t, p.Scope(t.Number, h))
	if prune {
		reason = fmt.Sprintf("%s of bracket %d", reason, b)
	}
	return reason, prune
}

// Scope implements [Scoper].
func (p Hyperband) Scope(number int, h trial.Snapshot) trial.Snapshot {
	budgets := p.budgets(h)
	if len(budgets) == 0 {
		return h
	}
	name := h.Header().Name
	mine := bracket(name, number, budgets)
	return h.Scope(fmt.Sprintf("hyperband %d of %d", mine, budgets), func(n int) bool { return bracket(name, n, budgets) == mine })
}

// resources returns the first rung of the first bracket and the steps of a full
// evaluation, both 0 if the latter is not known yet.
func (p Hyperband) resources(h trial.Snapshot) (first, longest int) {
	longest = or(p.MaxResource, h.Horizon()+1)
	if longest == 0 {
		return 0, 0
	}
	return or(p.MinResource, firstRung(longest)), longest
}

// budgets returns the share of trials that each bracket is given; none if the
// length of an evaluation is not known yet.
func (p Hyperband) budgets(h trial.Snapshot) []uint64 {
	first, longest := p.resources(h)
	if p.Validate() != nil || longest == 0 {
		return nil
	}
	n, factor := 0, or(p.ReductionFactor, 2)
	for step := first; step <= longest && step < math.MaxInt; step = times(step, factor) {
		n++
	}
	budgets := make([]uint64, n)
	for b := range budgets {
		s := float64(n - 1 - b)
		budgets[b] = uint64(math.Ceil(float64(n) * math.Pow(float64(factor), s) / (s + 1)))
	}
	return budgets
}

// bracket returns the bracket of a trial.
func bracket(study string, number int, budgets []uint64) int {
	var total uint64
	for _, b := range budgets {
		total += b
	}
	n := uint64(crc32.ChecksumIEEE([]byte(study+"_"+strconv.Itoa(number)))) % total
	b := 0
	for ; n >= budgets[b]; b++ {
		n -= budgets[b]
	}
	return b
}
