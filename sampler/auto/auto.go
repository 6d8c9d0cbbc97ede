// Package auto chooses a sampler for each trial, depending on the study so far. Use it unless you have a reason to
// choose another. It is the default of attune.Minimize and of the command.
//
// The rule is the first of these lines that applies:
//
//	at most 24 configurations, no conditions    every one of them once, then TPE
//	four objectives or more                     TPE
//	up to 300 trials, and 30 parameters         Gaussian processes, and TPE now and then
//	three objectives                            TPE
//	two objectives                              TPE and NSGA-II in turn
//	numbers only, no conditions                 CMA-ES
//	otherwise                                   TPE
//
// With few trials a Gaussian process finds more than the other samplers, but it becomes slow with many. Each of c
// constraints and m objectives has a model; so the Gaussian process is used for the first 300/(c+m) trials. It finds
// nothing that its model cannot describe, and so every eighth trial is TPE's. With one objective every second trial
// is TPE's, as long as the median of TPE's last three trials is better than that of the Gaussian process's last
// eight. The two learn from each other: every sampler uses all trials of the study. When CMA-ES or NSGA-II take over,
// they start from the best trials.
//
// The note "auto" of each trial names the chosen sampler; [Sampler.Explain] gives the reason. The choice depends on
// the history alone, not on time, so that a study is reproducible, and a resumed study continues as if uninterrupted.
package auto

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/bruteforce"
	"github.com/attune-hpo/attune/sampler/cmaes"
	"github.com/attune-hpo/attune/sampler/gp"
	"github.com/attune-hpo/attune/sampler/nsga2"
	"github.com/attune-hpo/attune/sampler/tpe"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

const pkg fault.Package = "auto"

// NoteKey is the key of the note that names the sampler which proposed a trial: "nsga2",
// "tpe", "bruteforce", "gp" or "cmaes".
const NoteKey = "auto"

// The numbers of the rule.
const (
	mostEnumerated = 24  // configurations
	mostTrials     = 300 // for a Gaussian process
	mostParameters = 30  // likewise
	startup        = 10  // trials before there is a model
	look           = 8   // one in this number of trials is TPE's
)

// A Sampler chooses among samplers with their default settings. Make one with [New].
// It is safe for concurrent use, and by several studies.
type Sampler struct {
	samplers map[string]sampler.Sampler
	memory   sampler.Memory[known]
}

var _ sampler.Sampler = (*Sampler)(nil)

// New returns a sampler.
func New() *Sampler {
	return &Sampler{samplers: map[string]sampler.Sampler{
		"nsga2":      nsga2.New(nsga2.Config{}),
		"tpe":        tpe.New(tpe.Config{}),
		"bruteforce": bruteforce.New(),
		"gp":         gp.New(gp.Config{}),
		"cmaes":      cmaes.New(cmaes.Config{}),
	}}
}

// Sample implements [sampler.Sampler]. It returns the errors of the chosen sampler; none is expected.
func (s *Sampler) Sample(ctx context.Context, r sampler.Request) (sampler.Proposal, error) {
	var name string
	s.memory.Use(r.History, func(k *known) {
		k.read(r.History)
		name = k.choose(r).name
	})
	p, err := s.samplers[name].Sample(ctx, r)
	if errors.Is(err, sampler.ErrExhausted) { // the user may want to repeat noisy evaluations
		name = "tpe"
		p, err = s.samplers[name].Sample(ctx, r)
	}
	if err != nil {
		return sampler.Proposal{}, err
	}
	note, err := trial.NewAttr(NoteKey, name)
	if err != nil {
		return sampler.Proposal{}, pkg.Errorf("trial %d: %w", r.Number, err)
	}
	p.Notes = append(slices.Clip(p.Notes), note)
	return p, nil
}

// known has the facts about a history that the rule needs.
type known struct {
	seen        int
	constraints map[string]bool
	losses      map[string][]scored // of complete trials, by the sampler that proposed them; by number
}

type scored struct {
	number int
	loss   float64
}

