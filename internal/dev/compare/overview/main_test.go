package main

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/attune-hpo/attune/figure"
	"github.com/attune-hpo/attune/internal/dev/compare"
)

func TestOverview(t *testing.T) {
	runs := func(name string, values map[string][]float64) (out []compare.Run) {
		for p, bests := range values {
			for seed, v := range bests {
				out = append(out, compare.Run{Sampler: name, Problem: p, Seed: seed, Best: map[int]float64{50: v}})
			}
		}
		return out
	}
	s := summarize([][]compare.Run{
		runs("random", map[string][]float64{"sphere-2": {4, 2, 3}, "zdt1": {0.5}}),
		runs("a", map[string][]float64{"sphere-2": {0.3, 0.2, 7}, "zdt1": {0.25}}),
		runs("b", map[string][]float64{"sphere-2": {0}}),
	}, []int{50})
	assert.Equal(t, []string{"a", "b"}, s.samplers)
	assert.ElementsMatch(t, []string{"sphere-2", "zdt1"}, s.problems)
	assert.InDeltaSlice(t, []float64{0.1, least}, s.scores["sphere-2 50"], 1e-12)
	assert.InDelta(t, 0.5, s.scores["zdt1 50"][0], 1e-12)
	assert.True(t, math.IsNaN(s.scores["zdt1 50"][1]), "b was not run")

	var out strings.Builder
	write(&out, s, []int{50})
	assert.Contains(t, out.String(), "| sphere-2 | 50 | 0.1 | **1e-06** |\n")
	assert.Contains(t, out.String(), "| zdt1 | 50 | **0.5** |  |\n")
	assert.Contains(t, out.String(), "| **geometric mean of 1** | 50 | 0.1 | **1e-06** |\n")
	assert.Contains(t, out.String(), "| **over the best of them all** | 50 | 1e+05 | **1** |\n")
	assert.Contains(t, out.String(), "| **mean rank** | 50 | 2 | **1** |\n")
	assert.Contains(t, out.String(), "| **over the better of its own halves** | 50 |  |  |\n", "too few runs")

	s = summarize([][]compare.Run{
		runs("random", map[string][]float64{"sphere-2": {4}}),
		runs("a", map[string][]float64{"sphere-2": {1, 4, 1, 4}}), // 1 with even seeds, 4 with odd ones
	}, []int{50})
	out.Reset()
	write(&out, s, []int{50})
	assert.Contains(t, out.String(), "| **over the better of its own halves** | 50 | **2.5** |\n")
}

// The picture has what the last rows of the table say, where all samplers were run.
func TestPlotted(t *testing.T) {
	run := func(sampler, problem string, best map[int]float64) compare.Run {
		return compare.Run{Sampler: sampler, Problem: problem, Best: best}
	}
	f := plotted("Two", [][]compare.Run{
		{run("random", "sphere-2", map[int]float64{50: 4}), run("random", "zdt1", map[int]float64{50: 0.5})},
		{run("a", "sphere-2", map[int]float64{25: 4, 50: 2}), run("a", "zdt1", map[int]float64{25: 0.5, 50: 0.25, 100: 0.1})},
		{run("b", "sphere-2", map[int]float64{25: 1, 50: 0.5}), run("b", "zdt1", map[int]float64{25: 1, 50: 0.5})},
	})
	scores, ranks := f.Panels[0].Marks, f.Panels[1].Marks
	assert.Equal(t, figure.Line{Name: "a", Colour: figure.Blue, X: []float64{25, 50}, Y: []float64{1, 0.5}}, scores[0])
	assert.InDeltaSlice(t, []float64{math.Sqrt(0.25 * 2), math.Sqrt(0.125 * 1)}, scores[1].(figure.Line).Y, 1e-12)
	assert.Equal(t, []float64{1.5, 1.5}, ranks[0].(figure.Line).Y)
	assert.Equal(t, []float64{1.5, 1.5}, ranks[1].(figure.Line).Y)
}
