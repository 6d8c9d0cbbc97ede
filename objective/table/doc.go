// Package table makes studies of plain tables. It searches for the hyperparameters with
// which a tree ensemble, a linear model or a small network predicts a column best in
// cross-validation, and keeps the model. The column may hold numbers (regression),
// classes (classification), grades by which the rows of each group are ranked, or labels that
// judge anomaly scores.
//
//	data, err := table.CSV{Target: "price", Ignore: []string{"id"}}.ReadFile("houses.csv")
//	task := &table.Task{Table: data, Style: style.XGBoost, Metric: table.MAE, Folder: "houses.models"}
//	st, err := study.Open(ctx, sqlite.File("houses.db"), "xgboost", task.Config(tpe.New(tpe.Config{}), pruner.Median{}))
//	err = task.Optimize(ctx, st, study.Run{Trials: 50})
//	best, err := task.Best(ctx, st)
//	prices, err := best.PredictFile("new.csv")
//
// A trial trains in all folds in parallel. After each round (every tenth for an isolation
// forest) it reports the score of the predictions of all folds together, so a pruner
// compares whole learning curves. The number of boosting rounds is not searched: it is the
// round with the best score on the curve. The trial's model is then fitted to all rows with
// that number of rounds.
//
// # Caveats
//
// The score of the best of many trials is slightly too optimistic, because that trial was
// selected by it. To measure how good a model is, keep rows out of the study: [Table.Take]
// splits a table, and [Metric.Score] judges the predictions.
//
// Rows that belong together, such as those of one patient, must not be on both sides
// of a split: name the column that identifies them in [CSV.Group]. Rows in time order must
// not be shuffled: set [Splits.Ordered].
package table
