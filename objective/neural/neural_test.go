package neural_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural"
	"github.com/attune-hpo/attune/space"
)

var ctx = context.Background()

func air(t testing.TB) forecast.Frame {
	t.Helper()
	f, err := forecast.CSV{Time: "month", Target: "passengers"}.ReadFile("../../data/airpassengers.csv")
	require.NoError(t, err)
	return f
}

var day = forecast.Frequency{N: 1, Unit: forecast.Day}

// wave returns n days of a sine plus a little of another, for each of the IDs.
func wave(n int, ids ...string) forecast.Frame {
	var f forecast.Frame
	for k, id := range ids {
		s := forecast.Series{ID: id, Start: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), Freq: day}
		for i := range n {
			x := float64(i + 3*k)
			s.Y = append(s.Y, 10+float64(k)+math.Sin(x/3)+0.2*math.Cos(x*1.7))
		}
		f = append(f, s)
	}
	return f
}

// with adds a shortcut to t.
func with(t neural.Training) neural.Training {
	t.Shortcut = true
	return t
}

// small returns a small model of each kind, with dropout.
func small(t neural.Training) []neural.Model {
	return []neural.Model{
		neural.LSTM{Training: t, Hidden: 6, Layers: 2, Bidirectional: true, Dropout: 0.2},
		neural.TCN{Training: with(t), Channels: []int{4, 6}, Dropout: 0.2},
		neural.TCN{Training: t, Channels: []int{4}, Norm: "layer", Kernel: 2},
		neural.Transformer{Training: with(t), Width: 8, Heads: 2, FeedForward: 8, EncoderLayers: 1, Dropout: 0.2},
		neural.Transformer{Training: t, Width: 8, Heads: 2, FeedForward: 8, DecoderLayers: -1, Causal: true},
	}
}

// The last year of AirPassengers, for which the seasonal naive forecast has a MAPE of 9.99
// and Holt-Winters 2.21. The settings are by hand, with seed 1.
func TestAirPassengers(t *testing.T) {
	back, err := forecast.NewBacktest(air(t), forecast.Splits{Horizon: 12})
	require.NoError(t, err)
	training := neural.Training{Window: 24, Transform: forecast.Log{}, Epochs: 60, LearningRate: 5e-3, Batch: 16}
	short := training
	short.Epochs, short.Shortcut = 40, true
	for _, m := range []neural.Model{
		neural.LSTM{Training: training, Hidden: 32},
		neural.TCN{Training: training, Channels: []int{16, 16, 16}},
		neural.Transformer{Training: short, Width: 16, FeedForward: 32, EncoderLayers: 1},
		neural.Transformer{Training: short, Width: 16, FeedForward: 32, EncoderLayers: 1, DecoderLayers: -1},
	} {
		r, err := back.Run(ctx, m.Name(), neural.New(m), forecast.RunOptions{Fit: forecast.FitOptions{Seed: 1}})
		require.NoError(t, err)
		t.Logf("%s: MAPE %.2f, MASE %.2f", m.Name(), r.Score(forecast.MAPE), r.Score(forecast.MASE))
		assert.Less(t, r.Score(forecast.MAPE), 9.99)
	}
	r, err := back.Run(ctx, "nlinear", neural.NewLinear(neural.NLinear{Transform: forecast.Log{}}), forecast.RunOptions{})
	require.NoError(t, err)
	t.Logf("nlinear: MAPE %.2f, MASE %.2f", r.Score(forecast.MAPE), r.Score(forecast.MASE))
	assert.Less(t, r.Score(forecast.MAPE), 9.99)
}

// losses fits f and returns the losses of all epochs.
func losses(t testing.TB, f forecast.Forecaster, train forecast.Frame, opts forecast.FitOptions) []float64 {
	t.Helper()
	var all []float64
	opts.OnIteration = func(it forecast.Iteration) error {
		all = append(all, it.Train, it.Valid)
		return nil
	}
	require.NoError(t, f.Fit(ctx, train, opts))
	return all
}

// The same seed gives the same losses bit for bit, alone or beside other fits. Another
// seed gives others. The last batch is incomplete.
func TestSeed(t *testing.T) {
	train := wave(60, "a", "b")
	opts := forecast.FitOptions{Horizon: 3, Holdout: 6, Seed: 5}
	for i, m := range small(neural.Training{Window: 8, Epochs: 3, Batch: 16}) {
		t.Run(fmt.Sprint(i, m.Name()), func(t *testing.T) {
			alone := losses(t, neural.New(m), train, opts)
			require.Len(t, alone, 6)
			var wg sync.WaitGroup
			beside := make([][]float64, 4)
			for k := range beside {
				wg.Go(func() { beside[k] = losses(t, neural.New(m), train, opts) })
			}
			wg.Wait()
			for _, b := range beside {
				assert.Equal(t, alone, b)
			}
			again := neural.New(m)
			losses(t, again, wave(50, "c"), forecast.FitOptions{Horizon: 2})
			assert.Equal(t, alone, losses(t, again, train, opts), "a fit forgets what was before")
			other := opts
			other.Seed++
			assert.NotEqual(t, alone, losses(t, neural.New(m), train, other))
		})
	}
}

