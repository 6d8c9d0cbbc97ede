// Package lockstep trains several models in parallel, round by round. After each round
// all wait for one another, and for a verdict on whether to continue. So the folds of a
// cross-validation have one learning curve.
package lockstep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
)

// ErrOver ends a training without being a failure.
var ErrOver = errors.New("the training is over")

// A Group is a set of trainings, numbered from 0, each in its own goroutine. Between calls of
// its methods none of them runs. Only one goroutine may call the methods. If a training
// panics, the method that started or resumed it panics with a [*Panic], once all trainings
// wait or are over.
type Group struct {
	train  func(i int, wait func() error) error
	turns  chan struct{} // held by trainings that compute
	events chan event
	all    []training
}

type training struct {
	waits   bool // waits for a verdict
	verdict chan error
	err     error // error that it ended with
}

// An event says that a training has finished a round, or has ended.
type event struct {
	i        int
	waits    bool
	err      error
	panicked *Panic
}

// A Panic is the panic of a training.
type Panic struct {
	Value any
	Stack []byte // stack of the training's goroutine
}

// Error returns the value of the panic and the stack.
func (p *Panic) Error() string { return fmt.Sprintf("%v\n\n%s", p.Value, p.Stack) }

// Unwrap returns the value of the panic if it was an error.
func (p *Panic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// New returns a group of n trainings. At most threads of them compute at a time.
//
// train runs training i. It calls wait after each round that may be looked at. wait returns
// the verdict: an error means that the training must end.
func New(n, threads int, train func(i int, wait func() error) error) *Group {
	g := &Group{train: train, turns: make(chan struct{}, max(1, min(threads, n))), events: make(chan event), all: make([]training, n)}
	for i := range g.all {
		g.all[i].verdict = make(chan error)
	}
	return g
}

// Start starts the trainings from..to-1. Each may be started only once. Start returns when
// all started trainings wait or are over.
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

// settle receives n events, and returns the first panic among them.
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

// Waiting returns the number of trainings that wait for a verdict.
func (g *Group) Waiting() int {
	n := 0
	for _, t := range g.all {
		if t.waits {
			n++
		}
	}
	return n
}

// Answer gives a verdict to the waiting trainings, and returns when all of them wait again
// or are over.
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

// End ends the waiting trainings with [ErrOver], and returns when all are over.
func (g *Group) End() {
	var panicked *Panic
	for g.Waiting() > 0 {
		panicked = cmp.Or(panicked, g.answer(ErrOver))
	}
	raise(panicked)
}

// Err returns the error of the first training that failed, or the cause of ctx if ctx is
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

// A Rule says which round of a training counts, and when to stop.
type Rule struct {
	// Better reports whether the score a is better than b. A number is better than NaN.
	Better func(a, b float64) bool
	// Patience is the number of rounds that may follow the best one; 0 means any number.
	Patience int
	// Last makes the last round count instead of the best one.
	Last bool
	// Stop, if not nil, is called after each round; true ends the training.
	Stop func() bool
}

// Best lets the started trainings continue from round to round, and returns the
// number of the round that counts. It returns 0 only with an error.
//
// It calls look whenever all trainings wait or are over. The first time is at once, even if
// no training waits, since all may be over without a round. look returns the number of
// rounds so far, at least 1, and the score of the last one. After a round that counts so
// far, Best calls keep. Best returns the error of look, and that of [Group.Err]; the caller
// must then end the trainings.
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
		if rule.Patience > 0 && rounds-best >= rule.Patience || rule.Stop != nil && rule.Stop() {
			g.End()
			break
		}
		g.Answer(nil)
	}
	return best, g.Err(ctx)
}
