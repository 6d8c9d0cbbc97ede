package onnx_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/export/onnx/internal/eval"
	"github.com/attune-hpo/attune/export/tensor"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/tree"
)

// A forest is a regressor that learns little: random splits at values between those
// of the table, and leaves that are some of its targets.
type forest struct{ m *tree.Model }

func (f *forest) Model() *tree.Model { return f.m }

func (f *forest) Fit(_ context.Context, train, _ forecast.Table, opts forecast.RegressorOptions) error {
	r := rand.New(rand.NewPCG(opts.Seed, 7))
	f.m = &tree.Model{Features: make([]tree.Feature, train.X.Cols), Outputs: train.Y.Cols, Average: true}
	for i := range f.m.Features {
		f.m.Features[i].Name = train.Names[i]
		if slices.Contains(train.Categories, i) {
			f.m.Features[i].Kind = tree.Categorical
		}
	}
	for o := range train.Y.Cols {
		for range 10 {
			t := randomTree(r, f.m, false)
			t.Output = o
			for i := range t.Nodes {
				n := &t.Nodes[i]
				a, b := train.X.Row(r.IntN(train.X.Rows))[n.Feature], train.X.Row(r.IntN(train.X.Rows))[n.Feature]
				if n.Threshold = a*0.37 + b*0.63 + 0.001; math.IsNaN(n.Threshold) {
					n.Threshold = 0.123
				}
				if n.Missing == tree.MissingZero {
					n.Missing = tree.MissingNaN
				}
			}
			for i := range t.Leaves {
				t.Leaves[i].Value = train.Y.Row(r.IntN(train.Y.Rows))[o]
			}
			f.m.Trees = append(f.m.Trees, t)
		}
	}
	return nil
}

func (f *forest) Predict(x forecast.Matrix) (forecast.Matrix, error) {
	out := forecast.Matrix{Rows: x.Rows, Cols: f.m.Outputs, Data: make([]float64, x.Rows*f.m.Outputs)}
	p, err := tree.NewPredictor(f.m)
	if err != nil {
		return out, err
	}
	return out, p.Predict(x.Data, out.Data)
}

func (f *forest) Save(io.Writer) error { return errors.ErrUnsupported }
func (f *forest) Load(io.Reader) error { return errors.ErrUnsupported }

// months returns monthly series, with columns or without, some values missing.
func months(n, series int, columns bool) forecast.Frame {
	r := rand.New(rand.NewPCG(3, uint64(n)))
	var f forecast.Frame
	for k := range series {
		s := forecast.Series{Start: time.Date(2001, 3, 1, 0, 0, 0, 0, time.UTC), Freq: forecast.Frequency{N: 1, Unit: forecast.Month}}
		if series > 1 {
			s.ID = fmt.Sprint("s", k)
		}
		level := 50 * float64(k+1)
		for i := range n {
			s.Y = append(s.Y, level+float64(i)*0.3+10*math.Sin(float64(i)/12*2*math.Pi)+r.NormFloat64())
		}
		if columns {
			promo, holiday := make([]float64, n), make([]float64, n+12)
			for i := range promo {
				promo[i] = r.Float64()
			}
			for i := range holiday {
				holiday[i] = float64(r.IntN(2))
			}
			s.Past = []forecast.Column{{Name: "promo", Values: promo}, {Name: "visits", Values: promo[:n:n]}}
			s.Known = []forecast.Column{{Name: "holiday", Values: holiday}}
		}
		f = append(f, s)
	}
	return f
}

