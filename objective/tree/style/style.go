// Package style gives the hyperparameters of tree ensembles the names that users of
// LightGBM, XGBoost, CatBoost and scikit-learn know, and default spaces to search them in.
//
// A [Style] is a vocabulary and a growth policy, not a library. If the engine is the
// library of the same name, its settings mean exactly what they mean there. With the
// native engine they mean the same as far as that engine has the notion, and the models
// are attune's own.
package style

import (
	"embed"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/spaceyaml"
)

const pkg fault.Package = "style"

// ErrSetting reports a hyperparameter that a style lacks, or an invalid value of one.
var ErrSetting = errors.New("bad setting")

func wrong(format string, args ...any) error {
	return fault.Mark(pkg.Errorf(format, args...), ErrSetting)
}

// A Style names the hyperparameters of a kind of ensemble.
type Style struct {
	name     string
	base     engine.Params
	settings map[string]setter
	losses   map[string]engine.Loss // by the value of the setting objective
}

// The styles.
var (
	// LightGBM boosts trees that grow leaf by leaf.
	LightGBM = Style{"lightgbm", engine.Params{Growth: engine.LeafWise, Trees: 100, LearningRate: 0.1, Leaves: 31, MinRows: 20}, map[string]setter{
		"num_iterations":          whole(func(p *engine.Params) *int { return &p.Trees }, 1),
		"learning_rate":           number(func(p *engine.Params) *float64 { return &p.LearningRate }),
		"num_leaves":              whole(func(p *engine.Params) *int { return &p.Leaves }, 2),
		"max_depth":               depth,
		"min_data_in_leaf":        whole(func(p *engine.Params) *int { return &p.MinRows }, 1),
		"min_sum_hessian_in_leaf": amount(func(p *engine.Params) *float64 { return &p.MinWeight }),
		"min_gain_to_split":       amount(func(p *engine.Params) *float64 { return &p.MinGain }),
		"lambda_l1":               amount(func(p *engine.Params) *float64 { return &p.LambdaL1 }),
		"lambda_l2":               amount(func(p *engine.Params) *float64 { return &p.LambdaL2 }),
		"feature_fraction":        number(func(p *engine.Params) *float64 { return &p.FeatureFraction }),
		"feature_fraction_bynode": number(func(p *engine.Params) *float64 { return &p.NodeFraction }),
		"bagging_fraction":        number(func(p *engine.Params) *float64 { return &p.Bagging }),
		"max_bin":                 whole(func(p *engine.Params) *int { return &p.MaxBins }, 2),
		"max_cat_to_onehot":       whole(func(p *engine.Params) *int { return &p.OneHot }, 1),
		"cat_smooth":              amount(func(p *engine.Params) *float64 { return &p.CategorySmooth }),
		"cat_l2":                  amount(func(p *engine.Params) *float64 { return &p.CategoryL2 }),
		"max_cat_threshold":       whole(func(p *engine.Params) *int { return &p.CategorySet }, 1),
		"tweedie_variance_power":  number(func(p *engine.Params) *float64 { return &p.TweediePower }),
		"alpha": func(p *engine.Params, v space.Literal) error { // of whichever loss has one
			if err := number(func(p *engine.Params) *float64 { return &p.Quantile })(p, v); err != nil {
				return err
			}
			p.HuberDelta = p.Quantile
			return nil
		},
	}, map[string]engine.Loss{
		"regression": engine.L2, "regression_l1": engine.L1, "huber": engine.Huber, "quantile": engine.Quantile,
		"poisson": engine.Poisson, "tweedie": engine.Tweedie, "binary": engine.Logistic, "lambdarank": engine.LambdaRank,
	}}
	// XGBoost boosts trees that grow level by level.
	XGBoost = Style{"xgboost", engine.Params{Growth: engine.LevelWise, Trees: 100, LearningRate: 0.3, Depth: 6, MinRows: 1, MinWeight: 1, LambdaL2: 1}, map[string]setter{
		"num_boost_round":        whole(func(p *engine.Params) *int { return &p.Trees }, 1),
		"eta":                    number(func(p *engine.Params) *float64 { return &p.LearningRate }),
		"max_depth":              depth,
		"max_leaves":             whole(func(p *engine.Params) *int { return &p.Leaves }, 0),
		"min_child_weight":       amount(func(p *engine.Params) *float64 { return &p.MinWeight }),
		"gamma":                  amount(func(p *engine.Params) *float64 { return &p.MinGain }),
		"alpha":                  amount(func(p *engine.Params) *float64 { return &p.LambdaL1 }),
		"lambda":                 amount(func(p *engine.Params) *float64 { return &p.LambdaL2 }),
		"subsample":              number(func(p *engine.Params) *float64 { return &p.Bagging }),
		"colsample_bytree":       number(func(p *engine.Params) *float64 { return &p.FeatureFraction }),
		"colsample_bynode":       number(func(p *engine.Params) *float64 { return &p.NodeFraction }),
		"max_bin":                whole(func(p *engine.Params) *int { return &p.MaxBins }, 2),
		"max_cat_to_onehot":      whole(func(p *engine.Params) *int { return &p.OneHot }, 1),
		"quantile_alpha":         number(func(p *engine.Params) *float64 { return &p.Quantile }),
		"tweedie_variance_power": number(func(p *engine.Params) *float64 { return &p.TweediePower }),
	}, map[string]engine.Loss{
		"reg:squarederror": engine.L2, "reg:absoluteerror": engine.L1, "reg:quantileerror": engine.Quantile,
		"count:poisson": engine.Poisson, "reg:tweedie": engine.Tweedie, "binary:logistic": engine.Logistic,
	}}
	// CatBoost boosts oblivious trees: all nodes of a level have the same split.
	CatBoost = Style{"catboost", engine.Params{Growth: engine.Oblivious, Trees: 100, LearningRate: 0.1, Depth: 6, MinRows: 1, LambdaL2: 3}, map[string]setter{
		"iterations":       whole(func(p *engine.Params) *int { return &p.Trees }, 1),
		"learning_rate":    number(func(p *engine.Params) *float64 { return &p.LearningRate }),
		"depth":            whole(func(p *engine.Params) *int { return &p.Depth }, 1),
		"l2_leaf_reg":      amount(func(p *engine.Params) *float64 { return &p.LambdaL2 }),
		"min_data_in_leaf": whole(func(p *engine.Params) *int { return &p.MinRows }, 1),
		"subsample":        number(func(p *engine.Params) *float64 { return &p.Bagging }),
		"rsm":              number(func(p *engine.Params) *float64 { return &p.NodeFraction }),
		"border_count":     whole(func(p *engine.Params) *int { return &p.MaxBins }, 1),
		"one_hot_max_size": whole(func(p *engine.Params) *int { return &p.OneHot }, 1),
	}, map[string]engine.Loss{
		"RMSE": engine.L2, "MAE": engine.L1, "Poisson": engine.Poisson, "Logloss": engine.Logistic,
	}}
	// RandomForest averages deep trees of bootstrapped rows.
	RandomForest = Style{"random_forest", engine.Params{Method: engine.Forest, Trees: 100, MinRows: 1}, map[string]setter{
		"n_estimators":     whole(func(p *engine.Params) *int { return &p.Trees }, 1),
		"max_depth":        depth,
		"max_leaf_nodes":   whole(func(p *engine.Params) *int { return &p.Leaves }, 2),
		"min_samples_leaf": whole(func(p *engine.Params) *int { return &p.MinRows }, 1),
		"max_features":     number(func(p *engine.Params) *float64 { return &p.NodeFraction }),
		"max_samples":      number(func(p *engine.Params) *float64 { return &p.Bagging }),
	}, map[string]engine.Loss{"squared_error": engine.L2, "absolute_error": engine.L1}}
	// IsolationForest scores how easily rows can be separated from all others.
	IsolationForest = Style{"isolation_forest", engine.Params{Method: engine.Isolation, Trees: 100, Samples: 256}, map[string]setter{
		"n_estimators": whole(func(p *engine.Params) *int { return &p.Trees }, 1),
		"max_samples":  whole(func(p *engine.Params) *int { return &p.Samples }, 2),
	}, nil}
)

