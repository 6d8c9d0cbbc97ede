package trial_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

var (
	x = space.Float("x", 0, 10).Axis()
	y = space.Int("y", 0, 10).Axis()
	z = space.Categorical("z", "a", "b").Axis()
)

func params(p ...any) space.Params {
	var out space.Params
	for i := 0; i < len(p); i += 2 {
		out.Space = append(out.Space, p[i].(space.Axis))
		out.Point = append(out.Point, p[i+1].(float64))
	}
	return out
}

func attr(t testing.TB, key string, v any) trial.Attr {
	a, err := trial.NewAttr(key, v)
	require.NoError(t, err)
	return a
}

func TestApply(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	r := trial.Record{Number: 3, State: trial.Running, Started: now}
	r, err := r.Apply(
		trial.Proposed{{Name: "y", Value: "4"}},
		trial.Suggested(params(x, 1.5)), trial.Suggested(params(y, 4.0, z, 1.0)),
		trial.Reported{Step: 4, Value: 1}, trial.Reported{Step: 0, Value: math.NaN()}, trial.Reported{Step: 2, Value: math.Inf(1)}, trial.Reported{Step: 9, Value: 2},
		trial.Constrained{Name: "b", Value: 1}, trial.Constrained{Name: "a", Value: 2}, trial.Constrained{Name: "b", Value: -1},
		trial.Annotated(attr(t, "k", 1)), trial.Annotated(attr(t, "j", "v")), trial.Annotated(attr(t, "k", 2)),
		trial.Noted(attr(t, "n", []int{1})),
	)
	require.NoError(t, err)
	assert.Equal(t, []space.Setting{{Name: "y", Value: "4"}}, r.Proposed)
	assert.Equal(t, []space.Setting{{Name: "x", Value: "1.5"}, {Name: "y", Value: "4"}, {Name: "z", Value: `"b"`}}, r.Params.Settings())
	assert.Equal(t, []int{0, 2, 4, 9}, steps(r), "by step, in whatever order they came")
	assert.Equal(t, []trial.Constraint{{Name: "a", Value: 2}, {Name: "b", Value: -1}}, r.Constraints)
	assert.Equal(t, trial.Attrs{{Key: "k", JSON: "2"}, {Key: "j", JSON: `"v"`}}, r.Attrs)
	assert.Equal(t, trial.Attrs{{Key: "n", JSON: "[1]"}}, r.Notes)
	assert.Equal(t, 9, r.LastStep())
	v, ok := r.ReportAt(4)
	assert.True(t, ok)
	assert.Equal(t, 1.0, v)
	_, ok = r.ReportAt(3)
	assert.False(t, ok)
	_, ok = r.ReportAt(10)
	assert.False(t, ok)

	end := now.Add(time.Minute)
	r, err = r.Apply(trial.Finished{State: trial.Complete, Values: []float64{7}, At: end})
	require.NoError(t, err)
	assert.Equal(t, trial.Complete, r.State)
	assert.Equal(t, []float64{7}, r.Values)
	assert.Nil(t, r.Proposed, "meaningless now")
	assert.Equal(t, time.Minute, r.Duration())
	assert.Equal(t, 2.0, r.Violation())
	assert.False(t, r.Feasible())
}

func steps(r trial.Record) (out []int) {
	for _, p := range r.Reports {
		out = append(out, p.Step)
	}
	return out
}

