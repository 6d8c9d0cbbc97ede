package plot_test

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/plot"
	"github.com/attune-hpo/attune/figure"
	"github.com/attune-hpo/attune/figure/draw"
	"github.com/attune-hpo/attune/internal/dev/teststudy"
)

// Every plot of every odd study shows something, or fails with an error that says what is missing.
func TestOddStudies(t *testing.T) {
	whys := map[string]bool{}
	for name, h := range teststudy.Odd() {
		for _, k := range plot.Kinds() {
			t.Run(name+"/"+k.Name, func(t *testing.T) {
				f, err := k.Make(t.Context(), h, plot.Choice{})
				if err == nil {
					assert.True(t, visible(f), "an empty plot")
					require.NoError(t, draw.SVG(new(bytes.Buffer), f, draw.Options{}))
					return
				}
				why := plot.Why(err)
				whys[why] = true
				assert.Regexp(t, `^[a-z][a-zA-Z0-9 ,:()]{20,}$`, why)
				assert.Contains(t, err.Error(), "plot: "+k.Name+": study odd: ")
				known := []error{plot.ErrNothing, plot.ErrObjective, plot.ErrNoForecasts}
				assert.True(t, slices.ContainsFunc(known, func(kind error) bool { return errors.Is(err, kind) }), err)
			})
		}
	}
	for _, want := range []string{
		"no complete trial has a finite value (it has no trials)", "no complete trial has a finite value (9 failed)", "no complete trial has a finite value (9 complete)",
		"no complete trial has finite values (9 complete)", "no trial has reported a finite value (9 have reported others)", "no trial has reported a value (1 complete)",
		"it takes two parameters, and there is one", "no complete trial has a parameter", "all trials have the value 3, and a bound takes values that differ",
		"all trials have the same value, which leaves nothing to explain: 40 trials", "too few complete trials: 1 with finite values, and 2 are needed to compare",
		"no trial has a time at which it started (9 complete)", "no complete trial kept its forecasts, as the best one so far does (1 complete)",
		"it has one objective, and a Pareto front has several", "it has several objectives, and a bound is of one", "the study has no models of time series",
	} {
		assert.Contains(t, whys, want)
	}
}

// visible reports whether a figure shows a value.
func visible(f figure.Figure) bool {
	some := func(xs, ys []float64) bool {
		for i := range xs {
			if finite(xs[i]) && finite(ys[i]) {
				return true
			}
		}
		return false
	}
	for _, p := range f.Panels {
		if p.Parallel != nil && slices.ContainsFunc(p.Parallel.Lines, func(l []float64) bool { return slices.ContainsFunc(l, finite) }) {
			return true
		}
		for _, m := range p.Marks {
			switch m := m.(type) {
			case figure.Line:
				if some(m.X, m.Y) {
					return true
				}
			case figure.Points:
				if some(m.X, m.Y) {
					return true
				}
			case figure.Bars:
				if slices.ContainsFunc(m.Length, finite) {
					return true
				}
			case figure.Spans:
				if some(m.From, m.To) {
					return true
				}
			}
		}
	}
	return false
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// Plots that are missing for the same reason share a sentence.
func TestMissing(t *testing.T) {
	var m plot.Missing
	assert.Empty(t, m.Sentences())
	m.Add("history", "no trial is complete")
	m.Add("front", "the study has one objective")
	m.Add("edf", "no trial is complete")
	assert.Equal(t, []string{"Not shown: history, edf: no trial is complete.", "Not shown: front: the study has one objective."}, m.Sentences())
}
