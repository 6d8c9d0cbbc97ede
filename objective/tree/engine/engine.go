// Package engine defines the interface of engines that train tree ensembles: attune's
// own trainer (package native), and LightGBM, XGBoost and CatBoost if they are installed.
// Every [Engine] learns from a [Dataset] with [Params], reports after each round, and
// returns a [tree.Model]. So all models share one path for prediction, saving, export and
// validation.
package engine

import (
	"context"
	"errors"

	"github.com/attune-hpo/attune/objective/tree"
)

// An Engine trains tree ensembles. It is safe for concurrent use.
type Engine interface {
	// Fit trains a model on train. It uses valid only for the scores; valid may be the
	// zero Dataset. onIteration, if not nil, is called after each round, never
	// concurrently. An error from it ends the training: on [ErrStop], Fit returns the
	// model so far; on any other error, Fit returns no model, and an error that is or
	// wraps it.
	//
	// Other errors wrap [ErrParams], [ErrData] or [ErrUnavailable], or come from ctx,
	// which Fit checks at least before each round. Fit begins with [Check].
	Fit(ctx context.Context, train, valid Dataset, p Params, onIteration func(Iteration) error) (*tree.Model, error)
}

// ErrStop ends a training early. The model so far is its result.
var ErrStop = errors.New("stop here")

// ErrUnavailable reports an engine that this machine lacks: its library is missing or
// has an unsupported version. The message says where the engine looked.
var ErrUnavailable = errors.New("not available")

// An Iteration describes the state of a training after a round.
type Iteration struct {
	Round int // from 0
	// Score is the loss of the model so far; less is better. It is computed on the
	// validation rows, or on the training rows if no validation rows or labels exist. It
	// is the root mean square for squared errors, 1 - [NDCG] for LambdaRank, the mean for other
	// losses, and NaN for an isolation forest.
	Score float64
	// Predictions returns the predictions of the model so far for the validation rows,
	// row by row, with the link applied. Call it only before the callback returns. The
	// caller owns the result. It is empty if there are no validation rows.
	Predictions func() []float64
}
