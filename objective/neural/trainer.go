package neural

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural/internal/device"
	"github.com/attune-hpo/attune/objective/neural/internal/f32"
	"github.com/attune-hpo/attune/objective/neural/internal/nn"
)

// A trainer is a running fit. A checkpoint stores its progress.
type trainer struct {
	Training
	design  design
	net     *nn.Net
	view    *view
	past    forecast.Frame // the series that the fit got
	sources []source
	train   []sample
	valid   []sample
	seed    uint64
	m, v    device.Vec // Adam's
	best    []float32  // the weights of the best epoch; empty before the first
	order   []sample
	batch   batch
	fit     string // identifies the fit in its checkpoint: see key
	progress
}

// progress is the state of a training.
type progress struct {
	Epoch     int     `json:"epoch"` // the next
	Step      int     `json:"step"`  // steps made
	Best      float64 `json:"best"`  // least validation loss, or training loss if nothing is held out
	BestEpoch int     `json:"best_epoch"`
	Halved    int     `json:"halved"`       // how often a plateau halved the learning rate
	HalvedAt  int     `json:"halved_epoch"` // epoch of the last halving
}

// A batch is the memory in which batches are assembled.
type batch struct {
	window, future, truth, weight, out []float32
	inputs                             [][]float32
}

// newBatch returns a batch with room for the given number of rows.
func (d design) newBatch(v *view, rows int) batch {
	b := batch{
		window: make([]float32, rows*v.window*v.features()),
		truth:  make([]float32, rows*v.horizon),
		weight: make([]float32, rows*v.horizon),
		out:    make([]float32, rows*v.horizon),
	}
	b.inputs = [][]float32{nil}
	if n := d.futures(len(v.known)); n > 0 {
		b.future = make([]float32, rows*v.horizon*n)
		b.inputs = append(b.inputs, nil)
	}
	return b
}

// fill assembles samples into a batch. If the output has several steps, they are
// time-major, like all activations.
func (b *batch) fill(d design, v *view, sources []source, samples []sample) nn.Batch {
	rows, features, known := len(samples), v.features(), d.futures(len(v.known))
	for r, s := range samples {
		src := &sources[s.series]
		for t := range v.window {
			at := (t*rows + r) * features
			for f := range features {
				b.window[at+f] = float32(v.input(src, s.origin, t, f))
			}
		}
		for h := range v.horizon {
			row, next := r*v.horizon+h, (r*v.horizon+h)*known
			if d.tokens {
				row, next = h*rows+r, (h*rows+r)*known
			}
			for k := range len(v.known) {
				b.future[next+k] = float32(v.future(src, s.origin, h, k))
			}
			z, ok := v.target(src, s.origin, h)
			b.truth[row], b.weight[row] = float32(z), 0
			if ok {
				b.weight[row] = 1
			}
		}
	}
	b.inputs[0] = b.window[:rows*v.window*features]
	if len(b.inputs) > 1 {
		b.inputs[1] = b.future[:rows*v.horizon*known]
	}
	return nn.Batch{Rows: rows, Inputs: b.inputs, Truth: b.truth[:rows*v.horizon], Weight: b.weight[:rows*v.horizon]}
}

// predict returns the network's output for samples, by sample and step.
func predict(ctx context.Context, d design, net *nn.Net, v *view, b *batch, sources []source, samples []sample) ([][]float64, error) {
	var z [][]float64
	for len(samples) > 0 {
		part := samples[:min(net.Rows(), len(samples))]
		samples = samples[len(part):]
		in := b.fill(d, v, sources, part)
		in.Truth = nil
		if err := net.Predict(ctx, in, b.out[:len(part)*v.horizon]); err != nil {
			return nil, err
		}
		if err := d.deviceError(net.Device.Err()); err != nil {
			return nil, err
		}
		for r := range part {
			row := make([]float64, v.horizon)
			for h := range row {
				at := r*v.horizon + h
				if d.tokens {
					at = h*len(part) + r
				}
				row[h] = float64(b.out[at])
			}
			z = append(z, row)
		}
	}
	return z, nil
}

// run trains until a reason to stop occurs.
func (t *trainer) run(ctx context.Context, opts forecast.FitOptions) error {
	foresees := t.view.check(t.past, t.view.horizon) == nil // the columns are known far enough ahead
	for t.Epoch < t.Epochs && !t.ended() {
		train, err := t.epoch(ctx)
		if err != nil {
			return err
		}
		valid := math.NaN()
		score := train
		if len(t.valid) > 0 {
			if valid, err = t.validate(ctx); err != nil {
				return err
			}
			score = valid
		}
		if math.IsNaN(score) || math.IsInf(score, 0) {
			return t.diverged(score)
		}
		epoch := t.Epoch
		if epoch == 0 || score < t.Best {
			t.Best, t.BestEpoch = score, epoch
			if len(t.valid) > 0 {
				t.best = t.weights(t.best)
			}
		}
		if t.Schedule == "plateau" && epoch-max(t.BestEpoch, t.HalvedAt) >= max(1, max(t.Patience, 0)/2) {
			t.Halved, t.HalvedAt = t.Halved+1, epoch
		}
		if err := t.failed(); err != nil {
			return err
		}
		t.Epoch++
		if t.Epoch%t.Every == 0 || t.Epoch == t.Epochs {
			if err := t.save(); err != nil {
				return err
			}
		}
		it := forecast.Iteration{Round: epoch, Train: train, Valid: valid}
		if foresees {
			it.Forecast = func() (forecast.Frame, error) { return t.forecast(ctx, epoch) }
		}
		if err := opts.Iterate(it); err != nil {
			return fmt.Errorf("epoch %d: %w", epoch, err)
		}
	}
	t.restore()
	return nil
}

