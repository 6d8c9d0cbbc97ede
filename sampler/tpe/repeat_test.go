package tpe

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// There are two configurations. One trial has the first, with the best possible value: it is proposed again only if it
// does not count as tried.
func TestPast(t *testing.T) {
	c, depth, one := space.Categorical("c", "a", "b"), space.Int("depth", 1, 4), space.Int("one", 7, 7)
	params := func(s space.Space, point ...float64) space.Params { return space.Params{Space: s, Point: point} }
	record := func(state trial.State, p space.Params) trial.Record {
		r := trial.Record{State: state, Params: p}
		if state == trial.Complete {
			r.Values = []float64{0}
		}
		return r
	}
	proposed := func(settings ...space.Setting) trial.Record {
		return trial.Record{State: trial.Running, Proposed: settings}
	}
	a, first := params(space.Of(c), 0), space.Setting{Name: "c", Value: `"a"`}
	for _, tc := range []struct {
		name   string
		r      trial.Record
		given  space.Params
		config Config
		tried  bool
	}{
		{"complete", record(trial.Complete, a), space.Params{}, Config{}, true},
		{"pruned", record(trial.Pruned, a), space.Params{}, Config{}, true},
		{"failed", record(trial.Failed, a), space.Params{}, Config{}, true},
		{"failed, interrupted", trial.Record{State: trial.Failed, Params: a, Notes: trial.Attrs{{Key: trial.InterruptedKey, JSON: "true"}}}, space.Params{}, Config{}, false},
		{"running", record(trial.Running, a), space.Params{}, Config{}, true},
		{"running, proposed", proposed(first), space.Params{}, Config{}, true},
		{"running, no evidence", record(trial.Running, a), space.Params{}, Config{IgnoreRunning: true}, true},
		{"the trial itself", trial.Record{Number: 5, State: trial.Running, Params: a}, space.Params{}, Config{}, false},
		{"has more that varies", record(trial.Complete, params(space.Of(c, depth), 0, 1)), space.Params{}, Config{}, false},
		{"has more with a single value", record(trial.Complete, params(space.Of(c, one), 0, 7)), space.Params{}, Config{}, true},
		{"has more that varies, proposed", proposed(first, depth.At(2)), space.Params{}, Config{}, false},
		{"has less", record(trial.Complete, params(space.Of(depth), 1)), space.Params{}, Config{}, false},
		{"other choices", record(trial.Complete, params(space.Of(space.Categorical("c", "a", "z")), 0)), space.Params{}, Config{}, false},
		{"a single value is given", record(trial.Complete, a), params(space.Of(one), 7), Config{}, true},
		{"a value of several is given", record(trial.Complete, a), params(space.Of(depth), 2), Config{}, false},
		{"repeating", record(trial.Complete, a), space.Params{}, Config{Repeat: true}, false},
	} {
		for name, draw := range map[string]func(*Config){
			"start-up":     func(c *Config) { c.Startup = 10 },
			"multivariate": func(c *Config) { c.Startup, c.Kernel, c.Candidates = -1, Multivariate, 2 },
			"univariate":   func(c *Config) { c.Startup, c.Kernel, c.Candidates = -1, Univariate, 2 },
		} {
			draw(&tc.config)
			h := trial.NewHistory(trial.Header{})
			h.Put(tc.r)
			repeated := 0
			for seed := range uint64(40) {
				r := sampler.Request{Number: 5, Space: space.Of(c), Given: tc.given, History: h.Snapshot(), Rand: rand.New(rand.NewPCG(seed, 5))}
				if sample(t, New(tc.config), r)[0] == 0 {
					repeated++
				}
			}
			if tc.tried {
				assert.LessOrEqual(t, repeated, 1, "%s, %s", tc.name, name) // of 40·2⁻¹⁰
			} else {
				assert.Greater(t, repeated, 1, "%s, %s", tc.name, name)
			}
		}
	}
}

// If all configurations have been tried, or the remaining ones are too unlikely, a study continues.
func TestTinySpace(t *testing.T) {
	p := problem{nil, space.Of(space.Int("a", 1, 3), space.Categorical("b", true, false)),
		func(p space.Params) []float64 { return []float64{squares(p.Point, 1)} }}
	for _, c := range []Config{{}, {Kernel: Univariate}, {Startup: -1}, {Startup: 100}} {
		for seed := range uint64(5) {
			got := points(p.run(t, New(c), 30, seed))
			name := fmt.Sprintf("%+v, seed %d", c, seed)
			assert.GreaterOrEqual(t, distinct(got[:6]), 5, name)
			assert.Equal(t, 6, distinct(got), name)
		}
	}
}
