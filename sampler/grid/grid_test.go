package grid_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/sampler"
	"github.com/attune-hpo/attune/sampler/grid"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

var (
	lr    = space.Float("lr", 1e-6, 1, space.Log())
	depth = space.Int("depth", 1, 9)
	act   = space.Categorical("act", "relu", "tanh")
	all   = space.Of(lr, depth, act)
)

// twelve is a grid of 2 x 3 x 2 points.
func twelve() []space.Setting {
	return []space.Setting{
		lr.At(0.1), lr.At(1e-5), depth.At(1), depth.At(2), depth.At(3), act.At("relu"), act.At("tanh"),
	}
}

func ExampleNew() {
	s := grid.New(grid.Config{Values: []space.Setting{lr.At(0.1), lr.At(0.01), depth.At(3), depth.At(5)}, InOrder: true})
	axes := space.Of(lr, depth)
	for number := range s.Len() {
		p, err := s.Sample(context.Background(), sampler.Request{Number: number, Space: axes})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(space.Params{Space: axes, Point: p.Point}.Settings())
	}
	// Output:
	// [{lr 0.1} {depth 3}]
	// [{lr 0.01} {depth 3}]
	// [{lr 0.1} {depth 5}]
	// [{lr 0.01} {depth 5}]
}

// Each point comes once, in an order that follows from the study's seed.
func ExampleOf() {
	s := grid.Of(depth.At(3), depth.At(5), act.At("relu"))
	fmt.Println(s.Len(), "points")
	// Output: 2 points
}

func ExampleAll() {
	s := grid.Of(append(grid.All(depth, act), lr.At(0.1))...)
	fmt.Println(s.Len(), "points")
	// Output: 18 points
}

// A study is what a sampler sees of one.
type study struct {
	t    testing.TB
	h    *trial.History
	s    *grid.Sampler
	next int
}

func newStudy(t testing.TB, seed uint64, s *grid.Sampler) *study {
	return &study{t: t, h: trial.NewHistory(trial.Header{Seed: seed}), s: s}
}

func (st *study) request(number int, axes space.Space, given space.Params) sampler.Request {
	return sampler.Request{Number: number, Space: axes, Given: given, History: st.h.Snapshot(), Rand: rand.New(rand.NewPCG(1, uint64(number)))}
}

// start begins a trial; ok is false when the grid is exhausted, on which Sample
// and Exhausted must agree.
func (st *study) start(axes space.Space) (r trial.Record, ok bool) {
	exhausted := st.s.Exhausted(axes, st.h.Snapshot())
	p, err := st.s.Sample(st.t.Context(), st.request(st.next, axes, space.Params{}))
	if exhausted {
		require.ErrorIs(st.t, err, sampler.ErrExhausted)
		return r, false
	}
	require.NoError(st.t, err)
	r = trial.Record{Number: st.next, State: trial.Running, Params: space.Params{Space: axes, Point: p.Point}, Notes: p.Notes}
	st.h.Put(r)
	st.next++
	return r, true
}

func (st *study) finish(r trial.Record, s trial.State) {
	r.State = s
	if s == trial.Complete {
		r.Values = []float64{0}
	}
	st.h.Put(r)
}

func key(p space.Params) string { return fmt.Sprint(p.Settings()) }

// run runs the study to its end, some workers at a time, and returns the points.
func (st *study) run(axes space.Space, workers int) (points []string) {
	var running []trial.Record
	for {
		r, ok := st.start(axes)
		if ok {
			points = append(points, key(r.Params))
			running = append(running, r)
		}
		for len(running) >= workers || !ok && len(running) > 0 {
			i := len(points) * 7 % len(running) // in any order
			st.finish(running[i], []trial.State{trial.Complete, trial.Pruned, trial.Failed}[len(points)%3])
			running = slices.Delete(running, i, i+1)
		}
		if !ok {
			return points
		}
	}
}

func distinct(points []string) int { return len(slices.Compact(slices.Sorted(slices.Values(points)))) }

func TestEveryPointOnce(t *testing.T) {
	for _, workers := range []int{1, 2, 5, 12, 20} {
		points := newStudy(t, 4, grid.Of(twelve()...)).run(all, workers)
		assert.Len(t, points, 12, "%d workers", workers)
		assert.Equal(t, 12, distinct(points), "%d workers", workers)
	}
}

