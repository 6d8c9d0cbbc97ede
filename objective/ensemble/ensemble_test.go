package ensemble_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/ensemble"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/statistical"
	"github.com/attune-hpo/attune/objective/tree/style"
	"github.com/attune-hpo/attune/objective/treeforecast"
	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/space"
)

func airPassengers(t testing.TB) forecast.Frame {
	t.Helper()
	frame, err := forecast.CSV{Time: "month", Target: "passengers"}.ReadFile("../../data/airpassengers.csv")
	require.NoError(t, err)
	return frame
}

func families() []tune.Family {
	out := []tune.Family{statistical.ETS{}, statistical.Theta{}, treeforecast.Family{Style: style.LightGBM}}
	for _, b := range statistical.Baselines() {
		out = append(out, b)
	}
	return out
}

// wrong returns forecasts of the truth with an error at each point.
func wrong(back *forecast.Backtest, by func(fold, step int) float64) forecast.Result {
	var r forecast.Result
	for k, f := range back.Folds() {
		s := f.Test[0]
		y := make([]float64, s.Len())
		for h := range y {
			y[h] = s.Y[h] + by(k, h)
		}
		s.Y = y
		r.Folds = append(r.Folds, forecast.FoldResult{Forecast: forecast.Frame{s}})
	}
	return r
}

func newBacktest(t *testing.T, s forecast.Splits, m forecast.Metric) *forecast.Backtest {
	t.Helper()
	back, err := forecast.NewBacktest(airPassengers(t), s, m)
	require.NoError(t, err)
	return back
}

func TestChoose(t *testing.T) {
	back := newBacktest(t, forecast.Splits{Horizon: 4, Windows: 9}, forecast.MAE)
	share := 1 / math.Sqrt(8) // of equal weights: each choice is made on eight folds
	noise := func(seed int) func(fold, step int) float64 {
		return func(fold, step int) float64 { return 10 * math.Sin(float64(seed*(100*fold+step)+seed)) }
	}
	plus, minus := func(int, int) float64 { return 8 }, func(int, int) float64 { return -8 }
	for name, c := range map[string]struct {
		errors []func(fold, step int) float64
		ranks  []int
		check  func(t *testing.T, c ensemble.Choice)
	}{
		"errors that cancel": {[]func(int, int) float64{plus, minus}, []int{0, 0}, func(t *testing.T, c ensemble.Choice) {
			assert.True(t, c.Better)
			assert.InDeltaSlice(t, []float64{0.5, 0.5}, c.Weights, 1e-9)
			assert.InDelta(t, 0, c.Ensemble.Value, 1e-9)
			assert.InDelta(t, 8, c.Picked.Value, 1e-9)
			assert.InDelta(t, 8, c.Gain.Value, 1e-9)
		}},
		"one without errors": {[]func(int, int) float64{plus, func(int, int) float64 { return 0 }}, []int{0, 9}, func(t *testing.T, c ensemble.Choice) {
			assert.False(t, c.Better)
			assert.Equal(t, []float64{0, 1}, c.Weights)
			assert.Equal(t, 1, c.Single, "the other is simpler, and worse")
			assert.Zero(t, c.Gain.Value)
		}},
		"alike, one simpler": {[]func(int, int) float64{noise(3), noise(3)}, []int{2, 1}, func(t *testing.T, c ensemble.Choice) {
			assert.False(t, c.Better, "there is nothing to gain")
			assert.Equal(t, 0, c.Best)
			assert.Equal(t, 1, c.Single)
		}},
		"one clearly better, by little": {[]func(int, int) float64{plus, func(int, int) float64 { return 8.5 }}, []int{0, 0}, func(t *testing.T, c ensemble.Choice) {
			assert.InDeltaSlice(t, []float64{1 - share/2, share / 2}, c.Weights, 1e-9, "a share of the equal weights")
			assert.InDelta(t, -share/4, c.Gain.Value, 1e-9)
			assert.InDelta(t, share/4, c.Loss().Value, 1e-9)
			assert.False(t, c.Better, "in every fold the same")
			assert.Equal(t, 0, c.Single)
		}},
		"one better by less than the error": {[]func(int, int) float64{plus, func(fold, _ int) float64 { return map[bool]float64{true: 9.3, false: 7.1}[fold%2 == 0] }}, []int{0, 0}, func(t *testing.T, c ensemble.Choice) {
			assert.Negative(t, c.Gain.Value)
			assert.Greater(t, c.Gain.Error, -c.Gain.Value)
			assert.True(t, c.Better)
		}},
		"far from the best": {[]func(int, int) float64{plus, func(int, int) float64 { return 9 }}, []int{0, 0}, func(t *testing.T, c ensemble.Choice) {
			assert.Equal(t, []float64{1, 0}, c.Weights)
			assert.False(t, c.Better)
		}},
		"two of one model": {[]func(int, int) float64{plus, plus, func(int, int) float64 { return 8.5 }}, []int{0, 0, 0}, func(t *testing.T, c ensemble.Choice) {
			assert.InDeltaSlice(t, []float64{1 - 0.75*share, share / 4, share / 2}, c.Weights, 1e-9, "they divide the weight of one")
		}},
		"the best at first": {[]func(int, int) float64{
			func(fold, _ int) float64 { return map[bool]float64{true: 0, false: 30}[fold < 8] },
			func(int, int) float64 { return 20 },
		}, []int{0, 0}, func(t *testing.T, c ensemble.Choice) {
			assert.Equal(t, 0, c.Best)
			assert.InDelta(t, 30.0/9, c.Picked.Value, 1e-9, "the last fold is judged, and the choice did not see it")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var candidates []ensemble.Candidate
			for i, e := range c.errors {
				model := "a"
				if i == len(c.errors)-1 {
					model = "b"
				}
				candidates = append(candidates, ensemble.Candidate{Name: model, Rank: c.ranks[i], Result: wrong(back, e)})
			}
			got, err := ensemble.Choose(back, candidates)
			require.NoError(t, err)
			c.check(t, got)
			sum := 0.0
			for _, w := range got.Weights {
				sum += w
			}
			assert.InDelta(t, 1, sum, 1e-9)
		})
	}
}

