package tpe

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
	"github.com/attune-hpo/attune/trial"
)

// A stress is a study whose parameters come and go and change their bounds. One sampler sees everything that a study
// may show: requests for many spaces, older views, views of some of the trials, trials that run and vanish.
type stress struct {
	rng     *rand.Rand
	history *trial.History
	axes    []space.Space // one a parameter: what its axis may be
	open    []int         // running trials
	older   []trial.Snapshot
	number  int
}

func newStress(t testing.TB, seed uint64) *stress {
	s := &stress{rng: rand.New(rand.NewPCG(seed, 7))}
	s.history = trial.NewHistory(trial.Header{Directions: make([]trial.Direction, 1+s.rng.IntN(4)/3)})
	kinds := [][]string{
		{"float"},
		{"log"},
		{"step, fine", "step", "step, two values"},
		{"int, thousands", "int", "int, stepped"}, // the first has a table of many kernels
		{"int log", "int log, two values"},
		{"int, ten thousands"},
		{"choice", "choice of two"},
		{"choice"},
		{"int, two values"},
	}
	for i, names := range kinds {
		var variants space.Space
		for _, name := range names {
			a := spaceOf(t, name)[0]
			a.Name = fmt.Sprint("p", i)
			variants = append(variants, a)
		}
		s.axes = append(s.axes, variants)
	}
	return s
}

// variant returns parameter i, nearly always with the first of its axes.
func (s *stress) variant(i int) space.Axis {
	if s.rng.IntN(12) == 0 {
		return s.axes[i][s.rng.IntN(len(s.axes[i]))]
	}
	return s.axes[i][0]
}

// some returns all parameters, a branch of them, or a single one.
func (s *stress) some() space.Space {
	var out space.Space
	from, to := 0, len(s.axes)
	switch s.rng.IntN(4) {
	case 0:
		from = s.rng.IntN(to)
		to = from + 1
	case 1:
		to = 4
	case 2:
		from = 6 // finite
	}
	for i := from; i < to; i++ {
		out = append(out, s.variant(i))
	}
	return out
}

// step starts trials and finishes others.
func (s *stress) step() {
	objectives := s.history.Snapshot().Objectives()
	for range s.rng.IntN(4) {
		s.history.Put(randomRecord(s.rng, s.some(), s.number, objectives, true))
		s.open = append(s.open, s.number)
		s.number++
	}
	for len(s.open) > 0 && s.rng.IntN(3) > 0 {
		i := s.rng.IntN(len(s.open))
		s.history.Put(randomRecord(s.rng, s.some(), s.open[i], objectives, s.rng.IntN(4) == 0))
		if !slices.ContainsFunc(s.history.Snapshot().Running(), func(r trial.Record) bool { return r.Number == s.open[i] }) {
			s.open = slices.Delete(s.open, i, i+1)
		}
	}
	if now := s.history.Snapshot(); s.rng.IntN(5) == 0 {
		s.older = append(s.older, now)
		s.older = s.older[max(0, len(s.older)-8):]
	}
}

// request asks for something, in a view of the history.
func (s *stress) request() sampler.Request {
	r := sampler.Request{Number: s.number, Space: s.some(), History: s.history.Snapshot()}
	if len(s.open) > 0 && s.rng.IntN(2) == 0 {
		r.Number = s.open[s.rng.IntN(len(s.open))]
	}
	if len(s.older) > 0 && s.rng.IntN(4) == 0 {
		r.History = s.older[s.rng.IntN(len(s.older))]
	}
	if k := s.rng.IntN(5); k < 2 {
		r.History = r.History.Scope(fmt.Sprint(k), func(number int) bool { return number%3 > k })
	}
	if s.rng.IntN(4) == 0 {
		given := space.Int("single", 4, 4+s.rng.IntN(2)).Axis()
		r.Given = space.Params{Space: space.Space{given}, Point: []float64{4}}
	}
	if free := r.Space.Index("p0"); free == 0 && len(r.Space) > 1 && s.rng.IntN(4) == 0 { // of few values, so that some come again
		r.Given = space.Params{Space: r.Space[:1], Point: []float64{unit.From(r.Space[0].Distribution, float64(s.rng.IntN(3))/2)}}
		r.Space, r.Fixed = r.Space[1:], []string{"p0"}
	}
	return r
}

func TestStress(t *testing.T) {
	for seed := range uint64(8) {
		s := newStress(t, seed)
		c := Config{
			Startup: -1, Kernel: Kernel(1 + seed%3/2), IgnoreRunning: seed%4 == 3, Repeat: seed%5 == 4, Candidates: 6,
		}
		kept := New(c)
		trials := []int{60, 150, 60, 450}[seed%4]
		for requests := 0; s.number < trials; requests++ {
			s.step()
			r := s.request()
			random := [2]uint64{s.rng.Uint64(), s.rng.Uint64()}
			r.Rand = rand.New(rand.NewPCG(random[0], random[1]))
			got, err := kept.Sample(context.Background(), r)
			require.NoError(t, err)
			for i, a := range r.Space {
				require.True(t, a.Distribution.Contains(got.Point[i]), "%v in %v", got.Point[i], a)
			}
			if requests%(1+trials/50) > 0 {
				continue
			}
			r.Rand = rand.New(rand.NewPCG(random[0], random[1]))
			want, err := New(c).Sample(context.Background(), r)
			require.NoError(t, err)
			require.Equal(t, want, got, "seed %d, request %d: %d trials for %v", seed, requests, r.History.Len(), r.Space)
		}
	}
}

// Trials enter and leave a mixture until most of the kernels in its tables of cells have been removed.
func TestMixtureForgets(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 7))
	s := spaceOf(t, "int, thousands", "int log", "choice", "float")
	axes := newIndex(s, usual).axes
	m, forgot := newMixture(axes), 0
	all := map[int]observation{}
	in := map[int]bool{}
	for number := range 3000 {
		record := randomRecord(rng, s, number, 1, false)
		if at, ok := observe(axes, &record); ok {
			all[number], in[number] = observation{number, at, false}, true
			m.add(all[number])
		}
		for k := range 2 {
			slot := rng.IntN(len(m.numbers))
			switch number := m.numbers[slot]; {
			case len(all) > 260 && k == 0:
				m.remove(number)
				delete(all, number)
				delete(in, number)
			case in[number]:
				m.leave(slot)
				in[number] = false
			default:
				m.enter(slot)
				in[number] = true
			}
		}
		shapes := len(m.columns[0].cells.shapes)
		m.refresh()
		if m.count > 98 && len(m.columns[0].cells.shapes) < shapes {
			forgot++
		}
		if number%40 > 0 || m.count == 0 {
			continue
		}
		fresh := newMixture(axes)
		fresh.load(slices.SortedFunc(maps.Values(all), func(a, b observation) int { return a.number - b.number }),
			func(number int) bool { return in[number] })
		fresh.refresh()
		points := make([]float64, len(axes)*candidates)
		for d := range axes {
			for i := range candidates {
				points[d*candidates+i] = values(axes[d:d+1], []float64{unit.Draw(s[d].Distribution, rng)})[0]
			}
		}
		got, want := make([]float64, candidates), make([]float64, candidates)
		m.logPDF(points, got, 1, false, &workspace{})
		fresh.logPDF(points, want, 1, false, &workspace{})
		require.Equal(t, want, got, "after %d", number)
	}
	require.Positive(t, forgot)
}
