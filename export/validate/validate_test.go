package validate_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/validate"
)

// fixed is a model that predicts its own values.
type fixed []float64

func (f fixed) Predict(_, out []float64) error { copy(out, f); return nil }

type broken struct{ error }

func (b broken) Predict(_, _ []float64) error { return b.error }

// of returns n rows of one value.
func of(n int) validate.Rows {
	r := validate.Rows{Width: 1}
	for i := range n {
		r.Values = append(r.Values, float64(i))
	}
	return r
}

func TestVerdicts(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	next := math.Nextafter(1, 2)
	for name, c := range map[string]struct {
		gate             validate.Gate
		native, exported fixed
		reason           string // empty: pass
	}{
		"equal":                            {validate.Gate{}, fixed{1, 2}, fixed{1, 2}, ""},
		"within the relative tolerance":    {validate.Gate{}, fixed{1000}, fixed{1000.9}, ""},
		"beyond the relative tolerance":    {validate.Gate{}, fixed{1000, 5}, fixed{1001.1, 5}, "1 of 2 values are beyond the tolerance"},
		"within the absolute tolerance":    {validate.Gate{}, fixed{0}, fixed{9.9e-5}, ""},
		"beyond the absolute tolerance":    {validate.Gate{}, fixed{0}, fixed{1.1e-4}, "1 of 1 values are beyond the tolerance"},
		"tolerances of one's own":          {validate.Gate{ATol: 0.5}, fixed{0, 0}, fixed{0.5, 0.6}, "1 of 2 values are beyond"},
		"equality of neighbours":           {validate.Gate{Equal: true}, fixed{1}, fixed{next}, "1 of 1 values are not equal"},
		"equality makes no exceptions":     {validate.Gate{Equal: true, Beyond: 0.9}, fixed{1, 1}, fixed{1, next}, "1 of 2 values are not equal"},
		"equality of zeros":                {validate.Gate{Equal: true}, fixed{0}, fixed{math.Copysign(0, -1)}, ""},
		"NaN on both sides":                {validate.Gate{Equal: true}, fixed{nan, 1}, fixed{nan, 1}, ""},
		"NaN on the native side":           {validate.Gate{}, fixed{nan, 1}, fixed{0, 1}, "1 of 2 values are NaN on one side only"},
		"NaN on the other side":            {validate.Gate{Beyond: 0.9}, fixed{0, 1}, fixed{nan, 1}, "1 of 2 values are NaN on one side only"},
		"equal infinities":                 {validate.Gate{Equal: true}, fixed{inf, -inf}, fixed{inf, -inf}, ""},
		"opposite infinities":              {validate.Gate{}, fixed{inf}, fixed{-inf}, "beyond the tolerance"},
		"an infinity for a number":         {validate.Gate{RTol: 1e300}, fixed{1}, fixed{inf}, "beyond the tolerance"},
		"a number for an infinity":         {validate.Gate{}, fixed{inf}, fixed{1}, "beyond the tolerance"},
		"as many beyond as may be":         {validate.Gate{Beyond: 0.25, Correlation: 0.5}, fixed{1, 2, 3, 4}, fixed{1, 2, 3, 5}, ""},
		"more beyond than may be":          {validate.Gate{Beyond: 0.25}, fixed{1, 2, 3, 4}, fixed{1, 2, 4, 5}, "2 of 4 values are beyond the tolerance, and 1 may be"},
		"few beyond, but far":              {validate.Gate{Beyond: 0.25}, fixed{1, 2, 3, 4}, fixed{1, 2, 3, -40}, "Pearson's correlation is"},
		"few beyond, but out of order":     {validate.Gate{Beyond: 0.25, Correlation: 0.9}, fixed{1, 1.01, 1.02, 100}, fixed{1, 1.01, 0.9, 100}, "Spearman's correlation is 0.4"},
		"no correlation where is constant": {validate.Gate{Beyond: 0.5}, fixed{1, 1}, fixed{1, 2}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := c.gate.Compare(c.native, c.exported, of(len(c.native)))
			require.NoError(t, err)
			assert.Equal(t, c.reason == "", r.Pass, r.Reason)
			assert.Contains(t, r.Reason, c.reason)
			verdict, _, _ := strings.Cut(r.String(), ":")
			assert.Equal(t, map[bool]string{true: "pass", false: "FAIL"}[r.Pass], verdict)
			text, err := json.Marshal(r)
			require.NoError(t, err, "whatever is not finite")
			assert.True(t, json.Valid(text))
		})
	}
}