// With few folds, some have no others to choose on: the weights are still chosen on all, and
// the gain is known only where two folds can be judged. The weights are equal, or nearly so.
func TestChooseFewFolds(t *testing.T) {
	plus, minus := func(int, int) float64 { return 8 }, func(int, int) float64 { return -8.5 }
	for name, c := range map[string]struct {
		splits forecast.Splits
		judged bool
	}{
		"one fold":            {forecast.Splits{Horizon: 12}, false},
		"all overlap":         {forecast.Splits{Horizon: 12, Windows: 3, Step: 3}, false},
		"the middle overlaps": {forecast.Splits{Horizon: 12, Windows: 3, Step: 6}, true},
	} {
		t.Run(name, func(t *testing.T) {
			back := newBacktest(t, c.splits, forecast.MAE)
			got, err := ensemble.Choose(back, []ensemble.Candidate{{Name: "a", Result: wrong(back, minus)}, {Name: "b", Result: wrong(back, plus)}})
			require.NoError(t, err)
			assert.True(t, got.Better)
			b := 0.5
			if c.judged { // the choice for the middle is made on three folds, two by two overlapping
				b += (10.0/19 - 0.5) * (1 - 1/math.Sqrt(1.5)) / 3
			}
			assert.InDeltaSlice(t, []float64{1 - b, b}, got.Weights, 1e-9, "greedy 9/19 and 10/19")
			assert.Equal(t, 1, got.Single)
			assert.Len(t, got.Honest.Folds, len(back.Folds()))
			if c.judged {
				assert.InDelta(t, 8-0.25, got.Gain.Value, 1e-9, "with equal weights: the middle is not judged")
				assert.InDelta(t, 0, got.Gain.Error, 1e-9)
			} else {
				assert.Zero(t, got.Gain.Value)
				assert.True(t, math.IsNaN(got.Gain.Error))
			}
		})
	}
}