// Any forecaster can load a saved model, and predicts the same.
func TestSaveAndLoad(t *testing.T) {
	train := withColumns(wave(60, "a", "b"), 4)
	models := small(neural.Training{Window: 8, Epochs: 2, Transform: forecast.Chain{forecast.Log{}, forecast.Diff{}}, Loss: "quantile@0.7"})
	var forecasters []forecast.Forecaster
	for _, m := range models {
		forecasters = append(forecasters, neural.New(m))
	}
	forecasters = append(forecasters, neural.NewLinear(neural.NLinear{Window: 8, Transform: forecast.Log{}}))
	for i, f := range forecasters {
		t.Run(fmt.Sprint(i, f), func(t *testing.T) {
			var b bytes.Buffer
			require.ErrorIs(t, f.Save(&b), forecast.ErrNotFitted)
			_, err := f.Predict(ctx, train, 1)
			require.ErrorIs(t, err, forecast.ErrNotFitted)
			require.NoError(t, f.Fit(ctx, train, forecast.FitOptions{Horizon: 4, Seed: 2}))
			want, err := f.Predict(ctx, train, 3)
			require.NoError(t, err)
			require.Len(t, want[1].Y, 3)
			assert.Equal(t, train[1].Time(60), want[1].Start)
			require.NoError(t, f.Save(&b))

			var again forecast.Forecaster = new(neural.Forecaster)
			if _, linear := f.(*neural.Linear); linear {
				again = new(neural.Linear)
			}
			text := b.String()
			bad := []string{"", "{}\n", text[:20], text[:len(text)-1], strings.ReplaceAll(text, `"window":8`, `"window":-8`), strings.Replace(text, "attune neural", "another", 1)}
			if i != 3 { // a decoder has any horizon
				bad = append(bad, strings.Replace(text, `"horizon":4`, `"horizon":3`, 1))
			}
			for _, bad := range bad {
				if err := again.Load(strings.NewReader(bad)); assert.Error(t, err, "%.60q", bad) {
					assert.ErrorIs(t, err, forecast.ErrFormat)
				}
			}
			_, err = again.Predict(ctx, train, 1)
			require.ErrorIs(t, err, forecast.ErrNotFitted, "as before")
			require.NoError(t, again.Load(&b))
			got, err := again.Predict(ctx, train, 3)
			require.NoError(t, err)
			assert.Equal(t, want, got)
			// A loaded model can be fitted, with the saved settings.
			require.NoError(t, again.Fit(ctx, train, forecast.FitOptions{Horizon: 4, Seed: 2}))
			got, err = again.Predict(ctx, train, 3)
			require.NoError(t, err)
			assert.Equal(t, want, got)
		})
	}
}

// withColumns adds a past column, and one that is known the given number of steps in advance.
func withColumns(f forecast.Frame, ahead int) forecast.Frame {
	for i, s := range f {
		past, known := make([]float64, s.Len()), make([]float64, s.Len()+ahead)
		for j := range known {
			known[j] = float64((j*7 + i) % 5)
			if j < len(past) {
				past[j] = float64(j % 3)
			}
		}
		f[i].Past = []forecast.Column{{Name: "past", Values: past}}
		f[i].Known = []forecast.Column{{Name: "known", Values: known}}
	}
	return f
}

// A model learns a target that depends only on a column known in advance: it sees the
// column at the steps to forecast.
func TestColumnsKnownInAdvance(t *testing.T) {
	f := wave(203, "a")
	x := make([]float64, 203)
	for i := range x { // no pattern is visible in a window of 4
		x[i] = float64((i * i * 7919) % 101)
	}
	f[0].Known = []forecast.Column{{Name: "x", Values: x}}
	copy(f[0].Y, x)
	past, truth := forecast.Frame{f[0].Until(200, 3)}, x[200:]
	training := neural.Training{Window: 4, Epochs: 15, Batch: 16, LearningRate: 2e-2, Schedule: "cosine", KeepLevel: true}
	for _, test := range []forecast.Forecaster{
		neural.NewLinear(neural.NLinear{Window: 4, KeepLevel: true}),
		neural.New(neural.LSTM{Training: training, Hidden: 8}),
		neural.New(neural.TCN{Training: training, Channels: []int{8}}),
		neural.New(neural.Transformer{Training: training, Width: 8, Heads: 2, FeedForward: 8, EncoderLayers: 1}),
	} {
		require.NoError(t, test.Fit(ctx, past, forecast.FitOptions{Horizon: 3, Seed: 1}))
		next, err := test.Predict(ctx, past, 3)
		require.NoError(t, err)
		assert.InDeltaSlice(t, truth, next[0].Y, 15, "%v", test) // on a scale of 100
		_, err = test.Predict(ctx, forecast.Frame{f[0].Until(200, 2)}, 2)
		require.ErrorIs(t, err, forecast.ErrHorizon)
	}
}