func (k *known) read(h trial.Snapshot) {
	if k.constraints == nil {
		k.constraints, k.losses = map[string]bool{}, map[string][]scored{}
	}
	for ; k.seen < h.Len(); k.seen++ {
		r := h.At(k.seen)
		for _, c := range r.Constraints {
			k.constraints[c.Name] = true
		}
		var by string
		if note, ok := r.Notes.Get(NoteKey); !ok || note.Decode(&by) != nil || r.State != trial.Complete || !r.Feasible() {
			continue
		}
		o := scored{r.Number, h.Direction(0).Loss(r.Values[0])}
		at, _ := slices.BinarySearchFunc(k.losses[by], o, func(a, b scored) int { return cmp.Compare(a.number, b.number) })
		k.losses[by] = slices.Insert(k.losses[by], at, o)
	}
}

// recent returns the median loss of the last n trials that a sampler proposed, or +Inf
// if there are fewer than two.
func (k *known) recent(name string, n int) float64 {
	all := k.losses[name]
	if len(all) < 2 {
		return math.Inf(1)
	}
	var last []float64
	for _, o := range all[max(0, len(all)-n):] {
		last = append(last, o.loss)
	}
	slices.Sort(last)
	return last[len(last)/2]
}

// A choice is a sampler, with the reason.
type choice struct{ name, why string }

// choose returns the sampler for r: the rule.
func (k *known) choose(r sampler.Request) choice {
	h := r.History
	axes, conditions := parameters(r)
	n, m, c := h.Len(), h.Objectives(), len(k.constraints)
	most := mostTrials / (m + c)
	switch {
	case !conditions && len(axes) > 0 && 0 < axes.Len() && axes.Len() <= mostEnumerated:
		return choice{"bruteforce", fmt.Sprintf("there are %d configurations", axes.Len())}
	case m > gp.MostObjectives:
		return choice{"tpe", fmt.Sprintf("there are %d objectives", m)}
	case n < most && len(axes) <= mostParameters:
		switch {
		case n >= startup && r.Number%look == look-1:
			return choice{"tpe", fmt.Sprintf("one in %d trials is its, beside a Gaussian process", look)}
		case n >= startup && m == 1 && r.Number%2 == 1 && k.recent("tpe", 3) < k.recent("gp", 8):
			return choice{"tpe", "its last trials were better than those of a Gaussian process"}
		}
		return choice{"gp", fmt.Sprintf("there are fewer than %d trials, and at most %d parameters", most, mostParameters)}
	}
	beyond := fmt.Sprintf("there are %d trials or more", most)
	if len(axes) > mostParameters {
		beyond = fmt.Sprintf("there are more than %d parameters", mostParameters)
	}
	switch {
	case m == 2 && r.Number%2 == 0:
		return choice{"nsga2", beyond + ", and two objectives"}
	case m > 1:
		return choice{"tpe", fmt.Sprintf("%s, and %d objectives", beyond, m)}
	case !conditions && len(axes) > 0 && !slices.ContainsFunc(axes, isChoice):
		return choice{"cmaes", beyond + ", and all parameters are numbers"}
	}
	return choice{"tpe", beyond + ", and not all parameters are numbers that every trial has"}
}

// Explain returns a sentence that says which sampler proposes the next trial, and why. It takes the search space from
// the trials in h.
func (s *Sampler) Explain(h trial.Snapshot) string {
	next := h.Len() + len(h.Running())
	var c choice
	s.memory.Use(h, func(k *known) {
		k.read(h)
		c = k.choose(sampler.Request{Number: next, History: h})
	})
	return fmt.Sprintf("trial %d is proposed by %s: %s", next, titles[c.name], c.why)
}

// titles are the names of samplers for people.
var titles = map[string]string{
	"nsga2": "NSGA-II", "tpe": "TPE", "bruteforce": "enumeration", "gp": "a Gaussian process", "cmaes": "CMA-ES",
}

// parameters returns the parameters that vary, as far as trials or a joint request show
// them, and whether some are not in all trials.
func parameters(r sampler.Request) (axes space.Space, conditions bool) {
	groups := r.History.Groups()
	for _, g := range groups {
		for _, a := range g {
			if a.Distribution.Len() != 1 {
				axes = append(axes, a)
			}
		}
	}
	if len(groups) == 0 && len(r.Given.Space) == 0 && len(r.Space) > 1 { // a declared space
		return r.Space, false
	}
	return axes, len(groups) > 1
}

func isChoice(a space.Axis) bool {
	_, choice := a.Distribution.(*space.CategoricalDistribution)
	return choice
}
