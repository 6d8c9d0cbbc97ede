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
	settings, err := settings(train, params)
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
		worker: w, folder: folder, outputs: trainer.Outputs(params), link: links[params.Loss], settings: settings, extra: params.Extra,
		watched: trainer.Watched(params, onIteration),
	})
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return m, err
}

// names are what CatBoost calls things.
var names = trainer.Library{
	Name:      "CatBoost",
	Objective: "loss_function",
	Losses: map[engine.Loss]trainer.Loss{
		engine.L2:       {Name: "RMSE"},
		engine.L1:       {Name: "MAE"},
		engine.Huber:    {Name: "Huber:delta=%v"},
		engine.Quantile: {Name: "Quantile:alpha=%v"},
		engine.Poisson:  {Name: "Poisson"},
		engine.Tweedie:  {Name: "Tweedie:variance_power=%v"},
		engine.Logistic: {Name: "Logloss"},
		engine.Softmax:  {Name: "MultiClass", Number: "classes_count"},
	},
	Fields: map[string]string{
		"LearningRate": "learning_rate",
		"Leaves":       "max_leaves",
		"Depth":        "depth",
		"MinRows":      "min_data_in_leaf",
		"LambdaL2":     "l2_leaf_reg",
		"MaxBins":      "border_count",
		"Bagging":      "subsample",
		"NodeFraction": "rsm",
	},
	Seed:    "random_seed",
	Threads: "thread_count",
	Aliases: map[string]string{
		"eta": "learning_rate", "max_depth": "depth", "reg_lambda": "l2_leaf_reg", "max_bin": "border_count",
		"colsample_bylevel": "rsm", "random_state": "random_seed", "objective": "loss_function",
		"num_leaves": "max_leaves", "min_child_samples": "min_data_in_leaf",
		"num_boost_round": "iterations", "n_estimators": "iterations", "num_trees": "iterations",
		"od_type": "early_stopping_rounds", "od_wait": "early_stopping_rounds", "od_pval": "early_stopping_rounds",
		"use_best_model": "early_stopping_rounds",
	},
	Reserved: map[string]string{
		"iterations": "Trees", "thread_count": "Threads", "early_stopping_rounds": "EarlyStopping", "eval_metric": "Loss",
	},
}

// links are those of the models of a loss, where they have one.
var links = map[engine.Loss]tree.LinkFunc{
	engine.Poisson: tree.Exp, engine.Tweedie: tree.Exp, engine.Logistic: tree.Sigmoid, engine.Softmax: tree.Softmax,
}

// settings returns the parameters of a training.
func settings(train engine.Dataset, p engine.Params) (trainer.Settings, error) {
	s := trainer.Settings{"allow_writing_files": "false", "allow_const_label": "true", "logging_level": "Silent"}
	switch {
	case p.Method == engine.Forest:
		return nil, engine.BadParam("Method", "Forest", "Boosting: CatBoost has no forests")
	case p.Method == engine.Isolation:
		return nil, engine.BadParam("Method", "Isolation", "Boosting: CatBoost has no isolation forests")
	case p.Depth > 16:
		return nil, engine.BadParam("Depth", p.Depth, "at most 16 for CatBoost")
	case len(train.Categorical) > 0:
		return nil, engine.BadData("train: column %d is categorical, and CatBoost's models of categories cannot be read back: encode them as numbers", train.Categorical[0])
	}
	if p.MinRows == 1 {
		p.MinRows = 0 // every leaf has a row
	}
	of := names
	switch p.Growth {
	case engine.LeafWise:
		s.Set("grow_policy", "Lossguide")
		if p.Depth == 0 && p.Leaves != 0 {
			p.Depth = 16
		}
	case engine.LevelWise:
		s.Set("grow_policy", "Depthwise")
		of = names.Without("Leaves")
	case engine.Oblivious:
		s.Set("grow_policy", "SymmetricTree")
		p.Leaves = 0 // the depth says how many
		of = names.Without("MinRows")
	}
	if p.MaxBins != 0 {
		p.MaxBins-- // borders
	}
	switch {
	case p.Bagging == 1 || p.Bagging == 0 && constant(train.Label): // its default fails without a gradient
		s.Set("bootstrap_type", "No")
		p.Bagging = 0
	case p.Bagging != 0:
		s.Set("bootstrap_type", "Bernoulli")
	}
	s.Set("iterations", p.WithDefaults(len(train.Columns)).Trees)
	monotone := slices.ContainsFunc(p.Monotone, func(m int) bool { return m != 0 })
	if monotone {
		s.Set("monotone_constraints", strings.ReplaceAll(fmt.Sprint(p.Monotone), " ", ","))
	}
	if err := of.Apply(s, p, len(train.Columns)); err != nil {
		return nil, err
	}
	if monotone && p.Growth != engine.Oblivious {
		return nil, engine.BadParam("Monotone", p.Monotone, "nil, except for oblivious trees: CatBoost has no others that are monotone")
	}
	for _, name := range []string{"model_shrink_rate", "langevin", "posterior_sampling"} {
		if _, set := s[name]; set && p.EarlyStopping > 0 {
			return nil, engine.BadParam("EarlyStopping", p.EarlyStopping, "0 with "+name+", which changes earlier trees")
		}
	}
	return s, nil
}

func constant(label []float64) bool {
	return !slices.ContainsFunc(label, func(y float64) bool { return y != label[0] })
}
