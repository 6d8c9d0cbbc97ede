package forecast

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/figure"
)

// A dashed line leads from the last known value to a forecast, unless the value right
// before the forecast is unknown.
func TestJoin(t *testing.T) {
	truth := count(5)
	next := Series{Start: truth.Time(5), Freq: truth.Freq, Y: []float64{6, 7}}
	for name, tc := range map[string]struct {
		forecast Series
		want     int
	}{
		"the next steps":  {next, 1},
		"later steps":     {Series{Start: truth.Time(7), Freq: truth.Freq, Y: []float64{6}}, 0},
		"from the start":  {truth, 0},
		"no value":        {Series{Start: truth.Time(5), Freq: truth.Freq}, 0},
		"a missing value": {Series{Start: truth.Time(5), Freq: truth.Freq, Y: []float64{inf()}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := Plot{Truth: truth, Forecasts: []Line{{"next", tc.forecast}}}.Figure()
			require.NoError(t, err)
			dashed := 0
			for _, m := range f.Panels[0].Marks {
				if l := m.(figure.Line); l.Dashed {
					dashed++
					assert.Equal(t, figure.Line{Colour: figure.Nth(0), Dashed: true, X: []float64{seconds(truth, 4), seconds(next, 0)}, Y: []float64{truth.Y[4], 6}}, l)
				}
			}
			assert.Equal(t, tc.want, dashed)
		})
	}
}

// A plot has the last values of the truth, and each forecast in the colour of its name.
func TestPlot(t *testing.T) {
	truth := count(6)
	a, b := count(2), count(2)
	f, err := Plot{Title: "Air", Label: "passengers", Truth: truth, Last: 2, Forecasts: []Line{{"a", a}, {"b", b}, {"a", a}}}.Figure()
	require.NoError(t, err)
	assert.Equal(t, "Air", f.Title)
	panel := f.Panels[0]
	assert.Equal(t, figure.Axis{Scale: figure.Time}, panel.X)
	assert.Equal(t, "passengers", panel.Y.Label)
	var names []string
	var colours []figure.Colour
	for _, m := range panel.Marks {
		names, colours = append(names, m.(figure.Line).Name), append(colours, m.(figure.Line).Colour)
	}
	assert.Equal(t, []string{"truth", "a", "b", "a"}, names)
	assert.Equal(t, []figure.Colour{figure.Ink, figure.Nth(0), figure.Nth(1), figure.Nth(0)}, colours)
	assert.Equal(t, figure.Line{Name: "truth", X: []float64{seconds(truth, 4), seconds(truth, 5)}, Y: truth.Y[4:]}, panel.Marks[0])

	missing := count(2)
	missing.Y = []float64{nan, inf()}
	for _, p := range []Plot{{}, {Truth: missing}} {
		_, err = p.Figure()
		require.ErrorIs(t, err, ErrEmpty)
	}
}

// A band lies below the lines, and does not count as a value.
func TestPlotBands(t *testing.T) {
	s := count(2)
	low, high := s, s
	low.Y, high.Y = []float64{0, 1}, []float64{2, 3}
	p := Plot{Truth: s, Bands: []Interval{{Name: "80 %", Lower: low, Upper: high}}}
	f, err := p.Figure()
	require.NoError(t, err)
	b, ok := f.Panels[0].Marks[0].(figure.Band)
	require.True(t, ok)
	assert.Equal(t, "80 %", b.Name)
	assert.Len(t, b.X, 2)
	assert.Equal(t, low.Y, b.Low)
	assert.Equal(t, high.Y, b.High)
	p.Truth.Y = []float64{math.NaN(), math.NaN()}
	_, err = p.Figure()
	assert.ErrorIs(t, err, ErrEmpty)
}
