package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler/gp"
)

// Settings are numbers, truths and texts.
func TestSettingsOfASearch(t *testing.T) {
	s := search{sampler: "gp:cost=seconds,budget=3600,deterministic=true,startup=12", pruner: "extrapolation:optimism=0.5,warmup=20"}
	require.NoError(t, s.check())
	of, p := s.make()
	c := of.(*gp.Sampler).Config()
	assert.Equal(t, []any{"seconds", 3600.0, true, 12}, []any{c.Cost, c.Budget, c.Deterministic, c.Startup})
	assert.Equal(t, pruner.Extrapolation{Optimism: 0.5, Warmup: 20}, p)
	s.sampler = "gp:budget=3600"
	assert.ErrorContains(t, s.check(), "--sampler gp:budget=3600: ")
	s.sampler = "gp:budget=much"
	assert.ErrorContains(t, s.check(), "budget=much: want a number")
}
