// Package nn builds networks of a few large layers: gorgonia holds the graph and
// differentiates it, a walker of our own runs it on a device.
//
// Each layer is one operation of the graph, its backward pass another. What a layer
// reads and writes lies in vectors that are made once, when they are first used, with
// room for the largest batch: building a network takes little more than its weights, and
// a step after the first allocates nothing. gorgonia's tape machine runs the same
// graph to the same bits; the walker does it without its goroutine, in which a panic
// could not be recovered, and without its allocations.
//
// Activations lie time-major: number f of row b at step t stands at
// (t·rows+b)·features+f, with as many rows as the batch has.
package nn
