package trial_test

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

func finished(number int, state trial.State, values ...float64) trial.Record {
	return trial.Record{Number: number, State: state, Values: values, Finished: time.Unix(int64(1000+number), 0)}
}

func put(s trial.Header, rs ...trial.Record) trial.Snapshot {
	h := trial.NewHistory(s)
	for _, r := range rs {
		h.Put(r)
	}
	return h.Snapshot()
}

func numbers(rs []trial.Record) []int {
	out := []int{}
	for _, r := range rs {
		out = append(out, r.Number)
	}
	return out
}

func TestEmptyHistories(t *testing.T) {
	for name, s := range map[string]trial.Snapshot{"zero snapshot": {}, "zero history": new(trial.History).Snapshot(), "new history": trial.NewHistory(trial.Header{}).Snapshot()} {
		t.Run(name, func(t *testing.T) {
			_, ok := s.Best()
			assert.False(t, ok)
			_, ok = s.Axis("x")
			assert.False(t, ok)
			assert.Zero(t, s.Len()+s.Count(trial.Complete)+s.Count(trial.Running))
			assert.Empty(t, s.Front())
			assert.Empty(t, s.Common())
			assert.Empty(t, s.Groups())
			assert.Empty(t, s.Records())
			assert.Empty(t, s.CompletedAt(0))
			assert.Empty(t, s.Column(0, nil))
			assert.Empty(t, s.Scope("even", nil).Records())
			assert.Equal(t, -1, s.Horizon())
			assert.Equal(t, 1, s.Objectives())
			assert.Nil(t, s.ID())
		})
	}
	var h trial.History
	h.Put(finished(0, trial.Complete, 1))
	best, ok := h.Snapshot().Best()
	assert.True(t, ok, "the zero history is ready to use")
	assert.Zero(t, best.Number)
}

func TestBest(t *testing.T) {
	inf := math.Inf(1)
	infeasible := finished(0, trial.Complete, -9)
	infeasible.Constraints = []trial.Constraint{{"c", 0.1}}
	unknown := finished(1, trial.Complete, -9)
	unknown.Constraints = []trial.Constraint{{"c", math.NaN()}}
	met := finished(2, trial.Complete, 3)
	met.Constraints = []trial.Constraint{{"c", 0}}
	tests := map[string]struct {
		d    trial.Direction
		rs   []trial.Record
		want int // -1: none
	}{
		"least":              {trial.Minimize, []trial.Record{finished(0, trial.Complete, 2), finished(1, trial.Complete, 1), finished(2, trial.Complete, 3)}, 1},
		"greatest":           {trial.Maximize, []trial.Record{finished(0, trial.Complete, 2), finished(1, trial.Complete, 1), finished(2, trial.Complete, 3)}, 2},
		"first of equals":    {trial.Minimize, []trial.Record{finished(5, trial.Complete, 1), finished(3, trial.Complete, 1), finished(4, trial.Complete, 1)}, 3},
		"signs of zero":      {trial.Minimize, []trial.Record{finished(0, trial.Complete, 0), finished(1, trial.Complete, math.Copysign(0, -1))}, 0},
		"infinite":           {trial.Minimize, []trial.Record{finished(0, trial.Complete, inf)}, 0},
		"-infinite":          {trial.Minimize, []trial.Record{finished(0, trial.Complete, 1), finished(1, trial.Complete, -inf)}, 1},
		"not pruned, failed": {trial.Minimize, []trial.Record{finished(0, trial.Pruned, 1), finished(1, trial.Failed), finished(2, trial.Complete, 2)}, 2},
		"feasible":           {trial.Minimize, []trial.Record{infeasible, unknown, met, finished(3, trial.Complete, 4)}, 2},
		"none feasible":      {trial.Minimize, []trial.Record{infeasible, unknown}, -1},
		"two values for one": {trial.Minimize, []trial.Record{finished(0, trial.Complete, 1, 2)}, -1},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			s := put(trial.Header{Directions: []trial.Direction{c.d}}, c.rs...)
			best, ok := s.Best()
			assert.Equal(t, c.want >= 0, ok)
			if ok {
				assert.Equal(t, c.want, best.Number)
			}
		})
	}
	_, ok := put(trial.Header{Directions: make([]trial.Direction, 2)}, finished(0, trial.Complete, 1, 2)).Best()
	assert.False(t, ok, "two objectives have a front")
}

