package tree

import (
	"encoding/base64"
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/internal/dev/foreign"
)

// An oracle is a model of testdata with the predictions of its library.
type oracle struct {
	foreign.Case
	library string
}

func (o oracle) data(format string) string {
	if format != "ubj" {
		return o.Files[format]
	}
	b, err := base64.StdEncoding.DecodeString(o.Files[format])
	if err != nil {
		panic(err)
	}
	return string(b)
}

// oracles returns the cases of the files of testdata that begin with library.
func oracles(t testing.TB, library string) []oracle {
	t.Helper()
	var all []oracle
	for _, c := range foreign.Read(t, filepath.Join("testdata", library+"*.json.gz")) {
		all = append(all, oracle{c, c.Library})
	}
	return all
}

func slicesChunks(x []float64, n int) func(func([]float64) bool) {
	return func(yield func([]float64) bool) {
		for ; len(x) > 0; x = x[n:] {
			if !yield(x[:n:n]) {
				return
			}
		}
	}
}

// plain is the plain twin of [Predictor.PredictRaw]: it follows the documentation of
// Model, node by node and row by row.
func plain(m *Model, rows []float64) []float64 {
	f := len(m.Features)
	shares := m.shares()
	var out []float64
	for r := range slicesChunks(rows, f) {
		row := make([]float64, f)
		copy(row, r)
		if m.Float32 {
			round(row, row)
		}
		raw := m.base()
		for i := range m.Trees {
			t := &m.Trees[i]
			raw[t.Output] += t.Leaves[t.leaf(row, m.Float32)].at(row)
		}
		for o := range raw {
			raw[o] /= shares[o]
		}
		out = append(out, raw...)
	}
	return out
}

// predict returns raw outputs and predictions, after comparing them with the plain twin.
func predict(t testing.TB, m *Model, rows []float64) (raw, pred []float64) {
	t.Helper()
	p, err := NewPredictor(m)
	require.NoError(t, err)
	n := len(rows) / len(m.Features) * m.Outputs
	raw, pred = make([]float64, n), make([]float64, n)
	require.NoError(t, p.PredictRaw(rows, raw))
	require.NoError(t, p.Predict(rows, pred))
	sameBits(t, plain(m, rows), raw)
	return raw, pred
}

func sameBits(t testing.TB, want, got []float64) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		if math.Float64bits(want[i]) != math.Float64bits(got[i]) && !(want[i] == 0 && got[i] == 0) {
			require.Failf(t, "other bits", "value %d: want %v, have %v", i, want[i], got[i])
		}
	}
}

// near compares with a tolerance relative to the wanted value, or to 1 if that is greater.
func near(t testing.TB, want, got []float64, eps float64) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		if !(math.Abs(want[i]-got[i]) <= eps*max(1, math.Abs(want[i]))) {
			require.Failf(t, "too far", "value %d: want %v, have %v", i, want[i], got[i])
		}
	}
}
