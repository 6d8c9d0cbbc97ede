package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler"
)

// A search says how a command looks for better parameters: its sampler and its pruner. The
// first of each kind is the default.
type search struct{ sampler, pruner string }

// flags adds --sampler and --pruner.
func (s *search) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.sampler, "sampler", samplers[0].name, "`sampler` that proposes parameters: "+strings.Join(samplers.names(), ", "))
	f.StringVar(&s.pruner, "pruner", pruners[0].name, "`pruner` that stops unpromising trials early: "+strings.Join(pruners.names(), ", "))
	complete(cmd, "sampler", samplers.names()...)
	complete(cmd, "pruner", pruners.names()...)
}

// check fails if a name is unknown.
func (s search) check() error {
	if _, err := samplers.get("sampler", s.sampler); err != nil {
		return err
	}
	_, err := pruners.get("pruner", s.pruner)
	return err
}

// make returns the chosen sampler and pruner. check must have passed.
func (s search) make() (sampler.Sampler, pruner.Pruner) {
	makeSampler, err := samplers.get("sampler", s.sampler)
	must(err)
	p, err := pruners.get("pruner", s.pruner)
	must(err)
	return makeSampler(), p
}

// lagHelp is the help text of --lag.
const lagHelp = "draw each trial from all trials before it except the last `number`-1, and run at most that many at once in all processes; the same --seed then gives the same trials, regardless of the number of workers, timing and interruptions; 0: draw it from all trials that have ended"
