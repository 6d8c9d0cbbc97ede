package trial_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// everything is a record in which each field is set, and odd.
func everything(t testing.TB) trial.Record {
	attr := func(key string, v any) trial.Attr {
		a, err := trial.NewAttr(key, v)
		require.NoError(t, err)
		return a
	}
	rate := space.Float("rate", 1e-5, 0.1, space.Log())
	drop := space.Float("drop", 0, 0.5, space.Step(0.1))
	depth := space.Int("depth", 1, 12)
	kind := space.Categorical("kind é\n", 1.0, math.NaN(), math.Inf(-1))
	word := space.Categorical("word", "NaN", "1", "")
	layers := space.Axis{Name: "layers", Distribution: &space.CategoricalDistribution{Choices: []space.Literal{"[64, NaN]", `"a"`}}} // as Optuna may have
	p, err := append(space.Of(rate, drop, depth, kind, word), layers).Params(
		rate.At(3e-5), drop.At(0.3), depth.At(7), kind.At(math.NaN()), word.At("NaN"), space.Setting{Name: "layers", Value: "[64, NaN]"})
	require.NoError(t, err)
	return trial.Record{
		Number: 17, State: trial.Pruned, Params: p,
		Proposed:    []space.Setting{rate.At(0.01), kind.At(math.Inf(-1))},
		Fixed:       []space.Setting{depth.At(7), {Name: "gone", Value: "null"}},
		Reports:     []trial.Report{{Step: 0, Value: 1}, {Step: 2, Value: math.NaN()}, {Step: 1 << 40, Value: math.Inf(1)}},
		Values:      []float64{math.Inf(-1), 5e-324},
		Constraints: []trial.Constraint{{"a", math.NaN()}, {"b", -0.5}},
		Attrs: trial.Attrs{attr("list", []any{1, 1.0, "NaN", math.NaN(), nil}), attr("like", map[string]any{"$number": "NaN"}),
			attr("nested", map[string]any{"$number": map[string]any{"$number": math.Inf(1)}})},
		Notes:   trial.Attrs{attr("n", map[string]any{"b": 1, "a": []int{}})},
		Err:     "pruned: \u2028 <b>&",
		Started: time.Date(2026, 11, 30, 12, 0, 0, 123456000, time.UTC), Finished: time.Date(2026, 11, 30, 13, 0, 0, 0, time.UTC),
	}
}

// same fails unless two records are the same, NaN equal to NaN.
func same(t testing.TB, want, got trial.Record) {
	t.Helper()
	require.True(t, want.Params.Space.Equal(got.Params.Space), "%v and %v", want.Params.Space, got.Params.Space)
	want.Params.Space, got.Params.Space = nil, nil
	require.Equal(t, fmt.Sprintf("%#v", want), fmt.Sprintf("%#v", got))
}

func TestRecordJSON(t *testing.T) {
	minimal := trial.Record{Number: 3, State: trial.Waiting}
	for _, tc := range []struct {
		name   string
		record trial.Record
	}{
		{"the zero record", trial.Record{}},
		{"minimal", minimal},
		{"everything", everything(t)},
		{"a number outside its distribution", trial.Record{Params: space.Params{Space: space.Of(space.Float("x", 0, 1)), Point: []float64{math.Inf(1)}}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text, err := json.Marshal(tc.record) // checks that it is strict JSON
			require.NoError(t, err)
			var got trial.Record
			require.NoError(t, json.Unmarshal(text, &got))
			same(t, tc.record, got)

			appended, err := tc.record.AppendJSON([]byte("x"))
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(appended[1:], &got))
			same(t, tc.record, got)
			for _, c := range appended {
				require.True(t, ' ' <= c && c <= '~', "ASCII")
			}
		})
	}

	text, err := minimal.AppendJSON(nil)
	require.NoError(t, err)
	assert.Equal(t, `{"number": 3, "state": "waiting", "values": [], "params": {}, "distributions": {}, "proposed": {}, "fixed": {}, `+
		`"reports": [], "constraints": {}, "attrs": {}, "notes": {}, "error": "", "started": null, "finished": null}`, string(text))
}

// The example of the page about the format is a record, to the byte.
func TestRecordJSONIsAsDescribed(t *testing.T) {
	page, err := os.ReadFile("../doc/format/record.md")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(page), "```json\n")
	require.True(t, ok)
	example, _, ok := strings.Cut(rest, "```")
	require.True(t, ok)
	var r trial.Record
	require.NoError(t, r.UnmarshalJSON([]byte(example)))
	text, err := r.AppendJSON(nil)
	require.NoError(t, err)
	assert.Equal(t, strings.Join(strings.Fields(example), " "), string(text))
}