func TestOrder(t *testing.T) {
	inOrder := newStudy(t, 1, grid.New(grid.Config{Values: twelve(), InOrder: true})).run(all, 1)
	assert.Equal(t, []string{
		"[{lr 0.1} {depth 1} {act relu}]", "[{lr 1e-05} {depth 1} {act relu}]",
		"[{lr 0.1} {depth 2} {act relu}]", "[{lr 1e-05} {depth 2} {act relu}]",
	}, inOrder[:4], "by name: act, depth, lr; the last changes fastest")

	one, again, two := newStudy(t, 1, grid.Of(twelve()...)).run(all, 1), newStudy(t, 1, grid.Of(twelve()...)).run(all, 1), newStudy(t, 2, grid.Of(twelve()...)).run(all, 1)
	assert.Equal(t, one, again)
	assert.NotEqual(t, one, two, "another seed, another order")
	assert.NotEqual(t, one, inOrder)
	assert.ElementsMatch(t, inOrder, one)
}

// The order of the declaration, and the order in which values are named, do not affect which point a trial gets, if the
// names and values are the same.
func TestOrderOfDeclaration(t *testing.T) {
	a := newStudy(t, 1, grid.Of(twelve()...))
	v := twelve()
	b := newStudy(t, 1, grid.Of(slices.Concat(v[5:], v[2:5], v[:2])...))
	for range 12 {
		r, _ := a.start(all)
		q, _ := b.start(space.Of(act, lr, depth))
		for _, name := range []string{"lr", "depth", "act"} {
			want, _ := r.Get(name)
			got, _ := q.Get(name)
			assert.Equal(t, want, got)
		}
	}
}

// An older view of a history knows nothing of later trials.
func TestOlderSnapshot(t *testing.T) {
	st := newStudy(t, 9, grid.Of(twelve()...))
	empty := st.h.Snapshot()
	st.run(all, 1)
	assert.True(t, st.s.Exhausted(all, st.h.Snapshot()))
	assert.False(t, st.s.Exhausted(all, empty))
	assert.True(t, st.s.Exhausted(all, st.h.Snapshot()))
}

// Parameters that are drawn one by one, as in an objective that declares no space, get the values of one point,
// whatever points are taken.
func TestDrawnOneByOne(t *testing.T) {
	joint, alone := newStudy(t, 5, grid.Of(twelve()...)), newStudy(t, 5, grid.Of(twelve()...))
	for i, enqueued := range []int{3, 8} { // so that some trials find their point taken
		p, err := joint.s.Sample(t.Context(), joint.request(enqueued, all, space.Params{}))
		require.NoError(t, err)
		for _, st := range []*study{joint, alone} {
			st.next = i
			st.finish(trial.Record{Number: i, Params: space.Params{Space: all, Point: p.Point}}, trial.Complete)
			st.next = i + 1
		}
	}
	for {
		want, ok := joint.start(all)
		if !ok {
			break
		}
		var given space.Params
		for _, i := range []int{1, 2, 0} {
			p, err := alone.s.Sample(t.Context(), alone.request(alone.next, all[i:i+1:i+1], given))
			require.NoError(t, err)
			assert.Equal(t, want.Notes, p.Notes)
			given, err = given.Join(space.Params{Space: all[i : i+1 : i+1], Point: p.Point})
			require.NoError(t, err)
		}
		assert.Equal(t, want.Params.Point, []float64{given.Point[2], given.Point[0], given.Point[1]})
		joint.finish(want, trial.Complete)
		alone.finish(want, trial.Complete)
		alone.next++
	}
	assert.Equal(t, 12, joint.h.Snapshot().Len())
}

