// Package engine is the seam behind which tree ensembles are trained: by attune's own
// trainer (package native), or by LightGBM, XGBoost and CatBoost where they are
// installed. All of them learn from a [Dataset] as [Params] say, report after each round,
// and return a [tree.Model], so that prediction, saving, export and validation are one
// path.
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
var ErrStop = errors.New("stop here")

// ErrUnavailable reports an engine that this machine lacks: its library is not found, or
// is of a version that is not known to work. The message says where it was looked for.
var ErrUnavailable = errors.New("not available")

// An Iteration is where a training stands.
type Iteration struct {
	Round int // from 0
	// Score is the loss of the model so far; less is better. It is the loss on the
	// validation rows, or on the training rows if there are no validation rows or these
	// have no labels. It is the root of the mean for squared errors, the mean for other
	// losses, and NaN for an isolation forest.
	Score float64
	// Predictions returns the predictions of the model so far for the validation rows,
	// with the link applied, one row after the other. It may only be called before the
	// callback returns. The result is the caller's. It is empty if there are no
	// validation rows.
	Predictions func() []float64
}
