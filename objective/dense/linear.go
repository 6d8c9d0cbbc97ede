package dense

import (
	"context"
	"math"

	"github.com/attune-hpo/attune/objective/pipeline"
)

// ridge solves (X'WX + alpha·I) b = X'Wy by Cholesky's decomposition. The columns of X have
// mean 0, so the intercept is the mean of y.
func (d *data) ridge(alpha float64) ([]layer, error) {
	n := d.width
	a, b := make([]float64, n*n), make([]float64, n)
	for r := range d.rows() {
		x, w, y := d.row(r), d.w[r], d.target(r)
		for i, xi := range x {
			if xi = w * xi; xi == 0 {
				continue
			}
			b[i] += xi * y
			to := a[i*n : i*n+i+1]
			for j, xj := range x[:i+1] {
				to[j] += xi * xj
			}
		}
	}
	for i := range n {
		a[i*n+i] += alpha
	}
	for i := range n {
		for j := 0; j <= i; j++ {
			sum := a[i*n+j]
			for k := range j {
				sum -= a[i*n+k] * a[j*n+k]
			}
			if i != j {
				a[i*n+j] = sum / a[j*n+j]
			} else if a[i*n+i] = math.Sqrt(sum); !(sum > 0) {
				return nil, pkg.Errorf("%w: columns depend on each other: raise alpha", ErrData)
			}
		}
	}
	for i := range n {
		for k := range i {
			b[i] -= a[i*n+k] * b[k]
		}
		b[i] /= a[i*n+i]
	}
	for i := n - 1; i >= 0; i-- {
		for k := i + 1; k < n; k++ {
			b[i] -= a[k*n+i] * b[k]
		}
		b[i] /= a[i*n+i]
	}
	return []layer{{n, 1, b, []float64{0}}}, nil
}

// logistic minimizes the cross entropy and alpha/2 times the squared coefficients with
// L-BFGS (Nocedal and Wright 2006, algorithm 7.5) and backtracking.
func (d *data) logistic(ctx context.Context, p Params) ([]layer, error) {
	const memory, most, tolerance = 10, 200, 1e-7
	l := newLayer(d.width, p.outputs())
	size := len(l.w) + len(l.b)
	raw, e := make([]float64, l.out), make([]float64, l.out)
	value := func(at, g []float64) float64 {
		l.w, l.b = at[:len(l.w)], at[len(l.w):]
		clear(g)
		loss := 0.0
		for k, w := range l.w {
			loss += p.Alpha / 2 * w * w
			g[k] = p.Alpha * w
		}
		for r := range d.rows() {
			if d.w[r] == 0 {
				continue
			}
			x := d.row(r)
			l.forward(x, raw)
			loss += d.w[r] * d.derive(r, raw, e)
			for k, e := range e {
				e *= d.w[r]
				g[len(l.w)+k] += e
				to := g[k*l.in : (k+1)*l.in]
				for j, v := range x {
					to[j] += e * v
				}
			}
		}
		return loss
	}
	at, g := make([]float64, size), make([]float64, size)
	loss := value(at, g)
	first := norm(g)
	var s, y [][]float64 // steps and changes of the gradient, oldest first
	for range most {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if norm(g) <= tolerance*max(1, first) {
			break
		}
		direction := lbfgs(g, s, y)
		slope := dot(direction, g)
		step, next, to, better := 1.0, make([]float64, size), make([]float64, size), 0.0
		if len(s) == 0 {
			step = 1 / norm(g)
		}
		for {
			for k := range next {
				next[k] = at[k] + step*direction[k]
			}
			if better = value(next, to); better <= loss+1e-4*step*slope {
				break
			}
			if step /= 2; step < 1e-12 {
				l.w, l.b = at[:len(l.w)], at[len(l.w):]
				return []layer{l}, nil // at the precision of the loss
			}
		}
		moved, turned := make([]float64, size), make([]float64, size)
		for k := range moved {
			moved[k], turned[k] = next[k]-at[k], to[k]-g[k]
		}
		if dot(moved, turned) > 0 {
			s, y = append(s, moved), append(y, turned)
			if len(s) > memory {
				s, y = s[1:], y[1:]
			}
		}
		at, g, loss = next, to, better
	}
	l.w, l.b = at[:len(l.w)], at[len(l.w):]
	return []layer{l}, nil
}

