// Package attune is the front door of a library for hyperparameter optimization:
// declare parameters, write an objective, get the best trial.
//
//	x := attune.Float("x", -5, 5)
//	best, err := attune.Minimize(ctx, func(ctx context.Context, t *attune.Trial) (float64, error) {
//		v := x.Suggest(t)
//		return (v - 1) * (v - 1), nil
//	}, 100)
//
// Minimize and Maximize use defaults that suit most searches: the sampler of package sampler/auto, extrapolation of the
// learning curves of trials that report, and a study in memory. An Option changes where the study is kept and how it is
// run. Everything else is in the packages below. Their types are the ones used here, so a program that outgrows this
// package keeps its code:
//
//   - [github.com/attune-hpo/attune/study]: studies, objectives, runs, ask and tell
//   - [github.com/attune-hpo/attune/space]: parameters and search spaces
//   - [github.com/attune-hpo/attune/sampler]: how points are proposed
//   - [github.com/attune-hpo/attune/pruner]: stopping hopeless trials early
//   - [github.com/attune-hpo/attune/storage/sqlite]: studies that outlive their process
package attune

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/attune-hpo/attune/pruner"
	"github.com/attune-hpo/attune/sampler/auto"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/storage/memory"
	"github.com/attune-hpo/attune/study"
	"github.com/attune-hpo/attune/trial"
)

// A Trial is one evaluation in progress. An objective gets its parameters from it.
type Trial = study.Trial

// An Objective evaluates a trial: it suggests the parameters it needs, and returns
// the value to be minimized or maximized. An error fails the trial, not the search.
// It may be called from several goroutines at once; see [Workers].
//
// An objective that trains step by step reports a value at each step, and returns the
// error of [study.Trial.Report], so that hopeless trials are stopped early.
type Objective = func(ctx context.Context, t *Trial) (float64, error)

// Float declares a real parameter in [low, high]; see [space.Float].
func Float(name string, low, high float64, options ...space.Option) space.Param[float64] {
	return space.Float(name, low, high, options...)
}

// Int declares an integer parameter in [low, high]; see [space.Int].
func Int(name string, low, high int, options ...space.Option) space.Param[int] {
	return space.Int(name, low, high, options...)
}

// Categorical declares a parameter that takes one of the given choices; see
// [space.Categorical].
func Categorical[T space.Scalar](name string, choices ...T) space.Param[T] {
	return space.Categorical(name, choices...)
}

// Log searches a parameter on a logarithmic scale.
func Log() space.Option { return space.Log() }

// Step restricts a parameter to low, low+q, low+2q, ...
func Step(q float64) space.Option { return space.Step(q) }

// Minimize evaluates the objective until the study has the given number of complete and pruned trials, and returns
// the complete trial with the least value. Failed trials do not count.
//
// The search ends early with an error when ctx is done (its cause), when too many trials in a row fail
// ([study.ErrFailing]), and when the storage fails. Minimize then also returns the best trial so far, if there is
// one: its State is [trial.Complete]. Minimize fails with [study.ErrNoTrial] if no trial is complete, and with
// [study.ErrConfig] unless trials is positive.
func Minimize(ctx context.Context, objective Objective, trials int, options ...Option) (trial.Record, error) {
	return optimize(ctx, trial.Minimize, objective, trials, options)
}

// Maximize is like [Minimize], but searches for the greatest value.
func Maximize(ctx context.Context, objective Objective, trials int, options ...Option) (trial.Record, error) {
	return optimize(ctx, trial.Maximize, objective, trials, options)
}

// An Option changes how [Minimize] and [Maximize] search. If two options set the same thing, the later one counts. A
// nil Option changes nothing.
type Option func(*search)

type search struct {
	store  storage.Store
	name   string
	config study.Config
	run    study.Run
}

// In keeps the study in a store, under a name. If the store has the study, the search continues it: an interrupted
// program that is started again continues where it stopped. Several processes may search together.
//
//	best, err := attune.Minimize(ctx, objective, 100, attune.In(sqlite.File("trials.db"), "my model"))
func In(store storage.Store, name string) Option {
	return func(s *search) { s.store, s.name = store, name }
}

// Workers evaluates n trials at once, in goroutines. Default 1, which makes a search
// with a [Seed] repeatable.
func Workers(n int) Option { return func(s *search) { s.run.Workers = n } }

// Seed sets the seed of all random draws. Default 0, so a search is repeatable unless its seed changes.
func Seed(seed uint64) Option { return func(s *search) { s.config.Seed = seed } }

// Timeout makes the search start no trial after d. It finishes the running trials, and ends without an error.
func Timeout(d time.Duration) Option { return func(s *search) { s.run.Timeout = d } }

// Observe sets an observer of the search, such as those of package progress, which show
// it in a terminal or a log.
func Observe(o study.Observer) Option { return func(s *search) { s.config.Observer = o } }

func optimize(ctx context.Context, direction trial.Direction, objective Objective, trials int, options []Option) (best trial.Record, err error) {
	s := search{
		store: new(memory.Store),
		name:  "attune",
		config: study.Config{
			Sampler:    auto.New(),
			Pruner:     pruner.Extrapolation{},
			Directions: []trial.Direction{direction},
		},
		run: study.Run{Total: trials},
	}
	for _, option := range options {
		if option != nil {
			option(&s)
		}
	}
	switch {
	case trials <= 0:
		return best, fmt.Errorf("attune: %w: %d trials: there must be at least 1", study.ErrConfig, trials)
	case objective == nil:
		return best, fmt.Errorf("attune: %w: the objective is nil", study.ErrConfig)
	}
	st, err := study.Open(ctx, s.store, s.name, s.config)
	if err != nil {
		return best, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	err = st.Optimize(ctx, study.Func(objective), s.run)
	best, none := st.Best(context.WithoutCancel(ctx))
	if err == nil {
		err = none
	}
	return best, err
}