// forecast returns the forecast that the training would give if it ended after epoch:
// with the best weights so far. It is for OnIteration, and fails after that has returned.
func (t *trainer) forecast(ctx context.Context, epoch int) (forecast.Frame, error) {
	if t.Epoch != epoch+1 {
		return nil, pkg.Errorf("forecast of epoch %d: the training has moved on: call it within OnIteration", epoch)
	}
	if len(t.best) > 0 {
		now := t.weights(nil)
		defer t.net.Device.Write(t.net.Weights, now)
		t.restore()
	}
	out, err := forecastWith(ctx, t.design, t.net, t.view, &t.batch, t.past, t.view.horizon)
	if err != nil {
		return nil, pkg.Errorf("forecast of epoch %d: %w", epoch, err)
	}
	return out, nil
}

// ended reports whether patience is over.
func (t *trainer) ended() bool {
	return t.Patience > 0 && len(t.valid) > 0 && t.Epoch > 0 && t.Epoch-1-t.BestEpoch >= t.Patience
}

func (t *trainer) diverged(loss float64) error {
	return fmt.Errorf("epoch %d: %w: the loss is %v: set a lower learning_rate (it is %v) or clip (it is %v), or look for outliers",
		t.Epoch, ErrDiverged, loss, t.LearningRate, t.Clip)
}

// epoch makes the steps of an epoch and returns their mean loss. Order and dropout depend
// only on the seed and on the number of the epoch.
func (t *trainer) epoch(ctx context.Context) (float64, error) {
	r := rand.New(rand.NewPCG(t.seed, uint64(t.Epoch)))
	copy(t.order, t.train)
	r.Shuffle(len(t.order), func(i, j int) { t.order[i], t.order[j] = t.order[j], t.order[i] })
	steps := (len(t.order) + t.Batch - 1) / t.Batch
	sum := 0.0
	for i := range steps {
		part := t.order[i*t.Batch : min((i+1)*t.Batch, len(t.order))]
		b := t.batch.fill(t.design, t.view, t.sources, part)
		loss, err := t.net.Step(ctx, b, f32.Mix(t.seed^f32.Mix(uint64(t.Step))))
		if err != nil {
			return 0, err
		}
		sum += loss * float64(len(part))
		norm := math.Sqrt(t.net.Device.Norm2(t.net.Slopes))
		if err := t.failed(); err != nil {
			return 0, err
		}
		if math.IsNaN(loss+norm) || math.IsInf(loss+norm, 0) {
			if !math.IsNaN(loss) && !math.IsInf(loss, 0) {
				loss = norm
			}
			return 0, t.diverged(loss)
		}
		t.Step++
		t.net.Device.Adam(device.AdamStep{Rate: float32(t.rate(float64(i) / float64(steps))), Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8,
			Decay: float32(t.WeightDecay), Step: t.Step, Scale: t.cut(norm)}, t.net.Weights, t.net.Slopes, t.m, t.v)
	}
	return sum / float64(len(t.order)), nil
}

// cut returns the factor by which gradients of the given norm are scaled.
func (t *trainer) cut(norm float64) float32 {
	if t.Clip > 0 && norm > t.Clip {
		return float32(t.Clip / norm)
	}
	return 1
}

// rate returns the learning rate at a fraction of the epoch.
func (t *trainer) rate(part float64) float64 {
	switch t.Schedule {
	case "cosine": // Loshchilov and Hutter, arXiv:1608.03983, without restarts
		return t.LearningRate * (1 + math.Cos(math.Pi*(float64(t.Epoch)+part)/float64(t.Epochs))) / 2
	case "plateau":
		return math.Ldexp(t.LearningRate, -t.Halved)
	}
	return t.LearningRate
}

// validate returns the mean loss over the held-out steps.
func (t *trainer) validate(ctx context.Context) (float64, error) {
	sum, weights := 0.0, 0.0
	for rest := t.valid; len(rest) > 0; {
		part := rest[:min(t.net.Rows(), len(rest))]
		rest = rest[len(part):]
		b := t.batch.fill(t.design, t.view, t.sources, part)
		weight := 0.0
		for _, w := range b.Weight {
			weight += float64(w)
		}
		loss, err := t.net.Loss(ctx, b)
		if err == nil {
			err = t.failed()
		}
		if err != nil {
			return 0, err
		}
		sum, weights = sum+loss*weight, weights+weight
	}
	return sum / weights, nil
}

// weights reads the network's weights into w, which grows if need be.
func (t *trainer) weights(w []float32) []float32 {
	if n := t.net.Weights.Len(); len(w) != n {
		w = make([]float32, n)
	}
	t.net.Device.Read(w, t.net.Weights)
	return w
}

// restore puts the best weights back.
func (t *trainer) restore() {
	if len(t.best) > 0 {
		t.net.Device.Write(t.net.Weights, t.best)
	}
}
