// Package catboost trains trees with CatBoost if it is installed. CatBoost can only train
// from Python, so it runs in a Python process beside the program (pip install
// catboost).
//
// # How Params map to CatBoost
//
//	Method         Boosting only
//	Growth         grow_policy: Lossguide for LeafWise, Depthwise for LevelWise, SymmetricTree for Oblivious
//	Loss           loss_function, with alpha, delta, variance_power, classes_count
//	Trees          iterations
//	LearningRate   learning_rate
//	Leaves         max_leaves of leaf-wise trees; oblivious trees do not use it
//	Depth          depth, up to 16
//	MinRows        min_data_in_leaf; oblivious trees refuse more than 1
//	LambdaL2       l2_leaf_reg
//	MaxBins        border_count = MaxBins-1
//	Bagging        subsample with bootstrap_type=Bernoulli; bootstrap_type=No if 1
//	NodeFraction   rsm
//	Monotone       monotone_constraints; only for oblivious trees
//	Seed           random_seed, folded into 31 bits
//	Threads        thread_count
//
// A field that is 0 takes CatBoost's default (a learning rate that it chooses,
// l2_leaf_reg=3), with these exceptions: the parameters of the losses have the defaults of
// [engine.Params], Trees is 100, Threads is 1, and Depth is 16, instead of 6, for leaf-wise
// growth with Leaves set. Other fields are refused, because CatBoost has no such settings.
// [engine.Params.Extra] accepts every parameter of CatBoost's Python classes except the
// number of rounds, the number of threads, early stopping and eval_metric. Write numbers,
// lists and booleans in it as JSON.
//
// # Other facts
//
// Categorical columns are refused, because the resulting models of CatBoost cannot be
// read back: encode categories as numbers. Features, labels and weights are rounded to
// float32; larger values, including the infinities, become the largest float32. Scores are
// those of Params.Loss, computed by this package, even if Extra sets another loss.
//
// # Cost
//
// A Python process takes about half a second of CPU time to start, and 100 MB. It stays
// alive for ten seconds, ready for the next training; concurrent trainings use one
// process each. The data passes through files in the temporary folder. The processes end
// with the program.
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

// An Engine is CatBoost 1.2 or later. The zero value finds a Python that has it.
type Engine struct {
	// Python is the Python executable that has CatBoost. By default it is the value of the
	// environment variable ATTUNE_CATBOOST_PYTHON, else the first that can import CatBoost
	// among ATTUNE_PYTHON, those of VIRTUAL_ENV and CONDA_PREFIX, and python3 on PATH.
	Python string
}

var _ engine.Engine = Engine{}

// String returns the engine's name.
func (Engine) String() string { return "catboost" }

// Available returns nil if Fit can find CatBoost. Otherwise it returns the error of Fit,
// which wraps [engine.ErrUnavailable]. It starts a Python process, which the next Fit uses.
func (e Engine) Available() error {
	w, err := hire(context.Background(), e.Python)
	if err != nil {
		return err
	}
	w.rest()
	return nil
}

// Fit implements [engine.Engine]. If CatBoost refuses to begin, the error wraps
// [engine.ErrParams]. When ctx ends, Fit kills its Python process.
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

// names are CatBoost's names.
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

// links are the links of the models of those losses that have one.
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
		p.Leaves = 0 // the depth determines how many
		of = names.Without("MinRows")
	}
	if p.MaxBins != 0 {
		p.MaxBins-- // borders between bins
	}
	switch {
	case p.Bagging == 1 || p.Bagging == 0 && constant(train.Label): // CatBoost's default fails without a gradient
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
		return nil, engine.BadParam("Monotone", p.Monotone, "nil, except for oblivious trees: CatBoost has no other monotone trees")
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
