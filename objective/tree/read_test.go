package tree

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// LightGBM also sums in float64 and in this order, so raw outputs have the same bits.
func TestLightGBMPredictsAsTheOriginal(t *testing.T) {
	for _, o := range oracles(t, "lightgbm") {
		t.Run(o.library+"/"+o.Name, func(t *testing.T) {
			m, err := ReadLightGBM(strings.NewReader(o.data("text")))
			require.NoError(t, err)
			raw, pred := predict(t, m, o.Rows)
			if m.Average { // raw_score does not divide
				n := m.shares()[0]
				want := make([]float64, len(o.Raw))
				for i, v := range o.Raw {
					want[i] = v / n
				}
				sameBits(t, want, raw)
			} else {
				sameBits(t, o.Raw, raw)
			}
			near(t, o.Pred, pred, 1e-14)
			explains(t, m, o, 1e-11)
			for i, f := range m.Importance() {
				assert.EqualValues(t, o.Split[i], f.Splits, "feature %d", i)
				assert.InEpsilon(t, o.Gain[i]+1, f.Gain+1, 1e-6, "feature %d", i)
			}
		})
	}
}

// XGBoost and its link functions work in float32.
func TestXGBoostPredictsAsTheOriginal(t *testing.T) {
	for _, o := range oracles(t, "xgboost") {
		for format := range o.Files {
			t.Run(o.library+"/"+o.Name+"/"+format, func(t *testing.T) {
				m, err := ReadXGBoost(strings.NewReader(o.data(format)))
				if o.Refuse != "" {
					require.ErrorIs(t, err, ErrUnsupported)
					require.ErrorContains(t, err, o.Refuse)
					return
				}
				require.NoError(t, err)
				raw, pred := predict(t, m, o.Rows)
				near(t, o.Raw, raw, 2e-6)
				if o.Pred != nil {
					near(t, o.Pred, pred, 5e-6)
				}
				for i, c := range o.Class {
					best := 0
					for k, p := range pred[i*m.Outputs : (i+1)*m.Outputs] {
						if p > pred[i*m.Outputs+best] {
							best = k
						}
					}
					assert.EqualValues(t, c, best, "row %d", i)
				}
				explains(t, m, o, 1e-5)
				if o.Split != nil {
					for i, f := range m.Importance() {
						assert.EqualValues(t, o.Split[i], f.Splits, "feature %d", i)
						assert.InEpsilon(t, o.Gain[i]+1, f.Gain+1, 1e-5, "feature %d", i)
					}
				}
			})
		}
	}
}

func TestCatBoostPredictsAsTheOriginal(t *testing.T) {
	for _, o := range oracles(t, "catboost") {
		t.Run(o.library+"/"+o.Name, func(t *testing.T) {
			m, err := ReadCatBoost(strings.NewReader(o.data("json")))
			if o.Refuse != "" {
				require.ErrorIs(t, err, ErrUnsupported)
				require.ErrorContains(t, err, o.Refuse)
				return
			}
			require.NoError(t, err)
			raw, pred := predict(t, m, o.Rows)
			near(t, o.Raw, raw, 1e-13)
			near(t, o.Pred, pred, 1e-12)
			explains(t, m, o, 1e-10)
		})
	}
}

// explains compares SHAP values with the library's, and their sum with the raw output.
func explains(t *testing.T, m *Model, o oracle, eps float64) {
	t.Helper()
	n := len(o.Rows) / len(m.Features)
	f := len(m.Features) + 1
	out := make([]float64, n*m.Outputs*f)
	if err := m.SHAP(o.Rows, out); err != nil {
		require.ErrorIs(t, err, ErrUnsupported)
		require.ErrorContains(t, err, "linear")
		require.Nil(t, o.Contrib)
		return
	}
	sums := make([]float64, n*m.Outputs)
	for i, v := range out {
		sums[i/f] += v
	}
	near(t, plain(m, o.Rows), sums, 1e-10)
	if o.Contrib != nil {
		near(t, o.Contrib, out, eps)
	}
}
