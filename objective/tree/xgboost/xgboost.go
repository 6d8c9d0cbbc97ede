// Package xgboost trains trees with XGBoost if it is installed. It opens XGBoost's shared
// library, as the Python package contains it (pip install xgboost), without cgo and
// without Python.
//
// # How Params map to XGBoost
//
//	Method           Boosting; or Forest: num_parallel_tree, eta=1. Isolation is refused
//	Growth           grow_policy: lossguide for LeafWise, depthwise for LevelWise. Oblivious is refused
//	Loss             objective, with quantile_alpha, tweedie_variance_power, num_class. Huber is refused
//	Trees            rounds of boosting; num_parallel_tree of a forest
//	LearningRate     eta
//	Leaves           max_leaves
//	Depth            max_depth
//	MinWeight        min_child_weight
//	MinGain          gamma
//	LambdaL1         alpha
//	LambdaL2         lambda
//	MaxBins          max_bin
//	Bagging          subsample
//	FeatureFraction  colsample_bytree
//	NodeFraction     colsample_bynode
//	Monotone         monotone_constraints
//	OneHot           max_cat_to_onehot = OneHot+1
//	CategorySet      max_cat_threshold
//	Seed             seed, folded into 31 bits
//	Threads          nthread
//
// A field that is 0 takes XGBoost's default (eta 0.3, lambda 1), with these exceptions:
// the parameters of the losses have the defaults of [engine.Params], Trees is 100,
// Threads is 1, and Depth is unlimited, instead of 6, for leaf-wise growth with Leaves set.
// MinRows above 1, CategorySmooth and CategoryL2 are refused, because XGBoost has no such
// settings; for squared errors without weights, MinWeight is the number of rows. The tree
// method is always tree_method=hist. [engine.Params.Extra] accepts every XGBoost parameter
// except the number of threads.
//
// A forest grows all its trees in one round, so there is one iteration. A tree sees a
// share Bagging of the rows, drawn without replacement. The default is 0.632, the expected
// share of distinct rows among n draws with replacement.
//
// # Other facts
//
// XGBoost computes in float32: features, labels and weights are rounded to float32, and
// larger values, including the infinities, become the largest float32. XGBoost's own
// predictions differ from those of the returned model by the rounding of its sums. Scores
// are those of Params.Loss, computed by this package, even if Extra sets another objective.
//
// Before any library is loaded, the environment variable OMP_WAIT_POLICY is set to
// passive, unless it is already set.
package xgboost

import (
	"context"
	"fmt"
	"runtime"
	"strings"

	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tree/internal/trainer"
)

// An Engine is XGBoost 2.0 or later. The zero value finds the library.
type Engine struct {
	// Library is the file of the library, or the folder that contains it. By default it
	// is the value of the environment variable ATTUNE_XGBOOST, else the first found in the
	// packages of Python (ATTUNE_PYTHON, VIRTUAL_ENV, CONDA_PREFIX, python3 on PATH), else
	// libxgboost.so (libxgboost.dylib, xgboost.dll) as the system's loader finds it.
	Library string
}

var _ engine.Engine = Engine{}

// String returns the engine's name.
func (Engine) String() string { return "xgboost" }

// Available returns nil if Fit can find XGBoost. Otherwise it returns the error of Fit,
// which wraps [engine.ErrUnavailable].
func (e Engine) Available() error {
	_, err := load(e.Library)
	return err
}

// Fit implements [engine.Engine]. If XGBoost refuses to begin, the error wraps
// [engine.ErrParams].
func (e Engine) Fit(ctx context.Context, train, valid engine.Dataset, params engine.Params, onIteration func(engine.Iteration) error) (*tree.Model, error) {
	if err := engine.Check(train, valid, params); err != nil {
		return nil, err
	}
	lib, err := load(e.Library)
	if err != nil {
		return nil, err
	}
	settings, err := settings(train, params)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// XGBoost keeps its last error and its log level per thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b := &booster{lib: lib, outputs: trainer.Outputs(params), threads: max(params.Threads, 1), settings: settings, extra: params.Extra}
	if params.Method == engine.Forest {
		params.Trees = 1
	}
	return trainer.Fit(ctx, train, valid, params, onIteration, b)
}