func TestRecordJSONRefuses(t *testing.T) {
	float := `"distributions": {"x": {"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}}`
	choice := `"distributions": {"x": {"name": "CategoricalDistribution", "attributes": {"choices": ["a"]}}}`
	integer := `"distributions": {"x": {"type": "int", "low": 1, "high": 9}}`
	for _, tc := range []struct{ name, text, want string }{
		{"no JSON", `{`, "want"},
		{"no object", `[]`, "want an object"},
		{"no number", `{"state": "waiting"}`, "number: want an integer of at least 0"},
		{"a negative number", `{"number": -1, "state": "waiting"}`, "number: want an integer of at least 0"},
		{"a float as a number", `{"number": 1.0, "state": "waiting"}`, "number: want an integer of at least 0"},
		{"no state", `{"number": 1}`, "state: want waiting, running"},
		{"no such state", `{"number": 1, "state": "asleep"}`, "state: want waiting, running"},
		{"a complete trial without a value", `{"number": 1, "state": "complete"}`, "a complete trial needs a value"},
		{"NaN as a value", `{"number": 1, "state": "complete", "values": ["NaN"]}`, "NaN"},
		{"a string as a value", `{"number": 1, "state": "complete", "values": ["1"]}`, "values: want a number"},
		{"params in a list", `{"number": 1, "state": "running", "params": []}`, "params: want an object"},
		{"a parameter without a distribution", `{"number": 1, "state": "running", "params": {"x": 1}}`, `params: "x" has no distribution`},
		{"a parameter twice", `{"number": 1, "state": "running", "params": {"x": 1, "x": 1}, ` + float + `}`, `params: "x" is duplicated`},
		{"a string where a number should be", `{"number": 1, "state": "running", "params": {"x": "NaN"}, ` + float + `}`, `params: "x": "NaN": want a number`},
		{"NaN as a parameter", `{"number": 1, "state": "running", "params": {"x": {"$number": "NaN"}}, ` + float + `}`, `params: "x": NaN: want a number`},
		{"an integer too large", `{"number": 1, "state": "running", "params": {"x": 1e300}, ` + integer + `}`, `want an integer within`},
		{"no such choice", `{"number": 1, "state": "running", "params": {"x": "b"}, ` + choice + `}`, `params: "x": `},
		{"no such distribution", `{"number": 1, "state": "running", "distributions": {"x": 1}}`, `distributions: "x": `},
		{"a report without a value", `{"number": 1, "state": "running", "reports": [[1]]}`, "reports: want pairs"},
		{"a negative step", `{"number": 1, "state": "running", "reports": [[-1, 1.0]]}`, "reports: want an integer"},
		{"steps that descend", `{"number": 1, "state": "running", "reports": [[2, 1.0], [1, 1.0]]}`, "step 1 comes after step 2"},
		{"a constraint twice", `{"number": 1, "state": "running", "constraints": {"c": 1, "b": 1, "c": 1}}`, `constraints: "c" is duplicated`},
		{"an attribute twice", `{"number": 1, "state": "running", "attrs": {"c": 1, "c": 1}}`, `attrs: "c" is duplicated`},
		{"a number as an error", `{"number": 1, "state": "running", "error": 1}`, "error: want a string"},
		{"a time of another form", `{"number": 1, "state": "running", "started": "noon"}`, "started: want a time like"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := trial.Record{Number: 99}
			err := r.UnmarshalJSON([]byte(tc.text))
			require.ErrorIs(t, err, trial.ErrRecord)
			assert.ErrorContains(t, err, tc.want)
			assert.Equal(t, trial.Record{Number: 99}, r, "it is as it was")
		})
	}

	_, err := trial.Record{Number: 4, Attrs: trial.Attrs{{"a", "nothing"}}}.MarshalJSON()
	assert.ErrorContains(t, err, `write record 4: "a": `)
}

// What later versions add is passed over.
func TestRecordJSONPassesOverOtherKeys(t *testing.T) {
	var r trial.Record
	require.NoError(t, json.Unmarshal([]byte(`{"number": 5, "later": {"a": [1]}, "state": "failed"}`), &r))
	assert.Equal(t, trial.Record{Number: 5, State: trial.Failed}, r)
}

