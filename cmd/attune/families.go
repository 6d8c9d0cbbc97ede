package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/objective/neural"
	"github.com/attune-hpo/attune/objective/tree/catboost"
	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tree/lightgbm"
	"github.com/attune-hpo/attune/objective/tree/native"
	"github.com/attune-hpo/attune/objective/tree/style"
	"github.com/attune-hpo/attune/objective/tree/xgboost"
	"github.com/attune-hpo/attune/objective/treeforecast"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/qmc"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/sampler/tpe"
)

// A table is what a flag chooses from, by name.
type table[T any] []entry[T]

type entry[T any] struct {
	name  string
	value T
}

func (t table[T]) names() []string {
	var out []string
	for _, e := range t {
		out = append(out, e.name)
	}
	return out
}

// get returns the entry that a flag names.
func (t table[T]) get(flag, name string) (T, error) {
	for _, e := range t {
		if e.name == name {
			return e.value, nil
		}
	}
	var none T
	return none, oneOf(flag, name, t.names())
}

// models are what can be tuned.
var models = table[model]{
	{"lightgbm", model{trees(style.LightGBM), 30, false}},
	{"xgboost", model{trees(style.XGBoost), 30, false}},
	{"catboost", model{trees(style.CatBoost), 30, false}},
	{"random_forest", model{trees(style.RandomForest), 30, false}},
	{"nlinear", model{network(func(neural.Training, bool) tune.Family { return neural.NLinear{} }), 10, false}},
	{"lstm", model{network(func(t neural.Training, quick bool) tune.Family { return neural.LSTM{Training: t, Quick: quick} }), 10, true}},
	{"tcn", model{network(func(t neural.Training, quick bool) tune.Family { return neural.TCN{Training: t, Quick: quick} }), 10, true}},
	{"transformer", model{network(func(t neural.Training, quick bool) tune.Family { return neural.Transformer{Training: t, Quick: quick} }), 10, true}},
}

type model struct {
	// family makes it, and says with which engine it was.
	family   func(how) (tune.Family, string, error)
	patience int  // default of --patience
	device   bool // it trains on one
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

// how says how a family is made, besides its hyperparameters.
type how struct {
	engine string // of trees
	device string // of networks
	full   bool   // networks search the full space
}

// engines are what trains trees: all styles, or some, and where it is there.
var engines = table[trainer]{
	{"native", trainer{native.Engine{}, nil, nil}},
	{"lightgbm", trainer{lightgbm.Engine{}, []string{"lightgbm", "random_forest"}, lightgbm.Engine{}.Available}},
	{"xgboost", trainer{xgboost.Engine{}, []string{"xgboost"}, xgboost.Engine{}.Available}},
	{"catboost", trainer{catboost.Engine{}, []string{"catboost"}, catboost.Engine{}.Available}},
}

type trainer struct {
	engine.Engine
	styles    []string     // nil: all
	available func() error // nil: always
}

const (
	nativeEngine = "native"
	autoEngine   = "auto" // the library of the model's name, where it is installed
)

var samplers = table[func() sampler.Sampler]{
	{"tpe", func() sampler.Sampler { return tpe.New(tpe.Config{}) }},
	{"random", func() sampler.Sampler { return random.Sampler{} }},
	{"qmc", func() sampler.Sampler { return qmc.Sampler{} }},
}

// pruners see a step for each round of training, of which the first ten say little.
var pruners = table[pruner.Pruner]{
	{"median", pruner.Median{}},
	{"halving", pruner.SuccessiveHalving{MinResource: 10, ReductionFactor: 2}},
	{"hyperband", pruner.Hyperband{MinResource: 10}},
	{"none", pruner.None{}},
}

// trees returns what makes a family of tree ensembles.
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
			return nil, "", fmt.Errorf("--engine %s trains %s, not %s: take --engine auto", name, strings.Join(t.styles, " and "), s.Name())
		}
		if t.available != nil {
			if err := t.available(); err != nil {
				return nil, "", fmt.Errorf("--engine %s: %w", name, err)
			}
		}
		return treeforecast.Family{Style: s, Engine: t.Engine}, name, nil
	}
}

// network returns what makes a family that is no tree ensemble, and needs no engine.
func network(family func(t neural.Training, quick bool) tune.Family) func(how) (tune.Family, string, error) {
	return func(h how) (tune.Family, string, error) {
		return family(neural.Training{Device: h.device}, !h.full), "", nil
	}
}

// families returns all families, to read models of.
func families() []tune.Family {
	var out []tune.Family
	for _, m := range models {
		f, _, err := m.value.family(how{engine: nativeEngine})
		must(err)
		out = append(out, f)
	}
	return out
}
