// Package native trains tree ensembles in pure Go: gradient boosting on histograms,
// random forests and isolation forests. [Fit] trains a [tree.Model] on an [engine.Dataset].
//
// # How it works
//
// Features are divided into at most 255 intervals, and trees see only the interval's
// number. The best split of a leaf is found from a histogram: the sum of the loss's
// derivatives for each feature and interval (Chen and Guestrin, XGBoost, 2016, eq.
// 6 and 7; Ke et al., LightGBM, 2017, Algorithm 1). In histograms, derivatives are
// integers on a scale so fine that their mean keeps at least 28 bits on 100,000 rows,
// packed with the row count into one 64-bit addition. Sums of integers do not depend on
// their order. So models are the same, bit for bit, for any number of threads, and the
// histogram of the larger of two leaves can be computed by subtraction.
//
// A threshold lies between two values of the data. It is a float32 number wherever the
// interval contains one, so a model in float32 loses nothing on float32 data.
//
// # Cost
//
// Training takes about 2 bytes per value of the data, 40 bytes per row and output, and
// up to 512 MiB of histograms for very wide or deep trees. Losses with second
// derivatives (Poisson, Tweedie, Logistic, Softmax), and weights, take about 1.5 times as
// long as the others. 200 trees of 31 leaves on 100,000 rows of 20 features take about
// 0.6 of the CPU time of LightGBM 4.7 on one thread, with the same error:
// see BenchmarkAgainstLightGBM.
//
// # Limits
//
// Growing trees in the order of LightGBM, XGBoost and CatBoost ([engine.LeafWise],
// [engine.LevelWise], [engine.Oblivious]) does not reproduce the models of those
// libraries. The package does not implement CatBoost's ordered boosting and category
// statistics, DART or linear leaves.
package native
