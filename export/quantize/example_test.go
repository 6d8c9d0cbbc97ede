package quantize_test

import (
	"context"
	"fmt"
	"log"

	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/quantize"
	"github.com/attune-hpo/attune/export/tensor"
	"github.com/attune-hpo/attune/export/validate"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural"
)

func Example() {
	ctx := context.Background()
	frame, err := forecast.CSV{Time: "month", Target: "passengers"}.ReadFile("../../data/airpassengers.csv")
	if err != nil {
		log.Fatal(err)
	}
	model := neural.New(neural.LSTM{Training: neural.Training{Window: 12, Transform: forecast.Log{}, Epochs: 1}, Hidden: 64})
	if err := model.Fit(ctx, frame, forecast.FitOptions{Horizon: 6}); err != nil {
		log.Fatal(err)
	}
	m, err := onnx.Forecaster(model, onnx.ForecasterOptions{})
	if err != nil {
		log.Fatal(err)
	}
	small, err := quantize.Quantize(ctx, m, quantize.Options{Kind: quantize.Int8})
	if err != nil {
		log.Fatal(err)
	}
	before, _ := m.Encode()
	after, _ := small.Encode()
	fmt.Printf("%.1f times smaller: %v\n", float64(len(before))/float64(len(after)), small.Metadata[len(small.Metadata)-1])
	// Output: 2.9 times smaller: {attune.quantized int8}
}

// The quality of a quantized network shows on windows that it was not calibrated with.
func ExampleCompare() {
	compare := func(ctx context.Context, model forecast.Forecaster, frame forecast.Frame) error {
		m, err := onnx.Forecaster(model, onnx.ForecasterOptions{})
		if err != nil {
			return err
		}
		windows, err := validate.NewWindows(ctx, model, frame, 6, 100)
		if err != nil {
			return err
		}
		half := windows.Len() / 2
		learnt, held := windows.Slice(0, half), windows.Slice(half, windows.Len())
		small, err := quantize.Quantize(ctx, m, quantize.Options{Kind: quantize.Int8, Calibration: learnt.Inputs})
		if err != nil {
			return err
		}
		report, err := quantize.Compare(held, validate.Gate{}, func(in tensor.List) ([]float64, error) {
			out, err := quantize.Runtime(ctx, small, in)
			if err != nil {
				return nil, err
			}
			return out[0].Floats(), nil
		})
		if err != nil || !report.Pass {
			return fmt.Errorf("keep the model as it is: %v: %w", report, err)
		}
		return small.WriteFile("model.onnx")
	}
	_ = compare
}
