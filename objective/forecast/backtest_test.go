package forecast

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSplits(t *testing.T) {
	for _, tc := range []struct {
		name        string
		splits      Splits
		train, test [][2]float64 // first and last value
	}{
		{"the last steps", Splits{Horizon: 3}, [][2]float64{{1, 17}}, [][2]float64{{18, 20}}},
		{"expanding", Splits{Horizon: 2, Windows: 3}, [][2]float64{{1, 14}, {1, 16}, {1, 18}}, [][2]float64{{15, 16}, {17, 18}, {19, 20}}},
		{"sliding, by one", Splits{Horizon: 2, Windows: 2, Step: 1, Train: 5}, [][2]float64{{13, 17}, {14, 18}}, [][2]float64{{18, 19}, {19, 20}}},
		{"with a gap", Splits{Horizon: 2, Windows: 2, Gap: 3}, [][2]float64{{1, 13}, {1, 15}}, [][2]float64{{17, 18}, {19, 20}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			folds, err := tc.splits.Folds(Frame{count(20)})
			require.NoError(t, err)
			require.Len(t, folds, len(tc.train))
			for i, f := range folds {
				train, test := f.Train[0], f.Test[0]
				assert.Equal(t, tc.train[i], [2]float64{train.Y[0], train.Y[train.Len()-1]})
				assert.Equal(t, tc.test[i], [2]float64{test.Y[0], test.Y[test.Len()-1]})
				assert.Equal(t, f.Origin, train.Time(train.Len()-1))
				assert.Equal(t, day(2024, 1, int(test.Y[0])), test.Start)
				assert.Equal(t, train.Len(), cap(train.Y), "the future cannot be reached")
			}
		})
	}
	_, err := Splits{Horizon: 5, Windows: 4}.Folds(Frame{count(20)})
	require.ErrorIs(t, err, ErrShort)
	assert.ErrorContains(t, err, "need 22 rows in all")
	for _, s := range []Splits{{}, {Horizon: 1, Gap: -1}, {Horizon: 1, Windows: -1}} {
		_, err := s.Folds(Frame{count(20)})
		require.ErrorIs(t, err, ErrConfig)
	}
	_, err = Splits{Horizon: 1}.Folds(nil)
	require.ErrorIs(t, err, ErrEmpty)
}

func TestFoldsOfSeriesThatComeAndGo(t *testing.T) {
	old, young, whole := count(6), count(4), count(12)
	old.ID, young.ID, whole.ID = "old", "young", "whole"
	young.Start = day(2024, 1, 9)
	folds, err := Splits{Horizon: 2, Windows: 3}.Folds(Frame{old, young, whole})
	require.NoError(t, err)
	ids := func(f Frame) (s []string) {
		for _, x := range f {
			s = append(s, x.ID)
		}
		return s
	}
	assert.Equal(t, []string{"old", "whole"}, ids(folds[0].Train), "day 6: young has not begun")
	assert.Equal(t, []string{"whole"}, ids(folds[0].Test))
	assert.Equal(t, []string{"old", "whole"}, ids(folds[1].Train))
	assert.Equal(t, []string{"old", "young", "whole"}, ids(folds[2].Train), "what has ended is there to learn from")
	assert.Equal(t, []string{"young", "whole"}, ids(folds[2].Test))
	b, err := NewBacktest(Frame{old, young, whole}, Splits{Horizon: 2, Windows: 3}, MAE)
	require.NoError(t, err)
	r, err := b.Run(t.Context(), "naive", Naive(), RunOptions{})
	require.NoError(t, err)
	assert.Equal(t, []float64{1.5}, r.Scores)
	assert.Equal(t, [][]float64{{1}, {2}}, r.Steps)
}

func TestCut(t *testing.T) {
	rest, test, err := Frame{count(20)}.Cut(4)
	require.NoError(t, err)
	train, valid, err := rest.Cut(6)
	require.NoError(t, err)
	assert.Equal(t, 10, train[0].Len())
	assert.Equal(t, 6, valid[0].Len())
	assert.Equal(t, day(2024, 1, 17), test[0].Start)
	_, _, err = Frame{count(20)}.Cut(20)
	require.ErrorIs(t, err, ErrShort)
	_, _, err = Frame{count(20)}.Cut(-1)
	require.ErrorIs(t, err, ErrConfig)
}

