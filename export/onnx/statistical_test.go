package onnx_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/onnx"
	"github.com/attune-hpo/attune/objective/forecast"
	"github.com/attune-hpo/attune/objective/statistical"
	"github.com/attune-hpo/attune/space"
)

// A classic is a statistical model or a baseline to export.
type classic struct {
	name   string
	make   func(space.Settings) (forecast.Forecaster, error)
	season int  // of the series
	demand bool // intermittent
}

func classics() []classic {
	var all []classic
	add := func(name string, season int, make func(space.Settings) (forecast.Forecaster, error)) {
		all = append(all, classic{name: name, make: make, season: season})
	}
	for _, form := range []string{"ANN", "AAN", "AAdN", "MMN", "MMdN", "AAA", "AAdA", "MAM", "MAdM", "MNA", "ANA", "MNM", "MMM"} {
		add("ets "+form, 12, statistical.ETS{Form: form}.New)
	}
	for _, form := range []string{"auto", "stm", "otm", "dstm", "dotm"} {
		add("theta "+form, 12, statistical.Theta{Form: form}.New)
		add("theta without a season "+form, 1, statistical.Theta{Form: form}.New)
	}
	for _, form := range []string{"none", "simple", "partial", "full"} {
		add("ces "+form, 12, statistical.CES{Form: form}.New)
	}
	for _, form := range []string{"auto", "(0,1,0)", "(2,0,1)c", "(1,1,1)", "(0,2,2)", "(0,1,1)(0,1,1)", "(2,0,2)(1,1,1)c", "(0,1,0)(0,1,0)"} {
		add("arima "+form, 12, statistical.ARIMA{Form: form}.New)
	}
	for _, form := range []string{"classic", "sba", "tsb"} {
		all = append(all, classic{"croston " + form, statistical.Croston{Form: form}.New, 1, true})
	}
	add("mstl", 12, statistical.MSTL{}.New)
	add("mstl log", 12, statistical.MSTL{Transform: "log", Seasons: []int{4, 12}}.New)
	add("mstl, odd seasons", 12, statistical.MSTL{Seasons: []int{3, 7}}.New)
	add("mstl, a short season", 12, statistical.MSTL{Seasons: []int{2}}.New)
	for _, b := range statistical.Baselines() {
		add(b.Name(), 12, b.New)
		add(b.Name()+" without a season", 1, b.New)
	}
	return all
}

// seasonal returns series of months or years that differ in form and length.
func seasonal(season, series int, demand bool) forecast.Frame {
	freq := forecast.Frequency{N: 1, Unit: forecast.Month}
	if season == 1 {
		freq = forecast.Frequency{N: 1, Unit: forecast.Year}
	}
	var f forecast.Frame
	for k := range series {
		r := rand.New(rand.NewPCG(8, uint64(k)))
		s := forecast.Series{Start: time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC), Freq: freq}
		if series > 1 {
			s.ID = fmt.Sprint("s", k)
		}
		for i := range 84 - 11*k {
			t := float64(i)
			v := 200 + (1+float64(k))*t
			switch k {
			case 0:
				v *= 1 + 0.3*math.Sin(t/6*math.Pi)
			case 1:
				v += 40 * math.Cos(t/6*math.Pi)
			}
			v *= 1 + 0.05*r.NormFloat64()
			if demand && r.IntN(3) > 0 {
				v = 0
			}
			s.Y = append(s.Y, v)
		}
		f = append(f, s)
	}
	return f
}

// The interpreter is slow: it runs one form of each method.
func TestStatisticalPlainly(t *testing.T) {
	testStatistical(t, plainly, []string{"ets MAdM", "theta dotm", "ces full", "arima (2,0,2)(1,1,1)c", "croston tsb", "mstl log", "seasonal_drift"}, "within")
}

func TestStatisticalInRuntime(t *testing.T) {
	testStatistical(t, ort(t, 1), nil, "new", "fewer", "within", "end")
}

// Each model forecasts in ONNX what it forecasts in Go: after its training data, after new values, after fewer, and
// with missing values within and at the end.
func testStatistical(t *testing.T, run runner, names []string, gaps ...string) {
	const horizon = 14
	for _, c := range classics() {
		if names != nil && !slices.Contains(names, c.name) {
			continue
		}
		series := 3
		if strings.HasPrefix(c.name, "mstl") || strings.HasSuffix(c.name, "auto") {
			series = 1
		}
		t.Run(fmt.Sprintf("%s, %d series", c.name, series), func(t *testing.T) {
			whole := seasonal(c.season, series, c.demand)
			train, _, err := whole.Cut(10)
			require.NoError(t, err)
			f, err := c.make(nil)
			require.NoError(t, err)
			require.NoError(t, f.Fit(t.Context(), train, forecast.FitOptions{Horizon: horizon}))
			for _, form := range []onnx.Form{onnx.Exact, onnx.Compatible} {
				if form == onnx.Compatible && series > 1 {
					continue
				}
				m, err := onnx.Forecaster(f, onnx.ForecasterOptions{Form: form, Horizon: horizon, Frequency: train[0].Freq})
				require.NoError(t, err)
				tried := 0
				for _, gap := range gaps {
					past := slices.Clone(whole)
					for i, s := range past {
						n := len(train[i].Y)
						switch gap {
						case "new":
							n = s.Len()
						case "fewer":
							n -= 20
						}
						past[i].Y = slices.Clone(s.Y[:n])
						switch gap {
						case "within":
							past[i].Y[n/2], past[i].Y[n/2+1], past[i].Y[n-14] = math.NaN(), math.NaN(), math.NaN()
						case "end":
							if c.name == "window_mean without a season" {
								continue // the only value of the window is missing
							}
							past[i].Y[n-1], past[i].Y[n-2], past[i].Y[1] = math.NaN(), math.NaN(), math.NaN()
						}
					}
					inputs, err := onnx.ForecastInputs(f, past)
					if err != nil { // the native model would be fitted again
						require.ErrorIs(t, err, onnx.ErrUnsupported)
						continue
					}
					tried++
					want, err := f.Predict(t.Context(), past, horizon)
					require.NoError(t, err)
					out := run(t, m, arrays(inputs))["forecast"]
					require.Equal(t, []int{series, horizon}, out.Dims)
					for i, s := range want {
						assert.LessOrEqual(t, distance(t, s.Y, out.Data[i*horizon:(i+1)*horizon]), 1e-9, "%v, series %d, %s", form, i, gap)
					}
				}
				assert.GreaterOrEqual(t, tried, len(gaps)/2)
			}
		})
	}
}

