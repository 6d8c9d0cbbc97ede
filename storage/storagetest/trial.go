package storagetest

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

// both returns l and, if there can be one, the ledger of a second handle.
func (s suite) both(t *testing.T, st storage.Store, name string, l storage.Ledger) []storage.Ledger {
	t.Helper()
	if s.Address == nil {
		return []storage.Ledger{l}
	}
	return []storage.Ledger{l, open(t, s.again(t, st), name)}
}

func (s suite) add(t *testing.T) {
	st := s.Open(t)
	l := create(t, st, trial.Header{Name: "a"})
	ns, err := l.Add(t.Context())
	require.NoError(t, err)
	assert.Empty(t, ns)

	rs := samples(t)
	ns, err = l.Add(t.Context(), rs[0])
	require.NoError(t, err)
	assert.Equal(t, []int{0}, ns)
	ns, err = l.Add(t.Context(), rs[1:]...)
	require.NoError(t, err)
	assert.Equal(t, []int{1, 2, 3, 4, 5, 6, 7}, ns)
	for _, l := range s.both(t, st, "a", l) {
		Equal(t, canonical(t, rs...), all(t, l))
	}
}

func (s suite) addAllOrNone(t *testing.T) {
	x := space.FloatDistribution{Low: 0, High: 1}
	for _, test := range []struct {
		name string
		bad  trial.Record
		want error
	}{
		{"running", trial.Record{State: trial.Running}, trial.ErrValues},
		{"complete without a value", trial.Record{State: trial.Complete}, trial.ErrValues},
		{"two values for one objective", trial.Record{State: trial.Complete, Values: []float64{1, 2}}, trial.ErrValues},
		{"NaN", trial.Record{State: trial.Complete, Values: []float64{math.NaN()}}, trial.ErrValues},
		{"failed with a value", trial.Record{State: trial.Failed, Values: []float64{1}}, trial.ErrValues},
		{"waiting with a value", trial.Record{State: trial.Waiting, Values: []float64{1}}, trial.ErrValues},
		{"steps that descend", trial.Record{State: trial.Waiting, Reports: []trial.Report{{Step: 2}, {Step: 1}}}, trial.ErrReport},
		{"a step twice", trial.Record{State: trial.Waiting, Reports: []trial.Report{{Step: 2}, {Step: 2}}}, trial.ErrReport},
		{"a negative step", trial.Record{State: trial.Waiting, Reports: []trial.Report{{Step: -1}}}, trial.ErrReport},
		{"an unknown state", trial.Record{State: 9}, trial.ErrValues},
		{"pruned with more values than objectives", trial.Record{State: trial.Pruned, Values: []float64{1, 2}}, trial.ErrValues},
		{"no such choice", param(choices, float64(choices.Len())), space.ErrOutside},
		{"half a choice", param(choices, 0.5), space.ErrOutside},
		{"a coordinate that is NaN", param(x, math.NaN()), space.ErrOutside},
		{"an infinite coordinate", param(x, math.Inf(1)), space.ErrOutside},
		{"an integer of more than 53 bits", param(space.IntDistribution{High: 1}, 1e300), space.ErrOutside},
		{"zero on a logarithmic scale", param(space.FloatDistribution{Low: 1, High: 2, Log: true}, 0), space.ErrOutside},
		{"no coordinate", param(x), space.ErrOutside},
		{"a coordinate too many", param(x, 1, 1), space.ErrOutside},
		{"a coordinate of nothing", trial.Record{Params: space.Params{Point: []float64{1}}}, space.ErrOutside},
		{"no distribution", param(nil, 1), space.ErrInvalid},
		{"reversed bounds", param(space.FloatDistribution{Low: 1}, 1), space.ErrInvalid},
		{"no choices", param(&space.CategoricalDistribution{}, 0), space.ErrInvalid},
		{"a choice that is not JSON", param(&space.CategoricalDistribution{Choices: []space.Literal{"relu"}}, 0), space.ErrInvalid},
		{"a choice that is two", param(&space.CategoricalDistribution{Choices: []space.Literal{"1, 2"}}, 0), space.ErrInvalid},
		{"a reserved note", trial.Record{State: trial.Waiting, Notes: trial.Attrs{{Key: "fixed_params", JSON: "{}"}}}, storage.ErrReserved},
		{"a parameter twice", trial.Record{State: trial.Waiting, Params: space.Params{Space: space.Space{{Name: "x", Distribution: x}, {Name: "x", Distribution: x}}, Point: []float64{1, 1}}}, space.ErrInvalid},
		{"an attribute that is not JSON", trial.Record{State: trial.Waiting, Attrs: trial.Attrs{{Key: "k", JSON: "nil"}}}, space.ErrInvalid},
		{"a setting that is not JSON", trial.Record{State: trial.Waiting, Fixed: []space.Setting{{Name: "k", Value: "relu"}}}, space.ErrInvalid},
		{"a key that is not UTF-8", trial.Record{State: trial.Waiting, Attrs: trial.Attrs{{Key: "\xff", JSON: "1"}}}, space.ErrInvalid},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := s.ledger(t)
			_, err := l.Add(t.Context(), trial.Record{State: trial.Waiting}, test.bad, trial.Record{State: trial.Waiting})
			require.ErrorIs(t, err, test.want)
			assert.Empty(t, all(t, l))
			ns, err := l.Add(t.Context(), trial.Record{State: trial.Waiting})
			require.NoError(t, err)
			assert.Equal(t, []int{0}, ns)
		})
	}
}