func TestSummary(t *testing.T) {
	at := func(second int) time.Time { return time.Date(2026, 11, 30, 12, 0, second, 0, time.UTC) }
	note, err := trial.NewAttr(trial.InterruptedKey, true)
	require.NoError(t, err)
	rs := []trial.Record{
		{Number: 0, State: trial.Complete, Values: []float64{3}, Started: at(5), Finished: at(9)},
		{Number: 1, State: trial.Complete, Values: []float64{7}, Started: at(6), Finished: at(8)},
		{Number: 2, State: trial.Pruned, Started: at(6), Finished: at(30)},
		{Number: 3, State: trial.Failed, Started: at(2), Finished: at(40)},
		{Number: 4, State: trial.Failed, Started: at(3), Finished: at(7), Notes: trial.Attrs{note}},
		{Number: 5, State: trial.Failed}, // enqueued and never begun
		{Number: 6, State: trial.Running, Started: at(1), Notes: trial.Attrs{note}},
		{Number: 7, State: trial.Waiting},
		{Number: 8, State: trial.Waiting},
	}
	header := trial.Header{Name: "s", Directions: []trial.Direction{trial.Maximize}}
	h := put(header, rs...)
	assert.Equal(t, trial.Summary{
		Header: header, Complete: 2, Pruned: 1, Failed: 2, Interrupted: 1, Running: 1, Waiting: 2,
		Best: &rs[1], Begun: at(2), Latest: at(40), Took: 30 * time.Second,
	}, h.Summary())
	assert.Equal(t, 3, h.Evaluated())
	assert.Equal(t, 1, h.Interrupted())
	assert.Equal(t, 3, h.Count(trial.Failed))

	some := h.Scope("the first three", func(number int) bool { return number < 3 })
	assert.Equal(t, 3, some.Evaluated())
	assert.Zero(t, some.Interrupted())
	assert.Equal(t, at(5), some.Summary().Begun)

	assert.Equal(t, trial.Summary{}, trial.Snapshot{}.Summary())
	assert.Nil(t, put(trial.Header{Directions: make([]trial.Direction, 2)}, finished(0, trial.Complete, 1, 2)).Summary().Best, "two objectives have a front")
}

func TestFrontIsThatOfBruteForce(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		study := trial.Header{Directions: make([]trial.Direction, 1+rng.IntN(3))}
		for i := range study.Directions {
			study.Directions[i] = trial.Direction(rng.IntN(2))
		}
		var rs []trial.Record
		for n := range rng.IntN(40) {
			r := finished(n, trial.Complete)
			if rng.IntN(8) == 0 {
				r.State = trial.Pruned
			}
			for range study.Directions {
				r.Values = append(r.Values, []float64{0, 1, 2, 3, math.Inf(1), math.Inf(-1)}[rng.IntN(6)])
			}
			if rng.IntN(6) == 0 {
				r.Constraints = []trial.Constraint{{"c", float64(rng.IntN(2))}}
			}
			rs = append(rs, r)
		}
		dominates := func(a, b trial.Record) bool {
			strictly := false
			for k := range study.Directions {
				u, v := study.Direction(k).Loss(a.Values[k]), study.Direction(k).Loss(b.Values[k])
				if u > v {
					return false
				}
				strictly = strictly || u < v
			}
			return strictly
		}
		want := []int{}
		for _, r := range rs {
			fit := func(r trial.Record) bool { return r.State == trial.Complete && r.Feasible() }
			if fit(r) && !slices.ContainsFunc(rs, func(o trial.Record) bool { return fit(o) && dominates(o, r) }) {
				want = append(want, r.Number)
			}
		}
		rng.Shuffle(len(rs), func(i, j int) { rs[i], rs[j] = rs[j], rs[i] })
		require.Equal(t, want, numbers(put(study, rs...).Front()))
	}
}

