package gp_test

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/gp"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
)

// layers is a bowl whose cost grows a hundredfold along y.
func layers(spend float64, c gp.Config, seed uint64) (best float64, points []string, err error) {
	x, y := space.Float("x", 0, 1), space.Float("y", 0, 1)
	st, err := study.Open(context.Background(), new(memory.Store), "s", study.Config{Sampler: gp.New(c), Space: space.Of(x, y), Seed: seed})
	if err != nil {
		return 0, nil, err
	}
	best = math.Inf(1)
	left := spend
	o := study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
		a, b := x.Suggest(t), y.Suggest(t)
		points = append(points, fmt.Sprint(a, b))
		cost := math.Pow(100, b)
		t.SetAttr("money", cost)
		v := math.Pow(a-0.7, 2) + math.Pow(math.Sin(6*b)-math.Sin(6*0.4), 2)/4 + 0.05*math.Sin(15*a)
		if left -= cost; left >= 0 {
			best = min(best, v)
		} else {
			st.Stop()
		}
		return v, nil
	})
	err = st.Optimize(context.Background(), o, study.Run{Trials: 80})
	return best, points, err
}

// With a budget of money, the search that knows the cost gets farther.
func TestCost(t *testing.T) {
	const budget, minimum = 250.0, -0.05
	gain := 0.0
	for seed := range uint64(6) {
		plain, _, err := layers(budget, gp.Config{}, seed)
		require.NoError(t, err)
		thrifty, points, err := layers(budget, gp.Config{Cost: "money", Budget: budget}, seed)
		require.NoError(t, err)
		gain += math.Log((plain - minimum) / (thrifty - minimum))
		_, again, err := layers(budget, gp.Config{Cost: "money", Budget: budget}, seed)
		require.NoError(t, err)
		assert.Equal(t, points, again, "the same seed, the same trials")
	}
	t.Logf("geometric mean of the ratio of regrets: %.2f", math.Exp(gain/6))
	assert.Greater(t, gain, 0.0)

	// Without costs, proposals are those of a search that knows none.
	_, want, err := layers(budget, gp.Config{}, 1)
	require.NoError(t, err)
	_, got, err := layers(budget, gp.Config{Cost: "another"}, 1)
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

func TestSettingsOfCostAndNoise(t *testing.T) {
	for name, c := range map[string]gp.Config{
		"negative noise":         {Noise: -1},
		"noise NaN":              {Noise: math.NaN()},
		"noise and none":         {Noise: 1, Deterministic: true},
		"a budget of nothing":    {Budget: 3},
		"a negative budget":      {Cost: "c", Budget: -3},
		"a budget without bound": {Cost: "c", Budget: math.Inf(1)},
	} {
		assert.ErrorIs(t, gp.New(c).Validate(), sampler.ErrInvalid, name)
	}
}

// Costs that are not numbers, not positive, of some trials only, or all equal do no harm.
func TestOddCosts(t *testing.T) {
	x := space.Float("x", 0, 1)
	for name, cost := range map[string]func(n int) any{
		"text": func(int) any { return "much" }, "negative": func(int) any { return -1 }, "NaN": func(int) any { return math.NaN() },
		"infinite": func(int) any { return math.Inf(1) }, "equal": func(int) any { return 2 }, "huge": func(n int) any { return math.Pow(10, float64(n%300)) },
		"of a few": func(n int) any { return map[bool]any{true: 3 + n, false: nil}[n%7 == 0] }, "once": func(n int) any { return map[bool]any{true: 3, false: nil}[n == 4] },
	} {
		st, err := study.Open(t.Context(), new(memory.Store), "s", study.Config{Sampler: gp.New(gp.Config{Cost: "cost"}), Space: space.Of(x)})
		require.NoError(t, err)
		o := study.Func(func(_ context.Context, t *study.Trial) (float64, error) {
			t.SetAttr("cost", cost(t.Number()))
			return math.Abs(x.Suggest(t) - 0.3), nil
		})
		require.NoError(t, st.Optimize(t.Context(), o, study.Run{Trials: 25, Failures: 1}), name)
		best, err := st.Best(t.Context())
		require.NoError(t, err)
		assert.Less(t, best.Values[0], 0.1, name)
	}
}
