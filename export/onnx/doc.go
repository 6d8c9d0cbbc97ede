// Package onnx writes models as ONNX files, which ONNX Runtime and other runtimes run from
// any language. It needs no Python, no C and no protobuf library. The bytes of a file
// depend only on the model.
//
//	m, err := onnx.Trees(ensemble, onnx.TreesOptions{})         // rows of features to predictions
//	m, err := onnx.Forecaster(model, onnx.ForecasterOptions{})  // the last values of a series to the next
//	err = m.WriteFile("model.onnx")
//
// A [Model] is plain data. [Decode] reads one from any ONNX file, and [Model.Check] finds faults in one, including
// faults that ONNX Runtime accepts. A [Builder] makes other graphs.
//
// # Forms
//
// The form [Exact], the default, computes in float64 and gives the results of the Go predictor. The form [Compatible]
// is for older runtimes: every row reaches the same leaves, and their sum is rounded to float32. The form [Single]
// takes rows of float32. [Form.Stamp] returns the versions that each requires.
//
// # What the graph of trees looks like
//
//	rows ┬────────── Concat ─ Where ─ Where ─ TreeEnsemble ─ Div ─ Sigmoid ─ predictions
//	     └─ Gather ─┘         zeros   whole    all trees     mean  the link
//
// A graph has only the nodes that the model needs: for most, TreeEnsemble alone.
//
//   - XGBoost and CatBoost round rows to float32 (Model.Float32 of package tree). The graph does not: its thresholds
//     are the float64 numbers at which that rounding changes sides.
//   - Splits use a feature as a number, as a number whose zeros are missing (tree.MissingZero) or as a category,
//     rounded to a whole number. A feature that is used in several ways gets a column for each, by Gather and Concat.
//     Where turns zeros into NaN in some columns, and rounds numbers in others.
//   - TreeEnsemble of ai.onnx.ml 5 (otherwise TreeEnsembleRegressor of 3) sums the leaves.
//     Base values are a first tree with one leaf, so that sums begin with them. A set of
//     categories is a BRANCH_MEMBER node, whose categories are numbered from 1 (in version
//     3: a chain of BRANCH_EQ nodes that share a child, and categories are numbered from
//     0). NaN goes to the default side or, where it counts as 0, to the side of 0.
//   - With linear leaves, TreeEnsemble returns the number of the leaf of each tree. The graph looks up constants and
//     coefficients by this number, and multiplies and adds them one by one. CumSum adds up the trees: unlike
//     ReduceSum, it adds in order.
//
// # What the graph of a forecaster looks like
//
//	window ─ transform ─ lags, statistics ┐
//	past ─ lags ──────────────────────────┤
//	series ───────────────────────────────┼─ rows ─ models ─ transform undone ─ forecast
//	known ─ lags ─────────────────────────┤
//	calendar ─────────────────────────────┘
//
// A direct forecaster has a model, with its rows, for each step. A pooled one has a row for each step, and a joint
// one has one row. A recursive one has a copy of the model for each step, whose rows contain the forecasts of the
// steps before it.
//
// A network becomes one graph of its layers:
//
//	window ─ transform ─ standardized ─ less its last value ┐
//	past ─ standardized ────────────────────────────────────┼─ float32 ─ network ─ float64 ─ all undone ─ forecast
//	known ─ standardized ───────────────────────────────────┘
//
// The layers become these operators:
//
//   - An LSTM is one LSTM node a layer; the head takes the last states.
//   - A TCN is Conv with pads before the window only. Weight norms are multiplied out, and taps outside the window
//     are left out.
//   - A Transformer is MatMul, Softmax and LayerNormalization; queries, keys and values are
//     one MatMul. Without a decoder, the last block computes the last token alone.
//   - For a row with a missing value the network gets zeros, and NaN is added to its forecast. So no other row of the
//     batch is affected, and no runtime can turn the NaN into a number.
//
// Package quantize makes networks smaller.
//
// # What the graph of a statistical model looks like
//
//	window ─ gaps filled ─ [season removed] ─ Scan: states ─ steps ahead ─ [season] ─ forecast
//
// A statistical model is the recursion that Go runs, from the first value of the series on. The parameters and the first
// states are constants, and the states after the last value give the forecast. So new values of the series are new
// input, and nothing is fitted again. With several series, the input series picks the constants; each form of a model
// that occurs runs on all rows. The local regressions of MSTL depend on the number of values, so the graph computes
// their weights.
//
// The members of an ensemble share its inputs. Those that look back a few values take the end of the window.
//
// # Limits
//
// The following are refused with an error: graphs within nodes other than Scan, functions, tensors in other files,
// tensors of strings, sparse tensors, and files above 2 GiB.
package onnx