// For random conditional spaces, Common and Groups agree with a comparison of all pairs, in whatever order the trials
// finish.
func TestCommonAndGroupsAreThoseOfBruteForce(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for range 300 {
		patterns := make([][]string, 1+rng.IntN(4))
		for i := range patterns {
			for _, name := range []string{"a", "b", "c", "d", "e"} {
				if rng.IntN(3) > 0 {
					patterns[i] = append(patterns[i], name)
				}
			}
		}
		var rs []trial.Record
		with := map[string][]bool{} // for each parameter: whether the n-th suitable trial has it
		bounds := map[string]map[int]bool{}
		for n := range 1 + rng.IntN(15) {
			r := finished(n, trial.Complete, 1)
			switch rng.IntN(5) {
			case 0:
				r.State = trial.Pruned
			case 1:
				r.State, r.Values = trial.Failed, nil
			}
			pattern := patterns[rng.IntN(len(patterns))]
			order := rng.Perm(len(pattern))
			for _, i := range order {
				high := 9
				if rng.IntN(30) == 0 {
					high = 8
				}
				r.Params.Space = append(r.Params.Space, space.Int(pattern[i], 0, high).Axis())
				r.Params.Point = append(r.Params.Point, 0)
				if r.State != trial.Failed {
					if bounds[pattern[i]] == nil {
						bounds[pattern[i]] = map[int]bool{}
					}
					bounds[pattern[i]][high] = true
				}
			}
			rs = append(rs, r)
			if r.State != trial.Failed {
				for _, name := range []string{"a", "b", "c", "d", "e"} {
					with[name] = append(with[name], slices.Contains(pattern, name))
				}
			}
		}
		common, groups := []string{}, map[string][]string{}
		for _, name := range slices.Sorted(maps.Keys(with)) {
			if !slices.Contains(with[name], true) {
				continue
			}
			if !slices.Contains(with[name], false) && len(bounds[name]) == 1 {
				common = append(common, name)
			}
			key := fmt.Sprint(with[name])
			groups[key] = append(groups[key], name)
		}
		want := slices.SortedFunc(maps.Values(groups), func(a, b []string) int { return cmp.Compare(a[0], b[0]) })
		for range 2 {
			s := put(trial.Header{}, rs...)
			require.Equal(t, common, names(s.Common()))
			var got [][]string
			for _, g := range s.Groups() {
				got = append(got, names(g))
			}
			require.Equal(t, want, got)
			rng.Shuffle(len(rs), func(i, j int) { rs[i], rs[j] = rs[j], rs[i] })
		}
	}
}

// The distribution of a parameter in Groups is that of the trial of the highest
// number that has it, in whatever order the trials finish and however many spaces
// there are: more than a pool keeps.
func TestGroupsHaveTheDistributionsOfTheLatest(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	for name, bounds := range map[string]int{"one space": 1, "a few": 5, "more than a pool keeps": 1000} {
		t.Run(name, func(t *testing.T) {
			var rs []trial.Record
			latest := map[string]space.Axis{}
			for n := range 200 {
				r := finished(n, trial.Complete, 1)
				for _, name := range []string{"c", "a", "b"} {
					if name == "b" && n%3 > 0 || name == "c" && n > 150 {
						continue
					}
					a := space.Int(name, 0, 1+rng.IntN(bounds)).Axis()
					latest[name] = a
					r.Params.Space, r.Params.Point = append(r.Params.Space, a), append(r.Params.Point, 0)
				}
				rs = append(rs, r)
			}
			want := []space.Space{{latest["a"]}, {latest["b"]}, {latest["c"]}}
			for range 10 {
				h := trial.NewHistory(trial.Header{})
				for i, r := range rs {
					h.Put(r)
					if i == 100 {
						before := h.Snapshot()
						said := fmt.Sprint(before.Groups())
						defer func() { assert.Equal(t, said, fmt.Sprint(before.Groups()), "a snapshot stays") }()
					}
				}
				s := h.Snapshot()
				require.Equal(t, want, s.Groups())
				require.Equal(t, bounds == 1, len(s.Common()) == 1)
				rng.Shuffle(len(rs), func(i, j int) { rs[i], rs[j] = rs[j], rs[i] })
			}
		})
	}
}

