// Package importance says which parameters of a study mattered, and how far that
// can be trusted.
//
//	r, err := importance.PEDANOVA{}.Evaluate(ctx, h)
//	for _, p := range r.Params {
//		fmt.Printf("%s %.0f %% ± %.0f\n", p.Name, 100*p.Share, 100*p.Deviation)
//	}
//
// There are two methods, which answer two questions.
//
// [PEDANOVA] asks in which parameters the best trials differ from the others. It
// takes conditional parameters, bounds that changed during the study and several
// objectives, and costs milliseconds. It is the one to begin with, and Optuna 5
// computes the same.
//
// [FANOVA] asks how much of the variation of the objective a parameter causes
// over the whole search space, alone and together with another one. It fits a
// forest of regression trees, and says how well that forest predicts. It needs a
// parameter to be in all trials.
//
// Both look at complete trials whose values are finite. A trial that misses its
// constraints counts like any other. Importance is about the trials that were
// made: a sampler that converges leaves little of the search space to judge by.
package importance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/trial"
)

const pkg fault.Package = "importance"

var (
	// ErrTrials reports that there are fewer than two complete trials with finite
	// values.
	ErrTrials = errors.New("too few complete trials")
	// ErrFlat reports that what is to be explained is the same in all trials.
	ErrFlat = errors.New("all trials have the same value, which leaves nothing to explain")
	// ErrParams reports that no parameter had more than one value to choose from.
	ErrParams = errors.New("no parameter that varies")
	// ErrTarget reports an objective that the study lacks, or that one of several
	// has to be chosen.
	ErrTarget = errors.New("no such objective")
	// ErrConfig reports a quantile outside (0, 1], or the like.
	ErrConfig = errors.New("bad configuration")
)

var chooseTarget = fault.Hint{Field: "importance.FANOVA.Target", Want: "choose one with %s"}

// An Evaluator is a method: [PEDANOVA] or [FANOVA].
//
// Evaluate fails with an error that wraps [ErrTrials], [ErrFlat], [ErrParams],
// [ErrTarget] or [ErrConfig], or with the error of ctx. Its answer depends on
// nothing but the snapshot.
type Evaluator interface {
	Evaluate(ctx context.Context, h trial.Snapshot) (Result, error)
}

// A Result is what one method found.
type Result struct {
	Method string  // "PED-ANOVA" or "fANOVA"
	Of     string  // what is explained: the name of an objective, "value", "duration" or "Pareto front"
	Params []Param // the most important first, of equal ones by name
	Pairs  []Pair  // fANOVA: the strongest interactions, at most 100, strongest first

	Trials int // that were looked at
	Best   int // PED-ANOVA: how many of them count as the best
	// R2 is, for fANOVA, the share of the variance that the forest predicts in
	// trials that it was not fitted to: each tree predicts those that its bootstrap
	// left out. 1 is perfect; at 0 or below, the forest knows nothing, nor does the
	// Result. It is NaN for PED-ANOVA.
	R2 float64
	// Doubts are sentences about what to keep in mind, none if all is well.
	Doubts []string
}

// A Param is how much one parameter matters.
type Param struct {
	Name  string
	Share float64 // of the sum over all parameters; they add up to 1, or are all 0
	// Value is the importance as the method defines it. For PED-ANOVA it is a
	// divergence, which means little by itself. For fANOVA it is the share of the
	// variance of the objective that the parameter causes alone.
	Value float64
	// Deviation is the standard deviation of Share for PED-ANOVA, over studies of
	// the same size drawn from the trials (bootstrap), and of Value for fANOVA, over
	// the trees.
	Deviation float64
	Trials    int   // that have the parameter
	Curve     Curve // fANOVA: how the objective depends on the parameter
}

// A Pair is how much two parameters matter together, beyond what each does alone.
type Pair struct {
	A, B      string  // in the order of [Result.Params]
	Value     float64 // share of the variance of the objective
	Deviation float64 // standard deviation over the trees
}

