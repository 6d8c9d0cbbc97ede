package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/objective/ensemble"
	"github.com/attune-hpo/attune/objective/neural"
	"github.com/attune-hpo/attune/objective/statistical"
	"github.com/attune-hpo/attune/objective/tree/catboost"
	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tree/lightgbm"
	"github.com/attune-hpo/attune/objective/tree/native"
	"github.com/attune-hpo/attune/objective/tree/style"
	"github.com/attune-hpo/attune/objective/tree/xgboost"
	"github.com/attune-hpo/attune/objective/treeforecast"
	"github.com/attune-hpo/attune/objective/tune"
)

// Choices are the values of a flag, by name.
type choices[T any] []choice[T]

type choice[T any] struct {
	name  string
	value T
}

func (c choices[T]) names() []string {
	var out []string
	for _, one := range c {
		out = append(out, one.name)
	}
	return out
}

// get returns the value that a flag names.
func (c choices[T]) get(flag, name string) (T, error) {
	for _, one := range c {
		if one.name == name {
			return one.value, nil
		}
	}
	var none T
	return none, oneOf(flag, name, c.names())
}

// models are the models that can be tuned.
var models = slices.Concat(choices[tunable]{
	{"ets", tunable{family: plainly(statistical.ETS{}), statistical: true}},
	{"theta", tunable{family: plainly(statistical.Theta{}), statistical: true}},
	{"arima", tunable{family: plainly(statistical.ARIMA{}), statistical: true}},
	{"ces", tunable{family: plainly(statistical.CES{}), statistical: true}},
	{"mstl", tunable{family: plainly(statistical.MSTL{}), statistical: true}},
	{"croston", tunable{family: plainly(statistical.Croston{}), statistical: true}},
	{"lightgbm", tunable{family: trees(style.LightGBM), patience: 30}},
	{"xgboost", tunable{family: trees(style.XGBoost), patience: 30}},
	{"catboost", tunable{family: trees(style.CatBoost), patience: 30}},
	{"random_forest", tunable{family: trees(style.RandomForest), patience: 30}},
	{"nlinear", tunable{family: network(func(neural.Training, bool) tune.Family { return neural.NLinear{} }), patience: 10}},
	{"lstm", tunable{patience: 10, device: true,
		family: network(func(t neural.Training, quick bool) tune.Family { return neural.LSTM{Training: t, Quick: quick} })}},
	{"tcn", tunable{patience: 10, device: true,
		family: network(func(t neural.Training, quick bool) tune.Family { return neural.TCN{Training: t, Quick: quick} })}},
	{"transformer", tunable{patience: 10, device: true,
		family: network(func(t neural.Training, quick bool) tune.Family { return neural.Transformer{Training: t, Quick: quick} })}},
}, baselines())

// defaultModels are the models to tune if none are named.
var defaultModels = []string{"ets", "theta", "arima", "ces", "nlinear", "lightgbm", "xgboost", "catboost", "random_forest"}

// baselines returns the baselines as models.
func baselines() choices[tunable] {
	var out choices[tunable]
	for _, b := range statistical.Baselines() {
		out = append(out, choice[tunable]{b.Name(), tunable{family: plainly(b), statistical: true}})
	}
	return out
}

// A tunable is a model that can be tuned.
type tunable struct {
	// family makes the family, and returns the engine that it uses.
	family   func(how) (tune.Family, string, error)
	patience int  // default of --patience
	device   bool // it trains on a device

	statistical bool // it is not tuned in rounds, and has few hyperparameters
}

// isStatistical reports whether a model is a statistical one or a baseline.
func isStatistical(model string) bool {
	m, err := models.get("models", model)
	return err == nil && m.statistical
}

// isNetwork reports whether a model is a network.
func isNetwork(model string) bool {
	_, err := models.get("models", model)
	return err == nil && !isStatistical(model) && !isTrees(model)
}

// isTrees reports whether a model is a tree ensemble.
func isTrees(name string) bool {
	for _, f := range families() {
		if _, trees := f.(treeforecast.Family); trees && f.Name() == name {
			return true
		}
	}
	return false
}

// how says how to make a family, apart from its hyperparameters.
type how struct {
	engine string // engine of trees
	device string // device of networks
	full   bool   // networks search the full space
}

// engines are the trainers of trees, with the styles that they support and their availability.
var engines = choices[trainer]{
	{"native", trainer{Engine: native.Engine{}}},
	{"lightgbm", trainer{Engine: lightgbm.Engine{}, styles: []string{"lightgbm", "random_forest"}, available: lightgbm.Engine{}.Available}},
	{"xgboost", trainer{Engine: xgboost.Engine{}, styles: []string{"xgboost"}, available: xgboost.Engine{}.Available}},
	{"catboost", trainer{Engine: catboost.Engine{}, styles: []string{"catboost"}, available: catboost.Engine{}.Available}},
}

type trainer struct {
	engine.Engine
	styles    []string     // nil for all
	available func() error // nil if always available
}

const (
	nativeEngine = "native"
	autoEngine   = "auto" // the library named like the model, if it is installed
)

// trees returns a function that makes a family of tree ensembles.
func trees(s style.Style) func(how) (tune.Family, string, error) {
	return func(h how) (tune.Family, string, error) {
		name := h.engine
		if name == autoEngine {
			name = nativeEngine
			for _, e := range engines {
				if e.name == s.Name() && e.value.available() == nil {
					name = e.name
				}
			}
		}
		t, err := engines.get("engine", name)
		if err != nil {
			return nil, "", fmt.Errorf("%w, %s", err, autoEngine)
		}
		if t.styles != nil && !slices.Contains(t.styles, s.Name()) {
			return nil, "", fmt.Errorf("--engine %s trains %s, not %s: use --engine auto", name, strings.Join(t.styles, " and "), s.Name())
		}
		if t.available != nil {
			if err := t.available(); err != nil {
				return nil, "", fmt.Errorf("--engine %s: %w", name, err)
			}
		}
		return treeforecast.Family{Style: s, Engine: t.Engine}, name, nil
	}
}

// network returns a function that makes a family that is not a tree ensemble and needs no
// engine.
func network(family func(t neural.Training, quick bool) tune.Family) func(how) (tune.Family, string, error) {
	return func(h how) (tune.Family, string, error) {
		return family(neural.Training{Device: h.device}, !h.full), "", nil
	}
}

// plainly returns a function that makes a family without choices.
func plainly(f tune.Family) func(how) (tune.Family, string, error) {
	return func(how) (tune.Family, string, error) { return f, "", nil }
}

// families returns all families, for reading models.
func families() []tune.Family {
	of := memberFamilies(nativeEngine, "")
	return append(of, ensemble.Family{Of: of})
}
