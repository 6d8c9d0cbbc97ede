package validate_test

import (
	"context"
	"fmt"
	"log"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/validate"
	"github.com/attune-hpo/attune/objective/forecast"
)

// counting returns a series of 1, 2, ..., n.
func counting(id string, n int) forecast.Series {
	s := forecast.Series{ID: id, Start: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), Freq: forecast.Frequency{Unit: forecast.Day, N: 1}}
	for i := range n {
		s.Y = append(s.Y, float64(i+1))
	}
	return s
}

func fitted(t testing.TB, frame forecast.Frame) forecast.Forecaster {
	t.Helper()
	f := &forecast.Tabular{
		Recipe: forecast.Recipe{Features: forecast.Features{Lags: []int{1, 4}, SeriesID: true}},
		New:    func() forecast.Regressor { return &forecast.Ridge{} },
	}
	require.NoError(t, f.Fit(t.Context(), frame, forecast.FitOptions{Horizon: 2}))
	return f
}

func TestWindows(t *testing.T) {
	frame := forecast.Frame{counting("a", 30), counting("b", 20), counting("c", 6)}
	f := fitted(t, frame)
	for name, c := range map[string]struct {
		most   int
		labels []string
	}{
		"a window of each": {3, []string{"a after 2020-01-30 00:00", "b after 2020-01-20 00:00", "c after 2020-01-06 00:00"}},
		"two of each": {6, []string{
			"a after 2020-01-04 00:00", "a after 2020-01-30 00:00", // it looks four values back
			"b after 2020-01-04 00:00", "b after 2020-01-20 00:00",
			"c after 2020-01-04 00:00", "c after 2020-01-06 00:00",
		}},
		"fewer than series": {1, []string{"a after 2020-01-30 00:00"}},
		"no number":         {0, []string{"a after 2020-01-30 00:00"}},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := validate.NewWindows(t.Context(), f, frame, 2, c.most)
			require.NoError(t, err)
			assert.Equal(t, c.labels, w.Labels)
		})
	}

	w, err := validate.NewWindows(t.Context(), f, frame, 2, 12)
	require.NoError(t, err)
	require.Equal(t, 4+4+3, w.Len(), "the last series has no more")
	rows, err := w.Inputs.Rows()
	require.NoError(t, err)
	require.Equal(t, w.Len(), rows)
	require.Len(t, w.Native, 2*w.Len())

	// Each part equals that part of the whole.
	part := w.Slice(3, 5)
	require.Equal(t, w.Labels[3:5], part.Labels)
	require.Equal(t, w.Native[6:10], part.Native)
	wrong := append([]float64{}, part.Native...)
	wrong[2]++
	r, err := part.Compare(validate.Gate{}, wrong)
	require.NoError(t, err)
	assert.False(t, r.Pass)
	assert.Equal(t, []any{1, 0, "b after 2020-01-04 00:00"}, []any{r.Worst.Row, r.Worst.Output, r.Worst.Label})
	assert.Equal(t, []string{"window[0]", "window[1]", "window[2]", "window[3]", "series[0]"}, r.Worst.Names)
	assert.Equal(t, []float64{1, 2, 3, 4, 1}, r.Worst.Inputs)
	r, err = w.Compare(validate.Gate{Equal: true}, w.Native)
	require.NoError(t, err)
	assert.True(t, r.Pass)
	_, err = w.Compare(validate.Gate{}, w.Native[1:])
	require.ErrorIs(t, err, validate.ErrInput)
}

func TestWindowsRefuses(t *testing.T) {
	frame := forecast.Frame{counting("a", 30)}
	f := fitted(t, frame)
	for name, c := range map[string]struct {
		f  forecast.Forecaster
		on forecast.Frame
		is error
	}{
		"no series":      {f, nil, forecast.ErrEmpty},
		"no values":      {f, forecast.Frame{counting("a", 0)}, validate.ErrInput},
		"unknown series": {f, forecast.Frame{counting("b", 30)}, validate.ErrInput},
		"not fitted":     {&forecast.Tabular{}, frame, forecast.ErrNotFitted},
	} {
		_, err := validate.NewWindows(t.Context(), c.f, c.on, 2, 10)
		require.ErrorIs(t, err, validate.ErrInput, name)
		require.ErrorIs(t, err, c.is, name)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := validate.NewWindows(ctx, f, frame, 2, 10)
	require.ErrorIs(t, err, context.Canceled)
}

func ExampleNewWindows() {
	ctx := context.Background()
	frame := forecast.Frame{counting("", 30)}
	f := &forecast.Tabular{
		Recipe: forecast.Recipe{Features: forecast.Features{Lags: []int{1, 2}}},
		New:    func() forecast.Regressor { return &forecast.Ridge{} },
	}
	if err := f.Fit(ctx, frame, forecast.FitOptions{Horizon: 1}); err != nil {
		log.Fatal(err)
	}
	w, err := validate.NewWindows(ctx, f, frame, 1, 4)
	if err != nil {
		log.Fatal(err)
	}
	exported := append([]float64{}, w.Native...) // the result of ONNX Runtime for w.Inputs
	r, err := w.Compare(validate.Gate{}, exported)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(w.Inputs[0], r.Pass)
	// Output: window float64 [4 2] true
}