// param is a waiting trial with one parameter.
func param(d space.Distribution, point ...float64) trial.Record {
	return trial.Record{Params: space.Params{Space: space.Space{{Name: "x", Distribution: d}}, Point: point}}
}

// addImported adds what no worker would suggest, but Optuna keeps.
func (s suite) addImported(t *testing.T) {
	st := s.Open(t)
	l := create(t, st, trial.Header{Name: "a"})
	rs := []trial.Record{
		param(space.FloatDistribution{High: 1}, 20), // enqueued: Optuna warns, and uses it
		param(space.FloatDistribution{High: 1, Step: 0.25}, 0.3),
		param(space.IntDistribution{High: 3, Step: 1}, -2),
		param(space.IntDistribution{High: 3, Step: 1}, 2.5),
		param(&space.CategoricalDistribution{Choices: []space.Literal{"1", `"a"`, "1"}}, 2),
		param(&space.CategoricalDistribution{Choices: []space.Literal{"[64, 32]", `{"k": null}`, "[]"}}, 1),
	}
	_, err := l.Add(t.Context(), rs...)
	require.NoError(t, err)
	for _, l := range s.both(t, st, "a", l) {
		Equal(t, canonical(t, rs...), all(t, l))
	}
	copied := create(t, st, trial.Header{Name: "copy"})
	_, err = copied.Add(t.Context(), all(t, l)...)
	require.NoError(t, err, "what is read can be added")
	Equal(t, all(t, l), all(t, copied))
}

// normalizes has distributions as Normalize leaves them, however they came in.
func (s suite) normalizes(t *testing.T) {
	st := s.Open(t)
	l := create(t, st, trial.Header{Name: "a"})
	grid := param(space.FloatDistribution{High: 1, Step: 0.3}, 0.3)
	odd := param(space.IntDistribution{High: 8, Step: 3}, 3)
	_, err := l.Add(t.Context(), grid, odd)
	require.NoError(t, err)
	for _, r := range []trial.Record{grid, odd} {
		write(t, l, start(t, l).Number, trial.Suggested{Space: space.Space{{Name: "y", Distribution: r.Params.Space[0].Distribution}}, Point: r.Params.Point})
	}
	for _, l := range s.both(t, st, "a", l) {
		rs := all(t, l)
		for i := range 2 { // the parameter it came with, and the one suggested
			assert.Equal(t, space.FloatDistribution{High: 0.9, Step: 0.3}, rs[0].Params.Space[i].Distribution)
			assert.Equal(t, space.IntDistribution{High: 6, Step: 3}, rs[1].Params.Space[i].Distribution)
		}
	}
}

func (s suite) addOwns(t *testing.T) {
	l := s.ledger(t)
	r := samples(t)[3]
	r.Params = space.Params{Space: slices.Clone(r.Params.Space), Point: slices.Clone(r.Params.Point)}
	r.Attrs = attrs(t)
	want := canonical(t, r)
	_, err := l.Add(t.Context(), r)
	require.NoError(t, err)
	r.Params.Point[0], r.Values[0], r.Reports[0].Value, r.Attrs[0].JSON = 7, 7, 7, "7"
	r.Params.Space[0].Name = "z"
	Equal(t, want, all(t, l))
}