func TestQuantileLossIsAboveOrBelow(t *testing.T) {
	f := wave(150, "a")
	for i := range f[0].Y {
		f[0].Y[i] = float64((i*i*7919)%101) / 10 // noise
	}
	var level []float64
	for _, loss := range []string{"quantile@0.1", "quantile@0.9"} {
		m := neural.New(neural.LSTM{Training: neural.Training{Window: 4, Epochs: 20, LearningRate: 1e-2, Loss: loss, KeepLevel: true}, Hidden: 8})
		require.NoError(t, m.Fit(ctx, f, forecast.FitOptions{}))
		next, err := m.Predict(ctx, f, 1)
		require.NoError(t, err)
		level = append(level, next[0].Y[0])
	}
	assert.Less(t, level[0]+3, level[1])
}

// The forecast of an epoch is the prediction of a fit that ends there.
func TestIterationForecast(t *testing.T) {
	train := wave(60, "a", "b")
	for _, holdout := range []int{0, 6} {
		opts := forecast.FitOptions{Horizon: 3, Holdout: holdout, Seed: 1}
		for i, m := range small(neural.Training{Window: 8, Epochs: 4}) {
			var forecasts []forecast.Frame
			var late func() (forecast.Frame, error)
			o := opts
			o.OnIteration = func(it forecast.Iteration) error {
				if late != nil {
					_, err := late()
					assert.ErrorContains(t, err, "call it within OnIteration")
				}
				f, err := it.Forecast()
				forecasts, late = append(forecasts, f), it.Forecast
				return err
			}
			require.NoError(t, neural.New(m).Fit(ctx, train, o))
			require.Len(t, forecasts, 4)

			o.OnIteration = nil
			whole := neural.New(m) // without callbacks, the same training
			require.NoError(t, whole.Fit(ctx, train, o))
			next, err := whole.Predict(ctx, train, 3)
			require.NoError(t, err)
			assert.Equal(t, next, forecasts[3], "%d %s", i, m.Name())
		}
	}
}

// Early stopping ends the training, and the best epoch predicts.
func TestPatience(t *testing.T) {
	train := wave(80, "a")
	for i := range train[0].Y { // the holdout differs from the training part
		if i >= 70 {
			train[0].Y[i] = 20 - train[0].Y[i]
		}
	}
	m := neural.LSTM{Training: neural.Training{Window: 8, Epochs: 200, LearningRate: 1e-2, Patience: 5}, Hidden: 16}
	var valid []float64
	var best forecast.Frame
	opts := forecast.FitOptions{Horizon: 2, Holdout: 10, Seed: 1, OnIteration: func(it forecast.Iteration) error {
		if valid = append(valid, it.Valid); it.Valid == slices.Min(valid) {
			best, _ = it.Forecast()
		}
		return nil
	}}
	f := neural.New(m)
	require.NoError(t, f.Fit(ctx, train, opts))
	at := slices.Index(valid, slices.Min(valid))
	assert.Len(t, valid, at+1+5)
	got, err := f.Predict(ctx, train, 2)
	require.NoError(t, err)
	assert.Equal(t, best, got)

	n := len(valid)
	valid, m.Patience, m.Epochs = nil, -1, n+20
	require.NoError(t, neural.New(m).Fit(ctx, train, opts))
	assert.Len(t, valid, n+20, "never")
}

// The holdout changes nothing that is learnt: neither the scales nor the transform nor
// the weights before the best are chosen.
func TestHoldoutIsNotSeen(t *testing.T) {
	training := neural.Training{Window: 8, Epochs: 4, Patience: -1, Transform: forecast.MinMax{}}
	for i, m := range small(training) {
		var learnt [2][]float64
		for k := range learnt {
			train := withColumns(wave(60, "a", "b"), 0)
			for _, s := range train {
				for j := 54; j < 60; j++ { // half as high in the second
					s.Y[j] *= 1 - 0.5*float64(k)
					s.Past[0].Values[j] += 100 * float64(k)
				}
			}
			all := losses(t, neural.New(m), train, forecast.FitOptions{Horizon: 3, Holdout: 6})
			for j := 0; j < len(all); j += 2 {
				learnt[k] = append(learnt[k], all[j])
			}
		}
		assert.Equal(t, learnt[0], learnt[1], "%d %s", i, m.Name())
	}
}

