// Package forecast makes an objective of a time series: data in, features and
// windows, models of any kind, and scores of forecasts that never saw the future.
//
// A [Frame] is one or several [Series] on a regular grid, read by [CSV]. A
// [Forecaster] continues them; it knows nothing of tuning. The [Baseline] ones come
// with the package, and [Tabular] makes one of any [Regressor], a tree ensemble or
// a neural network. A [Backtest] scores forecasters on the same folds, with the
// baselines always beside:
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
// What keeps the future out: a fold's training frame ends at its origin, and the
// values behind it cannot be reached through it; transforms are fitted to that
// frame, less what is held out for early stopping; features look back from the
// origin only, except at the calendar and at columns that are declared known in
// advance. The one way around it is a [Fill] that interpolates.
//
// Missing values are NaN throughout.
package forecast
