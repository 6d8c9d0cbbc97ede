// Package trainer contains the code that engines based on other libraries share: the
// rounds, the scores, and settings as text.
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
	// Boost trains one more round and returns the number of rounds in the model. The
	// number does not grow if nothing could be split.
	Boost() (rounds int, err error)
	// Train and Valid return the model's predictions for the training and the validation
	// rows, with the link applied: row by row, one value per output. Valid is only called
	// if there are validation rows.
	Train() ([]float64, error)
	Valid() ([]float64, error)
}

// A Training is a booster and its whole life cycle.
type Training interface {
	Booster
	// Begin hands over the data, without rows of weight 0. valid has no rows if no scores
	// are needed.
	Begin(train, valid engine.Dataset) error
	// Model returns the first rounds of the model. Its features have no names.
	Model(rounds int) (*tree.Model, error)
	// Free is called at the end, even after an error.
	Free()
}

// Fit runs t from beginning to end, as [engine.Engine] requires. The caller has checked the
// params.
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

// Watched reports whether scores are needed.
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

// A look holds the predictions of one round.
type look struct {
	b     Booster
	rows  int // number of validation rows
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

// tiny is the smallest probability or rate used in a logarithm.
const tiny = 1e-15

// Score returns the loss of predictions with links applied, as [engine.Iteration] defines it.
func Score(p engine.Params, d engine.Dataset, predictions []float64) float64 {
	if p.Loss == engine.LambdaRank {
		return 1 - engine.NDCG(engine.RankDepth, d.Label, predictions, d.Weight, d.Query)
	}
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

// loss returns the loss of a prediction. For Softmax, prediction is that of the label's class.
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

// Weighted returns d without its rows of weight 0, and without weights if all are 1.
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
	var queries []int
	for i, q := range d.Query {
		if d.Weight[i] != 0 {
			queries = append(queries, q)
		}
	}
	columns := make([][]float64, len(d.Columns))
	for f := range columns {
		columns[f] = keep(d.Columns[f])
	}
	d.Query = queries
	d.Columns, d.Label, d.Weight = columns, keep(d.Label), keep(d.Weight)
	return Weighted(d)
}

// Float32 returns values rounded to float32. It refuses values that would become infinite
// or lose all precision, with an error that wraps [engine.ErrData] and calls them what
// ("label").
func Float32(what string, values []float64) ([]float32, error) {
	out := make([]float32, len(values))
	for i, v := range values {
		out[i] = float32(v)
		if math.IsInf(float64(out[i]), 0) || out[i] == 0 && v != 0 {
			return nil, engine.BadData("train: %s of row %d is %v, which is out of range for float32: scale it", what, i, v)
		}
	}
	return out, nil
}

// named sets the names and kinds of the features of m, which a library returns without
// them.
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

// Outputs returns the number of outputs of a model trained with p.
func Outputs(p engine.Params) int {
	if p.Loss == engine.Softmax {
		return p.Classes
	}
	return 1
}
