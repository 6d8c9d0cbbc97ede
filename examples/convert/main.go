// Convert makes an ONNX file from a model that LightGBM trained and saved, and checks in ONNX Runtime that it
// predicts the same. lightgbm.txt forecasts tomorrow's highest temperature in Seattle from today's weather;
// LightGBM 4.7.0 trained it on the first 1,200 days of seattle-weather.csv: 30 trees of 8 leaves.
//
// It needs ONNX Runtime, which attune setup onnxruntime downloads. attune convert does the same from a shell.
package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/csv"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/attune-hpo/attune/data"
	"github.com/attune-hpo/attune/export/deploy"
	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/runtime"
	"github.com/attune-hpo/attune/objective/tree"
)

//go:embed lightgbm.txt
var lightgbm []byte

// weather returns the features of a model for each day.
func weather(features []tree.Feature) ([]float64, error) {
	file, err := data.Files.Open("seattle-weather.csv")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	table, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return nil, err
	}
	var rows []float64
	for _, day := range table[1:] {
		for _, f := range features {
			x, err := strconv.ParseFloat(day[slices.Index(table[0], f.Name)], 64)
			if err != nil {
				return nil, err
			}
			rows = append(rows, x)
		}
	}
	return rows, nil
}

func run(ctx context.Context, dir string) error {
	model, err := tree.Read(bytes.NewReader(lightgbm))
	if err != nil {
		return err
	}
	rows, err := weather(model.Features)
	if err != nil {
		return err
	}
	fmt.Printf("%d trees that look at %d features\n", len(model.Trees), len(model.Features))

	result, err := deploy.Trees(ctx, model, rows, deploy.TreesOptions{File: filepath.Join(dir, "exact.onnx"), Units: []string{"°C", "°C", "m/s", "mm"}})
	if err != nil {
		return err
	}
	fmt.Printf("exact: %d of %d days differ, %d kB where LightGBM has %d\n", result.Report.Beyond, result.Report.Rows, result.Size/1000, len(lightgbm)/1000)

	// For older runtimes, whose sums are in single precision; compared on rows that lie on
	// each threshold and on both sides of it.
	compatible, err := deploy.Trees(ctx, model, nil, deploy.TreesOptions{File: filepath.Join(dir, "compatible.onnx"), Form: onnx.Compatible})
	if err != nil {
		return err
	}
	fmt.Printf("compatible: furthest apart by %.0e °C\n", compatible.Report.MaxAbsolute)

	serve, err := runtime.OpenPredictor(result.File, runtime.Config{})
	if err != nil {
		return err
	}
	defer serve.Close()
	tomorrow := make([]float64, 1)
	if err := serve.Predict(rows[len(rows)-len(model.Features):], tomorrow); err != nil {
		return err
	}
	fmt.Printf("tomorrow: %.1f °C\n", tomorrow[0])
	fmt.Println("features in the file:", serve.Session().Metadata()["attune.features"])
	return nil
}

func main() {
	dir, err := os.MkdirTemp("", "convert")
	if err != nil {
		log.Fatal(err)
	}
	err = run(context.Background(), dir)
	os.RemoveAll(dir)
	if err != nil {
		log.Fatal(err)
	}
}
