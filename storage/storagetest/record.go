package storagetest

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/storage"
	"github.com/attune-hpo/attune/trial"
)

// Text returns a record as text, for comparisons in tests. The text is equal only for equal records: it distinguishes
// -0 from 0 and nil from empty slices, but not different NaNs, and it follows the pointers of distributions.
func Text(r trial.Record) string {
	var b strings.Builder
	fmt.Fprintf(&b, "number %d, %v\n", r.Number, r.State)
	fmt.Fprintf(&b, "params: nil %t %t\n", r.Params.Space == nil, r.Params.Point == nil)
	for i, a := range r.Params.Space {
		fmt.Fprintf(&b, "  %q = %v in %v, if %#v\n", a.Name, r.Params.Point[i], a.Distribution, a.When)
	}
	for _, part := range []struct {
		name string
		list any
	}{
		{"proposed", r.Proposed}, {"fixed", r.Fixed}, {"reports", r.Reports}, {"values", r.Values},
		{"constraints", r.Constraints}, {"attrs", r.Attrs}, {"notes", r.Notes}, {"err", r.Err},
	} {
		fmt.Fprintf(&b, "%s: %#v\n", part.name, part.list)
	}
	fmt.Fprintf(&b, "started %v, finished %v\n", r.Started, r.Finished)
	return b.String()
}

// Equal fails t unless got and want are the same records.
func Equal(t testing.TB, want, got []trial.Record) {
	t.Helper()
	text := func(rs []trial.Record) string {
		var b strings.Builder
		for _, r := range rs {
			b.WriteString(Text(r))
		}
		return b.String()
	}
	require.Equal(t, text(want), text(got))
}

// canonical returns records as a new study keeps them.
func canonical(t testing.TB, rs ...trial.Record) []trial.Record {
	t.Helper()
	out := make([]trial.Record, len(rs))
	for i, r := range rs {
		c, err := storage.Canonical(r)
		require.NoError(t, err)
		c.Number = i
		out[i] = c
	}
	return out
}

// choices has every kind of literal, some of which differ only in kind.
var choices = &space.CategoricalDistribution{Choices: []space.Literal{
	"null", "true", "false", "1", "1.0", `"1"`, `"true"`, `""`, "-0.5", "1e-05", "1e+300", "NaN", "Infinity",
	space.Lit("it's \"quoted\"; DROP TABLE trials; --"), space.Lit("é 漢 😀 \x00 \n"),
}}

// params has each kind of distribution.
var params = space.Params{
	Space: space.Space{
		{Name: "lr", Distribution: space.FloatDistribution{Low: 1e-5, High: 1e-1, Log: true}},
		{Name: "dropout", Distribution: space.FloatDistribution{Low: 0, High: 1, Step: 0.1}},
		{Name: "layers", Distribution: space.IntDistribution{Low: 1, High: 9, Step: 2}},
		{Name: "units", Distribution: space.IntDistribution{Low: 1, High: 1024, Step: 1, Log: true}},
		{Name: "kind", Distribution: choices},
	},
	Point: []float64{0.004078078003452798, 0.6000000000000001, 7, 64, 5},
}

func attrs(t testing.TB) trial.Attrs {
	t.Helper()
	memo, err := trial.NewAttr("memo", "hi")
	require.NoError(t, err)
	return trial.Attrs{
		memo,
		{Key: "z", JSON: `{"\u00e9": [1, 2.0, null, true]}`},
		{Key: "a", JSON: "NaN"},
		{Key: "b", JSON: "-Infinity"},
		{Key: "long", JSON: `"` + strings.Repeat("x", 5000) + `"`},
	}
}

// samples are trials of every state, to be added to a study of one objective.
func samples(t testing.TB) []trial.Record {
	inf := math.Inf(1)
	reports := []trial.Report{{Step: 0, Value: 1.5}, {Step: 1, Value: math.NaN()}, {Step: 7, Value: inf}, {Step: 1 << 30, Value: -inf}}
	return []trial.Record{
		{State: trial.Waiting},
		{State: trial.Waiting, Fixed: []space.Setting{{Name: "x", Value: "1.5"}, {Name: "kind", Value: "null"}}, Attrs: attrs(t)},
		{State: trial.Waiting, Params: params, Reports: reports, Notes: trial.Attrs{{Key: "retry_history", JSON: "[3, 4]"}}}, // as Optuna retries
		{State: trial.Complete, Params: params, Values: []float64{2.25}, Reports: reports, Started: at(0), Finished: at(1)},
		{State: trial.Complete, Values: []float64{inf}, Constraints: []trial.Constraint{{Name: "c1", Value: -0.5}, {Name: "c0", Value: math.NaN()}, {Name: "", Value: inf}}},
		{State: trial.Pruned, Params: params, Values: []float64{-inf}, Err: "no hope", Notes: attrs(t)},
		{State: trial.Pruned, Started: at(2)},
		{State: trial.Failed, Err: "exit status 1: é \x00 \xff", Attrs: attrs(t), Finished: at(9)},
	}
}

// numbers are floats that are easily bent.
var numbers = []float64{
	0, 1, -1, 0.1, 1.0 / 3, math.Pi, 1e16, 123456789012345678, 1 << 53, 1<<53 + 2, -(1 << 62), 1 << 63,
	math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 2.2250738585072014e-308, 5e-310, math.Inf(1), math.Inf(-1),
}

// hostile are names that are easily bent.
var hostile = []string{
	"x", " x ", "X", "x'", `x"`, "x`", `x\`, "x;--", "x\x00y", "x\n\t\r", "{x}", "%s?&#", "é", "e\u0301", "漢字", "😀", "\u2028<>&",
	strings.Repeat("n", 600), "__proto__", "null", "0", "constraint", "params:0",
}

// hostile returns the hostile names that the store keeps, and those that it refuses.
func (s suite) hostile() (kept, refused []string) {
	for _, name := range hostile {
		if s.Keeps == nil || s.Keeps(name) {
			kept = append(kept, name)
		} else {
			refused = append(refused, name)
		}
	}
	return kept, refused
}
