package interop_test

import (
	"encoding/json"
	"math"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/importance"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// A judged is the output of importance.py for one study.
type judged struct {
	Directions []string
	Trials     []struct {
		Params [][3]string
		Values []string
	}
	PED    map[string]map[string]float64 `json:"ped"`
	FANOVA []map[string]float64          `json:"fanova"`
}

func (j judged) snapshot(t *testing.T) trial.Snapshot {
	t.Helper()
	var header trial.Header
	for _, d := range j.Directions {
		header.Directions = append(header.Directions, map[string]trial.Direction{"MINIMIZE": trial.Minimize, "MAXIMIZE": trial.Maximize}[d])
	}
	h := trial.NewHistory(header)
	for i, tr := range j.Trials {
		r := trial.Record{Number: i, State: trial.Complete}
		for _, p := range tr.Params {
			d, err := space.ParseDistribution(p[2])
			require.NoError(t, err)
			x, err := d.Encode(space.Literal(p[1]))
			require.NoError(t, err)
			r.Params.Space = append(r.Params.Space, space.Axis{Name: p[0], Distribution: d})
			r.Params.Point = append(r.Params.Point, x)
		}
		for _, v := range tr.Values {
			x, err := strconv.ParseFloat(v, 64)
			require.NoError(t, err)
			r.Values = append(r.Values, x)
		}
		h.Put(r)
	}
	return h.Snapshot()
}

// PED-ANOVA gives Optuna's values: with conditions, bounds that change, ties,
// infinite values, and several objectives. fANOVA gives values among those that
// Optuna's forests give with other seeds.
func TestImportance(t *testing.T) {
	var studies map[string]judged
	require.NoError(t, json.Unmarshal(python(t, "importance.py"), &studies))
	require.Len(t, studies, 3)
	settings := map[string]importance.PEDANOVA{"default": {}, "wide": {Best: 0.25}, "local": {Baseline: 0.5}, "uniform": {Uniform: true}}
	for name, j := range studies {
		h := j.snapshot(t)
		for which, p := range settings {
			t.Run(name+"/"+which, func(t *testing.T) {
				r, err := p.Evaluate(t.Context(), h)
				require.NoError(t, err)
				got := map[string]float64{}
				for _, p := range r.Params {
					got[p.Name] = p.Value
				}
				require.Len(t, got, len(j.PED[which]))
				for param, want := range j.PED[which] {
					assert.InDelta(t, want, got[param], 1e-9*max(1, want), param)
				}
			})
		}
	}
	t.Run("fANOVA", func(t *testing.T) {
		h := studies["plain"].snapshot(t)
		for seed := range uint64(6) {
			r, err := importance.FANOVA{Trees: 24, Seed: seed}.Evaluate(t.Context(), h)
			require.NoError(t, err)
			for _, p := range r.Params {
				var optuna []float64
				for _, run := range studies["plain"].FANOVA {
					optuna = append(optuna, run[p.Name])
				}
				mean, deviation := moments(optuna)
				assert.InDelta(t, mean, p.Value, max(4*deviation, 0.01), "%s: Optuna has %v", p.Name, optuna)
			}
		}
	})
}

func moments(xs []float64) (mean, deviation float64) {
	for _, x := range xs {
		mean += x / float64(len(xs))
	}
	for _, x := range xs {
		deviation += (x - mean) * (x - mean) / float64(len(xs)-1)
	}
	return mean, math.Sqrt(deviation)
}
