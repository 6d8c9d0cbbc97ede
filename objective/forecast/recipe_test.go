package forecast

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// count is the daily series 1, 2, ..., n from Monday, 1 January 2024.
func count(n int) Series {
	s := Series{Start: day(2024, 1, 1), Freq: Frequency{N: 1, Unit: Day}}
	for i := range n {
		s.Y = append(s.Y, float64(i+1))
	}
	return s
}

func TestFeaturesByHand(t *testing.T) {
	s := count(8)
	s.Y[4] = nan // the fifth day
	s.Past = []Column{{"rain", []float64{10, 20, 30, 40, 50, 60, 70, 80}}}
	s.Known = []Column{{"holiday", []float64{0, 0, 1, 0, 0, 0, 0, 1, 1}}}
	p, err := Recipe{Features: Features{
		Lags: []int{1, 3}, Seasonal: []int{2}, PastLags: []int{2}, KnownLags: []int{0, 1},
		Rolling:  []Rolling{{Stat: Mean, Window: 3}, {Stat: Std, Window: 2, Lag: 2}, {Stat: Max, Window: 1}},
		Calendar: []Calendar{DayOfWeek, DayOfMonth, Weekend},
	}, Horizon: 2}.Fit(Frame{s}, 0)
	require.NoError(t, err)
	require.Equal(t, 2, p.Models())
	table, valid, err := p.Tables(Frame{s}, 1, 0) // two steps ahead
	require.NoError(t, err)
	assert.Zero(t, valid.X.Rows)
	assert.Equal(t, []string{"lag_1", "lag_3", "mean_3", "std_2_lag_2", "max_1", "rain_lag_2", "seasonal_2", "holiday", "holiday_lag_1", "day_of_week", "day_of_month", "weekend"}, table.Names)
	for i, want := range []struct {
		y float64
		x []float64
	}{ // the target of the origin after day 3 is the missing day 5
		{6, []float64{4, 2, 3, math.Sqrt(0.5), 4, 30, 4, 0, 0, 5, 6, 1}},
		{7, []float64{nan, 3, 3.5, math.Sqrt(0.5), nan, 40, nan, 0, 0, 6, 7, 1}},
		{8, []float64{6, 4, 5, nan, 6, 50, 6, 1, 0, 0, 8, 0}},
	} {
		assert.Equal(t, want.y, table.Y.Row(i)[0])
		assertSame(t, want.x, table.X.Row(i), i)
		assert.Equal(t, day(2024, 1, 4+i), table.Origin(i))
		assert.Equal(t, day(2024, 1, 6+i), table.Target(i))
	}
	assert.Equal(t, 3, table.X.Rows)
}

func TestFeaturesAreRefused(t *testing.T) {
	s := count(30)
	s.Past = []Column{{"rain", s.Y}}
	for name, f := range map[string]Recipe{
		"a lag of 0":           {Features: Features{Lags: []int{0}}},
		"a lag twice":          {Features: Features{Lags: []int{1, 1}}},
		"a window of 0":        {Features: Features{Rolling: []Rolling{{Stat: Mean}}}},
		"a look ahead":         {Features: Features{Rolling: []Rolling{{Stat: Mean, Window: 2, Lag: -1}}}},
		"no statistic":         {Features: Features{Rolling: []Rolling{{Stat: "mode", Window: 2}}}},
		"no such calendar":     {Features: Features{Calendar: []Calendar{"moon"}}},
		"no such strategy":     {Strategy: "oracle"},
		"past columns unknown": {Strategy: Recursive, Horizon: 3, Features: Features{Lags: []int{1}, PastLags: []int{2}}},
		"a known lag ahead":    {Features: Features{Lags: []int{1}, KnownLags: []int{-1}}},
	} {
		_, err := f.Fit(Frame{s}, 0)
		assert.ErrorIs(t, err, ErrConfig, name)
	}
	p, err := Recipe{Features: Features{Lags: []int{29}}, Horizon: 2}.Fit(Frame{s}, 0)
	require.NoError(t, err)
	_, _, err = p.Tables(Frame{s}, 1, 0)
	require.ErrorIs(t, err, ErrShort)
	assert.ErrorContains(t, err, "need 31 rows of one series: the longest has 30")
}

