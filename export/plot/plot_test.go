package plot_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/attune-hpo/attune/export/plot"
	"github.com/attune-hpo/attune/figure"
	"github.com/attune-hpo/attune/figure/draw"
	"github.com/attune-hpo/attune/importance"
	"github.com/attune-hpo/attune/internal/dev/teststudy"
	"github.com/attune-hpo/attune/sampler/gp"
	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

var (
	x = space.Float("x", 0, 1)
	y = space.Float("y", 1, 100, space.Log())
	c = space.Categorical("c", "red", "green")
)

// snapshot returns a study of records, numbered.
func snapshot(header trial.Header, records ...trial.Record) trial.Snapshot {
	h := trial.NewHistory(header)
	for i, r := range records {
		r.Number = i
		h.Put(r)
	}
	return h.Snapshot()
}

// at returns a complete trial at a point of x, y and c.
func at(px, py, pc float64, values ...float64) trial.Record {
	return trial.Record{State: trial.Complete, Params: space.Params{Space: space.Of(x, y, c), Point: []float64{px, py, pc}}, Values: values}
}

func infeasible(r trial.Record) trial.Record {
	r.Constraints = []trial.Constraint{{Name: "memory", Value: 1}}
	return r
}

func marks(t *testing.T, f figure.Figure, err error) []figure.Mark {
	t.Helper()
	require.NoError(t, err)
	require.Len(t, f.Panels, 1)
	return f.Panels[0].Marks
}

func Example() {
	h := snapshot(trial.Header{Name: "bowl"}, at(0.1, 10, 0, 3), at(0.5, 10, 1, 1), at(0.9, 20, 0, 2))
	f, err := plot.History(0, h)
	if err != nil {
		fmt.Println(err)
		return
	}
	best := f.Panels[0].Marks[2].(figure.Line)
	fmt.Println(f.Title, best.X, best.Y)
	if err := draw.SVG(io.Discard, f, draw.Options{}); err != nil { // to a file
		fmt.Println(err)
	}
	// Output: Optimization history of bowl [0 1 2] [3 1 1]
}

func TestHistory(t *testing.T) {
	failed := trial.Record{State: trial.Failed}
	h := snapshot(trial.Header{Directions: []trial.Direction{trial.Maximize}},
		at(0, 1, 0, 1), infeasible(at(0, 1, 0, 9)), failed, at(0, 1, 0, math.Inf(1)), at(0, 1, 0, 3), at(0, 1, 0, 2))
	f, err := plot.History(0, h)
	m := marks(t, f, err)
	assert.Equal(t, figure.Points{Name: "trial", Colour: figure.Blue, X: []float64{0, 4, 5}, Y: []float64{1, 3, 2}, Keys: []int{0, 4, 5}}, m[0])
	assert.Equal(t, figure.Points{Name: "misses its constraints", Colour: figure.Muted, Hollow: true, X: []float64{1}, Y: []float64{9}, Keys: []int{1}}, m[1])
	assert.Equal(t, figure.Line{Name: "best so far", Colour: figure.Orange, Steps: true, X: []float64{0, 4, 5}, Y: []float64{1, 3, 3}}, m[2])
	assert.Equal(t, figure.Axis{Label: "value", Field: "value"}, f.Panels[0].Y)
	assert.Equal(t, "number", f.Panels[0].X.Field)

	wide := snapshot(trial.Header{}, at(0, 1, 0, 1e-5), at(0, 1, 0, 10))
	f, err = plot.History(0, wide)
	marks(t, f, err)
	assert.Equal(t, figure.Log, f.Panels[0].Y.Scale)
}

// For several studies there is one line each, and a band of the middle half of them.
func TestHistories(t *testing.T) {
	of := func(name string, values ...float64) trial.Snapshot {
		var all []trial.Record
		for _, v := range values {
			all = append(all, at(0, 1, 0, v))
		}
		return snapshot(trial.Header{Name: name}, all...)
	}
	f, err := plot.History(0, of("a", 8, 4, 4), of("b", 6, 6, 2), of("c", 10, 10, 10))
	m := marks(t, f, err)
	require.Len(t, m, 4)
	band := m[0].(figure.Band)
	assert.Equal(t, []float64{0, 1, 1, 2, 2}, band.X)
	assert.Equal(t, []float64{7, 7, 5, 5, 3}, band.Low)
	assert.Equal(t, []float64{9, 9, 8, 8, 7}, band.High)
	assert.Equal(t, "b", m[2].(figure.Line).Name)
	f, err = plot.History(0, of("a", 1), of("b", 2))
	assert.Len(t, marks(t, f, err), 2, "two studies have no middle half")
}