// A holdout shorter than the horizon is validated on as far as it goes.
func TestShortHoldout(t *testing.T) {
	for _, v := range losses(t, neural.New(small(neural.Training{Window: 8, Epochs: 2})[0]), wave(60, "a"), forecast.FitOptions{Horizon: 7, Holdout: 3}) {
		assert.False(t, math.IsNaN(v))
	}
}

// Training lowers the loss, with each optimizer, schedule and loss.
func TestTrainingSettings(t *testing.T) {
	train := wave(80, "a")
	for _, test := range []neural.Training{
		{}, {Optimizer: "adamw", WeightDecay: 0.01}, {Schedule: "cosine"}, {Schedule: "plateau", Patience: 20}, {Loss: "mae"}, {Loss: "huber"},
		{Loss: "quantile@0.4"}, {Clip: -1}, {Clip: 1e-3}, {Transform: forecast.MinMax{}}, {Batch: 1000},
	} {
		t.Run(fmt.Sprintf("%+v", test), func(t *testing.T) {
			test.Window, test.Epochs, test.LearningRate = 8, 40, 1e-2
			if test.Patience == 0 {
				test.Patience = -1
			}
			all := losses(t, neural.New(neural.LSTM{Training: test, Hidden: 8}), train, forecast.FitOptions{Horizon: 2, Holdout: 8, Seed: 1})
			assert.Less(t, all[len(all)-2], 0.8*all[0])
		})
	}
	// Weight decay makes weights small.
	norm := func(decay float64) (sum float64) {
		f := neural.New(neural.LSTM{Training: neural.Training{Window: 8, Epochs: 30, LearningRate: 1e-2, Optimizer: "adamw", WeightDecay: decay}, Hidden: 8})
		require.NoError(t, f.Fit(ctx, train, forecast.FitOptions{}))
		for _, tensor := range f.Tensors() {
			for _, w := range tensor.Data {
				sum += float64(w) * float64(w)
			}
		}
		return sum
	}
	assert.Less(t, norm(5), 0.5*norm(0))
}

var errPruned = errors.New("pruned")

func TestFitEnds(t *testing.T) {
	train := wave(60, "a")
	m := neural.LSTM{Training: neural.Training{Window: 8, Epochs: 50}, Hidden: 8}
	f := neural.New(m)
	require.NoError(t, f.Fit(ctx, train, forecast.FitOptions{}))
	rounds := 0
	err := f.Fit(ctx, train, forecast.FitOptions{OnIteration: func(forecast.Iteration) error {
		if rounds++; rounds == 3 {
			return errPruned
		}
		return nil
	}})
	require.ErrorIs(t, err, errPruned)
	assert.EqualError(t, err, "neural: lstm: fit: epoch 2: pruned")
	_, err = f.Predict(ctx, train, 1)
	require.ErrorIs(t, err, forecast.ErrNotFitted, "not what was before")

	cancelled, cancel := context.WithCancelCause(ctx)
	err = f.Fit(cancelled, train, forecast.FitOptions{OnIteration: func(forecast.Iteration) error {
		cancel(errPruned)
		return nil
	}})
	require.ErrorIs(t, err, errPruned)
	require.ErrorIs(t, f.Fit(cancelled, train, forecast.FitOptions{}), errPruned)
}

// An absurd learning rate is an error that names the epoch.
func TestDiverged(t *testing.T) {
	f := neural.New(neural.TCN{Training: neural.Training{Window: 8, LearningRate: 999, Clip: -1, Batch: 4}, Channels: []int{8, 8, 8}})
	err := f.Fit(ctx, wave(60, "a"), forecast.FitOptions{Horizon: 2})
	require.ErrorIs(t, err, neural.ErrDiverged)
	assert.Regexp(t, `neural: tcn: fit: epoch \d+: the training diverged: the loss is (NaN|\+Inf): set a lower learning_rate \(it is 999\)`, err)
}