func names(s space.Space) []string {
	out := []string{}
	for _, a := range s {
		out = append(out, a.Name)
	}
	return out
}

func TestRecordsMayComeTwiceAndLate(t *testing.T) {
	h := trial.NewHistory(trial.Header{})
	waiting := trial.Record{Number: 1, Fixed: []space.Setting{{Name: "x", Value: "1"}}}
	running := waiting
	running.State, running.Reports = trial.Running, []trial.Report{{0, 1}}
	later := running
	later.Reports = []trial.Report{{0, 1}, {1, 2}}
	done := later
	done.State, done.Values = trial.Complete, []float64{5}
	other := done
	other.Values = []float64{1}

	count := func() []int {
		s := h.Snapshot()
		return []int{s.Count(trial.Waiting), s.Count(trial.Running), s.Count(trial.Complete), s.Len(), len(s.Records())}
	}
	h.Put(trial.Record{Number: 3})
	h.Put(waiting)
	h.Put(waiting)
	assert.Equal(t, []int{2, 0, 0, 0, 2}, count())
	assert.Equal(t, []int{1, 3}, numbers(h.Snapshot().Waiting()))
	h.Put(running)
	h.Put(waiting)
	assert.Equal(t, []int{1, 1, 0, 0, 2}, count(), "a running trial does not wait again")
	h.Put(later)
	assert.Len(t, h.Snapshot().Running()[0].Reports, 2)
	for _, r := range []trial.Record{done, done, other, running, waiting} {
		h.Put(r)
		assert.Equal(t, []int{1, 0, 1, 1, 2}, count(), "a finished trial stays as it was")
	}
	best, _ := h.Snapshot().Best()
	assert.Equal(t, 5.0, best.Values[0])
	assert.Equal(t, []int{1, 3}, numbers(h.Snapshot().Records()))
}

// Any order of records gives the same history, apart from the order of finishing.
func TestOrderOfRecordsDoesNotMatter(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	var rs []trial.Record
	for n := range 150 {
		r := finished(n, trial.State(rng.IntN(5)))
		r.Params = params(x, 1.0)
		if n%3 == 0 {
			r.Params = params(x, 1.0, y, 2.0)
		}
		if r.State == trial.Complete {
			r.Values = []float64{float64(rng.IntN(9))}
			r.Reports = []trial.Report{{n % 4, 1}, {n%4 + 3, 2}}
		}
		rs = append(rs, r)
	}
	say := func(s trial.Snapshot) string {
		best, _ := s.Best()
		at := slices.Sorted(slices.Values(s.CompletedAt(3)))
		return fmt.Sprint(s.Records(), numbers(s.Running()), numbers(s.Waiting()), best.Number, names(s.Common()), s.Groups(), numbers(s.Front()), at, s.Horizon())
	}
	want := say(put(trial.Header{}, rs...))
	for range 10 {
		rng.Shuffle(len(rs), func(i, j int) { rs[i], rs[j] = rs[j], rs[i] })
		require.Equal(t, want, say(put(trial.Header{}, rs...)))
	}
}

func TestAxisIsTheFirstSeen(t *testing.T) {
	wide := space.Float("x", 0, 99).Axis()
	failed, running := finished(0, trial.Failed), trial.Record{Number: 1, State: trial.Running, Params: params(wide, 1.0, y, 2.0)}
	failed.Params = params(x, 1.0)
	h := trial.NewHistory(trial.Header{})
	h.Put(failed)
	before := h.Snapshot()
	h.Put(running)
	a, ok := h.Snapshot().Axis("x")
	assert.True(t, ok)
	assert.Equal(t, x, a)
	_, ok = h.Snapshot().Axis("y")
	assert.True(t, ok, "running trials count")
	_, ok = before.Axis("y")
	assert.False(t, ok, "snapshots stay")
}

