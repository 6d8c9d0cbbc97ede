// Package network has fitted networks as data: for programs that write them down
// elsewhere, and want nothing of what trains and runs them here.
//
// Package neural says what the layers compute, and makes a [Network] of a forecaster.
package network

import (
	"slices"

	"github.com/attune-hpo/attune/fault"
	"github.com/attune-hpo/attune/objective/forecast"
)

const pkg fault.Package = "network"

// A Network is a fitted forecaster that makes all steps at once.
//
// It sees [window, features]: the target as Plan.Transform leaves it, less its last
// value unless KeepLevel is set, and the columns, past ones before those known in
// advance, each as (v-Shift)/Scale. Of the steps to forecast it sees the columns known
// in advance. To what it makes, the last value is added, and the transform undone.
type Network struct {
	// Plan says how series are read. Transform ends with the standardization of the
	// target, and the lags of Features are how far the network looks back: Window.
	Plan         forecast.Plan
	Window       int
	KeepLevel    bool
	Shift, Scale []float64 // of columns, past ones first
	Body         Body
	Shortcut     bool // there is a shortcut.weight, window×horizon: linear in the target
	// Weights are single precision, by the names that Forecaster.Tensors of package
	// neural tells. They must not be changed.
	Weights map[string]Tensor
}

// A Tensor is part of the weights: Data row by row.
type Tensor struct {
	Shape []int
	Data  []float32
}

// Weight returns a tensor of a shape. It fails if there is none.
func (n *Network) Weight(name string, shape ...int) (Tensor, error) {
	t, ok := n.Weights[name]
	size := 1
	for _, d := range shape {
		size *= d
	}
	if !ok || !slices.Equal(t.Shape, shape) || len(t.Data) != size {
		return t, pkg.Errorf("weights %q: %d numbers of shape %v, want shape %v", name, len(t.Data), t.Shape, shape)
	}
	return t, nil
}

// A Body says which layers there are: an [LSTM], a [TCN], a [Transformer] or a
// [Linear].
type Body interface{ body() }

// An LSTM is layers lstm.0, lstm.1 and so on, and a linear head on their last state.
// Gates are in the order i, f, g, o.
type LSTM struct {
	Hidden, Layers int
	Bidirectional  bool
}

// A TCN is residual blocks tcn.0, tcn.1 and so on, of dilations 1, 2, 4 …, and a linear
// head on the last step.
type TCN struct {
	Channels  []int // of each block
	Kernel    int
	LayerNorm bool // else weights are normed
}

// A Transformer is blocks encoder.0, encoder.1 and so on. With DecoderLayers there is a
// decoder, whose tokens are the steps of the forecast, else a linear head on the last
// token.
type Transformer struct {
	Width, Heads, FeedForward    int
	EncoderLayers, DecoderLayers int
	Causal                       bool // of the encoder; the decoder always is
}

// A Linear is a function of all that a network sees: the window step by step, and then
// the columns known in advance, step by step. It has no Weights.
type Linear forecast.Linear

func (LSTM) body()        {}
func (TCN) body()         {}
func (Transformer) body() {}
func (Linear) body()      {}

// LayerNormEpsilon is what layer norms add to the variance.
const LayerNormEpsilon = 1e-5