func TestFitRefuses(t *testing.T) {
	good := neural.Training{Window: 8}
	nan := wave(60, "a")
	nan[0].Y[17] = math.NaN()
	flat := wave(60, "a")
	for i := range flat[0].Y {
		flat[0].Y[i] = 3
	}
	column := func(v func(i int) float64) forecast.Frame {
		f := wave(60, "a")
		values := make([]float64, 60)
		for i := range values {
			values[i] = v(i)
		}
		f[0].Past = []forecast.Column{{Name: "x", Values: values}}
		return f
	}
	negative := wave(60, "a")
	negative[0].Y[59] = -1
	for _, test := range []struct {
		name  string
		model neural.Model
		train forecast.Frame
		opts  forecast.FitOptions
		is    error
		want  string
	}{
		{"a window longer than the series", neural.LSTM{Training: neural.Training{Window: 60}}, wave(60, "a"), forecast.FitOptions{Horizon: 2, Holdout: 4}, forecast.ErrShort,
			"a window of 60 and a horizon of 2 need 62 steps of one series, and 4 more are held out: the longest has 60"},
		{"more held out than there is", neural.LSTM{Training: good}, wave(60, "a"), forecast.FitOptions{Holdout: 60}, forecast.ErrShort, "no rows are left"},
		{"a negative horizon", neural.LSTM{Training: good}, wave(60, "a"), forecast.FitOptions{Horizon: -1}, forecast.ErrConfig, "horizon -1"},
		{"no rows", neural.LSTM{Training: good}, nil, forecast.FitOptions{}, forecast.ErrEmpty, ""},
		{"a missing value", neural.LSTM{Training: good}, nan, forecast.FitOptions{}, forecast.ErrMissing, `series "a": the target: a missing value at 2024-01-18: fill it`},
		{"a constant target", neural.LSTM{Training: good}, flat, forecast.FitOptions{}, forecast.ErrConstant, "it is 3 throughout"},
		{"a constant column", neural.LSTM{Training: good}, column(func(int) float64 { return 1 }), forecast.FitOptions{}, forecast.ErrColumn, `column "x" is constant in the training part, 1`},
		{"a column that is constant but for the holdout", neural.LSTM{Training: good}, column(func(i int) float64 { return float64(i / 55) }),
			forecast.FitOptions{Holdout: 5}, forecast.ErrColumn, "constant"},
		{"a column with a missing value", neural.LSTM{Training: good}, column(func(i int) float64 { return math.Sqrt(float64(i - 1)) }), forecast.FitOptions{},
			forecast.ErrMissing, `series "a": x: a missing value at 2024-01-01`},
		{"a logarithm of what is not positive", neural.LSTM{Training: neural.Training{Window: 8, Transform: forecast.Log{}}}, negative, forecast.FitOptions{}, forecast.ErrDomain, ""},
		{"the same in the holdout", neural.LSTM{Training: neural.Training{Window: 8, Transform: forecast.Log{}}}, negative, forecast.FitOptions{Holdout: 3}, forecast.ErrDomain, "2024-02-29, -1"},
		{"heads that do not divide the width", neural.Transformer{Training: good, Width: 10, Heads: 4}, wave(60, "a"), forecast.FitOptions{}, forecast.ErrConfig,
			"num_heads 4: not a possible setting: want a divisor of d_model, 10"},
		{"a dropout of all", neural.TCN{Training: good, Dropout: 1}, wave(60, "a"), forecast.FitOptions{}, forecast.ErrConfig, "dropout 1"},
		{"no such loss", neural.LSTM{Training: neural.Training{Loss: "quantile@1"}}, wave(60, "a"), forecast.FitOptions{}, forecast.ErrConfig, `loss "quantile@1"`},
		{"weight decay of adam", neural.LSTM{Training: neural.Training{WeightDecay: 0.1}}, wave(60, "a"), forecast.FitOptions{}, forecast.ErrConfig, "weight_decay 0.1"},
		{"no channels", neural.TCN{Training: good, Channels: []int{8, 0}}, wave(60, "a"), forecast.FitOptions{}, forecast.ErrConfig, "channels [8 0]"},
		{"more memory than any machine has", neural.LSTM{Training: neural.Training{Window: 9000, Batch: 1 << 16}, Hidden: 8192, Layers: 64}, wave(90000, "a"), forecast.FitOptions{},
			forecast.ErrConfig, "take a smaller batch_size, window or network"},
		{"no model", nil, wave(60, "a"), forecast.FitOptions{}, forecast.ErrConfig, "it has no model"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := neural.New(test.model).Fit(ctx, test.train, test.opts)
			require.ErrorIs(t, err, test.is)
			assert.ErrorContains(t, err, test.want)
		})
	}
	err := neural.NewLinear(neural.NLinear{Window: 60}).Fit(ctx, wave(60, "a"), forecast.FitOptions{})
	require.ErrorIs(t, err, forecast.ErrShort)
	err = neural.NewLinear(neural.NLinear{Window: -60}).Fit(ctx, wave(60, "a"), forecast.FitOptions{})
	require.ErrorIs(t, err, forecast.ErrConfig)
}

