package treeforecast

import (
	"math"
	"slices"
	"strings"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tree/native"
	"github.com/attune-hpo/attune/objective/tree/style"
	"github.com/attune-hpo/attune/space"
)

// A Family makes forecasters with tree ensembles of one style from hyperparameters. These
// are the hyperparameters of the style and two of the recipe:
//
//   - transform: the transform of the target, in the form that [forecast.ParseTransform]
//     reads; anchor, as the only or last transform, makes the recipe anchored;
//   - lags: the number of last values that a model sees.
//
// max_rows, which is not searched, limits the rows of a table: it is Rows of the recipe.
//
// Only Style is required.
type Family struct {
	Style  style.Style
	Engine engine.Engine // default [native.Engine]
	// Recipe says how series become tables, unless a hyperparameter says otherwise. Its
	// default strategy is Pooled: one model for all steps, whose rounds have forecasts. Its tables
	// have at most about 60,000 rows by default.
	Recipe forecast.Recipe
	Cache  *forecast.Cache // cache of tables; default none
}

// Name returns the style's name.
func (f Family) Name() string { return f.Style.Name() }

// Rounds returns the hyperparameter for the number of trees, or "" for forests, which more
// trees do not harm.
func (f Family) Rounds() string {
	for _, name := range []string{"num_iterations", "num_boost_round", "iterations"} {
		if slices.Contains(f.Style.Names(), name) {
			return name
		}
	}
	return ""
}

// Size returns the hyperparameter for the number of trees, also of forests: see Sized in package tune.
func (f Family) Size() string {
	if name := f.Rounds(); name != "" {
		return name
	}
	return "n_estimators"
}

// Space returns the default space to search for series like train. It has transform and lags,
// unless the recipe has them, followed by the space of the style. Leaves have at most a tenth
// of the rows, and those of forests, whose trees are as deep as their rows allow, at least a
// 10,000th: with fewer rows each, the forests of a large panel take gigabytes.
func (f Family) Space(train forecast.Frame) space.Space {
	var out space.Space
	rows := 0
	for _, s := range train {
		rows += s.Len()
	}
	if f.Recipe.Transform == nil {
		out = append(out, space.Categorical("transform", transforms(train)...).Axis())
	}
	if f.Recipe.Features.Lags == nil && f.Recipe.Lags == 0 {
		each := rows / len(train)
		if most := min(2*max(train[0].Freq.Season(), 6), 48, max(each/4, min(2, each-3, len(train)))); most > 1 {
			out = append(out, space.Int("lags", 1, most).Axis())
		}
	}
	for _, a := range f.Style.Space() {
		if d, ok := a.Distribution.(space.IntDistribution); ok && slices.Contains([]string{"min_data_in_leaf", "min_samples_leaf"}, a.Name) {
			if a.Name == "min_samples_leaf" {
				d.Low = max(d.Low, min(rows, MostRows)/10_000)
			}
			d.High = max(d.Low, min(d.High, rows/10))
			a.Distribution = d
		}
		out = append(out, a)
	}
	return out
}

// MostRows is the default limit of the rows of a table: see [forecast.Recipe.Rows]. With that many, 100 trees take a second or two.
const MostRows = 60_000

// anchor is the transform that stands for [forecast.Recipe.Anchored].
const anchor = "anchor"

// transforms returns those that are worth trying: those of package forecast, and each one
// without a difference also anchored.
func transforms(train forecast.Frame) []string {
	all := forecast.TransformsToTry(train)
	for _, t := range slices.Clone(all) {
		if !strings.Contains(t, "diff") {
			all = append(all, strings.TrimPrefix(t+","+anchor, "none,"))
		}
	}
	return all
}

// unanchored returns a transform without the anchor at its end, if there is one.
func unanchored(transform string) (rest string, anchored bool) {
	rest, last := "", transform
	if i := strings.LastIndex(transform, ","); i >= 0 {
		rest, last = transform[:i], transform[i+1:]
	}
	if strings.TrimSpace(last) != anchor {
		return transform, false
	}
	return rest, true
}

// New returns a forecaster with the given hyperparameters; others have the style's defaults.
// It fails with [style.ErrSetting] for an unknown name or an invalid value.
func (f Family) New(settings space.Settings) (forecast.Forecaster, error) {
	recipe := f.Recipe
	if recipe.Strategy == "" {
		recipe.Strategy = forecast.Pooled
	}
	if recipe.Rows == 0 {
		recipe.Rows = MostRows
	}
	var rest space.Settings
	for _, s := range settings {
		switch s.Name {
		case "transform":
			text, ok := s.Value.Any().(string)
			if !ok {
				return nil, fault.Mark(pkg.Errorf("%s: transform is %s, want a text such as log,diff", f.Name(), s.Value), style.ErrSetting)
			}
			text, recipe.Anchored = unanchored(text)
			var err error
			if recipe.Transform, err = forecast.ParseTransform(text); err != nil {
				return nil, fault.Mark(pkg.Errorf("%s: transform is %s: %w", f.Name(), s.Value, err), style.ErrSetting)
			}
		case "lags":
			n, ok := s.Value.Any().(int64)
			if !ok || n < 1 || n > 10_000 {
				return nil, fault.Mark(pkg.Errorf("%s: lags is %s, want a whole number from 1 to 10000", f.Name(), s.Value), style.ErrSetting)
			}
			recipe.Lags = int(n)
		case "max_rows":
			n, ok := s.Value.Any().(int64)
			if !ok || n < 1 || n > math.MaxInt32 {
				return nil, fault.Mark(pkg.Errorf("%s: max_rows is %s, want a whole number from 1", f.Name(), s.Value), style.ErrSetting)
			}
			recipe.Rows = int(n)
		default:
			rest = append(rest, s)
		}
	}
	p, err := f.Style.Params(rest)
	if err != nil {
		return nil, pkg.Errorf("%w", err)
	}
	e := f.Engine
	if e == nil {
		e = native.Engine{}
	}
	return &forecast.Tabular{Recipe: recipe, Cache: f.Cache, New: func() forecast.Regressor { return &Regressor{Engine: e, Params: p} }}, nil
}