// Styles returns all styles.
func Styles() []Style { return []Style{LightGBM, XGBoost, CatBoost, RandomForest, IsolationForest} }

// Parse returns the style whose [Style.Name] is name. If there is none, the error is
// [ErrSetting].
func Parse(name string) (Style, error) {
	var names []string
	for _, s := range Styles() {
		if s.name == name {
			return s, nil
		}
		names = append(names, s.name)
	}
	return Style{}, wrong("there is no style %q: want one of %s", name, strings.Join(names, ", "))
}

// Name returns the name of s: lightgbm, xgboost, catboost, random_forest or
// isolation_forest.
func (s Style) Name() string { return s.name }

//go:embed spaces
var spaces embed.FS

// Space returns the default search space: the file spaces/NAME.yaml of this package. It
// does not contain the number of trees, because early stopping finds that.
func (s Style) Space() space.Space {
	file, err := spaces.Open("spaces/" + s.name + ".yaml")
	if err != nil {
		panic(err) // the zero Style has no space
	}
	defer file.Close()
	declared, err := spaceyaml.Read(file)
	if err != nil {
		panic(err) // cannot happen: a test reads them all
	}
	return declared
}

// Names returns the names of all hyperparameters of s, sorted.
func (s Style) Names() []string {
	names := slices.Collect(maps.Keys(s.settings))
	if len(s.losses) > 0 {
		names = append(names, "objective")
	}
	slices.Sort(names)
	return names
}