func TestApplyMakesAllChangesOrNone(t *testing.T) {
	running := trial.Record{State: trial.Running}
	done := trial.Finished{State: trial.Complete, Values: []float64{1}}
	tests := map[string]struct {
		to      trial.Record
		changes []trial.Change
		want    error
		message string
	}{
		"after the end":       {trial.Record{Number: 7, State: trial.Pruned}, []trial.Change{trial.Reported{}}, trial.ErrFinished, "trial: already finished: it is pruned"},
		"after its own end":   {running, []trial.Change{done, trial.Reported{}}, trial.ErrFinished, "it is complete"},
		"ended twice":         {running, []trial.Change{done, done}, trial.ErrFinished, ""},
		"negative step":       {running, []trial.Change{trial.Reported{Step: -1}}, trial.ErrReport, "step -1 is negative: count steps from 0"},
		"repeated step":       {running, []trial.Change{trial.Reported{Step: 1, Value: 5}, trial.Reported{Step: 1, Value: 6}}, trial.ErrReport, "step 1 already has the value 5"},
		"repeated early step": {running, []trial.Change{trial.Reported{Step: 1}, trial.Reported{Step: 2}, trial.Reported{Step: 1}}, trial.ErrReport, ""},
		"suggested twice":     {running, []trial.Change{trial.Suggested(params(x, 1.0)), trial.Suggested(params(y, 1.0, x, 1.0))}, space.ErrMismatch, `"x" was suggested before`},
		"no value":            {running, []trial.Change{trial.Finished{State: trial.Complete}}, trial.ErrValues, "a complete trial needs a value"},
		"value of a failure":  {running, []trial.Change{trial.Finished{State: trial.Failed, Values: []float64{1}}}, trial.ErrValues, "a failed trial has no values"},
		"NaN":                 {running, []trial.Change{trial.Finished{State: trial.Complete, Values: []float64{1, math.NaN()}}}, trial.ErrValues, "contains NaN"},
		"pruned with NaN":     {running, []trial.Change{trial.Finished{State: trial.Pruned, Values: []float64{math.NaN()}}}, trial.ErrValues, ""},
		"ended as running":    {running, []trial.Change{trial.Finished{State: trial.Running}}, trial.ErrValues, "not running"},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			before := c.to
			r, err := c.to.Apply(c.changes...)
			assert.ErrorIs(t, err, c.want)
			assert.ErrorContains(t, err, c.message)
			assert.Zero(t, r)
			assert.Equal(t, before, c.to)
		})
	}
	same, err := trial.Record{State: trial.Failed}.Apply()
	assert.NoError(t, err, "nothing is no change")
	assert.Equal(t, trial.Failed, same.State)
	for _, ok := range []trial.Finished{
		{State: trial.Pruned}, {State: trial.Pruned, Values: []float64{1}}, {State: trial.Failed, Err: "boom"}, {State: trial.Complete, Values: []float64{math.Inf(-1), 0}},
	} {
		_, err := running.Apply(ok)
		assert.NoError(t, err)
	}
}

// A clipped record does not change, whatever is applied to it or to the owner's copy.
func TestClippedRecordsAreSafe(t *testing.T) {
	owned := trial.Record{State: trial.Running, Reports: make([]trial.Report, 0, 9)} // room to write in place
	owned, err := owned.Apply(trial.Suggested(params(x, 1.0)), trial.Reported{Step: 1, Value: 1}, trial.Reported{Step: 2, Value: 2}, trial.Reported{Step: 3, Value: 3})
	require.NoError(t, err)
	out := owned.Clip()
	want := out
	want.Reports, want.Params.Space, want.Params.Point = slices.Clone(out.Reports), slices.Clone(out.Params.Space), slices.Clone(out.Params.Point)

	mine, err := owned.Apply(trial.Reported{Step: 5, Value: 5}, trial.Reported{Step: 0, Value: 0}, trial.Suggested(params(y, 1.0)), trial.Annotated(attr(t, "a", 1)), trial.Constrained{Name: "c"})
	require.NoError(t, err)
	theirs, err := out.Apply(trial.Reported{Step: 5, Value: -5}, trial.Suggested(params(z, 0.0)), trial.Annotated(attr(t, "a", 2)), trial.Constrained{Name: "c", Value: 9})
	require.NoError(t, err)
	again, err := out.Apply(trial.Reported{Step: 5, Value: -6}, trial.Suggested(params(y, 9.0)))
	require.NoError(t, err)

	assert.Equal(t, want, out)
	assert.Equal(t, []trial.Report{{0, 0}, {1, 1}, {2, 2}, {3, 3}, {5, 5}}, mine.Reports)
	assert.Equal(t, trial.Report{Step: 5, Value: -5}, theirs.Reports[3])
	assert.Equal(t, trial.Report{Step: 5, Value: -6}, again.Reports[3])
	assert.Equal(t, []float64{1, 1}, mine.Params.Point)
	assert.Equal(t, []float64{1, 0}, theirs.Params.Point)
	assert.Equal(t, []float64{1, 9}, again.Params.Point)
	assert.Equal(t, "1", mine.Attrs[0].JSON)
	assert.Equal(t, "2", theirs.Attrs[0].JSON)
}