func (s suite) writeOwns(t *testing.T) {
	l := s.ledger(t)
	n := start(t, l).Number
	p := space.Params{Space: slices.Clone(params.Space), Point: slices.Clone(params.Point)}
	proposed := trial.Proposed{{Name: "x", Value: "1"}}
	write(t, l, n, trial.Suggested(p), proposed)
	before := all(t, l)
	p.Space[0].Name, p.Point[0], proposed[0].Name = "z", 7, "z"
	Equal(t, before, all(t, l))
	values := []float64{1}
	write(t, l, n, complete(values...))
	before = all(t, l)
	values[0] = 7
	Equal(t, before, all(t, l))
}

func (s suite) values(t *testing.T) {
	st := s.Open(t)
	l := create(t, st, trial.Header{Name: "a"})
	wide := space.FloatDistribution{Low: -math.MaxFloat64 / 2, High: math.MaxFloat64 / 2}
	var want []trial.Record
	for _, x := range append(numbers, math.Copysign(0, -1)) {
		r := start(t, l)
		p := space.Params{Space: space.Space{{Name: "x", Distribution: wide}, {Name: "kind", Distribution: choices}}, Point: []float64{0, float64(r.Number % choices.Len())}}
		if wide.Contains(x) {
			p.Point[0] = x
		}
		changes := []trial.Change{
			trial.Suggested(p), trial.Reported{Step: 0, Value: x}, trial.Constrained{Name: "c", Value: x}, complete(x),
		}
		write(t, l, r.Number, changes...)
		r, err := r.Apply(changes...)
		require.NoError(t, err)
		want = append(want, r)
	}
	for _, l := range s.both(t, st, "a", l) {
		got := all(t, l)
		Equal(t, canonical(t, want...), got)
		assert.False(t, math.Signbit(got[len(got)-1].Values[0]), "no zero has a sign")
	}
}

func (s suite) names(t *testing.T) {
	st := s.Open(t)
	l := create(t, st, trial.Header{Name: "a"})
	r := start(t, l)
	var changes []trial.Change
	var p trial.Proposed
	kept, refused := s.hostile()
	for i, name := range kept {
		x := float64(i)
		p = append(p, space.Setting{Name: name, Value: choices.Choices[i%choices.Len()]})
		changes = append(changes,
			trial.Suggested{Space: space.Space{{Name: name, Distribution: space.FloatDistribution{Low: 0, High: 100}}}, Point: []float64{x}},
			trial.Constrained{Name: name, Value: x},
			trial.Annotated{Key: name, JSON: fmt.Sprint(i)},
			trial.Noted{Key: name, JSON: string(space.Lit(name))})
	}
	changes = append(changes, p)
	write(t, l, r.Number, changes...)
	for _, name := range refused {
		for _, change := range []trial.Change{
			trial.Suggested{Space: space.Space{{Name: name, Distribution: space.FloatDistribution{Low: 0, High: 100}}}, Point: []float64{1}},
			trial.Constrained{Name: name, Value: 1},
			trial.Annotated{Key: name, JSON: "1"},
			trial.Noted{Key: name, JSON: "1"},
		} {
			require.ErrorIs(t, l.Write(t.Context(), r.Number, change), space.ErrInvalid)
		}
	}
	want, err := r.Apply(changes...)
	require.NoError(t, err)
	for _, l := range s.both(t, st, "a", l) {
		Equal(t, canonical(t, want), all(t, l))
	}
}

func (s suite) start(t *testing.T) {
	l := s.ledger(t)
	got := start(t, l)
	Equal(t, []trial.Record{{Number: 0, State: trial.Running, Started: at(0)}}, []trial.Record{got})
	_, err := l.Add(t.Context(), samples(t)...) // 1, 2 and 3 wait
	require.NoError(t, err)
	want := canonical(t, append([]trial.Record{{}}, samples(t)...)...)
	for _, n := range []int{1, 2, 3} {
		// The moment is in whatever zone and to the nanosecond, the record is not.
		got, err := l.Start(t.Context(), at(n).In(time.FixedZone("", 7200)).Add(999), "")
		require.NoError(t, err)
		want[n].State, want[n].Started = trial.Running, at(n)
		Equal(t, want[n:n+1], []trial.Record{got})
	}
	assert.Equal(t, 9, start(t, l).Number)
	Equal(t, want[1:4], all(t, l)[1:4])

	// One that was closed while it waited is not started.
	ns, err := l.Add(t.Context(), trial.Record{State: trial.Waiting}, trial.Record{State: trial.Waiting})
	require.NoError(t, err)
	write(t, l, ns[0], trial.Finished{State: trial.Failed})
	assert.Equal(t, ns[1], start(t, l).Number)
}

