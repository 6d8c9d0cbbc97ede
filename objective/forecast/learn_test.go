package forecast

import (
	"context"
	"errors"
	"io"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// rounds predicts, after round r, a known multiple of the first lag, so that the fifth
// round is the best.
type rounds struct {
	n     int
	fails func(round int) error
	now   float64
}

func (m *rounds) Fit(ctx context.Context, train, valid Table, opts RegressorOptions) error {
	for r := range m.n {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if m.fails != nil {
			if err := m.fails(r); err != nil {
				return err
			}
		}
		m.now = 1.035 - 0.01*math.Abs(float64(r-4))
		err := opts.Iterate(RegressorIteration{Round: r, Train: math.NaN(), Valid: math.NaN(), Predictions: func() (Matrix, error) { return m.Predict(valid.X) }})
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *rounds) Predict(x Matrix) (Matrix, error) {
	y := Matrix{Rows: x.Rows, Cols: 1, Data: make([]float64, x.Rows)}
	for i := range y.Data {
		y.Data[i] = m.now * x.Row(i)[0]
	}
	return y, nil
}

func (*rounds) Save(io.Writer) error { return nil }
func (*rounds) Load(io.Reader) error { return nil }

func TestLearn(t *testing.T) {
	ctx := context.Background()
	back, err := NewBacktest(airPassengers(t), Splits{Horizon: 12, Windows: 3, Gap: 1})
	require.NoError(t, err)
	recipe := Recipe{Strategy: Pooled, Transform: Chain{Log1p{}}}
	with := func(n int, fails func(int) error) func() Forecaster {
		return func() Forecaster {
			return &Tabular{Recipe: recipe, New: func() Regressor { return &rounds{n: n, fails: fails} }}
		}
	}
	// After each number of rounds, the curve equals the score of Run.
	var want []float64
	for n := range 9 {
		r, err := back.Run(ctx, "rounds", with(n+1, nil)(), RunOptions{})
		require.NoError(t, err)
		want = append(want, r.Scores[0])
	}
	best, err := back.Run(ctx, "rounds", with(5, nil)(), RunOptions{})
	require.NoError(t, err)
	for _, threads := range []int{1, 2, 8} {
		var steps []int
		got, err := back.Learn(ctx, "rounds", with(9, nil), LearnOptions{Fit: FitOptions{Threads: threads}, OnRound: func(r Round) error {
			steps = append(steps, r.Step)
			assert.Len(t, r.Scores, 3)
			return nil
		}})
		require.NoError(t, err)
		assert.Equal(t, want, got.Curve)
		assert.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8}, steps)
		assert.Equal(t, 5, got.Rounds)
		assert.Equal(t, best.Scores, got.Result.Scores)
		assert.Equal(t, best.Steps, got.Result.Steps)
		for i := range best.Folds {
			assert.Equal(t, best.Folds[i].Forecast, got.Result.Folds[i].Forecast)
		}
	}
	got, err := back.Learn(ctx, "patient", with(1000, nil), LearnOptions{Patience: 3})
	require.NoError(t, err)
	assert.Equal(t, want[:8], got.Curve)
	assert.Equal(t, 5, got.Rounds)

	asked := 0
	got, err = back.Learn(ctx, "stopped", with(1000, nil), LearnOptions{Stop: func() bool { asked++; return asked == 7 }})
	require.NoError(t, err)
	assert.Equal(t, want[:7], got.Curve)
	assert.Equal(t, 5, got.Rounds)
	assert.Equal(t, best.Scores, got.Result.Scores)

	stop := errors.New("pruned")
	_, err = back.Learn(ctx, "pruned", with(1000, nil), LearnOptions{OnRound: func(r Round) error {
		if r.Step == 6 {
			return stop
		}
		return nil
	}})
	require.ErrorIs(t, err, stop)

	_, err = back.Learn(ctx, "failing", with(1000, func(round int) error {
		if round == 2 {
			return stop
		}
		return nil
	}), LearnOptions{Fit: FitOptions{Threads: 3}})
	require.ErrorIs(t, err, stop)
	require.ErrorContains(t, err, "backtest failing: fold 0")

	// A panic in a fold becomes a panic of the caller, who may recover.
	func() {
		defer func() { assert.Regexp(t, "^out of cheese\n\ngoroutine ", recover()) }()
		_, _ = back.Learn(ctx, "panicking", with(9, func(round int) error {
			if round == 3 {
				panic("out of cheese")
			}
			return nil
		}), LearnOptions{})
	}()
	before := runtime.NumGoroutine()
	require.PanicsWithValue(t, "a pruner", func() {
		_, _ = back.Learn(ctx, "pruner", with(9, nil), LearnOptions{OnRound: func(Round) error { panic("a pruner") }})
	})
	for i := 0; i < 1000 && runtime.NumGoroutine() > before; i++ {
		time.Sleep(time.Millisecond) // they are ending
	}
	assert.LessOrEqual(t, runtime.NumGoroutine(), before, "nobody is left waiting")

	cause := errors.New("enough")
	for _, at := range []int{0, 4} {
		ctx, cancel := context.WithCancelCause(ctx)
		_, err = back.Learn(ctx, "cancelled", with(1000, nil), LearnOptions{OnRound: func(r Round) error {
			if r.Step == at {
				cancel(cause)
			}
			return nil
		}})
		require.ErrorIs(t, err, cause)
	}
}

// Training without rounds is reported fold by fold, and gives the same result as Run.
func TestLearnFoldByFold(t *testing.T) {
	ctx := context.Background()
	back, err := NewBacktest(airPassengers(t), Splits{Horizon: 12, Windows: 3})
	require.NoError(t, err)
	for _, strategy := range []Strategy{Direct, Recursive} {
		model := func() Forecaster {
			return &Tabular{Recipe: Recipe{Strategy: strategy}, New: func() Regressor { return &Ridge{Lambda: 1} }}
		}
		want, err := back.Run(ctx, "ridge", model(), RunOptions{})
		require.NoError(t, err)
		var steps []int
		got, err := back.Learn(ctx, "ridge", model, LearnOptions{OnRound: func(r Round) error { steps = append(steps, r.Step); return nil }})
		require.NoError(t, err)
		assert.Equal(t, want.Scores, got.Result.Scores)
		assert.Equal(t, []int{0, 1, 2}, steps)
		assert.Nil(t, got.Curve)
		assert.Zero(t, got.Rounds)
		stop := errors.New("pruned")
		_, err = back.Learn(ctx, "ridge", model, LearnOptions{OnRound: func(r Round) error { return stop }})
		require.ErrorIs(t, err, stop)
	}
}
