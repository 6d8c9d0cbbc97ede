package tpe

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/space/unit"
	"github.com/attune-hpo/attune/trial"
)

// A problem is a space and what becomes of a point in it.
type problem struct {
	directions []trial.Direction
	space      space.Space
	values     func(p space.Params) []float64
}

func sphere(dims int) problem {
	var ps []space.Axer
	for i := range dims {
		ps = append(ps, space.Float(fmt.Sprintf("x%02d", i), -5, 5))
	}
	return problem{nil, space.Of(ps...), func(p space.Params) []float64 { return []float64{squares(p.Point, 1)} }}
}

func squares(point []float64, from float64) float64 {
	sum := 0.0
	for _, x := range point {
		sum += (x - from) * (x - from)
	}
	return sum
}

var mixed = problem{nil, space.Of(
	space.Float("a", -5, 5), space.Float("b", 1e-5, 1, space.Log()), space.Float("c", 0, 1, space.Step(0.05)),
	space.Float("d", 0, 1), space.Int("e", 1, 10), space.Int("f", 16, 1024, space.Log()), space.Int("g", 100, 3000),
	space.Categorical("h", "u", "v", "w", "x"), space.Categorical("i", true, false), space.Int("j", 0, 1<<20),
), func(p space.Params) []float64 {
	sum := 0.0
	for i, a := range p.Space {
		ax := newAxis(a)
		u := ax.position(p.Point[i])
		if ax.kind == choice {
			u /= float64(ax.n)
		}
		sum += (u - 0.2) * (u - 0.2)
	}
	return []float64{sum}
}}

// several is a problem of two objectives that trade off.
func several(dims int) problem {
	p := sphere(dims)
	p.directions = []trial.Direction{trial.Minimize, trial.Maximize}
	p.values = func(p space.Params) []float64 { return []float64{squares(p.Point, 1), -squares(p.Point, -1)} }
	return p
}

// tell adds a complete trial to h.
func (p problem) tell(h *trial.History, number int, point []float64) {
	params := space.Params{Space: p.space, Point: point}
	h.Put(trial.Record{Number: number, State: trial.Complete, Params: params, Values: p.values(params)})
}

func (p problem) request(h *trial.History, number int, seed uint64) sampler.Request {
	return sampler.Request{Number: number, Space: p.space, History: h.Snapshot(), Rand: rand.New(rand.NewPCG(seed, uint64(number)))}
}

// run evaluates n trials one after the other.
func (p problem) run(tb testing.TB, s sampler.Sampler, n int, seed uint64) *trial.History {
	tb.Helper()
	h := trial.NewHistory(trial.Header{Directions: p.directions})
	for number := range n {
		got, err := s.Sample(context.Background(), p.request(h, number, seed))
		require.NoError(tb, err)
		p.tell(h, number, got.Point)
	}
	return h
}

// converging returns n trials that close in on one place, as those of a search do.
func (p problem) converging(n int) []trial.Record {
	h := trial.NewHistory(trial.Header{Directions: p.directions})
	rng := rand.New(rand.NewPCG(1, 2))
	for number := range n {
		spread := 0.02 + 0.3*float64(n-number)/float64(n)
		point := make([]float64, len(p.space))
		for i, a := range p.space {
			point[i] = unit.From(a.Distribution, 0.6+spread*rng.NormFloat64())
		}
		p.tell(h, number, point)
	}
	return h.Snapshot().Records()
}

// One trial in a study of n: the new trial is taken in, and a point is proposed.
func BenchmarkSample(b *testing.B) {
	for _, bm := range []struct {
		name    string
		problem problem
		config  Config
	}{
		{"floats", sphere(10), Config{}},
		{"mixed", mixed, Config{}},
		{"univariate", sphere(10), Config{Kernel: Univariate}},
		{"objectives", several(10), Config{}},
		{"table", table(b), Config{}},
		{"table, repeating", table(b), Config{Repeat: true}},
	} {
		for _, n := range []int{100, 1000, 10_000} {
			b.Run(fmt.Sprintf("%s/n=%d", bm.name, n), func(b *testing.B) {
				p := bm.problem
				records := p.converging(n)
				var s *Sampler
				var h *trial.History
				number := math.MaxInt
				b.ReportAllocs()
				for b.Loop() {
					if number >= n+n/10 { // grown too far: start again
						b.StopTimer()
						s, h, number = New(bm.config), trial.NewHistory(trial.Header{Directions: p.directions}), n
						for _, r := range records {
							h.Put(r)
						}
						_, _ = s.Sample(context.Background(), p.request(h, n, 2))
						b.StartTimer()
					}
					got, err := s.Sample(context.Background(), p.request(h, number, 1))
					if err != nil {
						b.Fatal(err)
					}
					p.tell(h, number, got.Point)
					number++
				}
			})
		}
	}
}

// A study of 200,000 trials of 20 parameters: the time of the first draw, which reads it, and of each further one.
func BenchmarkMany(b *testing.B) {
	p := sphere(20)
	const n = 200_000
	h := trial.NewHistory(trial.Header{})
	for _, r := range p.converging(n) {
		h.Put(r)
	}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			_, _ = New(Config{}).Sample(context.Background(), p.request(h, n, 1))
		}
	})
	b.Run("further", func(b *testing.B) {
		s, number := New(Config{}), n
		for range 2 { // the second makes room to grow
			_, _ = s.Sample(context.Background(), p.request(h, number, 1))
			p.tell(h, number, make([]float64, 20))
			number++
		}
		for b.Loop() {
			got, _ := s.Sample(context.Background(), p.request(h, number, 1))
			p.tell(h, number, got.Point)
			number++
		}
	})
}

// A study of 1,000 trials of 1,000 parameters: the time of the first draw, which reads it.
func BenchmarkWide(b *testing.B) {
	p := sphere(1000)
	h := trial.NewHistory(trial.Header{})
	for _, r := range p.converging(1000) {
		h.Put(r)
	}
	for _, kernel := range []Kernel{Multivariate, Univariate} {
		b.Run(kernel.String(), func(b *testing.B) {
			for b.Loop() {
				_, _ = New(Config{Kernel: kernel}).Sample(context.Background(), p.request(h, 1000, 1))
			}
		})
	}
}

// The first hundred trials of a study, where the cost of a draw besides the kernels matters most.
func BenchmarkFirst100(b *testing.B) {
	for name, p := range map[string]problem{"floats": sphere(10), "mixed": mixed, "table": table(b)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.run(b, New(Config{}), 100, 1)
			}
		})
	}
}
