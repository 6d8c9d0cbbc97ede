package forecast

import (
	"context"
	"fmt"
	"io"
	"math"
)

// A Forecaster learns from series and continues them. It knows nothing of tuning.
//
// All methods but Fit and Load may be called from several goroutines at once.
type Forecaster interface {
	// Fit learns from all of train and forgets what it learnt before. When ctx is done it
	// returns soon, with ctx's cause. It returns the error of OnIteration if there is one.
	// After an error the forecaster must not be used.
	Fit(ctx context.Context, train Frame, opts FitOptions) error
	// Predict returns the next horizon values of each series in past, in the order of
	// past: series that start one step after its last value. The series need not end where
	// the training data did. It fails if it cannot forecast a value; it returns no NaN.
	Predict(ctx context.Context, past Frame, horizon int) (Frame, error)
	// Save writes what Load reads. It fails with ErrNotFitted before Fit.
	Save(w io.Writer) error
	// Load reads what Save wrote. On an error the forecaster is as before.
	Load(r io.Reader) error
}

// FitOptions are the arguments of [Forecaster.Fit] besides the data.
type FitOptions struct {
	// Horizon is how far predictions will be asked for. Default 1.
	Horizon int
	// Holdout is how many steps at the end of the training data are not learnt from but
	// validated on, for early stopping. Default 0.
	Holdout int
	// Seed is that of all randomness: the same seed makes the same model.
	Seed uint64
	// Threads is how many goroutines may work at once. Default 1.
	Threads int
	// OnIteration, if not nil, is called after each round of training (a tree, an
	// epoch), one call at a time. An error it returns ends the training, and Fit
	// returns it wrapped: that is how a trial is pruned within a fit.
	OnIteration func(Iteration) error
}

// An Iteration is the state of the training of a [Forecaster] after a round.
type Iteration struct {
	// Model counts from 0 the models that make up the forecaster, of which there are
	// Models. They are trained one after the other. Most forecasters have one.
	Model, Models int
	// Round counts the rounds of training from 0 for each model.
	Round int
	// Train and Valid are losses in the model's own terms: of the transformed target.
	// They may be compared between forecasters of the same transform and loss. A loss
	// that is not known is NaN, as Valid is without Holdout.
	Train, Valid float64
	// Forecast returns what the forecaster would predict now for the steps right after
	// its training data, as many as FitOptions.Horizon: so a backtest scores each round,
	// and the truth stays out of the forecaster's sight. It may only be called before
	// OnIteration returns. It is nil where a round has no forecast of its own, as with
	// several models or a recursive one.
	Forecast func() (Frame, error)
}

// Iterate calls OnIteration, if it is set. Models of 0 becomes 1.
func (o FitOptions) Iterate(it Iteration) error {
	if o.OnIteration == nil {
		return nil
	}
	it.Models = max(1, it.Models)
	return o.OnIteration(it)
}

func (o FitOptions) normalize() (FitOptions, error) {
	if o.Horizon < 0 || o.Holdout < 0 || o.Threads < 0 {
		return o, fmt.Errorf("%w: Horizon %d, Holdout %d, Threads %d: none may be negative", ErrConfig, o.Horizon, o.Holdout, o.Threads)
	}
	o.Horizon, o.Threads = max(1, o.Horizon), max(1, o.Threads)
	return o, nil
}

// continuation returns the series of a forecast: values right after s. Infinite ones are
// an error that ends in advice.
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