// story is what may happen to a trial.
func story() []trial.Change {
	return []trial.Change{
		trial.Proposed{{Name: "lr", Value: "0.01"}, {Name: "kind", Value: `"1"`}},
		trial.Suggested{Space: params.Space[:2], Point: params.Point[:2]},
		trial.Reported{Step: 3, Value: -1},
		trial.Reported{Step: 1, Value: math.NaN()},
		trial.Annotated{Key: "b", JSON: "1"},
		trial.Annotated{Key: "a", JSON: "2"},
		trial.Proposed{{Name: "x", Value: space.Lit(longText)}, {Name: "y", Value: "1"}}, // does not fit into one attribute of Optuna's
		trial.Annotated{Key: "b", JSON: `{"k": [1, 2.0]}`},
		trial.Suggested{Space: params.Space[2:], Point: params.Point[2:]},
		trial.Suggested{},
		trial.Noted{Key: "completed_rung_0", JSON: "0.5"},
		trial.Noted{Key: "b", JSON: "null"},
		trial.Noted{Key: trial.VectorPrefix + "3", JSON: "[0.1, NaN, -Infinity]"},
		trial.Noted{Key: "completed_rung_0", JSON: "0.25"},
		trial.Constrained{Name: "c1", Value: 1},
		trial.Constrained{Name: "c0", Value: math.NaN()},
		trial.Constrained{Name: "c1", Value: -2},
		trial.Proposed{{Name: "z", Value: "null"}},
		trial.Finished{State: trial.Pruned, Values: []float64{-1}, Err: "late", At: at(5)},
	}
}

var longText = fmt.Sprintf("%05000d", 1)

func (s suite) write(t *testing.T) {
	for n := range len(story()) + 1 {
		changes := story()[:n]
		st := s.Open(t)
		l := create(t, st, trial.Header{Name: "a"})
		one, atOnce := start(t, l), start(t, l)
		_, err := l.Add(t.Context(), trial.Record{State: trial.Waiting, Fixed: []space.Setting{{Name: "x", Value: "1"}}})
		require.NoError(t, err)
		waiting := start(t, l)
		for _, c := range changes {
			write(t, l, one.Number, c)
			write(t, l, waiting.Number, c)
		}
		write(t, l, atOnce.Number, changes...)
		var want []trial.Record
		for _, r := range []trial.Record{one, atOnce, waiting} {
			r, err := r.Apply(changes...)
			require.NoError(t, err)
			want = append(want, r)
		}
		for _, l := range s.both(t, st, "a", l) {
			Equal(t, canonical(t, want...), all(t, l))
		}
	}
	// A proposal can be taken back, and conditions are not kept.
	l := s.ledger(t)
	r := start(t, l)
	changes := []trial.Change{
		trial.Proposed{{Name: "x", Value: "1"}}, trial.Proposed{},
		trial.Suggested{Space: space.Space{{Name: "n", Distribution: space.IntDistribution{Low: 0, High: 3}, When: []space.Condition{{Name: "x", Low: 1, High: 2}}}}, Point: []float64{2}},
	}
	write(t, l, r.Number, changes...)
	want, err := r.Apply(changes...)
	require.NoError(t, err)
	got := all(t, l)
	Equal(t, canonical(t, want), got)
	assert.Nil(t, got[0].Proposed)
	assert.Nil(t, got[0].Params.Space[0].When)
}

