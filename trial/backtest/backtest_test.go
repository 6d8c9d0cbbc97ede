package backtest_test

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/trial"
	"github.com/attune-hpo/attune/trial/backtest"
)

// study returns a study of complete trials with values, and the attribute of those with a text.
func study(d trial.Direction, values []float64, texts ...string) trial.Snapshot {
	h := trial.NewHistory(trial.Header{Name: "s", Directions: []trial.Direction{d}})
	for i, v := range values {
		r := trial.Record{Number: i, State: trial.Complete, Values: []float64{v}}
		if texts[i] != "" {
			r.Attrs = trial.Attrs{{Key: backtest.Key, JSON: texts[i]}}
		}
		h.Put(r)
	}
	return h.Snapshot()
}

func ExampleBest() {
	record := backtest.Record{Windows: 1, All: 1, Series: []backtest.Series{{
		Times: []float64{1, 2, 3}, Actual: backtest.Numbers{10, 20, 30}, Windows: []backtest.Window{{From: 2, Forecast: backtest.Numbers{28}}}}}}
	a, err := trial.NewAttr(backtest.Key, record)
	if err != nil {
		fmt.Println(err)
		return
	}
	h := trial.NewHistory(trial.Header{Name: "air"})
	h.Put(trial.Record{State: trial.Complete, Values: []float64{2}, Attrs: trial.Attrs{a}})
	b, of, ok := backtest.Best(h.Snapshot())
	w := b.Series[0].Windows[0]
	fmt.Println(of.Number, ok, b.Series[0].Times[w.From], w.Forecast)
	// Output: 0 true 3 [28]
}

// A record is what was written, with six digits, and NaN for what is not finite.
func TestRecord(t *testing.T) {
	b := backtest.Record{Label: "y", Levels: []float64{0.8}, Windows: 2, All: 3, Series: []backtest.Series{{Name: "a", Times: []float64{0, 86400},
		Actual: backtest.Numbers{1.23456789, math.NaN()}, Windows: []backtest.Window{{From: 1, Forecast: backtest.Numbers{math.Inf(1)}, Half: []backtest.Numbers{{0.5}}}}}}}
	text, err := json.Marshal(b)
	require.NoError(t, err)
	assert.Equal(t, `{"label":"y","levels":[0.8],"windows":2,"all":3,"series":[{"name":"a","times":[0,86400],"actual":[1.23457,null],`+
		`"windows":[{"from":1,"forecast":[null],"half":[[0.5]]}]}]}`, string(text))
	got, _, ok := backtest.Best(study(trial.Minimize, []float64{1}, string(text)))
	require.True(t, ok)
	assert.True(t, math.IsNaN(got.Series[0].Actual[1]))
	assert.True(t, math.IsNaN(got.Series[0].Windows[0].Forecast[0]))
	assert.Equal(t, b.Series[0].Windows[0].Half, got.Series[0].Windows[0].Half)
	assert.False(t, got.Overlap())
}

// The best trial with a record counts, in the direction of the study, whatever others write.
func TestBest(t *testing.T) {
	one := `{"series": [{"times": [1], "actual": [1], "windows": [{"from": 0, "forecast": [1]}]}]}`
	for name, c := range map[string]struct {
		h    trial.Snapshot
		want int // -1: none
	}{
		"none":     {study(trial.Minimize, []float64{1, 2}, "", ""), -1},
		"lowest":   {study(trial.Minimize, []float64{3, 1, 2}, one, one, one), 1},
		"highest":  {study(trial.Maximize, []float64{3, 4, 2}, one, one, one), 1},
		"first":    {study(trial.Minimize, []float64{1, 1}, one, one), 0},
		"has one":  {study(trial.Minimize, []float64{3, 1, 2}, one, "", one), 2},
		"no JSON":  {study(trial.Minimize, []float64{1}, "no JSON"), -1},
		"a number": {study(trial.Minimize, []float64{1}, "7"), -1},
		"ragged":   {study(trial.Minimize, []float64{1}, `{"series": [{"times": [1], "actual": []}]}`), -1},
		"beyond":   {study(trial.Minimize, []float64{1}, `{"series": [{"times": [1], "actual": [1], "windows": [{"from": 1, "forecast": [1]}]}]}`), -1},
		"before":   {study(trial.Minimize, []float64{1}, `{"series": [{"times": [1], "actual": [1], "windows": [{"from": -1, "forecast": [1]}]}]}`), -1},
		"no level": {study(trial.Minimize, []float64{1}, `{"series": [{"times": [1], "actual": [1], "windows": [{"from": 0, "forecast": [1], "half": [[1]]}]}]}`), -1},
		"half of one": {study(trial.Minimize, []float64{1},
			`{"levels": [0.8], "series": [{"times": [1], "actual": [1], "windows": [{"from": 0, "forecast": [1], "half": [[]]}]}]}`), -1},
	} {
		t.Run(name, func(t *testing.T) {
			_, r, ok := backtest.Best(c.h)
			assert.Equal(t, c.want >= 0, ok)
			if ok {
				assert.Equal(t, c.want, r.Number)
			}
		})
	}
}

func TestExpected(t *testing.T) {
	for text, want := range map[string]bool{"": false, `{"horizon": 12, "kind": "theta"}`: true, `{"kind": "lightgbm"}`: false, `"a hash"`: false} {
		h := trial.Header{}
		if text != "" {
			h.Attrs = trial.Attrs{{Key: "task", JSON: text}}
		}
		assert.Equal(t, want, backtest.Expected(h), text)
	}
}