func TestWhatCountsAsVisited(t *testing.T) {
	two := []space.Setting{depth.At(1), depth.At(2)}
	at := func(depthIs float64, s trial.State) trial.Record {
		return trial.Record{State: s, Params: space.Params{Space: space.Of(depth), Point: []float64{depthIs}}}
	}
	notes := func() trial.Attrs { // of a trial at depth 1
		p, err := grid.New(grid.Config{Values: two, InOrder: true}).Sample(t.Context(), sampler.Request{Space: space.Of(depth)})
		require.NoError(t, err)
		return p.Notes
	}()
	for _, tc := range []struct {
		name string
		r    trial.Record
		left int
	}{
		{"complete", at(1, trial.Complete), 1},
		{"pruned", at(1, trial.Pruned), 1},
		{"failed", at(1, trial.Failed), 1},
		{"running", at(1, trial.Running), 1},
		{"not on the grid", at(7, trial.Complete), 2},
		{"failed before it asked, but noted", trial.Record{State: trial.Failed, Notes: notes}, 1},
		{"failed before it asked", trial.Record{State: trial.Failed}, 2},
		{"running, noted", trial.Record{State: trial.Running, Notes: notes}, 1},
		{"running, proposed", trial.Record{State: trial.Running, Proposed: []space.Setting{depth.At(1)}}, 1},
		{"waiting", trial.Record{State: trial.Waiting, Fixed: []space.Setting{depth.At(2)}}, 1},
		{"waiting, something else", trial.Record{State: trial.Waiting, Fixed: []space.Setting{lr.At(0.5)}}, 2},
		{"waiting, not on the grid", trial.Record{State: trial.Waiting, Fixed: []space.Setting{depth.At(5)}}, 2},
		{"noted for another grid", trial.Record{State: trial.Failed, Notes: trial.Attrs{{Key: "search_space", JSON: `{"depth": [1, 3]}`}, {Key: "grid_id", JSON: "0"}}}, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			st := newStudy(t, 1, grid.Of(two...))
			tc.r.Number = 99
			if tc.r.State == trial.Complete {
				tc.r.Values = []float64{1}
			}
			st.h.Put(tc.r)
			assert.Len(t, st.run(space.Of(depth), 1), tc.left)
		})
	}
}

// In a conditional space, a point is visited once for the parameters that a trial suggests.
func TestConditional(t *testing.T) {
	st := newStudy(t, 1, grid.Of(act.At("relu"), act.At("tanh"), depth.At(1), depth.At(2), depth.At(3)))
	for {
		if st.s.Exhausted(nil, st.h.Snapshot()) {
			break
		}
		axes := space.Of(act)
		p, err := st.s.Sample(t.Context(), st.request(st.next, axes, space.Params{}))
		require.NoError(t, err)
		params := space.Params{Space: axes, Point: p.Point}
		if p.Point[0] == 1 { // only tanh has a depth
			p, err = st.s.Sample(t.Context(), st.request(st.next, space.Of(depth), params))
			require.NoError(t, err)
			params, err = params.Join(space.Params{Space: space.Of(depth), Point: p.Point})
			require.NoError(t, err)
		}
		st.finish(trial.Record{Number: st.next, Params: params, Notes: p.Notes}, trial.Complete)
		st.next++
	}
	assert.Equal(t, 1+3, st.next, "relu, and tanh with three depths")
}

func TestEnqueued(t *testing.T) {
	st := newStudy(t, 2, grid.Of(twelve()...))
	fixed := func(v float64) space.Params { return space.Params{Space: space.Of(depth), Point: []float64{v}} }
	rest := space.Of(lr, act)

	p, err := st.s.Sample(t.Context(), st.request(0, rest, fixed(3)))
	require.NoError(t, err)
	assert.Len(t, p.Notes, 2, "a point of the grid")

	p, err = st.s.Sample(t.Context(), st.request(0, rest, fixed(8)))
	require.NoError(t, err)
	assert.Contains(t, []float64{0.1, 1e-5}, p.Point[0], "what is not fixed is from the grid")
	assert.Empty(t, p.Notes, "but the whole is no point of it")

	for range 4 { // all that agree with the one setting
		p, err = st.s.Sample(t.Context(), st.request(st.next, rest, fixed(3)))
		require.NoError(t, err)
		params, err := fixed(3).Join(space.Params{Space: rest, Point: p.Point})
		require.NoError(t, err)
		st.finish(trial.Record{Number: st.next, Params: params}, trial.Complete)
		st.next++
	}
	_, err = st.s.Sample(t.Context(), st.request(st.next, rest, fixed(3)))
	require.ErrorIs(t, err, sampler.ErrExhausted)
	assert.Len(t, st.run(all, 1), 8, "the others are left")
}

// Only some points of the grid lie in the space that is searched.
func TestExhaustedWithin(t *testing.T) {
	st := newStudy(t, 1, grid.Of(depth.At(1), depth.At(2), act.At("relu"), act.At("tanh")))
	relu := space.Of(space.Categorical("act", "relu"), depth)
	for i := range 2 {
		assert.False(t, st.s.Exhausted(relu, st.h.Snapshot()))
		st.finish(trial.Record{Number: i, Params: space.Params{Space: space.Of(act, depth), Point: []float64{0, float64(i + 1)}}}, trial.Complete)
	}
	assert.True(t, st.s.Exhausted(relu, st.h.Snapshot()))
	assert.False(t, st.s.Exhausted(nil, st.h.Snapshot()))
}