func TestIntermediate(t *testing.T) {
	with := func(r trial.Record, values ...float64) trial.Record {
		for i, v := range values {
			r.Reports = append(r.Reports, trial.Report{Step: 2 * i, Value: v})
		}
		return r
	}
	h := snapshot(trial.Header{}, with(at(0, 1, 0, 2), 5, math.NaN(), 2), with(at(0, 1, 0, 1), 3, 1), with(trial.Record{State: trial.Running}, 7), at(0, 1, 0, 3))
	f, err := plot.Intermediate(h)
	m := marks(t, f, err)
	require.Len(t, m, 4)
	assert.Equal(t, []float64{0, 2, 4}, m[0].(figure.Line).X)
	assert.Equal(t, "running", m[2].(figure.Line).Name)
	assert.Equal(t, figure.Line{Name: "best: trial 1", Colour: figure.Ink, X: []float64{0, 2}, Y: []float64{3, 1}, Keys: []int{1, 1}}, m[3])

	f, err = plot.Intermediate(h, 0, 3)
	m = marks(t, f, err)
	assert.Equal(t, "trial 0", m[len(m)-1].(figure.Line).Name, "trial 3 has no reports")

	f, err = plot.Intermediate(h, 0, 1)
	m = marks(t, f, err)
	require.Len(t, m, 3, "each once")
	assert.Equal(t, "other trials", m[0].(figure.Line).Name)
	assert.NotEqual(t, m[1].(figure.Line).Colour, m[2].(figure.Line).Colour)

	var many []trial.Record
	for range 400 {
		many = append(many, with(at(0, 1, 0, 1), 1))
	}
	f, err = plot.Intermediate(snapshot(trial.Header{}, many...))
	assert.Len(t, marks(t, f, err), 301)
	assert.Equal(t, []string{"Shown are the newest 300 of 400 trials."}, f.Notes)
}

// Reports of several objectives have a panel for each of them.
func TestIntermediateOfSeveral(t *testing.T) {
	vector := func(r trial.Record, key, values string) trial.Record {
		r.Notes = append(r.Notes, trial.Attr{Key: key, JSON: values})
		return r
	}
	header := trial.Header{Directions: make([]trial.Direction, 2), Notes: trial.Attrs{{Key: trial.MetricsKey, JSON: `["error", "size"]`}}}
	h := snapshot(header, vector(vector(at(0, 1, 0, 1, 2), "report:4", "[1, Infinity]"), "report:2", "[5, 6]"),
		vector(trial.Record{State: trial.Pruned}, "report:2", "[7, 8]"), vector(trial.Record{State: trial.Pruned}, "report:3", "[7]"))
	f, err := plot.Intermediate(h, 0)
	require.NoError(t, err)
	require.Len(t, f.Panels, 2)
	assert.Equal(t, []string{"error", "size"}, []string{f.Panels[0].Y.Label, f.Panels[1].Y.Label})
	for i, want := range [][]float64{{5, 1}, {6, math.Inf(1)}} {
		m := f.Panels[i].Marks
		require.Len(t, m, 3, "the report with one value is left out")
		assert.Equal(t, "pruned", m[0].(figure.Line).Name)
		assert.Equal(t, figure.Line{Name: "trial 0", Colour: figure.Ink, X: []float64{2, 4}, Y: want, Keys: []int{0, 0}}, m[2])
	}
	_, err = plot.Intermediate(snapshot(header, at(0, 1, 0, 1, 2)))
	require.ErrorIs(t, err, plot.ErrNothing)
}