func TestReportAt(t *testing.T) {
	for name, all := range map[string][]int{"none": nil, "from 0": {0, 1, 2}, "from 1": {1, 2, 3}, "sparse": {0, 3, 4, 9}, "late": {7, 8}} {
		t.Run(name, func(t *testing.T) {
			var r trial.Record
			for _, s := range all {
				r.Reports = append(r.Reports, trial.Report{Step: s, Value: float64(s)})
			}
			for step := -1; step < 12; step++ {
				v, ok := r.ReportAt(step)
				require.Equal(t, slices.Contains(all, step), ok, "step %d", step)
				if ok {
					require.Equal(t, float64(step), v)
				}
			}
		})
	}
	assert.Equal(t, -1, trial.Record{}.LastStep())
}

func TestViolation(t *testing.T) {
	tests := map[string]struct {
		values []float64
		want   float64
	}{
		"none": {nil, 0}, "met": {[]float64{0, -3}, 0}, "missed": {[]float64{2, -3, 0.5}, 2.5},
		"NaN": {[]float64{-1, math.NaN()}, math.Inf(1)}, "infinite": {[]float64{math.Inf(1), math.Inf(-1)}, math.Inf(1)},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			var r trial.Record
			for _, v := range c.values {
				r.Constraints = append(r.Constraints, trial.Constraint{Value: v})
			}
			assert.Equal(t, c.want, r.Violation())
			assert.Equal(t, c.want == 0, r.Feasible())
		})
	}
}

func TestWords(t *testing.T) {
	for s, want := range map[trial.State]string{trial.Waiting: "waiting", trial.Running: "running", trial.Complete: "complete", trial.Pruned: "pruned", trial.Failed: "failed", 9: "state(9)"} {
		assert.Equal(t, want, s.String())
	}
	assert.Equal(t, "minimize", trial.Minimize.String())
	assert.Equal(t, "maximize", trial.Maximize.String())
	assert.Equal(t, -2.0, trial.Maximize.Loss(2))
	assert.Equal(t, 2.0, trial.Minimize.Loss(2))
	assert.Zero(t, trial.Record{Started: time.Now()}.Duration())
	s := trial.Header{Directions: []trial.Direction{trial.Maximize, trial.Minimize}}
	assert.Equal(t, 2, s.Objectives())
	assert.Equal(t, trial.Maximize, s.Direction(0))
	assert.Equal(t, 1, trial.Header{}.Objectives())
}

func TestAttrs(t *testing.T) {
	as := trial.Attrs{}.With(attr(t, "a", 1.0)).With(attr(t, "b", math.NaN()))
	more, other := as.With(attr(t, "c", 1)), as.With(attr(t, "d", 1))
	changed := as.With(attr(t, "a", "x"))
	assert.Equal(t, trial.Attrs{{"a", "1.0"}, {"b", "NaN"}}, as)
	assert.Equal(t, "c", more[2].Key)
	assert.Equal(t, "d", other[2].Key)
	assert.Equal(t, `"x"`, changed[0].JSON)
	_, ok := as.Get("c")
	assert.False(t, ok)
	b, ok := as.Get("b")
	require.True(t, ok)
	var v float64
	require.NoError(t, b.Decode(&v))
	assert.True(t, math.IsNaN(v))
	var s string
	assert.ErrorContains(t, b.Decode(&s), `trial: attribute "b"`)
	_, err := trial.NewAttr("f", func() {})
	assert.ErrorContains(t, err, `trial: attribute "f"`)
}