func TestValidate(t *testing.T) {
	monthly, named := count(3), count(3)
	monthly.ID, monthly.Freq = "m", Frequency{N: 1, Unit: Month}
	named.ID, named.Past = "n", []Column{{"x", []float64{1}}}
	for name, tc := range map[string]struct {
		f  Frame
		is error
	}{
		"no series":             {nil, ErrEmpty},
		"no rows":               {Frame{count(0)}, ErrEmpty},
		"one ID twice":          {Frame{count(3), count(3)}, ErrDuplicate},
		"two frequencies":       {Frame{count(3), monthly}, ErrFrequency},
		"no frequency":          {Frame{{Y: []float64{1}}}, ErrFrequency},
		"other columns":         {Frame{count(3), named}, ErrColumn},
		"a column too short":    {Frame{named}, ErrColumn},
		"a known one too short": {Frame{{Y: named.Y, Freq: named.Freq, Known: named.Past}}, ErrColumn},
		"an infinity":           {Frame{{Y: []float64{1 / (nan * 0)}, Freq: named.Freq, Past: []Column{{"x", []float64{inf()}}}}}, ErrNumber},
	} {
		assert.ErrorIs(t, tc.f.Validate(), tc.is, name)
	}
}

func inf() float64 { zero := 0.0; return 1 / zero }

func TestBaselinesPassOverWhatIsMissing(t *testing.T) {
	s := Series{Start: day(2024, 1, 1), Freq: Frequency{N: 1, Unit: Quarter}, Y: []float64{nan, 2, 3, 4, 5, 6, nan, 8, nan}}
	for _, tc := range []struct {
		model *Baseline
		want  []float64
	}{
		{Naive(), []float64{8, 8, 8, 8, 8}},
		{SeasonalNaive(0), []float64{6, 3, 8, 5, 6}},
		{SeasonalDrift(0), []float64{10, 11, 12, 13, 14}},
		{Drift(), []float64{10, 11, 12, 13, 14}},
		{WindowMean(4), []float64{7, 7, 7, 7, 7}},
	} {
		f, err := tc.model.Predict(t.Context(), Frame{s}, 5)
		require.NoError(t, err)
		assertSame(t, tc.want, f[0].Y, tc.model)
	}
	short := Series{Start: s.Start, Freq: s.Freq, Y: []float64{1, nan}}
	for _, m := range []*Baseline{SeasonalNaive(0), SeasonalDrift(0), Drift(), WindowMean(3)} {
		assert.ErrorIs(t, m.Fit(t.Context(), Frame{short}, FitOptions{}), ErrShort, m)
	}
	_, err := Naive().Predict(t.Context(), Frame{s}, 0)
	require.ErrorIs(t, err, ErrHorizon)
	_, err = (&Baseline{}).Predict(t.Context(), Frame{s}, 1)
	require.ErrorIs(t, err, ErrConfig)
	_, err = SeasonalNaive(-1).Predict(t.Context(), Frame{s}, 1)
	require.ErrorIs(t, err, ErrConfig)
}

func TestBacktest(t *testing.T) {
	b, err := NewBacktest(airPassengers(t), Splits{Horizon: 12, Windows: 3}, MAPE, RMSE, MASE, R2)
	require.NoError(t, err)
	m := &Tabular{
		Recipe: Recipe{Features: Features{Lags: []int{1, 2, 12}}, Transform: Chain{Log{}, Diff{Lag: 12}, Standard{}}, Strategy: Recursive},
		New:    func() Regressor { return &Ridge{Lambda: 1} }, Cache: NewCache(3),
	}
	var told []int
	r, err := b.Run(t.Context(), "ridge", m, RunOptions{OnFold: func(r Result) error {
		told = append(told, len(r.Folds))
		return nil
	}})
	require.NoError(t, err)
	assert.Equal(t, []int{1, 2, 3}, told)
	require.Len(t, r.Steps, 12)

	// The score of each part is the score of its points.
	var all []Sample
	for i, f := range b.Folds() {
		s := Sample{Truth: f.Test[0].Y, Forecast: r.Folds[i].Forecast[0].Y, Train: f.Train[0].Y, Season: 12}
		all = append(all, s)
		assert.Equal(t, MAPE.Score(s), r.Folds[i].Scores[0])
		assert.Equal(t, f.Test[0].Start, r.Folds[i].Forecast[0].Start)
	}
	assert.Equal(t, MASE.Score(all...), r.Score(MASE))
	assertSame(t, []float64{nan}, []float64{r.Score(WAPE)}, "not among the metrics")
	again, err := b.Run(t.Context(), "ridge", m, RunOptions{})
	require.NoError(t, err)
	assert.Equal(t, r.Scores, again.Scores, "from the cache")

	c, err := b.Compare(t.Context(), r)
	require.NoError(t, err)
	require.Len(t, c.Rows, 6)
	baselines := 0
	for i, row := range c.Rows {
		if i > 0 {
			assert.LessOrEqual(t, c.Rows[i-1].Score(MAPE), row.Score(MAPE))
		}
		if row.Baseline {
			baselines++
		}
	}
	assert.Equal(t, 5, baselines)

	errEnough := errors.New("enough")
	_, err = b.Run(t.Context(), "ridge", m, RunOptions{OnFold: func(Result) error { return errEnough }})
	require.ErrorIs(t, err, errEnough)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	fresh, err := NewBacktest(airPassengers(t), Splits{Horizon: 12})
	require.NoError(t, err)
	_, err = fresh.Compare(ctx)
	require.ErrorIs(t, err, context.Canceled)
	_, err = NewBacktest(airPassengers(t), Splits{Horizon: 12}, Metric{})
	require.ErrorIs(t, err, ErrConfig)
}

