package neural_test

import (
	"encoding/csv"
	"math"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/neural"
)

// ETTh1 (Zhou et al., arXiv:2012.07436) may not be shipped: set ATTUNE_ETTH1 to the path
// of ETTh1.csv, of github.com/zhouhaoyi/ETDataset, to run this test. Horizon 96, training
// 12 months, validation and test 4 each, all test windows of the 7 channels, each channel
// in units of its standard deviation in the training part. Published MSE: DLinear 0.375,
// FEDformer 0.376, N-HiTS 0.378, Autoformer 0.449, Informer 0.865.
func TestETTh1(t *testing.T) {
	path := os.Getenv("ATTUNE_ETTH1")
	if path == "" {
		t.Skip("ATTUNE_ETTH1 is not set")
	}
	const (
		month              = 30 * 24
		train, valid, test = 12 * month, 4 * month, 4 * month
		horizon            = 96
	)
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	require.NoError(t, err)
	start, err := time.Parse(time.DateTime, rows[1][0])
	require.NoError(t, err)
	var all forecast.Frame
	for c, name := range rows[0][1:] {
		s := forecast.Series{ID: name, Start: start, Freq: forecast.Frequency{N: 1, Unit: forecast.Hour}}
		for _, row := range rows[1 : 1+train+valid+test] {
			y, err := strconv.ParseFloat(row[c+1], 64)
			require.NoError(t, err)
			s.Y = append(s.Y, y)
		}
		mean, square := 0.0, 0.0
		for _, y := range s.Y[:train] {
			mean, square = mean+y/train, square+y*y/train
		}
		for i, y := range s.Y {
			s.Y[i] = (y - mean) / math.Sqrt(square-mean*mean)
		}
		all = append(all, s)
	}
	learnt := forecast.Frame{}
	for _, s := range all {
		learnt = append(learnt, s.Until(train+valid, 0))
	}
	training := neural.Training{Window: 96, Batch: 128, Epochs: 4, LearningRate: 2e-3, Schedule: "cosine", Shortcut: true}
	for _, test := range []struct {
		name   string
		model  forecast.Forecaster
		window int
		most   float64
	}{
		{"seasonal naive", forecast.SeasonalNaive(24), 24, 0.52},
		{"nlinear", neural.NewLinear(neural.NLinear{Window: 336}), 336, 0.40},
		{"lstm", neural.New(neural.LSTM{Training: training, Hidden: 32, Dropout: 0.2}), 96, 0.40},
		{"tcn", neural.New(neural.TCN{Training: training, Channels: []int{16, 16, 16, 16, 16}, Dropout: 0.2}), 96, 0.40},
		{"transformer", neural.New(neural.Transformer{Training: training, Width: 32, EncoderLayers: 1, FeedForward: 64, DecoderLayers: -1, Dropout: 0.2}), 96, 0.40},
	} {
		t.Run(test.name, func(t *testing.T) {
			began := time.Now()
			require.NoError(t, test.model.Fit(ctx, learnt, forecast.FitOptions{Horizon: horizon, Holdout: valid, OnIteration: func(it forecast.Iteration) error {
				t.Logf("epoch %d: train %.4f, valid %.4f, %v", it.Round, it.Train, it.Valid, time.Since(began).Round(time.Second))
				return nil
			}}))
			took := time.Since(began)
			square, absolute, n := 0.0, 0.0, 0.0
			for origin := train + valid; origin+horizon <= len(all[0].Y); origin++ {
				var past forecast.Frame
				for _, s := range all {
					s.Start, s.Y = s.Time(origin-test.window), s.Y[origin-test.window:origin]
					past = append(past, s)
				}
				next, err := test.model.Predict(ctx, past, horizon)
				require.NoError(t, err)
				for c, s := range next {
					for h, y := range s.Y {
						e := all[c].Y[origin+h] - y
						square, absolute, n = square+e*e, absolute+math.Abs(e), n+1
					}
				}
			}
			t.Logf("%s: MSE %.3f, MAE %.3f of %.0f points, fitted in %v", test.name, square/n, absolute/n, n, took.Round(time.Second))
			assert.Less(t, square/n, test.most)
		})
	}
}
