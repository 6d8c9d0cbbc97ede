package native

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
)

// Engine implements [engine.Engine] with this package.
type Engine struct{}

var _ engine.Engine = Engine{}

// Fit implements [engine.Engine]; it calls the function [Fit].
func (Engine) Fit(ctx context.Context, train, valid engine.Dataset, params engine.Params, onIteration func(engine.Iteration) error) (*tree.Model, error) {
	return Fit(ctx, train, valid, params, onIteration)
}

// String returns the engine's name.
func (Engine) String() string { return "native" }

// Fit trains a model on train.
//
// valid and onIteration are as for [engine.Engine]; Fit returns errors of onIteration
// unchanged.
//
// The model depends only on the data and params, including the seed. It does not depend
// on the number of threads or on the load of the machine. It may differ between processor
// architectures, because they round differently. Features take their names from train.
//
// A feature that is constant, or always missing, is never split. Missing values go to the
// side that lowers the loss more; where training saw none, they go to the side with more
// rows. In categorical splits they go right, as do rare and unknown categories. Data that
// cannot be split, such as a single row, gives trees with one leaf. If all labels are
// equal, the model is constant.
//
// Errors wrap [engine.ErrParams] or [engine.ErrData], or come from ctx, which Fit checks
// before each split.
func Fit(ctx context.Context, train, valid engine.Dataset, params engine.Params, onIteration func(engine.Iteration) error) (*tree.Model, error) {
	if err := engine.Check(train, valid, params); err != nil {
		return nil, err
	}
	if len(params.Extra) > 0 {
		return nil, engine.BadParam("Extra", params.Extra, "nothing: the native engine has no settings but the fields of Params")
	}
	p := params.WithDefaults(len(train.Columns))
	train = weighted(train)
	w := newWorkers(p.Threads)
	defer w.close()
	if p.Method == engine.Isolation {
		return isolate(ctx, train, valid, p, onIteration)
	}
	b := newBooster(train, valid, p, w)
	return b.fit(ctx, onIteration)
}

// A booster adds trees to a model: one per output in each round.
type booster struct {
	p            engine.Params
	grower       *grower
	train, valid engine.Dataset
	validTable   table
	objectives   []objective // one per output
	model        *tree.Model
	start        []float64   // constant scores, one per output
	scores       [][]float64 // of the training rows, by output; in a forest, the start of each tree
	validScores  [][]float64
	sums         [][]float64 // forest without validation labels: sums of the trees' values for the training rows
	times        int         // maximum number of times that a row was drawn
	probability  [][]float64 // of the training rows, by class: Softmax only
	first        []float64   // derivatives
	second       []float64
	curved       bool // second derivatives are not all 1
}

func newBooster(train, valid engine.Dataset, p engine.Params, w *workers) *booster {
	n := train.Rows()
	bins := make([]binner, len(train.Columns))
	scratch := make([][2][]uint64, w.n)
	w.each(len(bins), func(worker, f int) {
		bins[f] = newBinner(train.Columns[f], p.MaxBins, slices.Contains(train.Categorical, f), &scratch[worker])
	})
	b := &booster{p: p, train: train, valid: valid, model: &tree.Model{Outputs: 1}}
	b.grower = &grower{
		finder:  finder{p: p, bins: bins, simple: !slices.ContainsFunc(p.Monotone, func(m int) bool { return m != 0 })},
		train:   bin(train, bins, w),
		workers: w,
		rows:    make([]uint32, n),
		spare:   make([]uint32, n),
		packed:  make([]int64, n),
	}
	if valid.Rows() > 0 {
		b.validTable = bin(valid, bins, w)
	}
	for f := range train.Columns {
		feature := tree.Feature{Name: fmt.Sprintf("Column_%d", f)}
		if train.Names != nil {
			feature.Name = train.Names[f]
		}
		if bins[f].categorical {
			feature.Kind = tree.Categorical
		}
		b.model.Features = append(b.model.Features, feature)
	}
	forest := p.Method == engine.Forest
	if p.Loss == engine.Softmax {
		b.model.Outputs = p.Classes
		for k := range p.Classes {
			b.objectives = append(b.objectives, class{p.Classes, k})
		}
		b.model.Link.Func = tree.Softmax
	} else {
		b.objectives = []objective{newObjective(p)}
	}
	if p.Loss == engine.LambdaRank {
		b.objectives = []objective{newRanker(train, w)}
	}
	switch p.Loss {
	case engine.Logistic:
		b.model.Link.Func = tree.Sigmoid
	case engine.Poisson, engine.Tweedie:
		b.model.Link.Func = tree.Exp
	}
	if forest {
		b.model.Average = true
		b.model.Link = tree.Link{}
		switch p.Loss {
		case engine.Logistic:
			b.objectives = []objective{squares{}}
		case engine.Softmax:
			b.objectives = []objective{projection{of: make([]float64, p.Classes)}}
		}
	}
	for _, o := range b.objectives {
		b.start = append(b.start, o.start(train.Label, train.Weight))
	}
	b.scores = constants(b.start, n)
	if forest { // the leaves include the start
		none := make([]float64, b.model.Outputs)
		b.validScores = constants(none, valid.Rows())
		if valid.Rows() == 0 || valid.Label == nil {
			b.sums = constants(none, n)
		}
	} else {
		b.validScores = constants(b.start, valid.Rows())
		b.model.Base = b.start
	}
	if p.Loss == engine.Softmax && !forest {
		b.probability = make([][]float64, p.Classes)
		for k := range b.probability {
			b.probability[k] = make([]float64, n)
		}
	}
	b.curved = train.Weight != nil || !b.objectives[0].constant()
	b.first = make([]float64, n)
	if b.curved {
		b.second = make([]float64, n)
		b.grower.curves = make([]int64, n)
	}
	return b
}