func TestTransformsAreUndone(t *testing.T) {
	y := airPassengers(t)[0].Y
	const origin = 120
	for _, transform := range transforms[1:] {
		f, err := transform.Fit(y[:origin])
		require.NoError(t, err)
		z := f.Apply(y)
		for i, v := range z {
			assert.Equal(t, i < f.Lost(), math.IsNaN(v), "%s: %d", transform, i)
		}
		assertSame(t, y[origin:], f.Invert(y[:origin], z[origin:]), transform.String())
		parsed, err := ParseTransform(transform.String())
		require.NoError(t, err)
		again, err := parsed.Fit(y[:origin])
		require.NoError(t, err)
		assertSame(t, z, again.Apply(y), transform.String())
	}
}

func TestTransformEdges(t *testing.T) {
	_, err := Log{}.Fit([]float64{1, 0})
	require.ErrorIs(t, err, ErrDomain)
	assert.ErrorContains(t, err, "value 1 is 0")
	_, err = Log1p{}.Fit([]float64{0, nan})
	require.NoError(t, err)
	_, err = Log1p{}.Fit([]float64{-1})
	require.ErrorIs(t, err, ErrDomain)
	for _, s := range []Transform{Standard{}, MinMax{}} {
		_, err = s.Fit([]float64{nan})
		require.ErrorIs(t, err, ErrMissing)
		f, err := s.Fit([]float64{3, nan, 3})
		require.NoError(t, err)
		assertSame(t, []float64{0, 1}, f.Apply([]float64{3, 4}), "constant")
	}
	_, err = Diff{Lag: -1}.Fit(nil)
	require.ErrorIs(t, err, ErrConfig)
	f, err := Diff{Lag: 3}.Fit(nil)
	require.NoError(t, err)
	assertSame(t, []float64{nan, 11}, f.Invert([]float64{5, 10}, []float64{1, 6})[:2], "nothing to add the first to")
	for _, text := range []string{"root", "log,,diff", "diff 0", "diff x", "log 2", ","} {
		_, err := ParseTransform(text)
		assert.ErrorIs(t, err, ErrConfig, text)
	}
	empty, err := ParseTransform(" ")
	require.NoError(t, err)
	assert.Equal(t, "", empty.String())
}

func ridge() Regressor { return &Ridge{} }

// A linear model continues a line exactly, with every strategy.
func TestStrategiesContinueALine(t *testing.T) {
	s := count(40)
	for _, strategy := range []Strategy{Direct, Pooled, Joint, Recursive} {
		for _, transform := range []Transform{nil, Diff{}, Standard{}, Chain{MinMax{}, Diff{Lag: 7}}} {
			m := &Tabular{Recipe: Recipe{Features: Features{Lags: []int{1, 2}}, Transform: transform, Strategy: strategy}, New: ridge}
			require.NoError(t, m.Fit(t.Context(), Frame{s}, FitOptions{Horizon: 5}))
			next, err := m.Predict(t.Context(), Frame{s}, 5)
			require.NoError(t, err)
			require.Len(t, next, 1)
			assert.Equal(t, day(2024, 2, 10), next[0].Start)
			require.Len(t, next[0].Y, 5)
			for i, v := range next[0].Y {
				assert.InDelta(t, 41+i, v, 1e-4, "%s %v", strategy, transform)
			}
			next, err = m.Predict(t.Context(), Frame{s}, 2)
			require.NoError(t, err)
			assert.Len(t, next[0].Y, 2)
			_, err = m.Predict(t.Context(), Frame{s}, 6)
			if strategy == Recursive {
				assert.NoError(t, err)
			} else {
				assert.ErrorIs(t, err, ErrHorizon)
			}
		}
	}
}

func TestKnownColumnsMustReachTheHorizon(t *testing.T) {
	s := count(40)
	s.Known = []Column{{"holiday", append(s.Y, 1, 2)}}
	m := &Tabular{Recipe: Recipe{Features: Features{Lags: []int{1}}}, New: ridge}
	require.NoError(t, m.Fit(t.Context(), Frame{s}, FitOptions{Horizon: 3}))
	_, err := m.Predict(t.Context(), Frame{s}, 2)
	require.NoError(t, err)
	_, err = m.Predict(t.Context(), Frame{s}, 3)
	require.ErrorIs(t, err, ErrHorizon)
	assert.ErrorContains(t, err, `column "holiday"`)
	other := count(40)
	_, err = m.Predict(t.Context(), Frame{other}, 1)
	require.ErrorIs(t, err, ErrColumn)
	other.Freq = Frequency{N: 1, Unit: Hour}
	_, err = m.Predict(t.Context(), Frame{other}, 1)
	require.ErrorIs(t, err, ErrFrequency)
}