// A snapshot knows the axes of its own time, also while its history learns others.
func TestAxisWhileTheHistoryGrows(t *testing.T) {
	put := func(h *trial.History, n int) {
		r := finished(n, trial.Complete, 1)
		r.Params = space.Params{Space: space.Of(space.Int(fmt.Sprint("x", n), 0, 9)), Point: []float64{0}}
		h.Put(r)
	}
	const trials = 200
	h := trial.NewHistory(trial.Header{})
	put(h, 0)
	first := h.Snapshot()
	var reader sync.WaitGroup
	reader.Go(func() {
		for n := range trials {
			_, ok := first.Axis(fmt.Sprint("x", n))
			assert.Equal(t, n == 0, ok)
		}
	})
	for n := 1; n < trials; n++ {
		put(h, n)
	}
	reader.Wait()
	for n := range trials {
		_, ok := h.Snapshot().Axis(fmt.Sprint("x", n))
		assert.True(t, ok)
	}
}

func TestCompletedAtAndColumn(t *testing.T) {
	h := trial.NewHistory(trial.Header{})
	var views []trial.Snapshot
	want := map[int][][]float64{} // by step, as of each view
	for n := range 60 {
		r := finished(n, []trial.State{trial.Complete, trial.Complete, trial.Pruned, trial.Failed}[n%4])
		for step := n % 3; step < 9; step += 1 + n%2 {
			v := float64(100*n + step)
			if n == 5 {
				v = math.Inf(1)
			}
			r.Reports = append(r.Reports, trial.Report{Step: step, Value: v})
		}
		h.Put(r)
		views = append(views, h.Snapshot())
		for step := range 10 {
			var at []float64
			if n > 0 {
				at = slices.Clone(want[step][n-1])
			}
			if v, ok := r.ReportAt(step); ok && r.State == trial.Complete {
				at = append(at, v)
			}
			want[step] = append(want[step], at)
		}
	}
	calls := 0
	number := func(r *trial.Record) (float64, bool) { calls++; return float64(r.Number), r.State == trial.Pruned }
	for _, i := range []int{30, 10, 59, 0, 45, 30} { // older views after newer ones
		for step := range 10 {
			require.ElementsMatch(t, want[step][i], views[i].CompletedAt(step), "view %d, step %d", i, step)
		}
		column := views[i].Column("numbers", number)
		assert.Len(t, column, (i+2)/4)
		for k, v := range column {
			assert.Equal(t, float64(4*k+2), v)
		}
	}
	assert.Equal(t, 60, calls, "each record is asked once")
	got := views[10].CompletedAt(0)
	_ = append(got, -1) // appending does not change what newer views see
	require.ElementsMatch(t, want[0][59], views[59].CompletedAt(0))
}

func TestHorizon(t *testing.T) {
	at := func(number, second, last int) trial.Record {
		r := finished(number, trial.Complete, 1)
		r.Finished = time.Unix(int64(second), 0)
		r.Reports = []trial.Report{{0, 1}, {last, 1}}
		return r
	}
	silent := finished(0, trial.Complete, 1)
	silent.Finished = time.Unix(1, 0)
	pruned := at(1, 2, 50)
	pruned.State = trial.Pruned
	rs := []trial.Record{silent, pruned, at(4, 9, 10), at(3, 9, 20), at(2, 10, 30)}
	assert.Equal(t, 20, put(trial.Header{}, rs...).Horizon())
	slices.Reverse(rs)
	assert.Equal(t, 20, put(trial.Header{}, rs...).Horizon())
	assert.Equal(t, -1, put(trial.Header{}, silent, pruned).Horizon())
}

