package dense

import (
	"math"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/space"
)

// A Style names the hyperparameters of a kind of model.
type Style struct {
	name     string
	settings []setting
}

// A setting is a hyperparameter: its limits, and the distribution to search.
type setting struct {
	name      string
	least     float64
	most      float64
	whole     bool
	field     func(*Params, float64)
	search    space.Distribution // nil if it is not searched
	otherwise float64            // the default
}

var (
	// Linear is ridge regression for numbers, and logistic regression for classes. Its hyperparameter is alpha, the
	// weight of the squared coefficients relative to the sum of the rows' losses.
	Linear = Style{"linear", []setting{
		{"alpha", 1e-9, 1e12, false, func(p *Params, v float64) { p.Alpha = v }, space.FloatDistribution{Low: 1e-3, High: 1e4, Log: true}, 1},
	}}
	// MLP is a network with one or more hidden layers of rectified linear units, trained by
	// Adam (Kingma and Ba 2015) with decoupled weight decay (Loshchilov and Hutter 2019).
	MLP = Style{"mlp", []setting{
		{"hidden", 1, 4096, true, func(p *Params, v float64) { p.Hidden = int(v) }, space.IntDistribution{Low: 8, High: 64, Step: 1, Log: true}, 32},
		{"layers", 1, 8, true, func(p *Params, v float64) { p.Layers = int(v) }, space.IntDistribution{Low: 1, High: 2, Step: 1}, 1},
		{"learning_rate", 1e-9, 10, false, func(p *Params, v float64) { p.Rate = v }, space.FloatDistribution{Low: 5e-4, High: 3e-2, Log: true}, 3e-3},
		{"weight_decay", 0, 1e6, false, func(p *Params, v float64) { p.Decay = v }, space.FloatDistribution{Low: 1e-5, High: 1, Log: true}, 1e-4},
		{"batch", 1, 1 << 20, true, func(p *Params, v float64) { p.Batch = int(v) }, nil, 64},
		{"epochs", 1, 1e6, true, func(p *Params, v float64) { p.Epochs = int(v) }, nil, 100},
	}}
)

// Styles returns all styles.
func Styles() []Style { return []Style{Linear, MLP} }

// Name returns the name of s: linear or mlp.
func (s Style) Name() string { return s.name }

// Names returns the names of all hyperparameters of s, sorted.
func (s Style) Names() []string {
	var names []string
	for _, x := range s.settings {
		names = append(names, x.name)
	}
	slices.Sort(names)
	return names
}

// Space returns the default search space. It does not contain the number of epochs, because
// early stopping finds that.
func (s Style) Space() space.Space {
	var out space.Space
	for _, x := range s.settings {
		if x.search != nil {
			out = append(out, space.Axis{Name: x.name, Distribution: x.search})
		}
	}
	return out
}

// Params returns the settings as Params, with the style's defaults for all others. It fails
// with [ErrSetting] for a name that s lacks or that is set twice, and for an invalid value.
func (s Style) Params(settings space.Settings) (Params, error) {
	var p Params
	wrong := func(format string, args ...any) (Params, error) {
		return p, fault.Mark(pkg.Errorf(format, args...), ErrSetting)
	}
	for _, x := range s.settings {
		x.field(&p, x.otherwise)
	}
	for i, given := range settings {
		if slices.ContainsFunc(settings[:i], func(y space.Setting) bool { return given.Name == y.Name }) {
			return wrong("%s: %s is set twice", s.name, given.Name)
		}
		at := slices.IndexFunc(s.settings, func(x setting) bool { return x.name == given.Name })
		if at < 0 {
			return wrong("%s: there is no %s: there are %s", s.name, given.Name, strings.Join(s.Names(), ", "))
		}
		x := s.settings[at]
		v, ok := given.Value.Any().(float64)
		if n, whole := given.Value.Any().(int64); whole {
			v, ok = float64(n), true
		}
		if !ok || !(v >= x.least && v <= x.most) || x.whole && v != math.Trunc(v) {
			what := "a number"
			if x.whole {
				what = "a whole number"
			}
			return wrong("%s: %s is %s, want %s from %v to %v", s.name, x.name, given.Value, what, x.least, x.most)
		}
		x.field(&p, v)
	}
	return p, nil
}

// Params say what to train.
type Params struct {
	Classes int    // number of classes of the label; 0 if it has numbers
	Seed    uint64 // seed of the first weights, and of the order of rows

	Alpha float64 // of a linear model: weight of the squared coefficients; above 0

	Layers int     // hidden layers; 0 for a linear model
	Hidden int     // units of each
	Rate   float64 // learning rate
	Decay  float64 // weight decay
	Batch  int     // rows of a step
	Epochs int     // passes through all rows
}

// outputs is the number of raw outputs of a model.
func (p Params) outputs() int {
	if p.Classes > 2 {
		return p.Classes
	}
	return 1
}

// Validate fails with [ErrSetting] for a value out of its range, of a linear model or a
// network.
func (p Params) Validate() error {
	var bad string
	switch {
	case p.Classes < 0 || p.Classes == 1:
		bad = "the number of classes"
	case p.Layers == 0 && !(p.Alpha > 0 && p.Alpha <= math.MaxFloat64):
		bad = "alpha"
	case p.Layers < 0:
		bad = "the number of layers"
	case p.Layers > 0 && min(p.Hidden, p.Batch, p.Epochs) < 1:
		bad = "the number of hidden units, of the rows of a step or of epochs"
	case p.Layers > 0 && !(p.Rate > 0 && p.Rate <= math.MaxFloat64 && p.Decay >= 0 && p.Decay <= math.MaxFloat64):
		bad = "the learning rate or the weight decay"
	}
	if bad != "" {
		return fault.Mark(pkg.Errorf("%s is out of range", bad), ErrSetting)
	}
	return nil
}