func (s suite) writeAllOrNone(t *testing.T) {
	for _, test := range []struct {
		name string
		bad  trial.Change
		want error
	}{
		{"a step twice", trial.Reported{Step: 3, Value: 1}, trial.ErrReport},
		{"a step twice in one call", trial.Reported{Step: 9, Value: 1}, trial.ErrReport},
		{"a negative step", trial.Reported{Step: -1}, trial.ErrReport},
		{"a parameter twice", trial.Suggested{Space: params.Space[:1], Point: params.Point[:1]}, space.ErrMismatch},
		{"a parameter twice in one change", trial.Suggested{Space: space.Space{params.Space[1], params.Space[1]}, Point: []float64{0, 0}}, space.ErrMismatch},
		{"outside", trial.Suggested{Space: params.Space[1:2], Point: []float64{2}}, space.ErrOutside},
		{"NaN for a coordinate", trial.Suggested{Space: params.Space[1:2], Point: []float64{math.NaN()}}, space.ErrOutside},
		{"no such choice", trial.Suggested{Space: params.Space[4:], Point: []float64{99}}, space.ErrOutside},
		{"no coordinate", trial.Suggested{Space: params.Space[1:2]}, space.ErrOutside},
		{"a coordinate of nothing", trial.Suggested{Point: []float64{1}}, space.ErrOutside},
		{"no distribution", trial.Suggested{Space: space.Space{{Name: "x"}}, Point: []float64{1}}, space.ErrInvalid},
		{"no choices", trial.Suggested{Space: space.Space{{Name: "x", Distribution: (*space.CategoricalDistribution)(nil)}}, Point: []float64{0}}, space.ErrInvalid},
		{"bounds that are NaN", trial.Suggested{Space: space.Space{{Name: "x", Distribution: space.FloatDistribution{Low: math.NaN()}}}, Point: []float64{0}}, space.ErrInvalid},
		{"a choice that is not JSON", trial.Suggested{Space: space.Space{{Name: "x", Distribution: &space.CategoricalDistribution{Choices: []space.Literal{"relu"}}}}, Point: []float64{0}}, space.ErrInvalid},
		{"complete without a value", complete(), trial.ErrValues},
		{"a value too many", complete(1, 2), trial.ErrValues},
		{"NaN", complete(math.NaN()), trial.ErrValues},
		{"failed with a value", trial.Finished{State: trial.Failed, Values: []float64{1}}, trial.ErrValues},
		{"pruned with a value too many", trial.Finished{State: trial.Pruned, Values: []float64{1, 2}}, trial.ErrValues},
		{"finished as running", trial.Finished{State: trial.Running}, trial.ErrValues},
		{"finished as what is not a state", trial.Finished{State: 9}, trial.ErrValues},
		{"nothing", nil, space.ErrInvalid},
		{"a pointer", &trial.Reported{Step: 10}, space.ErrInvalid},
		{"an attribute that is not JSON", trial.Annotated{Key: "k", JSON: "'"}, space.ErrInvalid},
		{"a note that is not JSON", trial.Noted{Key: "k", JSON: ""}, space.ErrInvalid},
		{"a note that is the settings", trial.Noted{Key: "fixed_params", JSON: "{}"}, storage.ErrReserved},
		{"a note that is the constraints", trial.Noted{Key: "constraints", JSON: "[]"}, storage.ErrReserved},
		{"a note that is a constraint", trial.Noted{Key: "constraints:c", JSON: "1"}, storage.ErrReserved},
		{"a note that is a proposal", trial.Noted{Key: "tpe:relative_params:0", JSON: "1"}, storage.ErrReserved},
		{"a note of attune's", trial.Noted{Key: "attune:error", JSON: "1"}, storage.ErrReserved},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := s.ledger(t)
			n := start(t, l).Number
			write(t, l, n, trial.Reported{Step: 3, Value: 2}, trial.Suggested{Space: params.Space[:1], Point: params.Point[:1]})
			before := all(t, l)
			err := l.Write(t.Context(), n, trial.Reported{Step: 9, Value: 2}, trial.Annotated{Key: "k", JSON: "1"}, test.bad)
			require.ErrorIs(t, err, test.want)
			Equal(t, before, all(t, l))
			write(t, l, n, complete(1))
		})
	}
}

func (s suite) writeErrors(t *testing.T) {
	l := s.ledger(t)
	for _, n := range []int{-1, 0, 1, math.MaxInt32} {
		require.ErrorIs(t, l.Write(t.Context(), n, trial.Reported{}), storage.ErrNoTrial)
	}
	n := start(t, l).Number
	write(t, l, n, complete(1))
	before := all(t, l)
	for _, c := range append(story(), complete(2)) {
		require.ErrorIs(t, l.Write(t.Context(), n, c), trial.ErrFinished, "%T", c)
	}
	n = start(t, l).Number
	require.ErrorIs(t, l.Write(t.Context(), n, complete(1), trial.Annotated{Key: "k", JSON: "1"}), trial.ErrFinished, "nothing comes after the end")
	Equal(t, before, all(t, l)[:1])
	assert.Equal(t, trial.Running, all(t, l)[1].State)
}