func TestEDF(t *testing.T) {
	h := snapshot(trial.Header{}, at(0, 1, 0, 3), at(0, 1, 0, 1), at(0, 1, 0, 2), at(0, 1, 0, 2))
	f, err := plot.EDF(0, h)
	l := marks(t, f, err)[0].(figure.Line)
	assert.Equal(t, []float64{1, 2, 2, 3}, l.X)
	assert.Equal(t, []float64{0.25, 0.5, 0.75, 1}, l.Y)
	f, err = plot.EDF(0, snapshot(trial.Header{Directions: []trial.Direction{trial.Maximize}}, at(0, 1, 0, 3), at(0, 1, 0, 1)))
	assert.Equal(t, []float64{1, 0.5}, marks(t, f, err)[0].(figure.Line).Y)
}

func TestTimeline(t *testing.T) {
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	done, running := at(0, 1, 0, 1), trial.Record{State: trial.Running, Started: begin.Add(time.Minute)}
	done.Started, done.Finished = begin, begin.Add(2*time.Minute)
	f, err := plot.Timeline(snapshot(trial.Header{}, done, running, trial.Record{State: trial.Waiting}))
	m := marks(t, f, err)
	unix := float64(begin.Unix())
	assert.Equal(t, figure.Spans{Name: "complete", Colour: figure.Blue, From: []float64{unix}, To: []float64{unix + 120}, Y: []float64{0}, Keys: []int{0}}, m[0])
	assert.Equal(t, figure.Spans{Name: "running", Colour: figure.Green, From: []float64{unix + 60}, To: []float64{unix + 120}, Y: []float64{1}, Keys: []int{1}}, m[1], "up to the latest time that is known")
}

// The last bound is that of all trials; the others are those of some of them.
func TestRegret(t *testing.T) {
	h := teststudy.New("one", 200, false, 1)
	f, err := plot.Regret(t.Context(), h)
	require.NoError(t, err)
	l := f.Panels[0].Marks[0].(figure.Line)
	require.Greater(t, len(l.X), 7)
	require.LessOrEqual(t, len(l.X), 10)
	last := len(l.X) - 1
	whole, ok := gp.Regret{}.Bound(h)
	require.True(t, ok)
	assert.Equal(t, []float64{float64(whole.Trials), whole.Value}, []float64{l.X[last], l.Y[last]})
	for i := range l.X[1:] {
		assert.Greater(t, l.X[i+1], l.X[i])
	}
	for _, y := range l.Y {
		assert.GreaterOrEqual(t, y, 0.0)
		assert.Less(t, y, f.Panels[0].Y.High)
	}
	assert.Equal(t, []string{fmt.Sprintf("After %d trials at most %.2g %% of the distance from the median to the best is left. Earlier bounds are rough.", whole.Trials, 100*whole.Share)}, f.Notes)

	done, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = plot.Regret(done, h)
	require.ErrorIs(t, err, context.Canceled)
}

func TestFrontAndHypervolume(t *testing.T) {
	header := trial.Header{Directions: []trial.Direction{trial.Minimize, trial.Maximize}}
	h := snapshot(header, at(0, 1, 0, 1, 1), at(0, 1, 0, 2, 3), at(0, 1, 0, 2, 2), infeasible(at(0, 1, 0, 0, 9)))
	f, err := plot.Front(h)
	m := marks(t, f, err)
	assert.Equal(t, []float64{0}, m[0].(figure.Points).X, "misses its constraints")
	assert.Equal(t, []float64{2}, m[1].(figure.Points).Y, "dominated")
	assert.Equal(t, []float64{1, 2}, m[2].(figure.Points).X, "front")
	f, err = plot.Hypervolume(h)
	l := marks(t, f, err)[0].(figure.Line)
	assert.Equal(t, []float64{0, 1, 2}, l.X)
	// The reference is (2.2, -0.9) in losses: 1.2·0.1 and then 0.2·2 more.
	assert.InDeltaSlice(t, []float64{0.12, 0.12 + 0.2*2, 0.12 + 0.2*2}, l.Y, 1e-9)

	three := trial.Header{Directions: make([]trial.Direction, 3)}
	f, err = plot.Front(snapshot(three, at(0, 1, 0, 1, 2, 3), at(0, 1, 0, 3, 2, 1)))
	require.NoError(t, err)
	assert.Len(t, f.Panels, 3, "a panel for each pair")
}

