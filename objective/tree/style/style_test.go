package style_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tree/style"
	"github.com/attune-hpo/attune/space"
)

func ExampleStyle_Params() {
	p, err := style.XGBoost.Params(space.Settings{{Name: "eta", Value: "0.05"}, {Name: "subsample", Value: "0.8"}})
	if err != nil {
		panic(err)
	}
	fmt.Println(p.LearningRate, p.Bagging, p.Depth)
	first := style.XGBoost.Space()[0]
	fmt.Println(first.Name, first.Distribution)
	// Output:
	// 0.05 0.8 6
	// eta {"name": "FloatDistribution", "attributes": {"step": null, "low": 0.01, "high": 0.3, "log": true}}
}

// Each default space consists of hyperparameters of its style, and its corners are valid params.
func TestSpaces(t *testing.T) {
	for _, s := range style.Styles() {
		again, err := style.Parse(s.Name())
		require.NoError(t, err)
		assert.Equal(t, s.Name(), again.Name())
		declared := s.Space()
		require.NotEmpty(t, declared)
		for _, corner := range []func(d space.Distribution) float64{
			func(d space.Distribution) float64 { return d.At(0) },
			func(d space.Distribution) float64 {
				if f, ok := d.(space.FloatDistribution); ok {
					return f.High
				}
				return d.At(d.Len() - 1)
			},
		} {
			var settings space.Settings
			for _, a := range declared {
				settings = append(settings, space.Setting{Name: a.Name, Value: a.Distribution.Decode(corner(a.Distribution))})
			}
			p, err := s.Params(settings)
			require.NoError(t, err, s.Name())
			base, err := s.Params(nil)
			require.NoError(t, err)
			assert.NotEqual(t, base, p)
		}
	}
}

// A penalty of 0 is not the default.
func TestZero(t *testing.T) {
	p, err := style.XGBoost.Params(space.Settings{{Name: "lambda", Value: "0.0"}})
	require.NoError(t, err)
	assert.Equal(t, math.SmallestNonzeroFloat64, p.WithDefaults(1).LambdaL2)
}

// Every setting reaches a field of its own.
func TestSettings(t *testing.T) {
	for _, s := range style.Styles() {
		base, err := s.Params(nil)
		require.NoError(t, err)
		seen := []engine.Params{base}
		for _, name := range s.Names() {
			if name == "objective" {
				continue
			}
			value := space.Literal("0.375")
			p, err := s.Params(space.Settings{{Name: name, Value: value}})
			if name == "tweedie_variance_power" {
				value = "1.375"
			}
			if err != nil {
				value = "13"
				if name == "tweedie_variance_power" {
					value = "1.375"
				}
				p, err = s.Params(space.Settings{{Name: name, Value: value}})
			}
			require.NoError(t, err, "%s of %s", name, s.Name())
			assert.NotContains(t, seen, p, "%s of %s", name, s.Name())
			seen = append(seen, p)
		}
	}
}

func TestBadSettings(t *testing.T) {
	for _, c := range []struct {
		style    style.Style
		settings space.Settings
		want     string
	}{
		{style.LightGBM, space.Settings{{Name: "eta", Value: "0.1"}}, "lightgbm: there is no eta: there are alpha, bagging_fraction"},
		{style.LightGBM, space.Settings{{Name: "num_leaves", Value: "2.5"}}, "lightgbm: num_leaves is 2.5, want a whole number from 2"},
		{style.LightGBM, space.Settings{{Name: "learning_rate", Value: `"fast"`}}, "lightgbm: learning_rate is fast, want a number"},
		{style.LightGBM, space.Settings{{Name: "learning_rate", Value: "NaN"}}, "want a finite number"},
		{style.LightGBM, space.Settings{{Name: "learning_rate", Value: "0"}}, "want a number above 0"},
		{style.LightGBM, space.Settings{{Name: "bagging_fraction", Value: "1.5"}}, "bagging_fraction is 1.5"},
		{style.LightGBM, space.Settings{{Name: "num_leaves", Value: "5"}, {Name: "num_leaves", Value: "6"}}, "set twice"},
		{style.XGBoost, space.Settings{{Name: "objective", Value: `"rank:ndcg"`}}, "want one of binary:logistic"},
		{style.XGBoost, space.Settings{{Name: "max_depth", Value: "-2"}}, "want a whole number from 1, or -1"},
		{style.IsolationForest, space.Settings{{Name: "objective", Value: `"x"`}}, "isolation_forest: there is no objective"},
	} {
		_, err := c.style.Params(c.settings)
		require.ErrorIs(t, err, style.ErrSetting)
		assert.ErrorContains(t, err, c.want)
	}
	_, err := style.Parse("adaboost")
	assert.ErrorContains(t, err, "lightgbm, xgboost, catboost")
}
