// Package catboost trains trees with CatBoost, where it is installed: in a Python
// that runs beside the program (pip install catboost), because CatBoost's library
// trains for Python only.
//
// # What becomes of the params
//
//	Method         Boosting only
//	Growth         grow_policy: Lossguide for LeafWise, Depthwise for LevelWise, SymmetricTree for Oblivious
//	Loss           loss_function, with alpha, delta, variance_power, classes_count
//	Trees          iterations
//	LearningRate   learning_rate
//	Leaves         max_leaves, leaf-wise; not used in oblivious trees
//	Depth          depth, up to 16
//	MinRows        min_data_in_leaf; above 1 not in oblivious trees
//	LambdaL2       l2_leaf_reg
//	MaxBins        border_count, which is one less
//	Bagging        subsample, with bootstrap_type=Bernoulli; for 1 bootstrap_type=No
//	NodeFraction   rsm
//	Monotone       monotone_constraints, of oblivious trees
//	Seed           random_seed, folded into 31 bits
//	Threads        thread_count
//
// What is 0 has CatBoost's default (a learning rate that it chooses, l2_leaf_reg=3),
// except for the parameters of the losses, which are those of [engine.Params]
// whoever trains, Trees (100) and Threads (1). Depth is 6 by that, but 16 leaf-wise
// where Leaves is set. Other fields are refused: CatBoost has no such settings.
// [engine.Params.Extra] takes every parameter of CatBoost's Python classes, except
// for the number of rounds and of threads, early stopping and eval_metric. Numbers,
// lists and truths in it are written as in JSON.
//
// # What else to know
//
// Categorical columns are refused, because the models that CatBoost makes of them
// cannot be read back: encode categories as numbers. Features, labels and weights are
// rounded to float32; what is larger, the infinities among it, becomes the largest
// float32. Scores are those of Params.Loss, computed here, whatever loss Extra sets.
//
// # What it costs
//
// A Python takes about half a second of CPU time to start, and 100 MB. It is kept for
// ten seconds for the next training; trainings at the same time have one each. The
// data goes through files in the folder for temporary ones. Pythons end with the
// program.
package catboost

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tree/internal/trainer"
)

// An Engine is CatBoost 1.2 or later. The zero value finds it by itself.
type Engine struct {
	// Python is the Python that has CatBoost. Default: what the environment variable
	// ATTUNE_CATBOOST_PYTHON says, or else the first of ATTUNE_PYTHON, those of
	// VIRTUAL_ENV and CONDA_PREFIX, and python3 on PATH, that can import it.
	Python string
}

var _ engine.Engine = Engine{}

// String returns the engine's name.
func (Engine) String() string { return "catboost" }

// Available returns nil if Fit finds CatBoost, and else its error, which wraps
// [engine.ErrUnavailable]. It starts a Python, which the next Fit uses.
func (e Engine) Available() error {
	w, err := hire(context.Background(), e.Python)
	if err != nil {
		return err
	}
	w.rest()
	return nil
}

// Fit implements [engine.Engine]. Errors of CatBoost itself wrap [engine.ErrParams]
// where it refuses to begin. When ctx ends, its Python is killed.
func (e Engine) Fit(ctx context.Context, train, valid engine.Dataset, params engine.Params, onIteration func(engine.Iteration) error) (*tree.Model, error) {
	if err := engine.Check(train, valid, params); err != nil {
		return nil, err
	}
	train = trainer.Weighted(train)
	settings, link, err := settings(train, params)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w, err := hire(ctx, e.Python)
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "attune-catboost-")
	if err != nil {
		w.rest()
		return nil, fmt.Errorf("catboost: %w", err)
	}
	defer os.RemoveAll(folder)
	m, err := trainer.Fit(ctx, train, valid, params, onIteration, &booster{
		worker: w, folder: folder, outputs: trainer.Outputs(params), link: link, settings: settings, extra: params.Extra,
		watched: trainer.Watched(params, onIteration),
	})
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return m, err
}

// aliases are the second names of parameters that are set here, or reserved.
var aliases = map[string]string{
	"eta": "learning_rate", "max_depth": "depth", "reg_lambda": "l2_leaf_reg", "max_bin": "border_count",
	"colsample_bylevel": "rsm", "random_state": "random_seed", "objective": "loss_function",
	"num_leaves": "max_leaves", "min_child_samples": "min_data_in_leaf",
	"num_boost_round": "iterations", "n_estimators": "iterations", "num_trees": "iterations",
	"od_type": "early_stopping_rounds", "od_wait": "early_stopping_rounds", "od_pval": "early_stopping_rounds",
	"use_best_model": "early_stopping_rounds",
}