var recipes = []struct {
	name   string
	recipe forecast.Recipe
	series int
	cols   bool
}{
	{"default features", forecast.Recipe{}, 1, false},
	{"log and seasonal difference", forecast.Recipe{Transform: forecast.Chain{forecast.Log{}, forecast.Diff{Lag: 12}}}, 1, false},
	{"short difference of a long horizon", forecast.Recipe{Transform: forecast.Chain{forecast.Diff{Lag: 2}}}, 1, false},
	{"two differences", forecast.Recipe{Transform: forecast.Chain{forecast.Diff{Lag: 12}, forecast.Diff{}, forecast.Standard{}}}, 1, false},
	{"log1p, min-max", forecast.Recipe{Transform: forecast.Chain{forecast.Log1p{}, forecast.MinMax{}}}, 1, false},
	{"several series", forecast.Recipe{Transform: forecast.Standard{}, Features: forecast.Features{Lags: []int{1, 3}, SeriesID: true}}, 3, false},
	{"several series, one transform", forecast.Recipe{Transform: forecast.Diff{}}, 2, false},
	{"columns", forecast.Recipe{Features: forecast.Features{Lags: []int{2, 1}, PastLags: []int{1, 4}, KnownLags: []int{0, 2}, Seasonal: []int{12, 5},
		Calendar: []forecast.Calendar{forecast.SineOfYear, forecast.MonthOfYear}}}, 2, true},
	{"all statistics", forecast.Recipe{Transform: forecast.Diff{}, Features: forecast.Features{Rolling: []forecast.Rolling{{Stat: forecast.Mean, Window: 5},
		{Stat: forecast.Std, Window: 4, Lag: 2}, {Stat: forecast.Min, Window: 3}, {Stat: forecast.Max, Window: 7, Lag: 3}, {Stat: forecast.Std, Window: 1},
		{Stat: forecast.Mean, Window: 1}}}}, 1, false},
	{"anchored logarithms", forecast.Recipe{Transform: forecast.Log{}, Anchored: true, Features: forecast.Features{Lags: []int{1, 12}, Seasonal: []int{12, 5},
		Rolling: []forecast.Rolling{{Stat: forecast.Mean, Window: 5}, {Stat: forecast.Std, Window: 4}, {Stat: forecast.Max, Window: 7, Lag: 3}}}}, 2, false},
	{"anchored differences, only the calendar", forecast.Recipe{Transform: forecast.Diff{}, Anchored: true, Features: forecast.Features{Calendar: []forecast.Calendar{forecast.MonthOfYear}}}, 1, false},
	{"only the calendar", forecast.Recipe{Features: forecast.Features{Calendar: []forecast.Calendar{forecast.Elapsed}}}, 1, false},
}

func TestForecastersPlainly(t *testing.T) { testForecasters(t, plainly) }

func TestForecastersInRuntime(t *testing.T) { testForecasters(t, ort(t, 1)) }

func testForecasters(t *testing.T, run runner) {
	worst := map[onnx.Form]float64{}
	for _, c := range recipes {
		for _, strategy := range []forecast.Strategy{forecast.Direct, forecast.Pooled, forecast.Joint, forecast.Recursive} {
			for name, model := range map[string]func() forecast.Regressor{
				"ridge": func() forecast.Regressor { return &forecast.Ridge{Lambda: 1} },
				"trees": func() forecast.Regressor { return &forest{} },
			} {
				t.Run(fmt.Sprintf("%s, %s, %s", c.name, strategy, name), func(t *testing.T) {
					if strategy == forecast.Recursive && c.cols {
						c.recipe.Features.PastLags = []int{7, 9}
					}
					frame := months(90, c.series, c.cols)
					r := c.recipe
					r.Strategy, r.Horizon = strategy, 7
					tab := &forecast.Tabular{Recipe: r, New: model}
					require.NoError(t, tab.Fit(t.Context(), frame, forecast.FitOptions{Horizon: 7}))
					exports := map[onnx.Form]*onnx.Model{}
					for _, form := range onnx.Forms {
						m, err := onnx.Forecaster(tab, onnx.ForecasterOptions{Form: form, Units: "°C"})
						require.NoError(t, err)
						exports[form] = m
					}
					// From several origins, one with a value missing, one that the window does not fit in.
					for _, n := range []int{90, 61, 30, 9} {
						if n == 9 && c.recipe.Transform != nil {
							continue // nothing to undo the transform with
						}
						var past forecast.Frame
						for _, s := range frame {
							past = append(past, s.Until(n, 12))
						}
						for i := range past {
							past[i].Y = slices.Clone(past[i].Y)
							if n == 61 && name == "trees" && c.recipe.Transform == nil {
								past[i].Y[n-3] = math.NaN()
							}
						}
						want, err := tab.Predict(t.Context(), past, 7)
						require.NoError(t, err)
						for form, m := range exports {
							inputs, err := onnx.ForecastInputs(tab, past)
							require.NoError(t, err)
							require.Len(t, inputs, len(m.Graph.Inputs))
							out := run(t, m, arrays(inputs))["forecast"]
							require.Equal(t, []int{c.series, 7}, out.Dims)
							for i, s := range want {
								d := distance(t, s.Y, out.Data[i*7:(i+1)*7])
								worst[form] = max(worst[form], d)
								limit := 1e-12
								if form != onnx.Exact && name == "trees" {
									limit = 1e-5
								}
								assert.LessOrEqual(t, d, limit, "%v from %d", form, n)
							}
						}
					}
				})
			}
		}
	}
	t.Log("greatest differences, relative to the greatest forecast:", worst)
}

