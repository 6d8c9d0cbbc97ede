package sampler_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/grid"
	"github.com/attune-hpo/attune/sampler/qmc"
	"github.com/attune-hpo/attune/sampler/random"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

var (
	x     = space.Float("x", 0, 1)
	depth = space.Int("depth", 1, 4)
	act   = space.Categorical("act", "relu", "tanh", "gelu")
	one   = space.Int("one", 7, 7)
	grid4 = space.Of(depth, act) // of 12 points
)

func ExampleFixed() {
	s := sampler.Fixed(random.Sampler{}, depth.At(3))
	axes := space.Of(x, depth)
	p, _ := s.Sample(context.Background(), sampler.Request{Space: axes, Rand: rand.New(rand.NewPCG(1, 2))})
	fmt.Printf("x %.2f, depth %v\n", p.Point[0], p.Point[1])
	// Output: x 0.68, depth 3
}

func ExampleNoRepeat() {
	s := sampler.NoRepeat(random.Sampler{})
	axes := space.Of(space.Int("depth", 1, 3))
	h := trial.NewHistory(trial.Header{})
	for number := 0; ; number++ {
		p, err := s.Sample(context.Background(), sampler.Request{
			Number: number, Space: axes, History: h.Snapshot(), Rand: rand.New(rand.NewPCG(1, uint64(number))),
		})
		if errors.Is(err, sampler.ErrExhausted) {
			fmt.Println("nothing left")
			return
		}
		fmt.Println(p.Point)
		h.Put(trial.Record{Number: number, State: trial.Failed, Params: space.Params{Space: axes, Point: p.Point}})
	}
	// Output:
	// [2]
	// [3]
	// [1]
	// nothing left
}

func request(h trial.Snapshot, number int, s space.Space) sampler.Request {
	return sampler.Request{Number: number, Space: s, History: h, Rand: rand.New(rand.NewPCG(5, uint64(number)))}
}

func params(s space.Space, point ...float64) space.Params {
	return space.Params{Space: s, Point: point}
}

func record(number int, s trial.State, p space.Params) trial.Record {
	r := trial.Record{Number: number, State: s, Params: p}
	if s == trial.Complete {
		r.Values = []float64{0}
	}
	return r
}

func history(records ...trial.Record) trial.Snapshot {
	h := trial.NewHistory(trial.Header{Seed: 1})
	for _, r := range records {
		h.Put(r)
	}
	return h.Snapshot()
}

// spy remembers what it was asked.
type spy struct {
	sampler.Sampler
	asked []sampler.Request
}

func (s *spy) Sample(ctx context.Context, r sampler.Request) (sampler.Proposal, error) {
	s.asked = append(s.asked, r)
	return s.Sampler.Sample(ctx, r)
}

func TestFixed(t *testing.T) {
	inner := &spy{Sampler: random.Sampler{}}
	s := sampler.Fixed(inner, depth.At(2), act.At("gelu"), space.Setting{Name: "nobody asks", Value: "1"})
	given := params(space.Of(one), 7)
	r := request(history(), 0, space.Of(depth, x, act))
	r.Given = given
	p, err := s.Sample(t.Context(), r)
	require.NoError(t, err)
	assert.Equal(t, []float64{2, p.Point[1], 2}, p.Point)
	require.Len(t, inner.asked, 1)
	assert.True(t, inner.asked[0].Space.Equal(space.Of(x)))
	assert.True(t, inner.asked[0].Given.Space.Equal(space.Of(one, depth, act)), "what is fixed is given")
	assert.Equal(t, []float64{7, 2, 2}, inner.asked[0].Given.Point)
	assert.Equal(t, []string{"depth", "act"}, inner.asked[0].Fixed, "and no sampler has chosen it")
	assert.Len(t, given.Point, 1, "and the request stays as it was")

	_, err = s.Sample(t.Context(), r)
	require.NoError(t, err)
	assert.Same(t, &inner.asked[0].Space[0], &inner.asked[1].Space[0], "equal spaces are one slice, for those that remember")

	p, err = s.Sample(t.Context(), request(history(), 0, space.Of(act)))
	require.NoError(t, err)
	assert.Equal(t, []float64{2}, p.Point)
	assert.Len(t, inner.asked, 2, "nothing is left to ask for")

	p, err = s.Sample(t.Context(), request(history(), 0, space.Of(x)))
	require.NoError(t, err)
	want, _ := random.Sampler{}.Sample(t.Context(), request(history(), 0, space.Of(x)))
	assert.Equal(t, want, p, "nothing is fixed")
}