// Transforms, windows, two strategies, folds and pooling at once.
func TestBacktestAgreesWithNumpy(t *testing.T) {
	want := readGolden(t).Pipeline
	require.Len(t, want, 4)
	for name, mape := range want {
		var strategy Strategy
		var splits Splits
		text, count, _ := strings.Cut(name, "x")
		_, err := fmt.Sscanf(text+" "+count, "%s %d %d", &strategy, &splits.Horizon, &splits.Windows)
		require.NoError(t, err)
		b, err := NewBacktest(airPassengers(t), splits)
		require.NoError(t, err)
		m := &Tabular{
			Recipe: Recipe{Features: Features{Lags: []int{1, 2, 12}}, Transform: Chain{Log{}, Diff{Lag: 12}}, Strategy: strategy},
			New:    func() Regressor { return &Ridge{Lambda: 1} },
		}
		r, err := b.Run(t.Context(), name, m, RunOptions{})
		require.NoError(t, err)
		assert.InEpsilon(t, mape, r.Score(MAPE), 1e-9, name)
	}
}

func TestComparisonSaysWhatIsLeftOut(t *testing.T) {
	s := count(8)
	s.Y[7] = 0
	b, err := NewBacktest(Frame{s}, Splits{Horizon: 2})
	require.NoError(t, err)
	c, err := b.Compare(t.Context())
	require.NoError(t, err)
	text := c.String()
	assert.Contains(t, text, "mape leaves out 1 points with a truth of 0")
	assert.Contains(t, text, "no seasonal naive: ")
	assert.Contains(t, text, "too few rows")
	assert.Contains(t, text, "naive (baseline)")
}

// A baseline that overflows does not affect the others.
func TestBaselineThatFails(t *testing.T) {
	s := count(30)
	for i := range s.Y {
		s.Y[i] = float64(1+i%10) * 1e307
	}
	b, err := NewBacktest(Frame{s}, Splits{Horizon: 2}, MAE)
	require.NoError(t, err)
	c, err := b.Compare(t.Context())
	require.NoError(t, err)
	text := c.String()
	assert.Contains(t, text, "\nno window mean: ")
	assert.Contains(t, text, "is +Inf: the values are too large: divide the target by a power of ten")
	assert.Contains(t, text, "\nnaive (baseline)")
}

// A gap changes which steps are scored, not how a step is forecast.
func TestGap(t *testing.T) {
	with, err := NewBacktest(airPassengers(t), Splits{Horizon: 2, Gap: 3}, MAE)
	require.NoError(t, err)
	without, err := NewBacktest(airPassengers(t), Splits{Horizon: 5}, MAE)
	require.NoError(t, err)
	a, err := with.Run(t.Context(), "drift", Drift(), RunOptions{})
	require.NoError(t, err)
	b, err := without.Run(t.Context(), "drift", Drift(), RunOptions{})
	require.NoError(t, err)
	assert.Equal(t, b.Steps[3:], a.Steps)
}

func BenchmarkTables(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	s := count(10_000)
	for i := range s.Y {
		s.Y[i] += r.NormFloat64()
	}
	p, err := Recipe{Horizon: 1}.Fit(Frame{s}, 0)
	require.NoError(b, err)
	for b.Loop() {
		_, _, err := p.Tables(Frame{s}, 0, 0)
		require.NoError(b, err)
	}
}

// A series with few of its values before an origin takes no part, unless the others have no
// more.
func TestYoungSeries(t *testing.T) {
	y := make([]float64, 20)
	long := Series{ID: "long", Start: day(2024, 1, 1), Freq: Frequency{N: 1, Unit: Day}, Y: y}
	young, late := long, long
	young.ID, young.Start, young.Y = "young", day(2024, 1, 11), y[:10]
	late.ID, late.Y = "late", slices.Clone(y)
	for i := range 10 {
		late.Y[i] = math.NaN()
	}
	tested := func(f Frame) [][]string {
		folds, err := Splits{Horizon: 3, Windows: 3}.Folds(f)
		require.NoError(t, err)
		var out [][]string
		for _, fold := range folds {
			var ids []string
			for _, s := range fold.Test {
				ids = append(ids, s.ID)
			}
			out = append(out, ids)
			assert.Len(t, fold.Train, len(fold.Test))
		}
		return out
	}
	all := []string{"long", "young", "late"}
	assert.Equal(t, [][]string{{"long"}, all, all}, tested(Frame{long, young, late}), "of 10 values they have 1, 4 and 7")
	assert.Len(t, tested(Frame{young, late})[0], 2)
}
