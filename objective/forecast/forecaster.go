package forecast

import (
	"context"
	"fmt"
	"io"
	"math"
)

// A Forecaster learns from series and continues them. It is independent of tuning.
//
// All methods except Fit and Load must be safe for concurrent use.
type Forecaster interface {
	// Fit learns from all of train and forgets earlier training. When ctx is done it
	// returns soon, with ctx's cause. If OnIteration returns an error, Fit returns it.
	// After an error the forecaster must not be used.
	Fit(ctx context.Context, train Frame, opts FitOptions) error
	// Predict returns the next horizon values of each series in past. The results are in the
	// order of past, and start one step after the last value of each series. A series need
	// not end where the training data did. Predict returns an error rather than NaN if it
	// cannot forecast a value.
	Predict(ctx context.Context, past Frame, horizon int) (Frame, error)
	// Save writes the forecaster for Load. It fails with ErrNotFitted before Fit.
	Save(w io.Writer) error
	// Load reads the output of Save. On an error the forecaster is unchanged.
	Load(r io.Reader) error
}

// FitOptions are the arguments of [Forecaster.Fit] other than the data.
type FitOptions struct {
	// Horizon is the longest horizon of later predictions. Default 1.
	Horizon int
	// Holdout is the number of steps at the end of the training data that are used for
	// validation, for early stopping, instead of training. Default 0.
	Holdout int
	// Seed determines all randomness: the same seed makes the same model.
	Seed uint64
	// Threads is the maximum number of goroutines. Default 1.
	Threads int
	// OnIteration, if not nil, is called after each round of training (a tree, an
	// epoch), never concurrently. If it returns an error, the training ends and Fit returns
	// the error wrapped. That is how a trial is pruned within a fit.
	OnIteration func(Iteration) error
}

// An Iteration is the state of the training of a [Forecaster] after a round.
type Iteration struct {
	// Models is the number of models that make up the forecaster, which are trained one
	// after another, and Model is the current one, counted from 0. Most forecasters have one.
	Model, Models int
	// Round counts the rounds of each model's training from 0.
	Round int
	// Train and Valid are losses in the model's own terms, on the transformed target.
	// They are comparable between forecasters with the same transform and loss. An unknown
	// loss is NaN, as Valid is without Holdout.
	Train, Valid float64
	// Forecast returns the current forecast for the FitOptions.Horizon steps right after the
	// training data. A backtest uses it to score each round without showing the forecaster
	// the truth. It may only be called before OnIteration returns. It is nil if a round has
	// no forecast of its own, as with several models or a recursive one.
	Forecast func() (Frame, error)
}

// Iterate calls OnIteration, if it is set, after replacing a Models of 0 by 1.
func (o FitOptions) Iterate(it Iteration) error {
	if o.OnIteration == nil {
		return nil
	}
	it.Models = max(1, it.Models)
	return o.OnIteration(it)
}

func (o FitOptions) normalize() (FitOptions, error) {
	if o.Horizon < 0 || o.Holdout < 0 || o.Threads < 0 {
		return o, fmt.Errorf("%w: horizon %d, holdout %d, threads %d: none may be negative", ErrConfig, o.Horizon, o.Holdout, o.Threads)
	}
	o.Horizon, o.Threads = max(1, o.Horizon), max(1, o.Threads)
	return o, nil
}

// continuation returns the forecast of values right after s. For infinite values it returns
// an error that ends with advice.
func continuation(s Series, values []float64, advice string) (Series, error) {
	out := Series{ID: s.ID, Start: s.Time(s.Len()), Freq: s.Freq, Y: values}
	for i, v := range values {
		if math.IsInf(v, 0) {
			return out, fmt.Errorf("%sthe forecast for %s is %v: %s", of(s.ID), stamp(out.Time(i)), v, advice)
		}
		if math.IsNaN(v) {
			return out, fmt.Errorf("%sthe forecast for %s is %v: %w: values before it are missing, or too few for the transform: %w, or take a shorter difference", of(s.ID), stamp(out.Time(i)), v, ErrMissing, setFill)
		}
	}
	return out, nil
}

func checkHorizon(horizon, most int) error {
	if horizon < 1 {
		return fmt.Errorf("%w must be at least 1, not %d", ErrHorizon, horizon)
	}
	if horizon > most {
		return fmt.Errorf("%w of %d is more than the %d it was trained for: train with a longer one, or use the recursive strategy", ErrHorizon, horizon, most)
	}
	return nil
}