func TestFixedErrors(t *testing.T) {
	_, err := sampler.Fixed(random.Sampler{}, depth.At(9)).Sample(t.Context(), request(history(), 0, space.Of(x, depth)))
	require.ErrorIs(t, err, space.ErrOutside)
	assert.EqualError(t, err, `sampler: fix "depth": value outside the distribution: 9 is not in int [1, 4]`)

	twice := sampler.Fixed(random.Sampler{}, depth.At(1), depth.At(2))
	require.ErrorIs(t, twice.(sampler.Validator).Validate(), sampler.ErrInvalid)
	_, err = twice.Sample(t.Context(), request(history(), 0, grid4))
	require.ErrorIs(t, err, sampler.ErrInvalid)

	boom := errors.New("boom")
	failing := sampler.Func(func(context.Context, sampler.Request) (sampler.Proposal, error) { return sampler.Proposal{}, boom })
	_, err = sampler.Fixed(failing, depth.At(1)).Sample(t.Context(), request(history(), 0, grid4))
	require.ErrorIs(t, err, boom)
}

// If the wrapped sampler breaks the contract or is nil, the error names it.
func TestPointsOfTheWrongLength(t *testing.T) {
	proposing := func(point ...float64) sampler.Sampler {
		return sampler.Func(func(context.Context, sampler.Request) (sampler.Proposal, error) {
			return sampler.Proposal{Point: point}, nil
		})
	}
	for name, c := range map[string]struct {
		s    sampler.Sampler
		of   space.Space
		says string
	}{
		"fixed, short":             {sampler.Fixed(proposing(), depth.At(1)), grid4, "sampler: sampler.Func proposed 0 coordinates for 1 parameters"},
		"fixed, long":              {sampler.Fixed(proposing(1, 2), depth.At(1)), grid4, "sampler: sampler.Func proposed 2 coordinates for 1 parameters"},
		"fixed, nothing to fix":    {sampler.Fixed(proposing(), one.At(7)), grid4, "sampler: sampler.Func proposed 0 coordinates for 2 parameters"},
		"no repeat, short":         {sampler.NoRepeat(proposing(1)), grid4, "sampler: sampler.Func proposed 1 coordinates for 2 parameters"},
		"no repeat, long":          {sampler.NoRepeat(proposing(1, 2, 3)), grid4, "sampler: sampler.Func proposed 3 coordinates for 2 parameters"},
		"no repeat of a continuum": {sampler.NoRepeat(proposing()), space.Of(x), "sampler: sampler.Func proposed 0 coordinates for 1 parameters"},
		"both":                     {sampler.Fixed(sampler.NoRepeat(proposing()), depth.At(1)), grid4, "sampler: sampler.Func proposed 0 coordinates for 1 parameters"},
		"fixed of nothing":         {sampler.Fixed(nil, depth.At(1)), grid4, "there is no sampler to build on"},
		"no repeat of nothing":     {sampler.NoRepeat(nil), grid4, "there is no sampler to build on"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := c.s.Sample(t.Context(), request(history(), 0, c.of))
			require.ErrorContains(t, err, c.says)
			assert.Empty(t, p)
		})
	}
}

