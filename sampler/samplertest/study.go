package samplertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// A study is what a sampler sees of one: it asks as the engine does, and what
// becomes of a trial depends on its number and its parameters.
type study struct {
	problem
	sampler sampler.Sampler
	seed    uint64
	history *trial.History
	running []trial.Record
	next    int // number of the next trial
}

func (p problem) study(s sampler.Sampler, seed uint64) *study {
	return &study{problem: p, sampler: s, seed: seed, history: p.history(seed)}
}

func (p problem) history(seed uint64, records ...trial.Record) *trial.History {
	h := trial.NewHistory(trial.Header{Name: p.name, Directions: p.directions, Seed: seed})
	for _, r := range records {
		h.Put(r)
	}
	return h
}

// request asks for the given axes of the trial of the given number.
func (s *study) request(number int, axes space.Space, given space.Params) sampler.Request {
	r := sampler.Request{
		Number: number, Space: axes, Given: given, History: s.history.Snapshot(),
		Rand: rand.New(rand.NewPCG(s.seed, uint64(number)<<16|uint64(len(given.Point)))),
	}
	if r.Constraints = s.space.Constraints(); len(r.Constraints) > 0 {
		for _, a := range s.space {
			if axes.Index(a.Name) < 0 && given.Space.Index(a.Name) < 0 {
				r.Later = append(r.Later, a)
			}
		}
	}
	return r
}

// ask asks a sampler, and checks what it says.
func ask(s sampler.Sampler, r sampler.Request) (sampler.Proposal, error) {
	p, err := s.Sample(context.Background(), r)
	if err != nil {
		return p, fmt.Errorf("trial %d: %w", r.Number, err)
	}
	if len(p.Point) != len(r.Space) {
		return p, fmt.Errorf("trial %d: %d coordinates for %d parameters", r.Number, len(p.Point), len(r.Space))
	}
	for i, a := range r.Space {
		if !a.Distribution.Contains(p.Point[i]) {
			return p, fmt.Errorf("trial %d: %v proposed for %q, which is %s", r.Number, p.Point[i], a.Name, space.Describe(a.Distribution))
		}
	}
	if !r.Region().Contains(p.Point) {
		return p, fmt.Errorf("trial %d: %v proposed, which breaks one of the constraints %v", r.Number, space.Params{Space: r.Space, Point: p.Point}, r.Constraints)
	}
	return p, nil
}

// answer is what a sampler says, as a text that has all digits.
func answer(t testing.TB, s sampler.Sampler, r sampler.Request) string {
	t.Helper()
	p, err := ask(s, r)
	if errors.Is(err, sampler.ErrExhausted) {
		return "exhausted"
	}
	require.NoError(t, err)
	return fmt.Sprint(p.Point, p.Notes)
}

// draw decides all parameters of the trial of the given number, a level of
// conditions after the other.
func (s *study) draw(number int) (all space.Params, notes trial.Attrs, err error) {
	for {
		var open space.Space
		known := all // which all that is new in this level is not to be seen in
		for _, a := range s.space {
			switch {
			case known.Space.Index(a.Name) >= 0 || !a.Exists(space.Settings(known.Settings())):
			case a.Distribution.Len() == 1:
				all.Space, all.Point = append(slices.Clip(all.Space), a), append(slices.Clip(all.Point), a.Distribution.At(0))
			default:
				open = append(open, a)
			}
		}
		if len(open) == 0 {
			if len(all.Point) == len(known.Point) {
				return all, notes, nil
			}
			continue
		}
		p, err := ask(s.sampler, s.request(number, open, all))
		if err != nil {
			return all, notes, err
		}
		for _, n := range p.Notes {
			notes = notes.With(n)
		}
		all.Space, all.Point = append(slices.Clip(all.Space), open...), append(slices.Clip(all.Point), p.Point...)
	}
}

// start begins the next trial. The error is [sampler.ErrExhausted] when a finite
// sampler says that there is none.
func (s *study) start() error {
	if f, ok := s.sampler.(sampler.Finite); ok && f.Exhausted(s.space, s.history.Snapshot()) {
		return sampler.ErrExhausted
	}
	r := trial.Record{Number: s.next, State: trial.Running}
	s.history.Put(r)
	var err error
	if r.Params, r.Notes, err = s.draw(s.next); err != nil {
		if errors.Is(err, sampler.ErrExhausted) {
			err = fmt.Errorf("%v, though Exhausted reports false", err)
		}
		return err
	}
	s.next++
	s.history.Put(r)
	s.running = append(s.running, r)
	return nil
}

// finish ends the i-th of the running trials.
func (s *study) finish(i int) {
	s.history.Put(s.outcome(s.running[i]))
	s.running = slices.Delete(s.running, i, i+1)
}

// step starts the next trial, and finishes one if there are as many as workers.
func (s *study) step(workers int) error {
	if err := s.start(); err != nil {
		return err
	}
	if len(s.running) == workers {
		s.finish(s.next * 7 % workers) // in any order
	}
	return nil
}

// run starts up to n trials and finishes them; workers trials run at a time. It returns
// the parameters of each.
func (s *study) run(n, workers int) (points []string, err error) {
	first := s.next
	for range n {
		if err = s.step(workers); errors.Is(err, sampler.ErrExhausted) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("%s, seed %d: %w", s.name, s.seed, err)
		}
	}
	for len(s.running) > 0 {
		s.finish(0)
	}
	for _, r := range s.history.Snapshot().Records() {
		if r.Number >= first {
			points = append(points, fmt.Sprint(r.Params.Point))
		}
	}
	return points, nil
}

// points returns what a sampler proposes in a study of n trials.
func (p problem) points(t testing.TB, s sampler.Sampler, seed uint64, n, workers int) []string {
	t.Helper()
	points, err := p.study(s, seed).run(n, workers)
	require.NoError(t, err)
	return points
}

// learnt returns a study that a new sampler has had n trials in, some of which
// are still running.
func (c Config) learnt(t testing.TB, p problem, n int) *study {
	t.Helper()
	s := p.study(c.New(p.space), 1)
	_, err := s.run(n, 1)
	require.NoError(t, err)
	for range 3 {
		if err := s.start(); !errors.Is(err, sampler.ErrExhausted) {
			require.NoError(t, err, p.name)
		}
	}
	return s
}

// level returns the axes that a study draws first.
func (p problem) level() space.Space {
	var axes space.Space
	for _, a := range p.space {
		if len(a.When) == 0 && a.Distribution.Len() != 1 {
			axes = append(axes, a)
		}
	}
	return axes
}
