package forecast

import (
	"slices"

	"github.com/attune-hpo/attune/trial/backtest"
)

const (
	mostRecorded = 600 // forecasts in a record
	mostSeries   = 3   // series in a record
)

// recordedLevels are the levels of the intervals in a record.
var recordedLevels = []float64{0.8, 0.95}

// Record returns the forecasts of a result beside the actual values, for an attribute of a trial:
// of the first series, at most three, and of their latest windows, at most 600 forecasts in all.
// The intervals of a window are those by the errors in the windows that do not overlap it. A window
// has none if these errors are too few.
func (b *Backtest) Record(r Result) backtest.Record {
	out := backtest.Record{Steps: b.freq.Unit == Step, Windows: len(b.folds), All: len(b.frame)}
	perSeries := max(1, len(r.Folds)*b.horizon)
	first := max(0, len(r.Folds)-max(1, mostRecorded/b.horizon))
	around := make([]*Intervals, len(r.Folds))
	for i := range r.Folds {
		var others []Sample
		for k, f := range r.Folds {
			if max(i-k, k-i)*b.splits.Step >= b.horizon {
				others = append(others, b.samples(k, f.Forecast)...)
			}
		}
		if around[i] = b.intervals(others); around[i] != nil {
			out.Levels = recordedLevels
		}
	}
	for _, s := range b.frame {
		if len(out.Series) == min(mostSeries, max(1, mostRecorded/perSeries)) {
			break
		}
		if one := b.recorded(s, r, first, around); one.Windows != nil {
			out.Series = append(out.Series, one)
		}
	}
	return out
}

// recorded returns the record of a series, from a fold on, with the intervals of each fold. It has
// no windows if there is no forecast of the series.
func (b *Backtest) recorded(s Series, r Result, first int, around []*Intervals) backtest.Series {
	out := backtest.Series{Name: s.ID}
	from, to := -1, 0 // of the actual values
	for i := first; i < len(r.Folds); i++ {
		k := slices.IndexFunc(r.Folds[i].Forecast, func(f Series) bool { return f.ID == s.ID })
		if k < 0 {
			continue
		}
		next := r.Folds[i].Forecast[k]
		at, ok := s.Freq.Index(s.Start, next.Start)
		if !ok {
			continue
		}
		if from < 0 {
			from = max(0, at-b.gap-min(max(2*b.horizon, 24), 200))
		}
		n := min(next.Len(), mostRecorded)
		to = max(to, at+n)
		w := backtest.Window{From: at - from, Forecast: backtest.Numbers(next.Y[:n])}
		if v := around[i]; v != nil {
			scale := intervalScale(b.folds[i].Train[b.trains[i][k]].Y, s.Freq.Season())
			for _, level := range recordedLevels {
				half := make(backtest.Numbers, n)
				for h := range half {
					half[h] = v.size(level) * v.Widths[b.gap+h] * scale
				}
				w.Half = append(w.Half, half)
			}
		}
		out.Windows = append(out.Windows, w)
	}
	if out.Windows == nil {
		return out
	}
	out.Actual = backtest.Numbers(s.Y[from:to])
	for i := from; i < to; i++ {
		out.Times = append(out.Times, seconds(s, i))
	}
	return out
}
