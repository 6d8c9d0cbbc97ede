package deploy_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/attune-hpo/attune/export/deploy"
	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/tree"
	"github.com/attune-hpo/attune/objective/tree/style"
	"github.com/attune-hpo/attune/objective/treeforecast"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// These examples need ONNX Runtime. They are compiled here; the programs in examples run the same code.

func ExampleBest() {
	ctx := context.Background()
	frame := must(forecast.CSV{Time: "month", Target: "passengers"}.ReadFile("airpassengers.csv"))
	back := must(forecast.NewBacktest(frame, forecast.Splits{Horizon: 12, Windows: 3}))
	task := &tune.Task{Backtest: back, Family: treeforecast.Family{Style: style.LightGBM}}
	st := must(study.Open(ctx, new(memory.Store), "passengers", task.Config(tpe.New(tpe.Config{}), pruner.Median{})))
	if err := task.Optimize(ctx, st, study.Run{Trials: 50}); err != nil {
		panic(err)
	}
	model, result, err := deploy.Best(ctx, task, st, deploy.ForecasterOptions{File: "passengers.onnx"})
	if err != nil {
		panic(err) // no file is kept if the two differ
	}
	fmt.Print(result.Report)

	serve := must(deploy.Open(result.File, model.Forecaster, runtime.Config{}))
	defer serve.Close()
	next := must(serve.Predict(ctx, frame, 12))
	fmt.Println(next[0].Y, serve.Stats().Fallbacks)
}

func ExampleTrees() {
	file := must(os.Open("lightgbm.txt"))
	defer file.Close()
	model := must(tree.Read(file))
	result, err := deploy.Trees(context.Background(), model, nil, deploy.TreesOptions{File: "lightgbm.onnx"})
	if err != nil {
		panic(err)
	}
	fmt.Print(result.Report)

	serve := must(deploy.OpenTrees(result.File, model, runtime.Config{}))
	defer serve.Close()
	out := make([]float64, model.Outputs)
	if err := serve.Predict(make([]float64, len(model.Features)), out); err != nil {
		panic(err)
	}
}

// The native forecaster answers if there is no file.
func ExampleOpen() {
	ctx := context.Background()
	frame := must(forecast.CSV{Time: "month", Target: "passengers"}.ReadFile("../../data/airpassengers.csv"))
	native := &forecast.Tabular{New: func() forecast.Regressor { return &forecast.Ridge{} }}
	if err := native.Fit(ctx, frame, forecast.FitOptions{Horizon: 2}); err != nil {
		panic(err)
	}
	serve := must(deploy.Open(filepath.Join(os.TempDir(), "there-is-none.onnx"), native, quiet))
	defer serve.Close()
	next := must(serve.Predict(ctx, frame, 2))
	fmt.Printf("%.0f, %d of %d by the native forecaster\n", next[0].Y, serve.Stats().Fallbacks, serve.Stats().Calls)
	// Output: [465 423], 1 of 1 by the native forecaster
}

func ExampleProbe() {
	model := &tree.Model{Features: []tree.Feature{{Name: "x"}}, Outputs: 1, Trees: []tree.Tree{{
		Nodes: []tree.Node{{Threshold: 2.5, Left: ^0, Right: ^1}}, Leaves: []tree.Leaf{{Value: 1}, {Value: 2}},
	}}}
	rows := deploy.Probe(model, 0, 0)
	below, on, above := 0, 0, 0
	for _, x := range rows {
		switch {
		case x < 2.5:
			below++
		case x == 2.5:
			on++
		case x > 2.5:
			above++
		}
	}
	fmt.Println(len(rows), "rows:", below > 0, on > 0, above > 0)
	// Output: 1003 rows: true true true
}
