package neural

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural/internal/cuda"
	"github.com/attune-hpo/attune/objective/neural/internal/device"
	"github.com/attune-hpo/attune/objective/neural/internal/nn"
)

// gainsFrom is the average number of multiplications per operation from which a GPU is
// used by default. An operation costs a GPU about 10 µs even if it is small; in that
// time a core makes a quarter of these multiplications.
const gainsFrom = 1_000_000

// parseDevice returns the number of the GPU that a setting asks for, or -1 for the CPU.
func parseDevice(s string) (gpu int, ok bool) {
	switch s {
	case "auto", "cpu":
		return -1, true
	case "cuda":
		return 0, true
	}
	text, ok := strings.CutPrefix(s, "cuda:")
	n, err := strconv.Atoi(text)
	return n, ok && err == nil && n >= 0 && strconv.Itoa(n) == text
}

// build returns the network on a device that has room for it, and says which device that
// is and why. The caller must free the device.
func (d design) build(v *view, rows int) (net *nn.Net, on string, err error) {
	dry := &device.Dry{}
	plan, err := d.plan(dry, v, rows)
	if err != nil {
		return nil, "", err
	}
	if dry.Numbers > maxMemory || dry.Numbers < 0 {
		return nil, "", fmt.Errorf("%w: the network needs %d GiB for batches of %d: take a smaller batch_size, window or network", forecast.ErrConfig, dry.Numbers>>28, rows)
	}
	numbers := dry.Numbers + 2*plan.Weights.Len() // Adam's
	on = "cpu"
	if gpu, _ := parseDevice(d.training.Device); gpu >= 0 {
		return d.onGPU(gpu, numbers, v, rows)
	} else if d.training.Device == "auto" {
		each, err := perOperation(plan, dry, rows)
		if err != nil {
			return nil, "", err
		}
		if each < gainsFrom {
			on = fmt.Sprintf("cpu: a step has %.2g million multiplications an operation, and a GPU pays off from 1 million on", each/1e6)
		} else if net, gpu, err := d.onGPU(0, numbers, v, rows); err == nil {
			return net, gpu, nil
		} else {
			on = fmt.Sprintf("cpu: %v", err)
		}
	}
	net, err = d.plan(&device.CPU{}, v, rows)
	return net, on, err
}

// perOperation returns the average number of multiplications per operation of a step.
func perOperation(plan *nn.Net, dry *device.Dry, rows int) (float64, error) {
	if _, err := plan.Step(context.Background(), nn.Batch{Rows: rows, Inputs: make([][]float32, len(plan.Inputs()))}, 0); err != nil {
		return 0, err
	}
	return float64(dry.Products) / float64(max(1, dry.Launches)), nil
}

// onGPU returns the network on a GPU, if the GPU has room for the given number of numbers.
func (d design) onGPU(gpu, numbers int, v *view, rows int) (*nn.Net, string, error) {
	dev, err := cuda.Open(gpu, numbers)
	if err != nil {
		return nil, "", d.deviceError(err)
	}
	net, err := d.plan(dev, v, rows)
	if err == nil {
		err = d.deviceError(dev.Err())
	}
	if err != nil {
		dev.Free()
		return nil, "", err
	}
	return net, dev.String(), nil
}

// deviceError adds the way out to an error of a device. It returns nil for nil.
func (d design) deviceError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, cuda.ErrMemory):
		return fmt.Errorf("%w: %w: take a smaller batch_size (it is %d), window or network, run fewer trials at once, or %w", ErrDevice, err, d.training.Batch, cpuDevice)
	case errors.Is(err, cuda.ErrMissing):
		return fmt.Errorf("%w: %w: %w", ErrDevice, err, anyDevice)
	}
	return fmt.Errorf("%w: %w", ErrDevice, err)
}

// failed returns the device's error, if any.
func (t *trainer) failed() error { return t.design.deviceError(t.net.Device.Err()) }

// predictor returns the trained network in a form that only predicts: it is on the CPU,
// and holds only the memory that prediction needs.
func (t *trainer) predictor() (*nn.Net, error) {
	w := t.weights(nil)
	if err := t.failed(); err != nil {
		return nil, err
	}
	net, err := t.design.plan(&device.CPU{}, t.view, predictRows)
	if err != nil {
		return nil, err
	}
	net.Device.Write(net.Weights, w)
	return net, nil
}