func TestSliceAndPairs(t *testing.T) {
	lacks := trial.Record{State: trial.Complete, Params: space.Params{Space: space.Of(x), Point: []float64{0.2}}, Values: []float64{5}}
	h := snapshot(trial.Header{}, at(0.5, 10, 1, 1), at(0.6, 20, 0, 4), lacks)
	f, err := plot.Slice(h, 0, "y", "c")
	require.NoError(t, err)
	require.Len(t, f.Panels, 2)
	assert.Equal(t, figure.Log, f.Panels[0].X.Scale)
	assert.Equal(t, []string{"red", "green"}, f.Panels[1].X.Names)
	p := f.Panels[0].Marks[0].(figure.Points)
	assert.Equal(t, []float64{10, 20}, p.X[:2])
	assert.True(t, math.IsNaN(p.X[2]), "the third trial lacks y")
	assert.Equal(t, []float64{0, 1, 2}, p.Shade)

	f, err = plot.Rank(h, 0, "x", "y")
	p = marks(t, f, err)[0].(figure.Points)
	assert.Equal(t, []float64{1, 0.5, 0}, p.Shade, "the best is drawn last")
	assert.InDeltaSlice(t, []float64{0.2, 0.6, 0.5}, p.X, 0)

	f, err = plot.Contour(h, 0, "x", "y")
	m := marks(t, f, err)
	heat := m[0].(figure.Heat)
	for j, row := range heat.Value {
		for i, v := range row {
			if !math.IsNaN(v) {
				assert.True(t, v >= 1 && v <= 4, "between trials: %g at %g, %g", v, heat.X[i], heat.Y[j])
			}
		}
	}
	assert.True(t, math.IsNaN(heat.Value[0][0]), "no trial is near")
	assert.Equal(t, []float64{1, 100}, []float64{heat.Y[0], math.Round(heat.Y[len(heat.Y)-1])})
	f, err = plot.Contour(h, 0, "x", "c")
	assert.Len(t, marks(t, f, err), 1, "between choices there is nothing")
}

func TestParallel(t *testing.T) {
	h := snapshot(trial.Header{}, at(0.5, 10, 1, 1), at(0.6, 20, 0, 4), infeasible(at(0.7, 30, 0, 2)))
	f, err := plot.Parallel(h, "y", "c")
	require.NoError(t, err)
	p := f.Panels[0].Parallel
	require.Len(t, p.Axes, 3)
	assert.Equal(t, [][]float64{{4, 20, 0}, {2, 30, 0}, {1, 10, 1}}, p.Lines, "the best last")
	assert.Equal(t, []bool{false, true, false}, p.Dashed)
	assert.Equal(t, []float64{4, 2, 1}, p.Shade)

	f, err = plot.Parallel(teststudy.New("many", 4000, false, 1))
	require.NoError(t, err)
	p = f.Panels[0].Parallel
	assert.Len(t, p.Lines, 1500)
	assert.Contains(t, f.Notes[0], "Shown are 1500 of")

	f, err = plot.Parallel(teststudy.New("two", 60, true, 1))
	require.NoError(t, err)
	assert.Equal(t, "Pareto rank", f.Shade.Label)
	assert.Equal(t, "speed", f.Panels[0].Parallel.Axes[1].Label)
}

func TestImportance(t *testing.T) {
	h := teststudy.New("study", 150, false, 1)
	r, err := importance.FANOVA{Trees: 4}.Evaluate(t.Context(), h)
	require.NoError(t, err)
	f := plot.Importance(r)
	require.Len(t, f.Panels, 2)
	bars := f.Panels[0].Marks[0].(figure.Bars)
	assert.Equal(t, r.Params[0].Name, f.Panels[0].Y.Names[0])
	assert.InDelta(t, 100*r.Params[0].Value, bars.Length[0], 1e-12)
	assert.Contains(t, f.Notes[0], "the forest predicts unseen ones with R²")
	assert.Contains(t, f.Notes[len(f.Notes)-1], "Doubt: left out")

	r, err = importance.Permutation{Trees: 4}.Evaluate(t.Context(), h)
	require.NoError(t, err)
	f = plot.Importance(r)
	assert.Equal(t, "increase of the squared error, as a share of the variance in %", f.Panels[0].X.Label)
	assert.Contains(t, f.Notes, "The increases do not add up: each may be over 100 %.")
}

