package forecast_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/attune-hpo/attune/figure/draw"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func air() forecast.Frame {
	return must(forecast.CSV{Time: "month", Target: "passengers"}.ReadFile("../../data/airpassengers.csv"))
}

// A linear model, compared with the baselines on the last two years.
func Example() {
	ctx := context.Background()
	back := must(forecast.NewBacktest(air(), forecast.Splits{Horizon: 24}, forecast.MAPE, forecast.MASE))
	model := &forecast.Tabular{
		Recipe: forecast.Recipe{
			Features:  forecast.Features{Lags: []int{1, 2, 12}},
			Transform: forecast.Chain{forecast.Log{}, forecast.Diff{Lag: 12}},
		},
		New: func() forecast.Regressor { return &forecast.Ridge{Lambda: 1} },
	}
	result := must(back.Run(ctx, "ridge", model, forecast.RunOptions{}))
	fmt.Print(must(back.Compare(ctx, result)))
	// Output:
	// model                              mape   mase
	// ridge                              3.612  0.5631
	// seasonal naive + drift (baseline)  6.375  1.047
	// window mean (baseline)             15.47  2.724
	// seasonal naive (baseline)          15.52  2.494
	// drift (baseline)                   18.41  3.206
	// naive (baseline)                   23.58  4.033
}

func ExampleCSV() {
	_, err := forecast.CSV{Time: "day", Target: "sales"}.Read(strings.NewReader("day,sales\n2024-01-01,5\n2024-01-02,6\n2024-01-04,7\n"))
	fmt.Println(err)
	frame := must(forecast.CSV{Time: "day", Target: "sales", ID: "shop", Known: []string{"holiday"}, Fill: forecast.Carry}.Read(strings.NewReader(
		"shop,day,sales,holiday\nNorth,2024-01-01,5,1\nNorth,2024-01-02,6,0\nNorth,2024-01-04,7,0\nNorth,2024-01-05,,1\n")))
	s := frame[0]
	fmt.Println(s.ID, s.Freq, s.Y, s.Known[0].Values)
	// Output:
	// forecast: csv: line 4: column "day": "2024-01-04": a gap before it: 2024-01-03 is missing (1 in all, at a frequency of day): set forecast.CSV.Fill to carry, interpolate or keep
	// North day [5 6 6 7] [1 0 0 0 1]
}

func ExampleCSVError() {
	_, err := forecast.CSV{Time: "t", Target: "y"}.Read(strings.NewReader("t,y\n2024,1\n2025,many\n"))
	var at *forecast.CSVError
	fmt.Println(errors.As(err, &at), at.Line, at.Column, at.Value, errors.Is(err, forecast.ErrNumber))
	// Output: true 3 y many true
}

func ExampleInferFrequency() {
	fmt.Println(forecast.InferFrequency([]time.Time{
		time.Date(2024, 1, 31, 0, 0, 0, 0, time.UTC), time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC), time.Date(2024, 4, 30, 0, 0, 0, 0, time.UTC),
	}))
	// Output: month end <nil>
}

func ExampleParseFrequency() {
	f := must(forecast.ParseFrequency("15min"))
	fmt.Println(f, f.Season())
	// Output: 15 minutes 96
}

func ExampleRecognizeLayout() {
	fmt.Println(forecast.RecognizeLayout("2024-05"), forecast.RecognizeLayout("1577836800"), forecast.RecognizeLayout("01/02/2024") == "")
	// Output: 2006-01 epoch true
}

func ExampleFrame_Cut() {
	rest, test, _ := air().Cut(12)
	train, valid, _ := rest.Cut(24)
	fmt.Println(train[0].Len(), valid[0].Len(), test[0].Start.Format(time.DateOnly))
	// Output: 108 24 1960-01-01
}

func ExampleSplits() {
	for _, f := range must(forecast.Splits{Horizon: 12, Windows: 2, Step: 6}.Folds(air())) {
		fmt.Println(f.Train[0].Len(), f.Origin.Format("2006-01"), f.Test[0].Len())
	}
	// Output:
	// 126 1959-06 12
	// 132 1959-12 12
}

func ExampleParseMetric() {
	m := must(forecast.ParseMetric("pinball@0.9"))
	fmt.Printf("%s %.2f\n", m.Name(), m.Score(forecast.Sample{Truth: []float64{10, 10}, Forecast: []float64{8, 12}}))
	// Output: pinball@0.9 1.00
}

func ExamplePinball() {
	fmt.Println(forecast.Pinball(0.5).Score(forecast.Sample{Truth: []float64{10}, Forecast: []float64{8}}))
	// Output: 1
}

func ExampleMetricNames() {
	fmt.Println(forecast.MetricNames())
	// Output: [mape smape wape mase rmsse rmse mae r2 pinball@Q]
}

func ExampleParseTransform() {
	t := must(forecast.ParseTransform("log1p, diff 12, standard"))
	fmt.Printf("%T: %v\n", t, t)
	// Output: forecast.Chain: log1p, diff 12, standard
}

func ExampleDiff() {
	past := []float64{10, 12, 15}
	f := must(forecast.Diff{}.Fit(past))
	fmt.Println(f.Apply(past)[1:], f.Invert(past, []float64{1, 1}))
	// Output: [2 3] [16 17]
}

func ExampleDefaultFeatures() {
	f := forecast.DefaultFeatures(must(forecast.ParseFrequency("quarter")))
	fmt.Println(f.Lags, f.Seasonal, f.Rolling, f.Calendar)
	// Output: [1 2 3 4] [4] [{mean 3 0} {mean 4 0} {std 4 0}] [quarter]
}

