// Package lightgbm trains trees with LightGBM if it is installed. It opens Microsoft's
// shared library, as the Python package contains it (pip install lightgbm), without cgo
// and without Python.
//
// # How Params map to LightGBM
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
// A field that is 0 takes LightGBM's default, with these exceptions: the parameters of
// the losses have the defaults of [engine.Params], Trees is 100 and Threads is 1.
// [engine.Params.Extra] accepts every LightGBM parameter by any of its names, except the
// number of rounds, the number of threads and early stopping. deterministic and
// force_col_wise are set, so that a training gives the same model each time.
//
// Forests are LightGBM's (boosting=rf): a tree sees a share Bagging of the rows, drawn
// without replacement. The default is 0.632, the expected share of distinct rows among n
// draws with replacement.
//
// # Other facts
//
// Features keep float64 precision; labels and weights are rounded to float32. As in
// LightGBM, a round in which nothing can be split adds no trees. Scores are those of
// Params.Loss, computed by this package, even if Extra sets another objective or metric.
//
// LightGBM has one number of threads per process, so trainings whose Threads differ
// wait for one another. Before any library is loaded, the environment variable
// OMP_WAIT_POLICY is set to passive, unless it is already set.
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

// An Engine is LightGBM 4.0 or later. The zero value finds the library.
type Engine struct {
	// Library is the file of the library, or the folder that contains it. By default it
	// is the value of the environment variable ATTUNE_LIGHTGBM, else the first found in
	// the packages of Python (ATTUNE_PYTHON, VIRTUAL_ENV, CONDA_PREFIX, python3 on
	// PATH), else lib_lightgbm.so (.dylib, .dll) as the system's loader finds it.
	Library string
}

var _ engine.Engine = Engine{}

// String returns the engine's name.
func (Engine) String() string { return "lightgbm" }

// Available returns nil if Fit can find LightGBM. Otherwise it returns the error of Fit,
// which wraps [engine.ErrUnavailable].
func (e Engine) Available() error {
	_, err := load(e.Library)
	return err
}

// Fit implements [engine.Engine]. If LightGBM refuses to begin, the error wraps
// [engine.ErrParams].
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
	// LightGBM keeps its last error and its log level per thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return trainer.Fit(ctx, train, valid, params, onIteration, &booster{lib: lib, outputs: trainer.Outputs(params), ranks: params.Loss == engine.LambdaRank, settings: settings.String()})
}

// names are LightGBM's names. A loaded library adds its aliases.
var names = trainer.Library{
	Name:      "LightGBM",
	Objective: "objective",
	Losses: map[engine.Loss]trainer.Loss{
		engine.L2:         {Name: "regression"},
		engine.L1:         {Name: "regression_l1"},
		engine.Huber:      {Name: "huber", Number: "alpha"},
		engine.Quantile:   {Name: "quantile", Number: "alpha"},
		engine.Poisson:    {Name: "poisson"},
		engine.Tweedie:    {Name: "tweedie", Number: "tweedie_variance_power"},
		engine.Logistic:   {Name: "binary"},
		engine.Softmax:    {Name: "multiclass", Number: "num_class"},
		engine.LambdaRank: {Name: "lambdarank"},
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
