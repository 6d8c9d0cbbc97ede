package tpe

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
	"github.com/attune-hpo/attune/trial/pareto"
)

// golden is testdata/optuna.json: what Optuna computes. generate.py writes it.
type golden struct {
	Optuna    string
	Masses    []struct{ A, B, Log float64 }
	Quantiles []struct{ U, A, B, X float64 }
	Parzen    []struct {
		Distributions []string
		Observations  [][]float64
		Ones          bool
		Points        [][]float64
		LogPDF        []float64
	}
	Splits []struct {
		Directions []string
		Trials     []struct {
			State       string
			Values      []string
			Reports     map[string]string
			Constraints map[string]float64
		}
		Below []int
	}
	Volumes []struct {
		Points    [][]float64
		Reference []float64
		Volume    float64
	}
	Subsets []struct {
		Points    [][]float64
		K         int
		Reference []float64
		Chosen    []int
	}
}

func readGolden(t testing.TB) golden {
	t.Helper()
	text, err := os.ReadFile("testdata/optuna.json")
	require.NoError(t, err)
	var g golden
	require.NoError(t, json.Unmarshal(text, &g))
	require.Equal(t, "5.0.0", g.Optuna)
	return g
}

func TestNormalAgreesWithOptuna(t *testing.T) {
	g := readGolden(t)
	for _, m := range g.Masses {
		assert.InDelta(t, m.Log, logMass(m.A, m.B), 1e-9*max(1, -m.Log), "log mass of [%v, %v]", m.A, m.B)
	}
	for _, q := range g.Quantiles {
		assert.InEpsilon(t, q.X, truncatedQuantile(q.U, q.A, q.B), 1e-7, "quantile %v of [%v, %v]", q.U, q.A, q.B)
	}
}

// Optuna's densities are per unit of the parameter or its logarithm, ours per
// interval, so that they differ by the width of the latter.
func TestDensityAgreesWithOptuna(t *testing.T) {
	for i, c := range readGolden(t).Parzen {
		var axes []axis
		widths := 0.0
		for _, text := range c.Distributions {
			d, err := space.ParseDistribution(text)
			require.NoError(t, err)
			a := newAxis(space.Axis{Name: "x", Distribution: d})
			if a.kind == continuum {
				widths += math.Log(a.width)
			}
			axes = append(axes, a)
		}
		var observations [][]float64
		for _, o := range c.Observations {
			observations = append(observations, positions(axes, o))
		}
		weights := recencyWeights(len(observations))
		if c.Ones {
			weights = slices.Repeat([]float64{1}, len(observations))
		}
		p := newParzen(axes, observations, weights)
		for k, point := range c.Points {
			got := p.logPDF(values(axes, point)) - widths
			assert.InDelta(t, c.LogPDF[k], got, 1e-8*max(1, math.Abs(got)), "case %d, point %d: %v of %v", i, k, point, c.Distributions)
		}
	}
}

func positions(axes []axis, coordinates []float64) []float64 {
	at := make([]float64, len(axes))
	for d := range axes {
		at[d] = axes[d].position(coordinates[d])
	}
	return at
}

func values(axes []axis, coordinates []float64) []float64 {
	at := positions(axes, coordinates)
	for d := range axes {
		if axes[d].kind == grid {
			at[d] = axes[d].value(at[d])
		}
	}
	return at
}

func TestSplitAgreesWithOptuna(t *testing.T) {
	for i, c := range readGolden(t).Splits {
		var directions []trial.Direction
		for _, d := range c.Directions {
			directions = append(directions, map[string]trial.Direction{"minimize": trial.Minimize, "maximize": trial.Maximize}[d])
		}
		var records []trial.Record
		for number, r := range c.Trials {
			rec := trial.Record{Number: number, State: trial.Running}
			if r.State != "running" {
				for name, v := range r.Constraints {
					rec.Constraints = append(rec.Constraints, trial.Constraint{Name: name, Value: v})
				}
			}
			for step := range 10 {
				if v, ok := r.Reports[strconv.Itoa(step)]; ok {
					rec.Reports = append(rec.Reports, trial.Report{Step: step, Value: parse(t, v)})
				}
			}
			switch r.State {
			case "complete":
				rec.State = trial.Complete
				for _, v := range r.Values {
					rec.Values = append(rec.Values, parse(t, v))
				}
			case "pruned":
				rec.State = trial.Pruned
			}
			records = append(records, rec)
		}
		for name, order := range map[string]func(){"in order": func() {}, "reversed": func() { slices.Reverse(records) }} {
			order()
			h := trial.NewHistory(trial.Header{Directions: directions})
			var one, each split
			for _, r := range records {
				h.Put(r)
				each.update(h.Snapshot(), nil)
			}
			one.update(h.Snapshot(), nil)
			good := Config{}.resolved(len(directions)).good(one.total)
			assert.Equal(t, c.Below, one.best(good), "case %d %v, %s", i, c.Directions, name)
			assert.Equal(t, c.Below, each.best(good), "case %d %v, %s, one by one", i, c.Directions, name)
		}
	}
}

func parse(t *testing.T, text string) float64 {
	x, err := strconv.ParseFloat(text, 64)
	require.NoError(t, err)
	return x
}

func TestHypervolumeAgreesWithOptuna(t *testing.T) {
	g := readGolden(t)
	for i, c := range g.Volumes {
		assert.InDelta(t, c.Volume, pareto.Hypervolume(c.Points, c.Reference), 1e-9*(1+c.Volume), "case %d", i)
	}
	for i, c := range g.Subsets {
		assert.Equal(t, c.Chosen, pareto.Subset(c.Points, c.K, c.Reference), fmt.Sprintf("case %d: %d of %d", i, c.K, len(c.Points)))
	}
}
