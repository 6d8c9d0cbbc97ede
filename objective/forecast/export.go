package forecast

import (
	"slices"
	"time"
)

// A Plan describes the steps of a fitted [Tabular] before and after its models, for
// programs that implement them in another language. See [Features] for their meaning.
type Plan struct {
	Features  Features // with defaults set
	Strategy  Strategy
	Horizon   int // number of steps that it forecasts
	Freq      Frequency
	Past      []string // columns, in order
	Known     []string
	Series    []string     // IDs, in the order of their categories
	Transform [][]PlanStep // by series, then in the order of application
	// Anchored: what the models see of the target, and what they predict, is relative to the last
	// known value of the transformed target. See [Recipe].
	Anchored bool
	Names    []string // names of the columns that the models see
}

// A PlanStep is one step of a fitted transform.
type PlanStep struct {
	Kind         StepKind
	Lag          int     // for StepDiff
	Shift, Scale float64 // for StepAffine: (y-Shift)/Scale
}

// A StepKind says what a [PlanStep] does.
type StepKind string

// The kinds of steps. Logarithms are NaN where they are undefined.
const (
	StepLog    StepKind = "log"
	StepLog1p  StepKind = "log1p"
	StepDiff   StepKind = "diff"
	StepAffine StepKind = "affine"
)

// Plan returns the steps of t before and after its models. It fails with [ErrNotFitted].
func (t *Tabular) Plan() (Plan, error) {
	p := t.prepared
	if p == nil {
		return Plan{}, pkg.Errorf("plan: %w", ErrNotFitted)
	}
	plan := Plan{Features: p.features, Strategy: p.strategy, Anchored: p.anchored, Horizon: p.horizon, Freq: p.freq, Past: slices.Clone(p.past),
		Known: slices.Clone(p.known), Series: slices.Clone(p.ids), Names: p.names()}
	for _, f := range p.fitted {
		plan.Transform = append(plan.Transform, f.Steps())
	}
	return plan, nil
}

// At returns the feature of a time, or NaN if there is no such feature.
func (c Calendar) At(t time.Time) float64 {
	if f := calendar[c]; f != nil {
		return f(t)
	}
	return at(nil, 0)
}

// Linear is a fitted [Ridge] as data: output k for a row x is
//
//	Intercept[k] + Σ Weights[k][j]·(x[j]-Mean[j])/Scale[j]
//
// over the features j that are not NaN.
type Linear struct {
	Mean, Scale []float64   // by feature
	Intercept   []float64   // by output
	Weights     [][]float64 // by output, then feature
}

// Linear returns the coefficients of m. Do not change them. It fails with [ErrNotFitted].
func (m *Ridge) Linear() (Linear, error) {
	if m.model.Weights == nil {
		return Linear{}, pkg.Errorf("ridge: %w", ErrNotFitted)
	}
	return Linear(m.model), nil
}