// lbfgs returns minus the inverse Hessian, as far as it is known, times g.
func lbfgs(g []float64, s, y [][]float64) []float64 {
	q, alpha := make([]float64, len(g)), make([]float64, len(s))
	for k := range q {
		q[k] = -g[k]
	}
	for i := len(s) - 1; i >= 0; i-- {
		alpha[i] = dot(s[i], q) / dot(s[i], y[i])
		for k := range q {
			q[k] -= alpha[i] * y[i][k]
		}
	}
	if n := len(s); n > 0 {
		scale := dot(s[n-1], y[n-1]) / dot(y[n-1], y[n-1])
		for k := range q {
			q[k] *= scale
		}
	}
	for i := range s {
		beta := dot(y[i], q) / dot(s[i], y[i])
		for k := range q {
			q[k] += (alpha[i] - beta) * s[i][k]
		}
	}
	return q
}

func dot(a, b []float64) (sum float64) {
	for i, x := range a {
		sum += x * b[i]
	}
	return sum
}

func norm(a []float64) float64 { return math.Sqrt(dot(a, a)) }

// SHAP writes to out how much each feature contributes to the raw outputs of a linear model of [Fit]. The
// results are ordered by row, then by output; each output has one value per feature, then the expected value,
// as for [tree.Model.SHAP]. A value is the coefficient times the distance from the mean over the training rows,
// which is exact if the features are independent. SHAP fails with [ErrUnsupported] for a network, and like
// [pipeline.Predictor.PredictRows].
func SHAP(m *pipeline.Model, rows, out []float64) error {
	last := len(m.Nodes) - 1
	if _, linked := m.Nodes[last].Op.(pipeline.Apply); linked {
		last--
	}
	of, ok := m.Nodes[last].Op.(pipeline.Linear)
	if !ok || len(m.Nodes[last].In) != 1 {
		return pkg.Errorf("%w: no model of this package", ErrUnsupported)
	}
	before := m.Nodes[last].In[0]
	if _, hidden := m.Nodes[before].Op.(pipeline.Clip); hidden {
		return pkg.Errorf("%w: a network with hidden layers has no exact contributions", ErrUnsupported)
	}
	var feature []int // of each column
	for _, n := range m.Nodes[:last] {
		switch op := n.Op.(type) {
		case pipeline.Clip, pipeline.Flag:
			from := n.In[0]
			for len(m.Nodes[from].In) > 0 {
				from = m.Nodes[from].In[0]
			}
			feature = append(feature, m.Nodes[from].Op.(pipeline.Columns).At...)
		case pipeline.OneHot:
			at := m.Nodes[n.In[0]].Op.(pipeline.Columns).At
			for k, list := range op.Categories {
				for range list {
					feature = append(feature, at[k])
				}
			}
		}
	}
	encode, err := pipeline.NewPredictor(&pipeline.Model{Inputs: m.Inputs, Nodes: m.Nodes[:last], Outputs: []pipeline.Output{{Name: "x", Node: before}}})
	if err != nil {
		return err
	}
	features, width := len(m.Inputs), len(feature)
	n := len(rows) / max(features, 1)
	if len(out) != n*len(of.Weights)*(features+1) {
		return pkg.Errorf("%w: room for %d values, want %d", pipeline.ErrInput, len(out), n*len(of.Weights)*(features+1))
	}
	x := make([]float64, n*width)
	if err := encode.PredictRows(rows, x); err != nil {
		return err
	}
	clear(out)
	for r := range n {
		for k, weights := range of.Weights {
			to := out[(r*len(of.Weights)+k)*(features+1):]
			for j, w := range weights {
				to[feature[j]] += w * x[r*width+j]
			}
			to[features] = of.Bias[k]
		}
	}
	return nil
}