// Params returns the settings as engine.Params, with the style's defaults for all others.
// It fails with [ErrSetting] for a name that s lacks, and for an invalid value.
func (s Style) Params(settings space.Settings) (engine.Params, error) {
	p := s.base
	for i, x := range settings {
		if slices.ContainsFunc(settings[:i], func(y space.Setting) bool { return x.Name == y.Name }) {
			return p, wrong("%s: %s is set twice", s.name, x.Name)
		}
		if x.Name == "objective" && s.losses != nil {
			name, _ := x.Value.Any().(string)
			loss, ok := s.losses[name]
			if !ok {
				return p, wrong("%s: objective is %s, want one of %s", s.name, x.Value, strings.Join(slices.Sorted(maps.Keys(s.losses)), ", "))
			}
			p.Loss = loss
			continue
		}
		set, ok := s.settings[x.Name]
		if !ok {
			return p, wrong("%s: there is no %s: there are %s", s.name, x.Name, strings.Join(s.Names(), ", "))
		}
		if err := set(&p, x.Value); err != nil {
			return p, wrong("%s: %s is %s, want %w", s.name, x.Name, x.Value, err)
		}
		var bad *engine.ParamError // the name of its field is another than that of the setting
		if errors.As(p.Validate(), &bad) {
			return p, wrong("%s: %s is %s, want %s", s.name, x.Name, x.Value, bad.Want)
		}
	}
	return p, nil
}

// A setter sets a field to a value, or returns what it wants instead.
type setter func(*engine.Params, space.Literal) error

// amount sets a number that may be 0. Params reads 0 as the default, so amount stores the
// smallest positive number instead.
func amount(field func(*engine.Params) *float64) setter {
	return func(p *engine.Params, v space.Literal) error {
		err := number(field)(p, v)
		if err != nil && isZero(v) {
			*field(p), err = math.SmallestNonzeroFloat64, nil
		}
		return err
	}
}

func isZero(v space.Literal) bool { return v.Any() == 0.0 || v.Any() == int64(0) }

// number sets a finite number other than 0.
func number(field func(*engine.Params) *float64) setter {
	return func(p *engine.Params, v space.Literal) error {
		if isZero(v) {
			return errors.New("a number above 0")
		}
		switch x := v.Any().(type) {
		case float64:
			if math.IsNaN(x) || math.IsInf(x, 0) {
				return errors.New("a finite number")
			}
			*field(p) = x
		case int64:
			*field(p) = float64(x)
		default:
			return errors.New("a number")
		}
		return nil
	}
}

func whole(field func(*engine.Params) *int, least int) setter {
	return func(p *engine.Params, v space.Literal) error {
		n, ok := v.Any().(int64)
		if f, isFloat := v.Any().(float64); isFloat && f == math.Trunc(f) && math.Abs(f) < 1<<31 {
			n, ok = int64(f), true
		}
		if !ok || n < int64(least) || n > math.MaxInt32 {
			return fmt.Errorf("a whole number from %d", least)
		}
		*field(p) = int(n)
		return nil
	}
}

// depth sets a maximum depth; -1 and 0 mean no limit.
func depth(p *engine.Params, v space.Literal) error {
	n, ok := v.Any().(int64)
	switch {
	case v.Any() == nil || ok && (n == 0 || n == -1):
		p.Depth = math.MaxInt32
	case ok && n > 0 && n <= math.MaxInt32:
		p.Depth = int(n)
	default:
		return errors.New("a whole number from 1, or -1 for no bound")
	}
	return nil
}
