// Package trainer holds what the engines that train with other libraries have in
// common: the rounds, the scores, and settings as text.
package trainer

import (
	"context"
	"errors"
	"math"
	"slices"

	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
)

// A Booster is a training under way in a library.
type Booster interface {
	// Boost trains one round more, and returns how many the model has now: no more
	// than before where nothing could be split.
	Boost() (rounds int, err error)
	// Train and Valid return what the model predicts for these rows, its link
	// applied: one row after the other, an output each. Valid is asked only where
	// there are validation rows.
	Train() ([]float64, error)
	Valid() ([]float64, error)
}

// A Training is a booster from beginning to end.
type Training interface {
	Booster
	// Begin hands the data over, without rows of weight 0. valid has no rows where
	// nobody looks at scores.
	Begin(train, valid engine.Dataset) error
	// Model returns the first rounds of the model, its features without names.
	Model(rounds int) (*tree.Model, error)
	// Free is called at the end, whatever happened.
	Free()
}

// Fit trains with t from beginning to end, as [engine.Engine] has it, once the params
// are checked.
func Fit(ctx context.Context, train, valid engine.Dataset, p engine.Params, onIteration func(engine.Iteration) error, t Training) (*tree.Model, error) {
	defer t.Free()
	train = Weighted(train)
	if !Watched(p, onIteration) {
		valid = engine.Dataset{}
	}
	if err := t.Begin(train, valid); err != nil {
		return nil, err
	}
	keep, err := Run(ctx, train, valid, p, onIteration, t)
	if err != nil {
		return nil, err
	}
	m, err := t.Model(keep)
	if err != nil {
		return nil, err
	}
	named(m, train)
	return m, nil
}

// Watched reports whether anyone looks at scores.
func Watched(p engine.Params, onIteration func(engine.Iteration) error) bool {
	return onIteration != nil || p.EarlyStopping > 0
}

// Run trains p.Trees rounds (100 for 0), unless ctx, onIteration or early stopping
// ends them, and returns how many rounds of the model to keep.
func Run(ctx context.Context, train, valid engine.Dataset, p engine.Params, onIteration func(engine.Iteration) error, b Booster) (keep int, err error) {
	trees, patience := p.WithDefaults(len(train.Columns)).Trees, p.EarlyStopping
	best, bestRound, bestKeep := math.Inf(1), 0, 0
	for round := range trees {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if keep, err = b.Boost(); err != nil {
			return 0, err
		}
		if !Watched(p, onIteration) {
			continue
		}
		it := look{b: b, rows: valid.Rows()}
		score, err := it.score(train, valid, p)
		if err != nil {
			return 0, err
		}
		if bestKeep == 0 || score < best {
			best, bestRound, bestKeep = score, round, keep
		}
		if onIteration != nil {
			err := onIteration(engine.Iteration{Round: round, Score: score, Predictions: it.predictions})
			if it.err != nil {
				return 0, it.err
			}
			if errors.Is(err, engine.ErrStop) {
				break
			}
			if err != nil {
				return 0, err
			}
		}
		if patience > 0 && round-bestRound >= patience {
			break
		}
	}
	if patience > 0 {
		return bestKeep, nil
	}
	return keep, nil
}

// A look is at the predictions of one round.
type look struct {
	b     Booster
	rows  int // to validate on
	valid []float64
	err   error
}

func (l *look) score(train, valid engine.Dataset, p engine.Params) (float64, error) {
	if valid.Rows() == 0 || valid.Label == nil {
		predictions, err := l.b.Train()
		if err != nil {
			return 0, err
		}
		return Score(p, train, predictions), nil
	}
	predictions, err := l.b.Valid()
	if err != nil {
		return 0, err
	}
	l.valid = predictions
	return Score(p, valid, predictions), nil
}

