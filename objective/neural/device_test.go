package neural_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural"
	"github.com/attune-hpo/attune/objective/neural/internal/cuda"
	"github.com/attune-hpo/attune/objective/neural/internal/devicetest"
	"github.com/attune-hpo/attune/space"
)

// settings returns settings with a device, as a study would set it.
func settings(t *testing.T, device string) space.Settings {
	t.Helper()
	return space.Settings{space.Categorical("device", device).At(device)}
}

func TestFitOnGPU(t *testing.T) {
	t.Run("emulated", func(t *testing.T) {
		e := devicetest.Emulate(t)
		used, count := e.Used(), e.Count()
		testFitOnGPU(t)
		assert.Equal(t, used, e.Used(), "memory is given back")
		assert.Greater(t, e.Count(), count)
	})
	t.Run("GPU", func(t *testing.T) {
		d, err := cuda.Open(0, 0)
		devicetest.NeedGPU(t, err)
		d.Free()
		testFitOnGPU(t)
	})
}

// A fit on a GPU equals one on the CPU except for rounding: its losses, its forecasts
// during and after the training, and the saved model.
func testFitOnGPU(t *testing.T) {
	train := wave(60, "a", "b")
	for i, m := range small(neural.Training{Window: 8, Epochs: 3, Batch: 16}) {
		t.Run(fmt.Sprint(i, m.Name()), func(t *testing.T) {
			fit := func(device string) ([]float64, *neural.Forecaster) {
				f, err := m.New(settings(t, device))
				require.NoError(t, err)
				n := f.(*neural.Forecaster)
				var all []float64
				err = n.Fit(ctx, train, forecast.FitOptions{Horizon: 3, Holdout: 6, Seed: 5, OnIteration: func(it forecast.Iteration) error {
					next, err := it.Forecast()
					all = append(append(all, it.Train, it.Valid), next[0].Y...)
					return err
				}})
				require.NoError(t, err)
				next, err := n.Predict(ctx, train, 3)
				require.NoError(t, err)
				return append(all, next[1].Y...), n
			}
			want, on := fit("cpu")
			assert.Equal(t, "cpu", on.Device())
			got, onGPU := fit("cuda:0")
			assert.Contains(t, onGPU.Device(), "cuda:0 (")
			assert.InDeltaSlice(t, want, got, 5e-3)
			var saved, savedGPU bytes.Buffer
			require.NoError(t, on.Save(&saved))
			require.NoError(t, onGPU.Save(&savedGPU))
			assert.NotContains(t, savedGPU.String(), "cuda")
			assert.Equal(t, saved.Len(), savedGPU.Len())
			again := &neural.Forecaster{}
			require.NoError(t, again.Load(&savedGPU))
			next, err := again.Predict(ctx, train, 3)
			require.NoError(t, err)
			assert.Equal(t, got[len(got)-3:], next[1].Y)
			assert.Empty(t, again.Device())
		})
	}
}

// By default, only a network that gains goes on a GPU, and no other looks for one.
func TestDeviceAuto(t *testing.T) {
	train := wave(40, "a")
	opts := forecast.FitOptions{Seed: 1, Horizon: 2}
	fit := func(m neural.LSTM) string {
		t.Helper()
		f := neural.New(m)
		assert.Empty(t, f.Device())
		require.NoError(t, f.Fit(ctx, train, opts))
		return f.Device()
	}
	small := neural.LSTM{Training: neural.Training{Window: 4, Epochs: 1}, Hidden: 8}
	large := neural.LSTM{Training: neural.Training{Window: 4, Epochs: 1}, Hidden: 256}
	t.Setenv("ATTUNE_LIBCUDA", t.TempDir()+"/none.so")
	assert.Equal(t, "cpu: a step has 0.0024 million multiplications an operation, and a GPU pays off from 1 million on", fit(small))
	assert.Regexp(t, `^cpu: the device cannot be used: cuda: no such GPU: no driver: .*none.so`, fit(large))

	e := devicetest.Emulate(t)
	count := e.Count()
	assert.Contains(t, fit(small), "cpu: a step has")
	assert.Equal(t, count, e.Count())
	assert.Equal(t, "cuda:0 (emulated)", fit(large))
	e.Limit(e.Used() + 1<<20)
	assert.Regexp(t, `^cpu: .*out of memory`, fit(large))
}