func (s suite) recordsNeverChange(t *testing.T) {
	l := s.ledger(t)
	want := start(t, l)
	held := []trial.Record{want}
	texts := []string{Text(want)}
	hold := func(r trial.Record) { held, texts = append(held, r), append(texts, Text(r)) }
	changes := story()
	end := changes[len(changes)-1]
	changes = changes[:len(changes)-1]
	for i := range 20 {
		changes = append(changes,
			trial.Reported{Step: 10 + i, Value: float64(i)},
			trial.Suggested{Space: space.Space{{Name: fmt.Sprint("p", i), Distribution: params.Space[0].Distribution}}, Point: params.Point[:1]})
	}
	for _, c := range append(changes, end) {
		write(t, l, want.Number, c)
		var err error
		want, err = want.Apply(c)
		require.NoError(t, err)
		for u, err := range l.Since(t.Context(), 0) {
			require.NoError(t, err)
			hold(u.Trial)
		}
		// Whoever was given a record may append to it.
		for _, r := range held {
			_ = append(r.Params.Space, space.Axis{Name: "mine"})
			_ = append(r.Params.Point, 99)
			_ = append(r.Reports, trial.Report{Step: 99})
			_ = append(r.Constraints, trial.Constraint{Name: "mine"})
			_ = append(r.Attrs, trial.Attr{Key: "mine"})
			_ = append(r.Notes, trial.Attr{Key: "mine"})
		}
	}
	for i := range held {
		require.Equal(t, texts[i], Text(held[i]))
	}
	Equal(t, canonical(t, want), all(t, l))
}

func (s suite) since(t *testing.T) {
	st := s.Open(t)
	l := create(t, st, trial.Header{Name: "a"})
	assert.Empty(t, all(t, l))
	next := func(after storage.Cursor) (ns []int, at storage.Cursor) {
		at = after
		for u, err := range l.Since(t.Context(), after) {
			require.NoError(t, err)
			require.Greater(t, u.Cursor, at, "cursors ascend")
			at = u.Cursor
			ns = append(ns, u.Trial.Number)
		}
		return ns, at
	}
	start(t, l)
	start(t, l)
	ns, at := next(0)
	assert.ElementsMatch(t, []int{0, 1}, ns)
	ns, at = next(at)
	assert.Empty(t, ns, "nothing has happened since")
	write(t, l, 0, trial.Reported{Step: 1})
	write(t, l, 0, trial.Reported{Step: 2})
	ns, at2 := next(at)
	assert.Contains(t, ns, 0)
	write(t, l, 1, complete(1))
	start(t, l)
	ns, _ = next(at2)
	assert.Contains(t, ns, 1)
	assert.Contains(t, ns, 2)
	ns, _ = next(at)
	assert.Subset(t, ns, []int{0, 1, 2}, "an old cursor is as good")
	ns, _ = next(math.MaxInt64)
	assert.Empty(t, ns, "a cursor from beyond the end")
	for _, at := range []storage.Cursor{-1, math.MinInt64} {
		n := 0
		for _, err := range l.Since(t.Context(), at) {
			require.NoError(t, err)
			n++
		}
		assert.Equal(t, 3, n, "one from before the beginning")
	}

	// Whoever stops in between resumes there.
	seen := map[int]bool{}
	for at := storage.Cursor(0); ; {
		before := at
		for u, err := range l.Since(t.Context(), at) {
			require.NoError(t, err)
			at, seen[u.Trial.Number] = u.Cursor, true
			break
		}
		if at == before {
			break
		}
	}
	assert.Len(t, seen, 3)
	// The loop's body may use the ledger.
	for u, err := range l.Since(t.Context(), 0) {
		require.NoError(t, err)
		if !u.Trial.State.Done() {
			write(t, l, u.Trial.Number, complete(0))
		}
	}
	for _, r := range all(t, l) {
		assert.Equal(t, trial.Complete, r.State)
	}
}
