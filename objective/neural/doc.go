// Package neural forecasts series with networks: LSTM, TCN and Transformer, and
// NLinear, the linear baseline that they have to beat.
//
// A struct describes each; its zero value is a network to start with:
//
//	model := neural.New(neural.LSTM{
//		Training: neural.Training{Window: 24, Transform: forecast.Log{}, Shortcut: true, Epochs: 60, LearningRate: 5e-3},
//		Hidden:   32,
//	})
//	result, err := back.Run(ctx, "lstm", model, forecast.RunOptions{})
//
// On the airline passengers this network has a MAPE of 5.6, a seasonal naive forecast one
// of 8.1 (three windows of a year). Tuning it (package tune) lowers the error further.
//
// The struct is also a family to tune: Space is the space to search, and New takes
// settings by the names in it. The default spaces are in the folder spaces, as YAML. The
// field Search replaces the default, and Quick takes the smaller spaces.
//
// # Training
//
// A network sees windows of the target and of all columns, and makes all steps of the
// forecast at once. Training.Calendar adds columns of the time; networks have none
// otherwise. Targets are transformed, and standardized by the training part alone. Steps
// held out by FitOptions.Holdout are validated on, for early stopping. Each epoch is an
// Iteration, with losses and a forecast, so that a trial can be pruned within a fit. A
// training that meets a NaN fails with [ErrDiverged].
//
// The same data, settings and seed give the same losses, bit for bit, on one kind of
// processor, whatever else runs: a fit is one goroutine. Initial weights, order and
// dropout follow from the seed and the number of the step, so that a fit that goes on
// from a checkpoint is the same, too.
//
// # GPU
//
// Training.Device trains a network on an NVIDIA GPU. The driver is found at run time;
// there is nothing to build or to link. Parameters, activations and the optimizer's state
// stay on the GPU for the whole training: a batch goes in, a loss comes out. This has
// been run on an emulated driver only, which executes the kernels on the CPU, and not yet
// on a GPU: its results and its speed there are unknown. On a machine with a GPU, make
// gpu measures both.
//
// # Graph
//
// gorgonia holds the graph of a network and differentiates it. Its operations are ours,
// a layer each, and so is what runs them: see internal/nn. Sums are in single precision
// (objective/neural/internal/f32).
//
// # Files
//
// A saved network and a checkpoint are a line of JSON and the weights in binary, with a
// checksum: see doc/format/network.md. [Forecaster.Tensors] returns the weights by name
// and shape.
package neural