// A model that is best in most folds and fails in others is chosen on those, and fails in these.
// A single candidate that is chosen in the same way is as bad, but a baseline is not.
func TestBaselineIsNotBeaten(t *testing.T) {
	back := newBacktest(t, forecast.Splits{Horizon: 12, Windows: 3, Step: 6}, forecast.MAE)
	moody := func(opposite int) func(fold, step int) float64 {
		return func(fold, step int) float64 { // the errors in one step cancel
			return []float64{24, 12, 6}[fold] * map[bool]float64{true: -1, false: 1}[step == opposite]
		}
	}
	steady := func(fold, step int) float64 { return 10 - 20*float64((fold+step)%2) }
	candidates := []ensemble.Candidate{{Name: "a", Rank: 2, Result: wrong(back, moody(0))}, {Name: "b", Rank: 2, Result: wrong(back, moody(1))},
		{Name: "naive", Result: wrong(back, steady)}}
	got, err := ensemble.Choose(back, candidates)
	require.NoError(t, err)
	assert.Equal(t, -1, got.Baseline)
	assert.True(t, got.Better, "no worse than single candidates")
	assert.Greater(t, got.Ensemble.Value, 12.0)

	candidates[2].Baseline = true
	got, err = ensemble.Choose(back, candidates)
	require.NoError(t, err)
	assert.Equal(t, 2, got.Baseline)
	assert.InDelta(t, got.Ensemble.Value-10, got.Behind.Value, 1e-9)
	assert.True(t, got.Beaten)
	assert.False(t, got.Better)
	assert.Equal(t, 2, got.Single)
}

func TestChooseBad(t *testing.T) {
	back := newBacktest(t, forecast.Splits{Horizon: 4, Windows: 3}, forecast.MAE)
	_, err := ensemble.Choose(back, nil)
	require.ErrorIs(t, err, forecast.ErrConfig)
	short := wrong(back, func(int, int) float64 { return 8 })
	short.Folds = short.Folds[:1]
	_, err = ensemble.Choose(back, []ensemble.Candidate{{Name: "a", Result: short}})
	require.ErrorIs(t, err, forecast.ErrConfig)
}

// Maximized metrics are maximized.
func TestChooseMaximum(t *testing.T) {
	back := newBacktest(t, forecast.Splits{Horizon: 4, Windows: 9}, forecast.R2)
	c, err := ensemble.Choose(back, []ensemble.Candidate{
		{Name: "a", Result: wrong(back, func(int, int) float64 { return 9 })},
		{Name: "b", Result: wrong(back, func(int, int) float64 { return -9 })}})
	require.NoError(t, err)
	assert.True(t, c.Better)
	assert.InDelta(t, 1, c.Ensemble.Value, 1e-9)
	assert.Positive(t, c.Gain.Value)
}

func members() []ensemble.Member {
	return []ensemble.Member{
		{Weight: 0.5, Family: "theta", Study: "air/theta"},
		{Weight: 0.25, Family: "seasonal_drift"},
		{Weight: 0.25, Family: "lightgbm", Seed: 7, Study: "air/lightgbm", Trial: 12, Settings: space.Settings{
			{Name: "transform", Value: space.Lit("log,diff 12")}, {Name: "num_iterations", Value: space.Lit(5)}}},
	}
}

// An ensemble predicts the weighted mean, and is the same after it was saved.
func TestForecaster(t *testing.T) {
	ctx, past := t.Context(), airPassengers(t)
	settings, err := ensemble.Settings(members())
	require.NoError(t, err)
	family := ensemble.Family{Of: families()}
	f, err := family.New(settings)
	require.NoError(t, err)
	_, err = f.Predict(ctx, past, 12)
	require.ErrorIs(t, err, forecast.ErrNotFitted)
	require.ErrorIs(t, f.Save(new(bytes.Buffer)), forecast.ErrNotFitted)
	require.NoError(t, f.Fit(ctx, past, forecast.FitOptions{Horizon: 12}))
	got, err := f.Predict(ctx, past, 12)
	require.NoError(t, err)
	want := make([]float64, 12)
	for _, m := range members() {
		for _, of := range families() {
			if of.Name() != m.Family {
				continue
			}
			alone, err := of.New(m.Settings)
			require.NoError(t, err)
			require.NoError(t, alone.Fit(ctx, past, forecast.FitOptions{Horizon: 12, Seed: m.Seed}))
			next, err := alone.Predict(ctx, past, 12)
			require.NoError(t, err)
			for h, y := range next[0].Y {
				want[h] += m.Weight * y
			}
		}
	}
	assert.InDeltaSlice(t, want, got[0].Y, 1e-9)
	assert.Equal(t, past[0].Time(144), got[0].Start)

	var file bytes.Buffer
	require.NoError(t, f.Save(&file))
	again, err := family.New(settings)
	require.NoError(t, err)
	require.NoError(t, again.Load(bytes.NewReader(file.Bytes())))
	same, err := again.Predict(ctx, past, 12)
	require.NoError(t, err)
	assert.Equal(t, got, same)
	for _, bad := range []string{"", "{}", file.String()[:file.Len()/2]} {
		require.ErrorIs(t, again.Load(bytes.NewReader([]byte(bad))), forecast.ErrFormat)
	}
	read, err := ensemble.Members(settings)
	require.NoError(t, err)
	assert.Equal(t, "0.25 lightgbm (trial 12)", read[2].String())
	assert.Equal(t, uint64(7), read[2].Seed)
	assert.ElementsMatch(t, members()[2].Settings, read[2].Settings)
}

