package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural"
	"github.com/attune-hpo/attune/space"
)

// autoDevice lets each network choose its device.
const autoDevice = "auto"

// checkDevice fails unless networks can train on the --device here.
func checkDevice(ctx context.Context, device string) error {
	if _, err := (neural.LSTM{}).New(space.Settings{{Name: "device", Value: space.Lit(device)}}); err != nil {
		return fmt.Errorf("--device %s: want auto, cpu, cuda or cuda:N with N the number of a GPU", quote(device))
	}
	if !strings.HasPrefix(device, "cuda") {
		return nil
	}
	// Only a training shows whether a GPU works. This is the smallest one.
	least := neural.New(neural.LSTM{Training: neural.Training{Window: 2, Epochs: 1, Device: device}, Hidden: 1})
	series := forecast.Series{Start: time.Unix(0, 0).UTC(), Freq: forecast.Frequency{N: 1, Unit: forecast.Day}, Y: []float64{1, 2, 3, 5, 8, 13}}
	if err := least.Fit(ctx, forecast.Frame{series}, forecast.FitOptions{Horizon: 1}); err != nil {
		return fmt.Errorf("--device %s: %w", device, err)
	}
	return nil
}