// settings returns the parameters of a training, and the link that its model has.
func settings(train engine.Dataset, p engine.Params) (trainer.Settings, tree.LinkFunc, error) {
	s := trainer.Settings{"allow_writing_files": "false", "allow_const_label": "true", "logging_level": "Silent"}
	bad := func(field string, value any, want string) (trainer.Settings, tree.LinkFunc, error) {
		return nil, 0, engine.BadParam(field, value, want)
	}
	switch {
	case p.Method == engine.Forest:
		return bad("Method", "Forest", "Boosting: CatBoost has no forests")
	case p.Method == engine.Isolation:
		return bad("Method", "Isolation", "Boosting: CatBoost has no isolation forests")
	case p.Depth > 16:
		return bad("Depth", p.Depth, "at most 16 for CatBoost")
	case len(train.Categorical) > 0:
		return nil, 0, engine.BadData("train: column %d is categorical, and CatBoost's models of categories cannot be read back: encode them as numbers", train.Categorical[0])
	}
	link := tree.Identity
	q := p.WithDefaults(len(train.Columns))
	switch p.Loss {
	case engine.L2:
		s.Set("loss_function", "RMSE")
	case engine.L1:
		s.Set("loss_function", "MAE")
	case engine.Huber:
		s.Set("loss_function", fmt.Sprint("Huber:delta=", q.HuberDelta))
	case engine.Quantile:
		s.Set("loss_function", fmt.Sprint("Quantile:alpha=", q.Quantile))
	case engine.Poisson:
		s.Set("loss_function", "Poisson")
		link = tree.Exp
	case engine.Tweedie:
		s.Set("loss_function", fmt.Sprint("Tweedie:variance_power=", q.TweediePower))
		link = tree.Exp
	case engine.Logistic:
		s.Set("loss_function", "Logloss")
		link = tree.Sigmoid
	case engine.Softmax:
		s.Set("loss_function", "MultiClass")
		s.Set("classes_count", p.Classes)
		link = tree.Softmax
	}
	leaves, rows, depth := "", "min_data_in_leaf", p.Depth
	count := p.Leaves
	switch p.Growth {
	case engine.LeafWise:
		s.Set("grow_policy", "Lossguide")
		leaves = "max_leaves"
		if depth == 0 && count != 0 {
			depth = 16
		}
	case engine.LevelWise:
		s.Set("grow_policy", "Depthwise")
	case engine.Oblivious:
		s.Set("grow_policy", "SymmetricTree")
		rows, count = "", 0
	}
	bins := p.MaxBins
	if bins != 0 {
		bins-- // borders
	}
	switch {
	case p.Bagging == 1 || p.Bagging == 0 && constant(train.Label): // its default fails without a gradient
		s.Set("bootstrap_type", "No")
	case p.Bagging != 0:
		s.Set("bootstrap_type", "Bernoulli")
		s.Set("subsample", p.Bagging)
	}
	minRows := p.MinRows
	if minRows == 1 {
		minRows = 0 // as it is anyway
	}
	err := s.Fields("CatBoost",
		trainer.Field{Field: "LearningRate", Value: p.LearningRate, Name: "learning_rate"},
		trainer.Field{Field: "Leaves", Value: count, Name: leaves},
		trainer.Field{Field: "Depth", Value: depth, Name: "depth"},
		trainer.Field{Field: "MinRows", Value: minRows, Name: rows},
		trainer.Field{Field: "MinWeight", Value: p.MinWeight},
		trainer.Field{Field: "MinGain", Value: p.MinGain},
		trainer.Field{Field: "LambdaL1", Value: p.LambdaL1},
		trainer.Field{Field: "LambdaL2", Value: p.LambdaL2, Name: "l2_leaf_reg"},
		trainer.Field{Field: "MaxBins", Value: bins, Name: "border_count"},
		trainer.Field{Field: "FeatureFraction", Value: p.FeatureFraction},
		trainer.Field{Field: "NodeFraction", Value: p.NodeFraction, Name: "rsm"},
		trainer.Field{Field: "OneHot", Value: p.OneHot},
		trainer.Field{Field: "CategorySmooth", Value: p.CategorySmooth},
		trainer.Field{Field: "CategoryL2", Value: p.CategoryL2},
		trainer.Field{Field: "CategorySet", Value: p.CategorySet},
		trainer.Field{Field: "Samples", Value: p.Samples},
	)
	if err != nil {
		return nil, 0, err
	}
	if slices.ContainsFunc(p.Monotone, func(m int) bool { return m != 0 }) {
		if p.Growth != engine.Oblivious {
			return bad("Monotone", p.Monotone, "nil, except for oblivious trees: CatBoost has no others that are monotone")
		}
		s.Set("monotone_constraints", strings.ReplaceAll(fmt.Sprint(p.Monotone), " ", ","))
	}
	s.Set("iterations", q.Trees)
	s.Set("random_seed", trainer.Seed(p.Seed))
	s.Set("thread_count", q.Threads)
	canonical := func(name string) (string, bool) { // that a name is none at all, CatBoost says later
		if first, ok := aliases[name]; ok {
			return first, true
		}
		return name, true
	}
	err = s.Extra(p.Extra, canonical, map[string]string{
		"iterations": "Trees", "thread_count": "Threads", "early_stopping_rounds": "EarlyStopping", "eval_metric": "Loss",
	})
	if err != nil {
		return nil, 0, err
	}
	for _, name := range []string{"model_shrink_rate", "langevin", "posterior_sampling"} {
		if _, set := s[name]; set && p.EarlyStopping > 0 {
			return bad("EarlyStopping", p.EarlyStopping, "0 with "+name+", which changes earlier trees")
		}
	}
	return s, link, nil
}

func constant(label []float64) bool {
	return !slices.ContainsFunc(label, func(y float64) bool { return y != label[0] })
}
