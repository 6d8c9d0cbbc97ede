package statistical_test

import (
	"context"
	"fmt"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/statistical"
)

func ExampleETS() {
	ctx := context.Background()
	past, err := forecast.CSV{Time: "month", Target: "passengers"}.ReadFile("../../data/airpassengers.csv")
	if err != nil {
		panic(err)
	}
	f, err := statistical.ETS{}.New(nil)
	if err != nil {
		panic(err)
	}
	if err := f.Fit(ctx, past, forecast.FitOptions{}); err != nil {
		panic(err)
	}
	next, err := f.Predict(ctx, past, 3)
	if err != nil {
		panic(err)
	}
	for i, y := range next[0].Y {
		fmt.Printf("%s %.0f\n", next[0].Time(i).Format("2006-01"), y)
	}
	// Output:
	// 1961-01 442
	// 1961-02 428
	// 1961-03 493
}

func ExampleTheta() {
	ctx := context.Background()
	past, err := forecast.CSV{Time: "year", Target: "sunspots"}.ReadFile("../../data/sunspots.csv")
	if err != nil {
		panic(err)
	}
	f, err := statistical.Theta{}.New(nil)
	if err != nil {
		panic(err)
	}
	if err := f.Fit(ctx, past, forecast.FitOptions{}); err != nil {
		panic(err)
	}
	next, err := f.Predict(ctx, past, 1)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s %.1f\n", next[0].Time(0).Format("2006"), next[0].Y[0])
	// Output: 2009 2.9
}
