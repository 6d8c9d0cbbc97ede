// Package neural forecasts series with networks: LSTM, TCN and Transformer, and
// NLinear, the linear baseline that they have to beat.
//
// Each is described by a struct whose zero value is a start:
//
//	model := neural.New(neural.LSTM{
//		Training: neural.Training{Window: 24, Transform: forecast.Log{}, Shortcut: true, Epochs: 60, LearningRate: 5e-3},
//		Hidden:   32,
//	})
//	result, err := back.Run(ctx, "lstm", model, forecast.RunOptions{})
//
// On the airline passengers that has a MAPE of 5.6, a seasonal naive forecast 8.1 (three
// windows of a year); tuned (package tune) it goes further.
//
// The struct is a family to tune, too: Space is what to search, New takes settings by
// the names there. What is shipped as default stands in the folder spaces, as YAML; the
// field Search changes it, Quick takes the smaller ones.
//
// # Training
//
// A network sees windows of the target and of all columns, and makes all steps of the
// forecast at once; Training.Calendar adds columns of the time, for networks have none
// otherwise. Targets are transformed, and standardized by what the training part
// alone says; steps held out by FitOptions.Holdout are validated on, for early stopping.
// Each epoch is an Iteration, with losses and a forecast, so that a trial can be
// pruned within a fit. A training that meets a NaN fails with [ErrDiverged].
//
// The same data, settings and seed give the same losses, bit for bit, on one kind of
// processor, whatever runs beside: a fit is one goroutine. Initial weights, order and
// dropout follow from the seed and the number of the step, so that a fit that goes on
// from a checkpoint is the same, too.
//
// # GPU
//
// Training.Device has a network train on an NVIDIA GPU, where there is one: found at run
// time, with nothing to build or to link. Parameters, activations and what the optimizer
// keeps stay there for the whole training; a batch goes in, a loss comes out. All of that
// has been run on an emulated driver only, which executes the kernels on the CPU, and
// never yet on a GPU: neither its results nor its speed are known there. make gpu finds
// out, where there is one.
//
// # Graph
//
// gorgonia holds the graph of a network and differentiates it. Its operations are ours,
// a layer each, and so is what runs them: see internal/nn. Sums are in single precision
// (objective/neural/internal/f32).
//
// # Files
//
// What Save writes, and a checkpoint, is a line of JSON and the weights in binary, with
// a checksum: doc/format/network.md. [Forecaster.Tensors] has the weights by name and
// shape.
package neural
