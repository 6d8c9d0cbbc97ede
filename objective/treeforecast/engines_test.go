package treeforecast_test

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/tree/catboost"
	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tree/lightgbm"
	"github.com/attune-hpo/attune/objective/tree/native"
	"github.com/attune-hpo/attune/objective/tree/style"
	"github.com/attune-hpo/attune/objective/tree/xgboost"
	"github.com/attune-hpo/attune/objective/treeforecast"
	"github.com/attune-hpo/attune/space"
)

// Each style's default space, from corner to corner, is trained by the native engine
// and by the library that it is named after.
func TestStylesByTheirLibraries(t *testing.T) {
	ctx := context.Background()
	frame := two(60)
	for _, c := range []struct {
		style  style.Style
		engine engine.Engine
	}{
		{style.LightGBM, native.Engine{}}, {style.XGBoost, native.Engine{}}, {style.CatBoost, native.Engine{}}, {style.RandomForest, native.Engine{}},
		{style.LightGBM, lightgbm.Engine{}}, {style.XGBoost, xgboost.Engine{}}, {style.CatBoost, catboost.Engine{}},
	} {
		t.Run(c.style.Name(), func(t *testing.T) {
			if a, ok := c.engine.(interface{ Available() error }); ok && os.Getenv("ATTUNE_REQUIRE_ENGINES") == "" {
				if err := a.Available(); err != nil {
					t.Skip(err)
				}
			}
			family := treeforecast.Family{Style: c.style, Engine: c.engine}
			for _, high := range []bool{false, true} {
				settings := space.Settings{}
				for _, a := range family.Space(frame) {
					d, err := a.Distribution.Normalize()
					require.NoError(t, err)
					x := d.At(0)
					if f, ok := d.(space.FloatDistribution); ok && high {
						x = f.High
					} else if high {
						x = d.At(d.Len() - 1)
					}
					settings = append(settings, space.Setting{Name: a.Name, Value: d.Decode(x)})
				}
				if name := family.Rounds(); name != "" {
					settings = append(settings, space.Setting{Name: name, Value: "3"})
				}
				f, err := family.New(settings)
				require.NoError(t, err)
				rounds := 0
				require.NoError(t, f.Fit(ctx, frame, forecast.FitOptions{Horizon: 3, Seed: 1 << 63, OnIteration: func(it forecast.Iteration) error {
					rounds++
					_, err := it.Forecast()
					return err
				}}), "%v", settings)
				require.Positive(t, rounds)
				_, err = f.Predict(ctx, frame, 3)
				require.NoError(t, err)
			}
		})
	}
}
