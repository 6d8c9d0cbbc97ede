// Package importance says which parameters of a study mattered, and how reliable that
// answer is.
//
//	r, err := importance.PEDANOVA{}.Evaluate(ctx, h)
//	for _, p := range r.Params {
//		fmt.Printf("%s %.0f %% ± %.0f\n", p.Name, 100*p.Share, 100*p.Deviation)
//	}
//
// There are three methods, which answer different questions.
//
// [PEDANOVA] asks in which parameters the best trials differ from the others. It supports
// conditional parameters, bounds that changed during the study, and several objectives, and
// takes milliseconds. Start with it. Optuna 5 computes the same importances.
//
// [FANOVA] asks how much of the variance of the objective each parameter causes over the
// whole search space, alone and together with another one. It fits a random forest, and
// reports how well the forest predicts. It requires that a parameter is in all trials.
//
// [Permutation] asks how much worse such a forest predicts if it no longer knows a parameter,
// in the region where the trials are. It requires the same.
//
// All use the complete trials with finite values. A trial that misses its constraints counts
// like any other. The results depend on where the trials are: a sampler that converges leaves
// little evidence about most of the search space.
package importance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

const pkg fault.Package = "importance"

var (
	// ErrTrials reports that there are fewer than two complete trials with finite values.
	ErrTrials = errors.New("too few complete trials")
	// ErrFlat reports that all trials have the same value, which leaves nothing to explain.
	ErrFlat = errors.New("all trials have the same value, which leaves nothing to explain")
	// ErrParams reports that no parameter has more than one value.
	ErrParams = errors.New("no parameter that varies")
	// ErrTarget reports an objective that the study lacks, or a target that must be a single
	// objective in a study of several.
	ErrTarget = errors.New("no such objective")
	// ErrConfig reports an invalid setting, such as a share outside (0, 1].
	ErrConfig = errors.New("bad configuration")
)

var chooseTarget = fault.Hint{Field: "importance.FANOVA.Target", Want: "choose one with %s"}

// An Evaluator is a method: [PEDANOVA], [FANOVA] or [Permutation].
//
// Evaluate fails with an error that wraps [ErrTrials], [ErrFlat], [ErrParams], [ErrTarget] or
// [ErrConfig], or with the error of ctx. Its result depends only on the snapshot.
type Evaluator interface {
	Evaluate(ctx context.Context, h trial.Snapshot) (Result, error)
}

// A Result is the result of a method.
type Result struct {
	Method string  // "PED-ANOVA", "fANOVA" or "permutation"
	Of     string  // the target: the name of an objective, "value", "duration" or "Pareto front"
	Params []Param // by decreasing importance, then by name
	Pairs  []Pair  // fANOVA: at most 100 interactions, the strongest first

	Trials int // number of trials used
	Best   int // PED-ANOVA: number of trials that count as the best
	// R2 is the R² of a forest on trials that it was not fitted to: each tree predicts the
	// trials that are not in its bootstrap sample. 1 is perfect. If it is 0 or less, the forest
	// predicts nothing, and the Result means nothing. It is NaN for PED-ANOVA.
	R2 float64
	// Doubts are sentences about what makes the result doubtful.
	Doubts []string
}

// A Param says how much one parameter matters.
type Param struct {
	Name  string
	Share float64 // Value divided by the sum of all Values, or 0 if the sum is 0
	// Value is the importance as defined by the method. For PED-ANOVA it is a divergence,
	// which means little by itself. For fANOVA it is the share of the variance of the
	// objective that the parameter causes alone. For permutation it is the growth of the mean
	// squared error as a share of the variance of the objective.
	Value float64
	// Deviation is a standard deviation. For PED-ANOVA it is that of Share over bootstrap
	// samples of the trials. For the others it is that of Value over the trees.
	Deviation float64
	Trials    int   // number of trials that have the parameter
	Curve     Curve // fANOVA: how the objective depends on the parameter
}

// A Pair says how much two parameters matter together, beyond the effect of each alone.
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

// A Target is the quantity to explain. The zero value is the only objective of a study, or
// the Pareto front of a study with several.
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

// Objective returns the i-th objective as a target, counting from 0.
func Objective(i int) Target { return Target{kind: objective, objective: i} }

// Duration returns the duration of trials as a target; shorter is better. Trials without a
// start or an end are left out.
func Duration() Target { return Target{kind: duration} }

// A sample has the trials to explain, and the quantity to explain.
type sample struct {
	of     string
	trials []*trial.Record // by number
	losses [][]float64     // by trial; one for each objective of the target
	values []float64       // values of a single objective, nil for several
}

// draw returns the trials with which t can be explained.
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
	var last space.Space
	for _, r := range s.trials {
		if p := r.Params.Space; len(p) > 0 && len(p) == len(last) && &p[0] == &last[0] {
			continue // most trials share one
		}
		last = r.Params.Space
		for _, a := range last {
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
