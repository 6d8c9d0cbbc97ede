package forecast

import (
	"slices"
	"time"
)

// A Plan is what a fitted [Tabular] does around its models, for those who write it
// in another language. See [Features] for what the features mean.
type Plan struct {
	Features  Features // with their defaults
	Strategy  Strategy
	Horizon   int // steps it forecasts
	Freq      Frequency
	Past      []string // columns, in order
	Known     []string
	Series    []string     // IDs, in the order of their categories
	Transform [][]PlanStep // of each series, in the order of application
	Names     []string     // of the columns that the models see
}

// A PlanStep is one step of a fitted transform.
type PlanStep struct {
	Kind         StepKind
	Lag          int     // of StepDiff
	Shift, Scale float64 // of StepAffine: (y-Shift)/Scale
}

// A StepKind says what a [PlanStep] does.
type StepKind string

// The kinds of steps. Logarithms are NaN where they are not defined.
const (
	StepLog    StepKind = "log"
	StepLog1p  StepKind = "log1p"
	StepDiff   StepKind = "diff"
	StepAffine StepKind = "affine"
)

// Plan returns what t does around its models. It fails with [ErrNotFitted].
func (t *Tabular) Plan() (Plan, error) {
	p := t.prepared
	if p == nil {
		return Plan{}, pkg.Errorf("plan: %w", ErrNotFitted)
	}
	plan := Plan{Features: p.features, Strategy: p.strategy, Horizon: p.horizon, Freq: p.freq, Past: slices.Clone(p.past),
		Known: slices.Clone(p.known), Series: slices.Clone(p.ids), Names: p.names()}
	for _, f := range p.fitted {
		plan.Transform = append(plan.Transform, f.Steps())
	}
	return plan, nil
}

// At returns the feature of a time, NaN if there is no such feature.
func (c Calendar) At(t time.Time) float64 {
	if f := calendar[c]; f != nil {
		return f(t)
	}
	return at(nil, 0)
}

// Linear is a fitted [Ridge] as numbers: output k of a row x is
//
//	Intercept[k] + Σ Weights[k][j]·(x[j]-Mean[j])/Scale[j]
//
// over the features j that are not NaN.
type Linear struct {
	Mean, Scale []float64   // of features
	Intercept   []float64   // of outputs
	Weights     [][]float64 // by output
}

// Linear returns what m has learnt; it must not be changed. It fails with
// [ErrNotFitted].
func (m *Ridge) Linear() (Linear, error) {
	if m.model.Weights == nil {
		return Linear{}, pkg.Errorf("ridge: %w", ErrNotFitted)
	}
	return Linear(m.model), nil
}
