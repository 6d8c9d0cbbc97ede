package forecast

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
)

// Ridge is linear regression with a penalty on the squares of the coefficients of
// the standardized features (Hoerl and Kennard, Technometrics 12, 1970), in closed
// form: a baseline for tables. Missing features count as their mean. It has any
// number of outputs, takes no validation and makes one iteration.
type Ridge struct {
	Lambda float64 // penalty, in units of rows; at least 0. Default 0, which is nudged where features depend on one another.

	model ridgeModel
}

type ridgeModel struct {
	Mean      []float64   `json:"mean"`      // of features
	Scale     []float64   `json:"scale"`     // of features
	Intercept []float64   `json:"intercept"` // of outputs
	Weights   [][]float64 `json:"weights"`   // by output, of standardized features
}

// Fit implements [Regressor].
func (m *Ridge) Fit(ctx context.Context, train, _ Table, opts RegressorOptions) error {
	x, y := train.X, train.Y
	n, p := x.Rows, x.Cols
	if n == 0 {
		return fmt.Errorf("forecast: ridge: %w", ErrShort)
	}
	if !(m.Lambda >= 0) || math.IsInf(m.Lambda, 1) {
		return fmt.Errorf("forecast: ridge: %w: lambda %v", ErrConfig, m.Lambda)
	}
	fit := ridgeModel{Mean: make([]float64, p), Scale: make([]float64, p)}
	column := make([]float64, n)
	for j := range p {
		for i := range n {
			column[i] = x.Row(i)[j]
		}
		a := affine{0, 1}
		if f, err := (Standard{}).Fit(column); err == nil { // else all are missing
			a = f.(affine)
		}
		fit.Mean[j], fit.Scale[j] = a.Shift, a.Scale
	}
	// A = Z'Z + λI and B = Z'(y - mean y), for Z the standardized features.
	a, z := make([]float64, p*p), make([]float64, p)
	b := make([][]float64, y.Cols)
	fit.Intercept = make([]float64, y.Cols)
	for k := range b {
		b[k] = make([]float64, p)
		for i := range n {
			fit.Intercept[k] += y.Row(i)[k] / float64(n)
		}
	}
	for i := range n {
		if i%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		fit.standardize(z, x.Row(i))
		for j, zj := range z {
			for l := range j + 1 {
				a[j*p+l] += zj * z[l]
			}
			for k := range b {
				b[k][j] += zj * (y.Row(i)[k] - fit.Intercept[k])
			}
		}
	}
	for j := range p {
		a[j*p+j] += m.Lambda + 1e-9*float64(n)
	}
	cholesky(a, p)
	for k := range b {
		solve(a, b[k])
	}
	fit.Weights = b
	m.model = fit
	return opts.Iterate(RegressorIteration{Train: fit.loss(train), Valid: math.NaN()})
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

// cholesky replaces the lower triangle of a p by p matrix by its factor L, A = LL'.
func cholesky(a []float64, p int) {
	for j := range p {
		for i := j; i < p; i++ {
			s := a[i*p+j]
			for k := range j {
				s -= a[i*p+k] * a[j*p+k]
			}
			if i == j {
				a[j*p+j] = math.Sqrt(max(s, 1e-12))
			} else {
				a[i*p+j] = s / a[j*p+j]
			}
		}
	}
}

// solve replaces b by the solution of LL'x = b.
func solve(l, b []float64) {
	p := len(b)
	for i := range p {
		for k := range i {
			b[i] -= l[i*p+k] * b[k]
		}
		b[i] /= l[i*p+i]
	}
	for i := p - 1; i >= 0; i-- {
		for k := i + 1; k < p; k++ {
			b[i] -= l[k*p+i] * b[k]
		}
		b[i] /= l[i*p+i]
	}
}

// Predict implements [Regressor].
func (m *Ridge) Predict(x Matrix) (Matrix, error) {
	if m.model.Weights == nil {
		return Matrix{}, fmt.Errorf("forecast: ridge: %w", ErrNotFitted)
	}
	if x.Cols != len(m.model.Mean) {
		return Matrix{}, fmt.Errorf("forecast: ridge: %w: %d features for a model of %d", ErrConfig, x.Cols, len(m.model.Mean))
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

// Save implements [Regressor], as JSON.
func (m *Ridge) Save(w io.Writer) error {
	if m.model.Weights == nil {
		return fmt.Errorf("forecast: ridge: save: %w", ErrNotFitted)
	}
	return json.NewEncoder(w).Encode(m.model)
}

// Load implements [Regressor]. It fails with [ErrFormat].
func (m *Ridge) Load(r io.Reader) error {
	var model ridgeModel
	if err := json.NewDecoder(r).Decode(&model); err != nil {
		return fmt.Errorf("forecast: ridge: load: %w: %w", ErrFormat, err)
	}
	p := len(model.Mean)
	ok := len(model.Scale) == p && len(model.Weights) > 0 && len(model.Intercept) == len(model.Weights) && !slices.Contains(model.Scale, 0)
	for _, w := range model.Weights {
		ok = ok && len(w) == p
	}
	if !ok {
		return fmt.Errorf("forecast: ridge: load: %w: the shapes do not agree", ErrFormat)
	}
	m.model = model
	return nil
}