func ExampleRecipe() {
	frame := air()
	p := must(forecast.Recipe{Features: forecast.Features{Lags: []int{1, 12}, Calendar: []forecast.Calendar{forecast.MonthOfYear}}, Horizon: 3}.Fit(frame, 12))
	train, valid, _ := p.Tables(frame, 2, 12) // three steps ahead
	fmt.Println(train.Names, train.X.Rows, valid.X.Rows)
	fmt.Println(train.Origin(0).Format("2006-01"), train.X.Row(0), train.Target(0).Format("2006-01"), train.Y.Row(0))
	// Output:
	// [lag_1 lag_12 month] 118 12
	// 1949-12 [118 112 3] 1950-03 [141]
}

func ExampleSeasonalDrift() {
	next := must(forecast.SeasonalDrift(0).Predict(context.Background(), air(), 3))
	fmt.Printf("%s %.1f\n", next[0].Start.Format("2006-01"), next[0].Y)
	// Output: 1961-01 [448.8 422.8 450.8]
}

func ExampleBaselines() {
	fmt.Println(forecast.Baselines(forecast.Frequency{N: 1, Unit: forecast.Month}))
	fmt.Println(forecast.Naive(), forecast.SeasonalNaive(7), forecast.Drift(), forecast.WindowMean(3))
	// Output:
	// [naive seasonal naive seasonal naive + drift drift window mean]
	// naive seasonal naive drift window mean
}

func ExampleTabular_Save() {
	ctx := context.Background()
	newRidge := func() forecast.Regressor { return &forecast.Ridge{} }
	model := &forecast.Tabular{Recipe: forecast.Recipe{Strategy: forecast.Pooled}, New: newRidge, Cache: forecast.NewCache(4)}
	if err := model.Fit(ctx, air(), forecast.FitOptions{Horizon: 6}); err != nil {
		panic(err)
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(model.Save(w)) }()
	again := &forecast.Tabular{New: newRidge}
	fmt.Println(again.Load(r), again.Recipe.Strategy, again.Recipe.Horizon)
	a, b := must(model.Predict(ctx, air(), 6)), must(again.Predict(ctx, air(), 6))
	fmt.Println(a[0].Y[5] == b[0].Y[5])
	// Output:
	// <nil> pooled 6
	// true
}

func ExampleFitOptions() {
	enough := errors.New("pruned")
	model := &forecast.Tabular{New: func() forecast.Regressor { return &forecast.Ridge{} }}
	err := model.Fit(context.Background(), air(), forecast.FitOptions{Horizon: 2, OnIteration: func(it forecast.Iteration) error {
		if it.Model == 1 {
			return enough
		}
		return nil
	}})
	fmt.Println(errors.Is(err, enough), err)
	// Output: true forecast: fit model 2 of 2: pruned
}

// A study tunes a forecaster: each trial is scored on the same folds, reports after each of
// them, and may be pruned between folds.
func ExampleBacktest() {
	ctx := context.Background()
	back := must(forecast.NewBacktest(air(), forecast.Splits{Horizon: 12, Windows: 4}))
	lambda, lags := space.Float("lambda", 1e-3, 1e2, space.Log()), space.Int("lags", 1, 24)
	transform := space.Categorical("transform", "diff 12", "log, diff 12", "log, diff 12, diff")
	tables := forecast.NewCache(100)

	st := must(study.Open(ctx, new(memory.Store), "air", study.Config{Sampler: random.Sampler{}, Pruner: pruner.Median{}}))
	err := st.Optimize(ctx, study.Func(func(ctx context.Context, t *study.Trial) (float64, error) {
		recipe := forecast.Recipe{Transform: must(forecast.ParseTransform(transform.Suggest(t)))}
		for l := range lags.Suggest(t) {
			recipe.Features.Lags = append(recipe.Features.Lags, l+1)
		}
		l := lambda.Suggest(t)
		model := &forecast.Tabular{Recipe: recipe, Cache: tables, New: func() forecast.Regressor { return &forecast.Ridge{Lambda: l} }}
		result, err := back.Run(ctx, "ridge", model, forecast.RunOptions{OnFold: func(soFar forecast.Result) error {
			return t.Report(ctx, len(soFar.Folds)-1, soFar.Scores[0])
		}})
		if err != nil {
			return 0, err
		}
		return result.Scores[0], nil
	}), study.Run{Trials: 40})
	if err != nil {
		panic(err)
	}
	best, _ := must(st.Snapshot(ctx)).Best()
	base := must(back.Baselines(ctx))
	fmt.Println(best.Values[0] < base[2].Score(forecast.MAPE), base[2].Name)
	// Output: true seasonal naive + drift
}

func ExamplePlot() {
	frame := air()
	back := must(forecast.NewBacktest(frame, forecast.Splits{Horizon: 12, Windows: 2}))
	result := must(back.Run(context.Background(), "seasonal naive", forecast.SeasonalNaive(0), forecast.RunOptions{}))
	f := must(forecast.Plot{Title: "Passengers", Truth: frame[0], Forecasts: result.Lines(""), Last: 60}.Figure())
	if err := draw.SVG(io.Discard, f, draw.Options{}); err != nil { // or PNG, or HTML
		fmt.Println(err)
	}
	fmt.Println(f.Title, len(f.Panels[0].Marks), "lines")
	// Output: Passengers 5 lines
}
