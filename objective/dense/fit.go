package dense

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"

	"github.com/attune-hpo/attune/objective/pipeline"
	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
)

// Fit trains a model on train. Its labels are finite numbers, or the classes 0 to
// p.Classes-1. onEpoch, if not nil, is called after each epoch of a network with the
// predictions for valid, as in [engine.Engine]; on [engine.ErrStop], Fit returns the model so
// far, on any other error it returns that. The model has one output: numbers; the
// probability of class 1 of two; or a probability for each class.
//
// Rows of weight 0 have no effect. Infinities count as very large numbers. Fit fails with
// [ErrSetting], with [ErrData] if there are no columns or no weights, or if numbers are too
// large, and with the cause of ctx when it is done.
func Fit(ctx context.Context, train, valid engine.Dataset, p Params, onEpoch func(engine.Iteration) error) (*pipeline.Model, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if train.Rows() == 0 || len(train.Columns) == 0 || len(train.Label) != train.Rows() {
		return nil, pkg.Errorf("%w: %d rows of %d columns with %d labels", ErrData, train.Rows(), len(train.Columns), len(train.Label))
	}
	e, err := newEncoder(train)
	if err != nil {
		return nil, err
	}
	if e.width() == 0 {
		return nil, pkg.Errorf("%w: no column has a value", ErrData)
	}
	d := data{x: e.rows(train), width: e.width(), y: train.Label, w: train.Weight, classes: p.Classes}
	if d.w == nil {
		d.w = make([]float64, len(d.y))
		for i := range d.w {
			d.w[i] = 1
		}
	}
	if err := d.scale(); err != nil {
		return nil, err
	}
	var layers []layer
	if p.Layers == 0 {
		if p.Classes == 0 {
			layers, err = d.ridge(p.Alpha)
		} else {
			layers, err = d.logistic(ctx, p)
		}
	} else {
		var judged data
		if len(valid.Columns) > 0 {
			judged = data{x: e.rows(valid), width: d.width, classes: p.Classes, mean: d.mean, sd: d.sd}
		}
		layers, err = d.train(ctx, judged, p, onEpoch)
	}
	if err != nil {
		return nil, err
	}
	return d.model(e, train, layers), nil
}

// data are encoded rows.
type data struct {
	x        []float64 // row by row
	width    int
	y, w     []float64
	classes  int
	mean, sd float64 // of the label, if it is a number
}

func (d *data) rows() int            { return len(d.x) / d.width }
func (d *data) row(i int) []float64  { return d.x[i*d.width : (i+1)*d.width] }
func (d *data) target(i int) float64 { return (d.y[i] - d.mean) / d.sd }
func (d *data) restore(f []float64)  { d.link().Apply(f); d.unscale(f) }
func (d *data) total() (sum float64) {
	for _, w := range d.w {
		sum += w
	}
	return sum
}

// unscale turns a scaled prediction of a number back.
func (d *data) unscale(f []float64) {
	if d.classes == 0 {
		f[0] = d.mean + d.sd*f[0]
	}
}

// scale finds the mean and the standard deviation of numbers.
func (d *data) scale() error {
	d.sd = 1
	if d.classes > 0 {
		return nil
	}
	n := d.total()
	for i, y := range d.y {
		d.mean += d.w[i] * y / n
	}
	squares := 0.0
	for i, y := range d.y {
		squares += d.w[i] * (y - d.mean) * (y - d.mean) / n
	}
	if squares > 0 {
		d.sd = math.Sqrt(squares)
	}
	if !finite(d.mean) || !finite(d.sd) {
		return pkg.Errorf("%w: the labels are too large to square: divide them by a power of ten", ErrData)
	}
	return nil
}

func (d *data) link() tree.Link {
	switch {
	case d.classes == 0:
		return tree.Link{}
	case d.classes == 2:
		return tree.Link{Func: tree.Sigmoid}
	}
	return tree.Link{Func: tree.Softmax}
}

