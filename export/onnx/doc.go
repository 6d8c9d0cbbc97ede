// Package onnx writes models as ONNX files, which ONNX Runtime and other runtimes run
// from any language. It needs no Python, no C and no protobuf library, and the bytes of a
// file depend on the model alone.
//
//	m, err := onnx.Trees(ensemble, onnx.TreesOptions{})         // rows of features to predictions
//	m, err := onnx.Forecaster(model, onnx.ForecasterOptions{})  // the last values of a series to the next
//	err = m.WriteFile("model.onnx")
//
// A [Model] is plain data. [Decode] makes one of any file, and [Model.Check] finds what is
// wrong with one, also what ONNX Runtime lets through. A [Builder] makes other graphs.
//
// # Forms
//
// The form [Exact], the default, computes in float64 and gives the results of the Go
// predictor. The form [Compatible] is for older runtimes: every row ends in the same leaves,
// and their sum is rounded to float32. The form [Single] takes rows of float32.
// [Form.Stamp] says what each needs.
//
// # What the graph of trees looks like
//
//	rows ┬────────── Concat ─ Where ─ Where ─ TreeEnsemble ─ Div ─ Sigmoid ─ predictions
//	     └─ Gather ─┘         zeros   whole    all trees     mean  the link
//
// A graph has only the nodes that the model needs: for most, TreeEnsemble alone.
//
//   - Rows are not rounded to float32, as XGBoost and CatBoost do (Model.Float32 of package
//     tree): thresholds are the float64 numbers at which that rounding changes sides.
//   - Splits see a feature as a number, as a number whose zeros are missing
//     (tree.MissingZero) or as a category, rounded to a whole number. A feature
//     that is seen in several ways gets a column more for each, by Gather and Concat;
//     Where makes zeros NaN in some columns, and numbers whole in others.
//   - TreeEnsemble of ai.onnx.ml 5 (otherwise TreeEnsembleRegressor of 3) sums the
//     leaves. Base values are a first tree of one leaf, so that sums begin with them.
//     A set of categories is a BRANCH_MEMBER node (a chain of BRANCH_EQ nodes that
//     share a child), and its categories are numbered from 1 (from 0). NaN goes to the default side; where it stands for 0, to that of 0.
//   - With linear leaves, TreeEnsemble gives the number of the leaf of each tree.
//     Constants and coefficients are looked up by it, and multiplied and added one by
//     one. CumSum adds up the trees: unlike ReduceSum, it does so in order.
//
// # What the graph of a forecaster looks like
//
//	window ─ transform ─ lags, statistics ┐
//	past ─ lags ──────────────────────────┤
//	series ───────────────────────────────┼─ rows ─ models ─ transform undone ─ forecast
//	known ─ lags ─────────────────────────┤
//	calendar ─────────────────────────────┘
//
// A direct forecaster has a model, and its rows, for each step; a pooled one has a row
// for each step; a joint one has one row; a recursive one has a copy of the model for
// each step, whose rows see what those before it forecast.
//
// Of a network there is one graph, of the layers themselves:
//
//	window ─ transform ─ standardized ─ less its last value ┐
//	past ─ standardized ────────────────────────────────────┼─ float32 ─ network ─ float64 ─ all undone ─ forecast
//	known ─ standardized ───────────────────────────────────┘
//
// What the layers become:
//
//   - An LSTM is one LSTM node a layer; the head takes the last states.
//   - A TCN is Conv with pads before the window only; weight norms are multiplied out, and
//     taps that see nothing of the window left out.
//   - A Transformer is MatMul, Softmax and LayerNormalization; queries, keys and values are
//     one MatMul. Without a decoder, the last block computes the last token alone.
//   - A row with a missing value is zeros to the network, and NaN is added to its forecast:
//     no other row of the batch is touched, and no runtime makes a number of NaN.
//
// Package quantize makes networks smaller.
//
// # Limits
//
// Not supported, with an error that says so: graphs within nodes (If, Loop, Scan),
// functions, tensors in other files, of strings or sparse ones, files above 2 GiB.
package onnx
