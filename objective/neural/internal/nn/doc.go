// Package nn builds networks of a few large layers. gorgonia holds the graph and
// differentiates it; this package's own walker runs it on a device.
//
// Each layer is one operation of the graph, and its backward pass another. Layers read and
// write vectors that are allocated when they are first used, with room for the largest
// batch. So building a network takes little more memory than its weights, and only the
// first step allocates. gorgonia's tape machine runs the same graph with the same bits. The
// walker avoids its allocations, and its goroutine, in which a panic could not be
// recovered.
//
// Activations are time-major: feature f of row b at step t has the index
// (t·rows+b)·features+f, where rows is the size of the batch.
package nn
