package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/attune-hpo/attune/sampler/gp"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// stopWhenHelp describes the flag --stop-when.
const stopWhenHelp = "stop when 30 trials gain less than this `share`, such as 1%, of the distance from the median value to the best; regret:1%: when a Gaussian process expects that less than this share is left to gain"

// stopRule returns the rule that a value of --stop-when stands for: none if it is empty. The search space has the
// given constraints.
func stopRule(text string, constraints []space.Constraint) (func(trial.Snapshot) (string, bool), error) {
	if text == "" {
		return nil, nil
	}
	share, regret := strings.CutPrefix(text, "regret:")
	percent, err := strconv.ParseFloat(strings.TrimSuffix(share, "%"), 64)
	if err != nil || !strings.HasSuffix(share, "%") || !(percent > 0 && percent < 100) {
		return nil, fmt.Errorf("--stop-when %s: want a share from 0%% to 100%%, such as 1%% or regret:1%%", quote(text))
	}
	if regret {
		return gp.Regret{Gain: percent / 100, Constraints: constraints}.Reached, nil
	}
	return study.Stagnation{Gain: percent / 100}.Reached, nil
}
