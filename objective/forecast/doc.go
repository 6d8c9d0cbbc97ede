// Package forecast turns a time series into an objective. It reads data, makes features
// and windows, fits models of any kind, and scores forecasts that never saw the future.
//
// A [Frame] is one or several [Series] on a regular grid; [CSV] reads one. A
// [Forecaster] continues the series, and is independent of tuning. The [Baseline]
// forecasters need no training. [Tabular] turns any [Regressor], such as a tree ensemble
// or a neural network, into a Forecaster. A [Backtest] scores forecasters on the same
// folds and compares them with the baselines:
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
// To tune a forecaster, return result.Scores[0] from a study's objective. Report after each
// round of training from [FitOptions.OnIteration], or after each fold from
// [RunOptions.OnFold]: returning the report's prune error ends the fit.
//
// Three rules keep the future out. The training frame of a fold ends at its origin, and
// later values are not reachable through it. Transforms are fitted to that frame, without
// the steps held out for early stopping. Features look back from the origin; only calendar
// features and columns that are declared known in advance look ahead. The only exception to
// these rules is a [Fill] that interpolates.
//
// Missing values are NaN throughout.
package forecast
