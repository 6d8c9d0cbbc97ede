package trainer_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/tree/engine"
	"github.com/attune-hpo/attune/objective/tree/internal/enginetest"
	"github.com/attune-hpo/attune/objective/tree/internal/trainer"
)

// A script gives the error of one row in each round, and the rounds in which nothing can
// be split.
type script struct {
	errors  []float64
	idle    map[int]bool
	round   int
	rounds  int
	invalid error // returned by Valid
}

func (s *script) Boost() (int, error) {
	s.round++
	if !s.idle[s.round-1] {
		s.rounds++
	}
	return s.rounds, nil
}
func (s *script) Train() ([]float64, error) { return []float64{-s.errors[s.round-1]}, nil }
func (s *script) Valid() ([]float64, error) {
	return []float64{s.errors[s.round-1]}, s.invalid
}

var one = engine.Dataset{Columns: [][]float64{{0}}, Label: []float64{0}}

func TestRun(t *testing.T) {
	ctx := context.Background()
	for name, c := range map[string]struct {
		errors     []float64
		idle       map[int]bool
		patience   int
		keep, seen int
	}{
		"all":                  {errors: []float64{3, 2, 4}, keep: 3, seen: 3},
		"idle rounds":          {errors: []float64{3, 3, 2, 2}, idle: map[int]bool{1: true, 3: true}, keep: 2, seen: 4},
		"early":                {errors: []float64{3, 1, 2, 2, 0}, patience: 2, keep: 2, seen: 4},
		"early, never worse":   {errors: []float64{3, 2, 1}, patience: 2, keep: 3, seen: 3},
		"early, idle":          {errors: []float64{3, 1, 1, 1}, idle: map[int]bool{2: true, 3: true}, patience: 2, keep: 2, seen: 4},
		"early, never a score": {errors: []float64{math.NaN(), math.NaN(), math.NaN()}, patience: 2, keep: 1, seen: 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{errors: c.errors, idle: c.idle}
			p := engine.Params{Trees: len(c.errors), EarlyStopping: c.patience}
			seen := 0
			keep, err := trainer.Run(ctx, one, one, p, func(it engine.Iteration) error {
				assert.Equal(t, seen, it.Round)
				if !math.IsNaN(c.errors[seen]) {
					assert.Equal(t, c.errors[seen], it.Score)
					assert.Equal(t, []float64{c.errors[seen]}, it.Predictions())
				}
				seen++
				return nil
			}, s)
			require.NoError(t, err)
			assert.Equal(t, c.keep, keep)
			assert.Equal(t, c.seen, seen)
		})
	}
	broken := errors.New("broken")
	bare := one
	bare.Label = nil
	_, err := trainer.Run(ctx, one, bare, engine.Params{}, func(it engine.Iteration) error {
		assert.Equal(t, 5.0, it.Score, "of the training row")
		assert.Empty(t, it.Predictions())
		assert.Empty(t, it.Predictions())
		return nil
	}, &script{errors: []float64{5}, invalid: broken})
	require.ErrorIs(t, err, broken)
	_, err = trainer.Run(ctx, one, one, engine.Params{}, func(it engine.Iteration) error { return nil }, &script{errors: []float64{5}, invalid: broken})
	require.ErrorIs(t, err, broken)
}

func TestScore(t *testing.T) {
	for _, loss := range []engine.Loss{engine.L2, engine.L1, engine.Huber, engine.Quantile, engine.Poisson, engine.Tweedie, engine.Logistic, engine.Softmax} {
		t.Run(loss.String(), func(t *testing.T) {
			d := enginetest.Data(loss, 50, 1)
			p := engine.Params{Loss: loss, Classes: 3, Quantile: 0.3, HuberDelta: 0.4, TweediePower: 1.2}
			predictions := make([]float64, 150)
			for i := range predictions {
				predictions[i] = float64(i%9+1) / 10
			}
			if loss != engine.Softmax {
				predictions = predictions[:50]
			}
			assert.InEpsilon(t, enginetest.Score(p, d, predictions), trainer.Score(p, d, predictions), 1e-12)
			d.Weight = make([]float64, 50)
			d.Weight[7] = 2
			got := trainer.Score(p, d, predictions)
			assert.InEpsilon(t, enginetest.Score(p, d, predictions), got, 1e-12)
			clear(predictions) // even impossible predictions have a loss
			assert.False(t, math.IsInf(trainer.Score(p, d, predictions), 0))
		})
	}
}

func TestWeighted(t *testing.T) {
	d := engine.Dataset{Columns: [][]float64{{1, 2, 3}}, Label: []float64{4, 5, 6}, Weight: []float64{1, 0, 2}}
	got := trainer.Weighted(d)
	assert.Equal(t, engine.Dataset{Columns: [][]float64{{1, 3}}, Label: []float64{4, 6}, Weight: []float64{1, 2}}, got)
	assert.Equal(t, []float64{1, 2, 3}, d.Columns[0])
	d.Weight = []float64{1, 0, 1}
	assert.Nil(t, trainer.Weighted(d).Weight)
	d.Weight = []float64{2, 2, 2}
	assert.Equal(t, d, trainer.Weighted(d))
}

