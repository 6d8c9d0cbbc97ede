package pruner

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/trial"
)

// falling is a curve of 40 steps that gains as much with each doubling of the steps, and ends at a value.
func falling(number int, gain, end float64) trial.Record {
	values := make([]float64, 40)
	for i := range values {
		values[i] = end + gain*math.Log2(40/float64(i+1))
	}
	return curve(number, values...)
}

func first(r trial.Record, reports int) trial.Record {
	r.Reports = slices.Clone(r.Reports[:reports])
	return r
}

func TestExtrapolation(t *testing.T) {
	done3 := []trial.Record{done(falling(0, 1, 5)), done(falling(1, 1, 4)), done(falling(2, 1, 6))}
	nan, inf := math.NaN(), math.Inf(1)
	flat := func(v float64, steps int) trial.Record { return curve(9, slices.Repeat([]float64{v}, steps)...) }
	tests := map[string]struct {
		pruner Extrapolation
		trial  trial.Record
		others []trial.Record
		want   string
	}{
		"flat, and worse than the best": {trial: flat(8, 8), want: "8 by step 7 points to 8 at step 39, and the best trial has 4"},
		"flat, and better":              {trial: flat(3.9, 30)},
		"as good as the best":           {trial: flat(4, 30)},
		"slow, and bound for the best":  {trial: first(falling(9, 2, 3), 20)},
		"slow, and not":                 {trial: first(falling(9, 2, 9), 20), want: "11 by step 19 points to 9.5 at step 39, and the best trial has 4"},
		"slow, with more optimism":      {pruner: Extrapolation{Optimism: 9}, trial: first(falling(9, 2, 9), 20)},
		"four reports":                  {pruner: Extrapolation{Warmup: -1}, trial: flat(99, 4)},
		"five reports":                  {trial: flat(99, 5), want: "99 by step 4 points to 99 at step 39, and the best trial has 4"},
		"warming up":                    {pruner: Extrapolation{Warmup: 10}, trial: flat(99, 10)},
		"warmed up":                     {pruner: Extrapolation{Warmup: 10}, trial: flat(99, 11), want: "99 by step 10 points to 99 at step 39, and the best trial has 4"},
		"two complete trials":           {trial: flat(99, 10), others: done3[:2]},
		"two are enough":                {pruner: Extrapolation{Startup: 2}, trial: flat(99, 10), others: done3[:2], want: "99 by step 9 points to 99 at step 39, and the best trial has 4"},
		"among the best third":          {trial: flat(7, 5)},
		"no third":                      {pruner: Extrapolation{Keep: -1}, trial: flat(7, 5), want: "7 by step 4 points to 7 at step 39, and the best trial has 4"},
		"a bad value among good ones":   {trial: curve(9, 4, 4, 4, 4, 4, 4, 4, 4, 4, 99, 99)},
		"all bad since a quarter":       {trial: curve(9, 4, 4, 4, 4, 4, 4, 4, 4, 99, 99, 99), want: "99 by step 10 points to 99 at step 39, and the best trial has 4"},
		"NaN at last":                   {trial: curve(9, 3, 3, 3, 3, 3, 3, nan)},
		"NaN for a quarter":             {trial: curve(9, 3, 3, 3, 3, 3, 3, nan, nan), want: "only NaN in the last quarter of 8 steps"},
		"infinite":                      {trial: flat(inf, 6), want: "+Inf by step 5 points to +Inf at step 39, and the best trial has 4"},
		"infinite at first":             {trial: curve(9, inf, inf, inf, 99, 99, 99)},
		"where no other has been":       {trial: flat(9, 50)},
		"no best trial":                 {trial: flat(99, 10), others: []trial.Record{{State: trial.Failed}}},
		"an infinite best":              {trial: flat(99, 10), others: []trial.Record{done3[0], done3[1], done(curve(3, -inf))}, want: "99 by step 9 points to 99 at step 39, and the best trial has -Inf"},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			if c.others == nil {
				c.others = done3
			}
			got, prune := c.pruner.Prune(c.trial, history(trial.Minimize, c.others...))
			assert.Equal(t, c.want, got)
			assert.Equal(t, c.want != "", prune)
		})
	}
}

// If trials return their best value rather than their last, a good early value counts.
func TestExtrapolationLearnsWhichReportCounts(t *testing.T) {
	early := curve(9, 3, 3, 3, 3, 3, 3, 9, 9, 9, 9)
	h := []trial.Record{done(falling(0, 1, 5)), done(falling(1, 1, 4)), done(falling(2, 1, 6))}
	_, prune := Extrapolation{}.Prune(early, history(trial.Minimize, h...))
	assert.True(t, prune, "the last report of each trial is its result")
	h[2].Reports = append(slices.Clone(h[2].Reports), trial.Report{Step: 40, Value: 7})
	_, prune = Extrapolation{}.Prune(early, history(trial.Minimize, h...))
	assert.False(t, prune, "trial 2 returned a better value than its last")
}

// Multiplying all values by a positive number and shifting them changes no verdict.
func TestExtrapolationKnowsNoUnits(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var plain, other []trial.Record
	pruned := 0
	for n := range 60 {
		r := falling(n, rng.ExpFloat64(), rng.Float64()*4)
		s := r
		s.Reports = slices.Clone(r.Reports)
		for i := range s.Reports {
			s.Reports[i].Value = s.Reports[i].Value*1024 - 4096
		}
		for k := 5; k <= 40; k += 5 {
			_, a := Extrapolation{}.Prune(first(r, k), history(trial.Minimize, plain...))
			_, b := Extrapolation{}.Prune(first(s, k), history(trial.Minimize, other...))
			require.Equal(t, a, b, "trial %d after %d reports", n, k)
			if a {
				pruned++
				r, s = first(r, k), first(s, k)
				r.State, s.State = trial.Pruned, trial.Pruned
				break
			}
		}
		if r.State != trial.Pruned {
			r, s = done(r), done(s)
		}
		plain, other = append(plain, r), append(other, s)
	}
	assert.Greater(t, pruned, 20)
	assert.Less(t, pruned, 58)
}
