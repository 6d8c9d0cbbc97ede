package forecast

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// Ridge is linear regression with a penalty on the squared coefficients of the
// standardized features (Hoerl and Kennard, Technometrics 12, 1970), in closed form. It is
// a baseline for tables. Missing features count as their mean. It supports any number of
// outputs, ignores validation data and makes one iteration.
type Ridge struct {
	Lambda float64 // penalty, in units of rows; at least 0. Default 0, raised slightly if features depend on one another.

	model ridgeModel
}

type ridgeModel struct {
	Mean      []float64   `json:"mean"`      // by feature
	Scale     []float64   `json:"scale"`     // by feature
	Intercept []float64   `json:"intercept"` // by output
	Weights   [][]float64 `json:"weights"`   // by output, then standardized feature
}

// Fit implements [Regressor].
func (m *Ridge) Fit(ctx context.Context, train, _ Table, opts RegressorOptions) error {
	x, y := train.X, train.Y
	n, p := x.Rows, x.Cols
	if n == 0 {
		return pkg.Errorf("ridge: %w", ErrShort)
	}
	if !(m.Lambda >= 0) || math.IsInf(m.Lambda, 1) {
		return pkg.Errorf("ridge: %w: lambda %v", ErrConfig, m.Lambda)
	}
	fit := ridgeModel{Mean: make([]float64, p), Scale: make([]float64, p)}
	column := make([]float64, n)
	for j := range p {
		for i := range n {
			column[i] = x.Row(i)[j]
		}
		a := affine{0, 1}
		if f, err := (Standard{}).Fit(column); err == nil { // if not, all are missing
			a = f.(affine)
		}
		fit.Mean[j], fit.Scale[j] = a.Shift, a.Scale
	}
	fit.Intercept = make([]float64, y.Cols)
	for k := range fit.Intercept {
		for i := range n {
			fit.Intercept[k] += y.Row(i)[k] / float64(n)
		}
	}
	var err error
	if fit.Weights, err = fit.solve(ctx, x, y, m.Lambda); err != nil {
		return err
	}
	m.model = fit
	return opts.Iterate(RegressorIteration{Train: fit.loss(train), Valid: math.NaN()})
}

// solve returns the weights W of each output, from (Z'Z + λI)W = Z'(y - mean y) for the
// standardized features Z. It fails with [ErrNumber] if a feature is infinite.
func (m ridgeModel) solve(ctx context.Context, x, y Matrix, lambda float64) ([][]float64, error) {
	n, p := x.Rows, x.Cols
	weights := make([][]float64, y.Cols)
	if p == 0 {
		for k := range weights {
			weights[k] = []float64{}
		}
		return weights, nil
	}
	const block = 512 // rows at a time, so that Z is never in memory as a whole
	left, right := mat.NewSymDense(p, nil), mat.NewDense(p, y.Cols, nil)
	z, residual := mat.NewDense(min(block, n), p, nil), mat.NewDense(min(block, n), y.Cols, nil)
	var product mat.Dense
	for from := 0; from < n; from += block {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		rows := min(block, n-from)
		for i := range rows {
			m.standardize(z.RawRowView(i), x.Row(from+i))
			floats.SubTo(residual.RawRowView(i), y.Row(from+i), m.Intercept)
		}
		t := z.Slice(0, rows, 0, p).T()
		left.SymRankK(left, 1, t)
		product.Mul(t, residual.Slice(0, rows, 0, y.Cols))
		right.Add(right, &product)
	}
	for j := range p {
		left.SetSym(j, j, left.At(j, j)+lambda+1e-9*float64(n))
	}
	var factor mat.Cholesky
	if !factor.Factorize(left) {
		return nil, pkg.Errorf("ridge: %w: a feature is too large, or infinite", ErrNumber)
	}
	var solution mat.Dense
	if err := factor.SolveTo(&solution, right); err != nil && !errors.As(err, new(mat.Condition)) {
		return nil, pkg.Errorf("ridge: %w", err)
	}
	for k := range weights {
		weights[k] = mat.Col(nil, k, &solution)
	}
	return weights, nil
}

// loss is the mean squared error.
func (m ridgeModel) loss(t Table) float64 {
	sum := 0.0
	f := m.predict(t.X)
	for i, y := range t.Y.Data {
		sum += (y - f.Data[i]) * (y - f.Data[i])
	}
	return sum / float64(len(t.Y.Data))
}

func (m ridgeModel) standardize(z, x []float64) {
	for j, v := range x {
		z[j] = 0
		if !math.IsNaN(v) {
			z[j] = (v - m.Mean[j]) / m.Scale[j]
		}
	}
}

// Predict implements [Regressor].
func (m *Ridge) Predict(x Matrix) (Matrix, error) {
	if m.model.Weights == nil {
		return Matrix{}, pkg.Errorf("ridge: %w", ErrNotFitted)
	}
	if x.Cols != len(m.model.Mean) {
		return Matrix{}, pkg.Errorf("ridge: %w: %d features for a model of %d", ErrConfig, x.Cols, len(m.model.Mean))
	}
	return m.model.predict(x), nil
}

func (m ridgeModel) predict(x Matrix) Matrix {
	y := Matrix{Rows: x.Rows, Cols: len(m.Weights), Data: make([]float64, 0, x.Rows*len(m.Weights))}
	z := make([]float64, x.Cols)
	for i := range x.Rows {
		m.standardize(z, x.Row(i))
		for k, w := range m.Weights {
			v := m.Intercept[k]
			for j := range z {
				v += w[j] * z[j]
			}
			y.Data = append(y.Data, v)
		}
	}
	return y
}

// Save implements [Regressor]. It writes JSON.
func (m *Ridge) Save(w io.Writer) error {
	if m.model.Weights == nil {
		return pkg.Errorf("ridge: save: %w", ErrNotFitted)
	}
	return json.NewEncoder(w).Encode(m.model)
}

// Load implements [Regressor]. It fails with [ErrFormat].
func (m *Ridge) Load(r io.Reader) error {
	var model ridgeModel
	if err := json.NewDecoder(r).Decode(&model); err != nil {
		return pkg.Errorf("ridge: load: %w: %w", ErrFormat, err)
	}
	p := len(model.Mean)
	ok := len(model.Scale) == p && len(model.Weights) > 0 && len(model.Intercept) == len(model.Weights) && !slices.Contains(model.Scale, 0)
	for _, w := range model.Weights {
		ok = ok && len(w) == p
	}
	if !ok {
		return pkg.Errorf("ridge: load: %w: the shapes do not agree", ErrFormat)
	}
	m.model = model
	return nil
}
