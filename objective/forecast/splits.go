package forecast

import (
	"math"
	"time"
)

// Splits define a rolling-origin backtest (Tashman, IJF 16, 2000): windows at the end of
// the data, in time order, each forecast from the values before it.
//
//	Splits{Horizon: 2, Windows: 3, Step: 1, Gap: 1}, last 7 steps:
//
//	train train train  gap  TEST TEST  .    .
//	train train train train  gap TEST TEST  .
//	train train train train train gap TEST TEST
type Splits struct {
	// Horizon is the number of steps forecast and scored in each fold, at least 1.
	Horizon int
	// Windows is the number of folds. Default 1.
	Windows int
	// Step is the number of steps between origins. Default Horizon, so that no value is
	// scored twice.
	Step int
	// Gap is the number of steps after the origin that are neither known nor scored.
	// Default 0.
	Gap int
	// Train is the number of training steps before the origin, which makes a sliding
	// window. Default all steps, an expanding window.
	Train int
	// Each splits each series before its own end. Default: before the end of the series that ends
	// last. Then no fold sees values of any series after its origin, and series that ended
	// earlier are not scored.
	Each bool
	// Least is the minimum number of steps that the longest series must have before the
	// first origin. Default 2.
	Least int
}

// A Fold is one window of a backtest. Its frames share the memory of the original frame.
type Fold struct {
	Origin time.Time // time of the last known value; with Each, of the series that ends last
	// Train holds the series that have begun by the origin, up to the origin, without young
	// ones: those with less than two fifths of their values before the origin, if others have
	// more. How a model forecasts them says little about how it will once they are complete.
	// Columns known in advance extend to the end of the test.
	Train Frame
	// Test holds the values to forecast, from Gap steps after the origin. It omits series
	// that have ended, and young ones.
	Test Frame
	Gap  int
}

// Folds splits a frame. The origins are times, the same for all series unless Each is set: no fold
// sees values of any series after its origin. Folds fails with [ErrShort] and [ErrConfig].
func (s Splits) Folds(f Frame) ([]Fold, error) {
	s, err := s.normalize()
	if err != nil {
		return nil, err
	}
	if err := f.Validate(); err != nil {
		return nil, err
	}
	var folds []Fold
	for w := range s.Windows {
		back := s.Gap + s.Horizon + (s.Windows-1-w)*s.Step
		fold := Fold{Origin: f.before(back), Gap: s.Gap}
		known := func(series Series) int {
			if s.Each {
				return max(0, series.Len()-back)
			}
			return series.knownAt(fold.Origin)
		}
		longest, oldest := 0, 0.0
		for _, series := range f {
			k := known(series)
			longest, oldest = max(longest, k), max(oldest, series.share(k))
		}
		for _, series := range f {
			k := known(series)
			if k == 0 || series.share(k) < min(grown, oldest) {
				continue
			}
			from := 0
			if s.Train > 0 {
				from = max(0, k-s.Train)
			}
			// A series that ended before the origin still serves for training.
			fold.Train = append(fold.Train, series.part(from, k, s.Gap+s.Horizon).padded(s.Gap+s.Horizon))
			if test := k + s.Gap; test < series.Len() {
				fold.Test = append(fold.Test, series.part(test, min(test+s.Horizon, series.Len()), 0))
			}
		}
		if longest < s.Least {
			return nil, pkg.Errorf("split: %w: the longest series has %d before the origin of fold %d and needs %d: %d windows of %d steps, %d apart with a gap of %d, need %d rows in all",
				ErrShort, longest, w, s.Least, s.Windows, s.Horizon, s.Step, s.Gap, s.Least+s.Gap+s.Horizon+(s.Windows-1)*s.Step)
		}
		folds = append(folds, fold)
	}
	return folds, nil
}

// grown is the share of its values from which a series is no longer young.
const grown = 0.4

// share returns the share of the values of s that are among the first k. Missing values at the
// beginning do not count.
func (s Series) share(k int) float64 {
	first := 0
	for first < s.Len() && math.IsNaN(s.Y[first]) {
		first++
	}
	return float64(max(0, k-first)) / float64(max(1, s.Len()-first))
}

func (s Splits) normalize() (Splits, error) {
	if s.Horizon < 1 || s.Windows < 0 || s.Step < 0 || s.Gap < 0 || s.Train < 0 || s.Least < 0 {
		return s, pkg.Errorf("splits %+v: %w: the horizon must be at least 1, and nothing may be negative", s, ErrConfig)
	}
	s.Windows = max(1, s.Windows)
	if s.Step == 0 {
		s.Step = s.Horizon
	}
	if s.Least == 0 {
		s.Least = 2
	}
	return s, nil
}