// A sentence says why something cannot be plotted.
func TestBadInput(t *testing.T) {
	two := trial.Header{Name: "trade", Directions: make([]trial.Direction, 2)}
	none := trial.Snapshot{}
	failed := snapshot(trial.Header{Name: "bowl"}, trial.Record{State: trial.Failed}, trial.Record{State: trial.Failed}, trial.Record{State: trial.Running})
	infinite := snapshot(trial.Header{Name: "bowl"}, at(0, 1, 0, math.Inf(1)))
	bare := snapshot(trial.Header{Name: "bowl"}, trial.Record{State: trial.Complete, Values: []float64{1}})
	good := snapshot(trial.Header{Name: "bowl"}, at(0.5, 10, 1, 1), at(0.6, 20, 0, 4))
	level := snapshot(trial.Header{Name: "bowl"}, at(0.5, 10, 1, 4), at(0.6, 20, 0, 4))
	old := snapshot(trial.Header{Name: "old", Attrs: trial.Attrs{{Key: "task", JSON: `{"horizon": 12}`}}}, at(0.5, 10, 1, 1))
	for _, c := range []struct {
		name string
		f    func() (figure.Figure, error)
		want error
		text string
	}{
		{"history of nothing", func() (figure.Figure, error) { return plot.History(0) }, plot.ErrNothing, "plot: history: nothing to plot: no study"},
		{"history of no trials", func() (figure.Figure, error) { return plot.History(0, none) }, plot.ErrNothing, "plot: history: nothing to plot: no complete trial has a finite value (it has no trials)"},
		{"history of failures", func() (figure.Figure, error) { return plot.History(0, good, failed) }, plot.ErrNothing, "plot: history: study bowl: nothing to plot: no complete trial has a finite value (2 failed, 1 running)"},
		{"history of infinities", func() (figure.Figure, error) { return plot.History(0, infinite) }, plot.ErrNothing, "no complete trial has a finite value (1 complete)"},
		{"no such objective", func() (figure.Figure, error) { return plot.History(1, good) }, plot.ErrObjective, "plot: history: study bowl: no such objective: objective 1 of 1"},
		{"edf of nothing", func() (figure.Figure, error) { return plot.EDF(0) }, plot.ErrNothing, "plot: edf: nothing to plot: no study"},
		{"edf of failures", func() (figure.Figure, error) { return plot.EDF(0, failed) }, plot.ErrNothing, "plot: edf: study bowl"},
		{"no reports", func() (figure.Figure, error) { return plot.Intermediate(good) }, plot.ErrNothing, "plot: intermediate: study bowl: nothing to plot: no trial has reported a value (2 complete)"},
		{"no times", func() (figure.Figure, error) { return plot.Timeline(good) }, plot.ErrNothing, "plot: timeline: study bowl: nothing to plot: no trial has a time at which it started (2 complete)"},
		{"front of one objective", func() (figure.Figure, error) { return plot.Front(good) }, plot.ErrObjective, "plot: front: study bowl: no such objective: it has one objective, and a Pareto front has several"},
		{"front of no trial", func() (figure.Figure, error) { return plot.Front(snapshot(two)) }, plot.ErrNothing, "plot: front: study trade: nothing to plot: no complete trial has finite values (it has no trials)"},
		{"hypervolume of one objective", func() (figure.Figure, error) { return plot.Hypervolume(good) }, plot.ErrObjective, "plot: hypervolume: study bowl"},
		{"hypervolume of no trial", func() (figure.Figure, error) { return plot.Hypervolume(snapshot(two)) }, plot.ErrNothing, "plot: hypervolume: study trade"},
		{"regret of several objectives", func() (figure.Figure, error) { return plot.Regret(t.Context(), snapshot(two)) }, plot.ErrObjective, "plot: regret: study trade: no such objective: it has several objectives"},
		{"regret of equal values", func() (figure.Figure, error) { return plot.Regret(t.Context(), level) }, plot.ErrNothing, "plot: regret: study bowl: nothing to plot: all trials have the value 4, and a bound takes values that differ"},
		{"regret of few trials", func() (figure.Figure, error) { return plot.Regret(t.Context(), good) }, plot.ErrNothing, "plot: regret: study bowl: nothing to plot: a bound takes 30 complete trials"},
		{"backtest of no forecasters", func() (figure.Figure, error) { return plot.Backtest(good) }, plot.ErrNoForecasts, "plot: backtest: study bowl: no forecasts: the study has no models of time series"},
		{"backtest without forecasts", func() (figure.Figure, error) { return plot.Backtest(old) }, plot.ErrNothing, "plot: backtest: study old: nothing to plot: no complete trial kept its forecasts, as the best one so far does (1 complete)"},
		{"no parameters", func() (figure.Figure, error) { return plot.Slice(bare, 0) }, plot.ErrNothing, "plot: slice: study bowl: nothing to plot: no complete trial has a parameter"},
		{"no such parameter", func() (figure.Figure, error) { return plot.Slice(good, 0, "q") }, plot.ErrParam, `plot: slice: study bowl: no such parameter: "q": want one of c, x, y`},
		{"one parameter for pairs", func() (figure.Figure, error) { return plot.Contour(good, 0, "x") }, plot.ErrNothing, "plot: contour: study bowl: nothing to plot: it takes two parameters, and there is one"},
		{"ranks of one parameter", func() (figure.Figure, error) { return plot.Rank(good, 0, "x") }, plot.ErrNothing, "plot: rank: study bowl"},
		{"parallel of failures", func() (figure.Figure, error) { return plot.Parallel(failed) }, plot.ErrNothing, "plot: parallel: study bowl"},
		{"parallel of no parameters", func() (figure.Figure, error) { return plot.Parallel(bare) }, plot.ErrNothing, "no complete trial has a parameter"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.f()
			require.ErrorIs(t, err, c.want)
			assert.ErrorContains(t, err, c.text)
		})
	}
}