func TestValidateIsPassedOn(t *testing.T) {
	bad := qmc.Sampler{Sequence: 9}
	for name, tc := range map[string]struct {
		s  sampler.Sampler
		ok bool
	}{
		"fixed, good":        {sampler.Fixed(random.Sampler{}), true},
		"fixed, bad":         {sampler.Fixed(bad), false},
		"fixed, nothing":     {sampler.Fixed(nil), false},
		"no repeat, good":    {sampler.NoRepeat(qmc.Sampler{}), true},
		"no repeat, bad":     {sampler.NoRepeat(bad), false},
		"no repeat, nothing": {sampler.NoRepeat(nil), false},
		"nested":             {sampler.Fixed(sampler.NoRepeat(bad)), false},
	} {
		err := tc.s.(sampler.Validator).Validate()
		if tc.ok {
			assert.NoError(t, err, name)
		} else {
			assert.ErrorIs(t, err, sampler.ErrInvalid, name)
		}
	}
}

// run runs a study to its end, some workers at a time, and returns its points.
func run(t *testing.T, s sampler.Sampler, axes space.Space, given space.Params, workers int) (points []string) {
	t.Helper()
	h := trial.NewHistory(trial.Header{Seed: 1})
	whole := append(slices.Clone(given.Space), axes...)
	var running []trial.Record
	for number := 0; ; number++ {
		require.Less(t, number, 1000)
		exhausted := s.(sampler.Finite).Exhausted(whole, h.Snapshot())
		h.Put(trial.Record{Number: number, State: trial.Running}) // the trial itself is among the running
		r := request(h.Snapshot(), number, axes)
		r.Given = given
		p, err := s.Sample(t.Context(), r)
		if exhausted {
			require.ErrorIs(t, err, sampler.ErrExhausted)
			return points
		}
		require.NoError(t, err)
		points = append(points, fmt.Sprint(p.Point))
		own, err := params(slices.Clone(given.Space), slices.Clone(given.Point)...).Join(params(axes, p.Point...))
		require.NoError(t, err)
		rec := record(number, trial.Running, own)
		rec.Notes = p.Notes
		h.Put(rec)
		if running = append(running, rec); len(running) == workers {
			i := number * 7 % workers
			h.Put(record(running[i].Number, []trial.State{trial.Complete, trial.Pruned, trial.Failed}[number%3], running[i].Params))
			running = slices.Delete(running, i, i+1)
		}
	}
}

func distinct(points []string) int { return len(slices.Compact(slices.Sorted(slices.Values(points)))) }

func TestNoRepeatVisitsAll(t *testing.T) {
	stuck := sampler.Func(func(_ context.Context, r sampler.Request) (sampler.Proposal, error) {
		p := sampler.Proposal{Notes: trial.Attrs{{Key: "stuck", JSON: "1"}}}
		for _, a := range r.Space {
			p.Point = append(p.Point, a.Distribution.At(0))
		}
		return p, nil
	})
	for name, inner := range map[string]sampler.Sampler{
		"random": random.Sampler{}, "sobol": qmc.Sampler{}, "always the same": stuck,
		"grid": grid.Of(grid.All(depth, act)...),
	} {
		for _, workers := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s, %d workers", name, workers), func(t *testing.T) {
				points := run(t, sampler.NoRepeat(inner), grid4, space.Params{}, workers)
				assert.Len(t, points, 12)
				assert.Equal(t, 12, distinct(points))
				if name == "random" || name == "always the same" {
					points = run(t, sampler.NoRepeat(inner), grid4, params(space.Of(one), 7), workers)
					assert.Equal(t, 12, distinct(points), "beside a parameter with a single value")
				}
			})
		}
	}
}

func TestFixedNoRepeat(t *testing.T) {
	for _, inner := range []sampler.Sampler{sampler.NoRepeat(random.Sampler{}), grid.Of(grid.All(depth, act)...)} {
		points := run(t, sampler.Fixed(inner, act.At("tanh")), grid4, space.Params{}, 2)
		assert.ElementsMatch(t, []string{"[1 1]", "[2 1]", "[3 1]", "[4 1]"}, points)
	}
	assert.False(t, sampler.Fixed(random.Sampler{}, depth.At(1)).(sampler.Finite).Exhausted(grid4, history()), "random is not finite")
}

