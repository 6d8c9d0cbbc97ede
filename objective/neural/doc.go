// Package neural forecasts series with neural networks: LSTM, TCN and Transformer. It also
// has NLinear, the linear baseline that they have to beat.
//
// A struct describes each of them. Its zero value is a reasonable first network:
//
//	model := neural.New(neural.LSTM{
//		Training: neural.Training{Window: 24, Transform: forecast.Log{}, Shortcut: true, Epochs: 60, LearningRate: 5e-3},
//		Hidden:   32,
//	})
//	result, err := back.Run(ctx, "lstm", model, forecast.RunOptions{})
//
// On the airline passengers, over three windows of a year, this network has a MAPE of 5.6;
// a seasonal naive forecast has 8.1. Tuning it (package tune) lowers the error further.
//
// The struct is also a family to tune: Space returns the space to search, and New accepts
// settings by the names in it. The default spaces are YAML files in the folder spaces.
// The field Search changes parameters of the default space, and Quick selects the smaller
// spaces.
//
// # Training
//
// A network sees windows of the target and of all columns, and outputs all steps of the
// forecast at once. It sees the time only through the columns that Training.Calendar
// adds. Targets are transformed, and standardized with statistics of the training part
// alone. The steps held out by FitOptions.Holdout are the validation data for early
// stopping. Each epoch is an Iteration with losses and a forecast, so a trial can be pruned
// within a fit. A training that meets a NaN fails with [ErrDiverged].
//
// A fit runs on one goroutine. With the same data, settings and seed, it gives the same
// losses, bit for bit, on the same kind of processor and under any load. Initial weights,
// order and dropout depend only on the seed and the number of the step, so a fit that
// resumes from a checkpoint gives the same result, too.
//
// # GPU
//
// Training.Device trains a network on an NVIDIA GPU. The driver is found at run time;
// nothing has to be built or linked. Parameters, activations and the optimizer's state
// stay on the GPU for the whole training: only batches go in and losses come out. So far
// this has only run on an emulated driver, which executes the kernels on the CPU. Its
// results and its speed on a real GPU are unknown. On a machine with a GPU, make gpu
// measures both.
//
// # Graph
//
// gorgonia holds the graph of a network and differentiates it. The operations are this
// package's, one per layer, and so is the code that runs them: see internal/nn. Sums are
// in single precision (objective/neural/internal/f32).
//
// # Files
//
// A saved network or checkpoint is a line of JSON followed by the weights in binary, with
// a checksum: see doc/format/network.md. [Forecaster.Tensors] returns the weights with
// their names and shapes.
package neural
