// Package statistical has the classical forecasters: exponential smoothing ([ETS]), the Theta
// method ([Theta]), [ARIMA], complex exponential smoothing ([CES]), [MSTL] for series with
// several seasons, and [Croston] for intermittent demand. Each is fitted to one series at a
// time, in milliseconds.
//
// They are families of package tune: their New returns a [Forecaster]. There is
// little to search, because the methods choose their form themselves:
//
//	f, err := statistical.ETS{}.New(nil)
//	err = f.Fit(ctx, frame, forecast.FitOptions{})
//	next, err := f.Predict(ctx, frame, 12)
//
// Past and known columns are not used. Each series, identified by its ID, has its own
// parameters. A series that was not in the training data is fitted when it is forecast.
//
// A missing value within a series is interpolated between its neighbours. One at the end is
// replaced by the value a season before, or by the previous value if there is no season.
// Missing values at the beginning are cut off.
package statistical