// Whatever can be plotted is plotted and drawn, however odd it is.
func TestOddInput(t *testing.T) {
	one := snapshot(trial.Header{}, at(0.5, 10, 1, 1))
	equal := snapshot(trial.Header{}, at(0.5, 10, 1, 1), at(0.5, 10, 1, 1), at(0.5, 10, 1, 1))
	huge := snapshot(trial.Header{}, at(0, 1, 0, -1e300), at(1, 100, 1, 1e300), at(0.5, 3, 1, math.Inf(-1)))
	fixed := space.Of(space.Float("f", 2, 2), space.Int("i", 3, 3), space.Categorical("c", "only"))
	still := snapshot(trial.Header{}, trial.Record{State: trial.Complete, Params: space.Params{Space: fixed, Point: []float64{2, 3, 0}}, Values: []float64{1}})
	future := at(0.5, 10, 1, 1)
	future.Started, future.Finished = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC)
	var wide []space.Axer
	var point []float64
	for i := range 1000 {
		wide, point = append(wide, space.Float(fmt.Sprintf("p%d", i), 0, 1)), append(point, 0.5)
	}
	thousand := snapshot(trial.Header{}, trial.Record{State: trial.Complete, Params: space.Params{Space: space.Of(wide...), Point: point}, Values: []float64{1}})
	for name, h := range map[string]trial.Snapshot{"one trial": one, "equal trials": equal, "huge values": huge, "nothing varies": still, "a thousand parameters": thousand} {
		for which, f := range map[string]func() (figure.Figure, error){
			"history":  func() (figure.Figure, error) { return plot.History(0, h) },
			"edf":      func() (figure.Figure, error) { return plot.EDF(0, h) },
			"slice":    func() (figure.Figure, error) { return plot.Slice(h, 0) },
			"contour":  func() (figure.Figure, error) { return plot.Contour(h, 0) },
			"rank":     func() (figure.Figure, error) { return plot.Rank(h, 0) },
			"parallel": func() (figure.Figure, error) { return plot.Parallel(h) },
		} {
			t.Run(name+"/"+which, func(t *testing.T) {
				f, err := f()
				require.NoError(t, err)
				require.NoError(t, draw.SVG(io.Discard, f, draw.Options{}))
				require.LessOrEqual(t, len(f.Panels), 12)
			})
		}
	}
	f, err := plot.Timeline(snapshot(trial.Header{}, future))
	require.NoError(t, err)
	require.NoError(t, draw.SVG(io.Discard, f, draw.Options{}))
}