func TestPredictRefuses(t *testing.T) {
	train := wave(60, "a")
	for _, f := range []forecast.Forecaster{neural.New(small(neural.Training{Window: 8, Epochs: 1})[0]), neural.NewLinear(neural.NLinear{Window: 8})} {
		require.NoError(t, f.Fit(ctx, train, forecast.FitOptions{Horizon: 2}))
		for _, test := range []struct {
			name    string
			past    forecast.Frame
			horizon int
			is      error
		}{
			{"a horizon of 0", train, 0, forecast.ErrHorizon},
			{"a horizon beyond the fit's", train, 3, forecast.ErrHorizon},
			{"less than a window", forecast.Frame{train[0].Until(7, 0)}, 1, forecast.ErrShort},
			{"other columns", withColumns(wave(60, "a"), 2), 1, forecast.ErrColumn},
			{"no series", nil, 1, forecast.ErrEmpty},
		} {
			_, err := f.Predict(ctx, test.past, test.horizon)
			assert.ErrorIs(t, err, test.is, test.name)
		}
		// A series that the training did not have, and another length.
		next, err := f.Predict(ctx, append(wave(30, "new"), train...), 2)
		require.NoError(t, err)
		require.Len(t, next, 2)
		assert.InDelta(t, 10, next[0].Y[0], 3)
	}
}

// A model of several series forecasts one that is shorter than its window, as if it had been at
// its first value before.
func TestShorterThanWindow(t *testing.T) {
	train := wave(60, "a", "b")
	short := wave(60, "a", "short")[1].Until(5, 0)
	for _, f := range []forecast.Forecaster{neural.New(small(neural.Training{Window: 8, Epochs: 1, KeepLevel: true})[0]), neural.NewLinear(neural.NLinear{Window: 8, KeepLevel: true})} {
		require.NoError(t, f.Fit(ctx, append(train, short), forecast.FitOptions{Horizon: 2}))
		next, err := f.Predict(ctx, forecast.Frame{short}, 2)
		require.NoError(t, err)
		for _, y := range next[0].Y {
			assert.InDelta(t, 11, y, 4)
		}
	}
}

// Predict may be called concurrently, and with more series than a batch has rows.
func TestPredictAtOnce(t *testing.T) {
	var ids []string
	for i := range 40 {
		ids = append(ids, fmt.Sprint(i))
	}
	train := wave(40, ids...)
	f := neural.New(neural.TCN{Training: neural.Training{Window: 8, Epochs: 1, Batch: 16}, Channels: []int{4}})
	require.NoError(t, f.Fit(ctx, train, forecast.FitOptions{Horizon: 2}))
	want, err := f.Predict(ctx, train, 2)
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			got, err := f.Predict(ctx, train, 2)
			assert.NoError(t, err)
			assert.Equal(t, want, got)
		})
	}
	wg.Wait()
}

// A fit that ends early, as if its process were killed right after an epoch, resumes from
// its checkpoint and ends with the same bits.
func TestCheckpoint(t *testing.T) {
	train := wave(60, "a", "b")
	opts := forecast.FitOptions{Horizon: 3, Holdout: 6, Seed: 5}
	for i, m := range small(neural.Training{Window: 8, Epochs: 6, Schedule: "plateau", Patience: 4}) {
		t.Run(fmt.Sprint(i, m.Name()), func(t *testing.T) {
			whole := neural.New(m)
			want := losses(t, whole, train, opts)

			folder := filepath.Join(t.TempDir(), "new")
			var got []float64
			parts := opts
			parts.OnIteration = func(it forecast.Iteration) error {
				got = append(got, it.Train, it.Valid)
				if it.Round == 1 || it.Round == 3 {
					return errPruned
				}
				return nil
			}
			m = checkpointed(m, folder)
			require.ErrorIs(t, neural.New(m).Fit(ctx, train, parts), errPruned)
			require.ErrorIs(t, neural.New(m).Fit(ctx, train, parts), errPruned)
			last := neural.New(m)
			require.NoError(t, last.Fit(ctx, train, parts))
			assert.Equal(t, want, got)
			assert.Equal(t, whole.Tensors(), last.Tensors())
			files, err := os.ReadDir(folder)
			require.NoError(t, err)
			assert.Empty(t, files)
		})
	}
}

// killed is set in the process that TestKill starts and kills: it trains until then.
const killed = "ATTUNE_NEURAL_TEST_CHECKPOINTS"

func TestMain(m *testing.M) {
	if folder := os.Getenv(killed); folder != "" {
		err := neural.New(killable(folder)).Fit(ctx, wave(60, "a"), forecast.FitOptions{Seed: 3, OnIteration: func(it forecast.Iteration) error {
			_, err := fmt.Println(it.Round, it.Train)
			return err
		}})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		time.Sleep(time.Minute) // it was quicker than TestKill, which kills it now
	}
	os.Exit(m.Run())
}

func killable(folder string) neural.Model {
	return neural.LSTM{Training: neural.Training{Window: 8, Epochs: 400, Checkpoint: folder, Every: 7}, Hidden: 8, Dropout: 0.2}
}

