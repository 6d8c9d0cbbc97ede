package pruner

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/trial"
	"github.com/attune-hpo/attune/trial/pareto"
)

// several returns a trial that reported pairs at steps 0, 1, ...
func several(number int, state trial.State, pairs ...[2]float64) trial.Record {
	r := trial.Record{Number: number}
	for step, pair := range pairs {
		n, err := trial.Vector{Step: step, Values: pair[:]}.Change(r)
		if err != nil {
			panic(err)
		}
		if r, err = r.Apply(n); err != nil {
			panic(err)
		}
	}
	if r.State = state; state == trial.Complete {
		r.Values = pairs[len(pairs)-1][:]
	}
	return r
}

func twoObjectives(d trial.Direction, records ...trial.Record) trial.Snapshot {
	h := trial.NewHistory(trial.Header{Name: "two", Directions: []trial.Direction{d, d}})
	for _, r := range records {
		h.Put(r)
	}
	return h.Snapshot()
}

func TestParetoHalving(t *testing.T) {
	at := func(number int, state trial.State, a, b float64) trial.Record {
		return several(number, state, [2]float64{9, 9}, [2]float64{a, b})
	}
	front := []trial.Record{ // from one end to the other, and two that are dominated
		at(0, trial.Complete, 0, 10), at(1, trial.Complete, 1, 9), at(2, trial.Pruned, 2, 8), at(3, trial.Complete, 10, 0),
		at(4, trial.Running, 11, 11), at(5, trial.Complete, 12, 12),
	}
	p := ParetoHalving{MinResource: 1}
	nan, inf := math.NaN(), math.Inf(1)
	for name, c := range map[string]struct {
		pruner ParetoHalving
		trial  trial.Record
		others []trial.Record
		want   string
	}{
		"alone":                  {p, at(9, 0, 5, 5), nil, ""},
		"dominated":              {p, at(9, 0, 11, 12), front, "[11 12] at step 1 is not among the best 3 of 7 at rung 0"},
		"the best":               {p, at(9, 0, -1, -1), front, ""},
		"an end":                 {p, at(9, 0, -1, 11), front, ""},
		"the middle":             {p, at(9, 0, 5, 5), front, ""},
		"beside others":          {p, at(9, 0, 1.5, 8.5), front, "[1.5 8.5] at step 1 is not among the best 3 of 7 at rung 0"},
		"as good as one chosen":  {p, at(9, 0, 10, 0), front, ""},
		"below the first rung":   {ParetoHalving{MinResource: 2}, at(9, 0, 99, 99), front, ""},
		"no length known":        {ParetoHalving{}, at(9, 0, 99, 99), front[4:5], ""},
		"a tenth of the length":  {ParetoHalving{}, at(9, 0, 99, 99), front, "[99 99] at step 1 is not among the best 3 of 7 at rung 0"},
		"a third continues":      {ParetoHalving{MinResource: 1, ReductionFactor: 3}, at(9, 0, 5, 5), front, "[5 5] at step 1 is not among the best 2 of 7 at rung 0"},
		"NaN":                    {p, at(9, 0, 0, nan), front, "NaN at step 1"},
		"infinite":               {p, at(9, 0, inf, inf), front, "[+Inf +Inf] at step 1 is not among the best 3 of 7 at rung 0"},
		"half infinite, an end":  {p, at(9, 0, -1, inf), front, ""},
		"nothing reported":       {p, trial.Record{Number: 9}, front, ""},
		"a factor of 1":          {ParetoHalving{MinResource: 1, ReductionFactor: 1}, at(9, 0, 99, 99), front, ""},
		"another number of them": {p, trial.Record{Number: 9, Notes: trial.Attrs{{Key: "report:1", JSON: "[1]"}}}, front, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.trial.State = trial.Running
			got, prune := c.pruner.Prune(c.trial, twoObjectives(trial.Minimize, c.others...))
			assert.Equal(t, c.want, got)
			assert.Equal(t, c.want != "", prune)
		})
	}
	assert.ErrorIs(t, ParetoHalving{ReductionFactor: 1}.Validate(), ErrInvalid)
	assert.ErrorIs(t, ParetoHalving{MinResource: -1}.Validate(), ErrInvalid)
	one := history(trial.Minimize, done(curve(0, 1, 1)), done(curve(1, 2, 2)))
	want, _ := SuccessiveHalving{MinResource: 1}.Prune(curve(2, 9, 9), one)
	got, prune := p.Prune(curve(2, 9, 9), one)
	assert.Equal(t, want, got)
	assert.True(t, prune)
}

// Learning curves whose two errors trade against each other: halving keeps the front and most of its volume,
// and maximizing the negated objectives gives the same verdicts.
func TestParetoHalvingKeepsTheFront(t *testing.T) {
	const steps = 32
	volume := func(points [][]float64) float64 { return pareto.Hypervolume(points, []float64{3, 3}) }
	for seed := range uint64(5) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var records, mirrored []trial.Record
		var all, found [][]float64
		spent := 0
		for n := range 100 {
			u, bad, slow := rng.Float64(), rng.ExpFloat64(), 0.5+rng.Float64()
			state := trial.Complete
			var pairs, negated [][2]float64
			end := func(step int) [2]float64 {
				rest := math.Exp(-slow * float64(step) / 6)
				return [2]float64{u*u + bad + rest, (1-u)*(1-u) + bad + rest}
			}
			all = append(all, sliceOf(end(steps-1)))
			for step := range steps {
				v := end(step)
				pairs, negated = append(pairs, v), append(negated, [2]float64{-v[0], -v[1]})
				spent++
				reason, prune := ParetoHalving{MinResource: 4}.Prune(several(n, trial.Running, pairs...), twoObjectives(trial.Minimize, records...))
				_, same := ParetoHalving{MinResource: 4}.Prune(several(n, trial.Running, negated...), twoObjectives(trial.Maximize, mirrored...))
				require.Equal(t, prune, same, "trial %d: %s", n, reason)
				if prune {
					state = trial.Pruned
					break
				}
			}
			if state == trial.Complete {
				found = append(found, sliceOf(end(steps-1)))
			}
			records, mirrored = append(records, several(n, state, pairs...)), append(mirrored, several(n, state, negated...))
		}
		assert.Less(t, float64(spent)/(100*steps), 0.5, "share of the steps")
		assert.Greater(t, volume(found), 0.97*volume(all), "hypervolume")
	}
}

func sliceOf(v [2]float64) []float64 { return v[:] }