func TestBadMembers(t *testing.T) {
	for name, s := range map[string]space.Settings{
		"none":       nil,
		"no member":  {{Name: "member01", Value: space.Lit(3)}},
		"no JSON":    {{Name: "member01", Value: space.Lit("{")}},
		"no weight":  {{Name: "member01", Value: space.Lit(`{"family":"theta"}`)}},
		"no family":  {{Name: "member01", Value: space.Lit(`{"weight":1,"family":"gpt"}`)}},
		"no setting": {{Name: "member01", Value: space.Lit(`{"weight":1,"family":"theta","settings":{"wings":2}}`)}},
	} {
		_, err := ensemble.Family{Of: families()}.New(s)
		require.ErrorIs(t, err, forecast.ErrConfig, name)
	}
}

// A series that is too short for a member is forecast by the others; one that is too short
// for all is an error.
func TestShortSeries(t *testing.T) {
	ctx, past := t.Context(), airPassengers(t)
	settings, err := ensemble.Settings([]ensemble.Member{{Weight: 0.5, Family: "seasonal_naive"}, {Weight: 0.5, Family: "naive"}})
	require.NoError(t, err)
	f, err := ensemble.Family{Of: families()}.New(settings)
	require.NoError(t, err)
	require.NoError(t, f.Fit(ctx, past, forecast.FitOptions{Horizon: 2}))
	short := past[0].Until(3, 0)
	short.ID = "short"
	next, err := f.Predict(ctx, forecast.Frame{past[0], short}, 2)
	require.NoError(t, err)
	assert.Equal(t, []float64{(417 + 432) / 2.0, (391 + 432) / 2.0}, next[0].Y)
	assert.Equal(t, []float64{132, 132}, next[1].Y, "by naive alone")
	only, err := ensemble.Settings([]ensemble.Member{{Weight: 1, Family: "seasonal_naive"}})
	require.NoError(t, err)
	f, err = ensemble.Family{Of: families()}.New(only)
	require.NoError(t, err)
	require.NoError(t, f.Fit(ctx, past, forecast.FitOptions{Horizon: 2}))
	_, err = f.Predict(ctx, forecast.Frame{short}, 2)
	require.ErrorIs(t, err, forecast.ErrShort)
}

// An ensemble is not believed on few values, or where its score is mostly noise.
func TestUnproven(t *testing.T) {
	plus := func(int, int) float64 { return 5 }
	minus := func(int, int) float64 { return -5 }
	// once errs in one fold only, by much.
	once := func(sign float64) func(fold, step int) float64 {
		return func(fold, step int) float64 { return sign * math.Pow(10, float64(fold)) }
	}
	for name, c := range map[string]struct {
		splits   forecast.Splits
		a, b     func(fold, step int) float64
		judged   int
		unproven bool
	}{
		"enough":       {forecast.Splits{Horizon: 4, Windows: 5, Step: 4}, plus, minus, 20, false},
		"few":          {forecast.Splits{Horizon: 2, Windows: 4, Step: 2}, plus, minus, 8, true},
		"overlapping":  {forecast.Splits{Horizon: 4, Windows: 4, Step: 2}, plus, minus, 8, true},
		"mostly noise": {forecast.Splits{Horizon: 4, Windows: 5, Step: 4}, once(1), once(0.9), 20, true},
	} {
		t.Run(name, func(t *testing.T) {
			back := newBacktest(t, c.splits, forecast.MAE)
			got, err := ensemble.Choose(back, []ensemble.Candidate{{Name: "a", Result: wrong(back, c.a)}, {Name: "b", Result: wrong(back, c.b)}})
			require.NoError(t, err)
			assert.Equal(t, c.judged, got.Judged)
			assert.Equal(t, c.unproven, got.Unproven)
			assert.Equal(t, !c.unproven, got.Better)
		})
	}
}