// The transform of a series that is not in the training data is fitted to its own past.
func TestSeriesNeverSeen(t *testing.T) {
	old, unseen := count(40), count(30)
	old.ID, unseen.ID = "old", "unseen"
	for i := range unseen.Y {
		unseen.Y[i] = 1000 + 7*unseen.Y[i]
	}
	m := &Tabular{Recipe: Recipe{Features: Features{Lags: []int{1, 2}, SeriesID: true}, Transform: Chain{Diff{}, MinMax{}}, Strategy: Recursive}, New: ridge}
	require.NoError(t, m.Fit(t.Context(), Frame{old}, FitOptions{Horizon: 2}))
	assert.Equal(t, []string{"lag_1", "lag_2", "series"}, m.FeatureNames())
	assert.Len(t, m.Models(), 1)
	next, err := m.Predict(t.Context(), Frame{unseen}, 2)
	require.NoError(t, err)
	assert.InDeltaSlice(t, []float64{1217, 1224}, next[0].Y, 1.0001, "a step of 1 or of 7: differences were constant")
	m.Recipe.Transform = Log{}
	require.NoError(t, m.Fit(t.Context(), Frame{old}, FitOptions{}))
	unseen.Y[3] = -1
	_, err = m.Predict(t.Context(), Frame{unseen}, 1)
	require.ErrorIs(t, err, ErrDomain)

	p, err := m.Recipe.Fit(Frame{old}, 0)
	require.NoError(t, err)
	table, _, err := p.Tables(Frame{old}, 0, 0)
	require.NoError(t, err)
	assert.Equal(t, "old", table.Series(0))
	assert.Equal(t, []int{2}, table.Categories)
	_, _, err = p.Tables(Frame{old}, 1, 0)
	require.ErrorIs(t, err, ErrConfig)
}

func TestForecastsThatCannotBeHad(t *testing.T) {
	s := count(40)
	m := &Tabular{Recipe: Recipe{Features: Features{Lags: []int{1, 2}}, Transform: Diff{}}, New: ridge}
	require.NoError(t, m.Fit(t.Context(), Frame{s}, FitOptions{}))
	s.Y[39] = nan
	_, err := m.Predict(t.Context(), Frame{s}, 1)
	require.ErrorContains(t, err, "the forecast for 2024-02-10 is NaN")
	require.ErrorIs(t, (&Tabular{}).Fit(t.Context(), Frame{s}, FitOptions{}), ErrConfig)
	require.ErrorIs(t, m.Fit(t.Context(), Frame{s}, FitOptions{Horizon: -1}), ErrConfig)
	for _, v := range []float64{math.Inf(1), math.Inf(-1)} {
		infinite := Table{X: Matrix{2, 1, []float64{1, v}}, Y: Matrix{2, 1, []float64{1, 2}}}
		require.ErrorIs(t, new(Ridge).Fit(t.Context(), infinite, Table{}, RegressorOptions{}), ErrNumber, "rather than weights that are NaN")
	}
	bare := new(Ridge)
	require.NoError(t, bare.Fit(t.Context(), Table{X: Matrix{2, 0, nil}, Y: Matrix{2, 1, []float64{1, 2}}}, Table{}, RegressorOptions{}))
	got, err := bare.Predict(Matrix{3, 0, nil})
	require.NoError(t, err)
	require.Equal(t, []float64{1.5, 1.5, 1.5}, got.Data, "the mean, where there are no features")
	require.ErrorIs(t, (&Ridge{Lambda: -1}).Fit(t.Context(), Table{X: Matrix{1, 1, []float64{1}}, Y: Matrix{1, 1, []float64{1}}}, Table{}, RegressorOptions{}), ErrConfig)
	require.ErrorIs(t, new(Ridge).Save(&bytes.Buffer{}), ErrNotFitted)
}

