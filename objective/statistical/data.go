package statistical

import (
	"fmt"
	"maps"
	"slices"

	"github.com/attune-hpo/attune/objective/forecast"
)

// Fitted is the model of one series as data, for programs that run it in another language. Do not
// change it.
type Fitted struct {
	ID string // of the series
	// Model is a *Smoothing, *ThetaLine, *Integrated, *ComplexLevel, *Decomposed or Demand.
	Model any
}

// Fitted returns the models, in the order of their IDs. It fails with [forecast.ErrNotFitted].
func (f *Forecaster) Fitted() ([]Fitted, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.models == nil {
		return nil, pkg.Errorf("%s: %w", f.method.Name(), forecast.ErrNotFitted)
	}
	var out []Fitted
	for _, id := range slices.Sorted(maps.Keys(f.models)) {
		out = append(out, Fitted{id, f.models[id].fitted})
	}
	return out, nil
}

// Seasons returns the seasons that f uses for series of a frequency: at least one, and the
// shortest first. A season of 1 means none.
func (f *Forecaster) Seasons(of forecast.Frequency) []int {
	return slices.Clone(f.method.seasonsOf(of))
}

// Continues returns nil if Predict continues s with the model that Fit found for it, from the
// beginning that it had in training. Otherwise Predict fits the series or its beginning again, and
// the error says why. It fails with [forecast.ErrNotFitted].
func (f *Forecaster) Continues(s forecast.Series) error {
	f.mu.RLock()
	models := f.models
	f.mu.RUnlock()
	if models == nil {
		return pkg.Errorf("%s: %w", f.method.Name(), forecast.ErrNotFitted)
	}
	seasons := f.method.seasonsOf(s.Freq)
	y, lead, err := gapless(s.Y, seasons[0])
	l, known := models[s.ID]
	switch {
	case err != nil:
	case !known:
		err = fmt.Errorf("series %q was not in the training data", s.ID)
	case !l.start.Equal(s.Time(lead)):
		err = fmt.Errorf("the series begins at another time than in the training data")
	case !finite(l.forecast(y, seasons, true, 1)):
		err = fmt.Errorf("its model cannot be applied to these values")
	}
	if err != nil {
		return pkg.Errorf("%s: %w", f.method.Name(), of(s.ID, err))
	}
	return nil
}

// Filter is the Kalman filter of an [Integrated] before the first value, in the form of a vector
// that follows the covariance (Morf, Sidhu and Kailath 1974). Its vectors have one number for each
// element of the state, and the state is 0. With the value w[t], and the variance v in units of the
// variance of the errors:
//
//	e = w[t] - state[0],  first = state[0],  size = -1/v at first
//	state = shifted(state) + e/v·gain + first·Phi
//	c = change[0],  u = v + size·c²,  change = shifted(change) + c·Phi
//	gain += size·c·change,  change -= c/u·gain,  size *= u/v,  v = u
//
// where shifted drops the first element and appends 0.
type Filter struct {
	Phi      []float64 // autoregressive coefficients
	Gain     []float64
	Change   []float64
	Variance float64
}

// Filter returns the filter of the differenced series, and false if it is not stationary.
func (f *Integrated) Filter() (Filter, bool) {
	var a arma
	a.set(f.AR, f.MA, f.SAR, f.SMA, f.Season)
	variance, ok := a.begin()
	if !ok {
		return Filter{}, false
	}
	r := len(a.gain)
	return Filter{append(slices.Clone(a.phi), make([]float64, r-len(a.phi))...), a.gain, a.shift[:r], variance}, true
}

// Differences returns how often the series is differenced: by the season first, and then by steps.
func (f *Integrated) Differences() (seasonal, steps int) { return f.orders.sd, f.orders.d }

// Remainder returns the model of what the seasons leave, which has no season.
func (s *Decomposed) Remainder() *Smoothing { return s.rest }
