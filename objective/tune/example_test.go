package tune_test

import (
	"context"
	"fmt"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/statistical"
	"github.com/attune-hpo/attune/objective/tree/style"
	"github.com/attune-hpo/attune/objective/treeforecast"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
)

func ExampleTask() {
	ctx := context.Background()
	frame, err := forecast.CSV{Time: "month", Target: "passengers"}.ReadFile("../../data/airpassengers.csv")
	if err != nil {
		panic(err)
	}
	back, err := forecast.NewBacktest(frame, forecast.Splits{Horizon: 12, Windows: 9, Step: 6})
	if err != nil {
		panic(err)
	}
	task := &tune.Task{Backtest: back, Family: treeforecast.Family{Style: style.XGBoost}, MaxRounds: 50}
	st, err := study.Open(ctx, new(memory.Store), "passengers", task.Config(tpe.New(tpe.Config{}), pruner.Median{}))
	if err != nil {
		panic(err)
	}
	if err := task.Optimize(ctx, st, study.Run{Trials: 8}); err != nil {
		panic(err)
	}
	best, err := task.Best(ctx, st)
	if err != nil {
		panic(err)
	}
	next, err := best.Forecaster.Predict(ctx, frame, 12)
	if err != nil {
		panic(err)
	}
	fmt.Printf("better than 6 %%: %t\n", best.Value < 6)
	fmt.Println(next[0].Time(0).Format("2006-01"), "to", next[0].Time(11).Format("2006-01"))
	// Output:
	// better than 6 %: true
	// 1961-01 to 1961-12
}

func ExampleNewForecasts() {
	ctx := context.Background()
	frame, err := forecast.CSV{Time: "month", Target: "passengers"}.ReadFile("../../data/airpassengers.csv")
	if err != nil {
		panic(err)
	}
	back, err := forecast.NewBacktest(frame, forecast.Splits{Horizon: 12, Windows: 3})
	if err != nil {
		panic(err)
	}
	task := &tune.Task{Backtest: back, Family: statistical.Theta{}, Forecasts: tune.NewForecasts(1)}
	st, err := study.Open(ctx, new(memory.Store), "passengers", task.Config(tpe.New(tpe.Config{}), nil))
	if err != nil {
		panic(err)
	}
	if err := task.Optimize(ctx, st, study.Run{Trials: 1}); err != nil {
		panic(err)
	}
	best, err := st.Best(ctx)
	if err != nil {
		panic(err)
	}
	result, err := task.OutOfFold(ctx, st, best) // trains nothing
	if err != nil {
		panic(err)
	}
	for _, f := range result.Folds {
		fmt.Println(f.Origin.Format("2006-01"), len(f.Forecast[0].Y))
	}
	// Output:
	// 1957-12 12
	// 1958-12 12
	// 1959-12 12
}