func TestNoRepeatSeen(t *testing.T) {
	two := space.Of(space.Categorical("c", "a", "b")) // of which the trial below has "a"
	a := params(two, 0)
	other, err := params(two, 0).Join(params(space.Of(depth), 1))
	require.NoError(t, err)
	single, err := params(two, 0).Join(params(space.Of(one), 7))
	require.NoError(t, err)
	fixed := []space.Setting{{Name: "c", Value: `"a"`}}
	for _, tc := range []struct {
		name string
		r    trial.Record
		seen bool
	}{
		{"complete", record(0, trial.Complete, a), true},
		{"pruned", record(0, trial.Pruned, a), true},
		{"failed", record(0, trial.Failed, a), true},
		{"failed before it asked", record(0, trial.Failed, space.Params{}), false},
		{"running", record(0, trial.Running, a), true},
		{"running, proposed", trial.Record{State: trial.Running, Proposed: fixed}, true},
		{"running, enqueued", trial.Record{State: trial.Running, Fixed: fixed}, true},
		{"waiting", trial.Record{State: trial.Waiting, Fixed: fixed}, true},
		{"waiting, and more that varies", trial.Record{State: trial.Waiting, Fixed: append(fixed[:1:1], depth.At(1))}, false},
		{"waiting, for an unknown value", trial.Record{State: trial.Waiting, Fixed: []space.Setting{{Name: "c", Value: `"z"`}}}, false},
		{"has more that varies", record(0, trial.Complete, other), false},
		{"has more with a single value", record(0, trial.Complete, single), true},
		{"other choices", record(0, trial.Complete, params(space.Of(space.Categorical("c", "z", "b")), 0)), false},
		{"the same choice elsewhere", record(0, trial.Complete, params(space.Of(space.Categorical("c", "z", "a")), 1)), true},
		{"the trial itself", record(5, trial.Running, a), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			always := sampler.Func(func(context.Context, sampler.Request) (sampler.Proposal, error) {
				return sampler.Proposal{Point: []float64{0}}, nil
			})
			p, err := sampler.NoRepeat(always).Sample(t.Context(), request(history(tc.r), 5, two))
			require.NoError(t, err)
			assert.Equal(t, tc.seen, p.Point[0] == 1)
		})
	}
}

func TestNoRepeatGiven(t *testing.T) {
	var rs []trial.Record
	for i := range 4 {
		p, err := params(space.Of(act), 0).Join(params(space.Of(depth), float64(i+1)))
		require.NoError(t, err)
		rs = append(rs, record(i, trial.Complete, p))
	}
	s := sampler.NoRepeat(random.Sampler{})
	ask := func(h trial.Snapshot) sampler.Proposal {
		r := request(h, 9, space.Of(depth))
		r.Given = params(space.Of(act), 0)
		p, err := s.Sample(t.Context(), r)
		require.NoError(t, err)
		return p
	}
	assert.Equal(t, []float64{3}, ask(history(rs[0], rs[1], rs[3])).Point, "the one that is left beside what is given")
	assert.NotEmpty(t, ask(history(rs...)).Point, "none is left, and what is given cannot be changed")

	_, err := s.Sample(t.Context(), request(history(rs...), 9, space.Of(depth)))
	assert.NoError(t, err, "depth alone is no configuration of these trials")
}

func TestNoRepeatPassesThrough(t *testing.T) {
	for name, axes := range map[string]space.Space{
		"a continuum": space.Of(depth, x),
		"too many":    space.Of(space.Int("a", 0, 1<<27), space.Int("b", 0, 1<<27)),
	} {
		s := sampler.NoRepeat(random.Sampler{})
		p, err := s.Sample(t.Context(), request(history(), 1, axes))
		require.NoError(t, err)
		want, err := random.Sampler{}.Sample(t.Context(), request(history(), 1, axes))
		require.NoError(t, err)
		assert.Equal(t, want, p, name)
		assert.False(t, s.(sampler.Finite).Exhausted(axes, history()), name)
	}
	conditional := space.Of(act, depth.When(act.Is("relu")))
	assert.False(t, sampler.NoRepeat(random.Sampler{}).(sampler.Finite).Exhausted(conditional, history()))
	assert.False(t, sampler.NoRepeat(random.Sampler{}).(sampler.Finite).Exhausted(nil, history()))
}