// constants returns a slice of rows copies of each of values.
func constants(values []float64, rows int) [][]float64 {
	out := make([][]float64, len(values))
	for k, v := range values {
		out[k] = slices.Repeat([]float64{v}, rows)
	}
	return out
}

func (b *booster) fit(ctx context.Context, onIteration func(engine.Iteration) error) (*tree.Model, error) {
	best, bestRound := math.Inf(1), 0
	watched := onIteration != nil || b.p.EarlyStopping > 0
	for round := range b.p.Trees {
		if err := b.round(ctx, round); err != nil {
			return nil, err
		}
		if !watched {
			continue
		}
		score := b.score()
		if score < best {
			best, bestRound = score, round
		}
		if onIteration != nil {
			err := onIteration(engine.Iteration{Round: round, Score: score, Predictions: b.validPredictions})
			if errors.Is(err, engine.ErrStop) {
				break
			}
			if err != nil {
				return nil, err
			}
		}
		if b.p.EarlyStopping > 0 && round-bestRound >= b.p.EarlyStopping {
			break
		}
	}
	if b.p.EarlyStopping > 0 {
		b.model.Trees = slices.Clip(b.model.Trees[:(bestRound+1)*b.model.Outputs])
	}
	return b.model, nil
}

// round grows one tree for each output.
func (b *booster) round(ctx context.Context, round int) error {
	if b.probability != nil {
		b.softmax()
	}
	for k, o := range b.objectives {
		if err := ctx.Err(); err != nil {
			return err
		}
		b.drawRows(round)
		if p, ok := o.(projection); ok {
			r := generator(b.p.Seed, drawClasses, round, 0)
			for k := range p.of {
				p.of[k] = r.NormFloat64()
			}
		}
		b.derive(k, o)
		b.grower.begin(round*b.model.Outputs + k)
		grow := b.grower.grow
		if b.p.Growth == engine.Oblivious {
			grow = b.grower.growOblivious
		}
		t, err := grow(ctx)
		if err != nil {
			return err
		}
		if _, ok := o.(projection); ok {
			for k := range b.p.Classes {
				b.share(k, t)
				b.add(k, t)
			}
			continue
		}
		b.value(k, o, t)
		b.add(k, t)
	}
	return nil
}

// add adds t, whose leaves have their values, to the model.
func (b *booster) add(k int, t *grown) {
	b.addScores(k, t)
	t.out.Output = k
	b.model.Trees = append(b.model.Trees, t.out)
}

// share sets the value of each leaf of t to the share of class k among its rows.
func (b *booster) share(k int, t *grown) {
	leaves := make([]tree.Leaf, len(t.leaves))
	for i, l := range t.leaves {
		is, total := 0.0, 0.0
		for _, r := range b.grower.rows[l.from:l.to] {
			w := 1.0
			if b.train.Weight != nil {
				w = b.train.Weight[r]
			}
			total += w
			if int(b.train.Label[r]) == k {
				is += w
			}
		}
		leaves[i] = tree.Leaf{Value: is / total, Weight: b.grower.hess(l.total), Count: int(l.total.rows)}
	}
	t.out.Leaves = leaves
}

// softmax sets the probabilities of the classes from the scores.
func (b *booster) softmax() {
	b.grower.workers.rows(b.grower.train.rows, func(_, from, to int) {
		for i := from; i < to; i++ {
			most := math.Inf(-1)
			for k := range b.scores {
				most = max(most, b.scores[k][i])
			}
			sum := 0.0
			for k := range b.scores {
				e := math.Exp(b.scores[k][i] - most)
				b.probability[k][i] = e
				sum += e
			}
			for k := range b.scores {
				b.probability[k][i] /= sum
			}
		}
	})
}

