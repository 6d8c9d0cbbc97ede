package forecast

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func day(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }

var nan = math.NaN()

func airPassengers(t testing.TB) Frame {
	t.Helper()
	f, err := CSV{Time: "month", Target: "passengers"}.ReadFile("../../data/airpassengers.csv")
	require.NoError(t, err)
	require.Len(t, f, 1)
	require.Equal(t, 144, f[0].Len())
	return f
}

// golden is the output of testdata/golden.py, computed with numpy.
type golden struct {
	Train    []float64          `json:"train"`
	Season   int                `json:"season"`
	Truth    []*float64         `json:"truth"`
	Forecast []float64          `json:"forecast"`
	Scores   map[string]float64 `json:"scores"`
	Ridge    struct {
		X, Y, Test, Predicted []float64
		Lambda                float64
	} `json:"ridge"`
	Pipeline map[string]float64 `json:"pipeline"` // MAPE by strategy, horizon and windows
}

func readGolden(t *testing.T) golden {
	t.Helper()
	b, err := os.ReadFile("testdata/golden.json")
	require.NoError(t, err)
	var g golden
	require.NoError(t, json.Unmarshal(b, &g))
	return g
}

// assertSame compares values, treating NaN as equal to NaN.
func assertSame(t *testing.T, want, got []float64, msg ...any) {
	t.Helper()
	require.Len(t, got, len(want), msg...)
	for i := range want {
		if math.IsNaN(want[i]) {
			assert.True(t, math.IsNaN(got[i]), "%v: %d: %v", msg, i, got[i])
		} else {
			assert.InDelta(t, want[i], got[i], 1e-9*(1+math.Abs(want[i])), msg...)
		}
	}
}

// The percentages and MASE of the held-out months. They were computed with numpy from
// the definitions in the comment of Baseline, and agree with the literature.
func TestAirPassengersBaselines(t *testing.T) {
	for _, tc := range []struct {
		model      *Baseline
		horizon    int
		mape, mase float64
	}{
		{Naive(), 12, 14.25, 2.50},
		{SeasonalNaive(0), 12, 9.99, 1.57},
		{SeasonalDrift(0), 12, 4.41, 0.70},
		{Drift(), 12, 12.42, 2.18},
		{WindowMean(12), 12, 12.06, 2.10},
		{Naive(), 24, 23.58, 4.03},
		{SeasonalNaive(12), 24, 15.52, 2.49},
		{SeasonalDrift(12), 24, 6.38, 1.05},
		{Drift(), 24, 18.41, 3.21},
		{WindowMean(0), 24, 15.47, 2.72},
	} {
		b, err := NewBacktest(airPassengers(t), Splits{Horizon: tc.horizon}, MAPE, MASE)
		require.NoError(t, err)
		r, err := b.Run(t.Context(), tc.model.String(), tc.model, RunOptions{})
		require.NoError(t, err)
		assert.InDelta(t, tc.mape, r.Score(MAPE), 0.005, "%v, %d steps", tc.model, tc.horizon)
		assert.InDelta(t, tc.mase, r.Score(MASE), 0.005, "%v, %d steps", tc.model, tc.horizon)
	}
}

// stopper is a regressor that trains in rounds and learns the mean of the target.
type stopper struct {
	Ridge
	rounds int
}

func (s *stopper) Fit(ctx context.Context, train, valid Table, opts RegressorOptions) error {
	for r := range s.rounds {
		if err := opts.Iterate(RegressorIteration{Round: r, Train: 1, Valid: 1 / float64(1+r)}); err != nil {
			return err
		}
	}
	opts.OnIteration = nil
	return s.Ridge.Fit(ctx, train, valid, opts)
}

func TestFingerprint(t *testing.T) {
	s := Series{Start: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), Freq: Frequency{N: 1, Unit: Day}, Y: []float64{1, 2, 3}}
	sum := Frame{s}.Fingerprint()
	assert.Equal(t, sum, Frame{s}.Fingerprint())
	for name, change := range map[string]func(*Series){
		"a value":   func(s *Series) { s.Y = []float64{1, 2, 4} },
		"a day":     func(s *Series) { s.Start = s.Start.AddDate(0, 0, 1) },
		"a week":    func(s *Series) { s.Freq.Unit = Week },
		"the id":    func(s *Series) { s.ID = "a" },
		"one less":  func(s *Series) { s.Y = s.Y[:2] },
		"a column":  func(s *Series) { s.Past = []Column{{Name: "x", Values: []float64{1, 2, 3}}} },
		"its place": func(s *Series) { s.Y, s.Past = s.Y[:0], []Column{{Values: []float64{1, 2, 3}}} },
	} {
		t.Run(name, func(t *testing.T) {
			other := s
			change(&other)
			assert.NotEqual(t, sum, Frame{other}.Fingerprint())
		})
	}
}