// All frequencies have default features.
func TestDefaultFeatures(t *testing.T) {
	for u := Millisecond; u <= Year; u++ {
		f, err := DefaultFeatures(Frequency{N: 1, Unit: u}).validate()
		require.NoError(t, err)
		assert.NotEmpty(t, f.Lags, u)
		assert.NotEmpty(t, Baselines(Frequency{N: 1, Unit: u}))
	}
}

func TestRidgeAgreesWithNumpy(t *testing.T) {
	g := readGolden(t).Ridge
	m := &Ridge{Lambda: g.Lambda}
	n := len(g.Y)
	require.NoError(t, m.Fit(t.Context(), Table{X: Matrix{n, 3, g.X}, Y: Matrix{n, 1, g.Y}}, Table{}, RegressorOptions{}))
	y, err := m.Predict(Matrix{len(g.Test) / 3, 3, g.Test})
	require.NoError(t, err)
	for i, want := range g.Predicted {
		assert.InDelta(t, want, y.Data[i], 1e-6)
	}
	_, err = m.Predict(Matrix{1, 2, []float64{1, 2}})
	assert.ErrorIs(t, err, ErrConfig)
}

func TestSaveAndLoad(t *testing.T) {
	f := airPassengers(t)
	for _, strategy := range []Strategy{Direct, Pooled, Joint, Recursive} {
		m := &Tabular{Recipe: Recipe{Transform: Chain{Log{}, Diff{Lag: 12}, Standard{}}, Strategy: strategy}, New: ridge}
		require.ErrorIs(t, m.Save(&bytes.Buffer{}), ErrNotFitted)
		_, err := m.Predict(t.Context(), f, 1)
		require.ErrorIs(t, err, ErrNotFitted)
		require.NoError(t, m.Fit(t.Context(), f, FitOptions{Horizon: 6}))
		want, err := m.Predict(t.Context(), f, 6)
		require.NoError(t, err)
		var b bytes.Buffer
		require.NoError(t, m.Save(&b))

		again := &Tabular{New: ridge}
		require.NoError(t, again.Load(bytes.NewReader(b.Bytes())))
		got, err := again.Predict(t.Context(), f, 6)
		require.NoError(t, err)
		assert.Equal(t, want, got, "bit for bit")
		assert.Equal(t, m.FeatureNames(), again.FeatureNames())
		var twice bytes.Buffer
		require.NoError(t, again.Save(&twice))
		assert.Equal(t, b.String(), twice.String())

		for name, text := range map[string]string{
			"empty": "", "cut": b.String()[:b.Len()/2], "another format": `{"format":"x"}`,
			"version":   strings.Replace(b.String(), `"version":1`, `"version":2`, 1),
			"horizon":   strings.Replace(b.String(), `"horizon":6`, `"horizon":-6`, 1),
			"transform": strings.Replace(b.String(), `"transform":"log`, `"transform":"lag`, 1),
			"lag":       strings.Replace(b.String(), `"lags":[1`, `"lags":[-1`, 1),
			"strategy":  strings.Replace(b.String(), `"strategy":"`, `"strategy":"x`, 1),
			"models":    strings.Replace(b.String(), `"models":["`, `"models":["eyJ9","`, 1),
			"frequency": strings.Replace(b.String(), `"frequency":"month"`, `"frequency":"moon"`, 1),
		} {
			require.ErrorIs(t, again.Load(strings.NewReader(text)), ErrFormat, name)
		}
		got, err = again.Predict(t.Context(), f, 6)
		require.NoError(t, err)
		assert.Equal(t, want, got, "as before the failures")
	}
	for _, base := range Baselines(f[0].Freq) {
		var b bytes.Buffer
		require.NoError(t, base.Save(&b))
		again := &Baseline{}
		require.NoError(t, again.Load(&b))
		assert.Equal(t, base, again)
		assert.ErrorIs(t, again.Load(strings.NewReader(`{"format":"attune forecast baseline","version":1,"kind":"guess"}`)), ErrFormat)
	}
}

func FuzzLoad(f *testing.F) {
	s := count(30)
	m := &Tabular{Recipe: Recipe{Features: Features{Lags: []int{1}}, Transform: Chain{Diff{}}}, New: ridge}
	require.NoError(f, m.Fit(context.Background(), Frame{s}, FitOptions{Horizon: 2}))
	var b bytes.Buffer
	require.NoError(f, m.Save(&b))
	f.Add(b.String())
	f.Fuzz(func(t *testing.T, text string) {
		m := &Tabular{New: ridge}
		if m.Load(strings.NewReader(text)) == nil {
			_, _ = m.Predict(t.Context(), Frame{s}, 2)
		}
	})
}

