package treeforecast_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tree/native"
	"github.com/attune-hpo/attune/objective/tree/style"
	"github.com/attune-hpo/attune/objective/treeforecast"
	"github.com/attune-hpo/attune/space"
)

func ExampleFamily() {
	frame, err := forecast.CSV{Time: "month", Target: "passengers"}.ReadFile("../../data/airpassengers.csv")
	if err != nil {
		panic(err)
	}
	family := treeforecast.Family{Style: style.LightGBM}
	model, err := family.New(space.Settings{
		{Name: "transform", Value: `"log,diff 12"`},
		{Name: "learning_rate", Value: "0.05"},
		{Name: "min_data_in_leaf", Value: "5"},
	})
	if err != nil {
		panic(err)
	}
	back, err := forecast.NewBacktest(frame, forecast.Splits{Horizon: 12, Windows: 3})
	if err != nil {
		panic(err)
	}
	result, err := back.Run(context.Background(), family.Name(), model, forecast.RunOptions{})
	if err != nil {
		panic(err)
	}
	fmt.Printf("better than the seasonal naive's 10 %%: %t\n", result.Score(forecast.MAPE) < 10)
	// Output:
	// better than the seasonal naive's 10 %: true
}

func ExampleRegressor() {
	frame, err := forecast.CSV{Time: "month", Target: "passengers"}.ReadFile("../../data/airpassengers.csv")
	if err != nil {
		panic(err)
	}
	model := &forecast.Tabular{
		Recipe: forecast.Recipe{Transform: forecast.Chain{forecast.Log{}, forecast.Diff{}}, Strategy: forecast.Direct},
		New: func() forecast.Regressor {
			return &treeforecast.Regressor{Engine: native.Engine{}, Params: engine.Params{Trees: 50, MinRows: 5}}
		},
	}
	if err := model.Fit(context.Background(), frame, forecast.FitOptions{Horizon: 3}); err != nil {
		panic(err)
	}
	first := model.Models()[0].(*treeforecast.Regressor).Model()
	fmt.Println(len(model.Models()), "models of", len(first.Trees), "trees")
	// Output:
	// 3 models of 50 trees
}

// two returns two series of which one has zeros.
func two(n int) forecast.Frame {
	var f forecast.Frame
	for k := range 2 {
		s := forecast.Series{ID: string(rune('a' + k)), Start: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), Freq: forecast.Frequency{N: 1, Unit: forecast.Month}}
		for i := range n {
			s.Y = append(s.Y, 10+float64(i)/5+5*math.Sin(float64(i)*math.Pi/6)+3*float64(k))
		}
		f = append(f, s)
	}
	return f
}

// For any strategy and style, a loaded forecaster predicts what the saved one does, and the forecast of a round is what
// a model with that number of rounds predicts.
func TestForecasts(t *testing.T) {
	ctx := context.Background()
	frame := two(80)
	for _, s := range []style.Style{style.LightGBM, style.XGBoost, style.CatBoost, style.RandomForest} {
		for _, strategy := range []forecast.Strategy{forecast.Direct, forecast.Pooled, forecast.Recursive} {
			family := treeforecast.Family{Style: s, Recipe: forecast.Recipe{Strategy: strategy, Features: forecast.Features{SeriesID: true}}}
			name := map[string]string{"lightgbm": "num_iterations", "xgboost": "num_boost_round", "catboost": "iterations", "random_forest": "n_estimators"}[s.Name()]
			transform := space.Lit("diff")
			if s.Name() == "lightgbm" {
				transform = space.Lit("log, anchor")
			}
			fit := func(trees int, each func(forecast.Iteration) error) forecast.Forecaster {
				f, err := family.New(space.Settings{{Name: "lags", Value: "13"}, {Name: "transform", Value: transform}, {Name: name, Value: space.Lit(trees)}})
				require.NoError(t, err)
				require.NoError(t, f.Fit(ctx, frame, forecast.FitOptions{Horizon: 4, Seed: 7, OnIteration: each}))
				return f
			}
			var rounds []forecast.Frame
			f := fit(5, func(it forecast.Iteration) error {
				if it.Forecast != nil {
					next, err := it.Forecast()
					require.NoError(t, err)
					rounds = append(rounds, next)
				}
				return nil
			})
			want, err := f.Predict(ctx, frame, 4)
			require.NoError(t, err)
			if strategy == forecast.Pooled {
				require.Len(t, rounds, 5)
				third, err := fit(3, nil).Predict(ctx, frame, 4)
				require.NoError(t, err)
				for i := range want {
					assert.InDeltaSlice(t, want[i].Y, rounds[4][i].Y, 1e-9)
					assert.InDeltaSlice(t, third[i].Y, rounds[2][i].Y, 1e-9)
				}
			} else {
				assert.Empty(t, rounds)
			}
			var b bytes.Buffer
			require.NoError(t, f.Save(&b))
			loaded, err := family.New(nil)
			require.NoError(t, err)
			require.NoError(t, loaded.Load(&b))
			got, err := loaded.Predict(ctx, frame, 4)
			require.NoError(t, err)
			assert.Equal(t, want, got, "%s, %s", s.Name(), strategy)
		}
	}
}

