// Package lightgbm trains trees with LightGBM, where it is installed: Microsoft's
// shared library, as it is in the Python package (pip install lightgbm), opened
// without cgo and without Python.
//
// # What becomes of the params
//
//	Method           boosting: gbdt, or rf. Isolation is refused
//	Growth           LeafWise only
//	Loss             objective, with alpha, tweedie_variance_power, num_class
//	LearningRate     learning_rate
//	Leaves           num_leaves
//	Depth            max_depth
//	MinRows          min_data_in_leaf
//	MinWeight        min_sum_hessian_in_leaf
//	MinGain          min_gain_to_split
//	LambdaL1         lambda_l1
//	LambdaL2         lambda_l2
//	MaxBins          max_bin
//	Bagging          bagging_fraction, with bagging_freq=1
//	FeatureFraction  feature_fraction
//	NodeFraction     feature_fraction_bynode
//	Monotone         monotone_constraints
//	OneHot           max_cat_to_onehot
//	CategorySmooth   cat_smooth
//	CategoryL2       cat_l2
//	CategorySet      max_cat_threshold
//	Seed             seed, folded into 31 bits
//	Threads          num_threads
//
// What is 0 has LightGBM's default, except for the parameters of the losses, which
// are those of [engine.Params] whoever trains, Trees (100) and Threads (1).
// [engine.Params.Extra] takes every parameter that LightGBM has, by any of its
// names, except for the number of rounds and of threads and early stopping. Also
// set, for the same model each time, are deterministic and force_col_wise.
//
// Forests are LightGBM's (boosting=rf): a tree sees Bagging of the rows, drawn
// without replacement, by default 0.632, which is how many different rows n draws
// with replacement give on average.
//
// # What else to know
//
// Features are taken as they are; labels and weights are rounded to float32. A round
// in which nothing can be split adds no trees, as LightGBM has it. Scores are those
// of Params.Loss, computed here, whatever objective or metric Extra sets.
//
// LightGBM has one number of threads in a process: trainings whose Threads differ
// wait for one another. Before the first library OMP_WAIT_POLICY is set to passive
// in the environment, unless it is set.
package lightgbm

import (
	"context"
	"runtime"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tree/internal/trainer"
)

// An Engine is LightGBM 4.0 or later. The zero value finds it by itself.
type Engine struct {
	// Library is the file of the library, or the folder that holds it. Default: what
	// the environment variable ATTUNE_LIGHTGBM says, or else the first that is found
	// in the packages of Python (ATTUNE_PYTHON, VIRTUAL_ENV, CONDA_PREFIX, python3 on
	// PATH), or else what the system's loader knows as lib_lightgbm.so (.dylib, .dll).
	Library string
}

var _ engine.Engine = Engine{}

// String returns the engine's name.
func (Engine) String() string { return "lightgbm" }

// Available returns nil if Fit finds LightGBM, and else its error, which wraps
// [engine.ErrUnavailable].
func (e Engine) Available() error {
	_, err := load(e.Library)
	return err
}

// Fit implements [engine.Engine]. Errors of LightGBM itself wrap [engine.ErrParams]
// where it refuses to begin.
func (e Engine) Fit(ctx context.Context, train, valid engine.Dataset, params engine.Params, onIteration func(engine.Iteration) error) (*tree.Model, error) {
	if err := engine.Check(train, valid, params); err != nil {
		return nil, err
	}
	lib, err := load(e.Library)
	if err != nil {
		return nil, err
	}
	settings, err := lib.settings(train, params)
	if err != nil {
		return nil, err
	}
	if err := threads.enter(ctx, max(params.Threads, 1)); err != nil {
		return nil, err
	}
	defer threads.leave()
	// LightGBM keeps its last error, and how much it logs, thread by thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return trainer.Fit(ctx, train, valid, params, onIteration, &booster{lib: lib, outputs: trainer.Outputs(params), settings: settings.String()})
}

// names are what LightGBM calls things. A loaded library adds its aliases.
var names = trainer.Library{
	Name:      "LightGBM",
	Objective: "objective",
	Losses: map[engine.Loss]trainer.Loss{
		engine.L2:       {Name: "regression"},
		engine.L1:       {Name: "regression_l1"},
		engine.Huber:    {Name: "huber", Number: "alpha"},
		engine.Quantile: {Name: "quantile", Number: "alpha"},
		engine.Poisson:  {Name: "poisson"},
		engine.Tweedie:  {Name: "tweedie", Number: "tweedie_variance_power"},
		engine.Logistic: {Name: "binary"},
		engine.Softmax:  {Name: "multiclass", Number: "num_class"},
	},
	Fields: map[string]string{
		"LearningRate":    "learning_rate",
		"Leaves":          "num_leaves",
		"Depth":           "max_depth",
		"MinRows":         "min_data_in_leaf",
		"MinWeight":       "min_sum_hessian_in_leaf",
		"MinGain":         "min_gain_to_split",
		"LambdaL1":        "lambda_l1",
		"LambdaL2":        "lambda_l2",
		"MaxBins":         "max_bin",
		"Bagging":         "bagging_fraction",
		"FeatureFraction": "feature_fraction",
		"NodeFraction":    "feature_fraction_bynode",
		"OneHot":          "max_cat_to_onehot",
		"CategorySmooth":  "cat_smooth",
		"CategoryL2":      "cat_l2",
		"CategorySet":     "max_cat_threshold",
	},
	Seed:     "seed",
	Threads:  "num_threads",
	Strict:   true,
	Reserved: map[string]string{"num_iterations": "Trees", "early_stopping_round": "EarlyStopping", "num_threads": "Threads"},
}

// settings returns the parameters of a training.
func (l *library) settings(train engine.Dataset, p engine.Params) (trainer.Settings, error) {
	s := trainer.Settings{"verbosity": "-1", "metric": "none", "deterministic": "true", "force_col_wise": "true"}
	switch {
	case p.Method == engine.Isolation:
		return nil, engine.BadParam("Method", "Isolation", "Boosting or Forest: LightGBM has no isolation forests")
	case p.Growth != engine.LeafWise:
		return nil, engine.BadParam("Growth", int(p.Growth), "LeafWise: LightGBM grows no other trees")
	case p.Method == engine.Forest && p.Bagging == 1:
		return nil, engine.BadParam("Bagging", p.Bagging, "a share below 1: LightGBM's forests draw rows without replacement")
	}
	if p.Method == engine.Forest {
		s.Set("boosting", "rf")
		p.LearningRate = 0 // forests have none
		if p.Bagging == 0 {
			p.Bagging = trainer.Bootstrap
		}
	}
	if p.Bagging != 0 {
		s.Set("bagging_freq", 1)
	}
	if len(p.Monotone) > 0 {
		s.Set("monotone_constraints", list(p.Monotone))
	}
	if len(train.Categorical) > 0 {
		s.Set("categorical_feature", list(train.Categorical))
	}
	of := names
	of.Aliases = l.aliases
	if err := of.Apply(s, p, len(train.Columns)); err != nil {
		return nil, err
	}
	if _, set := p.Extra["force_row_wise"]; set {
		delete(s, "force_col_wise")
	}
	if s["boosting"] == "dart" && p.EarlyStopping > 0 {
		return nil, engine.BadParam("EarlyStopping", p.EarlyStopping, "0 with boosting=dart, which changes earlier trees")
	}
	return s, nil
}

// list returns numbers with commas between them.
func list(numbers []int) string {
	texts := make([]string, len(numbers))
	for i, n := range numbers {
		texts[i] = strconv.Itoa(n)
	}
	return strings.Join(texts, ",")
}