func TestPruningEndsAFit(t *testing.T) {
	errStop := errors.New("stop")
	m := &Tabular{Recipe: Recipe{Features: Features{Lags: []int{1}}}, New: func() Regressor { return &stopper{rounds: 3} }}
	b, err := NewBacktest(Frame{count(40)}, Splits{Horizon: 2, Windows: 2})
	require.NoError(t, err)
	var folds []int
	var seen []Iteration
	_, err = b.Run(t.Context(), "m", m, RunOptions{OnIteration: func(fold int, it Iteration) error {
		folds, seen = append(folds, fold), append(seen, it)
		return nil
	}})
	require.NoError(t, err)
	require.Len(t, seen, 2*2*3, "folds, models, rounds")
	assert.Equal(t, []int{0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1}, folds)
	assert.Equal(t, Iteration{Model: 1, Models: 2, Round: 2, Train: 1, Valid: 1.0 / 3}, seen[11])
	_, err = b.Run(t.Context(), "m", m, RunOptions{OnIteration: func(fold int, it Iteration) error {
		if fold == 1 && it.Round == 1 {
			return errStop
		}
		return nil
	}})
	require.ErrorIs(t, err, errStop)
	_, err = m.Predict(t.Context(), Frame{count(40)}, 1)
	require.ErrorIs(t, err, ErrNotFitted, "what was learnt half is not used")

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errStop)
	require.ErrorIs(t, m.Fit(ctx, Frame{count(40)}, FitOptions{}), errStop)
	require.ErrorIs(t, Naive().Fit(ctx, Frame{count(40)}, FitOptions{}), errStop)
}

// Rows limits a table: every series and every day of the week stays, in equal shares.
func TestRows(t *testing.T) {
	frame := Frame{count(600), count(300)}
	frame[1].ID = "short"
	for _, strategy := range []Strategy{Direct, Pooled, Joint} {
		tables := func(rows int) Table {
			p, err := Recipe{Strategy: strategy, Horizon: 6, Rows: rows, Features: Features{Lags: []int{1}}}.Fit(frame, 0)
			require.NoError(t, err)
			train, _, err := p.Tables(frame, 0, 0)
			require.NoError(t, err)
			return train
		}
		all := tables(0)
		assert.Equal(t, all, tables(all.X.Rows*2), "%s: the limit is not reached", strategy)
		few := tables(all.X.Rows / 5)
		assert.InDelta(t, all.X.Rows/5, few.X.Rows, float64(all.X.Rows)/100, strategy)
		series, phases := map[string]int{}, map[int]int{}
		for _, r := range few.rows {
			series[few.series[r.series].ID]++
			phases[r.origin%7]++
		}
		assert.InDelta(t, 2, float64(series[""])/float64(series["short"]), 0.2, strategy)
		for phase := range 7 {
			assert.InDelta(t, few.X.Rows/7, phases[phase], float64(few.X.Rows)/21, "%s: phase %d", strategy, phase)
		}
	}
}

// The default features look back less far for series that are hardly longer. Others stay.
func TestDefaultFeaturesShrink(t *testing.T) {
	series := func(n int) Frame {
		var f Frame
		for i := range 10 {
			s := count(n)
			s.ID, s.Freq = fmt.Sprint(i), Frequency{N: 1, Unit: Month}
			f = append(f, s)
		}
		return f
	}
	for _, c := range []struct {
		rows, lags      int
		reach, usual    int
		seasonal, short bool
	}{
		{40, 0, 12, 12, true, false},
		{17, 0, 12, 12, true, false},
		{16, 0, 7, 12, false, false},
		{6, 0, 2, 12, false, false},
		{6, 2, 2, 12, false, false},
		{3, 0, 1, 12, false, false},
		{6, 6, 6, 12, false, true},
	} {
		frame := series(c.rows)
		p, err := Recipe{Strategy: Pooled, Horizon: 2, Lags: c.lags}.Fit(frame, 0)
		require.NoError(t, err)
		reach, usual := p.Reach()
		assert.Equal(t, c.reach, reach, "%+v", c)
		assert.Equal(t, c.usual, usual, "%+v", c)
		_, _, err = p.Tables(frame, 0, 0)
		assert.Equal(t, c.short, errors.Is(err, ErrShort), "%+v: %v", c, err)
		assert.Equal(t, c.seasonal, slices.Contains(p.names(), "seasonal_12"), "%+v", c)
	}
	p, err := Recipe{Strategy: Pooled, Horizon: 2}.Fit(series(6)[:1], 0)
	require.NoError(t, err)
	_, _, err = p.Tables(series(6)[:1], 0, 0)
	assert.ErrorIs(t, err, ErrShort, "a single series has too few rows")
	p, err = Recipe{Strategy: Pooled, Horizon: 2, Features: Features{Lags: []int{12}}}.Fit(series(6), 0)
	require.NoError(t, err)
	_, _, err = p.Tables(series(6), 0, 0)
	assert.ErrorIs(t, err, ErrShort, "features that are given stay")
}