// A mean is an ensemble.
type mean struct {
	forecast.Forecaster
	models  []forecast.Forecaster
	weights []float64
}

func (m mean) Models() []forecast.Forecaster { return m.models }
func (m mean) Weights() []float64            { return m.weights }

func TestEnsemblePlainly(t *testing.T) { testEnsemble(t, plainly) }

func TestEnsembleInRuntime(t *testing.T) { testEnsemble(t, ort(t, 1)) }

// Members that look back differently, use other columns and number the series in another order share the inputs.
func testEnsemble(t *testing.T, run runner) {
	const horizon = 7
	frame := months(90, 3, true)
	slices.Reverse(frame) // statistical models sort the series
	frame[1] = forecast.Series{ID: frame[1].ID, Start: frame[1].Time(40), Freq: frame[1].Freq, Y: frame[1].Y[40:],
		Past:  []forecast.Column{{Name: "promo", Values: frame[1].Past[0].Values[40:]}, {Name: "visits", Values: frame[1].Past[1].Values[40:]}},
		Known: []forecast.Column{{Name: "holiday", Values: frame[1].Known[0].Values[40:]}}}
	tabular := func(f forecast.Features, model func() forecast.Regressor) forecast.Forecaster {
		return &forecast.Tabular{Recipe: forecast.Recipe{Features: f, Transform: forecast.Standard{}}, New: model}
	}
	ets, err := statistical.ETS{}.New(nil)
	require.NoError(t, err)
	m := mean{weights: []float64{0.1, 0.2, 0.3, 0.15, 0.25}, models: []forecast.Forecaster{
		tabular(forecast.Features{Lags: []int{1, 2}, PastLags: []int{1}, KnownLags: []int{0}}, func() forecast.Regressor { return &forecast.Ridge{Lambda: 1} }),
		tabular(forecast.Features{Lags: []int{1, 60}, PastLags: []int{1, 8}, KnownLags: []int{0, 3}, SeriesID: true,
			Calendar: []forecast.Calendar{forecast.SineOfYear}}, func() forecast.Regressor { return &forest{} }),
		ets, forecast.SeasonalNaive(0),
		tabular(forecast.Features{Lags: []int{3}, Calendar: []forecast.Calendar{forecast.MonthOfYear}}, func() forecast.Regressor { return &forest{} }),
	}}
	var all []forecast.Frame
	for _, f := range m.models {
		require.NoError(t, f.Fit(t.Context(), frame, forecast.FitOptions{Horizon: horizon}))
		next, err := f.Predict(t.Context(), frame, horizon)
		require.NoError(t, err)
		all = append(all, next)
	}
	for _, form := range []onnx.Form{onnx.Exact, onnx.Compatible} {
		graph, err := onnx.Forecaster(m, onnx.ForecasterOptions{Form: form})
		require.NoError(t, err)
		inputs, err := onnx.ForecastInputs(m, frame)
		require.NoError(t, err)
		out := run(t, graph, arrays(inputs))["forecast"]
		for i := range frame {
			want := make([]float64, horizon)
			for k, next := range all {
				for h, v := range next[i].Y {
					want[h] += m.weights[k] * v
				}
			}
			limit := 1e-9
			if form != onnx.Exact {
				limit = 1e-5
			}
			assert.LessOrEqual(t, distance(t, want, out.Data[i*horizon:(i+1)*horizon]), limit, "%v, series %s", form, frame[i].ID)
		}
	}
	stranger := slices.Clone(frame)
	stranger[0].ID = "stranger"
	_, err = onnx.ForecastInputs(m, stranger)
	assert.ErrorIs(t, err, onnx.ErrUnsupported)
	later := slices.Clone(frame)
	later[0] = later[0].Until(90, 12)
	later[0].Start = later[0].Time(1)
	_, err = onnx.ForecastInputs(m, later)
	assert.ErrorContains(t, err, "begins at another time")
	_, err = onnx.Forecaster(ets, onnx.ForecasterOptions{Horizon: 3})
	assert.ErrorContains(t, err, "the frequency of the series is not set")
	_, err = onnx.Forecaster(forecast.Naive(), onnx.ForecasterOptions{})
	assert.ErrorContains(t, err, "a horizon of 0")
}