// A process that is killed at any time leaves a checkpoint from which a fit can resume.
func TestKill(t *testing.T) {
	folder := t.TempDir()
	for round := range 3 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), killed+"="+folder)
		out, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		lines := bufio.NewScanner(out)
		for range 60 {
			require.True(t, lines.Scan(), "round %d", round)
		}
		require.NoError(t, child.Process.Kill())
		require.Error(t, child.Wait())
	}
	first, got := -1, []float64{}
	last := neural.New(killable(folder))
	require.NoError(t, last.Fit(ctx, wave(60, "a"), forecast.FitOptions{Seed: 3, OnIteration: func(it forecast.Iteration) error {
		if first < 0 {
			first = it.Round
		}
		got = append(got, it.Train)
		return nil
	}}))
	assert.GreaterOrEqual(t, first, 3*(60-7))
	var want []float64
	require.NoError(t, neural.New(killable("")).Fit(ctx, wave(60, "a"), forecast.FitOptions{Seed: 3, OnIteration: func(it forecast.Iteration) error {
		want = append(want, it.Train)
		return nil
	}}))
	assert.Equal(t, want[first:], got)
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Empty(t, files)
}

func checkpointed(m neural.Model, folder string) neural.Model {
	switch m := m.(type) {
	case neural.LSTM:
		m.Checkpoint = folder
		return m
	case neural.TCN:
		m.Checkpoint = folder
		return m
	case neural.Transformer:
		m.Checkpoint = folder
		return m
	}
	panic(m)
}

func TestCheckpointRefuses(t *testing.T) {
	train := wave(60, "a")
	folder := t.TempDir()
	m := neural.LSTM{Training: neural.Training{Window: 8, Epochs: 6, Checkpoint: folder}, Hidden: 8}
	stop := forecast.FitOptions{OnIteration: func(forecast.Iteration) error { return errPruned }}
	file := func() string {
		files, err := filepath.Glob(filepath.Join(folder, "*.checkpoint"))
		require.NoError(t, err)
		require.Len(t, files, 1)
		return files[0]
	}
	require.ErrorIs(t, neural.New(m).Fit(ctx, train, stop), errPruned)
	name := file()
	good, err := os.ReadFile(name)
	require.NoError(t, err)

	// Another fit uses another file.
	require.NoError(t, neural.New(m).Fit(ctx, wave(61, "a"), forecast.FitOptions{}))
	assert.Equal(t, name, file())

	larger := m
	larger.Hidden = 9
	require.NoError(t, os.Remove(name))
	require.ErrorIs(t, neural.New(larger).Fit(ctx, train, stop), errPruned)
	other, err := os.ReadFile(file())
	require.NoError(t, err)
	require.NoError(t, os.Remove(file()))

	for what, text := range map[string][]byte{
		"truncated":        good[:len(good)-3],
		"empty":            {},
		"of another shape": other,
		"damaged":          append(slices.Clone(good[:len(good)-1]), good[len(good)-1]^1),
	} {
		require.NoError(t, os.WriteFile(name, text, 0o666))
		err := neural.New(m).Fit(ctx, train, forecast.FitOptions{})
		require.ErrorIs(t, err, neural.ErrCheckpoint, what)
		assert.ErrorContains(t, err, "remove it to start over")
		assert.ErrorContains(t, err, name)
	}
	m.Checkpoint = name // not a folder
	require.Error(t, neural.New(m).Fit(ctx, train, forecast.FitOptions{}))
}

func TestFamilies(t *testing.T) {
	type family interface {
		Name() string
		Space(train forecast.Frame) space.Space
		New(settings space.Settings) (forecast.Forecaster, error)
	}
	epochs := space.Of(space.Int("epochs", 1, 1), space.Categorical("loss", "mae", "huber"))
	for _, f := range []family{
		neural.LSTM{}, neural.TCN{}, neural.Transformer{}, neural.NLinear{},
		neural.LSTM{Quick: true, Search: epochs}, neural.TCN{Quick: true, Search: epochs}, neural.Transformer{Quick: true, Search: epochs},
	} {
		s := f.Space(wave(40, "a"))
		window := s[s.Index("window")].Distribution.(space.IntDistribution)
		assert.Equal(t, 20, window.High, "half of the series")
		assert.Equal(t, 30, f.Space(wave(200, "a"))[s.Index("window")].Distribution.(space.IntDistribution).High)
		_, err := s.Normalize()
		require.NoError(t, err)
		for _, corner := range []int{0, 1} { // all settings at their minimum, then at their maximum
			var settings space.Settings
			for _, a := range s {
				x := a.Distribution.At(0)
				if n := a.Distribution.Len(); corner == 1 && n > 0 {
					x = a.Distribution.At(n - 1)
				}
				settings = append(settings, space.Setting{Name: a.Name, Value: a.Distribution.Decode(x)})
			}
			model, err := f.New(settings)
			require.NoError(t, err)
			if s.Index("loss") >= 0 { // the quick spaces
				require.NoError(t, model.Fit(ctx, wave(60, "a"), forecast.FitOptions{Horizon: 2, Holdout: 4}))
			}
		}
	}
}