func TestDeviceIsNotThere(t *testing.T) {
	train := wave(40, "a")
	t.Setenv("ATTUNE_LIBCUDA", t.TempDir()+"/none.so")
	for _, device := range []string{"cuda", "cuda:0"} {
		err := neural.New(neural.LSTM{Training: neural.Training{Device: device}}).Fit(ctx, train, forecast.FitOptions{})
		require.ErrorIs(t, err, neural.ErrDevice)
		assert.Regexp(t, "^neural: lstm: fit: the device cannot be used: no such GPU: no driver: .*none.so.*: set neural.Training.Device to auto or cpu$", err.Error())
	}
	devicetest.Emulate(t)
	err := neural.New(neural.LSTM{Training: neural.Training{Device: "cuda:3"}}).Fit(ctx, train, forecast.FitOptions{})
	require.EqualError(t, err, "neural: lstm: fit: the device cannot be used: no such GPU: cuda:3: the machine has 1: set neural.Training.Device to auto or cpu")
	for _, device := range []string{"gpu", "cuda:", "cuda:-1", "cuda:01", "cuda:x"} {
		_, err := neural.LSTM{}.New(settings(t, device))
		require.ErrorIs(t, err, forecast.ErrConfig)
		assert.ErrorContains(t, err, fmt.Sprintf("device %q", device))
		assert.ErrorContains(t, err, "want auto, cpu, cuda or cuda:N")
	}
}

// A GPU that runs out of memory fails a fit with that error, and the next fit works.
func TestDeviceOutOfMemory(t *testing.T) {
	e := devicetest.Emulate(t)
	train := wave(40, "a")
	m := neural.LSTM{Training: neural.Training{Device: "cuda", Window: 8, Epochs: 1, Batch: 24}}
	e.Limit(e.Used() + 1<<20)
	err := neural.New(m).Fit(ctx, train, forecast.FitOptions{})
	require.ErrorIs(t, err, neural.ErrDevice)
	assert.ErrorContains(t, err, "out of memory on the GPU")
	assert.ErrorContains(t, err, "take a smaller batch_size (it is 24), window or network, run fewer trials at once, or set neural.Training.Device to cpu")
	e.Limit(1 << 30)
	require.NoError(t, neural.New(m).Fit(ctx, train, forecast.FitOptions{}))
}

// A GPU that breaks during a training is not reported as divergence.
func TestDeviceBreaks(t *testing.T) {
	e := devicetest.Emulate(t)
	m := neural.LSTM{Training: neural.Training{Device: "cuda", Window: 8, Epochs: 5}}
	err := neural.New(m).Fit(ctx, wave(40, "a"), forecast.FitOptions{OnIteration: func(it forecast.Iteration) error {
		e.Fail(1) // an error that leaves the context usable
		return nil
	}})
	require.ErrorIs(t, err, neural.ErrDevice)
	assert.False(t, errors.Is(err, neural.ErrDiverged))
	e.Mend()
	require.NoError(t, neural.New(m).Fit(ctx, wave(40, "a"), forecast.FitOptions{}))
}

func ExampleForecaster_Device() {
	f := neural.New(neural.LSTM{Training: neural.Training{Epochs: 2, Device: "cpu"}, Hidden: 8}) // or cuda, or auto
	err := f.Fit(context.Background(), wave(60, "a"), forecast.FitOptions{Horizon: 3})
	fmt.Println(f.Device(), err)
	// Output: cpu <nil>
}
