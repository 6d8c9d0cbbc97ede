package table

import (
	"context"
	"fmt"

	"github.com/attune-hpo/attune/objective/dense"
	"github.com/attune-hpo/attune/objective/pipeline"
	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tree/style"
	"github.com/attune-hpo/attune/space"
)

// A Style is a kind of model with its hyperparameters: a [style.Style] of tree ensembles, or
// a [dense.Style] of linear models and networks.
type Style interface {
	Name() string
	Names() []string // names of all hyperparameters
	Space() space.Space
}

// A trainer trains models with certain hyperparameters.
type trainer struct {
	check func(engine.Dataset) error
	fit   func(ctx context.Context, train, valid engine.Dataset, threads int, onRound func(engine.Iteration) error) (body, error)

	curve  bool // the best round counts, unless the number of rounds is given
	rounds int  // number of rounds of training; 0 if it has none
	every  int  // rounds from one look at the predictions to the next
}

// A body is what predicts: trees, or a graph whose inputs are all numbers.
type body struct {
	trees *tree.Model
	graph *pipeline.Model
}

// compile returns a function that predicts rows, and the number of outputs.
func (b body) compile() (predict func(rows, out []float64) error, outputs int, err error) {
	if b.trees != nil {
		p, err := tree.NewPredictor(b.trees)
		if err != nil {
			return nil, 0, err
		}
		return p.Predict, b.trees.Outputs, nil
	}
	p, err := pipeline.NewPredictor(b.graph)
	if err != nil {
		return nil, 0, err
	}
	return p.PredictRows, p.Width(0), nil
}

// predict returns the predictions for the rows of d, row by row.
func (b body) predict(d engine.Dataset) ([]float64, error) {
	predict, outputs, err := b.compile()
	if err != nil {
		return nil, err
	}
	rows := make([]float64, d.Rows()*len(d.Columns))
	for f, c := range d.Columns {
		for i, v := range c {
			rows[i*len(d.Columns)+f] = v
		}
	}
	out := make([]float64, d.Rows()*outputs)
	return out, predict(rows, out)
}

// trainer returns the trainer of models with some settings. If early is set and the number of
// rounds is not, training goes on for MaxRounds, and the best round counts.
func (t *Task) trainer(settings space.Settings, seed uint64, early bool) (trainer, error) {
	if _, given := settings.Get(t.rounds()); given {
		early = false
	}
	most := t.MaxRounds
	if most == 0 {
		most = 500
	}
	switch s := t.Style.(type) {
	case style.Style:
		p, err := t.params(s, settings)
		if err != nil {
			return trainer{}, err
		}
		p.Seed = seed
		out := trainer{curve: p.Method == engine.Boosting && early, every: 1}
		if out.curve {
			p.Trees = most
		}
		if p.Method == engine.Isolation {
			out.every = 10 // its rounds differ little, and each prediction goes through all trees
		}
		out.rounds = p.Trees
		out.check = func(d engine.Dataset) error { return engine.Check(d, engine.Dataset{}, p) }
		out.fit = func(ctx context.Context, train, valid engine.Dataset, threads int, onRound func(engine.Iteration) error) (body, error) {
			p := p
			p.Threads = threads
			m, err := t.engine().Fit(ctx, train, valid, p, onRound)
			return body{trees: m}, err
		}
		return out, nil
	case dense.Style:
		p, err := s.Params(settings)
		if err != nil {
			return trainer{}, err
		}
		if t.metric().m.IsPinball() {
			return trainer{}, fmt.Errorf("%w: %s does not learn quantiles: use trees, or another metric than %s", ErrConfig, s.Name(), t.metric().Name())
		}
		p.Seed, p.Classes = seed, len(t.Table.Target.Categories)
		out := trainer{curve: p.Layers > 0 && early, every: 1}
		if out.curve {
			p.Epochs = most
		}
		if p.Layers > 0 {
			out.rounds = p.Epochs
		}
		out.check = func(engine.Dataset) error { return p.Validate() }
		out.fit = func(ctx context.Context, train, valid engine.Dataset, _ int, onRound func(engine.Iteration) error) (body, error) {
			m, err := dense.Fit(ctx, train, valid, p, onRound)
			return body{graph: m}, err
		}
		return out, nil
	}
	return trainer{}, fmt.Errorf("%w: a style of type %T: want one of packages style and dense", ErrConfig, t.Style)
}