func (l *look) predictions() []float64 {
	if l.rows == 0 || l.err != nil {
		return nil
	}
	if l.valid == nil {
		if l.valid, l.err = l.b.Valid(); l.err != nil {
			return nil
		}
	}
	return slices.Clone(l.valid)
}

// tiny is the least probability, and rate, that is believed.
const tiny = 1e-15

// Score returns the loss of predictions, links applied, as [engine.Iteration] has it.
func Score(p engine.Params, d engine.Dataset, predictions []float64) float64 {
	p = p.WithDefaults(len(d.Columns))
	sum, total := 0.0, 0.0
	for i, y := range d.Label {
		w := 1.0
		if d.Weight != nil {
			w = d.Weight[i]
		}
		at := i
		if p.Loss == engine.Softmax {
			at = i*p.Classes + int(y)
		}
		sum += w * loss(p, predictions[at], y)
		total += w
	}
	if p.Loss == engine.L2 {
		return math.Sqrt(sum / total)
	}
	return sum / total
}

// loss returns the loss of a prediction; for Softmax that of the label's class.
func loss(p engine.Params, prediction, y float64) float64 {
	d := prediction - y
	switch p.Loss {
	case engine.L1:
		return math.Abs(d)
	case engine.Huber:
		if a := math.Abs(d); a > p.HuberDelta {
			return p.HuberDelta * (a - p.HuberDelta/2)
		}
		return d * d / 2
	case engine.Quantile:
		return max((1-p.Quantile)*d, -p.Quantile*d)
	case engine.Poisson:
		return prediction - y*math.Log(max(prediction, tiny))
	case engine.Tweedie:
		rate := max(prediction, tiny)
		return math.Pow(rate, 2-p.TweediePower)/(2-p.TweediePower) - y*math.Pow(rate, 1-p.TweediePower)/(1-p.TweediePower)
	case engine.Logistic:
		if y == 0 {
			prediction = 1 - prediction
		}
		return -math.Log(max(prediction, tiny))
	case engine.Softmax:
		return -math.Log(max(prediction, tiny))
	}
	return d * d
}

// Weighted returns d without its rows of weight 0, and without weights that say
// nothing because all are 1.
func Weighted(d engine.Dataset) engine.Dataset {
	if !slices.ContainsFunc(d.Weight, func(w float64) bool { return w != 1 }) {
		d.Weight = nil
		return d
	}
	if !slices.Contains(d.Weight, 0) {
		return d
	}
	keep := func(values []float64) []float64 {
		var kept []float64
		for i, v := range values {
			if d.Weight[i] != 0 {
				kept = append(kept, v)
			}
		}
		return kept
	}
	columns := make([][]float64, len(d.Columns))
	for f := range columns {
		columns[f] = keep(d.Columns[f])
	}
	d.Columns, d.Label, d.Weight = columns, keep(d.Label), keep(d.Weight)
	return Weighted(d)
}

// Float32 returns values, called what ("label"), rounded for a library that knows
// no float64. It refuses those that would become infinite or lose all, wrapping
// [engine.ErrData].
func Float32(what string, values []float64) ([]float32, error) {
	out := make([]float32, len(values))
	for i, v := range values {
		out[i] = float32(v)
		if math.IsInf(float64(out[i]), 0) || out[i] == 0 && v != 0 {
			return nil, engine.BadData("train: %s of row %d is %v, which float32 has not: scale it", what, i, v)
		}
	}
	return out, nil
}

// named gives the features of m, which came back from a library without, their names
// and kinds.
func named(m *tree.Model, train engine.Dataset) {
	for f := range m.Features {
		if train.Names != nil {
			m.Features[f].Name = train.Names[f]
		} else {
			m.Features[f].Name = Column(f)
		}
	}
	for _, f := range train.Categorical {
		m.Features[f].Kind = tree.Categorical
	}
}

// Outputs returns how many outputs a model of p has.
func Outputs(p engine.Params) int {
	if p.Loss == engine.Softmax {
		return p.Classes
	}
	return 1
}
