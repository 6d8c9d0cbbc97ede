// Exportonnx tunes a forecaster, exports the best one to ONNX and serves the file. The file is kept only if ONNX
// Runtime forecasts the same as the native model on windows of the data.
//
// It needs ONNX Runtime, which attune setup onnxruntime downloads.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/attune-hpo/attune/data"
	"github.com/attune-hpo/attune/export/deploy"
	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/export/validate"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/tree/style"
	"github.com/attune-hpo/attune/objective/treeforecast"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
)

const horizon = 12

func run(ctx context.Context, dir string) error {
	file, err := data.Files.Open("airpassengers.csv")
	if err != nil {
		return err
	}
	defer file.Close()
	frame, err := forecast.CSV{Time: "month", Target: "passengers"}.Read(file)
	if err != nil {
		return err
	}
	back, err := forecast.NewBacktest(frame, forecast.Splits{Horizon: horizon, Windows: 3})
	if err != nil {
		return err
	}
	task := &tune.Task{Backtest: back, Family: treeforecast.Family{Style: style.LightGBM}, MaxRounds: 100}
	st, err := study.Open(ctx, new(memory.Store), "passengers", task.Config(tpe.New(tpe.Config{}), pruner.Median{}))
	if err != nil {
		return err
	}
	defer st.Close()
	if err := task.Optimize(ctx, st, study.Run{Trials: 10}); err != nil {
		return err
	}

	model, result, err := deploy.Best(ctx, task, st, deploy.ForecasterOptions{File: filepath.Join(dir, "passengers.onnx")})
	if err != nil {
		return err
	}
	// The data count thousands of passengers.
	fmt.Printf("%d windows compared: furthest apart by %.6f passengers\n", result.Report.Rows, 1000*result.Report.MaxAbsolute)

	serve, err := deploy.Open(result.File, model.Forecaster, runtime.Config{})
	if err != nil {
		return err
	}
	defer serve.Close()
	year, err := serve.Predict(ctx, frame, horizon)
	if err != nil {
		return err
	}
	same, err := model.Forecaster.Predict(ctx, frame, horizon)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %.3f thousand passengers, natively %.3f\n", year[0].Time(0).Format("January 2006"), year[0].Y[0], same[0].Y[0])

	// Single precision is not equal to double, so this leaves nothing.
	unequal := filepath.Join(dir, "unequal.onnx")
	_, _, err = deploy.Best(ctx, task, st, deploy.ForecasterOptions{File: unequal, Form: onnx.Compatible, Gate: validate.Gate{Equal: true}})
	if !errors.Is(err, deploy.ErrFailed) {
		return fmt.Errorf("single precision was not refused: %v", err)
	}
	fmt.Println("refused:", err)
	return nil
}

func main() {
	dir, err := os.MkdirTemp("", "exportonnx")
	if err != nil {
		log.Fatal(err)
	}
	err = run(context.Background(), dir)
	os.RemoveAll(dir)
	if err != nil {
		log.Fatal(err)
	}
}
