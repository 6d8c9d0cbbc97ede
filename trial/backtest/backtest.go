// Package backtest keeps what the model of a trial forecast in the windows of a backtest, beside
// the actual values, in an attribute of the trial. So whoever reads the study can show it, without
// the data and without the model.
//
//	r, ok := backtest.Best(h)
//	first := r.Series[0].Windows[0] // its forecasts begin at Series[0].Times[first.From]
//
// A Record is for people: it has a few series, and a few hundred forecasts.
package backtest

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/attune-hpo/attune/trial"
)

// Key is the key of the attribute.
const Key = "backtest"

// A Record has the forecasts of a trial. No forecast is made by a model that has seen the values
// of its window.
type Record struct {
	Label  string    `json:"label,omitempty"`  // of the values; may be empty
	Steps  bool      `json:"steps,omitempty"`  // times are counted steps, not seconds
	Levels []float64 `json:"levels,omitempty"` // of the intervals, ascending, such as 0.8
	// Windows is the number of windows of the backtest, and All the number of
	// its series. Series may have fewer: the latest windows of the first
	// series.
	Windows int      `json:"windows"`
	All     int      `json:"all"`
	Series  []Series `json:"series"`
}

// A Series has the actual values of a series, from some time before its first window, and the
// forecasts.
type Series struct {
	Name    string    `json:"name,omitempty"` // empty for a single series
	Times   []float64 `json:"times"`          // seconds since 1970, or counted steps
	Actual  Numbers   `json:"actual"`         // at each time; NaN is missing
	Windows []Window  `json:"windows"`        // in time order; they may overlap
}

// A Window has the forecasts of one window.
type Window struct {
	From     int     `json:"from"`     // index, in Times, of the first forecast
	Forecast Numbers `json:"forecast"` // at From and the times after it
	// Half has half the width of the prediction interval at each of these times, by level. It is
	// empty if the intervals are not known.
	Half []Numbers `json:"half,omitempty"`
}

// Numbers are numbers with six digits. In JSON, what is not finite is null, which is NaN when read.
type Numbers []float64

// MarshalJSON implements [json.Marshaler].
func (n Numbers) MarshalJSON() ([]byte, error) {
	b := []byte{'['}
	for i, v := range n {
		if i > 0 {
			b = append(b, ',')
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			b = append(b, "null"...)
		} else {
			b = strconv.AppendFloat(b, v, 'g', 6, 64)
		}
	}
	return append(b, ']'), nil
}

// UnmarshalJSON implements [json.Unmarshaler].
func (n *Numbers) UnmarshalJSON(text []byte) error {
	var all []*float64
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	*n = make(Numbers, len(all))
	for i, v := range all {
		(*n)[i] = math.NaN()
		if v != nil {
			(*n)[i] = *v
		}
	}
	return nil
}

// Of returns the record of a trial. ok is false if it has none, or one that does not fit together:
// another program may have written it.
func Of(r trial.Record) (b Record, ok bool) {
	a, ok := r.Attrs.Get(Key)
	return b, ok && a.Decode(&b) == nil && b.check() == nil
}

// check returns what does not fit together.
func (b Record) check() error {
	for _, s := range b.Series {
		if len(s.Times) != len(s.Actual) {
			return fmt.Errorf("%d times for %d values", len(s.Times), len(s.Actual))
		}
		for _, w := range s.Windows {
			if w.From < 0 || w.From+len(w.Forecast) > len(s.Times) || len(w.Half) > len(b.Levels) {
				return fmt.Errorf("a window of %d forecasts, from %d of %d times", len(w.Forecast), w.From, len(s.Times))
			}
			for _, half := range w.Half {
				if len(half) != len(w.Forecast) {
					return fmt.Errorf("%d widths for %d forecasts", len(half), len(w.Forecast))
				}
			}
		}
	}
	return nil
}

// Overlap reports whether windows share times.
func (b Record) Overlap() bool {
	for _, s := range b.Series {
		for i := range max(0, len(s.Windows)-1) {
			if w := s.Windows[i]; s.Windows[i+1].From < w.From+len(w.Forecast) {
				return true
			}
		}
	}
	return false
}

// Expected reports whether the trials of a study have records: whether its models forecast series,
// according to the task that the study records of them.
func Expected(h trial.Header) bool {
	var task struct{ Horizon int }
	a, ok := h.Attrs.Get("task")
	return ok && a.Decode(&task) == nil && task.Horizon > 0
}

// Best returns the record of the best trial that has one, and that trial. ok is false if none has:
// a trial gets one only if it is the best of its study so far. With several objectives, the first
// one decides which trial is the best.
func Best(h trial.Snapshot) (b Record, of trial.Record, ok bool) {
	for r := range h.All() {
		if r.State != trial.Complete || len(r.Values) == 0 || !r.Feasible() {
			continue
		}
		if loss := h.Direction(0).Loss(r.Values[0]); ok && !(loss < h.Direction(0).Loss(of.Values[0])) {
			continue
		}
		if one, has := Of(r); has {
			b, of, ok = one, r, true
		}
	}
	return b, of, ok
}