// A layer is a row of weights and a bias for each unit.
type layer struct {
	in, out int
	w       []float64 // unit by unit
	b       []float64
}

func newLayer(in, out int) layer {
	return layer{in, out, make([]float64, in*out), make([]float64, out)}
}

// forward writes the outputs for one row.
func (l *layer) forward(x, out []float64) {
	for k := range out {
		sum := l.b[k]
		for j, w := range l.w[k*l.in : (k+1)*l.in] {
			sum += w * x[j]
		}
		out[k] = sum
	}
}

// model returns the pipeline of the layers.
func (d *data) model(e *encoder, train engine.Dataset, layers []layer) *pipeline.Model {
	g, x := e.graph(train)
	for i, l := range layers {
		if i > 0 {
			x = g.add(pipeline.Clip{High: math.MaxFloat64}, x)
		}
		last := i == len(layers)-1
		op := pipeline.Linear{Bias: make([]float64, l.out)}
		for k := range l.out {
			row, bias := make([]float64, l.in), l.b[k]
			copy(row, l.w[k*l.in:])
			if last && d.classes == 0 { // in the units of the label
				for j := range row {
					row[j] *= d.sd
				}
				bias = d.mean + d.sd*bias
			}
			op.Weights, op.Bias[k] = append(op.Weights, row), bias
		}
		x = g.add(op, x)
	}
	if d.classes > 0 {
		x = g.add(pipeline.Apply{Link: d.link()}, x)
	}
	g.Outputs = []pipeline.Output{{Name: "prediction", Node: x}}
	return &g.Model
}

// derive writes the derivative of a row's loss by its raw outputs to g, and returns the loss.
func (d *data) derive(i int, raw, g []float64) float64 {
	switch {
	case d.classes == 0:
		g[0] = raw[0] - d.target(i)
		return g[0] * g[0] / 2
	case d.classes == 2:
		z, y := raw[0], d.y[i]
		g[0] = 1/(1+math.Exp(-z)) - y
		return math.Max(z, 0) - z*y + math.Log1p(math.Exp(-math.Abs(z)))
	}
	most := raw[0]
	for _, z := range raw {
		most = max(most, z)
	}
	sum := 0.0
	for k, z := range raw {
		g[k] = math.Exp(z - most)
		sum += g[k]
	}
	for k := range g {
		g[k] /= sum
	}
	c := int(d.y[i])
	g[c]--
	return math.Log(sum) + most - raw[c]
}