// arrays returns tensors as the runners take them.
func arrays(l tensor.List) map[string]eval.Array {
	out := map[string]eval.Array{}
	for _, x := range l {
		a := eval.Array{Type: onnx.Float64, Data: slices.Clone(x.Floats())}
		if kind, _ := x.Kind(); kind == "int64" {
			a.Type = onnx.Int64
		}
		for _, d := range x.Shape {
			a.Dims = append(a.Dims, int(d))
		}
		out[x.Name] = a
	}
	return out
}

// other is a regressor that the exporter does not know.
type other struct{ forecast.Ridge }

func TestForecasterRefuses(t *testing.T) {
	frame := months(60, 2, true)
	fit := func(model func() forecast.Regressor, r forecast.Recipe) *forecast.Tabular {
		tab := &forecast.Tabular{Recipe: r, New: model}
		require.NoError(t, tab.Fit(t.Context(), frame, forecast.FitOptions{Horizon: 2}))
		return tab
	}
	ridge := func() forecast.Regressor { return &forecast.Ridge{} }
	_, err := onnx.Forecaster(&forecast.Tabular{}, onnx.ForecasterOptions{})
	assert.ErrorIs(t, err, forecast.ErrNotFitted)
	_, err = onnx.ForecastInputs(&forecast.Tabular{}, frame)
	assert.ErrorIs(t, err, forecast.ErrNotFitted)

	strange := fit(func() forecast.Regressor { return &other{} }, forecast.Recipe{})
	_, err = onnx.Forecaster(strange, onnx.ForecasterOptions{})
	assert.ErrorIs(t, err, onnx.ErrUnsupported)
	assert.ErrorContains(t, err, "a model of type *onnx_test.other: set onnx.ForecasterOptions.Regressor")
	m, err := onnx.Forecaster(strange, onnx.ForecasterOptions{Regressor: func(b *onnx.Builder, m forecast.Regressor, rows onnx.Value) (onnx.Value, error) {
		lin, err := m.(*other).Linear()
		return b.Linear(lin, rows), err
	}})
	require.NoError(t, err)
	require.NoError(t, m.Check())
	_, err = onnx.Forecaster(strange, onnx.ForecasterOptions{Regressor: func(b *onnx.Builder, _ forecast.Regressor, rows onnx.Value) (onnx.Value, error) {
		return rows, nil
	}})
	assert.ErrorContains(t, err, "not DOUBLE of 1 columns")
	_, err = onnx.Forecaster(strange, onnx.ForecasterOptions{Regressor: func(*onnx.Builder, forecast.Regressor, onnx.Value) (onnx.Value, error) {
		return onnx.Value{}, errBroken
	}})
	assert.ErrorIs(t, err, errBroken)

	far := forecast.Recipe{Features: forecast.Features{Lags: []int{1}}}
	loaded := fit(ridge, far)
	var file bytes.Buffer
	require.NoError(t, loaded.Save(&file))
	text := strings.Replace(file.String(), `"lags":[1]`, `"lags":[1000000000]`, 1)
	require.NoError(t, loaded.Load(strings.NewReader(text)))
	_, err = onnx.Forecaster(loaded, onnx.ForecasterOptions{})
	assert.ErrorContains(t, err, "it looks 1000000000 values back")

	tab := fit(ridge, forecast.Recipe{Features: forecast.Features{Lags: []int{1}, SeriesID: true}})
	stranger := slices.Clone(frame)
	stranger[0].ID = "stranger"
	_, err = onnx.ForecastInputs(tab, stranger)
	assert.ErrorIs(t, err, onnx.ErrUnsupported)
	assert.ErrorContains(t, err, `series "stranger"`)
	short := slices.Clone(frame)
	short[0] = short[0].Until(60, 1)
	_, err = onnx.ForecastInputs(tab, short)
	assert.ErrorIs(t, err, onnx.ErrInvalid)
	assert.ErrorContains(t, err, `column "holiday" is known 1 of 2 steps ahead`)
	_, err = onnx.ForecastInputs(tab, months(60, 1, false))
	assert.ErrorContains(t, err, "not as in training")
	_, err = onnx.ForecastInputs(tab, nil)
	assert.ErrorIs(t, err, forecast.ErrEmpty)
}