// drawRows draws the rows of the tree of a round. They are in ascending order.
func (b *booster) drawRows(round int) {
	g := b.grower
	n := g.train.rows
	rows := g.rows[:0]
	g.whole = false
	b.times = 1
	switch {
	case b.p.Method == engine.Forest:
		count := max(1, int(math.Round(b.p.Bagging*float64(n))))
		times := make([]uint32, n)
		r := generator(b.p.Seed, drawRows, round, 0)
		for range count {
			times[r.Uint64N(uint64(n))]++
		}
		for i, k := range times {
			b.times = max(b.times, int(k))
			for range k {
				rows = append(rows, uint32(i))
			}
		}
	case b.p.Bagging < 1:
		left := max(1, int(math.Round(b.p.Bagging*float64(n))))
		r := generator(b.p.Seed, drawRows, round, 0)
		for i := range n {
			if left > 0 && r.Uint64N(uint64(n-i)) < uint64(left) {
				rows = append(rows, uint32(i))
				left--
			}
		}
	default:
		rows = rows[:n]
		g.workers.rows(n, func(_, from, to int) {
			for i := from; i < to; i++ {
				rows[i] = uint32(i)
			}
		})
		g.whole = true
	}
	g.rows = rows
}

// derive computes the derivatives of the loss by the scores of output k, and packs them.
func (b *booster) derive(k int, o objective) {
	g, n := b.grower, b.grower.train.rows
	scores := b.scores[k]
	if b.probability != nil {
		scores = b.probability[k]
	}
	first, second, weight := b.first, b.second, b.train.Weight
	_, whole := o.(*ranker)
	if whole {
		o.derive(scores, b.train.Label, first, second)
	}
	absolute := make([]float64, (n+blockRows-1)/blockRows)
	curves := make([]float64, len(absolute))
	g.workers.rows(n, func(block, from, to int) {
		f := first[from:to]
		var s []float64
		if b.curved {
			s = second[from:to]
			if o.constant() {
				for i := range s {
					s[i] = 1
				}
			}
		}
		if !whole {
			o.derive(scores[from:to], b.train.Label[from:to], f, s)
		}
		sum := 0.0
		for i := range f {
			if weight != nil {
				f[i] *= weight[from+i]
				s[i] *= weight[from+i]
			}
			sum += math.Abs(f[i])
		}
		absolute[block] = sum
		for _, h := range s {
			curves[block] += h
		}
	})
	total := func(parts []float64) (sum float64) {
		for _, part := range parts {
			sum += part
		}
		return sum * float64(b.times)
	}
	g.unit = quantize(len(g.rows), total(absolute), total(curves), !b.curved)
	g.workers.rows(n, func(_, from, to int) {
		shift, scale := g.unit.shift&63, g.unit.g
		packed := g.packed[from:to]
		for i, d := range first[from:to] {
			packed[i] = int64(d*scale)<<shift | 1
		}
		if b.curved {
			for i, d := range second[from:to] {
				g.curves[from+i] = int64(d * g.unit.h)
			}
		}
	})
}

// value sets the values of the leaves of t.
func (b *booster) value(k int, o objective, t *grown) {
	rate, base := b.p.LearningRate, 0.0
	if b.p.Method == engine.Forest {
		rate, base = 1, b.start[k]
	}
	renew, renews := o.(renewer)
	t.out.Leaves = make([]tree.Leaf, len(t.leaves))
	b.grower.workers.each(len(t.leaves), func(_, i int) {
		l := t.leaves[i]
		v := l.value
		if renews {
			rows := b.grower.rows[l.from:l.to]
			residuals := make([]float64, len(rows))
			var weights []float64
			if b.train.Weight != nil {
				weights = make([]float64, len(rows))
			}
			for j, r := range rows {
				residuals[j] = b.train.Label[r] - b.scores[k][r]
				if weights != nil {
					weights[j] = b.train.Weight[r]
				}
			}
			v = min(max(renew.renew(residuals, weights), l.low), l.high)
		}
		t.out.Leaves[i] = tree.Leaf{Value: base + rate*v, Weight: b.grower.hess(l.total), Count: int(l.total.rows)}
	})
}

// addScores adds the values of t to the scores of output k.
func (b *booster) addScores(k int, t *grown) {
	g := b.grower
	switch {
	case b.p.Method == engine.Forest: // each tree starts from the same scores
		if b.sums != nil {
			b.walk(t, g.train, b.sums[k])
		}
	case b.p.Bagging < 1:
		b.walk(t, g.train, b.scores[k])
	default:
		g.workers.each(len(t.leaves), func(_, i int) {
			l, v := t.leaves[i], t.out.Leaves[i].Value
			scores := b.scores[k]
			for _, r := range g.rows[l.from:l.to] {
				scores[r] += v
			}
		})
	}
	if b.valid.Rows() > 0 {
		b.walk(t, b.validTable, b.validScores[k])
	}
}

// walk adds the values of t to the scores of the given rows.
func (b *booster) walk(t *grown, rows table, scores []float64) {
	b.grower.workers.rows(rows.rows, func(_, from, to int) {
		for i := from; i < to; i++ {
			scores[i] += t.out.Leaves[t.leafOf(rows.columns, i)].Value
		}
	})
}
