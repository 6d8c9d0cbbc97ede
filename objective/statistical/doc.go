// Package statistical has the classical forecasters: exponential smoothing ([ETS]) and the
// Theta method ([Theta]). Each is fitted to one series at a time, in milliseconds.
//
// ETS and Theta are families of package tune: their New returns a [Forecaster], and there
// is little to search, since the methods choose their form themselves:
//
//	f, err := statistical.ETS{}.New(nil)
//	err = f.Fit(ctx, frame, forecast.FitOptions{})
//	next, err := f.Predict(ctx, frame, 12)
//
// Past and known columns are not used. Each series has parameters of its own, by its ID. A
// series that was not in the training data is fitted when it is forecast.
//
// A missing value within a series is interpolated between its neighbours. One at the end is
// taken from a season before, or from the value before where there is no season. Missing
// values at the beginning are cut off.
package statistical