// train trains a network.
func (d *data) train(ctx context.Context, judged data, p Params, onEpoch func(engine.Iteration) error) ([]layer, error) {
	random := rand.New(rand.NewPCG(p.Seed, 0xde45e))
	var layers []layer
	in := d.width
	for range p.Layers {
		layers, in = append(layers, newLayer(in, p.Hidden)), p.Hidden
	}
	layers = append(layers, newLayer(in, p.outputs()))
	for i, l := range layers[:len(layers)-1] { // He et al. 2015; the last layer begins with zeros
		sd := math.Sqrt(2 / float64(l.in))
		for k := range l.w {
			layers[i].w[k] = sd * random.NormFloat64()
		}
	}
	var used []int // rows of weight 0 take no part
	for i := range d.rows() {
		if d.w[i] > 0 {
			used = append(used, i)
		}
	}
	a := newAdam(layers, p)
	for epoch := range p.Epochs {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		random.Shuffle(len(used), func(i, j int) { used[i], used[j] = used[j], used[i] })
		loss := 0.0
		for from := 0; from < len(used); from += p.Batch {
			loss += a.step(d, used[from:min(from+p.Batch, len(used))])
		}
		if onEpoch == nil {
			continue
		}
		err := onEpoch(engine.Iteration{Round: epoch, Score: loss / d.total(), Predictions: func() []float64 { return judged.predict(layers) }})
		if errors.Is(err, engine.ErrStop) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	for _, l := range layers {
		for _, w := range l.w {
			if !finite(w) {
				return nil, pkg.Errorf("%w: the training diverged: lower learning_rate", ErrData)
			}
		}
	}
	return layers, nil
}

// predict returns the predictions of layers, row by row.
func (d *data) predict(layers []layer) []float64 {
	if d.width == 0 {
		return nil
	}
	outputs := layers[len(layers)-1].out
	out := make([]float64, d.rows()*outputs)
	values := make([][]float64, len(layers))
	for i, l := range layers[:len(layers)-1] {
		values[i] = make([]float64, l.out)
	}
	for i := range d.rows() {
		values[len(layers)-1] = out[i*outputs : (i+1)*outputs]
		pass(layers, d.row(i), values)
		d.restore(values[len(layers)-1])
	}
	return out
}

// pass writes the outputs of each layer for a row to values, after the rectification of
// hidden ones.
func pass(layers []layer, x []float64, values [][]float64) {
	for i := range layers {
		layers[i].forward(x, values[i])
		if x = values[i]; i < len(layers)-1 {
			for k := range x {
				x[k] = max(x[k], 0)
			}
		}
	}
}

// adam is the state of the optimizer.
type adam struct {
	layers        []layer
	p             Params
	grad          []layer // sums over the rows of a step
	m, v          []layer // moments
	values, error [][]float64
	steps         int
}

func newAdam(layers []layer, p Params) *adam {
	a := &adam{layers: layers, p: p}
	for _, l := range layers {
		a.grad, a.m, a.v = append(a.grad, newLayer(l.in, l.out)), append(a.m, newLayer(l.in, l.out)), append(a.v, newLayer(l.in, l.out))
		a.values, a.error = append(a.values, make([]float64, l.out)), append(a.error, make([]float64, l.out))
	}
	return a
}

// step learns from some rows and returns the sum of their losses.
func (a *adam) step(d *data, rows []int) (loss float64) {
	for i := range a.grad {
		clear(a.grad[i].w)
		clear(a.grad[i].b)
	}
	last, weight := len(a.layers)-1, 0.0
	for _, r := range rows {
		x, w := d.row(r), d.w[r]
		pass(a.layers, x, a.values)
		loss += w * d.derive(r, a.values[last], a.error[last])
		weight += w
		for k := range a.error[last] {
			a.error[last][k] *= w
		}
		for i := last; i >= 0; i-- {
			l, g, in := &a.layers[i], &a.grad[i], x
			if i > 0 {
				in = a.values[i-1]
				clear(a.error[i-1])
			}
			for k, e := range a.error[i] {
				if e == 0 {
					continue
				}
				g.b[k] += e
				to := g.w[k*l.in : (k+1)*l.in]
				for j, v := range in {
					to[j] += e * v
				}
				if i == 0 {
					continue
				}
				back := a.error[i-1]
				for j, v := range l.w[k*l.in : (k+1)*l.in] {
					back[j] += e * v
				}
			}
			if i > 0 {
				for j, v := range in {
					if v <= 0 {
						a.error[i-1][j] = 0
					}
				}
			}
		}
	}
	const b1, b2, epsilon = 0.9, 0.999, 1e-8
	a.steps++
	c1, c2 := 1-math.Pow(b1, float64(a.steps)), 1-math.Pow(b2, float64(a.steps))
	update := func(w, g, m, v []float64, decay float64) {
		for k := range w {
			x := g[k] / weight
			m[k] = b1*m[k] + (1-b1)*x
			v[k] = b2*v[k] + (1-b2)*x*x
			w[k] -= a.p.Rate * (m[k]/c1/(math.Sqrt(v[k]/c2)+epsilon) + decay*w[k])
		}
	}
	for i := range a.layers {
		update(a.layers[i].w, a.grad[i].w, a.m[i].w, a.v[i].w, a.p.Decay)
		update(a.layers[i].b, a.grad[i].b, a.m[i].b, a.v[i].b, 0)
	}
	return loss
}
