// Package lockstep trains several models side by side, round by round: after each
// round all wait for one another, and for a verdict on whether to go on. So the folds
// of a cross-validation have one learning curve.
package lockstep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
)

// ErrOver ends a training whose end is no failure.
var ErrOver = errors.New("the training is over")

// A Group is of trainings, by number from 0, each in a goroutine of its own. Between
// calls of its methods none of them runs. The methods are for one goroutine; those that
// start trainings or let them go on panic with a [*Panic] if one of them did, when all of
// them wait or are over.
type Group struct {
	train  func(i int, wait func() error) error
	turns  chan struct{} // held by those that compute
	events chan event
	all    []training
}

type training struct {
	waits   bool // for a verdict
	verdict chan error
	err     error // that it ended with
}

// An event says that a training has reached the end of a round, or of itself.
type event struct {
	i        int
	waits    bool
	err      error
	panicked *Panic
}

// A Panic is that of a training.
type Panic struct {
	Value any
	Stack []byte // of the training's goroutine
}

// Error returns the value of the panic and the stack.
func (p *Panic) Error() string { return fmt.Sprintf("%v\n\n%s", p.Value, p.Stack) }

// Unwrap returns the value of the panic if it was an error.
func (p *Panic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// New returns a group of n trainings, of which no more than threads compute at once.
//
// train is what one of them does. It calls wait after each round that is to be looked
// at, which returns the verdict: an error is to end the training.
func New(n, threads int, train func(i int, wait func() error) error) *Group {
	g := &Group{train: train, turns: make(chan struct{}, max(1, min(threads, n))), events: make(chan event), all: make([]training, n)}
	for i := range g.all {
		g.all[i].verdict = make(chan error)
	}
	return g
}

// Start starts the trainings from one number to before another, each once, and returns
// when all of them wait or are over.
func (g *Group) Start(from, to int) {
	for i := from; i < to; i++ {
		go g.run(i)
	}
	raise(g.settle(to - from))
}

func (g *Group) run(i int) {
	g.turns <- struct{}{}
	end := event{i: i, err: errors.New("the training left its goroutine")}
	defer func() {
		if v := recover(); v != nil {
			end.panicked = &Panic{v, debug.Stack()}
		}
		<-g.turns
		g.events <- end
	}()
	end.err = g.train(i, func() error {
		<-g.turns
		g.events <- event{i: i, waits: true}
		verdict := <-g.all[i].verdict
		g.turns <- struct{}{}
		return verdict
	})
}

// settle takes in so many events, and returns the first panic among them.
func (g *Group) settle(n int) (panicked *Panic) {
	for range n {
		e := <-g.events
		panicked = cmp.Or(panicked, e.panicked)
		g.all[e.i].waits, g.all[e.i].err = e.waits, e.err
	}
	return panicked
}

func raise(p *Panic) {
	if p != nil {
		panic(p)
	}
}

// Waiting returns how many trainings wait for a verdict.
func (g *Group) Waiting() int {
	n := 0
	for _, t := range g.all {
		if t.waits {
			n++
		}
	}
	return n
}

// Answer gives a verdict to those that wait, and returns when all of them wait again or
// are over.
func (g *Group) Answer(verdict error) { raise(g.answer(verdict)) }

func (g *Group) answer(verdict error) *Panic {
	n := 0
	for i := range g.all {
		if t := &g.all[i]; t.waits {
			t.waits = false
			t.verdict <- verdict
			n++
		}
	}
	return g.settle(n)
}

// End ends with [ErrOver] the trainings that wait, and returns when all are over.
func (g *Group) End() {
	var panicked *Panic
	for g.Waiting() > 0 {
		panicked = cmp.Or(panicked, g.answer(ErrOver))
	}
	raise(panicked)
}

// Err returns the error of the first training that failed: the cause of ctx if that is
// done.
func (g *Group) Err(ctx context.Context) error {
	for _, t := range g.all {
		if t.err != nil && !errors.Is(t.err, ErrOver) {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return t.err
		}
	}
	return nil
}

// A Rule says which round of a training counts, and when there have been enough.
type Rule struct {
	// Better reports whether the score a is better than b. A number is better than NaN.
	Better func(a, b float64) bool
	// Patience is how many rounds may follow the best one. 0: any number.
	Patience int
	// Last has the last round count, and not the best.
	Last bool
}

// Best lets the trainings that were started go on from round to round, and returns the
// number of the round that counts, 0 only if there is an error.
//
// It calls look when all trainings wait or are over: the first time at once, even if no
// training waits, since all may be over without a round. look returns how many rounds
// there have been, at least 1, and the score of the last one. After a round that counts
// for now, Best calls keep. It returns the error of look, and [Group.Err], and leaves it
// to the caller to end the trainings then.
func (g *Group) Best(ctx context.Context, rule Rule, look func() (rounds int, score float64, err error), keep func()) (best int, err error) {
	top := math.NaN()
	for first := true; first || g.Waiting() > 0; first = false {
		if err := g.Err(ctx); err != nil {
			return 0, err
		}
		rounds, score, err := look()
		if err != nil {
			return 0, err
		}
		if best == 0 || rule.Last || rule.Better(score, top) {
			best, top = rounds, score
			keep()
		}
		if rule.Patience > 0 && rounds-best >= rule.Patience {
			g.End()
			break
		}
		g.Answer(nil)
	}
	return best, g.Err(ctx)
}