func TestFloat32(t *testing.T) {
	got, err := trainer.Float32("label", []float64{0, 0.1, -1e30})
	require.NoError(t, err)
	assert.Equal(t, []float32{0, 0.1, -1e30}, got)
	for _, v := range []float64{1e39, -1e39, 1e-60} {
		_, err = trainer.Float32("label", []float64{0, v})
		require.ErrorIs(t, err, engine.ErrData)
		assert.ErrorContains(t, err, "label of row 1")
	}
}

func TestSeed(t *testing.T) {
	seen := map[uint32]bool{}
	for _, s := range []uint64{0, 1, 1<<31 - 1, 1 << 31, 1<<32 + 5, 1 << 40, 1 << 62, 1 << 63, math.MaxUint64} {
		got := trainer.Seed(s)
		assert.Less(t, got, uint32(1<<31))
		if s < 1<<31 {
			assert.Equal(t, uint32(s), got)
		}
		seen[got] = true
	}
	assert.Greater(t, len(seen), 6)
}

func TestSettings(t *testing.T) {
	s := trainer.Settings{"rate": "0.1"}
	s.Set("leaves", 5)
	s.Set("bagging", 1e-5)
	assert.Equal(t, "bagging=1e-05 leaves=5 rate=0.1", s.String())

	canonical := func(name string) (string, bool) {
		return strings.ToLower(name), name != "none"
	}
	reserved := map[string]string{"rounds": "Trees"}
	require.NoError(t, s.Extra(map[string]string{"RATE": "0.2"}, canonical, reserved))
	assert.Equal(t, "0.2", s["rate"])
	for want, extra := range map[string]map[string]string{
		"no such setting": {"none": "1"}, "set Trees": {"Rounds": "1"}, "both mean rate": {"RATE": "1", "rate": "2"}, "white space": {"rate": "1 leaves=2"},
	} {
		err := s.Extra(extra, canonical, reserved)
		require.ErrorIs(t, err, engine.ErrParams)
		assert.ErrorContains(t, err, want)
	}
}

func TestLibrary(t *testing.T) {
	l := trainer.Library{
		Name: "It", Objective: "loss",
		Losses:  map[engine.Loss]trainer.Loss{engine.L2: {Name: "squares"}, engine.Quantile: {Name: "level", Number: "at"}, engine.Huber: {Name: "huber(%v)"}},
		Fields:  map[string]string{"Leaves": "leaves", "Bagging": "rows"},
		Seed:    "seed",
		Threads: "cores",
		Aliases: map[string]string{"num_leaves": "leaves", "leaves": "leaves"}, Reserved: map[string]string{"cores": "Threads"},
	}
	for want, p := range map[string]engine.Params{
		"cores=1 loss=squares seed=0":                   {},
		"cores=2 leaves=5 loss=squares rows=0.5 seed=7": {Leaves: 5, Bagging: 0.5, Seed: 7, Threads: 2},
		"at=0.5 cores=1 loss=level seed=0":              {Loss: engine.Quantile},
		"at=0.9 cores=1 loss=level seed=0":              {Loss: engine.Quantile, Quantile: 0.9},
		"cores=1 loss=huber(2) seed=0":                  {Loss: engine.Huber, HuberDelta: 2},
		"cores=1 leaves=6 loss=mine seed=0 strange=1":   {Leaves: 5, Extra: map[string]string{"num_leaves": "6", "loss": "mine", "strange": "1"}},
	} {
		s := trainer.Settings{}
		require.NoError(t, l.Apply(s, p, 3), want)
		assert.Equal(t, want, s.String())
	}
	strict := l
	strict.Strict = true
	for want, c := range map[string]struct {
		l trainer.Library
		p engine.Params
	}{
		"Loss is poisson, want another: It does not have it": {l, engine.Params{Loss: engine.Poisson}},
		"MinGain is 0.5, want 0: It has no such setting":     {l, engine.Params{MinGain: 0.5}},
		"Leaves is 5, want 0: It has no such setting":        {l.Without("Leaves"), engine.Params{Leaves: 5}},
		"set Threads":              {l, engine.Params{Extra: map[string]string{"cores": "2"}}},
		"there is no such setting": {strict, engine.Params{Extra: map[string]string{"strange": "1"}}},
	} {
		err := c.l.Apply(trainer.Settings{}, c.p, 3)
		require.ErrorIs(t, err, engine.ErrParams, want)
		assert.ErrorContains(t, err, want)
	}
	assert.Contains(t, l.Fields, "Leaves", "Without leaves l as it is")
}
