// Package forecast turns a time series into an objective: it reads data, makes features
// and windows, fits models of any kind, and scores forecasts that never saw the future.
//
// A [Frame] is one or several [Series] on a regular grid; [CSV] reads one. A
// [Forecaster] continues the series, and knows nothing of tuning. The [Baseline]
// forecasters need no training. [Tabular] turns any [Regressor], such as a tree ensemble
// or a neural network, into a Forecaster. A [Backtest] scores forecasters on the same
// folds, always beside the baselines:
//
//	frame, err := forecast.CSV{Time: "month", Target: "passengers"}.ReadFile("air.csv")
//	back, err := forecast.NewBacktest(frame, forecast.Splits{Horizon: 12, Windows: 3})
//	model := &forecast.Tabular{
//		Recipe: forecast.Recipe{Transform: forecast.Chain{forecast.Log{}, forecast.Diff{Lag: 12}}},
//		New:    func() forecast.Regressor { return &forecast.Ridge{Lambda: 1} },
//	}
//	result, err := back.Run(ctx, "ridge", model, forecast.RunOptions{})
//	table, err := back.Compare(ctx, result)
//	fmt.Print(table)
//
// To tune one, return result.Scores[0] from a study's objective, and report the
// rounds of training from [FitOptions.OnIteration] or the folds from
// [RunOptions.OnFold]: the error that says to prune ends the fit.
//
// Three rules keep the future out. A fold's training frame ends at its origin, and the
// values after it cannot be reached through it. Transforms are fitted to that frame,
// without the steps held out for early stopping. Features look back from the origin,
// except at the calendar and at columns that are declared known in advance. The one way
// around these rules is a [Fill] that interpolates.
//
// Missing values are NaN throughout.
package forecast
