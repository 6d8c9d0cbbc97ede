package forecast_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/forecast"
)

func ExampleTabular_Plan() {
	series := forecast.Series{Start: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), Freq: forecast.Frequency{N: 1, Unit: forecast.Day}}
	for i := range 30 {
		series.Y = append(series.Y, float64(i%7))
	}
	t := &forecast.Tabular{
		Recipe: forecast.Recipe{Features: forecast.Features{Lags: []int{1, 7}}, Transform: forecast.Chain{forecast.Log1p{}, forecast.Diff{}, forecast.Standard{}}},
		New:    func() forecast.Regressor { return &forecast.Ridge{} },
	}
	if err := t.Fit(context.Background(), forecast.Frame{series}, forecast.FitOptions{Horizon: 3}); err != nil {
		panic(err)
	}
	plan, err := t.Plan()
	if err != nil {
		panic(err)
	}
	fmt.Println(plan.Strategy, plan.Horizon, plan.Names)
	for _, step := range plan.Transform[0] {
		fmt.Println(step.Kind, step.Lag)
	}
	// Output:
	// direct 3 [lag_1 lag_7]
	// log1p 0
	// diff 1
	// affine 0
}

func TestPlanNeedsAFit(t *testing.T) {
	_, err := (&forecast.Tabular{}).Plan()
	require.ErrorIs(t, err, forecast.ErrNotFitted)
	_, err = (&forecast.Ridge{}).Linear()
	require.ErrorIs(t, err, forecast.ErrNotFitted)
	assert.Equal(t, 2.0, forecast.QuarterOfYear.At(time.Date(2024, 4, 1, 0, 0, 0, 0, time.UTC)))
	assert.True(t, math.IsNaN(forecast.Calendar("none").At(time.Time{})))
}
