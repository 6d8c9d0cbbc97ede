package statistical_test

import (
	"context"
	"fmt"
	"math"
	"time"

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

// Hours have two seasons, a day and a week.
func ExampleMSTL() {
	ctx := context.Background()
	y := make([]float64, 6*168)
	for i := range y {
		y[i] = 100 + 10*math.Sin(2*math.Pi*float64(i)/24)
		if i/24%7 >= 5 { // the weekend
			y[i] -= 30
		}
	}
	past := forecast.Frame{{Start: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), Freq: forecast.Frequency{N: 1, Unit: forecast.Hour}, Y: y}}
	f, err := statistical.MSTL{}.New(nil)
	if err != nil {
		panic(err)
	}
	if err := f.Fit(ctx, past, forecast.FitOptions{}); err != nil {
		panic(err)
	}
	next, err := f.Predict(ctx, past, 168)
	if err != nil {
		panic(err)
	}
	for _, h := range []int{6, 5*24 + 6} {
		fmt.Printf("%s %.0f\n", next[0].Time(h).Format("Mon 15:04"), next[0].Y[h])
	}
	// Output:
	// Mon 06:00 110
	// Sat 06:00 80
}

// The logarithms of the airline passengers follow the airline model.
func ExampleARIMA() {
	ctx := context.Background()
	past, err := forecast.CSV{Time: "month", Target: "passengers"}.ReadFile("../../data/airpassengers.csv")
	if err != nil {
		panic(err)
	}
	for i, y := range past[0].Y {
		past[0].Y[i] = math.Log(y)
	}
	f, err := statistical.ARIMA{Form: "(0,1,1)(0,1,1)", Estimation: "exact"}.New(nil)
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
		fmt.Printf("%s %.0f\n", next[0].Time(i).Format("2006-01"), math.Exp(y))
	}
	// Output:
	// 1961-01 450
	// 1961-02 426
	// 1961-03 479
}

func ExampleCES() {
	ctx := context.Background()
	past, err := forecast.CSV{Time: "quarter", Target: "unemp"}.ReadFile("../../data/macrodata.csv")
	if err != nil {
		panic(err)
	}
	f, err := statistical.CES{}.New(nil)
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
	fmt.Printf("%.2f\n", next[0].Y[0])
	// Output: 9.46
}