func TestTransformsToTry(t *testing.T) {
	scaled := func(by, plus float64) Frame {
		a, b := count(60), count(60)
		b.ID, b.Y = "b", slices.Clone(b.Y)
		a.Y = slices.Clone(a.Y)
		for i := range b.Y {
			a.Y[i] += plus
			b.Y[i] = b.Y[i]*by + plus
		}
		return Frame{a, b}
	}
	assert.Equal(t, []string{"none", "diff", "diff 7", "log", "log,diff", "log,diff 7"}, TransformsToTry(scaled(2, 1)), "alike")
	assert.Equal(t, []string{"none", "diff", "diff 7"}, TransformsToTry(scaled(2, -1)), "alike, not positive")
	assert.Equal(t, []string{"log", "log,diff", "log,diff 7"}, TransformsToTry(scaled(20, 1)), "of very different size")
	assert.Equal(t, []string{"standard", "standard,diff", "standard,diff 7"}, TransformsToTry(scaled(20, -1)), "of very different size, not positive")
	assert.Equal(t, []string{"none", "diff", "diff 7"}, TransformsToTry(scaled(0, 0)), "one is 0 everywhere")
}

func TestCache(t *testing.T) {
	frame := Frame{count(40)}
	c := NewCache(2)
	recipe := Recipe{Features: Features{Lags: []int{1}}, Horizon: 1}
	var wg sync.WaitGroup
	got := make([]*cached, 8)
	for i := range got {
		wg.Go(func() {
			var err error
			got[i], err = c.tables(recipe, frame, 2)
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	for _, g := range got {
		assert.Same(t, got[0], g)
	}
	other, err := c.tables(recipe, frame, 3)
	require.NoError(t, err)
	assert.NotSame(t, got[0], other)
	_, err = c.tables(recipe, Frame{count(40)}, 2) // other memory
	require.NoError(t, err)
	again, err := c.tables(recipe, frame, 2)
	require.NoError(t, err)
	assert.NotSame(t, got[0], again, "the oldest is gone")
	assert.Len(t, c.entries, 2)
}

// Equal growth gives features that are equal but for rounding: no table tells them apart.
func TestTablesIgnoreRounding(t *testing.T) {
	s := count(60)
	for i := range s.Y {
		s.Y[i] = 100 * math.Pow(1.1, float64(i%7)) * math.Pow(1.3, float64(i/7))
	}
	p, err := Recipe{Lags: 10, Transform: Log{}, Anchored: true, Horizon: 2, Strategy: Pooled}.Fit(Frame{s}, 0)
	require.NoError(t, err)
	train, _, err := p.Tables(Frame{s}, 0, 0)
	require.NoError(t, err)
	for c, name := range train.Names {
		var values []float64
		for i := range train.X.Rows {
			if v := train.X.Row(i)[c]; !math.IsNaN(v) {
				values = append(values, v)
			}
		}
		slices.Sort(values)
		values = slices.Compact(values)
		for i := 1; i < len(values); i++ {
			assert.Greater(t, values[i]-values[i-1], 1e-12, name)
		}
	}

	table := Table{X: Matrix{Rows: 5, Cols: 1, Data: []float64{1, 1 + 1e-9, 1 + 1e-15, nan, -2}}}
	table.settle()
	assert.Equal(t, []float64{1, 1 + 1e-9, 1}, table.X.Data[:3])
	assert.Equal(t, -2.0, table.X.Data[4])
}