func TestRecordJSONOfRandomRecords(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	odd := []float64{0, math.Copysign(0, -1), 1, -1.5, 1e16, 1e-5, math.MaxFloat64, 5e-324, math.Inf(1), math.Inf(-1)}
	s := space.Of(space.Float("x", -1, 1), space.Int("n", -9, 9, space.Step(3)), space.Categorical("c", "a", "b"))
	for n := range 500 {
		r := trial.Record{Number: n, State: trial.State(rng.IntN(5))}
		for _, a := range s[:rng.IntN(4)] {
			r.Params.Space = append(r.Params.Space, a)
			x := rng.Float64()
			if k := a.Distribution.Len(); k > 0 {
				x = a.Distribution.At(rng.IntN(k))
			}
			r.Params.Point = append(r.Params.Point, x)
		}
		if r.State == trial.Complete || r.State == trial.Pruned {
			r.Values = []float64{odd[rng.IntN(len(odd))], rng.NormFloat64()}
		}
		for step := range rng.IntN(5) {
			r.Reports = append(r.Reports, trial.Report{Step: 3 * step, Value: append(odd, math.NaN())[rng.IntN(len(odd)+1)]})
		}
		text, err := json.Marshal(r)
		require.NoError(t, err)
		var got trial.Record
		require.NoError(t, json.Unmarshal(text, &got), "%s", text)
		same(t, r, got)
	}
}

// A record that can be read is the same after it is written and read again.
func FuzzRecordJSON(f *testing.F) {
	f.Add(`{"number": 1, "state": "pruned", "values": ["-Infinity"], "reports": [[0, 1.5], [2, "NaN"]], "constraints": {"a": 1}}`)
	f.Add(`{"number": 2, "state": "running", "fixed": {"a": null}, "notes": {"b": [{"$number": "NaN"}]}, "started": "2026-11-30T12:00:00Z"}`)
	f.Add(`{"number": 3, "state": "running", "params": {"x": "a"}, "distributions": {"x": {"type": "categorical", "choices": ["a", 1.0]}}}`)
	f.Add(`{"number": 5, "later": {"a": [1]}, "state": "failed"}`)
	f.Add(`{"number": 5, "state": "running", "attrs": {"$number": {"$number": {"$number": ["Infinity", {"$number": 1}]}}}}`)
	f.Add(`{"number": 5, "state": "running", "params": {"x": 7.5}, "distributions": {"x": {"type": "int", "low": 1, "high": 9, "step": 3}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 400 {
			return // the deepest nesting that can be read would become deeper
		}
		var r, again trial.Record
		if err := r.UnmarshalJSON([]byte(text)); err != nil {
			require.ErrorIs(t, err, trial.ErrRecord)
			return
		}
		written, err := r.AppendJSON(nil)
		require.NoError(t, err)
		require.True(t, json.Valid(written), "%s", written)
		require.NoError(t, again.UnmarshalJSON(written), "%s", written)
		same(t, r, again)
	})
}

func TestSummaryJSON(t *testing.T) {
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	names, err := trial.NewAttr(trial.MetricsKey, []string{"loss"})
	require.NoError(t, err)
	s := trial.Summary{
		Header:   trial.Header{Name: "s", Notes: trial.Attrs{names}},
		Complete: 1, Pruned: 2, Failed: 3, Interrupted: 4, Running: 5, Waiting: 6,
		Best: &trial.Record{Number: 7, Values: []float64{math.Inf(-1)}}, Begun: at, Took: 1500 * time.Millisecond,
	}
	text, err := json.Marshal(s)
	require.NoError(t, err)
	assert.JSONEq(t, `{"name": "s", "directions": ["minimize"], "metrics": ["loss"],
		"complete": 1, "pruned": 2, "failed": 3, "interrupted": 4, "running": 5, "waiting": 6,
		"best": "-Infinity", "best_trial": 7, "begun": "2026-11-30T12:00:00.000000Z", "latest": null, "took": 1.5}`, string(text))

	text, err = json.Marshal(trial.Summary{Header: trial.Header{Directions: []trial.Direction{trial.Maximize, trial.Minimize}}})
	require.NoError(t, err)
	assert.JSONEq(t, `{"name": "", "directions": ["maximize", "minimize"], "metrics": [],
		"complete": 0, "pruned": 0, "failed": 0, "interrupted": 0, "running": 0, "waiting": 0,
		"best": null, "best_trial": null, "begun": null, "latest": null, "took": 0}`, string(text))
}

func BenchmarkRecordJSON(b *testing.B) {
	r := trial.Record{State: trial.Complete, Values: []float64{0.5}, Started: time.Now(), Finished: time.Now()}
	for i := range 20 {
		p := space.Float(fmt.Sprint("parameter", i), 0, 1)
		r.Params.Space, r.Params.Point = append(r.Params.Space, p.Axis()), append(r.Params.Point, rand.Float64())
	}
	for i := range 50 {
		r.Reports = append(r.Reports, trial.Report{Step: i, Value: rand.Float64()})
	}
	text, err := r.AppendJSON(nil)
	require.NoError(b, err)
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = r.AppendJSON(text[:0])
		}
	})
	b.Run("unmarshal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = r.UnmarshalJSON(text)
		}
	})
}