// The numbers are those of numpy 2.4.6 and scipy 1.17.1:
//
//	x = [1, 2, 2, 4, -5, 0]; y = [1.5, 2, 1, 4.25, -5, 0.5]
//	d = abs(y - x); d.max(), d.mean()                    1.0 0.375
//	r = d[:5] / abs(x[:5]); r.max(), r.mean()            0.5 0.2125
//	numpy.percentile(d, [50, 90, 99], method="inverted_cdf")  0.25 1.0 1.0
//	scipy.stats.pearsonr(x, y).statistic                 0.983645165326751
//	scipy.stats.spearmanr(x, y).statistic                0.898645105261295
func TestFigures(t *testing.T) {
	native, exported := fixed{1, 2, 2, 4, -5, 0}, fixed{1.5, 2, 1, 4.25, -5, 0.5}
	rows := validate.Rows{Values: []float64{10, 11, 20, 21, 30, 31}, Width: 2, Outputs: 2, Names: []string{"a", "b"},
		Label: func(row int) string { return "number " + string(rune('0'+row)) }}
	r, err := validate.Gate{}.Compare(native, exported, rows)
	require.NoError(t, err)
	assert.Equal(t, 3, r.Rows)
	assert.Equal(t, 2, r.Outputs)
	assert.Equal(t, 4, r.Beyond)
	assert.Equal(t, 1.0, r.MaxAbsolute)
	assert.Equal(t, 0.375, r.MeanAbsolute)
	assert.Equal(t, 0.5, r.MaxRelative)
	assert.InDelta(t, 0.2125, r.MeanRelative, 1e-15)
	assert.Equal(t, []validate.Percentile{{50, 0.25}, {90, 1}, {99, 1}, {99.9, 1}}, r.Percentiles)
	assert.InDelta(t, 0.983645165326751, r.Pearson, 1e-15)
	assert.InDelta(t, 0.898645105261295, r.Spearman, 1e-15)
	assert.InDelta(t, 5.0/6, r.Signs, 1e-15)
	assert.Equal(t, validate.Worst{Row: 1, Output: 0, Label: "number 1", Inputs: []float64{20, 21}, Names: []string{"a", "b"}, Native: 2, Exported: 1}, r.Worst)
	text := r.String()
	assert.Contains(t, text, "FAIL: 4 of 6 values are beyond the tolerance (asked for: within 0.0001 + 0.001·|native|)")
	assert.Contains(t, text, "row 1 (number 1), output 0: native 2, exported 1")
	assert.Contains(t, text, "its inputs: a=20 b=21")
	assert.Equal(t, validate.Gate{RTol: 1e-3, ATol: 1e-4, Correlation: 0.999}, r.Gate, "the defaults are filled in")
}

// Scaling, shifting and reordering leave correlations unchanged. Any monotone
// function leaves the rank correlation unchanged.
func TestMetamorphic(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	n := 200
	x, y := make(fixed, n), make(fixed, n)
	for i := range x {
		x[i] = math.Round(r.NormFloat64() * 5)
		y[i] = x[i] + math.Round(r.NormFloat64())
	}
	base, err := validate.Gate{}.Compare(x, y, of(n))
	require.NoError(t, err)
	change := func(f, g func(float64) float64) validate.Report {
		a, b := make(fixed, n), make(fixed, n)
		for i, p := range r.Perm(n) {
			a[p], b[p] = f(x[i]), g(y[i])
		}
		rep, err := validate.Gate{}.Compare(a, b, of(n))
		require.NoError(t, err)
		return rep
	}
	scaled := change(func(v float64) float64 { return 1e200*v + 3 }, func(v float64) float64 { return 1e-200 * v })
	assert.InDelta(t, base.Pearson, scaled.Pearson, 1e-12)
	bent := change(math.Exp, math.Cbrt)
	assert.InDelta(t, base.Spearman, bent.Spearman, 1e-12)
	same := change(func(v float64) float64 { return v }, func(v float64) float64 { return v })
	assert.Equal(t, base.Percentiles, same.Percentiles)
	assert.Equal(t, base.Beyond, same.Beyond)
}

func TestErrors(t *testing.T) {
	failed := errors.New("the disk is on fire")
	good := fixed{1}
	_, err := validate.Gate{}.Compare(broken{failed}, good, of(1))
	require.ErrorIs(t, err, failed)
	assert.ErrorContains(t, err, "native model")
	_, err = validate.Gate{}.Compare(good, broken{failed}, of(1))
	require.ErrorIs(t, err, failed)
	assert.ErrorContains(t, err, "exported model")
	for name, rows := range map[string]validate.Rows{
		"no rows":  {Width: 3},
		"no width": {Values: []float64{1}},
		"a part":   {Values: []float64{1, 2, 3}, Width: 2},
		"outputs":  {Values: []float64{1}, Width: 1, Outputs: -1},
	} {
		_, err := validate.Gate{}.Compare(good, good, rows)
		assert.ErrorIs(t, err, validate.ErrInput, name)
	}
	_, err = validate.Gate{}.Values([]float64{1}, []float64{1, 2}, of(1))
	assert.ErrorIs(t, err, validate.ErrInput)
	for name, g := range map[string]validate.Gate{
		"negative": {RTol: -1}, "NaN": {ATol: math.NaN()}, "infinite": {ATol: math.Inf(1)},
		"share": {Beyond: 1}, "correlation": {Correlation: 2},
	} {
		_, err := g.Compare(good, good, of(1))
		assert.ErrorIs(t, err, validate.ErrInput, name)
	}
}

func TestJSON(t *testing.T) {
	rows := validate.Rows{Values: []float64{math.NaN()}, Width: 1}
	r, err := validate.Gate{Equal: true}.Values([]float64{1}, []float64{math.Inf(1)}, rows)
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, r.WriteJSON(&b))
	var doc map[string]any
	require.NoError(t, json.Unmarshal([]byte(b.String()), &doc))
	assert.Equal(t, false, doc["pass"])
	assert.Nil(t, doc["pearson"])
	assert.Equal(t, "+Inf", doc["max_absolute"])
	assert.Equal(t, []any{nil}, doc["worst"].(map[string]any)["inputs"])
}