// A scope of any view is the history of its trials alone. It keeps its identity, so a sampler may continue to use its
// index.
func TestScope(t *testing.T) {
	even := func(n int) bool { return n%2 == 0 }
	study := trial.Header{Name: "s", Directions: []trial.Direction{trial.Maximize}}
	h, alone := trial.NewHistory(study), trial.NewHistory(study)
	var views, want []trial.Snapshot
	for n := range 300 {
		r := finished(n, trial.Complete, float64(n*7%50))
		r.Params = params(x, 1.0)
		r.Reports = []trial.Report{{n % 5, float64(n)}}
		switch {
		case n%11 == 0:
			r.State, r.Values = trial.Running, nil
		case n%13 == 0:
			r.State, r.Values = trial.Waiting, nil
		case n%17 == 0:
			r.Params = params(x, 1.0, y, 1.0)
		}
		h.Put(r)
		if even(n) {
			alone.Put(r)
		}
		views, want = append(views, h.Snapshot()), append(want, alone.Snapshot())
	}
	id := views[299].Scope("even", even).ID()
	require.NotNil(t, id)
	for _, i := range []int{299, 298, 290, 250, 299, 20, 0, 299} {
		got := views[i].Scope("even", even)
		require.Equal(t, want[i].Records(), got.Records(), "view %d", i)
		assert.Equal(t, numbers(want[i].Running()), numbers(got.Running()))
		assert.Equal(t, numbers(want[i].Waiting()), numbers(got.Waiting()))
		assert.Equal(t, want[i].Common(), got.Common())
		assert.Equal(t, want[i].Groups(), got.Groups())
		b1, ok1 := want[i].Best()
		b2, ok2 := got.Best()
		assert.Equal(t, ok1, ok2)
		assert.Equal(t, b1, b2)
		for step := range 5 {
			assert.ElementsMatch(t, want[i].CompletedAt(step), got.CompletedAt(step))
		}
		assert.Equal(t, "s", got.Header().Name)
		assert.Equal(t, trial.Maximize, got.Direction(0))
		if i >= 250 {
			assert.Equal(t, id, got.ID(), "view %d", i)
		}
		assert.Equal(t, got.Records(), got.Scope("even", even).Records())
		assert.Equal(t, got.ID(), got.Scope("even", even).ID())
		assert.Equal(t, views[i].Horizon(), got.Horizon())
	}
	odd := views[299].Scope("odd", func(n int) bool { return !even(n) })
	assert.NotEqual(t, id, odd.ID())
	assert.Equal(t, 300, len(odd.Records())+len(want[299].Records()))
	assert.Empty(t, odd.Scope("even", even).Records(), "scopes nest")
}

// Later Puts do not change snapshots, even while other goroutines read them.
func TestSnapshotsAreImmutable(t *testing.T) {
	h := trial.NewHistory(trial.Header{})
	look := func(s trial.Snapshot) string {
		best, ok := s.Best()
		return fmt.Sprint(s.Len(), s.Count(trial.Waiting), s.Records(), best.Number, ok, names(s.Common()), s.Groups(), len(s.Front()), s.CompletedAt(1),
			s.Column("n", func(r *trial.Record) (float64, bool) { return float64(r.Number), true }),
			numbers(s.Scope("third", func(n int) bool { return n%3 == 0 }).Records()))
	}
	for n := range 5 {
		h.Put(trial.Record{Number: 500 + n})
		h.Put(trial.Record{Number: 600 + n, State: trial.Running})
	}
	s := h.Snapshot()
	assert.Equal(t, 5, cap(s.Waiting()), "who appends to it gets a copy")
	assert.Equal(t, 5, cap(s.Running()))
	for n := range 5 {
		h.Put(finished(500+n, trial.Failed))
		h.Put(finished(604-n, trial.Failed))
	}
	assert.Equal(t, []int{600, 601, 602, 603, 604}, numbers(s.Running()))
	var wg sync.WaitGroup
	for n := range 120 {
		h.Put(trial.Record{Number: n})
		h.Put(trial.Record{Number: n + 120})
		r := trial.Record{Number: n, State: trial.Running, Params: params(x, 1.0)}
		h.Put(r)
		if n%3 == 0 && n > 9 {
			h.Put(trial.Record{Number: n - 8, State: trial.Failed}) // from the middle of the running
		}
		if n%2 == 0 {
			r.State, r.Values, r.Reports = trial.Complete, []float64{float64(-n)}, []trial.Report{{1, float64(n)}}
			if n%20 == 0 {
				r.Params = params(y, 2.0, space.Float(fmt.Sprint("p", n), 0, 1).Axis(), 0.5)
			}
			h.Put(r)
		}
		if n%10 == 9 {
			s := h.Snapshot()
			want := look(s)
			for range 2 {
				wg.Go(func() {
					for range 5 {
						assert.Equal(t, want, look(s))
					}
				})
			}
		}
	}
	wg.Wait()
}

