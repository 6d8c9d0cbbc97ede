package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/objective/tune"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

func TestOnPlateau(t *testing.T) {
	falling := make([]float64, 30)
	for i := range falling {
		falling[i] = 10 - float64(i)/10
	}
	level := make([]float64, 30)
	for i := range level {
		level[i] = 10 + float64(i%3)
	}
	for name, c := range map[string]struct {
		values []float64
		noise  float64 // standard error of each; 0: not known
		want   bool
	}{
		"no gain":                {level, 1, true},
		"a gain above noise":     {falling, 1, false},
		"a gain below noise":     {falling, 10, true},
		"too few":                {level[:plateauLeast-1], 1, false},
		"just enough":            {level[:plateauLeast], 1, true},
		"nothing known of noise": {level, 0, false},
		"none":                   {nil, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			st, err := study.Open(t.Context(), new(memory.Store), "s", study.Config{Sampler: random.Sampler{}})
			require.NoError(t, err)
			for _, v := range c.values {
				r := trial.Record{State: trial.Complete, Values: []float64{v}}
				if c.noise > 0 {
					a, err := trial.NewAttr(tune.ErrorKey, c.noise)
					require.NoError(t, err)
					r.Attrs = trial.Attrs{a}
				}
				_, err := st.Add(t.Context(), r)
				require.NoError(t, err)
			}
			h, err := st.Snapshot(t.Context())
			require.NoError(t, err)
			assert.Equal(t, c.want, onPlateau(h))
		})
	}
}

// Without --trials, a study ends when further trials gain nothing, at the same trial each time. With it, the study has
// the requested number of trials.
func TestSettles(t *testing.T) {
	t.Parallel()
	args := []string{"optimize", "--data", "air.csv", "--target", "passengers", "--models", "nlinear"}
	dir, _ := air(t)
	first := attune(t, dir, args...)
	require.Zero(t, first.code, first.stderr)
	assert.Regexp(t, `air-passengers/nlinear: stopped after (\d\d) of 50 trials: the last 7 gained less than a tenth of the standard error; --trials 50 runs all\n`, first.stderr)
	again := attune(t, dir, args...)
	assert.Contains(t, again.stderr, "air-passengers/nlinear: stopped after ")
	assert.Equal(t, first.stdout, again.stdout)
	elsewhere, _ := air(t)
	seconds := regexp.MustCompile(`\d+(\.\d+)?m?s| +`) // and the spaces that align them
	assert.Equal(t, seconds.ReplaceAllString(first.stdout, ""), seconds.ReplaceAllString(succeed(t, elsewhere, args...), ""))
	assert.Regexp(t, `(?m)^nlinear .* 40 +0 +0 `, succeed(t, dir, append(args, "--trials", "40")...))
}

func TestOptimizeStopWhen(t *testing.T) {
	t.Parallel()
	dir, _ := air(t)
	args := []string{"optimize", "--data", "air.csv", "--target", "passengers", "--models", "nlinear", "--trials", "500", "--stop-when"}
	o := attune(t, dir, append(args, "20%")...)
	require.Zero(t, o.code, o.stderr)
	assert.Regexp(t, `air-passengers/nlinear: stopped after (6|7|8|9)\d of 500 trials: the last 30 trials gained`, o.stderr)
	o = attune(t, dir, append(args, "1")...)
	require.NotZero(t, o.code)
	assert.Contains(t, o.stderr, "--stop-when 1: want a share from 0% to 100%, such as 1% or regret:1%")
}

func TestOptimizeWarmStart(t *testing.T) {
	t.Parallel()
	dir, _ := air(t)
	args := func(name string, more ...string) []string {
		return append([]string{"optimize", "--data", "air.csv", "--target", "passengers", "--models", "nlinear", "--trials", "15", "--name", name}, more...)
	}
	succeed(t, dir, args("old")...)
	o := attune(t, dir, args("new", "--warm-start", "old,none")...)
	require.Zero(t, o.code, o.stderr)
	assert.Equal(t, 1, strings.Count(o.stderr, "new/nlinear: warm start: "), o.stderr)
	assert.Regexp(t, `new/nlinear: warm start: .*\b(ridge|window|transform) `, o.stderr)
	assert.Equal(t, 1, strings.Count(o.stderr, `--warm-start none: there is no study none/nlinear`), o.stderr)
	o = attune(t, dir, args("new", "--warm-start", "new")...)
	require.NotZero(t, o.code)
	assert.Contains(t, o.stderr, "it is the study itself")
}