// sorted puts the parameters in order and fills in their shares.
func sorted(params []Param) []Param {
	sum := 0.0
	for _, p := range params {
		sum += p.Value
	}
	for i := range params {
		if sum > 0 {
			params[i].Share = params[i].Value / sum
		}
	}
	slices.SortFunc(params, func(a, b Param) int {
		return cmp.Or(-cmp.Compare(a.Value, b.Value), cmp.Compare(a.Name, b.Name))
	})
	return params
}

// A Target is what is explained. The zero value is the objective of a study that
// has one, and the Pareto front of a study that has several.
type Target struct {
	kind      targetKind
	objective int
}

type targetKind int8

const (
	whole targetKind = iota
	objective
	duration
)

// Objective returns the target that is the i-th objective, from 0.
func Objective(i int) Target { return Target{kind: objective, objective: i} }

// Duration returns the target that is how long a trial took, of which less is
// better. Trials without a start or an end are left out.
func Duration() Target { return Target{kind: duration} }

// A sample is the trials to be explained, and what is to be explained of them.
type sample struct {
	of     string
	trials []*trial.Record // by number
	losses [][]float64     // of each trial, one for each objective that counts
	values []float64       // what a single objective measured, nil for several
}

// draw returns the trials that t can be explained by.
func (t Target) draw(h trial.Snapshot) (sample, error) {
	header := h.Header()
	s := sample{of: "value"}
	names := header.Metrics()
	switch {
	case t.kind == duration:
		s.of = "duration"
	case t.kind == objective && (t.objective < 0 || t.objective >= h.Objectives()):
		return s, fmt.Errorf("%w: objective %d of %d", ErrTarget, t.objective, h.Objectives())
	case t.kind == whole && h.Objectives() > 1:
		s.of = "Pareto front"
	case t.objective < len(names):
		s.of = names[t.objective]
	case h.Objectives() > 1:
		s.of = fmt.Sprintf("objective %d", t.objective)
	}
	for i := range h.Len() {
		if r := h.At(i); r.State == trial.Complete && finite(r.Values) && (t.kind != duration || r.Duration() > 0) {
			s.trials = append(s.trials, r)
		}
	}
	slices.SortFunc(s.trials, func(a, b *trial.Record) int { return cmp.Compare(a.Number, b.Number) })
	for _, r := range s.trials {
		losses := header.Losses(r.Values)
		var value float64
		switch {
		case t.kind == duration:
			value = r.Duration().Seconds()
			losses = []float64{value}
		case t.kind == objective || len(losses) == 1:
			value = r.Values[t.objective]
			losses = losses[t.objective : t.objective+1]
		}
		s.losses = append(s.losses, losses)
		s.values = append(s.values, value)
	}
	switch n := len(s.trials); {
	case n < 2:
		return s, fmt.Errorf("%w: %d with finite values, and 2 are needed to compare", ErrTrials, n)
	case !slices.ContainsFunc(s.losses, func(l []float64) bool { return !slices.Equal(l, s.losses[0]) }):
		return s, fmt.Errorf("%w: %d trials", ErrFlat, n)
	}
	return s, nil
}

// several reports whether the target is a Pareto front.
func (s sample) several() bool { return len(s.losses) > 0 && len(s.losses[0]) > 1 }

// names returns the parameters of the trials, in order.
func (s sample) names() []string {
	seen := map[string]bool{}
	var all []string
	for _, r := range s.trials {
		for _, a := range r.Params.Space {
			if !seen[a.Name] {
				seen[a.Name] = true
				all = append(all, a.Name)
			}
		}
	}
	slices.Sort(all)
	return all
}

func finite(values []float64) bool {
	return !slices.ContainsFunc(values, func(v float64) bool { return math.IsInf(v, 0) || math.IsNaN(v) })
}