// names are XGBoost's names.
var names = trainer.Library{
	Name:      "XGBoost",
	Objective: "objective",
	Losses: map[engine.Loss]trainer.Loss{
		engine.L2:       {Name: "reg:squarederror"},
		engine.L1:       {Name: "reg:absoluteerror"},
		engine.Quantile: {Name: "reg:quantileerror", Number: "quantile_alpha"},
		engine.Poisson:  {Name: "count:poisson"},
		engine.Tweedie:  {Name: "reg:tweedie", Number: "tweedie_variance_power"},
		engine.Logistic: {Name: "binary:logistic"},
		engine.Softmax:  {Name: "multi:softprob", Number: "num_class"},
	},
	Fields: map[string]string{
		"LearningRate":    "eta",
		"Leaves":          "max_leaves",
		"Depth":           "max_depth",
		"MinWeight":       "min_child_weight",
		"MinGain":         "gamma",
		"LambdaL1":        "alpha",
		"LambdaL2":        "lambda",
		"MaxBins":         "max_bin",
		"Bagging":         "subsample",
		"FeatureFraction": "colsample_bytree",
		"NodeFraction":    "colsample_bynode",
		"OneHot":          "max_cat_to_onehot",
		"CategorySet":     "max_cat_threshold",
	},
	Seed:    "seed",
	Threads: "nthread",
	Aliases: map[string]string{
		"learning_rate": "eta", "min_split_loss": "gamma", "reg_lambda": "lambda", "reg_alpha": "alpha",
		"n_jobs": "nthread", "random_state": "seed",
	},
	Reserved: map[string]string{"nthread": "Threads"},
}

// settings returns the parameters of a training.
func settings(train engine.Dataset, p engine.Params) (trainer.Settings, error) {
	s := trainer.Settings{"tree_method": "hist", "validate_parameters": "1", "grow_policy": "lossguide"}
	switch {
	case p.Method == engine.Isolation:
		return nil, engine.BadParam("Method", "Isolation", "Boosting or Forest: XGBoost has no isolation forests")
	case p.Growth == engine.Oblivious:
		return nil, engine.BadParam("Growth", "Oblivious", "LeafWise or LevelWise: XGBoost grows no oblivious trees")
	case p.Method == engine.Forest && p.Bagging == 1:
		return nil, engine.BadParam("Bagging", p.Bagging, "a share below 1: XGBoost's forests draw rows without replacement")
	case p.Loss == engine.Huber:
		return nil, engine.BadParam("Loss", p.Loss, `another: XGBoost only has a smooth approximation, Extra{"objective": "reg:pseudohubererror"}`)
	}
	if p.Growth == engine.LevelWise {
		s.Set("grow_policy", "depthwise")
	} else if p.Leaves > 0 {
		s.Set("max_depth", 0)
	}
	if p.Method == engine.Forest {
		s.Set("num_parallel_tree", p.WithDefaults(len(train.Columns)).Trees)
		p.LearningRate = 1
		if p.Bagging == 0 {
			p.Bagging = trainer.Bootstrap
		}
	}
	if p.OneHot != 0 {
		p.OneHot++ // XGBoost's bound is exclusive
	}
	if p.MinRows == 1 {
		p.MinRows = 0 // every leaf has a row
	}
	if len(p.Monotone) > 0 {
		s.Set("monotone_constraints", "("+strings.Trim(strings.ReplaceAll(fmt.Sprint(p.Monotone), " ", ","), "[]")+")")
	}
	if err := names.Apply(s, p, len(train.Columns)); err != nil {
		return nil, err
	}
	switch booster := s["booster"]; {
	case booster == "gblinear":
		return nil, engine.BadParam(`Extra["booster"]`, booster, "gbtree or dart: a linear model has no trees")
	case booster == "dart" && p.EarlyStopping > 0:
		return nil, engine.BadParam("EarlyStopping", p.EarlyStopping, "0 with booster=dart, which changes earlier trees")
	}
	return s, nil
}