func TestSinceAndAll(t *testing.T) {
	s := put(trial.Header{}, finished(4, trial.Failed), finished(2, trial.Complete, 1), trial.Record{Number: 5, State: trial.Running}, finished(0, trial.Pruned))
	assert.Equal(t, []int{4, 2, 0}, numbers(slices.Collect(s.All())))
	assert.Equal(t, []int{0}, numbers(slices.Collect(s.Since(2))))
	assert.Empty(t, slices.Collect(s.Since(3)))
	assert.Equal(t, 2, s.At(1).Number)
	assert.Equal(t, []int{0, 2, 4, 5}, numbers(s.Records()))
}

func TestSnapshotsCostNothingByTheNumberOfTrials(t *testing.T) {
	allocs := func(n int) float64 {
		h := trial.NewHistory(trial.Header{})
		for i := range n {
			h.Put(finished(i, trial.Complete, 1))
			h.Put(trial.Record{Number: n + 8 + i})
		}
		for i := range 8 {
			h.Put(trial.Record{Number: n + i, State: trial.Running})
		}
		return testing.AllocsPerRun(10, func() { h.Snapshot() })
	}
	assert.Zero(t, allocs(10_000))
}

func TestMemoryOfTrials(t *testing.T) {
	const trials, axes = 100_000, 10
	declare := func() space.Space { // as a storage reads it, afresh for each trial
		s := make(space.Space, axes)
		for i := range s {
			s[i] = space.Axis{Name: fmt.Sprint("parameter", i), Distribution: space.FloatDistribution{Low: 0, High: 1}}
		}
		return s
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	h := trial.NewHistory(trial.Header{})
	for n := range trials {
		r := finished(n, trial.Complete, float64(n))
		r.Params = space.Params{Space: declare(), Point: make([]float64, axes)}
		h.Put(r)
	}
	each := float64(heap()-before) / trials
	data := float64(8 * (axes + 1))
	t.Logf("%.0f bytes a trial, of which %.0f are its numbers", each, data)
	assert.Less(t, each-data, 1000.0)
	assert.Equal(t, trials, h.Snapshot().Len())
}

func BenchmarkPut(b *testing.B) {
	h := trial.NewHistory(trial.Header{})
	p := params(x, 1.0, y, 2.0, z, 0.0)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		r := finished(n, trial.Complete, 1)
		r.Params = p
		h.Put(r)
		n++
	}
}

// The time of the first trials of a study with n parameters should grow in proportion to n, also if the bounds change
// from trial to trial.
func BenchmarkPutManyParameters(b *testing.B) {
	for _, n := range []int{2_500, 5_000, 10_000} {
		records := make([]trial.Record, 4)
		for i := range records {
			s := make(space.Space, n)
			for k := range s {
				s[k] = space.Axis{Name: fmt.Sprintf("parameter-%05d", k), Distribution: space.FloatDistribution{Low: 0, High: float64(i + 1)}}
			}
			records[i] = finished(i, trial.Complete, 1)
			records[i].Params = space.Params{Space: s, Point: make([]float64, n)}
		}
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			for b.Loop() {
				h := trial.NewHistory(trial.Header{})
				for _, r := range records {
					h.Put(r)
				}
			}
		})
	}
}
