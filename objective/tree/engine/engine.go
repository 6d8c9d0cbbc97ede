// Package engine is the seam behind which tree ensembles are trained: by attune's own
// trainer (package native), or by LightGBM, XGBoost and CatBoost where they are
// installed. All of them learn from a [Dataset] as [Params] say, tell after each round
// how they stand, and return the one [tree.Model], so that prediction, saving, export
// and validation are one path.
package engine

import (
	"context"
	"errors"

	"github.com/attune-hpo/attune/objective/tree"
)

// An Engine trains tree ensembles. It is safe for concurrent use.
type Engine interface {
	// Fit trains a model on train, and looks at valid, which may be the zero Dataset,
	// for the scores only. onIteration, if not nil, is called after each round, one call
	// at a time. It ends the training by an error: [ErrStop] to have the model so far,
	// any other to have that error back, wrapped or not, and no model.
	//
	// Errors wrap [ErrParams], [ErrData], [ErrUnavailable], or are those of ctx, which
	// is looked at before each round at least. Fit begins with [Check].
	Fit(ctx context.Context, train, valid Dataset, p Params, onIteration func(Iteration) error) (*tree.Model, error)
}

// ErrStop ends a training early: the model so far is its result.
var ErrStop = errors.New("engine: stop here")

// ErrUnavailable reports an engine that this machine has not: a library that is not
// found, or of a version that is not known to work. The message says where it was
// looked for.
var ErrUnavailable = errors.New("engine: not available")

// An Iteration is where a training stands.
type Iteration struct {
	Round int // from 0
	// Score is the loss of the model so far on the validation rows, or on the training
	// rows where those are none or have no labels; less is better. Squared errors are
	// given as their root, other losses as their mean. NaN for an isolation forest.
	Score float64
	// Predictions returns what the model so far predicts for the validation rows, its
	// link applied: one row after the other, an output each. It is called before the
	// callback returns, or not at all; the result is the caller's. It is empty where
	// there are no validation rows.
	Predictions func() []float64
}