func TestHoldoutStopsEarly(t *testing.T) {
	family := &forecast.Tabular{Recipe: forecast.Recipe{Strategy: forecast.Pooled}, New: func() forecast.Regressor {
		return &treeforecast.Regressor{Engine: native.Engine{}, Params: engine.Params{Trees: 1000, EarlyStopping: 5}}
	}}
	n := 0
	require.NoError(t, family.Fit(context.Background(), two(80), forecast.FitOptions{Horizon: 2, Holdout: 12, OnIteration: func(it forecast.Iteration) error {
		n++
		assert.False(t, math.IsNaN(it.Valid))
		assert.Nil(t, it.Forecast)
		return nil
	}}))
	assert.Less(t, n, 1000)
	assert.Len(t, family.Models()[0].(*treeforecast.Regressor).Model().Trees, n-5)
}

func TestSpace(t *testing.T) {
	family := treeforecast.Family{Style: style.LightGBM}
	transforms := func(f forecast.Frame) []space.Literal {
		a := family.Space(f)[0]
		require.Equal(t, "transform", a.Name)
		return a.Distribution.(*space.CategoricalDistribution).Choices
	}
	assert.Equal(t, []space.Literal{`"none"`, `"diff"`, `"diff 12"`, `"log"`, `"log,diff"`, `"log,diff 12"`, `"anchor"`, `"log,anchor"`}, transforms(two(80)))
	withZero := two(80)
	withZero[1].Y[3] = 0
	assert.Equal(t, []space.Literal{`"none"`, `"diff"`, `"diff 12"`, `"anchor"`}, transforms(withZero))
	assert.Equal(t, []space.Literal{`"none"`, `"diff"`, `"log"`, `"log,diff"`, `"anchor"`, `"log,anchor"`}, transforms(two(30)))
	for _, s := range style.Styles()[:4] {
		family := treeforecast.Family{Style: s}
		for _, a := range family.Space(two(30)) {
			d, err := a.Distribution.Normalize()
			require.NoError(t, err)
			_, err = family.New(space.Settings{{Name: a.Name, Value: d.Decode(d.At(0))}})
			require.NoError(t, err)
		}
	}
	for _, length := range []int{80, 30_000} {
		for _, a := range (treeforecast.Family{Style: style.RandomForest}).Space(two(length)) {
			if a.Name == "min_samples_leaf" {
				assert.Equal(t, max(1, 2*length/10_000), a.Distribution.(space.IntDistribution).Low, "leaves of forests on large panels")
			}
		}
	}
	family.Recipe = forecast.Recipe{Transform: forecast.Log{}, Features: forecast.Features{Lags: []int{1}}}
	for _, a := range family.Space(two(80)) {
		assert.NotContains(t, []string{"transform", "lags"}, a.Name)
	}
}

// Anchored trees follow a trend, at any level. Others cannot predict values beyond those that
// they have seen.
func TestAnchored(t *testing.T) {
	frame := two(80)
	for k := range frame {
		for i := range frame[k].Y {
			frame[k].Y[i] = float64(4*i + 4096*k)
		}
	}
	for _, strategy := range []forecast.Strategy{forecast.Direct, forecast.Pooled, forecast.Recursive} {
		for _, transform := range []string{"anchor", "none"} {
			f, err := treeforecast.Family{Style: style.XGBoost, Recipe: forecast.Recipe{Strategy: strategy}}.New(space.Settings{
				{Name: "transform", Value: space.Lit(transform)}, {Name: "num_boost_round", Value: "100"}})
			require.NoError(t, err)
			require.NoError(t, f.Fit(t.Context(), frame, forecast.FitOptions{Horizon: 6}))
			next, err := f.Predict(t.Context(), frame, 6)
			require.NoError(t, err)
			for k, s := range next {
				if last := frame[k].Y[79]; transform == "anchor" {
					assert.InDeltaSlice(t, []float64{last + 4, last + 8, last + 12, last + 16, last + 20, last + 24}, s.Y, 1, "%s", strategy)
				} else if k == 1 {
					assert.LessOrEqual(t, slices.Max(s.Y), last+1, "%s", strategy)
				}
			}
		}
	}
}

func TestRefused(t *testing.T) {
	ctx := context.Background()
	family := treeforecast.Family{Style: style.LightGBM}
	for want, settings := range map[string]space.Settings{
		"lightgbm: there is no lag:": {{Name: "lag", Value: "3"}},
		"lags is 0":                  {{Name: "lags", Value: "0"}},
		"lags is 2.5":                {{Name: "lags", Value: "2.5"}},
		"transform is sqrt":          {{Name: "transform", Value: `"sqrt"`}},
		"transform is 3":             {{Name: "transform", Value: "3"}},
	} {
		_, err := family.New(settings)
		require.ErrorIs(t, err, style.ErrSetting, want)
		assert.ErrorContains(t, err, want)
	}
	family.Recipe.Strategy = forecast.Joint
	f, err := family.New(nil)
	require.NoError(t, err)
	assert.ErrorContains(t, f.Fit(ctx, two(80), forecast.FitOptions{Horizon: 2}), "use pooled or direct")

	r := &treeforecast.Regressor{}
	assert.ErrorIs(t, r.Save(new(bytes.Buffer)), forecast.ErrNotFitted)
	_, err = r.Predict(forecast.Matrix{})
	assert.ErrorIs(t, err, forecast.ErrNotFitted)
	assert.Nil(t, r.Model())
	assert.ErrorIs(t, r.Load(bytes.NewBufferString("tree\nbroken")), forecast.ErrFormat)

	stop := errors.New("pruned")
	family.Recipe.Strategy = forecast.Pooled
	f, err = family.New(nil)
	require.NoError(t, err)
	err = f.Fit(ctx, two(80), forecast.FitOptions{OnIteration: func(it forecast.Iteration) error { return stop }})
	assert.ErrorIs(t, err, stop)
}
