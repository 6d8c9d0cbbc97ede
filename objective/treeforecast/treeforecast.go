// Package treeforecast forecasts series with tree ensembles. It adapts the engines that
// train them to the interfaces of package forecast, and makes their hyperparameters
// searchable.
package treeforecast

import (
	"context"
	"fmt"
	"io"
	"math"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
)

const pkg fault.Package = "treeforecast"

// A Regressor is a tree ensemble as a [forecast.Regressor].
type Regressor struct {
	Engine engine.Engine
	// Params are the parameters of training. The seed and the threads come from
	// [forecast.RegressorOptions].
	Params engine.Params

	predictor *tree.Predictor
}

// Fit implements [forecast.Regressor]. It returns the engine's errors, and
// [forecast.ErrConfig] for the strategy Joint, because a tree has one output.
func (r *Regressor) Fit(ctx context.Context, train, valid forecast.Table, opts forecast.RegressorOptions) error {
	if train.Y.Cols != 1 {
		return pkg.Errorf("fit: %w: trees forecast one step at a time, and the strategy joint needs all at once: use pooled or direct", forecast.ErrConfig)
	}
	if r.Engine == nil {
		return pkg.Errorf("fit: %w: no engine", forecast.ErrConfig)
	}
	p := r.Params
	p.Seed, p.Threads = opts.Seed, opts.Threads
	learn, watch := dataset(train), engine.Dataset{}
	if valid.X.Rows > 0 {
		watch = dataset(valid)
	}
	labelled := valid.Y.Rows > 0
	m, err := r.Engine.Fit(ctx, learn, watch, p, func(it engine.Iteration) error {
		step := forecast.RegressorIteration{Round: it.Round, Train: math.NaN(), Valid: math.NaN()}
		if labelled {
			step.Valid = it.Score
		} else {
			step.Train = it.Score
		}
		if it.Predictions != nil && valid.X.Rows > 0 {
			step.Predictions = func() (forecast.Matrix, error) {
				y := it.Predictions()
				return forecast.Matrix{Rows: len(y), Cols: 1, Data: y}, nil
			}
		}
		return opts.Iterate(step)
	})
	if err != nil {
		return err
	}
	return r.use(m)
}

func dataset(t forecast.Table) engine.Dataset {
	d := engine.Dataset{Columns: engine.Columns(t.X.Data, t.X.Cols), Names: t.Names, Categorical: t.Categories}
	if t.Y.Rows > 0 {
		d.Label = t.Y.Data
	}
	return d
}

// use makes m the model that predicts.
func (r *Regressor) use(m *tree.Model) error {
	p, err := tree.NewPredictor(m)
	if err != nil {
		return err
	}
	r.predictor = p
	return nil
}

// Model returns the fitted model, or nil.
func (r *Regressor) Model() *tree.Model {
	if r.predictor == nil {
		return nil
	}
	return r.predictor.Model()
}

// Predict implements [forecast.Regressor]. It fails with [forecast.ErrNotFitted].
func (r *Regressor) Predict(x forecast.Matrix) (forecast.Matrix, error) {
	if r.predictor == nil {
		return forecast.Matrix{}, pkg.Errorf("predict: %w", forecast.ErrNotFitted)
	}
	y := forecast.Matrix{Rows: x.Rows, Cols: 1, Data: make([]float64, x.Rows)}
	return y, r.predictor.Predict(x.Data, y.Data)
}

// Save implements [forecast.Regressor] with [tree.Write].
func (r *Regressor) Save(w io.Writer) error {
	if r.predictor == nil {
		return pkg.Errorf("save: %w", forecast.ErrNotFitted)
	}
	return tree.Write(w, r.predictor.Model())
}

// Load implements [forecast.Regressor]. It reads any model with one output that [tree.Read] reads.
func (r *Regressor) Load(from io.Reader) error {
	m, err := tree.Read(from)
	if err == nil && m.Outputs != 1 {
		err = fmt.Errorf("%d outputs, want 1", m.Outputs)
	}
	if err == nil {
		err = r.use(m)
	}
	if err != nil {
		return pkg.Errorf("load: %w: %w", forecast.ErrFormat, err)
	}
	return nil
}
