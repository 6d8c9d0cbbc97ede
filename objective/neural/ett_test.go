package neural_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural"
	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
)

// ETTh1 (Zhou et al., arXiv:2012.07436; CC BY-ND 4.0) is hourly data with 7 channels.
const (
	ettURL = "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/1d16c8f4f943005d613b5bc962e9eeb06058cf07/ETT-small/ETTh1.csv"
	ettSum = "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066"

	ettMonth   = 30 * 24
	ettTrain   = 12 * ettMonth
	ettValid   = 4 * ettMonth
	ettTest    = 4 * ettMonth
	ettHorizon = 96
)

// TestETTh1 tunes each network on ETTh1 and scores the model that is best in validation on
// the unseen test part: 12 months of training, 4 of validation and 4 of test, horizon 96,
// all test windows of all channels, each channel in units of its standard deviation in
// the training part. Published MSE: DLinear 0.375, FEDformer 0.376, N-HiTS 0.378,
// Autoformer 0.449, Informer 0.865.
//
// It takes half an hour, and needs data whose licence forbids shipping it. So it only runs
// if ATTUNE_ETTH1 is the path of ETTh1.csv, or "fetch", which downloads the file to the
// user's cache. ATTUNE_ETTH1_TRIALS is the number of trials of each network, by default 20.
func TestETTh1(t *testing.T) {
	all := ett(t)
	var train, learnt forecast.Frame
	for _, s := range all {
		train = append(train, s.Until(ettTrain, 0))
		learnt = append(learnt, s.Until(ettTrain+ettValid, 0))
	}
	trials := 20
	if text := os.Getenv("ATTUNE_ETTH1_TRIALS"); text != "" {
		var err error
		trials, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	baselines := []struct {
		model  forecast.Forecaster
		window int
		most   float64
	}{
		{forecast.SeasonalNaive(24), 24, 0.52},
		{neural.NewLinear(neural.NLinear{Window: 336}), 336, 0.38},
	}
	for _, b := range baselines {
		name := fmt.Sprint(b.model)
		t.Run(name, func(t *testing.T) {
			require.NoError(t, b.model.Fit(t.Context(), train, forecast.FitOptions{Horizon: ettHorizon}))
			square, absolute := ettScore(t, b.model, all, b.window)
			t.Logf("%s: MSE %.3f, MAE %.3f", name, square, absolute)
			assert.Less(t, square, b.most)
		})
	}

	training := neural.Training{Batch: 128, Epochs: 4, Schedule: "cosine", Device: "cpu"}
	search := func(own ...space.Axer) space.Space {
		return append(space.Of(
			space.Float("learning_rate", 3e-4, 1e-2, space.Log()),
			space.Float("dropout", 0, 0.5),
			space.Categorical("shortcut", false, true),
		), space.Of(own...)...)
	}
	for _, test := range []struct {
		model neural.Model
		space space.Space
	}{
		{neural.LSTM{Training: training}, search(
			space.Categorical("window", 48, 96, 168),
			space.Int("hidden_size", 8, 48, space.Log()))},
		{neural.TCN{Training: training}, search(
			space.Categorical("window", 48, 96, 168),
			space.Categorical("channels", "8-8-8-8", "16-16-16", "16-16-16-16", "16-16-16-16-16"),
			space.Int("kernel_size", 2, 5))},
		{neural.Transformer{Training: training, EncoderLayers: 1, DecoderLayers: -1}, search(
			space.Categorical("window", 48, 96),
			space.Int("d_model", 16, 32, space.Step(16)),
			space.Categorical("num_heads", 2, 4),
			space.Int("feed_forward", 32, 128, space.Log()))},
	} {
		t.Run(test.model.Name(), func(t *testing.T) {
			ettTune(t, test.model, test.space, trials, learnt, all)
		})
	}
}

// ettTune searches for the least loss on the validation part, and scores the best model.
func ettTune(t *testing.T, model neural.Model, axes space.Space, trials int, learnt, all forecast.Frame) {
	ctx := t.Context()
	began := time.Now()
	var best forecast.Forecaster
	least := math.Inf(1)
	st, err := study.Open(ctx, new(memory.Store), model.Name(), study.Config{
		Sampler: tpe.New(tpe.Config{}), Pruner: pruner.Median{Startup: 3, Warmup: -1}, Space: axes,
		Observer: study.On(func(_ context.Context, e study.Told) {
			r := e.Trial
			t.Logf("trial %d: %s %.4f %v, %v", r.Number, r.State, r.Values, r.Params, time.Since(began).Round(time.Second))
		}),
	})
	require.NoError(t, err)
	defer st.Close()
	objective := study.Func(func(ctx context.Context, tr *study.Trial) (float64, error) {
		var settings space.Settings
		for _, a := range axes {
			settings = append(settings, space.Setting{Name: a.Name, Value: a.Distribution.Decode(tr.Suggest(a))})
		}
		f, err := model.New(settings)
		if err != nil {
			return 0, err
		}
		loss := math.Inf(1)
		err = f.Fit(ctx, learnt, forecast.FitOptions{Horizon: ettHorizon, Holdout: ettValid, Seed: tr.Seed(), OnIteration: func(it forecast.Iteration) error {
			loss = min(loss, it.Valid)
			return tr.Report(ctx, it.Round, it.Valid)
		}})
		if err == nil && loss < least {
			best, least = f, loss
		}
		return loss, err
	})
	require.NoError(t, st.Optimize(ctx, objective, study.Run{Trials: trials}))
	record, err := st.Best(ctx)
	require.NoError(t, err)
	window, ok := record.Params.Get("window")
	require.True(t, ok)
	square, absolute := ettScore(t, best, all, int(window.Any().(int64)))
	t.Logf("%s: MSE %.3f, MAE %.3f: trial %d, valid %.4f, %d trials in %v", model.Name(), square, absolute, record.Number, least, trials, time.Since(began).Round(time.Second))
	assert.LessOrEqual(t, square, 0.40)
}

// ettScore returns the mean squared and absolute error, over all windows of the test part,
// of a model with the given window.
func ettScore(t *testing.T, model forecast.Forecaster, all forecast.Frame, window int) (square, absolute float64) {
	n := 0.0
	for origin := ettTrain + ettValid; origin+ettHorizon <= ettTrain+ettValid+ettTest; origin++ {
		var past forecast.Frame
		for _, s := range all {
			s.Start, s.Y = s.Time(origin-window), s.Y[origin-window:origin]
			past = append(past, s)
		}
		next, err := model.Predict(t.Context(), past, ettHorizon)
		require.NoError(t, err)
		for c, s := range next {
			for h, y := range s.Y {
				e := all[c].Y[origin+h] - y
				square, absolute, n = square+e*e, absolute+math.Abs(e), n+1
			}
		}
	}
	return square / n, absolute / n
}

// ett returns the channels, or skips the test.
func ett(t *testing.T) forecast.Frame {
	path := os.Getenv("ATTUNE_ETTH1")
	switch path {
	case "":
		t.Skip("ATTUNE_ETTH1 is not set")
	case "fetch":
		path = ettFetch(t)
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, ettSum, fmt.Sprintf("%x", sha256.Sum256(text)), "%s is not ETTh1.csv", path)
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	require.NoError(t, err)
	start, err := time.Parse(time.DateTime, rows[1][0])
	require.NoError(t, err)
	var all forecast.Frame
	for c, name := range rows[0][1:] {
		s := forecast.Series{ID: name, Start: start, Freq: forecast.Frequency{N: 1, Unit: forecast.Hour}}
		for _, row := range rows[1 : 1+ettTrain+ettValid+ettTest] {
			y, err := strconv.ParseFloat(row[c+1], 64)
			require.NoError(t, err)
			s.Y = append(s.Y, y)
		}
		mean, square := 0.0, 0.0
		for _, y := range s.Y[:ettTrain] {
			mean, square = mean+y/ettTrain, square+y*y/ettTrain
		}
		for i, y := range s.Y {
			s.Y[i] = (y - mean) / math.Sqrt(square-mean*mean)
		}
		all = append(all, s)
	}
	return all
}

// ettFetch returns the path of the file in the user's cache, after downloading it if needed.
func ettFetch(t *testing.T) string {
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	path := filepath.Join(cache, "attune", "ETTh1.csv")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	const instead = "%s; with the file at hand, set ATTUNE_ETTH1 to its path"
	response, err := http.Get(ettURL)
	require.NoError(t, err, instead, ettURL)
	defer response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode, instead, ettURL)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err, instead, ettURL)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, text, 0o644))
	return path
}