// An index that is kept while a history grows gives the same answers as a new one, whichever of two histories comes
// next, and in whatever order their trials finish.
func TestNoRepeatIncremental(t *testing.T) {
	axes := space.Of(space.Int("a", 0, 30), space.Int("b", 0, 30))
	kept := sampler.NoRepeat(random.Sampler{})
	h := []*trial.History{trial.NewHistory(trial.Header{Seed: 1}), trial.NewHistory(trial.Header{Seed: 2})}
	var done [2][]trial.Record
	for number := range 300 {
		k := number / 3 % 2
		p, err := kept.Sample(t.Context(), request(h[k].Snapshot(), number, axes))
		require.NoError(t, err)
		rebuilt := trial.NewHistory(trial.Header{Seed: uint64(k)})
		for _, r := range slices.Backward(done[k]) {
			rebuilt.Put(r)
		}
		want, err := sampler.NoRepeat(random.Sampler{}).Sample(t.Context(), request(rebuilt.Snapshot(), number, axes))
		require.NoError(t, err)
		require.Equal(t, want, p)
		r := record(number, trial.Complete, params(axes, p.Point...))
		h[k].Put(r)
		done[k] = append(done[k], r)
	}
}

// If a sampler repeats itself, a uniform draw from the remaining configurations replaces its proposal.
func TestNoRepeatIsUniform(t *testing.T) {
	axes := space.Of(depth)
	first := sampler.Func(func(context.Context, sampler.Request) (sampler.Proposal, error) {
		return sampler.Proposal{Point: []float64{2}}, nil
	})
	h := history(record(0, trial.Complete, params(axes, 2)))
	var counts [5]float64
	const n = 3000
	for number := range n {
		p, err := sampler.NoRepeat(first).Sample(t.Context(), request(h, number+1, axes))
		require.NoError(t, err)
		assert.Empty(t, p.Notes)
		counts[int(p.Point[0])]++
	}
	chi2 := 0.0
	for _, i := range []int{1, 3, 4} {
		chi2 += (counts[i] - n/3.) * (counts[i] - n/3.) / (n / 3.)
	}
	assert.Less(t, chi2, 13.82, "χ² with 2 degrees of freedom, 99.9 %")
	assert.Zero(t, counts[2])

	millions := space.Of(space.Int("a", 0, 2000), space.Int("b", 0, 2000))
	corner := sampler.Func(func(context.Context, sampler.Request) (sampler.Proposal, error) {
		return sampler.Proposal{Point: []float64{0, 0}}, nil
	})
	h = history(record(0, trial.Complete, params(millions, 0, 0)), record(1, trial.Complete, params(millions, 2000, 2000)))
	mean := 0.0
	for number := range n {
		p, err := sampler.NoRepeat(corner).Sample(t.Context(), request(h, number+2, millions))
		require.NoError(t, err)
		mean += (p.Point[0] + p.Point[1]) / (2 * n)
	}
	assert.InDelta(t, 1000, mean, 3.3*2001/math.Sqrt(12*2*n), "99.9 % of means")
}

func BenchmarkNoRepeat(b *testing.B) {
	axes := space.Of(space.Int("a", 0, 2000), space.Int("b", 0, 2000), depth)
	h := trial.NewHistory(trial.Header{})
	for i := range 1000 {
		h.Put(record(i, trial.Complete, params(axes, float64(i), float64(2*i), 1)))
	}
	s := sampler.NoRepeat(random.Sampler{})
	r := request(h.Snapshot(), 1000, axes)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = s.Sample(b.Context(), r)
	}
}
