// Package table makes studies of plain tables: it searches the hyperparameters of tree
// ensembles for what predicts a column best in a cross-validation, and keeps the model.
// The column may hold numbers (regression), classes (classification) or the labels by
// which anomaly scores are judged.
//
//	data, err := table.CSV{Target: "price", Ignore: []string{"id"}}.ReadFile("houses.csv")
//	task := &table.Task{Table: data, Style: style.XGBoost, Metric: table.MAE, Folder: "houses.models"}
//	st, err := study.Open(ctx, sqlite.File("houses.db"), "xgboost", task.Config(tpe.New(tpe.Config{}), pruner.Median{}))
//	err = task.Optimize(ctx, st, study.Run{Trials: 50})
//	best, err := task.Best(ctx, st)
//	prices, err := best.PredictFile("new.csv")
//
// A trial trains in all folds side by side and reports, after each round (of an
// isolation forest each tenth), the score of the predictions of all folds together, so
// that a pruner compares whole learning curves. The number of rounds of boosting is not
// searched: it is where the curve is best. The trial's model is then fitted to all rows
// with that number.
//
// # Caveats
//
// The score of the best of many trials is a little too good, since the trials were
// chosen by it. To know how good a model is, keep rows from the study: [Table.Take]
// parts a table, and [Metric.Score] judges the predictions.
//
// Rows that belong together, such as those of one patient, must not be on both sides
// of a fold: name the column that tells them apart in [CSV.Group]. Rows that follow one
// another in time must not be shuffled: set [Splits.Ordered].
package table
