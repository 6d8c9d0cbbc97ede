package plot_test

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/plot"
	"github.com/attune-hpo/attune/figure/draw"
	"github.com/attune-hpo/attune/internal/dev/teststudy"
	"github.com/attune-hpo/attune/trial"
	"github.com/attune-hpo/attune/trial/backtest"
)

// forecasts returns a study with one more trial, which has forecasts in 9 windows of 12 steps.
func forecasts(b *testing.B, h trial.Snapshot) trial.Snapshot {
	s := backtest.Series{Times: make([]float64, 96), Actual: make(backtest.Numbers, 96)}
	for i := range s.Times {
		s.Times[i] = float64(i) * 2629800
	}
	for i := range 9 {
		s.Windows = append(s.Windows, backtest.Window{From: 36 + 6*i, Forecast: make(backtest.Numbers, 12)})
	}
	a, err := trial.NewAttr(backtest.Key, backtest.Record{Windows: 9, All: 1, Series: []backtest.Series{s}})
	require.NoError(b, err)
	all := trial.NewHistory(h.Header())
	for _, r := range h.Records() {
		all.Put(r)
	}
	all.Put(trial.Record{Number: all.Snapshot().Len() + 10, State: trial.Complete, Values: []float64{-1}, Attrs: trial.Attrs{a}})
	return all.Snapshot()
}

// Every plot of a study of 10,000 trials, from the records to the SVG file.
func BenchmarkPlots(b *testing.B) {
	one, two := teststudy.New("one", 10_000, false, 1), teststudy.New("two", 10_000, true, 1)
	for _, k := range plot.Kinds() {
		h := one
		if k.Name == "front" || k.Name == "hypervolume" {
			h = two
		}
		if k.Name == "backtest" {
			h = forecasts(b, one)
		}
		b.Run(k.Name, func(b *testing.B) {
			for b.Loop() {
				f, err := k.Make(b.Context(), h, plot.Choice{})
				require.NoError(b, err)
				require.NoError(b, draw.SVG(io.Discard, f, draw.Options{}))
			}
		})
	}
}