// set returns settings made of names and literals.
func set(pairs ...string) space.Settings {
	var out space.Settings
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, space.Setting{Name: pairs[i], Value: space.Literal(pairs[i+1])})
	}
	return out
}

func TestSettings(t *testing.T) {
	for _, test := range []struct {
		settings space.Settings
		want     string
	}{
		{set("hidden_size", "16", "bidirectional", "true", "dropout", "0", "patience", "0", "clip", "0", "transform", `"log, diff 12"`, "subtract_last", "false", "window", "12.0"), ""},
		{set("hidden", "16"), `there is no hidden: there are window, transform,`},
		{set("hidden_size", "0"), "hidden_size is 0: want a whole number from 1"},
		{set("hidden_size", "1.5"), "hidden_size is 1.5"},
		{set("bidirectional", `"yes"`), "want true or false"},
		{set("learning_rate", "0"), "learning_rate is 0"},
		{set("learning_rate", `"a"`), "want a number"},
		{set("dropout", "NaN"), "dropout is NaN"},
		{set("dropout", "1.5"), "dropout 1.5"},
		{set("optimizer", `"sgd"`), `optimizer "sgd": not a possible setting: want adam, adamw`},
		{set("loss", "1"), "loss is 1"},
		{set("transform", `"cube"`), "transform is cube"},
		{set("schedule", `"step"`), "want constant, cosine, plateau"},
		{set("epochs", "99999999"), "epochs 99999999"},
	} {
		f, err := neural.LSTM{}.New(test.settings)
		if test.want == "" {
			require.NoError(t, err)
			m := f.(*neural.Forecaster).Model().(neural.LSTM)
			assert.Equal(t, []any{16, true, -1, -1.0, true, 12}, []any{m.Hidden, m.Bidirectional, m.Patience, m.Clip, m.KeepLevel, m.Window})
			assert.Equal(t, "log, diff 12", m.Transform.String())
			continue
		}
		require.ErrorIs(t, err, forecast.ErrConfig)
		assert.ErrorContains(t, err, test.want)
	}
	f, err := neural.TCN{}.New(set("channels", `"8-16"`, "norm", `"layer"`))
	require.NoError(t, err)
	assert.Equal(t, []int{8, 16}, f.(*neural.Forecaster).Model().(neural.TCN).Channels)
	for name, settings := range map[string]space.Settings{"text": set("channels", `"8,16"`), "zero": set("channels", `"8-0"`), "number": set("channels", "8")} {
		_, err := neural.TCN{}.New(settings)
		require.ErrorIs(t, err, forecast.ErrConfig, name)
	}
	_, err = neural.Transformer{Heads: 8}.New(set("d_model", "12"))
	require.ErrorIs(t, err, forecast.ErrConfig)
	_, err = neural.NLinear{}.New(set("ridge", "-1", "epochs", "3"))
	require.ErrorIs(t, err, forecast.ErrConfig)
}

func TestTensors(t *testing.T) {
	f := neural.New(neural.LSTM{Training: neural.Training{Window: 8, Epochs: 1}, Hidden: 32})
	assert.Nil(t, f.Tensors())
	require.NoError(t, f.Fit(ctx, wave(60, "a"), forecast.FitOptions{}))
	var names []string
	n := 0
	for _, tensor := range f.Tensors() {
		names = append(names, fmt.Sprint(tensor.Name, tensor.Shape))
		n += len(tensor.Data)
	}
	assert.Equal(t, []string{"lstm.0.weight_input[1 128]", "lstm.0.weight_hidden[32 128]", "lstm.0.bias[128]", "head.weight[32 1]", "head.bias[1]"}, names)
	assert.Equal(t, 4513-128, n) // libraries with two biases per gate count 128 more
}

// Memory stays flat over hundreds of fits: gorgonia's machine would leak 1.65 MB per fit.
func TestMemoryIsFlat(t *testing.T) {
	train := wave(40, "a")
	fit := func() {
		f := neural.New(neural.LSTM{Training: neural.Training{Window: 8, Epochs: 1}, Hidden: 16})
		require.NoError(t, f.Fit(ctx, train, forecast.FitOptions{}))
	}
	inUse := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for range 20 {
		fit()
	}
	before := inUse()
	for range 300 {
		fit()
	}
	assert.Less(t, inUse(), before+2<<20)
}

// The fit that users know: 4,513 parameters, 72 windows of 10.
func BenchmarkFit4513(b *testing.B) {
	f := neural.New(neural.LSTM{Training: neural.Training{Window: 10, Epochs: 100}, Hidden: 32})
	train := wave(82, "a")
	for b.Loop() {
		if err := f.Fit(ctx, train, forecast.FitOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
