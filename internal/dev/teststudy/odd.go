package teststudy

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/attune-hpo/attune/space"
	"github.com/attune-hpo/attune/trial"
)

// Odd returns studies that lack something which most studies have, by what is odd about them. The
// name of each is odd.
func Odd() map[string]trial.Snapshot {
	x, y := space.Float("x", 0, 1), space.Float("y", 0, 1)
	var wide []space.Axer
	for i := range 1000 {
		wide = append(wide, space.Float(fmt.Sprintf("p%03d", i), 0, 1))
	}
	both, one, thousand := space.Of(x, y), space.Of(x), space.Of(wide...)
	of := func(n int, several bool, f func(i int, r *trial.Record)) trial.Snapshot {
		header := trial.Header{Name: "odd"}
		if several {
			header.Directions = make([]trial.Direction, 2)
		}
		h := trial.NewHistory(header)
		for i := range n {
			r := trial.Record{Number: i, State: trial.Complete, Values: []float64{float64(i)}, Params: space.Params{Space: both, Point: []float64{float64(i) / float64(n), 0.5}}}
			if several {
				r.Values = append(r.Values, 1)
			}
			f(i, &r)
			h.Put(r)
		}
		return h.Snapshot()
	}
	return map[string]trial.Snapshot{
		"no trials":             of(0, false, nil),
		"no trials, objectives": of(0, true, nil),
		"one trial":             of(1, false, func(int, *trial.Record) {}),
		"one trial, objectives": of(1, true, func(int, *trial.Record) {}),
		"all failed": of(9, false, func(_ int, r *trial.Record) {
			r.State, r.Values, r.Err = trial.Failed, nil, strings.Repeat("<b>", 50_000)
		}),
		"all running": of(9, false, func(_ int, r *trial.Record) { r.State, r.Values = trial.Running, nil }),
		"all pruned":  of(9, false, func(_ int, r *trial.Record) { r.State = trial.Pruned }),
		"all equal":   of(40, false, func(_ int, r *trial.Record) { r.Values = []float64{3} }),
		"infinities":  of(9, false, func(i int, r *trial.Record) { r.Values = []float64{math.Inf(1 - 2*(i%2))} }),
		"infinite objectives": of(9, true, func(i int, r *trial.Record) {
			r.Values = []float64{math.Inf(1), math.Inf(-1)}
		}),
		"NaN reports": of(9, false, func(_ int, r *trial.Record) {
			r.Reports = []trial.Report{{Step: 1, Value: math.NaN()}, {Step: 2, Value: math.Inf(1)}}
		}),
		"one parameter": of(9, false, func(_ int, r *trial.Record) { r.Params = space.Params{Space: one, Point: []float64{0.5}} }),
		"half of them": of(40, false, func(i int, r *trial.Record) {
			r.Params = space.Params{Space: both[:1+i%2], Point: r.Params.Point[:1+i%2]}
		}),
		"no parameters":   of(9, false, func(_ int, r *trial.Record) { r.Params = space.Params{} }),
		"none complete":   of(9, true, func(_ int, r *trial.Record) { r.State, r.Values = trial.Failed, nil }),
		"none feasible":   of(9, false, func(_ int, r *trial.Record) { r.Constraints = []trial.Constraint{{Name: "memory", Value: 1}} }),
		"no feasible set": of(9, true, func(_ int, r *trial.Record) { r.Constraints = []trial.Constraint{{Name: "memory", Value: 1}} }),
		"a thousand":      of(3, false, func(_ int, r *trial.Record) { r.Params = space.Params{Space: thousand, Point: make([]float64, 1000)} }),
		"in the future": of(3, false, func(_ int, r *trial.Record) {
			r.Started, r.Finished = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 1, 2, 0, 0, 0, 0, time.UTC)
		}),
		"odd attributes": of(3, false, func(_ int, r *trial.Record) {
			r.Attrs = trial.Attrs{{Key: "<script>", JSON: `"<script>alert(1)</script>"`}, {Key: "backtest", JSON: `{"series": 7}`}}
		}),
		"no forecasts": func() trial.Snapshot {
			h := trial.NewHistory(trial.Header{Name: "odd", Attrs: trial.Attrs{{Key: "task", JSON: `{"horizon": 12}`}}})
			h.Put(trial.Record{State: trial.Complete, Values: []float64{1}})
			return h.Snapshot()
		}(),
	}
}