func TestErrors(t *testing.T) {
	sample := func(s *grid.Sampler, axes space.Space) error {
		_, err := s.Sample(t.Context(), sampler.Request{Space: axes})
		return err
	}
	for _, tc := range []struct {
		name string
		err  error
		is   error
		text string
	}{
		{"no values", grid.Of().Validate(), sampler.ErrInvalid, "grid: invalid settings: no values: name some"},
		{"and so says Sample", sample(grid.Of(), all), sampler.ErrInvalid, "grid: invalid settings: no values: name some"},
		{"a value twice", grid.Of(depth.At(1), depth.At(1)).Validate(), sampler.ErrInvalid, `grid: invalid settings: value 1 of parameter "depth" is duplicated: name it once`},
		{
			"too many points", grid.Of(grid.All(space.Int("a", 1, 2000), space.Int("b", 1, 2000))...).Validate(), sampler.ErrInvalid,
			"grid: invalid settings: more than 1048576 points: name fewer values, or use package random",
		},
		{
			"a parameter that the grid lacks", sample(grid.Of(depth.At(1)), all), sampler.ErrInvalid,
			`grid: parameter "lr": invalid settings: the grid has no values for it: name some, or fix it`,
		},
		{
			"a value outside", sample(grid.Of(depth.At(1), depth.At(10)), space.Of(depth)), space.ErrOutside,
			`grid: parameter "depth": value outside the distribution: 10 is not in int [1, 9]`,
		},
		{
			"two literals of one value", sample(grid.Of(space.Setting{Name: "lr", Value: "1"}, lr.At(1)), space.Of(lr)), sampler.ErrInvalid,
			`grid: parameter "lr": invalid settings: 1 and 1.0 are the same value: name it once`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.ErrorIs(t, tc.err, tc.is)
			assert.EqualError(t, tc.err, tc.text)
		})
	}
	require.NoError(t, grid.Of(twelve()...).Validate())
	assert.Panics(t, func() { grid.All(lr) }, "a continuum cannot be listed")
}

// The notes of each point are those that Optuna 5.0.0 writes for it, so its
// GridSampler knows which of its points are done; see testdata/README.md.
func TestNotesAreThoseOfOptuna(t *testing.T) {
	text, err := os.ReadFile("testdata/optuna.json")
	require.NoError(t, err)
	var golden []struct {
		Params map[string]any
		Attrs  map[string]json.RawMessage
	}
	require.NoError(t, json.Unmarshal(text, &golden))
	require.Len(t, golden, 30)

	x, c, f := space.Int("x", 1, 5), space.Categorical("c", "a", "é"), space.Float("lr", 1e-6, 1)
	axes := space.Of(x, c, f)
	values := []space.Setting{f.At(0.1), f.At(1e-5), f.At(1), x.At(5), x.At(1), x.At(2), x.At(3), x.At(4), c.At("a"), c.At("é")}
	notes := map[string]trial.Attrs{}
	st := newStudy(t, 8, grid.Of(values...))
	for {
		r, ok := st.start(axes)
		if !ok {
			break
		}
		notes[key(r.Params)] = r.Notes
		st.finish(r, trial.Complete)
	}
	for _, g := range golden {
		p := fmt.Sprintf("[{x %v} {c %v} {lr %s}]", g.Params["x"], g.Params["c"], f.At(g.Params["lr"].(float64)).Value)
		require.Contains(t, notes, p)
		for _, name := range []string{"grid_id", "search_space"} {
			note, ok := notes[p].Get(name)
			require.True(t, ok)
			assert.Equal(t, string(g.Attrs[name]), note.JSON)
		}
	}

	// The other way round: attune does not repeat what Optuna did before.
	st = newStudy(t, 8, grid.Of(values...))
	for i, g := range golden[:20] {
		r := trial.Record{Number: i}
		for name, v := range g.Attrs {
			r.Notes = r.Notes.With(trial.Attr{Key: name, JSON: string(v)})
		}
		st.finish(r, trial.Failed)
		st.next++
	}
	assert.Len(t, st.run(axes, 3), 10)
}

func BenchmarkSample(b *testing.B) {
	s := grid.Of(grid.All(space.Int("a", 1, 100), space.Int("b", 1, 100))...)
	axes := space.Of(space.Int("a", 1, 100), space.Int("b", 1, 100))
	st := newStudy(b, 1, s)
	for range 1000 {
		r, _ := st.start(axes)
		st.finish(r, trial.Complete)
	}
	r := st.request(1000, axes, space.Params{})
	b.ReportAllocs()
	for b.Loop() {
		_, _ = s.Sample(b.Context(), r)
	}
}
